//! The words that policies may use.
//!
//! The schema belongs to Quell and is compiled in: questions are built against
//! it, so a directory cannot bring another. A copy beside the policies serves
//! editors only.

use cedar_policy::Schema;

use crate::load::Problem;

/// The text of `policies/schema.cedarschema`.
pub const SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

/// What a copy of it is called beside the policies.
pub const SCHEMA_FILE: &str = "schema.cedarschema";

/// Parses the built-in schema.
pub(crate) fn schema() -> Result<Schema, Problem> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|e| Problem::in_file(SCHEMA_FILE, 0, e.to_string()))
}
