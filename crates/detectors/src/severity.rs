//! Vendors' scales of severity as OCSF `severity_id`.
//!
//! 0 unknown, 1 informational, 2 low, 3 medium, 4 high, 5 critical, 6 fatal. A
//! level of a log line (`INFO`, `NOTICE`) is none of these and stays unknown.

use quell_core::signal::Severity;

use crate::field::bounded;

/// A severity that the sender writes as a word.
pub fn of_word(word: &str) -> Severity {
    let id = match word.trim().to_ascii_lowercase().as_str() {
        "informational" | "information" | "info" | "none" => 1,
        "low" | "minor" => 2,
        "medium" | "moderate" => 3,
        "high" | "major" => 4,
        "critical" | "severe" => 5,
        "fatal" | "emergency" => 6,
        _ => 0,
    };
    Severity { id, vendor: Some(bounded(word.trim().to_owned()).0) }
}

/// A number on a scale: the first bound that `value` does not reach ends its
/// band. `bands` are the lower bounds of low, medium, high and critical.
pub fn of_number(value: f64, bands: [f64; 4]) -> u8 {
    1 + bands.iter().filter(|bound| value >= **bound).count() as u8
}

/// No severity is given.
pub fn unrated() -> Severity {
    Severity { id: 0, vendor: None }
}

/// What the sender wrote is not a severity and is kept as its word alone.
pub fn unread(word: Option<String>) -> Severity {
    Severity { id: 0, vendor: word.map(|w| bounded(w).0) }
}
