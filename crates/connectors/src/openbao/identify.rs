//! Whose is a leaked value? The token store and every AppRole are asked about it by
//! Quell's own token: no login is made, and no use of a limited secret-id is
//! counted. Bounded in number and time; a search that was cut short is not called
//! "no match".

use std::time::Duration;

use quell_core::{
    secret::{Secret, sha256},
    signal::CredentialKind,
};
use quell_engine::port::{Identified, PlaneError};
use tokio::time::timeout;

use super::{
    OpenBao,
    answer::Failure,
    native::{self, Who},
    seen::TokenSeen,
};

/// Most AppRoles one value is compared with.
pub(super) const ROLES_MAX: usize = 200;
/// Longest time one value is compared for.
const WITHIN: Duration = Duration::from_secs(5);
/// The longest value that could be a token or a secret-id.
const VALUE_BYTES_MAX: usize = 8_192;

impl OpenBao {
    pub(super) async fn identify_secret(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        let value = secret.expose();
        // Nothing that is no header or no text of JSON is sent anywhere.
        if value.is_empty() || value.len() > VALUE_BYTES_MAX || value.contains('\0') {
            return Ok(Identified::NoMatch { compared: 0 });
        }
        match timeout(WITHIN, self.compare(secret)).await {
            Ok(answer) => answer.map_err(|f| f.plane_error(&self.config.name)),
            Err(_) => Ok(Identified::NotCompared {
                why: format!("the value was compared for {} s, and more AppRoles are there", WITHIN.as_secs()),
            }),
        }
    }

    async fn compare(&self, secret: &Secret) -> Result<Identified, Failure> {
        if let Some(seen) = self.token_of(secret).await? {
            self.remember_roots(std::slice::from_ref(&seen));
            return Ok(token_match(&seen, secret, self.health().await?.clock.as_second()));
        }
        let mut compared: u32 = 1;
        let mounts = self.auth_mounts().await?;
        let mut roles = Vec::new();
        for (mount, _) in mounts.iter().filter(|(_, m)| m.kind == "approle") {
            roles.extend(self.roles(mount).await?.into_iter().map(|role| (mount.clone(), role)));
        }
        if roles.len() > ROLES_MAX {
            return Ok(Identified::NotCompared { why: format!("more than {ROLES_MAX} AppRoles are there; name the identity by hand") });
        }
        for (mount, role) in &roles {
            if let Some(seen) = self.secret_id_of(mount, role, secret).await? {
                let who = Who::AppRole { mount: mount.clone(), role: role.to_lowercase() };
                return Ok(Identified::Match {
                    credential: native::secret_id(&who, &seen.secret_id_accessor),
                    kind: CredentialKind::SecretId,
                    identity: who.native(),
                });
            }
            compared += 1;
        }
        for (mount, _) in mounts.iter().filter(|(_, m)| m.kind == "userpass") {
            if !self.users(mount).await?.is_empty() {
                return Ok(Identified::NotCompared {
                    why: format!(
                        "it is no token and no secret-id of {} AppRoles; passwords of users cannot be compared without a login",
                        roles.len()
                    ),
                });
            }
        }
        Ok(Identified::NoMatch { compared })
    }
}

fn token_match(seen: &TokenSeen, value: &Secret, now_s: i64) -> Identified {
    let who = match seen.who() {
        Some(who) => who,
        None if !seen.entity_id.is_empty() => Who::Entity { id: seen.entity_id.clone() },
        None => Who::Token { accessor: seen.accessor.clone() },
    };
    if seen.kind != "batch" && !seen.accessor.is_empty() {
        return Identified::Match { credential: native::token(&seen.accessor), kind: CredentialKind::Token, identity: who.native() };
    }
    // A batch token has no accessor. It is long and random, so a hash of it tells it
    // apart and gives nothing away.
    let hash = sha256(value.expose().as_bytes());
    let until = seen.expire_time.map_or(now_s.saturating_add(seen.ttl), |t| t.as_second());
    let hash = &hash[..32];
    let identity = match who {
        Who::Token { .. } => Who::Token { accessor: format!("batch-{hash}") },
        known => known,
    };
    Identified::Match { credential: native::batch(until, &seen.entity_id, hash), kind: CredentialKind::Token, identity: identity.native() }
}
