//! Activities: what somebody did, and to whom.
//!
//! A sign-in is about who signed in, and so is a session that was given
//! privileges. A change of somebody's password, second factor or state is about
//! that somebody. What makes, ends or grants is about who did it, because that
//! identity's credential was used (OCSF 1.8 classes of category 3 and 6).

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, SignalKind};

use super::{NAME, ip, nature, severity, subject::Person, system};
use crate::{
    arn::Arn,
    claim::{Claim, Who},
    field::{field, integer, list, text, text_at},
    json::Value,
    principal, wording,
};

/// Reads one event of `class`.
pub fn read(event: &Value, class: i64) -> Detected {
    let activity = integer(event, "activity_id").or_else(|| integer(event, "type_uid").map(|t| t % 100)).unwrap_or(0);
    let mut claim = Claim::new(NAME);
    if !matches!(class, 3001..=3006 | 6003) {
        claim.because(format!("class {class} is read by what all activities share: its actor"));
    }
    let actor = field(event, "actor").unwrap_or(&Value::Null);
    let affected = person(field(event, "user").or_else(|| managed(event)), &mut claim.reasons);
    let acting = person(field(actor, "user"), &mut claim.reasons);
    if about_affected(class, activity) && affected.is_somebody() {
        claim.because("an activity of this kind is about the user that it affects");
        let own = affected.id == acting.id;
        claim.credential =
            credential(&[Some(event), field(event, "user"), own.then_some(actor), own.then(|| field(actor, "user")).flatten()]);
        claim.subject = named_alike(affected, &acting);
        claim.actor = if own { Who::default() } else { acting };
    } else if matches!(class, 3002 | 3003) && field(event, "user").is_some() {
        // A sign-in of SYSTEM is not about the machine that started it.
        claim.because("who signed in is an account that every machine has, which is nobody's identity");
    } else if acting.is_somebody() {
        claim.because("the event is about its actor");
        if affected.is_somebody() && affected.id != acting.id {
            claim.because("an affected user is named, too");
        }
        claim.credential = credential(&[Some(actor), field(actor, "user")]);
        claim.subject = acting;
    } else if !about_affected(class, activity) && affected.is_somebody() && matches!(class, 3001..=3006) {
        claim.because("no actor is named; the user that the event affects is the subject");
        claim.credential = credential(&[Some(event), field(event, "user")]);
        claim.subject = affected;
    } else if let Some(application) = text(actor, "app_uid").or_else(|| text(actor, "app_name")) {
        claim.because("an application acted");
        claim.subject = Who { name: text(actor, "app_name"), id: Some(application), kind: IdentityKind::ServiceAccount };
    }
    claim.system = system(event);
    claim.ip = ip(event);
    let operation = text_at(event, &["api", "operation"]).unwrap_or_default();
    claim.kind = kind(event, class, activity, &operation);
    claim.title = title(event, class, &operation);
    claim.severity = severity(event, &mut claim.reasons);
    claim.sample = nature::sample(event, [&claim.subject.id, &claim.subject.name, &None], &mut claim.reasons);
    let uid = text_at(event, &["metadata", "uid"]).or_else(|| text_at(event, &["api", "request", "uid"]));
    claim.event = vec![uid.unwrap_or_default(), text(event, "type_uid").unwrap_or_default()];
    claim.event.extend(["time", "time_dt"].iter().map(|n| text(event, n).unwrap_or_default()));
    let times = ["time", "time_dt", "start_time", "start_time_dt"].map(|n| (ObservedFrom::Event, field(event, n)));
    let logged = field(event, "metadata").map(|m| ["original_time", "logged_time", "logged_time_dt"].map(|n| field(m, n)));
    claim.detected(times.into_iter().chain(logged.into_iter().flatten().map(|v| (ObservedFrom::VendorUpdate, v))))
}

/// Whether the activity is about `user` and not about `actor`.
fn about_affected(class: i64, activity: i64) -> bool {
    match class {
        // Enable, password change and reset, disable, lock, factors, unlock.
        3001 => matches!(activity, 2..=5 | 9..=12),
        3002 | 3003 => true,
        _ => false,
    }
}

fn person(user: Option<&Value>, reasons: &mut Vec<String>) -> Who {
    let Some(user) = user.filter(|u| u.is_object()) else { return Who::default() };
    let found = Person::of_user(user);
    if found.id.is_none() && found.name.is_none() {
        return Who::default();
    }
    let mut kind = found.kind(reasons);
    let arn = found.id.as_deref().and_then(Arn::of).filter(Arn::is_identity).map(|a| a.name().to_owned());
    let domain = text(user, "domain").filter(|d| !d.is_empty() && !crate::field::is_placeholder(d));
    let name = match (&found.name, &domain) {
        (Some(name), Some(domain)) if !name.contains(['\\', '@']) => Some(format!("{domain}\\{name}")),
        (name, _) => name.clone().or(arn),
    };
    if kind == IdentityKind::Unknown {
        kind = [&found.name, &found.id].into_iter().flatten().map(|n| principal::kind_of_name(n)).find(|k| *k != kind).unwrap_or(kind);
    }
    let id = found.id.or_else(|| name.clone());
    Who { id, name, kind }
}

/// Mappings leave the name in the actor where both are one identity.
fn named_alike(affected: Who, acting: &Who) -> Who {
    if affected.id.is_some() && affected.id == acting.id && acting.name.is_some() {
        let kind = if affected.kind == IdentityKind::Unknown { acting.kind } else { affected.kind };
        return Who { name: acting.name.clone(), kind, ..affected };
    }
    affected
}

/// The user that entity management manages.
fn managed(event: &Value) -> Option<&Value> {
    let entity = field(event, "entity")?;
    field(entity, "user").or_else(|| text(entity, "type").is_some_and(|t| t.eq_ignore_ascii_case("user")).then_some(entity))
}

/// The first credential that the subject's own places name.
fn credential(places: &[Option<&Value>]) -> Option<(CredentialKind, Option<String>)> {
    let places = || places.iter().flatten();
    let keys =
        places().flat_map(|p| list(p, "programmatic_credentials")).filter_map(|k| text(k, "uid")).map(|id| (CredentialKind::ApiKey, id));
    let users = places().filter_map(|p| text(p, "credential_uid")).map(|id| (CredentialKind::Unknown, id));
    let sessions = places().filter_map(|p| text_at(p, &["session", "credential_uid"])).map(|id| (CredentialKind::Unknown, id));
    let tokens = places().filter_map(|p| text_at(p, &["authentication_token", "uid"])).map(|id| (CredentialKind::Token, id));
    let certificates = places().filter_map(|p| text_at(p, &["certificate", "serial_number"])).map(|id| (CredentialKind::Certificate, id));
    let mut all = keys.chain(users).chain(sessions).chain(tokens).chain(certificates);
    all.find(|(_, id)| !crate::field::is_placeholder(id)).map(|(kind, id)| (kind, Some(id)))
}

fn kind(event: &Value, class: i64, activity: i64, operation: &str) -> SignalKind {
    let failed = integer(event, "status_id") == Some(2);
    match (class, activity) {
        (3001, 3 | 4 | 10 | 11) => SignalKind::CredentialChange,
        (3001, 7 | 8) | (3005 | 3006, _) | (3003, 1 | 2) => SignalKind::PrivilegeChange,
        (3001, _) | (3004, _) => SignalKind::AccountChange,
        (3002, _) if failed => SignalKind::RiskySignIn,
        (3002 | 3003, _) => SignalKind::SessionEvent,
        _ => wording::kind(operation).map_or(SignalKind::Other, |(kind, _)| kind),
    }
}

fn class_name(class: i64) -> String {
    let name = match class {
        3001 => "Account change",
        3002 => "Authentication",
        3003 => "Session authorization",
        3004 => "Entity management",
        3005 => "User access management",
        3006 => "Group management",
        6003 => "API activity",
        other => return format!("OCSF class {other}"),
    };
    name.to_owned()
}

fn title(event: &Value, class: i64, operation: &str) -> String {
    let named = text(event, "type_name").or_else(|| text(event, "class_name")).unwrap_or_else(|| class_name(class));
    match (operation, text(event, "message")) {
        ("", Some(message)) => message,
        ("", None) => named,
        (operation, _) => format!("{named}: {operation}"),
    }
}
