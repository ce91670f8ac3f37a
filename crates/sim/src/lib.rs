//! Worlds that can be turned, replayed and broken.
//!
//! What must hold for every store is a suite here, and the simplest store that
//! passes it lives in memory, with faults at hand.

pub mod conformance;
pub mod memory;
