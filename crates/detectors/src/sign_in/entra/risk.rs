//! Risks of users and service principals: one detection, or the standing state.

use crate::json::Value;
use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, SignalKind};

use super::{NAME, entry::confidence, system};
use crate::{
    field::{field, text},
    statement::{Named, Party, Statement, rated},
};

pub fn detected(record: &Value, inner: &Value) -> Detected {
    let event = text(inner, "riskEventType").or_else(|| text(inner, "riskType"));
    let leaked = event.as_deref().is_some_and(|e| e.eq_ignore_ascii_case("leakedCredentials"));
    let admin = event.as_deref().is_some_and(|e| e.to_ascii_lowercase().starts_with("adminconfirmed"));
    let kind = match (&event, leaked) {
        (_, true) => SignalKind::LeakedSecret,
        (Some(e), _) if is_of_use(e) || admin => SignalKind::AnomalousUse,
        _ => SignalKind::RiskySignIn,
    };
    let title = event.clone().unwrap_or_else(|| "the risk as a whole".into());
    let mut said = Statement::new(NAME, kind, format!("Entra risk: {title}"));
    said.subject = whom(record, inner);
    said.system = system(record, inner);
    said.credential = if leaked && said.subject.kind == IdentityKind::Human {
        Some(Named::new(CredentialKind::Password, None))
    } else {
        let keys = field(inner, "keyIds").and_then(Value::as_array).and_then(|k| k.first()).and_then(Value::as_str).map(str::to_owned);
        Named::with_id(CredentialKind::OauthClient, keys)
    };
    said.severity = rated(text(inner, "riskLevel"));
    said.confidence = confidence(inner);
    if text(inner, "riskState").is_some_and(|s| ["dismissed", "remediated", "confirmedSafe"].contains(&s.as_str())) {
        said.because("Microsoft holds the risk for settled; that ends nothing here");
    }
    said.seen_from([text(inner, "ipAddress"), text(record, "callerIpAddress")]);
    let id = text(inner, "id").or_else(|| text(record, "correlationId"));
    let state = text(inner, "riskState").unwrap_or_default();
    said.key = vec![id.unwrap_or_default(), title, state];
    let time = |name| (ObservedFrom::Event, field(inner, name));
    let update = |v, name| (ObservedFrom::VendorUpdate, field(v, name));
    said.detected([
        time("activityDateTime"),
        time("detectedDateTime"),
        update(inner, "riskLastUpdatedDateTime"),
        update(inner, "lastUpdatedDateTime"),
        update(inner, "TimeGenerated"),
        update(record, "time"),
    ])
}

fn whom(record: &Value, inner: &Value) -> Party {
    // A risky user's own id is the entry's; a detection has an id of its own.
    let is_state = field(inner, "riskEventType").is_none() && field(inner, "riskLastUpdatedDateTime").is_some();
    let own = || text(inner, "id").filter(|_| is_state);
    let login = text(inner, "userPrincipalName");
    let program = field(inner, "servicePrincipalId").is_some()
        || field(inner, "servicePrincipalDisplayName").is_some()
        || field(inner, "servicePrincipalType").is_some()
        || is_state && field(inner, "appId").is_some();
    if program {
        let names = [text(inner, "servicePrincipalDisplayName"), text(inner, "displayName")];
        return Party::new(IdentityKind::ServiceAccount, [text(inner, "servicePrincipalId"), own(), text(inner, "appId")], names);
    }
    let names = [login.clone(), text(inner, "userDisplayName"), text(record, "identity")];
    Party::new(IdentityKind::Human, [text(inner, "userId"), own(), login], names)
}

/// Detections about what was done with a token or account, not about a sign-in.
fn is_of_use(event: &str) -> bool {
    const USES: &[&str] = &[
        "anomaloustoken",
        "tokenissueranomaly",
        "attemptedprtaccess",
        "mcassuspiciousinboxmanipulationrules",
        "suspiciousinboxforwarding",
        "mcasfinsuspiciousfileaccess",
        "suspiciousapitraffic",
        "suspicioussendingpatterns",
        "anomaloususeractivity",
        "anomaloususerconsent",
        "maliciousapplication",
        "suspiciousapplication",
        "anomalousserviceprincipalactivity",
        "attackerinthemiddle",
        "userreportedsuspiciousactivity",
        "investigationsthreatintelligence",
    ];
    USES.contains(&event.to_ascii_lowercase().as_str())
}
