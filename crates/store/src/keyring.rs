//! Sealing with AES-256-GCM under a data key that is itself sealed.
//!
//! ```text
//! key file (outside) --SHA-256 with a name--> wrapping key --seals--> data key (data directory) --seals--> blobs
//! ```
//!
//! A sealed text is one version byte, a random 96-bit nonce, the ciphertext and
//! its tag (NIST SP 800-38D). The label is authenticated, so a blob does not
//! open under another name. Exchanging the key file means wrapping one key
//! again, not every blob.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use quell_engine::port::{Chance, Keyring, SealError};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    file,
    key_file::{BadKeyFile, KeyFile},
};

/// AES-256-GCM, 96-bit random nonce, label as additional data.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;

/// The wrapped data key's name in the data directory, and its label.
const DATA_KEY: &str = "data-key";

/// A keyring whose outermost key is a file outside the store.
pub struct FileKeyring {
    data: Aes256Gcm,
    chance: Arc<dyn Chance>,
}

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error(transparent)]
    KeyFile(#[from] BadKeyFile),
    #[error("the data key `{}` was sealed under another key file, or was changed; name the key file it was made with", .0.display())]
    OtherKey(PathBuf),
    #[error("cannot {doing} the data key `{}`: {source}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
}

impl FileKeyring {
    /// Opens the keyring of `data_dir`, which exists; makes its data key on first use.
    pub fn open(data_dir: &Path, key_file: &Path, chance: Arc<dyn Chance>) -> Result<FileKeyring, KeyringError> {
        let key = KeyFile::read(key_file)?;
        let wrapping = cipher(&wrapping_key(&key));
        let path = data_dir.join(DATA_KEY);
        let failed = |doing| {
            let path = path.clone();
            move |source| KeyringError::File { doing, path, source }
        };
        let wrapped = match fs::read(&path) {
            Ok(wrapped) => wrapped,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut fresh = Zeroizing::new([0; 32]);
                chance.fill(&mut *fresh);
                let wrapped = seal(&wrapping, &*chance, DATA_KEY, &*fresh).map_err(|why| failed("seal")(io::Error::other(why)))?;
                file::create(&path, &wrapped).map_err(failed("write"))?;
                wrapped
            }
            Err(error) => return Err(failed("read")(error)),
        };
        let data = unseal(&wrapping, DATA_KEY, &wrapped).map_err(|_| KeyringError::OtherKey(path.clone()))?;
        let data = <&[u8; 32]>::try_from(data.as_slice()).map_err(|_| KeyringError::OtherKey(path.clone()))?;
        Ok(FileKeyring { data: cipher(data), chance })
    }
}

impl Keyring for FileKeyring {
    fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        seal(&self.data, &*self.chance, label, plain).map_err(|why| SealError {
            doing: "seal",
            label: label.to_owned(),
            why: why.to_owned(),
        })
    }

    fn open(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        unseal(&self.data, label, sealed).map_err(|why| SealError { doing: "open", label: label.to_owned(), why: why.to_owned() })
    }
}

impl std::fmt::Debug for FileKeyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKeyring(..)")
    }
}

/// The key file may serve other purposes; this key serves only this one.
fn wrapping_key(key: &KeyFile) -> Zeroizing<[u8; 32]> {
    let digest = Sha256::new().chain_update(b"quell data key wrapping v1\0").chain_update(key.expose()).finalize();
    Zeroizing::new(digest.into())
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

fn seal(cipher: &Aes256Gcm, chance: &dyn Chance, label: &str, plain: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut nonce = [0; NONCE_BYTES];
    chance.fill(&mut nonce);
    let payload = Payload { msg: plain, aad: label.as_bytes() };
    let ciphertext = cipher.encrypt(Nonce::from_slice(&nonce), payload).map_err(|_| "it is too large")?;
    Ok([&[VERSION], &nonce[..], &ciphertext].concat())
}

fn unseal(cipher: &Aes256Gcm, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let (version, rest) = sealed.split_first().ok_or("it is empty")?;
    if *version != VERSION {
        return Err("it is of an unknown version; use the program that sealed it, or a newer one");
    }
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or("it is cut short")?;
    let payload = Payload { msg: ciphertext, aad: label.as_bytes() };
    let plain = cipher.decrypt(Nonce::from_slice(nonce), payload);
    plain.map(Zeroizing::new).map_err(|_| "it was sealed under another label or key, or changed since")
}
