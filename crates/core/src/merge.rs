//! Two cases that are one incident become one, and apart again.
//!
//! [`merge`] and [`unmerge`] say which events that takes, or why it is refused. What
//! people said yes to stays with the case they said it in: a plan that waits ends, and
//! what the case needs now is planned, and asked for, anew. Nothing merges while a plan
//! acts, and no target is without a hold at any moment of it (invariant 9).

use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

use crate::{
    event::{
        CaseEnriched, CaseGivenBack, CaseMerged, CaseMergedAway, CaseUnmerged, Event, FindingAttached, HoldPlaced, HoldReleased, PlanEnded,
        PlanLinked, TargetLinked, TaskAdded,
    },
    finding::Finding,
    hold::TargetState,
    id::{CaseId, FindingId, PlanId, StreamId, TargetId},
    personal::Personal,
    respond::Situation,
    target::{Target, TargetKind},
    time::Timestamp,
};

/// A case that was merged into another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    pub from: CaseId,
    /// When the merged case was opened.
    pub opened_at: Timestamp,
    pub at: Timestamp,
    /// None while it is part of this case.
    pub ended_at: Option<Timestamp>,
}

/// Why two cases do not merge, or do not part; says the next move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("case `{0}` cannot be merged into itself; name another one with `--into`")]
    Itself(CaseId),
    #[error("case `{0}` is closed, and a closed case is not merged; reopen it first")]
    Closed(CaseId),
    #[error("case `{case}` was merged into `{into}`; name `{into}`, or part them with `quell case unmerge {case}` first")]
    MergedAway { case: CaseId, into: CaseId },
    #[error("case `{case}` was merged into no other case; `quell case show {case}` tells where it stands")]
    NotMerged { case: CaseId },
    #[error("one of `{0}` and `{1}` is an incident and the other only says what is not as it should be; those stay apart")]
    PostureBesideIncident(CaseId, CaseId),
    #[error(
        "plan `{plan}` of case `{case}` is executing; wait until it ends (`quell case wait {case} --for proven`), or stop it with `quell case deny {case} --digest {digest}`"
    )]
    Executing { case: CaseId, plan: PlanId, digest: String },
    #[error("what became of an attempt on `{target}` in case `{case}` is not known yet; try again when it is read")]
    Unsettled { case: CaseId, target: String },
}

/// What is to be written, stream by stream, in this order and at once.
pub type Events = Vec<(StreamId, Event)>;

/// Makes `from` part of `into`.
pub fn merge(from: &Situation<'_>, into: &Situation<'_>, reason: &Personal) -> Result<Events, Refused> {
    let (gone, stays) = (from.case, into.case);
    if gone.id == stays.id {
        return Err(Refused::Itself(gone.id.clone()));
    }
    for case in [gone, stays] {
        if let Some(other) = &case.merged_into {
            return Err(Refused::MergedAway { case: case.id.clone(), into: other.clone() });
        }
        if case.closed_at.is_some() {
            return Err(Refused::Closed(case.id.clone()));
        }
    }
    if gone.is_posture() != stays.is_posture() {
        return Err(Refused::PostureBesideIncident(gone.id.clone(), stays.id.clone()));
    }
    // What runs would go on in a case that nobody looks at any more.
    is_at_rest(from)?;

    let mut events = Events::new();
    let stream = StreamId::case(&stays.id);
    end_waiting_plans(from, &format!("case {} was merged into {}; what it needs is planned there", gone.id, stays.id), &mut events);
    let merged = CaseMerged { from: gone.id.clone(), opened_at: gone.opened_at, reason: reason.clone() };
    events.push((stream.clone(), merged.into()));
    for finding in &gone.findings {
        let received_at = gone.received.get(&finding.id).copied();
        let because = format!("it came with case {}", gone.id);
        events.push((stream.clone(), FindingAttached { finding: finding.clone(), because, received_at }.into()));
    }
    for subject in gone.subjects.values() {
        events.push((stream.clone(), taken_over(subject, stays.subjects.get(&subject.identity.id), &gone.id).into()));
    }
    for (target, credential_kind) in gone.linked.iter().filter(|(t, _)| !stays.linked.iter().any(|(known, _)| known.id == t.id)) {
        let because = format!("it came with case {}", gone.id);
        events.push((stream.clone(), TargetLinked { target: target.clone(), credential_kind: *credential_kind, because }.into()));
    }
    // What was done is not done again: its plans count here, too.
    for (plan, kind) in gone.plans.iter().filter(|(plan, _)| from.plans.get(plan).is_some_and(|p| p.started.is_some())) {
        events.push((stream.clone(), PlanLinked { plan: plan.clone(), kind: *kind }.into()));
    }
    for task in gone.tasks.iter().filter(|t| t.ended.is_none()) {
        // What reviews a plan stays with it.
        let plan = task.added.plan.clone().filter(|_| task.added.reviews.is_some());
        let added = TaskAdded { plan, step: None, ..task.added.clone() };
        events.push((stream.clone(), added.into()));
    }
    for held in from.targets.values().filter(|t| t.holds.contains(&gone.id)) {
        hand_over(held, &gone.id, &stays.id, true, &mut events);
    }
    events.push((StreamId::case(&gone.id), CaseMergedAway { into: stays.id.clone(), reason: reason.clone() }.into()));
    Ok(events)
}

/// Takes `from` out of `into` again, with its findings as they are now.
pub fn unmerge(from: &Situation<'_>, into: &Situation<'_>, reason: &Personal) -> Result<Events, Refused> {
    let (back, stays) = (from.case, into.case);
    if back.merged_into.as_ref() != Some(&stays.id) {
        return Err(Refused::NotMerged { case: back.id.clone() });
    }
    if let Some(other) = &stays.merged_into {
        return Err(Refused::MergedAway { case: stays.id.clone(), into: other.clone() });
    }
    if stays.closed_at.is_some() {
        return Err(Refused::Closed(stays.id.clone()));
    }
    is_at_rest(into)?;

    let mut events = Events::new();
    end_waiting_plans(into, &format!("case {} was taken out of {}; what is left is planned anew", back.id, stays.id), &mut events);
    let brought = |f: &&Finding| back.findings.iter().any(|b| b.id == f.id);
    let findings: Vec<&Finding> = stays.findings.iter().filter(brought).collect();
    let subjects = only_with(from, into, &findings);
    let (stream, other) = (StreamId::case(&back.id), StreamId::case(&stays.id));
    let unmerged = CaseUnmerged {
        from: back.id.clone(),
        findings: findings.iter().map(|f| f.id.clone()).collect(),
        subjects: subjects.iter().cloned().collect(),
        plans: back.plans.iter().map(|(plan, _)| plan.clone()).filter(|plan| stays.plans.iter().any(|(p, _)| p == plan)).collect(),
        reason: reason.clone(),
    };
    events.push((other, unmerged.into()));
    events.push((stream.clone(), CaseGivenBack { from: stays.id.clone(), reason: reason.clone() }.into()));
    for finding in findings {
        let received_at = back.received.get(&finding.id).copied();
        let because = format!("it came back from case {}", stays.id);
        events.push((stream.clone(), FindingAttached { finding: finding.clone(), because, received_at }.into()));
    }
    // What was done to its subjects meanwhile is not done again.
    let roots: BTreeSet<TargetId> = back.roots().into_iter().map(|t| t.id).collect();
    for (plan, kind) in stays.plans.iter().filter(|(plan, _)| !back.plans.iter().any(|(p, _)| p == plan)) {
        let done = into.plans.get(plan).filter(|p| p.started.is_some());
        if done.is_some_and(|p| p.plan.identities().iter().any(|id| roots.contains(id))) {
            events.push((stream.clone(), PlanLinked { plan: plan.clone(), kind: *kind }.into()));
        }
    }
    for held in into.targets.values().filter(|t| t.holds.contains(&stays.id)) {
        let Some(target) = &held.target else { continue };
        if back.linked.iter().any(|(t, _)| t.id == target.id) || roots.contains(&target.id) || subjects.contains(&target.identity) {
            hand_over(held, &stays.id, &back.id, subjects.contains(&target.identity), &mut events);
        }
    }
    Ok(events)
}

/// No plan of it acts, and nothing that it intended is unread.
fn is_at_rest(s: &Situation<'_>) -> Result<(), Refused> {
    let case = &s.case.id;
    if let Some(plan) = s.plans.values().find(|p| p.is_open() && p.started.is_some()) {
        return Err(Refused::Executing { case: case.clone(), plan: plan.plan.id.clone(), digest: plan.digest.clone() });
    }
    let unread = |t: &&alloc::sync::Arc<TargetState>| t.unsettled_attempt().is_some_and(|a| s.plans.contains_key(&a.cleared.plan));
    match s.targets.values().find(unread).and_then(|t| t.target.as_ref()) {
        Some(target) => Err(Refused::Unsettled { case: case.clone(), target: target.reference() }),
        None => Ok(()),
    }
}

/// Nobody's yes to a plan of one case is a yes in the other.
fn end_waiting_plans(s: &Situation<'_>, because: &str, events: &mut Events) {
    for plan in s.plans.values().filter(|p| p.is_open()) {
        events.push((StreamId::plan(&plan.plan.id), PlanEnded { ended: "superseded".into(), because: because.into() }.into()));
    }
}

/// The new claim comes first, so that no moment is without one.
fn hand_over(held: &TargetState, from: &CaseId, to: &CaseId, gives_up: bool, events: &mut Events) {
    let Some(target) = &held.target else { return };
    let stream = StreamId::target(&target.id);
    if !held.holds.contains(to) {
        let placed = HoldPlaced {
            case: to.clone(),
            target: target.clone(),
            credential_kind: held.credential_kind,
            before: None,
            leaked_was_right: false,
            seen_live_at: None,
        };
        events.push((stream.clone(), placed.into()));
    }
    if gives_up {
        events.push((stream, HoldReleased { case: from.clone(), last: false }.into()));
    }
}

/// What was found out about a subject goes along, and counts as not looked at until its
/// plane is asked again: what came from what stays true when a plane forgets it.
fn taken_over(gone: &CaseEnriched, known: Option<&CaseEnriched>, from: &CaseId) -> CaseEnriched {
    let mut subject = known.unwrap_or(gone).clone();
    subject.unseen = Some(format!("it was not looked at since case {from} was merged"));
    subject.again = known.is_some();
    if known.is_some() {
        let new = gone.derivations.iter().filter(|d| !subject.derivations.iter().any(|k| k.to.id == d.to.id));
        let new: Vec<_> = new.cloned().collect();
        subject.derivations.extend(new);
        for (all, more) in [(&mut subject.outlive, &gone.outlive), (&mut subject.irrevocable, &gone.irrevocable)] {
            let new: Vec<TargetId> = more.iter().filter(|t| !all.contains(t)).cloned().collect();
            all.extend(new);
        }
        for person in &gone.entangled {
            if !subject.entangled.contains(person) {
                subject.entangled.push(person.clone());
            }
        }
    }
    subject
}

/// Identities that nothing of the case but these findings leads to.
fn only_with(from: &Situation<'_>, into: &Situation<'_>, findings: &[&Finding]) -> BTreeSet<TargetId> {
    let brought: BTreeSet<&FindingId> = findings.iter().map(|f| &f.id).collect();
    let mut left: Vec<Target> = Vec::new();
    for resolved in into.case.findings.iter().filter(|f| !brought.contains(&f.id)).filter_map(|f| f.resolved.as_ref()) {
        left.push(resolved.identity.clone());
    }
    let stays: BTreeSet<TargetId> = into.case.subjects_of(&left).into_iter().map(|(t, _)| t.id).collect();
    let theirs = from.case.subjects_of(&from.case.roots()).into_iter().map(|(t, _)| t).filter(|t| t.kind == TargetKind::Identity);
    theirs.map(|t| t.id).filter(|id| !stays.contains(id)).collect()
}
