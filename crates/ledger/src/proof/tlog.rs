//! One leaf's proof as a text of its own (C2SP tlog-proof, version 1).
//!
//! Header, optional opaque extra data, index, sibling hashes from the leaf up,
//! an empty line, then the signed checkpoint byte for byte. Whoever holds the
//! leaf, this text and the log's key can check it offline. The extra data is
//! not covered by any signature.

use super::{MAX_HASHES, Unproved, verify_inclusion};
use crate::checkpoint::{BadCheckpoint, Checkpoint, decimal};
use crate::leaf::{self, Hash};
use crate::note::{self, BadNote, Note, VerifierKey};
use crate::tree::MAX_SIZE;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::{Engine, engine::general_purpose::STANDARD};
use core::fmt;

const HEADER: &str = "c2sp.org/tlog-proof@v1";
const MAX_BYTES: usize = note::MAX_BYTES + 128 * 1024;

/// The proof that one leaf is in the log that `checkpoint` signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    pub index: u64,
    /// Unauthenticated; `None` in all that this crate makes.
    pub extra: Option<Vec<u8>>,
    /// Sibling hashes from the leaf up.
    pub hashes: Vec<Hash>,
    /// The checkpoint note, verbatim.
    pub checkpoint: String,
}

/// A text that is no tlog-proof, or one that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTlogProof {
    #[error("a proof has at most {MAX_BYTES} bytes, found {0}")]
    TooLong(usize),
    #[error("a proof is UTF-8 and begins with `{HEADER}`")]
    Header,
    #[error("expected `extra` and base64")]
    Extra,
    #[error("expected `index` and a number of at most `{MAX_SIZE}`")]
    Index,
    #[error("expected at most {MAX_HASHES} hashes as base64, then an empty line")]
    Hashes,
    #[error("the proof's checkpoint: {0}")]
    Note(#[from] BadNote),
    #[error("the proof's checkpoint: {0}")]
    Checkpoint(#[from] BadCheckpoint),
    #[error(transparent)]
    Unproved(#[from] Unproved),
}

impl TlogProof {
    /// Reads a proof, accepting exactly what printing makes.
    pub fn parse(bytes: &[u8]) -> Result<TlogProof, BadTlogProof> {
        if bytes.len() > MAX_BYTES {
            return Err(BadTlogProof::TooLong(bytes.len()));
        }
        let text = core::str::from_utf8(bytes).map_err(|_| BadTlogProof::Header)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(BadTlogProof::Hashes)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(BadTlogProof::Header);
        }

        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            None => None,
            Some(line) => Some(STANDARD.decode(&line["extra ".len()..]).map_err(|_| BadTlogProof::Extra)?),
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal)
            .filter(|index| *index <= MAX_SIZE)
            .ok_or(BadTlogProof::Index)?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == MAX_HASHES {
                return Err(BadTlogProof::Hashes);
            }
            hashes.push(Hash::from_base64(line).map_err(|_| BadTlogProof::Hashes)?);
        }
        Note::parse(checkpoint.as_bytes())?;
        Ok(TlogProof { index, extra, hashes, checkpoint: checkpoint.to_string() })
    }

    /// Checks the leaf's bytes against a checkpoint signed by the log's key.
    pub fn verify(&self, leaf: &[u8], key: &VerifierKey) -> Result<Checkpoint, BadTlogProof> {
        let checkpoint = Checkpoint::open(self.checkpoint.as_bytes(), key)?;
        verify_inclusion(self.index, checkpoint.size, &leaf::hash(leaf), &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", hash.base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
