//! 64 callers at once: exactly one wins, and nobody leaves half an append.

use std::{collections::BTreeMap, sync::Arc};

use quell_core::id::{PersonId, PlanId, StreamId};
use quell_engine::port::{Store, StoreError};

use super::{append, leaf};

const CALLERS: u64 = 64;

/// Runs `caller` 64 times at once and answers what they answered, in order.
async fn together<T, F>(caller: impl Fn(u64) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(caller(n))).collect();
    let mut answers = Vec::new();
    for task in running {
        answers.push(task.await.expect("no caller panics"));
    }
    answers
}

pub(super) async fn one_of_64_wins_a_version(store: Arc<dyn Store>) {
    let stream = StreamId::new("case/C-1");
    for round in 0..8 {
        let answers = together(|n| {
            let (store, mut mine) = (Arc::clone(&store), append(&stream, round, &[&format!("{round} by {n}")]));
            mine.urgent = n % 2 == 0;
            async move { store.append(mine).await }
        })
        .await;
        let winners: Vec<usize> = (0..answers.len()).filter(|n| answers[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {answers:?}");
        let stale = StoreError::Stale { stream: stream.clone(), expected: round, found: round + 1 };
        assert!(
            answers.iter().all(|answer| answer.as_ref().is_ok_and(|a| a.first_index == round) || *answer == Err(stale.clone())),
            "{answers:?}"
        );

        let newest = store.read(&stream, round + 1).await.expect("the stream");
        assert_eq!(newest.len(), 1);
        assert_eq!(newest[0].leaf.bytes, format!("{round} by {}", winners[0]).into_bytes());
    }
}

pub(super) async fn one_of_64_consumes_an_approval(store: Arc<dyn Store>) {
    let approval = StreamId::approval(&PlanId::new("p-1"), &PersonId::new("u-1"));
    store.append(append(&approval, 0, &["given"])).await.expect("an append");

    let answers = together(|n| {
        let (store, attempt) = (Arc::clone(&store), StreamId::new(format!("target/t-{n}")));
        let mut start = append(&attempt, 0, &["intent"]);
        start.leaves.push(leaf(&approval, 2, "consumed"));
        start.expects.push((approval.clone(), 1));
        async move { store.append(start).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    // Nobody who lost has an intent either.
    let attempts = store.streams("target/").await.expect("streams");
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert_eq!(store.head(&approval).await.map(|head| head.map(|head| head.version)), Ok(Some(2)));
    assert_eq!(store.size().await, Ok(3));
}

pub(super) async fn one_of_64_gets_the_last_unit_of_a_budget(store: Arc<dyn Store>) {
    const LIMIT: u64 = 10;
    let budget = StreamId::budget("automation", 489_000);
    store.append(append(&budget, 0, &["spent"; LIMIT as usize - 1])).await.expect("an append");

    // As the engine does it: load, decide, append, and again when stale.
    let answers = together(|n| {
        let (store, budget) = (Arc::clone(&store), budget.clone());
        async move {
            loop {
                let spent = store.head(&budget).await.expect("a head").map_or(0, |head| head.version);
                if spent >= LIMIT {
                    return false;
                }
                match store.append(append(&budget, spent, &[&format!("spent by {n}")])).await {
                    Ok(_) => return true,
                    Err(StoreError::Stale { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    })
    .await;
    assert_eq!(answers.iter().filter(|got| **got).count(), 1);
    assert_eq!(store.size().await, Ok(LIMIT));
}

pub(super) async fn indexes_and_versions_are_dense_under_64_writers(store: Arc<dyn Store>) {
    const EACH: u64 = 8;
    let shared = StreamId::new("budget/shared");
    let placed: Vec<Vec<(u64, StreamId)>> = together(|n| {
        let (store, shared) = (Arc::clone(&store), shared.clone());
        async move {
            let own = StreamId::new(format!("case/C-{n}"));
            let mut placed = Vec::new();
            let mut done = 0;
            while done < EACH {
                let seen = store.head(&shared).await.expect("a head").map_or(0, |head| head.version);
                let mut both = append(&own, done * 2, &[&format!("{n} a {done}"), &format!("{n} b {done}")]);
                // Most write only their own stream, so that stale and good ones share batches.
                if done % 4 == 0 {
                    both.leaves.push(leaf(&shared, seen + 1, &format!("{n} shared {done}")));
                    both.expects.push((shared.clone(), seen));
                }
                both.urgent = n % 3 == 0;
                let streams: Vec<StreamId> = both.leaves.iter().map(|leaf| leaf.stream.clone()).collect();
                match store.append(both).await {
                    Ok(appended) => {
                        placed.extend((appended.first_index..).zip(streams));
                        done += 1;
                    }
                    Err(StoreError::Stale { stream, .. }) => assert_eq!(stream, shared),
                    Err(other) => panic!("{other}"),
                }
            }
            placed
        }
    })
    .await;

    let placed: BTreeMap<u64, StreamId> = placed.into_iter().flatten().collect();
    let total = CALLERS * EACH * 2 + CALLERS * EACH / 4;
    assert_eq!(store.size().await, Ok(total));
    assert_eq!(placed.keys().copied().collect::<Vec<_>>(), (0..total).collect::<Vec<_>>(), "every index was promised once");

    let log = store.leaves(0, u32::MAX).await.expect("leaves");
    let mut versions: BTreeMap<&StreamId, u64> = BTreeMap::new();
    for (event, index) in log.iter().zip(0..) {
        assert_eq!(event.index, index);
        assert_eq!(placed.get(&index), Some(&event.leaf.stream));
        let version = versions.entry(&event.leaf.stream).or_default();
        *version += 1;
        assert_eq!(event.leaf.version, *version, "stream {}", event.leaf.stream);
    }
    assert_eq!(log.len() as u64, total);
    assert_eq!(versions.len() as u64, CALLERS + 1);
}

pub(super) async fn a_read_after_the_answer_sees_the_append(store: Arc<dyn Store>) {
    together(|n| {
        let store = Arc::clone(&store);
        async move {
            let stream = StreamId::new(format!("case/C-{n}"));
            for version in 0..8 {
                let appended = store.append(append(&stream, version, &["x"])).await.expect("an append");
                let head = store.head(&stream).await.expect("a head").expect("an event");
                assert_eq!((head.version, head.index), (version + 1, appended.first_index));
                assert!(store.size().await.expect("a size") > appended.first_index);
            }
        }
    })
    .await;
}
