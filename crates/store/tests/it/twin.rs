//! The embedded store and the one in memory give every caller the same answers
//! (invariant 16: the same state on every store).

use proptest::prelude::*;
use quell_core::{id::StreamId, personal::Disclosure, time::Timestamp};
use quell_engine::port::{Append, Blob, Job, JobChange, Leaf, LookupChange, Store};
use quell_ledger::{Hash, leaf};
use quell_sim::memory::MemoryStore;
use serde_json::json;

use crate::{directory, open};

const TABLES: [&str; 2] = ["case", "inbox"];

#[derive(Clone, Debug)]
enum Step {
    Append { leaves: Vec<u8>, read: Option<u8>, off_by: u64, row: (u8, u8, bool), job: (u8, u8, bool), beside: u8 },
    Erase(u8),
    Rebuild(Vec<(u8, u8)>),
    Keep,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let append = (
        prop::collection::vec(0..4_u8, 0..4),
        prop::option::of(0..4_u8),
        prop_oneof![4 => Just(0_u64), 1 => Just(1_u64)],
        (0..2_u8, 0..4_u8, any::<bool>()),
        (0..4_u8, 0..4_u8, any::<bool>()),
        0..6_u8,
    );
    prop_oneof![
        12 => append.prop_map(|(leaves, read, off_by, row, job, beside)| Step::Append { leaves, read, off_by, row, job, beside }),
        1 => (0..6_u8).prop_map(Step::Erase),
        1 => prop::collection::vec((0..2_u8, 0..4_u8), 0..4).prop_map(Step::Rebuild),
        1 => Just(Step::Keep),
        1 => Just(Step::Reopen),
    ]
}

fn stream(n: u8) -> StreamId {
    StreamId::new(format!("case/C-{n}"))
}

fn disclosure(n: u8) -> Disclosure {
    Disclosure { commitment: format!("{n:064x}"), salt: "00".repeat(16), value: format!("value {n}") }
}

fn blob(n: u8) -> Blob {
    let bytes = vec![n; usize::from(n) * 1000];
    Blob { id: Hash::of(&bytes).hex(), bytes, sealed: n.is_multiple_of(2) }
}

/// Builds the append from what the store in memory holds now; both get the same.
async fn build(memory: &MemoryStore, step: &Step) -> Append {
    let Step::Append { leaves, read, off_by, row, job, beside } = step else { unreachable!("only appends are built") };
    let mut append = Append::default();
    for n in leaves.iter().chain(read) {
        let stream = stream(*n);
        if append.expects.iter().all(|(known, _)| *known != stream) {
            let version = memory.head(&stream).await.expect("a head").map_or(0, |head| head.version);
            append.expects.push((stream, version + off_by));
        }
    }
    for n in leaves {
        let stream = stream(*n);
        let before = append.leaves.iter().filter(|leaf: &&Leaf| leaf.stream == stream).count() as u64;
        let expected = append.expects.iter().find(|(known, _)| *known == stream).map_or(0, |(_, version)| *version);
        let bytes = format!("{n} {beside} {before}").into_bytes();
        append.leaves.push(Leaf { stream, version: expected + before + 1, hash: leaf::hash(&bytes).0, bytes });
    }
    let (table, key, there) = *row;
    append.lookups.push(LookupChange {
        table: TABLES[usize::from(table)],
        key: key.to_string(),
        value: there.then(|| json!({ "n": beside })),
    });
    let (key, due, there) = *job;
    let due_at = Timestamp::new(i64::from(due), 0).expect("a time");
    let key = key.to_string();
    append.jobs.push(match beside % 4 {
        0 if there => JobChange::Rest { key, taken: due_at, next: Timestamp::new(i64::from(due) + 1, 0).ok() },
        0 => JobChange::Rest { key, taken: due_at, next: None },
        _ if there => JobChange::Set(Job { key, due_at }),
        _ => JobChange::Done { key },
    });
    append.disclosures.push(disclosure(*beside));
    append.blobs.push(blob(*beside));
    append
}

/// Everything that can be asked, as one text.
async fn everything(store: &dyn Store) -> String {
    let mut all = Vec::new();
    let (size, root) = store.root(None).await.expect("a root");
    all.push(format!("{size} {root:?} {:?}", store.leaves(0, u32::MAX).await));
    all.push(format!("{:?} {:?}", store.streams("").await, store.checkpoint().await));
    for n in 0..4 {
        all.push(format!("{:?} {:?}", store.head(&stream(n)).await, store.read(&stream(n), 2).await));
    }
    for table in TABLES {
        all.push(format!("{:?}", store.lookup_range(table, "", None, 100).await));
    }
    all.push(format!("{:?} {:?}", store.due(Timestamp::MAX, 100).await, store.next_due().await));
    let commitments: Vec<String> = (0..6).map(|n| disclosure(n).commitment).collect();
    all.push(format!("{:?}", store.disclosures(&commitments).await));
    for n in 0..6 {
        all.push(format!("{:?}", store.blob(&blob(n).id).await));
    }
    for old in 0..=size {
        all.push(format!("{:?} {:?}", store.consistency(old, size).await, store.inclusion(old, size).await.ok()));
    }
    all.join("\n")
}

async fn live(steps: Vec<Step>) {
    let dir = directory();
    let memory = MemoryStore::new();
    let mut store = open(dir.path());
    for step in steps {
        match &step {
            Step::Append { .. } => {
                let append = build(&memory, &step).await;
                assert_eq!(store.append(append.clone()).await, memory.append(append).await, "{step:?}");
            }
            Step::Erase(n) => {
                let (commitments, blobs) = (vec![disclosure(*n).commitment], vec![blob(*n).id]);
                assert_eq!(store.erase(&commitments, &blobs).await, memory.erase(&commitments, &blobs).await);
            }
            Step::Rebuild(rows) => {
                let row = |(table, key): &(u8, u8)| LookupChange {
                    table: TABLES[usize::from(*table)],
                    key: key.to_string(),
                    value: Some(json!({ "n": 1 })),
                };
                let rows: Vec<LookupChange> = rows.iter().map(row).collect();
                assert_eq!(store.rebuild(rows.clone()).await, memory.rebuild(rows).await);
            }
            Step::Keep => {
                let (size, root) = memory.root(None).await.expect("a root");
                assert_eq!(store.keep_checkpoint("note", size, root).await, memory.keep_checkpoint("note", size, root).await);
            }
            Step::Reopen => {
                drop(store);
                store = open(dir.path());
            }
        }
    }
    assert_eq!(everything(&store).await, everything(&memory).await);
    store.verify().await.expect("a whole store");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_stores_live_the_same_life(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(live(steps));
    }
}
