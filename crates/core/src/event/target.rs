//! Family `target`: holds, attempts and probes of one thing on one plane.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    clear::Cleared,
    hold::Round,
    id::{AttemptId, CaseId},
    signal::CredentialKind,
    target::{Reading, Target},
    time::Timestamp,
};

/// A case claims that the target stays contained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldPlaced {
    pub case: CaseId,
    pub target: Target,
    pub credential_kind: Option<CredentialKind>,
    /// Recorded at the first hold only.
    pub before: Option<Reading>,
    /// A leaked value of it matched.
    pub leaked_was_right: bool,
    /// The plane listed it as open at that moment.
    pub seen_live_at: Option<Timestamp>,
}

/// A case gave its claim up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldReleased {
    pub case: CaseId,
    pub last: bool,
}

/// The intention, durable before anything changes outside (invariant 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptIntended {
    pub cleared: Cleared,
    pub case: CaseId,
    /// Id of the sealed secret that was made for this attempt.
    pub new_secret: Option<String>,
    /// The target as it was read just before.
    pub read: Option<Reading>,
}

/// What became of it. Not a proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnded {
    pub attempt: AttemptId,
    pub case: CaseId,
    /// `done`, `refused`, `throttled` or `unknown`.
    pub outcome: String,
    pub reason: Option<String>,
    /// Attributes changed, with before and after, by value.
    pub changed: BTreeMap<String, (Option<String>, Option<String>)>,
    /// It was read after a crash or time-out, not answered by the act itself.
    pub read_back: bool,
    /// Id of the sealed secret that the plane itself made in this attempt, in place of
    /// the one that was drawn for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<String>,
}

/// Probes, their controls, and what they prove together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetProbed {
    pub round: Round,
    pub blobs: Vec<String>,
}
