//! A checkpoint: the signed size and root of a log (C2SP tlog-checkpoint v1.0.0).
//!
//! The body of the note is the origin, the decimal size and the base64 root, a
//! line each; extension lines are carried, never made. The origin equals the
//! name of the key that signs, so that a signature of one log cannot be shown
//! for another. Whoever signs must have made size and root durable before, and
//! must know them to extend what was signed last: this module cannot know that.

use crate::leaf::Hash;
use crate::note::{BadNote, Note, Sign, Unverified, VerifierKey};
use crate::tree::{MAX_SIZE, empty_root};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The most extension lines that are read.
pub const MAX_EXTENSIONS: usize = 16;

/// Size and root of the log that `origin` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    pub root: Hash,
    /// Opaque lines after the root; empty in all that this crate makes.
    pub extensions: Vec<String>,
}

/// A text that is no checkpoint, or one that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    #[error("checkpoint line 1: expected the origin of the log")]
    Origin,
    #[error("checkpoint line 2: expected a tree size of at most `{MAX_SIZE}`, found `{0}`")]
    Size(String),
    #[error("checkpoint line 3: expected a root hash as 44 base64 characters")]
    Root,
    #[error("checkpoint line 3: a log without leaves has the root of nothing")]
    EmptyRoot,
    #[error("checkpoint line {0}: expected at most {MAX_EXTENSIONS} extension lines, none of them empty")]
    Extension(usize),
    #[error("a checkpoint ends with a newline")]
    Unended,
    #[error("the checkpoint is of the log `{origin}`, the key of `{key}`")]
    Key { origin: String, key: String },
    #[error(transparent)]
    Note(#[from] BadNote),
    #[error(transparent)]
    Unverified(#[from] Unverified),
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Checkpoint {
        Checkpoint { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Reads the body of a checkpoint note, accepting exactly what printing
    /// makes.
    pub fn parse(text: &str) -> Result<Checkpoint, BadCheckpoint> {
        let mut lines = text.strip_suffix('\n').ok_or(BadCheckpoint::Unended)?.split('\n');

        let origin = lines.next().filter(|line| is_line(line)).ok_or(BadCheckpoint::Origin)?;
        let size = lines.next().unwrap_or_default();
        let size = decimal(size).filter(|size| *size <= MAX_SIZE).ok_or_else(|| BadCheckpoint::Size(size.chars().take(24).collect()))?;
        let root = lines.next().unwrap_or_default();
        let root = Hash::from_base64(root).map_err(|_| BadCheckpoint::Root)?;
        if size == 0 && root != empty_root() {
            return Err(BadCheckpoint::EmptyRoot);
        }

        let mut extensions = Vec::new();
        for line in lines {
            if !is_line(line) || extensions.len() == MAX_EXTENSIONS {
                return Err(BadCheckpoint::Extension(extensions.len() + 4));
            }
            extensions.push(line.to_string());
        }
        Ok(Checkpoint { origin: origin.to_string(), size, root, extensions })
    }

    /// Signs with the key of this log.
    pub fn sign(&self, signer: &dyn Sign) -> Result<Note, BadCheckpoint> {
        self.belongs_to(signer.key())?;
        // Reading it back keeps a checkpoint that nobody could parse from ever
        // carrying a signature.
        let text = self.to_string();
        Checkpoint::parse(&text)?;
        Ok(Note::sign(text, signer)?)
    }

    /// Reads a signed checkpoint and checks that the log's own key, `key`,
    /// signed it. Signatures of others (witnesses) are ignored here.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Checkpoint, BadCheckpoint> {
        let note = Note::parse(note)?;
        note.verify(core::slice::from_ref(key))?;
        let checkpoint = Checkpoint::parse(note.text())?;
        checkpoint.belongs_to(key)?;
        Ok(checkpoint)
    }

    fn belongs_to(&self, key: &VerifierKey) -> Result<(), BadCheckpoint> {
        if self.origin == key.name() {
            return Ok(());
        }
        Err(BadCheckpoint::Key { origin: self.origin.clone(), key: key.name().to_string() })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root.base64())?;
        for line in &self.extensions {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

fn is_line(line: &str) -> bool {
    !line.is_empty() && line.bytes().all(|byte| byte >= 0x20)
}

/// A number as printing makes it: digits, no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
