//! Time is an argument.
//!
//! Nothing here reads a clock. Deadlines compare times of receipt; a vendor's
//! time only orders and explains (invariant 17).

pub use jiff::{SignedDuration, Timestamp};

/// `at + seconds`, saturating at both ends of time.
pub fn after(at: Timestamp, seconds: i64) -> Timestamp {
    moved(at, SignedDuration::from_secs(seconds))
}

/// `at + millis`, saturating at both ends of time.
pub fn after_millis(at: Timestamp, millis: i64) -> Timestamp {
    moved(at, SignedDuration::from_millis(millis))
}

fn moved(at: Timestamp, by: SignedDuration) -> Timestamp {
    let end = if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    at.checked_add(by).unwrap_or(end)
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
