//! Platforms that people and programs work on, by their audit logs.
//!
//! Every entry names who acted; what was acted on decides whom it is about.

pub mod ai_platform;
pub mod github_audit;
pub mod teleport;
pub mod vault_audit;
