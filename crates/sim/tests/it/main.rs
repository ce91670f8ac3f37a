//! What the simulator's own parts promise, and what the engine keeps in it.

mod memory;
mod seeds;
