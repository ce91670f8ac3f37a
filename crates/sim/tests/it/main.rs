//! What the simulator's own parts promise, and what the engine keeps in it.

/// A third of a world's time is memory; this one halves it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod crashes;
mod memory;
mod planted;
mod seeds;
