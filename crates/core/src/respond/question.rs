//! What policy is asked about one step now, and on whose behalf.

use alloc::vec::Vec;

use super::Situation;
use crate::{
    approval,
    course::PlanState,
    decision::{AttemptQuestion, Circumstances, Principal, Role},
    event::{By, CaseEnriched},
    plan::Step,
    time::Timestamp,
};

/// The question policy is asked for one step now.
pub fn question(s: &Situation<'_>, state: &PlanState, step: &Step, principal: Principal, now: Timestamp) -> Option<AttemptQuestion> {
    let subject = subject_of(s, state, step)?;
    let corroboration = s.case.corroboration_about(step.selector.identity());
    let given = s.approvals.get(&state.plan.id).map(Vec::as_slice).unwrap_or_default();
    Some(AttemptQuestion {
        principal,
        action: step.action,
        identity: subject.facts.clone(),
        circumstances: Circumstances {
            tier: state.plan.tier,
            confidence: corroboration.confidence(),
            corroborated: corroboration.is_corroborated(),
            possession: corroboration.possession,
            secret_exposed: corroboration.secret_exposed,
            not_malicious: s.case.is_not_malicious(),
            approvals: approval::count(given, &state.plan.id, &state.digest, &s.case.bench(), now),
            break_glass: state.glass.as_ref().is_some_and(|g| g.holds(now)),
            failover: state.plan.fails_over(step),
            reversible: step.reversible,
            reach: subject.reach,
            dependents: subject.dependents,
            sample: corroboration.all_samples,
            paused: s.installation.is_paused(now),
            armed: s.installation.is_armed(&step.plane.connector, step.action, now),
            hour_utc: u8::try_from(now.as_second().rem_euclid(86_400) / 3600).unwrap_or(0),
        },
    })
}

/// Whose facts count for a step: its identity's. A twin is nobody's subject; it is
/// judged as the identity whose step it waits for, never as another one of the plan.
fn subject_of<'a>(s: &'a Situation<'_>, state: &PlanState, step: &Step) -> Option<&'a CaseEnriched> {
    if let Some(subject) = s.case.subjects.get(step.selector.identity()) {
        return Some(subject);
    }
    // Edges lead to earlier steps only, so this ends.
    step.after.iter().filter_map(|e| state.plan.step(e.step)).find_map(|before| subject_of(s, state, before))
}

/// Who acts when a plan runs: the person who ordered it, or Quell.
pub fn principal_of(state: &PlanState, roles: impl Fn(&crate::id::PersonId) -> Vec<Role>) -> Principal {
    match state.started.as_ref().filter(|st| st.ordered).map(|st| &st.by) {
        Some(By::Person(id)) => Principal::Person { id: id.clone(), roles: roles(id) },
        Some(By::Agent(id)) => Principal::Agent { id: id.clone(), roles: roles(id) },
        _ => Principal::Automation,
    }
}
