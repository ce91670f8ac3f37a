//! Time is an argument.
//!
//! Nothing here reads a clock. Deadlines compare times of receipt; a vendor's
//! time only orders and explains (invariant 17).

pub use jiff::{SignedDuration, Timestamp};

/// `at + seconds`, saturating at the end of time.
pub fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// `at + millis`, saturating at the end of time.
pub fn after_millis(at: Timestamp, millis: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(millis)).unwrap_or(Timestamp::MAX)
}

/// Seconds from `from` to `to`, never negative: a clock set back does not give
/// time back (invariant 17).
pub fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().max(0)
}

/// The hour a budget counts in, as whole hours since 1970.
pub fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}
