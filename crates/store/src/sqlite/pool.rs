//! A few read-only connections, used on threads that may block.
//!
//! The connection returns to the pool on the thread that used it, so a caller
//! who stops waiting takes none away.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quell_engine::port::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{schema, unavailable};

/// Cloning gives another handle of the same pool.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    file: PathBuf,
    busy_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn open(file: &Path, readers: usize, busy_timeout: Duration) -> rusqlite::Result<Pool> {
        let idle = (0..readers.max(1)).map(|_| schema::open_reader(file, busy_timeout)).collect::<Result<Vec<_>, _>>()?;
        let places = Arc::new(Semaphore::new(idle.len()));
        Ok(Pool(Arc::new(Inner { file: file.to_owned(), busy_timeout, idle: Mutex::new(idle), places })))
    }

    /// Runs `read` with one of the connections.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let closed = |_| StoreError::Unavailable("the store is closed".to_owned());
        let place = Arc::clone(&self.0.places).acquire_owned().await.map_err(closed)?;
        let inner = Arc::clone(&self.0);
        let reading = tokio::task::spawn_blocking(move || {
            let conn = inner.take()?;
            let answer = read(&conn);
            inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            drop(place);
            answer
        });
        reading.await.map_err(|error| StoreError::Unavailable(format!("a reader stopped: {error}")))?
    }
}

impl Inner {
    /// A place is free but no connection only after a reader panicked.
    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| schema::open_reader(&self.file, self.busy_timeout).map_err(unavailable), Ok)
    }
}
