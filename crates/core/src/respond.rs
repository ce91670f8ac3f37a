//! What is to be done next: a pure answer for the engine's one loop.
//!
//! The loop is load -> [`next`] -> do -> append. After a crash the same
//! question gives the same answer, so ordinary work runs the recovery code: an
//! intent without an outcome is read before anything is repeated (invariant 6),
//! and every wait has an end at which a named person gets it (invariant 18).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use crate::{
    action::{Action, Reversible},
    approval::{self, Approval},
    case::Case,
    course::{PlanStage, PlanState},
    decision::{AttemptQuestion, Circumstances, Principal, Role},
    draft,
    event::{By, Stage},
    hold::TargetState,
    id::{ApprovalId, PlanId, TargetId},
    people::{Installation, Limits},
    plan::{PlanKind, Proves, Selector, Step, Tier, Until},
    proof::{Life, Liveness},
    target::{Target, TargetKind},
    time::{Timestamp, after, after_millis},
};

/// Everything that the next move rests on.
pub struct Situation<'a> {
    pub case: &'a Case,
    pub plans: &'a BTreeMap<PlanId, PlanState>,
    pub targets: &'a BTreeMap<TargetId, TargetState>,
    pub approvals: &'a BTreeMap<PlanId, Vec<Approval>>,
    pub installation: &'a Installation,
    pub limits: &'a Limits,
    /// Planes that have a connector.
    pub planes: &'a BTreeSet<String>,
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
    Draft {
        identity: TargetId,
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
    Pause {
        plan: PlanId,
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
            plan(s, state, now, &mut next);
        }
        stages(s, &mut next);
    }
    watch(s, now, &mut next);
    next
}

/// Looks at every subject, and drafts a containment where one is called for.
fn subjects(s: &Situation<'_>, next: &mut Next) {
    for identity in s.case.roots() {
        if !s.case.subjects.contains_key(&identity.id) {
            next.moves.push(Move::Enrich { identity, again: false });
            continue;
        }
        if !s.planes.contains(&identity.plane) || draft::tier_for(s.case.corroboration()) == Tier::Observe {
            continue;
        }
        let wants = s.case.findings.iter().any(|f| {
            f.outcome.is_none()
                && !f.containment_evidence
                && f.resolved.as_ref().is_some_and(|r| r.identity.id == identity.id)
                && calls_for_containment(f.kind)
        });
        let planned = s.plans.values().any(|p| p.plan.kind == PlanKind::Contain && p.plan.identities().contains(&identity.id));
        if wants && !planned {
            next.moves.push(Move::Draft { identity: identity.id, kind: PlanKind::Contain, parent: None });
        }
    }
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

fn plan(s: &Situation<'_>, state: &PlanState, now: Timestamp, next: &mut Next) {
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

fn waiting(s: &Situation<'_>, state: &PlanState, decided: &crate::course::Decided, now: Timestamp, next: &mut Next) {
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
    let counts = approval::count(given, &state.plan.id, &state.digest, now);
    let enough = decided.wanted.iter().all(|(role, n)| counts.get(role).copied().unwrap_or(0) >= *n);
    let armed = state.plan.steps.iter().all(|step| s.installation.is_armed(&step.plane.connector, step.action, now));
    let automation_waits = decided.wanted.is_empty() && s.installation.is_paused(now);
    if decided.never.is_empty() && enough && armed && state.plan.gaps.is_empty() && !automation_waits {
        let approvals = given
            .iter()
            .filter(|a| a.digest == state.digest && now <= a.until && counts.contains_key(&a.role))
            .map(|a| a.id.clone())
            .collect();
        next.moves.push(Move::Start { plan: id(), approvals });
        return;
    }
    if enough {
        return;
    }
    match s.case.asked.as_ref().filter(|(asked, _)| asked.plan == state.plan.id && asked.wanted == decided.wanted) {
        None => next.moves.push(Move::AskPeople { plan: id(), escalation: 0 }),
        Some((asked, _)) if asked.escalation < 3 => {
            next.when(asked.deadline, now, || Move::AskPeople { plan: id(), escalation: asked.escalation + 1 })
        }
        Some(_) => {}
    }
}

fn running(s: &Situation<'_>, state: &PlanState, now: Timestamp, next: &mut Next) {
    for step in &state.plan.steps {
        if state.course(step.n).ended.is_none() {
            step_moves(s, state, step, now, next);
        }
    }

    let ended: Vec<(u16, String, Timestamp)> =
        state.plan.steps.iter().filter_map(|st| state.course(st.n).ended.map(|(how, _, at)| (st.n, how, at))).collect();
    if ended.len() < state.plan.steps.len() {
        return;
    }
    // After the last step the reach is read again: what was minted since
    // becomes a new plan (invariant 8).
    let last_end = ended.iter().map(|(_, _, at)| *at).max().unwrap_or(now);
    if state.plan.kind != PlanKind::Undo {
        for root in state.plan.roots.iter().filter(|r| r.kind == TargetKind::Identity) {
            if s.case.looked_at.get(&root.id).is_none_or(|at| *at < last_end) {
                next.moves.push(Move::Enrich { identity: root.clone(), again: true });
                return;
            }
            let loose = loose_ends(s, &root.id);
            let swept = s.plans.values().any(|p| p.plan.kind == PlanKind::Sweep && p.is_open() && p.plan.identities().contains(&root.id));
            if !loose.is_empty() && !swept && state.plan.kind != PlanKind::Sweep {
                next.moves.push(Move::Draft { identity: root.id.clone(), kind: PlanKind::Sweep, parent: Some(state.plan.id.clone()) });
            }
        }
    }
    let gone_well = ended.iter().all(|(_, how, _)| how == "proved" || how == "done");
    let (how, because) =
        if gone_well { ("proved", "every step is proved") } else { ("handed_over", "some steps are in the hands of a person") };
    next.moves.push(Move::EndPlan { plan: state.plan.id.clone(), ended: how, because: because.to_string() });
}

/// Credentials and sessions of an identity that are not contained.
fn loose_ends<'a>(s: &'a Situation<'_>, identity: &TargetId) -> Vec<&'a Target> {
    s.case
        .linked
        .iter()
        .map(|(t, _)| t)
        .filter(|t| t.identity == *identity && matches!(t.kind, TargetKind::Credential | TargetKind::Session))
        .filter(|t| s.targets.get(&t.id).is_none_or(|st| !st.is_contained()))
        .collect()
}

fn step_moves(s: &Situation<'_>, state: &PlanState, step: &Step, now: Timestamp, next: &mut Next) {
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
    if state.paused.is_some() && step.reversible != Reversible::No && acts_on.iter().all(|t| tries(s, state, step, t) == 0) {
        return;
    }
    if !course.outside.is_empty()
        && !s.plans.values().any(|p| p.plan.kind == PlanKind::Amendment && p.plan.parent.as_ref().is_some_and(|x| x.plan == state.plan.id))
    {
        next.moves.push(Move::Draft { identity: step.selector.identity().clone(), kind: PlanKind::Amendment, parent: Some(plan()) });
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
        let last = held.and_then(|t| t.last_attempt(&state.plan.id, step.n));
        match last.map(|a| (a.outcome.as_deref(), a)) {
            None => {
                if let Some(open) = held.and_then(TargetState::open_attempt) {
                    next.wake(after_millis(open.at, 100));
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

/// Probes what the step must show, until it is proved or its time is up.
fn prove(s: &Situation<'_>, state: &PlanState, step: &Step, acted_at: Option<Timestamp>, now: Timestamp, next: &mut Next) {
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
        let acted = acted_at.max(held.and_then(TargetState::acted_at));
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
    fn is_cut(&self) -> bool {
        matches!(self.proves, Proves::Dead { .. })
    }
}

/// What the step acts on, as far as it is known.
pub fn act_targets(state: &PlanState, step: &Step) -> Vec<Target> {
    let targets = match &step.selector {
        Selector::Exactly { target } => alloc::vec![target.clone()],
        Selector::Every { .. } => state.course(step.n).found,
    };
    targets.into_iter().filter(|t| !state.excluded.contains(&t.id)).collect()
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
                    .filter(|t| t.kind == *kind && t.identity == identity.id && !is_successor(state, t))
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
                    .cloned(),
            );
            all
        }
        Proves::Restored { target } => alloc::vec![target.clone()],
        Proves::Nothing => Vec::new(),
    }
}

/// A credential that a plan of ours issued is not one to be proved dead by it.
fn is_successor(state: &PlanState, target: &Target) -> bool {
    state.plan.steps.iter().any(|step| matches!(&step.proves, Proves::InUse { credential, .. } | Proves::Reinstated { credential, .. } if credential.id == target.id))
}

/// The first credential the step will kill that no probe has looked at yet:
/// dead without an earlier live is shown as never seen live.
fn unseen_proof(s: &Situation<'_>, state: &PlanState, step: &Step) -> Option<Target> {
    if !step.is_cut() {
        return None;
    }
    proof_targets(s, state, step)
        .into_iter()
        .filter(|t| t.kind == TargetKind::Credential)
        .find(|t| s.targets.get(&t.id).is_none_or(|h| h.rounds.is_empty()))
}

fn tries(s: &Situation<'_>, state: &PlanState, step: &Step, target: &Target) -> u32 {
    s.targets.get(&target.id).map_or(0, |t| t.tries(&state.plan.id, step.n))
}

enum EdgeState {
    Open,
    Later(Option<Timestamp>),
    Broken,
}

fn edge_state(s: &Situation<'_>, state: &PlanState, edge: &crate::plan::Edge, now: Timestamp) -> EdgeState {
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

fn stages(s: &Situation<'_>, next: &mut Next) {
    let contains = || s.plans.values().filter(|p| p.plan.kind != PlanKind::Undo);
    let decided = contains().any(|p| p.started.is_some());
    let acted = s.targets.values().any(|t| t.attempts.iter().any(|a| a.outcome.is_some()));
    let proven = contains().any(|p| p.stage == PlanStage::Proved)
        && s.case.roots().iter().all(|r| loose_ends(s, &r.id).is_empty())
        && contains().all(|p| !p.is_open());
    let restored = s.plans.values().any(|p| p.plan.kind == PlanKind::Undo && p.stage == PlanStage::Proved);
    if let Some(advance) = crate::case::stage_of(s.case, decided, acted, proven, restored) {
        next.moves.push(Move::Advance { stage: advance.stage });
    }
}

/// Goes on probing what was contained, until its watch ends.
fn watch(s: &Situation<'_>, now: Timestamp, next: &mut Next) {
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

/// 100 ms, doubling to 5 s.
fn backoff_ms(tries: u32) -> i64 {
    (100_i64 << tries.min(6)).min(5_000)
}

/// The question policy is asked for one step now.
pub fn question(s: &Situation<'_>, state: &PlanState, step: &Step, principal: Principal, now: Timestamp) -> Option<AttemptQuestion> {
    let subject = s.case.subjects.get(step.selector.identity()).or_else(|| s.case.subjects.values().next())?;
    let corroboration = s.case.corroboration();
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
            approvals: approval::count(given, &state.plan.id, &state.digest, now),
            failover: state.plan.failover,
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

/// Who acts when a plan runs: the person who ordered it, or Quell.
pub fn principal_of(state: &PlanState, roles: impl Fn(&crate::id::PersonId) -> Vec<Role>) -> Principal {
    match state.started.as_ref().filter(|st| st.ordered).map(|st| &st.by) {
        Some(By::Person(id)) => Principal::Person { id: id.clone(), roles: roles(id) },
        Some(By::Agent(id)) => Principal::Agent { id: id.clone(), roles: roles(id) },
        _ => Principal::Automation,
    }
}
