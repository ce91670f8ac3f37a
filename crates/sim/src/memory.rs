//! The simplest store that keeps every promise of the `Store` port.
//!
//! One lock, ordered maps, nothing durable. Cloning gives another handle of the
//! same store, so a crash of everything above it leaves what was acknowledged.
//! It can be told to fail the way a disk does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quell_core::{id::StreamId, personal::Disclosure, time::Timestamp};
use quell_engine::port::{Append, Appended, Head, Job, JobChange, Leaf, LookupChange, Store, StoreError, StoredEvent};
use quell_ledger::{
    Hash, leaf, proof,
    tree::{Frontier, Tree},
};
use serde_json::Value;

/// How the store fails at the moment. Reads go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    DiskFull,
    Locked,
}

/// A store in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    leaves: Vec<Leaf>,
    tree: Tree,
    /// The indexes of a stream's leaves, oldest first.
    streams: BTreeMap<StreamId, Vec<u64>>,
    lookups: BTreeMap<(String, String), Value>,
    jobs: BTreeMap<String, Timestamp>,
    disclosures: BTreeMap<String, Disclosure>,
    blobs: BTreeMap<String, (bool, Vec<u8>)>,
    inventory: BTreeMap<String, Value>,
    checkpoint: Option<(String, u64)>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Every write fails with `fault` from now on; `None` mends it.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writable(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        match state.fault {
            None => Ok(state),
            Some(Fault::DiskFull) => Err(StoreError::Unavailable("the disk is full; free some space".to_owned())),
            Some(Fault::Locked) => Err(StoreError::Unavailable("another program holds the database; close it".to_owned())),
        }
    }
}

/// The contract of an append, as far as it can be known without the store.
fn check(append: &Append) -> Result<(), StoreError> {
    let mut next = BTreeMap::new();
    for (stream, expected) in &append.expects {
        if next.insert(stream, *expected).is_some() {
            return Err(StoreError::Refused(format!("stream `{stream}` is expected twice")));
        }
    }
    for leaf in &append.leaves {
        let name = &leaf.stream;
        let version =
            next.get_mut(name).ok_or_else(|| StoreError::Refused(format!("stream `{name}` has a leaf and no expected version")))?;
        *version += 1;
        let wrong = match () {
            () if leaf.version != *version => Some("does not follow the version before it"),
            () if leaf.bytes.len() > leaf::MAX_BYTES => Some("is larger than 64 KiB"),
            () if leaf::hash(&leaf.bytes).0 != leaf.hash => Some("is not what its hash was made from"),
            () => None,
        };
        if let Some(wrong) = wrong {
            return Err(StoreError::Refused(format!("version {} of stream `{name}` {wrong}", leaf.version)));
        }
    }
    match append.blobs.iter().find(|blob| Hash::of(&blob.bytes).hex() != blob.id) {
        Some(blob) => Err(StoreError::Refused(format!("blob `{}` is not named by the SHA-256 of its bytes", blob.id))),
        None => Ok(()),
    }
}

impl State {
    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn version(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, |indexes| indexes.len() as u64)
    }

    fn stored(&self, index: u64) -> Option<StoredEvent> {
        let leaf = self.leaves.get(usize::try_from(index).ok()?)?.clone();
        Some(StoredEvent { index, leaf })
    }

    fn put_lookup(&mut self, change: LookupChange) {
        let key = (change.table.to_owned(), change.key);
        match change.value {
            Some(value) => self.lookups.insert(key, value),
            None => self.lookups.remove(&key),
        };
    }

    fn write(&mut self, append: Append) -> Appended {
        let first_index = self.size();
        for leaf in append.leaves {
            let index = self.tree.push(Hash(leaf.hash));
            self.streams.entry(leaf.stream.clone()).or_default().push(index);
            self.leaves.push(leaf);
        }
        for blob in append.blobs {
            self.blobs.entry(blob.id).or_insert((blob.sealed, blob.bytes));
        }
        for disclosure in append.disclosures {
            self.disclosures.entry(disclosure.commitment.clone()).or_insert(disclosure);
        }
        append.lookups.into_iter().for_each(|change| self.put_lookup(change));
        for change in append.jobs {
            match change {
                JobChange::Set(job) => {
                    self.jobs.insert(job.key, job.due_at);
                }
                JobChange::Done { key } => {
                    self.jobs.remove(&key);
                }
                JobChange::Rest { key, taken, next } if self.jobs.get(&key) == Some(&taken) => match next {
                    Some(next) => {
                        self.jobs.insert(key, next);
                    }
                    None => {
                        self.jobs.remove(&key);
                    }
                },
                JobChange::Rest { .. } => {}
            }
        }
        Appended { first_index }
    }

    fn root(&mut self, size: u64) -> Result<[u8; 32], StoreError> {
        self.has(size)?;
        let frontier = Frontier::at(size, &mut self.tree);
        Ok(frontier.ok_or_else(|| StoreError::Damaged("the tree lost a node".to_owned()))?.root().0)
    }

    fn has(&self, size: u64) -> Result<(), StoreError> {
        let found = self.size();
        if size <= found { Ok(()) } else { Err(StoreError::Refused(format!("the log has {found} leaves, not {size}"))) }
    }

    fn due(&self) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.jobs.iter().map(|(key, due_at)| Job { key: key.clone(), due_at: *due_at }).collect();
        jobs.sort_by(|a, b| (a.due_at, &a.key).cmp(&(b.due_at, &b.key)));
        jobs
    }
}

fn proved(path: Result<Vec<Hash>, proof::Unprovable>) -> Result<Vec<[u8; 32]>, StoreError> {
    let path = path.map_err(|error| StoreError::Refused(error.to_string()))?;
    Ok(path.into_iter().map(|hash| hash.0).collect())
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        check(&append)?;
        let mut state = self.writable()?;
        for (stream, expected) in &append.expects {
            let found = state.version(stream);
            if found != *expected {
                return Err(StoreError::Stale { stream: stream.clone(), expected: *expected, found });
            }
        }
        Ok(state.write(append))
    }

    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError> {
        let state = self.state();
        let last = state.streams.get(stream).and_then(|indexes| indexes.last());
        let newest = last.and_then(|index| state.stored(*index));
        Ok(newest.map(|event| Head { version: event.leaf.version, hash: event.leaf.hash, index: event.index }))
    }

    async fn read(&self, stream: &StreamId, from: u64) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.state();
        let events = state.streams.get(stream).into_iter().flatten().filter_map(|index| state.stored(*index));
        Ok(events.filter(|event| event.leaf.version >= from).collect())
    }

    async fn streams(&self, prefix: &str) -> Result<Vec<StreamId>, StoreError> {
        Ok(self.state().streams.keys().filter(|stream| stream.as_str().starts_with(prefix)).cloned().collect())
    }

    async fn disclosures(&self, commitments: &[String]) -> Result<BTreeMap<String, Disclosure>, StoreError> {
        let state = self.state();
        Ok(commitments.iter().filter_map(|c| Some((c.clone(), state.disclosures.get(c)?.clone()))).collect())
    }

    async fn erase(&self, commitments: &[String], blobs: &[String]) -> Result<u64, StoreError> {
        let mut state = self.writable()?;
        let disclosed = commitments.iter().filter(|c| state.disclosures.remove(*c).is_some()).count();
        // Public blobs are part of what replay reads, and stay.
        let is_sealed = |state: &State, id: &String| state.blobs.get(id).is_some_and(|(sealed, _)| *sealed);
        let sealed = blobs.iter().filter(|id| is_sealed(&state, id) && state.blobs.remove(*id).is_some()).count();
        Ok((disclosed + sealed) as u64)
    }

    async fn lookup(&self, table: &str, key: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.state().lookups.get(&(table.to_owned(), key.to_owned())).cloned())
    }

    async fn lookup_range(&self, table: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Value)>, StoreError> {
        let state = self.state();
        let rows = state.lookups.iter().filter(|((t, key), _)| t == table && key.starts_with(prefix));
        let rows = rows.filter(|((_, key), _)| after.is_none_or(|after| key.as_str() > after));
        Ok(rows.map(|((_, key), value)| (key.clone(), value.clone())).take(limit as usize).collect())
    }

    async fn rebuild(&self, rows: Vec<LookupChange>) -> Result<bool, StoreError> {
        let mut state = self.writable()?;
        let before = std::mem::take(&mut state.lookups);
        rows.into_iter().for_each(|row| state.put_lookup(row));
        Ok(state.lookups == before)
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError> {
        let jobs = self.state().due();
        Ok(jobs.into_iter().filter(|job| job.due_at <= now).take(limit as usize).collect())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state().jobs.values().min().copied())
    }

    async fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().blobs.get(id).map(|(_, bytes)| bytes.clone()))
    }

    async fn size(&self) -> Result<u64, StoreError> {
        Ok(self.state().size())
    }

    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.state();
        Ok((from..state.size()).take(limit as usize).filter_map(|index| state.stored(index)).collect())
    }

    async fn root(&self, size: Option<u64>) -> Result<(u64, [u8; 32]), StoreError> {
        let mut state = self.state();
        let size = size.unwrap_or_else(|| state.size());
        Ok((size, state.root(size)?))
    }

    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        let mut state = self.state();
        state.has(size)?;
        proved(proof::inclusion(index, size, &mut state.tree))
    }

    async fn consistency(&self, old: u64, new: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        let mut state = self.state();
        state.has(new)?;
        proved(proof::consistency(old, new, &mut state.tree))
    }

    async fn inventory(&self) -> Result<Vec<(String, Value)>, StoreError> {
        Ok(self.state().inventory.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn put_inventory(&self, rows: Vec<(String, Option<Value>)>) -> Result<(), StoreError> {
        let mut state = self.writable()?;
        for (key, value) in rows {
            match value {
                Some(value) => state.inventory.insert(key, value),
                None => state.inventory.remove(&key),
            };
        }
        Ok(())
    }

    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        Ok(self.state().checkpoint.as_ref().map(|(note, _)| note.clone()))
    }

    async fn keep_checkpoint(&self, note: &str, size: u64, root: [u8; 32]) -> Result<(), StoreError> {
        let mut state = self.writable()?;
        let before = state.checkpoint.as_ref().map_or(0, |(_, size)| *size);
        if size < before {
            return Err(StoreError::Refused(format!("a checkpoint of {size} leaves after one of {before}")));
        }
        if state.root(size)? != root {
            return Err(StoreError::Refused(format!("the checkpoint's root is not that of the first {size} leaves")));
        }
        state.checkpoint = Some((note.to_owned(), size));
        Ok(())
    }
}
