//! Family `context`: what others publish about threats, brought in. It decides nothing.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::context::Form;

/// A feed takes the place of the one of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContextImported {
    pub name: String,
    pub form: Form,
    pub entries: u64,
    /// SHA-256 of the file as it came.
    pub digest: String,
    /// Public blob of the entries, by its SHA-256: the JSON of a feed.
    pub blob: String,
}
