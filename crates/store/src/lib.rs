//! What lies on a disk: the embedded store, and the keys that seal and sign.
//!
//! `sqlite` keeps events, projections, jobs and blobs behind the engine's
//! `Store` port; `guard` remembers outside of it what was signed last.
//! `keyring` seals what must not lie in clear, under a key file outside the
//! store; `signer` signs checkpoints. The real chance and the real clock are
//! here, too, because nothing above may ask the machine for either.

mod chance;
mod clock;
mod file;
mod guard;
mod key_file;
mod keyring;
mod signer;
mod sqlite;

pub use chance::OsChance;
pub use clock::SystemClock;
pub use key_file::{BadKeyFile, KeyFile};
pub use keyring::{FileKeyring, KeyringError};
pub use signer::{LogSigner, SignerError};
pub use sqlite::{OpenError, OpenMode, Options, SqliteStore, Verified};
