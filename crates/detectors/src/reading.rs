//! The answer to one message, as it grows.
//!
//! Counts records, bounds what one message may give, and keeps each secret out
//! of the text beside it. What is over the bounds is not dropped in silence: one
//! last unreadable record says so, and the bytes stay sealed with the alert.

use std::ops::ControlFlow;

use quell_core::{
    secret::{Secret, sha256},
    signal::{Detected, Readout, Unreadable},
};

/// Signals of one message.
const SIGNALS_MAX: usize = 50_000;
/// Unreadable records of one message that are told one by one.
const UNREADABLE_MAX: usize = 1_000;
/// Longest title, in characters.
pub const TITLE_MAX: usize = 300;
/// Shortest secret that is taken out of titles and names. What is shorter would
/// tear holes into ordinary words, and hiding it protects nothing.
pub const WORD_MIN: usize = 4;
/// Shortest secret that is taken out of ids: a password that is the account's
/// own name must not cost the account its name.
pub const ID_MIN: usize = 16;
/// What replaces a secret inside other text.
pub const REMOVED: &str = "[removed]";

/// A readout in the making.
#[derive(Default)]
pub struct Reading {
    readout: Readout,
    next: u64,
    untold: u64,
    full: bool,
}

impl Reading {
    /// Adds the reading of the next record, or the reason why there is none.
    /// Breaks once the message has given all it may.
    pub fn record(&mut self, read: Result<Detected, String>) -> ControlFlow<()> {
        let record = self.next;
        self.next += 1;
        match read {
            Ok(_) if self.readout.signals.len() >= SIGNALS_MAX => {
                let reason =
                    format!("records from here on are not read: one message gives at most {SIGNALS_MAX} signals; send it in parts");
                self.readout.unreadable.push(Unreadable { record, reason });
                self.full = true;
            }
            Ok(detected) => self.readout.signals.push(detected),
            Err(reason) if self.readout.unreadable.len() < UNREADABLE_MAX => self.readout.unreadable.push(Unreadable { record, reason }),
            Err(_) => self.untold += 1,
        }
        if self.full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// How many records there were.
    pub fn records(&self) -> u64 {
        self.next
    }

    /// The answer.
    pub fn finish(mut self) -> Readout {
        if self.untold > 0 {
            let reason = format!("{} more records could not be read", self.untold);
            self.readout.unreadable.push(Unreadable { record: self.next - 1, reason });
        }
        self.readout
    }
}

/// A key that is equal for two deliveries of one event: the detector's name and
/// SHA-256 over the parts with their lengths. No part may hold a secret or be
/// made from one; two events that differ only in their secret are told apart by
/// the fingerprint.
pub fn dedupe_key(source: &str, parts: &[&str]) -> String {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part.as_bytes());
    }
    format!("{source}:{}", sha256(&all))
}

/// `text` with the secret taken out, where that has at least `least` characters.
pub fn without(text: &str, secret: Option<&Secret>, least: usize) -> String {
    match secret.map(Secret::expose) {
        Some(hidden) if hidden.chars().count() >= least => text.replace(hidden, REMOVED),
        _ => text.to_owned(),
    }
}
