//! Which detector a message is read by.

use std::{fs, path::Path};

use quell_detectors::{Builtin, REGISTRY, claimants, recognise};
use quell_engine::port::Detectors;

use crate::{
    fixtures::{self, SILENT},
    shown,
};

#[test]
fn auto_knows_each_detector_by_its_first_record() {
    let table = [
        (r#"[{"RuleID":"r","Match":"m"}]"#, "gitleaks"),
        (r#"[{"rule":"r","offender":"o"}]"#, "gitleaks"),
        (r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"gitleaks"}},"results":[]}]}"#, "gitleaks"),
        (r#"{"class_uid":2004,"metadata":{}}"#, "ocsf"),
        (r#"{"class_uid":3001,"category_uid":3}"#, "ocsf"),
        (r#"{"detail":{"findings":[{"class_uid":2004,"metadata":{}}]}}"#, "ocsf"),
        (r#"{"kind":"leaked_secret","title":"t"}"#, "quell"),
        ("{\"kind\":\"other\",\"title\":\"t\"}\n{\"kind\":\"other\",\"title\":\"u\"}", "quell"),
    ];
    for (message, name) in table {
        assert_eq!(recognise(message.as_bytes()).map(|d| d.name), Ok(name), "{message}");
    }
}

#[test]
fn no_two_detectors_claim_the_same_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut checked = 0;
    for owner in REGISTRY {
        for file in fs::read_dir(root.join(owner.name)).unwrap().map(|f| f.unwrap().path()) {
            let message = fs::read(&file).unwrap();
            if file.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let claims: Vec<_> = claimants(&message).unwrap_or_default().iter().map(|d| d.name).collect();
            // Asked last, the generic mapper may take what another takes, too.
            let claims: Vec<_> = claims.into_iter().filter(|n| *n != "generic" || owner.name == "generic").collect();
            // What no shape betrays (a truncated report, odd fields) nobody may claim either.
            assert!(claims == [owner.name] || claims.is_empty(), "{}: {claims:?}", file.display());
            checked += claims.len();
        }
    }
    assert!(checked >= 30, "only {checked} fixtures were recognised");
}

#[test]
fn auto_says_so_when_no_detector_knows_the_message() {
    for message in [
        "null",
        "[]",
        "",
        "{}",
        "5",
        "{\"kind\":\"pod\",\"title\":\"t\"}",
        "{\"runs\":[{\"tool\":{\"driver\":{\"name\":\"other\"}}}]}",
        "<xml/>",
    ] {
        let readout = Builtin.read("auto", message.as_bytes());
        assert!(readout.signals.is_empty(), "{message}");
        assert_eq!(readout.unreadable.len(), 1, "{message}");
        assert!(readout.unreadable[0].reason.contains("no detector recognises"), "{message}: {}", readout.unreadable[0].reason);
    }
}

#[test]
fn an_unknown_detector_is_one_unreadable_record_that_names_the_known_ones() {
    let readout = Builtin.read("git\u{202e}leaks\n", b"{}");
    assert_eq!(readout.unreadable.len(), 1);
    let reason = &readout.unreadable[0].reason;
    assert!(Builtin.names().iter().all(|n| reason.contains(n)), "{reason}");
    assert!(!reason.contains(['\n', '\u{202e}']), "{reason}");
}

#[test]
fn the_names_are_sorted_and_do_not_hold_auto() {
    let names = Builtin.names();
    assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    assert!(!names.contains(&"auto") && names.contains(&"ocsf"));
}

#[test]
fn no_two_detectors_claim_one_record_of_any_fixture() {
    for (owner, record) in fixtures::records() {
        let claims: Vec<_> = claimants(record.to_string().as_bytes()).unwrap().iter().map(|d| d.name).filter(|n| *n != "generic").collect();
        assert!(claims.len() <= 1, "{claims:?} claim a record of {owner}: {record}");
        assert!(claims.iter().all(|c| *c == owner), "{claims:?} claim a record of {owner}: {record}");
    }
}

#[test]
fn auto_reads_every_fixture_as_its_own_detector_does() {
    let mut read = 0;
    for (owner, file, bytes) in fixtures::files() {
        let as_shown = |source: &str| shown::lines(owner, Builtin.read(source, &bytes));
        // Some fixtures begin with what is broken on purpose; those have no shape.
        if recognise(&bytes).is_ok_and(|d| d.name == owner) {
            assert_eq!(as_shown("auto"), as_shown(owner), "{}", file.display());
            read += 1;
        }
    }
    assert!(read >= REGISTRY.len(), "only {read} fixtures were recognised");
}

#[test]
fn only_scanners_take_an_empty_report_as_an_answer() {
    for message in ["null", "[]", " [ ] \n", "\u{feff}null"] {
        for name in Builtin.names() {
            let readout = Builtin.read(name, message.as_bytes());
            assert!(readout.signals.is_empty(), "{name} on {message:?}");
            assert_eq!(readout.unreadable.is_empty(), SILENT.contains(&name), "{name} on {message:?}");
        }
    }
    for message in ["", " \n", "[null]", "false", "{\"runs\":[]}", "\u{0}"] {
        for name in Builtin.names().into_iter().filter(|n| *n != "generic") {
            assert_eq!(Builtin.read(name, message.as_bytes()).unreadable.len(), 1, "{name} on {message:?}");
        }
    }
}
