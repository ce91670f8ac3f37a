//! Streams of events with one version counter each, and what is written beside
//! them in the same transaction.
//!
//! The version per stream is the concurrency control; the log position never
//! is. A store checks every expected version before its first write, and
//! commits all of an [`Append`] or none of it.

use std::collections::BTreeMap;

use quell_core::{id::StreamId, personal::Disclosure, time::Timestamp};
use serde_json::Value;

/// One event as the ledger holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub stream: StreamId,
    /// From 1, dense per stream.
    pub version: u64,
    /// Canonical JSON, at most 64 KiB.
    pub bytes: Vec<u8>,
    /// RFC 6962 leaf hash of `bytes`.
    pub hash: [u8; 32],
}

/// Everything that is committed together.
#[derive(Clone, Debug, Default)]
pub struct Append {
    pub leaves: Vec<Leaf>,
    /// Versions that must hold now, 0 for "does not exist". Every stream of
    /// `leaves` must be here; streams that were only read may be.
    pub expects: Vec<(StreamId, u64)>,
    pub jobs: Vec<JobChange>,
    pub disclosures: Vec<Disclosure>,
    pub lookups: Vec<LookupChange>,
    pub blobs: Vec<Blob>,
    /// Drained before everything that is not urgent (response before intake).
    pub urgent: bool,
}

/// Something to do later. One row per key: setting it again moves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub key: String,
    pub due_at: Timestamp,
}

/// A change of the job table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobChange {
    Set(Job),
    Done {
        key: String,
    },
    /// Whoever took the job when it was due at `taken` is through with it, for ever
    /// or until `next`. A job that was set anew meanwhile stays as it was set:
    /// somebody wants what was not yet seen when the work began.
    Rest {
        key: String,
        taken: Timestamp,
        next: Option<Timestamp>,
    },
}

/// A row of a projection: `(table, key) -> value`; `None` removes it. Which
/// rows an event makes is one pure function, so replay can compare them.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupChange {
    pub table: &'static str,
    pub key: String,
    pub value: Option<Value>,
}

/// Bytes beside the ledger: sealed ones (ciphertext), or public ones that an
/// event names by SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Lower-case hex SHA-256 of `bytes`.
    pub id: String,
    pub bytes: Vec<u8>,
    pub sealed: bool,
}

/// Where an append landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Leaf index of the first leaf; the others follow densely.
    pub first_index: u64,
}

/// The newest event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub version: u64,
    pub hash: [u8; 32],
    pub index: u64,
}

/// One stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    pub index: u64,
    pub leaf: Leaf,
}

/// What can go wrong. Only [`StoreError::Stale`] is part of ordinary work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody was faster: load, decide and append again.
    #[error("stream `{stream}` moved on: expected version {expected}, found {found}")]
    Stale { stream: StreamId, expected: u64, found: u64 },
    /// Nothing was written and nothing will be, until somebody helps.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
    /// The store contradicts itself or what is remembered outside of it.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The caller broke the contract (a leaf without an expectation, a version gap).
    #[error("refused to append: {0}")]
    Refused(String),
}

/// Durable events, projections, jobs and blobs.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    /// Commits all, durably, or answers why not.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// The newest event of a stream.
    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError>;

    /// The events of a stream from version `from` (1 for all), oldest first.
    async fn read(&self, stream: &StreamId, from: u64) -> Result<Vec<StoredEvent>, StoreError>;

    /// Streams whose name starts with `prefix`, sorted.
    async fn streams(&self, prefix: &str) -> Result<Vec<StreamId>, StoreError>;

    /// What is still disclosed of `commitments`.
    async fn disclosures(&self, commitments: &[String]) -> Result<BTreeMap<String, Disclosure>, StoreError>;

    /// Forgets what was committed to; the events stay. Answers how many rows went.
    async fn erase(&self, commitments: &[String], blobs: &[String]) -> Result<u64, StoreError>;

    /// One row of a projection.
    async fn lookup(&self, table: &str, key: &str) -> Result<Option<Value>, StoreError>;

    /// Rows of a projection with keys that start with `prefix`, after `after`, sorted by key.
    async fn lookup_range(&self, table: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Value)>, StoreError>;

    /// Replaces all projections by `rows`, and answers whether they were equal before.
    async fn rebuild(&self, rows: Vec<LookupChange>) -> Result<bool, StoreError>;

    /// Jobs due at `now`, earliest first.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError>;

    /// When the next job is due.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Bytes of a blob.
    async fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// How many leaves are committed.
    async fn size(&self) -> Result<u64, StoreError>;

    /// Leaves by index, from `from`, at most `limit`.
    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError>;

    /// The root over the first `size` leaves, and where `size` is `None` over all.
    async fn root(&self, size: Option<u64>) -> Result<(u64, [u8; 32]), StoreError>;

    /// The RFC 6962 audit path of leaf `index` in the tree of `size` leaves.
    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError>;

    /// The RFC 6962 consistency proof between two sizes.
    async fn consistency(&self, old: u64, new: u64) -> Result<Vec<[u8; 32]>, StoreError>;

    /// Inventory rows that are not gone, by table `inventory`: see [`Store::put_inventory`].
    async fn inventory(&self) -> Result<Vec<(String, Value)>, StoreError>;

    /// Writes (`Some`) or removes (`None`) observed inventory rows, all or none.
    async fn put_inventory(&self, rows: Vec<(String, Option<Value>)>) -> Result<(), StoreError>;

    /// The last signed checkpoint that is remembered, note and all.
    async fn checkpoint(&self) -> Result<Option<String>, StoreError>;

    /// Remembers a signed checkpoint, in the store and outside the database.
    /// Refused where it does not extend the one before.
    async fn keep_checkpoint(&self, note: &str, size: u64, root: [u8; 32]) -> Result<(), StoreError>;
}
