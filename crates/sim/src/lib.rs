//! Worlds that can be turned, replayed and broken.
//!
//! What must hold for every store is a suite here, and the simplest store that
//! passes it lives in memory, with faults at hand. Around it stands a whole
//! world out of one seed: planes, people, an intruder, faults and crashes, in
//! which the real engine works, and guards that hold every invariant against
//! what is really so.

pub mod cast;
pub mod chance;
pub mod clock;
pub mod conformance;
pub mod fault;
pub mod guards;
pub mod intruder;
pub mod memory;
pub mod plane;
pub mod ports;
pub mod run;
pub mod script;
pub mod story;
pub mod truth;
pub mod world;
