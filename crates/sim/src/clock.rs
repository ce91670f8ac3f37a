//! A clock that can be turned.
//!
//! It follows tokio's virtual time, so that a deadline in the engine and a wait
//! in a plane agree. Its wall can be set forth and back; within one process it
//! never runs backwards, as the real one does not, and only a new process sees
//! a wall that was set back. [`SimClock::elapsed_us`] is the time that truly
//! passed, which nobody can turn: the truth is dated with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use quell_core::time::{SignedDuration, Timestamp};
use quell_engine::port::Clock;
use tokio::time::Instant;

/// The turnable clock.
#[derive(Debug)]
pub struct SimClock(Mutex<Turned>);

#[derive(Debug)]
struct Turned {
    began: Instant,
    base: Timestamp,
    /// How far the wall is from true time.
    off: SignedDuration,
    said: Timestamp,
    said_at: Instant,
}

impl SimClock {
    /// A clock that starts at `base`; needs a running tokio with paused time.
    pub fn new(base: Timestamp) -> Self {
        let began = Instant::now();
        Self(Mutex::new(Turned { began, base, off: SignedDuration::ZERO, said: base, said_at: began }))
    }

    fn turned(&self) -> MutexGuard<'_, Turned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the wall forth, or back where `by` is negative.
    pub fn step(&self, by: SignedDuration) {
        let mut turned = self.turned();
        turned.off += by;
    }

    /// A new process begins: it only knows the wall.
    pub fn restart(&self) {
        let mut turned = self.turned();
        turned.said = turned.wall();
        turned.said_at = Instant::now();
    }

    /// Microseconds that truly passed since the start.
    pub fn elapsed_us(&self) -> u64 {
        u64::try_from(self.turned().began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Turned {
    fn wall(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        self.base.checked_add(passed).and_then(|t| t.checked_add(self.off)).unwrap_or(Timestamp::MAX)
    }
}

#[async_trait::async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let mut turned = self.turned();
        let passed = SignedDuration::try_from(turned.said_at.elapsed()).unwrap_or(SignedDuration::MAX);
        // A microsecond at least: on a real machine no two answers are the same moment.
        let steady = turned.said.checked_add(passed.max(SignedDuration::from_micros(1))).unwrap_or(Timestamp::MAX);
        turned.said = steady.max(turned.wall());
        turned.said_at = Instant::now();
        turned.said
    }

    async fn sleep(&self, duration: SignedDuration) {
        tokio::time::sleep(duration.try_into().unwrap_or_default()).await;
    }
}
