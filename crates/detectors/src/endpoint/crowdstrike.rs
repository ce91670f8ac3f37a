//! CrowdStrike Falcon: event stream (`metadata`, `event`), alerts of the API, and
//! events of the data replicator (`event_simpleName`, `ExternalApiType`).
//!
//! Detections of identities name the source account, detections on endpoints the
//! account of the process, audit events the user of the console or, where that
//! one changes another's account, the other. Three ways to write a time occur in
//! one vendor (epoch in seconds and milliseconds, FILETIME) and three scales of
//! severity (words, 0 to 5, 0 to 100). Event stream and alerts v2 (read 2026-11).

mod audit;

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, Severity, SignalKind};

use crate::{
    claim::Claim,
    field::{at, field, list, text, type_name},
    json::Value,
    message, severity,
    windows::Account,
    wording,
};

/// The detector's name.
pub const NAME: &str = "crowdstrike";
/// What it reads.
pub const READS: &str = "CrowdStrike Falcon: event stream, alerts of the API (`resources`), data replicator";
const LISTS: &[&str] = &["resources"];

/// Reads events and alerts.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an event of the stream or an alert of the API.
pub fn recognises(first: &Value) -> bool {
    let record = message::first(first, LISTS);
    is_stream(record) || is_alert(record) || is_replicated(record)
}

fn is_replicated(record: &Value) -> bool {
    let named = text(record, "event_simpleName").is_some() || text(record, "ExternalApiType").is_some();
    named && ["cid", "aid", "fdr_event_type"].iter().any(|n| field(record, n).is_some())
}

fn is_stream(record: &Value) -> bool {
    let metadata = field(record, "metadata");
    let typed =
        metadata.is_some_and(|m| text(m, "eventType").is_some() && (text(m, "customerIDString").is_some() || text(m, "offset").is_some()));
    typed && field(record, "event").is_some_and(Value::is_object)
}

fn is_alert(record: &Value) -> bool {
    let known = ["composite_id", "falcon_host_link"].iter().any(|n| text(record, n).is_some_and(|t| t.contains(':')));
    known && ["cid", "agent_id", "aggregate_id", "product", "source_products"].iter().any(|n| field(record, n).is_some())
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected a Falcon event as an object, found {}", type_name(record)));
    }
    let null = Value::Null;
    let mut claim = Claim::new(NAME);
    let (event, metadata, kind) = if is_stream(record) {
        let metadata = field(record, "metadata").unwrap_or(&null);
        (field(record, "event").unwrap_or(&null), metadata, text(metadata, "eventType").unwrap_or_default())
    } else if is_alert(record) {
        (record, &null, text(record, "type").unwrap_or_else(|| "alert".into()))
    } else if is_replicated(record) {
        // Some pipelines keep the raw event below `event`.
        let event = field(record, "event").filter(|e| e.is_object()).unwrap_or(record);
        let kind = text(record, "ExternalApiType").or_else(|| text(event, "ExternalApiType")).or_else(|| text(record, "event_simpleName"));
        (event, &null, kind.unwrap_or_default().trim_start_matches("Event_").to_owned())
    } else {
        return Err("neither an event of the Falcon stream (`metadata.eventType`, `event`) nor an alert of its API".into());
    };
    claim.event = ["customerIDString", "offset"].iter().map(|n| text(metadata, n).unwrap_or_default()).collect();
    let ids = ["composite_id", "DetectId", "IdentityProtectionIncidentId", "CompositeId", "IncidentID"];
    claim.event.push(ids.iter().find_map(|n| text(event, n)).unwrap_or_default());
    claim.event.push(kind.clone());
    claim.event.push(["id", "eid", "cid"].iter().find_map(|n| text(record, n)).unwrap_or_default());

    if kind.ends_with("AuditEvent") {
        audit::read(event, metadata, &mut claim);
    } else {
        detection(event, &kind, &mut claim);
    }
    // The stream's own time comes before that of a process, which may have
    // started days before it was found out.
    let times = [
        (ObservedFrom::Event, field(event, "StartTime")),
        (ObservedFrom::Event, field(event, "start_time")),
        (ObservedFrom::Event, field(event, "ContextTimeStamp")),
        (ObservedFrom::Event, field(event, "context_timestamp")),
        (ObservedFrom::Event, field(event, "UTCTimestamp")),
        (ObservedFrom::Event, field(event, "timestamp")),
        (ObservedFrom::Event, field(record, "timestamp")),
        (ObservedFrom::Event, field(metadata, "eventCreationTime")),
        (ObservedFrom::Event, field(event, "ProcessStartTime")),
        (ObservedFrom::Event, field(event, "process_start_time")),
        (ObservedFrom::VendorUpdate, field(event, "updated_timestamp")),
        (ObservedFrom::VendorUpdate, field(event, "created_timestamp")),
        (ObservedFrom::VendorUpdate, sent),
    ];
    // Zero means "not ended" or "not known" here.
    Ok(claim.detected(times.map(|(from, value)| (from, value.filter(|v| v.as_i64() != Some(0))))))
}

/// A detection, an incident, an alert.
fn detection(event: &Value, kind: &str, claim: &mut Claim) {
    let get = |names: &[&str]| names.iter().find_map(|n| text(event, n));
    let identity = kind.starts_with("Id") || get(&["SourceAccountName", "source_account_name", "SourceAccountObjectSid"]).is_some();
    let host =
        get(&["ComputerName", "Hostname", "HostName", "EndpointName", "SourceEndpointHostName", "hostname", "source_endpoint_host_name"])
            .or_else(|| at(event, &["device"]).and_then(|d| text(d, "hostname")));
    let account = Account {
        name: get(&["SourceAccountName", "source_account_name", "UserName", "user_name", "UserPrincipalName", "UserPrincipal"]),
        domain: get(&["SourceAccountDomain", "source_account_domain", "LogonDomain", "logon_domain", "AccountDomain"]),
        sid: get(&["SourceAccountObjectSid", "source_account_object_sid", "UserSid", "user_sid"])
            .or_else(|| get(&["UserId", "user_id"]).filter(|id| id.starts_with("S-1-"))),
        upn: get(&["SourceAccountUpn", "source_account_upn", "user_principal"]).filter(|u| u.contains('@')),
        object: get(&["SourceAccountAzureId", "source_account_azure_id"]),
        // A detection of identities is about an account of the directory.
        host: host.clone().filter(|_| !identity),
    };
    let cloud = get(&["UserId", "CloudUserId", "user_id"]).filter(|_| account.name.is_none() && account.sid.is_none());
    let (who, system) = account.identity();
    let who = who.or(|| crate::claim::Who::named(cloud));
    claim.subject = match who.kind {
        IdentityKind::Unknown if identity && who.is_somebody() && !is_programmatic(event) => {
            claim.because("Falcon speaks of a user of the directory, and nothing marks the account as a service's");
            who.or_kind(IdentityKind::Human)
        }
        _ => who,
    };
    claim.system = system;
    claim.ip = get(&["SourceEndpointIpAddress", "source_endpoint_address_ip4", "EndpointIp", "LocalIP", "SourceIp", "local_ip"]);
    let title = get(&["DetectName", "display_name", "Name", "name", "IncidentType", "Title"]);
    let description = get(&["DetectDescription", "description", "IncidentDescription", "Description"]);
    let technique = get(&["Tactic", "tactic", "Technique", "technique", "Objective"]).unwrap_or_default();
    let words = title.clone().unwrap_or_default();
    claim.kind = match wording::kind(&words).or_else(|| wording::kind(&technique)) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the detection's name or tactic"));
            kind
        }
        None => SignalKind::AnomalousUse,
    };
    claim.title = match (title, description) {
        (Some(title), Some(description)) => format!("{title}: {description}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => kind.to_owned(),
    };
    claim.severity = rated(event);
    claim.vendor_confidence = get(&["Confidence", "confidence"]).map(|c| format!("confidence {c}"));
}

/// Words by which Falcon marks accounts that are not a person's.
fn is_programmatic(event: &Value) -> bool {
    let words: String = ["DetectName", "DetectDescription", "IncidentDescription", "display_name", "description", "SourceAccountType"]
        .iter()
        .filter_map(|n| text(event, n))
        .collect::<String>()
        .to_lowercase();
    let roles =
        list(event, "SourceAccountRoles").iter().filter_map(crate::field::as_text).any(|r| r.to_lowercase().contains("programmatic"));
    roles || ["service account", "programmatic", "machine account", "computer account"].iter().any(|w| words.contains(w))
}

/// Words first; a number up to 5 counts the words, one above is of 100.
fn rated(event: &Value) -> Severity {
    let word = ["SeverityName", "severity_name"].iter().find_map(|n| text(event, n));
    if let Some(rated) = word.as_deref().map(severity::of_word).filter(|s| s.id > 0) {
        return rated;
    }
    let number = ["Severity", "severity"].iter().find_map(|n| text(event, n));
    match number.as_deref().and_then(|n| n.parse::<f64>().ok()) {
        Some(value) if (1.0..=5.0).contains(&value) => Severity { id: value as u8, vendor: number },
        Some(value) if (0.0..=100.0).contains(&value) => {
            Severity { id: severity::of_number(value, [20.0, 40.0, 60.0, 80.0]), vendor: number }
        }
        _ => severity::unread(number.or(word)),
    }
}

/// A credential that Falcon itself issues.
fn api_client(id: Option<String>) -> Option<(CredentialKind, Option<String>)> {
    id.map(|id| (CredentialKind::OauthClient, Some(id)))
}
