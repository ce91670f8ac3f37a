//! The Elastic Common Schema: where an event names people, hosts and addresses.
//!
//! The same field is nested in one exporter and one dotted key in the next
//! (`{"user":{"name":..}}`, `{"user.name":..}`), also both in one record. `user`
//! is who acted, `user.target` who was acted upon (ECS 8 and 9, read 2026-11).

use quell_core::signal::{CredentialKind, IdentityKind};

use crate::{
    arn,
    claim::{Claim, Who},
    field::{as_text, is_placeholder},
    json::Value,
    principal,
    windows::Account,
};

/// The value at a dotted path, however much of it is nested.
pub fn get<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let map = value.as_object()?;
    if let Some(found) = map.get(path).filter(|v| !v.is_null()) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(at, _)| get(map.get(&path[..at])?, &path[at + 1..]))
}

/// The text there, or the first of a list; placeholders are absent.
pub fn text(value: &Value, path: &str) -> Option<String> {
    let found = get(value, path)?;
    let first = found.as_array().map_or(Some(found), |items| items.first())?;
    as_text(first).filter(|t| !is_placeholder(t))
}

/// Fills subject, actor, system, credential and address of `claim`.
pub fn read(event: &Value, claim: &mut Claim) {
    let (actor, actor_system) = acting(event);
    let (target, target_system) = user(event, "user.target");
    let action = text(event, "event.action").unwrap_or_default().to_ascii_lowercase();
    claim.ip = ["source.ip", "client.ip", "source.address"].iter().find_map(|n| text(event, n));
    let cloud = cloud(event);
    // A grant is the doing of who grants; a reset is about who was reset.
    const ABOUT_TARGET: &[&str] = &["reset", "password", "mfa", "factor", "lock", "disable", "suspend"];
    if target.is_somebody() && (!actor.is_somebody() || ABOUT_TARGET.iter().any(|w| action.contains(w))) {
        claim.because("the event changes another user's access and is about that user");
        claim.subject = target;
        claim.system = cloud.or(target_system);
        claim.actor = actor;
        return;
    }
    if target.is_somebody() && actor.is_somebody() {
        claim.because("the event names who acted and who was acted upon; who acted is the subject");
    }
    claim.credential = credential(event);
    claim.subject = actor;
    claim.system = cloud.or(actor_system);
}

/// Who acted: the user, the user of the client, the actor of an integration.
fn acting(event: &Value) -> (Who, Option<String>) {
    for prefix in ["user", "client.user", "source.user"] {
        let (who, system) = user(event, prefix);
        if who.is_somebody() {
            return (who, system);
        }
    }
    // Integration's field of the id and of the name.
    const FIELDS: &[(&str, &str)] = &[
        ("kubernetes.audit.user.username", "kubernetes.audit.user.username"),
        ("aws.cloudtrail.user_identity.arn", "aws.cloudtrail.user_identity.arn"),
        ("gcp.audit.authentication_info.principal_email", "gcp.audit.authentication_info.principal_email"),
        ("azure.signinlogs.properties.user_id", "azure.signinlogs.properties.user_principal_name"),
        ("azure.auditlogs.properties.initiated_by.user.id", "azure.auditlogs.properties.initiated_by.user.userPrincipalName"),
        ("okta.actor.id", "okta.actor.alternate_id"),
        ("o365.audit.UserId", "o365.audit.UserId"),
        ("google_workspace.actor.email", "google_workspace.actor.email"),
        ("actor.entity.id", "actor.entity.id"),
    ];
    for (id, name) in FIELDS {
        if let Some(id) = text(event, id) {
            let mut who = Who::named(text(event, name).or_else(|| Some(id.clone())));
            if let Some(arn) = arn::Arn::of(&id) {
                who.name = Some(arn.name().to_owned());
            }
            who.id = Some(id);
            return (who, None);
        }
    }
    (Who::default(), None)
}

/// The user below `prefix`.
fn user(event: &Value, prefix: &str) -> (Who, Option<String>) {
    let part = |name: &str| text(event, &format!("{prefix}.{name}"));
    let (id, name, email) = (part("id"), part("name"), part("email"));
    let address = email.clone().or_else(|| name.clone().filter(|n| principal::is_address(n)));
    // A number is a user's number on one host, where the name counts.
    let number = id.as_deref().is_some_and(|i| i.bytes().all(|b| b.is_ascii_digit()));
    let on_host = text(event, "host.name").or_else(|| text(event, "host.hostname")).filter(|_| {
        address.is_none() && (number || id.as_deref().is_none_or(|i| i.starts_with("S-1-"))) && text(event, "cloud.account.id").is_none()
    });
    if on_host.is_some() || id.as_deref().is_some_and(|i| i.starts_with("S-1-")) {
        let sid = id.filter(|i| i.starts_with("S-1-"));
        return Account { name, domain: part("domain"), sid, upn: email, host: on_host, ..Account::default() }.identity();
    }
    let shown = name.or(email);
    let kind = [&address, &shown, &id].into_iter().flatten().map(|t| principal::kind_of_name(t)).find(|k| *k != IdentityKind::Unknown);
    let id = id.filter(|_| !number || shown.is_none()).or_else(|| shown.clone());
    (Who { id, name: shown, kind: kind.unwrap_or(IdentityKind::Unknown) }, None)
}

/// `aws:ACCOUNT`, `gcp:PROJECT`, `azure:SUBSCRIPTION`.
pub fn cloud(event: &Value) -> Option<String> {
    let provider = text(event, "cloud.provider").map(|p| p.to_ascii_lowercase());
    let account = text(event, "cloud.account.id");
    let project = text(event, "cloud.project.id");
    match (provider.as_deref(), account, project) {
        (Some("gcp"), _, Some(project)) => Some(format!("gcp:{project}")),
        (Some(provider), Some(account), _) => Some(format!("{provider}:{account}")),
        (None, Some(account), _) if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) => Some(arn::system(&account)),
        _ => None,
    }
}

fn credential(event: &Value) -> Option<(CredentialKind, Option<String>)> {
    const FIELDS: &[(&str, CredentialKind)] = &[
        ("aws.cloudtrail.user_identity.access_key_id", CredentialKind::AccessKey),
        ("okta.authentication_context.external_session_id", CredentialKind::Session),
        ("azure.signinlogs.properties.unique_token_identifier", CredentialKind::Token),
        ("gcp.audit.authentication_info.service_account_key_name", CredentialKind::ServiceAccountKey),
    ];
    FIELDS.iter().find_map(|(path, kind)| text(event, path).map(|id| (*kind, Some(id.rsplit('/').next().unwrap_or(&id).to_owned()))))
}
