//! Google Cloud audit logs, and the Google Workspace logs that arrive as such.
//!
//! An entry is about its caller, with these exceptions. What is done with the
//! keys and tokens of a service account is about that account. Workspace leaves
//! the caller empty and names the affected person in the parameters of its
//! events. `severity` is the level of a log line and rates nothing. AuditLog and
//! Workspace login and admin event references, read 2026-11.

mod principal;

use quell_core::signal::{CredentialKind, Detected, ObservedFrom, Readout, SignalKind};

pub use self::principal::{key_id, of_email, of_subject};
use crate::{
    claim::{Claim, Who},
    field::{at, field, integer, list, text, text_at, type_name},
    json::Value,
    message, severity,
};

/// The detector's name.
pub const NAME: &str = "gcp-audit";
/// What it reads.
pub const READS: &str = "Google Cloud audit log entries, Workspace login and admin events among them: alone, `entries`, Pub/Sub";
const LISTS: &[&str] = &["entries"];

/// Reads entries.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an audit log entry.
pub fn recognises(first: &Value) -> bool {
    is_entry(message::first(first, LISTS))
}

/// Whether this record, also one inside another sender's alert, is an entry.
pub fn is_entry(record: &Value) -> bool {
    payload(record).is_some_and(|p| text(p, "methodName").is_some() || text(p, "serviceName").is_some())
}

/// The audit log inside an entry; BigQuery exports name it their own way.
fn payload(entry: &Value) -> Option<&Value> {
    field(entry, "protoPayload").or_else(|| field(entry, "protopayload_auditlog")).filter(|p| p.is_object())
}

fn detected(entry: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !entry.is_object() {
        return Err(format!("expected an audit log entry as an object, found {}", type_name(entry)));
    }
    if !is_entry(entry) {
        return Err("no `protoPayload` with `methodName` or `serviceName`, so this is no audit log entry".into());
    }
    let mut claim = Claim::new(NAME);
    read_entry(entry, &mut claim);
    let request = payload(entry).and_then(|p| at(p, &["requestMetadata", "requestAttributes", "time"]));
    Ok(claim.detected([
        (ObservedFrom::Event, field(entry, "timestamp")),
        (ObservedFrom::Event, request),
        (ObservedFrom::VendorUpdate, field(entry, "receiveTimestamp")),
        (ObservedFrom::VendorUpdate, sent),
    ]))
}

/// Fills `claim` from one entry; also for senders who carry such entries inside.
pub fn read_entry(entry: &Value, claim: &mut Claim) {
    let null = Value::Null;
    let payload = payload(entry).unwrap_or(&null);
    let method = text(payload, "methodName").unwrap_or_default();
    let verb = method.rsplit('.').next().unwrap_or_default().to_owned();
    let service = text(payload, "serviceName").unwrap_or_default();
    let caller = principal::caller(payload);
    let key = principal::key(payload);
    claim.system = system(entry, payload, &service);
    claim.ip = text_at(payload, &["requestMetadata", "callerIp"]);
    claim.severity = severity::unread(text(entry, "severity"));
    claim.title = match text(payload, "resourceName") {
        Some(resource) => format!("{method} of {service} on {resource}"),
        None => format!("{method} of {service}"),
    };
    claim.event = ["insertId", "timestamp"].iter().map(|n| text(entry, n).unwrap_or_default()).collect();
    claim.event.push(method.clone());
    claim.kind = kind(&service, &method, &verb);
    if matches!(at(payload, &["status"]).and_then(|s| integer(s, "code")), Some(code) if code != 0) {
        claim.because("the call failed");
    }

    if let Some(event) = workspace(payload, &service) {
        claim.system = Some("google-workspace".into());
        claim.kind = event.kind;
        claim.containment_evidence = event.contained;
        if event.contained {
            claim.because("Google or an administrator has acted on the account already, which is evidence of containment");
        }
        if let Some(affected) = event.affected {
            claim.because("the affected person stands in the parameters of the event");
            claim.subject = affected;
            claim.actor = caller;
            return;
        }
    }
    if is_about_account(&service, &verb)
        && let Some(account) = principal::account(entry, payload)
    {
        claim.because("what is done with the keys and tokens of a service account is about that account");
        let own = account.name == caller.name;
        claim.credential = principal::key_of_resource(payload)
            .or(key.filter(|_| own))
            .map(|id| (CredentialKind::ServiceAccountKey, Some(id)))
            .or_else(|| verb.starts_with("Generate").then_some((CredentialKind::Token, None)));
        claim.containment_evidence = verb.starts_with("Disable");
        claim.subject = account;
        claim.actor = if own { Who::default() } else { caller };
        return;
    }
    claim.credential = key.map(|id| (CredentialKind::ServiceAccountKey, Some(id)));
    claim.actor = principal::delegate(payload);
    claim.subject = caller;
}

/// `gcp:PROJECT`, else the organisation or folder whose log it is.
fn system(entry: &Value, payload: &Value, service: &str) -> Option<String> {
    if service == "login.googleapis.com" || service == "admin.googleapis.com" {
        return Some("google-workspace".into());
    }
    let label = text_at(entry, &["resource", "labels", "project_id"]).filter(|p| !p.is_empty());
    let of_name =
        |name: Option<String>| name.and_then(|n| n.strip_prefix("projects/").and_then(|n| n.split('/').next().map(str::to_owned)));
    label
        .or_else(|| of_name(text(entry, "logName")))
        .or_else(|| of_name(text(payload, "resourceName")).filter(|p| p != "-"))
        .or_else(|| text(entry, "logName").map(|n| n.split("/logs/").next().unwrap_or_default().to_owned()))
        .filter(|p| !p.is_empty())
        .map(|p| format!("gcp:{p}"))
}

/// Calls on a service account's keys and tokens, and on whether it works at all.
fn is_about_account(service: &str, verb: &str) -> bool {
    const VERBS: &[&str] = &[
        "CreateServiceAccountKey",
        "UploadServiceAccountKey",
        "DeleteServiceAccountKey",
        "DisableServiceAccountKey",
        "EnableServiceAccountKey",
        "DisableServiceAccount",
        "EnableServiceAccount",
        "UndeleteServiceAccount",
        "GenerateAccessToken",
        "GenerateIdToken",
        "SignBlob",
        "SignJwt",
    ];
    service.starts_with("iam") && VERBS.contains(&verb)
}

fn kind(service: &str, method: &str, verb: &str) -> SignalKind {
    let lower = method.to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if is(&["serviceaccountkey", "createapikey", "addsecretversion", "hmackeys"]) || (service.contains("apikeys") && is(&["key"])) {
        SignalKind::CredentialChange
    } else if is(&["generateaccesstoken", "generateidtoken", "signblob", "signjwt", "exchangetoken"]) {
        SignalKind::SessionEvent
    } else if is(&["setiampolicy", "rolebinding", "createrole", "updaterole", "setorgpolicy", "setiampermissions"]) {
        SignalKind::PrivilegeChange
    } else if is(&["workloadidentitypool", "workforcepool"]) {
        SignalKind::DelegationChange
    } else if is(&["serviceaccount"]) && !verb.starts_with("Get") && !verb.starts_with("List") {
        SignalKind::AccountChange
    } else {
        SignalKind::Other
    }
}

/// What an event of Workspace says.
struct Event {
    kind: SignalKind,
    contained: bool,
    affected: Option<Who>,
}

fn workspace(payload: &Value, service: &str) -> Option<Event> {
    if !["login.googleapis.com", "admin.googleapis.com", "oauth2.googleapis.com"].contains(&service) {
        return None;
    }
    let metadata = field(payload, "metadata")?;
    let events = list(metadata, "event");
    let name = events.iter().find_map(|e| text(e, "eventName")).unwrap_or_default().to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|w| name.contains(w));
    let parameter = |wanted: &str| {
        events.iter().flat_map(|e| list(e, "parameter")).find(|p| text(p, "name").is_some_and(|n| n.eq_ignore_ascii_case(wanted)))
    };
    let value = |wanted: &str| parameter(wanted).and_then(|p| text(p, "value"));
    let contained = (name.starts_with("account_disabled") || is(&["user_signed_out_due_to", "suspend_user", "reset_signin_cookies"]))
        || (name.starts_with("revoke_") && service == "admin.googleapis.com");
    let kind = if is(&["password_leak"]) {
        SignalKind::LeakedSecret
    } else if contained {
        SignalKind::Containment
    } else if is(&["suspicious", "login_failure", "login_challenge", "gov_attack_warning", "risky_sensitive", "blocked_sender"]) {
        SignalKind::RiskySignIn
    } else if is(&["2sv", "password", "recovery_", "titanium", "passkey", "security_key", "strong_authentication"]) {
        SignalKind::CredentialChange
    } else if is(&["admin_privilege", "assign_role", "delegated_admin"]) {
        SignalKind::PrivilegeChange
    } else if is(&["authorize", "api_client", "domain_wide", "trusted"]) {
        SignalKind::DelegationChange
    } else if is(&["create_user", "delete_user", "undelete_user", "unsuspend"]) {
        SignalKind::AccountChange
    } else if is(&["login", "logout"]) {
        SignalKind::SessionEvent
    } else {
        SignalKind::Other
    };
    // A grant is the doing of who grants; a change of somebody's credential or
    // account is about that somebody.
    let about_target = contained || kind == SignalKind::CredentialChange;
    let affected = value("affected_email_address").or_else(|| if about_target { value("USER_EMAIL") } else { None });
    Some(Event { kind, contained, affected: affected.map(|e| principal::of_email(Some(e))).filter(Who::is_somebody) })
}
