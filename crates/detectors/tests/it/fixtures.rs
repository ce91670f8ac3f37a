//! The hand-written messages, as files and as records.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quell_detectors::REGISTRY;
use serde_json::Value;

/// Detectors that report by scan, so that a report may say nothing.
pub const SILENT: &[&str] = &["detect-secrets", "gitguardian", "github-secret-scanning", "gitleaks", "trufflehog"];

/// Owner, file and bytes of every fixture.
pub fn files() -> Vec<(&'static str, PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut all = Vec::new();
    for detector in REGISTRY {
        let mut files: Vec<_> =
            fs::read_dir(root.join(detector.name)).expect("each detector has fixtures").map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
            let bytes = fs::read(&file).unwrap();
            all.push((detector.name, file, bytes));
        }
    }
    all
}

/// Owner and value of every document, and of every element of a list at the top
/// or one below it, as far as they are JSON.
pub fn records() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for (owner, _, bytes) in files() {
        for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>().map_while(Result::ok) {
            match value {
                Value::Array(items) => all.extend(items.into_iter().map(|item| (owner, item))),
                Value::Object(map) => {
                    let inner = map.values().filter_map(Value::as_array).flatten().filter(|i| i.is_object());
                    all.extend(inner.map(|item| (owner, item.clone())));
                    all.push((owner, Value::Object(map)));
                }
                other => all.push((owner, other)),
            }
        }
    }
    all
}
