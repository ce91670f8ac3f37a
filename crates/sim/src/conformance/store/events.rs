//! Appending and reading back, and what is refused.

use std::sync::Arc;

use quell_core::{id::StreamId, personal::Disclosure};
use quell_engine::port::{Append, Appended, Blob, Head, Job, JobChange, Store, StoreError};
use quell_ledger::{Hash, leaf as ledger_leaf, tree};
use serde_json::json;

use super::{append, at, leaf, set};

pub(super) async fn an_empty_store_answers_everything_with_nothing(store: &dyn Store) {
    let stream = StreamId::new("case/C-1");
    assert_eq!(store.size().await, Ok(0));
    assert_eq!(store.root(None).await, Ok((0, tree::empty_root().0)));
    assert_eq!(store.root(Some(0)).await, Ok((0, tree::empty_root().0)));
    assert_eq!(store.head(&stream).await, Ok(None));
    assert_eq!(store.read(&stream, 1).await, Ok(vec![]));
    assert_eq!(store.streams("").await, Ok(vec![]));
    assert_eq!(store.leaves(0, 10).await, Ok(vec![]));
    assert_eq!(store.disclosures(&["00".to_owned()]).await.map(|found| found.len()), Ok(0));
    assert_eq!(store.lookup("case", "C-1").await, Ok(None));
    assert_eq!(store.lookup_range("case", "", None, 10).await, Ok(vec![]));
    assert_eq!(store.due(at(0), 10).await, Ok(vec![]));
    assert_eq!(store.next_due().await, Ok(None));
    assert_eq!(store.blob("00").await, Ok(None));
    assert_eq!(store.inventory().await, Ok(vec![]));
    assert_eq!(store.checkpoint().await, Ok(None));
    assert_eq!(store.erase(&["00".to_owned()], &["00".to_owned()]).await, Ok(0));
}

pub(super) async fn what_was_appended_is_read_back(store: &dyn Store) {
    let (case, target) = (StreamId::new("case/C-1"), StreamId::new("target/t-1"));
    let first = append(&case, 0, &["a", "b"]);
    assert_eq!(store.append(first).await, Ok(Appended { first_index: 0 }));

    let mut second = append(&case, 2, &["c"]);
    second.leaves.push(leaf(&target, 1, "d"));
    second.leaves.push(leaf(&case, 4, "e"));
    second.expects.push((target.clone(), 0));
    second.urgent = true;
    assert_eq!(store.append(second).await, Ok(Appended { first_index: 2 }));

    let events = store.read(&case, 1).await.expect("the case");
    let found: Vec<(u64, u64, &[u8])> = events.iter().map(|e| (e.index, e.leaf.version, &e.leaf.bytes[..])).collect();
    assert_eq!(found, [(0, 1, &b"a"[..]), (1, 2, b"b"), (2, 3, b"c"), (4, 4, b"e")]);
    assert!(events.iter().all(|e| e.leaf.stream == case && e.leaf.hash == ledger_leaf::hash(&e.leaf.bytes).0));

    assert_eq!(store.read(&case, 3).await.map(|events| events.len()), Ok(2));
    assert_eq!(store.read(&case, 5).await, Ok(vec![]));
    let hash = ledger_leaf::hash(b"d").0;
    assert_eq!(store.head(&target).await, Ok(Some(Head { version: 1, hash, index: 3 })));
    assert_eq!(store.head(&case).await.map(|head| head.map(|head| (head.version, head.index))), Ok(Some((4, 4))));
    assert_eq!(store.size().await, Ok(5));

    let log = store.leaves(1, 3).await.expect("leaves");
    let found: Vec<(u64, &str)> = log.iter().map(|e| (e.index, e.leaf.stream.as_str())).collect();
    assert_eq!(found, [(1, "case/C-1"), (2, "case/C-1"), (3, "target/t-1")]);
    assert_eq!(store.leaves(5, 3).await, Ok(vec![]));
    assert_eq!(store.streams("").await, Ok(vec![case.clone(), target.clone()]));
    assert_eq!(store.streams("target/").await, Ok(vec![target]));
}

pub(super) async fn a_version_that_moved_on_is_stale(store: &dyn Store) {
    let (case, policy) = (StreamId::new("case/C-1"), StreamId::policy());
    store.append(append(&case, 0, &["a", "b"])).await.expect("an append");
    store.append(append(&policy, 0, &["p"])).await.expect("an append");

    for expected in [0, 1, 3] {
        let stale = StoreError::Stale { stream: case.clone(), expected, found: 2 };
        assert_eq!(store.append(append(&case, expected, &["c"])).await, Err(stale));
    }
    // A stream that was only read counts as much as one that is written.
    for expected in [0, 2] {
        let mut reading = append(&case, 2, &["c"]);
        reading.expects.push((policy.clone(), expected));
        let stale = StoreError::Stale { stream: policy.clone(), expected, found: 1 };
        assert_eq!(store.append(reading).await, Err(stale));
    }
    let mut missing = append(&case, 2, &["c"]);
    missing.expects.push((StreamId::new("case/C-2"), 1));
    assert_eq!(store.append(missing).await, Err(StoreError::Stale { stream: StreamId::new("case/C-2"), expected: 1, found: 0 }));

    let mut reading = append(&case, 2, &["c"]);
    reading.expects.push((policy, 1));
    reading.expects.push((StreamId::new("case/C-2"), 0));
    assert_eq!(store.append(reading).await, Ok(Appended { first_index: 3 }));
}

pub(super) async fn a_stale_append_leaves_nothing_behind(store: &dyn Store) {
    let (case, other) = (StreamId::new("case/C-1"), StreamId::new("case/C-2"));
    store.append(append(&case, 0, &["a"])).await.expect("an append");
    let before = store.root(None).await;

    let blob = Blob { id: Hash::of(b"blob").hex(), bytes: b"blob".to_vec(), sealed: true };
    let mut stale = append(&other, 0, &["x", "y"]);
    stale.expects.push((case.clone(), 0));
    stale.jobs.push(JobChange::Set(Job { key: "job".to_owned(), due_at: at(0) }));
    stale.disclosures.push(Disclosure { commitment: "c0".to_owned(), salt: "00".to_owned(), value: "v".to_owned() });
    stale.lookups.push(set("case", "C-2", json!(1)));
    stale.blobs.push(blob.clone());
    assert!(matches!(store.append(stale.clone()).await, Err(StoreError::Stale { .. })));

    assert_eq!(store.root(None).await, before);
    assert_eq!(store.head(&other).await, Ok(None));
    assert_eq!(store.streams("").await, Ok(vec![case.clone()]));
    assert_eq!(store.next_due().await, Ok(None));
    assert_eq!(store.disclosures(&["c0".to_owned()]).await.map(|found| found.len()), Ok(0));
    assert_eq!(store.lookup("case", "C-2").await, Ok(None));
    assert_eq!(store.blob(&blob.id).await, Ok(None));

    // The same with the right version: all of it.
    stale.expects = vec![(other.clone(), 0), (case, 1)];
    assert_eq!(store.append(stale).await, Ok(Appended { first_index: 1 }));
    assert_eq!(store.next_due().await, Ok(Some(at(0))));
    assert_eq!(store.disclosures(&["c0".to_owned()]).await.map(|found| found.len()), Ok(1));
    assert_eq!(store.lookup("case", "C-2").await, Ok(Some(json!(1))));
    assert_eq!(store.blob(&blob.id).await, Ok(Some(blob.bytes)));
}

pub(super) async fn a_broken_contract_is_refused(store: &dyn Store) {
    let (case, other) = (StreamId::new("case/C-1"), StreamId::new("case/C-2"));
    let good = append(&case, 0, &["a", "b"]);
    let broken = |change: fn(&mut Append, &StreamId)| {
        let mut append = good.clone();
        change(&mut append, &other);
        append
    };
    for (why, append) in [
        ("no expectation", broken(|a, other| a.leaves[1] = leaf(other, 1, "b"))),
        ("a gap", broken(|a, _| a.leaves[1].version = 3)),
        ("a repetition", broken(|a, _| a.leaves[1].version = 1)),
        ("a start above the expectation", broken(|a, _| a.expects[0].1 = 1)),
        ("an expectation twice", broken(|a, _| a.expects.push(a.expects[0].clone()))),
        ("another hash", broken(|a, _| a.leaves[0].hash[31] ^= 1)),
        ("other bytes", broken(|a, _| a.leaves[0].bytes.push(b'!'))),
        (
            "too many bytes",
            broken(|a, other| {
                a.leaves.push(leaf(other, 1, &"x".repeat(64 * 1024 + 1)));
                a.expects.push((other.clone(), 0));
            }),
        ),
        ("a blob under another name", broken(|a, _| a.blobs.push(Blob { id: Hash::of(b"1").hex(), bytes: b"2".to_vec(), sealed: false }))),
    ] {
        assert!(matches!(store.append(append).await, Err(StoreError::Refused(_))), "{why}");
        assert_eq!(store.size().await, Ok(0), "{why}");
    }
    assert_eq!(store.append(good.clone()).await, Ok(Appended { first_index: 0 }));
}

pub(super) async fn the_largest_leaf_fits(store: &dyn Store) {
    let stream = StreamId::new("case/C-1");
    let text = "x".repeat(64 * 1024);
    store.append(append(&stream, 0, &[&text, ""])).await.expect("an append");
    let events = store.read(&stream, 1).await.expect("the stream");
    assert_eq!(events.iter().map(|event| event.leaf.bytes.len()).collect::<Vec<_>>(), [64 * 1024, 0]);
}

pub(super) async fn names_hold_any_character(store: &dyn Store) {
    let mut names =
        ["case/%", "case/_", "case/'; DROP TABLE leaf; --", "case/a\0b", "case/a\0c", "case/\u{202e}x", "case/\u{10ffff}", "case/é*"]
            .map(StreamId::new);
    for name in &names {
        store.append(append(name, 0, &["a"])).await.expect("an append");
        let lookups = vec![set("names", name.as_str(), json!({ "name": name.as_str() }))];
        store.append(Append { lookups, ..Append::default() }).await.expect("an append");
    }
    names.sort();
    assert_eq!(store.streams("case/").await, Ok(names.to_vec()));
    assert_eq!(store.streams("case/%").await, Ok(vec![StreamId::new("case/%")]));
    assert_eq!(store.streams("case/a\0").await, Ok(vec![StreamId::new("case/a\0b"), StreamId::new("case/a\0c")]));
    for name in &names {
        assert_eq!(store.head(name).await.map(|head| head.map(|head| head.version)), Ok(Some(1)), "{name:?}");
        assert_eq!(store.lookup("names", name.as_str()).await, Ok(Some(json!({ "name": name.as_str() }))));
    }
    let listed = store.lookup_range("names", "case/", None, 100).await.expect("rows");
    assert_eq!(listed.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), names.iter().map(StreamId::as_str).collect::<Vec<_>>());
}

pub(super) async fn what_was_acknowledged_is_there_after_opening_again(open: impl Fn() -> Arc<dyn Store>) {
    let stream = StreamId::new("case/C-1");
    for n in 0..5 {
        let store = open();
        assert_eq!(store.size().await, Ok(n));
        let mut next = append(&stream, n, &[&format!("leaf {n}")]);
        next.lookups.push(set("case", &n.to_string(), json!(n)));
        next.jobs.push(JobChange::Set(Job { key: n.to_string(), due_at: at(5 - n as i64) }));
        assert_eq!(store.append(next).await, Ok(Appended { first_index: n }));
        let (size, root) = store.root(None).await.expect("a root");
        store.keep_checkpoint(&format!("note {n}"), size, root).await.expect("a checkpoint");
        drop(store);

        let store = open();
        assert_eq!(store.root(None).await, Ok((size, root)));
        assert_eq!(store.read(&stream, 1).await.map(|events| events.len() as u64), Ok(n + 1));
        assert_eq!(store.checkpoint().await, Ok(Some(format!("note {n}"))));
        assert_eq!(store.lookup_range("case", "", None, 10).await.map(|rows| rows.len() as u64), Ok(n + 1));
        assert_eq!(store.next_due().await, Ok(Some(at(5 - n as i64))));
        assert!(matches!(store.append(append(&stream, n, &["again"])).await, Err(StoreError::Stale { .. })));
    }
}
