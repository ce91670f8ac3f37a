//! Okta System Log: of the API, of event hooks, through EventBridge.
//!
//! The actor may be a client, an administrator or Okta itself; whom an event is
//! about is the first user among its targets, if that is somebody else. An
//! actor `unknown` is a login that Okta does not know. `severity` is a log level.

mod nature;

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{CredentialKind, IdentityKind, ObservedFrom, Readout, Severity};

use crate::{
    field::{at, field, is_placeholder, list, text, text_at},
    reading::Reading,
    record::Records,
    statement::{Named, Party, Statement},
};

/// The detector's name.
pub const NAME: &str = "okta-system-log";
/// What it reads.
pub const READS: &str = "Okta System Log events: of the API, of event hooks, through EventBridge";

const RECORDS: Records = Records {
    what: "event of the Okta System Log",
    is_one: is_event,
    marks: "`eventType` beside `actor`, or beside `outcome` or `target`, is not given",
    inside: &[&["data", "events"], &["detail"], &["events"]],
    empty_is_an_answer: false,
};

fn is_event(value: &Value) -> bool {
    let has = |n| field(value, n).is_some();
    let named = text(value, "eventType").is_some_and(|t| t.contains('.'));
    named && has("published") && (field(value, "actor").is_some_and(Value::is_object) || has("target") || has("outcome"))
        || named && has("actor") && has("displayMessage")
}

/// Reads events.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut event)
}

/// Whether `first` is an event of the System Log.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn event(event: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let event_type = text(event, "eventType").unwrap_or_default();
    let result = text_at(event, &["outcome", "result"]).unwrap_or_default().to_ascii_uppercase();
    let message = text(event, "displayMessage").unwrap_or_default();
    let done = !["FAILURE", "DENY", "ABANDONED", "SKIPPED"].contains(&result.as_str());
    let mut said = Statement::new(NAME, nature::kind(&event_type, done), format!("{event_type}: {message} ({result})"));
    said.system = Some("okta".into());
    whom(event, &event_type, &mut said);
    said.credential = token(event, &event_type);
    if said.credential.is_none() {
        said.used(session(event));
    }
    // Evidence is about whom it was done to, never about who did it.
    let of_user = list(event, "target").iter().any(|t| is_of_type(t, &["User"])) || !event_type.starts_with("user.");
    if done
        && of_user
        && let Some(reason) = nature::containment(&event_type)
    {
        said.contains(reason);
    }
    said.severity = Severity { id: 0, vendor: text(event, "severity") };
    said.because("Okta's severity is a log level and rates nothing");
    let debug = at(event, &["debugContext", "debugData"]).unwrap_or(&Value::Null);
    said.confidence = ["risk", "riskLevel", "threatDetections"].iter().find_map(|n| text(debug, n)).map(|r| format!("risk: {r}"));
    if event_type == "user.account.report_suspicious_activity_by_enduser" {
        said.confidence = Some("the user reported it".into());
        said.because("the address is that of the activity which the user reported, not of the report");
    }
    let chain = at(event, &["request", "ipChain"]).and_then(Value::as_array).and_then(|c| c.first()).and_then(|f| text(f, "ip"));
    said.seen_from([text(debug, "suspiciousActivityEventIp"), text_at(event, &["client", "ipAddress"]), chain]);
    let uuid = text(event, "uuid").filter(|u| !is_placeholder(u));
    let id = uuid.or_else(|| text_at(event, &["transaction", "id"]).filter(|u| !is_placeholder(u)));
    said.key = vec![id.unwrap_or_default(), event_type, result];
    reading.record(Ok(said.detected([(ObservedFrom::Event, field(event, "published"))])))
}

/// An actor or target. `alternateId` is the login; it is unique in an
/// organisation, so it stands in for an id that is not given.
fn party(value: &Value) -> Party {
    let kind = match text(value, "type").unwrap_or_default().to_ascii_lowercase().as_str() {
        "user" | "appuser" | "admin" => IdentityKind::Human,
        "publicclientapp" | "publicclientappentity" | "serviceclient" | "appinstance" | "app" | "oauth2client" => {
            IdentityKind::ServiceAccount
        }
        "aiagent" | "agentidentity" => IdentityKind::Agent,
        _ => IdentityKind::Unknown,
    };
    let login = text(value, "alternateId");
    Party::new(kind, [text(value, "id"), login.clone()], [login, text(value, "displayName")])
}

fn is_of_type(value: &Value, types: &[&str]) -> bool {
    text(value, "type").is_some_and(|t| types.iter().any(|of| t.eq_ignore_ascii_case(of)))
}

/// Fills in whom the event is about, and who acted.
fn whom(event: &Value, event_type: &str, said: &mut Statement) {
    let none = Value::Null;
    let who = field(event, "actor").unwrap_or(&none);
    let okta_itself = is_of_type(who, &["SystemPrincipal", "System"]) || text(who, "alternateId").is_some_and(|a| a == "system@okta.com");
    let actor = if okta_itself { Party::default() } else { party(who) };
    let targets = list(event, "target");
    let of_type = |types: &[&str]| targets.iter().filter(|t| is_of_type(t, types)).map(party).find(Party::is_named);

    // A key or client that an event creates, changes or ends is its subject.
    let of_client =
        event_type.starts_with("app.oauth2.client") || event_type.starts_with("application.lifecycle") && event_type.contains("secret");
    let made = if event_type.starts_with("system.api_token.") {
        of_type(&["Token"])
    } else if of_client {
        of_type(&["PublicClientApp", "PublicClientAppEntity", "AppInstance"])
    } else {
        None
    };
    if let Some(made) = made {
        said.because("the event is about the token or client, which acts with rights of its own or its owner's");
        (said.subject, said.actor) = (made, actor);
        return;
    }
    // A user's account in an application has a number and maybe a name of its
    // own; it stands in only where Okta itself acted.
    let account = || if actor.is_named() { None } else { of_type(&["AppUser"]) };
    match of_type(&["User"]).or_else(account) {
        Some(target) if !actor.is_named() || target.is_other_than(&actor) => {
            said.because("the event is about the user among its targets, whoever acted");
            (said.subject, said.actor) = (target, actor);
        }
        _ => {
            // Okta knows nobody by the login that was typed.
            said.unsure = text(who, "id").is_some_and(|id| id.eq_ignore_ascii_case("unknown"));
            if said.unsure {
                said.because("Okta knows no user of the name that was typed");
            }
            if okta_itself {
                said.because("Okta itself acted, and no user is among the targets");
            }
            said.subject = actor;
        }
    }
}

/// A token or key among the targets.
fn token(event: &Value, event_type: &str) -> Option<Named> {
    let tokens = |types: &[&str]| list(event, "target").iter().find(|t| is_of_type(t, types)).and_then(|t| text(t, "id"));
    if event_type.starts_with("system.api_token.") {
        return Some(Named::new(CredentialKind::ApiKey, tokens(&["Token"])));
    }
    if event_type.contains("oauth2") || event_type.contains("token") {
        let refresh = Named::with_id(CredentialKind::RefreshToken, tokens(&["refresh_token", "RefreshToken"]));
        let token = || {
            Named::with_id(
                CredentialKind::Token,
                tokens(&["access_token", "AccessToken", "code", "id_token", "Token", "authorization_code"]),
            )
        };
        return refresh.or_else(token);
    }
    None
}

/// The session of who acted.
fn session(event: &Value) -> Option<Named> {
    let context = field(event, "authenticationContext").unwrap_or(&Value::Null);
    let usable = |n: &str| text(context, n).filter(|id| !is_placeholder(id));
    Named::with_id(CredentialKind::Session, usable("externalSessionId").or_else(|| usable("rootSessionId")))
}
