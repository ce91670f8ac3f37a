//! Published threat context: what is read of it, and what is refused.

use quell_core::context::{Form, Kind};
use quell_detectors::feed::{self, BYTES_MAX};
use serde_json::{Value, json};

fn corpus(name: &str) -> Vec<u8> {
    let path = format!("{}/../../fuzz/corpus/feed/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn entries(bytes: &[u8]) -> Vec<(Kind, String, String)> {
    let read = feed::read(bytes).expect("a feed");
    read.entries.into_iter().map(|e| (e.kind, e.value, e.title)).collect()
}

fn entry(kind: Kind, value: &str, title: &str) -> (Kind, String, String) {
    (kind, value.to_owned(), title.to_owned())
}

#[test]
fn a_catalogue_names_vulnerabilities() {
    let read = feed::read(&corpus("kev.json")).expect("a catalogue");
    assert_eq!((read.form, read.left_out, read.entries.len()), (Form::Kev, 0, 2));
    let first = &read.entries[0];
    assert_eq!((first.value.as_str(), first.title.as_str()), ("CVE-2031-12345", "Crane Gateway Sign-in Bypass"));
    assert_eq!(first.says.as_deref(), Some("used in ransomware campaigns; A made-up gateway lets anybody in who asks twice."));
    assert_eq!(read.entries[1].title, "Harbor Works Tide Table");
}

#[test]
fn a_bundle_names_what_is_enough_by_itself() {
    let bytes = corpus("bundle.json");
    let wanted = [
        entry(Kind::Actor, "grey heron", "Grey Heron"),
        entry(Kind::Actor, "silent wader", "Grey Heron"),
        entry(Kind::Address, "203.0.113.7", "Where it signs in from"),
        entry(Kind::Domain, "heron.example", "Where it signs in from"),
        entry(Kind::Vulnerability, "CVE-2031-12345", "Crane Gateway"),
        entry(Kind::Hash, &"ab".repeat(32), "crane.bin"),
        entry(Kind::Address, "2001:db8::7", "2001:db8::7"),
    ];
    assert_eq!(entries(&bytes), wanted);
    let read = feed::read(&bytes).expect("a bundle");
    assert_eq!(read.left_out, 3, "two things at once, one taken back, one relationship");
    assert!(read.entries[2].until.is_some());
}

#[test]
fn a_pattern_counts_where_any_one_comparison_is_enough() {
    let named = |pattern: &str| {
        let object = json!({ "type": "indicator", "spec_version": "2.1", "pattern": pattern, "pattern_type": "stix" });
        entries(json!({ "type": "bundle", "objects": [object] }).to_string().as_bytes()).into_iter().map(|e| e.1).collect::<Vec<_>>()
    };
    let table: Vec<(&str, &[&str])> = vec![
        ("[ipv4-addr:value='203.0.113.7']", &["203.0.113.7"]),
        ("[ ipv4-addr:value = '203.0.113.7' OR domain-name:value = 'x.example' ]", &["203.0.113.7", "x.example"]),
        (
            "[file:hashes.'SHA-256' = 'abababababababababababababababababababababababababababababababab']",
            &["abababababababababababababababababababababababababababababababab"],
        ),
        ("[ipv4-addr:value = '203.0.113.7' AND domain-name:value = 'x.example']", &[]),
        ("[ipv4-addr:value = '203.0.113.7'] FOLLOWEDBY [domain-name:value = 'x.example']", &[]),
        ("[ipv4-addr:value != '203.0.113.7']", &[]),
        ("[NOT ipv4-addr:value = '203.0.113.7']", &[]),
        ("[ipv4-addr:value IN ('203.0.113.7')]", &[]),
        ("[ipv4-addr:value = '203.0.113.7'] WITHIN 5 SECONDS", &[]),
        ("[domain-name:value = 'it\\'s.example']", &[]),
        ("[ipv4-addr:value = '203.0.113.7", &[]),
        ("", &[]),
    ];
    for (pattern, wanted) in table {
        assert_eq!(named(pattern), wanted, "{pattern}");
    }
}

#[test]
fn what_is_no_feed_is_refused_with_the_place_and_quotes_nothing() {
    let bundle = |object: Value| json!({ "type": "bundle", "objects": [{ "type": "note" }, object] }).to_string();
    let table = [
        (String::new(), "not JSON at line 1"),
        ("{\"type\": \"bundle\", hunter2}".to_owned(), "not JSON at line 1, column 20"),
        ("[]".to_owned(), "found neither"),
        ("{}".to_owned(), "found neither"),
        (json!({ "type": "report", "objects": [] }).to_string(), "found neither"),
        (json!({ "type": "bundle", "spec_version": "2.0", "objects": [] }).to_string(), "version 2.0"),
        (json!({ "vulnerabilities": {} }).to_string(), "found neither"),
        (json!({ "vulnerabilities": [{ "cveID": "hunter2" }] }).to_string(), "/vulnerabilities/0: expected a `cveID`"),
        (json!({ "vulnerabilities": [5] }).to_string(), "/vulnerabilities/0: expected an object"),
        (bundle(json!({ "name": "hunter2" })), "/objects/1: expected an object of STIX 2.1"),
        (bundle(json!({ "type": "indicator" })), "/objects/1: expected an indicator with a `pattern`"),
        (bundle(json!({ "type": "file", "spec_version": "2.0" })), "/objects/1: expected `spec_version` `2.1`"),
        (bundle(json!({ "type": "indicator", "pattern": 5 })), "/objects/1: expected an object"),
    ];
    for (text, part) in table {
        let error = feed::read(text.as_bytes()).expect_err(&text).to_string();
        assert!(error.contains(part) && !error.contains("hunter2"), "{text}: {error}, wanted {part}");
    }
    assert!(feed::read(&vec![b' '; BYTES_MAX + 1]).expect_err("too large").to_string().contains("expected at most"));
    let many = json!({ "type": "threat-actor", "name": "Grey Heron", "aliases": vec!["Silent Wader"; 200] });
    let read = feed::read(json!({ "type": "bundle", "objects": [many] }).to_string().as_bytes()).expect("read");
    assert_eq!(read.entries.len(), 100, "no object says more than its share");
}
