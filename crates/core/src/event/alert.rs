//! Family `alert`: a detector's message arrived and was filed.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    finding::FiledSignal,
    id::{AlertId, CaseId, FindingId, SourceId},
    signal::Unreadable,
};

/// The bytes are sealed and durable; only after this is 202 answered (invariant 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertReceived {
    pub alert: AlertId,
    pub source: SourceId,
    pub detector: String,
    pub bytes: u64,
    /// Id of the sealed blob with the exact bytes.
    pub sealed: String,
}

/// What the detector read in it, and where it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertFiled {
    pub alert: AlertId,
    pub signals: Vec<FiledSignal>,
    pub unreadable: Vec<Unreadable>,
    pub findings: Vec<FindingId>,
    pub cases: Vec<CaseId>,
    /// Where it was filed in parts, the parts hold all of it and this is their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
}

/// What the parts of an alert hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    pub parts: u32,
    pub signals: u64,
    pub unreadable: u64,
}

/// A part of a message that is too much for one event, in a stream of its own: who
/// exports a case takes along the parts that it is in, and no others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertPartFiled {
    pub alert: AlertId,
    /// From 1, dense.
    pub part: u32,
    /// Signals and unreadable records that the whole message gave.
    pub of: u64,
    pub signals: Vec<FiledSignal>,
    pub unreadable: Vec<Unreadable>,
    pub findings: Vec<FindingId>,
    pub cases: Vec<CaseId>,
}

impl AlertFiled {
    /// `unreadable` where nothing of it could be read, else `filed`.
    pub fn state(&self) -> &'static str {
        let Parts { signals, unreadable, .. } = self.count();
        if signals == 0 && unreadable > 0 { "unreadable" } else { "filed" }
    }

    /// What there was in it, in however many parts.
    pub fn count(&self) -> Parts {
        self.parts.unwrap_or(Parts { parts: 0, signals: self.signals.len() as u64, unreadable: self.unreadable.len() as u64 })
    }
}
