//! The re-use watch: what was contained is probed until its watch ends.

use alloc::string::ToString;

use super::{Move, Next, Situation, prove::is_successor};
use crate::{
    hold::TargetState,
    id::TargetId,
    plan::PlanKind,
    proof::Life,
    target::{Target, TargetKind},
    time::{Timestamp, after},
};

/// Goes on probing what was contained, until its watch ends.
pub(super) fn moves(s: &Situation<'_>, now: Timestamp, next: &mut Next) {
    for (id, held) in s.targets.iter().filter(|(_, t)| t.holds.contains(&s.case.id)) {
        let (Some(target), Some(last)) = (&held.target, held.rounds.last()) else { continue };
        if !matches!(target.kind, TargetKind::Credential) || held.acted_at_by(s).is_none() {
            continue;
        }
        let in_a_plan = s.plans.values().any(|p| p.is_open() && p.started.is_some() && p.plan.identities().contains(&target.identity));
        if in_a_plan {
            continue;
        }
        // It came back: page, and contain it again.
        if held.life == Some(Life::Live) && !is_ours(s, target) && !waits_for_people(s, &target.identity) {
            next.moves.push(Move::Page { target: id.clone() });
            if s.case.is_open() {
                next.moves.push(Move::Draft { identity: target.identity.clone(), kind: PlanKind::Sweep, parent: None });
            } else {
                next.moves.push(Move::Reopen { because: "a credential of it was seen usable again".to_string() });
            }
            continue;
        }
        let since = held.dead_since.unwrap_or(last.at);
        if now > after(since, s.limits.watch_seconds) {
            continue;
        }
        let due = after(last.at, s.limits.watch_every_seconds);
        next.when(due, now, || Move::Probe { plan: None, step: None, target: target.clone(), before_act: false });
    }
}

/// A plan for it is already drafted and waits.
fn waits_for_people(s: &Situation<'_>, identity: &TargetId) -> bool {
    s.plans.values().any(|p| p.is_open() && p.plan.identities().contains(identity))
}

/// Issued by a plan of this case, so its life is wanted.
fn is_ours(s: &Situation<'_>, target: &Target) -> bool {
    s.plans.values().any(|p| is_successor(p, target))
}

impl TargetState {
    /// When an act of this case last touched it or its identity.
    fn acted_at_by(&self, s: &Situation<'_>) -> Option<Timestamp> {
        let identity = &self.target.as_ref()?.identity;
        self.acted_at().max(s.targets.get(identity).and_then(TargetState::acted_at))
    }
}
