//! The line before the writer: urgent appends first, everything else in order.
//!
//! A batch is what is waiting, up to a bound in leaves and bytes; nothing ever
//! waits for a batch to fill, because at one caller every wait is pure delay
//! and at many callers the commit before gathers them anyway.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use quell_engine::port::{Append, Appended, StoreError};
use tokio::sync::oneshot;

use super::writer::Writer;

/// Leaves in one transaction, unless a single append has more.
const BATCH_LEAVES_MAX: usize = 256;

/// Blob bytes in one transaction, unless a single append has more: keeps one
/// sender's large alerts from delaying everybody's small events.
const BATCH_BLOB_BYTES_MAX: usize = 4 << 20;

/// An append and the caller who waits for it.
pub(super) struct Waiting {
    pub(super) append: Append,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
}

/// What the writer does next.
pub(super) enum Work {
    Appends(Vec<Waiting>),
    /// Something that has the writer for itself.
    Alone(Box<dyn FnOnce(&mut Writer) + Send>),
}

enum Ordinary {
    Append(Waiting),
    Alone(Box<dyn FnOnce(&mut Writer) + Send>),
}

#[derive(Default)]
struct Line {
    urgent: VecDeque<Waiting>,
    ordinary: VecDeque<Ordinary>,
    closed: bool,
}

/// The line; shared by callers and the writer.
#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    changed: Condvar,
}

impl Queue {
    pub(super) fn push(&self, waiting: Waiting) -> Result<(), StoreError> {
        self.enter(|line| {
            if waiting.append.urgent {
                line.urgent.push_back(waiting);
            } else {
                line.ordinary.push_back(Ordinary::Append(waiting));
            }
        })
    }

    pub(super) fn push_alone(&self, work: Box<dyn FnOnce(&mut Writer) + Send>) -> Result<(), StoreError> {
        self.enter(|line| line.ordinary.push_back(Ordinary::Alone(work)))
    }

    /// Waits for work; `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<Work> {
        let mut line = self.lock();
        loop {
            if let Some(work) = line.take() {
                return Some(work);
            }
            if line.closed {
                return None;
            }
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the writer finish what is waiting, and nobody else in.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Drops what is waiting as well: whoever waits is told that the writer stopped.
    pub(super) fn abandon(&self) {
        let mut line = self.lock();
        *line = Line { closed: true, ..Line::default() };
    }

    fn enter(&self, push: impl FnOnce(&mut Line)) -> Result<(), StoreError> {
        let mut line = self.lock();
        if line.closed {
            return Err(stopped());
        }
        push(&mut line);
        drop(line);
        self.changed.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a caller learns whose work will never be done.
pub(super) fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped; restart the server and look for an earlier error in its log".to_owned())
}

impl Line {
    fn take(&mut self) -> Option<Work> {
        let mut room = Room::default();
        let mut batch = Vec::new();
        while let Some(waiting) = self.urgent.pop_front_if(|waiting| room.admits(&waiting.append)) {
            batch.push(waiting);
        }
        let mut admits = |next: &mut Ordinary| match next {
            Ordinary::Append(waiting) => room.admits(&waiting.append),
            Ordinary::Alone(_) => false,
        };
        // An urgent append that did not fit is not overtaken by a small one that would.
        if self.urgent.is_empty() {
            while let Some(Ordinary::Append(waiting)) = self.ordinary.pop_front_if(&mut admits) {
                batch.push(waiting);
            }
        }
        if !batch.is_empty() {
            return Some(Work::Appends(batch));
        }
        match self.ordinary.pop_front()? {
            Ordinary::Alone(work) => Some(Work::Alone(work)),
            Ordinary::Append(waiting) => Some(Work::Appends(vec![waiting])),
        }
    }
}

/// What still fits into a batch.
#[derive(Default)]
struct Room {
    leaves: usize,
    bytes: usize,
}

impl Room {
    fn admits(&mut self, append: &Append) -> bool {
        // An append without leaves is still work.
        let leaves = append.leaves.len().max(1);
        let bytes: usize = append.blobs.iter().map(|blob| blob.bytes.len()).sum();
        let first = self.leaves == 0;
        if !first && (self.leaves + leaves > BATCH_LEAVES_MAX || self.bytes + bytes > BATCH_BLOB_BYTES_MAX) {
            return false;
        }
        self.leaves += leaves;
        self.bytes += bytes;
        true
    }
}
