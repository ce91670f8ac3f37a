//! Every kind of damage is found, at open where it is cheap, else by reading all.

use quell_engine::port::{Append, Blob, Store, StoreError};
use quell_ledger::Hash;
use quell_store::{OpenMode, SqliteStore};

use crate::{append, directory, open};

#[tokio::test]
async fn every_changed_row_is_found() {
    for (sql, word) in [
        ("UPDATE leaf SET bytes = CAST('another event' AS BLOB) WHERE idx = 2", "leaf 2: its bytes"),
        (
            "UPDATE leaf SET bytes = (SELECT bytes FROM leaf WHERE idx = 3), hash = (SELECT hash FROM leaf WHERE idx = 3) WHERE idx = 2",
            "leaf 3: the subtrees",
        ),
        ("UPDATE leaf SET hash = zeroblob(32) WHERE idx = 0", "leaf 0: its bytes"),
        ("UPDATE leaf SET above = zeroblob(32) WHERE idx = 1", "leaf 1: the subtrees"),
        ("UPDATE leaf SET version = 9 WHERE idx = 4", "leaf 4: version 9"),
        ("UPDATE leaf SET stream = 77 WHERE idx = 4", "no stream"),
        ("DELETE FROM leaf WHERE idx = 2", "leaf 2 is missing"),
        ("UPDATE checkpoint SET root = zeroblob(32)", "another root"),
        ("UPDATE blob SET bytes = CAST('b' AS BLOB)", "other bytes"),
    ] {
        let dir = directory();
        let store = open(dir.path());
        let blob = Blob { id: Hash::of(b"a").hex(), bytes: b"a".to_vec(), sealed: false };
        store.append(Append { blobs: vec![blob], ..append("case/C-1", 0, &["0", "1", "2"]) }).await.expect("an append");
        store.append(append("case/C-2", 0, &["3", "4"])).await.expect("an append");
        let (size, root) = store.root(None).await.expect("a root");
        store.keep_checkpoint("note", size, root).await.expect("a checkpoint");
        assert_eq!(store.verify().await.map(|whole| (whole.size, whole.root)), Ok((size, root)));

        rusqlite::Connection::open(dir.path().join("quell.db")).and_then(|conn| conn.execute_batch(sql)).expect(sql);
        let found = store.verify().await;
        assert!(matches!(&found, Err(StoreError::Damaged(what)) if what.contains(word)), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn a_lost_tail_is_found_at_open() {
    let dir = directory();
    let store = open(dir.path());
    store.append(append("case/C-1", 0, &["0", "1", "2"])).await.expect("an append");
    drop(store);
    rusqlite::Connection::open(dir.path().join("quell.db"))
        .and_then(|conn| conn.execute("DELETE FROM leaf WHERE idx = 2", []))
        .expect("a deletion");
    let Err(refused) = SqliteStore::open(dir.path(), OpenMode::Existing) else { panic!("opened without its last leaf") };
    assert!(refused.to_string().contains("2 leaves, its tree has 3"), "{refused}");
}
