//! Whose is a leaked value? It is compared with the stored passwords of the entries
//! in scope, on this side, without one bind: no counter of the plane moves.
//!
//! Salted schemes cost one hash for each entry, Argon2 tens of milliseconds, so both
//! the number of entries and the time are bounded, and a search that was cut short
//! is not called "no match".

use std::time::Duration;

use ldap3::Scope;
use quell_core::{secret::Secret, signal::CredentialKind};
use quell_engine::port::{Identified, PlaneError};
use tokio::time::timeout;

use super::{OpenLdap, act::compare, native, wire::Question};

/// Most entries one value is compared with.
pub(super) const CANDIDATES_MAX: u32 = 200;
/// Longest time one value is compared for.
const WITHIN: Duration = Duration::from_secs(5);

impl OpenLdap {
    pub(super) async fn identify_secret(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        let most = i32::try_from(CANDIDATES_MAX).unwrap_or(i32::MAX).saturating_add(1);
        let base = self.config.base.as_str();
        let attributes = ["userPassword"];
        let question =
            Question { base, scope: Scope::Subtree, filter: "(userPassword=*)", attributes: &attributes, most, usability: false };
        let found = self.wire.ask(&question).await.map_err(|f| f.plane_error(&self.config.name))?;
        if found.truncated || found.entries.len() > CANDIDATES_MAX as usize {
            let why = format!("more than {CANDIDATES_MAX} entries are in scope; name the identity by hand");
            return Ok(Identified::NotCompared { why });
        }
        if secret.expose().is_empty() {
            return Ok(Identified::NoMatch { compared: 0 });
        }
        let (mut compared, mut unknown_form, mut unreadable) = (0, 0, 0);
        let all = async {
            for entry in &found.entries {
                unreadable += u32::from(entry.values("userPassword").is_empty());
                for stored in entry.values("userPassword") {
                    match compare(stored.clone(), secret).await {
                        Some(true) => return Some(entry.dn.clone()),
                        Some(false) => compared += 1,
                        None => unknown_form += 1,
                    }
                }
            }
            None
        };
        let searched = timeout(WITHIN, all).await;
        let not_compared = |why: String| Identified::NotCompared { why };
        Ok(match searched {
            Ok(Some(dn)) => Identified::Match { credential: native::password(&dn), kind: CredentialKind::Password, identity: dn },
            Ok(None) if unknown_form > 0 => not_compared(format!(
                "{unknown_form} stored passwords are of a scheme that is not known here, or dearer than a comparison may be"
            )),
            Ok(None) if unreadable > 0 => {
                not_compared(format!("Quell may search for the passwords of {unreadable} entries and not read them"))
            }
            Ok(None) => Identified::NoMatch { compared },
            Err(_) => not_compared(format!("{compared} passwords were compared in {} s, and more are in scope", WITHIN.as_secs())),
        })
    }
}
