//! Personal data: committed to, disclosed, erased.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quell_core::{
    personal::{Disclosure, Personal, Salter, commitments, conceal, disclose},
    secret::{hex, unhex},
};
use serde_json::{Value, json};

use crate::world::salter;

#[test]
fn the_ledger_gets_commitments_and_nothing_else() {
    let name = salter().commit("Ada Lovelace");
    let mut value = json!({ "name": name, "list": [{ "deep": salter().commit("ada@corp.example") }], "plain": "stays" });
    let disclosed = conceal(&mut value);
    assert_eq!(disclosed.len(), 2);
    let text = value.to_string();
    assert!(!text.contains("Ada") && !text.contains("corp.example") && !text.contains("salt"), "{text}");
    assert_eq!(value["name"], json!({ "personal": name.commitment() }));
    assert_eq!(commitments(&value).len(), 2);
}

#[test]
fn what_was_concealed_comes_back_and_what_was_erased_does_not() {
    let name = salter().commit("Ada");
    let mut value = json!({ "name": name });
    let known: BTreeMap<String, Disclosure> = conceal(&mut value).into_iter().map(|d| (d.commitment.clone(), d)).collect();
    let mut whole = value.clone();
    disclose(&mut whole, &known);
    let back: Personal = serde_json::from_value(whole["name"].clone()).unwrap();
    assert_eq!((back.value(), back.commitment()), (Some("Ada"), name.commitment()));

    disclose(&mut value, &BTreeMap::new());
    let gone: Personal = serde_json::from_value(value["name"].clone()).unwrap();
    assert_eq!((gone.value(), gone.shown(), gone.commitment()), (None, "[erased]", name.commitment()));
}

#[test]
fn a_disclosure_that_does_not_fit_is_refused() {
    let whole = serde_json::to_value(salter().commit("Ada")).unwrap();
    let (salt, commitment) = (whole["salt"].as_str().unwrap().to_owned(), whole["personal"].as_str().unwrap().to_owned());
    // The first byte of the value told as the last of the salt, and the other way.
    let longer = format!("{salt}{}", hex(b"A"));
    let shorter = &salt[..30];
    let moved = format!("{}Ada", char::from(unhex(&salt[30..]).unwrap()[0]));
    let table = [
        ("the value itself", salt.as_str(), "Ada", true),
        ("another value", salt.as_str(), "Bob", false),
        ("another salt", "00000000000000000000000000000000", "Ada", false),
        ("a salt that took a byte of the value", longer.as_str(), "da", false),
        ("a salt that gave a byte to the value", shorter, moved.as_str(), false),
        ("no salt", "", "Ada", false),
        ("a salt that is not hex", "zz000000000000000000000000000000", "Ada", false),
    ];
    for (name, salt, value, fits) in table {
        let read = serde_json::from_value::<Personal>(json!({ "personal": commitment, "salt": salt, "value": value }));
        assert_eq!(read.is_ok(), fits, "{name}: {read:?}");
    }
}

#[test]
fn nothing_personal_shows_when_debugged() {
    let name = salter().commit("Ada Lovelace");
    let mut value = json!({ "n": name });
    let disclosed = conceal(&mut value);
    for text in [format!("{name:?}"), format!("{disclosed:?}"), format!("{:#?}", disclosed[0])] {
        assert!(!text.contains("Ada") && !text.contains(&disclosed[0].salt), "{text}");
    }
    let odd: Personal = serde_json::from_value(json!({ "personal": "ééééé" })).unwrap();
    assert_eq!(format!("{odd:?}"), "Personal(éééé..)", "a commitment that is no hex does not panic");
}

proptest! {
    #[test]
    fn every_value_is_concealed_and_disclosed(values in prop::collection::vec(any::<String>(), 0..6), seed in any::<[u8; 32]>()) {
        let salter = Salter::new(seed);
        let before = json!({ "all": values.iter().map(|v| serde_json::to_value(salter.commit(v.clone())).unwrap()).collect::<Vec<Value>>() });
        let mut after = before.clone();
        let known: BTreeMap<String, Disclosure> = conceal(&mut after).into_iter().map(|d| (d.commitment.clone(), d)).collect();
        prop_assert!(commitments(&after).iter().all(|c| known.contains_key(c)));
        disclose(&mut after, &known);
        prop_assert_eq!(after, before);
    }

    #[test]
    fn equal_values_of_two_commands_never_share_a_commitment(value in any::<String>(), a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
        prop_assume!(a != b);
        let (a, b) = (Salter::new(a).commit(value.clone()), Salter::new(b).commit(value));
        prop_assert_ne!(a.commitment(), b.commitment());
    }
}
