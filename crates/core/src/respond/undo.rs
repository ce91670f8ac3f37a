//! Which containments an undo takes back, and what of them (invariant 7).

use alloc::{string::String, vec::Vec};

use super::{Situation, act_targets};
use crate::{
    action::Action,
    case::Case,
    course::{PlanStage, PlanState},
    finding::Corroboration,
    id::{CaseId, PlanId, TargetId},
    plan::PlanKind,
    proof::Life,
    target::{Target, TargetKind},
    time::Timestamp,
};

/// Why nothing is taken back; says the next move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUndone {
    #[error("nothing was contained in case `{0}`, so there is nothing to undo")]
    NothingContained(CaseId),
    #[error("plan `{plan}` contained nothing in case `{case}`; `quell case show {case}`")]
    NotThisOne { plan: PlanId, case: CaseId },
    #[error("plan `{0}` undid it, and nothing was cut since")]
    Undone(PlanId),
    #[error("plan `{0}` is still open; deny it first, or wait until it is proved")]
    StillOpen(PlanId),
    #[error("undo `{undo}` of case `{case}` is already drafted; `quell case show {case}`")]
    Drafted { undo: PlanId, case: CaseId },
    #[error("case `{0}` holds it contained, too; close that case first, or undo there")]
    HeldElsewhere(CaseId),
    #[error("a secret of it was reported exposed, so it is never restored; use `--mode reinstate`")]
    Exposed,
    #[error(
        "a leaked secret that `{plane}` did not compare is reported in case `{case}`, and may be one of it; end that finding with an outcome, or use `--mode reinstate`"
    )]
    MayBeExposed { plane: String, case: CaseId },
    #[error("restoring needs a recorded verdict `not_malicious` of security operations first")]
    NotJudged,
}

/// A leaked value of which a plane did not say whether it is one of its own; the case
/// has the finding, which has no outcome yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncompared {
    pub plane: String,
    pub case: CaseId,
}

/// Whether what stood before may come back exactly: not where a secret of it is out, nor
/// where nobody knows whether one is, nor while it may have been an attack (invariant 7).
pub fn may_restore(case: &Case, contained: &[&PlanState], uncompared: &[Uncompared]) -> Result<(), NotUndone> {
    if case.corroboration().secret_exposed {
        return Err(NotUndone::Exposed);
    }
    let on = |plane: &str| contained.iter().flat_map(|c| &c.plan.steps).any(|step| step.plane.connector == plane);
    if let Some(leak) = uncompared.iter().find(|leak| on(&leak.plane)) {
        return Err(NotUndone::MayBeExposed { plane: leak.plane.clone(), case: leak.case.clone() });
    }
    if case.is_not_malicious() { Ok(()) } else { Err(NotUndone::NotJudged) }
}

/// A secret of the target is out, or may be. A permission has none.
pub fn is_exposed(target: &Target, corroboration: Corroboration, uncompared: &[Uncompared]) -> bool {
    target.kind != TargetKind::Entitlement && (corroboration.secret_exposed || uncompared.iter().any(|leak| leak.plane == target.plane))
}

/// The identities that a plan treats.
pub fn identities(state: &PlanState) -> impl Iterator<Item = &Target> {
    state.plan.roots.iter().filter(|r| r.kind == TargetKind::Identity)
}

/// The containments that an undo takes back now, all of them or `only` one: those that
/// ran, that no undo took back since anything of theirs was cut, that nothing open
/// would cut again, and that no other case holds.
pub fn to_undo<'a>(s: &Situation<'a>, only: Option<&PlanId>) -> Result<Vec<&'a PlanState>, NotUndone> {
    let case = || s.case.id.clone();
    let all = || s.plans.values().map(|p| &**p);
    // What people did by hand, people take back.
    let cuts = || all().filter(|p| p.plan.kind != PlanKind::Undo && !p.plan.is_by_hand());
    let ran = || cuts().filter(|p| p.started.is_some());
    let contains: Vec<&PlanState> = ran().filter(|p| p.plan.kind == PlanKind::Contain).collect();
    // Where only a sweep ran, it is what is taken back.
    let candidates = if contains.is_empty() { ran().max_by_key(|p| p.drafted_at).into_iter().collect() } else { contains };
    if candidates.is_empty() {
        return Err(NotUndone::NothingContained(case()));
    }
    let mut refused = only.map(|only| NotUndone::NotThisOne { plan: only.clone(), case: case() });
    let mut chosen = Vec::new();
    for plan in candidates.into_iter().filter(|p| only.is_none_or(|only| p.plan.id == *only)) {
        match undone_by(s, plan) {
            // A second purge would throw the rightful consumer out.
            Some(undo) => refused = Some(NotUndone::Undone(undo.plan.id.clone())),
            None => chosen.push(plan),
        }
    }
    for plan in &chosen {
        // What waits or runs would cut what is given back.
        if let Some(open) = cuts().filter(|other| other.is_open()).find(|other| touches(other, plan)) {
            return Err(NotUndone::StillOpen(open.plan.id.clone()));
        }
        if let Some(undo) = all().find(|u| u.is_open() && takes_back(u, plan)) {
            return Err(NotUndone::Drafted { undo: undo.plan.id.clone(), case: case() });
        }
        // Containment belongs to the target: access comes back with the last hold (invariant 9).
        let holds = identities(plan).filter_map(|i| s.targets.get(&i.id)).flat_map(|t| &t.holds);
        if let Some(other) = holds.into_iter().find(|held| **held != s.case.id) {
            return Err(NotUndone::HeldElsewhere(other.clone()));
        }
    }
    match refused {
        Some(refused) if chosen.is_empty() => Err(refused),
        _ => Ok(chosen),
    }
}

/// The proved undo that took this containment back after everything that was cut of it.
fn undone_by<'a>(s: &Situation<'a>, plan: &PlanState) -> Option<&'a PlanState> {
    let started = |p: &PlanState| -> Option<Timestamp> { p.started.as_ref().map(|started| started.at) };
    let all = || s.plans.values().map(|p| &**p);
    let cut_at = all().filter(|p| p.plan.kind != PlanKind::Undo && touches(p, plan)).filter_map(started).max();
    all().find(|u| u.stage == PlanStage::Proved && takes_back(u, plan) && started(u) > cut_at)
}

fn takes_back(undo: &PlanState, plan: &PlanState) -> bool {
    undo.plan.kind == PlanKind::Undo && undo.plan.parent.as_ref().is_some_and(|parent| parent.plan == plan.plan.id)
}

fn touches(other: &PlanState, plan: &PlanState) -> bool {
    let mine = plan.plan.identities();
    identities(other).any(|i| mine.contains(&i.id))
}

/// The permissions that a containment took away and an undo gives back. What was not
/// there when it was drafted was granted during the incident: it is shown and not
/// given back.
pub fn permissions_back(contained: &PlanState) -> Vec<Target> {
    let removes = contained.plan.steps.iter().filter(|step| step.action == Action::RemoveEntitlement);
    removes
        .flat_map(|step| {
            let before = contained.preview.targets.get(&step.n).cloned().unwrap_or_default();
            act_targets(contained, step).into_iter().filter(move |t| before.iter().any(|b| b.id == t.id))
        })
        .collect()
}

/// The credentials that people took out of the containment and that nobody cut since:
/// their consumers go on with them. Not one that a finding names: who is let in again
/// must not be the intruder.
pub fn credentials_kept(s: &Situation<'_>, contained: &PlanState) -> Vec<Target> {
    let named = |id: &TargetId| {
        let resolved = s.case.findings.iter().filter_map(|f| f.resolved.as_ref());
        resolved.filter_map(|r| r.credential.as_ref()).any(|c| c.id == *id)
    };
    let held = contained.excluded.iter().filter(|id| !named(id)).filter_map(|id| s.targets.get(id));
    let untouched = held.filter(|t| t.acted_at().is_none() && t.life != Some(Life::Dead));
    untouched.filter_map(|t| t.target.clone()).filter(|t| t.kind == TargetKind::Credential).collect()
}

/// The subjects of the way back, each with how it belongs to another one.
pub fn subjects_back(s: &Situation<'_>, contained: &PlanState) -> Vec<(TargetId, Option<String>)> {
    identities(contained).map(|i| (i.id.clone(), s.case.issuer_of(&i.id).map(|(_, how)| how.via.clone()))).collect()
}
