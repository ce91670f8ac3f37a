//! How the provider and Quell's way into it are: reachable, enough privilege and no more,
//! control alive. Changes nothing.

use quell_core::proof::{Channel, ProbeClass};
use quell_engine::port::Check;

use super::{Oidc, control::Query, manifest::needed, wire::Failure};

impl Oidc {
    pub(super) async fn examine(&self) -> Check {
        let mut check = Check::unasked(needed(&self.config));
        if self.wire.channel() == Channel::Unauthenticated {
            check
                .warnings
                .push("clear HTTP does not prove who answers, so no probe over it proves anything; use `https` with `ca_file`".to_owned());
        }
        let metadata = match self.wire.metadata().await {
            Ok(metadata) => metadata,
            Err(failure) => {
                check.why_not = Some(failure.for_plane(&self.config.name).to_string());
                return check;
            }
        };
        let held_admin = match self.about().await {
            Ok(about) => {
                tracing::debug!(plane = self.config.name, server = about.server, "the provider says what it is");
                true
            }
            Err(Failure::Refused { why }) => {
                check.warnings.push(why);
                false
            }
            Err(failure) => {
                check.why_not = Some(failure.for_plane(&self.config.name).to_string());
                return check;
            }
        };
        check.reachable = true;
        let mut controls = Vec::new();
        for query in [Query::Introspection, Query::Who, Query::Sessions, Query::Grant] {
            controls.push(self.control(query, ProbeClass::Read).await);
        }
        let login = self.control_login().await;
        let [introspection, account, sessions, grant] = controls.as_slice() else { return check };

        // In the order of `needed`.
        let held = [held_admin, introspection.alive, login.alive, account.alive && sessions.alive && grant.alive];
        check.privileges.missing =
            check.privileges.needed.iter().zip(held).filter(|(_, held)| !held).map(|(privilege, _)| privilege.clone()).collect();
        check.control_alive = held.iter().all(|h| *h);
        for control in controls.iter().chain([&login]).filter(|c| !c.alive) {
            check.warnings.push(format!("the control is not alive: {}; nothing can be proved until it is", control.what));
        }
        if held_admin && let Ok(Some(own)) = self.application(&self.config.client).await {
            let more: Vec<String> = own.grant_types.iter().filter(|g| *g != "client_credentials").cloned().collect();
            if !more.is_empty() {
                check.privileges.excess.push(format!("the client `{}` may also use {}", self.config.client, more.join(", ")));
            }
        }
        if metadata.global_token_revocation.is_none() {
            check.warnings.push("it offers no Global Token Revocation: sessions end over its admin plane".to_owned());
        }
        check
    }
}
