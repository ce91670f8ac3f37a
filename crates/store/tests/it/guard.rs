//! A store that is older than what was signed last signs nothing by itself.

use std::{fs, path::Path};

use quell_engine::port::{Store, StoreError};
use quell_store::SqliteStore;

use crate::{append, directory, open};

/// Appends up to `size` leaves to one stream, each with `text`.
async fn grow(store: &SqliteStore, size: u64, text: &str) {
    for version in store.size().await.expect("a size")..size {
        store.append(append("case/C-1", version, &[&format!("{text} {version}")])).await.expect("an append");
    }
}

async fn keep(store: &SqliteStore) -> Result<(), StoreError> {
    let (size, root) = store.root(None).await.expect("a root");
    store.keep_checkpoint(&format!("note of {size}"), size, root).await
}

/// A directory whose database was put back to 3 leaves after 5 were signed.
async fn put_back(dir: &Path) {
    let (database, backup) = (dir.join("quell.db"), dir.join("backup"));
    let store = open(dir);
    grow(&store, 3, "leaf").await;
    keep(&store).await.expect("a checkpoint");
    drop(store);
    fs::copy(&database, &backup).expect("a backup");
    let store = open(dir);
    grow(&store, 5, "leaf").await;
    keep(&store).await.expect("a checkpoint");
    drop(store);
    fs::rename(&backup, &database).expect("the backup in place");
}

#[tokio::test]
async fn an_older_store_is_read_and_written_but_signs_only_after_a_decision() {
    let dir = directory();
    put_back(dir.path()).await;

    let store = open(dir.path());
    let doubt = store.doubt().await.expect("an answer").expect("a doubt");
    assert!(doubt.contains("3 leaves") && doubt.contains('5'), "{doubt}");
    assert_eq!(store.size().await, Ok(3));
    assert_eq!(store.checkpoint().await, Ok(Some("note of 3".to_owned())));
    assert!(matches!(keep(&store).await, Err(StoreError::Damaged(_))));

    // Growing past the signed size with other leaves is a fork, not a cure.
    grow(&store, 6, "other leaf").await;
    assert!(matches!(keep(&store).await, Err(StoreError::Damaged(_))));
    drop(store);
    let store = open(dir.path());
    let doubt = store.doubt().await.expect("an answer").expect("a doubt");
    assert!(doubt.contains("not those"), "{doubt}");

    assert!(matches!(store.accept_older("  ").await, Err(StoreError::Refused(_))), "a reason is asked for");
    store.accept_older("the disk died; backup of Monday").await.expect("accepted");
    assert_eq!(store.doubt().await, Ok(None));
    keep(&store).await.expect("a checkpoint");
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.doubt().await, Ok(None), "the decision lasts");
    assert!(matches!(store.accept_older("again").await, Err(StoreError::Refused(_))));
}

#[tokio::test]
async fn the_decision_is_remembered_with_its_reason_and_what_it_replaced() {
    let dir = directory();
    put_back(dir.path()).await;
    let store = open(dir.path());
    store.accept_older("backup of Monday").await.expect("accepted");
    let memory = fs::read_to_string(dir.path().join("last-checkpoint.json")).expect("the memory");
    let memory: serde_json::Value = serde_json::from_str(&memory).expect("JSON");
    assert_eq!(memory["accepted"]["reason"], "backup of Monday");
    assert_eq!(memory["accepted"]["instead_of"]["note"], "note of 5");
    assert_eq!(memory["size"], 3);
}

#[tokio::test]
async fn a_memory_that_is_missing_unreadable_or_of_another_log_is_a_doubt() {
    for (damage, word) in [(None, "missing"), (Some("{"), "cannot be read"), (Some("fork"), "not those")] {
        let dir = directory();
        let memory = dir.path().join("last-checkpoint.json");
        let store = open(dir.path());
        grow(&store, 2, "leaf").await;
        assert_eq!(store.doubt().await, Ok(None), "nothing was signed yet");
        keep(&store).await.expect("a checkpoint");
        drop(store);

        match damage {
            None => fs::remove_file(&memory).expect("gone"),
            Some("fork") => {
                let text = fs::read_to_string(&memory).expect("the memory");
                let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                json["root"] = "ab".repeat(32).into();
                fs::write(&memory, json.to_string()).expect("another root");
            }
            Some(text) => fs::write(&memory, text).expect("garbage"),
        }
        let store = open(dir.path());
        let doubt = store.doubt().await.expect("an answer").expect("a doubt");
        assert!(doubt.contains(word), "{doubt}");
        assert!(matches!(keep(&store).await, Err(StoreError::Damaged(_))), "{word}");
        store.accept_older("looked at by two people").await.expect("accepted");
        keep(&store).await.expect("a checkpoint");
    }
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_remembered_outside_is_not_kept() {
    let dir = directory();
    let store = open(dir.path());
    grow(&store, 2, "leaf").await;
    // A directory in the way of the file that is renamed into place.
    fs::create_dir(dir.path().join("last-checkpoint.json")).expect("an obstacle");
    assert!(matches!(keep(&store).await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.checkpoint().await, Ok(None));
}
