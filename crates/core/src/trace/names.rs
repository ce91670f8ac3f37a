//! The names of one identity, as far as single records gave two of them together.
//!
//! A set of names is found again by its smallest, so the order in which pairs
//! arrive makes no difference. Nothing is joined by likeness: `wardog` here and
//! `wardog` there are two people until a record says otherwise.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
};

/// Names that mean the same identity.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    up: BTreeMap<String, String>,
    /// The name to show for each set, by its smallest name.
    shown: BTreeMap<String, String>,
}

impl Names {
    /// These two are one.
    pub(super) fn join(&mut self, a: &str, b: &str) {
        if a.is_empty() || b.is_empty() || a == b {
            return;
        }
        let (a, b) = (self.smallest(a).to_string(), self.smallest(b).to_string());
        let shown = better(self.shown(&a), self.shown(&b)).to_string();
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        if low != high {
            self.shown.remove(&high);
            self.up.insert(high, low.clone());
        }
        self.shown.insert(low, shown);
    }

    fn smallest<'a>(&'a self, name: &'a str) -> &'a str {
        let mut at = name;
        while let Some(up) = self.up.get(at) {
            at = up;
        }
        at
    }

    /// The name to call it by.
    pub(super) fn shown<'a>(&'a self, name: &'a str) -> &'a str {
        let low = self.smallest(name);
        self.shown.get(low).map_or(low, String::as_str)
    }

    /// Do both mean one identity?
    pub(super) fn same(&self, a: &str, b: &str) -> bool {
        self.smallest(a) == self.smallest(b)
    }
}

/// A name a person reads: an address before a domain account before a number.
fn better<'a>(a: &'a str, b: &'a str) -> &'a str {
    let rank = |n: &str| match () {
        () if n.contains('@') => 0,
        () if n.starts_with("arn:") => 1,
        () if n.contains('\\') => 2,
        () if n.starts_with("S-1-") => 4,
        () => 3,
    };
    // Of two of a rank the longer says more: an ARN with its path.
    let key = |n: &'a str| (rank(n), core::cmp::Reverse(n.len()), n);
    if key(a) <= key(b) { a } else { b }
}
