//! Family `case`: the record that holds findings, people, plans and proofs.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    decision::{Approvals, Criticality, IdentityFacts, Role},
    finding::{Finding, Outcome},
    fold::Folded,
    id::{AlertId, CaseId, FindingId, PersonId, PlanId, SourceId, StreamId, TargetId, TaskId},
    inventory::{OwnerRole, Rotation},
    personal::Personal,
    plan::PlanKind,
    route::Route,
    signal::{CredentialKind, is_false},
    target::Target,
    time::Timestamp,
};

/// How far a case is. Each entry time is kept; reopening is an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Detected,
    Triaged,
    Decided,
    Acted,
    Proven,
    Restored,
    Reviewed,
    Closed,
}

/// The first finding of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseOpened {
    pub case: CaseId,
    pub finding: Finding,
    /// Why a new case and not an open one; our words.
    pub because: String,
}

/// Another finding about the same subject or its reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingAttached {
    pub finding: Finding,
    pub because: String,
    /// When it came in, where another case had it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
}

/// Another case became part of this one: it is the same incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseMerged {
    pub from: CaseId,
    /// When the other one was opened: authority that was gained since does not count.
    pub opened_at: Timestamp,
    pub reason: Personal,
}

/// The case became part of another one, which goes on with what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseMergedAway {
    pub into: CaseId,
    pub reason: Personal,
}

/// A merged case was taken out again, with its findings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseUnmerged {
    pub from: CaseId,
    pub findings: Vec<FindingId>,
    /// Identities that only these findings led to.
    pub subjects: Vec<TargetId>,
    pub plans: Vec<PlanId>,
    pub reason: Personal,
}

/// The case stands by itself again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseGivenBack {
    pub from: CaseId,
    pub reason: Personal,
}

/// The same finding again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRepeated {
    pub finding: FindingId,
    pub alert: AlertId,
    pub sender: SourceId,
    pub at: Timestamp,
    pub dedupe: String,
    /// False where the same event was delivered twice.
    pub counts: bool,
    /// It came without the signature that its format has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsigned: bool,
    /// It is no drill and no sample, while its finding was one until now.
    #[serde(default, skip_serializing_if = "is_false")]
    pub real: bool,
    /// By which rule and key it joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded: Option<Folded>,
}

/// A finding got its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingEnded {
    pub finding: FindingId,
    pub outcome: Outcome,
    pub evidence: Option<Personal>,
}

/// An owner of an identity, as inventory asserted it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnerEntry {
    pub role: OwnerRole,
    /// Their account in Quell, where they have one.
    pub person: Option<PersonId>,
    pub name: Option<Personal>,
    pub deputy: Option<PersonId>,
    pub deputy_name: Option<Personal>,
    pub confirmed_at: Option<String>,
}

/// A workload that breaks without the identity's credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consumer {
    pub name: Personal,
    pub criticality: Option<Criticality>,
    pub reads_from: Option<String>,
}

/// A thing that was made from another one, as planes and inventory showed it
/// before anything was cut: a token from a secret-id, the login of a database
/// from a lease, a login whose password was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derivation {
    /// None where only its identity is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Target>,
    pub to: Target,
    pub via: String,
}

impl Derivation {
    /// The login behind a lease: it belongs to whom it was leased, and ends with it.
    pub const LEASE: &str = "lease";
    /// The store that keeps the secret of an identity for its consumers.
    pub const KEEPS: &str = "keeps";
    /// A secret that was read.
    pub const READS: &str = "reads";
}

/// What was found out about one subject before planning, by value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseEnriched {
    pub identity: Target,
    pub facts: IdentityFacts,
    pub name: Option<Personal>,
    pub owners: Vec<OwnerEntry>,
    /// Why this owner is the accountable one; our words.
    pub routed: String,
    pub consumers: Vec<Consumer>,
    /// `None` where consumers are not known to be complete.
    pub dependents: Option<u32>,
    pub rotation: Option<Rotation>,
    /// Credentials, sessions and delegations that the plane reported, snapshot before acting.
    pub credentials: Vec<(Target, Option<CredentialKind>)>,
    pub sessions: Vec<Target>,
    pub delegations: Vec<Target>,
    pub reach: Option<u32>,
    pub not_looked_at: Vec<String>,
    /// People who own the compromised credential or a session of it: they do
    /// not decide in this case (invariant 13).
    pub entangled: Vec<PersonId>,
    /// Asked again because something changed.
    pub again: bool,
    /// Why the plane said nothing of it: nothing listed is then not nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
    /// What was made from what, as far as it was seen; a target that is another
    /// identity is where this subject led to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derivations: Vec<Derivation>,
    /// Credentials that work on while the identity is suspended: leases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outlive: Vec<TargetId>,
    /// Credentials that nobody can revoke one by one: batch tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub irrevocable: Vec<TargetId>,
    /// Why the plane cannot suspend this identity: nobody logs in as it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_login: Option<String>,
    /// Who answers for it, by which rule and record, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}

/// A credential or session became part of the case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetLinked {
    pub target: Target,
    pub credential_kind: Option<CredentialKind>,
    pub because: String,
}

/// A plan became part of the case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanLinked {
    pub plan: PlanId,
    pub kind: PlanKind,
}

/// The case entered a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseAdvanced {
    pub stage: Stage,
}

/// Named people are awaited until a deadline, and what happens then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeopleAsked {
    pub plan: PlanId,
    pub wanted: Approvals,
    pub roles: Vec<Role>,
    pub people: Vec<PersonId>,
    pub deadline: Timestamp,
    pub at_timeout: String,
    /// Those who would be asked and are not, with why.
    pub passed_over: Vec<(PersonId, String)>,
    pub escalation: u32,
}

/// One function's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Entitled,
    NotEntitled,
    Malicious,
    NotMalicious,
    Expected,
    NotExpected,
    DoNotKnow,
}

/// A function judged; revisable by a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictGiven {
    /// `iam`, `secops` or `business_owner`.
    pub role: Role,
    pub verdict: Verdict,
    pub evidence: Option<Personal>,
}

/// Somebody leads the case now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeadTaken {
    pub lead: PersonId,
    pub from: Option<PersonId>,
}

/// A person's free text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteAdded {
    pub text: Personal,
}

/// A person is asked to do something by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskAdded {
    pub task: TaskId,
    pub plan: Option<PlanId>,
    pub step: Option<u16>,
    pub owner: Role,
    pub what: String,
    pub text: Option<Personal>,
    /// Whose deed it reviews: somebody else ends it, and the case closes after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviews: Option<PersonId>,
}

/// They say it is done. Said is not proved: the target stays UNKNOWN until a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskEnded {
    pub task: TaskId,
    pub attested: Option<Personal>,
    /// When they saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Hex SHA-256 of a file that shows it; the file stays with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// A leaked secret was unsealed for one probe round (policy `probe_with_secret`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecretUsed {
    pub alert: AlertId,
    pub target: TargetId,
    pub purpose: String,
}

/// The rest is accepted until a date; it keeps being probed and counts as open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestAccepted {
    pub target: TargetId,
    pub until: Timestamp,
    pub reason: Personal,
}

/// A dead credential was tried again, and the lead is told: once for uses that were
/// refused, and once more where one was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReuseSeen {
    pub target: TargetId,
    /// Uses since the cut, by the plane's own log.
    pub accepted: u32,
    pub refused: u32,
    pub last_at: Timestamp,
}

/// Every subject is in its end state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseClosed {
    pub note: Option<Personal>,
}

/// It was not over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReopened {
    pub because: String,
}

/// The newest event of a stream, as a bundle must show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub stream: StreamId,
    pub version: u64,
    /// Hex leaf hash.
    pub leaf: String,
}

/// A bundle was made: names the head of every linked stream, so that a
/// truncated tail or an omitted stream shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseExported {
    pub heads: Vec<Head>,
    /// Hex SHA-256 of the bundle's `case.json`.
    pub case_json: String,
}
