//! What people did by hand. Said is not proved: the plane is asked as soon as they say
//! so, and goes on being asked like what Quell did itself.

use super::{Move, Next, Situation, prove::proof_targets};
use crate::{target::Target, time::Timestamp};

/// Probes what a step was to cut, once somebody says that they did it.
pub(super) fn moves(s: &Situation<'_>, next: &mut Next) {
    for (target, said) in said(s) {
        let is_asked = s.targets.get(&target.id).and_then(|t| t.rounds.last()).is_some_and(|r| r.at >= said);
        if !is_asked {
            next.moves.push(Move::Probe { plan: None, step: None, target, before_act: false });
        }
    }
}

/// Somebody says that they cut it.
pub(super) fn is_said(s: &Situation<'_>, target: &Target) -> bool {
    said(s).any(|(t, _)| t.id == target.id)
}

fn said<'a>(s: &'a Situation<'_>) -> impl Iterator<Item = (Target, Timestamp)> + 'a {
    s.case.tasks.iter().flat_map(|task| {
        let asked = task.added.plan.as_ref().and_then(|plan| s.plans.get(plan)).zip(task.added.step);
        let step = asked.and_then(|(state, n)| Some((state, state.plan.step(n)?))).filter(|(_, step)| step.is_cut());
        let ended = task.ended.as_ref().map(|(_, at)| *at);
        step.zip(ended).into_iter().flat_map(|((state, step), at)| proof_targets(s, state, step).into_iter().map(move |t| (t, at)))
    })
}
