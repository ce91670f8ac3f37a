//! What is written beside the events: lookups, jobs, disclosures, blobs, inventory.

use quell_core::{
    id::StreamId,
    personal::Disclosure,
    time::{Timestamp, after_millis},
};
use quell_engine::port::{Append, Blob, Job, JobChange, LookupChange, Store};
use quell_ledger::Hash;
use serde_json::{Value, json};

use super::{append, at, set, unset};

async fn put(store: &dyn Store, lookups: Vec<LookupChange>) {
    store.append(Append { lookups, ..Append::default() }).await.expect("an append");
}

async fn keys(store: &dyn Store, table: &str, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let rows = store.lookup_range(table, prefix, after, limit).await.expect("rows");
    rows.into_iter().map(|(key, _)| key).collect()
}

pub(super) async fn lookups_are_set_replaced_removed_and_listed(store: &dyn Store) {
    put(store, ["a", "b/1", "b/2", "b/3", "b0", "c", ""].map(|key| set("case", key, json!({ "key": key, "n": 1 }))).to_vec()).await;
    put(
        store,
        vec![
            set("other", "b/1", json!("elsewhere")),
            set("case", "b/2", json!([2, null, "two"])),
            unset("case", "c"),
            unset("case", "never"),
        ],
    )
    .await;
    // Within one append the later change counts.
    put(
        store,
        vec![set("case", "d", json!(1)), unset("case", "d"), unset("case", "e"), set("case", "e", json!(2)), set("case", "e", json!(3))],
    )
    .await;

    assert_eq!(store.lookup("case", "a").await, Ok(Some(json!({ "n": 1, "key": "a" }))));
    assert_eq!(store.lookup("case", "b/2").await, Ok(Some(json!([2, null, "two"]))));
    assert_eq!(store.lookup("case", "c").await, Ok(None));
    assert_eq!(store.lookup("case", "d").await, Ok(None));
    assert_eq!(store.lookup("case", "e").await, Ok(Some(json!(3))));
    assert_eq!(store.lookup("other", "b/1").await, Ok(Some(json!("elsewhere"))));
    assert_eq!(store.lookup("other", "a").await, Ok(None));

    for (prefix, after, limit, wanted) in [
        ("", None, 100, &["", "a", "b/1", "b/2", "b/3", "b0", "e"][..]),
        ("b/", None, 100, &["b/1", "b/2", "b/3"]),
        ("b", None, 2, &["b/1", "b/2"]),
        ("b", Some("b/2"), 100, &["b/3", "b0"]),
        ("b/", Some("b/3"), 100, &[]),
        ("b/", Some("a"), 100, &["b/1", "b/2", "b/3"]),
        ("b/", Some("z"), 100, &[]),
        ("", Some(""), 1, &["a"]),
        ("", None, 0, &[]),
        ("x", None, 100, &[]),
    ] {
        assert_eq!(keys(store, "case", prefix, after, limit).await, wanted, "prefix {prefix:?} after {after:?} limit {limit}");
    }
    // Page by page is the same as all at once.
    let mut paged: Vec<String> = Vec::new();
    while let [key] = &keys(store, "case", "", paged.last().map(String::as_str), 1).await[..] {
        paged.push(key.clone());
    }
    assert_eq!(paged, keys(store, "case", "", None, 100).await);
}

pub(super) async fn jobs_are_set_moved_done_and_due_in_order(store: &dyn Store) {
    let job = |key: &str, due_at: Timestamp| JobChange::Set(Job { key: key.to_owned(), due_at });
    let soon = after_millis(at(10), 1);
    let first = vec![
        job("late", at(100)),
        job("b", at(10)),
        job("a", at(10)),
        job("soon", soon),
        job("end", Timestamp::MAX),
        job("old", Timestamp::MIN),
    ];
    store.append(Append { jobs: first, ..Append::default() }).await.expect("an append");

    let due = |now: Timestamp, limit: u32| async move {
        let jobs = store.due(now, limit).await.expect("jobs");
        jobs.into_iter().map(|job| job.key).collect::<Vec<_>>()
    };
    assert_eq!(store.next_due().await, Ok(Some(Timestamp::MIN)));
    assert_eq!(due(at(9), 10).await, ["old"]);
    assert_eq!(due(at(10), 10).await, ["old", "a", "b"]);
    assert_eq!(due(soon, 10).await, ["old", "a", "b", "soon"]);
    assert_eq!(due(soon, 2).await, ["old", "a"]);
    assert_eq!(due(Timestamp::MAX, 10).await, ["old", "a", "b", "soon", "late", "end"]);
    assert_eq!(store.due(soon, 4).await.map(|jobs| jobs[3].due_at), Ok(soon), "a time comes back exactly");

    let done = |key: &str| JobChange::Done { key: key.to_owned() };
    let second = vec![job("late", at(1)), done("a"), done("never"), done("old"), job("b", at(2)), job("b", at(3))];
    store.append(Append { jobs: second, ..Append::default() }).await.expect("an append");
    assert_eq!(due(at(10), 10).await, ["late", "b"]);
    assert_eq!(store.next_due().await, Ok(Some(at(1))));
    assert_eq!(store.due(at(3), 10).await.map(|jobs| jobs[1].due_at), Ok(at(3)));

    // Whoever took a job puts away what it took, and nothing that was set since.
    let rest = |key: &str, taken: i64, next: Option<i64>| JobChange::Rest { key: key.to_owned(), taken: at(taken), next: next.map(at) };
    let third = vec![rest("late", 100, None), rest("b", 2, Some(500)), rest("never", 1, Some(1))];
    store.append(Append { jobs: third, ..Append::default() }).await.expect("an append");
    assert_eq!(due(at(10), 10).await, ["late", "b"], "set anew meanwhile");
    let fourth = vec![rest("late", 1, None), rest("b", 3, Some(5))];
    store.append(Append { jobs: fourth, ..Append::default() }).await.expect("an append");
    assert_eq!(store.due(at(10), 10).await, Ok(vec![Job { key: "b".to_owned(), due_at: at(5) }]));
}

pub(super) async fn disclosures_are_found_until_they_are_erased(store: &dyn Store) {
    let known = |n: u8| Disclosure { commitment: format!("{n:064x}"), salt: format!("{n:032x}"), value: format!("person {n}") };
    let stream = StreamId::new("person/u-1");
    let mut telling = append(&stream, 0, &["named"]);
    telling.disclosures = vec![known(1), known(2), known(3)];
    store.append(telling).await.expect("an append");
    // Telling the same again changes nothing.
    store.append(Append { disclosures: vec![known(1)], ..Append::default() }).await.expect("an append");
    let root = store.root(None).await;

    let all: Vec<String> = (1..=4).map(|n| known(n).commitment).collect();
    let found = store.disclosures(&all).await.expect("disclosures");
    assert_eq!(found.into_values().collect::<Vec<_>>(), [known(1), known(2), known(3)]);

    assert_eq!(store.erase(&[all[0].clone(), all[2].clone(), all[3].clone()], &[]).await, Ok(2));
    let found = store.disclosures(&all).await.expect("disclosures");
    assert_eq!(found.into_values().collect::<Vec<_>>(), [known(2)]);
    assert_eq!(store.root(None).await, root, "the events stay");
    assert_eq!(store.erase(&all[..1], &[]).await, Ok(0));
}

pub(super) async fn sealed_blobs_are_erased_and_public_ones_stay(store: &dyn Store) {
    let blob = |bytes: &[u8], sealed| Blob { id: Hash::of(bytes).hex(), bytes: bytes.to_vec(), sealed };
    let large = vec![7; 1 << 20];
    let blobs = vec![blob(b"sealed", true), blob(b"public", false), blob(b"", true), blob(&large, true)];
    let ids: Vec<String> = blobs.iter().map(|blob| blob.id.clone()).collect();
    store.append(Append { blobs: blobs.clone(), ..Append::default() }).await.expect("an append");
    store.append(Append { blobs: blobs.clone(), ..Append::default() }).await.expect("the same blobs again");
    for blob in blobs {
        assert_eq!(store.blob(&blob.id).await, Ok(Some(blob.bytes)));
    }

    assert_eq!(store.erase(&[], &ids[..2]).await, Ok(1));
    assert_eq!(store.blob(&ids[0]).await, Ok(None));
    assert_eq!(store.blob(&ids[1]).await, Ok(Some(b"public".to_vec())), "replay reads it");
    assert_eq!(store.blob(&ids[3]).await, Ok(Some(large)));
}

pub(super) async fn a_rebuild_tells_whether_the_rows_were_equal(store: &dyn Store) {
    assert_eq!(store.rebuild(vec![]).await, Ok(true));
    put(store, vec![set("case", "C-1", json!({ "a": 1, "b": [2] })), set("inbox", "u-1", json!("x"))]).await;
    store.put_inventory(vec![("pg-main".to_owned(), Some(json!(1)))]).await.expect("inventory");

    // As a replay makes them: change after change, keys in any order.
    let replayed = vec![
        set("inbox", "u-2", json!("gone")),
        set("case", "C-1", json!("old")),
        set("inbox", "u-1", json!("x")),
        set("case", "C-1", json!({ "b": [2], "a": 1 })),
        unset("inbox", "u-2"),
    ];
    assert_eq!(store.rebuild(replayed.clone()).await, Ok(true));
    assert_eq!(store.lookup("case", "C-1").await, Ok(Some(json!({ "a": 1, "b": [2] }))));

    for (why, damage) in [
        ("a row too many", set("case", "C-2", json!(1))),
        ("a row too few", unset("inbox", "u-1")),
        ("another value", set("case", "C-1", json!({ "a": 1, "b": [3] }))),
    ] {
        put(store, vec![damage]).await;
        assert_eq!(store.rebuild(replayed.clone()).await, Ok(false), "{why}");
        assert_eq!(store.rebuild(replayed.clone()).await, Ok(true), "{why}");
        assert_eq!(store.lookup("case", "C-1").await, Ok(Some(json!({ "a": 1, "b": [2] }))), "{why}");
        assert_eq!(store.lookup("inbox", "u-1").await, Ok(Some(json!("x"))), "{why}");
        assert_eq!(store.lookup("case", "C-2").await, Ok(None), "{why}");
    }
    assert_eq!(store.inventory().await.map(|rows| rows.len()), Ok(1), "observed facts are no projection");
}

pub(super) async fn inventory_is_put_replaced_and_removed(store: &dyn Store) {
    let row = |key: &str, value: Option<Value>| (key.to_owned(), value);
    store
        .put_inventory(vec![row("b", Some(json!(1))), row("a", Some(json!({ "kind": "human" }))), row("c", Some(json!(3)))])
        .await
        .expect("inventory");
    store.put_inventory(vec![row("b", Some(json!(2))), row("c", None), row("never", None)]).await.expect("inventory");
    assert_eq!(store.inventory().await, Ok(vec![("a".to_owned(), json!({ "kind": "human" })), ("b".to_owned(), json!(2))]));
    assert_eq!(store.size().await, Ok(0));
}
