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
    /// Those of them whom it may interrupt: the others were interrupted often enough.
    pub interrupts: Vec<PersonId>,
    /// Channels that took it.
    pub over: Vec<String>,
    /// Channels that did not, with why.
    pub failed: Vec<(String, String)>,
    /// Those that failed are tried again.
    pub again: bool,
}

/// Nobody tries to hand it over any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeDropped {
    pub notice: String,
    pub case: CaseId,
    pub because: String,
}
