//! Family `approval`: a person's yes to one plan digest.

use serde::{Deserialize, Serialize};

use crate::{approval::Approval, id::PlanId};

/// A person said yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalGiven {
    pub approval: Approval,
    pub comment: Option<crate::personal::Personal>,
}

/// The start of a plan consumed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalUsed {
    pub plan: PlanId,
}
