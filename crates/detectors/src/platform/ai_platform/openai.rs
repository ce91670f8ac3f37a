//! OpenAI: `organization.audit_log`.

use crate::json::Value;
use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Severity, SignalKind};

use super::NAME;
use crate::{
    field::{as_text, at, field, list, text, text_at},
    statement::{Named, Party, Statement},
};

pub fn is_one(value: &Value) -> bool {
    let logged = text(value, "object").is_some_and(|o| o == "organization.audit_log");
    let shaped = field(value, "effective_at").is_some() && at(value, &["actor", "type"]).is_some();
    text(value, "type").is_some_and(|t| t.contains('.')) && (logged || shaped)
}

pub fn detected(record: &Value) -> Detected {
    let event = text(record, "type").unwrap_or_default();
    // Details stand under the event's own name, with a dot or an underscore.
    let under = event.replace('.', "_");
    let details = field(record, &event).or_else(|| field(record, &under)).unwrap_or(&Value::Null);
    let data = field(details, "data").or_else(|| field(details, "changes_requested")).unwrap_or(&Value::Null);
    let mut said = Statement::new(NAME, kind(&event), event.clone());
    let (actor, key) = actor(record);
    match affected(&event, details, data).filter(Party::is_named) {
        Some(affected) => {
            if let Some(reason) = containment(&event) {
                said.contains(reason);
            }
            said.actor = Some(actor).filter(|a| a.is_other_than(&affected)).unwrap_or_default();
            said.subject = affected;
        }
        None => said.subject = actor,
    }
    let project = text_at(record, &["project", "id"]);
    said.system = Some(project.map_or_else(|| "openai".into(), |p| format!("openai:{p}")));
    if event.starts_with("api_key.") {
        said.because("the entry is about the key, which acts with the rights of its owner");
        said.credential = Some(Named::new(CredentialKind::ApiKey, text(details, "id")));
    } else if event.starts_with("certificate") {
        said.credential = Some(Named::new(CredentialKind::Certificate, text(details, "id")));
    } else {
        said.used(Named::with_id(CredentialKind::ApiKey, key));
    }
    if let Some(name) = text(data, "name").or_else(|| text(details, "name")) {
        said.title = format!("{event}: {name}");
    }
    scopes(data, &mut said);
    said.seen_from([text_at(record, &["actor", "session", "ip_address"]), text_at(record, &["actor", "api_key", "ip_address"])]);
    said.key = vec![text(record, "id").unwrap_or_default(), event];
    said.detected([(ObservedFrom::Event, field(record, "effective_at"))])
}

/// Who acted, and the key that was used for it.
fn actor(record: &Value) -> (Party, Option<String>) {
    let actor = field(record, "actor").unwrap_or(&Value::Null);
    let key = field(actor, "api_key");
    let person = |v: &Value| Party::of(v, IdentityKind::Human, &["id", "email"], &["email"]);
    let user = at(actor, &["session", "user"]).or_else(|| key.and_then(|k| field(k, "user"))).map(person);
    let program = || key.and_then(|k| field(k, "service_account")).map(|s| Party::of(s, IdentityKind::ServiceAccount, &["id"], &["name"]));
    (user.filter(Party::is_named).or_else(program).unwrap_or_default(), key.and_then(|k| text(k, "id")))
}

fn affected(event: &str, details: &Value, data: &Value) -> Option<Party> {
    let names = || [text(data, "name"), text(details, "name")];
    let mail = || text(data, "email").or_else(|| text(details, "email"));
    let (what, _) = event.split_once('.')?;
    Some(match what {
        "api_key" => Party::new(IdentityKind::Unknown, [text(details, "id")], names()),
        "service_account" => Party::new(IdentityKind::ServiceAccount, [text(details, "id")], names()),
        "user" => Party::new(IdentityKind::Human, [text(details, "id"), mail()], [mail()]),
        "invite" => Party::new(IdentityKind::Human, [mail()], [mail()]),
        "role" | "group" => {
            let kind = match text(details, "principal_type").or_else(|| text(data, "principal_type")).as_deref() {
                Some("user") => IdentityKind::Human,
                Some("service_account") => IdentityKind::ServiceAccount,
                _ => return None,
            };
            Party::new(kind, [text(details, "principal_id"), text(data, "principal_id")], [mail()])
        }
        _ => return None,
    })
}

/// A new key opens what its scopes say; that is the nearest there is to a rating.
fn scopes(data: &Value, said: &mut Statement) {
    let scopes: Vec<String> = list(data, "scopes").iter().filter_map(as_text).map(|s| s.to_ascii_lowercase()).collect();
    if scopes.is_empty() {
        said.because("OpenAI gives no severity");
        return;
    }
    let any = |test: fn(&str) -> bool| scopes.iter().any(|s| test(s));
    let all = any(|s| matches!(s, "all" | "*" | "api.all" | "full" | "owner"));
    let organisation = any(|s| {
        (s.contains("organization") || s.contains("admin") || s.contains("api.management"))
            && !s.ends_with(":read")
            && !s.ends_with(".read")
    });
    let writes = any(|s| ["write", "request", "create", "delete"].iter().any(|w| s.ends_with(w)));
    let id = if all || organisation {
        4
    } else if writes {
        3
    } else {
        2
    };
    said.severity = Severity { id, vendor: None };
    said.because("OpenAI gives no severity; it is read from the scopes of the key");
}

fn containment(event: &str) -> Option<&'static str> {
    match event {
        "api_key.deleted" => Some("the key was deleted"),
        "service_account.deleted" => Some("the service account was deleted"),
        "user.deleted" => Some("the user was removed"),
        "certificates.deactivated" | "certificate.deleted" => Some("the certificate was taken out of use"),
        _ => None,
    }
}

fn kind(event: &str) -> SignalKind {
    let (what, verb) = event.split_once('.').unwrap_or((event, ""));
    match (what, verb) {
        ("login" | "logout", "failed") => SignalKind::RiskySignIn,
        ("login" | "logout", _) => SignalKind::SessionEvent,
        ("api_key" | "certificate" | "certificates" | "external_key", _) => SignalKind::CredentialChange,
        ("service_account" | "invite", _) | ("user", "added" | "deleted") => SignalKind::AccountChange,
        ("role" | "group" | "user", _) | ("resource", _) => SignalKind::PrivilegeChange,
        ("checkpoint", _) | ("tenant" | "scim" | "connector" | "tool", _) => SignalKind::DelegationChange,
        ("organization" | "project" | "rate_limit" | "ip_allowlist", _) => SignalKind::Posture,
        _ => SignalKind::Other,
    }
}
