//! One folder per kind of plane behind the Connector port, and the sinks that
//! consumers read their credentials from.
//!
//! A connector observes and acts. It never decides whether to act, and never
//! says what a probe proves.

mod attempt;
mod config;
pub mod file_sink;
mod names;
pub mod openbao;
pub mod openldap;
mod pinned;
mod pool;
pub mod postgresql;
mod said;
mod socket;
mod vantage;
