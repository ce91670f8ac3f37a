//! A file of 32 secret bytes that only its owner may read.
//!
//! It lies outside the store, so that a copy of the store opens nothing. Raw
//! bytes and 64 hex digits are both read; hex is what gets written, because a
//! key that survives a terminal also survives a safe.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use quell_core::secret::FingerprintKey;
use quell_engine::port::Chance;
use zeroize::{Zeroize, Zeroizing};

use crate::file;

/// The 32 bytes. Shows nothing in `Debug` and is wiped when dropped.
#[derive(Clone)]
pub struct KeyFile(Zeroizing<[u8; 32]>);

/// A key file that is refused. Never repeats its content.
#[derive(Debug, thiserror::Error)]
pub enum BadKeyFile {
    #[error("there is no key file `{}`; make one of 32 random bytes with mode 0600", .0.display())]
    Missing(PathBuf),
    #[error("the key file `{0}` has mode {mode:04o}, others may read it; run `chmod 600 {0}`", .path.display())]
    Wide { path: PathBuf, mode: u32 },
    #[error("the key file `{}` holds neither 32 bytes nor 64 hex digits", .0.display())]
    Shape(PathBuf),
    #[error("there is a key file `{}` already; it is not replaced", .0.display())]
    Exists(PathBuf),
    #[error("cannot {doing} the key file `{}`: {source}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
}

impl KeyFile {
    /// Reads a key, if nobody but the owner can.
    pub fn read(path: &Path) -> Result<KeyFile, BadKeyFile> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => BadKeyFile::Missing(path.to_owned()),
            _ => BadKeyFile::File { doing: "read", path: path.to_owned(), source },
        };
        let opened = File::open(path).map_err(failed)?;
        // Of the open file, so that nobody can exchange it in between.
        let mode = opened.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(BadKeyFile::Wide { path: path.to_owned(), mode });
        }
        // Large enough that the buffer never moves and leaves a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        opened.take(200).read_to_end(&mut bytes).map_err(failed)?;
        parse(&bytes).ok_or_else(|| BadKeyFile::Shape(path.to_owned()))
    }

    /// Makes a new key file, mode 0600, and never replaces one.
    pub fn create(path: &Path, chance: &dyn Chance) -> Result<KeyFile, BadKeyFile> {
        let mut key = Zeroizing::new([0; 32]);
        chance.fill(&mut *key);
        let mut text = Zeroizing::new(quell_core::secret::hex(&*key));
        text.push('\n');
        file::create(path, text.as_bytes()).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => BadKeyFile::Exists(path.to_owned()),
            _ => BadKeyFile::File { doing: "make", path: path.to_owned(), source },
        })?;
        Ok(KeyFile(key))
    }

    /// The key for fingerprints and opaque ids.
    pub fn fingerprint_key(&self) -> FingerprintKey {
        FingerprintKey::new(*self.0)
    }

    /// The bytes. Every caller is a place where they can leak.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

fn parse(bytes: &[u8]) -> Option<KeyFile> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(KeyFile(Zeroizing::new(raw)));
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let mut key = quell_core::secret::unhex(text)?;
    let found = <[u8; 32]>::try_from(key.as_slice()).ok().map(|key| KeyFile(Zeroizing::new(key)));
    key.zeroize();
    found
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyFile(..)")
    }
}
