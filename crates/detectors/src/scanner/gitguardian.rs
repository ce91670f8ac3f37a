//! GitGuardian: `ggshield` JSON, incidents of the API, notifications of the webhook.
//!
//! `ggshield` masks the value unless it is told not to, and `ignore_sha` and
//! `secret_hash` are made from the secret, so neither is shown. Author, assignee
//! and who resolved an incident are nobody's subject. A decoy that was used
//! (`honeytoken`) tells of an intruder and of no identity that can be contained.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{CredentialKind, ObservedFrom, Readout, SignalKind};

use super::{Place, Places, kind_of_rule};
use crate::{
    field::{at, field, list, text, text_at, type_name},
    reading::Reading,
    record::Records,
    statement::{Named, Statement, rated},
};

/// The detector's name.
pub const NAME: &str = "gitguardian";
/// What it reads.
pub const READS: &str = "GitGuardian: ggshield JSON, incidents of the API, webhook notifications";

const RECORDS: Records = Records {
    what: "report of GitGuardian",
    is_one: |v| is_scan(v) || is_notice(v) || is_incident(v),
    marks: "neither `total_incidents`, nor `incident` or `honeytoken` with `action`, nor `detector` with `gitguardian_url` is given",
    inside: &[&["results"]],
    empty_is_an_answer: true,
};

fn is_scan(value: &Value) -> bool {
    field(value, "total_incidents").is_some()
}

fn is_notice(value: &Value) -> bool {
    let of_guardian = text(value, "source").is_some_and(|s| s.eq_ignore_ascii_case("gitguardian"));
    let about = field(value, "incident").or_else(|| field(value, "honeytoken"));
    about.is_some_and(Value::is_object) && (of_guardian || field(value, "action").is_some() && about.is_some_and(is_incident))
}

fn is_incident(value: &Value) -> bool {
    field(value, "detector").is_some() && (field(value, "gitguardian_url").is_some() || field(value, "occurrences_count").is_some())
}

/// Reads one report.
pub fn read(bytes: &[u8]) -> Readout {
    let mut places = Places::default();
    RECORDS.read(bytes, &mut |record, reading| {
        if is_scan(record) {
            scan(record, None, &mut places, reading)
        } else if is_notice(record) {
            notice(record, reading)
        } else {
            incident(record, None, reading)
        }
    })
}

/// Whether `first` is a report of GitGuardian.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

/// A scan of a commit, a file or a range; ranges hold scans. Depth is bounded by
/// the parser.
fn scan(value: &Value, date: Option<&Value>, places: &mut Places, reading: &mut Reading) -> ControlFlow<()> {
    let date = at(value, &["extra_info", "date"]).or(date);
    for inner in list(value, "scans") {
        scan(inner, date, places, reading)?;
    }
    for entity in list(value, "entities_with_incidents").iter().chain(list(value, "results")) {
        for one in list(entity, "incidents") {
            if !one.is_object() {
                reading.record(Err(format!("expected an incident as an object, found {}", type_name(one))))?;
                continue;
            }
            found(value, entity, one, date, places, reading)?;
        }
    }
    ControlFlow::Continue(())
}

fn found(scan: &Value, entity: &Value, one: &Value, date: Option<&Value>, places: &mut Places, reading: &mut Reading) -> ControlFlow<()> {
    // A credential in parts has one match a part; one of them is the secret.
    const BESIDE: &[&str] =
        &["username", "user", "login", "host", "port", "database", "scheme", "client_id", "connection_uri_host", "email", "account_id"];
    let occurrences = list(one, "occurrences");
    let is_secret = |o: &&Value| text(o, "type").is_none_or(|t| !BESIDE.contains(&t.to_ascii_lowercase().as_str()));
    let secret = occurrences.iter().find(is_secret).or(occurrences.first()).unwrap_or(&Value::Null);
    let rule = text(one, "type").or_else(|| text(one, "break_type")).or_else(|| text(one, "detector"));
    let place = Place {
        rule: rule.clone(),
        file: text(entity, "filename"),
        line: text(secret, "line_start").or_else(|| text(secret, "pre_line_start")),
        commit: text(scan, "id"),
        other: vec![text(secret, "index_start").unwrap_or_default()],
    };
    let kind = match text(secret, "type").map(|t| t.to_ascii_lowercase()).as_deref() {
        Some("password") => CredentialKind::Password,
        Some("client_secret") => CredentialKind::OauthClient,
        _ => kind_of_rule(&rule.unwrap_or_default()),
    };
    let mut said = place.leaks(NAME, text(secret, "match"), kind);
    said.confidence = text(one, "validity").map(|v| format!("validity: {v}"));
    said.because("ggshield gives no severity");
    let mut detected = said.detected([(ObservedFrom::Event, date)]);
    let distinct = text(one, "ignore_sha").unwrap_or_default();
    detected.signal.dedupe_key = places.key_of(detected.signal.dedupe_key, &distinct);
    reading.record(Ok(detected))
}

/// A notification of the webhook.
fn notice(value: &Value, reading: &mut Reading) -> ControlFlow<()> {
    match field(value, "incident").filter(|i| i.is_object()) {
        Some(inner) => incident(inner, Some(value), reading),
        None => decoy(value, reading),
    }
}

fn incident(value: &Value, around: Option<&Value>, reading: &mut Reading) -> ControlFlow<()> {
    let rule =
        text_at(value, &["detector", "display_name"]).or_else(|| text_at(value, &["detector", "name"])).or_else(|| text(value, "detector"));
    let occurrence = around.and_then(|a| field(a, "occurrence")).or_else(|| list(value, "occurrences").first()).unwrap_or(&Value::Null);
    let action = around.and_then(|a| text(a, "action")).unwrap_or_default();
    let place = Place {
        rule: rule.clone(),
        file: text(occurrence, "filepath"),
        line: None,
        commit: text(occurrence, "sha"),
        other: vec![text(value, "id").unwrap_or_default(), action.clone()],
    };
    let mut said = place.leaks(NAME, None, kind_of_rule(&rule.unwrap_or_default()));
    said.because("an incident holds no value; the scanner keeps it");
    said.confidence = text(value, "validity").map(|v| format!("validity: {v}"));
    said.severity = rated(text(value, "severity"));
    let revoked = field(value, "secret_revoked").is_some_and(|v| *v == Value::Bool(true));
    let works = text(value, "validity").is_some_and(|v| v.eq_ignore_ascii_case("valid"));
    if revoked && works {
        said.because("somebody says that the secret is revoked, and the scanner says that it works; it counts as leaked");
    } else if revoked {
        said.contains("somebody says that the secret is revoked");
    }
    // Every later action is about the same leak; its own time is the notification's.
    let own = around.and_then(|a| field(a, "timestamp"));
    let found = field(value, "triggered_at").or_else(|| field(value, "date")).or_else(|| field(occurrence, "date"));
    let later = action.contains("resolved") || action.contains("ignored") || said.contained;
    let times = if later {
        [(ObservedFrom::Event, field(value, "resolved_at").or(own)), (ObservedFrom::VendorUpdate, found)]
    } else {
        [(ObservedFrom::Event, found), (ObservedFrom::VendorUpdate, own)]
    };
    reading.record(Ok(said.detected(times)))
}

fn decoy(value: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let token = field(value, "honeytoken").unwrap_or(&Value::Null);
    let event = field(value, "event").unwrap_or(&Value::Null);
    let name = text(token, "name").unwrap_or_default();
    let mut said = Statement::new(NAME, SignalKind::AnomalousUse, format!("Decoy credential {name} was used"));
    said.because("a decoy opens nothing; whoever used it is an intruder, and no identity of ours is named");
    said.credential = Some(Named::new(
        CredentialKind::AccessKey,
        text_at(token, &["token", "access_token_id"]).or_else(|| text(token, "access_token_id")),
    ));
    said.seen_from([text(event, "ip_address"), text(event, "ip")]);
    said.key = [text(event, "id"), text(token, "id"), text(value, "action")].into_iter().map(Option::unwrap_or_default).collect();
    reading.record(Ok(said.detected([
        (ObservedFrom::Event, field(event, "triggered_at")),
        (ObservedFrom::Event, field(event, "created_at")),
        (ObservedFrom::VendorUpdate, field(value, "timestamp")),
    ])))
}
