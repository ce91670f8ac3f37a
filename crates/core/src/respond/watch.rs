//! The re-use watch: what was contained is probed until its watch ends, and whoever
//! tries it again is told of.

use alloc::string::ToString;

use super::{Move, Next, Situation, attested};
use crate::{
    course::{PlanStage, PlanState},
    hold::{Round, TargetState},
    plan::{PlanKind, UndoMode},
    proof::{Life, Liveness},
    target::{Target, TargetKind},
    time::{Timestamp, after},
};

/// Goes on probing what was contained, until its watch ends.
pub(super) fn moves(s: &Situation<'_>, now: Timestamp, next: &mut Next) {
    for (id, held) in s.targets.iter().filter(|(_, t)| t.holds.contains(&s.case.id)) {
        let (Some(target), Some(last)) = (&held.target, held.rounds.last()) else { continue };
        if !is_watched(target, last) || (held.acted_at_by(s).is_none() && !attested::is_said(s, target)) {
            continue;
        }
        if is_news(s, held) {
            // Who tries a dead session tries what it came from, too: one page is enough.
            let let_in = last.used.as_ref().is_some_and(|u| u.accepted > 0);
            next.moves.push(Move::TellReuse { target: id.clone(), pages: let_in || target.kind == TargetKind::Credential });
        }
        let in_a_plan = s.plans.values().any(|p| p.is_open() && p.started.is_some() && p.plan.identities().contains(&target.identity));
        if in_a_plan {
            continue;
        }
        // It came back, or was let in while nobody looked: page, and contain it again.
        // What a plan could not cut, or people did not want cut, is theirs; another plan
        // would only repeat it.
        if usable_since(held).is_some_and(|since| came_back(s, target, held, since)) && !is_ours(s, target) && !is_excluded(s, target) {
            if held.life == Some(Life::Live) {
                next.moves.push(Move::Page { target: id.clone() });
            }
            if s.case.is_open() {
                next.moves.push(Move::Draft { roots: alloc::vec![target.identity.clone()], kind: PlanKind::Sweep, parent: None });
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

/// It was tried after it was proved dead, and nobody was told: of the first use that was
/// refused, and of the first that was accepted. What an intruder tried between the cut
/// and its proof is no news.
fn is_news(s: &Situation<'_>, held: &TargetState) -> bool {
    let (Some(target), Some(dead)) = (&held.target, held.dead_since) else { return false };
    let Some(used) = held.rounds.last().and_then(|r| r.used.as_ref()) else { return false };
    let later = |at: Option<Timestamp>| at.is_some_and(|at| at > dead);
    match s.case.reused.get(&target.id) {
        None => later(used.last_refused_at) || later(used.last_accepted_at),
        Some(accepted) => !accepted && later(used.last_accepted_at),
    }
}

/// A credential can be made usable again. A session cannot: what ended stays ended, and
/// is asked about only where the plane's own log tells who still tries it.
fn is_watched(target: &Target, last: &Round) -> bool {
    match target.kind {
        TargetKind::Credential => true,
        TargetKind::Session => last.used.is_some(),
        _ => false,
    }
}

/// Since when it is seen usable, or seen that a use of it was let in after its death:
/// that use may have made something that nobody has looked for. The plane's clock may
/// be ahead of ours, so it counts when it was first seen.
fn usable_since(held: &TargetState) -> Option<Timestamp> {
    if held.life == Some(Life::Live) {
        return held.since;
    }
    let let_in = |round: &Round| round.used.as_ref().and_then(|u| u.last_accepted_at);
    let used = held.rounds.last().and_then(let_in)?;
    held.dead_since.filter(|dead| used > *dead)?;
    held.rounds.iter().find(|r| let_in(r) == Some(used)).map(|r| r.at)
}

/// That was after the last plan about its identity ended, none is open, and it is not
/// just what that plan left alive.
fn came_back(s: &Situation<'_>, target: &Target, held: &TargetState, since: Timestamp) -> bool {
    let about = || s.plans.values().filter(|p| p.plan.identities().contains(&target.identity));
    let ended = |p: &PlanState| p.ended.as_ref().map(|(at, _)| *at);
    let last = about().max_by_key(|p| ended(p));
    about().all(|p| ended(p).is_some_and(|ended| since > ended)) && !last.is_some_and(|plan| is_left_alive(plan, held))
}

/// No probe saw it dead since the plan began.
fn is_left_alive(plan: &PlanState, held: &TargetState) -> bool {
    let dead_since = |from: Timestamp| held.rounds.iter().any(|r| r.at >= from && r.proved.liveness == Liveness::Dead);
    plan.started.as_ref().is_some_and(|started| !dead_since(started.at))
}

/// Issued or restored by a plan of this case, so its life is wanted.
fn is_ours(s: &Situation<'_>, target: &Target) -> bool {
    let proved = s.plans.values().filter(|p| p.stage == PlanStage::Proved && p.plan.identities().contains(&target.identity));
    let last = proved.max_by_key(|p| p.ended.as_ref().map(|(at, _)| *at));
    s.plans.values().any(|p| p.plan.issues(target)) || last.is_some_and(|p| p.plan.undo == Some(UndoMode::Restore))
}

/// People do not want it cut.
fn is_excluded(s: &Situation<'_>, target: &Target) -> bool {
    s.plans.values().any(|p| p.excluded.contains(&target.id))
}

impl TargetState {
    /// When an act of this case last touched it or its identity.
    fn acted_at_by(&self, s: &Situation<'_>) -> Option<Timestamp> {
        let identity = &self.target.as_ref()?.identity;
        self.acted_at().max(s.targets.get(identity).and_then(|t| t.acted_at()))
    }
}
