//! How far a plan is: the fold of its stream.
//!
//! ```text
//! drafted ─▶ waiting ─▶ running ─▶ proved
//!    │          │          ├────▶ degraded ─▶ handed over
//!    └──────────┴─▶ superseded, denied, expired
//! ```

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::{
    break_glass::Glass,
    decision::Approvals,
    event::{By, Event, PlanDecided, PlanDrafted, PlanStarted, StepDecision},
    id::{ApprovalId, TargetId},
    plan::Plan,
    target::Target,
    time::Timestamp,
};

/// Where a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStage {
    Drafted,
    Waiting,
    Running,
    Degraded,
    Amended,
    Superseded,
    Proved,
    HandedOver,
    Denied,
    Expired,
}

impl PlanStage {
    /// Nothing more happens in it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Superseded | Self::Proved | Self::HandedOver | Self::Denied | Self::Expired)
    }
}

/// A plan and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanState {
    pub plan: Plan,
    pub digest: String,
    pub stage: PlanStage,
    pub drafted_at: Timestamp,
    pub drafted_by: By,
    pub preview: crate::event::Preview,
    pub decided: Option<Decided>,
    pub started: Option<Started>,
    /// It runs without approvals that policy asks for.
    pub glass: Option<Glass>,
    pub excluded: Vec<TargetId>,
    pub courses: BTreeMap<u16, StepCourse>,
    pub paused: Option<String>,
    pub ended: Option<(Timestamp, String)>,
}

/// Policy's answers at drafting.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub at: Timestamp,
    pub steps: Vec<StepDecision>,
    pub wanted: Approvals,
    pub never: Vec<u16>,
    pub until: Timestamp,
}

/// The start that consumed the approvals.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    pub at: Timestamp,
    pub by: By,
    pub ordered: bool,
    pub approvals: Vec<ApprovalId>,
    pub gaps_accepted: bool,
    pub closes_at: Timestamp,
}

/// What one step found and how it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepCourse {
    pub found: Vec<Target>,
    pub outside: Vec<Target>,
    /// What the last enumeration found open.
    pub listed: BTreeSet<TargetId>,
    /// Enumerations in a row that found nothing open.
    pub clean: u32,
    pub rounds: u32,
    pub last_round_at: Option<Timestamp>,
    pub ended: Option<(String, String, Timestamp)>,
}

impl PlanState {
    /// The state after the stream's first event.
    pub fn drafted(event: &PlanDrafted, by: &By, at: Timestamp) -> Self {
        Self {
            plan: event.plan.clone(),
            digest: event.digest.clone(),
            stage: PlanStage::Drafted,
            drafted_at: at,
            drafted_by: by.clone(),
            preview: event.preview.clone(),
            decided: None,
            started: None,
            glass: None,
            excluded: Vec::new(),
            courses: BTreeMap::new(),
            paused: None,
            ended: None,
        }
    }

    /// The state after one more event of the stream.
    pub fn apply(&mut self, event: &Event, by: &By, at: Timestamp) {
        match event {
            Event::PlanDecided(PlanDecided { steps, wanted, never, until }) => {
                if !self.stage.is_over() && self.started.is_none() {
                    self.stage = PlanStage::Waiting;
                }
                self.decided = Some(Decided { at, steps: steps.clone(), wanted: wanted.clone(), never: never.clone(), until: *until });
            }
            Event::PlanStarted(PlanStarted { approvals, ordered, gaps_accepted, closes_at }) => {
                self.stage = PlanStage::Running;
                self.started = Some(Started {
                    at,
                    by: by.clone(),
                    ordered: *ordered,
                    approvals: approvals.clone(),
                    gaps_accepted: gaps_accepted.is_some(),
                    closes_at: *closes_at,
                });
            }
            Event::GlassBroken(e) => {
                if let By::Person(person) = by {
                    self.glass = Some(Glass {
                        by: person.clone(),
                        role: e.role,
                        at,
                        until: e.until,
                        skipped: e.skipped.clone(),
                        reason: e.reason.clone(),
                    });
                }
            }
            Event::PlanExcluded(e) => {
                let known: BTreeSet<_> = self.excluded.iter().cloned().collect();
                self.excluded.extend(e.targets.iter().filter(|t| !known.contains(*t)).cloned());
            }
            Event::TargetsFound(e) => {
                let course = self.courses.entry(e.step).or_default();
                course.found.extend(e.new.iter().cloned());
                // By id: commitments of one thing differ from round to round.
                let known: BTreeSet<TargetId> = course.outside.iter().map(|t| t.id.clone()).collect();
                course.outside.extend(e.outside.iter().filter(|t| !known.contains(&t.id)).cloned());
                course.clean = if e.listed.is_empty() { course.clean + 1 } else { 0 };
                course.listed = e.listed.iter().cloned().collect();
                course.rounds += 1;
                course.last_round_at = Some(at);
            }
            Event::StepEnded(e) => {
                self.courses.entry(e.step).or_default().ended = Some((e.ended.clone(), e.because.clone(), at));
                if matches!(e.ended.as_str(), "failed" | "handed_over") && self.stage == PlanStage::Running {
                    self.stage = PlanStage::Degraded;
                }
            }
            Event::PlanPaused(e) => self.paused = Some(e.because.clone()),
            Event::PlanResumed(_) => self.paused = None,
            Event::PlanDenied(_) => {
                self.stage = PlanStage::Denied;
                self.ended = Some((at, String::from("denied")));
            }
            Event::PlanEnded(e) => {
                self.stage = match e.ended.as_str() {
                    "proved" => PlanStage::Proved,
                    "superseded" => PlanStage::Superseded,
                    "expired" => PlanStage::Expired,
                    "amended" => PlanStage::Amended,
                    _ => PlanStage::HandedOver,
                };
                self.ended = Some((at, e.because.clone()));
            }
            _ => {}
        }
    }

    /// What one step found and how it ended; empty where it did nothing yet.
    pub fn course(&self, step: u16) -> StepCourse {
        self.courses.get(&step).cloned().unwrap_or_default()
    }

    /// It may still act.
    pub fn is_open(&self) -> bool {
        !self.stage.is_over()
    }
}
