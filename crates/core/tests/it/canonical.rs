//! Canonical JSON against RFC 8785.

use proptest::prelude::*;
use quell_core::canonical::{DEPTH_MAX, INTEGER_MAX, NotCanonical, read, write};
use serde_json::{Map, Value, json};

fn check(name: &str, input: &str, expected: &str) {
    let value: Value = serde_json::from_str(input).unwrap_or_else(|e| panic!("{name}: {e}"));
    let written = write(&value).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(String::from_utf8(written).unwrap(), expected, "{name}");
    assert_eq!(read(expected.as_bytes()), Ok(value), "{name}: what was written is read");
}

#[test]
fn every_value_has_the_form_of_rfc_8785() {
    check("section 3.2.3, keys by UTF-16 units", RFC_KEYS, RFC_KEYS_SORTED);
    check(
        "section 3.2.2.2, strings",
        r#"{"s":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"}"#,
        "{\"s\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
    );
    check("section 3.2.2.1, literals", r#"{ "l" : [ null , true , false ] }"#, r#"{"l":[null,true,false]}"#);
    check("an astral key before U+FB33", r#"{"\ufb33":1,"\ud83d\ude00":2}"#, "{\"\u{1F600}\":2,\"\u{FB33}\":1}");
    check("a key before its prolongation", r#"{"ab":1,"a":2,"":3}"#, r#"{"":3,"a":2,"ab":1}"#);
    check("every short escape", r#""\b\t\n\f\r\u007f""#, "\"\\b\\t\\n\\f\\r\u{7f}\"");
    check("the greatest integers", "[9007199254740991,-9007199254740991,0]", "[9007199254740991,-9007199254740991,0]");
    check("empty things", r#"{"a":[],"b":{}}"#, r#"{"a":[],"b":{}}"#);
}

const RFC_KEYS: &str =
    r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew","1":"One","\ud83d\ude00":"Emoji","\u0080":"Control","\u00f6":"o"}"#;
const RFC_KEYS_SORTED: &str = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"o\",\"\u{20ac}\":\"Euro Sign\",\"\u{1F600}\":\"Emoji\",\"\u{FB33}\":\"Hebrew\"}";

#[test]
fn the_order_is_not_that_of_bytes() {
    let (astral, hebrew) = ("\u{1F600}", "\u{FB33}");
    assert!(hebrew.as_bytes() < astral.as_bytes(), "bytes put U+FB33 first");
    assert!(hebrew.encode_utf16().gt(astral.encode_utf16()), "UTF-16 units put it last");
}

#[test]
fn a_number_that_some_reader_rounds_is_refused() {
    for text in ["1.0", "0.1", "1e2", "1E400", "-0", "-0.0", "9007199254740992", "-9007199254740992", "18446744073709551615"] {
        match read(text.as_bytes()) {
            Err(NotCanonical::Number(_) | NotCanonical::Differs | NotCanonical::NotJson(_)) => {}
            other => panic!("`{text}` gave {other:?}"),
        }
    }
    assert_eq!(write(&json!(INTEGER_MAX + 1)), Err(NotCanonical::Number("9007199254740992".into())));
    assert_eq!(write(&json!(1.5)), Err(NotCanonical::Number("1.5".into())));
}

#[test]
fn a_second_way_to_say_the_same_is_refused() {
    let table = [
        (r#"{"a":1,"a":2}"#, "a duplicate key, of which the JSON reader keeps the last without a word"),
        (r#"{"a":2,"a":2}"#, "the same key and value twice"),
        (r#"{"b":1,"a":2}"#, "another order"),
        (r#"{"a": 1}"#, "a space"),
        ("{\"a\":1}\n", "a line end"),
        (r#"{"a":"\u0041"}"#, "an escape that need not be"),
        (r#"{"a":"\/"}"#, "an escaped solidus"),
        ("\"\\u000F\"", "an escape in capitals"),
    ];
    for (text, why) in table {
        assert_eq!(read(text.as_bytes()), Err(NotCanonical::Differs), "{why}: {text}");
    }
    let kept: Value = serde_json::from_str(r#"{"a":1,"a":2}"#).unwrap();
    assert_eq!(kept, json!({ "a": 2 }), "which is why bytes are compared and not values");
    for text in ["", "{", "nul", "\u{feff}{}", "{}{}", "\"\\ud800\""] {
        assert!(matches!(read(text.as_bytes()), Err(NotCanonical::NotJson(_))), "{text:?}");
    }
    assert!(matches!(read(b"\"\xff\""), Err(NotCanonical::NotJson(_))), "not UTF-8");
}

#[test]
fn deep_nesting_is_refused_and_overflows_nothing() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(nested(DEPTH_MAX).as_bytes()).is_ok(), "the deepest that is read");
    assert!(read(nested(DEPTH_MAX + 1).as_bytes()).is_err());
    assert!(read(nested(1_000_000).as_bytes()).is_err());
    let deep = |depth: usize| (0..depth).fold(Value::Null, |inner, _| json!([inner]));
    assert!(write(&deep(DEPTH_MAX)).is_ok());
    assert_eq!(write(&deep(DEPTH_MAX + 1)), Err(NotCanonical::TooDeep), "what could not be read again is not written");
}

pub fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-INTEGER_MAX..=INTEGER_MAX).prop_map(|n| json!(n)),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<String, Value>>())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_is_read_back_from_its_one_form(value in any_value()) {
        let bytes = write(&value).unwrap();
        let again = read(&bytes).unwrap();
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(write(&again).unwrap(), bytes);
    }

    #[test]
    fn the_order_of_insertion_never_shows(pairs in prop::collection::vec((any::<String>(), any::<i32>()), 0..12)) {
        let unique: std::collections::BTreeMap<_, _> = pairs.into_iter().collect();
        let forward: Map<String, Value> = unique.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        let backward: Map<String, Value> = unique.iter().rev().map(|(k, v)| (k.clone(), json!(v))).collect();
        prop_assert_eq!(write(&Value::Object(forward)).unwrap(), write(&Value::Object(backward)).unwrap());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = read(&bytes) {
            prop_assert_eq!(write(&value).unwrap(), bytes);
        }
    }
}
