//! What a readout looks like, line by line, as `quell alert normalise` prints it.

use quell_core::{
    secret::FingerprintKey,
    signal::{Readout, fingerprint},
};
use serde_json::{Value, json};

/// The key of every test.
pub fn key() -> FingerprintKey {
    FingerprintKey::new([7; 32])
}

/// One JSON document a signal, then one an unreadable record; fingerprinted.
pub fn lines(source: &str, mut readout: Readout) -> Vec<Value> {
    let mut out = Vec::new();
    for detected in &mut readout.signals {
        fingerprint(detected, Some(&key()));
        out.push(serde_json::to_value(&detected.signal).expect("a signal serialises"));
    }
    out.extend(readout.unreadable.iter().map(|u| json!({"source": source, "unreadable": u})));
    out
}
