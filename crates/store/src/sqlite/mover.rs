//! Moves committed pages from the WAL into the database, beside the writer.
//!
//! Doing it inside a commit is what makes the slowest percent of commits ten
//! times slower. A passive run never blocks the writer, but under unbroken load
//! it never catches up either, and only a WAL that is moved whole starts over;
//! so past a size the writer finishes the rest itself, between two batches.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use rusqlite::Connection;

use super::schema;

/// Rows after which the mover is called: about a thousand pages.
const ROWS_BETWEEN: usize = 1000;

/// Pages in the WAL from which on the writer helps (16 MiB).
const PAGES_MAX: u64 = 4096;

/// The writer's end.
pub(super) struct Mover {
    call: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    pages: Arc<AtomicU64>,
    rows: usize,
}

impl Mover {
    pub(super) fn start(file: &Path) -> rusqlite::Result<std::io::Result<Mover>> {
        let conn = schema::open_mover(file)?;
        // One call may wait; more would say nothing new.
        let (call, called) = mpsc::sync_channel(1);
        let pages = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&pages);
        let thread = std::thread::Builder::new().name("quell-store-mover".to_owned()).spawn(move || {
            while called.recv().is_ok() {
                if let Some(left) = passive(&conn) {
                    seen.store(left, Ordering::Relaxed);
                }
            }
        });
        Ok(thread.map(|thread| Mover { call: Some(call), thread: Some(thread), pages, rows: 0 }))
    }

    /// Told after every batch, when its callers have their answers.
    pub(super) fn wrote(&mut self, rows: usize, writer: &Connection) {
        self.rows += rows;
        if self.rows < ROWS_BETWEEN {
            return;
        }
        self.rows = 0;
        if self.pages.load(Ordering::Relaxed) > PAGES_MAX && passive(writer).is_some() {
            self.pages.store(0, Ordering::Relaxed);
        }
        if let Some(call) = &self.call {
            // Full means that a call is waiting already.
            let _ = call.try_send(());
        }
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        drop(self.call.take());
        if let Some(thread) = self.thread.take() {
            // A mover that panicked has nothing to say that the WAL does not hold.
            let _ = thread.join();
        }
    }
}

/// Moves what it can and answers how many pages the WAL has; `None` where
/// somebody else is moving, or nobody can.
fn passive(conn: &Connection) -> Option<u64> {
    let moved = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    match moved {
        Ok((0, pages)) => Some(u64::try_from(pages).unwrap_or(0)),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "could not move pages out of the write-ahead log");
            None
        }
    }
}
