//! Microsoft Sentinel: incidents of the API and of automation, rows of
//! `SecurityAlert` and `SecurityIncident`.
//!
//! Whom an incident is about stands in its entities, which many messages do not
//! carry; then they name nobody. `owner` is who works on it and never the
//! subject. Entities are lists, or lists as JSON in a string. Security Insights
//! API 2024 and the table reference (read 2026-11).

use quell_core::signal::{Detected, IdentityKind, ObservedFrom, Readout, SignalKind};

use crate::{
    claim::{Claim, Who},
    field::{at, field, list, text, text_at, type_name},
    json::{self, Value},
    message, severity,
    windows::Account,
    wording,
};

/// The detector's name.
pub const NAME: &str = "microsoft-sentinel";
/// What it reads.
pub const READS: &str = "Microsoft Sentinel: incidents (API, automation), `SecurityAlert` and `SecurityIncident` rows";
const LISTS: &[&str] = &["value"];

/// Reads incidents and alerts.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an incident or a row of Sentinel.
pub fn recognises(first: &Value) -> bool {
    is_ours(message::first(first, LISTS))
}

fn is_ours(record: &Value) -> bool {
    let record = field(record, "object").filter(|o| o.is_object()).unwrap_or(record);
    let typed = text(record, "type").is_some_and(|t| t.to_ascii_lowercase().starts_with("microsoft.securityinsights/"));
    let id = text(record, "id").is_some_and(|i| i.to_ascii_lowercase().contains("/providers/microsoft.securityinsights/incidents"));
    let row =
        text(record, "SystemAlertId").is_some() && ["AlertName", "DisplayName", "AlertSeverity"].iter().any(|n| field(record, n).is_some());
    let incident = text(record, "IncidentNumber").is_some() && ["IncidentName", "IncidentUrl"].iter().any(|n| field(record, n).is_some());
    typed || id || row || incident
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected an incident or alert as an object, found {}", type_name(record)));
    }
    if !is_ours(record) {
        return Err("neither an incident of `Microsoft.SecurityInsights` nor a row of `SecurityAlert` or `SecurityIncident`".into());
    }
    let outer = field(record, "object").filter(|o| o.is_object()).unwrap_or(record);
    let incident = field(outer, "properties").filter(|p| p.is_object()).unwrap_or(outer);
    let get = |names: &[&str]| names.iter().find_map(|n| text(incident, n));
    let mut claim = Claim::new(NAME);
    let entities = entities(incident, outer);
    subject(&entities, incident, &mut claim);
    claim.title = get(&["title", "DisplayName", "AlertName"]).unwrap_or_else(|| "Sentinel incident without a title".into());
    let tactics = get(&["Tactics"]).unwrap_or_else(|| {
        at(incident, &["additionalData"])
            .or_else(|| at(incident, &["additional_data"]))
            .map_or_else(String::new, |d| list(d, "tactics").iter().filter_map(crate::field::as_text).map(|t| t + " ").collect())
    });
    claim.kind = match wording::kind(&claim.title).or_else(|| wording::kind(&tactics)) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the title or the tactics"));
            kind
        }
        None => SignalKind::Other,
    };
    claim.severity = get(&["severity", "AlertSeverity"]).map_or_else(severity::unrated, |w| severity::of_word(&w));
    claim.vendor_confidence = get(&["classification"]).or_else(|| get(&["ConfidenceLevel"])).filter(|c| !crate::field::is_placeholder(c));
    if text_at(incident, &["owner", "assignedTo"]).or_else(|| text_at(incident, &["owner", "assigned_to"])).is_some() {
        claim.because("the owner is who works on the incident, and is taken neither as subject nor as actor");
    }
    if get(&["status"]).is_some_and(|s| ["Closed", "Resolved", "Dismissed"].contains(&s.as_str())) {
        claim.because("the sender has closed the incident on its side");
    }
    let id =
        text(outer, "name").or_else(|| get(&["IncidentName", "SystemAlertId"])).or_else(|| get(&["incident_number", "IncidentNumber"]));
    let updated = get(&["lastModifiedTimeUtc", "last_modified_time_utc", "LastModifiedTime", "TimeGenerated", "EndTime"]);
    claim.event = vec![id.unwrap_or_default(), updated.unwrap_or_default()];
    let times: [(ObservedFrom, &[&str]); 6] = [
        (ObservedFrom::Event, &["firstActivityTimeUtc", "first_activity_time_utc", "FirstActivityTime", "StartTime", "StartTimeUtc"]),
        (ObservedFrom::Event, &["EndTime", "EndTimeUtc"]),
        (ObservedFrom::VendorUpdate, &["createdTimeUtc", "created_time_utc", "CreatedTime"]),
        (ObservedFrom::VendorUpdate, &["lastActivityTimeUtc", "last_activity_time_utc", "LastActivityTime"]),
        (ObservedFrom::VendorUpdate, &["lastModifiedTimeUtc", "last_modified_time_utc", "LastModifiedTime"]),
        (ObservedFrom::VendorUpdate, &["TimeGenerated"]),
    ];
    let times = times.into_iter().map(|(from, names)| (from, names.iter().find_map(|n| field(incident, n))));
    Ok(claim.detected(times.chain([(ObservedFrom::VendorUpdate, sent)])))
}

/// The entities of an incident or a row, of every shape.
fn entities(incident: &Value, outer: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    let mut given: Vec<&Value> = Vec::new();
    for place in [incident, outer] {
        given.extend(["relatedEntities", "related_entities", "entities", "Entities"].iter().filter_map(|n| field(place, n)));
    }
    for alert in list(incident, "alerts") {
        let properties = field(alert, "properties").unwrap_or(alert);
        given.extend(["entities", "relatedEntities"].iter().filter_map(|n| field(properties, n)));
    }
    for value in given {
        match value {
            Value::Array(items) => out.extend(items.iter().cloned()),
            Value::String(text) => match json::document(text.as_bytes()) {
                Ok(Value::Array(items)) => out.extend(items),
                _ => continue,
            },
            _ => {}
        }
    }
    out
}

fn subject(entities: &[Value], incident: &Value, claim: &mut Claim) {
    let accounts: Vec<(Who, Option<String>)> = entities.iter().filter_map(account).filter(|(who, _)| who.is_somebody()).collect();
    let others = accounts.iter().filter(|(who, _)| accounts.first().is_some_and(|(first, _)| first.id != who.id)).count();
    if let Some((who, system)) = accounts.into_iter().next() {
        claim.because("the subject is an account among the entities");
        if others > 0 {
            claim.because(format!("the entities hold {others} other account(s), too"));
        }
        claim.subject = who;
        claim.system = system;
    } else if let Some(named) = text(incident, "CompromisedEntity").filter(|c| crate::principal::is_address(c)) {
        claim.because("the compromised entity is the address of an account");
        claim.subject = Who::named(Some(named));
    } else if !entities.is_empty() {
        claim.because("the entities hold no account");
    } else {
        claim.because("the message carries no entities; they are read from Sentinel by the incident's id");
    }
    claim.ip = entities.iter().find_map(|e| {
        let inner = field(e, "properties").unwrap_or(e);
        text(inner, "address").filter(|_| kind_of(e) == "ip")
    });
}

fn kind_of(entity: &Value) -> String {
    text(entity, "Type").filter(|t| !t.contains('/')).or_else(|| text(entity, "kind")).unwrap_or_default().to_ascii_lowercase()
}

/// An account or an application among the entities.
fn account(entity: &Value) -> Option<(Who, Option<String>)> {
    let inner = field(entity, "properties").filter(|p| p.is_object()).unwrap_or(entity);
    let get = |names: &[&str]| names.iter().find_map(|n| text(inner, n));
    match kind_of(entity).as_str() {
        "account" => {
            let name = get(&["accountName", "Name"]);
            let suffix = get(&["upnSuffix"]);
            let upn = get(&["userPrincipalName"]).or_else(|| match (&name, suffix) {
                (Some(name), Some(suffix)) if !name.contains('@') => Some(format!("{name}@{suffix}")),
                (Some(name), _) if name.contains('@') => Some(name.clone()),
                _ => None,
            });
            let tenant = get(&["aadTenantId"]);
            let account = Account {
                domain: get(&["ntDomain", "dnsDomain"]),
                sid: get(&["sid"]),
                object: get(&["aadUserId", "objectGuid"]),
                name,
                upn,
                host: None,
            };
            let entra = account.object.is_some() || account.upn.is_some();
            let (who, system) = account.identity();
            let system = tenant.map(|t| format!("entra:{t}")).filter(|_| entra).or(system);
            Some((who, system))
        }
        "cloud-application" | "cloudapplication" => {
            let id = get(&["appId", "saasId"])?;
            Some((Who { id: Some(id), name: get(&["appName", "name"]), kind: IdentityKind::ServiceAccount }, None))
        }
        "mailbox" => Some((Who::named(get(&["mailboxPrimaryAddress", "upn"])), None)),
        _ => None,
    }
}
