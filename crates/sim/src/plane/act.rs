//! Cleared attempts on the fake plane, and what became of them.
//!
//! Each part of an act is one change of the truth with a point behind it. The
//! guards see every effect before it happens.

use std::collections::BTreeMap;

use quell_core::{action::Action, clear::Clearance, time::SignedDuration};
use quell_engine::port::{Attempt, Clock, Outcome};

use super::{FakePlane, Native, VERIFIER};
use crate::{
    fault::Fault,
    guards,
    truth::{Truth, verifier},
    world::hold,
};

/// One part of an act: a change of the truth.
type Part = Box<dyn FnOnce(&mut Truth, u64, u64) + Send>;

fn part(change: impl FnOnce(&mut Truth, u64, u64) + Send + 'static) -> Part {
    Box::new(change)
}

fn done() -> Outcome {
    Outcome::Done { changed: BTreeMap::new() }
}

fn unknown(reason: &str) -> Outcome {
    Outcome::Unknown { reason: reason.to_owned() }
}

impl FakePlane {
    pub(super) async fn act_on(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        let world = &self.world;
        world.point().await;
        world.clock.sleep(SignedDuration::from_millis(i64::try_from(world.chance.between(1, 4)).unwrap_or(1))).await;
        if world.strikes(Fault::Throttle, &self.name) {
            return Outcome::Throttled { retry_after_ms: 100 };
        }
        if world.strikes(Fault::Refuses, &self.name) {
            return Outcome::Refused { reason: "permission denied".to_owned() };
        }
        if world.strikes(Fault::TimeOut, &self.name) {
            world.clock.sleep(SignedDuration::from_secs(60)).await;
            return unknown("no answer");
        }
        if world.strikes(Fault::Lie, &self.name) {
            return done();
        }
        let mut parts = match self.parts(attempt) {
            Ok(parts) => parts,
            Err(reason) => return Outcome::Refused { reason },
        };
        guards::before_effect(world, &self.name, clearance.record(), attempt);
        if parts.len() > 1 && world.strikes(Fault::HalfApply, &self.name) {
            let keep = usize::try_from(world.chance.between(1, parts.len() as u64 - 1)).unwrap_or(1);
            parts.truncate(keep);
            self.apply(attempt, parts).await;
            return unknown("the connection was lost on the way");
        }
        self.apply(attempt, parts).await;
        if world.strikes(Fault::TimeOutDone, &self.name) {
            world.clock.sleep(SignedDuration::from_secs(60)).await;
            return unknown("no answer");
        }
        if world.strikes(Fault::AnswerLost, &self.name) {
            return unknown("the connection was lost before the answer");
        }
        done()
    }

    async fn apply(&self, attempt: &Attempt, parts: Vec<Part>) {
        let world = &self.world;
        for change in parts {
            let late = if world.strikes(Fault::Lag, &self.name) {
                world.chance.below(u64::try_from(world.settle_ms).unwrap_or(0) * 400)
            } else {
                0
            };
            change(&mut hold(&world.truth), world.now_us(), late);
            guards::after_effect(world, &self.name, attempt);
            world.point().await;
        }
        world.tell(format!("{}: {} on {} happened ({})", self.name, attempt.action.name(), attempt.target.native.shown(), attempt.marker));
    }

    /// The act in parts, in an order that is safe to stop after each.
    fn parts(&self, attempt: &Attempt) -> Result<Vec<Part>, String> {
        let plane = self.name.clone();
        let native = Native::of(&attempt.target).ok_or("the target has no native id")?;
        let new = || attempt.new_secret.as_ref().map(|s| s.expose().to_owned()).ok_or("the attempt brings no new secret".to_owned());
        if let Ok(secret) = new() {
            let mut truth = hold(&self.world.truth);
            truth.secrets.insert(verifier(&secret));
            truth.secrets.insert(secret);
        }
        Ok(match (attempt.action, native) {
            (Action::SuspendIdentity, Native::Role(role)) => vec![set_login(&plane, &role, false)],
            (Action::TerminateSessions, Native::Session(id)) => vec![part(move |truth, _, _| {
                for role in truth.planes.get_mut(&plane).into_iter().flat_map(BTreeMap::values_mut) {
                    role.sessions.remove(&id);
                }
            })],
            (Action::RotateCredential, Native::Password { role }) => vec![set_verifier(&plane, &role, Some(verifier(&new()?)))],
            (Action::RemoveEntitlement, Native::Member { member, role }) => vec![part(move |truth, _, _| {
                if let Some(role) = truth.role_mut(&plane, &role) {
                    role.members.remove(&member);
                }
            })],
            (Action::ReissueCredential, Native::Role(role)) => {
                let twin = attempt.parameters.get("twin").ok_or("the plan names no `twin`")?.clone();
                let (secret, marker) = (new()?, attempt.marker.clone());
                let (of, name, open) = (plane.clone(), twin.clone(), set_login(&plane, &twin, true));
                let make = part(move |truth, now, _| {
                    if truth.role(&of, &name).is_none() {
                        let made = truth.add(&of, &name, &secret);
                        made.twin_of = Some((marker, role));
                        made.change(now, 0, |door| door.can_login = false);
                    }
                });
                vec![make, open]
            }
            (Action::RetireIdentity, Native::Role(twin)) => {
                if hold(&self.world.truth).role(&plane, &twin).is_some_and(|r| r.twin_of.is_none()) {
                    return Err("it was not made here".to_owned());
                }
                let (lock, kill) = (set_login(&plane, &twin, false), kill_all(&plane, &twin));
                let drop_it = part(move |truth, _, _| {
                    truth.planes.get_mut(&plane).and_then(|roles| roles.remove(&twin));
                });
                vec![lock, kill, drop_it]
            }
            (Action::Reinstate, Native::Role(role)) => {
                let stored = verifier(&new()?);
                let truth = hold(&self.world.truth);
                if truth.role(&plane, &role).is_some_and(|r| r.told.can_login && r.told.verifier.as_deref() == Some(&stored)) {
                    return Ok(Vec::new());
                }
                vec![
                    set_login(&plane, &role, false),
                    kill_all(&plane, &role),
                    set_verifier(&plane, &role, Some(stored)),
                    set_login(&plane, &role, true),
                ]
            }
            (Action::Restore, Native::Role(role)) => {
                let before = attempt.before.as_ref().ok_or("no before-state is recorded")?;
                let could = before.facts.get("can_login").and_then(Option::as_deref) == Some("true");
                let stored = attempt.before_secrets.get(VERIFIER).map(|s| s.expose().to_owned());
                vec![set_verifier(&plane, &role, stored), set_login(&plane, &role, could)]
            }
            (Action::Restore, Native::Member { member, role }) => vec![part(move |truth, _, _| {
                if let Some(role) = truth.role_mut(&plane, &role) {
                    role.members.insert(member);
                }
            })],
            (action, _) => return Err(format!("`{}` is not something this plane does to it", action.name())),
        })
    }

    /// Reads what became of an attempt; a twin that nobody can use is removed.
    pub(super) fn became(&self, attempt: &Attempt) -> Outcome {
        let mut truth = hold(&self.world.truth);
        let Some(native) = Native::of(&attempt.target) else { return unknown("the target has no native id") };
        let stored = attempt.new_secret.as_ref().map(|s| verifier(s.expose()));
        let has_new =
            |truth: &Truth, role: &str| truth.role(&self.name, role).is_some_and(|r| stored.is_some() && r.told.verifier == stored);
        let can_login = |truth: &Truth, role: &str| truth.role(&self.name, role).is_some_and(|r| r.told.can_login);
        let happened = match (attempt.action, &native) {
            (Action::SuspendIdentity, Native::Role(role)) => !can_login(&truth, role),
            (Action::TerminateSessions, Native::Session(id)) => truth.holder_of(&self.name, id).is_none(),
            (Action::RotateCredential, Native::Password { role }) => has_new(&truth, role),
            (Action::RemoveEntitlement, Native::Member { member, role }) => {
                !truth.role(&self.name, role).is_some_and(|r| r.members.contains(member))
            }
            (Action::ReissueCredential, Native::Role(_)) => {
                let made = truth.planes.get(&self.name).into_iter().flatten();
                let twin =
                    made.clone().find(|(_, r)| r.twin_of.as_ref().is_some_and(|(m, _)| *m == attempt.marker)).map(|(n, _)| n.clone());
                match twin {
                    Some(twin) if has_new(&truth, &twin) && can_login(&truth, &twin) => true,
                    Some(twin) => {
                        truth.planes.get_mut(&self.name).and_then(|roles| roles.remove(&twin));
                        false
                    }
                    None => false,
                }
            }
            (Action::RetireIdentity, Native::Role(twin)) => truth.role(&self.name, twin).is_none(),
            (Action::Reinstate, Native::Role(role)) => has_new(&truth, role) && can_login(&truth, role),
            (Action::Restore, Native::Role(role)) => {
                let before = attempt.before_secrets.get(VERIFIER).map(|s| s.expose().to_owned());
                can_login(&truth, role) && truth.role(&self.name, role).is_some_and(|r| r.told.verifier == before)
            }
            (Action::Restore, Native::Member { member, role }) => truth.role(&self.name, role).is_some_and(|r| r.members.contains(member)),
            _ => return unknown("not something this plane does"),
        };
        drop(truth);
        self.world.tell(format!("{}: {} read back: {happened}", self.name, attempt.marker));
        if happened { done() } else { Outcome::Throttled { retry_after_ms: 0 } }
    }
}

fn set_login(plane: &str, role: &str, to: bool) -> Part {
    let (plane, role) = (plane.to_owned(), role.to_owned());
    part(move |truth, now, late| {
        if let Some(role) = truth.role_mut(&plane, &role) {
            role.change(now, late, |door| door.can_login = to);
        }
    })
}

fn set_verifier(plane: &str, role: &str, to: Option<String>) -> Part {
    let (plane, role) = (plane.to_owned(), role.to_owned());
    part(move |truth, now, late| {
        if let Some(role) = truth.role_mut(&plane, &role) {
            role.change(now, late, |door| door.verifier = to);
        }
    })
}

fn kill_all(plane: &str, role: &str) -> Part {
    let (plane, role) = (plane.to_owned(), role.to_owned());
    part(move |truth, now, _| {
        if let Some(role) = truth.role_mut(&plane, &role) {
            role.sessions.retain(|_, s| s.listed_us > now);
        }
    })
}
