//! A clock that goes on where the ledger stopped.
//!
//! A wall that was set back while nobody ran would put every deadline further
//! away, and would let an answer seem older than what it answers. So the time of
//! a new process is never before the newest event: time passed since is at least
//! 0, and the wall counts again from here (invariant 17).

use std::sync::Arc;

use quell_core::time::{SignedDuration, Timestamp};

use crate::port::Clock;

/// A wall further behind than this was set back; less is how two events of one
/// moment fall.
pub(crate) const STEP: SignedDuration = SignedDuration::from_secs(1);

/// The wall, put forth by as much as it lies behind the ledger.
pub(crate) struct Onward {
    clock: Arc<dyn Clock>,
    ahead: SignedDuration,
}

impl Onward {
    /// Goes on from `newest`, or with the clock where that is later.
    pub(crate) fn after(newest: Timestamp, clock: Arc<dyn Clock>) -> Self {
        let ahead = newest.duration_since(clock.now()).max(SignedDuration::ZERO);
        Self { clock, ahead }
    }
}

#[async_trait::async_trait]
impl Clock for Onward {
    fn now(&self) -> Timestamp {
        self.clock.now().checked_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.clock.sleep(duration).await;
    }
}
