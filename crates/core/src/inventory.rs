//! What is known of identities, credentials, consumers and owners:
//! `quell-inventory/1`.
//!
//! Observed facts (what planes and imports report) may be stale and live
//! outside the ledger; asserted facts (owner, criticality, protected, shared,
//! dependency) always come from an event with an author, and policy takes
//! authority only from them. References are `SYSTEM/NATIVE_ID`, split at the
//! first `/`.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decision::Criticality,
    signal::{CredentialKind, IdentityKind},
    time::Timestamp,
};

/// One object of an inventory file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Object {
    System(System),
    Identity(Identity),
    Credential(Credential),
    Session(Session),
    Entitlement(Entitlement),
    Owner(Owner),
    Derivation(Derivation),
    Dependency(Dependency),
}

/// What entitlements open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct System {
    pub id: String,
    pub kind: String,
    #[serde(default)]
    pub native: Vec<String>,
    pub environment: Option<String>,
    pub criticality: Option<Criticality>,
    pub process: Option<String>,
}

/// Anything that can authenticate or be authorised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    pub id: String,
    pub kind: IdentityKind,
    pub name: Option<String>,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub environment: Option<String>,
    pub criticality: Option<Criticality>,
    pub shared: Option<bool>,
    pub third_party: Option<bool>,
    pub protected: Option<bool>,
    pub status: Option<String>,
    pub last_used_at: Option<Timestamp>,
    pub rotation: Option<Rotation>,
    pub bounds: Option<Value>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// How its consumers get a new credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    pub method: RotationMethod,
    pub sink: Option<String>,
    pub runbook: Option<String>,
}

/// Who moves the consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationMethod {
    /// A second credential first, the consumer seen on it, then the old one goes.
    Failover,
    /// The plane replaces it in place.
    Connector,
    /// A person.
    Manual,
}

/// What an identity presents. `secret` is hashed while reading and never stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    pub id: String,
    pub identity: String,
    pub kind: CredentialKind,
    #[serde(default)]
    pub fingerprints: Vec<String>,
    pub issued_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// Access already granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub id: String,
    pub identity: String,
    pub credential: Option<String>,
    pub started_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

/// A permission of an identity on a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entitlement {
    pub id: Option<String>,
    pub identity: String,
    pub permission: String,
    pub resource: String,
}

/// Who answers for an identity, or for all that a glob names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    pub of: String,
    pub role: OwnerRole,
    pub person: Option<String>,
    pub team: Option<String>,
    pub contact: Option<String>,
    pub deputy: Option<String>,
    pub contract: Option<String>,
    /// A date; `confirmed_at` of an owner is how fresh the claim is.
    pub confirmed_at: Option<String>,
}

/// For what an owner answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerRole {
    Iam,
    Security,
    Business,
    Vendor,
}

/// This was, or may be, minted from that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Derivation {
    pub from: String,
    pub to: String,
    pub via: String,
    pub basis: Basis,
    pub at: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Seen, or only allowed by an entitlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    Observed,
    Possible,
}

/// A workload that needs a credential and breaks without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dependency {
    pub consumer: String,
    pub on: String,
    pub criticality: Option<Criticality>,
    pub reads_from: Option<String>,
    pub schedule: Option<String>,
}

const KNOWN: &[(&str, &[&str])] = &[
    ("system", &["id", "kind", "native", "environment", "criticality", "process"]),
    (
        "identity",
        &[
            "id",
            "kind",
            "name",
            "aliases",
            "environment",
            "criticality",
            "shared",
            "third_party",
            "protected",
            "status",
            "last_used_at",
            "rotation",
            "bounds",
            "tags",
        ],
    ),
    ("credential", &["id", "identity", "kind", "fingerprints", "secret", "issued_at", "expires_at", "last_used_at"]),
    ("session", &["id", "identity", "credential", "started_at", "expires_at"]),
    ("entitlement", &["id", "identity", "permission", "resource"]),
    ("owner", &["of", "role", "person", "team", "contact", "deputy", "contract", "confirmed_at"]),
    ("derivation", &["from", "to", "via", "basis", "at", "until"]),
    ("dependency", &["consumer", "on", "criticality", "reads_from", "schedule"]),
];

/// Something to say about one line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    pub line: u64,
    pub path: String,
    pub message: String,
}

/// Reads one object; a secret in it becomes a fingerprint at once. Unknown
/// fields are warned of, unknown types are errors.
pub fn read_object(
    line: u64,
    mut value: Value,
    fingerprint: &dyn Fn(&crate::secret::Secret) -> Option<String>,
) -> (Result<Object, Remark>, Vec<Remark>) {
    let remark = |path: &str, message: String| Remark { line, path: path.to_string(), message };
    let mut warnings = Vec::new();
    let Some(map) = value.as_object_mut() else { return (Err(remark("", "expected an object with a `type`".to_string())), warnings) };
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_string();
    let Some((_, fields)) = KNOWN.iter().find(|(name, _)| *name == kind) else {
        let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        return (Err(remark("/type", format!("expected one of {}, found `{kind}`", names.join(", ")))), warnings);
    };
    let unknown: Vec<String> = map.keys().filter(|k| *k != "type" && !fields.contains(&k.as_str())).cloned().collect();
    for key in unknown {
        map.remove(&key);
        warnings.push(remark(&format!("/{key}"), format!("unknown field of a {kind}; it is left out")));
    }
    if let Some(secret) = map.remove("secret") {
        match secret.as_str().map(|s| fingerprint(&crate::secret::Secret::new(s))) {
            Some(Some(print)) => map.insert("fingerprints".to_string(), Value::Array(vec![Value::String(print)])),
            Some(None) => return (Err(remark("/secret", "a secret needs a fingerprint key file to be hashed with".to_string())), warnings),
            None => return (Err(remark("/secret", "expected a string".to_string())), warnings),
        };
    }
    match serde_json::from_value::<Object>(value) {
        Ok(object) => (Ok(object), warnings),
        Err(e) => (Err(remark("", e.to_string())), warnings),
    }
}

/// Splits `SYSTEM/NATIVE_ID` at the first `/`.
pub fn split(reference: &str) -> Option<(&str, &str)> {
    reference.split_once('/').filter(|(system, native)| !system.is_empty() && !native.is_empty())
}

impl Object {
    /// The key under which a second object of the same meaning replaces it.
    pub fn key(&self) -> String {
        match self {
            Self::System(o) => format!("system:{}", o.id),
            Self::Identity(o) => format!("identity:{}", o.id),
            Self::Credential(o) => format!("credential:{}", o.id),
            Self::Session(o) => format!("session:{}", o.id),
            Self::Entitlement(o) => format!("entitlement:{}|{}|{}", o.identity, o.permission, o.resource),
            Self::Owner(o) => format!("owner:{}|{:?}", o.of, o.role),
            Self::Derivation(o) => format!("derivation:{}|{}|{}|{:?}", o.from, o.to, o.via, o.basis),
            Self::Dependency(o) => format!("dependency:{}|{}", o.consumer, o.on),
        }
    }

    /// References to identities and credentials that must exist.
    fn needs(&self) -> Vec<&str> {
        match self {
            Self::Credential(o) => vec![&o.identity],
            Self::Session(o) => vec![&o.identity],
            Self::Entitlement(o) => vec![&o.identity],
            Self::Owner(o) if !o.of.contains('*') => vec![&o.of],
            Self::Dependency(o) => vec![&o.on],
            _ => vec![],
        }
    }

    /// Holds a fact that policy may take authority from.
    pub fn asserts(&self) -> bool {
        match self {
            Self::Owner(_) | Self::Dependency(_) | Self::System(_) => true,
            Self::Identity(o) => {
                o.criticality.is_some() || o.shared.is_some() || o.protected.is_some() || o.third_party.is_some() || o.environment.is_some()
            }
            _ => false,
        }
    }
}

/// Every object that is not gone, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    objects: BTreeMap<String, Object>,
    by_fingerprint: BTreeMap<String, String>,
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
        if let Object::Credential(credential) = &object {
            self.by_fingerprint.retain(|_, id| *id != credential.id);
            for print in &credential.fingerprints {
                self.by_fingerprint.insert(print.clone(), credential.id.clone());
            }
        }
        self.objects.insert(key, object);
    }

    /// Removes the object of a key.
    pub fn remove(&mut self, key: &str) {
        if let Some(Object::Credential(credential)) = self.objects.remove(key) {
            self.by_fingerprint.retain(|_, id| *id != credential.id);
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
            _ => self.objects.values().find_map(|o| match o {
                Object::Identity(i) if i.aliases.iter().any(|a| a == reference) => Some(i),
                _ => None,
            }),
        }
    }

    /// The credential of a reference.
    pub fn credential(&self, reference: &str) -> Option<&Credential> {
        match self.objects.get(&format!("credential:{reference}")) {
            Some(Object::Credential(credential)) => Some(credential),
            _ => None,
        }
    }

    /// The credential whose secret has this fingerprint: possession.
    pub fn by_fingerprint(&self, fingerprint: &str) -> Option<&Credential> {
        self.by_fingerprint.get(fingerprint).and_then(|id| self.credential(id))
    }

    /// The system of a name, or of a native name such as `aws:111111111111`.
    pub fn system(&self, name: &str) -> Option<&System> {
        match self.objects.get(&format!("system:{name}")) {
            Some(Object::System(system)) => Some(system),
            _ => self.objects.values().find_map(|o| match o {
                Object::System(s) if s.native.iter().any(|n| n == name) => Some(s),
                _ => None,
            }),
        }
    }

    /// Who answers for a reference, one owner a role: a fact about the identity
    /// outweighs one about a glob, a longer glob a shorter one.
    pub fn owners(&self, reference: &str) -> Vec<&Owner> {
        let mut best: BTreeMap<OwnerRole, &Owner> = BTreeMap::new();
        for object in self.objects.values() {
            let Object::Owner(owner) = object else { continue };
            if !matches_glob(&owner.of, reference) {
                continue;
            }
            let weight = |o: &Owner| (!o.of.contains('*'), o.of.len());
            if best.get(&owner.role).is_none_or(|b| weight(owner) > weight(b)) {
                best.insert(owner.role, owner);
            }
        }
        best.into_values().collect()
    }

    /// Who breaks without the credentials of an identity.
    pub fn consumers(&self, identity: &str) -> Vec<&Dependency> {
        self.objects
            .values()
            .filter_map(|o| match o {
                Object::Dependency(d) if d.on == identity || self.credential(&d.on).is_some_and(|c| c.identity == identity) => Some(d),
                _ => None,
            })
            .collect()
    }

    /// Derivations out of a reference.
    pub fn derived_from<'a>(&'a self, reference: &'a str) -> impl Iterator<Item = &'a Derivation> {
        self.objects.values().filter_map(move |o| match o {
            Object::Derivation(d) if d.from == reference => Some(d),
            _ => None,
        })
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

/// `*` stands for any text; everything else for itself.
pub fn matches_glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
