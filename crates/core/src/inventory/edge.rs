//! What leads from one thing to another, and where to look it up.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{Basis, Object};

/// One way from one thing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub via: &'a str,
    pub basis: Basis,
}

impl Object {
    /// The ways that this object is, or says there are.
    pub fn edges(&self) -> Vec<Edge<'_>> {
        match self {
            Self::Derivation(d) => vec![Edge { from: &d.from, to: &d.to, via: &d.via, basis: d.basis }],
            Self::Credential(c) => vec![
                Edge { from: &c.identity, to: &c.id, via: "holds", basis: Basis::Observed },
                Edge { from: &c.id, to: &c.identity, via: "authenticates_as", basis: Basis::Observed },
            ],
            Self::Session(s) => {
                let from = s.credential.as_deref().unwrap_or(&s.identity);
                vec![Edge { from, to: &s.id, via: "opened", basis: Basis::Observed }]
            }
            Self::Entitlement(e) => vec![Edge { from: &e.identity, to: &e.resource, via: &e.permission, basis: Basis::Possible }],
            _ => vec![],
        }
    }
}

/// Keys of objects by a word of theirs, in the order of the keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index(BTreeMap<String, BTreeSet<String>>);

impl Index {
    pub(super) fn add(&mut self, word: &str, key: &str) {
        match self.0.get_mut(word) {
            Some(keys) => {
                keys.insert(key.to_string());
            }
            None => {
                self.0.insert(word.to_string(), [key.to_string()].into());
            }
        }
    }

    pub(super) fn remove(&mut self, word: &str, key: &str) {
        if let Some(keys) = self.0.get_mut(word) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(word);
            }
        }
    }

    pub(super) fn of(&self, word: &str) -> impl Iterator<Item = &String> {
        self.0.get(word).into_iter().flatten()
    }
}
