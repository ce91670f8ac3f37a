//! An immutable DAG of steps with a digest.
//!
//! A plan is computed, never written by hand ([`crate::draft`]). People approve
//! its digest, which covers everything that execution may rest on and nothing
//! that merely describes today (previews, counts, times). There is no
//! meaningful choice left at execution time: inside the bounds the approval
//! holds, outside of them an amendment is decided on its own.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::{
    action::{Action, Reversible},
    decision::Role,
    id::{CaseId, PlanId, TargetId},
    manifest::Effective,
    target::{Target, TargetKind},
};

/// The level of response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    Observe,
    StepUp,
    Restrict,
    Contain,
}

/// Why a plan exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    Contain,
    /// The reach grew, or a target lies outside the parent's bounds.
    Amendment,
    /// What was found after the last step.
    Sweep,
    Undo,
}

/// How access comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoMode {
    /// The identity works again with new credentials, the old stay dead. The default.
    Reinstate,
    /// The exact old credential lives again.
    Restore,
}

/// The plan this one belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    pub plan: PlanId,
    pub digest: String,
}

/// An immutable plan. Every field is under the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub id: PlanId,
    pub case: CaseId,
    pub kind: PlanKind,
    pub parent: Option<Parent>,
    pub tier: Tier,
    /// The credentials, identities and sessions that the plan is about.
    pub roots: Vec<Target>,
    pub steps: Vec<Step>,
    /// What it leaves out that it should treat (invariant 14); our words. Not
    /// empty means INCOMPLETE: it starts only with a named person's reason.
    pub gaps: Vec<String>,
    /// Consumers move to a new credential before the old one is cut.
    pub failover: bool,
    pub undo: Option<UndoMode>,
    pub on_timeout: OnTimeout,
    /// How long an approval of it holds, and how long it may wait and run.
    pub valid_seconds: i64,
}

/// What happens when nobody answers in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The response owner is asked.
    Escalate,
    /// The plan ends undone.
    Deny,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// From 1, in drafting order.
    pub n: u16,
    pub action: Action,
    pub plane: Pin,
    /// What it acts on.
    pub selector: Selector,
    pub bounds: Bounds,
    pub after: Vec<Edge>,
    /// What must be proved before the step counts as proved.
    pub proves: Proves,
    pub reversible: Reversible,
    /// How it is taken back; our words, from the manifest.
    pub undo: String,
    pub effective: Effective,
    /// What goes on working after it.
    pub survives: Vec<String>,
    pub fallback: Fallback,
    /// From clearance to an answer; then the outcome is unknown and is read.
    pub attempt_seconds: i64,
    /// From the first act to the proof; then a person gets it.
    pub proof_seconds: i64,
    /// Names for what is created, and other inputs of the action.
    pub parameters: BTreeMap<String, String>,
}

/// The connector instance a step runs on. Another endpoint or configuration
/// is another plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub connector: String,
    pub endpoint: String,
    pub config_digest: String,
    pub settle_ms: i64,
}

/// How a step names its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "select", rename_all = "snake_case")]
pub enum Selector {
    /// Exactly this one.
    Exactly { target: Target },
    /// Whatever of `kind` the plane reports for the identity, now and again
    /// until two enumerations in a row find nothing live.
    Every { kind: TargetKind, identity: Target },
}

/// What a step must show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proves", rename_all = "snake_case")]
pub enum Proves {
    /// Everything the selector names is dead.
    Dead { selector: Selector },
    /// The new credential lives, and its consumer was seen using it, where one is declared.
    InUse { credential: Target, consumer_declared: bool },
    /// The new credential lives; the old ones of the same identity are dead.
    Reinstated { credential: Target, consumer_declared: bool },
    /// The before-state is read back exactly.
    Restored { target: Target },
    /// Nothing can be probed; it is said and no more (a task, a message).
    Nothing,
}

/// How far a step may reach under one approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    pub kinds: BTreeSet<TargetKind>,
    pub planes: BTreeSet<String>,
    /// The identities whose targets it may touch.
    pub identities: BTreeSet<TargetId>,
    pub count_max: u32,
    pub reversible_min: Reversible,
    pub residual_seconds_max: i64,
}

impl Bounds {
    /// Is this target within what was approved?
    pub fn admit(&self, target: &Target) -> bool {
        self.kinds.contains(&target.kind) && self.planes.contains(&target.plane) && self.identities.contains(&target.identity)
    }
}

/// One step waits for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    pub step: u16,
    pub until: Until,
    /// A hard dependant never runs when the other failed; a soft one continues and the gap shows.
    pub hard: bool,
}

/// What an edge waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    AfterAct,
    AfterProof,
    AfterSettle,
}

/// What happens when a step cannot be done: who does it by hand, and who may
/// except it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    pub task: String,
    pub owner: Role,
    pub exception_by: Role,
    pub attempts_max: u32,
}

impl Plan {
    /// The SHA-256 that people approve: canonical JSON of every field, personal
    /// data as commitments.
    pub fn digest(&self) -> String {
        let mut value = serde_json::to_value(self).expect("a plan is plain data");
        crate::personal::conceal(&mut value);
        crate::secret::sha256(&crate::canonical::write(&value).expect("a plan holds integers only"))
    }

    /// The step of a number.
    pub fn step(&self, n: u16) -> Option<&Step> {
        self.steps.iter().find(|s| s.n == n)
    }

    /// The consumers of this step's identity move before it is cut: a new credential
    /// of it is issued here, or the step waits until one is seen in use.
    pub fn fails_over(&self, step: &Step) -> bool {
        let issues = |s: &Step| s.action == Action::ReissueCredential;
        self.steps.iter().any(|s| issues(s) && s.selector.identity() == step.selector.identity())
            || step.after.iter().any(|e| e.hard && e.until == Until::AfterProof && self.step(e.step).is_some_and(issues))
    }

    /// A step of it makes this credential.
    pub fn issues(&self, target: &Target) -> bool {
        self.steps.iter().any(|step| step.issues(target))
    }

    /// Every identity the plan touches.
    pub fn identities(&self) -> BTreeSet<TargetId> {
        self.steps.iter().flat_map(|s| s.bounds.identities.iter().cloned()).collect()
    }

    /// Numbers are dense from 1, edges go back only: so it is a DAG.
    pub fn is_well_formed(&self) -> bool {
        self.steps.iter().enumerate().all(|(i, s)| usize::from(s.n) == i + 1 && s.after.iter().all(|e| e.step < s.n && e.step > 0))
    }
}

/// The parameter of a reinstatement that names the credentials it leaves alone.
pub const KEEPS: &str = "keeps";

impl Step {
    /// It makes this credential: its proof is that it lives.
    pub fn issues(&self, target: &Target) -> bool {
        matches!(&self.proves, Proves::InUse { credential, .. } | Proves::Reinstated { credential, .. } if credential.id == target.id)
    }

    /// The credentials that people took out of the containment: the way back leaves them
    /// alone, and does not ask that they be dead.
    pub fn kept(&self) -> impl Iterator<Item = TargetId> {
        self.parameters.get(KEEPS).into_iter().flat_map(|ids| ids.split(' ')).map(TargetId::new)
    }
}

impl Selector {
    /// The identity whose things it names.
    pub fn identity(&self) -> &TargetId {
        match self {
            Self::Exactly { target } => &target.identity,
            Self::Every { identity, .. } => &identity.id,
        }
    }

    /// For a page: `pg-main/billing_app`, `every session of pg-main/billing_app`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Exactly { target } => target.reference(),
            Self::Every { kind, identity } => alloc::format!("every {} of {}", kind.name(), identity.reference()),
        }
    }
}
