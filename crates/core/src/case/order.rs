//! What people order on a case: which events that makes, or why it is refused.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};

use super::{Brought, Case, Task, still_open};
use crate::{
    action::Action,
    course::PlanState,
    decision::Role,
    event::{
        By, CaseClosed, CaseReopened, Event, FindingEnded, LeadTaken, NoteAdded, RestAccepted, TaskAdded, TaskEnded, Verdict, VerdictGiven,
    },
    finding::Outcome,
    hold::TargetState,
    id::{CaseId, FindingId, PersonId, PlanId, TargetId, TaskId},
    personal::Personal,
    time::Timestamp,
};

/// What a person orders on a case.
#[derive(Clone, Debug)]
pub enum Command {
    GiveVerdict { role: Role, verdict: Verdict, evidence: Option<Personal> },
    TakeLead { person: PersonId },
    Note { text: Personal },
    AddTask { task: TaskId, owner: Role, text: Personal },
    EndTask { task: TaskId, by: By, brought: Brought },
    EndFinding { finding: FindingId, outcome: Outcome, evidence: Option<Personal> },
    Accept { target: TargetId, until: Timestamp, reason: Personal },
    Close { note: Option<Personal> },
    Reopen { because: String },
}

/// Why a command on a case is refused; says the next move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("case `{0}` is closed; reopen it first")]
    Closed(CaseId),
    #[error("case `{case}` was merged into `{into}`; order it there, or part them with `quell case unmerge {case}` first")]
    MergedAway { case: CaseId, into: CaseId },
    #[error("case `{0}` is not closed")]
    NotClosed(CaseId),
    #[error("{0} in case `{1}`; `quell case show {1}` lists what there is")]
    Unknown(String, CaseId),
    #[error("case `{case}` cannot close: {open}; contain it, give the finding an outcome, or accept the rest")]
    StillOpen { case: CaseId, open: String },
    #[error("task `{0}` reviews what somebody did, so another person ends it, signed in")]
    OwnReview(TaskId),
    #[error("task `{0}` is a step by hand, so a person says that it is done, signed in")]
    NoPerson(TaskId),
    #[error("task `{0}` is a step by hand: say what you saw (`--saw TEXT`, or `--file FILE` for its digest)")]
    NothingSeen(TaskId),
    #[error("what was seen for task `{0}` cannot lie in the future")]
    SeenInTheFuture(TaskId),
    #[error("an acceptance needs an end in the future, found `{0}`")]
    EndsInThePast(Timestamp),
    #[error("the role `{0}` gives no verdict; `iam`, `secops` and `business_owner` do")]
    NoVerdictOf(&'static str),
}

/// The events that a command makes on a case, or why it is refused. Whether the
/// person may at all was policy's question, asked before.
pub fn decide(
    case: &Case,
    targets: &BTreeMap<TargetId, Arc<TargetState>>,
    plans: &BTreeMap<PlanId, Arc<PlanState>>,
    command: Command,
    now: Timestamp,
) -> Result<Vec<Event>, Refused> {
    if let Some(into) = &case.merged_into {
        return Err(Refused::MergedAway { case: case.id.clone(), into: into.clone() });
    }
    if !case.is_open() && !matches!(command, Command::Reopen { .. } | Command::Note { .. }) {
        return Err(Refused::Closed(case.id.clone()));
    }
    let event: Event = match command {
        Command::GiveVerdict { role, verdict, evidence } => {
            if !matches!(role, Role::Iam | Role::Secops | Role::BusinessOwner) {
                return Err(Refused::NoVerdictOf(role.name()));
            }
            VerdictGiven { role, verdict, evidence }.into()
        }
        Command::TakeLead { person } => LeadTaken { lead: person, from: case.lead.clone() }.into(),
        Command::Note { text } => NoteAdded { text }.into(),
        Command::AddTask { task, owner, text } => {
            TaskAdded { task, plan: None, step: None, owner, what: "a person's task".to_string(), text: Some(text), reviews: None }.into()
        }
        Command::EndTask { task, by, brought } => {
            let Some(open) = case.tasks.iter().find(|t| t.added.task == task && t.ended.is_none()) else {
                return Err(Refused::Unknown(format!("no open task `{task}`"), case.id.clone()));
            };
            let is_other = |person: &PersonId| matches!(&by, By::Person(p) if p != person);
            if open.added.reviews.as_ref().is_some_and(|person| !is_other(person)) {
                return Err(Refused::OwnReview(task));
            }
            // A step by hand is a claim about a system that nobody else looks at: a person
            // makes it, and says what they saw.
            if is_step_by_hand(plans, open) {
                if !matches!(&by, By::Person(_)) {
                    return Err(Refused::NoPerson(task));
                }
                if brought.saw.is_none() && brought.file.is_none() {
                    return Err(Refused::NothingSeen(task));
                }
            }
            if brought.seen_at.is_some_and(|seen| seen > now) {
                return Err(Refused::SeenInTheFuture(task));
            }
            TaskEnded { task, attested: brought.saw, seen_at: brought.seen_at, file: brought.file }.into()
        }
        Command::EndFinding { finding, outcome, evidence } => {
            if !case.findings.iter().any(|f| f.id == finding) {
                return Err(Refused::Unknown(format!("no finding `{finding}`"), case.id.clone()));
            }
            if let Outcome::AcceptedRisk { until } = outcome
                && until <= now
            {
                return Err(Refused::EndsInThePast(until));
            }
            FindingEnded { finding, outcome, evidence }.into()
        }
        Command::Accept { target, until, reason } => {
            if until <= now {
                return Err(Refused::EndsInThePast(until));
            }
            if !case.linked.iter().any(|(t, _)| t.id == target) {
                return Err(Refused::Unknown(format!("no credential or session `{target}`"), case.id.clone()));
            }
            RestAccepted { target, until, reason }.into()
        }
        Command::Close { note } => {
            let open = still_open(case, targets, plans, now);
            if !open.is_empty() {
                return Err(Refused::StillOpen { case: case.id.clone(), open: open.join("; ") });
            }
            CaseClosed { note }.into()
        }
        Command::Reopen { because } => {
            if case.is_open() {
                return Err(Refused::NotClosed(case.id.clone()));
            }
            CaseReopened { because }.into()
        }
    };
    Ok(vec![event])
}

fn is_step_by_hand(plans: &BTreeMap<PlanId, Arc<PlanState>>, task: &Task) -> bool {
    let step = task.added.plan.as_ref().and_then(|plan| plans.get(plan)).zip(task.added.step);
    step.and_then(|(state, n)| state.plan.step(n)).is_some_and(|step| step.action == Action::HumanTask)
}
