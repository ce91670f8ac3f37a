//! Giving access back, and telling what became of an attempt.
//!
//! Opening an account revives every session and grant of it. So reinstate ends them all
//! while nobody can log in, but for those that people took out of the containment; then
//! the new secret is stored; only then is it opened. A crash between any two leaves it
//! suspended, or open with the new secret alone. JWTs of before are nobody's to end: they
//! stand until their end, whether the account is open or not.

use quell_core::{action::Action, target::Reading};
use quell_engine::port::{Attempt, Outcome};
use serde_json::json;

use super::{
    Oidc,
    admin::Format,
    native::{self, Native, Who},
    read::{DISABLED, REQUIRED_ACR, State, VERSION},
};
use crate::attempt::{self, Changed, Stop, change, new_secret, refused, unknown};

impl Oidc {
    pub(super) async fn reinstate(&self, who: &Who, attempt: &Attempt) -> Result<Changed, Stop> {
        let secret = new_secret(attempt)?;
        let state = self.subject(who).await?;
        if state.secret_version.is_none() {
            return Err(refused("a public client has no secret that could be a new one; restore it"));
        }
        // A second try after it is open must not throw its owner out.
        if !state.disabled && self.verify(who, secret).await? {
            return Ok(Changed::new());
        }
        if !state.disabled {
            self.set_disabled(who, true).await?;
        }
        let ended = self.end_everything(who, &kept(attempt)).await?;
        self.store_secret(who, attempt).await?;
        // What came in between, before the secret was another one.
        self.end_everything(who, &kept(attempt)).await?;
        self.set_disabled(who, false).await?;
        let mut changed = change("disabled", Some("true".to_owned()), Some("false".to_owned()));
        changed.insert("secret".to_owned(), (Some("the old one".to_owned()), Some("a new one".to_owned())));
        if ended > 0 {
            changed.insert("sessions, grants and tokens".to_owned(), (Some(ended.to_string()), None));
        }
        Ok(changed)
    }

    /// Ends the sessions, grants and opaque tokens of a suspended identity, but for these.
    async fn end_everything(&self, who: &Who, kept: &[Native]) -> Result<usize, Stop> {
        let mut ended = 0;
        if let Who::Account(account) = who {
            if !self.sessions(account).await?.all.is_empty() {
                ended += usize::from(self.end_sessions(account).await?);
            }
            for grant in self.grants(account).await?.all {
                if !kept.contains(&Native::Grant { account: account.clone(), id: grant.id.clone() }) {
                    ended += usize::from(self.end_grant(&grant.id).await?);
                }
            }
        }
        let is_kept_grant = |id: &str| kept.iter().any(|k| matches!(k, Native::Grant { id: kept, .. } if kept == id));
        for token in self.tokens(who).await?.all.iter().filter(|t| t.format == Format::Opaque && !t.consumed) {
            let spared = kept.contains(&Native::Token { who: who.clone(), hash: token.id.clone() });
            if !spared && !token.grant.as_deref().is_some_and(is_kept_grant) {
                ended += usize::from(self.end_token(&token.id).await?);
            }
        }
        Ok(ended)
    }

    pub(super) async fn restore(&self, native: &Native, attempt: &Attempt) -> Result<Changed, Stop> {
        let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded; use `reinstate`"))?;
        let who = match native {
            Native::Who(who) => who,
            Native::Password { .. } => return Err(refused("the provider hands no old secret out; use `reinstate`")),
            Native::Grant { .. } | Native::Token { .. } | Native::Jwt { .. } | Native::Session { .. } => {
                return Err(refused("what was ended is made anew by its owner, who logs in"));
            }
        };
        let state = self.subject(who).await?;
        if fact(before, VERSION) != state.secret_version.map(|v| v.to_string()) {
            return Err(refused("its secret was replaced since, and the provider hands no old one out; use `reinstate`"));
        }
        if state.facts() == before.facts {
            return Ok(Changed::new());
        }
        let disabled = fact(before, DISABLED).as_deref() == Some("true");
        let wanted = match who {
            Who::Account(_) => json!({ "disabled": disabled, "required_acr": fact(before, REQUIRED_ACR) }),
            Who::Client(_) => json!({ "disabled": disabled }),
        };
        self.change(who, wanted).await?;
        if self.subject(who).await?.facts() != before.facts {
            return Err(unknown("somebody changed it at the same moment"));
        }
        Ok(change("as it was", Some(in_words(&state)), Some("the before-state".to_owned())))
    }

    /// Reads what became of an attempt. Changes nothing.
    pub(super) async fn outcome_of(&self, attempt: &Attempt) -> Outcome {
        attempt::read_back(self.became(attempt).await, &self.config.name)
    }

    async fn became(&self, attempt: &Attempt) -> Result<bool, Stop> {
        let native = native::of(&attempt.target).map_err(refused)?;
        Ok(match (attempt.action, &native) {
            (Action::SuspendIdentity, Native::Who(who)) => self.subject(who).await?.disabled,
            (Action::TerminateSessions, Native::Session { account, uid }) => {
                self.sessions(account).await?.all.iter().all(|s| s.uid != *uid)
            }
            (Action::TerminateSessions, Native::Who(Who::Account(account))) => self.sessions(account).await?.all.is_empty(),
            (Action::RevokeCredential, Native::Grant { id, .. }) => self.grant(id).await?.is_none(),
            (Action::RevokeCredential, Native::Token { hash, .. }) => self.token(hash).await?.is_none(),
            (Action::RotateCredential, Native::Password { who, .. }) => self.verify(who, new_secret(attempt)?).await?,
            (Action::RequireStepUp, Native::Who(who)) => {
                let required = self.subject(who).await?.required_acr;
                required.is_some() && required == self.config.step_up_acr
            }
            (Action::Reinstate, Native::Who(who)) => {
                // Open with the new secret: it is stored before, and what is there came after.
                !self.subject(who).await?.disabled && self.verify(who, new_secret(attempt)?).await?
            }
            (Action::Restore, Native::Who(who)) => {
                let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded"))?;
                self.subject(who).await?.facts() == before.facts
            }
            (action, _) => return Err(refused(format!("`{}` is not something a provider does", action.name()))),
        })
    }
}

fn fact(before: &Reading, name: &str) -> Option<String> {
    before.facts.get(name).cloned().flatten()
}

fn in_words(state: &State) -> String {
    format!("disabled {}, asks for {}", state.disabled, state.required_acr.as_deref().unwrap_or("nothing more"))
}

/// What people took out of the containment.
fn kept(attempt: &Attempt) -> Vec<Native> {
    attempt.kept.iter().filter_map(|target| native::of(target).ok()).collect()
}
