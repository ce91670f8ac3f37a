//! Trying and reading, each with its control in the same round from the same
//! place. What it proves is judged elsewhere; here only what was met is said.
//!
//! ```text
//! login with a secret that was right   28000 -> refused    28P01 -> refused     in -> usable
//! login with the throw-away            28000 -> refused    28P01 -> cannot tell in -> usable
//! login with a secret never seen right 28000 -> refused    28P01 -> cannot tell in -> usable
//! ```
//!
//! 28P01 is the answer to a wrong password whether the role is locked or not, so
//! it counts only for a secret that was right before. 28000 is also the answer
//! of a `pg_hba.conf` that lets nobody in from here, before any password is
//! looked at; the two differ in the server's routine, in every language.

use futures::future::join_all;
use quell_core::{
    proof::{Answer, Channel, Control, Observation, ProbeClass},
    secret::{Secret, sha256},
    time::Timestamp,
};
use quell_engine::port::{PlaneError, ProbeRequest};

use super::{
    PostgreSql,
    dial::NotOpened,
    look::{Look, Standing},
    native::{self, Native},
    read::{Presence, VERIFIER},
    wire::Failure,
};
use crate::vantage::{NOT_ARMED, Vantage, cannot_tell};

/// Where in the server a login is refused because the role may not log in.
const ROLE_MAY_NOT: &str = "InitializeSessionUserId";
/// Where it is refused after password and role were accepted: by the database.
const DATABASE_MAY_NOT: &str = "CheckMyDatabase";

/// A login to try.
struct Try<'a> {
    secret: &'a Secret,
    /// It was right once, so a wrong password now means that it was replaced.
    was_right: bool,
    what: &'static str,
}

impl Vantage for PostgreSql {
    fn channel(&self) -> Channel {
        self.wire.channel()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl PostgreSql {
    pub(super) async fn observe(&self, request: &ProbeRequest) -> Vec<Observation> {
        match native::of(&request.target) {
            Err(why) => vec![self.nothing(why)],
            // Of a later generation nothing is known but its own secret: the sealed
            // verifier is that of the one before.
            Ok(Native::Password { role, generation: None }) => self.observe_role(&role, request, true).await,
            Ok(Native::Role(role) | Native::Password { role, .. }) => self.observe_role(&role, request, false).await,
            Ok(Native::Session { pid, started_us }) => vec![self.observe_session(pid, started_us).await],
            Ok(Native::Member { member, role }) => vec![self.observe_member(&member, &role).await],
        }
    }

    async fn observe_role(&self, role: &str, request: &ProbeRequest, first: bool) -> Vec<Observation> {
        // A secret of our own is asked about alone: what is stored belongs to it,
        // so a read of "another verifier" would speak of the old one.
        if let Some(own) = &request.own {
            let own = Try { secret: own, was_right: true, what: "the new secret" };
            return self.observe_logins(role, request.may_login, vec![own]).await;
        }
        let leaked = request.leaked.as_ref().map(|secret| Try { secret, was_right: request.leaked_was_right, what: "the leaked secret" });
        let throw_away = request.throw_away.as_ref().map(|secret| Try { secret, was_right: false, what: "the throw-away" });
        let tries: Vec<Try<'_>> = leaked.into_iter().chain(throw_away).collect();
        let logins =
            async { if request.may_login && !tries.is_empty() { self.observe_logins(role, true, tries).await } else { Vec::new() } };
        let (mut observations, read) = tokio::join!(logins, self.observe_state(role, request, first));
        observations.push(read);
        observations
    }

    /// Tries every secret and the control's at the same time.
    async fn observe_logins(&self, role: &str, may_login: bool, tries: Vec<Try<'_>>) -> Vec<Observation> {
        if !may_login {
            return vec![self.nothing(NOT_ARMED)];
        }
        let (control, tried) = tokio::join!(self.control_login(), join_all(tries.iter().map(|t| self.try_login(role, t))));
        let (control, primary) = control;
        tried
            .into_iter()
            .map(|(answer, started_at, ended_at)| Observation {
                control: Some(control.clone()),
                authoritative: primary,
                ..self.met(ProbeClass::Login, answer, started_at, ended_at)
            })
            .collect()
    }

    async fn try_login(&self, role: &str, one: &Try<'_>) -> (Answer, Timestamp, Timestamp) {
        let started_at = self.clock.now();
        let met = self.wire.login(role, one.secret).await;
        (login_answer(met, one), started_at, self.clock.now())
    }

    /// The control and whether the server that let it in is a primary.
    async fn control_login(&self) -> (Control, bool) {
        let started_at = self.clock.now();
        let identity = &self.config.control.identity;
        let met = self.wire.login(identity, &self.config.control.secret).await;
        let (alive, primary, what) = match met {
            Ok(primary) => (true, primary, format!("a login as `{identity}` was accepted")),
            Err(NotOpened::NoAnswer { why }) => (false, false, format!("a login as `{identity}` had no answer: {why}")),
            Err(NotOpened::Refused { code, .. }) => (false, false, format!("a login as `{identity}` was refused with `{code}`")),
        };
        (Control { class: ProbeClass::Login, alive, started_at, what }, primary)
    }

    /// One statement on the server: the role, what could act as it, the control.
    async fn observe_state(&self, role: &str, request: &ProbeRequest, first: bool) -> Observation {
        let started_at = self.clock.now();
        let look = self.look(role).await;
        let ended_at = self.clock.now();
        match look {
            Err(e) => self.met(ProbeClass::Read, unasked(&e), started_at, ended_at),
            Ok(look) => Observation {
                control: Some(self.read_control(look.control_alive, started_at)),
                plane_clock: look.clock,
                authoritative: !look.in_recovery,
                ..self.met(ProbeClass::Read, state_answer(role, &look, request, first), started_at, ended_at)
            },
        }
    }

    async fn observe_session(&self, pid: i32, started_us: i64) -> Observation {
        let started_at = self.clock.now();
        let seen = self.session_present(pid, started_us).await;
        let gone = "the server lists no session of this process and start";
        self.observe_presence(ProbeClass::Listing, seen, gone, started_at)
    }

    async fn observe_member(&self, member: &str, role: &str) -> Observation {
        let started_at = self.clock.now();
        let seen = self.member_present(member, role).await;
        self.observe_presence(ProbeClass::Read, seen, "the server holds no such membership", started_at)
    }

    fn observe_presence(&self, class: ProbeClass, seen: Result<Presence, Failure>, gone: &str, started_at: Timestamp) -> Observation {
        let ended_at = self.clock.now();
        let seen = match seen {
            Ok(seen) => seen,
            Err(e) => return self.met(class, unasked(&e.plane_error(&self.config.name)), started_at, ended_at),
        };
        let answer = match (seen.in_scope, seen.present) {
            (false, _) => cannot_tell("neither role is in the scope of Quell"),
            (true, true) => Answer::Usable,
            (true, false) => Answer::Enforced { by: gone.to_owned() },
        };
        let control = match class {
            ProbeClass::Listing => {
                Control { class, alive: seen.control_alive, started_at, what: "our own session in the same listing".to_owned() }
            }
            _ => self.read_control(seen.control_alive, started_at),
        };
        Observation {
            control: Some(control),
            plane_clock: Timestamp::from_microsecond(seen.clock_us).ok(),
            authoritative: !seen.in_recovery,
            ..self.met(class, answer, started_at, ended_at)
        }
    }

    fn read_control(&self, alive: bool, started_at: Timestamp) -> Control {
        let identity = &self.config.control.identity;
        Control { class: ProbeClass::Read, alive, started_at, what: format!("the row of `{identity}`, read in the same statement") }
    }
}

fn unasked(e: &PlaneError) -> Answer {
    cannot_tell(e.to_string())
}

fn login_answer(met: Result<bool, NotOpened>, one: &Try<'_>) -> Answer {
    match met {
        Ok(_) => Answer::Usable,
        Err(NotOpened::NoAnswer { why }) => cannot_tell(format!("a login with {} had no answer: {why}", one.what)),
        Err(NotOpened::Refused { code, routine, .. }) => match (code.as_str(), routine.as_str()) {
            ("28000", ROLE_MAY_NOT) => Answer::Refused { code },
            ("28P01", _) if one.was_right => Answer::Refused { code },
            ("28P01", _) => cannot_tell(format!("{} is a wrong password, which says nothing: a locked role answers the same", one.what)),
            // The password and the role were accepted; only this database was not.
            (_, DATABASE_MAY_NOT) => Answer::Usable,
            ("28000", _) => cannot_tell("the server lets nobody in as this role from here (pg_hba.conf), whatever the password"),
            _ => cannot_tell(format!("a login with {} met `{code}`, which is neither yes nor no", one.what)),
        },
    }
}

/// What the server's own state says of the old secret; `first` where the sealed
/// verifier is that secret's.
fn state_answer(role: &str, look: &Look, request: &ProbeRequest, first: bool) -> Answer {
    match look.standing(role) {
        Standing::NotInScope => return cannot_tell("the role is not in the scope of Quell"),
        Standing::Another => return cannot_tell("the role was renamed, or another one bears its name: admit it again"),
        Standing::Gone if look.sessions > 0 => {
            return cannot_tell(format!("the role does not exist any more, and {} sessions of it are left", look.sessions));
        }
        Standing::Gone => return Answer::Enforced { by: "the role does not exist, and no session of it is left".to_owned() },
        Standing::Same => {}
    }
    let Some(now) = look.same(role) else { return cannot_tell("the role was not read") };

    if !now.can_login {
        let mut left = Vec::new();
        if look.sessions > 0 {
            left.push(format!("{} of its sessions are open", look.sessions));
        }
        if !look.members.is_empty() {
            left.push(format!("{} roles may still act as it", look.members.len()));
        }
        return if left.is_empty() {
            Answer::Enforced { by: "the role cannot log in, no session of it is open, and no role may act as it".to_owned() }
        } else {
            cannot_tell(format!("the role cannot log in, but {}", left.join(" and ")))
        };
    }

    if !first {
        return cannot_tell("login is enabled");
    }
    let Some(old) = request.before_secrets.get(VERIFIER) else {
        return cannot_tell("login is enabled, and the former verifier is not at hand");
    };
    if now.verifier_sha256.as_deref() == Some(sha256(old.expose().as_bytes()).as_str()) {
        return match (request.leaked_was_right, now.expired) {
            (true, false) => Answer::Usable,
            (true, true) => cannot_tell("the stored verifier is the old one, and only its expiry keeps it out"),
            (false, _) => cannot_tell("login is enabled and the stored verifier is the old one"),
        };
    }
    match &look.lax_lines {
        None => return cannot_tell("the password was replaced, but pg_hba.conf was not read"),
        Some(lines) if !lines.is_empty() => {
            return cannot_tell(format!("the password was replaced, but pg_hba.conf lets the role in without it: {}", lines.join(", ")));
        }
        Some(_) => {}
    }
    if look.old_sessions > 0 {
        return cannot_tell(format!("the password was replaced, but {} sessions of before are open", look.old_sessions));
    }
    Answer::Enforced { by: "the stored verifier is another one, pg_hba.conf asks for it, and no session of before is open".to_owned() }
}
