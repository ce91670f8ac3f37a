//! The store in memory keeps the promises of every store, and fails when told to.

use std::sync::Arc;

use quell_core::id::StreamId;
use quell_engine::port::{Append, Leaf, Store, StoreError};
use quell_ledger::leaf;
use quell_sim::{
    conformance,
    memory::{Fault, MemoryStore},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_memory_conforms() {
    conformance::store::run(|| {
        let place = MemoryStore::new();
        move || -> Arc<dyn Store> { Arc::new(place.clone()) }
    })
    .await;
}

#[tokio::test]
async fn a_fault_refuses_every_write_and_no_read_and_leaves_nothing() {
    let store = MemoryStore::new();
    let stream = StreamId::new("case/C-1");
    let append = |version: u64| Append {
        leaves: vec![Leaf { stream: stream.clone(), version, hash: leaf::hash(b"x").0, bytes: b"x".to_vec() }],
        expects: vec![(stream.clone(), version - 1)],
        ..Append::default()
    };
    store.append(append(1)).await.expect("an append");
    for fault in [Fault::DiskFull, Fault::Locked] {
        let root = store.root(None).await.expect("a root");
        store.set_fault(Some(fault));
        for answer in [
            store.append(append(root.0 + 1)).await.map(|_| ()),
            store.erase(&["c".to_owned()], &[]).await.map(|_| ()),
            store.rebuild(vec![]).await.map(|_| ()),
            store.put_inventory(vec![("a".to_owned(), None)]).await,
            store.keep_checkpoint("note", root.0, root.1).await,
        ] {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{fault:?}: {answer:?}");
        }
        assert_eq!(store.root(None).await, Ok(root));
        assert_eq!(store.checkpoint().await, Ok(None));

        store.set_fault(None);
        store.append(append(root.0 + 1)).await.expect("an append after the fault");
    }
}
