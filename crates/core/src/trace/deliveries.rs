//! Records that were delivered twice count once.
//!
//! Pipelines deliver at least once, so a record may come again, as a rule soon.
//! The last [`REMEMBERED`] ids are kept, so memory stays flat however long the
//! log is; a second copy farther away would count again.

use alloc::collections::{BTreeSet, VecDeque};

use sha2::{Digest, Sha256};

/// How many ids are kept: some ten megabytes at most.
pub const REMEMBERED: usize = 131_072;

#[derive(Clone, Debug, Default)]
pub(super) struct Deliveries {
    known: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl Deliveries {
    /// Is this the first of them? Ids that look like keys do not suffice, so
    /// the parts name system, event, record, bearer and what came of it together.
    pub(super) fn is_first<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>) -> bool {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut eight = [0_u8; 8];
        eight.copy_from_slice(&digest[..8]);
        let key = u64::from_be_bytes(eight);
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
