//! What is remembered of the last signed checkpoint outside the database.
//!
//! A database that was put back from a backup looks whole to itself, but has
//! forgotten what was signed since: signing again would fork the log. So size
//! and root of every signed checkpoint also go to a small file that a backup of
//! the database does not hold, and a store that is older than its file, or has
//! no file where it should, signs nothing until a person says so.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quell_engine::port::StoreError;
use quell_ledger::Hash;
use serde::{Deserialize, Serialize};

use crate::file;

/// The memory, and what it says about the store.
#[derive(Debug)]
pub(crate) struct Guard {
    path: PathBuf,
    last: Option<Mark>,
    doubt: Option<String>,
}

/// The file's content, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    size: u64,
    root: Hash,
    /// The signed note; absent where an older store was accepted.
    note: Option<String>,
    /// Why an older store was accepted, and the memory it replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<Accepted>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Accepted {
    reason: String,
    instead_of: Option<Box<Mark>>,
}

/// The store's answers that the memory is held against.
pub(crate) trait Log {
    /// How many leaves there are.
    fn size(&self) -> u64;

    /// The root over the first `size` of them, which are there.
    fn root(&self, size: u64) -> Result<[u8; 32], StoreError>;
}

impl Guard {
    /// Reads the memory and compares. `signed` tells whether the database
    /// itself knows of a signed checkpoint.
    pub(crate) fn open(path: &Path, log: &impl Log, signed: bool) -> Result<Guard, StoreError> {
        let (last, unreadable) = match fs::read(path) {
            Ok(bytes) => match serde_json::from_slice::<Mark>(&bytes) {
                Ok(mark) => (Some(mark), None),
                Err(error) => (None, Some(format!("`{}` cannot be read: {error}", path.display()))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (None, signed.then(|| format!("`{}` is missing, though checkpoints were signed", path.display())))
            }
            Err(error) => return Err(StoreError::Unavailable(format!("cannot read `{}`: {error}", path.display()))),
        };
        let doubt = match (&unreadable, &last) {
            (None, Some(last)) => last.contradiction(log)?,
            _ => unreadable,
        };
        Ok(Guard { path: path.to_owned(), last, doubt })
    }

    /// Why nothing is signed at the moment.
    pub(crate) fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// Remembers a signed checkpoint durably, if it extends the one before.
    pub(crate) fn keep(&mut self, log: &impl Log, note: &str, size: u64, root: [u8; 32]) -> Result<(), StoreError> {
        if let Some(doubt) = &self.doubt {
            return Err(StoreError::Damaged(format!("{doubt}; nothing is signed until a person accepts this store with a reason")));
        }
        if size > log.size() {
            return Err(StoreError::Refused(format!("a checkpoint of {size} leaves, the log has {}", log.size())));
        }
        if log.root(size)? != root {
            return Err(StoreError::Refused(format!("the checkpoint's root is not that of the first {size} leaves")));
        }
        if let Some(last) = &self.last {
            if size < last.size {
                return Err(StoreError::Refused(format!("a checkpoint of {size} leaves after one of {}", last.size)));
            }
            if let Some(doubt) = last.contradiction(log)? {
                self.doubt = Some(doubt.clone());
                return Err(StoreError::Damaged(doubt));
            }
        }
        self.write(Mark { size, root: Hash(root), note: Some(note.to_owned()), accepted: None })
    }

    /// Takes the store as it is for the truth from now on.
    pub(crate) fn accept(&mut self, log: &impl Log, reason: &str) -> Result<(), StoreError> {
        if self.doubt.is_none() {
            return Err(StoreError::Refused("the store is not older than its last checkpoint; there is nothing to accept".to_owned()));
        }
        let size = log.size();
        let accepted = Accepted { reason: reason.to_owned(), instead_of: self.last.clone().map(Box::new) };
        self.write(Mark { size, root: Hash(log.root(size)?), note: None, accepted: Some(accepted) })?;
        self.doubt = None;
        Ok(())
    }

    fn write(&mut self, mark: Mark) -> Result<(), StoreError> {
        let failed =
            |error: io::Error| StoreError::Unavailable(format!("cannot remember the checkpoint in `{}`: {error}", self.path.display()));
        let bytes = serde_json::to_vec_pretty(&mark).map_err(|error| failed(io::Error::other(error.to_string())))?;
        file::replace(&self.path, &bytes).map_err(failed)?;
        self.last = Some(mark);
        Ok(())
    }
}

impl Mark {
    /// How the log contradicts what was signed, if it does.
    fn contradiction(&self, log: &impl Log) -> Result<Option<String>, StoreError> {
        if log.size() < self.size {
            return Ok(Some(format!("it has {} leaves, its last signed checkpoint has {}", log.size(), self.size)));
        }
        if log.root(self.size)? != self.root.0 {
            return Ok(Some(format!("its first {} leaves are not those of its last signed checkpoint", self.size)));
        }
        Ok(None)
    }
}
