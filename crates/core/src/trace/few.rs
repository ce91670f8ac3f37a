//! A map for few things, in as little room as they take.
//!
//! Most credentials do one or two things from one address, and there may be a
//! million of them; a tree would keep room for eleven in each.

use alloc::vec::Vec;

/// Keys in their order, each with a value.
#[derive(Clone, Debug)]
pub(super) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V: Default> Few<K, V> {
    /// The value of a key, new if it was not there.
    pub(super) fn slot(&mut self, key: K) -> &mut V {
        let at = match self.0.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => at,
            Err(at) => {
                if self.0.len() < 8 {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (key, V::default()));
                at
            }
        };
        &mut self.0[at].1
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.0.binary_search_by(|(k, _)| k.cmp(key)).ok().map(|at| &self.0[at].1)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(k, _)| k)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, v)| v)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(k, v)| (k, v))
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (K, V)> {
        self.0.into_iter()
    }

    /// Forgets the largest key.
    pub(super) fn pop_last(&mut self) {
        self.0.pop();
    }
}
