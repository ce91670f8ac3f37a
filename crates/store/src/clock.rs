//! The machine's clock, made so that it never runs backwards.
//!
//! Between two answers time passes by the monotonic source or by the wall
//! clock, whichever says more: a wall clock that was set back gives no deadline
//! more time, and a machine that slept does not pretend it did not
//! (invariant 17).

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use quell_core::time::{SignedDuration, Timestamp};
use quell_engine::port::Clock;

/// The real clock.
#[derive(Debug)]
pub struct SystemClock(Mutex<Said>);

/// The last answer, and the monotonic instant it was given at.
#[derive(Clone, Copy, Debug)]
struct Said {
    time: Timestamp,
    at: Instant,
}

impl SystemClock {
    /// A clock that starts at the wall clock's time.
    pub fn new() -> SystemClock {
        SystemClock(Mutex::new(Said { time: wall(), at: instant() }))
    }

    /// How far this clock is ahead of the wall clock: more than a little means
    /// that somebody set the wall clock back.
    pub fn ahead_of_wall(&self) -> SignedDuration {
        let now = self.now();
        now.duration_since(wall())
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Said {
    fn next(self, wall: Timestamp, at: Instant) -> Said {
        let passed = SignedDuration::try_from(at.saturating_duration_since(self.at)).unwrap_or(SignedDuration::MAX);
        let steady = self.time.checked_add(passed).unwrap_or(Timestamp::MAX);
        Said { time: steady.max(wall), at }
    }
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *said = said.next(wall(), instant());
        said.time
    }

    async fn sleep(&self, duration: SignedDuration) {
        // A negative wait is no wait.
        tokio::time::sleep(Duration::try_from(duration).unwrap_or(Duration::ZERO)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the Clock port's real side")]
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    // Below one billion, so it fits.
    Timestamp::new(seconds, since.subsec_nanos() as i32).unwrap_or(Timestamp::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the Clock port's real side")]
fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_by_whichever_clock_says_more_and_never_backwards() {
        let start = Timestamp::new(1_000_000, 0).expect("a time");
        let at = instant();
        for (wall_second, steady_seconds, wanted) in [
            (1_000_000, 0, 1_000_000),
            (1_000_005, 5, 1_000_005),
            // Set back by an hour: the steady source goes on.
            (996_400, 7, 1_000_007),
            // Asleep for a day: the wall clock knows.
            (1_086_400, 1, 1_086_400),
        ] {
            let said = Said { time: start, at };
            let wall = Timestamp::new(wall_second, 0).expect("a time");
            let next = said.next(wall, at + Duration::from_secs(steady_seconds));
            assert_eq!(next.time.as_second(), wanted);
            assert!(next.next(Timestamp::MIN, at).time >= next.time);
        }
    }
}
