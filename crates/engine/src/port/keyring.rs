//! Sealing and signing with keys that live outside the store.

use zeroize::Zeroizing;

/// Seals what must not lie on a disk in clear: alert bytes, secret parts of a
/// before-state, connector credentials (invariant 10).
pub trait Keyring: Send + Sync {
    /// AES-256-GCM under a data key wrapped by the key outside the store.
    /// `label` is authenticated: a blob cannot be opened under another name.
    fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Opens what [`Keyring::seal`] made under the same label.
    fn open(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError>;
}

/// A blob could not be sealed or opened. Says nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {doing} the sealed blob `{label}`: {why}")]
pub struct SealError {
    pub doing: &'static str,
    pub label: String,
    pub why: String,
}

/// Signs checkpoints.
pub trait Signer: Send + Sync {
    /// The log's origin, which is also the key's name.
    fn origin(&self) -> &str;

    /// The C2SP vkey that verifies this signer's notes.
    fn vkey(&self) -> String;

    /// The signed note (C2SP signed-note) over the checkpoint's body.
    fn sign(&self, body: &str) -> String;
}
