//! The embedded store keeps the promises of every store, and some of its own.

use std::{fs, future::poll_fn, os::unix::fs::PermissionsExt, path::Path, pin::Pin, sync::Arc, task::Poll};

use quell_core::id::StreamId;
use quell_engine::port::{Append, Appended, Store, StoreError};
use quell_sim::conformance;
use quell_store::{OpenError, OpenMode, SqliteStore};

use crate::{append, directory, open};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_conforms() {
    conformance::store::run(|| {
        let place = directory();
        move || -> Arc<dyn Store> { Arc::new(open(place.path())) }
    })
    .await;
}

type Pending<'s> = Pin<Box<dyn Future<Output = Result<Appended, StoreError>> + Send + 's>>;

/// Hands in an append without waiting for its answer.
async fn hand_in(store: &SqliteStore, append: Append) -> Pending<'_> {
    let mut answer = store.append(append);
    let waits = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context).is_pending())).await;
    assert!(waits, "nothing is answered while the database is locked");
    answer
}

/// A batch of its own: whatever is handed in after it waits for the next one.
const FULL: [&str; 256] = ["fills"; 256];

/// Holds the database until it is dropped, so that appends gather.
fn lock(dir: &Path) -> rusqlite::Connection {
    let conn = rusqlite::Connection::open(dir.join("quell.db")).expect("the database");
    conn.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    conn
}

#[tokio::test]
async fn in_one_batch_the_first_wins_and_a_stale_one_disturbs_nobody() {
    let dir = directory();
    let store = open(dir.path());
    let held = lock(dir.path());
    let _first = hand_in(&store, append("case/C-0", 0, &FULL)).await;
    let winner = hand_in(&store, append("case/C-1", 0, &["winner"])).await;
    let mut half = append("case/C-2", 0, &["never"]);
    half.expects.push((StreamId::new("case/C-1"), 0));
    let loser = hand_in(&store, half).await;
    let follower = hand_in(&store, append("case/C-1", 1, &["follower"])).await;
    let bystander = hand_in(&store, append("case/C-2", 0, &["bystander"])).await;
    drop(held);

    assert_eq!(winner.await, Ok(Appended { first_index: 256 }));
    assert_eq!(loser.await, Err(StoreError::Stale { stream: StreamId::new("case/C-1"), expected: 0, found: 1 }));
    assert_eq!(follower.await, Ok(Appended { first_index: 257 }));
    assert_eq!(bystander.await, Ok(Appended { first_index: 258 }));
    assert_eq!(store.verify().await.map(|whole| whole.size), Ok(259));
}

#[tokio::test]
async fn urgent_appends_go_before_all_that_wait() {
    let dir = directory();
    let store = open(dir.path());
    let held = lock(dir.path());
    let _first = hand_in(&store, append("case/C-0", 0, &FULL)).await;
    let mut ordinary = Vec::new();
    for n in 1..=3 {
        ordinary.push(hand_in(&store, append(&format!("source/alert/{n}"), 0, &["alert"])).await);
    }
    let urgent = Append { urgent: true, ..append("case/C-1", 0, &["act"]) };
    let urgent = hand_in(&store, urgent).await;
    drop(held);

    let urgent = urgent.await.expect("an append").first_index;
    for (answer, n) in ordinary.into_iter().zip(1..) {
        let ordinary = answer.await.expect("an append").first_index;
        assert!(urgent < ordinary, "urgent at {urgent}, ordinary {n} at {ordinary}");
    }
}

#[tokio::test]
async fn an_urgent_append_that_does_not_fit_is_not_overtaken_by_a_small_one() {
    let dir = directory();
    let store = open(dir.path());
    let held = lock(dir.path());
    let _first = hand_in(&store, append("case/C-0", 0, &FULL)).await;
    let small = hand_in(&store, append("source/alert/1", 0, &["alert"])).await;
    let wide = ["act"; 200];
    let urgent = |stream| Append { urgent: true, ..append(stream, 0, &wide) };
    let (one, two) = (hand_in(&store, urgent("case/C-1")).await, hand_in(&store, urgent("case/C-2")).await);
    drop(held);

    let (one, two, small) = (one.await.expect("an append"), two.await.expect("an append"), small.await.expect("an append"));
    assert!(one.first_index < two.first_index && two.first_index < small.first_index, "{one:?} {two:?} {small:?}");
}

#[tokio::test]
async fn an_append_larger_than_a_batch_is_still_one() {
    let dir = directory();
    let store = open(dir.path());
    let texts: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(store.append(append("case/C-1", 0, &texts)).await, Ok(Appended { first_index: 0 }));
    assert_eq!(store.verify().await.map(|whole| whole.size), Ok(1000));
}

#[tokio::test]
async fn what_was_handed_in_is_written_before_the_store_closes() {
    let dir = directory();
    let store = open(dir.path());
    let held = lock(dir.path());
    // The second one still waits in line when the store is told to close.
    drop(hand_in(&store, append("case/C-0", 0, &FULL)).await);
    drop(hand_in(&store, append("case/C-1", 0, &["a"])).await);
    drop(held);
    drop(store);
    assert_eq!(open(dir.path()).size().await, Ok(257), "a caller who left changes nothing");
}

#[test]
fn one_process_at_a_time_and_the_other_is_told_which() {
    let dir = directory();
    let first = open(dir.path());
    let Err(refused) = SqliteStore::open(dir.path(), OpenMode::Existing) else { panic!("two at once") };
    assert!(matches!(refused, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{refused}");
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    drop(first);
    open(dir.path());
}

#[test]
fn a_missing_store_is_made_only_when_asked() {
    let dir = directory();
    let place = dir.path().join("deep").join("data");
    assert!(matches!(SqliteStore::open(&place, OpenMode::Existing), Err(OpenError::Missing(_))));
    assert!(!place.exists());
    drop(open(&place));
    SqliteStore::open(&place, OpenMode::Existing).expect("the store made before");
}

#[test]
fn the_data_directory_is_closed_to_others() {
    let dir = directory();
    for place in ["fresh", "wide"].map(|name| dir.path().join(name)) {
        if place.ends_with("wide") {
            fs::create_dir(&place).expect("a directory");
            fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        drop(open(&place));
        assert_eq!(fs::metadata(&place).expect("a directory").permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_database_of_another_program_or_a_newer_format_is_refused() {
    for (sql, word) in [("CREATE TABLE other (a)", "another program"), ("PRAGMA user_version=2", "format 2")] {
        let dir = directory();
        rusqlite::Connection::open(dir.path().join("quell.db")).and_then(|conn| conn.execute_batch(sql)).expect("a database");
        let Err(refused) = SqliteStore::open(dir.path(), OpenMode::Create) else { panic!("opened: {sql}") };
        assert!(refused.to_string().contains(word), "{refused}");
    }
}
