//! What holds for every message that was a good one before chance changed it.
//!
//! Every fixture, with some of its values replaced by others of any type, gets
//! past the door of its detector and far inside.

use std::{fs, path::Path, sync::LazyLock};

use proptest::prelude::*;
use quell_detectors::{Builtin, Detector, REGISTRY};
use quell_engine::port::Detectors;
use serde_json::Value;

use crate::every_message::{SILENT, check_readout, value};

/// Each record of each fixture with its detector.
static RECORDS: LazyLock<Vec<(&'static Detector, Value)>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut out = Vec::new();
    for detector in REGISTRY {
        for file in fs::read_dir(root.join(detector.name)).unwrap().map(|f| f.unwrap().path()) {
            if file.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let bytes = fs::read(&file).unwrap();
            match serde_json::from_slice(&bytes) {
                Ok(Value::Array(items)) => out.extend(items.into_iter().map(|item| (detector, item))),
                Ok(whole) => out.push((detector, whole)),
                Err(_) => out.extend(bytes.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice(l).ok()).map(|v| (detector, v))),
            }
        }
    }
    assert!(out.len() > 80);
    out
});

/// How many values `value` holds, itself among them.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0_usize,
    }
}

/// The value number `at`, counted from the outside in.
fn place<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => Vec::new(),
    };
    inner.into_iter().find_map(|item| place(item, at))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_message_with_any_of_its_values_changed_gets_a_sound_answer(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), value()), 1..4),
    ) {
        let (detector, mut record) = RECORDS[which.index(RECORDS.len())].clone();
        for (at, new) in changes {
            let mut at = at.index(count(&record));
            if let Some(place) = place(&mut record, &mut at) {
                *place = new;
            }
        }
        let message = record.to_string();
        let readout = (detector.read)(message.as_bytes());
        let silent = readout.signals.is_empty() && readout.unreadable.is_empty();
        prop_assert!(!silent || SILENT.contains(&detector.name), "{} is silent", detector.name);
        check_readout(detector.name, &readout)?;
        let auto = Builtin.read("auto", message.as_bytes());
        prop_assert!(auto.signals.iter().all(|d| Builtin.names().contains(&d.signal.source.as_str())));
    }
}
