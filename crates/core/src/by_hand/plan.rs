//! The plan of what people do by hand, and what they said of it.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use super::Asked;
use crate::{
    action::{Action, Reversible},
    case::{Case, Task},
    course::PlanState,
    decision::Role,
    event::CaseEnriched,
    hold::TargetState,
    id::{CaseId, PlanId},
    manifest::Effective,
    plan::{Bounds, Fallback, OnTimeout, Parent, Pin, Plan, PlanKind, Proves, Selector, Step, Tier},
    proof::Life,
    signal::{CredentialKind, IdentityKind},
    target::{Target, TargetKind},
    time::Timestamp,
};

/// The parameter of a step by hand that names the action a connector would do.
pub const INSTEAD_OF: &str = "instead_of";
/// The parameter that says what whoever does it must bring.
pub const PROOF: &str = "proof";

/// One identity on a system that no connector serves.
pub struct Subject<'a> {
    pub found: &'a CaseEnriched,
    /// As inventory knows it, or else as its sender calls it: it words the steps, no more.
    pub kind: IdentityKind,
    /// The kind that the inventory gives its system.
    pub system_kind: Option<String>,
}

/// What a plan by hand is drafted from.
pub struct Ground<'a> {
    pub id: PlanId,
    pub case: CaseId,
    pub parent: Option<Parent>,
    pub kind: PlanKind,
    pub tier: Tier,
    pub subjects: Vec<Subject<'a>>,
    /// Planes that have a connector: what lies on one is probed once somebody says that it
    /// is done.
    pub planes: &'a BTreeSet<String>,
    /// Whose the steps are.
    pub owner: Role,
    pub valid_seconds: i64,
}

/// Drafts what people do by hand. It holds steps of theirs alone, so that nothing that
/// Quell does waits for them, nor they for it.
pub fn plan(ground: &Ground<'_>) -> Plan {
    let mut list: Vec<Step> = Vec::new();
    let mut roots = Vec::new();
    for subject in &ground.subjects {
        let found = subject.found;
        roots.push(found.identity.clone());
        roots.extend(found.credentials.iter().map(|(t, _)| t.clone()));
        for (asked, target) in asked_of(subject) {
            list.push(step(ground, u16::try_from(list.len() + 1).unwrap_or(u16::MAX), asked, target));
        }
    }
    Plan {
        id: ground.id.clone(),
        case: ground.case.clone(),
        kind: ground.kind,
        parent: ground.parent.clone(),
        tier: ground.tier,
        roots,
        steps: list,
        gaps: Vec::new(),
        failover: false,
        undo: None,
        on_timeout: OnTimeout::Escalate,
        valid_seconds: ground.valid_seconds,
    }
}

/// The steps of one subject, each with its target: what concerns the identity once, what
/// concerns a credential once for each.
fn asked_of(subject: &Subject<'_>) -> Vec<(Asked, Target)> {
    let found = subject.found;
    let of = |kind: Option<CredentialKind>| super::steps(&found.identity.plane, subject.system_kind.as_deref(), subject.kind, kind);
    let credentials: Vec<(Option<&Target>, Option<CredentialKind>)> = match found.credentials.as_slice() {
        [] => alloc::vec![(None, None)],
        some => some.iter().map(|(t, kind)| (Some(t), Some(kind.unwrap_or(CredentialKind::Unknown)))).collect(),
    };
    let mut all: Vec<(Asked, Target)> = Vec::new();
    for (credential, kind) in credentials {
        for asked in of(kind) {
            let target = credential.filter(|_| asked.of_credential).unwrap_or(&found.identity);
            let known = all.iter().any(|(a, t)| t.id == target.id && a.instead_of == asked.instead_of);
            // What a login opened, and what a key opened, are ended by different means.
            let same = all.iter().any(|(a, t)| t.id == target.id && a.task == asked.task);
            if !same && (!known || asked.instead_of == Some(Action::TerminateSessions)) {
                all.push((asked, target.clone()));
            }
        }
    }
    all.sort_by_key(|(asked, _)| super::place(asked.instead_of));
    all
}

fn step(ground: &Ground<'_>, n: u16, asked: Asked, target: Target) -> Step {
    let selector = Selector::Exactly { target: target.clone() };
    let is_probed = ground.planes.contains(&target.plane) && target.kind == TargetKind::Credential;
    let mut parameters = BTreeMap::from([(PROOF.to_owned(), asked.proof)]);
    if let Some(action) = asked.instead_of {
        parameters.insert(INSTEAD_OF.to_owned(), action.name().to_owned());
    }
    Step {
        n,
        action: Action::HumanTask,
        plane: Pin { connector: target.plane.clone(), endpoint: "by hand".to_owned(), config_digest: String::new(), settle_ms: 0 },
        bounds: Bounds {
            kinds: BTreeSet::from([target.kind]),
            planes: BTreeSet::from([target.plane]),
            identities: BTreeSet::from([target.identity]),
            count_max: 1,
            reversible_min: Reversible::No,
            residual_seconds_max: 0,
        },
        proves: if is_probed { Proves::Dead { selector: selector.clone() } } else { Proves::Nothing },
        selector,
        after: Vec::new(),
        reversible: Reversible::No,
        undo: "by hand, by whoever did it".to_owned(),
        effective: Effective::NextAuth,
        survives: asked.survives,
        fallback: Fallback { task: asked.task, owner: ground.owner, exception_by: Role::ResponseOwner, attempts_max: 0 },
        attempt_seconds: 0,
        proof_seconds: 0,
        parameters,
    }
}

impl Plan {
    /// Every step of it is a person's.
    pub fn is_by_hand(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.action == Action::HumanTask)
    }
}

/// What a connector would do in place of this step by hand; none where it only looks.
pub fn stands_for(step: &Step) -> Option<Action> {
    step.parameters.get(INSTEAD_OF).and_then(|name| Action::of_name(name))
}

/// The task that a step by hand was handed over with.
pub fn said_of<'a>(case: &'a Case, state: &PlanState, n: u16) -> Option<&'a Task> {
    let is_mine = |t: &&Task| t.added.plan.as_ref() == Some(&state.plan.id) && t.added.step == Some(n);
    case.tasks.iter().rev().find(is_mine)
}

/// How far what people do by hand about one identity or credential is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub steps: usize,
    /// Steps of which somebody said that they are done.
    pub said: usize,
    /// When the last of them was said, once all of them are.
    pub all_said_at: Option<Timestamp>,
}

/// How far the newest plan by hand about this target is: about an identity all of it,
/// about a credential what concerns it and the whole identity. None where no such plan
/// stands.
pub fn standing(case: &Case, plans: &BTreeMap<PlanId, Arc<PlanState>>, target: &Target) -> Option<Standing> {
    let about = |p: &&PlanState| p.plan.is_by_hand() && p.plan.identities().contains(&target.identity);
    let state = plans.values().map(|p| &**p).filter(about).max_by_key(|p| p.drafted_at)?;
    let concerns = |step: &&Step| match &step.selector {
        Selector::Exactly { target: t } => t.id == target.id || t.id == target.identity || target.kind == TargetKind::Identity,
        Selector::Every { .. } => true,
    };
    let mine = state.plan.steps.iter().filter(|step| *step.selector.identity() == target.identity).filter(concerns);
    let said: Vec<Option<Timestamp>> =
        mine.map(|step| said_of(case, state, step.n).and_then(|t| t.ended.as_ref()).map(|(_, at)| *at)).collect();
    let all: Option<Vec<Timestamp>> = said.iter().copied().collect();
    Some(Standing { steps: said.len(), said: said.iter().flatten().count(), all_said_at: all.and_then(|at| at.into_iter().max()) })
}

/// The life of a credential or session as far as anybody knows. It was taken for usable
/// when a case held it; once people say that they cut it, and nobody saw it used since,
/// that is not known any more. What they say makes nothing dead (invariant 5).
pub fn life(case: &Case, plans: &BTreeMap<PlanId, Arc<PlanState>>, target: &Target, held: &TargetState) -> Option<Life> {
    let said = || standing(case, plans, target).and_then(|b| b.all_said_at);
    match held.life {
        None | Some(Life::Live) if said().is_some_and(|said| held.last_live_at.is_none_or(|live| live < said)) => Some(Life::Unknown),
        life => life,
    }
}

/// The sentence of a step by hand.
pub(crate) fn sentence(step: &Step) -> String {
    let what = stands_for(step).map_or("look for what survives, and see that it is dead", |action| action.entry().short);
    "by hand, ".to_string() + what + ": " + &step.selector.in_words()
}
