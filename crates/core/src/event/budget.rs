//! Family `budget`: what automation spent of one hour.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::id::AttemptId;

/// One attempt was charged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetSpent {
    pub scope: String,
    pub hour: i64,
    pub attempt: AttemptId,
    /// Spent in this hour with this one.
    pub spent: u32,
}
