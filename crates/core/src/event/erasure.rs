//! Family `erasure`: what people asked to be forgotten, and what was.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    id::{CaseId, ErasureId, PersonId},
    personal::Personal,
};

/// A person asks that values be forgotten. The list never changes afterwards: what
/// another person approves is what was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErasureRequested {
    pub erasure: ErasureId,
    /// Names and addresses by which the person was asked for; they go, too.
    pub whom: Vec<Personal>,
    pub reason: Personal,
    /// The accounts of that person, who decides nothing here. Their ids stay.
    pub subjects: Vec<PersonId>,
    /// Cases whose record holds some of the values.
    pub cases: Vec<CaseId>,
    pub commitments: Vec<String>,
    /// Ids of sealed blobs that are about nobody else.
    pub sealed: Vec<String>,
}

/// The rest of a list that is too long for one event; in the same append.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErasureExtended {
    pub cases: Vec<CaseId>,
    pub commitments: Vec<String>,
    pub sealed: Vec<String>,
}

/// A second person said yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErasureApproved {}

/// A second person said no: nothing goes, and nobody approves it any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErasureDenied {
    pub reason: Personal,
}

/// Whoever asked for it does not any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErasureWithdrawn {}

/// From here on these values are not to be had any more. The rows go right after
/// the append; until they are gone a job stands for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValuesErased {
    pub commitments: Vec<String>,
    pub sealed: Vec<String>,
}
