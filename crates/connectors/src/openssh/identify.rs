//! Whose is a leaked value? A key is recognised by the fingerprint of its public half,
//! which an OpenSSH private key holds in clear; nothing is signed and nobody logs in.

use quell_core::{secret::Secret, signal::CredentialKind};
use quell_engine::port::{Identified, PlaneError};

use super::{
    OpenSsh,
    keys::{self, Leaked},
    native,
};

impl OpenSsh {
    pub(super) async fn identify_secret(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        let leaked = keys::leaked(secret.expose());
        let look = self.look(None).await.map_err(|f| f.for_plane(&self.config.name))?;
        let (print, certificate) = match leaked {
            Leaked::Nothing => return Ok(Identified::NoMatch { compared: 0 }),
            Leaked::OtherForm(why) => return Ok(Identified::NotCompared { why: why.to_owned() }),
            Leaked::Key(print) => (print, None),
            Leaked::Certificate { serial, print, authority } => (print, Some((serial, authority))),
        };
        let mut compared = 0_u32;
        for account in &look.scope {
            // A line that names an authority lets in what it signed: its key is the dearest of all.
            let lines = look.keys(account).into_iter().chain(look.keys_aside(account)).collect::<Vec<_>>();
            compared = compared.saturating_add(u32::try_from(lines.len()).unwrap_or(u32::MAX));
            if certificate.is_none() && lines.iter().any(|line| line.print == print) {
                let credential = native::key(account, &print);
                return Ok(Identified::Match { credential, kind: CredentialKind::SshKey, identity: account.clone() });
            }
        }
        for account in &look.scope {
            let known = look.certificates(account);
            compared = compared.saturating_add(u32::try_from(known.len()).unwrap_or(u32::MAX));
            let is = |one: &native::Certificate| {
                one.print == print
                    && certificate.as_ref().is_none_or(|(serial, authority)| one.serial == *serial && one.authority == *authority)
            };
            if let Some((one, ..)) = known.iter().find(|(one, ..)| is(one)) {
                let credential = native::certificate(one);
                return Ok(Identified::Match { credential, kind: CredentialKind::Certificate, identity: account.clone() });
            }
        }
        Ok(Identified::NoMatch { compared })
    }
}
