//! Whose is a leaked value? An opaque token is looked up by the hash of its value, so the
//! value is sent nowhere. A JWT is checked by the provider's keys here: its claims alone
//! are no possession. Passwords and secrets are compared by the provider, which is no
//! login and counts as none. Bounded in number and time; a search that was cut short is
//! not called "no match".

use std::time::Duration;

use quell_core::{
    secret::{Secret, sha256},
    signal::CredentialKind,
};
use quell_engine::port::{Identified, PlaneError};
use tokio::time::timeout;

use super::{
    Oidc,
    admin::{Format, Token, TokenKind},
    jwt::{self, Checked, Claims},
    native::{self, Who},
    wire::Failure,
};
use crate::names;

/// Most accounts and clients one value is compared with.
pub(super) const COMPARED_MAX: usize = 400;
/// Longest time one value is compared for.
const WITHIN: Duration = Duration::from_secs(5);
/// The longest value that could be a token or a password.
const VALUE_BYTES_MAX: usize = 8_192;

impl Oidc {
    pub(super) async fn identify_secret(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        let value = secret.expose();
        if value.is_empty() || value.len() > VALUE_BYTES_MAX || value.chars().any(char::is_control) {
            return Ok(Identified::NoMatch { compared: 0 });
        }
        match timeout(WITHIN, self.compare(secret)).await {
            Ok(answer) => answer.map_err(|f| f.for_plane(&self.config.name)),
            Err(_) => Ok(Identified::NotCompared { why: format!("the value was compared for {} s, and more is there", WITHIN.as_secs()) }),
        }
    }

    async fn compare(&self, secret: &Secret) -> Result<Identified, Failure> {
        let value = secret.expose();
        if value.split('.').count() == 3 {
            let keys = self.wire.keys().await?.read()?;
            match jwt::check(value, &keys, &self.config.issuer()) {
                Checked::NoJwt => {}
                Checked::NotSigned => return Ok(Identified::NoMatch { compared: 1 }),
                Checked::Other => {
                    let why = "the provider signed it, and it is no access token: it tells who somebody is and opens nothing here";
                    return Ok(Identified::NotCompared { why: why.to_owned() });
                }
                Checked::Access(claims) => return self.of_claims(&claims).await,
            }
        }
        if let Some(token) = self.token(&sha256(value.as_bytes())).await? {
            return Ok(of_token(&token));
        }
        let (accounts, applications) = tokio::try_join!(self.accounts(), self.applications())?;
        let everybody: Vec<Who> = accounts
            .all
            .iter()
            .filter_map(|a| native::who(&a.id).ok())
            .filter(|who| matches!(who, Who::Account(_)))
            .chain(applications.all.iter().filter(|a| !a.public).map(|a| Who::Client(a.id.clone())))
            .collect();
        if everybody.len() > COMPARED_MAX || accounts.truncated || applications.truncated {
            let why = format!("it is no token, and more than {COMPARED_MAX} accounts and clients are there; name the identity by hand");
            return Ok(Identified::NotCompared { why });
        }
        for who in &everybody {
            if self.verify(who, secret).await? {
                let identity = who.native();
                return Ok(Identified::Match { credential: names::password(&identity), kind: CredentialKind::Password, identity });
            }
        }
        Ok(Identified::NoMatch { compared: u32::try_from(everybody.len() + 1).unwrap_or(u32::MAX) })
    }

    /// Whose a signed access token is. Where the provider wrote it down, by what it wrote.
    async fn of_claims(&self, claims: &Claims) -> Result<Identified, Failure> {
        let Some(jti) = claims.jti.as_deref().and_then(native::id) else {
            let why = "the provider signed it, and it has no id by which it could be told from others";
            return Ok(Identified::NotCompared { why: why.to_owned() });
        };
        let who = match self.token(jti).await?.filter(|t| t.format == Format::Jwt) {
            Some(known) => known.who(),
            // RFC 9068 section 2.2: where no person is involved, `sub` is the client.
            None => match (&claims.sub, &claims.client_id) {
                (Some(sub), Some(client)) if sub == client => Who::Client(client.clone()),
                (Some(sub), _) => Who::Account(sub.clone()),
                (None, _) => return Ok(Identified::NotCompared { why: "the provider signed it, and it is of nobody".to_owned() }),
            },
        };
        let credential = native::jwt(&who, claims.exp, jti);
        Ok(Identified::Match { credential, kind: CredentialKind::Token, identity: who.native() })
    }
}

/// A refresh token stands for its whole family: whoever has it has had the next one, too.
fn of_token(token: &Token) -> Identified {
    let who = token.who();
    let identity = who.native();
    match (&who, &token.grant, token.kind) {
        (Who::Account(account), Some(grant), TokenKind::RefreshToken | TokenKind::Code) if native::id(grant).is_some() => {
            Identified::Match { credential: native::grant(account, grant), kind: CredentialKind::RefreshToken, identity }
        }
        _ => Identified::Match { credential: native::token(&who, &token.id), kind: CredentialKind::Token, identity },
    }
}
