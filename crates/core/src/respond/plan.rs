//! What is due in one plan: a decision, people, the start, its steps, its end.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::{Move, Next, Situation, backoff_ms, collateral, step};
use crate::{
    approval,
    course::{Decided, PlanState},
    id::TargetId,
    plan::PlanKind,
    target::{Target, TargetKind},
    time::{Timestamp, after, after_millis},
};

pub(super) fn moves(s: &Situation<'_>, state: &PlanState, now: Timestamp, next: &mut Next) {
    let id = || state.plan.id.clone();
    match (&state.decided, &state.started) {
        (None, _) => next.moves.push(Move::Decide { plan: id() }),
        (Some(decided), None) => waiting(s, state, decided, now, next),
        (Some(_), Some(started)) => {
            if now > started.closes_at {
                next.moves.push(Move::EndPlan { plan: id(), ended: "handed_over", because: "its time window closed".to_string() });
                return;
            }
            next.wake(after(started.closes_at, 1));
            running(s, state, now, next);
        }
    }
}

fn waiting(s: &Situation<'_>, state: &PlanState, decided: &Decided, now: Timestamp, next: &mut Next) {
    let id = || state.plan.id.clone();
    // Arming, a pause, a verdict, an approval or another policy may have changed the answer.
    let approved = s.approvals.get(&state.plan.id).into_iter().flatten().map(|a| a.at).max();
    let changed = s.installation.changed_at.max(s.case.verdicts.last().map(|v| v.3)).max(approved);
    if changed.is_some_and(|at| at > decided.at) {
        next.moves.push(Move::Decide { plan: id() });
        return;
    }
    if now > decided.until {
        next.moves.push(Move::EndPlan { plan: id(), ended: "expired", because: "nobody decided in time".to_string() });
        return;
    }
    next.wake(after(decided.until, 1));

    let given = s.approvals.get(&state.plan.id).map(Vec::as_slice).unwrap_or_default();
    let bench = s.case.bench();
    let counts = approval::count(given, &state.plan.id, &state.digest, &bench, now);
    let enough = decided.wanted.iter().all(|(role, n)| counts.get(role).copied().unwrap_or(0) >= *n);
    let armed = state.plan.steps.iter().all(|step| s.installation.lets(step, now));
    // To ask somebody changes nothing, so it waits for no pause to end.
    let automation_waits = decided.wanted.is_empty() && s.installation.is_paused(now) && !state.plan.is_by_hand();
    if decided.never.is_empty() && enough && armed && state.plan.gaps.is_empty() && !automation_waits {
        let approvals = approval::counted(given, &state.plan.id, &state.digest, &bench, now).into_iter().map(|a| a.id.clone()).collect();
        next.moves.push(Move::Start { plan: id(), approvals });
        return;
    }
    // A pause ends by itself, and no event says so.
    if let Some(paused) = s.installation.paused.as_ref().filter(|_| automation_waits) {
        next.wake(after(paused.until, 1));
    }
    if enough {
        return;
    }
    match s.case.asked.get(&state.plan.id).filter(|asked| asked.wanted == decided.wanted) {
        None => next.moves.push(Move::AskPeople { plan: id(), escalation: 0 }),
        Some(asked) if asked.escalation < 3 => {
            next.when(asked.deadline, now, || Move::AskPeople { plan: id(), escalation: asked.escalation + 1 })
        }
        Some(_) => {}
    }
}

fn running(s: &Situation<'_>, state: &PlanState, now: Timestamp, next: &mut Next) {
    // Nothing of it is Quell's to do, so nothing of it is ever proved by its end.
    if state.plan.is_by_hand() {
        next.moves.push(Move::AskByHand { plan: state.plan.id.clone() });
        return;
    }
    let pauses = collateral::pauses_by_itself(state);
    if pauses && collateral::moves(s, state, now, next) {
        return;
    }
    for step in &state.plan.steps {
        if state.course(step.n).ended.is_none() {
            step::moves(s, state, step, now, next);
        }
    }

    // Where it stops nothing, nothing waits for it but the end of the plan.
    let looking = !pauses && collateral::moves(s, state, now, next);

    let ended: Vec<(u16, String, Timestamp)> =
        state.plan.steps.iter().filter_map(|st| state.course(st.n).ended.map(|(how, _, at)| (st.n, how, at))).collect();
    if looking || ended.len() < state.plan.steps.len() {
        return;
    }
    // After the last step the reach is read again: what was minted since
    // becomes a new plan (invariant 8).
    let last_end = ended.iter().map(|(_, _, at)| *at).max().unwrap_or(now);
    #[cfg(feature = "plant")]
    let sweeps = !crate::plant::is("nothing is swept");
    #[cfg(not(feature = "plant"))]
    let sweeps = true;
    if sweeps && state.plan.kind != PlanKind::Undo {
        for root in state.plan.roots.iter().filter(|r| r.kind == TargetKind::Identity) {
            if s.case.looked_at.get(&root.id).is_none_or(|at| *at < last_end) {
                // A plane that said nothing was not looked at: again, as long as a proof
                // may take; then a person has it.
                let patience = state.plan.steps.iter().map(|st| st.proof_seconds).max().unwrap_or_default();
                if s.case.unseen.contains_key(&root.id) && now > after(last_end, patience) {
                    let because = "the plane did not say what is left after the last step".to_string();
                    next.moves.push(Move::EndPlan { plan: state.plan.id.clone(), ended: "handed_over", because });
                    return;
                }
                next.wake(after(last_end, patience + 1));
                let due = s.case.unseen.get(&root.id).map_or(now, |(at, times)| after_millis(*at, backoff_ms(*times)));
                next.when(due, now, || Move::Enrich { identity: root.clone(), again: true });
                return;
            }
        }
        let roots: Vec<Target> = state.plan.roots.iter().filter(|r| r.kind == TargetKind::Identity).cloned().collect();
        let again = loose_with_what_came(s, state, &roots);
        if !again.is_empty() && state.plan.kind != PlanKind::Sweep {
            next.moves.push(Move::Draft { roots: again, kind: PlanKind::Sweep, parent: Some(state.plan.id.clone()) });
        }
    }
    let gone_well = ended.iter().all(|(_, how, _)| how == "proved" || how == "done");
    let (how, because) =
        if gone_well { ("proved", "every step is proved") } else { ("handed_over", "some steps are in the hands of a person") };
    next.moves.push(Move::EndPlan { plan: state.plan.id.clone(), ended: how, because: because.to_string() });
}

/// Those of `roots` that are loose, and what came from them on any plane and no plan has.
pub(super) fn loose_with_what_came(s: &Situation<'_>, state: &PlanState, roots: &[Target]) -> Vec<TargetId> {
    let mut loose: Vec<TargetId> = roots.iter().filter(|r| is_loose(s, state, &r.id)).map(|r| r.id.clone()).collect();
    let reached = s
        .case
        .subjects_of(roots)
        .into_iter()
        .filter(|(t, via)| via.is_some() && s.planes.contains(&t.plane) && s.case.subjects.contains_key(&t.id));
    loose.extend(reached.filter(|(t, _)| !super::is_treated(s, &t.id) && is_loose(s, state, &t.id)).map(|(t, _)| t.id));
    loose
}

/// Something of an identity is not contained, no sweep has it, and people did not
/// take it out: what they took out of a plan is theirs, and no sweep puts it back in.
fn is_loose(s: &Situation<'_>, state: &PlanState, identity: &TargetId) -> bool {
    let swept = s.plans.values().any(|p| p.plan.kind == PlanKind::Sweep && p.is_open() && p.plan.identities().contains(identity));
    let protected =
        s.case.subjects.get(identity).is_some_and(|x| x.facts.protected.is_some()) && !state.plan.identities().contains(identity);
    let left_out = |t: &&Target| s.plans.values().any(|p| p.excluded.contains(&t.id) || p.excluded.contains(&t.identity));
    !swept && !protected && loose_ends(s, identity).iter().any(|t| !left_out(t))
}

/// Credentials and sessions of an identity that are not contained.
pub(super) fn loose_ends<'a>(s: &'a Situation<'_>, identity: &TargetId) -> Vec<&'a Target> {
    s.case
        .linked
        .iter()
        .map(|(t, _)| t)
        .filter(|t| t.identity == *identity && matches!(t.kind, TargetKind::Credential | TargetKind::Session))
        .filter(|t| s.targets.get(&t.id).is_none_or(|st| !st.is_contained()))
        .collect()
}
