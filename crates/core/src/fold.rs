//! What a signal does to what is known: joins a finding, or stands apart.
//!
//! [`fold`] decides for one signal, given every finding of the open case that says
//! the same kind of thing about the same credential, identity or secret. A fold only
//! raises: whatever says more than its finding, or something else under the same
//! name, is a finding of its own and asks again. [`timing`] tells what is old from
//! what is new about a credential that was cut or an identity that got another one,
//! and [`recurs`] what came back. Which rule and which key goes into the record.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
};

use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, Resolved},
    hold::TargetState,
    id::{AlertId, FindingId, SourceId},
    proof::Life,
    signal::{SignalKind, is_false},
    time::Timestamp,
};

/// Most findings that stand beside one another for one kind of thing about one
/// subject; beyond that what says more folds, and asks again there.
pub const APART_MAX: usize = 16;

/// Most findings that stand beside one another because a sender used one name for many
/// events; they are shown one by one, and nobody reads more of them.
pub const CONFLICTS_MAX: usize = 256;

/// Why a signal joined a finding, or became one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Nothing open says it yet.
    New,
    /// The same sender delivered the same event again: it is not counted.
    Redelivered,
    /// The same was said of the same.
    SameSubject,
    /// The same, and its finding did not have this sender.
    CrossSource,
    /// The sender's name of an event, and another event under it: shown, never folded.
    Conflict,
    /// Worse than anything that was said.
    HigherSeverity,
    /// From an address that nobody named.
    NewAddress,
    /// It says more, and too many stand apart already: it joins the first and asks again.
    Crowded,
}

impl Rule {
    /// What the rule compares.
    pub fn key(self) -> &'static str {
        match self {
            Self::Redelivered | Self::Conflict => "sender, detector, event, kind, subject",
            Self::New | Self::SameSubject | Self::CrossSource => "kind, subject",
            Self::HigherSeverity => "kind, subject, severity",
            Self::NewAddress => "kind, subject, address",
            Self::Crowded => "kind, subject, how many stand apart",
        }
    }

    /// In our words, for people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::New => "nothing that is open says this of it",
            Self::Redelivered => "its sender delivered the same event again",
            Self::SameSubject => "the same is said of the same",
            Self::CrossSource => "another sender says the same of the same",
            Self::Conflict => "its sender used the name of one event for two: CONFLICT",
            Self::HigherSeverity => "it is worse than what was said",
            Self::NewAddress => "it came from an address that was not named",
            Self::Crowded => "it says more, beside many that do",
        }
    }
}

/// What folding compares of one signal; everything guessable is keyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard<'a> {
    pub sender: &'a SourceId,
    /// Keyed: detector and its name of the event, equal for every sender.
    pub event: &'a str,
    /// Keyed: sender, detector, event, kind and subject.
    pub delivery: &'a str,
    /// Keyed: all that the event says but its times, its severity and its reasons.
    pub body: &'a str,
    /// OCSF severity_id.
    pub severity: u8,
    /// Keyed address of who did it.
    pub address: Option<&'a str>,
    pub containment_evidence: bool,
    pub unsigned: bool,
}

/// What becomes of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folding {
    /// It joins a finding.
    Into { finding: FindingId, rule: Rule, counts: bool, asks_again: bool },
    /// It is a finding of its own, beside `from` if anything was said before.
    Apart { rule: Rule, from: Option<FindingId> },
}

/// Whether a signal joins one of `said`, the findings of the open case with its fold key.
pub fn fold(said: &[&Finding], heard: &Heard<'_>) -> Folding {
    // A report of a containment never hides a report of a wrong, nor the other way.
    let said = || said.iter().copied().filter(|f| f.containment_evidence == heard.containment_evidence);
    let Some(first) = said().find(|f| f.folds.apart != Some(Rule::Conflict)).or_else(|| said().next()) else {
        return Folding::Apart { rule: Rule::New, from: None };
    };

    // The same name is the same event, or a conflict.
    if let Some(same) = said().find(|f| f.folds.bodies.get(heard.delivery).is_some_and(|body| body == heard.body)) {
        let asks_again = same.severity() < rank(heard.severity);
        return Folding::Into { finding: same.id.clone(), rule: Rule::Redelivered, counts: false, asks_again };
    }
    if let Some(other) = said().find(|f| f.folds.bodies.contains_key(heard.delivery)) {
        if said().count() >= CONFLICTS_MAX {
            return Folding::Into { finding: first.id.clone(), rule: Rule::Crowded, counts: true, asks_again: true };
        }
        return Folding::Apart { rule: Rule::Conflict, from: Some(other.id.clone()) };
    }

    // A claim that nobody vouches for lowers nothing for one that somebody does.
    // What a person opened by hand, or was filed before folding compared, has nothing to compare.
    let vouched = || said().filter(|f| (heard.unsigned || !f.unsigned) && !f.folds.is_empty());
    let worse = vouched().all(|f| f.severity() < rank(heard.severity));
    let elsewhere = heard.address.is_some_and(|address| vouched().all(|f| !f.folds.addresses.contains(address)));
    if (worse || elsewhere) && vouched().next().is_some() {
        let from = Some(first.id.clone());
        return match said().count() >= APART_MAX {
            true => Folding::Into { finding: first.id.clone(), rule: Rule::Crowded, counts: true, asks_again: true },
            false if worse => Folding::Apart { rule: Rule::HigherSeverity, from },
            false => Folding::Apart { rule: Rule::NewAddress, from },
        };
    }

    let there = said().find(|f| heard.address.is_some_and(|address| f.folds.addresses.contains(address)));
    let joined = there.unwrap_or(first);
    let counts = !said().any(|f| f.seen.contains(heard.event));
    let known = said().any(|f| f.senders.contains(heard.sender));
    let rule = if known { Rule::SameSubject } else { Rule::CrossSource };
    Folding::Into { finding: joined.id.clone(), rule, counts, asks_again: false }
}

/// OCSF severity as an order: unknown (0) and other (99) are below everything.
fn rank(severity: u8) -> u8 {
    if severity > 6 { 0 } else { severity }
}

/// A drill's mark lowers nothing where the subject is real: what names somebody on our
/// planes, or carries what they log in with, is no sample, whatever its sender calls it. A
/// stranger is whom its sender names, and so may be made up.
pub fn is_sample(called_a_sample: bool, resolved: Option<&Resolved>) -> bool {
    called_a_sample && resolved.is_none_or(|r| r.said.is_some())
}

/// Whether what was done to its subject before says anything of a signal: not of one that
/// nobody vouches for, nor of one that reports a containment or how things merely stand.
pub fn has_a_past(kind: SignalKind, containment_evidence: bool, unsigned: bool) -> bool {
    kind != SignalKind::Posture && !containment_evidence && !unsigned
}

/// What it reports changes no state by itself and is tried on the plane.
pub fn is_tried(containment_evidence: bool, timing: Option<Timing>, recurs: bool) -> bool {
    containment_evidence || timing.is_some() || recurs
}

/// What a finding is, given what was done to its subject before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Observed after the credential had been proved dead: somebody tries it again.
    ReUse,
    /// Observed before its identity got another credential: that one has no part in it.
    BeforeReissue,
}

/// Whether a signal is about a credential that is dead, or about a time before its
/// identity got another one. Both ask for a probe and for nothing else: a replayed
/// alert must not cut who works with the new credential. A value that the plane
/// itself has just found right is neither.
pub fn timing(
    observed_at: Timestamp,
    resolved: &Resolved,
    credential: Option<&TargetState>,
    identity: Option<&TargetState>,
) -> Option<Timing> {
    if resolved.is_right_now {
        return None;
    }
    if credential.is_some_and(|c| c.life == Some(Life::Dead) && c.dead_since.is_some_and(|dead| dead < observed_at)) {
        return Some(Timing::ReUse);
    }
    let reissued = credential.into_iter().chain(identity).filter_map(TargetState::reissued_at).max();
    reissued.filter(|at| observed_at < *at).map(|_| Timing::BeforeReissue)
}

/// How often the identity was reported before, and when it was contained last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Findings about it in other cases, and in this one before.
    pub findings: u32,
    /// The last time a case about it was proven.
    pub contained_at: Option<Timestamp>,
}

impl Past {
    /// One more finding about the identity.
    pub fn with(self, proven_at: Option<Timestamp>) -> Self {
        Self { findings: self.findings.saturating_add(1), contained_at: self.contained_at.max(proven_at) }
    }
}

/// What came back after a containment has a cause that nobody removed: somebody is
/// asked for it. What was observed before it is only late.
pub fn recurs(observed_at: Timestamp, past: &Past) -> bool {
    past.contained_at.is_some_and(|contained| contained < observed_at)
}

/// What folding knows of a finding, and how it came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folds {
    /// OCSF severity_id, the highest that was said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub severity: u8,
    /// Keyed addresses of who did it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<String>,
    /// Keyed body of each keyed delivery.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bodies: BTreeMap<String, String>,
    /// Why it stands apart from `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Rule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<FindingId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Of its identity, before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
    /// It was observed after its identity had been contained.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recurs: bool,
    /// What joined it, by rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub joined: BTreeMap<Rule, Joined>,
}

impl Folds {
    /// Nothing is known: it was filed before folding was explained.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// What one rule made join a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub times: u32,
    pub last_alert: AlertId,
    pub last_sender: SourceId,
    pub last_at: Timestamp,
}

/// What a repetition told folding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    pub rule: Rule,
    pub delivery: String,
    pub body: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub severity: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// It said more: an outcome that was given stands no longer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub asks_again: bool,
    /// What it reports of the past is tried on the plane.
    #[serde(default, skip_serializing_if = "is_false")]
    pub probes: bool,
}

impl Finding {
    /// The highest severity that was said, as an order.
    pub fn severity(&self) -> u8 {
        rank(self.folds.severity)
    }

    /// It changes no state by itself: what it reports is tried on the plane.
    pub fn asks_for_a_probe(&self) -> bool {
        is_tried(self.containment_evidence, self.folds.timing, self.folds.recurs)
    }

    pub(crate) fn folded(&mut self, again: &crate::event::FindingRepeated) {
        let Some(folded) = &again.folded else { return };
        if rank(folded.severity) > self.severity() {
            self.folds.severity = folded.severity;
        }
        self.folds.addresses.extend(folded.address.clone());
        self.folds.bodies.insert(folded.delivery.clone(), folded.body.clone());
        if folded.asks_again {
            self.outcome = None;
        }
        let (alert, sender) = (&again.alert, &again.sender);
        let joined = self.folds.joined.entry(folded.rule).or_insert_with(|| Joined {
            times: 0,
            last_alert: alert.clone(),
            last_sender: sender.clone(),
            last_at: again.at,
        });
        joined.times = joined.times.saturating_add(1);
        (joined.last_alert, joined.last_sender, joined.last_at) = (alert.clone(), sender.clone(), again.at);
    }
}
