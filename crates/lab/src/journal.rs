//! The JSON Lines files that the actors write: one fact a line, whole or absent.
//!
//! A line goes out in one write, unbuffered, so that a reader beside the actor,
//! or after its SIGKILL, sees every line that was ended.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use serde::{Serialize, de::DeserializeOwned};

/// A file that lines are appended to, shared by the tasks of one actor.
#[derive(Debug)]
pub struct Journal(Mutex<File>);

impl Journal {
    /// Opens `path` for appending, and makes it where it is missing.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file =
            OpenOptions::new().append(true).create(true).open(path).with_context(|| format!("open the journal `{}`", path.display()))?;
        Ok(Self(Mutex::new(file)))
    }

    /// Appends one line.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub fn append(&self, fact: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(fact).context("print a line of the journal")?;
        line.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).context("append to the journal")
    }
}

/// Reads every ended line of `path`; an unended last line is still being written
/// and left out, a missing file has no lines.
///
/// # Errors
///
/// When the file cannot be read or an ended line is not a `T`.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = match std::fs::read_to_string(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("read the journal `{}`", path.display()))?,
    };
    let ended = text.rfind('\n').map_or("", |end| &text[..end]);
    ended
        .lines()
        .enumerate()
        .map(|(n, line)| serde_json::from_str(line).with_context(|| format!("`{}` line {}", path.display(), n + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ended_lines_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines.jsonl");
        assert!(read::<u8>(&path).unwrap().is_empty());
        let journal = Journal::open(&path).unwrap();
        for n in [1, 2] {
            journal.append(&n).unwrap();
        }
        assert_eq!(read::<u8>(&path).unwrap(), [1, 2]);
        std::fs::write(&path, "1\n2\n{\"half").unwrap();
        assert_eq!(read::<u8>(&path).unwrap(), [1, 2]);
        std::fs::write(&path, "1\nx\n").unwrap();
        assert!(format!("{:#}", read::<u8>(&path).unwrap_err()).contains("line 2"));
    }
}
