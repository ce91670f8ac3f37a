//! The embedded store and its keys, on a real disk.

mod crash;
mod erase;
mod faults;
mod guard;
mod keys;
mod sqlite;
mod twin;
mod verify;

use std::{
    fs,
    path::{Path, PathBuf},
};

use quell_core::id::StreamId;
use quell_engine::port::{Append, Leaf};
use quell_ledger::leaf;
use quell_store::{OpenMode, SqliteStore};

/// An empty directory that is gone after the test.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, OpenMode::Create).expect("a store")
}

/// An append of one leaf per text to one stream, which has `expected` versions.
fn append(stream: &str, expected: u64, texts: &[&str]) -> Append {
    let stream = StreamId::new(stream);
    let leaves = texts.iter().zip(expected + 1..).map(|(text, version)| {
        let bytes = text.as_bytes().to_vec();
        Leaf { stream: stream.clone(), version, hash: leaf::hash(&bytes).0, bytes }
    });
    Append { leaves: leaves.collect(), expects: vec![(stream.clone(), expected)], ..Append::default() }
}

/// The files of `dir` that hold `needle`.
fn files_with(dir: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> =
        files.filter(|file| fs::read(file).expect("a file").windows(needle.len()).any(|window| window == needle)).collect();
    found.sort();
    found
}
