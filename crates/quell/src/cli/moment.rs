//! Times and durations as people type them, checked before anybody is asked.

use std::time::Duration;

use quell_core::time::Timestamp;
use quell_engine::port::Clock;
use quell_store::SystemClock;

use crate::duration;

/// `60s`, `5m`, `8h`, `30d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    Duration::try_from(duration::parse(text)?).map_err(|_| format!("expected a length of time that is not negative, found `{text}`"))
}

/// [`duration`], kept as it was typed: the server reads it.
pub fn duration_text(text: &str) -> Result<String, String> {
    duration(text).map(|_| text.to_owned())
}

/// RFC 3339, or a duration from now on such as `+8h`.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    duration::moment(text, SystemClock::new().now())
}
