//! `make demo`: a leaked secret-id, from the scanner's report to the bundle that a
//! stranger verifies, across three real servers, beside a job that must not stop.
//!
//! The story is told for the person on call. What it claims is checked against
//! the intruder's own log ([`check`]) before the exit status says anything.

pub mod check;
pub(crate) mod company;
pub(crate) mod desk;
mod outcome;
mod story;
mod thieves;

pub use story::{Options, Sabotage, run};
