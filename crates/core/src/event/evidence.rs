//! Family `evidence`: what left the record as a proof, beside the cases' own exports.

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// Every case between two sizes was exported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PopulationExported {
    pub from: u64,
    pub to: u64,
    /// Cases that were opened in between.
    pub cases: u64,
    /// Hex SHA-256 of the bundle.
    pub bundle: String,
}
