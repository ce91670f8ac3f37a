//! The recorded fact that one attempt on one target may run now.
//!
//! Only [`clear`] makes a [`Clearance`], and a connector's `act` takes it by
//! value: an attempt that nobody cleared does not compile. The type stops
//! accidents; the recorded clearance, appended with the intent, is what audit
//! and recovery check (invariant 3).

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    approval::{self, Approval, Bench},
    decision::Decision,
    hold::TargetState,
    id::{ApprovalId, AttemptId, CaseId, PlanId, TargetId},
    plan::{Plan, Step},
    target::Target,
    time::Timestamp,
};

/// One attempt on one target may run now. Made only by [`clear`].
#[derive(Debug)]
pub struct Clearance {
    record: Cleared,
}

/// What the ledger keeps of a clearance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    pub attempt: AttemptId,
    pub plan: PlanId,
    pub plan_digest: String,
    pub step: u16,
    pub action: Action,
    pub target: TargetId,
    pub decision: Decision,
    /// The approvals of distinct people it rests on; empty where policy asked for none.
    pub approvals: Vec<ApprovalId>,
    /// The budget scope it was charged to, and how much of the hour is spent with it.
    pub budget: Option<(String, u32)>,
}

impl Clearance {
    /// The attempt's id.
    pub fn attempt(&self) -> &AttemptId {
        &self.record.attempt
    }

    /// The target it is for.
    pub fn target(&self) -> &TargetId {
        &self.record.target
    }

    /// The action it is for.
    pub fn action(&self) -> Action {
        self.record.action
    }

    /// What the ledger keeps.
    pub fn record(&self) -> &Cleared {
        &self.record
    }
}

/// What one scope spent this hour, and may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    pub scope: String,
    pub spent: u32,
    pub limit: u32,
    /// Kept for corroborated findings.
    pub reserve: u32,
}

/// Why an attempt may not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum NotCleared {
    #[error("step {step} is not in plan `{plan}`")]
    NoSuchStep { plan: PlanId, step: u16 },
    #[error("the digest is not that of plan `{plan}`; read the plan again with `quell case show`")]
    AnotherDigest { plan: PlanId },
    #[error("the target lies outside what was approved for step {step}; an amendment is drafted")]
    OutOfBounds { step: u16 },
    #[error("step {step} may touch {limit} targets, and they are used up; an amendment is drafted")]
    TooMany { step: u16, limit: u32 },
    #[error("the target was excluded from this plan")]
    Excluded,
    #[error("the plan is incomplete ({gaps}); a named person starts it with a reason")]
    Incomplete { gaps: String },
    #[error("the decision is about something else than this attempt")]
    DecisionForSomethingElse,
    #[error("policy does not permit it: {policies}")]
    Denied { policies: String },
    #[error("automation has spent {spent} of {limit} for `{scope}` this hour; a person can run the plan")]
    BudgetSpent { scope: String, spent: u32, limit: u32 },
    #[error("another attempt on this target is open or unread since {since}")]
    Busy { since: Timestamp },
    #[error("the approval ended or was for another plan")]
    NoApproval,
    #[error("the time window of the plan closed at {closed_at}")]
    WindowClosed { closed_at: Timestamp },
    #[error("a secret of it was reported exposed, so it is never restored; use `--mode reinstate`")]
    ExposedSecret,
    #[error("case `{other}` holds it contained, too; undo there, or close that case first")]
    HeldByAnother { other: CaseId },
}

/// What an attempt is tried under.
pub struct Grounds<'a> {
    pub plan: &'a Plan,
    pub digest: &'a str,
    pub step: &'a Step,
    pub target: &'a Target,
    pub state: &'a TargetState,
    /// Targets of this step that attempts were already cleared for.
    pub touched: u32,
    pub excluded: &'a [TargetId],
    /// A named person started an incomplete plan with a reason.
    pub gaps_accepted: bool,
    pub decision: Decision,
    /// The digest of the question that this attempt asks, computed by the caller just now.
    pub question_digest: &'a str,
    pub approvals: &'a [Approval],
    /// Who stands too near to the case for their yes to count.
    pub bench: &'a Bench,
    /// Set where automation acts without an approval.
    pub budget: Option<Budget>,
    pub corroborated: bool,
    pub secret_exposed: bool,
    pub closes_at: Timestamp,
}

/// Decides whether one attempt of a step on a target may run at `now`.
///
/// Everything the answer rests on is an argument, so replaying the ledger gives
/// the same answer next year.
pub fn clear(grounds: Grounds<'_>, attempt: AttemptId, now: Timestamp) -> Result<Clearance, NotCleared> {
    let Grounds { plan, digest, step, target, state, .. } = grounds;
    if plan.step(step.n) != Some(step) {
        return Err(NotCleared::NoSuchStep { plan: plan.id.clone(), step: step.n });
    }
    if plan.digest() != digest {
        return Err(NotCleared::AnotherDigest { plan: plan.id.clone() });
    }
    if now > grounds.closes_at {
        return Err(NotCleared::WindowClosed { closed_at: grounds.closes_at });
    }
    if !step.bounds.admit(target) {
        return Err(NotCleared::OutOfBounds { step: step.n });
    }
    if grounds.excluded.contains(&target.id) {
        return Err(NotCleared::Excluded);
    }
    let known = state.attempts.iter().any(|a| a.cleared.plan == plan.id && a.cleared.step == step.n);
    if !known && grounds.touched >= step.bounds.count_max {
        return Err(NotCleared::TooMany { step: step.n, limit: step.bounds.count_max });
    }
    if !plan.gaps.is_empty() && !grounds.gaps_accepted {
        return Err(NotCleared::Incomplete { gaps: plan.gaps.join("; ") });
    }

    #[cfg(feature = "plant")]
    let state = &if crate::plant::is("what nobody read is repeated") { TargetState::default() } else { state.clone() };
    // One attempt at a time, whoever asks; one whose outcome nobody knows is not
    // over (invariants 6 and 9).
    if let Some(open) = state.open_attempt().or_else(|| state.unsettled_attempt()) {
        return Err(NotCleared::Busy { since: open.at });
    }

    // A leaked secret is never made to work again (invariant 7).
    if step.action == Action::Restore && grounds.secret_exposed {
        return Err(NotCleared::ExposedSecret);
    }

    // Containment belongs to the target: access comes back with the last hold (invariant 9).
    #[cfg(feature = "plant")]
    let state = &if crate::plant::is("access comes back with the first hold") { TargetState::default() } else { state.clone() };
    if step.action.gives_access()
        && let Some(other) = state.holds.iter().find(|case| **case != plan.case)
    {
        return Err(NotCleared::HeldByAnother { other: other.clone() });
    }

    // Policy answered for this attempt, not for the draft: people, owners and
    // verdicts change while others are asked.
    if grounds.decision.request_digest != grounds.question_digest {
        return Err(NotCleared::DecisionForSomethingElse);
    }
    if !grounds.decision.allowed {
        return Err(NotCleared::Denied { policies: grounds.decision.deciding.join(", ") });
    }

    // The approvals are those of distinct people for this very digest.
    let counted: Vec<ApprovalId> =
        approval::counted(grounds.approvals, &plan.id, digest, grounds.bench, now).into_iter().map(|a| a.id.clone()).collect();
    if !grounds.approvals.is_empty() && counted.is_empty() {
        return Err(NotCleared::NoApproval);
    }

    #[cfg(feature = "plant")]
    let grounds = Grounds { budget: grounds.budget.filter(|_| !crate::plant::is("automation has no bounds")), ..grounds };
    // A step is charged once: an intruder who opens sessions all the time must not
    // spend what is there to end them. What bounds their number is the step's own.
    let budget = match grounds.budget.filter(|_| grounds.touched == 0) {
        None => None,
        Some(b) => {
            let limit = if grounds.corroborated { b.limit } else { b.limit.saturating_sub(b.reserve) };
            if b.spent >= limit {
                return Err(NotCleared::BudgetSpent { scope: b.scope, spent: b.spent, limit });
            }
            Some((b.scope, b.spent + 1))
        }
    };

    Ok(Clearance {
        record: Cleared {
            attempt,
            plan: plan.id.clone(),
            plan_digest: digest.into(),
            step: step.n,
            action: step.action,
            target: target.id.clone(),
            decision: grounds.decision,
            approvals: counted,
            budget,
        },
    })
}
