//! The arrows of the house: what may know of what.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/core lies two below the root").to_owned()
}

struct Package {
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

fn metadata() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn named(value: &Value) -> String {
    value["name"].as_str().unwrap_or_default().to_owned()
}

fn packages() -> BTreeMap<String, Package> {
    let of = |p: &Value, dev: bool| {
        p["dependencies"].as_array().into_iter().flatten().filter(|d| (d["kind"] == "dev") == dev).map(named).collect::<BTreeSet<_>>()
    };
    metadata().iter().map(|p| (named(p), Package { normal: of(p, false), dev: of(p, true) })).collect()
}

/// What each crate may know of the others in what ships.
fn may_know(name: &str) -> &'static [&'static str] {
    match name {
        "quell-core" | "quell-ledger" => &[],
        "quell-engine" => &["quell-core", "quell-ledger"],
        "quell-policy" | "quell-store" | "quell-detectors" | "quell-connectors" => &["quell-core", "quell-ledger", "quell-engine"],
        "quell" => &["quell-core", "quell-ledger", "quell-engine", "quell-policy", "quell-store", "quell-detectors", "quell-connectors"],
        // For development alone: whoever ships must not name them.
        "quell-lab" | "quell-sim" => {
            &["quell-core", "quell-ledger", "quell-engine", "quell-policy", "quell-store", "quell-detectors", "quell-connectors"]
        }
        "quell-fuzz" => &["quell-core", "quell-detectors"],
        other => panic!("`{other}` is a new room: say in this test what it may know"),
    }
}

#[test]
fn nobody_knows_of_what_they_must_not_know() {
    let packages = packages();
    assert!(packages.len() >= 10, "ten crates: {:?}", packages.keys());
    for (name, package) in &packages {
        for known in package.normal.iter().filter(|d| packages.contains_key(*d)) {
            assert!(may_know(name).contains(&known.as_str()), "`{name}` must not depend on `{known}`");
        }
    }
}

#[test]
fn adapters_do_not_know_each_other_even_in_their_tests() {
    let adapters = ["quell-policy", "quell-store", "quell-detectors", "quell-connectors"];
    let packages = packages();
    for name in adapters {
        let package = &packages[name];
        for other in adapters.iter().filter(|o| **o != name) {
            assert!(!package.normal.contains(*other) && !package.dev.contains(*other), "`{name}` knows `{other}`");
        }
    }
}

#[test]
fn the_lab_the_simulator_and_the_fuzz_room_never_ship() {
    for (name, package) in packages().iter().filter(|(n, _)| !matches!(n.as_str(), "quell-lab" | "quell-sim")) {
        for dev in ["quell-lab", "quell-sim", "quell-fuzz"] {
            assert!(!package.normal.contains(dev), "`{name}` ships `{dev}`");
        }
    }
}

#[test]
fn the_pure_crates_rest_on_a_short_list() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("quell-core", ["base64", "hmac", "jiff", "serde", "serde_json", "sha2", "thiserror", "zeroize"].as_slice()),
        ("quell-ledger", ["base64", "crc32fast", "ed25519-dalek", "serde", "serde_json", "sha2", "thiserror", "zeroize"].as_slice()),
    ]);
    let packages = packages();
    for (name, allowed) in allowed {
        for dependency in &packages[name].normal {
            assert!(
                allowed.contains(&dependency.as_str()),
                "`{name}` depends on `{dependency}`; a pure crate asks before it takes one more"
            );
        }
        let lib = fs::read_to_string(root().join("crates").join(&name["quell-".len()..]).join("src/lib.rs")).expect("a library");
        assert!(lib.contains("#![no_std]"), "`{name}` is no_std");
    }
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// A target that is not built for tests saves a build of it, and would hide a test.
#[test]
fn what_is_not_built_for_tests_holds_none() {
    let mut silent = 0;
    for target in metadata().iter().filter_map(|p| p["targets"].as_array()).flatten().filter(|t| t["test"] == false) {
        silent += 1;
        let path = PathBuf::from(target["src_path"].as_str().expect("a path"));
        let mut files = vec![path.clone()];
        if target["kind"][0] == "lib" {
            sources(path.parent().expect("src"), &mut files);
        }
        for file in files {
            let text = fs::read_to_string(&file).expect("a source");
            assert!(!text.contains("#[test]") && !text.contains("::test]"), "{} is not built for tests, and holds one", file.display());
        }
    }
    assert!(silent > 0, "no target is left out of the tests");
}

#[test]
fn no_file_is_longer_than_a_person_reads_at_once() {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join("crates")).expect("crates").flatten() {
        sources(&entry.path().join("src"), &mut files);
    }
    sources(&root().join("fuzz/src"), &mut files);
    assert!(files.len() > 50, "{} files", files.len());
    let long: Vec<String> = files
        .iter()
        .map(|f| (f, fs::read_to_string(f).expect("a readable file").lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(f, lines)| format!("{} has {lines} lines", f.strip_prefix(root()).unwrap_or(f).display()))
        .collect();
    assert!(long.is_empty(), "split by domain: {}", long.join(", "));
}

#[test]
fn every_crate_says_at_its_door_what_it_is() {
    for entry in fs::read_dir(root().join("crates")).expect("crates").flatten() {
        let doors: Vec<PathBuf> = ["src/lib.rs", "src/main.rs"].iter().map(|d| entry.path().join(d)).filter(|d| d.exists()).collect();
        assert!(!doors.is_empty(), "{} has a door", entry.path().display());
        for door in doors {
            let text = fs::read_to_string(&door).expect("a readable file");
            assert!(text.starts_with("//! "), "{} opens with a module doc", door.display());
        }
    }
}

#[test]
fn no_room_is_named_after_nothing() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    for file in files {
        let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        assert!(!["manager", "helper", "helpers", "util", "utils", "common", "service", "misc"].contains(&stem), "{}", file.display());
    }
}
