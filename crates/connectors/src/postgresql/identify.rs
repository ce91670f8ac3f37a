//! Whose is a leaked value? It is compared with the verifiers of the roles in
//! scope, on this side, without one login: no counter of the plane moves.
//!
//! Each comparison costs one PBKDF2, so both the number of roles and the time
//! are bounded, and a search that was cut short is not called "no match".

use std::time::Duration;

use quell_core::{secret::Secret, signal::CredentialKind};
use quell_engine::port::{Identified, PlaneError};
use tokio::time::timeout;

use super::{PostgreSql, native, verifier};

/// Most roles one value is compared with.
pub(super) const CANDIDATES_MAX: u32 = 200;
/// Longest time one value is compared for.
const WITHIN: Duration = Duration::from_secs(5);

const VERIFIERS: &str = "SELECT name, verifier FROM quell.verifiers($1)";

impl PostgreSql {
    pub(super) async fn identify_secret(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        let most = i32::try_from(CANDIDATES_MAX).unwrap_or(i32::MAX).saturating_add(1);
        let rows = self.wire.ask(VERIFIERS, &[&most]).await.map_err(|f| f.plane_error(&self.config.name))?;
        if rows.len() > CANDIDATES_MAX as usize {
            return Ok(Identified::NotCompared {
                why: format!("more than {CANDIDATES_MAX} roles are in scope; name the identity by hand"),
            });
        }
        if secret.expose().is_empty() {
            return Ok(Identified::NoMatch { compared: 0 });
        }
        let stored: Vec<(String, Secret)> =
            rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, Secret::new(row.try_get::<_, Option<String>>(1).ok()??)))).collect();

        let (mut compared, mut unknown_form) = (0, 0);
        let all = async {
            for (role, stored) in stored {
                let (of, secret) = (role.clone(), secret.clone());
                // Off the threads that keep deadlines: one takes about a millisecond.
                let answer = tokio::task::spawn_blocking(move || verifier::matches(&stored, &of, &secret)).await.ok().flatten();
                match answer {
                    Some(true) => return Some(role),
                    Some(false) => compared += 1,
                    None => unknown_form += 1,
                }
            }
            None
        };
        let searched = timeout(WITHIN, all).await;
        Ok(match searched {
            Ok(Some(role)) => Identified::Match { credential: native::password(&role), kind: CredentialKind::Password, identity: role },
            Ok(None) if unknown_form > 0 => {
                Identified::NotCompared { why: format!("{unknown_form} roles have a verifier of a form that is not known") }
            }
            Ok(None) => Identified::NoMatch { compared },
            Err(_) => {
                Identified::NotCompared { why: format!("{compared} roles were compared in {} s, and more are in scope", WITHIN.as_secs()) }
            }
        })
    }
}
