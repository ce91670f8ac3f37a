//! The key that signs this log's checkpoints.
//!
//! Its seed lies sealed in the data directory, so a copy of the directory signs
//! nothing. It signs checkpoints of its own log and no other text: a signature
//! under something else could be shown as one under a checkpoint.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quell_engine::port::{Chance, Keyring, SealError, Signer};
use quell_ledger::{
    Checkpoint, Note, SigningKey,
    checkpoint::BadCheckpoint,
    note::{BadKey, Sign},
};
use zeroize::Zeroizing;

use crate::file;

/// The sealed seed's name in the data directory.
const SEED: &str = "signing-key";

/// Signs the checkpoints of one log.
#[derive(Debug)]
pub struct LogSigner(SigningKey);

/// Why there is no signer.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error("the origin `{0}` cannot name a log: {1}")]
    Origin(String, BadKey),
    #[error("cannot use the signing key `{}` for the origin `{origin}`: {source}; a log keeps the origin it began with", .path.display())]
    Sealed { path: PathBuf, origin: String, source: SealError },
    #[error("cannot {doing} the signing key `{}`: {source}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
}

impl LogSigner {
    /// Opens the signing key of `data_dir`, which exists; makes it on first use.
    pub fn open(data_dir: &Path, origin: &str, keyring: &dyn Keyring, chance: &dyn Chance) -> Result<LogSigner, SignerError> {
        let path = data_dir.join(SEED);
        // The origin is part of the label: a key that was moved to another log
        // does not open there.
        let label = format!("{SEED}/{origin}");
        let sealed = |source| SignerError::Sealed { path: path.clone(), origin: origin.to_owned(), source };
        let seed = match fs::read(&path) {
            Ok(bytes) => keyring.open(&label, &bytes).map_err(sealed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut seed = Zeroizing::new(vec![0; 32]);
                chance.fill(&mut seed);
                // Before it is written: an unusable origin leaves no key behind.
                signing_key(origin, &seed, &path)?;
                let bytes = keyring.seal(&label, &seed).map_err(sealed)?;
                file::create(&path, &bytes).map_err(|source| SignerError::File { doing: "write", path: path.clone(), source })?;
                seed
            }
            Err(source) => return Err(SignerError::File { doing: "read", path, source }),
        };
        Ok(LogSigner(signing_key(origin, &seed, &path)?))
    }

    fn try_sign(&self, body: &str) -> Result<Note, BadCheckpoint> {
        Checkpoint::parse(body)?.sign(&self.0)
    }
}

fn signing_key(origin: &str, seed: &[u8], path: &Path) -> Result<SigningKey, SignerError> {
    let seed = <&[u8; 32]>::try_from(seed).map_err(|_| SignerError::File {
        doing: "read",
        path: path.to_owned(),
        source: io::Error::other("it does not hold 32 bytes"),
    })?;
    SigningKey::from_seed(origin, seed).map_err(|bad| SignerError::Origin(origin.to_owned(), bad))
}

impl Signer for LogSigner {
    fn origin(&self) -> &str {
        self.0.key().name()
    }

    fn vkey(&self) -> String {
        self.0.key().to_string()
    }

    /// A body that is not a checkpoint of this log comes back unsigned, and so
    /// is refused by everyone.
    fn sign(&self, body: &str) -> String {
        match self.try_sign(body) {
            Ok(note) => note.to_string(),
            Err(error) => {
                tracing::error!(%error, "asked to sign what is not a checkpoint of this log");
                body.to_owned()
            }
        }
    }
}
