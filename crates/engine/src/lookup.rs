//! Which rows of the projections an event makes: one pure function, so that
//! replay can rebuild them and compare.

use quell_core::{
    event::{By, Event, Recorded},
    finding::{FiledSignal, Finding},
    id::{PersonId, SourceId},
    route::Route,
    signal::SignalKind,
    time::Timestamp,
};
use serde_json::json;

use crate::port::LookupChange;

/// Alert id -> state, findings, cases.
pub const ALERT: &str = "alert";
/// Alert / part -> how much of the message it holds, and where that went.
pub const ALERT_PART: &str = "alert_part";
/// Case / alert / part -> the stream of the part.
pub const CASE_PART: &str = "case_part";
/// Fold key -> case and finding.
pub const FOLD: &str = "fold";
/// Opaque identity -> its newest case.
pub const SUBJECT: &str = "subject";
/// Fingerprint of a leaked value that matched -> case and finding that know whose it is.
pub const PRINT: &str = "print";
/// Opaque identity -> its newest case that is about what is not as it should be.
pub const POSTURE: &str = "posture";
/// Opaque identity / case -> true: every case that was ever about it.
pub const SUBJECT_CASE: &str = "subject_case";
/// Case id -> when it was opened.
pub const CASE: &str = "case";
/// Cases that are not closed.
pub const OPEN_CASE: &str = "open_case";
/// Cases that are closed, or part of another one.
pub const CLOSED_CASE: &str = "closed_case";
/// Every case by when it was opened, the newest first: its place -> its id.
pub const RECENT_CASE: &str = "recent_case";
/// What may wait for people: a plan that nobody started, or an open task -> its case.
pub const WAITING: &str = "waiting";
/// Leaked values that nobody knows the owner of, because planes did not answer: finding ->
/// these planes and the case, until the finding has an outcome.
pub const UNCOMPARED: &str = "uncompared";
/// Plan id -> case.
pub const PLAN: &str = "plan";
/// Plan id / person -> approval.
pub const APPROVAL: &str = "approval";
/// Opaque target / case -> true.
pub const TARGET_CASE: &str = "target_case";
/// Person / when they were interrupted / notice -> true.
pub const INTERRUPTION: &str = "interruption";
/// Person id -> true.
pub const PERSON: &str = "person";
/// Keyed name -> person id.
pub const PERSON_NAME: &str = "person_name";
/// Keyed address -> person id.
pub const PERSON_EMAIL: &str = "person_email";
/// SHA-256 of a token -> what it stands for.
pub const TOKEN: &str = "token";
/// Name of a source -> its id.
pub const SOURCE: &str = "source";
/// Name of a feed of threat context -> what was brought in last, and its blob.
pub const CONTEXT: &str = "context";
/// Opaque identity / case -> by which rule it was routed, and whether somebody has to say
/// who answers for it.
pub const ROUTE: &str = "route";
/// Source / hour -> when it was heard last in it.
pub const HEARD: &str = "heard";
/// Source / kind / what readings of it hold -> when such a one came last.
pub const SHAPE: &str = "shape";
/// Erasure id -> true.
pub const ERASURE: &str = "erasure";
/// Commitment whose value is gone -> its erasure.
pub const ERASED: &str = "erased";

/// The row of the hour of `at`; sorted by time.
pub fn heard_key(source: &SourceId, at: Timestamp) -> String {
    format!("{source}/{:010}", at.as_second().div_euclid(3_600))
}

/// The row of a shape of readings of one kind.
pub fn shape_key(source: &SourceId, kind: &str, shape: &str) -> String {
    format!("{source}/{kind}/{shape}")
}

/// Rows of the shapes of what was read in an alert.
fn shapes(recorded: &Recorded, signals: &[FiledSignal], unreadable: bool) -> Vec<LookupChange> {
    let By::Source(source) = &recorded.by else { return Vec::new() };
    let shapes = crate::health::shapes(signals, unreadable).into_iter();
    let row = |(kind, shape): (String, String)| LookupChange {
        table: SHAPE,
        key: shape_key(source, &kind, &shape),
        value: Some(json!(recorded.at)),
    };
    shapes.map(row).collect()
}

/// Where the cases of an identity are found that a finding of this kind may join: what
/// is not as it should be has cases of its own.
pub fn subject_table(kind: SignalKind) -> &'static str {
    if kind == SignalKind::Posture { POSTURE } else { SUBJECT }
}

/// The row of one interruption, in the order of time.
pub fn interruption(person: &PersonId, at: Timestamp, notice: &str) -> String {
    format!("{person}/{:016x}/{notice}", at.as_microsecond())
}

/// Where a case stands among all, the newest first.
pub fn place(opened_at: Timestamp, case: &str) -> String {
    format!("{:016x}/{case}", i64::MAX.saturating_sub(opened_at.as_microsecond()))
}

fn about(finding: &Finding, case: &str) -> Vec<LookupChange> {
    let Some(resolved) = &finding.resolved else { return Vec::new() };
    let identity = &resolved.identity.id;
    let set = |table: &'static str, key: String, value: serde_json::Value| LookupChange { table, key, value: Some(value) };
    let mut rows = vec![
        set(subject_table(finding.kind), identity.to_string(), json!(case)),
        set(SUBJECT_CASE, format!("{identity}/{case}"), json!(true)),
    ];
    let matched = finding.fingerprint.iter().filter(|_| resolved.possession && resolved.credential.is_some());
    rows.extend(matched.map(|print| set(PRINT, print.0.clone(), json!({ "case": case, "finding": finding.id }))));
    rows
}

fn uncompared(finding: &Finding, case: &str) -> Vec<LookupChange> {
    if finding.uncompared.is_empty() || finding.outcome.is_some() {
        return Vec::new();
    }
    let value = json!({ "planes": finding.uncompared, "case": case });
    vec![LookupChange { table: UNCOMPARED, key: finding.id.to_string(), value: Some(value) }]
}

/// The rows that one event sets and removes.
pub fn changes(recorded: &Recorded) -> Vec<LookupChange> {
    let set = |table: &'static str, key: String, value: serde_json::Value| LookupChange { table, key, value: Some(value) };
    let unset = |table: &'static str, key: String| LookupChange { table, key, value: None };
    let author = match &recorded.by {
        By::Person(id) | By::Agent(id) => Some(id.as_str().to_owned()),
        _ => None,
    };
    match &recorded.event {
        Event::AlertReceived(e) => {
            vec![
                set(ALERT, e.alert.to_string(), json!({ "state": "stored", "findings": [], "cases": [], "source": e.source })),
                set(HEARD, heard_key(&e.source, recorded.at), json!(recorded.at)),
            ]
        }
        Event::AlertFiled(e) => {
            let mut rows = shapes(recorded, &e.signals, !e.unreadable.is_empty());
            rows.push(set(ALERT, e.alert.to_string(), json!({ "state": e.state(), "findings": e.findings, "cases": e.cases })));
            rows
        }
        Event::AlertPartFiled(e) => {
            let key = format!("{}/{:06}", e.alert, e.part);
            let row = json!({ "of": e.of, "signals": e.signals.len(), "findings": e.findings, "cases": e.cases });
            let mut rows = shapes(recorded, &e.signals, !e.unreadable.is_empty());
            rows.push(set(ALERT_PART, key.clone(), row));
            rows.extend(e.cases.iter().map(|case| set(CASE_PART, format!("{case}/{key}"), json!(recorded.stream))));
            rows
        }
        Event::CaseOpened(e) => {
            let mut rows = uncompared(&e.finding, e.case.as_str());
            rows.extend([
                set(CASE, e.case.to_string(), json!({ "opened_at": recorded.at })),
                set(OPEN_CASE, e.case.to_string(), json!(true)),
                set(RECENT_CASE, place(recorded.at, e.case.as_str()), json!(e.case)),
                set(FOLD, e.finding.fold.clone(), json!({ "case": e.case, "finding": e.finding.id })),
            ]);
            rows.extend(about(&e.finding, e.case.as_str()));
            rows
        }
        Event::FindingAttached(e) => {
            let case = recorded.stream.key();
            let mut rows = uncompared(&e.finding, case);
            if rows.is_empty() {
                // The planes answered since it was filed.
                rows.push(unset(UNCOMPARED, e.finding.id.to_string()));
            }
            rows.push(set(FOLD, e.finding.fold.clone(), json!({ "case": case, "finding": e.finding.id })));
            rows.extend(about(&e.finding, case));
            rows
        }
        Event::CaseEnriched(e) => {
            let row = |route: &Route| json!({ "rule": route.rule, "in_doubt": route.is_in_doubt(), "ownership": route.ownership });
            vec![LookupChange {
                table: ROUTE,
                key: format!("{}/{}", e.identity.id, recorded.stream.key()),
                value: e.route.as_ref().map(row),
            }]
        }
        Event::FindingEnded(e) => vec![unset(UNCOMPARED, e.finding.to_string())],
        Event::CaseMergedAway(_) | Event::CaseClosed(_) => {
            let case = recorded.stream.key().to_owned();
            vec![unset(OPEN_CASE, case.clone()), set(CLOSED_CASE, case, json!(true))]
        }
        Event::CaseGivenBack(_) | Event::CaseReopened(_) => {
            let case = recorded.stream.key().to_owned();
            vec![set(OPEN_CASE, case.clone(), json!(true)), unset(CLOSED_CASE, case)]
        }
        Event::PlanDrafted(e) => {
            let case = json!(e.plan.case);
            vec![set(PLAN, e.plan.id.to_string(), case.clone()), set(WAITING, recorded.stream.to_string(), case)]
        }
        Event::PlanStarted(_) | Event::PlanDenied(_) | Event::PlanEnded(_) => vec![unset(WAITING, recorded.stream.to_string())],
        // A task that went along with a merge is one of both cases.
        Event::TaskAdded(e) => vec![set(WAITING, format!("{}/{}", recorded.stream, e.task), json!(recorded.stream.key()))],
        Event::TaskEnded(e) => vec![unset(WAITING, format!("{}/{}", recorded.stream, e.task))],
        Event::ApprovalGiven(e) => vec![set(APPROVAL, format!("{}/{}", e.approval.plan, e.approval.by), json!(e.approval.id))],
        Event::HoldPlaced(e) => vec![set(TARGET_CASE, format!("{}/{}", e.target.id, e.case), json!(true))],
        Event::HoldReleased(e) => vec![unset(TARGET_CASE, format!("{}/{}", recorded.stream.key(), e.case))],
        Event::PersonCreated(e) => {
            let id = e.person.to_string();
            let mut rows = vec![set(PERSON, id.clone(), json!(true)), set(PERSON_NAME, e.name_key.clone(), json!(id))];
            rows.extend(e.email_key.iter().map(|key| set(PERSON_EMAIL, key.clone(), json!(id))));
            rows
        }
        Event::SignedIn(e) => {
            let row =
                json!({ "id": e.token, "person": recorded.stream.key(), "signed_in": true, "scopes": [], "expires_at": e.expires_at });
            vec![set(TOKEN, e.hash.clone(), row)]
        }
        Event::TokenCreated(e) => {
            // A source may hold more than the one it was made with.
            let whose = if recorded.stream.family() == "source" { "source" } else { "person" };
            let row = json!({ "id": e.token, whose: recorded.stream.key(), "signed_in": false, "scopes": e.scopes, "expires_at": e.expires_at, "made_by": author });
            vec![set(TOKEN, e.hash.clone(), row)]
        }
        Event::TokenRevoked(e) => vec![unset(TOKEN, e.hash.clone())],
        Event::SourceCreated(e) => vec![
            set(SOURCE, e.name.clone(), json!(e.source)),
            set(
                TOKEN,
                e.hash.clone(),
                json!({ "id": e.token, "source": e.name, "signed_in": false, "scopes": ["alerts:write"], "expires_at": e.expires_at }),
            ),
        ],
        Event::ContextImported(e) => {
            let row = json!({ "name": e.name, "form": e.form, "entries": e.entries, "digest": e.digest, "blob": e.blob, "at": recorded.at, "by": recorded.by });
            vec![set(CONTEXT, e.name.clone(), row)]
        }
        Event::NoticeHanded(e) if e.counts => e
            .interrupts
            .iter()
            .map(|person| set(INTERRUPTION, interruption(person, recorded.at, &format!("{}/{}", e.case, e.notice)), json!(true)))
            .collect(),
        Event::ErasureRequested(e) => vec![set(ERASURE, e.erasure.to_string(), json!(true))],
        Event::ValuesErased(e) => e.commitments.iter().map(|c| set(ERASED, c.clone(), json!(recorded.stream.key()))).collect(),
        _ => Vec::new(),
    }
}
