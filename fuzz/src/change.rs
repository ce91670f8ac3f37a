//! Changes to an input: of what it is made of, and byte by byte.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{chance::Chance, ground::documents};

/// Texts that readers are known to stumble over.
const ODD: &[&str] = &[
    "",
    "null",
    "********",
    "0",
    "-1",
    "unknown",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.",
    "hvs.harborthistleharborthistle",
    "-----BEGIN ",
    "a://b:c@d",
    "arn:aws:sts::1:assumed-role/a/i-0aaaabbbbccccdddd",
    "AWS::IAM::AccessKey:null",
    "2024-01-01T00:00:00Z",
    "0001-01-01",
    "9999-12-31T23:59:60+23:59",
    "T",
    "%",
    "%\u{e9}",
    "k=\"\u{e9}",
    "{\"a\":[1,{}]}",
    "{",
    "[[",
    "\u{0}",
    "\u{202e}",
    "\u{e9}",
    "/",
    "//",
    "..",
    "@",
    ":",
    "\\",
    "=",
];
/// Bytes that part things.
const MARKS: &[u8] = b"{}[],:\"\\\n\r\t \0=/|'\xff\xc3\xe2-+.0e";
/// No change makes an input longer than this, in bytes.
pub const LENGTH_MAX: usize = 256 * 1024;

/// What the inputs of one target are made of, to put into others.
#[derive(Default)]
pub struct Parts {
    pub names: Vec<String>,
    pub values: Vec<Value>,
}

impl Parts {
    /// Of all inputs of a corpus.
    pub fn of(corpus: &[Vec<u8>]) -> Self {
        let mut parts = Self::default();
        for input in corpus {
            documents(input, &mut |value| parts.take(value));
        }
        parts.names.sort_unstable();
        parts.names.dedup();
        parts
    }

    fn take(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.take(item)),
            Value::Object(map) => map.iter().for_each(|(name, item)| {
                self.names.push(name.clone());
                self.take(item);
            }),
            _ => {}
        }
        if self.values.len() < 4_000 {
            self.values.push(value.clone());
        }
    }
}

/// `input` with one to six changes. Half of them know what the input is made of.
pub fn changed(input: &[u8], other: &[u8], parts: &Parts, chance: &mut Chance) -> Vec<u8> {
    if chance.once_in(75) {
        return grown(input, chance);
    }
    let mut values = Vec::new();
    if !chance.once_in(3) {
        documents(input, &mut |value| values.push(value.clone()));
    }
    let mut bytes = if values.is_empty() {
        input.to_vec()
    } else {
        for _ in 0..=chance.below(5) {
            let which = chance.below(values.len());
            within(&mut values[which], parts, chance);
        }
        written(&values, chance)
    };
    if values.is_empty() || chance.once_in(6) {
        for _ in 0..=chance.below(4) {
            of_bytes(&mut bytes, other, chance);
        }
    }
    bytes.truncate(LENGTH_MAX);
    bytes
}

/// `input` without any text that holds every word of one of `names`, however it is
/// spelt, or that is a part of which one is put together: a domain, an account.
pub fn without(input: &[u8], names: &[String]) -> Vec<u8> {
    let small: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let parts: BTreeSet<&str> = small.iter().flat_map(|name| name.split(['\\', '/', '|', '@', ':', ' '])).collect();
    let words = |name: &str| name.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
    let words: Vec<Vec<String>> = small.iter().map(|name| words(name)).collect();
    let says = |text: &str| {
        let text = text.to_lowercase();
        parts.contains(text.as_str()) || words.iter().any(|all| all.iter().all(|word| text.contains(word.as_str())))
    };
    let mut values = Vec::new();
    documents(input, &mut |value| values.push(value.clone()));
    values.iter_mut().for_each(|value| forget(value, &says));
    values.iter().map(|value| format!("{value}\n")).collect::<String>().into_bytes()
}

fn forget(value: &mut Value, says: &dyn Fn(&str) -> bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, says)),
        Value::Object(map) => {
            map.retain(|name, _| !says(name));
            map.values_mut().for_each(|item| forget(item, says));
        }
        leaf => {
            let text = leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned);
            if says(&text) {
                *leaf = Value::Null;
            }
        }
    }
}

/// The same over and over, so that what grows faster than its input shows.
fn grown(input: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut values = Vec::new();
    documents(input, &mut |value| values.push(value.clone()));
    let length = (16 * 1024) << chance.below(4);
    let list = |items: &[Value]| {
        let one = items.iter().map(Value::to_string).collect::<Vec<_>>().join(",");
        let times = (length / (one.len() + 1)).max(1);
        vec![one; times].join(",")
    };
    match (chance.below(4), values.first_mut()) {
        (0, Some(_)) => format!("[{}]", list(&values)).into_bytes(),
        // One list or one text somewhere inside.
        (1 | 2, Some(value)) => {
            let at = chance.below(count(value));
            change(value, at, &mut |place| match place {
                Value::Array(items) if !items.is_empty() => {
                    let times = length / (items.iter().map(|i| i.to_string().len() + 1).sum::<usize>());
                    *items = std::iter::repeat_n(items.clone(), times.max(1)).flatten().collect();
                }
                Value::String(text) => *text = text.repeat(length / text.len().max(1)),
                other => *other = Value::Array(vec![other.clone(); length / (other.to_string().len() + 1)]),
            });
            value.to_string().into_bytes()
        }
        _ => input.repeat((length / input.len().max(1)).max(1)),
    }
}

fn written(values: &[Value], chance: &mut Chance) -> Vec<u8> {
    let lines = || values.iter().map(Value::to_string).collect::<Vec<_>>();
    match chance.below(12) {
        0 => format!("[{}]", lines().join(",")).into_bytes(),
        1 => values.iter().filter_map(|v| serde_json::to_string_pretty(v).ok()).collect::<Vec<_>>().join("\n").into_bytes(),
        2 => format!("\u{feff}{}", lines().join("\r\n")).into_bytes(),
        _ => lines().join("\n").into_bytes(),
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// Does `what` to the value that is `at` steps away in reading order.
fn change(value: &mut Value, at: usize, what: &mut dyn FnMut(&mut Value)) {
    fn walk(value: &mut Value, left: &mut usize, what: &mut dyn FnMut(&mut Value)) -> bool {
        if *left == 0 {
            what(value);
            return true;
        }
        *left -= 1;
        match value {
            Value::Array(items) => items.iter_mut().any(|item| walk(item, left, what)),
            Value::Object(map) => map.values_mut().any(|item| walk(item, left, what)),
            _ => false,
        }
    }
    walk(value, &mut { at }, what);
}

fn within(value: &mut Value, parts: &Parts, chance: &mut Chance) {
    let at = chance.below(count(value));
    let mut found = Value::Null;
    if chance.once_in(4) {
        // Two places say what one of them said: names contradict each other.
        let from = chance.below(count(value));
        change(value, from, &mut |place| found = place.clone());
    }
    change(value, at, &mut |place| match place {
        Value::Object(map) if chance.once_in(2) => of_fields(map, parts, chance),
        _ => {
            let old = place.take();
            *place = of_value(old, found.take(), parts, chance);
        }
    });
}

fn of_fields(map: &mut Map<String, Value>, parts: &Parts, chance: &mut Chance) {
    let names: Vec<String> = map.keys().cloned().collect();
    if names.is_empty() || chance.once_in(3) {
        if !parts.names.is_empty() {
            let value = if parts.values.is_empty() { Value::Null } else { chance.of(&parts.values).clone() };
            map.insert(chance.of(&parts.names).clone(), value);
        }
        return;
    }
    let name = chance.of(&names);
    let value = map.remove(name).unwrap_or_default();
    match chance.below(4) {
        0 => {}
        1 => drop(map.insert(name.to_lowercase(), value)),
        2 if !parts.names.is_empty() => drop(map.insert(chance.of(&parts.names).clone(), value)),
        // Two fields change places.
        _ => {
            let other = chance.of(&names).clone();
            let theirs = map.insert(other, value).unwrap_or_default();
            map.insert(name.clone(), theirs);
        }
    }
}

fn of_value(old: Value, found: Value, parts: &Parts, chance: &mut Chance) -> Value {
    if !found.is_null() {
        return found;
    }
    match chance.below(16) {
        0 => Value::Null,
        1 => json!([old]),
        2 => json!({ "inner": old }),
        3 => Value::String(old.to_string()),
        4 => Value::String(STANDARD.encode(old.to_string())),
        5 => json!([old.clone(), old]),
        6 => chance.of(&[json!(true), json!(-1), json!(i64::MAX), json!(1e308), json!([]), json!({}), json!([[[]]])]).clone(),
        7 if !parts.values.is_empty() => chance.of(&parts.values).clone(),
        8 => Value::Array(vec![old; 2 + chance.below(20)]),
        _ => match old {
            Value::String(text) => Value::String(of_text(&text, chance)),
            Value::Number(n) => match (n.as_i64(), chance.below(3)) {
                // A year, in seconds and in milliseconds, either way.
                (Some(n), 0) => json!(n.saturating_add(*chance.of(&[31_557_600, -31_557_600, 31_557_600_000, -31_557_600_000]))),
                (Some(n), 1) => Value::String(n.to_string()),
                _ => json!(chance.number()),
            },
            Value::Array(mut items) if !items.is_empty() => {
                items.rotate_left(1);
                Value::Array(items)
            }
            _ => Value::String((*chance.of(ODD)).to_owned()),
        },
    }
}

fn of_text(text: &str, chance: &mut Chance) -> String {
    let cut: usize = {
        let mut at = chance.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    match chance.below(8) {
        0 => text[..cut].to_owned(),
        1 => text[cut..].to_owned(),
        2 => format!("{}{}{}", &text[..cut], chance.of(ODD), &text[cut..]),
        3 => format!("{text}{}", "\u{e9}".repeat(chance.below(2_000))),
        4 => text.to_uppercase(),
        // Another year.
        5 => text.replacen("202", "203", 1),
        6 => text.split_whitespace().rev().collect::<Vec<_>>().join(" "),
        _ => (*chance.of(ODD)).to_owned(),
    }
}

fn of_bytes(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let to = (at + chance.below(64)).min(bytes.len());
    match chance.below(9) {
        0 if !bytes.is_empty() => {
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= 1 << chance.below(8);
        }
        1 if !bytes.is_empty() => {
            let at = at.min(bytes.len() - 1);
            bytes[at] = *chance.of(MARKS);
        }
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..to)),
        4 => {
            let copy = bytes[at..to].to_vec();
            let times = 1 + chance.below(8);
            drop(bytes.splice(at..at, copy.repeat(times)));
        }
        5 => {
            let from = chance.below(other.len() + 1);
            let part = &other[from..(from + chance.below(256)).min(other.len())];
            drop(bytes.splice(at..to, part.iter().copied()));
        }
        6 => drop(bytes.splice(at..at, chance.of(ODD).bytes())),
        7 => drop(bytes.splice(at..at, std::iter::repeat_n(*chance.of(b"[{\"\\("), 1 + chance.below(2_000)))),
        _ => bytes.insert(at, *chance.of(MARKS)),
    }
}
