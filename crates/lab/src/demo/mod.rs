//! `make demo`: one leaked password, from the scanner's report to the bundle
//! that a stranger verifies, on a real server, beside a job that must not stop.
//!
//! The story is told for the person on call. What it claims is checked against
//! the intruder's own log ([`check`]) before the exit status says anything.

pub mod check;
pub(crate) mod desk;
mod story;

pub use story::{Options, Sabotage, run};
