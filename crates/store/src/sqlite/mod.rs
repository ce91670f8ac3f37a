//! The embedded store: one SQLite file, one writing thread, a few readers.
//!
//! Appends of many callers share a commit; reads go to read-only connections
//! and see everything that was acknowledged. The directory belongs to one
//! process at a time.
//!
//! ```text
//! append --> queue --> writer --> COMMIT --> edge published --> answers
//!              ^ urgent first        |
//!                                    +--> mover (WAL -> database, beside)
//! read   --> pool of read-only connections
//! ```

mod batch;
mod lock;
mod mover;
mod pool;
mod queue;
mod read;
mod schema;
mod verify;
mod write;
mod writer;

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use quell_core::{id::StreamId, personal::Disclosure, time::Timestamp};
use quell_engine::port::{Append, Appended, Head, Job, LookupChange, Store, StoreError, StoredEvent};
use quell_ledger::tree::Frontier;
use serde_json::Value;
use tokio::sync::oneshot;

use self::{
    lock::DirLock,
    pool::Pool,
    queue::{Queue, Waiting, stopped},
    writer::{Edge, Writer},
};
use crate::guard::Guard;
pub use verify::Verified;

/// The database's name in the data directory.
const DATABASE: &str = "quell.db";

/// The memory of the last signed checkpoint, beside it.
const GUARD: &str = "last-checkpoint.json";

/// The longest wait for a locked database: SQLite counts it in few bits.
const PATIENCE_MAX: Duration = Duration::from_secs(3600);

/// Whether a missing store is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Makes directory and database where they are missing.
    Create,
    /// Fails where there is no store.
    Existing,
}

/// What can be set; the default is what a server uses.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a locked database is waited for.
    pub busy_timeout: Duration,
    /// Read-only connections.
    pub readers: usize,
    /// Where the last signed checkpoint is remembered; in the data directory by default.
    pub guard_file: Option<PathBuf>,
    /// The most pages (4 KiB) that the database may have: a disk that fills.
    pub page_count_max: Option<u32>,
}

impl Default for Options {
    fn default() -> Options {
        Options { busy_timeout: Duration::from_secs(2), readers: 4, guard_file: None, page_count_max: None }
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data directory `{}` is in use by {}; stop it, or use its API", .dir.display(), holder(.pid))]
    Locked { dir: PathBuf, pid: Option<u32> },
    #[error("there is no store in `{}`; check the data directory, or start the server once to make one", .0.display())]
    Missing(PathBuf),
    #[error("cannot {doing} `{}`: {source}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A store in one directory of a local disk.
///
/// Dropping it finishes what is waiting, then frees the directory; that blocks
/// for as long as the last commit takes.
pub struct SqliteStore {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    edge: Edge,
    pool: Pool,
    // After the writer has ended, so that nobody else comes in before.
    _lock: DirLock,
}

impl SqliteStore {
    /// Opens the store of `dir`, alone. Blocks.
    pub fn open(dir: &Path, mode: OpenMode) -> Result<SqliteStore, OpenError> {
        SqliteStore::open_with(dir, mode, Options::default())
    }

    /// Opens the store of `dir` with `options`, alone. Blocks.
    pub fn open_with(dir: &Path, mode: OpenMode, options: Options) -> Result<SqliteStore, OpenError> {
        let file = dir.join(DATABASE);
        if mode == OpenMode::Existing && !file.exists() {
            return Err(OpenError::Missing(dir.to_owned()));
        }
        make_private(dir)?;
        let lock = DirLock::take(dir)?;

        let patience = options.busy_timeout.min(PATIENCE_MAX);
        let conn = schema::open_writer(&file, patience, options.page_count_max)?;
        let pool = Pool::open(&file, options.readers, patience)?;
        let guard_file = options.guard_file.unwrap_or_else(|| dir.join(GUARD));
        let size = batch::Heads::load(&conn)?.frontier.size();
        let signed = read::checkpoint(&conn)?.is_some();
        let guard = Guard::open(&guard_file, &write::Leaves { conn: &conn, size }, signed)?;
        if let Some(doubt) = guard.doubt() {
            tracing::error!(doubt, "the store is not the one that was signed last; no checkpoint is signed until it is accepted");
        }

        let writer = Writer::new(conn, &file, guard)?;
        let edge = Arc::clone(&writer.edge);
        let queue = Arc::new(Queue::default());
        let thread =
            writer.start(Arc::clone(&queue)).map_err(|source| OpenError::File { doing: "start a thread for", path: file, source })?;
        Ok(SqliteStore { queue, writer: Some(thread), edge, pool, _lock: lock })
    }

    /// Why no checkpoint is kept: the store is older than the last signed one,
    /// or differs from it. `None` where all is well.
    pub async fn doubt(&self) -> Result<Option<String>, StoreError> {
        self.alone(|writer| Ok(writer.guard.doubt().map(str::to_owned))).await
    }

    /// Takes a store that is older than its last signed checkpoint for the truth
    /// from now on. The reason, which a person gave, is kept with what it replaced.
    pub async fn accept_older(&self, reason: &str) -> Result<(), StoreError> {
        let reason = reason.to_owned();
        self.alone(move |writer| writer.accept_older(&reason)).await
    }

    /// Reads everything and recomputes every hash, version and root. Answers
    /// `Damaged` with the first contradiction.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        self.pool.read(verify::verify).await
    }

    /// Runs `work` on the writing thread, between two batches.
    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        // A caller who left does not read the answer.
        self.queue.push_alone(Box::new(move |writer| drop(answer.send(work(writer)))))?;
        answered.await.map_err(|_| stopped())?
    }

    fn frontier(&self) -> Frontier {
        self.edge.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses sizes that the log does not have yet.
    fn has(&self, size: u64) -> Result<(), StoreError> {
        let found = self.frontier().size();
        if size <= found { Ok(()) } else { Err(StoreError::Refused(format!("the log has {found} leaves, not {size}"))) }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has told its callers already.
            let _ = writer.join();
        }
    }
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        batch::check(&append)?;
        let (answer, answered) = oneshot::channel();
        self.queue.push(Waiting { append, answer })?;
        answered.await.map_err(|_| stopped())?
    }

    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError> {
        let stream = stream.clone();
        self.pool.read(move |conn| read::head(conn, &stream)).await
    }

    async fn read(&self, stream: &StreamId, from: u64) -> Result<Vec<StoredEvent>, StoreError> {
        let stream = stream.clone();
        self.pool.read(move |conn| read::stream(conn, &stream, from)).await
    }

    async fn streams(&self, prefix: &str) -> Result<Vec<StreamId>, StoreError> {
        let prefix = prefix.to_owned();
        self.pool.read(move |conn| read::streams(conn, &prefix)).await
    }

    async fn disclosures(&self, commitments: &[String]) -> Result<BTreeMap<String, Disclosure>, StoreError> {
        if commitments.is_empty() {
            return Ok(BTreeMap::new());
        }
        let commitments = commitments.to_vec();
        self.pool.read(move |conn| read::disclosures(conn, &commitments)).await
    }

    async fn erase(&self, commitments: &[String], blobs: &[String]) -> Result<u64, StoreError> {
        let (commitments, blobs) = (commitments.to_vec(), blobs.to_vec());
        self.alone(move |writer| writer.erase(&commitments, &blobs)).await
    }

    async fn lookup(&self, table: &str, key: &str) -> Result<Option<Value>, StoreError> {
        let (table, key) = (table.to_owned(), key.to_owned());
        self.pool.read(move |conn| read::lookup(conn, &table, &key)).await
    }

    async fn lookup_range(&self, table: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Value)>, StoreError> {
        let (table, prefix, after) = (table.to_owned(), prefix.to_owned(), after.map(str::to_owned));
        self.pool.read(move |conn| read::lookup_range(conn, &table, &prefix, after.as_deref(), limit)).await
    }

    async fn rebuild(&self, rows: Vec<LookupChange>) -> Result<bool, StoreError> {
        self.alone(move |writer| writer.rebuild(rows)).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.pool.read(move |conn| read::due(conn, now, limit)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.pool.read(read::next_due).await
    }

    async fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let id = id.to_owned();
        self.pool.read(move |conn| read::blob(conn, &id)).await
    }

    async fn size(&self) -> Result<u64, StoreError> {
        Ok(self.frontier().size())
    }

    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.pool.read(move |conn| read::leaves(conn, from, limit)).await
    }

    async fn root(&self, size: Option<u64>) -> Result<(u64, [u8; 32]), StoreError> {
        let Some(size) = size else {
            let frontier = self.frontier();
            return Ok((frontier.size(), frontier.root().0));
        };
        self.has(size)?;
        self.pool.read(move |conn| Ok((size, read::root(conn, size)?))).await
    }

    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.has(size)?;
        self.pool.read(move |conn| read::inclusion(conn, index, size)).await
    }

    async fn consistency(&self, old: u64, new: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.has(new)?;
        self.pool.read(move |conn| read::consistency(conn, old, new)).await
    }

    async fn inventory(&self) -> Result<Vec<(String, Value)>, StoreError> {
        self.pool.read(read::inventory).await
    }

    async fn put_inventory(&self, rows: Vec<(String, Option<Value>)>) -> Result<(), StoreError> {
        self.alone(move |writer| writer.put_inventory(&rows)).await
    }

    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        let kept = self.pool.read(read::checkpoint).await?;
        Ok(kept.map(|(note, _, _)| note))
    }

    async fn keep_checkpoint(&self, note: &str, size: u64, root: [u8; 32]) -> Result<(), StoreError> {
        let note = note.to_owned();
        self.alone(move |writer| writer.keep_checkpoint(&note, size, root)).await
    }
}

/// Makes the directory with mode 0700, or takes the rights of others away.
fn make_private(dir: &Path) -> Result<(), OpenError> {
    let failed = |doing| move |source| OpenError::File { doing, path: dir.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("make"))?;
    let mode = fs::metadata(dir).map_err(failed("look at"))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed("take the rights of others away from"))?;
    }
    Ok(())
}

/// SQLite's integers are signed; nothing counted here comes near the end of them.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Sorts a fault of the database by what it means for the caller.
fn unavailable(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => StoreError::Damaged(format!("{error}; restore a backup")),
        Some(DiskFull) => StoreError::Unavailable("the disk is full; free some space".to_owned()),
        Some(DatabaseBusy) => StoreError::Unavailable("another program holds the database; close it".to_owned()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}
