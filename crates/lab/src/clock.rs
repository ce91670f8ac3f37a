//! The real clock, and waiting for real conditions.
//!
//! The product asks its Clock port, so that the simulator can turn it. The lab
//! drives real servers, which know only the clock of the machine; this is the one
//! place where it is read.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// The wall clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a real server cannot be shown a turned clock")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Looks at `condition` until it holds (true) or `within` has passed (false).
/// Blocks the calling thread.
#[expect(clippy::disallowed_methods, reason = "this is the wait for a condition with a deadline")]
pub fn until(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > within {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    true
}

/// `at` as RFC 3339 in UTC with microseconds, such as
/// `2026-11-23T08:39:25.000123Z`. A time before 1970 is shown as 1970.
#[must_use]
pub fn rfc3339(at: SystemTime) -> String {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, of_day) = (since_epoch.as_secs() / 86_400, since_epoch.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let micros = since_epoch.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The Gregorian date `days` after 1970-01-01. Years are counted from March, so
/// that the leap day is the last day of its year and month lengths need no table.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_rfc_3339() {
        for (secs, micros, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, 999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000001Z"),
            (1_709_251_199, 0, "2024-02-29T23:59:59.000000Z"),
            (1_709_251_200, 0, "2024-03-01T00:00:00.000000Z"),
            (1_798_761_599, 20, "2026-12-31T23:59:59.000020Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
        ] {
            let at = UNIX_EPOCH + Duration::new(secs, micros * 1000);
            assert_eq!(rfc3339(at), text);
        }
    }
}
