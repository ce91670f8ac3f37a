//! A detector's message, normalised to one subject at one moment.
//!
//! `subject` is whom the signal is about, often not the person it names
//! (assignee, committer, administrator). Where no identity is named, none is
//! invented. The shape is the one that `quell alert normalise` prints.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    secret::{Fingerprint, Secret},
    time::Timestamp,
    untrusted::Untrusted,
};

/// One normalised statement of a detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The detector's name, as in `quell alert normalise --source`.
    pub source: String,
    pub kind: SignalKind,
    pub title: Untrusted,
    /// When it happened; `None` only between reading and receipt.
    pub observed_at: Option<Timestamp>,
    pub observed_at_from: ObservedFrom,
    pub severity: Severity,
    /// What the sender claims. Never copied into our confidence.
    pub vendor_confidence: Option<String>,
    /// A drill or a vendor's sample finding.
    pub sample: bool,
    /// It reports a containment, so it is evidence and not an alert.
    pub containment_evidence: bool,
    /// Its format is signed by its issuer, and it came without the signature: a
    /// claim that anybody could have written. It is shown and nothing rests on it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsigned: bool,
    pub subject: Subject,
    pub credential: Option<SignalCredential>,
    pub actor: Actor,
    /// Equal for two deliveries of one event.
    pub dedupe_key: String,
    /// Why the reading is what it is, in our words.
    pub reasons: Vec<String>,
}

/// For fields that are written only where they are true.
pub(crate) fn is_false(truth: &bool) -> bool {
    !truth
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    LeakedSecret,
    AnomalousUse,
    RiskySignIn,
    CredentialChange,
    PrivilegeChange,
    AccountChange,
    DelegationChange,
    SessionEvent,
    AgentAction,
    PolicyViolation,
    Posture,
    Containment,
    Other,
}

/// Which clock `observed_at` came from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedFrom {
    Event,
    VendorUpdate,
    Received,
}

/// OCSF `severity_id` and the vendor's own word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Severity {
    /// OCSF 1.8 severity_id: 0 unknown, 1 informational .. 6 fatal, 99 other.
    pub id: u8,
    pub vendor: Option<String>,
}

/// Whom the signal is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub resolvable: Resolvable,
    pub kind: IdentityKind,
    pub native_id: Option<String>,
    pub name: Option<String>,
    pub system: Option<String>,
}

impl Subject {
    /// No identity is named.
    pub fn nobody(resolvable: Resolvable) -> Self {
        Self { resolvable, kind: IdentityKind::Unknown, native_id: None, name: None, system: None }
    }
}

/// How far a message names an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolvable {
    Yes,
    Partial,
    SecretOnly,
    No,
}

/// What can authenticate or be authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    Human,
    ServiceAccount,
    Workload,
    Device,
    Agent,
    Unknown,
}

/// The credential the signal names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalCredential {
    pub kind: CredentialKind,
    pub id: Option<String>,
    /// Keyed; `None` with a reason where no key was at hand.
    pub fingerprint: Option<Fingerprint>,
}

/// What an identity presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    Password,
    AccessKey,
    ApiKey,
    Token,
    RefreshToken,
    Session,
    Certificate,
    SshKey,
    SecretId,
    ServiceAccountKey,
    Ticket,
    OauthClient,
    Unknown,
}

/// Who did it, where that is somebody else than the subject or adds an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub native_id: Option<String>,
    pub name: Option<String>,
    pub ip: Option<String>,
}

/// A signal fresh from a detector, with the secret it carried, if any. The
/// secret is fingerprinted, identified and wiped; it never reaches an event.
#[derive(Clone, Debug)]
pub struct Detected {
    pub signal: Signal,
    pub secret: Option<Secret>,
}

/// A record that could not be read. Its bytes stay sealed with the alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Index of the record in the input, from 0.
    pub record: u64,
    pub reason: String,
}

/// What one detector message says.
#[derive(Clone, Debug, Default)]
pub struct Readout {
    /// In input order.
    pub signals: Vec<Detected>,
    pub unreadable: Vec<Unreadable>,
    /// How many records the message held, those that say nothing among them.
    pub records: u64,
}

/// Fingerprints the secret, or says why there is no fingerprint. The secret
/// itself is returned to the caller's memory alone.
pub fn fingerprint(detected: &mut Detected, key: Option<&crate::secret::FingerprintKey>) {
    let (Some(secret), Some(credential)) = (&detected.secret, &mut detected.signal.credential) else { return };
    match key {
        Some(key) => credential.fingerprint = Some(key.fingerprint(secret)),
        None => detected.signal.reasons.push(String::from("no fingerprint: no fingerprint key file was given")),
    }
}
