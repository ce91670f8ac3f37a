//! What was erased is gone from the disk, not only from answers.

use std::time::Duration;

use quell_core::personal::Disclosure;
use quell_engine::port::{Append, Blob, Store};
use quell_ledger::Hash;
use quell_store::{OpenMode, Options, SqliteStore};

use crate::{append, directory, files_with, open};

const NAME: &str = "Marguerite Unmistakable-Name";

#[tokio::test]
async fn erased_bytes_are_in_no_file() {
    let dir = directory();
    let store = open(dir.path());
    // Long enough to lie on pages of its own, too.
    let sealed = b"ciphertext-that-is-found ".repeat(2000);
    let blob = Blob { id: Hash::of(&sealed).hex(), bytes: sealed, sealed: true };
    let disclosure = Disclosure { commitment: "c1".repeat(32), salt: "5a".repeat(16), value: NAME.to_owned() };
    let told = Append { disclosures: vec![disclosure.clone()], blobs: vec![blob.clone()], ..append("person/u-1", 0, &["named"]) };
    store.append(told).await.expect("an append");
    for n in 1..50 {
        store.append(append("person/u-1", n, &["more"])).await.expect("an append");
    }
    let marks = [NAME.as_bytes(), disclosure.salt.as_bytes(), b"ciphertext-that-is-found"];
    for mark in marks {
        assert!(!files_with(dir.path(), mark).is_empty(), "the search itself works");
    }

    let (commitments, blobs) = (vec![disclosure.commitment], vec![blob.id]);
    assert_eq!(store.disclosures(&commitments).await.map(|found| found.len()), Ok(1), "readers have seen it");
    assert_eq!(store.erase(&commitments, &blobs).await, Ok(2));
    for mark in marks {
        assert_eq!(files_with(dir.path(), mark), Vec::<std::path::PathBuf>::new());
    }
    assert_eq!(store.verify().await.map(|whole| whole.size), Ok(50));
    drop(store);
    for mark in marks {
        assert_eq!(files_with(dir.path(), mark), Vec::<std::path::PathBuf>::new(), "after closing");
    }
}

#[tokio::test]
async fn rows_that_cannot_leave_the_disk_yet_are_said_to_and_erasing_again_removes_them() {
    let dir = directory();
    let options = Options { busy_timeout: Duration::from_millis(100), ..Options::default() };
    let store = SqliteStore::open_with(dir.path(), OpenMode::Create, options).expect("a store");
    let disclosure = Disclosure { commitment: "c1".repeat(32), salt: "5a".repeat(16), value: NAME.to_owned() };
    store.append(Append { disclosures: vec![disclosure.clone()], ..Append::default() }).await.expect("an append");

    let reader = rusqlite::Connection::open(dir.path().join("quell.db")).expect("the database");
    reader.execute_batch("BEGIN; SELECT count(*) FROM disclosure").expect("a snapshot");
    let commitments = vec![disclosure.commitment];
    let answer = store.erase(&commitments, &[]).await;
    assert!(answer.as_ref().is_err_and(|error| error.to_string().contains("erase again")), "{answer:?}");
    assert_eq!(store.disclosures(&commitments).await.map(|found| found.len()), Ok(0), "but nobody is told it any more");

    drop(reader);
    assert_eq!(store.erase(&commitments, &[]).await, Ok(0));
    assert_eq!(files_with(dir.path(), NAME.as_bytes()), Vec::<std::path::PathBuf>::new());
}
