//! A leaf of the log is the exact stored bytes of one event; here is its hash.
//!
//! RFC 6962 section 2.1: a leaf is hashed behind a 0x00 byte and an inner node
//! behind a 0x01 byte, so that neither can be passed off as the other.

use alloc::string::String;
use base64::{Engine, engine::general_purpose::STANDARD};
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The largest leaf, in bytes. What is larger is a blob that an event names.
pub const MAX_BYTES: usize = 64 * 1024;

/// A SHA-256 value: of a leaf, of a node or of a whole tree.
///
/// Prints and serialises as 64 lower-case hex digits; checkpoints and proofs
/// use [`Hash::base64`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// A text that is not a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a SHA-256 value as {expected}, found {found} characters")]
pub struct BadHash {
    expected: &'static str,
    found: usize,
}

/// RFC 6962 leaf hash: SHA-256(0x00 || leaf).
pub fn hash(leaf: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0x00]);
    sha.update(leaf);
    Hash(sha.finalize().into())
}

impl Hash {
    /// Plain SHA-256, as blobs and commitments are named by.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// 64 lower-case hex digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// Standard base64 with padding, 44 characters.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads 64 lower-case hex digits, and nothing else.
    pub fn from_hex(text: &str) -> Result<Hash, BadHash> {
        unhex(text)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Hash)
            .ok_or(BadHash { expected: "64 lower-case hex digits", found: text.chars().count() })
    }

    /// Reads canonical standard base64, 44 characters.
    pub fn from_base64(text: &str) -> Result<Hash, BadHash> {
        let bad = BadHash { expected: "44 base64 characters", found: text.chars().count() };
        if text.len() != 44 {
            return Err(bad);
        }
        let bytes = STANDARD.decode(text).map_err(|_| bad.clone())?;
        bytes.try_into().map(Hash).map_err(|_| bad)
    }
}

/// Lower-case hex of any bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Bytes of lower-case hex; upper case is refused, so that reading is the
/// exact inverse of printing.
pub(crate) fn unhex(text: &str) -> Option<alloc::vec::Vec<u8>> {
    fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    }
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = alloc::borrow::Cow::<str>::deserialize(deserializer)?;
        Hash::from_hex(&text).map_err(serde::de::Error::custom)
    }
}
