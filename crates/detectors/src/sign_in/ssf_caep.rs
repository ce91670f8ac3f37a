//! Shared Signals: decoded payloads of security event tokens (RFC 8417) with the
//! events of CAEP 1.0, RISC 1.0 and OpenID back-channel logout.
//!
//! A payload has left its signature behind. So everything here is what somebody
//! claims: it names a subject, it may feed a probe, and every signal says that
//! nothing is acted on from it alone. A token with its signature is refused,
//! because a reading without keys cannot check it. What RFC 8417 demands and is
//! missing makes the payload malformed, and it is refused with the reason.

mod subject;

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{CredentialKind, ObservedFrom, Readout, SignalKind};

use crate::{
    field::{at, field, text, type_name},
    reading::Reading,
    record::Records,
    statement::{Named, Statement, rated},
};

/// The detector's name.
pub const NAME: &str = "ssf-caep";
/// What it reads.
pub const READS: &str = "decoded payloads of security event tokens: CAEP, RISC, back-channel logout";

const RECORDS: Records = Records {
    what: "payload of a security event token",
    is_one: |v| field(v, "events").is_some() && (field(v, "iss").is_some() || field(v, "jti").is_some()),
    marks: "`events` beside `iss` or `jti` is not given",
    // RFC 8936: a poll's answer holds tokens by their `jti`; decoded, they are objects.
    inside: &[&["payload"], &["sets"]],
    empty_is_an_answer: false,
};

/// Reads payloads.
pub fn read(bytes: &[u8]) -> Readout {
    if is_compact(bytes) {
        let mut reading = Reading::default();
        let reason = "a signed token is not read, because its signature cannot be checked here; verify it and send its payload";
        let _ = reading.record(Err(reason.into()));
        return reading.finish();
    }
    RECORDS.read(bytes, &mut payload)
}

/// Whether `first` is a payload with events.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

/// Three parts of Base64url, the first of them a JSON object; bare or in quotes.
fn is_compact(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii();
    let text = text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(text);
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=');
    text.starts_with(b"eyJ") && text.iter().filter(|b| **b == b'.').count() == 2 && text.iter().all(allowed)
}

/// What RFC 8417 section 2.2 demands; the reason names what is missing.
fn check(payload: &Value) -> Result<(), String> {
    let missing = |what: &str, found: Option<&Value>| {
        Err(format!("{what} (RFC 8417 section 2.2, RFC 9493), found {}", found.map_or("nothing", type_name)))
    };
    for claim in ["iss", "jti"] {
        let given = field(payload, claim);
        if given.and_then(Value::as_str).is_none_or(str::is_empty) {
            return missing(&format!("expected `{claim}` as text"), given);
        }
    }
    if !field(payload, "iat").is_some_and(Value::is_number) {
        return missing("expected `iat` as a number of seconds", field(payload, "iat"));
    }
    if let Some(id) = field(payload, "sub_id").filter(|id| !id.is_object()) {
        return missing("expected `sub_id` as an object", Some(id));
    }
    match field(payload, "events") {
        Some(Value::Object(events)) if events.is_empty() => Err("`events` is empty, so nothing is said (RFC 8417 section 2.2)".into()),
        Some(Value::Object(events)) => match events.iter().find(|(uri, event)| !uri.contains(':') || !event.is_object()) {
            Some(_) => Err("expected every member of `events` as an address with an object (RFC 8417 section 2.2)".into()),
            None => Ok(()),
        },
        other => missing("expected `events` as an object", other),
    }
}

fn payload(payload: &Value, reading: &mut Reading) -> ControlFlow<()> {
    if let Err(reason) = check(payload) {
        return reading.record(Err(reason));
    }
    let Some(Value::Object(events)) = field(payload, "events") else { return ControlFlow::Continue(()) };
    events.iter().try_for_each(|(uri, event)| one(payload, uri, event, reading))
}

fn one(payload: &Value, uri: &str, event: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let name = uri.rsplit(['/', ':']).next().unwrap_or(uri).to_ascii_lowercase();
    let mut said = Statement::new(NAME, kind(&name), format!("{name} from {}", text(payload, "iss").unwrap_or_default()));
    said.unsigned = true;
    said.because("a decoded payload has no signature: this is a claim of whoever sent it, and nothing is acted on from it alone");
    let about = field(payload, "sub_id").or_else(|| field(event, "subject")).or_else(|| field(event, "sub_id"));
    let found = match about {
        // The stream tells of itself; its id is nobody's.
        _ if matches!(name.as_str(), "verification" | "stream-updated") => subject::Found::default(),
        Some(id) if id.is_object() => subject::of(id, &name),
        _ => subject::of_claims(payload),
    };
    let iss = text(payload, "iss");
    said.system = found.system.or(iss);
    said.subject = found.party;
    said.credential = named(&name, event).or(found.credential);
    if let Some(reason) = containment(&name) {
        said.contains(reason);
    }
    said.severity = rated(text(event, "current_level"));
    said.confidence = ["reason", "initiating_entity"].iter().find_map(|n| text(event, n).map(|t| format!("{n}: {t}")));
    if text(event, "reason").is_some_and(|r| r == "hijacking" || r == "bulk-account") {
        said.because("the account was taken over, says its provider");
    }
    said.seen_from([at(event, &["ips"]).and_then(Value::as_array).and_then(|i| i.first()).and_then(Value::as_str).map(str::to_owned)]);
    said.key = vec![text(payload, "iss").unwrap_or_default(), text(payload, "jti").unwrap_or_default(), uri.to_owned()];
    reading.record(Ok(said.detected([
        (ObservedFrom::Event, field(event, "event_timestamp")),
        (ObservedFrom::Event, field(payload, "toe")),
        (ObservedFrom::VendorUpdate, field(payload, "iat")),
    ])))
}

/// The credential that an event changes. An AAGUID is the model of an
/// authenticator, the same in thousands, and no id of one.
fn named(name: &str, event: &Value) -> Option<Named> {
    let kind = match text(event, "credential_type")?.to_ascii_lowercase().as_str() {
        "password" | "pin" => CredentialKind::Password,
        "x509" => CredentialKind::Certificate,
        _ => CredentialKind::Unknown,
    };
    let serial = text(event, "x509_serial").filter(|_| name == "credential-change");
    Some(Named::new(kind, serial))
}

fn kind(name: &str) -> SignalKind {
    match name {
        "credential-compromise" => SignalKind::LeakedSecret,
        "credential-change" | "account-credential-change-required" | "recovery-activated" | "recovery-information-changed" => {
            SignalKind::CredentialChange
        }
        "token-claims-change" => SignalKind::PrivilegeChange,
        "assurance-level-change" | "session-established" | "session-presented" => SignalKind::SessionEvent,
        "risk-level-change" => SignalKind::RiskySignIn,
        "device-compliance-change" => SignalKind::Posture,
        "account-enabled" | "account-disabled" | "account-purged" | "identifier-changed" | "identifier-recycled" => {
            SignalKind::AccountChange
        }
        _ => SignalKind::Other,
    }
}

fn containment(name: &str) -> Option<&'static str> {
    match name {
        "session-revoked" | "sessions-revoked" | "backchannel-logout" => Some("the provider has ended sessions"),
        "token-revoked" | "tokens-revoked" => Some("the provider has revoked tokens"),
        "account-disabled" => Some("the provider has disabled the account"),
        "account-purged" => Some("the provider has deleted the account"),
        _ => None,
    }
}
