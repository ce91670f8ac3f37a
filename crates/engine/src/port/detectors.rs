//! Bytes of a detector to signals. Pure, so no `async`.

use quell_core::signal::Readout;

/// Every detector that is built in.
pub trait Detectors: Send + Sync {
    /// The names that [`Detectors::read`] takes, sorted.
    fn names(&self) -> Vec<&'static str>;

    /// Reads one message. Never fails: what cannot be read is in `unreadable`.
    /// An unknown `detector` gives one unreadable record that says so. `auto`
    /// tries to recognise the detector.
    fn read(&self, detector: &str, bytes: &[u8]) -> Readout;
}
