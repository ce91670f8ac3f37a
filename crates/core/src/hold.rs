//! Containment belongs to the target, not to the case (invariant 9).
//!
//! A target's stream knows every case that holds it, the one before-state from
//! before the first hold, every attempt and every probe; its life is a fold of
//! them. It is released only when the last hold goes.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    clear::Cleared,
    id::{AttemptId, CaseId, PlanId},
    proof::{Life, Liveness, Observation, Proved},
    signal::CredentialKind,
    target::{Reading, Target},
    time::Timestamp,
};

/// Everything known of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    pub target: Option<Target>,
    pub credential_kind: Option<CredentialKind>,
    pub holds: BTreeSet<CaseId>,
    /// As it was before the first hold.
    pub before: Option<Reading>,
    pub attempts: Vec<AttemptState>,
    /// Every probe round, oldest first.
    pub rounds: Vec<Round>,
    /// The secret of it that Quell made last, as a sealed blob's id.
    pub own_secret: Option<String>,
    /// The throw-away that stands in the plane now, as a sealed blob's id.
    pub throw_away: Option<String>,
    /// A leaked value of it was seen to be right: matched, or used.
    pub leaked_was_right: bool,
    pub life: Option<Life>,
    pub since: Option<Timestamp>,
    pub residual_until: Option<Timestamp>,
    /// Start of the first dead probe after which no live one came.
    pub dead_since: Option<Timestamp>,
    /// The last time anybody was seen using it, or a probe did.
    pub last_live_at: Option<Timestamp>,
    pub was_ever_live: bool,
    /// Events of its stream so far.
    pub events: u64,
    /// The version of its stream at which the last probe round stands.
    pub probed_at: u64,
}

/// One attempt and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptState {
    pub cleared: Cleared,
    pub at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// `done`, `refused`, `throttled`, `unknown`; none while it is open.
    pub outcome: Option<String>,
    pub note: Option<String>,
    /// A sealed secret that was made for it.
    pub new_secret: Option<String>,
}

/// One probe round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    pub case: CaseId,
    pub plan: Option<PlanId>,
    pub observations: Vec<Observation>,
    pub proved: Proved,
    /// Which observation decided.
    pub decisive: Option<u32>,
    /// The rightful consumer was seen using the new credential; none where nobody looked.
    pub in_use: Option<bool>,
    /// Uses of the leaked value since it was cut; none where nobody could look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    pub at: Timestamp,
}

/// Uses of a leaked value by others, as the plane's own log tells them. A record and
/// no probe: it proves no death, and a use that was accepted ends the claim of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    pub since: Timestamp,
    pub accepted: u32,
    pub refused: u32,
    pub last_accepted_at: Option<Timestamp>,
    pub last_refused_at: Option<Timestamp>,
}

impl TargetState {
    /// The attempt whose intent has no outcome yet.
    pub fn open_attempt(&self) -> Option<&AttemptState> {
        self.attempts.iter().rev().find(|a| a.outcome.is_none())
    }

    /// The attempt of which nobody knows yet what it did: no outcome, or `unknown`.
    pub fn unsettled_attempt(&self) -> Option<&AttemptState> {
        self.attempts.last().filter(|a| a.outcome.is_none() || a.outcome.as_deref() == Some("unknown"))
    }

    /// The newest probe round that started after the last act.
    pub fn round_since_act(&self, acted_at: Option<Timestamp>) -> Option<&Round> {
        self.rounds.last().filter(|r| acted_at.is_none_or(|acted| r.at >= acted))
    }

    /// The attempt of an id.
    pub fn attempt(&self, id: &AttemptId) -> Option<&AttemptState> {
        self.attempts.iter().find(|a| a.cleared.attempt == *id)
    }

    /// The newest attempt of one step of one plan.
    pub fn last_attempt(&self, plan: &PlanId, step: u16) -> Option<&AttemptState> {
        self.attempts.iter().rev().find(|a| a.cleared.plan == *plan && a.cleared.step == step)
    }

    /// How often one step of one plan was tried here.
    pub fn tries(&self, plan: &PlanId, step: u16) -> u32 {
        u32::try_from(self.attempts.iter().filter(|a| a.cleared.plan == *plan && a.cleared.step == step).count()).unwrap_or(u32::MAX)
    }

    /// When the last act that took ended.
    pub fn acted_at(&self) -> Option<Timestamp> {
        self.attempts.iter().filter(|a| a.outcome.as_deref() == Some("done")).filter_map(|a| a.ended_at).max()
    }

    /// From when on a use of it comes after the cut: the last act on it, or on its
    /// `identity`, that took; of what is dead, the last one before it was. An act that
    /// came later cut something else, and forgets no use in between.
    pub fn cut_at(&self, identity: Option<&Self>) -> Option<Timestamp> {
        let acts = self.attempts.iter().chain(identity.into_iter().flat_map(|i| &i.attempts));
        let took = acts.filter(|a| a.outcome.as_deref() == Some("done")).filter_map(|a| a.ended_at);
        took.filter(|at| self.dead_since.is_none_or(|dead| *at <= dead)).max().or(self.dead_since)
    }

    /// When its identity was last given another credential, by an act on it.
    pub fn reissued_at(&self) -> Option<Timestamp> {
        let gives = |a: &&AttemptState| matches!(a.cleared.action, Action::ReissueCredential | Action::Reinstate);
        self.attempts.iter().filter(|a| a.outcome.as_deref() == Some("done")).filter(gives).filter_map(|a| a.ended_at).max()
    }

    /// The newest act that took, unless it gave access back.
    fn acts_stand(&self) -> Option<&AttemptState> {
        self.attempts.iter().rev().find(|a| a.outcome.as_deref() == Some("done")).filter(|a| !a.cleared.action.gives_access())
    }

    /// Dead, or dying with a date.
    pub fn is_contained(&self) -> bool {
        matches!(self.life, Some(Life::Dead | Life::Dying))
    }

    /// A case claims it.
    pub fn hold(&mut self, case: &CaseId, before: Option<Reading>, seen_live_at: Option<Timestamp>, at: Timestamp) {
        // A death that nobody watched since is an old claim: the first case that
        // holds it again has it probed anew.
        if self.holds.is_empty() && self.is_contained() {
            self.dead_since = None;
            self.residual_until = None;
            self.become_(Life::Unknown, at);
        }
        // What was given back since begins anew: the state before an incident that
        // is over is not the one to give back after the next.
        if self.holds.is_empty() && self.acts_stand().is_none() {
            self.before = None;
        }
        if self.before.is_none() {
            self.before = before;
        }
        if let Some(seen) = seen_live_at {
            self.was_ever_live = true;
            self.last_live_at = self.last_live_at.max(seen_live_at);
            // The plane lists it open after it was proved dead: the clock starts again.
            if self.dead_since.is_some_and(|dead| dead < seen) {
                self.dead_since = None;
                self.become_(Life::Live, at);
            }
        }
        self.holds.insert(case.clone());
        if self.life.is_none() {
            self.become_(Life::Live, at);
        }
    }

    /// An attempt was cleared and its intent is durable.
    pub fn intend(&mut self, cleared: Cleared, new_secret: Option<String>, at: Timestamp) {
        if !cleared.action.gives_access() && !self.is_contained() {
            self.become_(Life::Containing, at);
        }
        self.attempts.push(AttemptState { cleared, at, ended_at: None, outcome: None, note: None, new_secret });
    }

    /// What became of an attempt.
    pub fn conclude(&mut self, attempt: &AttemptId, outcome: &str, note: Option<String>, at: Timestamp) {
        let Some(open) = self.attempts.iter_mut().find(|a| a.cleared.attempt == *attempt) else { return };
        open.outcome = Some(outcome.into());
        open.note = note;
        open.ended_at = Some(at);
        if outcome == "done" {
            let (action, secret) = (open.cleared.action, open.new_secret.clone());
            match action {
                Action::RotateCredential => self.throw_away = secret.or_else(|| self.throw_away.clone()),
                Action::ReissueCredential | Action::Reinstate => {
                    self.own_secret = secret.or_else(|| self.own_secret.clone());
                    self.throw_away = None;
                }
                _ => {}
            }
            if action.gives_access() {
                self.become_(Life::Unknown, at);
            }
        }
    }

    /// A probe round: the only way to DEAD, and the way back to LIVE (invariant 5).
    pub fn probed(&mut self, round: Round) {
        let at = round.at;
        let started = round.observations.get(round.decisive.unwrap_or(0) as usize).map_or(at, |o| o.started_at);
        let accepted_at = round.used.as_ref().and_then(|u| u.last_accepted_at);
        self.last_live_at = self.last_live_at.max(accepted_at);
        let gave_access =
            self.attempts.iter().rev().find(|a| a.outcome.as_deref() == Some("done")).is_some_and(|a| a.cleared.action == Action::Restore);
        match round.proved.liveness {
            Liveness::Live => {
                self.was_ever_live = true;
                self.last_live_at = self.last_live_at.max(Some(started));
                self.dead_since = None;
                self.residual_until = None;
                self.become_(if gave_access { Life::Restored } else { Life::Live }, at);
            }
            Liveness::Dead => {
                self.dead_since.get_or_insert(started);
                self.residual_until = None;
                self.become_(Life::Dead, started);
            }
            Liveness::Unknown => {
                if let Some(until) = round.proved.residual_until {
                    self.residual_until = Some(until);
                    self.become_(Life::Dying, at);
                // A round that could not tell never makes alive or dead, but it
                // ends the claim that it is dead now.
                } else if self.life == Some(Life::Dead) || self.life == Some(Life::Containing) {
                    self.become_(Life::Unknown, at);
                }
            }
        }
        self.rounds.push(round);
    }

    /// A case gives its claim up. Answers whether it was the last.
    pub fn release(&mut self, case: &CaseId) -> bool {
        self.holds.remove(case);
        self.holds.is_empty()
    }

    fn become_(&mut self, life: Life, at: Timestamp) {
        if self.life != Some(life) {
            self.life = Some(life);
            self.since = Some(at);
        }
    }
}

impl TargetState {
    /// The state after one more event of the target's stream.
    pub fn apply(&mut self, event: &crate::event::Event, at: Timestamp) {
        use crate::event::Event;
        self.events += 1;
        match event {
            Event::HoldPlaced(e) => {
                // A name that was erased is known again once a case brings it anew.
                if self.target.as_ref().is_none_or(|t| t.native.value().is_none()) {
                    self.target = Some(e.target.clone());
                }
                self.credential_kind = self.credential_kind.or(e.credential_kind);
                self.leaked_was_right |= e.leaked_was_right;
                self.hold(&e.case, e.before.clone(), e.seen_live_at, at);
            }
            Event::HoldReleased(e) => {
                self.release(&e.case);
            }
            Event::AttemptIntended(e) => self.intend(e.cleared.clone(), e.new_secret.clone(), at),
            Event::AttemptEnded(e) => {
                if let (Some(issued), Some(one)) = (&e.issued, self.attempts.iter_mut().find(|a| a.cleared.attempt == e.attempt)) {
                    one.new_secret = Some(issued.clone());
                }
                self.conclude(&e.attempt, &e.outcome, e.reason.clone(), at);
            }
            Event::TargetProbed(e) => {
                self.probed_at = self.events;
                self.probed(e.round.clone());
            }
            _ => {}
        }
    }
}
