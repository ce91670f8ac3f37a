//! The one thread that writes.
//!
//! It takes what is waiting as one transaction, and answers everybody after the
//! commit. Whatever fails, it goes on: the next batch begins by asking the
//! database what is there, because only the database knows what a failed commit
//! left behind.

use std::{
    path::Path,
    sync::{Arc, RwLock},
    thread::JoinHandle,
};

use quell_engine::port::{Append, StoreError};
use quell_ledger::tree::Frontier;
use rusqlite::Connection;

use super::{
    OpenError,
    batch::{self, Heads},
    mover::Mover,
    queue::{Queue, Waiting, Work},
    unavailable,
};
use crate::guard::Guard;

/// The right edge of the tree as of the last commit, for readers.
pub(super) type Edge = Arc<RwLock<Frontier>>;

/// What the writing thread owns.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) guard: Guard,
    pub(super) edge: Edge,
    /// `None` after a failed commit.
    heads: Option<Heads>,
    mover: Mover,
}

impl Writer {
    pub(super) fn new(conn: Connection, file: &Path, guard: Guard) -> Result<Writer, OpenError> {
        let heads = Heads::load(&conn)?;
        let edge = Arc::new(RwLock::new(heads.frontier.clone()));
        let mover = Mover::start(file)?.map_err(|source| OpenError::File { doing: "start a thread for", path: file.to_owned(), source })?;
        Ok(Writer { conn, guard, edge, heads: Some(heads), mover })
    }

    /// Runs the writer until the queue is closed and empty.
    pub(super) fn start(mut self, queue: Arc<Queue>) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("quell-store-writer".to_owned()).spawn(move || {
            // Also when this thread panics: nobody may wait for it then.
            let _closing = AbandonOnDrop(&queue);
            while let Some(work) = queue.next() {
                match work {
                    Work::Appends(batch) => self.append(batch),
                    Work::Alone(run) => run(&mut self),
                }
            }
        })
    }

    fn append(&mut self, batch: Vec<Waiting>) {
        let appends: Vec<&Append> = batch.iter().map(|waiting| &waiting.append).collect();
        let rows = appends.iter().map(|append| rows(append)).sum();
        let answers = self.commit(&appends);

        match answers {
            Ok(answers) => {
                for (waiting, answer) in batch.into_iter().zip(answers) {
                    // A caller who left still had its append committed.
                    let _ = waiting.answer.send(answer);
                }
            }
            Err(error) => {
                tracing::error!(%error, appends = batch.len(), "a batch was not written");
                for waiting in batch {
                    let _ = waiting.answer.send(Err(error.clone()));
                }
            }
        }
        self.mover.wrote(rows, &self.conn);
    }

    fn commit(&mut self, appends: &[&Append]) -> Result<Vec<Result<quell_engine::port::Appended, StoreError>>, StoreError> {
        let mut heads = match self.heads.take() {
            Some(heads) => heads,
            None => Heads::load(&self.conn)?,
        };
        let answers = batch::commit(&self.conn, &mut heads, appends).map_err(unavailable)?;
        self.publish(&heads.frontier);
        self.heads = Some(heads);
        Ok(answers)
    }

    /// Before the answers go out, so that whoever has one also reads it.
    fn publish(&self, frontier: &Frontier) {
        let mut edge = self.edge.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *edge != *frontier {
            edge.clone_from(frontier);
        }
    }

    /// The tree as committed.
    pub(super) fn frontier(&self) -> Frontier {
        self.edge.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Rows that an append writes, roughly.
fn rows(append: &Append) -> usize {
    let blob_pages: usize = append.blobs.iter().map(|blob| 1 + blob.bytes.len() / 4096).sum();
    append.leaves.len() + append.lookups.len() + append.jobs.len() + append.disclosures.len() + blob_pages
}

struct AbandonOnDrop<'q>(&'q Queue);

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
