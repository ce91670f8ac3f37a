//! Duo: authentication, administrator, activity, telephony and offline logs, and
//! Trust Monitor.
//!
//! In the administrator log `username` is the administrator's full name and
//! `object` whom or what it was done to; automatic changes have `API`, `System`
//! or the name of a directory for a username, and those are nobody.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{CredentialKind, IdentityKind, ObservedFrom, Readout, SignalKind};

use crate::{
    field::{as_text, at, field, list, text, text_at},
    json,
    reading::Reading,
    record::Records,
    statement::{Named, Party, Statement},
};

/// The detector's name.
pub const NAME: &str = "duo";
/// What it reads.
pub const READS: &str = "Duo logs: authentication, administrator, activity, telephony, offline; Trust Monitor";

const RECORDS: Records = Records {
    what: "log entry of Duo",
    is_one: |v| is_monitor(v) || is_activity(v) || is_authentication(v) || is_telephony(v) || is_administration(v),
    marks: "the marks of an authentication (`factor`, `result`), an administrator's `action`, an activity (`activity_id`) or Trust Monitor (`sekey`) are not given",
    inside: &[&["response"], &["authlogs"], &["items"], &["events"]],
    empty_is_an_answer: false,
};

fn has(value: &Value, name: &str) -> bool {
    field(value, name).is_some()
}

fn is_monitor(value: &Value) -> bool {
    has(value, "sekey") && (has(value, "surfaced_auth") || has(value, "surfaced_timestamp") || has(value, "enabled_for"))
}

fn is_activity(value: &Value) -> bool {
    has(value, "activity_id") && at(value, &["action", "name"]).is_some()
}

fn is_authentication(value: &Value) -> bool {
    let about = has(value, "user") || has(value, "username");
    let duo = has(value, "access_device") || has(value, "auth_device") || has(value, "txid") || has(value, "integration");
    has(value, "factor") && has(value, "result") && about && duo
        || text(value, "event_type").is_some_and(|t| t == "authentication" || t == "enrollment") && has(value, "user") && duo
}

fn is_telephony(value: &Value) -> bool {
    has(value, "telephony_id") || has(value, "credits") && has(value, "phone") && has(value, "context")
}

fn is_administration(value: &Value) -> bool {
    let action = text(value, "action").is_some_and(|a| !a.contains(['.', ':', ' ', '/']));
    action
        && has(value, "username")
        && (has(value, "object") || has(value, "isotimestamp") || has(value, "description") && has(value, "timestamp"))
}

/// Reads log entries.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut |record, reading| {
        let said = if is_monitor(record) {
            monitor(record)
        } else if is_activity(record) {
            activity(record)
        } else if is_authentication(record) {
            authentication(record)
        } else if is_telephony(record) {
            telephony(record)
        } else {
            administration(record)
        };
        hand(record, said, reading)
    })
}

/// Whether `first` is a log entry of Duo.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn hand(record: &Value, mut said: Statement, reading: &mut Reading) -> ControlFlow<()> {
    said.system = Some(text(record, "host").or_else(|| text(record, "akey")).map_or_else(|| "duo".into(), |host| format!("duo:{host}")));
    said.because("Duo gives no severity");
    let time = |name| (ObservedFrom::Event, field(record, name));
    reading.record(Ok(said.detected([
        time("isotimestamp"),
        time("ts"),
        (ObservedFrom::Event, at(record, &["surfaced_auth", "isotimestamp"])),
        (ObservedFrom::Event, at(record, &["surfaced_auth", "timestamp"])),
        time("timestamp"),
        time("bypass_status_enabled"),
        (ObservedFrom::VendorUpdate, field(record, "surfaced_timestamp")),
    ])))
}

/// A user is an object in version 2 and a name in version 1.
fn user(record: &Value) -> Party {
    match field(record, "user") {
        Some(user) if user.is_object() => Party::of(user, IdentityKind::Human, &["key", "name"], &["name"])
            .or_else(|| Party::of(record, IdentityKind::Human, &["email"], &["email"])),
        Some(name) => Party::new(IdentityKind::Human, [as_text(name)], [as_text(name)]),
        None => Party::of(record, IdentityKind::Human, &["username", "email"], &["username", "email"]),
    }
}

fn authentication(record: &Value) -> Statement {
    let said = |n| text(record, n).unwrap_or_default().to_ascii_lowercase();
    let (result, reason, factor) = (said("result"), said("reason"), said("factor"));
    let granted = ["success", "allow", "approved"].contains(&result.as_str());
    let kind = match (said("event_type").as_str(), granted) {
        ("enrollment", _) => SignalKind::CredentialChange,
        (_, true) => SignalKind::SessionEvent,
        _ => SignalKind::RiskySignIn,
    };
    let application = text_at(record, &["application", "name"]).or_else(|| text(record, "integration")).unwrap_or_default();
    let mut out = Statement::new(NAME, kind, format!("Duo sign-in to {application}: {result} ({reason}), by {factor}"));
    out.subject = user(record);
    if result == "fraud" || reason == "user_marked_fraud" {
        out.confidence = Some("the user marked it as fraud".into());
    } else if let Some(level) = text_at(record, &["adaptive_trust_assessments", "more_secure_auth", "trust_level"]) {
        out.confidence = Some(format!("trust_level: {level}"));
    }
    if factor.contains("bypass") {
        out.because("a bypass code stood for the second factor");
    }
    out.seen_from([text_at(record, &["access_device", "ip"]), text(record, "ip"), text_at(record, &["auth_device", "ip"])]);
    out.key = vec![text(record, "txid").unwrap_or_default(), said("event_type"), result, reason, factor, application];
    out
}

fn monitor(record: &Value) -> Statement {
    let auth = field(record, "surfaced_auth").filter(|a| a.is_object());
    let mut said = auth.map_or_else(|| Statement::new(NAME, SignalKind::RiskySignIn, ""), authentication);
    let what = text(record, "type").unwrap_or_else(|| "event".into());
    let reasons: Vec<String> =
        list(record, "explanations").iter().filter_map(|e| text(e, "summary").or_else(|| as_text(e))).take(3).collect();
    said.title = format!("Duo Trust Monitor, {what}: {}", reasons.join("; ")).trim_end_matches([':', ' ']).to_owned();
    said.kind =
        if what.contains("bypass") || what.contains("registration") { SignalKind::CredentialChange } else { SignalKind::RiskySignIn };
    let party = |name| field(record, name).map(|v| Party::of(v, IdentityKind::Human, &["key", "name"], &["name"]));
    if let Some(affected) = party("enabled_for").filter(Party::is_named) {
        said.subject = affected;
        said.actor = party("enabled_by").unwrap_or_default();
    } else if !said.subject.is_named() {
        said.subject = user(record);
    }
    said.key = vec![text(record, "sekey").unwrap_or_default(), what];
    said
}

fn telephony(record: &Value) -> Statement {
    let kind = text(record, "type").unwrap_or_default();
    let mut said = Statement::new(NAME, SignalKind::Other, format!("Duo telephony: {kind}"));
    said.because("a telephone number is no identity");
    said.key = vec![text(record, "telephony_id").unwrap_or_default(), text(record, "txid").unwrap_or_default(), kind];
    said
}

/// The activity log, version 2: actor and target are objects with a type.
fn activity(record: &Value) -> Statement {
    let action = text_at(record, &["action", "name"]).unwrap_or_default();
    let named = |v: &Value| {
        let kind = kind_of_type(&text(v, "type").unwrap_or_default())?;
        Some(Party::of(v, kind, &["key", "name"], &["name"])).filter(Party::is_named)
    };
    let actor = field(record, "actor").and_then(named).filter(|a| !is_automatic(a.name.as_deref()));
    let target = field(record, "target").and_then(named).or_else(|| field(record, "old_target").and_then(named));
    let mut said = Statement::new(NAME, kind_of_action(&action), format!("Duo activity {action}"));
    let details = field(record, "target").and_then(|t| field(t, "details")).map(unpacked).unwrap_or_default();
    about(&mut said, target, actor, &action, &details);
    let ip = |v: &Value| text_at(v, &["ip", "address"]).or_else(|| text(v, "ip"));
    said.seen_from([field(record, "access_device").and_then(ip)]);
    said.key = vec![text(record, "activity_id").unwrap_or_default(), action];
    said
}

/// The administrator log, version 1, and the offline log, where `username` is
/// the user.
fn administration(record: &Value) -> Statement {
    let action = text(record, "action").unwrap_or_default();
    let username = text(record, "username").filter(|u| !is_automatic(Some(u)));
    let person = Party::new(IdentityKind::Human, [username.clone()], [username]);
    let details = field(record, "description").map(unpacked).unwrap_or_default();
    let object = text(record, "object");
    let mut said = Statement::new(NAME, kind_of_action(&action), format!("Duo administration {action}"));
    said.key = vec![action.clone(), object.clone().unwrap_or_default()];
    if action.starts_with("o2fa") {
        said.subject = person;
        return said;
    }
    said.seen_from([text(&details, "ip_address")]);
    // Who signed in is the administrator, by full name if Duo gives it.
    let person = if action.starts_with("admin_login") && person.is_named() { return signed_in(said, person) } else { person };
    let described = || ["user", "uname", "username", "email"].iter().find_map(|n| text(&details, n));
    let target = match kind_of_object(&action) {
        Some(kind) if is_named_by_object(&action) => Some(Party::new(kind, [object.clone()], [object])),
        Some(kind) => Some(described()).map(|login| Party::new(kind, [login.clone()], [login])),
        None => None,
    };
    about(&mut said, target.filter(Party::is_named), Some(person).filter(Party::is_named), &action, &details);
    said
}

fn signed_in(mut said: Statement, administrator: Party) -> Statement {
    said.subject = administrator;
    said
}

/// Whom an action is about, and what it did.
fn about(said: &mut Statement, target: Option<Party>, actor: Option<Party>, action: &str, details: &Value) {
    let affected = target.is_some();
    match (target, actor) {
        (Some(target), actor) => {
            said.actor = actor.filter(|a| a.is_other_than(&target)).unwrap_or_default();
            said.subject = target;
        }
        (None, Some(actor)) => {
            said.because("nobody is named as affected; the signal is about who acted");
            said.subject = actor;
        }
        (None, None) => {}
    }
    if action.starts_with("integration_") {
        let key = text(details, "ikey").or_else(|| said.subject.id.clone().filter(|id| id.starts_with("DI") && id.len() == 20));
        said.credential = action.contains("skey").then(|| Named::new(CredentialKind::ApiKey, key));
    } else if action.starts_with("bypass_") {
        said.credential = Some(Named::new(CredentialKind::Unknown, None));
    }
    let status = text(details, "status").unwrap_or_default().to_ascii_lowercase();
    if affected && action == "user_update" && ["disabled", "locked out", "locked"].contains(&status.as_str()) {
        said.contains("the user was disabled or locked out");
    } else if status == "bypass" {
        said.because("the user needs no second factor any more");
    }
}

/// JSON inside a string, or the object itself; free text is not read.
fn unpacked(value: &Value) -> Value {
    match value {
        Value::String(text) => json::document(text.as_bytes()).unwrap_or_default(),
        other => other.clone(),
    }
}

/// Usernames of changes that no person made.
fn is_automatic(name: Option<&str>) -> bool {
    let name = name.unwrap_or_default();
    ["API", "System"].contains(&name)
        || ["AD Sync", "Azure Sync", "LDAP Sync", "Directory Sync", "Entra ID Sync"].iter().any(|p| name.starts_with(p))
}

/// The kind of identity that an object of the activity log is; none for
/// telephones, tokens, groups and policies.
fn kind_of_type(of: &str) -> Option<IdentityKind> {
    match of.to_ascii_lowercase().as_str() {
        "user" | "user_bypass" | "admin" | "administrator" => Some(IdentityKind::Human),
        "integration" | "application" => Some(IdentityKind::ServiceAccount),
        _ => None,
    }
}

/// The kind of identity that an action is about, by its first word. A device is
/// known by its user, where the description names one.
fn kind_of_object(action: &str) -> Option<IdentityKind> {
    match action.split('_').next().unwrap_or_default() {
        "user" | "bypass" | "admin" | "phone" | "u2ftoken" | "webauthncredential" | "deregister" | "hardtoken" => Some(IdentityKind::Human),
        "integration" => Some(IdentityKind::ServiceAccount),
        _ => None,
    }
}

/// Whether `object` names the identity itself and not a device of it.
fn is_named_by_object(action: &str) -> bool {
    ["user_", "bypass_", "integration_"].iter().any(|p| action.starts_with(p))
        || action.starts_with("admin_") && !action.starts_with("admin_login")
}

fn kind_of_action(action: &str) -> SignalKind {
    let starts = |words: &[&str]| words.iter().any(|w| action.starts_with(w));
    if starts(&["admin_login", "admin_2fa_error"]) {
        if action.contains("error") { SignalKind::RiskySignIn } else { SignalKind::SessionEvent }
    } else if action.contains("lockout") && !action.contains("cleared") {
        SignalKind::RiskySignIn
    } else if starts(&[
        "bypass_",
        "phone_",
        "hardtoken_",
        "u2ftoken_",
        "webauthncredential_",
        "regenerate",
        "deregister",
        "activation",
        "o2fa",
    ]) || ["skey", "password", "factor", "duo_push", "passcode"].iter().any(|w| action.contains(w))
    {
        SignalKind::CredentialChange
    } else if starts(&["admin_"]) {
        SignalKind::PrivilegeChange
    } else if starts(&["user_", "group_"]) {
        SignalKind::AccountChange
    } else if starts(&["integration_"]) {
        SignalKind::DelegationChange
    } else if starts(&["policy_", "customer_", "feature_"]) {
        SignalKind::Posture
    } else {
        SignalKind::Other
    }
}
