//! Personal data that can be erased without breaking the record.
//!
//! An event holds only `SHA-256(salt || value)`. Value and salt live in a side
//! table that can be erased; the event's bytes, and so the tree, stay. In
//! memory the three travel together; [`conceal`] strips them on the way into
//! the ledger and [`disclose`] puts them back on the way out.

use alloc::{
    borrow::ToOwned,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::secret::hex;

/// How long every salt is.
pub const SALT_BYTES: usize = 16;

/// The JSON key that marks a commitment.
pub const MARK: &str = "personal";

/// A piece of personal data, or the commitment that is left of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Personal {
    commitment: String,
    known: Option<(String, String)>,
}

/// What a bundle or the side table discloses for one commitment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// Hex SHA-256 over salt and value.
    pub commitment: String,
    /// Hex, 16 bytes.
    pub salt: String,
    /// The text itself.
    pub value: String,
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disclosure({}..)", self.commitment.get(..8).unwrap_or_default())
    }
}

/// Gives each value a salt that is new in every command and equal for equal
/// values within one, so that commitments of one command can be compared.
#[derive(Clone)]
pub struct Salter([u8; 32]);

impl Salter {
    /// Takes 32 bytes of chance, used for one command and then forgotten.
    pub fn new(chance: [u8; 32]) -> Self {
        Self(chance)
    }

    /// Commits to `value`.
    pub fn commit(&self, value: impl Into<String>) -> Personal {
        let value = value.into();
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(value.as_bytes());
        let salt = hex(&mac.finalize().into_bytes()[..SALT_BYTES]);
        Personal { commitment: commitment(&salt, &value), known: Some((salt, value)) }
    }
}

impl Personal {
    /// The hex commitment, which is all that the ledger holds.
    pub fn commitment(&self) -> &str {
        &self.commitment
    }

    /// The value, unless it was erased.
    pub fn value(&self) -> Option<&str> {
        self.known.as_ref().map(|(_, value)| value.as_str())
    }

    /// The value, or `[erased]`.
    pub fn shown(&self) -> &str {
        self.value().unwrap_or("[erased]")
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Personal({}..)", self.commitment.get(..8).unwrap_or_default())
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    personal: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    salt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value: Option<String>,
}

impl From<Personal> for Wire {
    fn from(p: Personal) -> Self {
        let (salt, value) = p.known.map_or((None, None), |(s, v)| (Some(s), Some(v)));
        Self { personal: p.commitment, salt, value }
    }
}

impl TryFrom<Wire> for Personal {
    type Error = String;
    fn try_from(w: Wire) -> Result<Self, String> {
        let known = w.salt.zip(w.value);
        if let Some((salt, value)) = &known {
            // A shorter salt would let its last bytes be told as the value's first.
            if salt.len() != 2 * SALT_BYTES || crate::secret::unhex(salt).is_none() {
                return Err(format!("the salt disclosed for commitment `{}` is not {SALT_BYTES} bytes of hex", w.personal));
            }
            if commitment(salt, value) != w.personal {
                return Err(format!("the value disclosed for commitment `{}` is another one", w.personal));
            }
        }
        Ok(Self { commitment: w.personal, known })
    }
}

/// Hex SHA-256 over the salt's bytes and the value's.
fn commitment(salt_hex: &str, value: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(crate::secret::unhex(salt_hex).unwrap_or_default());
    hash.update(value.as_bytes());
    hex(&hash.finalize())
}

/// Takes every value and salt out of `value`, leaving commitments.
pub fn conceal(value: &mut Value) -> Vec<Disclosure> {
    let mut out = Vec::new();
    walk(value, &mut |map| {
        let (Some(Value::String(commitment)), Some(Value::String(salt)), Some(Value::String(text))) =
            (map.get(MARK).cloned(), map.remove("salt"), map.remove("value"))
        else {
            return;
        };
        out.push(Disclosure { commitment, salt, value: text });
    });
    out
}

/// Puts back every value that `known` still holds.
pub fn disclose(value: &mut Value, known: &BTreeMap<String, Disclosure>) {
    walk(value, &mut |map| {
        let Some(d) = map.get(MARK).and_then(Value::as_str).and_then(|c| known.get(c)) else { return };
        map.insert("salt".to_owned(), json!(d.salt));
        map.insert("value".to_owned(), json!(d.value));
    });
}

/// Every commitment that `value` names, each once.
pub fn commitments(value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let mut copy = value.clone();
    walk(&mut copy, &mut |map| {
        if let Some(c) = map.get(MARK).and_then(Value::as_str)
            && !out.iter().any(|o: &String| o == c)
        {
            out.push(c.to_string());
        }
    });
    out
}

/// Tells every commitment of `value`, with its text where that is disclosed.
pub fn each(value: &Value, told: &mut dyn FnMut(&str, Option<&str>)) {
    match value {
        Value::Object(map) => match map.get(MARK).and_then(Value::as_str) {
            Some(commitment) => told(commitment, map.get("value").and_then(Value::as_str)),
            None => map.values().for_each(|v| each(v, told)),
        },
        Value::Array(items) => items.iter().for_each(|v| each(v, told)),
        _ => {}
    }
}

/// Calls `visit` on every object that is a commitment.
fn walk(value: &mut Value, visit: &mut dyn FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(map) if map.get(MARK).is_some_and(Value::is_string) => visit(map),
        Value::Object(map) => map.iter_mut().for_each(|(_, v)| walk(v, visit)),
        Value::Array(items) => items.iter_mut().for_each(|v| walk(v, visit)),
        _ => {}
    }
}
