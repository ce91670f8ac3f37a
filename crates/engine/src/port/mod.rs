//! The doors to the outside, and nothing else: what the engine asks of others.

mod detectors;

pub use detectors::Detectors;
