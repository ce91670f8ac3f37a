//! What is there: an account with its password, its grants, its sessions and the JWTs
//! that are out; a client with its secret and the tokens that it got for itself.

use std::collections::BTreeMap;

use quell_core::{
    signal::CredentialKind,
    target::{Enumeration, Found, TargetKind},
    time::Timestamp,
};
use quell_engine::port::PlaneError;

use super::{
    Oidc,
    admin::{Account, Application, Format, Grant, Session, Token, TokenKind},
    manifest::{ENUMERATION_MAX, not_looked_at},
    native::{self, Who},
    wire::Failure,
};
use crate::names;

impl Oidc {
    pub(super) async fn enumerate_identity(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        let who = native::who(identity).map_err(|why| self.not_permitted(why))?;
        match self.everything_of(&who).await.map_err(|f| f.for_plane(&self.config.name))? {
            Some(enumeration) => Ok(enumeration),
            None => Err(self.not_permitted("has no account and no client of that name; `client:ID` names a client")),
        }
    }

    async fn everything_of(&self, who: &Who) -> Result<Option<Enumeration>, Failure> {
        let (mut found, mut gaps, mut truncated) = (Vec::new(), not_looked_at(), false);
        match who {
            Who::Account(id) => {
                let Some(account) = self.account(id).await? else { return Ok(None) };
                let (grants, sessions) = tokio::try_join!(self.grants(id), self.sessions(id))?;
                truncated |= grants.truncated || sessions.truncated;
                found.extend(of_account(&account));
                found.extend(grants.all.iter().filter_map(|grant| named(&mut gaps, &grant.id, || of_grant(grant))));
                found.extend(sessions.all.iter().filter_map(|session| named(&mut gaps, &session.uid, || of_session(session))));
            }
            Who::Client(id) => {
                let Some(application) = self.application(id).await? else { return Ok(None) };
                found.extend(of_application(&application));
            }
        }
        let tokens = self.tokens(who).await?;
        truncated |= tokens.truncated;
        let now = self.about().await?.now;
        for token in &tokens.all {
            let grant = token.grant.as_deref().filter(|id| found.iter().any(|f| is_grant(f, who, id)));
            found.extend(match (token.format, token.kind, who) {
                (Format::Jwt, ..) if token.expires_at.saturating_add(self.config.leeway_seconds) >= now.as_second() => {
                    named(&mut gaps, &token.id, || of_jwt(token, who, grant))
                }
                // What hangs on a grant ends with it; what hangs on nothing stands alone.
                (Format::Opaque, TokenKind::AccessToken, Who::Client(_)) => named(&mut gaps, &token.id, || of_token(token, who)),
                (Format::Opaque, TokenKind::AccessToken | TokenKind::RefreshToken, Who::Account(_))
                    if grant.is_none() && !token.consumed =>
                {
                    named(&mut gaps, &token.id, || of_token(token, who))
                }
                _ => None,
            });
        }
        Ok(Some(self.enumeration(found, gaps, truncated)))
    }

    pub(super) async fn enumerate_all(&self) -> Result<Enumeration, Failure> {
        let (accounts, applications) = tokio::try_join!(self.accounts(), self.applications())?;
        let mut gaps = not_looked_at();
        gaps.push("sessions, grants and tokens: they are listed for one identity at a time".to_owned());
        let mut found = Vec::new();
        for account in &accounts.all {
            // One that is called as a client is would be taken for it.
            match native::who(&account.id) {
                Ok(Who::Account(_)) => found.extend(of_account(account)),
                _ => gaps.push("an account whose id cannot be told from a client's, or is no name".to_owned()),
            }
        }
        for application in &applications.all {
            match native::name(&application.id) {
                Some(_) => found.extend(of_application(application)),
                None => gaps.push("a client whose id is no name".to_owned()),
            }
        }
        gaps.dedup();
        Ok(self.enumeration(found, gaps, accounts.truncated || applications.truncated))
    }

    fn enumeration(&self, mut found: Vec<Found>, not_looked_at: Vec<String>, truncated: bool) -> Enumeration {
        let truncated = truncated || found.len() > ENUMERATION_MAX as usize;
        found.truncate(ENUMERATION_MAX as usize);
        Enumeration { at: Some(self.clock.now()), found, not_looked_at, truncated, elsewhere: Vec::new() }
    }
}

/// What the provider named with an id that can be one; else it is said to be left out.
fn named<T>(gaps: &mut Vec<String>, id: &str, make: impl FnOnce() -> T) -> Option<T> {
    if native::id(id).is_some() {
        return Some(make());
    }
    let gap = "something whose id is none that the provider draws".to_owned();
    if !gaps.contains(&gap) {
        gaps.push(gap);
    }
    None
}

fn is_grant(found: &Found, who: &Who, id: &str) -> bool {
    matches!(who, Who::Account(account) if found.native == native::grant(account, id))
}

fn one(kind: TargetKind, native: String, who: &Who, credential: Option<CredentialKind>, facts: &[(&str, String)]) -> Found {
    Found {
        minted_from: None,
        kind,
        native,
        identity: who.native(),
        credential_kind: credential,
        opened_with: None,
        started_at: None,
        expires_at: None,
        facts: facts.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect::<BTreeMap<_, _>>(),
    }
}

fn moment(unix: Option<i64>) -> Option<Timestamp> {
    unix.and_then(|s| Timestamp::from_second(s).ok())
}

fn of_account(account: &Account) -> Vec<Found> {
    let who = Who::Account(account.id.clone());
    let facts = [("suspended", account.disabled.to_string()), ("required_acr", account.required_acr.clone().unwrap_or_default())];
    let password = names::password(&who.native());
    vec![
        one(TargetKind::Identity, who.native(), &who, None, &facts),
        one(TargetKind::Credential, password, &who, Some(CredentialKind::Password), &[("version", account.password_version.to_string())]),
    ]
}

fn of_application(application: &Application) -> Vec<Found> {
    let who = Who::Client(application.id.clone());
    let facts = [("suspended", application.disabled.to_string()), ("grant_types", application.grant_types.join(" "))];
    let mut found = vec![one(TargetKind::Identity, who.native(), &who, None, &facts)];
    if !application.public {
        let facts = [("version", application.secret_version.to_string())];
        found.push(one(TargetKind::Credential, names::password(&who.native()), &who, Some(CredentialKind::Password), &facts));
    }
    found
}

fn of_grant(grant: &Grant) -> Found {
    let who = Who::Account(grant.account.clone());
    let kind = if grant.refresh_tokens > 0 { CredentialKind::RefreshToken } else { CredentialKind::Token };
    let facts = [
        ("client", grant.client.clone()),
        ("refresh_tokens", grant.refresh_tokens.to_string()),
        ("access_tokens", grant.access_tokens.to_string()),
        ("codes", grant.codes.to_string()),
        ("outlives_suspension", "true".to_owned()),
    ];
    Found {
        started_at: moment(grant.issued_at),
        expires_at: moment(grant.expires_at),
        ..one(TargetKind::Credential, native::grant(&grant.account, &grant.id), &who, Some(kind), &facts)
    }
}

fn of_token(token: &Token, who: &Who) -> Found {
    let facts = [("client", token.client.clone()), ("outlives_suspension", "true".to_owned())];
    Found {
        started_at: moment(token.issued_at),
        expires_at: moment(Some(token.expires_at)),
        ..one(TargetKind::Credential, native::token(who, &token.id), who, Some(CredentialKind::Token), &facts)
    }
}

fn of_jwt(token: &Token, who: &Who, grant: Option<&str>) -> Found {
    // Nobody can take it back, so it is proved with its identity: by its end.
    let facts = [("client", token.client.clone()), ("revocable", "false".to_owned())];
    Found {
        minted_from: match (grant, who) {
            (Some(grant), Who::Account(account)) => Some(native::grant(account, grant)),
            _ => None,
        },
        started_at: moment(token.issued_at),
        expires_at: moment(Some(token.expires_at)),
        ..one(TargetKind::Credential, native::jwt(who, token.expires_at, &token.id), who, Some(CredentialKind::Token), &facts)
    }
}

fn of_session(session: &Session) -> Found {
    let who = Who::Account(session.account.clone());
    let facts = [
        ("acr", session.acr.clone().unwrap_or_default()),
        ("asks_again", session.asks_again.to_string()),
        ("clients", session.clients.join(" ")),
    ];
    Found {
        started_at: moment(session.logged_in_at),
        expires_at: moment(session.expires_at),
        ..one(TargetKind::Session, native::session(&session.uid, &session.account), &who, None, &facts)
    }
}
