//! Teleport audit events.
//!
//! `user` is who acted, except where an event is about another: a lock's target,
//! the user whom a resource event names, the identity in a certificate, a bot.
//! A lock is evidence of containment. A join token's name is the token itself.

mod whom;

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::{
    secret::Secret,
    signal::{CredentialKind, ObservedFrom, Readout, Severity, SignalKind},
};

use crate::{
    field::{at, field, text, text_at, truth},
    reading::Reading,
    record::Records,
    statement::{Named, Statement},
};

/// The detector's name.
pub const NAME: &str = "teleport";
/// What it reads.
pub const READS: &str = "Teleport audit events";

const RECORDS: Records = Records {
    what: "audit event of Teleport",
    is_one: is_event,
    marks: "`event` beside a `code` such as `T1000I` and `time`, `uid` or `cluster_name` is not given",
    inside: &[&["events"], &["event_data"]],
    empty_is_an_answer: false,
};

fn is_event(value: &Value) -> bool {
    let has = |n| field(value, n).is_some();
    text(value, "event").is_some()
        && text(value, "code").is_some_and(|c| is_code(&c))
        && (has("time") || has("uid") || has("cluster_name") || has("ei"))
}

/// `T`, letters and digits, and a letter for the level; forwarders lower the case.
fn is_code(code: &str) -> bool {
    let upper = code.to_ascii_uppercase();
    let bytes = upper.as_bytes();
    (4..=16).contains(&bytes.len())
        && bytes[0] == b'T'
        && matches!(bytes[bytes.len() - 1], b'I' | b'W' | b'E' | b'S')
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes.iter().any(u8::is_ascii_digit)
}

/// Reads events.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut event)
}

/// Whether `first` is an audit event.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn event(event: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let name = text(event, "event").unwrap_or_default();
    let code = text(event, "code").unwrap_or_default().to_ascii_uppercase();
    let failed = truth(event, "success") == Some(false) || code.ends_with('W') || code.ends_with('E');
    let mut said = Statement::new(NAME, kind(&name, failed), format!("{name} ({code})"));
    whom::fill(event, &name, &mut said);
    said.system = Some(text(event, "cluster_name").map_or_else(|| "teleport".into(), |c| format!("teleport:{c}")));
    said.credential = credential(event, &name, &mut said.reasons);
    if let Some(reason) = containment(event, &name, failed) {
        said.contains(reason);
    }
    if let Some(login) = text(event, "login").filter(|l| l == "root") {
        said.because(format!("the session is of the system account `{login}`, which is not the person"));
    }
    said.severity = Severity { id: 0, vendor: Some(code.clone()) };
    said.because("the code's last letter is a log level and rates nothing");
    said.seen_from(["addr.remote", "addr_remote", "remote_addr", "client_addr"].map(|n| text(event, n)));
    said.key = vec![text(event, "uid").unwrap_or_default(), code, name, text(event, "ei").unwrap_or_default()];
    let time = |name| (ObservedFrom::Event, field(event, name));
    reading.record(Ok(said.detected([time("time"), time("timestamp")])))
}

fn credential(event: &Value, name: &str, reasons: &mut Vec<String>) -> Option<Named> {
    if name == "join_token.create" || name == "provision_token.create" {
        let mut named = Named::new(CredentialKind::Token, None);
        named.secret = text(event, "name").filter(|n| !n.contains('*') && !crate::field::is_placeholder(n)).map(Secret::new);
        reasons.push("a join token's name is the token itself and is not shown".into());
        return Some(named);
    }
    if name.starts_with("cert.") || name.contains("svid") || name.contains("certificate") {
        let identity = at(event, &["identity"]).unwrap_or(&Value::Null);
        if let Some(expires) = text(identity, "expires").filter(|e| !e.starts_with("0001-")) {
            reasons.push(format!(
                "the certificate is valid until {}",
                crate::time::written(&expires).map_or_else(|| "a time that cannot be read".into(), |m| m.at.to_string())
            ));
        }
        let serial = text(event, "serial_number")
            .or_else(|| text_at(event, &["certificate", "serial_number"]))
            .or_else(|| text(identity, "serial_number"));
        return Some(Named::new(CredentialKind::Certificate, serial));
    }
    if name.starts_with("mfa.")
        || name.starts_with("recovery_code")
        || name.starts_with("privilege_token")
        || name.starts_with("reset_password")
    {
        return Some(Named::new(CredentialKind::Unknown, None));
    }
    Named::with_id(CredentialKind::Session, text(event, "sid"))
}

fn containment(event: &Value, name: &str, failed: bool) -> Option<&'static str> {
    match name {
        "lock.created" => Some("a lock was put on the target"),
        _ if failed => None,
        "user.delete" => Some("the user was deleted"),
        "bot.delete" => Some("the bot was deleted"),
        "device.delete" => Some("the device was deleted"),
        "join_token.delete" | "access_list.member.delete" => Some("access was taken away"),
        "client.disconnect" if text(event, "reason").is_some_and(|r| r.contains("lock")) => Some("the client was disconnected by a lock"),
        _ => None,
    }
}

/// The kind, by the beginning of the event's name (events of version 18, read 2026-11).
fn kind(name: &str, failed: bool) -> SignalKind {
    let starts = |words: &[&str]| words.iter().any(|w| name.starts_with(w));
    if starts(&["user.login", "auth", "headless", "user.headless", "recovery_code.used", "saml.idp.auth"]) {
        if failed { SignalKind::RiskySignIn } else { SignalKind::SessionEvent }
    } else if starts(&[
        "user.password_change",
        "reset_password",
        "mfa",
        "recovery_code",
        "privilege_token",
        "cert.",
        "join_token",
        "provision_token",
        "spiffe",
        "workload_identity",
        "bot.join",
        "instance.join",
        "sigstore",
    ]) || name.contains("svid")
    {
        if failed { SignalKind::RiskySignIn } else { SignalKind::CredentialChange }
    } else if starts(&["access_request", "role", "access_list", "access_path", "access_monitoring"]) {
        SignalKind::PrivilegeChange
    } else if starts(&["user.", "bot.", "device", "okta.user"]) {
        SignalKind::AccountChange
    } else if starts(&["github", "oidc", "saml", "trusted_cluster", "okta", "plugin", "integration", "app.", "external_audit"])
        && !name.contains("session")
    {
        SignalKind::DelegationChange
    } else if failed && (name.contains("session") || starts(&["exec", "scp", "sftp", "kube", "port"])) {
        SignalKind::PolicyViolation
    } else if name.contains("session") || starts(&["exec", "scp", "sftp", "kube.request", "port", "client.disconnect", "subsystem", "x11"])
    {
        SignalKind::SessionEvent
    } else if starts(&["lock", "auth_preference", "cluster", "session_recording_config", "login_rule", "upgrade", "discovery"]) {
        SignalKind::Posture
    } else {
        SignalKind::Other
    }
}
