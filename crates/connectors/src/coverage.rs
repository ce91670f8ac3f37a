//! What a drill in the lab proved, and when last.
//!
//! `make drill` writes `coverage.json`, which is built in. It speaks of the lab's servers
//! in the versions that it names, never of a server that somebody configured. A file
//! that cannot be read proves nothing, and a test says so.

use std::sync::LazyLock;

use quell_core::{
    action::Action,
    coverage::{self, Row},
};

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| serde_json::from_str(include_str!("../coverage.json")).unwrap_or_default());

/// Every row of the last drill.
pub fn rows() -> &'static [Row] {
    &ROWS
}

/// What the last drill proved of an action on a kind of plane.
pub fn last_proven(kind: &str, action: Action) -> Option<Row> {
    coverage::last_proven(rows(), kind, action)
}
