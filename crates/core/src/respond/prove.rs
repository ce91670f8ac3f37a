//! What a step must show, and when it is asked.

use alloc::{format, string::ToString, vec::Vec};

use super::{
    Move, Next, Situation, backoff_ms,
    step::{act_targets, tries},
};
use crate::{
    action::Action,
    course::PlanState,
    plan::{Proves, Selector, Step},
    proof::{Life, Liveness},
    target::{Target, TargetKind},
    time::{Timestamp, after, after_millis},
};

/// Probes what the step must show, until it is proved or its time is up.
pub(super) fn prove(s: &Situation<'_>, state: &PlanState, step: &Step, acted_at: Option<Timestamp>, now: Timestamp, next: &mut Next) {
    let plan = || state.plan.id.clone();
    let wanted = proof_targets(s, state, step);
    if wanted.is_empty() {
        let (ended, because) = match step.proves {
            Proves::Nothing => ("done", "nothing can be probed here"),
            _ => ("proved", "two enumerations in a row found none"),
        };
        next.moves.push(Move::EndStep { plan: plan(), step: step.n, ended, because: because.to_string() });
        return;
    }
    let mut open = 0;
    for target in &wanted {
        let held = s.targets.get(&target.id);
        // What other steps did to the same target counts: the last act is what must settle.
        let acted = acted_at.max(held.and_then(|h| h.acted_at()));
        let round = held.and_then(|h| h.round_since_act(acted));
        if round.is_some_and(|r| shows(step, target, r.proved.liveness, r.in_use))
            || held.is_some_and(|h| h.life == Some(Life::Dying) && step.action != Action::Reinstate)
        {
            continue;
        }
        open += 1;
        // Seen alive after the act: act again, bounded; then a person.
        if step.is_cut() && round.is_some_and(|r| r.proved.liveness == Liveness::Live) {
            let again = act_targets(state, step).into_iter().next();
            match again.filter(|t| tries(s, state, step, t) < step.fallback.attempts_max) {
                Some(t) if matches!(step.selector, Selector::Exactly { .. }) => {
                    next.moves.push(Move::Attempt { plan: plan(), step: step.n, target: t })
                }
                _ => {
                    next.moves.push(Move::HandOver { plan: plan(), step: step.n, because: "it is still usable after the act".to_string() })
                }
            }
            return;
        }
        let since = acted.unwrap_or(now);
        if now > after(since, step.proof_seconds) {
            let why = round.map_or_else(|| "no probe came through".to_string(), |r| r.proved.reason.clone());
            next.moves.push(Move::HandOver {
                plan: plan(),
                step: step.n,
                because: format!("not proved in {} s: {why}", step.proof_seconds),
            });
            return;
        }
        let probes = held.map_or(0, |h| h.rounds.iter().filter(|r| r.at >= since).count());
        let due = match held.and_then(|h| h.rounds.last()).filter(|r| r.at >= since) {
            None => after_millis(since, step.plane.settle_ms),
            Some(last) => after_millis(last.at, backoff_ms(u32::try_from(probes).unwrap_or(9))),
        };
        next.wake(after(since, step.proof_seconds + 1));
        next.when(due, now, || Move::Probe { plan: Some(plan()), step: Some(step.n), target: target.clone(), before_act: false });
    }
    if open == 0 {
        next.moves.push(Move::EndStep { plan: plan(), step: step.n, ended: "proved", because: format!("{} proved", wanted.len()) });
    }
}

/// Does this liveness of this target show what the step must show?
fn shows(step: &Step, target: &Target, liveness: Liveness, in_use: Option<bool>) -> bool {
    match &step.proves {
        Proves::InUse { credential, consumer_declared } | Proves::Reinstated { credential, consumer_declared }
            if credential.id == target.id =>
        {
            liveness == Liveness::Live && (!consumer_declared || in_use == Some(true))
        }
        Proves::Restored { .. } => liveness == Liveness::Live,
        _ => liveness == Liveness::Dead,
    }
}

impl Step {
    /// It takes access away, so its proof is a death.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self.proves, Proves::Dead { .. })
    }
}

/// What must be probed for the step to be proved.
pub fn proof_targets(s: &Situation<'_>, state: &PlanState, step: &Step) -> Vec<Target> {
    let every = |selector: &Selector| -> Vec<Target> {
        match selector {
            Selector::Exactly { target } => alloc::vec![target.clone()],
            Selector::Every { kind, identity } => {
                let mut all: Vec<Target> = s
                    .case
                    .linked
                    .iter()
                    .map(|(t, _)| t)
                    .filter(|t| t.kind == *kind && t.identity == identity.id && !state.plan.issues(t))
                    .filter(|t| !state.excluded.contains(&t.id))
                    .filter(|t| step.action != Action::SuspendIdentity || !outlives(s, t))
                    .cloned()
                    .collect();
                for found in act_targets(state, step).into_iter().filter(|t| t.kind == *kind) {
                    if !all.iter().any(|t| t.id == found.id) {
                        all.push(found);
                    }
                }
                all
            }
        }
    };
    match &step.proves {
        Proves::Dead { selector } => every(selector),
        Proves::InUse { credential, .. } => alloc::vec![credential.clone()],
        // The new one lives, and every older one of the identity is dead.
        Proves::Reinstated { credential, .. } => {
            let mut all = alloc::vec![credential.clone()];
            all.extend(
                s.case
                    .linked
                    .iter()
                    .map(|(t, _)| t)
                    .filter(|t| t.kind == TargetKind::Credential && t.identity == credential.identity && t.id != credential.id)
                    .filter(|t| step.kept().all(|kept| kept != t.id))
                    .cloned(),
            );
            all
        }
        Proves::Restored { target } => alloc::vec![target.clone()],
        Proves::Nothing => Vec::new(),
    }
}

/// It works on while its identity is suspended, so that is no proof of its death.
fn outlives(s: &Situation<'_>, target: &Target) -> bool {
    s.case.subjects.get(&target.identity).is_some_and(|subject| subject.outlive.contains(&target.id))
}

/// The first credential the step will kill that no probe has looked at yet:
/// dead without an earlier live is shown as never seen live.
pub(super) fn unseen_proof(s: &Situation<'_>, state: &PlanState, step: &Step) -> Option<Target> {
    if !step.is_cut() {
        return None;
    }
    proof_targets(s, state, step)
        .into_iter()
        .filter(|t| t.kind == TargetKind::Credential)
        .find(|t| s.targets.get(&t.id).is_none_or(|h| h.rounds.is_empty()))
}
