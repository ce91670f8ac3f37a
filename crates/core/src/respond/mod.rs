//! What is to be done next: a pure answer for the engine's one loop.
//!
//! The loop is load -> [`next`] -> do -> append. After a crash the same
//! question gives the same answer, so ordinary work runs the recovery code: an
//! intent without an outcome is read before anything is repeated (invariant 6),
//! and every wait has an end at which a named person gets it (invariant 18).

mod again;
mod attested;
mod collateral;
mod heard;
mod plan;
mod prove;
mod question;
mod step;
mod undo;
mod watch;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    sync::Arc,
    vec::Vec,
};

pub use again::compared_again_at;
pub use collateral::{CONSUMER_FAILS, is_told, pauses_by_itself};
pub use prove::proof_targets;
pub use question::{principal_of, question};
pub use step::act_targets;
pub use undo::{NotUndone, Uncompared, credentials_kept, is_exposed, may_restore, permissions_back, subjects_back, to_undo};

use crate::{
    approval::Approval,
    case::Case,
    course::{PlanStage, PlanState},
    draft,
    event::Stage,
    hold::TargetState,
    id::{ApprovalId, PlanId, TargetId},
    people::{Installation, Limits},
    plan::{PlanKind, Selector, Tier},
    target::Target,
    time::{Timestamp, after_millis},
};

/// Everything that the next move rests on.
pub struct Situation<'a> {
    pub case: &'a Case,
    pub plans: &'a BTreeMap<PlanId, Arc<PlanState>>,
    pub targets: &'a BTreeMap<TargetId, Arc<TargetState>>,
    pub approvals: &'a BTreeMap<PlanId, Vec<Approval>>,
    pub installation: &'a Installation,
    pub limits: &'a Limits,
    /// Planes that have a connector.
    pub planes: &'a BTreeSet<String>,
    /// Targets that an attempt of this very process acts on now: what becomes of it
    /// will be heard, so it is not read.
    pub acting: &'a BTreeSet<TargetId>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// An intent without an outcome: read what became of it.
    ReadOutcome {
        target: TargetId,
    },
    /// Ask inventory and plane about a subject.
    Enrich {
        identity: Target,
        again: bool,
    },
    /// Draft what contains these identities and what came from them.
    Draft {
        roots: Vec<TargetId>,
        kind: PlanKind,
        parent: Option<PlanId>,
    },
    /// Ask policy whom to hear.
    Decide {
        plan: PlanId,
    },
    /// Ask named people, with a deadline.
    AskPeople {
        plan: PlanId,
        escalation: u32,
    },
    Start {
        plan: PlanId,
        approvals: Vec<ApprovalId>,
    },
    Enumerate {
        plan: PlanId,
        step: u16,
    },
    Attempt {
        plan: PlanId,
        step: u16,
        target: Target,
    },
    Probe {
        plan: Option<PlanId>,
        step: Option<u16>,
        target: Target,
        before_act: bool,
    },
    EndStep {
        plan: PlanId,
        step: u16,
        ended: &'static str,
        because: String,
    },
    /// A person gets it.
    HandOver {
        plan: PlanId,
        step: u16,
        because: String,
    },
    /// People get every step of a plan by hand, and it ends as handed over.
    AskByHand {
        plan: PlanId,
    },
    /// Somebody who must keep working stopped: what is reversible waits.
    Pause {
        plan: PlanId,
        step: Option<u16>,
        because: String,
    },
    EndPlan {
        plan: PlanId,
        ended: &'static str,
        because: String,
    },
    Advance {
        stage: Stage,
    },
    Reopen {
        because: String,
    },
    /// Somebody is told that a dead credential lives again.
    Page {
        target: TargetId,
    },
    /// What is dead was tried again: it is recorded, and somebody may be paged.
    TellReuse {
        target: TargetId,
        pages: bool,
    },
}

/// The moves that are due, and when to ask again if nothing happens before.
#[derive(Debug, Default)]
pub struct Next {
    pub moves: Vec<Move>,
    pub wake_at: Option<Timestamp>,
}

impl Next {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |w| w.min(at)));
    }

    /// Due now, or a reason to wake up later.
    fn when(&mut self, due: Timestamp, now: Timestamp, make: impl FnOnce() -> Move) {
        if due <= now { self.moves.push(make()) } else { self.wake(due) }
    }
}

/// What is due at `now`.
pub fn next(s: &Situation<'_>, now: Timestamp) -> Next {
    let mut next = Next::default();

    // Whatever was intended and not concluded is read first.
    for (id, target) in s.targets {
        #[cfg(feature = "plant")]
        if crate::plant::is("what nobody read is repeated") {
            continue;
        }
        if s.acting.contains(id) {
            continue;
        }
        if let Some(open) = target.unsettled_attempt().filter(|a| s.plans.contains_key(&a.cleared.plan)) {
            let due =
                open.ended_at.map_or(open.at, |ended| after_millis(ended, backoff_ms(u32::try_from(target.attempts.len()).unwrap_or(9))));
            next.when(due, now, || Move::ReadOutcome { target: id.clone() });
        }
    }
    if !next.moves.is_empty() {
        return next;
    }

    if s.case.is_open() {
        subjects(s, &mut next);
        if !next.moves.is_empty() {
            return next;
        }
        for state in s.plans.values().filter(|p| p.is_open()) {
            plan::moves(s, state, now, &mut next);
        }
        again::moves(s, now, &mut next);
        heard::moves(s, &mut next);
        attested::moves(s, &mut next);
        stages(s, &mut next);
    }
    watch::moves(s, now, &mut next);
    next
}

/// Looks at every subject and at what came from it, and drafts a containment where
/// one is called for.
fn subjects(s: &Situation<'_>, next: &mut Next) {
    let roots = s.case.roots();
    for (identity, via) in s.case.subjects_of(&roots) {
        // What was reached where nobody speaks to the plane is said, not looked at.
        if !s.case.subjects.contains_key(&identity.id) && (via.is_none() || s.planes.contains(&identity.plane)) {
            next.moves.push(Move::Enrich { identity, again: false });
        }
    }
    if !next.moves.is_empty() || draft::tier_for(s.case.corroboration()) == Tier::Observe {
        return;
    }
    // What no connector serves is people's: a plan of its own, for which nothing waits.
    let (ours, by_hand): (Vec<Target>, Vec<Target>) =
        roots.into_iter().filter(|r| !is_answered(s, &r.id)).partition(|r| s.planes.contains(&r.plane));
    for roots in [ours, by_hand].into_iter().filter(|roots| !roots.is_empty()) {
        next.moves.push(Move::Draft { roots: roots.into_iter().map(|r| r.id).collect(), kind: PlanKind::Contain, parent: None });
    }
}

/// Every finding about this identity that calls for a containment has a plan.
fn is_answered(s: &Situation<'_>, identity: &TargetId) -> bool {
    let calls = s.case.findings.iter().filter(|f| {
        f.outcome.is_none()
            && f.counts()
            && f.folds.timing.is_none()
            && f.resolved.as_ref().is_some_and(|r| r.identity.id == *identity)
            && calls_for_containment(f.kind)
    });
    let received: Vec<Timestamp> = calls.map(|f| s.case.received.get(&f.id).copied().unwrap_or(s.case.opened_at)).collect();
    received.iter().all(|at| is_contained_by_plan(s, identity, *at))
}

/// A containment of it was planned and not taken back before `at`.
fn is_contained_by_plan(s: &Situation<'_>, identity: &TargetId, at: Timestamp) -> bool {
    standing(s).any(|p| p.plan.kind == PlanKind::Contain && p.plan.identities().contains(identity) && !undone_before(s, &p.plan.id, at))
}

/// Another plan of the case has it: it is not drafted again.
pub fn is_treated(s: &Situation<'_>, identity: &TargetId) -> bool {
    standing(s)
        .any(|p| p.plan.kind != PlanKind::Undo && p.plan.identities().contains(identity) && !undone_before(s, &p.plan.id, Timestamp::MAX))
}

/// The plans that no other one took the place of.
fn standing<'a>(s: &'a Situation<'_>) -> impl Iterator<Item = &'a PlanState> {
    s.plans.values().map(|p| &**p).filter(|p| p.stage != PlanStage::Superseded)
}

/// A proved undo took this plan back before `at`: what came in later is news.
fn undone_before(s: &Situation<'_>, plan: &PlanId, at: Timestamp) -> bool {
    s.plans.values().any(|p| {
        p.plan.kind == PlanKind::Undo
            && p.stage == PlanStage::Proved
            && p.plan.parent.as_ref().is_some_and(|x| x.plan == *plan)
            && p.ended.as_ref().is_some_and(|(ended, _)| *ended < at)
    })
}

/// Which kinds of signals ask for a plan; the others are shown.
pub fn calls_for_containment(kind: crate::signal::SignalKind) -> bool {
    use crate::signal::SignalKind as K;
    matches!(
        kind,
        K::LeakedSecret
            | K::AnomalousUse
            | K::RiskySignIn
            | K::CredentialChange
            | K::SessionEvent
            | K::AgentAction
            | K::DelegationChange
            | K::PrivilegeChange
    )
}

fn stages(s: &Situation<'_>, next: &mut Next) {
    let contains = || s.plans.values().filter(|p| p.plan.kind != PlanKind::Undo);
    let decided = contains().any(|p| p.started.is_some());
    let acted = s.targets.values().any(|t| t.attempts.iter().any(|a| a.outcome.is_some()));
    let proven = contains().any(|p| p.stage == PlanStage::Proved)
        && treated(s).iter().all(|id| is_proven(s, id))
        && contains().all(|p| !p.is_open());
    let restored = s.plans.values().any(|p| p.plan.kind == PlanKind::Undo && p.stage == PlanStage::Proved);
    if let Some(advance) = crate::case::stage_of(s.case, decided, acted, proven, restored) {
        next.moves.push(Move::Advance { stage: advance.stage });
    }
}

/// Everything of every subject is dead, or dying with a date, and what looks for its
/// targets by itself has found the last of them. Steps that make the death firmer may
/// still run, and what was minted meanwhile is not looked for yet.
pub fn is_cut(s: &Situation<'_>) -> bool {
    let finds = |p: &PlanState| {
        let looking = p.plan.steps.iter().filter(|step| matches!(step.selector, Selector::Every { .. }));
        looking.into_iter().any(|step| p.course(step.n).ended.is_none())
    };
    let running = s.plans.values().filter(|p| p.is_open());
    let subjects = treated(s);
    !subjects.is_empty()
        && running.into_iter().all(|p| p.started.is_some() && p.plan.kind != PlanKind::Undo && !finds(p))
        && subjects.iter().all(|id| is_proven(s, id))
}

/// Nothing of it is loose, and that is known.
fn is_proven(s: &Situation<'_>, identity: &TargetId) -> bool {
    (s.case.was_looked_at(identity) || was_proved(s, identity)) && plan::loose_ends(s, identity).is_empty()
}

/// A plan that contained it was proved, the look at what is left included.
fn was_proved(s: &Situation<'_>, identity: &TargetId) -> bool {
    s.plans.values().any(|p| p.plan.kind != PlanKind::Undo && p.stage == PlanStage::Proved && p.plan.identities().contains(identity))
}

/// Somebody a finding names, of whom nothing is known: what was seen of others says
/// nothing of them.
pub fn knows_nothing_of(s: &Situation<'_>, now: Timestamp) -> bool {
    s.case.unlooked(now).iter().any(|t| !was_proved(s, &t.id))
}

/// The identities that its findings name, and those that its plans contain.
fn treated(s: &Situation<'_>) -> BTreeSet<TargetId> {
    let planned = s.plans.values().filter(|p| p.plan.kind != PlanKind::Undo && p.started.is_some()).flat_map(|p| &p.plan.roots);
    let planned = planned.filter(|r| r.kind == crate::target::TargetKind::Identity).cloned();
    s.case.roots().into_iter().chain(planned).map(|t| t.id).collect()
}

/// 100 ms, doubling to 5 s.
fn backoff_ms(tries: u32) -> i64 {
    (100_i64 << tries.min(6)).min(5_000)
}
