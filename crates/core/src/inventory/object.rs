//! The objects of an inventory.

use alloc::{boxed::Box, collections::BTreeMap, format, string::String, vec, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decision::Criticality,
    signal::{CredentialKind, IdentityKind},
    time::Timestamp,
};

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
    /// Where it comes from, such as `acme/shop/services/billing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Box<str>>,
    /// What runs it; of an agent, the workflow that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Box<str>>,
    /// Who deployed it last, an address, as its plane reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed_by: Option<Box<str>>,
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
    /// Where it stands in a file of which a later line outweighs those before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl Owner {
    /// What an owner of a place is `of`: whoever owns the place answers for what comes from
    /// it where nobody nearer is named, and may approve nothing for that.
    pub const REPOSITORY: &str = "repository:";
    pub const PIPELINE: &str = "pipeline:";
    pub const WORKFLOW: &str = "workflow:";
    pub const PLATFORM: &str = "platform:";

    /// Owns a place and no identity.
    pub fn is_of_a_place(&self) -> bool {
        [Self::REPOSITORY, Self::PIPELINE, Self::WORKFLOW, Self::PLATFORM].iter().any(|prefix| self.of.starts_with(prefix))
    }
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

    /// Other names it is found by.
    pub(super) fn aliases(&self) -> &[String] {
        match self {
            Self::Identity(o) => &o.aliases,
            Self::System(o) => &o.native,
            _ => &[],
        }
    }

    /// References to identities and credentials that must exist.
    pub(super) fn needs(&self) -> Vec<&str> {
        match self {
            Self::Credential(o) => vec![&o.identity],
            Self::Session(o) => vec![&o.identity],
            Self::Entitlement(o) => vec![&o.identity],
            Self::Owner(o) if !o.of.contains('*') && !o.is_of_a_place() => vec![&o.of],
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
