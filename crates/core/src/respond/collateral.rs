//! Collateral: somebody who must keep working stopped after an act.
//!
//! A declared consumer was seen using its new credential before the old one was
//! cut. After every later act it is looked for again; missed twice in a row, it
//! counts as failing. Below the contain tier what did not run yet then waits; in it
//! nothing does, and people are told.

use alloc::string::ToString;

use super::{Move, Next, Situation, backoff_ms};
use crate::{
    course::PlanState,
    plan::{Proves, Tier},
    target::Target,
    time::{Timestamp, after_millis},
};

/// What is said of a consumer that is not seen any more.
pub const CONSUMER_FAILS: &str = "the rightful consumer was seen with its new credential and is not seen any more";

/// Looks for the consumers of a failover after each act; true where something is due first.
pub(super) fn moves(s: &Situation<'_>, state: &PlanState, now: Timestamp, next: &mut Next) -> bool {
    for step in &state.plan.steps {
        let Proves::InUse { credential, consumer_declared: true } = &step.proves else { continue };
        let moved = state.course(step.n).ended.filter(|(how, ..)| how == "proved").map(|(.., at)| at);
        let Some(acted_at) = moved.and_then(|moved| last_act_after(s, state, moved)) else { continue };
        if state.paused.is_some() || is_told(s, state, CONSUMER_FAILS) {
            continue;
        }
        let rounds = s.targets.get(&credential.id).map(|t| t.rounds.as_slice()).unwrap_or_default();
        let since: alloc::vec::Vec<_> = rounds.iter().filter(|r| r.at >= acted_at).collect();
        match since.as_slice() {
            [] => {
                next.moves.push(look(state, step.n, credential));
                return true;
            }
            [.., last] if last.in_use == Some(true) => {}
            [.., before, last] if last.in_use == Some(false) && before.in_use == Some(false) => {
                next.moves.push(Move::Pause { plan: state.plan.id.clone(), step: Some(step.n), because: CONSUMER_FAILS.to_string() });
                return true;
            }
            [.., last] if since.len() < LOOKS_MAX => {
                let due = after_millis(last.at, backoff_ms(u32::try_from(since.len()).unwrap_or(9)));
                next.when(due, now, || look(state, step.n, credential));
                return true;
            }
            _ => {}
        }
    }
    false
}

/// Looks after one act: one that cannot be answered is no reason to wait for ever.
const LOOKS_MAX: usize = 4;

fn look(state: &PlanState, step: u16, credential: &Target) -> Move {
    Move::Probe { plan: Some(state.plan.id.clone()), step: Some(step), target: credential.clone(), before_act: false }
}

/// When this plan last acted on anything after `moved`.
fn last_act_after(s: &Situation<'_>, state: &PlanState, moved: Timestamp) -> Option<Timestamp> {
    let acts =
        s.targets.values().flat_map(|t| &t.attempts).filter(|a| a.cleared.plan == state.plan.id && a.outcome.as_deref() == Some("done"));
    acts.filter_map(|a| a.ended_at).filter(|at| *at > moved).max()
}

/// Somebody has been asked about it already.
pub fn is_told(s: &Situation<'_>, state: &PlanState, because: &str) -> bool {
    s.case.tasks.iter().any(|t| t.added.plan.as_ref() == Some(&state.plan.id) && t.added.what.starts_with(because))
}

/// May a plan pause by itself? In the contain tier the lead decides: an intruder who
/// makes the consumer stumble must not stop the cut.
pub fn pauses_by_itself(state: &PlanState) -> bool {
    state.plan.tier < Tier::Contain
}
