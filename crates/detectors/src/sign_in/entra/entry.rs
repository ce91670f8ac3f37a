//! Sign-ins: of people, of service principals and managed identities.

use crate::json::Value;
use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, SignalKind};

use super::{NAME, nested, system};
use crate::{
    field::{as_text, field, integer, is_placeholder, list, text},
    statement::{Named, Party, Statement, rated},
};

pub fn sign_in(record: &Value, inner: &Value) -> Detected {
    let application =
        text(inner, "appDisplayName").or_else(|| text(inner, "resourceDisplayName")).unwrap_or_else(|| "an unnamed application".into());
    let status = nested(inner, "status");
    let code =
        integer(&status, "errorCode").or_else(|| integer(record, "resultType")).or_else(|| integer(inner, "resultType")).unwrap_or(0);
    let level = level(inner);
    let risky = matches!(level.as_deref(), Some("low" | "medium" | "high")) || state(inner).as_deref() == Some("atRisk");
    // Of a refusal these are steps and not failures: strong authentication is
    // asked for, a password has to be renewed, somebody is to stay signed in.
    let step = matches!(code, 0 | 50_055 | 50_072 | 50_074 | 50_076 | 50_125 | 50_129 | 50_140 | 50_144 | 16_000 | 65_001);
    let kind = if risky || !step { SignalKind::RiskySignIn } else { SignalKind::SessionEvent };
    let mut said = Statement::new(NAME, kind, format!("Sign-in to {application}, error code {code}"));
    said.subject = whom(record, inner, &mut said.reasons);
    said.unsure = said.subject.id == said.subject.name && said.subject.is_named() && matches!(code, 50_034 | 50_053 | 51_004);
    if said.unsure {
        said.because("the tenant knows no user of the name that was typed");
    }
    said.system = system(record, inner);
    said.credential = credential(inner);
    said.severity = rated(level);
    said.confidence = confidence(inner);
    let ip = |v, n| text(v, n);
    said.seen_from([ip(inner, "ipAddress"), ip(record, "callerIpAddress"), ip(inner, "IPAddress")]);
    let id = text(inner, "id").or_else(|| text(inner, "originalRequestId")).or_else(|| text(record, "correlationId"));
    let kinds: Vec<String> =
        ["riskEventTypes", "riskEventTypes_v2"].iter().flat_map(|n| list(inner, n)).filter_map(as_text).take(8).collect();
    if !kinds.is_empty() {
        said.title = format!("{}, risks: {}", said.title, kinds.join(", "));
    }
    said.key = vec![id.unwrap_or_default(), code.to_string()];
    said.detected([
        (ObservedFrom::Event, field(inner, "createdDateTime")),
        (ObservedFrom::Event, field(inner, "TimeGenerated")),
        (ObservedFrom::Event, field(record, "time")),
    ])
}

/// People have `userId`; programs have a service principal, by its object id.
fn whom(record: &Value, inner: &Value, reasons: &mut Vec<String>) -> Party {
    let agent = nested(inner, "agent");
    let agentic = text(&agent, "agentType").is_some_and(|t| !["notAgentic", "none", "unknownFutureValue"].contains(&t.as_str()));
    let login = text(inner, "userPrincipalName");
    let human = Party::new(
        if agentic { IdentityKind::Agent } else { IdentityKind::Human },
        [text(inner, "userId"), login.clone()],
        [login, text(inner, "userDisplayName"), text(record, "identity")],
    );
    let category = text(record, "category").or_else(|| text(record, "Type")).unwrap_or_default().to_ascii_lowercase();
    let program = category.contains("serviceprincipal") || category.contains("managedidentity");
    // The application that a person signs in to is not who signs in.
    if human.id.is_some() || !program && text(inner, "servicePrincipalId").is_none() {
        return human;
    }
    let name = text(inner, "servicePrincipalName").or_else(|| text(inner, "appDisplayName"));
    let object = text(inner, "servicePrincipalId").filter(|id| !is_placeholder(id));
    // An object id is never the display name; then only the application's id is one.
    let object = object.filter(|id| {
        let is_name = name.as_ref() == Some(id);
        if is_name {
            reasons.push("the service principal's id is its display name, so the application's id names it".into());
        }
        !is_name
    });
    let managed = category.contains("managedidentity");
    let kind = match (agentic, managed) {
        (true, _) => IdentityKind::Agent,
        (_, true) => IdentityKind::Workload,
        _ => IdentityKind::ServiceAccount,
    };
    Party::new(kind, [object, text(inner, "appId")], [name])
}

/// The key of a service principal, else the session, else the token.
fn credential(inner: &Value) -> Option<Named> {
    let kind = match text(inner, "clientCredentialType").unwrap_or_default().as_str() {
        "clientSecret" => CredentialKind::OauthClient,
        "clientAssertion" | "certificate" => CredentialKind::Certificate,
        _ => CredentialKind::Unknown,
    };
    Named::with_id(kind, text(inner, "servicePrincipalCredentialKeyId"))
        .or_else(|| Named::with_id(CredentialKind::Session, text(inner, "sessionId")))
        .or_else(|| Named::with_id(CredentialKind::Token, text(inner, "uniqueTokenIdentifier")))
}

/// The higher of the two risk levels, which contradict each other at times.
fn level(inner: &Value) -> Option<String> {
    let levels = ["riskLevelDuringSignIn", "riskLevelAggregated", "riskLevel"].iter().filter_map(|n| text(inner, n));
    levels.map(|l| l.to_ascii_lowercase()).filter(|l| l != "none" && l != "hidden").max_by_key(|l| rated(Some(l.clone())).id)
}

fn state(inner: &Value) -> Option<String> {
    text(inner, "riskState").filter(|s| s != "none")
}

/// What Microsoft concluded about the risk.
pub fn confidence(inner: &Value) -> Option<String> {
    let parts = ["riskState", "riskDetail"].iter().filter_map(|n| text(inner, n).filter(|t| t != "none").map(|t| format!("{n}: {t}")));
    Some(parts.collect::<Vec<_>>().join(", ")).filter(|t| !t.is_empty())
}
