//! Mappings: what they read, what they refuse, what they cost.

use quell_core::signal::{CredentialKind, IdentityKind, ObservedFrom, Resolvable, SignalKind};
use quell_detectors::{Catalogue, mapping::Mapping};
use quell_engine::port::Detectors;
use serde_json::json;

const GUARD: &str = r#"
name = "acme-guard"
reads = "Acme Guard's webhook"
records = "/alerts"
when = "record.type != 'heartbeat'"

[[field]]
set = "title"
pointer = "/headline"
default = "Acme alert"

[[field]]
set = "kind"
pointer = "/type"
map = { leak = "leaked_secret", travel = "risky_sign_in" }
default = "other"

[[field]]
set = "subject.native_id"
pointer = "/who/id"
when = "has(record.who.id) && record.who.id != 'n-0'"

[[field]]
set = "subject.native_id"
cel = "record.scope + '/' + record.who.login"

[[field]]
set = "subject.kind"
value = "service_account"
when = "record.tags.exists(t, t == 'robot')"

[[field]]
set = "subject.system"
value = "acme"

[[field]]
set = "credential.secret"
pointer = "/found/0/value"

[[field]]
set = "severity.id"
pointer = "/level"
map = { LOW = "2", HIGH = "4" }

[[field]]
set = "observed_at"
pointer = "/at"

[[field]]
set = "event.id"
pointer = "/id"
"#;

fn load(text: &str) -> Mapping {
    Mapping::load(text).unwrap_or_else(|mistakes| panic!("{}", mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

fn refused(text: &str) -> Vec<String> {
    Mapping::load(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// One rule in an otherwise whole file; the rule begins on line 5.
fn with(rule: &str) -> String {
    format!("name = \"own\"\n[[field]]\nset = \"title\"\nvalue = \"t\"\n{rule}")
}

#[test]
fn a_message_becomes_the_signals_that_the_mapping_says() {
    let message = json!({"alerts": [
        {"type": "heartbeat"},
        {"id": 7, "type": "LEAK", "headline": "Key in a paste", "who": {"id": "u-1"}, "tags": ["robot"], "level": "high", "at": 1_767_225_600, "found": [{"value": "harbor-thistle-1"}]},
        {"id": 8, "type": "novel", "who": {"id": "n-0", "login": "ida"}, "scope": "eu", "tags": []},
        "not a record",
    ]});
    let readout = load(GUARD).read(message.to_string().as_bytes());
    assert_eq!((readout.signals.len(), readout.unreadable.len()), (2, 1));
    assert_eq!(readout.unreadable[0].record, 3, "what is passed over counts, too");
    let (leak, novel) = (&readout.signals[0], &readout.signals[1].signal);
    assert_eq!(leak.secret.as_ref().map(|s| s.expose()), Some("harbor-thistle-1"));
    let leak = &leak.signal;
    assert_eq!((leak.source.as_str(), leak.kind, leak.title.raw()), ("acme-guard", SignalKind::LeakedSecret, "Key in a paste"));
    assert_eq!((leak.subject.native_id.as_deref(), leak.subject.kind), (Some("u-1"), IdentityKind::ServiceAccount));
    assert_eq!((leak.subject.system.as_deref(), leak.subject.resolvable), (Some("acme"), Resolvable::Yes));
    assert_eq!(leak.credential.as_ref().map(|c| c.kind), Some(CredentialKind::Unknown));
    assert_eq!((leak.severity.id, leak.observed_at_from), (4, ObservedFrom::Event));
    assert_eq!(leak.observed_at.unwrap().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!((novel.kind, novel.title.raw(), novel.severity.id), (SignalKind::Other, "Acme alert", 0));
    assert_eq!(novel.subject.native_id.as_deref(), Some("eu/ida"), "the second rule, as the first one's condition does not hold");
    assert!(!serde_json::to_string(novel).unwrap().contains("harbor-thistle"));
    assert_ne!(leak.dedupe_key, novel.dedupe_key);
}

#[test]
fn a_preview_tells_which_rule_gave_what_and_quotes_nothing() {
    let message = json!({"alerts": [{"type": "heartbeat"}, {"id": 8, "type": "x", "who": {"login": "harborthistle"}, "scope": "eu"}]});
    let (readout, told) = load(GUARD).explain(message.to_string().as_bytes());
    assert_eq!((readout.signals.len(), told.len()), (1, 2));
    assert!(!told[0].taken && told[1].taken);
    let field = |name: &str| told[1].fields.iter().find(|f| f.field == name).unwrap();
    let native = field("subject.native_id");
    assert_eq!(native.by.as_deref(), Some("expression `record.scope + '/' + record.who.login` (line 24)"));
    assert_eq!(native.passed_over.len(), 1);
    assert!(native.passed_over[0].ends_with("(line 19): its condition does not hold"), "{:?}", native.passed_over);
    assert!(field("subject.kind").by.is_none() && field("subject.kind").passed_over[0].contains("not there"), "no tags");
    assert!(field("title").by.as_deref().is_some_and(|by| by.contains("/headline")), "its default counts as its own");
    assert!(!serde_json::to_string(&told).unwrap().contains("harborthistle"));
}

#[test]
fn every_mistake_is_told_with_its_line() {
    for (text, wanted) in [
        ("nam = \"x\"".to_owned(), "line 1: unknown field `nam`"),
        (
            with("[[field]]\nset = \"subject.id\"\npointer = \"/a\""),
            "line 6: `subject.id` is no field of a signal; expected one of title, kind",
        ),
        (
            with("[[field]]\nset = \"kind\"\npointer = \"/a\"\nmap = { x = \"leak\" }"),
            "line 8: `leak` is no `kind`; expected one of leaked_secret",
        ),
        (with("[[field]]\nset = \"severity.id\"\nvalue = \"7\""), "line 7: `7` is no `severity.id`"),
        (
            with("[[field]]\nset = \"actor.name\"\npointer = \"user.name\""),
            "line 7: `user.name` is no JSON pointer (RFC 6901); it begins with `/`, as in `/user/name`",
        ),
        (with("[[field]]\nset = \"actor.name\"\npointer = \"/a~b\""), "line 7: `/a~b` is no JSON pointer"),
        (
            with("[[field]]\nset = \"actor.name\"\npointer = \"/a\"\nvalue = \"b\""),
            "line 5: the rule for `actor.name` needs exactly one of",
        ),
        (with("[[field]]\nset = \"actor.name\"\npointer = \"/a\"\nwhen = \"record.x ==\""), "line 8: not a condition in CEL"),
        (
            with("[[field]]\nset = \"actor.name\"\npointer = \"/a\"\nwhen = \"event.x == 1\""),
            "line 8: `event` is unknown; a condition sees `record` alone",
        ),
        (with("[[field]]\nset = \"actor.name\"\npointer = \"/a\"\nwhen = \"record.x.matches('a+')\""), "`matches` is not available"),
        (with("[[field]]\nset = \"actor.name\"\ncel = \"record.a.map(x, record.b.map(y, y))\""), "do not go inside one another"),
        (with(&format!("[[field]]\nset = \"actor.name\"\ncel = \"{}\"", "1+".repeat(249) + "1")), "at most 150 parts"),
        (with(&format!("[[field]]\nset = \"actor.name\"\ncel = \"{}\"", "(".repeat(200))), "at most 60 brackets"),
        (with(&format!("[[field]]\nset = \"actor.name\"\ncel = \"'{}'\"", "x".repeat(600))), "at most 500 characters"),
        ("name = \"gitleaks\"\n[[field]]\nset = \"title\"\nvalue = \"t\"".to_owned(), "line 1: `gitleaks` is built in"),
        ("name = \"A b\"\n[[field]]\nset = \"title\"\nvalue = \"t\"".to_owned(), "line 1: `A b` is no name"),
        ("name = \"own\"\n[[field]]\nset = \"sample\"\nvalue = \"true\"".to_owned(), "no rule sets `title`"),
        (format!("name = \"own\"\nreads = \"{}\"", "x".repeat(70_000)), "at most 65536 bytes"),
    ] {
        let told = refused(&text);
        assert!(told.iter().any(|t| t.contains(wanted)), "{wanted}: {told:?}");
    }
    let two = with("[[field]]\nset = \"kind\"\nvalue = \"x\"\n[[field]]\nset = \"sample\"\nvalue = \"yes\"");
    assert_eq!(refused(&two).len(), 2, "all at once");
}

#[test]
fn nobody_who_works_on_an_alert_is_its_subject_unless_the_rule_says_so() {
    for (from, word) in [
        ("pointer = \"/assignee/login\"", "assignee"),
        ("pointer = \"/commit/AuthorEmail\"", "author"),
        ("pointer = \"/issue/reporter\"", "reporter"),
        ("cel = \"record.event.assigned_to\"", "assigned"),
        ("cel = \"record.issue['reporter']\"", "reporter"),
    ] {
        for set in ["subject.native_id", "subject.name"] {
            let rule = format!("[[field]]\nset = \"{set}\"\n{from}\n");
            let told = refused(&with(&rule));
            assert!(
                told.len() == 1 && told[0].starts_with("line 7:") && told[0].contains(&format!("although = \"{word}\"")),
                "{from}: {told:?}"
            );
            load(&with(&format!("{rule}although = \"{word}\"")));
            assert_eq!(refused(&with(&format!("{rule}although = \"owner\""))).len(), 1, "another word allows nothing");
        }
        load(&with(&format!("[[field]]\nset = \"actor.name\"\n{from}\n")));
    }
    let told = refused(&with("[[field]]\nset = \"subject.name\"\npointer = \"/user\"\nalthough = \"owner\""));
    assert!(told.len() == 1 && told[0].contains("nothing to allow"), "{told:?}");
}

#[test]
fn a_condition_that_cannot_be_answered_drops_no_alert() {
    let mapping = load(&format!("when = \"record.severity.level > 3\"\n{}", with("")));
    let readout = mapping.read(br#"[{"severity": {"level": 2}}, {"severity": {"level": 4}}, {"severity": "high"}, {}]"#);
    assert_eq!((readout.signals.len(), readout.unreadable.len()), (3, 0));
    let said: Vec<bool> = readout.signals.iter().map(|d| d.signal.reasons.iter().any(|r| r.contains("so the record is read"))).collect();
    assert_eq!(said, [false, true, true]);
    assert_eq!(mapping.read(br#"[{"severity": {"level": 2}}]"#).unreadable.len(), 0, "a report of nothing that counts");
    assert_eq!(mapping.read(b"[]").unreadable.len(), 1);
    assert_eq!(mapping.read(b"{").unreadable.len(), 1);
}

#[test]
fn what_a_message_may_cost_is_bounded_and_what_is_left_is_told() {
    let mapping = load(&with("[[field]]\nset = \"actor.name\"\nvalue = \"x\"\nwhen = \"record.list.size() == 3\""));
    let one = json!({"list": vec![vec![1; 100]; 100]}).to_string();
    let readout = mapping.read(format!("[{}]", vec![one; 600].join(",")).as_bytes());
    assert!((450..=500).contains(&readout.signals.len()), "{}", readout.signals.len());
    assert_eq!(readout.unreadable.len(), 1, "told once");
    assert_eq!(readout.signals.len() as u64, readout.unreadable[0].record);
    assert!(readout.unreadable[0].reason.contains("send it in parts"), "{}", readout.unreadable[0].reason);
    let wide = format!("{{\"list\":[{}1]}}", "1,".repeat(100_000));
    assert_eq!(mapping.read(wide.as_bytes()).signals.len(), 1);
    let deep = format!("{{\"list\":{}1{}}}", "[".repeat(120), "]".repeat(120));
    assert_eq!(mapping.read(deep.as_bytes()).signals.len(), 1);
}

#[test]
fn a_catalogue_has_the_built_in_detectors_and_its_own() {
    let catalogue = Catalogue::of(vec![load(GUARD)]).unwrap();
    let names = catalogue.names();
    assert!(names.is_sorted() && names.contains(&"acme-guard") && names.contains(&"gitleaks"));
    assert_eq!(catalogue.read("acme-guard", b"{\"alerts\":[{\"type\":\"x\"}]}").signals.len(), 1);
    assert_eq!(catalogue.read("gitleaks", br#"[{"RuleID":"r"}]"#).signals.len(), 1);
    assert_eq!(Catalogue::of(vec![load(GUARD), load(GUARD)]).err(), Some("acme-guard"));
    assert_eq!(catalogue.read("acme", b"{}").unreadable.len(), 1);
}
