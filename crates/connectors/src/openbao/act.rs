//! The cleared attempts. Each sets a state, so a second try changes nothing; what
//! the server answers to a write is never taken for its effect: a 204 is also the
//! answer to a token that was dead before.

use std::collections::BTreeSet;

use quell_core::{action::Action, clear::Clearance, time::SignedDuration};
use quell_engine::port::{Attempt, Outcome};
use serde_json::json;

use super::{
    OpenBao,
    native::{self, Native, Who},
    seen::SecretIdNow,
    wire::{Call, Verb},
};
use crate::attempt::{self, Changed, Stop, change, change_if, new_secret, refused, unknown};

/// How many rounds of ending tokens until two listings apart in time are empty.
const ROUNDS_MAX: u32 = 30;

impl OpenBao {
    pub(super) async fn act_on(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        if let Err(outcome) = attempt.is_cleared(&clearance, &self.config.name) {
            return outcome;
        }
        attempt::came_to(self.enforce(attempt).await)
    }

    async fn enforce(&self, attempt: &Attempt) -> Result<Changed, Stop> {
        match (attempt.action, native::of(&attempt.target).map_err(refused)?) {
            (Action::SuspendIdentity, Native::Who(who)) => self.suspend(&who).await,
            (Action::TerminateSessions, Native::Who(who)) => self.end_all(&who).await,
            (Action::TerminateSessions | Action::RevokeCredential, Native::Token { accessor }) => self.revoke_token(&accessor).await,
            (Action::RevokeCredential, Native::SecretId { mount, role, accessor }) => {
                self.destroy_secret_id(&mount, &role, &accessor).await
            }
            (Action::RevokeCredential, Native::SecretIds { mount, role }) => self.destroy_secret_ids(&mount, &role, &[]).await,
            (Action::RevokeCredential, Native::Lease { id }) => self.revoke_lease(&id).await,
            (Action::RevokeCredential, Native::Leases { prefix }) => self.revoke_leases(&prefix).await,
            (Action::RevokeCredential, Native::Version { path, version }) => self.destroy_version(&path, version).await,
            (Action::RevokeCredential, Native::Cert { mount, serial }) => self.revoke_cert(&mount, &serial).await,
            (Action::RevokeCredential, Native::Batch { .. } | Native::BatchTokens { .. }) => {
                Err(refused("the server cannot revoke a batch token; disable its entity, or end the token that made it"))
            }
            (Action::RotateCredential, Native::Password { mount, user }) => self.set_password(&mount, &user, attempt).await,
            (Action::ChangePolicy, Native::Grant { policy, path }) => self.change_policy(&policy, &path, attempt).await,
            (Action::Reinstate, Native::Who(who)) => self.reinstate(&who, attempt).await,
            (Action::Restore, Native::Who(who)) => self.restore(&who, attempt).await,
            (Action::Restore, Native::Grant { policy, path }) => self.restore_policy(&policy, &path, attempt).await,
            (action, _) => {
                Err(refused(format!("`{}` is not something OpenBao does to this {}", action.name(), attempt.target.kind.name())))
            }
        }
    }

    /// Disables the entity behind an identity: its logins and tokens are refused.
    pub(super) async fn suspend(&self, who: &Who) -> Result<Changed, Stop> {
        self.guard(who).await?;
        let entity = self.entity_behind(who).await?.ok_or_else(|| {
            refused(match who {
                Who::Token { .. } => "no entity stands behind the token; revoke the token itself",
                Who::Kv { .. } | Who::Pki { .. } => "nobody logs in as it",
                Who::Entity { .. } => "there is no such entity",
                _ => "no entity stands behind it: it was deleted, or nobody has logged in as it yet; revoke what it logs in with, and end its tokens",
            })
        })?;
        self.guard_entity(&entity.id).await?;
        if entity.disabled {
            return Ok(Changed::new());
        }
        self.set_disabled(&entity.id, true).await?;
        Ok(change("disabled", Some("false".to_owned()), Some("true".to_owned())))
    }

    pub(super) async fn set_disabled(&self, entity: &str, to: bool) -> Result<(), Stop> {
        let call = Call::new(Verb::Update, "identity/entity/id/+", &[entity]);
        self.wire.call(call, Some(json!({ "disabled": to }))).await?.accepted()?;
        Ok(())
    }

    pub(super) async fn revoke_token(&self, accessor: &str) -> Result<Changed, Stop> {
        let Some(seen) = self.token(accessor).await? else { return Ok(Changed::new()) };
        if seen.is_root() {
            return Err(refused("it is a root token; nothing but a person ends the last way in"));
        }
        self.guard(&Who::Token { accessor: accessor.to_owned() }).await?;
        if let Some(who) = seen.who() {
            self.guard(&who).await?;
        }
        if !seen.entity_id.is_empty() {
            self.guard_entity(&seen.entity_id).await?;
        }
        let call = Call::new(Verb::Update, "auth/token/revoke-accessor", &[]);
        self.wire.call(call, Some(json!({ "accessor": accessor }))).await?.accepted()?;
        Ok(change("token", Some("live".to_owned()), None))
    }

    /// Ends every token of an identity until two listings apart in time are empty.
    pub(super) async fn end_all(&self, who: &Who) -> Result<Changed, Stop> {
        self.guard(who).await?;
        let apart = SignedDuration::from_millis((self.config.settle_ms / 2).clamp(20, 200));
        let (mut ended, mut empty) = (BTreeSet::new(), 0);
        for _ in 0..ROUNDS_MAX {
            let subject = self.subject(who).await?;
            let trail = self.trail().await?;
            let tokens = self.tokens_of(&subject, trail.as_deref()).await?;
            empty = if tokens.held.is_empty() { empty + 1 } else { 0 };
            if empty == 2 {
                return Ok(change_if(!ended.is_empty(), "tokens", Some(ended.len().to_string()), Some("0".to_owned())));
            }
            for held in &tokens.held {
                self.revoke_token(&held.token.accessor).await?;
                ended.insert(held.token.accessor.clone());
            }
            if tokens.held.is_empty() {
                self.clock.sleep(apart).await;
            }
        }
        Err(unknown(format!("tokens keep coming: is it suspended? {} were ended", ended.len())))
    }

    async fn destroy_secret_id(&self, mount: &str, role: &str, accessor: &str) -> Result<Changed, Stop> {
        self.guard(&Who::AppRole { mount: mount.to_owned(), role: role.to_owned() }).await?;
        if !matches!(self.secret_id(mount, role, accessor).await?, SecretIdNow::There(_)) {
            return Ok(Changed::new());
        }
        let call = Call::new(Verb::Update, "auth/+/role/+/secret-id-accessor/destroy", &[mount, role]);
        let reply = self.wire.call(call, Some(json!({ "secret_id_accessor": accessor }))).await?;
        // Somebody was faster; the look tells, not the status.
        if reply.status == 500 && !matches!(self.secret_id(mount, role, accessor).await?, SecretIdNow::There(_)) {
            return Ok(Changed::new());
        }
        reply.accepted()?;
        Ok(change("secret-id", Some("accepted".to_owned()), None))
    }

    /// Destroys every secret-id of a role but `kept`, until two listings are empty.
    pub(super) async fn destroy_secret_ids(&self, mount: &str, role: &str, kept: &[String]) -> Result<Changed, Stop> {
        let (mut ended, mut empty) = (0, 0);
        for _ in 0..ROUNDS_MAX {
            let listed: Vec<String> = self.secret_ids(mount, role).await?.into_iter().filter(|a| !kept.contains(a)).collect();
            let mut there = 0;
            for accessor in &listed {
                there += self.destroy_secret_id(mount, role, accessor).await?.len();
            }
            ended += there;
            // An expired one stays listed until the server tidies.
            empty = if there == 0 { empty + 1 } else { 0 };
            if empty == 2 {
                return Ok(change_if(ended > 0, "secret-ids", Some(ended.to_string()), Some("0".to_owned())));
            }
        }
        Err(unknown(format!("secret-ids keep coming: {ended} were destroyed")))
    }

    /// Waits until the backend has taken the secret back, and says so if it cannot.
    async fn revoke_lease(&self, id: &str) -> Result<Changed, Stop> {
        lease_guard(id)?;
        if self.lease(id).await?.is_none() {
            return Ok(Changed::new());
        }
        let call = Call::new(Verb::Update, "sys/leases/revoke", &[]);
        self.wire.call(call, Some(json!({ "lease_id": id, "sync": true }))).await?.accepted()?;
        Ok(change("lease", Some("live".to_owned()), None))
    }

    async fn revoke_leases(&self, prefix: &str) -> Result<Changed, Stop> {
        lease_guard(prefix)?;
        let were = self.leases(prefix).await?.len();
        if were == 0 {
            return Ok(Changed::new());
        }
        let call = Call::new(Verb::Update, "sys/leases/revoke-prefix/*", &[prefix]);
        self.wire.call(call, Some(json!({ "sync": true }))).await?.accepted()?;
        Ok(change("leases", Some(were.to_string()), Some("0".to_owned())))
    }

    /// Gives a user another password.
    pub(super) async fn set_password(&self, mount: &str, user: &str, attempt: &Attempt) -> Result<Changed, Stop> {
        self.guard(&Who::User { mount: mount.to_owned(), user: user.to_owned() }).await?;
        let secret = new_secret(attempt)?;
        // The same call makes a user that is not there.
        if self.user(mount, user).await?.is_none() {
            return Err(refused("there is no such user"));
        }
        let call = Call::new(Verb::Update, "auth/+/users/+/password", &[mount, user]);
        self.wire.call(call, Some(json!({ "password": secret.expose() }))).await?.accepted()?;
        Ok(change("password", Some("the former one".to_owned()), Some("a new one".to_owned())))
    }

    /// Refuses what is Quell's own, the control's, or protected.
    pub(super) async fn guard(&self, who: &Who) -> Result<(), Stop> {
        if let Some(why) = self.protection(who) {
            return Err(refused(why));
        }
        let own = self.wire.own().await?;
        if *who == (Who::Token { accessor: own.accessor }) {
            return Err(refused("it is Quell's own token"));
        }
        Ok(())
    }

    /// The same for the entity that a login, a token or a name leads to.
    pub(super) async fn guard_entity(&self, entity: &str) -> Result<(), Stop> {
        match self.protected_entities().await?.get(entity) {
            Some(why) => Err(refused(why.clone())),
            None => Ok(()),
        }
    }
}

/// The leases of logins are their tokens: those are ended one by one, where what is
/// protected is seen.
fn lease_guard(path: &str) -> Result<(), Stop> {
    let mount = path.split('/').next().unwrap_or_default();
    if matches!(mount, "auth" | "sys" | "identity" | "cubbyhole") || !path.contains('/') {
        return Err(refused("only leases of one secret engine and path are revoked; tokens are ended one by one"));
    }
    Ok(())
}
