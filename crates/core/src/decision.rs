//! What policy is asked, and what it answered.
//!
//! A [`Question`] carries everything an answer may rest on by value, so that a
//! decision can be explained next year. Authority comes from asserted facts
//! only; what is unknown is said to be unknown and never counts as permission
//! (invariant 15).

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    action::{Action, Reversible},
    id::PersonId,
    plan::Tier,
    signal::IdentityKind,
};

/// Fixed ids; what each may do is policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    ResponseOwner,
    Lead,
    Iam,
    Secops,
    BusinessOwner,
    PlatformOwner,
    TelemetryOwner,
    VendorContact,
    PolicyAuthor,
    Auditor,
    Admin,
}

impl Role {
    /// All roles, in the design's order.
    pub const ALL: [Self; 11] = [
        Self::ResponseOwner,
        Self::Lead,
        Self::Iam,
        Self::Secops,
        Self::BusinessOwner,
        Self::PlatformOwner,
        Self::TelemetryOwner,
        Self::VendorContact,
        Self::PolicyAuthor,
        Self::Auditor,
        Self::Admin,
    ];

    /// The roles whose approvals policy may count.
    pub const APPROVERS: [Self; 6] = [Self::ResponseOwner, Self::Lead, Self::Iam, Self::Secops, Self::BusinessOwner, Self::PlatformOwner];

    /// The id in JSON, on the command line and in Cedar.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResponseOwner => "response_owner",
            Self::Lead => "lead",
            Self::Iam => "iam",
            Self::Secops => "secops",
            Self::BusinessOwner => "business_owner",
            Self::PlatformOwner => "platform_owner",
            Self::TelemetryOwner => "telemetry_owner",
            Self::VendorContact => "vendor_contact",
            Self::PolicyAuthor => "policy_author",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// The role of an id.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }

    /// The role in a sentence: `the business owner`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::ResponseOwner => "the response owner",
            Self::Lead => "the lead",
            Self::Iam => "the identity team",
            Self::Secops => "security operations",
            Self::BusinessOwner => "the business owner",
            Self::PlatformOwner => "the platform owner",
            Self::TelemetryOwner => "the telemetry owner",
            Self::VendorContact => "the vendor contact",
            Self::PolicyAuthor => "the policy author",
            Self::Auditor => "the auditor",
            Self::Admin => "the administrator",
        }
    }
}

/// How many distinct eligible people approved, per role; each person counts in
/// one role ([`crate::approval::count`]).
pub type Approvals = BTreeMap<Role, u8>;

/// Who wants to act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Principal {
    /// Quell itself.
    Automation,
    /// A person, by pseudonymous id, in every role they hold.
    Person { id: PersonId, roles: Vec<Role> },
    /// An API client that is not a person: may propose, never approve, judge,
    /// accept, undo, arm or close.
    Agent { id: PersonId, roles: Vec<Role> },
}

/// A verb of a person on a case or on the installation. Containment actions
/// are [`Action`]s; these are about deciding and steering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    Read,
    OpenCase,
    PlanCase,
    RunPlan,
    Approve,
    Deny,
    /// Run a plan at once, without the approvals that policy asks for.
    BreakGlass,
    GiveVerdict,
    Note,
    Task,
    TakeLead,
    Accept,
    Undo,
    Merge,
    Close,
    ExportEvidence,
    Arm,
    Disarm,
    PauseAutomation,
    ResumeAutomation,
    ImportInventory,
    CreateSource,
    CreateUser,
    CreateToken,
    ChangePolicyFiles,
    OperateLedger,
    RequestErasure,
    ApproveErasure,
    /// Unseal a leaked secret for one probe round. Quell itself, where policy permits it.
    ProbeWithSecret,
}

impl Verb {
    /// All verbs; the Cedar schema is checked against it.
    pub const ALL: [Self; 29] = [
        Self::Read,
        Self::OpenCase,
        Self::PlanCase,
        Self::RunPlan,
        Self::Approve,
        Self::Deny,
        Self::BreakGlass,
        Self::GiveVerdict,
        Self::Note,
        Self::Task,
        Self::TakeLead,
        Self::Accept,
        Self::Undo,
        Self::Merge,
        Self::Close,
        Self::ExportEvidence,
        Self::Arm,
        Self::Disarm,
        Self::PauseAutomation,
        Self::ResumeAutomation,
        Self::ImportInventory,
        Self::CreateSource,
        Self::CreateUser,
        Self::CreateToken,
        Self::ChangePolicyFiles,
        Self::OperateLedger,
        Self::RequestErasure,
        Self::ApproveErasure,
        Self::ProbeWithSecret,
    ];

    /// The id in Cedar: the snake_case of its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::OpenCase => "open_case",
            Self::PlanCase => "plan_case",
            Self::RunPlan => "run_plan",
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::BreakGlass => "break_glass",
            Self::GiveVerdict => "give_verdict",
            Self::Note => "note",
            Self::Task => "task",
            Self::TakeLead => "take_lead",
            Self::Accept => "accept",
            Self::Undo => "undo",
            Self::Merge => "merge",
            Self::Close => "close",
            Self::ExportEvidence => "export_evidence",
            Self::Arm => "arm",
            Self::Disarm => "disarm",
            Self::PauseAutomation => "pause_automation",
            Self::ResumeAutomation => "resume_automation",
            Self::ImportInventory => "import_inventory",
            Self::CreateSource => "create_source",
            Self::CreateUser => "create_user",
            Self::CreateToken => "create_token",
            Self::ChangePolicyFiles => "change_policy_files",
            Self::OperateLedger => "operate_ledger",
            Self::RequestErasure => "request_erasure",
            Self::ApproveErasure => "approve_erasure",
            Self::ProbeWithSecret => "probe_with_secret",
        }
    }
}

/// How critical an identity or system is, as its owners asserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    Low,
    Normal,
    High,
    Critical,
}

/// What policy may know of the identity an attempt touches. `None` is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityFacts {
    /// The opaque id.
    pub id: String,
    pub plane: String,
    pub kind: IdentityKind,
    pub environment: Option<String>,
    pub criticality: Option<Criticality>,
    pub shared: Option<bool>,
    pub third_party: Option<bool>,
    /// Asserted, configured, or protected by derivation (invariant 11); why, in our words.
    pub protected: Option<String>,
    pub has_business_owner: bool,
}

/// Where the case and the plan stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    pub tier: Tier,
    /// 0..100, computed.
    pub confidence: u8,
    /// Possession, or a second sender with another credential (invariant 12).
    pub corroborated: bool,
    /// The alert carried the secret and it matched.
    pub possession: bool,
    /// A secret of this identity was reported exposed.
    pub secret_exposed: bool,
    /// A recorded "not malicious" of security operations stands.
    pub not_malicious: bool,
    pub approvals: Approvals,
    /// A person broke the glass for this plan, and its time is not over.
    #[serde(default)]
    pub break_glass: bool,
    /// The plan moves consumers to a new credential before it cuts the old one.
    pub failover: bool,
    pub reversible: Reversible,
    /// Identities in the observed reach; `None` where it was not looked at.
    pub reach: Option<u32>,
    /// Consumers that were declared; `None` where unknown.
    pub dependents: Option<u32>,
    pub sample: bool,
    pub paused: bool,
    /// A named person armed this action on this plane, and the date has not passed.
    pub armed: bool,
    pub hour_utc: u8,
}

/// May this attempt on this identity run now?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptQuestion {
    pub principal: Principal,
    pub action: Action,
    pub identity: IdentityFacts,
    pub circumstances: Circumstances,
}

/// May this principal use this verb?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerbQuestion {
    pub principal: Principal,
    pub verb: Verb,
    /// A person's sign-in session; false for machine tokens.
    pub signed_in: bool,
    /// Subject of the case, or joined to one by observed derivation (invariant 13).
    pub entangled: bool,
    /// Named by one uncorroborated sender only.
    pub contested: bool,
    /// The scopes of a machine token; empty for a sign-in session.
    pub scopes: Vec<String>,
    /// For `create_user`: the roles that would be given.
    pub gives_roles: Vec<Role>,
}

/// Policy's answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub allowed: bool,
    /// Any evaluation error: then `allowed` is false, and it is an alarm.
    pub errors: Vec<String>,
    pub policy_digest: String,
    /// SHA-256 of the question's canonical JSON.
    pub request_digest: String,
    /// Ids of the policies that decided, sorted.
    pub deciding: Vec<String>,
}

/// Policy's answer to "and whom would you have to hear?"
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum WhomToAsk {
    /// It may run as things stand.
    Nobody,
    /// One minimal set of approvals that would let it run.
    These { approvals: Approvals },
    /// No approval can let it run; the deciding policies say why.
    NoOne,
}

impl AttemptQuestion {
    /// The SHA-256 that a decision names.
    pub fn digest(&self) -> String {
        digest(self)
    }
}

impl VerbQuestion {
    /// The SHA-256 that a decision names.
    pub fn digest(&self) -> String {
        digest(self)
    }
}

fn digest<T: Serialize>(question: &T) -> String {
    let value = serde_json::to_value(question).expect("a question is plain data");
    crate::secret::sha256(&crate::canonical::write(&value).expect("a question holds integers only"))
}
