//! Auth0 tenant logs: alone, as log streams send them, or through EventBridge.
//!
//! `type` is a code; `data` holds the event in streams. An operation on the
//! Management API is about the user or client in its path, if there is one, and
//! done by `details.request.auth`. `log_id` is shared by different events.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{CredentialKind, IdentityKind, ObservedFrom, Readout, SignalKind};

use crate::{
    field::{at, field, text, text_at, truth},
    reading::Reading,
    record::Records,
    statement::{Named, Party, Statement},
};

/// The detector's name.
pub const NAME: &str = "auth0";
/// What it reads.
pub const READS: &str = "Auth0 tenant logs, alone or as log streams send them";

const RECORDS: Records = Records {
    what: "log entry of Auth0",
    is_one: |v| event(v).is_some(),
    marks: "`log_id` beside `type` and `date` is not given",
    inside: &[&["detail"], &["logs"], &["records"]],
    empty_is_an_answer: false,
};

/// The event in a record: its `data`, or the record itself.
fn event(record: &Value) -> Option<&Value> {
    let has = |v: &Value, name| field(v, name).is_some();
    let is_event = |v: &Value| {
        has(v, "type") && has(v, "date") && (has(v, "log_id") || has(record, "log_id") || has(v, "client_id") && has(v, "user_agent"))
    };
    field(record, "data").filter(|d| is_event(d)).or_else(|| Some(record).filter(|r| is_event(r)))
}

/// Reads log entries.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut |record, reading| match event(record) {
        Some(event) => entry(record, event, reading),
        None => ControlFlow::Continue(()),
    })
}

/// Whether `first` is a log entry of Auth0.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn entry(record: &Value, event: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let code = text(event, "type").unwrap_or_default();
    let description = text(event, "description").unwrap_or_default();
    let mut said = Statement::new(NAME, kind_of_code(&code), format!("{code}: {description}"));
    said.because("Auth0 gives no severity");
    said.system = Some(match text(event, "tenant_name").or_else(|| text(event, "hostname")) {
        Some(tenant) => format!("auth0:{tenant}"),
        None => "auth0".into(),
    });

    let user = user(event);
    let client = Party::of(event, IdentityKind::ServiceAccount, &["client_id", "client_name"], &["client_name", "client_id"]);
    let request = at(event, &["details", "request"]).unwrap_or(&Value::Null);
    let target = target(request).filter(|t| !user.is_named() || t.is_other_than(&user));
    match target {
        Some(target) => {
            said.because("an operation on the Management API is about what its path names");
            said.subject = target;
            said.actor = user.or_else(|| client);
            operation(&mut said, event, request);
        }
        None if ended(request).is_some() => {
            said.because("the operation ends a session, token or grant, and nothing says whose");
            said.actor = user.or_else(|| client);
            operation(&mut said, event, request);
        }
        None if is_of_client(&code) => said.subject = client.or_else(|| user),
        // The address was blocked, or a limit reached; nobody has signed in.
        None if code.starts_with("limit_mu") || code.starts_with("api_limit") => said.subject = user,
        None => {
            said.unsure = code == "fu";
            if said.unsure {
                said.because("Auth0 knows no user of the name that was typed");
            }
            said.subject = if user.is_named() || !is_of_operation(&code) { user } else { client };
            if is_of_operation(&code) {
                operation(&mut said, event, request);
            }
        }
    }
    said.seen_from([text(event, "ip"), text_at(request, &["ip"])]);
    said.credential = ended(request);
    said.used(credential(&code, event));
    if code == "srrt" {
        said.contains("a refresh token was revoked");
    }
    let id = text(event, "log_id").or_else(|| text(record, "log_id")).or_else(|| text(event, "_id"));
    said.key = vec![id.unwrap_or_default(), code, description];
    reading.record(Ok(said.detected([(ObservedFrom::Event, field(event, "date"))])))
}

/// The user of an event, or who signed the request.
fn user(event: &Value) -> Party {
    let signed = at(event, &["details", "request", "auth", "user"]).unwrap_or(&Value::Null);
    let login = text(event, "user_name").or_else(|| text(signed, "email"));
    let ids = [text(event, "user_id"), text(signed, "user_id"), login.clone()];
    Party::new(IdentityKind::Human, ids, [login, text(signed, "name")])
}

/// The user, client or grant that a path of the Management API names.
fn target(request: &Value) -> Option<Party> {
    let path = text(request, "path")?;
    let path = path.trim_start_matches('/');
    let mut parts = path.strip_prefix("api/v2/").or_else(|| path.strip_prefix("v2/")).unwrap_or(path).split('/');
    let (what, id) = (parts.next()?, parts.next().filter(|id| !id.is_empty())?);
    let kind = match what {
        "users" | "user-blocks" => IdentityKind::Human,
        "clients" => IdentityKind::ServiceAccount,
        _ => return None,
    };
    let id = percent_decoded(id);
    Some(Party::new(kind, [Some(id)], [text_at(request, &["body", "email"])])).filter(Party::is_named)
}

/// The session, token or grant that a path ends.
fn ended(request: &Value) -> Option<Named> {
    let path = text(request, "path")?;
    let path = path.trim_start_matches('/');
    let (what, id) = path.strip_prefix("api/v2/").unwrap_or(path).split_once('/')?;
    let kind = match what {
        "sessions" => CredentialKind::Session,
        "refresh-tokens" => CredentialKind::RefreshToken,
        "grants" | "device-credentials" => CredentialKind::Unknown,
        _ => return None,
    };
    text(request, "method").filter(|m| m.eq_ignore_ascii_case("delete"))?;
    Named::with_id(kind, Some(percent_decoded(id)))
}

/// Paths hold `|` as `%7C`.
fn percent_decoded(text: &str) -> String {
    text.replace("%7C", "|").replace("%7c", "|").replace("%40", "@").replace("%20", " ")
}

/// What an operation changes, read from its path and body.
fn operation(said: &mut Statement, event: &Value, request: &Value) {
    let path = text(request, "path").unwrap_or_default().to_ascii_lowercase();
    let method = text(request, "method").unwrap_or_default().to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| path.contains(w));
    let body = field(request, "body").unwrap_or(&Value::Null);
    said.kind = if has(&[
        "rotate-secret",
        "/credentials",
        "/multifactor",
        "/authenticators",
        "/authentication-methods",
        "/recovery-code",
        "/enrollments",
    ]) || field(body, "password").is_some()
    {
        SignalKind::CredentialChange
    } else if has(&["/roles", "/permissions", "/invitations", "/members"]) {
        SignalKind::PrivilegeChange
    } else if has(&["/grants", "client-grants", "/integrations"]) {
        SignalKind::DelegationChange
    } else if has(&["/sessions", "/refresh-tokens", "user-blocks"]) {
        SignalKind::SessionEvent
    } else if has(&["/users"]) {
        SignalKind::AccountChange
    } else if method != "get" && has(&["attack-protection", "guardian", "/actions", "/rules", "/tenants", "log-streams", "/connections"]) {
        SignalKind::Posture
    } else {
        said.kind
    };
    let done = at(event, &["details", "response", "statusCode"]).and_then(Value::as_i64).is_none_or(|s| (200..300).contains(&s));
    let revokes = method == "delete" && has(&["/sessions", "/refresh-tokens", "/grants"]);
    if done && truth(body, "blocked") == Some(true) {
        said.contains("the user was blocked");
    } else if done && revokes {
        said.contains("sessions, tokens or grants were revoked");
    }
}

fn is_of_operation(code: &str) -> bool {
    matches!(code, "sapi" | "fapi" | "mgmt_api_read")
}

/// The client credentials grant has no user.
fn is_of_client(code: &str) -> bool {
    matches!(code, "seccft" | "feccft" | "api_limit")
}

/// Auth0's log event type codes (read 2026-11).
fn kind_of_code(code: &str) -> SignalKind {
    match code {
        "pwd_leak" | "signup_pwd_leak" | "reset_pwd_leak" => SignalKind::LeakedSecret,
        // Of a rotating refresh token the second use tells that it was copied.
        "ferrt" => SignalKind::AnomalousUse,
        "limit_wc" | "limit_sul" | "limit_mu" | "limit_ui" | "limit_delegation" | "pla" | "mfar" | "fdecc" => SignalKind::RiskySignIn,
        "scp" | "fcp" | "scpr" | "fcpr" | "scph" | "fcph" | "sv" | "svr" | "fv" | "fvr" => SignalKind::CredentialChange,
        "sce" | "fce" | "scu" | "fcu" | "scpn" | "fcpn" | "sdu" | "fdu" | "du" | "ss" | "fs" | "si" | "fi" | "ublkdu" | "sui" | "fui" => {
            SignalKind::AccountChange
        }
        "sd" | "fd" | "sede" | "fede" => SignalKind::DelegationChange,
        "sapi" | "fapi" | "mgmt_api_read" | "api_limit" | "api_limit_warning" | "depnote" | "fn" => SignalKind::Other,
        _ if code.starts_with("gd_") => {
            let failed = ["failed", "rejected", "exceed"].iter().any(|w| code.contains(w));
            match code {
                _ if failed => SignalKind::RiskySignIn,
                _ if ["enroll", "update_device", "user_delete", "recovery"].iter().any(|w| code.contains(w)) => {
                    SignalKind::CredentialChange
                }
                "gd_tenant_update" | "gd_module_switch" => SignalKind::Posture,
                _ => SignalKind::SessionEvent,
            }
        }
        _ if code.contains("token_exchange") || code.starts_with("ciba") || code.starts_with("connected_accounts") => {
            SignalKind::DelegationChange
        }
        _ if code.ends_with("_failed") || (code.starts_with('f') && code.len() <= 8) => SignalKind::RiskySignIn,
        _ if code.ends_with("_succeeded") || (code.starts_with('s') && code.len() <= 8) || code == "w" => SignalKind::SessionEvent,
        _ => SignalKind::Other,
    }
}

/// The token that was used or minted, else the session, else what the code tells.
fn credential(code: &str, event: &Value) -> Option<Named> {
    let details = field(event, "details").unwrap_or(&Value::Null);
    let refresh = matches!(code, "ferrt" | "fertft" | "sertft" | "srrt" | "resource_cleanup");
    let kind = if refresh { CredentialKind::RefreshToken } else { CredentialKind::Token };
    let id = text_at(details, &["request", "auth", "credentials", "jti"])
        .or_else(|| text(details, "jti"))
        .or_else(|| text(details, "refresh_token_id"))
        .or_else(|| text(details, "familyId"));
    let session = || text(event, "session_id").or_else(|| text(details, "session_id"));
    Named::with_id(kind, id).or_else(|| Named::with_id(CredentialKind::Session, session())).or_else(|| {
        let kind = match code {
            "pwd_leak" | "signup_pwd_leak" | "reset_pwd_leak" | "fp" | "scp" | "scpr" => CredentialKind::Password,
            _ if refresh => CredentialKind::RefreshToken,
            _ => return None,
        };
        Some(Named::new(kind, None))
    })
}
