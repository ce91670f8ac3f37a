//! The cleared attempts. Each sets a state, so a second try changes nothing; what the
//! provider answers to a write is never taken for its effect: it is read again.
//!
//! A request that is under way while a session ends may write the session back, so
//! sessions end until two listings apart in time hold none.

use quell_core::{action::Action, clear::Clearance, time::SignedDuration};
use quell_engine::port::{Attempt, Outcome};
use serde_json::json;

use super::{
    Oidc,
    admin::Format,
    native::{self, Native, Who},
    read::State,
};
use crate::attempt::{self, Changed, Stop, change, change_if, new_secret, refused, unknown};

/// How many rounds until two listings apart in time hold no session.
const ROUNDS_MAX: u32 = 20;

impl Oidc {
    pub(super) async fn act_on(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        if let Err(outcome) = attempt.is_cleared(&clearance, &self.config.name) {
            return outcome;
        }
        attempt::came_to(self.enforce(attempt).await)
    }

    async fn enforce(&self, attempt: &Attempt) -> Result<Changed, Stop> {
        match (attempt.action, native::of(&attempt.target).map_err(refused)?) {
            (Action::SuspendIdentity, Native::Who(who)) => self.suspend(&who).await,
            (Action::TerminateSessions, Native::Session { account, uid }) => self.end_one(&account, &uid).await,
            (Action::TerminateSessions, Native::Who(Who::Account(account))) => self.end_all(&account).await,
            (Action::RevokeCredential, Native::Grant { account, id }) => self.revoke_grant(&account, &id).await,
            (Action::RevokeCredential, Native::Token { who, hash }) => self.revoke_token(&who, &hash).await,
            (Action::RevokeCredential, Native::Jwt { .. }) => {
                Err(refused("nobody takes a JWT back: whoever has the provider's keys believes it until its end"))
            }
            (Action::RotateCredential, Native::Password { who, .. }) => self.rotate(&who, attempt).await,
            (Action::RequireStepUp, Native::Who(Who::Account(account))) => self.require_step_up(&account).await,
            (Action::Reinstate, Native::Who(who)) => self.reinstate(&who, attempt).await,
            (Action::Restore, native) => self.restore(&native, attempt).await,
            (action, _) => {
                Err(refused(format!("`{}` is not something a provider does to this {}", action.name(), attempt.target.kind.name())))
            }
        }
    }

    /// An identity as it stands, if it is one that may be acted on.
    pub(super) async fn subject(&self, who: &Who) -> Result<State, Stop> {
        self.guard(who)?;
        self.state_of(who).await?.ok_or_else(|| refused("there is none of that name; look again"))
    }

    pub(super) fn guard(&self, who: &Who) -> Result<(), Stop> {
        match self.protection(who) {
            Some(why) => Err(refused(format!("it is protected: {why}"))),
            None => Ok(()),
        }
    }

    pub(super) async fn suspend(&self, who: &Who) -> Result<Changed, Stop> {
        if self.subject(who).await?.disabled {
            return Ok(Changed::new());
        }
        self.set_disabled(who, true).await?;
        Ok(change("disabled", Some("false".to_owned()), Some("true".to_owned())))
    }

    pub(super) async fn set_disabled(&self, who: &Who, to: bool) -> Result<(), Stop> {
        self.change(who, json!({ "disabled": to })).await?;
        if self.subject(who).await?.disabled != to {
            return Err(unknown("somebody changed it at the same moment"));
        }
        Ok(())
    }

    async fn end_one(&self, account: &str, uid: &str) -> Result<Changed, Stop> {
        self.guard(&Who::Account(account.to_owned()))?;
        let is_there = async || Ok::<_, Stop>(self.sessions(account).await?.all.iter().any(|s| s.uid == uid));
        // Of this account, and no other's by the same id.
        if !is_there().await? {
            return Ok(Changed::new());
        }
        self.end_session(uid).await?;
        if is_there().await? {
            return Err(unknown("the session was written back at the same moment: is the account suspended?"));
        }
        Ok(change("session", Some("open".to_owned()), Some("ended".to_owned())))
    }

    /// Ends every session, with Global Token Revocation where the provider offers it.
    pub(super) async fn end_all(&self, account: &str) -> Result<Changed, Stop> {
        self.guard(&Who::Account(account.to_owned()))?;
        let apart = SignedDuration::from_millis((self.config.settle_ms / 2).clamp(20, 200));
        let everything = self.wire.metadata().await?.global_token_revocation;
        let (mut ended, mut clean) = (0, 0);
        for round in 0..ROUNDS_MAX {
            let open = self.sessions(account).await?.all.len();
            clean = if open == 0 { clean + 1 } else { 0 };
            if clean == 2 {
                return Ok(change_if(ended > 0, "sessions", Some(format!("{ended} open")), Some(format!("{ended} ended"))));
            }
            if open > 0 {
                match everything.as_deref().filter(|_| round == 0) {
                    Some(endpoint) => self.revoke_everything(endpoint, account).await?,
                    None => drop(self.end_sessions(account).await?),
                }
                ended += open;
            }
            self.clock.sleep(apart).await;
        }
        Err(unknown(format!("sessions of the account keep coming: is it suspended? {ended} were ended")))
    }

    /// Global Token Revocation: draft-parecki-oauth-global-token-revocation section 3. Its
    /// 204 says that the provider will; what became of it is read.
    async fn revoke_everything(&self, endpoint: &str, account: &str) -> Result<(), Stop> {
        let subject = json!({"sub_id": {"format": "iss_sub", "iss": self.config.issuer(), "sub": account}});
        let reply = self.wire.post_document(endpoint, &subject, "global token revocation").await?;
        if reply.status == 204 || reply.status == 404 { Ok(()) } else { Err(reply.refusal().into()) }
    }

    async fn revoke_grant(&self, account: &str, id: &str) -> Result<Changed, Stop> {
        self.guard(&Who::Account(account.to_owned()))?;
        match self.grant(id).await? {
            None => return Ok(Changed::new()),
            Some(grant) if grant.account != account => return Err(refused("the grant is another account's; look again")),
            Some(_) => {}
        }
        let ended = self.end_grant(id).await?;
        if self.grant(id).await?.is_some() {
            return Err(unknown("the grant was taken and is there"));
        }
        Ok(change_if(ended, "grant", Some("stands, with its tokens".to_owned()), None))
    }

    async fn revoke_token(&self, who: &Who, hash: &str) -> Result<Changed, Stop> {
        self.guard(who)?;
        match self.token(hash).await? {
            None => return Ok(Changed::new()),
            Some(token) if token.format == Format::Jwt || token.who() != *who => {
                return Err(refused("the token is another one's; look again"));
            }
            Some(_) => {}
        }
        let ended = self.end_token(hash).await?;
        if self.token(hash).await?.is_some() {
            return Err(unknown("the token was taken and is there"));
        }
        Ok(change_if(ended, "token", Some("active".to_owned()), None))
    }

    async fn rotate(&self, who: &Who, attempt: &Attempt) -> Result<Changed, Stop> {
        let secret = new_secret(attempt)?;
        let state = self.subject(who).await?;
        let version = state.secret_version.ok_or_else(|| refused("a public client has no secret"))?;
        if self.verify(who, secret).await? {
            return Ok(Changed::new());
        }
        self.store_secret(who, attempt).await?;
        Ok(change("secret", Some(format!("version {version}")), Some("a new one".to_owned())))
    }

    /// Stores the secret that the attempt brings, and sees it stand there.
    pub(super) async fn store_secret(&self, who: &Who, attempt: &Attempt) -> Result<(), Stop> {
        let secret = new_secret(attempt)?;
        let field = if matches!(who, Who::Account(_)) { "password" } else { "secret" };
        self.change(who, json!({ field: secret.expose() })).await?;
        if self.verify(who, secret).await? { Ok(()) } else { Err(unknown("somebody stored another secret at the same moment")) }
    }

    async fn require_step_up(&self, account: &str) -> Result<Changed, Stop> {
        let wanted = self.config.step_up_acr.as_deref().ok_or_else(|| refused("no `step_up` is configured; name the `acr` to ask for"))?;
        let who = Who::Account(account.to_owned());
        let before = self.subject(&who).await?.required_acr;
        if before.as_deref() == Some(wanted) {
            return Ok(Changed::new());
        }
        self.change(&who, json!({ "required_acr": wanted })).await?;
        if self.subject(&who).await?.required_acr.as_deref() != Some(wanted) {
            return Err(unknown("somebody changed what is asked for at the same moment"));
        }
        Ok(change("required_acr", before, Some(wanted.to_owned())))
    }
}
