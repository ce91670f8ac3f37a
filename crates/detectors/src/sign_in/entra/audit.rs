//! Audit entries: who changed what on whom.

use crate::json::Value;
use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, SignalKind};

use super::{NAME, nested, system};
use crate::{
    field::{at, field, list, text, text_at},
    statement::{Named, Party, Statement},
};

pub fn detected(record: &Value, inner: &Value) -> Detected {
    let activity = text(inner, "activityDisplayName")
        .or_else(|| text(inner, "operationName"))
        .or_else(|| text(record, "operationName"))
        .unwrap_or_default();
    let result = text(inner, "result").or_else(|| text(record, "resultSignature")).unwrap_or_default();
    let done = !["failure", "timeout"].contains(&result.to_ascii_lowercase().as_str());
    let mut said = Statement::new(NAME, kind(&activity), format!("{activity} ({result})"));
    let by = nested(inner, "initiatedBy");
    let actor = initiator(&by);
    let targets = nested(inner, "targetResources");
    let targets = match &targets {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    match targets.iter().find_map(party) {
        Some(target) => {
            said.actor = Some(actor).filter(|a| a.is_other_than(&target)).unwrap_or_default();
            said.subject = target;
        }
        None => {
            said.because("no identity is among the targets; the signal is about who acted");
            said.subject = actor;
        }
    }
    said.system = system(record, inner);
    said.credential = credential(&activity, targets);
    // Evidence is about whom it was done to, never about who did it.
    if done
        && targets.iter().any(|t| party(t).is_some())
        && let Some(reason) = containment(&activity, targets)
    {
        said.contains(reason);
    }
    said.because("the audit log gives no severity");
    said.seen_from([text_at(&by, &["user", "ipAddress"]), text(record, "callerIpAddress")]);
    let id = text(inner, "id").or_else(|| text(inner, "correlationId")).or_else(|| text(record, "correlationId"));
    said.key = vec![id.unwrap_or_default(), activity, result];
    said.detected([
        (ObservedFrom::Event, field(inner, "activityDateTime")),
        (ObservedFrom::Event, field(inner, "TimeGenerated")),
        (ObservedFrom::Event, field(record, "time")),
    ])
}

fn initiator(by: &Value) -> Party {
    let user = at(by, &["user"]).unwrap_or(&Value::Null);
    let person = Party::of(user, IdentityKind::Human, &["id", "userPrincipalName"], &["userPrincipalName", "displayName"]);
    person.or_else(|| {
        let app = at(by, &["app"]).unwrap_or(&Value::Null);
        Party::of(app, IdentityKind::ServiceAccount, &["servicePrincipalId", "appId"], &["displayName", "servicePrincipalName"])
    })
}

/// A target that is an identity. Roles, groups, policies and directories are none.
fn party(target: &Value) -> Option<Party> {
    let kind = match text(target, "type")?.to_ascii_lowercase().as_str() {
        "user" => IdentityKind::Human,
        "serviceprincipal" | "application" => IdentityKind::ServiceAccount,
        "managedidentity" => IdentityKind::Workload,
        "agentidentity" | "agent" => IdentityKind::Agent,
        "device" => IdentityKind::Device,
        _ => return None,
    };
    let names: &[&str] = if kind == IdentityKind::Human { &["userPrincipalName", "displayName"] } else { &["displayName"] };
    Some(Party::of(target, kind, &["id", "userPrincipalName"], names)).filter(Party::is_named)
}

/// Properties that an entry changes, as name and new value without its quotes.
fn changes(targets: &[Value]) -> impl Iterator<Item = (String, String)> {
    targets.iter().flat_map(|t| list(t, "modifiedProperties")).filter_map(|p| {
        let value = text(p, "newValue").unwrap_or_default();
        Some((text(p, "displayName")?, value.trim_matches('"').to_owned()))
    })
}

/// The key that was added or removed: `[KeyIdentifier=..,KeyType=Password,..]`.
fn credential(activity: &str, targets: &[Value]) -> Option<Named> {
    let lower = activity.to_ascii_lowercase();
    if !["credential", "secret", "certificate", "password", "security info", "strong authentication"].iter().any(|w| lower.contains(w)) {
        return None;
    }
    if lower.contains("user") && lower.contains("password") || lower.contains("(self-service)") {
        return Some(Named::new(CredentialKind::Password, None));
    }
    let texts: Vec<String> = changes(targets).map(|(name, value)| format!("{name}={value}")).collect();
    let all = texts.join(",");
    let of = |name: &str| {
        let after = all.split_once(&format!("{name}="))?.1;
        let value = after.split([',', ']', '"', '\\']).next().unwrap_or_default();
        Some(value.to_owned()).filter(|v| !v.is_empty() && v.len() <= 100)
    };
    let kind = match of("KeyType").as_deref() {
        Some("Password" | "Symmetric") => CredentialKind::OauthClient,
        Some("AsymmetricX509Cert" | "X509CertAndPassword") => CredentialKind::Certificate,
        _ => CredentialKind::Unknown,
    };
    Some(Named::new(kind, of("KeyIdentifier")))
}

fn containment(activity: &str, targets: &[Value]) -> Option<&'static str> {
    let lower = activity.to_ascii_lowercase();
    let disabled = || changes(targets).any(|(n, v)| n.eq_ignore_ascii_case("AccountEnabled") && v.to_ascii_lowercase().contains("false"));
    match lower.as_str() {
        "disable account" | "disable device" => Some("the account was disabled"),
        "update stsrefreshtokenvalidfrom timestamp" => Some("the refresh tokens from before were made invalid"),
        "delete user" | "hard delete user" => Some("the user was deleted"),
        "remove service principal" | "delete application" | "hard delete service principal" => Some("the program was removed"),
        "remove service principal credentials" => Some("a credential was removed"),
        _ if lower.contains("revoke") && (lower.contains("session") || lower.contains("token")) => Some("sessions or tokens were revoked"),
        _ if lower.starts_with("update") && disabled() => Some("the account was disabled"),
        _ => None,
    }
}

/// The kind, by the words of the activity (audit activities list, read 2026-11).
fn kind(activity: &str) -> SignalKind {
    let lower = activity.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if has(&[
        "credential",
        "secret",
        "password",
        "security info",
        "strong authentication",
        "certificate",
        "temporary access pass",
        "authentication method",
        "windows hello",
        "fido",
    ]) {
        SignalKind::CredentialChange
    } else if has(&[
        "consent",
        "delegated permission",
        "oauth2permissiongrant",
        "app role assignment",
        "federation",
        "domain authentication",
        "identity provider",
        "owner",
    ]) {
        SignalKind::DelegationChange
    } else if has(&["role", "member to group", "member from group", "eligible", "entitlement", "access package", "administrative unit"]) {
        SignalKind::PrivilegeChange
    } else if has(&["stsrefreshtokenvalidfrom", "revoke", "sign-in session"]) {
        SignalKind::SessionEvent
    } else if has(&["policy", "conditional access", "named location", "authentication strength", "diagnostic", "company"]) {
        SignalKind::Posture
    } else if has(&["user", "account", "device", "application", "service principal", "group", "invite", "agent"]) {
        SignalKind::AccountChange
    } else {
        SignalKind::Other
    }
}
