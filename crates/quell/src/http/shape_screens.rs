//! The shape of what the screens beside the case read: planes, inventory, policy,
//! the record, figures.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::shape::{CaseRow, Exposure, Holding, Stage, StageEntry, shapes};

shapes! {
    /// `GET /connectors`, `GET /connectors/check`: one plane.
    Plane {
        name: String, #[schema(required)] kind: Option<String>, endpoint: String, #[schema(required)] armed_until: Option<String>, armed_actions: Vec<String>,
        /// Null where the plane was not asked.
        #[schema(required)] reachable: Option<bool>, #[schema(required)] privileges: Option<Privileges>, actions: Vec<Offered>,
        #[schema(nullable = false)] why_not: Option<Value>, #[schema(nullable = false)] control_alive: Option<bool>, #[schema(nullable = false)] warnings: Option<Vec<String>>,
    }
    Privileges { needed: Vec<String>, missing: Vec<String>, excess: Vec<String> }
    /// What a plane offers, and how well it is known to work.
    Offered {
        action: String, reversible: String, effective: String, survives: Vec<String>,
        /// By a case of this installation.
        #[schema(required)] last_proven_at: Option<String>,
        /// By a drill on a server of the lab, never on this plane.
        #[schema(required)] lab_drill: Option<LabDrill>,
    }
    LabDrill { proven_at: String, server: String, strength: String, undone: String }
    /// `GET /context`.
    Feeds { feeds: Vec<FeedRow> }
    FeedRow { name: String, form: String, entries: u64, digest: String, blob: String, at: String, by: String }
    /// `GET /sources`.
    SourcesAnswer { sources: Vec<SourceRow> }
    /// A sender of alerts, and how it is heard.
    SourceRow {
        source: String, id: String, detector: String, systems: Vec<String>, tier_max: String, hmac: bool, made_at: String,
        /// Whoever has the role `telemetry_owner` where nobody is named.
        #[schema(required)] owner: Option<String>, #[schema(required)] last_alert_at: Option<String>,
        /// Null while it has no habit yet.
        #[schema(required)] usual: Option<Usual>,
        /// Null while it is heard as usual.
        #[schema(required)] silent_since: Option<String>,
        /// Only of one source: by kind, what its readings were seen to hold; `-` is what cannot be read.
        #[schema(nullable = false, value_type = Option<std::collections::BTreeMap<String, Vec<String>>>)] schema: Option<Value>,
    }
    /// Hours with an alert of the hours since the first one; of twenty waits between them nineteen are no longer.
    Usual { hours_heard: u32, hours: u32, wait_seconds: u64 }
    /// `GET /notify`.
    Channels { channels: Vec<ChannelRow> }
    /// A way to tell people, and how it did since the node started.
    ChannelRow { name: String, kind: String, pages_only: bool, #[schema(required)] last_taken_at: Option<String>, #[schema(required)] failing: Option<Failing> }
    /// Why it did not take the last message.
    Failing { at: String, why: String }
    /// `GET /inventory`: one object a row, as an inventory file has it.
    InventoryAnswer { #[schema(value_type = Vec<Object>)] objects: Vec<Value>, #[schema(value_type = Vec<Object>)] owners: Vec<Value>, #[schema(value_type = Vec<Object>)] consumers: Vec<Value>, truncated: bool }
    /// `GET /identities`.
    Identities { identities: Vec<IdentityRow>, #[schema(required)] next: Option<String>, owned: Owned }
    /// Over the whole inventory, whatever page was asked for.
    Owned { identities: u32, owned: u32, by_business: u32 }
    IdentityRow {
        id: String, #[schema(required)] name: Option<String>, kind: String, #[schema(required)] environment: Option<String>, #[schema(required)] criticality: Option<String>,
        #[schema(required)] shared: Option<bool>, #[schema(required)] protected: Option<bool>, #[schema(required)] status: Option<String>, #[schema(required)] last_used_at: Option<String>,
        consumers: u32, owners: Vec<OwnerLine>,
    }
    OwnerLine { role: String, #[schema(required)] person: Option<String>, #[schema(required)] team: Option<String>, #[schema(required)] deputy: Option<String>, #[schema(required)] confirmed_at: Option<String> }
    /// `GET /identities/cases`.
    IdentityCases { identity: String, cases: Vec<CaseRow>, holdings: Vec<HeldIn>, truncated: bool }
    /// A credential, session or entitlement, as the newest case that knows it has it.
    HeldIn { case: String, what: String, holding: Holding }
    /// `GET /policy`.
    PolicyTable { digest: String, rows: Vec<PolicyRow> }
    PolicyRow {
        id: String, owner: String, forbids: bool, who: String, may: String, to: String, #[schema(required)] unless: Option<String>, #[schema(required)] ask: Option<String>, why: String,
    }
    /// `POST /policy/explain`.
    Explained {
        decision: Decided, reasons: Vec<PolicyReason>, then: Vec<PolicyReason>, #[schema(required, value_type = Option<Object>)] ask: Option<Value>, next: String,
        #[schema(value_type = Object)] question: Value,
    }
    Decided { allowed: bool, errors: Vec<String>, policy_digest: String, request_digest: String, deciding: Vec<String> }
    PolicyReason { id: String, owner: String, forbids: bool, why: String, file: String, line: u32 }
    /// `POST /policy/replay`.
    Replayed {
        digest: String, in_force: String, since: String, cases: u64, plans: u64, same: u64, looser: u64, stricter: u64, other: u64,
        differ: Vec<Differing>,
        /// More steps differ than are told.
        cut: bool,
        unread: Vec<UnreadCase>,
        /// Older cases of that time were not looked at.
        truncated: bool, cases_max: u32,
    }
    /// A step of a past plan of which another set says something else.
    Differing {
        case: String, plan: String, step: u32, decided_at: String, shift: String,
        #[schema(required)] action: Option<String>, #[schema(required)] identity: Option<String>,
        then: Leave, then_by: Vec<String>, would: Leave, would_by: Vec<String>,
    }
    /// `runs`: at_once, after these approvals, never.
    Leave { runs: String, #[schema(nullable = false, value_type = Option<std::collections::BTreeMap<String, u32>>)] approvals: Option<Value> }
    /// A past case that cannot be asked about.
    UnreadCase { case: String, why: String }
    /// `GET /policy/tests`.
    PolicyTests {
        digest: String, is_loaded: bool, ok: bool, cases: u32, failures: Vec<PolicyFailure>, never_decides: Vec<String>, never_silent: Vec<String>,
        /// Why the files of `policy_dir` are no set any more.
        #[schema(required)] refused: Option<String>,
    }
    PolicyFailure { file: String, case: String, message: String }
    /// `GET /ledger`.
    Ledger {
        size: u64, root: String, key: String, #[schema(required)] checkpoint: Option<String>, #[schema(required)] signed_size: Option<u64>, #[schema(required)] signed_root: Option<String>,
        /// Who else signed the checkpoint.
        witnesses: Vec<String>,
    }
    /// `GET /ledger/events`.
    LedgerLines {
        events: Vec<LedgerLine>, #[schema(required)] next: Option<u64>,
        /// How many lines were looked at for this answer.
        looked_at: u64, size: u64,
    }
    LedgerLine {
        index: u64, at: String, by: String, stream: String, #[serde(rename = "type")] kind: String, version: u64, views: Vec<String>, text: String, #[schema(required)] untrusted: Option<String>,
        #[schema(required, value_type = Option<Object>)] changed: Option<Value>, #[schema(required)] case: Option<String>,
    }
    /// `GET /ledger/verify`, `POST /ledger/checkpoint`.
    LedgerWhole {
        ok: bool, #[schema(required)] size: Option<u64>, #[schema(required)] root: Option<String>, #[schema(nullable = false)] error: Option<String>, #[schema(nullable = false)] checkpoint: Option<String>,
        #[schema(nullable = false)] key: Option<String>,
    }
    /// `GET /measures`.
    Measures { now: String, cases: Vec<MeasuredCase>, truncated: bool }
    MeasuredCase {
        id: String, headline: String, state: Stage, opened_at: String, #[schema(required)] closed_at: Option<String>, stages: Vec<StageEntry>, #[schema(required)] exposure: Option<Exposure>,
        #[schema(value_type = std::collections::BTreeMap<String, u32>)] states: Value,
        #[schema(required)] routed: Option<String>,
        /// One a finding; null while it has none.
        outcomes: Vec<Option<String>>, sample: bool, posture: bool,
    }
    /// `GET /evidence/who`.
    WhoCould { at: String, policy: PolicyThen, people: Vec<CouldDecide> }
    PolicyThen { #[schema(required)] digest: Option<String>, #[schema(required)] loaded_at: Option<String>, is_loaded: bool }
    CouldDecide {
        user: String, name: String, human: bool, roles: Vec<RoleSince>, approves_as: Vec<String>,
        /// Null where another policy set is loaded now.
        #[schema(required)] may: Option<Vec<String>>,
    }
    RoleSince { role: String, since: String }
}
