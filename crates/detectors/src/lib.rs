//! Bytes of a detector to signals.
//!
//! Pure: no clock, file, socket or key. One file per detector, each with one
//! door, `read(&[u8]) -> Readout`, which never fails and never panics: what it
//! cannot read it hands back as unreadable, with a reason in our own words that
//! quotes nothing of the input. Nothing is invented: a message that names no
//! identity gives a signal without one, and a secret leaves only as a `Secret`.
//! Reading order: `json` (records), `field` (values), `time`, `credential`,
//! `reading` (the answer), then the detectors.

mod credential;
mod field;
pub mod gitleaks;
mod json;
pub mod ocsf;
pub mod quell;
mod reading;
pub mod telemetry;
pub mod time;

use std::ops::ControlFlow;

use quell_core::{
    signal::{Readout, Unreadable},
    untrusted::Untrusted,
};
use quell_engine::port::Detectors;
use serde_json::Value;

use crate::json::Found;

/// The name that asks for recognition instead of naming a detector.
pub const AUTO: &str = "auto";

/// One built-in detector.
pub struct Detector {
    /// As in `quell alert normalise --source`.
    pub name: &'static str,
    /// What it reads, for help and documentation.
    pub reads: &'static str,
    /// Reads one message whole.
    pub read: fn(&[u8]) -> Readout,
    /// Whether a message that starts with this record is one of this detector.
    pub recognises: fn(&Value) -> bool,
}

/// Every detector that is built in, sorted by name. `auto` asks them in this order.
pub const REGISTRY: &[Detector] = &[
    Detector { name: gitleaks::NAME, reads: gitleaks::READS, read: gitleaks::read, recognises: gitleaks::recognises },
    Detector { name: ocsf::NAME, reads: ocsf::READS, read: ocsf::read, recognises: ocsf::recognises },
    Detector { name: quell::NAME, reads: quell::READS, read: quell::read, recognises: quell::recognises },
];

/// The registry behind the engine's port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

impl Detectors for Builtin {
    fn names(&self) -> Vec<&'static str> {
        REGISTRY.iter().map(|d| d.name).collect()
    }

    fn read(&self, detector: &str, bytes: &[u8]) -> Readout {
        if detector == AUTO {
            return match recognise(bytes) {
                Ok(found) => (found.read)(bytes),
                Err(reason) => refused(reason),
            };
        }
        match REGISTRY.iter().find(|d| d.name == detector) {
            Some(found) => (found.read)(bytes),
            None => refused(format!("detector {} is unknown; name one of {}", Untrusted::new(detector).log(), known())),
        }
    }
}

/// The detector whose message this is, judged by its first record alone, or the
/// reason why none is. An empty report has no shape, so nobody recognises it:
/// silence is only an answer where the sender's detector is known.
pub fn recognise(bytes: &[u8]) -> Result<&'static Detector, String> {
    let mut first = None;
    json::each(bytes, &mut |found| {
        first = Some(found);
        ControlFlow::Break(())
    });
    let record = match first {
        Some(Found::Document(value) | Found::Element(value)) => value,
        Some(Found::Broken(reason)) => return Err(format!("{reason}; no detector recognises it")),
        None => Value::Null,
    };
    let found = REGISTRY.iter().find(|d| (d.recognises)(&record));
    json::wipe(record);
    found.ok_or_else(|| format!("no detector recognises this message; name its detector, one of {}", known()))
}

fn known() -> String {
    REGISTRY.iter().map(|d| format!("`{}`", d.name)).collect::<Vec<_>>().join(", ")
}

fn refused(reason: String) -> Readout {
    Readout { signals: Vec::new(), unreadable: vec![Unreadable { record: 0, reason }] }
}
