//! Anthropic: activities of the Compliance API, and the audit log export of
//! claude.ai.

use crate::json::Value;
use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, SignalKind};

use super::NAME;
use crate::{
    field::{field, text, text_at},
    statement::{Named, Party, Statement},
};

pub fn is_one(value: &Value) -> bool {
    is_activity(value) || is_export(value)
}

fn is_activity(value: &Value) -> bool {
    let organisation = field(value, "organization_id").is_some() || field(value, "organization_uuid").is_some();
    let activity = text(value, "id").is_some_and(|id| id.starts_with("activity_"));
    let actor = text_at(value, &["actor", "type"]).is_some_and(|t| t.ends_with("_actor"));
    text(value, "type").is_some() && actor && (organisation || activity)
}

fn is_export(value: &Value) -> bool {
    text(value, "event").is_some() && field(value, "actor_info").is_some_and(Value::is_object)
}

pub fn detected(record: &Value) -> Detected {
    let event = text(record, "type").filter(|_| is_activity(record)).or_else(|| text(record, "event")).unwrap_or_default();
    let mut said = Statement::new(NAME, kind(&event), event.clone());
    let actor = actor(record);
    let named = |n: &str| text(record, n).or_else(|| text_at(record, &["entity_info", n])).or_else(|| text_at(record, &["event_info", n]));
    match affected(&named, &actor) {
        Some(affected) => {
            if let Some(reason) = containment(&event) {
                said.contains(reason);
            }
            said.actor = Some(actor).filter(|a| a.is_other_than(&affected)).unwrap_or_default();
            said.subject = affected;
        }
        None => said.subject = actor,
    }
    if text_at(record, &["actor", "type"]).is_some_and(|t| t.contains("unauthenticated")) {
        said.unsure = true;
        said.because("nobody had signed in yet; the address is as it was typed");
    }
    let organisation = text(record, "organization_id").or_else(|| text(record, "organization_uuid"));
    said.system = Some(organisation.map_or_else(|| "anthropic".into(), |o| format!("anthropic:{o}")));
    let used = text_at(record, &["actor", "api_key_id"]).or_else(|| text_at(record, &["actor", "admin_api_key_id"]));
    if event.contains("api_key") {
        said.credential = Some(Named::new(CredentialKind::ApiKey, key_id(&named)));
    } else {
        said.used(Named::with_id(CredentialKind::ApiKey, used));
    }
    if let Some(name) = named("mcp_server_name").or_else(|| named("api_key_name")).or_else(|| named("name")) {
        said.title = format!("{event}: {name}");
    }
    said.because("Anthropic gives no severity");
    said.seen_from([text_at(record, &["actor", "ip_address"]), text(record, "ip_address")]);
    said.key = vec![text(record, "id").or_else(|| text(record, "uuid")).unwrap_or_default(), event];
    said.detected([(ObservedFrom::Event, field(record, "created_at"))])
}

fn actor(record: &Value) -> Party {
    let actor = field(record, "actor").or_else(|| field(record, "actor_info")).unwrap_or(&Value::Null);
    let kind = match text(actor, "type").unwrap_or_default() {
        t if t.contains("api") || t.contains("service") || t.contains("scim") || t.contains("directory") => IdentityKind::ServiceAccount,
        t if t.contains("agent") => IdentityKind::Agent,
        // The vendor's own staff and systems are nobody of ours.
        t if t.starts_with("anthropic") || t.starts_with("system") => return Party::default(),
        _ => IdentityKind::Human,
    };
    let mail = text(actor, "email_address")
        .or_else(|| text(actor, "unauthenticated_email_address"))
        .or_else(|| text_at(actor, &["metadata", "email_address"]));
    let ids =
        ["user_id", "uuid", "service_account_id", "api_key_id", "admin_api_key_id", "directory_id", "agent_id"].map(|n| text(actor, n));
    Party::new(kind, ids.into_iter().chain([mail.clone()]), [mail, text(actor, "name")])
}

/// The id of the key that an activity is about.
fn key_id(named: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    ["admin_api_key_id", "platform_api_key_id", "api_key_id", "key_id"].iter().find_map(|n| named(n))
}

fn affected(named: &dyn Fn(&str) -> Option<String>, actor: &Party) -> Option<Party> {
    let first = |names: &[&str]| names.iter().find_map(|n| named(n));
    let server = Party::new(
        IdentityKind::Agent,
        [first(&["mcp_server_id", "agent_id", "managed_agent_id"])],
        [first(&["mcp_server_name", "agent_name"])],
    );
    let key = Party::new(IdentityKind::Unknown, [key_id(named)], [first(&["api_key_name", "admin_api_key_name", "platform_api_key_name"])]);
    let program = Party::new(IdentityKind::ServiceAccount, [named("service_account_id")], [named("service_account_name")]);
    let mail =
        first(&["user_email", "user_email_address", "target_user_email", "invited_email", "invitee_email", "email_address", "email"]);
    let person = Party::new(
        IdentityKind::Human,
        [
            first(&[
                "target_user_id",
                "affected_user_id",
                "updated_user_id",
                "removed_user_id",
                "deleted_user_id",
                "added_user_id",
                "invited_user_id",
                "user_id",
            ]),
            mail.clone(),
        ],
        [mail],
    );
    let person = Some(person).filter(|p| p.is_other_than(actor)).unwrap_or_default();
    [server, key, program, person].into_iter().find(|p| p.id.is_some())
}

fn containment(event: &str) -> Option<&'static str> {
    let ends = |words: &[&str]| words.iter().any(|w| event.ends_with(w));
    if event.contains("api_key") && ends(&["_deleted", "_disabled", "_revoked", "_archived", "_deactivated"]) {
        Some("the key was taken out of use")
    } else if (event.contains("user") || event.contains("member"))
        && ends(&["_deleted", "_removed", "_suspended", "_deactivated"])
        && !event.contains("invite")
    {
        Some("the user was removed")
    } else if (event.contains("mcp_server") || event.contains("service_account"))
        && ends(&["_deleted", "_disabled", "_removed", "_disconnected", "_archived"])
    {
        Some("it was disconnected")
    } else if event.contains("session") && ends(&["_revoked", "_terminated"]) {
        Some("sessions were ended")
    } else {
        None
    }
}

fn kind(event: &str) -> SignalKind {
    let has = |words: &[&str]| words.iter().any(|w| event.contains(w));
    if has(&["api_key", "credential", "secret", "token_created", "token_revoked"]) {
        SignalKind::CredentialChange
    } else if has(&["mcp_", "agent", "tool_"]) {
        SignalKind::AgentAction
    } else if has(&["sso_", "sign_in", "signed_in", "login", "logout", "magic_link", "session", "authenticat"]) {
        if has(&["fail", "denied", "rejected", "blocked"]) { SignalKind::RiskySignIn } else { SignalKind::SessionEvent }
    } else if has(&["role", "permission", "group", "workspace_member", "privilege"]) {
        SignalKind::PrivilegeChange
    } else if has(&["connector", "integration", "federation", "identity_provider", "oauth"]) {
        SignalKind::DelegationChange
    } else if has(&["user", "member", "invite", "service_account"]) {
        SignalKind::AccountChange
    } else if has(&["setting", "domain", "ip_", "organization", "policy", "export"]) {
        SignalKind::Posture
    } else {
        SignalKind::Other
    }
}
