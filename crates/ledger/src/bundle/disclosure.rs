//! The value behind a commitment: SHA-256(salt || value) is in an event, salt
//! and value are beside it and can be erased.

use crate::leaf::{Hash, hex, unhex};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One line of `disclosures.jsonl`. Personal data: `Debug` shows the
/// commitment alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    /// 64 hex digits.
    pub commitment: Hash,
    /// Lower-case hex.
    pub salt: String,
    pub value: String,
}

impl Disclosure {
    /// Makes the disclosure, and with it the commitment, of `value`.
    pub fn new(salt: &[u8], value: impl Into<String>) -> Disclosure {
        let value = value.into();
        Disclosure { commitment: commit(salt, &value), salt: hex(salt), value }
    }

    /// Whether salt and value give the commitment.
    pub fn holds(&self) -> bool {
        unhex(&self.salt).is_some_and(|salt| commit(&salt, &self.value) == self.commitment)
    }

    /// One line of JSON, without its newline.
    pub(super) fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads `disclosures.jsonl`: ascending by commitment, each line in the one
    /// spelling that writing makes. An error tells the line, never its content.
    pub(super) fn read_all(bytes: &[u8]) -> Result<Vec<Disclosure>, String> {
        let text = core::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_string())?;
        let mut all: Vec<Disclosure> = Vec::new();
        for (n, line) in text.split_inclusive('\n').enumerate() {
            let at = |what: &str| alloc::format!("line {}: {what}", n + 1);
            let one: Disclosure = serde_json::from_str(line).map_err(|_| at("expected `{\"commitment\",\"salt\",\"value\"}`"))?;
            let spelled = one.line().map_err(|_| at("it cannot be printed"))?;
            if line.strip_suffix('\n') != Some(spelled.as_str()) {
                return Err(at("it is not spelled as this software spells it"));
            }
            if all.last().is_some_and(|last| last.commitment >= one.commitment) {
                return Err(at("commitments must ascend"));
            }
            all.push(one);
        }
        Ok(all)
    }
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disclosure({})", self.commitment)
    }
}

fn commit(salt: &[u8], value: &str) -> Hash {
    let mut sha = Sha256::new();
    sha.update(salt);
    sha.update(value.as_bytes());
    Hash(sha.finalize().into())
}
