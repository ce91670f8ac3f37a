//! What another policy would have made of a plan that was decided once.
//!
//! Only what is asked of people is compared: whether a step runs at once, after whose yes,
//! or never. What a plan would have done is another matter: nobody knows who would have
//! answered, and what the plane would have said.

use serde::{Deserialize, Serialize};

use crate::{decision::Approvals, event::StepDecision};

/// What policy leaves to people for one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "runs", rename_all = "snake_case")]
pub enum Leave {
    AtOnce,
    /// After these approvals.
    After {
        approvals: Approvals,
    },
    Never,
}

impl Leave {
    /// As a decision has it.
    pub fn of(decided: &StepDecision) -> Self {
        match &decided.wanted {
            None => Self::Never,
            Some(approvals) if approvals.is_empty() => Self::AtOnce,
            Some(approvals) => Self::After { approvals: approvals.clone() },
        }
    }

    /// Whether whoever has all that `other` asks for has all that this asks for.
    fn asks_no_more_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AtOnce, _) | (_, Self::Never) => true,
            (Self::Never, _) | (_, Self::AtOnce) => false,
            (Self::After { approvals: mine }, Self::After { approvals: theirs }) => {
                mine.iter().all(|(role, n)| theirs.get(role).is_some_and(|held| held >= n))
            }
        }
    }
}

/// How one answer differs from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    Same,
    /// Fewer people are asked, or none, or it runs where it did not.
    Looser,
    /// More people are asked, or it runs no more.
    Stricter,
    /// Others are asked.
    Other,
}

/// From what was decided `then` to what another policy says.
pub fn shift(then: &Leave, now: &Leave) -> Shift {
    match (now.asks_no_more_than(then), then.asks_no_more_than(now)) {
        (true, true) => Shift::Same,
        (true, false) => Shift::Looser,
        (false, true) => Shift::Stricter,
        (false, false) => Shift::Other,
    }
}
