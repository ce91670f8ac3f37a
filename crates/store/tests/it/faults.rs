//! A disk that is full, a database that is locked: nothing half, and it goes on.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use quell_engine::port::{Append, Blob, Store, StoreError};
use quell_ledger::Hash;
use quell_store::{OpenMode, Options, SqliteStore};

use crate::{append, crash, directory, open};

fn impatient(dir: &Path, page_count_max: Option<u32>) -> SqliteStore {
    let options = Options { busy_timeout: Duration::from_millis(100), page_count_max, ..Options::default() };
    SqliteStore::open_with(dir, OpenMode::Create, options).expect("a store")
}

#[tokio::test]
async fn a_locked_database_is_unavailable_after_the_timeout_and_works_again() {
    let dir = directory();
    let store = impatient(dir.path(), None);
    store.append(append("case/C-1", 0, &["a"])).await.expect("an append");
    let root = store.root(None).await;

    let other = rusqlite::Connection::open(dir.path().join("quell.db")).expect("the database");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    for answer in [
        store.append(append("case/C-1", 1, &["b"])).await.map(|_| ()),
        store.erase(&["c".to_owned()], &[]).await.map(|_| ()),
        store.put_inventory(vec![("a".to_owned(), None)]).await,
    ] {
        assert!(matches!(&answer, Err(StoreError::Unavailable(why)) if why.contains("close it")), "{answer:?}");
    }
    assert_eq!(store.root(None).await, root);
    assert_eq!(store.read(&append("case/C-1", 0, &[]).expects[0].0, 1).await.map(|events| events.len()), Ok(1), "reads go on");

    other.execute_batch("ROLLBACK").expect("the lock is gone");
    assert_eq!(store.append(append("case/C-1", 1, &["b"])).await.map(|at| at.first_index), Ok(1));
    assert_eq!(store.verify().await.map(|whole| whole.size), Ok(2));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_leaves_nothing_half_written() {
    let dir = directory();
    let store = impatient(dir.path(), Some(64));
    store.append(append("case/C-1", 0, &["a"])).await.expect("an append");
    let before = store.root(None).await;

    let bytes = vec![7; 1 << 20];
    let blob = Blob { id: Hash::of(&bytes).hex(), bytes, sealed: true };
    let large = Append { blobs: vec![blob.clone()], ..append("case/C-1", 1, &["b"]) };
    let answer = store.append(large.clone()).await;
    assert!(matches!(&answer, Err(StoreError::Unavailable(why)) if why.contains("full")), "{answer:?}");
    assert_eq!(store.root(None).await, before);
    assert_eq!(store.blob(&blob.id).await, Ok(None));

    // What fits is still taken, and versions go on as if nothing had been.
    assert_eq!(store.append(append("case/C-1", 1, &["c"])).await.map(|at| at.first_index), Ok(1));
    assert_eq!(store.verify().await.map(|whole| whole.size), Ok(2));
    drop(store);

    let store = open(dir.path());
    let later = Append { expects: vec![(large.expects[0].0.clone(), 2)], leaves: append("case/C-1", 2, &["b"]).leaves, ..large };
    assert_eq!(store.append(later).await.map(|at| at.first_index), Ok(2), "with space again");
    assert_eq!(store.verify().await.map(|whole| whole.size), Ok(3));
}

/// The kernel refuses every byte beyond 400 KiB of a file: the write itself
/// fails, in the middle of the write-ahead log.
#[tokio::test]
async fn a_write_that_fails_half_way_loses_nothing_that_was_acknowledged() {
    let dir = directory();
    let mut child = Command::new("sh");
    child.args(["-c", "trap '' XFSZ; ulimit -f 800; exec \"$0\" \"$@\""]);
    let child = crash::child(child, dir.path()).stdout(Stdio::piped()).spawn().expect("sh");
    let output = child.wait_with_output().expect("an end");
    let (acknowledged, ended) = crash::read(&output.stdout[..]);
    assert!(ended.is_some_and(|why| why.contains("cannot write")), "the child ended with {}", output.status);
    assert!(acknowledged.len() > 10, "only {} appends fitted", acknowledged.len());
    crash::assert_all_there(dir.path(), &acknowledged).await;
}
