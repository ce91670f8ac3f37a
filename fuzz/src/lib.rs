//! Made-up input for everything that reads bytes from outside.
//!
//! A target is one reader, the hand-written messages it starts from, and what must
//! hold for every answer: no panic, cost bounded by the length of the input, the same
//! answer twice, output that is valid, and nobody named whom the input does not name.
//! Inputs are changed by what they are made of (values, names, lines) and byte by
//! byte; what gives an answer of a new kind is kept and changed on. Stable Rust and no
//! instrumentation: answers carry reasons in our own words, and those tell how far an
//! input came.
//! Every detector of the registry and every kind of log is a target by being there.
//! Reading order: `target`, `judge` (what must hold), `change`, `round` (the loop).

pub mod chance;
pub mod change;
pub mod cost;
pub mod ground;
pub mod judge;
pub mod round;
pub mod target;

/// Counts what is allocated; the bounds on memory rest on it.
#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
