//! GitHub audit log: of the REST API, of streams, of exports.
//!
//! `actor` acted; `user`, or the field that an action has of its own, is whom
//! it was done to. A numeric id counts before a login, which people change. An
//! action of secret scanning is another detector's.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{CredentialKind, IdentityKind, ObservedFrom, Readout, SignalKind};

use crate::{
    field::{field, text, text_at, truth},
    reading::Reading,
    record::Records,
    scanner::github_secret_scanning,
    statement::{Named, Party, Statement},
};

/// The detector's name.
pub const NAME: &str = "github-audit";
/// What it reads.
pub const READS: &str = "GitHub audit log entries of organisations and enterprises";

const RECORDS: Records = Records {
    what: "entry of the GitHub audit log",
    is_one: is_entry,
    marks: "an `action` such as `org.add_member` beside `actor`, `org`, `repo` or `created_at` is not given, or it is one of secret scanning",
    inside: &[&["entries"], &["data"]],
    empty_is_an_answer: false,
};

fn is_entry(value: &Value) -> bool {
    let has = |n| field(value, n).is_some();
    text(value, "action").is_some_and(|a| is_action(&a) && !github_secret_scanning::is_action(&a))
        && !field(value, "actor").is_some_and(Value::is_object)
        && !has("alert")
        && (has("actor") && (has("org") || has("repo") || has("business") || has("created_at") || has("@timestamp") || has("user"))
            || has("_document_id") && has("@timestamp"))
}

/// `category.verb`, lower case, without the spaces and slashes of other logs.
fn is_action(text: &str) -> bool {
    text.split_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
}

/// Reads entries.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut entry)
}

/// Whether `first` is an entry of the audit log.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn entry(entry: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let action = text(entry, "action").unwrap_or_default();
    let place =
        text(entry, "repo").or_else(|| text(entry, "repository")).or_else(|| text(entry, "org")).or_else(|| text(entry, "business"));
    let mut said = Statement::new(NAME, kind(&action), format!("{action} in {}", place.unwrap_or_else(|| "no named place".into())));
    let actor = actor(entry);
    match affected(entry, &action).filter(|a| !actor.is_named() || a.is_other_than(&actor)) {
        Some(affected) => {
            said.because("the entry is about whom the action was done to");
            (said.subject, said.actor) = (affected, actor);
        }
        // The key of a repository and an application are nobody's but their own.
        None if action.starts_with("deploy_key.destroy")
            || action.starts_with("integration_installation.") && containment(&action).is_some() =>
        {
            let name = text(entry, "integration").or_else(|| text(entry, "name"));
            let application = Party::new(IdentityKind::ServiceAccount, [text(entry, "integration_id"), name.clone()], [name]);
            said.subject = Some(application).filter(|_| action.starts_with("integration")).unwrap_or_default();
            said.actor = actor;
        }
        None => said.subject = actor,
    }
    let owner = text(entry, "org")
        .or_else(|| text(entry, "business"))
        .or_else(|| text(entry, "repo").and_then(|r| r.split_once('/').map(|(o, _)| o.to_owned())));
    said.system = Some(owner.map_or_else(|| "github".into(), |o| format!("github:{o}")));
    said.credential = named(entry, &action);
    if said.credential.is_none() {
        said.used(Named::with_id(CredentialKind::Token, text(entry, "token_id")));
    }
    if let Some(reason) = containment(&action) {
        said.contains(reason);
    }
    said.because("GitHub gives no severity");
    said.seen_from([text(entry, "actor_ip"), text(entry, "ip")]);
    let id = text(entry, "_document_id").or_else(|| text(entry, "request_id"));
    let repo = text(entry, "repo").unwrap_or_default();
    said.key = vec![
        id.unwrap_or_default(),
        action,
        repo,
        text_at(entry, &["data", "hook_id"]).or_else(|| text(entry, "hook_id")).unwrap_or_default(),
    ];
    let time = |name| (ObservedFrom::Event, field(entry, name));
    reading.record(Ok(said.detected([time("created_at"), time("@timestamp"), time("timestamp")])))
}

/// Who acted. GitHub itself, and its staff, are nobody whose access can be cut.
fn actor(entry: &Value) -> Party {
    let login =
        text(entry, "actor").filter(|a| !["github", "github-staff", "github system", "ghost"].contains(&a.to_ascii_lowercase().as_str()));
    let bot = truth(entry, "actor_is_bot") == Some(true) || login.as_deref().is_some_and(|l| l.ends_with("[bot]"));
    let kind = if bot { IdentityKind::ServiceAccount } else { IdentityKind::Human };
    let id = text(entry, "actor_id").filter(|_| login.is_some() || field(entry, "actor").is_none());
    Party::new(kind, [id, login.clone()], [login])
}

/// Whom the action was done to, where it is done to somebody.
///
/// `user` is also the owner or author of a thing; only actions on people and
/// their access are about it.
fn affected(entry: &Value, action: &str) -> Option<Party> {
    const OF_PEOPLE: &[&str] = &[
        "member",
        "user",
        "team",
        "collaborator",
        "role",
        "admin",
        "invit",
        "token",
        "credential",
        "key",
        "sso",
        "saml",
        "external_identity",
        "two_factor",
        "password",
        "oauth",
        "session",
        "impersonat",
        "fake_login",
        "billing_manager",
        "sponsor",
        "block",
        "suspend",
        "owner",
    ];
    let of_people = OF_PEOPLE.iter().any(|w| action.contains(w));
    let person = |id: Option<String>, login: Option<String>| Party::new(IdentityKind::Human, [id, login.clone()], [login]);
    let named = [
        person(text(entry, "blocked_user_id"), text(entry, "blocked_user")),
        person(text(entry, "target_user_id"), text(entry, "target_user").or_else(|| text(entry, "target_login"))),
        person(text(entry, "invitee_id"), text(entry, "invitee").or_else(|| text(entry, "invitation_email"))),
        person(text(entry, "member_id"), text(entry, "member")),
        if of_people { person(text(entry, "user_id"), text(entry, "user")) } else { Party::default() },
        person(None, text(entry, "email").filter(|_| action.contains("invit"))),
    ];
    named.into_iter().find(Party::is_named)
}

/// The key or token that the entry is about: its id, and never its hash, which is
/// made from it.
fn named(entry: &Value, action: &str) -> Option<Named> {
    let of = |names: &[&str]| names.iter().find_map(|n| text(entry, n).or_else(|| text_at(entry, &["data", n])));
    if action.starts_with("public_key.") || action.contains("deploy_key") {
        return Some(Named::new(CredentialKind::SshKey, of(&["fingerprint", "key_fingerprint", "public_key_id"])));
    }
    if action.contains("access_token") || action.starts_with("oauth_access") || action.starts_with("org_credential_authorization") {
        let kind = if of(&["credential_type"]).is_some_and(|t| t.to_ascii_lowercase().contains("ssh")) {
            CredentialKind::SshKey
        } else {
            CredentialKind::Token
        };
        return Some(Named::new(
            kind,
            of(&["token_id", "user_programmatic_access_id", "user_programmatic_access_request_id", "credential_id"]),
        ));
    }
    if action.contains("secret") && (action.starts_with("integration") || action.starts_with("oauth_application")) {
        return Some(Named::new(CredentialKind::OauthClient, of(&["client_id"])));
    }
    None
}

fn containment(action: &str) -> Option<&'static str> {
    match action {
        "org.block_user" | "user.block_user" => Some("the user was blocked"),
        "user.suspend" | "business.suspend_member" => Some("the user was suspended"),
        "personal_access_token.access_revoked" | "personal_access_token.destroy" | "personal_access_token.revoke" => {
            Some("a token was revoked")
        }
        "oauth_access.destroy" | "oauth_access.revoke" | "oauth_authorization.destroy" => Some("an authorisation was revoked"),
        "org_credential_authorization.revoke"
        | "org_credential_authorization.deauthorize"
        | "org_credential_authorization.deauthorized" => Some("a credential lost its authorisation"),
        "public_key.delete" | "deploy_key.destroy" => Some("a key was deleted"),
        "integration_installation.suspend" | "integration_installation.destroy" => Some("an application was shut out"),
        _ => None,
    }
}

/// The kind, by GitHub's categories of actions (read 2026-11).
fn kind(action: &str) -> SignalKind {
    let (category, verb) = action.split_once('.').unwrap_or((action, ""));
    let has = |words: &[&str]| words.iter().any(|w| category.contains(w));
    if has(&[
        "access_token",
        "public_key",
        "deploy_key",
        "credential_authorization",
        "two_factor",
        "password",
        "oauth_access",
        "passkey",
        "codespaces_secret",
        "actions_secret",
    ]) || verb.contains("secret")
        || verb.contains("two_factor")
        || verb.contains("recovery_code")
    {
        SignalKind::CredentialChange
    } else if has(&[
        "oauth_app",
        "oauth_authorization",
        "integration",
        "hook",
        "sso",
        "saml",
        "oidc",
        "external_identity",
        "app_restrictions",
        "marketplace",
    ]) || verb.contains("oauth_app")
        || verb.contains("saml")
        || verb.contains("sso")
    {
        SignalKind::DelegationChange
    } else if verb.contains("member")
        || verb.contains("role")
        || verb.contains("collaborator")
        || verb.contains("admin")
        || verb.contains("invite")
        || has(&["team", "role", "privilege"])
    {
        SignalKind::PrivilegeChange
    } else if verb.contains("login") || verb.contains("sign_in") || has(&["session"]) {
        if verb.contains("fail") { SignalKind::RiskySignIn } else { SignalKind::SessionEvent }
    } else if verb.contains("impersonat") || verb.contains("fake_login") || verb.contains("bypass") || verb.contains("override") {
        SignalKind::PolicyViolation
    } else if has(&["user", "enterprise_invitation", "account"]) {
        SignalKind::AccountChange
    } else if has(&[
        "protected_branch",
        "repository_ruleset",
        "ip_allow",
        "advanced_security",
        "dependabot",
        "secret_scanning",
        "code_scanning",
        "vulnerability",
    ]) || ["access", "disable", "change_"].iter().any(|w| verb.contains(w))
    {
        SignalKind::Posture
    } else {
        SignalKind::Other
    }
}
