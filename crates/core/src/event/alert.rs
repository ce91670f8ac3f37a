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
}

impl AlertFiled {
    /// `unreadable` where nothing of it could be read, else `filed`.
    pub fn state(&self) -> &'static str {
        if self.signals.is_empty() && !self.unreadable.is_empty() { "unreadable" } else { "filed" }
    }
}
