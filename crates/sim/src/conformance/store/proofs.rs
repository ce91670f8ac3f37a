//! Proofs that a stranger's verification accepts, at every size.

use quell_engine::port::{Store, StoreError};
use quell_ledger::{
    Hash,
    proof::{verify_consistency, verify_inclusion},
    tree,
};

use super::fill;

/// Around the widths where the tree changes its shape.
const SIZES: [u64; 13] = [1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 64, 100, 133];

async fn root(store: &dyn Store, size: u64) -> Hash {
    let (found, root) = store.root(Some(size)).await.expect("a root");
    assert_eq!(found, size);
    Hash(root)
}

fn hashes(path: Vec<[u8; 32]>) -> Vec<Hash> {
    path.into_iter().map(Hash).collect()
}

pub(super) async fn every_leaf_is_proved_in_every_size(store: &dyn Store) {
    fill(store, 133).await;
    let leaves: Vec<Hash> = store.leaves(0, 1000).await.expect("leaves").iter().map(|event| Hash(event.leaf.hash)).collect();
    assert_eq!(store.root(None).await, Ok((133, tree::root(&leaves).0)));

    for size in SIZES {
        let root = root(store, size).await;
        assert_eq!(root, tree::root(&leaves[..size as usize]), "size {size}");
        for index in 0..size {
            let path = hashes(store.inclusion(index, size).await.expect("a path"));
            let leaf = &leaves[index as usize];
            assert_eq!(verify_inclusion(index, size, leaf, &path, &root), Ok(()), "leaf {index} of {size}");
        }
    }
}

pub(super) async fn every_size_is_proved_to_extend_every_earlier_one(store: &dyn Store) {
    fill(store, 133).await;
    for new in SIZES {
        let new_root = root(store, new).await;
        for old in 0..=new {
            let old_root = root(store, old).await;
            let path = hashes(store.consistency(old, new).await.expect("a path"));
            assert_eq!(verify_consistency(old, new, &old_root, &new_root, &path), Ok(()), "{old} to {new}");
        }
    }
}

pub(super) async fn proofs_beyond_the_log_are_refused(store: &dyn Store) {
    fill(store, 5).await;
    let refused = |answer: Result<_, StoreError>| matches!(answer, Err(StoreError::Refused(_)));
    assert!(matches!(store.root(Some(6)).await, Err(StoreError::Refused(_))));
    assert!(matches!(store.root(Some(u64::MAX)).await, Err(StoreError::Refused(_))));
    assert!(refused(store.inclusion(0, 6).await));
    assert!(refused(store.inclusion(5, 5).await));
    assert!(refused(store.inclusion(u64::MAX, u64::MAX).await));
    assert!(refused(store.consistency(3, 6).await));
    assert!(refused(store.consistency(4, 3).await));
}

pub(super) async fn a_checkpoint_is_kept_only_if_it_extends_the_one_before(store: &dyn Store) {
    fill(store, 5).await;
    let (at_3, at_5) = (root(store, 3).await.0, root(store, 5).await.0);
    store.keep_checkpoint("three", 3, at_3).await.expect("a checkpoint");
    assert_eq!(store.checkpoint().await, Ok(Some("three".to_owned())));

    for (why, size, root) in [
        ("another root", 5, at_3),
        ("smaller", 2, root(store, 2).await.0),
        ("larger than the log", 6, at_5),
        ("the same size with another root", 3, at_5),
    ] {
        assert!(matches!(store.keep_checkpoint("bad", size, root).await, Err(StoreError::Refused(_))), "{why}");
        assert_eq!(store.checkpoint().await, Ok(Some("three".to_owned())), "{why}");
    }
    store.keep_checkpoint("three, signed again", 3, at_3).await.expect("the same once more");
    store.keep_checkpoint("five", 5, at_5).await.expect("a checkpoint");
    assert_eq!(store.checkpoint().await, Ok(Some("five".to_owned())));
}
