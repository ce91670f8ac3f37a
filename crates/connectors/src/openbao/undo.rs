//! Giving access back, and telling what became of an attempt.
//!
//! Enabling an entity revives every token of it. So reinstate first ends them all
//! and destroys every old secret-id while nobody can log in, but for those that people
//! took out of the containment; then the new secret is
//! stored; only then may anybody in. Batch tokens cannot be ended: while one may
//! live, reinstating is refused. A crash between any two leaves the identity
//! suspended, or open with the new secret alone.

use quell_core::{action::Action, secret::Secret};
use quell_engine::port::{Attempt, Outcome};
use serde_json::json;

use super::{
    OpenBao,
    native::{self, Native, Who},
    seen::SecretIdNow,
    wire::{Call, Verb},
};
use crate::attempt::{self, Changed, Stop, change, new_secret, refused, unknown};

impl OpenBao {
    pub(super) async fn reinstate(&self, who: &Who, attempt: &Attempt) -> Result<Changed, Stop> {
        self.guard(who).await?;
        let secret = new_secret(attempt)?;
        // A second try after it is open must not throw its consumer out.
        if self.is_reinstated(who, secret, attempt).await? {
            return Ok(Changed::new());
        }
        match who {
            Who::AppRole { .. } | Who::User { .. } => {}
            _ => return Err(refused("an entity has no secret of its own; reinstate the AppRole or user that logs in as it")),
        }
        if let Some(entity) = self.entity_behind(who).await? {
            self.guard_entity(&entity.id).await?;
            if !entity.disabled {
                self.set_disabled(&entity.id, true).await?;
            }
        }
        let subject = self.subject(who).await?;
        let issuing = self.issuing(&subject).await?;
        if issuing.by_login {
            let hours = (issuing.longest_s + 3_599) / 3_600;
            return Err(refused(format!(
                "its login hands out batch tokens, which nobody can end and which live again with its entity; wait until the last one ends (at most {hours} h), or delete the entity by hand first"
            )));
        }
        self.end_all(who).await?;
        let mut changed = match who {
            Who::AppRole { mount, role } => {
                let new = self.keep_secret_id(mount, role, secret, &attempt.marker).await?;
                let kept = [kept_secret_ids(attempt), vec![new]].concat();
                let mut changed = self.destroy_secret_ids(mount, role, &kept).await?;
                changed.insert("secret-id".to_owned(), (None, Some("a new one".to_owned())));
                changed
            }
            Who::User { mount, user } => self.set_password(mount, user, attempt).await?,
            _ => Changed::new(),
        };
        if let Some(entity) = self.entity_behind(who).await? {
            self.set_disabled(&entity.id, false).await?;
            changed.insert("disabled".to_owned(), (Some("true".to_owned()), Some("false".to_owned())));
        }
        Ok(changed)
    }

    /// Stores `secret` as a secret-id of the role; answers its accessor.
    async fn keep_secret_id(&self, mount: &str, role: &str, secret: &Secret, marker: &str) -> Result<String, Stop> {
        if let Some(seen) = self.secret_id_of(mount, role, secret).await? {
            return Ok(seen.secret_id_accessor);
        }
        let metadata = json!({ "quell": marker }).to_string();
        let call = Call::new(Verb::Update, "auth/+/role/+/custom-secret-id", &[mount, role]);
        let body = json!({ "secret_id": secret.expose(), "metadata": metadata });
        self.wire.call(call, Some(body)).await?.accepted()?;
        match self.secret_id_of(mount, role, secret).await? {
            Some(seen) => Ok(seen.secret_id_accessor),
            None => Err(unknown("the new secret-id was taken and is not there")),
        }
    }

    /// Enables or disables the entity as it was.
    pub(super) async fn restore(&self, who: &Who, attempt: &Attempt) -> Result<Changed, Stop> {
        self.guard(who).await?;
        let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded; use `reinstate`"))?;
        let was = before.facts.get("disabled").and_then(Option::as_deref) == Some("true");
        let entity = self.entity_behind(who).await?.ok_or_else(|| refused("no entity stands behind it any more"))?;
        self.guard_entity(&entity.id).await?;
        if entity.disabled == was {
            return Ok(Changed::new());
        }
        self.set_disabled(&entity.id, was).await?;
        Ok(change("disabled", Some(entity.disabled.to_string()), Some(was.to_string())))
    }

    /// Reads what became of an attempt; changes nothing.
    pub(super) async fn outcome_of(&self, attempt: &Attempt) -> Outcome {
        attempt::read_back(self.became(attempt).await, &self.config.name)
    }

    async fn became(&self, attempt: &Attempt) -> Result<bool, Stop> {
        let native = native::of(&attempt.target).map_err(refused)?;
        let secret = attempt.new_secret.as_ref();
        Ok(match (attempt.action, &native) {
            (Action::SuspendIdentity, Native::Who(who)) => self.entity_behind(who).await?.is_some_and(|e| e.disabled),
            (Action::TerminateSessions, Native::Who(who)) => {
                let subject = self.subject(who).await?;
                let trail = self.trail().await?;
                self.tokens_of(&subject, trail.as_deref()).await?.held.is_empty()
            }
            (Action::TerminateSessions | Action::RevokeCredential, Native::Token { accessor }) => self.token(accessor).await?.is_none(),
            (Action::RevokeCredential, Native::SecretId { mount, role, accessor }) => {
                !matches!(self.secret_id(mount, role, accessor).await?, SecretIdNow::There(_))
            }
            (Action::RevokeCredential, Native::SecretIds { mount, role }) => self.live_secret_ids(mount, role).await?.is_empty(),
            (Action::RevokeCredential, Native::Lease { id }) => self.lease(id).await?.is_none(),
            (Action::RevokeCredential, Native::Leases { prefix }) => self.leases(prefix).await?.is_empty(),
            (Action::RevokeCredential, Native::Version { path, version }) => {
                self.kv_seen(path).await?.and_then(|k| k.versions.get(&version.to_string()).cloned()).is_some_and(|v| v.destroyed)
            }
            (Action::RevokeCredential, Native::Cert { mount, serial }) => {
                self.cert_revoked_at(mount, serial).await?.is_some_and(|at| at > 0)
            }
            // What is stored is not shown: doing it again is the way to be sure.
            (Action::RotateCredential, Native::Password { .. }) => false,
            (Action::ChangePolicy, Native::Grant { policy, path }) => {
                self.policy(policy).await?.is_some_and(|p| super::policy::tighten(&p.policy, path) == p.policy)
            }
            (Action::Reinstate, Native::Who(who)) => match secret {
                Some(secret) => self.is_reinstated(who, secret, attempt).await?,
                None => false,
            },
            (Action::Restore, Native::Who(who)) => {
                let was = attempt.before.as_ref().and_then(|b| b.facts.get("disabled")).cloned().flatten();
                let now = self.entity_behind(who).await?.map(|e| e.disabled.to_string());
                was.is_some() && was == now
            }
            (Action::Restore, Native::Grant { policy, .. }) => {
                let was = attempt.before.as_ref().and_then(|b| b.facts.get(super::policy::TEXT)).cloned().flatten();
                was.is_some() && self.policy(policy).await?.map(|p| p.policy) == was
            }
            (action, _) => return Err(refused(format!("`{}` is not something OpenBao does", action.name()))),
        })
    }

    /// It is open, and the new secret is the only one beside what people keep.
    async fn is_reinstated(&self, who: &Who, secret: &Secret, attempt: &Attempt) -> Result<bool, Stop> {
        let Who::AppRole { mount, role } = who else { return Ok(false) };
        if self.entity_behind(who).await?.is_some_and(|e| e.disabled) {
            return Ok(false);
        }
        let Some(new) = self.secret_id_of(mount, role, secret).await? else { return Ok(false) };
        let kept = kept_secret_ids(attempt);
        Ok(self.secret_ids(mount, role).await?.iter().all(|a| *a == new.secret_id_accessor || kept.contains(a)))
    }
}

/// By accessor.
fn kept_secret_ids(attempt: &Attempt) -> Vec<String> {
    let natives = attempt.kept.iter().filter_map(|target| native::of(target).ok());
    natives.filter_map(|native| if let Native::SecretId { accessor, .. } = native { Some(accessor) } else { None }).collect()
}
