//! Family `notice`: who was told of a case, over what, and what did not take it.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    id::{CaseId, PersonId},
    notice::{Cause, To},
};

/// Somebody is to be told. What it says is the case's first line when it is handed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeDue {
    /// Stable over every try, so that a receiver can drop the second.
    pub notice: String,
    pub case: CaseId,
    pub to: To,
    pub cause: Cause,
    /// It may interrupt a night.
    pub pages: bool,
}

/// One try to hand it over. Taken is not read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeHanded {
    pub notice: String,
    pub case: CaseId,
    /// Who is meant, as the roles were held then.
    pub people: Vec<PersonId>,
    /// Those of them whom it may interrupt: the others were interrupted often enough. As
    /// it was at the first try.
    pub interrupts: Vec<PersonId>,
    /// It is one of the interruptions of their hour.
    pub counts: bool,
    /// Channels that took it; `CHANNEL/PERSON` where only some of its addressees have it.
    pub over: Vec<String>,
    pub failed: Vec<FailedChannel>,
}

/// A channel that did not take a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedChannel {
    pub channel: String,
    /// In our words.
    pub why: String,
    /// It is tried again.
    pub again: bool,
}

/// Nobody tries to hand it over any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeDropped {
    pub notice: String,
    pub case: CaseId,
    pub because: String,
}
