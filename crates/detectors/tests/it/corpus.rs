//! The readings against real reports, where the folder of them is at hand.
//!
//! The folder is named by `QUELL_CORPUS`, by default `../shared/signals` beside
//! the workspace. Nothing of it is in this repository, for its licences differ.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quell_core::{signal::Readout, time::Timestamp};
use quell_detectors::{Builtin, REGISTRY, claimants};
use quell_engine::port::Detectors;
use serde_json::Value;

use crate::{fixtures::SILENT, shown};

/// The folder, or one line that says that it is absent.
pub fn corpus() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("QUELL_CORPUS").map(PathBuf::from);
    let folder = workspace.join(named.clone().unwrap_or_else(|| "../shared/signals".into()));
    if folder.join("gitleaks/expected.jsonl").is_file() {
        return Some(folder);
    }
    assert!(named.is_none(), "QUELL_CORPUS names `{}`, which holds no corpus", folder.display());
    println!("no corpus at hand (set QUELL_CORPUS to check real reports); nothing was checked against it");
    None
}

pub fn expected(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("expected.jsonl")).expect("each folder has its expectations");
    text.lines().filter(|l| !l.trim().is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect()
}

pub fn read(source: &str, file: &Path) -> Readout {
    Builtin.read(source, &fs::read(file).unwrap())
}

#[test]
fn a_real_report_never_gets_an_identity_that_it_does_not_name() {
    let Some(root) = corpus() else { return };
    for row in expected(&root.join("gitleaks")) {
        let file = row["file"].as_str().unwrap();
        let lines = shown::lines("gitleaks", read("gitleaks", &root.join("gitleaks").join(file)));
        if row["identity_resolvable"] == "no" {
            assert!(lines.is_empty(), "{file}: an empty report says nothing: {lines:?}");
            continue;
        }
        assert!(!lines.is_empty(), "{file}");
        for line in &lines {
            assert_eq!(line["subject"]["resolvable"], "secret_only", "{file}: {line}");
            for hole in [&line["subject"]["native_id"], &line["subject"]["name"], &line["actor"]["native_id"], &line["actor"]["name"]] {
                assert!(hole.is_null(), "{file}: {line}");
            }
            assert_eq!(line["severity"]["id"], 0, "{file}");
        }
    }
}

#[test]
fn a_real_report_never_shows_secret_line_or_author() {
    let Some(root) = corpus() else { return };
    let mut hidden = 0;
    for row in expected(&root.join("gitleaks")) {
        let file = root.join("gitleaks").join(row["file"].as_str().unwrap());
        let report: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let out = shown::lines("gitleaks", read("gitleaks", &file)).iter().map(Value::to_string).collect::<String>();
        let mut texts = Vec::new();
        collect(&report, &mut texts);
        for (key, text) in texts {
            let key = key.to_ascii_lowercase();
            let private = ["secret", "match", "offender", "line", "author", "email", "message", "commitmessage"].contains(&key.as_str())
                || (key == "text" && text.len() < 20);
            if private && !text.is_empty() {
                assert!(!out.contains(text.trim()), "{}: `{key}` shows in the reading", file.display());
                hidden += 1;
            }
        }
    }
    assert!(hidden >= 15, "only {hidden} texts were looked for");
}

fn collect(value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                match item {
                    Value::String(text) => out.push((key.clone(), text.clone())),
                    item => collect(item, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|i| collect(i, out)),
        _ => {}
    }
}

#[test]
fn the_same_leak_in_two_commits_has_one_fingerprint_and_two_keys() {
    let Some(root) = corpus() else { return };
    let lines = shown::lines("gitleaks", read("gitleaks", &root.join("gitleaks/gitleaks8_many.json")));
    assert_eq!(lines.len(), 4);
    let print = |n: usize| lines[n]["credential"]["fingerprint"].clone();
    assert!(print(0).is_string());
    assert_eq!(print(0), print(1));
    assert_ne!(print(0), print(3));
    assert!(print(2).is_null(), "the first line of a private key is no secret");
    assert_ne!(lines[0]["dedupe_key"], lines[1]["dedupe_key"]);
    assert_eq!(lines[0]["observed_at"], "2021-10-14T17:05:15Z");
    assert_eq!((&lines[2]["observed_at"], &lines[2]["observed_at_from"]), (&Value::Null, &"received".into()));
}

#[test]
fn real_older_and_sarif_reports_give_time_and_secret() {
    let Some(root) = corpus() else { return };
    let lines = shown::lines("gitleaks", read("gitleaks", &root.join("gitleaks/legacy_data_many.json")));
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|l| l["observed_at"] == "2020-04-04T22:52:59Z" && l["credential"]["fingerprint"].is_string()));
    assert_ne!(lines[0]["credential"]["fingerprint"], lines[1]["credential"]["fingerprint"]);
    let sarif = shown::lines("gitleaks", read("gitleaks", &root.join("gitleaks/sarif_simple.sarif.json")));
    let json = shown::lines("gitleaks", read("gitleaks", &root.join("gitleaks/json_simple.json")));
    assert_eq!(sarif[0]["credential"]["fingerprint"], json[0]["credential"]["fingerprint"]);
    assert_eq!(json[0]["observed_at"], "2003-10-19T00:00:00Z");
}

#[test]
fn a_real_detection_finding_names_what_its_row_says() {
    let Some(root) = corpus() else { return };
    let mut read_rows = 0;
    for row in expected(&root.join("ocsf")) {
        let file = row["file"].as_str().unwrap();
        let lines = shown::lines("ocsf", read("ocsf", &root.join("ocsf").join(file)));
        assert_eq!(lines.len(), 1, "{file}");
        if !file.contains("detection_finding") {
            continue;
        }
        let line = &lines[0];
        assert_eq!(line["subject"]["native_id"], row["identity_native_id"]);
        assert_eq!(line["subject"]["name"], row["identity_name"]);
        assert_eq!(line["subject"]["resolvable"], row["identity_resolvable"]);
        assert_eq!(line["subject"]["system"], "aws:111111111111");
        assert_eq!(line["credential"]["id"], row["credential_id"]);
        assert_eq!(line["credential"]["kind"], "access_key");
        assert_eq!((&line["severity"]["id"], &line["severity"]["vendor"]), (&2.into(), &"Low".into()));
        assert_eq!((&line["kind"], &line["sample"]), (&"anomalous_use".into(), &false.into()));
        assert_eq!(line["observed_at_from"], "event");
        let at = |v: &Value| v.as_str().unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(at(&line["observed_at"]), at(&row["event_time"]));
        read_rows += 1;
    }
    assert!(read_rows >= 1);
}

#[test]
fn a_malformed_real_message_is_refused_with_its_place() {
    let Some(root) = corpus() else { return };
    for file in fs::read_dir(root.join("_malformed")).unwrap().map(|f| f.unwrap().path()) {
        for source in Builtin.names().into_iter().chain(["auto"]) {
            let readout = read(source, &file);
            assert!(readout.signals.is_empty(), "{source}");
            assert_eq!(readout.unreadable.len(), 1, "{source}");
            assert!(readout.unreadable[0].reason.contains("trailing comma at line"), "{source}: {}", readout.unreadable[0].reason);
        }
    }
}

#[test]
fn no_detector_takes_a_real_message_of_another_for_its_own() {
    let Some(root) = corpus() else { return };
    let (mut read_files, mut wrong) = (0, Vec::new());
    for folder in fs::read_dir(&root).unwrap().map(|f| f.unwrap().path()).filter(|p| p.is_dir()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('_') {
            continue;
        }
        for file in fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json")) {
            for detector in REGISTRY.iter().map(|d| d.name).chain(["auto"]) {
                let readout = read(detector, &file);
                // Undeclared, a message of a sender without a detector is read
                // by the meaning of its fields.
                let mapped = |source: &str| source == "generic" && !REGISTRY.iter().any(|d| d.name == name);
                let sources = || readout.signals.iter().map(|d| d.signal.source.as_str());
                let own = detector == name || (detector == "auto" && sources().all(|s| s == name || mapped(s)));
                if !own && !readout.signals.is_empty() && !reads_others(detector) {
                    wrong.push(format!("{detector} reads {}", file.display()));
                }
                let empty = matches!(fs::read(&file).unwrap().trim_ascii(), b"null" | b"[]");
                assert!(
                    empty || own && SILENT.contains(&name.as_str()) || !readout.signals.is_empty() || !readout.unreadable.is_empty(),
                    "{detector} is silent on {}",
                    file.display()
                );
            }
            read_files += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read_files >= 50, "only {read_files} files");
}

/// A hit of Sigma is any event that matched, the generic mapper takes what it
/// is given, and our own format is any object with a title.
fn reads_others(detector: &str) -> bool {
    ["sigma-hit", "generic", "quell"].contains(&detector)
}

#[test]
fn a_real_message_is_recognised_by_its_own_detector_alone() {
    let Some(root) = corpus() else { return };
    let mut read_files = 0;
    for folder in fs::read_dir(&root).unwrap().map(|f| f.unwrap().path()).filter(|p| p.is_dir()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let files = fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path());
        for file in files.filter(|p| p.extension().is_some_and(|e| e == "json" || e == "jsonl") && !p.ends_with("expected.jsonl")) {
            if name.starts_with('_') {
                continue;
            }
            let bytes = fs::read(&file).unwrap();
            let empty = matches!(bytes.trim_ascii(), b"null" | b"[]");
            let claims: Vec<_> = claimants(&bytes).unwrap().iter().map(|d| d.name).filter(|n| *n != "generic").collect();
            let is_built_in = REGISTRY.iter().any(|d| d.name == name);
            let wanted: &[&str] = if is_built_in && !empty { &[name.as_str()] } else { &[] };
            assert_eq!(claims, wanted, "{}", file.display());
            read_files += 1;
        }
    }
    assert!(read_files >= 50, "only {read_files} files");
}
