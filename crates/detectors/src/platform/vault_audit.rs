//! Audit logs of HashiCorp Vault and OpenBao.
//!
//! An entity is whom a token acts for; a display name is only how it came in. A
//! sign-in's response mints a token, and its entity and accessor count before
//! those of the request. What an operation is about may be neither: a user or
//! role in the path, the token behind an accessor. Values are HMACs, unless the
//! device logs them raw; then a token is a secret. `****` is a mask.

mod path;

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::{
    secret::Secret,
    signal::{CredentialKind, ObservedFrom, Readout, SignalKind},
};

use crate::{
    field::{at, field, is_placeholder, text, text_at},
    reading::Reading,
    record::Records,
    statement::{Named, Party, Statement},
};

/// The detector's name.
pub const NAME: &str = "hashicorp-vault-audit";
/// What it reads.
pub const READS: &str = "audit logs of HashiCorp Vault and OpenBao";

const RECORDS: Records = Records {
    what: "audit entry of Vault or OpenBao",
    is_one: is_entry,
    marks: "`type` of `request` or `response` beside a `request` with `path` and `operation` is not given",
    inside: &[],
    empty_is_an_answer: false,
};

fn is_entry(value: &Value) -> bool {
    let request = |n| at(value, &["request", n]).is_some();
    text(value, "type").is_some_and(|t| t == "request" || t == "response")
        && request("path")
        && (request("operation") || request("mount_type"))
}

/// Reads entries.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut entry)
}

/// Whether `first` is an audit entry.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn entry(entry: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let none = Value::Null;
    let part = |path: &[&str]| at(entry, path).unwrap_or(&none);
    let (auth, request, minted) = (part(&["auth"]), part(&["request"]), part(&["response", "auth"]));
    let of = |name: &str| text(request, name).unwrap_or_default();
    let (path, operation, stage) = (of("path"), of("operation"), text(entry, "type").unwrap_or_default());
    let failed = text(entry, "error").is_some();
    let action = path::action(&path, &operation);
    let mut said = Statement::new(NAME, kind(action, failed, minted), format!("{operation} {path} ({stage})"));

    let mount = of("mount_type");
    let mut holder = holder(minted, &mount).or_else(|| holder(auth, &mount));
    if !holder.is_named()
        && action == path::Action::Login
        && let Some(typed) = path::login(&path, &mount)
    {
        holder = typed;
        said.unsure = true;
        said.because("nobody has signed in yet; the name is as it was typed");
    }
    match path::affected(&path).filter(|a| a.is_other_than(&holder)) {
        Some(affected) => {
            said.because("the operation is about whom its path names");
            (said.subject, said.actor) = (affected, holder);
        }
        None if action == path::Action::RevokeOther => {
            said.because("the operation is about another token, of which only the accessor or lease is given");
            said.actor = holder;
        }
        None => said.subject = holder,
    }
    let namespace =
        text_at(request, &["namespace", "path"]).map(|n| n.trim_matches('/').to_owned()).filter(|n| !n.is_empty() && n != "root");
    said.system = Some(namespace.map_or_else(|| "vault".into(), |n| format!("vault:{n}")));
    said.credential = made_or_ended(entry, action);
    if said.credential.is_none() {
        said.used(held(entry));
    }
    let revokes = matches!(action, path::Action::RevokeSelf | path::Action::RevokeOther);
    // Only an answer tells that it happened.
    if revokes && stage == "response" && !failed {
        said.contains("a token, lease or secret id was revoked");
    } else if revokes {
        said.because("a request to revoke is no proof that it happened");
    }
    said.because("Vault gives no severity");
    said.seen_from([text(request, "remote_address")]);
    said.key = vec![of("id"), stage, operation, path];
    reading.record(Ok(said.detected([(ObservedFrom::Event, field(entry, "time"))])))
}

/// Who holds the token of `auth`.
fn holder(auth: &Value, mount_type: &str) -> Party {
    let display = text(auth, "display_name").filter(|d| !d.trim_matches('-').is_empty());
    let kind = path::kind_of_method(display.as_deref().unwrap_or_default(), mount_type);
    let user = text_at(auth, &["metadata", "username"]).or_else(|| text_at(auth, &["metadata", "email"]));
    // `approle` and `token` are how it came in, the same for everybody who does.
    let telling = display.clone().filter(|d| !path::is_method(d));
    let role = text_at(auth, &["metadata", "role_name"]).or_else(|| text_at(auth, &["metadata", "service_account_name"]));
    Party::new(kind, [text(auth, "entity_id"), telling.clone(), user.clone(), role.clone()], [telling, user, role])
}

fn id(entry: &Value, path: &[&str]) -> Option<String> {
    text_at(entry, path).filter(|t| !is_placeholder(t))
}

/// The token, secret id or lease that an operation makes or ends, by its accessor.
fn made_or_ended(entry: &Value, action: path::Action) -> Option<Named> {
    if action == path::Action::RevokeOther {
        let lease = || Named::with_id(CredentialKind::Unknown, id(entry, &["request", "data", "lease_id"]));
        let accessor = Named::with_id(CredentialKind::Token, id(entry, &["request", "data", "accessor"]));
        let secret_id = || Named::with_id(CredentialKind::SecretId, id(entry, &["request", "data", "secret_id_accessor"]));
        // Something was ended, and never the token of who ended it.
        return accessor.or_else(secret_id).or_else(lease).or(Some(Named::new(CredentialKind::Unknown, None)));
    }
    if let Some(accessor) = id(entry, &["response", "data", "secret_id_accessor"]) {
        let mut named = Named::new(CredentialKind::SecretId, Some(accessor));
        named.secret = raw(entry, &["response", "data", "secret_id"]);
        return Some(named);
    }
    let accessor = id(entry, &["response", "auth", "accessor"]).or_else(|| id(entry, &["response", "wrap_info", "wrapped_accessor"]));
    let secret = raw(entry, &["response", "auth", "client_token"]);
    if accessor.is_some() || secret.is_some() {
        return Some(Named { kind: CredentialKind::Token, id: accessor, secret });
    }
    let lease = id(entry, &["response", "secret", "lease_id"]).filter(|_| action == path::Action::Mint);
    Named::with_id(CredentialKind::Unknown, lease)
}

/// The token that was used.
fn held(entry: &Value) -> Option<Named> {
    let accessor = id(entry, &["auth", "accessor"]).or_else(|| id(entry, &["request", "client_token_accessor"]));
    Named::with_id(CredentialKind::Token, accessor)
}

/// A value that the audit device did not turn into an HMAC.
fn raw(entry: &Value, path: &[&str]) -> Option<Secret> {
    id(entry, path).filter(|t| !t.starts_with("hmac-")).map(Secret::new)
}

fn kind(action: path::Action, failed: bool, minted: &Value) -> SignalKind {
    match action {
        path::Action::Login if failed => SignalKind::RiskySignIn,
        path::Action::Login => SignalKind::SessionEvent,
        _ if failed => SignalKind::PolicyViolation,
        path::Action::RevokeSelf | path::Action::RevokeOther => SignalKind::SessionEvent,
        path::Action::Mint => SignalKind::CredentialChange,
        path::Action::Account => SignalKind::AccountChange,
        path::Action::Privilege => SignalKind::PrivilegeChange,
        path::Action::Delegation => SignalKind::DelegationChange,
        path::Action::Posture => SignalKind::Posture,
        path::Action::Other if minted.is_object() => SignalKind::CredentialChange,
        path::Action::Other => SignalKind::Other,
    }
}
