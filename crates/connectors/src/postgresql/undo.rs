//! Giving access back, and telling what became of an attempt.
//!
//! Reinstate never revives what was killed: while nobody can log in, the last
//! session is ended and the new verifier stored; only then is login allowed.
//! Restore writes the before-state back by value. A crash between any two of
//! these statements leaves the role locked, or open with the new secret alone.

use quell_core::{action::Action, target::Reading};
use quell_engine::port::{Attempt, Outcome};

use super::{
    PostgreSql,
    look::{Look, Standing},
    native::{self, Native},
    read::VERIFIER,
    verifier,
    wire::{Failure, Param, Sealed},
};
use crate::attempt::{self, Changed, Stop, change, refused, unknown};

const PUT_BACK: &str = "SELECT quell.put_back($1, $2)";
const PUT_BACK_LIMITS: &str = "SELECT quell.put_back_limits($1, $2, $3)";
const GRANT: &str = "SELECT quell.grant_member($1, $2)";
const TWIN_OF: &str = "SELECT name, dropped FROM quell.twin_of($1)";

impl PostgreSql {
    pub(super) async fn reinstate(&self, role: &str, attempt: &Attempt) -> Result<Changed, Stop> {
        // A second try after the role is open must not throw its consumer out.
        if self.has_new_secret(role, attempt).await? && self.can_login(role).await? {
            return Ok(Changed::new());
        }
        self.lock(role).await?;
        self.end_all(role).await?;
        let mut changed = self.set_secret(role, attempt).await?;
        changed.extend(self.unlock(role).await?);
        Ok(changed)
    }

    pub(super) async fn restore(&self, native: &Native, attempt: &Attempt) -> Result<Changed, Stop> {
        let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded; use `reinstate`"))?;
        match native {
            Native::Member { member, role } if before.exists => {
                if self.membership_stands(member, role).await? {
                    return Ok(Changed::new());
                }
                let params: [Param<'_>; 2] = [member, role];
                self.wire.tell(GRANT, &params).await?;
                Ok(change("membership", None, Some("granted".to_owned())))
            }
            Native::Role(role) => {
                let mut changed = self.put_back(role, before, attempt).await?;
                self.put_back_limits(role, before).await?;
                let could = before.facts.get("rolcanlogin").and_then(Option::as_deref) == Some("true");
                changed.extend(if could { self.unlock(role).await? } else { self.lock(role).await? });
                Ok(changed)
            }
            Native::Password { role, .. } => self.put_back(role, before, attempt).await,
            Native::Member { .. } | Native::Session { .. } => Err(refused("it was not there before, so nothing is restored")),
        }
    }

    /// Stores the former verifier, byte for byte, if it is still the same role.
    async fn put_back(&self, role: &str, before: &Reading, attempt: &Attempt) -> Result<Changed, Stop> {
        let fact = |name: &str| before.facts.get(name).and_then(Option::as_deref);
        let look = self.look_now(role).await?;
        if fact("oid") != look.known_oid.map(|oid| oid.to_string()).as_deref() || look.same(role).is_none() {
            return Err(refused("the role is not the one of the before-state: another oid bears its name"));
        }
        let stored = attempt.before_secrets.get(VERIFIER);
        if stored.is_none() && fact("has_password") != Some("false") {
            return Err(refused("the sealed verifier of the before-state was not opened"));
        }
        let sealed = stored.map(|s| Sealed(s.expose()));
        let params: [Param<'_>; 2] = [&role, &sealed];
        self.wire.tell(PUT_BACK, &params).await?;
        Ok(change("rolpassword", Some("replaced".to_owned()), Some("the former one".to_owned())))
    }

    async fn put_back_limits(&self, role: &str, before: &Reading) -> Result<(), Stop> {
        let limit = before.facts.get("rolconnlimit").and_then(Option::as_deref).and_then(|n| n.parse::<i32>().ok());
        let limit = limit.ok_or_else(|| refused("the before-state names no connection limit"))?;
        let until = before.facts.get("rolvaliduntil").cloned().flatten();
        let params: [Param<'_>; 3] = [&role, &limit, &until];
        self.wire.tell(PUT_BACK_LIMITS, &params).await?;
        Ok(())
    }

    /// Reads what became of an attempt. The one thing it changes: a twin of this
    /// attempt that nobody can use is removed, so that it can be made again.
    pub(super) async fn outcome_of(&self, attempt: &Attempt) -> Outcome {
        match self.became(attempt).await {
            // What PostgreSQL does not do it did not do then either.
            Err(Stop::Said(refused @ Outcome::Refused { .. })) => refused,
            is_so => attempt::read_back(is_so, &self.config.name),
        }
    }

    async fn became(&self, attempt: &Attempt) -> Result<bool, Stop> {
        let native = native::of(&attempt.target).map_err(refused)?;
        Ok(match (attempt.action, &native) {
            (Action::SuspendIdentity, Native::Role(role)) => !self.can_login(role).await?,
            (Action::TerminateSessions, Native::Session { pid, started_us }) => !self.session_stands(*pid, *started_us).await?,
            (Action::TerminateSessions, Native::Role(role)) => self.look_now(role).await?.sessions == 0,
            (Action::RotateCredential, Native::Password { role, .. }) => self.has_new_secret(role, attempt).await?,
            (Action::RemoveEntitlement, Native::Member { member, role }) => !self.membership_stands(member, role).await?,
            (Action::ReissueCredential, Native::Role(_)) => self.twin_stands(attempt).await?,
            (Action::RetireIdentity, Native::Role(twin)) => self.look_now(twin).await?.standing(twin) == Standing::Gone,
            (Action::Reinstate, Native::Role(role)) => self.has_new_secret(role, attempt).await? && self.can_login(role).await?,
            (Action::Restore, Native::Role(role)) => self.is_as_before(role, attempt, true).await?,
            (Action::Restore, Native::Password { role, .. }) => self.is_as_before(role, attempt, false).await?,
            (Action::Restore, Native::Member { member, role }) => self.membership_stands(member, role).await?,
            (action, _) => return Err(refused(format!("`{}` is not something PostgreSQL does", action.name()))),
        })
    }

    /// The twin of this attempt exists with the attempt's secret. Another secret,
    /// or none at hand, means that nobody can ever use it: it is removed.
    async fn twin_stands(&self, attempt: &Attempt) -> Result<bool, Stop> {
        let params: [Param<'_>; 1] = [&attempt.marker];
        let rows = self.wire.ask(TWIN_OF, &params).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let understood = |e| Failure::Lost { why: format!("a twin is not understood: {e}") };
        let (name, dropped): (String, bool) = (row.try_get(0).map_err(understood)?, row.try_get(1).map_err(understood)?);
        if dropped {
            return Ok(false);
        }
        if self.has_new_secret(&name, attempt).await? && self.can_login(&name).await? {
            return Ok(true);
        }
        self.retire(&name).await?;
        Ok(false)
    }

    async fn look_now(&self, role: &str) -> Result<Look, Failure> {
        Look::at(&self.wire, role, &self.config.control.identity).await
    }

    async fn can_login(&self, role: &str) -> Result<bool, Stop> {
        let look = self.look_now(role).await?;
        match (look.same(role), look.standing(role)) {
            (Some(now), _) => Ok(now.can_login),
            (None, Standing::Gone) => Ok(false),
            (None, _) => Err(unknown("the role is not the one that was admitted")),
        }
    }

    async fn has_new_secret(&self, role: &str, attempt: &Attempt) -> Result<bool, Stop> {
        let Some(secret) = attempt.new_secret.clone() else { return Ok(false) };
        let stored = self.stored_verifier(role).await?;
        let Some(stored) = stored else { return Ok(false) };
        let of = role.to_owned();
        let matched = tokio::task::spawn_blocking(move || verifier::matches(&stored, &of, &secret)).await;
        Ok(matched.ok().flatten() == Some(true))
    }

    async fn session_stands(&self, pid: i32, started_us: i64) -> Result<bool, Stop> {
        Ok(self.session_present(pid, started_us).await?.present)
    }

    async fn membership_stands(&self, member: &str, role: &str) -> Result<bool, Stop> {
        Ok(self.member_present(member, role).await?.present)
    }

    async fn is_as_before(&self, role: &str, attempt: &Attempt, whole: bool) -> Result<bool, Stop> {
        let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded"))?;
        let look = self.look_now(role).await?;
        let stored = self.stored_verifier(role).await?;
        let same_verifier = stored.as_ref().map(|s| s.expose()) == attempt.before_secrets.get(VERIFIER).map(|s| s.expose());
        Ok(same_verifier && (!whole || super::read::facts(role, &look) == before.facts))
    }
}
