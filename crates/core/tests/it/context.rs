//! What feeds say of what a text names.

use proptest::prelude::*;
use quell_core::context::{Context, Entry, Feed, Form, Kind, MATCHES_MAX};

use crate::world::at;

fn context() -> Context {
    let entry = |kind, value: &str| Entry::new(kind, value, value).expect("one of its kind");
    let mut past = entry(Kind::Address, "192.0.2.9");
    past.until = Some(at(0));
    let entries = vec![
        entry(Kind::Vulnerability, "cve-2031-12345"),
        entry(Kind::Address, "203.0.113.7"),
        entry(Kind::Address, "2001:DB8::7"),
        entry(Kind::Domain, "Evil.Example."),
        entry(Kind::Hash, &"AB".repeat(32)),
        entry(Kind::Actor, "Grey Heron"),
        past,
    ];
    Context::of(vec![Feed { name: "test".to_owned(), form: Form::Stix, entries }])
}

#[test]
fn a_text_names_what_stands_in_it_word_for_word() {
    let context = context();
    let hash = "ab".repeat(32);
    let hashes = [hash.as_str()];
    let with_hash = format!("dropped {} on disk", hash.to_uppercase());
    let table: Vec<(&str, &[&str])> = vec![
        ("exploited CVE-2031-12345, patched", &["CVE-2031-12345"]),
        ("(cve-2031-12345)", &["CVE-2031-12345"]),
        ("CVE-2031-123456", &[]),
        ("CVE-2031-1234", &[]),
        ("from 203.0.113.7:443", &["203.0.113.7"]),
        ("from 203.0.113.70", &[]),
        ("from [2001:db8:0:0::7]", &["2001:db8::7"]),
        ("https://evil.example/login", &["evil.example"]),
        ("mail to eve@EVIL.example.", &["evil.example"]),
        ("not.evil.example", &[]),
        ("evil.example.org", &[]),
        (&with_hash, &hashes),
        ("looks like GREY HERON again", &["grey heron"]),
        ("the greyheron tool", &[]),
        ("grey herons", &[]),
        ("it ran its course: 192.0.2.9", &[]),
        ("", &[]),
    ];
    for (text, wanted) in table {
        let found: Vec<&str> = context.named_in([text], at(1)).iter().map(|m| m.entry.value.as_str()).collect();
        assert_eq!(found, wanted, "{text}");
    }
    let before = context.named_in(["192.0.2.9"], at(-1));
    assert_eq!(before.len(), 1, "until the feed takes it back it says so");
}

#[test]
fn what_is_none_of_its_kind_is_no_entry() {
    for (kind, value) in [
        (Kind::Vulnerability, "CVE-1-1"),
        (Kind::Address, "300.0.0.1"),
        (Kind::Domain, "localhost"),
        (Kind::Domain, "10.1"),
        (Kind::Hash, "abcd"),
        (Kind::Hash, &"zz".repeat(16)),
        (Kind::Actor, "APT"),
    ] {
        assert_eq!(Entry::new(kind, value, ""), None, "{value}");
    }
}

#[test]
fn a_case_shows_a_bounded_number_of_matches() {
    let entries = (0..200).filter_map(|n| Entry::new(Kind::Actor, "Grey Heron", &n.to_string())).collect();
    let context = Context::of(vec![Feed { name: "many".to_owned(), form: Form::Stix, entries }]);
    assert_eq!(context.named_in(["grey heron"], at(0)).len(), MATCHES_MAX);
}

proptest! {
    #[test]
    fn no_text_breaks_the_search(text in "\\PC{0,200}") {
        let context = context();
        let found = context.named_in([text.as_str()], at(1));
        prop_assert!(found.len() <= MATCHES_MAX);
    }
}
