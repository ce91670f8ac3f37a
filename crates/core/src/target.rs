//! The exact thing an attempt acts on or a probe looks at.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{id::TargetId, personal::Personal, signal::CredentialKind, time::Timestamp};

/// The four kinds of things that a plane holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    Identity,
    Credential,
    Session,
    Entitlement,
}

impl TargetKind {
    /// Its name, which is also part of the opaque id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Credential => "credential",
            Self::Session => "session",
            Self::Entitlement => "entitlement",
        }
    }
}

/// One thing on one plane. Equal ids mean the same thing; the native id is
/// personal data and may be erased.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    pub id: TargetId,
    /// The connector's name.
    pub plane: String,
    pub kind: TargetKind,
    /// What the plane calls it: `billing_app`, `billing_app#password`, `pid:4711@1763884800123456`.
    pub native: Personal,
    /// The identity it belongs to; itself for an identity.
    pub identity: TargetId,
}

impl Target {
    /// `SYSTEM/NATIVE_ID`, or `SYSTEM/[erased]`.
    pub fn reference(&self) -> String {
        alloc::format!("{}/{}", self.plane, self.native.shown())
    }
}

/// A thing as a plane reports it now, before it has an opaque id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub kind: TargetKind,
    pub native: String,
    /// The native id of the identity it belongs to; itself for an identity.
    pub identity: String,
    /// For credentials.
    pub credential_kind: Option<CredentialKind>,
    /// For sessions: the native id of the credential that opened it, where the plane knows.
    pub opened_with: Option<String>,
    /// The native id, on the same plane, of what it was minted from, where the plane knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minted_from: Option<String>,
    pub started_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// Plain facts, never secrets: `application_name`, `client_addr`, `can_login`, `oid`.
    pub facts: BTreeMap<String, String>,
}

impl Found {
    /// Somebody else may act as the identity: what a containment must treat. What
    /// the identity itself may do (its own rights) is no way in.
    pub fn is_delegation(&self) -> bool {
        self.kind == TargetKind::Entitlement && self.facts.get("direction").is_some_and(|d| d == "may act as it")
    }

    /// Quell's own session is not the intruder's.
    pub fn is_ours(&self) -> bool {
        self.facts.get("ours").is_some_and(|v| v == "true")
    }

    /// The plane cannot end it, and denies it everything instead.
    pub fn is_cut(&self) -> bool {
        self.facts.get("cut").is_some_and(|v| v == "true")
    }

    /// It works on while its identity is suspended.
    pub fn outlives_suspension(&self) -> bool {
        self.facts.get("outlives_suspension").is_some_and(|v| v == "true")
    }

    /// Nobody can take it back by itself.
    pub fn is_irrevocable(&self) -> bool {
        self.facts.get("revocable").is_some_and(|v| v == "false")
    }

    /// For identities: why nobody can be kept from logging in as it.
    pub fn no_login(&self) -> Option<&str> {
        self.facts.get("no_login").map(String::as_str)
    }

    /// Something a containment of the identity acts on.
    pub fn is_to_be_cut(&self) -> bool {
        !self.is_ours() && (self.kind != TargetKind::Entitlement || self.is_delegation())
    }
}

/// Everything a plane reports about one identity at one moment. Taken before
/// acting, because killing a parent often loses the handle to its children.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enumeration {
    /// When it was asked, by Quell's clock.
    pub at: Option<Timestamp>,
    pub found: Vec<Found>,
    /// What the connector could not look at, in our words (invariant 15).
    pub not_looked_at: Vec<String>,
    /// More was there than the limit of the call.
    pub truncated: bool,
    /// What was minted from these things on other planes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Elsewhere>,
}

/// A thing on another plane that was minted from one on this plane: the database
/// role behind a lease, for one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The native id here.
    pub from: String,
    /// The connector of the other plane, by name.
    pub plane: String,
    pub kind: TargetKind,
    /// The native id there.
    pub native: String,
    /// How it came from it: `lease`, `reads`.
    pub via: String,
}

impl Enumeration {
    /// What was found of one kind.
    pub fn of(&self, kind: TargetKind) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(move |f| f.kind == kind)
    }
}

/// One target's state as its plane holds it: the before-state of a hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub exists: bool,
    /// Attributes by value; never a secret. `null` where the plane holds none.
    pub facts: BTreeMap<String, Option<String>>,
    /// Names of secret parts and the ids of the sealed blobs that hold them.
    pub sealed: BTreeMap<String, String>,
}
