//! Fixtures with something changed: a short form of fuzzing that knows the way
//! inside.
//!
//! A record of a detector's own fixtures, with values dropped, retyped, nested and
//! lengthened, gets a bounded answer that keeps the rules of `every_message`.

use std::sync::LazyLock;

use proptest::prelude::*;
use quell_detectors::{Builtin, Detector, REGISTRY};
use quell_engine::port::Detectors;
use serde_json::{Value, json};

use crate::{
    every_message::{SILENT, check_readout, value},
    fixtures,
};

/// Each record of each fixture with its detector. What is no JSON has nothing to
/// change.
static RECORDS: LazyLock<Vec<(&'static Detector, Value)>> = LazyLock::new(|| {
    let files = fixtures::files();
    let of = |detector: &'static Detector| {
        let own = files.iter().filter(move |(owner, ..)| *owner == detector.name);
        own.flat_map(|(_, _, bytes)| serde_json::Deserializer::from_slice(bytes).into_iter().map_while(Result::ok)).flat_map(|v| match v {
            Value::Array(items) => items,
            whole => vec![whole],
        })
    };
    REGISTRY.iter().flat_map(|detector| of(detector).map(move |record| (detector, record))).collect()
});

/// One change, somewhere: the place is the `at`-th value in reading order.
#[derive(Clone, Debug)]
struct Change {
    at: prop::sample::Index,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Drop,
    Put(Value),
    Nest(bool),
    Lengthen(usize),
    Repeat(usize),
    LowerKeys,
}

fn change() -> impl Strategy<Value = Change> {
    let put = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(i64::MAX),
        json!(1e308),
        json!(""),
        json!("null"),
        json!("********"),
        json!("0"),
        json!("eyJhbGciOiJub25lIn0.eyJ4IjoxfQ."),
        json!("hvs.harborthistleharborthistle"),
        json!("2026-01-01"),
        json!("\u{202e}\u{0}"),
        json!("{\"a\":[1,{}]}"),
        json!("{"),
        json!("é=\"é"),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!({"user": {"id": 7}}),
    ]);
    let how = prop_oneof![
        2 => Just(How::Drop),
        3 => put.prop_map(How::Put),
        3 => value().prop_map(How::Put),
        1 => any::<bool>().prop_map(How::Nest),
        2 => (1_usize..20_000).prop_map(How::Lengthen),
        1 => (2_usize..200).prop_map(How::Repeat),
        1 => Just(How::LowerKeys),
    ];
    (any::<prop::sample::Index>(), how).prop_map(|(at, how)| Change { at, how })
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// Applies `how` to the value that is `left` steps away; true once it is done.
fn apply(value: &mut Value, left: &mut usize, how: &How) -> bool {
    if *left == 0 {
        let old = value.take();
        *value = match (how, old) {
            (How::Drop, _) => Value::Null,
            (How::Put(new), _) => new.clone(),
            (How::Nest(true), old) => json!([old]),
            (How::Nest(false), old) => json!({"inner": old}),
            (How::Lengthen(times), Value::String(text)) => Value::String(format!("{text}{}", "é".repeat(*times))),
            (How::Lengthen(times), Value::Number(n)) => Value::String(n.to_string().repeat((*times).min(50))),
            (How::Repeat(times), Value::Array(items)) => Value::Array(std::iter::repeat_n(items, *times).flatten().take(5_000).collect()),
            (How::Repeat(times), old) => Value::Array(vec![old; (*times).min(20)]),
            (How::LowerKeys, Value::Object(map)) => Value::Object(map.into_iter().map(|(k, v)| (k.to_ascii_lowercase(), v)).collect()),
            (_, old) => old,
        };
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| apply(item, left, how)),
        // A dropped field is gone, not null, half of the time.
        Value::Object(map) => {
            let names: Vec<String> = map.keys().cloned().collect();
            for name in names {
                if *left == 0 && matches!(how, How::Drop) && name.len() % 2 == 0 {
                    map.remove(&name);
                    return true;
                }
                if apply(map.get_mut(&name).unwrap(), left, how) {
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}

fn changed(mut message: Value, changes: &[Change]) -> Value {
    for change in changes {
        let mut left = change.at.index(count(&message));
        apply(&mut message, &mut left, &change.how);
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases * 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fixture_with_anything_changed_gets_a_bounded_answer(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..5),
    ) {
        let (detector, record) = &RECORDS[which.index(RECORDS.len())];
        let message = changed(record.clone(), &changes).to_string();
        let readout = (detector.read)(message.as_bytes());
        check_readout(detector.name, &readout)?;
        let answers = readout.signals.len() + readout.unreadable.len();
        prop_assert!(answers > 0 || SILENT.contains(&detector.name), "{} is silent", detector.name);
        prop_assert!(answers <= 60_000, "{}: {answers} answers", detector.name);
        for detected in &readout.signals {
            let printed = serde_json::to_string(&detected.signal).unwrap();
            prop_assert!(printed.len() < 40_000, "{}: a signal of {} bytes", detector.name, printed.len());
            prop_assert!(!printed.contains("harborthistleharborthistle"), "{}: {printed}", detector.name);
        }
        let auto = Builtin.read("auto", message.as_bytes());
        prop_assert!(auto.signals.iter().all(|d| Builtin.names().contains(&d.signal.source.as_str())));
    }
}

#[test]
fn every_detector_has_records_to_change() {
    for detector in REGISTRY {
        assert!(RECORDS.iter().any(|(owner, _)| owner.name == detector.name), "{}", detector.name);
    }
}

#[test]
fn every_kind_of_change_changes_something() {
    let message = json!({"aa": "x", "b": [1, {"C": "d"}]});
    for (how, at) in
        [(How::Drop, 1), (How::Put(json!(7)), 1), (How::Nest(true), 1), (How::Lengthen(3), 1), (How::Repeat(3), 2), (How::LowerKeys, 4)]
    {
        let (mut copy, mut left) = (message.clone(), at);
        assert!(apply(&mut copy, &mut left, &how));
        assert_ne!(copy, message, "{how:?}");
    }
}
