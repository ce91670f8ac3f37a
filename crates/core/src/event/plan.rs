//! Family `plan`: drafted, decided, started, carried out.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    decision::{Approvals, Decision, Role},
    id::{ApprovalId, TargetId},
    personal::Personal,
    plan::Plan,
    target::Target,
    time::Timestamp,
};

/// What a step would do today. Described, not approved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// Targets found now, by step.
    pub targets: BTreeMap<u16, Vec<Target>>,
    /// Declared consumers that lose access, by step; our words.
    pub dependents: BTreeMap<u16, Vec<Personal>>,
    /// Changes made to a target after the earliest sign of compromise.
    pub changed_since: Vec<String>,
}

/// A plan was computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanDrafted {
    pub plan: Plan,
    pub digest: String,
    pub preview: Preview,
}

/// Policy's answer for one step, at drafting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepDecision {
    pub step: u16,
    pub decision: Decision,
    /// One minimal set of approvals that would let it run; none where no approval can.
    pub wanted: Option<Approvals>,
}

/// Policy was asked whom to hear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanDecided {
    pub steps: Vec<StepDecision>,
    /// The least approvals that serve every step; empty where nobody is waited for.
    pub wanted: Approvals,
    /// Steps no approval can let run.
    pub never: Vec<u16>,
    pub until: Timestamp,
}

/// Somebody said no.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanDenied {
    pub reason: Personal,
}

/// A person runs it at once, without approvals that policy asks for. Everybody who was
/// passed over has a task to review it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GlassBroken {
    /// The role it was done in.
    pub role: Role,
    pub reason: Personal,
    /// What is not done by then waits for people.
    pub until: Timestamp,
    /// The approvals that policy asks for and nobody gave.
    pub skipped: Approvals,
}

/// Targets were taken out; narrowing never voids an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanExcluded {
    pub targets: Vec<TargetId>,
    pub reason: Option<Personal>,
}

/// It runs now. The approvals it rests on are used up with this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanStarted {
    pub approvals: Vec<ApprovalId>,
    /// A person ordered it; none where policy needs nobody.
    pub ordered: bool,
    /// A named person's reason to start an incomplete plan.
    pub gaps_accepted: Option<Personal>,
    pub closes_at: Timestamp,
}

/// A step's selector was resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetsFound {
    pub step: u16,
    /// Those not known to this step before.
    pub new: Vec<Target>,
    /// Every one of them that is open now.
    pub listed: Vec<TargetId>,
    /// Found, and outside of what was approved.
    pub outside: Vec<Target>,
}

/// A step came to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEnded {
    pub step: u16,
    /// `proved`, `done`, `failed`, `skipped` or `handed_over`.
    pub ended: String,
    pub because: String,
}

/// Remaining reversible steps wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanPaused {
    pub because: String,
}

/// They go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanResumed {}

/// The plan came to its end: `proved`, `degraded`, `superseded`, `denied`,
/// `expired` or `handed_over`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanEnded {
    pub ended: String,
    pub because: String,
}
