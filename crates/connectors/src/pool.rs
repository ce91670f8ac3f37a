//! Kept connections to one server, and what our own probes opened on it.
//!
//! Whoever wants one waits at the gate, takes one that is kept or dials, and gives
//! it back only where it is still good. Dropping it instead is what tells the
//! server that nobody waits any more.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// How many calls may be under way at the same time.
pub(crate) struct Gate(Semaphore);

impl Gate {
    pub(crate) fn new(most: usize) -> Self {
        Self(Semaphore::new(most))
    }

    /// Waits for a turn, at most `within`. Where there is none, nothing was sent.
    pub(crate) async fn turn(&self, within: Duration) -> Result<SemaphorePermit<'_>, String> {
        match timeout(within, self.0.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err("the connector is closed".to_owned()),
            Err(_) => Err("every connection was busy".to_owned()),
        }
    }
}

/// Kept connections.
pub(crate) struct Pool<C> {
    gate: Gate,
    kept: Mutex<Vec<C>>,
}

impl<C> Pool<C> {
    /// At most `most` are in use at the same time.
    pub(crate) fn new(most: usize) -> Self {
        Self { gate: Gate::new(most), kept: Mutex::new(Vec::new()) }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The first that is not closed; those before it are dropped.
    pub(crate) fn take(&self, is_closed: impl Fn(&mut C) -> bool) -> Option<C> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| kept.pop()).find_map(|mut one| (!is_closed(&mut one)).then_some(one))
    }

    pub(crate) fn give_back(&self, one: C) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }
}

/// A call without a result.
#[derive(Debug)]
pub(crate) struct Broken<F> {
    pub failure: F,
    /// A kept connection was found closed: what changes nothing may be asked once
    /// more, over another one.
    pub was_kept: bool,
}

impl<F> Broken<F> {
    /// Another connection would meet the same.
    pub(crate) fn at_last(failure: F) -> Self {
        Self { failure, was_kept: false }
    }
}

/// How many of ours are remembered.
const OURS_MAX: usize = 256;

/// What our own probes opened lately. It may be listed for a moment after it was
/// closed, and must not be taken for the consumer's or the intruder's.
#[derive(Debug)]
pub(crate) struct Ours<T>(Mutex<VecDeque<T>>);

impl<T> Default for Ours<T> {
    fn default() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }
}

impl<T: PartialEq> Ours<T> {
    pub(crate) fn add(&self, one: T) {
        let mut ours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ours.push_back(one);
        while ours.len() > OURS_MAX {
            ours.pop_front();
        }
    }

    pub(crate) fn has<Q: ?Sized>(&self, one: &Q) -> bool
    where
        T: PartialEq<Q>,
    {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|ours| ours == one)
    }
}
