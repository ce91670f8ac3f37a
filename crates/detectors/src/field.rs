//! Values of a record, whatever their type and the case of their keys.
//!
//! Senders change the case of keys and the type of values between versions, so
//! a field is sought by its name exactly, then without regard to ASCII case,
//! and a number is also text. `null` is absent.

use std::borrow::Cow;

use crate::json::Value;

/// Longest id, name or system that is kept, in characters.
pub const ID_MAX: usize = 1_024;

/// The field `name` of an object, unless it is absent or `null`.
pub fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.get_in_any_case(name).filter(|v| !v.is_null())
}

/// The field at the end of `path`.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| field(value, name))
}

/// The items of the list `name`; one value that is no list counts as a list of one.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    match field(value, name) {
        Some(Value::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// A scalar as text, trimmed; `None` for empty text, lists and objects.
pub fn as_text(value: &Value) -> Option<String> {
    as_said(value).map(Cow::into_owned)
}

/// The same, borrowed where it is text already.
pub fn as_said(value: &Value) -> Option<Cow<'_, str>> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.trim()),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// The field `name` as [`as_said`] reads it.
pub fn said<'a>(value: &'a Value, name: &str) -> Option<Cow<'a, str>> {
    field(value, name).and_then(as_said)
}

/// The field `name` as text.
pub fn text(value: &Value, name: &str) -> Option<String> {
    field(value, name).and_then(as_text)
}

/// The field at the end of `path` as text.
pub fn text_at(value: &Value, path: &[&str]) -> Option<String> {
    at(value, path).and_then(as_text)
}

/// The field `name` as a whole number, also where it was sent as text.
pub fn integer(value: &Value, name: &str) -> Option<i64> {
    match field(value, name)? {
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 1e15).map(|f| f as i64))
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The field `name` as a truth, also where it was sent as text.
pub fn truth(value: &Value, name: &str) -> Option<bool> {
    match field(value, name)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// What kind of JSON value this is, for reasons.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// At most [`ID_MAX`] characters of `text`, and whether some were cut off.
pub fn bounded(text: String) -> (String, bool) {
    if text.len() <= ID_MAX {
        return (text, false);
    }
    match text.char_indices().nth(ID_MAX) {
        Some((end, _)) => (text[..end].to_owned(), true),
        None => (text, false),
    }
}

/// Text that stands where a name or id belongs and names nobody: empty words,
/// masks, zeros, anonymous and machine-wide accounts, a type before `null`.
pub fn is_placeholder(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "null",
        "nil",
        "none",
        "undefined",
        "unknown",
        "n/a",
        "na",
        "redacted",
        "[redacted]",
        "anonymized",
        "anonymised",
        "anonymous",
        "system:anonymous",
        "system:unauthenticated",
        "nt authority\\system",
        "nt authority\\anonymous logon",
        "nt authority\\local service",
        "nt authority\\network service",
        "<na>",
        "(null)",
        "allusers",
        "allauthenticatedusers",
        "hidden_due_to_security_reasons",
    ];
    let text = text.trim();
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text.rsplit(':').next().is_some_and(|last| last.eq_ignore_ascii_case("null"))
        || !text.chars().any(char::is_alphanumeric)
        || (text.len() > 1 && text.chars().all(|c| c == '0' || !c.is_alphanumeric()))
}
