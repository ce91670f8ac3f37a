//! Microsoft Entra: sign-in, audit and risk logs, and alerts of Graph about them.
//!
//! One event has three coats: an Azure Monitor record with `properties`, an
//! object of Microsoft Graph, and a row of Log Analytics with the same columns
//! in another case and nested values as text. Field search minds no case, so one
//! reading serves all three. Sign-in and risk name whom they are about; an audit
//! entry is about its target, done by `initiatedBy`.

mod alert;
mod audit;
mod entry;
mod risk;

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::Readout;

use crate::{
    field::{field, text},
    json,
    reading::Reading,
    record::Records,
};

/// The detector's name.
pub const NAME: &str = "microsoft-entra";
/// What it reads.
pub const READS: &str =
    "Microsoft Entra: sign-in, audit and risk logs of Azure Monitor, Graph and Log Analytics; Graph alerts about identities";

const RECORDS: Records = Records {
    what: "log entry of Microsoft Entra",
    is_one: |v| kind_of(v).is_some(),
    marks: "the marks of a sign-in, an audit entry, a risk or an alert about an identity are not given",
    inside: &[&["records"], &["value"], &["Records"]],
    empty_is_an_answer: false,
};

/// Which of the logs an entry is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    SignIn,
    Audit,
    Risk,
    Alert,
}

/// `properties` of an Azure Monitor record.
fn inner(record: &Value) -> &Value {
    field(record, "properties").filter(|p| p.is_object()).unwrap_or(record)
}

fn has(value: &Value, names: &[&str]) -> bool {
    names.iter().all(|n| field(value, n).is_some())
}

/// Categories of Azure Monitor and tables of Log Analytics (read 2026-11).
fn kind_of(record: &Value) -> Option<Log> {
    let named = text(record, "category").filter(|_| has(record, &["properties"])).or_else(|| text(record, "Type"));
    let named = named.unwrap_or_default().to_ascii_lowercase().replace("aad", "");
    let inner = inner(record);
    if named.ends_with("signinlogs")
        || has(inner, &["createdDateTime", "status", "appId"]) && (has(inner, &["userId"]) || has(inner, &["servicePrincipalId"]))
    {
        return Some(Log::SignIn);
    }
    if matches!(named.as_str(), "userriskevents" | "riskyusers" | "serviceprincipalriskevents" | "riskyserviceprincipals") {
        return Some(Log::Risk);
    }
    if has(inner, &["riskEventType", "detectedDateTime"]) || has(inner, &["riskState", "riskLevel", "riskLastUpdatedDateTime"]) {
        return Some(Log::Risk);
    }
    if named == "auditlogs" || has(inner, &["targetResources", "initiatedBy"]) || has(inner, &["targetResources", "activityDisplayName"]) {
        return Some(Log::Audit);
    }
    alert::is_one(record).then_some(Log::Alert)
}

/// Reads log entries.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut one)
}

/// Whether `first` is a log entry of Microsoft Entra.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn one(record: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let inner = inner(record);
    reading.record(Ok(match kind_of(record) {
        Some(Log::SignIn) => entry::sign_in(record, inner),
        Some(Log::Risk) => risk::detected(record, inner),
        Some(Log::Audit) => audit::detected(record, inner),
        Some(Log::Alert) => alert::detected(record),
        None => return ControlFlow::Continue(()),
    }))
}

/// The tenant whose ids these are.
fn system(record: &Value, inner: &Value) -> Option<String> {
    let tenant = ["tenantId", "AADTenantId", "azureTenantId"].iter().find_map(|n| text(record, n).or_else(|| text(inner, n)));
    Some(tenant.map_or_else(|| "entra".into(), |t| format!("entra:{t}")))
}

/// Whether `record` is an alert of Graph about an identity. Other alerts of
/// Graph are Defender's.
pub fn is_identity_alert(record: &Value) -> bool {
    alert::is_one(record)
}

/// A nested value, also where it came as text.
fn nested(value: &Value, name: &str) -> Value {
    match field(value, name) {
        Some(Value::String(text)) if text.trim_start().starts_with(['{', '[']) => json::document(text.as_bytes()).unwrap_or_default(),
        Some(other) => other.clone(),
        None => Value::Null,
    }
}
