//! Who may do what, and who must be asked: Cedar behind the engine's `Policy` port.
//!
//! A set is read whole, validated strictly against Quell's schema, linted and
//! only then asked; a set that does not pass never stands. Every question
//! builds its own small slice of entities, so no inventory lives inside Cedar.
//! Any evaluation error is a deny and an alarm, because Cedar itself skips a
//! `forbid` that errs. What is unknown takes the value that grants least.
//!
//! `load` reads a set, `lint` refuses what strict validation lets pass,
//! `request` turns a question into Cedar's words, `decide` answers, `ask` finds
//! whom to hear, `explain` and `show` say it in English, `test_run` runs the
//! tests beside the policies, `prove` seeks a situation that must not be.

mod ask;
mod decide;
mod example;
mod explain;
mod lint;
mod load;
mod prove;
mod request;
mod schema;
mod show;
mod test_run;

pub use ask::still_missing;
pub use decide::CedarPolicy;
pub use example::{example, example_verb};
pub use explain::{Explanation, Reason, explain, explain_verb};
pub use load::{Problem, Refused, Report, Source, check, shipped_sources, sources};
pub use prove::{Proof, Proved};
pub use schema::{SCHEMA, SCHEMA_FILE};
pub use show::{HEADINGS, Row, Rule, show};
pub use test_run::{Failure, TestReport, shipped_tests, test, test_set};
