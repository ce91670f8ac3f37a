//! The names of one identity, as far as single records gave two of them together.
//!
//! A set of names is found again by its smallest, so the order in which pairs
//! arrive makes no difference. Nothing is joined by likeness: `wardog` here and
//! `wardog` there are two people until a record says otherwise.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
};

/// Names that mean the same identity.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    up: BTreeMap<String, String>,
    /// The name to show for each set, by its smallest name.
    shown: BTreeMap<String, String>,
    /// Names that go before others, whatever they look like.
    first: BTreeSet<String>,
}

impl Names {
    /// `other` is one more name of what is called `name`.
    pub(super) fn join_under(&mut self, name: &str, other: &str) {
        self.first.insert(name.to_string());
        self.join(name, other);
    }

    /// These two are one.
    pub(super) fn join(&mut self, a: &str, b: &str) {
        if a.is_empty() || b.is_empty() || a == b {
            return;
        }
        let (a, b) = (self.smallest(a).to_string(), self.smallest(b).to_string());
        if a != b {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            self.up.insert(high, low);
        }
    }

    /// Chooses the name to show for each set, once all pairs are known.
    pub(super) fn settle(&mut self) {
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for name in self.up.keys().chain(self.up.values()) {
            let low = self.smallest(name);
            let best = shown.get(low).map_or(name.as_str(), |best| self.better(best, name)).to_string();
            shown.insert(low.to_string(), best);
        }
        self.shown = shown;
    }

    fn smallest<'a>(&'a self, name: &'a str) -> &'a str {
        let mut at = name;
        while let Some(up) = self.up.get(at) {
            at = up;
        }
        at
    }

    /// The name to call it by, as of the last settling.
    pub(super) fn shown<'a>(&'a self, name: &'a str) -> &'a str {
        let low = self.smallest(name);
        self.shown.get(low).map_or(low, String::as_str)
    }

    /// Do both mean one identity?
    pub(super) fn same(&self, a: &str, b: &str) -> bool {
        self.smallest(a) == self.smallest(b)
    }

    /// A name a person reads: an address before a domain account before a number.
    fn better<'a>(&self, a: &'a str, b: &'a str) -> &'a str {
        let rank = |n: &str| match () {
            () if self.first.contains(n) => 0,
            () if n.contains('@') => 1,
            () if n.starts_with("arn:") => 2,
            () if n.contains('\\') => 3,
            () if n.starts_with("S-1-") => 5,
            () => 4,
        };
        // Of two of a rank the longer says more: an ARN with its path.
        let key = |n: &'a str| (rank(n), core::cmp::Reverse(n.len()), n);
        if key(a) <= key(b) { a } else { b }
    }
}
