//! Names of things, one type each, so that a plan's id is never passed where a
//! case's is meant.
//!
//! Ids are made from chance that the caller brings; they carry a prefix a
//! person can read aloud and 50 bits in Crockford's base 32. None of them is
//! derived from personal data except by a keyed hash ([`opaque`]).

use alloc::{borrow::ToOwned, format, string::String};
use core::fmt;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Ten characters out of ten bytes of chance.
fn ten_characters(chance: [u8; 10]) -> String {
    chance.iter().map(|b| char::from(CROCKFORD[usize::from(b & 31)])).collect()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Makes a new id from chance.
            pub fn from_chance(chance: [u8; 10]) -> Self {
                Self(format!("{}{}", $prefix, ten_characters(chance)))
            }
            /// Takes an id that was made before. Its form is not checked: an unknown id finds nothing.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// One detector message as it was received.
    AlertId "al-",
    /// A record that holds findings, people, plans and proofs until closure.
    CaseId "C-",
    /// Signals with one fold key.
    FindingId "f-",
    /// An immutable DAG of steps.
    PlanId "p-",
    /// One cleared try of one step on one target.
    AttemptId "at-",
    /// One named person's yes to one plan digest.
    ApprovalId "ap-",
    /// The pseudonymous id of a person or another principal.
    PersonId "u-",
    /// The opaque id of what an attempt acts on.
    TargetId "t-",
    /// A machine token or a sign-in session.
    TokenId "tok-",
    /// A detector's authenticated way in.
    SourceId "src-",
    /// A task of a person.
    TaskId "task-",
    /// What people asked to be forgotten.
    ErasureId "er-",
}

/// A stream of events with one version counter: `case/C-...`, `target/t-...`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(String);

impl StreamId {
    /// The stream of a case.
    pub fn case(id: &CaseId) -> Self {
        Self(format!("case/{id}"))
    }
    /// The stream of a target.
    pub fn target(id: &TargetId) -> Self {
        Self(format!("target/{id}"))
    }
    /// The stream of a plan.
    pub fn plan(id: &PlanId) -> Self {
        Self(format!("plan/{id}"))
    }
    /// The stream of one person's approval of one plan: a second yes of the same
    /// person is a conflict, not a second person (invariant 4).
    pub fn approval(plan: &PlanId, by: &PersonId) -> Self {
        Self(format!("approval/{plan}/{by}"))
    }
    /// The stream that counts what one scope spent in one hour.
    pub fn budget(scope: &str, hour: i64) -> Self {
        Self(format!("budget/{scope}/{hour}"))
    }
    /// The stream of a person.
    pub fn person(id: &PersonId) -> Self {
        Self(format!("person/{id}"))
    }
    /// The stream of the installation's policy, arming and pauses.
    pub fn policy() -> Self {
        Self("policy/installation".to_owned())
    }
    /// The stream of who is told of a case.
    pub fn notices(id: &CaseId) -> Self {
        Self(format!("notice/{id}"))
    }
    /// The stream of what was exported beside the cases' own bundles.
    pub fn population() -> Self {
        Self("evidence/population".to_owned())
    }
    /// The stream of an erasure.
    pub fn erasure(id: &ErasureId) -> Self {
        Self(format!("erasure/{id}"))
    }
    /// The stream of a source of alerts or of inventory.
    pub fn source(name: &str) -> Self {
        Self(format!("source/{name}"))
    }
    /// The stream of one received alert.
    pub fn alert(id: &AlertId) -> Self {
        Self(format!("source/alert/{id}"))
    }
    /// The stream of one part of an alert that was filed in parts.
    pub fn alert_part(id: &AlertId, part: u32) -> Self {
        Self(format!("source/alert/{id}/{part:06}"))
    }
    /// Takes a name that was stored before.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The part before the first `/`.
    pub fn family(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
    /// The part after the first `/`.
    pub fn key(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, key)| key)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A keyed hash of parts, as 32 hex digits: joins streams without naming what
/// they are about. Parts are length-prefixed, so no two lists give one text.
pub fn opaque(key: &[u8; 32], parts: &[&str]) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes()[..16].iter().map(|b| format!("{b:02x}")).collect()
}
