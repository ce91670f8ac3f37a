//! Signed notes: a text and the signatures under it (C2SP signed-note v1.0.0).
//!
//! Parsing accepts exactly what printing makes, so a note can be handed on
//! without touching a byte. A key signs where it lives: this module only needs
//! a [`Sign`], or a finished signature, which it checks before attaching it.
//! Signatures by unknown keys are carried and ignored; one bad signature by a
//! known key refuses the whole note.

mod key;

pub use key::{BadKey, SigningKey, VerifierKey};

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::{Engine, engine::general_purpose::STANDARD};
use core::fmt;

/// The longest note that is read, in bytes.
pub const MAX_BYTES: usize = 1_000_000;

/// The most signatures that are read; C2SP asks for at least 16.
pub const MAX_SIGNATURES: usize = 100;

/// A note as printed: a text that ends with a newline, and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line. `bytes` is what follows the key id: 64 bytes for
/// Ed25519, else whatever that kind of key makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

/// Something that signs with one Ed25519 key, in this process or elsewhere.
pub trait Sign {
    /// The public half.
    fn key(&self) -> &VerifierKey;

    /// The Ed25519 signature of exactly these bytes, or why there is none.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String>;
}

/// A text that is no note, or a note that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    #[error("a note has at most {MAX_BYTES} bytes, found {0}")]
    TooLong(usize),
    #[error("a note is UTF-8 without control characters other than the newline")]
    Characters,
    #[error("a note's text ends with a newline")]
    Unended,
    #[error("a note ends with an empty line and at least one signature line")]
    Unsigned,
    #[error("signature line {0}: expected `— name base64`")]
    Signature(usize),
    #[error("a note has at most {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    #[error("`{0}` did not sign: {1}")]
    NotSigned(String, String),
}

/// A note that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    #[error("the signature of `{0}` does not match; do not use any part of this note")]
    BadSignature(String),
    #[error("no known key has signed this note")]
    NoKnownKey,
}

impl Note {
    /// A note without signatures yet; it prints as a note only once it has one.
    pub fn unsigned(text: impl Into<String>) -> Result<Note, BadNote> {
        let text = text.into();
        if text.len() > MAX_BYTES {
            return Err(BadNote::TooLong(text.len()));
        }
        if !plain(&text) {
            return Err(BadNote::Characters);
        }
        if !text.ends_with('\n') {
            return Err(BadNote::Unended);
        }
        Ok(Note { text, signatures: Vec::new() })
    }

    /// Signs `text` with one key.
    pub fn sign(text: impl Into<String>, signer: &dyn Sign) -> Result<Note, BadNote> {
        let mut note = Note::unsigned(text)?;
        let name = signer.key().name();
        let signature = signer.sign(note.text.as_bytes()).map_err(|reason| BadNote::NotSigned(name.to_string(), reason))?;
        note.attach(signer.key(), &signature)?;
        Ok(note)
    }

    /// Adds a signature that was made elsewhere, after checking it: a broken
    /// signer must not leave a note behind that everyone refuses.
    pub fn attach(&mut self, key: &VerifierKey, signature: &[u8]) -> Result<(), BadNote> {
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(BadNote::TooManySignatures);
        }
        if !key.verifies(self.text.as_bytes(), signature) {
            let reason = "its signature does not match its own key".to_string();
            return Err(BadNote::NotSigned(key.name().to_string(), reason));
        }
        self.signatures.push(Signature { name: key.name().to_string(), key_id: key.id(), bytes: signature.to_vec() });
        Ok(())
    }

    /// The text that the signatures cover, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in the order of the note.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Reads a note, accepting exactly what printing makes.
    pub fn parse(bytes: &[u8]) -> Result<Note, BadNote> {
        if bytes.len() > MAX_BYTES {
            return Err(BadNote::TooLong(bytes.len()));
        }
        let whole = core::str::from_utf8(bytes).map_err(|_| BadNote::Characters)?;
        if !plain(whole) {
            return Err(BadNote::Characters);
        }
        // A signature line is never empty, so the last empty line is the border
        // even where the text has empty lines of its own.
        let border = whole.rfind("\n\n").ok_or(BadNote::Unsigned)?;
        let (text, signatures) = (&whole[..=border], &whole[border + 2..]);
        let lines = signatures.strip_suffix('\n').ok_or(BadNote::Unsigned)?;

        let mut note = Note { text: text.to_string(), signatures: Vec::new() };
        for (n, line) in lines.split('\n').enumerate() {
            if n == MAX_SIGNATURES {
                return Err(BadNote::TooManySignatures);
            }
            note.signatures.push(Signature::parse(line).ok_or(BadNote::Signature(n + 1))?);
        }
        Ok(note)
    }

    /// The known keys that signed, each once, in the order of the note. Fails
    /// where a known key's signature is bad or where no known key signed.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, Unverified> {
        let mut signed: Vec<&VerifierKey> = Vec::new();
        for signature in &self.signatures {
            // Two keys may share a name and, by accident, an id: any one of
            // them may have made the signature.
            let mut candidates = known.iter().filter(|key| key.id() == signature.key_id && key.name() == signature.name).peekable();
            if candidates.peek().is_none() {
                continue;
            }
            match candidates.find(|key| key.verifies(self.text.as_bytes(), &signature.bytes)) {
                None => return Err(Unverified::BadSignature(signature.name.clone())),
                Some(key) if signed.contains(&key) => {}
                Some(key) => signed.push(key),
            }
        }
        if signed.is_empty() { Err(Unverified::NoKnownKey) } else { Ok(signed) }
    }
}

impl Signature {
    /// Who signed, by the note.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes of the hash of the key, by the note.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    fn parse(line: &str) -> Option<Signature> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let blob = STANDARD.decode(encoded).ok()?;
        let (key_id, bytes) = blob.split_first_chunk::<4>()?;
        if !key::is_name(name) || bytes.is_empty() {
            return None;
        }
        Some(Signature { name: name.to_string(), key_id: *key_id, bytes: bytes.to_vec() })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str("\n")?;
        for signature in &self.signatures {
            let mut blob = signature.key_id.to_vec();
            blob.extend_from_slice(&signature.bytes);
            f.write_str(&format!("— {} {}\n", signature.name, STANDARD.encode(blob)))?;
        }
        Ok(())
    }
}

fn plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= 0x20 || byte == b'\n')
}
