//! How the server and Quell's way into it are: reachable, enough privilege and no
//! more, control alive. Changes nothing.

use std::collections::BTreeMap;

use quell_core::proof::{Channel, ProbeClass};
use quell_engine::port::Check;
use serde_json::json;

use super::{
    OpenBao,
    answer::Failure,
    bootstrap::NEEDED,
    control::Query,
    wire::{Call, Verb},
};

/// What nobody who contains needs; held all the same it is an excess.
const TEMPTING: [(&str, &str); 10] = [
    ("update", "auth/token/create"),
    ("update", "auth/token/create-orphan"),
    ("update", "identity/entity"),
    ("update", "identity/entity-alias"),
    ("update", "identity/group"),
    ("update", "sys/policies/acl/quell"),
    ("update", "sys/auth/quell"),
    ("update", "sys/mounts/quell"),
    ("update", "sys/seal"),
    ("read", "sys/raw/quell"),
];

impl OpenBao {
    pub(super) async fn examine(&self) -> Check {
        let mut check = Check::unasked(NEEDED.iter().map(|(may, path)| privilege(may, path)).collect());
        if self.wire.channel() == Channel::Unauthenticated {
            check
                .warnings
                .push("clear HTTP does not prove who answers, so no probe over it proves anything; use `https` with `ca_file`".to_owned());
        }
        if let Err(failure) = self.examine_server(&mut check).await {
            check.why_not = Some(failure.plane_error(&self.config.name).to_string());
            return check;
        }
        check.reachable = true;
        let reads = [Query::Accessor, Query::SecretId, Query::Entity];
        let mut alive = self.control_login().await.alive;
        for query in reads {
            let control = self.control(query, ProbeClass::Read).await;
            if !control.alive {
                check.warnings.push(format!("the control identity is not found by the read probe: {}", control.what));
            }
            alive &= control.alive;
        }
        check.control_alive = alive;
        if !alive {
            check
                .warnings
                .push(format!("the control identity `{}` is not alive: nothing can be proved until it logs in", self.config.control.role));
        }
        self.examine_audit(&mut check).await;
        check
    }

    async fn examine_server(&self, check: &mut Check) -> Result<(), Failure> {
        let health = self.health().await?;
        if !health.active {
            check.warnings.push("this node is sealed or a standby: nothing can be proved here; name the active one".to_owned());
        }
        let own = self.wire.own().await?;
        let paths: Vec<String> = NEEDED.iter().chain(&TEMPTING).map(|(_, path)| example(path)).collect();
        let reply = self.wire.call(Call::new(Verb::Update, "sys/capabilities-self", &[]), Some(json!({ "paths": paths }))).await?;
        let held: BTreeMap<String, Vec<String>> = reply.data()?;
        let may = |path: &str, wanted: &str| held.get(&example(path)).is_some_and(|all| all.iter().any(|c| c == wanted || c == "root"));
        for (wanted, path) in NEEDED {
            let lacking: Vec<&str> = wanted.split(',').filter(|w| !may(path, w)).collect();
            if !lacking.is_empty() {
                check.privileges.missing.push(privilege(&lacking.join(","), path));
            }
        }
        check.privileges.excess =
            TEMPTING.iter().filter(|(wanted, path)| may(path, wanted)).map(|(wanted, path)| privilege(wanted, path)).collect();
        if self.token(&own.accessor).await?.is_some_and(|t| t.is_root()) {
            check.privileges.excess.push("the policy root".to_owned());
        }
        self.protected_entities().await?;
        Ok(())
    }

    async fn examine_audit(&self, check: &mut Check) {
        match self.trail().await {
            Ok(None) => check.warnings.push(
                "no audit log is configured, so orphan tokens, leases and re-use are not seen; add `[connector.audit]` with `file` and `device`".to_owned(),
            ),
            Ok(Some(_)) => {}
            Err(e) => check.warnings.push(e.to_string()),
        }
        for key in self.config.planes.keys() {
            // `database` or `database/pg-main`: the mount is one of the two.
            let mut tuned = None;
            for mount in [Some(key.as_str()), key.rsplit_once('/').map(|(mount, _)| mount)].into_iter().flatten() {
                if let Ok(tune) = self.tune(mount).await {
                    tuned = Some(tune.audit_non_hmac_response_keys.unwrap_or_default().iter().any(|k| k == "username"));
                }
            }
            match tuned {
                Some(true) => {}
                Some(false) => check.warnings.push(format!(
                    "the logins behind leases of `{key}` are hashed in the audit log; run `bao secrets tune -audit-non-hmac-response-keys=username`"
                )),
                None => check.warnings.push(format!("`[connector.planes]` names `{key}`, and no mount is there")),
            }
        }
    }
}

fn privilege(may: &str, path: &str) -> String {
    format!("{may} on {path}")
}

/// A path that the pattern covers.
fn example(pattern: &str) -> String {
    pattern.split('/').map(|part| if matches!(part, "+" | "*") { "any" } else { part }).collect::<Vec<_>>().join("/")
}
