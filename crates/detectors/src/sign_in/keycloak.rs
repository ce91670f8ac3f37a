//! Keycloak events: in a log line, in a log record's `message`, or as JSON; and
//! admin events.
//!
//! The logging listener writes `type="LOGIN", userId="null"`; `null` is a word
//! there. Whom an admin event is about stands in `resourcePath`, and
//! `authDetails` is who did it.

use std::ops::ControlFlow;

use crate::json::{Map, Text, Value};
use quell_core::signal::{CredentialKind, IdentityKind, ObservedFrom, Readout, Severity, SignalKind};

use crate::{
    field::{field, is_placeholder, text, text_at, truth},
    json,
    reading::Reading,
    record::Records,
    statement::{Named, Party, Statement},
};

/// The detector's name.
pub const NAME: &str = "keycloak";
/// What it reads.
pub const READS: &str = "Keycloak events and admin events: JSON, or the logging listener's text inside a log record";

const RECORDS: Records = Records {
    what: "event of Keycloak",
    is_one: |v| is_event(v) || is_admin(v) || line(v).is_some() || is_logged(v),
    marks: "neither `type` nor `operationType` beside `realmId`, nor a `message` with them, is given",
    inside: &[&["events"], &["data"]],
    empty_is_an_answer: false,
};

/// More pairs are in no event of Keycloak.
const PAIRS_MAX: usize = 200;

fn has_realm(value: &Value) -> bool {
    field(value, "realmId").is_some() || field(value, "realmName").is_some()
}

fn is_event(value: &Value) -> bool {
    has_realm(value) && text(value, "type").is_some_and(|t| is_type(&t))
}

fn is_admin(value: &Value) -> bool {
    (has_realm(value) || field(value, "authDetails").is_some())
        && field(value, "operationType").is_some()
        && (field(value, "resourceType").is_some() || field(value, "resourcePath").is_some())
}

/// `LOGIN_ERROR` and its kind.
fn is_type(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
}

/// The text of the logging listener in a log record.
fn line(value: &Value) -> Option<String> {
    let message = ["message", "msg", "log", "@message"].iter().find_map(|n| text(value, n))?;
    let known =
        ["type=", "operationType="].iter().any(|k| message.contains(k)) && (message.contains("realmId=") || message.contains("realmName="));
    known.then_some(message)
}

/// A log record of the server that is no event: a start, a stack, a warning.
fn is_logged(value: &Value) -> bool {
    let logger = ["log.logger", "loggerName", "logger"].iter().find_map(|n| text(value, n)).or_else(|| text_at(value, &["log", "logger"]));
    logger.is_some_and(|l| l.starts_with("org.keycloak.")) && text(value, "message").is_some()
}

fn other(record: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let message = text(record, "message").unwrap_or_default();
    let mut said = Statement::new(NAME, SignalKind::Other, message.clone());
    said.because("the record is the server's own and no event of anybody");
    said.key = vec![text(record, "event.sequence").unwrap_or_default(), message];
    finish(said, record, record, reading)
}

/// Reads events.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut |record, reading| {
        if is_admin(record) {
            return admin(record, record, reading);
        }
        if is_event(record) {
            return event(record, record, reading);
        }
        let Some(line) = line(record) else { return other(record, reading) };
        let pairs = pairs(&line);
        if is_admin(&pairs) {
            admin(record, &pairs, reading)
        } else if is_event(&pairs) {
            event(record, &pairs, reading)
        } else {
            reading.record(Err("`message` has the words of a Keycloak event and cannot be taken apart into `key=\"value\"` pairs".into()))
        }
    })
}

/// Whether `first` is an event of Keycloak.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

/// The pairs of `key="value", key=value`. Quotes inside a value are escaped with
/// a backslash.
fn pairs(line: &str) -> Value {
    let mut out: Vec<(Text, Value)> = Vec::new();
    let mut rest = line;
    while out.len() < PAIRS_MAX
        && let Some(at) = rest.find('=')
    {
        let key = rest[..at].rsplit([' ', ',', '\t']).next().unwrap_or_default();
        let after = &rest[at + 1..];
        let (value, next) = match after.strip_prefix(['"', '\'']) {
            Some(quoted) => quoted_value(quoted, after.starts_with('\'')),
            None => {
                let end = after.find(", ").unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
            out.push((key.into(), value.into()));
        }
        rest = next;
    }
    Value::Object(Map::of(out))
}

fn quoted_value(text: &str, single: bool) -> (String, &str) {
    let quote = if single { '\'' } else { '"' };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == quote => return (value, &text[at + c.len_utf8()..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

/// `details` of an event; in a line they stand among the other pairs.
fn detail(event: &Value, name: &str) -> Option<String> {
    text_at(event, &["details", name]).or_else(|| text(event, name)).filter(|t| !is_placeholder(t))
}

fn event(record: &Value, event: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let event_type = text(event, "type").unwrap_or_default();
    let error = text(event, "error").unwrap_or_default();
    let reason = detail(event, "reason").unwrap_or_default();
    let mut said = Statement::new(NAME, kind_of_type(&event_type, &reason), format!("Keycloak {event_type} {error}").trim_end());
    let login = detail(event, "username");
    let service = login.as_deref().is_some_and(|l| l.starts_with("service-account-"));
    let kind = if service { IdentityKind::ServiceAccount } else { IdentityKind::Human };
    let user = Party::new(kind, [text(event, "userId"), login.clone()], [login.clone(), text(event, "userId")]);
    let client = || Party::of(event, IdentityKind::ServiceAccount, &["clientId"], &["clientId"]);
    // Without an id the login is as it was typed.
    said.unsure = text(event, "userId").is_none_or(|id| is_placeholder(&id)) && login.is_some();
    if said.unsure {
        said.because("Keycloak gives no user of the name that was typed");
    }
    said.subject = user.or_else(client);
    if let Some(by) = detail(event, "impersonator") {
        said.actor = Party::new(IdentityKind::Human, [Some(by.clone())], [Some(by)]);
    }
    said.credential = credential(event, &event_type);
    if event_type == "USER_DISABLED_BY_PERMANENT_LOCKOUT" {
        said.contains("Keycloak disabled the user after too many failures");
    }
    said.seen_from([text(event, "ipAddress")]);
    let id = text(event, "id").or_else(|| text(record, "event.sequence"));
    said.key = vec![id.unwrap_or_default(), event_type, error, text(event, "clientId").unwrap_or_default()];
    finish(said, record, event, reading)
}

fn finish(mut said: Statement, record: &Value, event: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let realm = text(event, "realmName").or_else(|| text(event, "realmId")).filter(|r| !is_placeholder(r));
    said.system = Some(realm.map_or_else(|| "keycloak".into(), |r| format!("keycloak:{r}")));
    let level = text(record, "log.level").or_else(|| text_at(record, &["log", "level"])).or_else(|| text(record, "level"));
    said.because(if level.is_some() { "a log level rates nothing" } else { "Keycloak gives no severity" });
    said.severity = Severity { id: 0, vendor: level };
    let time = |v, name| (ObservedFrom::Event, field(v, name));
    reading.record(Ok(said.detected([time(event, "time"), time(record, "@timestamp"), time(record, "timestamp"), time(record, "time")])))
}

fn credential(event: &Value, event_type: &str) -> Option<Named> {
    let session = || Named::with_id(CredentialKind::Session, text(event, "sessionId"));
    let refresh = || Named::with_id(CredentialKind::RefreshToken, detail(event, "refresh_token_id"));
    let token = || Named::with_id(CredentialKind::Token, detail(event, "token_id"));
    if event_type.starts_with("REFRESH_TOKEN") {
        refresh().or_else(session)
    } else if event_type.contains("TOKEN") && !event_type.starts_with("CODE_TO") {
        token().or_else(refresh).or_else(session)
    } else {
        session().or_else(token)
    }
}

/// Keycloak's `EventType` (26, read 2026-11).
fn kind_of_type(event_type: &str, reason: &str) -> SignalKind {
    let failed = event_type.ends_with("_ERROR");
    let what = event_type.trim_end_matches("_ERROR");
    let has = |words: &[&str]| words.iter().any(|w| what.contains(w));
    let reused = reason.to_ascii_lowercase().contains("reuse") || reason.to_ascii_lowercase().contains("stale token");
    if reused {
        return SignalKind::AnomalousUse;
    }
    if has(&["LOCKOUT"]) {
        SignalKind::RiskySignIn
    } else if has(&["PASSWORD", "TOTP", "CREDENTIAL", "RECOVERY", "CLIENT_INITIATED_ACCOUNT_LINKING"]) {
        SignalKind::CredentialChange
    } else if has(&[
        "GRANT",
        "TOKEN_EXCHANGE",
        "PERMISSION_TOKEN",
        "FEDERATED_IDENTITY",
        "IDENTITY_PROVIDER_LINK",
        "OAUTH2_DEVICE",
        "CLIENT_REGISTER",
        "CLIENT_UPDATE",
        "CLIENT_DELETE",
        "IMPERSONATE",
    ]) {
        SignalKind::DelegationChange
    } else if failed {
        SignalKind::RiskySignIn
    } else if has(&["REGISTER", "UPDATE_EMAIL", "UPDATE_PROFILE", "DELETE_ACCOUNT", "VERIFY_EMAIL", "VERIFY_PROFILE"]) {
        SignalKind::AccountChange
    } else if has(&["LOGIN", "LOGOUT", "TOKEN", "SESSION", "USER_INFO"]) {
        SignalKind::SessionEvent
    } else {
        SignalKind::Other
    }
}

fn admin(record: &Value, event: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let operation = text(event, "operationType").unwrap_or_default().to_ascii_uppercase();
    let resource = text(event, "resourceType").unwrap_or_default();
    let path = text(event, "resourcePath").unwrap_or_default();
    let mut said = Statement::new(NAME, kind_of_path(&path, &resource), format!("Keycloak admin {operation} {resource}"));
    let shown = field(event, "representation").map(|r| match r {
        Value::String(text) => json::document(text.as_bytes()).unwrap_or_default(),
        other => other.clone(),
    });
    let shown = shown.unwrap_or_default();

    let by = field(event, "authDetails").unwrap_or(event);
    let person = Party::of(by, IdentityKind::Human, &["userId", "username"], &["username"]);
    let actor = person.or_else(|| Party::of(by, IdentityKind::ServiceAccount, &["clientId"], &["clientId"]));
    let mut parts = path.split('/');
    let target = match (parts.next(), parts.next()) {
        (Some("users"), Some(id)) => Some(Party::new(IdentityKind::Human, [Some(id.to_owned())], [text(&shown, "username")])),
        (Some("users"), None) => Some(Party::of(&shown, IdentityKind::Human, &["id", "username"], &["username"])),
        (Some("clients"), Some(id)) => Some(Party::new(IdentityKind::ServiceAccount, [Some(id.to_owned())], [text(&shown, "clientId")])),
        _ => None,
    };
    match target.filter(Party::is_named) {
        Some(target) => (said.subject, said.actor) = (target, actor),
        None if path.starts_with("sessions/") => {
            said.because("the operation ends a session, and nothing says whose");
            said.credential = Named::with_id(CredentialKind::Session, path.split('/').nth(1).map(str::to_owned));
            said.actor = actor;
        }
        None => {
            said.because("nobody is named as affected; the signal is about who acted");
            said.subject = actor;
        }
    }
    let failed = text(event, "error").is_some();
    let last = path.rsplit('/').next().unwrap_or_default();
    if !failed && said.subject.kind == IdentityKind::Human && truth(&shown, "enabled") == Some(false) {
        said.contains("the user was disabled");
    } else if !failed && last == "logout" || !failed && operation == "DELETE" && path.contains("sessions") {
        said.contains("sessions were ended");
    } else if !failed && operation == "DELETE" && (path.contains("/credentials/") || path.contains("/consents/")) {
        said.contains("a credential or consent was removed");
    }
    said.seen_from([text(by, "ipAddress"), text(event, "ipAddress")]);
    let id = text(event, "id").or_else(|| text(record, "event.sequence"));
    said.key = vec![id.unwrap_or_default(), operation, resource, path];
    // A representation may hold a new password.
    finish(said, record, event, reading)
}

fn kind_of_path(path: &str, resource: &str) -> SignalKind {
    let has = |words: &[&str]| words.iter().any(|w| path.contains(w) || resource.eq_ignore_ascii_case(w));
    if has(&["reset-password", "/credentials", "client-secret", "execute-actions", "disable-credential", "/certificates"]) {
        SignalKind::CredentialChange
    } else if has(&[
        "role-mappings",
        "REALM_ROLE_MAPPING",
        "CLIENT_ROLE_MAPPING",
        "GROUP_MEMBERSHIP",
        "/groups/",
        "REALM_ROLE",
        "CLIENT_ROLE",
        "scope-mappings",
    ]) {
        SignalKind::PrivilegeChange
    } else if has(&["logout", "sessions", "USER_SESSION"]) {
        SignalKind::SessionEvent
    } else if has(&["impersonation", "/consents", "identity-provider", "IDENTITY_PROVIDER", "protocol-mappers"])
        || path.starts_with("clients")
    {
        SignalKind::DelegationChange
    } else if path.starts_with("users") {
        SignalKind::AccountChange
    } else {
        SignalKind::Posture
    }
}
