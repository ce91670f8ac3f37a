//! The time.

use quell_core::time::{SignedDuration, Timestamp};

/// Tells the time, and waits.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Wall-clock time of receipt. Never earlier than an answer before it, within one process.
    fn now(&self) -> Timestamp;

    /// Waits for `duration` of this clock.
    async fn sleep(&self, duration: SignedDuration);
}
