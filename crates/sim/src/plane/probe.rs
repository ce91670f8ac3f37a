//! Probes of the fake plane: what was met, with the control of the same round,
//! and beside it, for the guards alone, what was really so at that moment.

use quell_core::{
    proof::{Answer, Channel, Control, Observation, ProbeClass},
    secret::{Secret, sha256},
    target::TargetKind,
};
use quell_engine::port::{Clock, ProbeRequest};

use super::{FakePlane, Native, VERIFIER};
use crate::{
    fault::Fault,
    truth::{Role, verifier},
    world::{Glimpse, hold},
};

impl FakePlane {
    pub(super) async fn observe(&self, request: &ProbeRequest) -> Vec<Observation> {
        if let Err(error) = self.ask().await {
            return vec![self.seen(request, ProbeClass::Read, |_| Answer::Inconclusive { why: error.to_string() })];
        }
        match Native::of(&request.target) {
            Some(Native::Role(_)) => vec![self.read_state(request)],
            Some(Native::Password { role }) => self.credential(&role, request).await,
            Some(Native::Session(id)) => vec![self.seen(request, ProbeClass::Listing, |plane| {
                let truth = hold(&plane.world.truth);
                let now = plane.world.now_us();
                let listed = truth.planes.get(&plane.name).into_iter().flatten().any(|(_, r)| r.listed(now).any(|(s, _)| *s == id));
                if listed { Answer::Usable } else { Answer::Enforced { by: "no such session is listed".to_owned() } }
            })],
            Some(Native::Member { member, role }) => vec![self.seen(request, ProbeClass::Read, |plane| {
                let truth = hold(&plane.world.truth);
                let stands = truth.role(&plane.name, &role).is_some_and(|r| r.members.contains(&member));
                if stands { Answer::Usable } else { Answer::Enforced { by: "no such membership".to_owned() } }
            })],
            None => vec![self.seen(request, ProbeClass::Read, |_| Answer::Inconclusive { why: "no native id".to_owned() })],
        }
    }

    async fn credential(&self, role: &str, request: &ProbeRequest) -> Vec<Observation> {
        if let Some(own) = &request.own {
            let native = request.target.native.shown().to_owned();
            hold(&self.world.truth).issued.insert((self.name.clone(), native), own.expose().to_owned());
            if !request.may_login {
                return vec![self.seen(request, ProbeClass::Login, |_| Answer::Inconclusive { why: "no login was permitted".to_owned() })];
            }
            return vec![self.try_login(role, request, own, true)];
        }
        let mut seen = Vec::new();
        if request.may_login {
            for (secret, was_right) in
                request.leaked.iter().map(|s| (s, request.leaked_was_right)).chain(request.throw_away.iter().map(|s| (s, false)))
            {
                seen.push(self.try_login(role, request, secret, was_right));
                self.world.point().await;
            }
        }
        seen.push(self.read_state(request));
        seen
    }

    fn try_login(&self, role: &str, request: &ProbeRequest, secret: &Secret, was_right: bool) -> Observation {
        self.seen(request, ProbeClass::Login, |plane| {
            let truth = hold(&plane.world.truth);
            let now = plane.world.now_us();
            let Some(found) = truth.role(&plane.name, role) else { return Answer::Refused { code: "no such role".to_owned() } };
            if found.admits(secret.expose(), now) {
                return Answer::Usable;
            }
            let right = found.door(now).verifier.as_deref() == Some(&verifier(secret.expose()));
            match (right, was_right) {
                (true, _) => Answer::Refused { code: "28000".to_owned() },
                (false, true) => Answer::Refused { code: "28P01".to_owned() },
                (false, false) => Answer::Inconclusive { why: "a wrong password says nothing".to_owned() },
            }
        })
    }

    fn read_state(&self, request: &ProbeRequest) -> Observation {
        self.seen(request, ProbeClass::Read, |plane| {
            let truth = hold(&plane.world.truth);
            let name = match Native::of(&request.target) {
                Some(Native::Role(role) | Native::Password { role }) => role,
                _ => return Answer::Inconclusive { why: "not a role".to_owned() },
            };
            match truth.role(&plane.name, &name) {
                None => Answer::Enforced { by: "the role does not exist".to_owned() },
                Some(role) => state_answer(role, request, plane.world.now_us()),
            }
        })
    }

    /// One observation, as it is or as a fault shows it; and a glimpse of the truth.
    fn seen(&self, request: &ProbeRequest, class: ProbeClass, answer: impl FnOnce(&Self) -> Answer) -> Observation {
        let world = &self.world;
        let started_at = world.clock.now();
        let dead = || match class {
            ProbeClass::Login => Answer::Refused { code: "28000".to_owned() },
            _ => Answer::Enforced { by: "it is not there".to_owned() },
        };
        let control = |alive: bool| Control { class, alive, started_at, what: "the control identity".to_owned() };
        let mut seen = Observation {
            class,
            started_at,
            ended_at: started_at,
            vantage: String::new(),
            channel: Channel::TlsPinned,
            answer: answer(self),
            control: Some(control(true)),
            plane_clock: None,
            authoritative: true,
        };
        if world.strikes(Fault::ControlDies, &self.name) {
            (seen.answer, seen.control) = (dead(), Some(control(false)));
        } else if world.strikes(Fault::Impostor, &self.name) {
            (seen.answer, seen.channel) = (dead(), Channel::Unauthenticated);
        } else if class != ProbeClass::Login && world.strikes(Fault::StaleRead, &self.name) {
            (seen.answer, seen.authoritative) = (dead(), false);
        } else if world.strikes(Fault::Recorded, &self.name) {
            seen.answer = Answer::Recorded { by: "the directory".to_owned() };
        }
        let at_us = world.now_us();
        let usable = self.is_usable(request, at_us);
        let mut glimpses = hold(&world.glimpses);
        seen.vantage = format!("probe {} on {}", glimpses.len(), self.name);
        glimpses.insert(seen.vantage.clone(), Glimpse { usable, at_us });
        seen.ended_at = world.clock.now();
        seen
    }

    /// Whether the target is really usable now.
    fn is_usable(&self, request: &ProbeRequest, now: u64) -> Option<bool> {
        let truth = hold(&self.world.truth);
        match Native::of(&request.target)? {
            Native::Role(role) => Some(truth.role(&self.name, &role).is_some_and(|r| r.door(now).can_login)),
            Native::Password { .. } => truth.is_usable(&self.name, request.target.native.shown(), now),
            Native::Session(id) => Some(truth.holder_of(&self.name, &id).is_some()),
            Native::Member { member, role } => Some(truth.role(&self.name, &role).is_some_and(|r| r.members.contains(&member))),
        }
    }
}

/// What the plane's own state says of the old secret.
fn state_answer(role: &Role, request: &ProbeRequest, now: u64) -> Answer {
    let cannot_tell = |why: &str| Answer::Inconclusive { why: why.to_owned() };
    let sessions = role.listed(now).count();
    if !role.told.can_login {
        return match (sessions, role.members.is_empty()) {
            (0, true) => Answer::Enforced { by: "it cannot log in, no session is open, nobody may act as it".to_owned() },
            (0, false) => cannot_tell("it cannot log in, but others may act as it"),
            _ => cannot_tell("it cannot log in, but sessions are open"),
        };
    }
    let old = request.before_secrets.get(VERIFIER);
    if request.target.kind == TargetKind::Identity {
        // The exact before-state came back.
        let stands = role.told.verifier.as_deref() == old.map(Secret::expose);
        return if stands { Answer::Usable } else { cannot_tell("login is enabled") };
    }
    // Of a later generation nothing is known but its own secret.
    if !request.target.native.shown().ends_with("#password") {
        return cannot_tell("login is enabled, and the sealed verifier is that of the one before");
    }
    let Some(old) = old else { return cannot_tell("login is enabled, and the former verifier is not at hand") };
    if role.told.verifier.as_deref().map(|v| sha256(v.as_bytes())) == Some(sha256(old.expose().as_bytes())) {
        return if request.leaked_was_right { Answer::Usable } else { cannot_tell("login is enabled and the verifier is the old one") };
    }
    let of_before = role.listed(now).any(|(_, s)| s.with == old.expose());
    if of_before {
        return cannot_tell("the password was replaced, but sessions of before are open");
    }
    Answer::Enforced { by: "the stored verifier is another one".to_owned() }
}
