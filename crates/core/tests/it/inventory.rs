//! `quell-inventory/1`: reading, upsert, owners.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quell_core::{
    inventory::{Inventory, Object, OwnerRole, matches_glob, read_object, split},
    secret::Secret,
};
use serde_json::{Value, json};

fn print(secret: &Secret) -> Option<String> {
    Some(format!("hmac-sha256:{}", secret.expose().len()))
}

fn object(value: Value) -> Object {
    read_object(1, value, &print).0.unwrap_or_else(|e| panic!("{e:?}"))
}

fn check(name: &str, value: Value, error: Option<&str>, warnings: usize) {
    let (found, warned) = read_object(7, value, &print);
    assert_eq!(warned.len(), warnings, "{name}: {warned:?}");
    match (found, error) {
        (Ok(_), None) => {}
        (Err(remark), Some(part)) => assert!(remark.message.contains(part) && remark.line == 7, "{name}: {remark:?}"),
        (found, error) => panic!("{name}: {found:?}, wanted {error:?}"),
    }
}

#[test]
fn one_line_is_one_object_or_a_reason() {
    check("every kind of the design", json!({"type":"system","id":"pg-main","kind":"postgresql","environment":"production"}), None, 0);
    check("an unknown field is a warning", json!({"type":"system","id":"pg","kind":"k","colour":"red"}), None, 1);
    check("an unknown type is an error", json!({"type":"robot"}), Some("found `robot`"), 0);
    check("no type", json!({}), Some("expected one of"), 0);
    check("not an object", json!([1]), Some("expected an object"), 0);
    check("a field that must be there", json!({"type":"identity","id":"p/a"}), Some("kind"), 0);
    check("another kind of value", json!({"type":"credential","id":1,"identity":"p/a","kind":"password"}), Some("string"), 0);
    check(
        "a secret that is no text",
        json!({"type":"credential","id":"c","identity":"p/a","kind":"password","secret":5}),
        Some("expected a string"),
        0,
    );
    let no_key = |_: &Secret| None;
    let secret = json!({"type":"credential","id":"c","identity":"p/a","kind":"password","secret":"hunter2"});
    assert!(read_object(1, secret.clone(), &no_key).0.unwrap_err().message.contains("fingerprint key file"));
    let read = object(secret);
    assert!(!format!("{read:?}").contains("hunter2"), "a secret is hashed while reading");
    assert!(matches!(read, Object::Credential(c) if c.fingerprints == ["hmac-sha256:7"]));
}

fn small() -> Inventory {
    Inventory::of([
        object(json!({"type":"identity","id":"pg-main/billing_app","kind":"service_account","aliases":["bao/entity/7f"]})),
        object(
            json!({"type":"credential","id":"pg-main/billing_app#password","identity":"pg-main/billing_app","kind":"password","fingerprints":["hmac-sha256:aa"]}),
        ),
        object(json!({"type":"owner","of":"pg-main/*","role":"business","person":"glob@corp.example"})),
        object(json!({"type":"owner","of":"pg-main/bill*","role":"business","person":"longer@corp.example"})),
        object(json!({"type":"owner","of":"pg-main/*","role":"iam","person":"iam@corp.example"})),
        object(json!({"type":"dependency","consumer":"k8s/job","on":"pg-main/billing_app#password"})),
    ])
}

#[test]
fn things_are_found_by_what_people_have_in_hand() {
    let inventory = small();
    assert!(inventory.identity("bao/entity/7f").is_some(), "by an alias");
    assert_eq!(inventory.by_fingerprint("hmac-sha256:aa").unwrap().id, "pg-main/billing_app#password");
    assert!(inventory.by_fingerprint("hmac-sha256:bb").is_none());
    assert_eq!(inventory.consumers("pg-main/billing_app").len(), 1, "through the credential");
    let owners = inventory.owners("pg-main/billing_app");
    let of = |role| owners.iter().find(|o| o.role == role).and_then(|o| o.person.as_deref());
    assert_eq!((of(OwnerRole::Business), of(OwnerRole::Iam)), (Some("longer@corp.example"), Some("iam@corp.example")));
    assert!(inventory.owners("pg-other/x").is_empty());
}

#[test]
fn a_new_fingerprint_forgets_the_old_one() {
    let mut inventory = small();
    inventory.put(object(json!({"type":"credential","id":"pg-main/billing_app#password","identity":"pg-main/billing_app","kind":"password","fingerprints":["hmac-sha256:bb"]})));
    assert!(inventory.by_fingerprint("hmac-sha256:aa").is_none() && inventory.by_fingerprint("hmac-sha256:bb").is_some());
    inventory.remove("credential:pg-main/billing_app#password");
    assert!(inventory.by_fingerprint("hmac-sha256:bb").is_none());
}

#[test]
fn an_import_counts_what_it_would_do_and_refuses_what_hangs() {
    let session = |identity: &str| (3, object(json!({"type":"session","id":"s","identity":identity})));
    let change = small().compare(&[session("pg-main/nobody")], &BTreeSet::new(), false);
    assert_eq!((change.errors.len(), change.errors[0].line), (1, 3));
    let known: BTreeSet<String> = small().iter().map(|(k, _)| k.clone()).collect();
    let same: Vec<(u64, Object)> = small().iter().map(|(_, o)| (1, o.clone())).collect();
    let change = small().compare(&same, &known, true);
    assert_eq!((change.added, change.changed, change.unchanged, change.gone), (0, 0, 6, 0), "an upsert of the same is nothing");
    let change = small().compare(&same[..1], &known, true);
    assert_eq!((change.unchanged, change.gone), (1, 5));
    let before = Inventory::default().compare(
        &[session("p/new"), (9, object(json!({"type":"identity","id":"p/new","kind":"human"})))],
        &BTreeSet::new(),
        false,
    );
    assert_eq!((before.added, before.errors.len()), (2, 0), "order is free");
}

#[test]
fn a_reference_splits_at_the_first_slash() {
    for (text, expected) in [("pg/a/b", Some(("pg", "a/b"))), ("pg", None), ("/a", None), ("pg/", None)] {
        assert_eq!(split(text), expected);
    }
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text, fits) in [
        ("pg-main/*", "pg-main/x", true),
        ("pg-main/*", "pg-main/", true),
        ("pg-main/*", "pg-other/x", false),
        ("*", "", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("a*a", "a", false),
        ("abc", "abcd", false),
        ("**", "x", true),
    ] {
        assert_eq!(matches_glob(pattern, text), fits, "{pattern} on {text}");
    }
}

/// One of a few objects that concern each other, by chance.
fn any_object() -> impl Strategy<Value = Object> {
    let id = || (0_u8..3).prop_map(|n| format!("p/{n}"));
    prop_oneof![
        (id(), id()).prop_map(|(id, alias)| json!({"type":"identity","id":id,"kind":"human","aliases":[format!("x{alias}")]})),
        (id(), id(), 1_usize..4).prop_map(
            |(id, identity, n)| json!({"type":"credential","id":format!("{id}#k"),"identity":identity,"kind":"password","secret":"s".repeat(n)})
        ),
        (id(), id()).prop_map(|(id, identity)| json!({"type":"session","id":format!("{id}/s"),"identity":identity})),
        (id(), id()).prop_map(|(from, to)| json!({"type":"derivation","from":from,"to":to,"via":"reads","basis":"observed"})),
        (id(), id()).prop_map(|(identity, to)| json!({"type":"entitlement","identity":identity,"permission":"read","resource":to})),
    ]
    .prop_map(object)
}

proptest! {
    #[test]
    fn whatever_came_and_went_an_inventory_is_what_is_in_it(deeds in prop::collection::vec((any_object(), any::<bool>()), 0..40)) {
        let mut inventory = Inventory::default();
        for (object, comes) in deeds {
            if comes { inventory.put(object) } else { inventory.remove(&object.key()) }
        }
        prop_assert_eq!(&inventory, &Inventory::of(inventory.iter().map(|(_, o)| o.clone())));
    }
}

proptest! {
    #[test]
    fn a_pattern_without_a_star_is_only_itself(a in "[a-c/]{0,5}", b in "[a-c/]{0,5}") {
        prop_assert_eq!(matches_glob(&a, &b), a == b);
    }

    #[test]
    fn a_star_in_the_middle_keeps_both_ends(a in "[ab]{0,3}", b in "[ab]{0,3}", text in "[ab]{0,8}") {
        let fits = text.len() >= a.len() + b.len() && text.starts_with(&a) && text.ends_with(&b);
        prop_assert_eq!(matches_glob(&format!("{a}*{b}"), &text), fits);
    }

    #[test]
    fn no_value_makes_the_reader_panic(value in crate::canonical::any_value()) {
        let _ = read_object(1, value, &print);
    }
}
