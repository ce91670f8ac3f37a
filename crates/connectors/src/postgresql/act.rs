//! The cleared attempts. Each is one statement that commits by itself, or a few
//! in an order that a crash between any two leaves safe: deny, commit, kill.
//!
//! Locking and killing in one transaction was measured to leave sessions alive:
//! a login that was checked before the commit is not yet listed. So nothing here
//! ever opens a transaction around two of them.

use quell_core::{action::Action, clear::Clearance, time::SignedDuration};
use quell_engine::port::{Attempt, Outcome};

use super::{
    PostgreSql,
    native::{self, Native},
    verifier,
    wire::{Failure, Param, Sealed},
};
use crate::attempt::{self, Changed, Stop, change, change_if, new_secret, refused, unknown};

/// How often an ended session is looked for before the answer is "unknown".
const LOOKS_MAX: u32 = 60;
/// How many rounds of killing until two listings apart in time are empty.
const ROUNDS_MAX: u32 = 40;

const LOCK: &str = "SELECT quell.lock($1)";
const UNLOCK: &str = "SELECT quell.unlock($1)";
const KILL: &str = "SELECT quell.kill($1, $2)";
const KILL_ALL: &str = "SELECT quell.kill_all($1)";
const ROTATE: &str = "SELECT quell.rotate($1, $2)";
const REVOKE: &str = "SELECT quell.revoke_member($1, $2)";
const MAKE_TWIN: &str = "SELECT made, memberships, left_behind FROM quell.make_twin($1, $2, $3, $4)";
const DROP_TWIN: &str = "SELECT quell.drop_twin($1)";

impl PostgreSql {
    pub(super) async fn act_on(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        if let Err(outcome) = attempt.is_cleared(&clearance, &self.config.name) {
            return outcome;
        }
        attempt::came_to(self.enforce(attempt).await)
    }

    async fn enforce(&self, attempt: &Attempt) -> Result<Changed, Stop> {
        match (attempt.action, native::of(&attempt.target).map_err(refused)?) {
            (Action::SuspendIdentity, Native::Role(role)) => self.lock(&role).await.map_err(Stop::from),
            (Action::TerminateSessions, Native::Session { pid, started_us }) => self.end_session(pid, started_us).await,
            (Action::TerminateSessions, Native::Role(role)) => self.end_all(&role).await,
            (Action::RotateCredential, Native::Password { role, .. }) => self.rotate(&role, attempt).await,
            (Action::RemoveEntitlement, Native::Member { member, role }) => self.revoke(&member, &role).await,
            (Action::ReissueCredential, Native::Role(role)) => self.make_twin(&role, attempt).await,
            (Action::RetireIdentity, Native::Role(twin)) => self.retire(&twin).await,
            (Action::Reinstate, Native::Role(role)) => self.reinstate(&role, attempt).await,
            (Action::Restore, native) => self.restore(&native, attempt).await,
            (action, _) => {
                Err(refused(format!("`{}` is not something PostgreSQL does to a {}", action.name(), attempt.target.kind.name())))
            }
        }
    }

    /// Denies new logins. Committed when this returns.
    pub(super) async fn lock(&self, role: &str) -> Result<Changed, Failure> {
        self.set_login(LOCK, role, false).await
    }

    pub(super) async fn unlock(&self, role: &str) -> Result<Changed, Failure> {
        self.set_login(UNLOCK, role, true).await
    }

    async fn set_login(&self, statement: &'static str, role: &str, to: bool) -> Result<Changed, Failure> {
        let params: [Param<'_>; 1] = [&role];
        let rows = self.wire.tell(statement, &params).await?;
        let was: bool = first(&rows)?;
        Ok(change_if(was != to, "rolcanlogin", Some(was.to_string()), Some(to.to_string())))
    }

    async fn end_session(&self, pid: i32, started_us: i64) -> Result<Changed, Stop> {
        let params: [Param<'_>; 2] = [&pid, &started_us];
        let signalled: bool = first(&self.wire.tell(KILL, &params).await?)?;
        if !signalled && !self.is_listed(pid, started_us).await? {
            return Ok(Changed::new());
        }
        // The signal is only a request: it counts when the session is gone.
        for look in 0..LOOKS_MAX {
            if !self.is_listed(pid, started_us).await? {
                return Ok(change("session", Some("open".to_owned()), None));
            }
            self.clock.sleep(SignedDuration::from_millis(i64::from(look.min(25)))).await;
        }
        Err(unknown("the session was told to end and is still listed"))
    }

    async fn is_listed(&self, pid: i32, started_us: i64) -> Result<bool, Failure> {
        Ok(self.session_present(pid, started_us).await?.present)
    }

    /// Ends every session until two listings apart in time are empty. Once is not
    /// enough even after the lock is committed: a login that passed its check
    /// before is listed a moment later.
    pub(super) async fn end_all(&self, role: &str) -> Result<Changed, Stop> {
        let apart = SignedDuration::from_millis((self.config.settle_ms / 2).clamp(20, 200));
        let params: [Param<'_>; 1] = [&role];
        let (mut ended, mut empty) = (0, 0);
        for round in 1..=ROUNDS_MAX {
            let open: i32 = first(&self.wire.tell(KILL_ALL, &params).await?)?;
            empty = if open == 0 { empty + 1 } else { 0 };
            ended = ended.max(open);
            if empty == 2 {
                return Ok(change_if(ended > 0, "sessions", Some(ended.to_string()), Some("0".to_owned())));
            }
            let pause = if open == 0 { apart } else { SignedDuration::from_millis(i64::from(round * 5).min(100)) };
            self.clock.sleep(pause).await;
        }
        Err(unknown(format!("sessions of the role keep coming: is it locked? {ended} were open at most")))
    }

    async fn rotate(&self, role: &str, attempt: &Attempt) -> Result<Changed, Stop> {
        self.set_secret(role, attempt).await
    }

    /// Stores the verifier of the attempt's new secret.
    pub(super) async fn set_secret(&self, role: &str, attempt: &Attempt) -> Result<Changed, Stop> {
        let verifier = new_verifier(attempt).await?;
        let params: [Param<'_>; 2] = [&role, &Sealed(verifier.expose())];
        self.wire.tell(ROTATE, &params).await?;
        Ok(change("rolpassword", Some("sealed".to_owned()), Some("a new one".to_owned())))
    }

    async fn revoke(&self, member: &str, role: &str) -> Result<Changed, Stop> {
        let params: [Param<'_>; 2] = [&member, &role];
        let was: bool = first(&self.wire.tell(REVOKE, &params).await?)?;
        Ok(change_if(was, "membership", Some("granted".to_owned()), None))
    }

    async fn make_twin(&self, role: &str, attempt: &Attempt) -> Result<Changed, Stop> {
        let twin = attempt.parameters.get("twin").ok_or_else(|| refused("the plan names no `twin`"))?;
        let twin = native::role(twin).ok_or_else(|| refused("the plan's `twin` is not a role name of PostgreSQL"))?;
        let verifier = new_verifier(attempt).await?;
        let params: [Param<'_>; 4] = [&role, &twin, &Sealed(verifier.expose()), &attempt.marker];
        let rows = self.wire.tell(MAKE_TWIN, &params).await?;
        let row = rows.first().ok_or(Failure::Lost { why: "no row came back".to_owned() })?;
        let number = |column: usize| row.try_get::<_, i32>(column).map(|n| n.to_string()).ok();
        let mut changed = change("twin", None, Some(twin.to_owned()));
        changed.insert("memberships".to_owned(), (None, number(1)));
        // Rights of the old role that the twin does not have: said, never guessed around.
        changed.insert("left_behind".to_owned(), (None, number(2)));
        Ok(changed)
    }

    /// Locks, commits, kills, drops; only what was made here.
    pub(super) async fn retire(&self, twin: &str) -> Result<Changed, Stop> {
        let params: [Param<'_>; 1] = [&twin];
        // Dropped before: the functions know it, and nothing is locked.
        let gone = self.look(twin).await.is_ok_and(|look| look.standing(twin) == super::look::Standing::Gone);
        if !gone {
            self.lock(twin).await?;
            self.end_all(twin).await?;
        }
        let was: bool = first(&self.wire.tell(DROP_TWIN, &params).await?)?;
        Ok(change_if(was, "role", Some(twin.to_owned()), None))
    }
}

/// The verifier of the attempt's new secret, off the threads that keep deadlines.
async fn new_verifier(attempt: &Attempt) -> Result<quell_core::secret::Secret, Stop> {
    let secret = new_secret(attempt)?.clone();
    tokio::task::spawn_blocking(move || verifier::make(&secret)).await.map_err(|_| refused("the new verifier could not be computed"))
}

/// The one value of the one row.
pub(super) fn first<T: for<'a> tokio_postgres::types::FromSql<'a>>(rows: &[tokio_postgres::Row]) -> Result<T, Failure> {
    let row = rows.first().ok_or(Failure::Lost { why: "no row came back".to_owned() })?;
    row.try_get(0).map_err(|e| Failure::Lost { why: format!("the answer is not understood: {e}") })
}
