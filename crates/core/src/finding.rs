//! Signals with one fold key, and how sure Quell is.
//!
//! Confidence is computed from corroboration, never copied from a sender
//! (invariant 12): possession of the secret outweighs two senders, two senders
//! outweigh one, and a vendor's `Verified: true` weighs nothing.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    event::FindingRepeated,
    fold::{Folds, Timing},
    id::{AlertId, FindingId, SourceId},
    personal::Personal,
    secret::{Fingerprint, FingerprintKey},
    signal::{CredentialKind, IdentityKind, ObservedFrom, Resolvable, SignalKind, is_false},
    target::Target,
    time::Timestamp,
};

/// A signal as the ledger keeps it: what names a person is committed to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FiledSignal {
    pub alert: AlertId,
    pub source: SourceId,
    pub detector: String,
    pub detector_version: u16,
    pub kind: SignalKind,
    pub title: Personal,
    pub observed_at: Timestamp,
    pub observed_at_from: ObservedFrom,
    pub severity: u8,
    pub severity_vendor: Option<String>,
    pub vendor_confidence: Option<String>,
    pub sample: bool,
    pub containment_evidence: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsigned: bool,
    pub resolvable: Resolvable,
    pub identity_kind: IdentityKind,
    pub native_id: Option<Personal>,
    pub name: Option<Personal>,
    pub system: Option<Personal>,
    pub credential_kind: Option<CredentialKind>,
    pub credential_id: Option<Personal>,
    pub fingerprint: Option<Fingerprint>,
    pub actor_id: Option<Personal>,
    pub actor_name: Option<Personal>,
    pub actor_ip: Option<Personal>,
    /// Keyed hash of the detector's dedupe key.
    pub dedupe: String,
    pub reasons: Vec<String>,
    /// Planes that did not answer whether the leaked value is one of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncompared: Vec<String>,
}

/// Whom a signal turned out to be about, on our planes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    pub identity: Target,
    pub credential: Option<Target>,
    /// As the plane told it that matched the value, or as the inventory lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_kind: Option<CredentialKind>,
    /// What the plane's own log writes in place of the leaked value: enough to see it
    /// used again, and nothing to use it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The alert carried the secret and it matched this credential.
    pub possession: bool,
    /// The plane itself compared the value and found it right, when the alert was filed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_right_now: bool,
    /// How the match was made; our words.
    pub because: String,
    /// Whom the sender's name of the subject means, where its id means `identity`: one of
    /// the two is wrong, and nobody knows which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Target>,
    /// What its sender says that it is, on a system that no connector serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<crate::by_hand::Said>,
}

/// Signals with one fold key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub id: FindingId,
    pub fold: String,
    pub kind: SignalKind,
    pub title: Personal,
    pub count: u32,
    pub first_at: Timestamp,
    pub first_at_from: ObservedFrom,
    pub last_at: Timestamp,
    /// Who vouches for it; of what is unsigned, who passed it on.
    pub senders: BTreeSet<SourceId>,
    pub alerts: BTreeSet<AlertId>,
    /// Keyed dedupe keys that were counted.
    pub seen: BTreeSet<String>,
    pub resolved: Option<Resolved>,
    /// Planes that did not answer whether the leaked value is one of their own: it may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncompared: Vec<String>,
    pub fingerprint: Option<Fingerprint>,
    pub sample: bool,
    pub containment_evidence: bool,
    /// All that was said of it came without the signature that its format has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsigned: bool,
    pub unreadable: bool,
    pub outcome: Option<Outcome>,
    /// What its folding rests on, and why it went as it did.
    #[serde(default, skip_serializing_if = "Folds::is_empty")]
    pub folds: Folds,
}

impl Finding {
    /// The same was said again. A fold only raises: one real signal makes a
    /// drill's finding real, one signed signal makes an unsigned claim a statement
    /// of its sender alone, and neither is ever taken back.
    pub fn repeated(&mut self, again: &FindingRepeated) {
        self.alerts.insert(again.alert.clone());
        self.seen.insert(again.dedupe.clone());
        self.count += u32::from(again.counts);
        if self.unsigned && !again.unsigned {
            self.unsigned = false;
            self.senders.clear();
            // A claim's time is a claim, too.
            (self.first_at, self.last_at) = (again.at, again.at);
        }
        if self.unsigned == again.unsigned {
            self.senders.insert(again.sender.clone());
            self.first_at = self.first_at.min(again.at);
            self.last_at = self.last_at.max(again.at);
        }
        self.sample &= !again.real;
        self.folded(again);
    }

    /// Its sender's id and name mean two identities: a person says whom it is about, and
    /// until then it makes nobody surer of either.
    pub fn is_ambiguous(&self) -> bool {
        self.resolved.as_ref().is_some_and(|r| r.otherwise.is_some())
    }

    /// Whether anything may rest on it: it reports a wrong, and its sender vouches for it.
    /// What is merely not as it should be is no wrong yet: it has a path of its own.
    pub fn counts(&self) -> bool {
        !self.containment_evidence && !self.unsigned && self.kind != SignalKind::Posture
    }

    /// How it ends when its case is closed and nobody gave it an outcome.
    pub fn outcome_at_close(&self) -> Outcome {
        match self.folds.timing {
            Some(Timing::ReUse) => Outcome::ReUse,
            _ => Outcome::Contained,
        }
    }

    /// Its outcome, or what it is, says that nothing is to be contained for it at `now`.
    pub fn needs_none(&self, now: Timestamp) -> bool {
        use Outcome as O;
        let ended =
            matches!(self.outcome, Some(O::Expected | O::FalsePositive | O::Duplicate | O::PrivilegeReduced | O::Retired | O::ReUse));
        ended || self.containment_evidence || matches!(self.outcome, Some(O::AcceptedRisk { until }) if until > now)
    }
}

/// Whether a leaked value of this kind is marked, to see it used again in the plane's own
/// log. Not a password: Quell tries it itself, and its own tries would count as uses.
pub fn is_marked(kind: CredentialKind) -> bool {
    kind != CredentialKind::Password
}

/// How a finding ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Contained,
    PrivilegeReduced,
    Retired,
    Expected,
    FalsePositive,
    Duplicate,
    ReUse,
    AcceptedRisk { until: Timestamp },
}

/// What two signals must share to be one finding: whom or what they are about,
/// and what is said of it. The same secret in two commits folds; an id that
/// merely looks like a key does not, and what may mean somebody else joins no
/// finding that means one.
pub fn fold_key(
    key: &FingerprintKey,
    kind: SignalKind,
    resolved: Option<&Resolved>,
    fingerprint: Option<&Fingerprint>,
    dedupe: &str,
) -> String {
    let kind = serde_json::to_string(&kind).expect("a kind is a word");
    let about = match (resolved, fingerprint) {
        (Some(r), _) => r.credential.as_ref().unwrap_or(&r.identity).id.as_str(),
        (None, Some(print)) => print.0.as_str(),
        (None, None) => dedupe,
    };
    match resolved.and_then(|r| r.otherwise.as_ref()) {
        Some(other) => key.opaque("fold", &[&kind, about, other.id.as_str()]),
        None => key.opaque("fold", &[&kind, about]),
    }
}

/// What is known of a case's findings together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corroboration {
    pub possession: bool,
    /// Distinct senders, by credential.
    pub senders: u32,
    pub secret_exposed: bool,
    pub all_samples: bool,
}

impl Corroboration {
    /// Sums up findings about one subject.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut senders = BTreeSet::new();
        let mut sum = Self { possession: false, senders: 0, secret_exposed: false, all_samples: true };
        for finding in findings.into_iter().filter(|f| f.counts() && !f.unreadable) {
            sum.possession |= finding.resolved.as_ref().is_some_and(|r| r.possession && r.otherwise.is_none()) && !finding.sample;
            sum.secret_exposed |= finding.kind == SignalKind::LeakedSecret && !finding.sample;
            sum.all_samples &= finding.sample;
            if !finding.sample && !finding.is_ambiguous() {
                senders.extend(finding.senders.iter().cloned());
            }
        }
        sum.senders = u32::try_from(senders.len()).unwrap_or(u32::MAX);
        sum
    }

    /// Enough to cut at once: possession, or a second sender with another credential.
    pub fn is_corroborated(&self) -> bool {
        self.possession || self.senders >= 2
    }

    /// 0..100, by a table and nothing else.
    pub fn confidence(&self) -> u8 {
        match (self.all_samples, self.possession, self.senders) {
            (true, ..) => 0,
            (_, true, n) if n >= 2 => 99,
            (_, true, _) => 95,
            (_, false, n) if n >= 3 => 90,
            (_, false, 2) => 80,
            (_, false, 1) => 40,
            _ => 10,
        }
    }
}
