//! Family `source`: senders of alerts, and imports of inventory.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    id::{PersonId, SourceId, TokenId},
    personal::Personal,
    plan::Tier,
    time::Timestamp,
};

/// A detector's authenticated way in, bound to systems and to the highest tier
/// it may cause (invariant 12).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceCreated {
    pub source: SourceId,
    pub name: String,
    pub detector: String,
    pub token: TokenId,
    /// Hex SHA-256 of the 256-bit token.
    pub hash: String,
    /// Id of the sealed HMAC key, where the source signs its messages.
    pub hmac_key: Option<String>,
    /// Globs of systems it may speak about.
    pub systems: Vec<String>,
    pub tier_max: Tier,
    pub expires_at: Option<Timestamp>,
}

/// Somebody answers for a source from now on: for its silence, and for what it says no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceOwned {
    pub owner: PersonId,
}

/// Replayed or wrongly signed messages, counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRefused {
    pub source: SourceId,
    pub because: String,
    pub count: u32,
}

/// Observed facts were brought in; they lie outside the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InventoryImported {
    pub source: String,
    pub read: u64,
    pub added: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub gone: u64,
    /// SHA-256 of the file.
    pub digest: String,
}

/// Facts that policy takes authority from, by value, with their author.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactsAsserted {
    /// Canonical JSON of inventory objects, each committed to.
    pub facts: Vec<Personal>,
    /// Keys of facts that no longer hold.
    pub gone: Vec<Personal>,
}
