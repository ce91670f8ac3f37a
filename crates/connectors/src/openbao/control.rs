//! What must be alive whenever something is called dead: the control AppRole, its
//! secret-id, its token, its entity. Every question has its control asked by the
//! same query in the same round.
//!
//! The control's token is kept for its short life, so that looking does not log in
//! each time; where it is gone, one new login is tried.

use quell_core::{
    proof::{Control, ProbeClass},
    secret::Secret,
    time::{Timestamp, after},
};
use tokio::sync::Mutex;

use super::{
    OpenBao,
    answer::Failure,
    config::OWN_MOUNT,
    seen::{EntitySeen, SecretIdNow},
};

/// The control's token.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub token: Secret,
    pub accessor: String,
    pub entity: String,
    until: Timestamp,
}

/// The control's token while it is good.
#[derive(Default)]
pub(super) struct Keeping(Mutex<Option<Kept>>);

/// Which query the control answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// A token by its accessor.
    Accessor,
    /// A token by its value.
    Token,
    /// A secret-id by its accessor.
    SecretId,
    /// A secret-id by its value.
    SecretIdValue,
    /// The secret-ids of a role, as they are listed.
    SecretIds,
    User,
    Entity,
    Lease,
    Policy,
}

/// Logins whose leases are looked through for a live one.
const LEASES_MAX: usize = 20;

impl OpenBao {
    /// Asks `query` about the control.
    pub(super) async fn control(&self, query: Query, class: ProbeClass) -> Control {
        let started_at = self.clock.now();
        let role = &self.config.control.role;
        let (alive, what) = match self.ask_control(query).await {
            Ok(what) => (true, what),
            Err(why) => (false, format!("`{role}`: {why}")),
        };
        Control { class, alive, started_at, what }
    }

    /// A login of the control, made for this round and ended after it.
    pub(super) async fn control_login(&self) -> Control {
        let started_at = self.clock.now();
        let control = &self.config.control;
        let (alive, what) = match self.wire.login_role(OWN_MOUNT, &control.role, &control.secret_id).await {
            Ok(new) => {
                self.wire.end(&new.token).await;
                (true, format!("a login as `{}` was accepted", control.role))
            }
            Err(failure) => (false, format!("a login as `{}` was not: {}", control.role, words(failure))),
        };
        Control { class: ProbeClass::Login, alive, started_at, what }
    }

    async fn ask_control(&self, query: Query) -> Result<String, String> {
        let control = &self.config.control;
        let role = &control.role;
        let found = |there: bool, what: &str| {
            if there { Ok(format!("{what} of `{role}`, asked by the same query")) } else { Err(format!("{what} is not there")) }
        };
        // Whatever is asked: the control itself is in, by token and entity.
        let kept = self.kept().await?;
        match query {
            Query::Accessor => found(true, "the live token"),
            Query::Token => found(self.token_of(&kept.token).await.map_err(words)?.is_some(), "the live token"),
            Query::SecretIdValue => {
                found(self.secret_id_of(OWN_MOUNT, role, &control.secret_id).await.map_err(words)?.is_some(), "the secret-id")
            }
            Query::SecretId => {
                let seen =
                    self.secret_id_of(OWN_MOUNT, role, &control.secret_id).await.map_err(words)?.ok_or("the secret-id is not there")?;
                let now = self.secret_id(OWN_MOUNT, role, &seen.secret_id_accessor).await.map_err(words)?;
                found(matches!(now, SecretIdNow::There(_)), "the secret-id")
            }
            Query::User => found(self.role(OWN_MOUNT, role).await.map_err(words)?.is_some(), "the AppRole"),
            Query::SecretIds => found(!self.live_secret_ids(OWN_MOUNT, role).await.map_err(words)?.is_empty(), "the list of secret-ids"),
            Query::Entity => {
                let entity = self.entity(&kept.entity).await.map_err(words)?;
                found(entity.is_some_and(|e| !e.disabled), "the enabled entity")
            }
            Query::Lease => {
                // The lease of a login is not told to who logs in, so any live one is
                // looked for; the control's is among them.
                let prefix = format!("auth/{OWN_MOUNT}/login");
                for hash in self.leases(&prefix).await.map_err(words)?.into_iter().take(LEASES_MAX) {
                    if self.lease(&format!("{prefix}/{hash}")).await.map_err(words)?.is_some() {
                        return Ok("the live lease of a login, asked by the same query".to_owned());
                    }
                }
                Err("no lease of a login is there".to_owned())
            }
            Query::Policy => match self.policy("default").await.map_err(words)? {
                Some(seen) if !seen.policy.is_empty() => Ok("the policy `default`, asked by the same query".to_owned()),
                _ => Err("the policy `default` is not there".to_owned()),
            },
        }
    }

    /// The control's live token, looked up now.
    pub(super) async fn kept(&self) -> Result<Kept, String> {
        let mut keeping = self.keeping.0.lock().await;
        if let Some(kept) = keeping.as_ref().filter(|k| self.wire.seconds_left(k.until) > 0) {
            if self.is_enabled(kept).await? {
                return Ok(kept.clone());
            }
            *keeping = None;
        }
        let control = &self.config.control;
        let now = self.clock.now();
        let new = self.wire.login_role(OWN_MOUNT, &control.role, &control.secret_id).await.map_err(words)?;
        let kept = Kept { token: new.token, accessor: new.accessor, entity: new.entity, until: after(now, new.seconds * 3 / 4) };
        if !self.is_enabled(&kept).await? {
            return Err("its new token is not there".to_owned());
        }
        *keeping = Some(kept.clone());
        Ok(kept)
    }

    async fn is_enabled(&self, kept: &Kept) -> Result<bool, String> {
        let there = self.token(&kept.accessor).await.map_err(words)?.is_some();
        let enabled = |e: Option<EntitySeen>| e.is_some_and(|e| !e.disabled);
        Ok(there && enabled(self.entity(&kept.entity).await.map_err(words)?))
    }
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::NotReached { why } | Failure::Lost { why } => format!("no answer: {why}"),
        Failure::Garbled { why } => why,
        Failure::Later { .. } => "it asks to wait".to_owned(),
        Failure::Refused { asked, said, .. } => format!("{asked} was refused: {said}"),
    }
}
