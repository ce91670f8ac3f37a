//! Whether what an answer names stands in its input.
//!
//! A name may be cut, put together of parts, spelt in small letters, or stand inside
//! text that is JSON or base64 itself. But each word of it must be somewhere in the
//! input, or somebody made it up.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

/// Texts inside texts are followed this far.
const DEPTH_MAX: u8 = 4;
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);

/// Everything that an input says, in small letters.
pub struct Ground(String);

impl Ground {
    /// Of the bytes of a message.
    pub fn of(input: &[u8]) -> Self {
        let mut all = String::from_utf8_lossy(input).to_lowercase();
        documents(input, &mut |value| take(value, &mut all, 0));
        Self(all)
    }

    /// The first word of `name` that stands nowhere.
    pub fn missing<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.split(|c: char| !c.is_alphanumeric())
            .find(|word| !word.is_empty() && !crate::judge::OURS.contains(word) && !self.0.contains(&word.to_lowercase()))
    }
}

/// Each JSON document of `input`: all of it, or line by line.
pub fn documents(input: &[u8], see: &mut dyn FnMut(&Value)) {
    let input = input.strip_prefix("\u{feff}".as_bytes()).unwrap_or(input);
    let whole = serde_json::Deserializer::from_slice(input).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
    match whole {
        Ok(values) => values.iter().for_each(see),
        Err(_) => input.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).for_each(|value| see(&value)),
    }
}

fn take(value: &Value, all: &mut String, depth: u8) {
    match value {
        Value::String(text) => text_in(text, all, depth),
        Value::Array(items) => items.iter().for_each(|item| take(item, all, depth)),
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            text_in(key, all, depth);
            take(item, all, depth);
        }),
        other => text_in(&other.to_string(), all, DEPTH_MAX),
    }
}

fn text_in(text: &str, all: &mut String, depth: u8) {
    all.push('\n');
    all.push_str(&text.to_lowercase());
    if depth >= DEPTH_MAX {
        return;
    }
    documents(text.as_bytes(), &mut |inner| {
        if inner.is_object() || inner.is_array() {
            take(inner, all, depth + 1);
        }
    });
    // A whole text, and the parts of a token.
    for part in text.split('.').chain([text]).filter(|p| p.len() >= 8) {
        for engine in [STANDARD, URL] {
            if let Ok(bytes) = engine.decode(part.trim()) {
                text_in(&String::from_utf8_lossy(&bytes), all, depth + 1);
            }
        }
    }
}
