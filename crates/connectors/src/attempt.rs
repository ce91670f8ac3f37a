//! What the cleared attempts of every plane share: what was changed, why one ended
//! before its end, and what that says of the world.

use std::collections::BTreeMap;

use quell_core::secret::Secret;
use quell_engine::port::{Attempt, Outcome, PlaneError};

/// What was changed, by name: before and after.
pub(crate) type Changed = BTreeMap<String, (Option<String>, Option<String>)>;

/// A call of a plane without the result that was wanted. It means one thing for a
/// change and another for a question.
pub(crate) trait Failed: Send + Sync {
    fn outcome(self: Box<Self>) -> Outcome;
    fn plane_error(self: Box<Self>, plane: &str) -> PlaneError;
}

/// Why an attempt ended before its end.
pub(crate) enum Stop {
    Failed(Box<dyn Failed>),
    Said(Outcome),
}

impl<F: Failed + 'static> From<F> for Stop {
    fn from(failure: F) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<PlaneError> for Stop {
    /// Of a question before a change: nothing was changed by it.
    fn from(error: PlaneError) -> Self {
        Self::Said(match error {
            PlaneError::NotPermitted { why, .. } => Outcome::Refused { reason: why },
            PlaneError::Throttled { retry_after_ms, .. } => Outcome::Throttled { retry_after_ms },
            other => Outcome::Unknown { reason: other.to_string() },
        })
    }
}

pub(crate) fn refused(reason: impl Into<String>) -> Stop {
    Stop::Said(Outcome::Refused { reason: reason.into() })
}

pub(crate) fn unknown(reason: impl Into<String>) -> Stop {
    Stop::Said(Outcome::Unknown { reason: reason.into() })
}

pub(crate) fn change(what: &str, before: Option<String>, after: Option<String>) -> Changed {
    [(what.to_owned(), (before, after))].into()
}

/// Nothing where it was so before.
pub(crate) fn change_if(changed: bool, what: &str, before: Option<String>, after: Option<String>) -> Changed {
    if changed { change(what, before, after) } else { Changed::new() }
}

/// The secret that the attempt brings.
pub(crate) fn new_secret(attempt: &Attempt) -> Result<&Secret, Stop> {
    let secret = attempt.new_secret.as_ref().ok_or_else(|| refused("the attempt brings no new secret"))?;
    if secret.expose().is_empty() { Err(refused("the new secret is empty")) } else { Ok(secret) }
}

/// What an attempt came to.
pub(crate) fn came_to(done: Result<Changed, Stop>) -> Outcome {
    match done {
        Ok(changed) => Outcome::Done { changed },
        Err(Stop::Failed(failure)) => failure.outcome(),
        Err(Stop::Said(outcome)) => outcome,
    }
}

/// What reading told of an attempt that nobody saw the end of: whether it is as the
/// attempt sets it.
pub(crate) fn read_back(is_so: Result<bool, Stop>, plane: &str) -> Outcome {
    match is_so {
        Ok(true) => Outcome::Done { changed: Changed::new() },
        // Every action here sets a state, so doing it again is safe.
        Ok(false) => Outcome::Throttled { retry_after_ms: 0 },
        // Nothing was learnt: a refused question is not a refused act.
        Err(Stop::Failed(failure)) => Outcome::Unknown { reason: failure.plane_error(plane).to_string() },
        Err(Stop::Said(Outcome::Refused { reason })) => Outcome::Unknown { reason },
        Err(Stop::Said(outcome)) => outcome,
    }
}
