//! RFC 8785 canonical JSON, for the values an event may hold.
//!
//! Keys are ordered by UTF-16 code units (not by bytes: U+FB33 comes after
//! U+1F600), numbers are integers of magnitude up to 2^53-1, floats are
//! refused. Map order is never relied on, because a build that links Cedar
//! switches serde_json to insertion order.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde_json::{Map, Number, Value};

/// The greatest magnitude of an integer that every JSON reader keeps.
pub const INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// The most levels of arrays and objects: what serde_json reads without a stack of its own.
pub const DEPTH_MAX: usize = 127;

/// Why a value has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// A float, or an integer that some reader would round.
    #[error("the number `{0}` is not an integer of magnitude up to 2^53-1")]
    Number(String),
    /// Deeper than the reader goes, so it could be written and never read again.
    #[error("the value is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The bytes are not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The bytes are JSON, and not in the one canonical form of it.
    #[error("the bytes are not the canonical form of what they say")]
    Differs,
}

/// Writes `value` in its one canonical form.
pub fn write(value: &Value) -> Result<Vec<u8>, NotCanonical> {
    let mut out = Vec::with_capacity(512);
    write_value(value, 0, &mut out)?;
    Ok(out)
}

/// Reads bytes that must be canonical: `write(read(bytes)) == bytes`.
pub fn read(bytes: &[u8]) -> Result<Value, NotCanonical> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| NotCanonical::NotJson(e.to_string()))?;
    if write(&value)? == bytes { Ok(value) } else { Err(NotCanonical::Differs) }
}

fn write_value(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    if depth == DEPTH_MAX && matches!(value, Value::Array(_) | Value::Object(_)) {
        return Err(NotCanonical::TooDeep);
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_value(item, depth + 1, out)?;
            }
            out.push(b']');
        }
        Value::Object(map) => write_object(map, depth, out)?,
    }
    Ok(())
}

fn write_number(number: &Number, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match number.as_i64() {
        Some(n) if (-INTEGER_MAX..=INTEGER_MAX).contains(&n) => out.extend_from_slice(n.to_string().as_bytes()),
        _ => return Err(NotCanonical::Number(number.to_string())),
    }
    Ok(())
}

// serde_json escapes exactly as RFC 8785 section 3.2.2.2 asks; only its order
// and its numbers differ.
fn write_string(text: &str, out: &mut Vec<u8>) {
    let quoted = serde_json::to_string(text).expect("a string always has a JSON form");
    out.extend_from_slice(quoted.as_bytes());
}

fn write_object(map: &Map<String, Value>, depth: usize, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
    out.push(b'{');
    for (n, (key, value)) in entries.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        write_value(value, depth + 1, out)?;
    }
    out.push(b'}');
    Ok(())
}
