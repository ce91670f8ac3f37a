//! GitHub secret scanning: webhooks, the REST list, the audit log's entries.
//!
//! Everybody in an alert is somebody who handled it: `sender` reopened it,
//! `resolved_by` closed it, `push_protection_bypassed_by` pushed past it. None
//! of them is the subject, and none the actor. The state of an alert is the
//! ticket's; `validity` is the secret's, and the two contradict each other.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{CredentialKind, ObservedFrom, Readout};

use super::{Place, kind_of_rule};
use crate::{
    field::{field, text, text_at, truth},
    reading::Reading,
    record::Records,
    statement::Statement,
};

/// The detector's name.
pub const NAME: &str = "github-secret-scanning";
/// What it reads.
pub const READS: &str = "GitHub secret scanning: webhooks, alerts of the REST API, audit log entries";

const RECORDS: Records = Records {
    what: "alert of GitHub secret scanning",
    is_one: |v| is_audit(v) || is_webhook(v) || is_alert(v) || is_scan(v),
    marks: "neither `secret_type`, nor `alert.secret_type`, nor an `action` of secret scanning is given",
    inside: &[],
    empty_is_an_answer: true,
};

/// An action of the audit log that is about a secret. Pushing past the
/// protection is about who did it, and the audit log's.
pub fn is_action(action: &str) -> bool {
    action.starts_with("secret_scanning_alert.")
}

fn is_audit(value: &Value) -> bool {
    text(value, "action").is_some_and(|a| is_action(&a))
}

fn is_webhook(value: &Value) -> bool {
    field(value, "alert").is_some_and(|a| field(a, "secret_type").is_some())
}

/// A scan that came to its end; what it found comes in messages of its own.
fn is_scan(value: &Value) -> bool {
    field(value, "secret_types").is_some()
        && field(value, "repository").is_some()
        && text(value, "action").is_some_and(|a| a == "completed")
}

fn is_alert(value: &Value) -> bool {
    field(value, "secret_type").is_some() && (field(value, "number").is_some() || field(value, "locations_url").is_some())
}

/// Reads one message.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut |record, reading| match record {
        _ if is_scan(record) => ControlFlow::Continue(()),
        _ if is_audit(record) => audit(record, reading),
        _ => alert(record, reading),
    })
}

/// Whether `first` is an alert of secret scanning.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn alert(record: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let action = text(record, "action").filter(|_| is_webhook(record)).unwrap_or_default();
    let alert = if is_webhook(record) { field(record, "alert").unwrap_or(record) } else { record };
    let rule = text(alert, "secret_type_display_name").or_else(|| text(alert, "secret_type"));
    let place = field(record, "location").or_else(|| field(alert, "first_location_detected")).unwrap_or(&Value::Null);
    let place = field(place, "details").unwrap_or(place);
    let repository = repository(record, alert);
    let found = Place {
        rule: rule.clone(),
        file: text(place, "path").or_else(|| repository.clone()),
        line: text(place, "start_line"),
        commit: text(place, "commit_sha"),
        other: vec![repository.unwrap_or_default(), text(alert, "number").unwrap_or_default(), action.clone()],
    };
    let kind = kind_of_rule(&text(alert, "secret_type").or(rule).unwrap_or_default());
    let mut said = found.leaks(NAME, text(alert, "secret"), kind);
    said.because("GitHub gives no severity");
    if ["resolved_by", "push_protection_bypassed_by", "assigned_to"].iter().any(|n| field(alert, n).is_some())
        || field(record, "sender").is_some()
    {
        said.because("whoever opened, closed or bypassed the alert is taken neither as subject nor as actor");
    }
    let validity = text(alert, "validity");
    said.confidence = validity.as_ref().map(|v| format!("validity: {v}"));
    if truth(alert, "publicly_leaked") == Some(true) {
        said.because("GitHub saw the secret in public");
    }
    let works = validity.is_some_and(|v| v.eq_ignore_ascii_case("active"));
    let closed = closing(&mut said, alert, &action, works);
    let time = |name| (ObservedFrom::Event, field(alert, name));
    let updated = (ObservedFrom::VendorUpdate, field(alert, "updated_at"));
    let times =
        if closed { [time("resolved_at"), updated, time("created_at")] } else { [time("created_at"), updated, time("resolved_at")] };
    reading.record(Ok(said.detected(times)))
}

/// What the state of the alert says, and whether the message is about its end.
fn closing(said: &mut Statement, alert: &Value, action: &str, works: bool) -> bool {
    let resolution = text(alert, "resolution").unwrap_or_default();
    let resolved = text(alert, "state").is_some_and(|s| s == "resolved") || !resolution.is_empty();
    let revoked = resolution == "revoked" || action == "revoked";
    match (resolved || revoked, revoked, works) {
        (true, _, true) => said.because("the alert is closed and the secret works; what counts is the secret"),
        (true, true, false) => said.contains("somebody closed the alert because the secret was revoked"),
        (true, false, false) => said.because("somebody closed the alert on GitHub; that ends nothing here"),
        (false, ..) => {}
    }
    action == "resolved" || action == "revoked"
}

/// The repository, given as an object, as a name, or only within the address.
fn repository(record: &Value, alert: &Value) -> Option<String> {
    let named = |v: &Value| text_at(v, &["repository", "full_name"]);
    named(record).or_else(|| named(alert)).or_else(|| {
        let url = text(alert, "html_url").or_else(|| text(alert, "url"))?;
        let path = url.split_once("/repos/").map(|(_, p)| p).or_else(|| url.splitn(4, '/').nth(3))?;
        let mut parts = path.split('/').filter(|p| !p.is_empty());
        Some(format!("{}/{}", parts.next()?, parts.next()?))
    })
}

fn audit(record: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let action = text(record, "action").unwrap_or_default();
    let verb = action.rsplit('.').next().unwrap_or_default().to_owned();
    let repo = text(record, "repo").or_else(|| text(record, "repository"));
    let number = text(record, "number").or_else(|| text(record, "alert_number"));
    let place = Place {
        rule: text(record, "secret_type_display_name").or_else(|| text(record, "secret_type")),
        file: repo,
        other: vec![action.clone(), number.clone().unwrap_or_default(), text(record, "_document_id").unwrap_or_default()],
        ..Place::default()
    };
    let mut said = place.leaks(NAME, None, CredentialKind::Unknown);
    said.title = format!(
        "{action}: alert {} in {}",
        number.unwrap_or_else(|| "without a number".into()),
        place.file.unwrap_or_else(|| "no repository".into())
    );
    said.because("the audit log names the alert and nothing of the secret; who handled the alert is taken neither as subject nor as actor");
    if verb == "revoke" || (verb == "resolve" && text(record, "resolution").is_some_and(|r| r == "revoked")) {
        said.contains("somebody closed the alert because the secret was revoked");
    }
    let time = |name| (ObservedFrom::Event, field(record, name));
    reading.record(Ok(said.detected([time("created_at"), time("@timestamp")])))
}
