//! The two halves of a note key and their texts.
//!
//! A verifier key prints as `name+hex(id)+base64(type || public key)`, a
//! signing key as `PRIVATE+KEY+name+hex(id)+base64(type || seed)`. Only Ed25519
//! (type 0x01) is known; the type byte stays in the text, so another kind can
//! join without a new format. Signatures are checked strictly: weak keys and
//! malleable signatures are refused.

use crate::leaf::{hex, unhex};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::{Engine, engine::general_purpose::STANDARD};
use core::fmt;
use ed25519_dalek::{Signature, Signer as _};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const ED25519: u8 = 0x01;
const PRIVATE: &str = "PRIVATE+KEY+";
const MAX_NAME_BYTES: usize = 255;

/// The public half: who signs, and how to check it.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    point: ed25519_dalek::VerifyingKey,
}

/// The secret half, for a key that lives in this process. Wiped on drop and
/// never printed by `Debug`.
pub struct SigningKey {
    seed: ed25519_dalek::SigningKey,
    public: VerifierKey,
}

/// A text that is not a key. Never repeats the text, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("a key's name has 1 to {MAX_NAME_BYTES} bytes without spaces, control characters or `+`")]
    Name,
    #[error("expected a key as `{0}`")]
    Shape(&'static str),
    #[error("the key is of type {0:#04x}; only Ed25519 (0x01) is known")]
    Type(u8),
    #[error("the public key is not a usable Ed25519 key")]
    Point,
    #[error("the key id does not belong to the key; the text was changed")]
    Id,
}

const VKEY: &str = "name+8 hex digits+base64";
const SKEY: &str = "PRIVATE+KEY+name+8 hex digits+base64";

impl VerifierKey {
    /// A key from its name and its 32 public bytes.
    pub fn new(name: &str, public: &[u8; 32]) -> Result<VerifierKey, BadKey> {
        if !is_name(name) {
            return Err(BadKey::Name);
        }
        let point = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| BadKey::Point)?;
        if point.is_weak() {
            return Err(BadKey::Point);
        }
        Ok(VerifierKey { name: name.to_string(), point })
    }

    /// Reads a vkey, accepting exactly what printing makes.
    pub fn parse(text: &str) -> Result<VerifierKey, BadKey> {
        let (name, id, bytes) = fields(text, VKEY)?;
        let key = VerifierKey::new(name, &bytes)?;
        if key.id() == id { Ok(key) } else { Err(BadKey::Id) }
    }

    /// The name; a checkpoint's origin equals it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256(name || newline || type || public key), its first 4 bytes.
    pub fn id(&self) -> [u8; 4] {
        let mut sha = Sha256::new();
        sha.update(self.name.as_bytes());
        sha.update([b'\n', ED25519]);
        sha.update(self.point.as_bytes());
        let [a, b, c, d, ..]: [u8; 32] = sha.finalize().into();
        [a, b, c, d]
    }

    /// Whether `signature` is this key's over exactly these bytes.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.point.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::from([ED25519]);
        bytes.extend_from_slice(self.point.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl SigningKey {
    /// A key from its name and 32 bytes of chance, which the caller brings.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<SigningKey, BadKey> {
        let seed = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = VerifierKey::new(name, seed.verifying_key().as_bytes())?;
        Ok(SigningKey { seed, public })
    }

    /// Reads an skey, accepting exactly what [`SigningKey::to_skey`] makes.
    pub fn parse(skey: &str) -> Result<SigningKey, BadKey> {
        let rest = skey.strip_prefix(PRIVATE).ok_or(BadKey::Shape(SKEY))?;
        let (name, id, seed) = fields(rest, SKEY)?;
        let seed = Zeroizing::new(seed);
        let key = SigningKey::from_seed(name, &seed)?;
        if key.public.id() == id { Ok(key) } else { Err(BadKey::Id) }
    }

    /// The secret text of this key; store it sealed only.
    pub fn to_skey(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([ED25519; 33]);
        bytes[1..].copy_from_slice(self.seed.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(*bytes));
        Zeroizing::new(format!("{PRIVATE}{}+{}+{}", self.public.name, hex(&self.public.id()), *encoded))
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.public
    }
}

impl super::Sign for SigningKey {
    fn key(&self) -> &VerifierKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        Ok(self.seed.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.name)
    }
}

/// A key's name as C2SP has it: not empty, no space, no `+`.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control())
}

/// Name, id and key bytes of `name+id+base64`. The base64 may hold a `+` of its
/// own, the first two fields cannot.
fn fields<'t>(text: &'t str, shape: &'static str) -> Result<(&'t str, [u8; 4], [u8; 32]), BadKey> {
    let bad = || BadKey::Shape(shape);
    let (name, rest) = text.split_once('+').ok_or_else(bad)?;
    let (id, encoded) = rest.split_once('+').ok_or_else(bad)?;
    let id = unhex(id).and_then(|id| id.try_into().ok()).ok_or_else(bad)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| bad())?);
    match bytes.split_first() {
        Some((&ED25519, key)) => Ok((name, id, key.try_into().map_err(|_| bad())?)),
        Some((other, _)) => Err(BadKey::Type(*other)),
        None => Err(bad()),
    }
}
