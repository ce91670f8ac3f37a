//! Falcon's audit events: what users of its console and its API did.
//!
//! `AuditKeyValues` is a list of keys and texts. An operation that changes
//! another user's access is about that user (`target_name`), all else about who
//! did it.

use quell_core::signal::{IdentityKind, SignalKind};

use super::api_client;
use crate::{
    claim::{Claim, Who},
    field::{as_text, field, list, text, truth},
    json::Value,
};

/// Fills `claim` from one audit event.
pub fn read(event: &Value, metadata: &Value, claim: &mut Claim) {
    let operation = text(event, "OperationName").unwrap_or_default();
    let value = |wanted: &[&str]| {
        let pairs = list(event, "AuditKeyValues");
        wanted.iter().find_map(|w| {
            pairs
                .iter()
                .find(|p| text(p, "Key").is_some_and(|k| k.eq_ignore_ascii_case(w)))
                .and_then(|p| field(p, "ValueString"))
                .and_then(as_text)
        })
    };
    let actor = text(event, "UserId").or_else(|| text(event, "UserName")).or_else(|| value(&["actor_user"]));
    let programmatic = actor.as_deref().is_some_and(|a| a.starts_with("api-client-id:"));
    let actor = Who::named(actor);
    let actor = if programmatic { actor.or_kind(IdentityKind::ServiceAccount) } else { actor };
    let client = value(&["APIClientID", "api_client_id", "client_id"]);
    let target = Who::named(value(&["target_name", "target_user_name", "target_uid", "target_uuid"]));
    claim.system = text(metadata, "customerIDString").or_else(|| value(&["actor_cid"])).map(|cid| format!("crowdstrike:{cid}"));
    claim.ip = text(event, "UserIp");
    claim.title = match text(event, "ServiceName") {
        Some(service) => format!("{operation} in {service}"),
        None => operation.clone(),
    };
    claim.event.push(operation.clone());
    claim.event.push(text(event, "UTCTimestamp").unwrap_or_default());
    claim.kind = kind(&operation, truth(event, "Success"));
    if truth(event, "Success") == Some(false) {
        claim.because("the operation failed");
    }
    let about_target =
        ["changePassword", "requestResetPassword", "confirmResetPassword", "resetAuthSecret", "twoFactorReset", "updateUser"];
    if about_target.iter().any(|o| o.eq_ignore_ascii_case(&operation)) && target.is_somebody() && target.id != actor.id {
        claim.because("the operation changes another user's access and is about that user");
        claim.subject = target;
        claim.actor = actor;
        return;
    }
    if operation.to_ascii_lowercase().contains("apiclient") {
        claim.credential = api_client(client.clone().or_else(|| value(&["id"])));
    }
    claim.subject = actor.or(|| {
        let name = client.clone();
        Who { id: client, name, kind: IdentityKind::ServiceAccount }
    });
}

fn kind(operation: &str, success: Option<bool>) -> SignalKind {
    let lower = operation.to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if is(&["apiclient", "password", "authsecret", "twofactorreset", "apikey"]) {
        SignalKind::CredentialChange
    } else if is(&["role", "grant"]) {
        SignalKind::PrivilegeChange
    } else if is(&["createuser", "deleteuser", "updateuser", "activateuser", "deactivateuser"]) {
        SignalKind::AccountChange
    } else if is(&["authenticate", "login"]) {
        if success == Some(false) { SignalKind::RiskySignIn } else { SignalKind::SessionEvent }
    } else if is(&["policy", "exclusion", "detection_update", "quarantine"]) {
        SignalKind::PolicyViolation
    } else {
        SignalKind::Other
    }
}
