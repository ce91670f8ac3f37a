//! One fact in the past tense.
//!
//! Streams of events are the database; every state is a fold of them. A family
//! has one file; files are append-only: a released event never changes its
//! shape, a new shape is a new version with a pure [`upcast`], and a golden file
//! of every released version decodes for ever. An unknown type stops the node:
//! guessing would be worse.

mod alert;
mod approval;
mod budget;
mod case;
mod context;
mod erasure;
mod evidence;
mod installation;
mod notice;
mod person;
mod plan;
mod source;
mod target;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use alert::{AlertFiled, AlertPartFiled, AlertReceived, Parts};
pub use approval::{ApprovalGiven, ApprovalUsed};
pub use budget::BudgetSpent;
pub use case::{
    CaseAdvanced, CaseClosed, CaseEnriched, CaseExported, CaseGivenBack, CaseMerged, CaseMergedAway, CaseOpened, CaseReopened,
    CaseUnmerged, Consumer, Derivation, FindingAttached, FindingEnded, FindingRepeated, Head, LeadTaken, NoteAdded, OwnerEntry,
    PeopleAsked, PlanLinked, RestAccepted, ReuseSeen, SecretUsed, Stage, TargetLinked, TaskAdded, TaskEnded, Verdict, VerdictGiven,
};
pub use context::ContextImported;
pub use erasure::{ErasureApproved, ErasureDenied, ErasureExtended, ErasureRequested, ErasureWithdrawn, ValuesErased};
pub use evidence::PopulationExported;
pub use installation::{AutomationPaused, AutomationResumed, ClockStepped, ConnectorArmed, ConnectorDisarmed, PolicyLoaded};
pub use notice::{FailedChannel, NoticeDropped, NoticeDue, NoticeHanded};
pub use person::{PersonChanged, PersonCreated, SignedIn, TokenCreated, TokenRevoked};
pub use plan::{
    GlassBroken, PlanDecided, PlanDenied, PlanDrafted, PlanEnded, PlanExcluded, PlanPaused, PlanResumed, PlanStarted, Preview,
    StepDecision, StepEnded, TargetsFound,
};
pub use source::{AlertRefused, FactsAsserted, InventoryImported, SourceCreated, SourceOwned};
pub use target::{AttemptEnded, AttemptIntended, HoldPlaced, HoldReleased, TargetProbed};

use crate::{
    canonical::{self, NotCanonical},
    id::{PersonId, SourceId, StreamId},
    personal,
    time::Timestamp,
};

/// The most bytes one event may have; larger things are blobs.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum By {
    /// Quell itself, under policy.
    Automation,
    /// A signed-in person.
    Person(PersonId),
    /// An API client that is not a person.
    Agent(PersonId),
    /// A detector's credential.
    Source(SourceId),
}

impl From<By> for String {
    fn from(by: By) -> Self {
        match by {
            By::Automation => "automation".to_string(),
            By::Person(id) => format!("person:{id}"),
            By::Agent(id) => format!("agent:{id}"),
            By::Source(id) => format!("source:{id}"),
        }
    }
}

impl TryFrom<String> for By {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "automation" => Ok(Self::Automation),
            Some(("person", id)) => Ok(Self::Person(PersonId::new(id))),
            Some(("agent", id)) => Ok(Self::Agent(PersonId::new(id))),
            Some(("source", id)) => Ok(Self::Source(SourceId::new(id))),
            _ => Err(format!("unknown author `{text}`")),
        }
    }
}

macro_rules! events {
    ($($variant:ident $name:literal v $version:literal),* $(,)?) => {
        /// Every event there is.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "body")]
        pub enum Event {
            $(#[serde(rename = $name)] $variant($variant)),*
        }

        /// Name and current version of every event type.
        pub const TYPES: &[(&str, u16)] = &[$(($name, $version)),*];

        impl Event {
            /// Its type, as the ledger writes it.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name),* }
            }
            /// The event of a type and a body. Straight to the body's own shape: a
            /// tagged enum would buffer it, and lose numbers that are map keys
            /// whenever `body` comes before `type`.
            fn of(name: &str, body: Value) -> Result<Self, serde_json::Error> {
                match name {
                    $($name => serde_json::from_value(body).map(Self::$variant),)*
                    _ => Err(serde::de::Error::custom("an unknown type")),
                }
            }
            /// The version of its shape that is written now.
            pub fn version(&self) -> u16 {
                match self { $(Self::$variant(_) => $version),* }
            }
        }
        $(impl From<$variant> for Event { fn from(body: $variant) -> Self { Self::$variant(body) } })*
    };
}

events! {
    AlertReceived "alert_received" v 1,
    AlertFiled "alert_filed" v 1,
    AlertPartFiled "alert_part_filed" v 1,
    AlertRefused "alert_refused" v 1,
    CaseOpened "case_opened" v 1,
    FindingAttached "finding_attached" v 1,
    FindingRepeated "finding_repeated" v 1,
    FindingEnded "finding_ended" v 1,
    CaseEnriched "case_enriched" v 1,
    TargetLinked "target_linked" v 1,
    PlanLinked "plan_linked" v 1,
    CaseAdvanced "case_advanced" v 1,
    PeopleAsked "people_asked" v 1,
    VerdictGiven "verdict_given" v 1,
    LeadTaken "lead_taken" v 1,
    NoteAdded "note_added" v 1,
    TaskAdded "task_added" v 1,
    TaskEnded "task_ended" v 1,
    SecretUsed "secret_used" v 1,
    RestAccepted "rest_accepted" v 1,
    ReuseSeen "reuse_seen" v 1,
    CaseClosed "case_closed" v 1,
    CaseReopened "case_reopened" v 1,
    CaseExported "case_exported" v 1,
    CaseMerged "case_merged" v 1,
    CaseMergedAway "case_merged_away" v 1,
    CaseUnmerged "case_unmerged" v 1,
    CaseGivenBack "case_given_back" v 1,
    PlanDrafted "plan_drafted" v 1,
    PlanDecided "plan_decided" v 1,
    PlanDenied "plan_denied" v 1,
    GlassBroken "glass_broken" v 1,
    PlanExcluded "plan_excluded" v 1,
    PlanStarted "plan_started" v 1,
    TargetsFound "targets_found" v 1,
    StepEnded "step_ended" v 1,
    PlanPaused "plan_paused" v 1,
    PlanResumed "plan_resumed" v 1,
    PlanEnded "plan_ended" v 1,
    ApprovalGiven "approval_given" v 1,
    ApprovalUsed "approval_used" v 1,
    HoldPlaced "hold_placed" v 1,
    HoldReleased "hold_released" v 1,
    AttemptIntended "attempt_intended" v 1,
    AttemptEnded "attempt_ended" v 1,
    TargetProbed "target_probed" v 1,
    BudgetSpent "budget_spent" v 1,
    PersonCreated "person_created" v 1,
    PersonChanged "person_changed" v 1,
    SignedIn "signed_in" v 1,
    TokenCreated "token_created" v 1,
    TokenRevoked "token_revoked" v 1,
    SourceCreated "source_created" v 1,
    SourceOwned "source_owned" v 1,
    InventoryImported "inventory_imported" v 1,
    FactsAsserted "facts_asserted" v 1,
    ContextImported "context_imported" v 1,
    PolicyLoaded "policy_loaded" v 1,
    ConnectorArmed "connector_armed" v 1,
    ConnectorDisarmed "connector_disarmed" v 1,
    AutomationPaused "automation_paused" v 1,
    AutomationResumed "automation_resumed" v 1,
    ClockStepped "clock_stepped" v 1,
    ErasureRequested "erasure_requested" v 1,
    ErasureExtended "erasure_extended" v 1,
    ErasureApproved "erasure_approved" v 1,
    ErasureDenied "erasure_denied" v 1,
    ErasureWithdrawn "erasure_withdrawn" v 1,
    ValuesErased "values_erased" v 1,
    PopulationExported "population_exported" v 1,
    NoticeDue "notice_due" v 1,
    NoticeHanded "notice_handed" v 1,
    NoticeDropped "notice_dropped" v 1,
}

/// An event in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub stream: StreamId,
    /// From 1, dense.
    pub version: u64,
    /// Hex leaf hash of the stream's event before; none for the first.
    pub prev: Option<String>,
    /// Time of receipt.
    pub at: Timestamp,
    pub by: By,
    /// What led to it: an alert, a job, a command; never free text.
    pub cause: Option<String>,
    pub event: Event,
}

/// Why stored bytes are not an event of this version of Quell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    #[error("the event is not canonical: {0}")]
    NotCanonical(#[from] NotCanonical),
    #[error("the event has {0} bytes, more than {EVENT_BYTES_MAX}")]
    TooLong(usize),
    #[error("unknown event type `{name}` version {version}; this Quell is older than its ledger")]
    Unknown { name: String, version: u64 },
    #[error("the event `{name}` does not have the shape of its type: {why}")]
    Misshapen { name: String, why: String },
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    stream: StreamId,
    stream_version: u64,
    prev: Option<String>,
    at: Timestamp,
    by: By,
    cause: Option<String>,
}

/// The bytes of an event, and the personal data that stays out of them.
pub fn encode(recorded: &Recorded) -> Result<(Vec<u8>, Vec<personal::Disclosure>), Undecodable> {
    let mut value = serde_json::to_value(&recorded.event).expect("an event is plain data");
    let disclosed = personal::conceal(&mut value);
    let map = value.as_object_mut().expect("an event is an object");
    map.insert("v".to_string(), json!(recorded.event.version()));
    map.insert("stream".to_string(), json!(recorded.stream));
    map.insert("stream_version".to_string(), json!(recorded.version));
    map.insert("prev".to_string(), json!(recorded.prev));
    map.insert("at".to_string(), json!(recorded.at));
    map.insert("by".to_string(), json!(recorded.by));
    map.insert("cause".to_string(), json!(recorded.cause));
    let bytes = canonical::write(&value)?;
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(Undecodable::TooLong(bytes.len()));
    }
    Ok((bytes, disclosed))
}

/// Reads stored bytes; `known` discloses the personal data that is not erased.
pub fn decode(bytes: &[u8], known: &alloc::collections::BTreeMap<String, personal::Disclosure>) -> Result<Recorded, Undecodable> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(Undecodable::TooLong(bytes.len()));
    }
    let mut value = canonical::read(bytes)?;
    personal::disclose(&mut value, known);
    let name = value.get("type").and_then(Value::as_str).unwrap_or_default().to_string();
    let version = value.get("v").and_then(Value::as_u64).unwrap_or_default();
    let current = TYPES.iter().find(|(n, _)| *n == name).map(|(_, v)| u64::from(*v));
    if current.is_none_or(|current| version > current || version == 0) {
        return Err(Undecodable::Unknown { name, version });
    }
    let misshapen = |e: serde_json::Error| Undecodable::Misshapen { name: name.clone(), why: e.to_string() };
    let envelope: Envelope = serde_json::from_value(value.clone()).map_err(misshapen)?;
    let body = upcast(&name, version, value.get("body").cloned().unwrap_or_default());
    let event = Event::of(&name, body).map_err(misshapen)?;
    let Envelope { stream, stream_version, prev, at, by, cause } = envelope;
    Ok(Recorded { stream, version: stream_version, prev, at, by, cause, event })
}

/// Brings a body of an older version to the shape of the current one. Every
/// released step stays here for ever; so far there is one version of each.
fn upcast(_name: &str, _version: u64, body: Value) -> Value {
    body
}

/// What a bundle's verifier must know of a leaf without knowing any event.
pub struct Linkage {
    pub stream: String,
    pub version: u64,
    pub prev: Option<String>,
    pub commitments: Vec<String>,
    pub blobs: Vec<String>,
    /// Only on the export event.
    pub heads: Option<Vec<Head>>,
    /// Hex SHA-256 of `case.json`; only on the export event.
    pub case_json: Option<String>,
    /// Commitments whose values the event says are gone.
    pub erased: Vec<String>,
    /// Time of receipt, as it is spelt.
    pub at: String,
    /// It opens a case.
    pub opens: bool,
    /// The stage that the case of its stream enters with it.
    pub stage: Option<String>,
}

/// Reads the linkage of canonical bytes, also of types this version does not know.
pub fn linkage(bytes: &[u8]) -> Result<Linkage, Undecodable> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(Undecodable::TooLong(bytes.len()));
    }
    let value = canonical::read(bytes)?;
    let envelope: Envelope =
        serde_json::from_value(value.clone()).map_err(|e| Undecodable::Misshapen { name: "envelope".to_string(), why: e.to_string() })?;
    let body = value.get("body").cloned().unwrap_or_default();
    let (heads, case_json) = match value.get("type").and_then(Value::as_str) {
        Some("case_exported") => {
            let exported: CaseExported = serde_json::from_value(body)
                .map_err(|e| Undecodable::Misshapen { name: "case_exported".to_string(), why: e.to_string() })?;
            (Some(exported.heads), Some(exported.case_json))
        }
        _ => (None, None),
    };
    let texts = |pointer: &str| -> Vec<String> {
        let list = value.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(ToString::to_string).collect()
    };
    // As `Case::apply` has it.
    let stage = match value.get("type").and_then(Value::as_str) {
        Some("case_opened") => Some("detected".to_string()),
        Some("case_reopened") => Some("triaged".to_string()),
        Some("case_closed") => Some("closed".to_string()),
        Some("case_advanced") => value.pointer("/body/stage").and_then(Value::as_str).map(ToString::to_string),
        _ => None,
    };
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let erased = match value.get("type").and_then(Value::as_str) {
        Some("values_erased") => texts("/body/commitments"),
        _ => Vec::new(),
    };
    Ok(Linkage {
        stream: envelope.stream.as_str().to_string(),
        version: envelope.stream_version,
        prev: envelope.prev,
        commitments: personal::commitments(&value),
        blobs: texts("/body/blobs"),
        heads,
        case_json,
        erased,
        at: text("at").to_string(),
        opens: text("type") == "case_opened",
        stage,
    })
}
