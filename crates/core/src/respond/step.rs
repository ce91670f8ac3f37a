//! What is due in one step: wait for its edges, look, act, look again, prove.

use alloc::{format, string::ToString, vec::Vec};

use super::{
    Move, Next, Situation, backoff_ms,
    prove::{prove, unseen_proof},
};
use crate::{
    action::Reversible,
    course::PlanState,
    plan::{Edge, PlanKind, Selector, Step, Until},
    target::{Target, TargetKind},
    time::{Timestamp, after_millis},
};

pub(super) fn moves(s: &Situation<'_>, state: &PlanState, step: &Step, now: Timestamp, next: &mut Next) {
    let plan = || state.plan.id.clone();
    for edge in &step.after {
        match edge_state(s, state, edge, now) {
            EdgeState::Open => {}
            EdgeState::Later(at) => {
                if let Some(at) = at {
                    next.wake(at);
                }
                return;
            }
            EdgeState::Broken if edge.hard => {
                let because = format!("step {} did not come through, and this one hangs on it", edge.step);
                next.moves.push(Move::EndStep { plan: plan(), step: step.n, ended: "skipped", because });
                return;
            }
            EdgeState::Broken => {}
        }
    }
    let course = state.course(step.n);
    let acts_on = act_targets(state, step);
    if acts_on.is_empty() && matches!(step.selector, Selector::Exactly { .. }) {
        let because = "its target was taken out of the plan".to_string();
        next.moves.push(Move::EndStep { plan: plan(), step: step.n, ended: "skipped", because });
        return;
    }
    if state.paused.is_some() && step.reversible != Reversible::No && acts_on.iter().all(|t| tries(s, state, step, t) == 0) {
        return;
    }
    if !course.outside.is_empty()
        && !s.plans.values().any(|p| p.plan.kind == PlanKind::Amendment && p.plan.parent.as_ref().is_some_and(|x| x.plan == state.plan.id))
    {
        // What was minted on another plane meanwhile is looked at first.
        let elsewhere: Vec<&Target> = course.outside.iter().filter(|t| t.kind == TargetKind::Identity).collect();
        if let Some(new) = elsewhere.iter().find(|t| !s.case.subjects.contains_key(&t.id)) {
            next.moves.push(Move::Enrich { identity: (*new).clone(), again: false });
            return;
        }
        let here = course.outside.iter().any(|t| t.kind != TargetKind::Identity).then(|| step.selector.identity().clone());
        let roots = elsewhere.into_iter().map(|t| t.id.clone()).chain(here).collect();
        next.moves.push(Move::Draft { roots, kind: PlanKind::Amendment, parent: Some(plan()) });
    }
    if matches!(step.selector, Selector::Every { .. }) && course.rounds == 0 {
        next.moves.push(Move::Enumerate { plan: plan(), step: step.n });
        return;
    }

    // Act.
    let mut acted_at: Option<Timestamp> = None;
    let mut busy = false;
    for target in &acts_on {
        let held = s.targets.get(&target.id);
        #[cfg(feature = "plant")]
        let held = held.filter(|h| h.unsettled_attempt().is_none() || !crate::plant::is("what nobody read is repeated"));
        let last = held.and_then(|t| t.last_attempt(&state.plan.id, step.n));
        match last.map(|a| (a.outcome.as_deref(), a)) {
            None => {
                if let Some(open) = held.and_then(|h| h.open_attempt().or_else(|| h.unsettled_attempt())) {
                    next.wake(after_millis(open.at.max(now), 100));
                    busy = true;
                } else if let Some(first) = unseen_proof(s, state, step) {
                    next.moves.push(Move::Probe { plan: Some(plan()), step: Some(step.n), target: first, before_act: true });
                    return;
                } else {
                    next.moves.push(Move::Attempt { plan: plan(), step: step.n, target: target.clone() });
                    busy = true;
                }
            }
            // Acted on, and listed again since: again, bounded by the rounds.
            Some((Some("done"), attempt)) if course.listed.contains(&target.id) && attempt.ended_at < course.last_round_at => {
                next.moves.push(Move::Attempt { plan: plan(), step: step.n, target: target.clone() });
                busy = true;
            }
            Some((Some("done"), attempt)) => acted_at = acted_at.max(attempt.ended_at),
            Some((Some("throttled"), attempt)) => {
                busy = true;
                let tries = tries(s, state, step, target);
                if tries >= step.fallback.attempts_max.max(6) {
                    next.moves.push(Move::HandOver { plan: plan(), step: step.n, because: "the plane keeps asking to wait".to_string() });
                    return;
                }
                let due = after_millis(attempt.ended_at.unwrap_or(attempt.at), backoff_ms(tries));
                next.when(due, now, || Move::Attempt { plan: plan(), step: step.n, target: target.clone() });
            }
            Some((Some("refused"), attempt)) => {
                let because = attempt.note.clone().unwrap_or_else(|| "the plane refused".to_string());
                next.moves.push(Move::HandOver { plan: plan(), step: step.n, because });
                return;
            }
            // In flight, or unknown: read by `next` before anything else.
            Some(_) => busy = true,
        }
    }
    if busy {
        return;
    }
    if let Selector::Every { .. } = step.selector
        && course.clean < 2
    {
        if course.rounds >= 50 {
            next.moves.push(Move::HandOver { plan: plan(), step: step.n, because: "new ones keep appearing".to_string() });
            return;
        }
        // Two in a row, apart in time: a login that passed the check may not be listed yet.
        let due = course.last_round_at.map_or(now, |at| after_millis(at, step.plane.settle_ms.clamp(20, 250) / 5));
        next.when(due, now, || Move::Enumerate { plan: plan(), step: step.n });
        return;
    }
    prove(s, state, step, acted_at.or(course.last_round_at), now, next);
}

/// What the step acts on, as far as it is known.
pub fn act_targets(state: &PlanState, step: &Step) -> Vec<Target> {
    let targets = match &step.selector {
        Selector::Exactly { target } => alloc::vec![target.clone()],
        Selector::Every { .. } => state.course(step.n).found,
    };
    targets.into_iter().filter(|t| !state.excluded.contains(&t.id)).collect()
}

pub(super) fn tries(s: &Situation<'_>, state: &PlanState, step: &Step, target: &Target) -> u32 {
    s.targets.get(&target.id).map_or(0, |t| t.tries(&state.plan.id, step.n))
}

enum EdgeState {
    Open,
    Later(Option<Timestamp>),
    Broken,
}

fn edge_state(s: &Situation<'_>, state: &PlanState, edge: &Edge, now: Timestamp) -> EdgeState {
    let Some(before) = state.plan.step(edge.step) else { return EdgeState::Broken };
    let course = state.course(before.n);
    match course.ended.as_ref().map(|(how, ..)| how.as_str()) {
        Some("proved" | "done") => return EdgeState::Open,
        Some(_) => return EdgeState::Broken,
        None => {}
    }
    let targets = act_targets(state, before);
    let done: Option<Vec<Timestamp>> = targets
        .iter()
        .map(|t| s.targets.get(&t.id)?.last_attempt(&state.plan.id, before.n).filter(|a| a.outcome.as_deref() == Some("done"))?.ended_at)
        .collect();
    let every = matches!(before.selector, Selector::Every { .. });
    let acted_at = done.and_then(|at| at.into_iter().max().or(course.last_round_at)).filter(|_| !every || course.clean >= 2);
    match (edge.until, acted_at) {
        (Until::AfterProof, _) | (_, None) => EdgeState::Later(None),
        (Until::AfterAct, Some(_)) => EdgeState::Open,
        (Until::AfterSettle, Some(at)) => {
            let due = after_millis(at, before.plane.settle_ms);
            if due <= now { EdgeState::Open } else { EdgeState::Later(Some(due)) }
        }
    }
}
