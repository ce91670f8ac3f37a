//! The answer in the shape that people and programs read: cases with their
//! chains, what is in no case and why, and what was not looked at.
//!
//! The same [`Link`] stands in a case's `chain`. Absent is `null`; new fields
//! are added, none is renamed.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::fact::{LinkKind, Nature};
use crate::{action::Action, inventory::Basis, proof::Liveness, time::Timestamp};

/// A record that bears a statement out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    pub file: String,
    pub record: u64,
}

/// One credential, session or grant, and what it was minted from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The native id.
    pub id: String,
    pub kind: LinkKind,
    pub identity: Option<String>,
    /// The link it came from.
    pub minted_from: Option<String>,
    pub mint_event: Option<String>,
    pub minted_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub uses: u64,
    pub last_used_at: Option<Timestamp>,
    pub basis: Basis,
    /// As far as the records reach: no log proves a death except an expiry.
    pub liveness: Liveness,
    pub confidence: u8,
    pub evidence: Vec<Evidence>,
    /// When it was seen first, minted or used.
    pub first_seen: Option<Timestamp>,
    /// The session's given name, where it has one.
    pub session: Option<String>,
    /// Where it was used from.
    pub addresses: Vec<String>,
    /// A record says that it was ended.
    pub ended: Option<End>,
    /// Accepted uses after the time of containment that was asked about.
    pub uses_after: Option<u64>,
    /// Why it stands here as it does, in our words.
    pub reasons: Vec<String>,
}

/// What a record says of a link's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub at: Option<Timestamp>,
    pub by: Option<String>,
    pub event: String,
    /// By a link of the same chain: an intruder who tidies up, which is no containment.
    pub by_intruder: bool,
    /// Accepted uses after it.
    pub uses_after: u64,
}

/// A secret that somebody in the chain read: a candidate for rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRead {
    pub id: String,
    /// The first time.
    pub at: Option<Timestamp>,
    /// The credential that read it.
    pub by: String,
    pub reads: u64,
    pub last_at: Option<Timestamp>,
}

/// Something that is not in a chain, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Aside {
    pub id: String,
    pub reason: String,
}

/// A step of the plan that would be proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub n: u32,
    pub action: Action,
    pub target: String,
    pub after: Vec<u32>,
    pub reason: String,
}

/// A change that outlives the credential that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    pub at: Option<Timestamp>,
    pub by: String,
    pub nature: Nature,
    pub target: String,
}

/// One line of the timeline: equal events of one credential together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub at: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub by: String,
    pub event: String,
    pub count: u64,
    pub refused: bool,
}

/// Whose case it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    pub identity: Option<String>,
    pub credential: Option<String>,
}

/// One incident, as the records show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedCase {
    pub id: String,
    pub title: String,
    pub root: Root,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub chain: Vec<Link>,
    pub secrets_read: Vec<SecretRead>,
    pub excluded: Vec<Aside>,
    pub plan: Vec<Proposal>,
    pub changes: Vec<Changed>,
    pub timeline: Vec<Moment>,
    pub not_looked_at: Vec<String>,
    /// Titles of alerts about it, as their senders wrote them.
    pub untrusted: Vec<String>,
    /// How much was done, for the order on a page; not a severity.
    pub weight: u32,
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnreadableRecord {
    pub file: String,
    pub record: u64,
    pub reason: String,
}

/// The whole answer of `quell investigate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Investigation {
    pub cases: Vec<TracedCase>,
    pub unattached: Vec<Aside>,
    pub unreadable: Vec<UnreadableRecord>,
    pub records: u64,
    /// The last moment the records tell of; liveness is judged by it.
    pub as_of: Option<Timestamp>,
    pub not_looked_at: Vec<String>,
}
