//! Input that is large, deep, or made to deceive.

use std::path::Path;

use quell_core::signal::Resolvable;
use quell_detectors::{Builtin, Detector, REGISTRY};
use quell_engine::port::Detectors;

const MIB: usize = 1 << 20;

#[test]
fn depth_is_a_reason_and_never_a_crash() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"runs\":", "}]"), ("{\"detail\":{\"findings\":[", "]}}")] {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        let unclosed = open.repeat(16 * MIB / open.len());
        for message in [deep, unclosed] {
            for source in Builtin.names().into_iter().chain(["auto"]) {
                let readout = Builtin.read(source, message.as_bytes());
                assert!(readout.signals.is_empty());
                assert_eq!(readout.unreadable.len(), 1, "{source} {open}");
                assert!(readout.unreadable[0].reason.contains("recursion limit"), "{source} {open}: {}", readout.unreadable[0].reason);
            }
        }
    }
}

#[test]
fn depth_inside_a_string_is_passed_over() {
    let data = "[".repeat(100_000);
    let finding = serde_json::json!({"class_uid": 2004, "finding_info": {"uid": "1", "title": "t"}, "resources": [{"data": data}], "user": {"uid": "u"}});
    let readout = Builtin.read("ocsf", finding.to_string().as_bytes());
    assert_eq!(readout.signals[0].signal.subject.native_id.as_deref(), Some("u"));
    assert!(readout.signals[0].signal.reasons.iter().any(|r| r.contains("resources[].data")));
}

#[test]
fn a_message_of_16_mib_gives_a_bounded_answer() {
    let fill = |size: usize, open: &str, item: &str, close: &str| {
        let items = format!("{item},").repeat((size - 128) / (item.len() + 1));
        format!("{open}{items}{item}{close}")
    };
    // Many small records cost more than large ones, so they are fewer here.
    let messages = |size: usize| {
        [
            fill(size / 16, "[", "1", "]"),
            fill(size, "[[", "1", "]]"),
            fill(size / 16, "[", "{\"RuleID\":\"r\",\"class_uid\":2004,\"title\":\"t\"}", "]"),
            format!("[\"{}\"]", "x".repeat(size - 8)),
            format!("[{{\"RuleID\":\"{0}\",\"Secret\":\"{0}\",\"class_uid\":2004,\"title\":\"{0}\"}}]", "x".repeat(size / 16 * 5)),
        ]
    };
    let check = |detector: &Detector, message: &str| {
        let readout = (detector.read)(message.as_bytes());
        assert!(readout.signals.len() <= 100_000, "{}", detector.name);
        assert!(readout.unreadable.len() <= 1_002, "{}: {}", detector.name, readout.unreadable.len());
        assert!(readout.signals.len() + readout.unreadable.len() > 0, "{} is silent", detector.name);
    };
    // All read through the same doors, so three prove the whole size.
    for message in messages(16 * MIB) {
        REGISTRY.iter().filter(|d| ["gitleaks", "okta-system-log", "generic"].contains(&d.name)).for_each(|d| check(d, &message));
    }
    for message in messages(MIB) {
        REGISTRY.iter().for_each(|d| check(d, &message));
    }
}

#[test]
fn one_record_of_millions_of_values_is_refused_before_it_is_built() {
    let message = format!("[{{\"RuleID\":\"r\"}},[{}1]]", "1,".repeat(2_000_001));
    let readout = Builtin.read("gitleaks", message.as_bytes());
    assert_eq!((readout.signals.len(), readout.unreadable.len()), (1, 1));
    assert!(readout.unreadable[0].reason.contains("more than 2000000 values"), "{}", readout.unreadable[0].reason);
}

#[test]
fn what_is_over_the_bounds_is_told_and_not_dropped_in_silence() {
    let readout = Builtin.read("gitleaks", format!("[{}]", vec!["{\"RuleID\":\"r\"}"; 100_001].join(",")).as_bytes());
    assert_eq!((readout.signals.len(), readout.unreadable.len()), (100_000, 1));
    assert_eq!(readout.unreadable[0].record, 100_000);
    let readout = Builtin.read("gitleaks", format!("[{}]", vec!["1"; 5_000].join(",")).as_bytes());
    assert_eq!(readout.unreadable.len(), 1_001);
    assert!(readout.unreadable[1_000].reason.starts_with("4000 more"));
}

#[test]
fn other_encodings_are_refused_with_the_next_move() {
    for message in [&[0xFF, 0xFE, b'[', 0, b']', 0][..], &[0xFE, 0xFF, 0, b'[', 0, b']']] {
        assert!(Builtin.read("gitleaks", message).unreadable[0].reason.contains("send JSON as UTF-8"));
    }
    assert_eq!(Builtin.read("gitleaks", b"[{\"RuleID\":\"\xC3\x28\"}]").unreadable.len(), 1);
}

#[test]
fn one_broken_line_spoils_only_itself() {
    let good = r#"{"RuleID":"r","Secret":"harbor-thistle"}"#;
    let message = format!("{good}\n{{\"RuleID\":\"r\",\n\n{good}\r\nnot json\n{good}\n");
    let readout = Builtin.read("gitleaks", message.as_bytes());
    assert_eq!(readout.signals.len(), 3);
    assert_eq!(readout.unreadable.iter().map(|u| u.record).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn documents_one_after_the_other_and_pretty_arrays_are_read_whole() {
    let good = "{\n \"RuleID\": \"r\",\n \"Secret\": \"harbor-thistle\"\n}";
    for (message, count) in [
        (format!("{good}\n{good}"), 2),
        (format!("[{good}]\n[{good},{good}]"), 3),
        ("[\n{\"RuleID\":\"r\"},\n{\"RuleID\":\"s\"}\n]".to_owned(), 2),
        (format!("\u{feff}{good}"), 1),
    ] {
        let readout = Builtin.read("gitleaks", message.as_bytes());
        assert_eq!((readout.signals.len(), readout.unreadable.len()), (count, 0), "{message}");
    }
}

#[test]
fn the_hostile_alert_survives_bounded_and_without_its_secret() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hostile/quell-hostile.json");
    let bytes = std::fs::read(file).unwrap();
    for source in ["quell", "auto"] {
        let readout = Builtin.read(source, &bytes);
        assert_eq!((readout.signals.len(), readout.unreadable.len()), (1, 0));
        let detected = &readout.signals[0];
        let signal = &detected.signal;
        assert!(detected.secret.as_ref().is_some_and(|s| s.expose().starts_with("hostile-secret")));
        let printed = serde_json::to_string(signal).unwrap() + &format!("{detected:?}");
        assert!(!printed.contains("hostile-secret"));
        assert!(!printed.contains("hostile-reason") && !printed.contains("hostile-unknown") && !printed.contains("hostile-fingerprint"));
        assert_eq!(signal.title.raw().chars().count(), 300);
        assert_eq!(signal.subject.native_id.as_ref().unwrap().chars().count(), 1_024);
        assert_eq!(signal.subject.resolvable, Resolvable::Partial, "a cut id names nobody for certain");
        assert_eq!(signal.actor.ip, None);
        assert!(signal.reasons.iter().all(|r| r.is_ascii() && r.len() < 200), "{:?}", signal.reasons);
        assert!(signal.dedupe_key.len() < 100);
    }
}

#[test]
fn ids_of_10_000_characters_are_cut_and_say_so_in_every_detector() {
    let long = "x".repeat(10_000);
    let ocsf = serde_json::json!({"class_uid": 2004, "finding_info": {"uid": &long, "title": &long}, "user": {"uid": &long, "name": &long}, "certificate": {"serial_number": &long}});
    let gitleaks = serde_json::json!({"RuleID": &long, "File": &long, "Commit": &long, "Verified": &long});
    for (source, message) in [("ocsf", ocsf), ("gitleaks", gitleaks)] {
        let readout = Builtin.read(source, message.to_string().as_bytes());
        let signal = &readout.signals[0].signal;
        assert_eq!(signal.title.raw().chars().count(), 300);
        let printed = serde_json::to_string(signal).unwrap();
        assert!(printed.len() < 6_000, "{source}: {}", printed.len());
        if source == "ocsf" {
            assert_eq!(signal.subject.resolvable, Resolvable::Partial);
            assert!(signal.reasons.iter().any(|r| r.contains("1,024")));
        }
    }
}

#[test]
fn of_two_equal_keys_the_last_counts_in_small_and_in_large_objects() {
    for fill in [0, 200] {
        let others: String = (0..fill).map(|n| format!("\"k{n}\":{n},")).collect();
        let message = format!(
            r#"{{"class_uid":2004,"user":{{"uid":"first"}},{others}"finding_info":{{"title":"a","title":"b"}},"user":{{"uid":"last","uid":"very last"}}}}"#
        );
        let signal = &Builtin.read("ocsf", message.as_bytes()).signals[0].signal;
        assert_eq!((signal.subject.native_id.as_deref(), signal.title.raw()), (Some("very last"), "b"), "{fill} keys beside");
    }
    let many = format!("{{\"class_uid\":2004,\"metadata\":{{}},{}\"user\":{{\"uid\":\"u\"}}}}", "\"same\":1,".repeat(300_000));
    assert_eq!(Builtin.read("ocsf", many.as_bytes()).signals[0].signal.subject.native_id.as_deref(), Some("u"));
}

#[test]
fn contradictory_identities_in_one_alert_give_one_subject_and_say_so() {
    let message = serde_json::json!({"class_uid": 2004, "finding_info": {"uid": "1", "title": "t"},
        "evidences": [{"actor": {"user": {"uid": "u-1", "name": "ida"}}}, {"actor": {"user": {"uid": "u-2", "name": "ida"}}}],
        "actor": {"user": {"uid": "u-3"}}, "user": {"uid": "u-4"}});
    let signal = &Builtin.read("ocsf", message.to_string().as_bytes()).signals[0].signal;
    assert_eq!(signal.subject.native_id.as_deref(), Some("u-1"));
    assert!(signal.reasons.iter().any(|r| r.contains("other identities, too (3)")), "{:?}", signal.reasons);
}

#[test]
fn a_year_of_clock_skew_and_impossible_times_are_kept_apart() {
    for (time, wanted) in [
        ("1767225600000", Some("2026-01-01T00:00:00Z")),
        ("1798761600000", Some("2027-01-01T00:00:00Z")),
        ("1735689600000", Some("2025-01-01T00:00:00Z")),
        ("-1", None),
        ("99999999999999999", None),
    ] {
        let message =
            format!(r#"{{"class_uid":2004,"finding_info":{{"uid":"1","title":"t","last_seen_time":{time}}},"user":{{"uid":"u"}}}}"#);
        let signal = &Builtin.read("ocsf", message.as_bytes()).signals[0].signal;
        assert_eq!(signal.observed_at.map(|at| at.to_string()).as_deref(), wanted, "{time}");
    }
}

#[test]
fn what_is_no_utf_8_spoils_its_own_line_and_texts_are_whole_in_the_others() {
    let line =
        |name: &str| format!(r#"{{"class_uid":2004,"finding_info":{{"uid":"1","title":"t {name}"}},"user":{{"uid":"{name}\u00e9"}}}}"#);
    let mut message = line("a").into_bytes();
    message.extend_from_slice(b"\n{\"class_uid\":2004,\"user\":{\"uid\":\"\xC3\x28\"}}\n");
    message.extend_from_slice(line("b").as_bytes());
    let readout = Builtin.read("ocsf", &message);
    let ids: Vec<_> = readout.signals.iter().map(|d| d.signal.subject.native_id.as_deref()).collect();
    assert_eq!((ids, readout.unreadable.len()), (vec![Some("aé"), Some("bé")], 1));
}
