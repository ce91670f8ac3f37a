//! The shape of what the API answers, for its description alone: what is sent is
//! made by `core::view` and its neighbours. `console/e2e` holds real answers of a
//! real server against it, so that a field that is new, gone or of another type
//! shows there; nothing may stand in an answer that does not stand here. Times are RFC 3339 in UTC.

use quell_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

macro_rules! shapes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        pub struct $name { $($(#[$field_meta])* $field: $type),* }
    )*};
}
pub(super) use shapes;

shapes! {
    /// `GET /cases`.
    Cases { cases: Vec<CaseRow>, #[schema(required)] next: Option<String> }
    /// One case in the list.
    CaseRow {
        id: String, state: Stage, headline: String, opened_at: String, #[schema(required)] closed_at: Option<String>, findings: u32, signals: u32,
        waiting_for: Vec<Waiting>, #[schema(required)] exposure: Option<Exposure>,
        /// How many credentials and sessions are in each state.
        #[schema(value_type = std::collections::BTreeMap<String, u32>)] states: Value,
        because: String, #[schema(required)] lead: Option<String>, confidence: u8, kinds: Vec<String>, #[schema(required)] last_at: Option<String>, owned: bool,
        /// Null where it is not known: never 0 for that.
        #[schema(required)] reach: Option<u32>,
    }
    /// A case in full.
    Case {
        id: String, state: Stage, headline: String, opened_at: String, #[schema(required)] closed_at: Option<String>, stages: Vec<StageEntry>,
        /// The clock of the whole case; null while nothing was looked at.
        #[schema(required)] exposure: Option<Exposure>,
        #[schema(value_type = std::collections::BTreeMap<String, u32>)] states: Value,
        subjects: Vec<Subject>,
        /// The case that this one is part of.
        #[schema(required)] merged_into: Option<String>, merged: Vec<MergedCase>, because: String, confidence: u8, corroborated: bool, findings: Vec<Finding>, owners: Vec<Owner>, #[schema(required)] why_routed: Option<String>, routes: Vec<Route>,
        #[schema(required)] lead: Option<String>, verdicts: Vec<VerdictEntry>, credentials: Vec<Holding>, sessions: Vec<Holding>, entitlements: Vec<Holding>,
        not_looked_at: Vec<String>,
        /// Sources that could not have told of it in its time.
        blind_sources: Vec<BlindSource>,
        notices: Vec<CaseNotice>,
        /// What feeds of others say of what its signals name; it decides nothing.
        threat_context: Vec<ThreatNamed>, waiting_for: Vec<Waiting>, plans: Vec<Plan>, #[schema(value_type = Vec<Object>)] chain: Vec<Value>, notes: Vec<NoteLine>, tasks: Vec<TaskLine>,
        passed_over: Vec<PassedOver>, events: Span,
        /// Only in the answer to a dry run.
        #[schema(nullable = false)] dry_run: Option<DryRun>,
    }
    /// Who answers for a subject: named by the first rule that has a record of it.
    Route {
        of: String, to: String, #[schema(required)] account: Option<String>,
        /// `declared`, `repository`, `pipeline`, `platform`, `last_deployer`, `fallback`.
        rule: String, why: String, #[schema(required)] record: Option<String>, #[schema(required)] confirmed_at: Option<String>,
        /// `confirmed`, `stale`, `never_confirmed`, `missing`.
        ownership: String, deadline: String,
        /// Who has it after the deadline.
        escalation: String, fallback: String,
        /// What tags propose; nothing is decided by them.
        proposed: Vec<String>,
    }
    ThreatNamed {
        feed: String,
        /// `kev`, `stix`.
        form: String,
        /// `vulnerability`, `address`, `domain`, `hash`, `actor`.
        kind: String, named: String, #[schema(required)] since: Option<String>, #[schema(required)] until: Option<String>, untrusted: ThreatSaid,
    }
    ThreatSaid { title: String, #[schema(required)] says: Option<String> }
    BlindSource {
        source: String,
        /// `silent` against its own usual rate, or `never_heard`.
        why: String, #[schema(required)] from: Option<String>, #[schema(required)] until: Option<String>,
    }
    MergedCase { case: String, opened_at: String, at: String, #[schema(required)] ended_at: Option<String> }
    StageEntry { state: Stage, at: String }
    Exposure {
        from: String,
        /// `event`, `vendor_update` or `received`.
        from_basis: String,
        #[schema(required)] at_least_until: Option<String>, #[schema(required)] at_most_until: Option<String>, running: bool,
    }
    Subject {
        identity: String, #[schema(required)] name: Option<String>, kind: String, #[schema(required)] criticality: Option<String>, #[schema(required)] environment: Option<String>,
        #[schema(required)] shared: Option<bool>, #[schema(required)] protected: Option<String>, #[schema(required)] reach: Option<u32>, #[schema(required)] dependents: Option<u32>, consumers: Vec<Consumer>,
    }
    Consumer { name: String, #[schema(required)] criticality: Option<String>, #[schema(required)] reads_from: Option<String> }
    Finding {
        id: String, title: String, untrusted: Titled, kind: String, count: u32, first_at: String, last_at: String, senders: u32, sample: bool, unreadable: bool,
        containment_evidence: bool, unsigned: bool, #[schema(required)] subject: Option<String>, possession: bool, #[schema(required)] because: Option<String>,
        /// The sender's id and name of the subject mean two identities: nobody is cut for it without a person.
        #[schema(required)] ambiguous: Option<Ambiguous>,
        /// Planes that did not answer whether the leaked value is one of their own: it may be.
        uncompared: Vec<String>,
        #[schema(required)] fingerprint: Option<String>,
        #[schema(required, value_type = Option<Object>)] outcome: Option<Value>,
        /// OCSF severity_id, the highest that was said; 0 where nobody said.
        severity: u8,
        folding: Folding,
        /// Who answers for its subject; null while nobody looked.
        #[schema(required)] accountable: Option<String>,
        /// What a person finds out where it names nobody on our planes.
        #[schema(required)] find_out: Option<String>,
    }
    Ambiguous { id_means: String, name_means: String }
    /// Why a finding stands where it stands, and what joined it.
    Folding {
        /// Opaque: equal for all that may fold together.
        key: String,
        /// new, conflict, higher_severity, new_address.
        rule: String,
        /// What the rule compares.
        compares: String, because: String, #[schema(required)] apart_from: Option<String>,
        /// Its sender used the name of one event for two.
        conflict: bool,
        /// `re_use`: observed after its credential was proved dead; `before_reissue`: before its identity got another one.
        #[schema(required)] timing: Option<String>,
        /// It was observed after its identity had been contained.
        recurs: bool,
        /// Findings about its identity before it, in every case.
        reported_before: u32, #[schema(required)] contained_before: Option<String>, joined: Vec<Joined>,
    }
    Joined { rule: String, key: String, because: String, times: u32, last_alert: String, last_sender: String, last_at: String }
    Titled { title: String }
    Owner {
        of: String, role: String, #[schema(required)] person: Option<String>, #[schema(required)] account: Option<String>, #[schema(required)] deputy: Option<String>, #[schema(required)] confirmed_at: Option<String>,
    }
    VerdictEntry { role: String, verdict: String, by: String, at: String }
    /// A credential, session or entitlement and what was proved of it.
    Holding {
        id: String, target: String, identity: String, #[schema(required)] kind: Option<String>, #[schema(required)] fingerprint: Option<String>, state: Life, #[schema(required)] since: Option<String>,
        #[schema(required)] residual_until: Option<String>, #[schema(required)] exposure: Option<Exposure>, #[schema(required)] proof: Option<Proof>,
        /// What the plane's own log tells of uses of the leaked value since it was cut; null where nobody could look.
        #[schema(required)] used_since_cut: Option<Uses>, never_seen_live: bool, issued_by_quell: bool,
        #[schema(required)] proven_dead_at: Option<String>, #[schema(required)] accepted_until: Option<String>,
    }
    Uses { since: String, accepted: u32, refused: u32, #[schema(required)] last_accepted_at: Option<String>, #[schema(required)] last_refused_at: Option<String> }
    Proof {
        #[schema(required)] probe: Option<String>, liveness: Liveness, #[schema(required)] strength: Option<String>, #[schema(required)] vantage: Option<String>, #[schema(required)] control: Option<Control>,
        reason: String, at: String, event: String,
    }
    Control { what: String, alive: bool }
    Waiting {
        role: String, people: Vec<String>, #[schema(required)] deadline: Option<String>, at_timeout: String, #[schema(required)] plan: Option<String>, what: String,
        #[schema(nullable = false)] missing: Option<u8>, #[schema(nullable = false)] task: Option<String>,
    }
    Plan {
        id: String, kind: PlanKind, #[schema(required)] parent: Option<String>, digest: String, state: PlanState, tier: String, incomplete: Vec<String>, failover: bool, #[schema(required)] undo: Option<String>,
        #[schema(required)] wanted: Option<Vec<Wanted>>, approvals: Vec<Approval>, #[schema(required)] started_at: Option<String>, #[schema(required)] ended_at: Option<String>, #[schema(required)] because: Option<String>,
        #[schema(required)] break_glass: Option<Glass>, #[schema(required)] paused: Option<String>, left_out: Vec<String>, steps: Vec<Step>,
    }
    Wanted { role: String, people: u8 }
    Glass { by: String, role: String, at: String, until: String, untrusted: String, skipped: Vec<Wanted>, reviews: Vec<Review> }
    Review { task: String, role: String, #[schema(required)] by: Option<String>, #[schema(required)] at: Option<String> }
    Approval { id: String, by: String, role: String, at: String, until: String, used: bool }
    Step {
        n: u16, action: String, selector: String, sentence: String, targets: Vec<String>, state: StepState, reversible: Reversible, undo: String,
        effective: String, #[schema(required)] residual_until: Option<String>, dependents: Vec<String>, survives: Vec<String>, after: Vec<Edge>,
        approved_by: Vec<String>, policies: Vec<String>, #[schema(required)] allowed_now: Option<bool>, #[schema(required)] because: Option<String>,
        /// Where a person does it; null where Quell does.
        #[schema(required)] by_hand: Option<ByHand>,
    }
    /// A step that a person does. What they say proves nothing: `proved` is a probe's alone.
    ByHand {
        /// What a connector would do in its place; null where it only looks.
        #[schema(required)] instead_of: Option<String>,
        /// Its task; null before somebody has it.
        #[schema(required)] task: Option<String>, what: String, owner: String,
        /// What whoever does it must bring.
        #[schema(required)] wants: Option<String>,
        /// It is probed once somebody says that it is done.
        probed: bool, #[schema(required)] said_by: Option<String>, #[schema(required)] said_at: Option<String>, proved: bool,
    }
    Edge { step: u16, until: String, hard: bool }
    NoteLine { untrusted: String, by: String, at: String }
    TaskLine {
        id: String, owner: String, what: String, #[schema(required)] untrusted: Option<String>, #[schema(required)] plan: Option<String>, #[schema(required)] step: Option<u16>, #[schema(required)] reviews: Option<String>, at: String, #[schema(required)] ended_at: Option<String>, #[schema(required)] by: Option<String>,
        /// What whoever does it must bring, where it is a step by hand.
        #[schema(required)] wants: Option<String>,
        #[schema(required)] brought: Option<Brought>,
    }
    /// What a person saw, when, and the SHA-256 of a file that shows it. Said is not proved.
    Brought { #[schema(required)] untrusted: Option<String>, #[schema(required)] seen_at: Option<String>, #[schema(required)] file: Option<String> }
    PassedOver { person: String, why: String }
    Span { #[schema(required)] first: Option<u64>, #[schema(required)] last: Option<u64> }
    DryRun { would_run: bool, #[schema(required)] because: Option<String>, #[schema(required)] plan: Option<Plan> }
    /// `GET /cases/ID/why`.
    Why { headline: String, done: Vec<String>, not_done: Vec<NotDone>, awaited: Vec<Awaited>, next: String, findings: Vec<WhyFolded> }
    WhyFolded { id: String, kind: String, folding: Folding }
    NotDone { what: String, state: StepState, plan: String, step: u16, because: String, policies: Vec<String> }
    Awaited { who: String, people: Vec<String>, what: String, #[schema(required)] until: Option<String>, then: String }
    /// `GET /cases/ID/events`.
    Events { events: Vec<EventLine>, #[schema(required)] next: Option<u64> }
    EventLine {
        index: u64, at: String, by: String, stream: String, #[serde(rename = "type")] kind: String, version: u64,
        /// `story`, `enforcement`; neither for what only the whole record shows.
        views: Vec<String>,
        text: String, #[schema(required)] untrusted: Option<String>,
        /// Attribute -> before and after.
        #[schema(required, value_type = Option<Object>)] changed: Option<Value>,
    }
    /// One event as the ledger holds it, proved to be in it.
    Leaf {
        index: u64,
        /// The exact bytes.
        leaf: String,
        hash: String, size: u64, root: String, proof: Vec<String>, #[schema(required)] checkpoint: Option<String>,
    }
    /// `GET /inbox`.
    Inbox { cases: Vec<InboxRow>, notices: Vec<Notice>, truncated: bool }
    InboxRow { id: String, headline: String, state: Stage, waiting_for: Vec<Waiting> }
    /// Somebody who was to be told of a case. `standing`: due, told, told_in_part, failing, untold, dropped.
    CaseNotice {
        id: String, to: String, why: String, pages: bool, due_at: String, standing: String,
        /// Who was meant at the last try, and whom of them it was to interrupt.
        people: u64, paged: u64,
        over: Vec<String>, failed: Vec<FailedChannel>, #[schema(required)] tried_at: Option<String>,
    }
    /// A channel that did not take a message.
    FailedChannel { channel: String, why: String }
    Notice { id: String, case: String, at: String, headline: String, why: String, pages: bool }
    /// `GET /whoami`.
    Me {
        user: String, #[schema(required)] name: Option<String>, roles: Vec<String>, human: bool, signed_in: bool, scopes: Vec<String>, #[schema(required)] expires_at: Option<String>,
        #[schema(nullable = false)] source: Option<String>,
        /// What a browser's request that changes something carries beside its cookie.
        #[schema(nullable = false)] csrf: Option<String>,
    }
    /// `GET /users`.
    Users { users: Vec<UserRow> }
    UserRow { user: String, name: String, #[schema(required)] email: Option<String>, roles: Vec<String>, human: bool, disabled: bool }
    /// `GET /inventory/reach`.
    ReachAnswer { start: String, observed: Vec<Reached>, possible: Vec<Reached>, count: u32, truncated: bool, not_looked_at: Vec<String> }
    Reached { id: String, via: String, path: Vec<String> }
    /// `GET /automation`: what this installation may do by itself.
    Mode { mode: ModeName, paused: bool, #[schema(required)] until: Option<String>, planes: Vec<PlaneMode>, now: String }
    PlaneMode { name: String, #[schema(required)] armed_until: Option<String>, actions: Vec<String> }
}

macro_rules! names {
    ($($(#[$meta:meta])* $name:ident $case:tt { $($variant:ident),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Deserialize, ToSchema)]
        #[serde(rename_all = $case)]
        pub enum $name { $($variant),* }
    )*};
}

names! {
    Stage "snake_case" { Detected, Triaged, Decided, Acted, Proven, Restored, Reviewed, Closed }
    /// The state of a credential or session, or of an entitlement.
    Life "SCREAMING_SNAKE_CASE" { Live, Containing, Dying, Dead, Unknown, Restored }
    Liveness "snake_case" { Live, Dead, Unknown }
    PlanKind "snake_case" { Contain, Amendment, Sweep, Undo }
    PlanState "snake_case" { Drafted, Waiting, Running, Degraded, Amended, Superseded, Proved, HandedOver, Denied, Expired }
    StepState "snake_case" { Waiting, Cleared, Running, Paused, Done, Refused, Throttled, Unknown, Failed, Skipped, Undone, HandedOver }
    Reversible "snake_case" { Exact, Approximate, No }
    ModeName "snake_case" { Observe, Armed, Paused }
}

/// The mode of the installation at `now`.
pub fn mode(installation: &quell_core::people::Installation, planes: &[String], now: Timestamp) -> Value {
    let paused = installation.is_paused(now);
    let armed = |name: &String| installation.armed.get(name).filter(|a| now <= a.until);
    let rows: Vec<Value> = planes
        .iter()
        .map(|name| serde_json::json!({ "name": name, "armed_until": armed(name).map(|a| a.until), "actions": armed(name).map(|a| a.actions.clone()).unwrap_or_default() }))
        .collect();
    let mode = if paused {
        "paused"
    } else if planes.iter().any(|name| armed(name).is_some()) {
        "armed"
    } else {
        "observe"
    };
    serde_json::json!({ "mode": mode, "paused": paused, "until": installation.paused.as_ref().filter(|_| paused).map(|p| p.until), "planes": rows, "now": now })
}
