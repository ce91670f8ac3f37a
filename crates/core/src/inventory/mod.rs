//! What is known of identities, credentials, consumers and owners:
//! `quell-inventory/1`.
//!
//! Observed facts (what planes and imports report) may be stale and live
//! outside the ledger; asserted facts (owner, criticality, protected, shared,
//! dependency) always come from an event with an author, and policy takes
//! authority only from them. References are `SYSTEM/NATIVE_ID`, split at the
//! first `/`.

mod edge;
pub mod facts;
mod file;
mod glob;
mod object;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

pub use edge::Edge;
use edge::Index;
pub use file::{Remark, read_object};
pub use glob::matches_glob;
pub use object::{
    Basis, Credential, Dependency, Derivation, Entitlement, Identity, Object, Owner, OwnerRole, Rotation, RotationMethod, Session, System,
};

/// Splits `SYSTEM/NATIVE_ID` at the first `/`.
pub fn split(reference: &str) -> Option<(&str, &str)> {
    reference.split_once('/').filter(|(system, native)| !system.is_empty() && !native.is_empty())
}

/// Every object that is not gone, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    objects: BTreeMap<String, Object>,
    fingerprints: Index,
    /// Objects whose edges start, and end, at a reference.
    outward: Index,
    inward: Index,
    /// Other names of identities, and native names of systems.
    aliases: Index,
}

/// What an import would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub read: u64,
    pub added: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub gone: u64,
    pub errors: Vec<Remark>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<Remark>,
}

impl Inventory {
    /// Takes objects as they were stored.
    pub fn of(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut inventory = Self::default();
        for object in objects {
            inventory.put(object);
        }
        inventory
    }

    /// Adds an object or replaces the one of its key.
    pub fn put(&mut self, object: Object) {
        let key = object.key();
        self.remove(&key);
        if let Object::Credential(credential) = &object {
            for print in &credential.fingerprints {
                self.fingerprints.add(print, &key);
            }
        }
        for edge in object.edges() {
            self.outward.add(edge.from, &key);
            self.inward.add(edge.to, &key);
        }
        for alias in object.aliases() {
            self.aliases.add(alias, &key);
        }
        self.objects.insert(key, object);
    }

    /// Removes the object of a key.
    pub fn remove(&mut self, key: &str) {
        let Some(object) = self.objects.remove(key) else { return };
        if let Object::Credential(credential) = &object {
            for print in &credential.fingerprints {
                self.fingerprints.remove(print, key);
            }
        }
        for edge in object.edges() {
            self.outward.remove(edge.from, key);
            self.inward.remove(edge.to, key);
        }
        for alias in object.aliases() {
            self.aliases.remove(alias, key);
        }
    }

    /// Is there an object of this key?
    pub fn get(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)
    }

    /// Every object, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Object)> {
        self.objects.iter()
    }

    /// The identity of a reference or alias.
    pub fn identity(&self, reference: &str) -> Option<&Identity> {
        match self.objects.get(&format!("identity:{reference}")) {
            Some(Object::Identity(identity)) => Some(identity),
            _ => self.aliases.of(reference).find_map(|key| match self.objects.get(key) {
                Some(Object::Identity(identity)) => Some(identity),
                _ => None,
            }),
        }
    }

    /// The identities that a sender's word may mean: under the system it names, else by
    /// itself. More than one where several have it as an alias.
    pub fn named(&self, system: Option<&str>, word: &str) -> Vec<&Identity> {
        let of = |reference: &str| match self.objects.get(&format!("identity:{reference}")) {
            Some(Object::Identity(identity)) => Vec::from([identity]),
            _ => self
                .aliases
                .of(reference)
                .filter_map(|key| match self.objects.get(key) {
                    Some(Object::Identity(identity)) => Some(identity),
                    _ => None,
                })
                .collect(),
        };
        let there = system.map(|system| of(&format!("{system}/{word}"))).unwrap_or_default();
        if there.is_empty() { of(word) } else { there }
    }

    /// Every identity, in the order of their ids.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.iter().filter_map(|(_, object)| match object {
            Object::Identity(identity) => Some(identity),
            _ => None,
        })
    }

    /// The credential of a reference.
    pub fn credential(&self, reference: &str) -> Option<&Credential> {
        match self.objects.get(&format!("credential:{reference}")) {
            Some(Object::Credential(credential)) => Some(credential),
            _ => None,
        }
    }

    /// The credential whose secret has this fingerprint: possession. The first by
    /// name where several share it.
    pub fn by_fingerprint(&self, fingerprint: &str) -> Option<&Credential> {
        self.fingerprints.of(fingerprint).find_map(|key| match self.objects.get(key) {
            Some(Object::Credential(credential)) => Some(credential),
            _ => None,
        })
    }

    /// The system of a name, or of a native name such as `aws:111111111111`.
    pub fn system(&self, name: &str) -> Option<&System> {
        match self.objects.get(&format!("system:{name}")) {
            Some(Object::System(system)) => Some(system),
            _ => self.aliases.of(name).find_map(|key| match self.objects.get(key) {
                Some(Object::System(system)) => Some(system),
                _ => None,
            }),
        }
    }

    /// Who answers for a reference, one owner a role: a fact about the identity
    /// outweighs one about a glob, a longer glob a shorter one.
    pub fn owners(&self, reference: &str) -> Vec<&Owner> {
        let mut best: BTreeMap<OwnerRole, &Owner> = BTreeMap::new();
        for object in self.of_kind("owner") {
            let Object::Owner(owner) = object else { continue };
            if owner.is_of_a_place() || !matches_glob(&owner.of, reference) {
                continue;
            }
            let weight = |o: &Owner| (!o.of.contains('*'), o.of.len());
            if best.get(&owner.role).is_none_or(|b| weight(owner) > weight(b)) {
                best.insert(owner.role, owner);
            }
        }
        best.into_values().collect()
    }

    /// Every owner, of identities and of places.
    pub fn all_owners(&self) -> impl Iterator<Item = &Owner> {
        self.of_kind("owner").filter_map(|o| match o {
            Object::Owner(owner) => Some(owner),
            _ => None,
        })
    }

    /// Who breaks without the credentials of an identity.
    pub fn consumers(&self, identity: &str) -> Vec<&Dependency> {
        self.of_kind("dependency")
            .filter_map(|o| match o {
                Object::Dependency(d) if d.on == identity || self.credential(&d.on).is_some_and(|c| c.identity == identity) => Some(d),
                _ => None,
            })
            .collect()
    }

    /// The credentials of an identity.
    pub fn credentials<'a>(&'a self, identity: &'a str) -> impl Iterator<Item = &'a Credential> {
        self.outward.of(identity).filter_map(move |key| match self.objects.get(key) {
            Some(Object::Credential(c)) if c.identity == identity => Some(c),
            _ => None,
        })
    }

    /// Edges out of a reference.
    pub fn edges_from<'a>(&'a self, at: &'a str) -> impl Iterator<Item = Edge<'a>> {
        self.outward.of(at).filter_map(|key| self.objects.get(key)).flat_map(Object::edges).filter(move |e| e.from == at)
    }

    /// Edges that end at a reference.
    pub fn edges_to<'a>(&'a self, at: &'a str) -> impl Iterator<Item = Edge<'a>> {
        self.inward.of(at).filter_map(|key| self.objects.get(key)).flat_map(Object::edges).filter(move |e| e.to == at)
    }

    /// Objects of a kind stand together: their keys begin with its name.
    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object> {
        self.objects.range(format!("{kind}:")..format!("{kind};")).map(|(_, o)| o)
    }

    /// What an upsert of `objects` would do. `present` are the keys this source
    /// reported before; with `replace`, those not in `objects` are gone.
    /// Dangling references are errors, order is free.
    pub fn compare(&self, objects: &[(u64, Object)], present: &BTreeSet<String>, replace: bool) -> Change {
        let mut change = Change { read: objects.len() as u64, ..Change::default() };
        let new: BTreeSet<String> = objects.iter().map(|(_, o)| o.key()).collect();
        for (line, object) in objects {
            for reference in object.needs() {
                let known = |kind: &str| {
                    let key = format!("{kind}:{reference}");
                    new.contains(&key) || self.objects.contains_key(&key)
                };
                if !known("identity") && !known("credential") {
                    change.errors.push(Remark {
                        line: *line,
                        path: String::new(),
                        message: format!("`{reference}` is not in this file nor in the inventory"),
                    });
                }
            }
            match self.objects.get(&object.key()) {
                None => change.added += 1,
                Some(old) if old == object => change.unchanged += 1,
                Some(_) => change.changed += 1,
            }
        }
        if replace {
            change.gone = present.difference(&new).count() as u64;
        }
        change
    }
}
