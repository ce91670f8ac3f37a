//! A plane that said nothing of a subject is asked again, and what it then says counts.
//!
//! ```text
//! said nothing ─▶ asked again, 1 s later and up to a minute apart ─▶ it answers
//!    a plan runs meanwhile: its own listings and its sweep ask          │
//!                                 nobody started a plan of it yet:  ◀───┤ the plan is drafted
//!                                 anew, where the answer changes it     │
//!                                 its plan is in people's hands:    ◀───┘ a sweep of what is loose
//! ```

use alloc::{string::ToString, vec::Vec};

use super::{Move, Next, Situation, is_treated, plan::loose_with_what_came};
use crate::{
    action::Action,
    course::{PlanStage, PlanState},
    event::By,
    id::TargetId,
    plan::PlanKind,
    target::Target,
    time::{Timestamp, after, after_millis},
};

pub(super) fn moves(s: &Situation<'_>, now: Timestamp, next: &mut Next) {
    for (identity, _) in s.case.subjects_of(&s.case.roots()) {
        let plans: Vec<&PlanState> = s
            .plans
            .values()
            .map(|p| &**p)
            .filter(|p| p.plan.kind != PlanKind::Undo && p.plan.identities().contains(&identity.id))
            .collect();
        // Its own listings and its sweep ask.
        if plans.iter().any(|p| p.is_open() && p.started.is_some()) || !s.planes.contains(&identity.plane) {
            continue;
        }
        match (s.case.unseen.get(&identity.id), s.case.heard_late.get(&identity.id)) {
            (Some((at, times)), _) => {
                let due = after_millis(*at, apart_ms(*times));
                next.when(due, now, || Move::Enrich { identity: identity.clone(), again: true });
            }
            (None, Some(heard)) => heard_late(s, &identity, *heard, &plans, next),
            (None, None) => {}
        }
    }
}

/// What the plane says at last is in no plan that was drafted before.
fn heard_late(s: &Situation<'_>, identity: &Target, heard: Timestamp, plans: &[&PlanState], next: &mut Next) {
    if plans.is_empty() || plans.iter().any(|p| p.drafted_at >= heard) {
        return;
    }
    // What a person drafted stays theirs.
    let waiting: Vec<_> = plans.iter().filter(|p| p.is_open()).collect();
    for state in waiting.iter().filter(|p| p.plan.kind == PlanKind::Contain && p.drafted_by == By::Automation) {
        let ends = next.moves.iter().any(|m| matches!(m, Move::EndPlan { plan, .. } if *plan == state.plan.id));
        if !ends && is_outdated(s, state, identity) {
            let because = "`".to_string() + &identity.plane + "` answered since, and what it says changes the plan";
            next.moves.push(Move::EndPlan { plan: state.plan.id.clone(), ended: "superseded", because });
        }
    }
    let last = plans.iter().max_by_key(|p| p.drafted_at).filter(|_| waiting.is_empty());
    if let Some(last) = last.filter(|p| matches!(p.stage, PlanStage::HandedOver | PlanStage::Expired)) {
        let roots: Vec<TargetId> = loose_with_what_came(s, last, core::slice::from_ref(identity));
        if !roots.is_empty() {
            next.moves.push(Move::Draft { roots, kind: PlanKind::Sweep, parent: Some(last.plan.id.clone()) });
        }
    }
}

/// A plan of before lacks something of this identity that is known now.
fn is_outdated(s: &Situation<'_>, state: &PlanState, identity: &Target) -> bool {
    let Some(subject) = s.case.subjects.get(&identity.id) else { return false };
    let takes_delegations =
        state.plan.steps.iter().any(|step| step.action == Action::RemoveEntitlement && *step.selector.identity() == identity.id);
    let reached = s.case.subjects_of(core::slice::from_ref(identity));
    let came = |(t, via): &(Target, Option<alloc::string::String>)| {
        via.is_some()
            && s.planes.contains(&t.plane)
            && s.case.subjects.get(&t.id).is_some_and(|x| x.facts.protected.is_none())
            && !is_treated(s, &t.id)
    };
    !state.plan.gaps.is_empty()
        || subject.credentials.iter().any(|(t, _)| !state.plan.roots.iter().any(|r| r.id == t.id))
        || (!subject.delegations.is_empty() && !takes_delegations)
        || reached.iter().any(came)
}

/// When planes that did not compare a leaked value are asked again: the wait grows with
/// what was waited for, from five seconds to ten minutes, so it needs no count.
pub fn compared_again_at(received_at: Timestamp, now: Timestamp) -> Timestamp {
    let waited = now.duration_since(received_at).as_secs();
    after(now, waited.clamp(5, 600))
}

/// 1 s, doubling to a minute.
fn apart_ms(times: u32) -> i64 {
    (1_000_i64 << times.saturating_sub(1).min(6)).min(60_000)
}
