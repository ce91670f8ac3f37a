//! Trying and reading, each with its control in the same round from the same place.
//! What it proves is judged elsewhere; here only what was met is said.

use futures::future::join_all;
use quell_core::{
    proof::{Answer, Channel, Control, Observation, ProbeClass},
    secret::Secret,
    time::Timestamp,
};
use quell_engine::port::ProbeRequest;

use super::{
    OpenLdap,
    answer::{Try, of_bind},
    dn::Dn,
    look::{EntryNow, Look},
    native::{self, Connection, Member, Native},
    wire::Failure,
    witness::Testimony,
};
use crate::vantage::{NOT_ARMED, Vantage, cannot_tell};

/// The entry whose only member is the control.
pub(super) const CONTROL_GROUP: &str = "cn=quell-control-group";

impl Vantage for OpenLdap {
    fn channel(&self) -> Channel {
        self.wire.channel()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl OpenLdap {
    pub(super) async fn observe(&self, request: &ProbeRequest) -> Vec<Observation> {
        match native::of(&request.target) {
            Err(why) => vec![self.nothing(why)],
            // Of a later generation nothing is known but its own secret: the sealed
            // values are those of the one before.
            Ok(Native::Password { entry, generation: None }) => self.observe_entry(&entry, request, true).await,
            Ok(Native::Entry(entry) | Native::Password { entry, .. }) => self.observe_entry(&entry, request, false).await,
            Ok(Native::Connection(one)) => self.observe_connection(&one, request).await,
            Ok(Native::Member(one)) => vec![self.observe_member(&one).await],
        }
    }

    async fn observe_entry(&self, entry: &Dn, request: &ProbeRequest, first: bool) -> Vec<Observation> {
        let started_at = self.clock.now();
        let look = self.look(entry).await;
        let ended_at = self.clock.now();
        let look = match look {
            Err(failure) => {
                let why = failure.plane_error(&self.config.name).to_string();
                return vec![self.met(ProbeClass::Read, cannot_tell(why), started_at, ended_at)];
            }
            Ok(look) => look,
        };
        // A secret of our own is asked about alone: what is stored belongs to it, so a
        // read of "another password" would speak of the old one.
        if let Some(own) = &request.own {
            let own = [(own, true, "the new secret")];
            return if request.may_login { self.observe_binds(entry, &look, &own).await } else { vec![self.nothing(NOT_ARMED)] };
        }
        let mut observations = Vec::new();
        if request.may_login {
            let leaked = request.leaked.as_ref().map(|secret| (secret, request.leaked_was_right, "the leaked secret"));
            let throw_away = request.throw_away.as_ref().map(|secret| (secret, false, "the throw-away"));
            let mut tries: Vec<_> = leaked.into_iter().chain(throw_away).collect();
            // Whatever password is asked with, a lock is told. To a locked entry a wrong
            // one adds nothing.
            let guess = Secret::new("no password of anybody");
            if tries.is_empty() && look.entry.as_ref().is_some_and(EntryNow::is_locked_for_good) {
                tries.push((&guess, false, "any password"));
            }
            observations.extend(self.observe_binds(entry, &look, &tries).await);
        }
        let answer = self.of_state(entry, &look, request, first).await;
        observations.push(Observation {
            control: Some(self.read_control(look.control_alive, started_at)),
            authoritative: look.authoritative,
            ..self.met(ProbeClass::Read, answer, started_at, self.clock.now())
        });
        observations
    }

    /// Tries every secret and the control's at the same time.
    async fn observe_binds(&self, entry: &Dn, look: &Look, secrets: &[(&Secret, bool, &'static str)]) -> Vec<Observation> {
        if secrets.is_empty() {
            return Vec::new();
        }
        let Some(now) = &look.entry else { return vec![self.nothing("no entry bears the name, so none was tried")] };
        let ours = self.all_ours(entry, now);
        let binds = join_all(secrets.iter().map(async |(secret, was_right, what)| {
            let one = Try { was_right: *was_right, what, stored: self.is_stored(now, secret).await };
            let started_at = self.clock.now();
            // A password that is known not to be the stored one counts against the entry.
            let allowed = match one.stored {
                Some(true) => Ok(()),
                _ => self.guesses.take(&entry.key(), now, look.policy, started_at),
            };
            let answer = match allowed {
                Err(why) => cannot_tell(format!("{what} was not tried: {why}")),
                Ok(()) => of_bind(self.wire.login(entry.text(), secret).await, &one, look, now, ours),
            };
            (answer, started_at, self.clock.now())
        }));
        let (control, tried) = tokio::join!(self.control_bind(), binds);
        tried
            .into_iter()
            .map(|(answer, started_at, ended_at)| Observation {
                control: Some(control.clone()),
                authoritative: look.authoritative,
                ..self.met(ProbeClass::Login, answer, started_at, ended_at)
            })
            .collect()
    }

    async fn control_bind(&self) -> Control {
        let started_at = self.clock.now();
        let identity = &self.config.control.identity;
        let (alive, what) = match self.wire.login(identity, &self.config.control.secret).await {
            Ok(bound) if bound.code == 0 => (true, format!("a bind as `{identity}` was accepted")),
            Ok(bound) => (false, format!("a bind as `{identity}` was refused with `{}`", bound.code)),
            Err(why) => (false, format!("a bind as `{identity}` had no answer: {why}")),
        };
        Control { class: ProbeClass::Login, alive, started_at, what }
    }

    /// The listing, and where the connection is still open and cut, the witness.
    async fn observe_connection(&self, one: &Connection, request: &ProbeRequest) -> Vec<Observation> {
        let started_at = self.clock.now();
        let seen = async {
            let listed = self.connections(&one.of).await?;
            let own_listed = !self.connections(&self.names.own).await?.is_empty();
            Ok::<_, Failure>((listed, own_listed, self.rules().await?.against(&one.of), self.is_provider().await?))
        }
        .await;
        let (listed, own_listed, cuts, authoritative) = match seen {
            Ok(seen) => seen,
            Err(failure) => {
                let why = failure.plane_error(&self.config.name).to_string();
                return vec![self.met(ProbeClass::Listing, cannot_tell(why), started_at, self.clock.now())];
            }
        };
        let open = listed.iter().find(|c| c.number == one.number && c.started == one.started);
        let covered = open.is_some_and(|c| cuts.covers(&c.peer));
        let answer = match open {
            None => Answer::Enforced { by: "the server lists no such connection of the entry".to_owned() },
            Some(_) if covered => cannot_tell("the connection is open, and everything over it is denied by an access rule"),
            Some(_) => Answer::Usable,
        };
        let control = Control {
            class: ProbeClass::Listing,
            alive: own_listed,
            started_at,
            what: "our own connection in the same listing".to_owned(),
        };
        let listing =
            Observation { control: Some(control), authoritative, ..self.met(ProbeClass::Listing, answer, started_at, self.clock.now()) };
        if !covered {
            return vec![listing];
        }
        // The control binds for it, so it is a login like any other.
        let witness = match request.may_login {
            false => self.met(ProbeClass::Witness, cannot_tell(NOT_ARMED), started_at, self.clock.now()),
            true => self.observe_witness(one, &cuts, authoritative).await,
        };
        vec![listing, witness]
    }

    async fn observe_witness(&self, one: &Connection, cuts: &super::rules::Standing, authoritative: bool) -> Observation {
        let started_at = self.clock.now();
        let answer = match self.witnesses.of(&one.of) {
            Some(witness) if !cuts.covers(&witness.peer) => cannot_tell("the cut does not name the witness, so it cannot tell"),
            _ => match self.hear_witness(&one.of).await {
                Testimony::Served => Answer::Usable,
                Testimony::Denied { code } => Answer::Refused { code: format!("{code}, over a connection of the same entry") },
                Testimony::None { why } => cannot_tell(format!("the connection is open and cut, and nobody can tell: {why}")),
            },
        };
        let ended_at = self.clock.now();
        Observation {
            control: Some(self.control_session().await),
            authoritative,
            ..self.met(ProbeClass::Witness, answer, started_at, ended_at)
        }
    }

    /// A session of the control is served the same question.
    async fn control_session(&self) -> Control {
        let started_at = self.clock.now();
        let identity = &self.config.control.identity;
        let (alive, what) = match self.wire.open(identity, &self.config.control.secret).await {
            Ok((_, Some(mut session))) => {
                let shown = self.wire.look_over(&mut session, identity).await;
                session.close().await;
                match shown {
                    Ok((0, true)) => (true, format!("a session of `{identity}` was served")),
                    Ok((code, _)) => (false, format!("a session of `{identity}` met `{code}`")),
                    Err(why) => (false, format!("a session of `{identity}` had no answer: {why}")),
                }
            }
            Ok((bound, None)) => (false, format!("a bind as `{identity}` was refused with `{}`", bound.code)),
            Err(why) => (false, format!("a bind as `{identity}` had no answer: {why}")),
        };
        Control { class: ProbeClass::Witness, alive, started_at, what }
    }

    async fn observe_member(&self, one: &Member) -> Observation {
        let started_at = self.clock.now();
        let seen = async {
            let group = Dn::parse(&self.control_group()).map_err(|why| Failure::NotReached { why: why.to_owned() })?;
            let control = Member { attribute: "member", member: self.names.control.clone(), group };
            Ok::<_, Failure>((self.membership(one).await?, self.membership(&control).await?, self.is_provider().await?))
        }
        .await;
        let ended_at = self.clock.now();
        let (stands, control, authoritative) = match seen {
            Ok(seen) => seen,
            Err(failure) => {
                let why = failure.plane_error(&self.config.name).to_string();
                return self.met(ProbeClass::Read, cannot_tell(why), started_at, ended_at);
            }
        };
        let answer = match stands {
            Some(true) => Answer::Usable,
            Some(false) => Answer::Enforced { by: "the group does not name the entry".to_owned() },
            None => cannot_tell("there is no such group, or Quell may not search its members: it may be renamed"),
        };
        let what = "the membership of the control, found by the same question".to_owned();
        Observation {
            control: Some(Control { class: ProbeClass::Read, alive: control == Some(true), started_at, what }),
            authoritative,
            ..self.met(ProbeClass::Read, answer, started_at, ended_at)
        }
    }

    /// The group of the control, beside it.
    pub(super) fn control_group(&self) -> String {
        format!("{CONTROL_GROUP},{}", self.names.control.above())
    }

    fn read_control(&self, alive: bool, started_at: Timestamp) -> Control {
        let identity = &self.config.control.identity;
        Control { class: ProbeClass::Read, alive, started_at, what: format!("the entry of `{identity}`, found by the same question") }
    }
}
