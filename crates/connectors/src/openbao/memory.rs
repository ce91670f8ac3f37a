//! What the connector remembers while it runs: when an issuer was seen cut, which
//! logins failed, what is protected by derivation. All of it may be forgotten: a
//! residual is then longer, never shorter.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use quell_core::time::{Timestamp, seconds_between};

use super::native::Who;
use crate::pool::Ours;

/// Failed logins that probes may cause on one user in an hour. The server locks a
/// user out after five in a quarter of an hour.
pub(super) const FAILURES_MAX: usize = 2;

/// When an identity was first seen unable to be handed another batch token.
#[derive(Debug, Default)]
pub(super) struct Cuts(Mutex<BTreeMap<Who, Timestamp>>);

impl Cuts {
    /// It may be handed one: whatever was seen before does not count.
    pub(super) fn open(&self, who: &Who) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(who);
    }

    /// Since when it may not, by the server's clock.
    pub(super) fn cut(&self, who: &Who, now: Timestamp) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(who.clone()).or_insert(now)
    }
}

/// Logins of probes that failed.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<BTreeMap<(String, String), Vec<Timestamp>>>);

impl Failures {
    pub(super) fn may_fail(&self, mount: &str, user: &str, now: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = all.entry((mount.to_owned(), user.to_owned())).or_default();
        of_user.retain(|at| seconds_between(*at, now) < 3_600);
        of_user.len() < FAILURES_MAX
    }

    pub(super) fn failed(&self, mount: &str, user: &str, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((mount.to_owned(), user.to_owned())).or_default().push(now);
    }
}

/// Accessors of tokens that our own probes made, and of root tokens that were seen.
#[derive(Debug, Default)]
pub(super) struct Known {
    ours: Ours<String>,
    roots: Mutex<BTreeSet<String>>,
    /// Entity -> why it is out of reach.
    entities: Mutex<BTreeMap<String, String>>,
}

impl Known {
    pub(super) fn add_ours(&self, accessor: &str) {
        self.ours.add(accessor.to_owned());
    }

    pub(super) fn is_ours(&self, accessor: &str) -> bool {
        self.ours.has(accessor)
    }

    pub(super) fn add_root(&self, accessor: &str) {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner).insert(accessor.to_owned());
    }

    pub(super) fn is_root(&self, accessor: &str) -> bool {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner).contains(accessor)
    }

    pub(super) fn set_entities(&self, all: &BTreeMap<String, String>) {
        self.entities.lock().unwrap_or_else(PoisonError::into_inner).clone_from(all);
    }

    pub(super) fn entity(&self, id: &str) -> Option<String> {
        self.entities.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
