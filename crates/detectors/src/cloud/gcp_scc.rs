//! Google Security Command Center findings, versions 1 and 2: a notification
//! (also in Pub/Sub), a list of the API, or a finding alone.
//!
//! A threat is about the principal whose call was found, a leaked key about its
//! service account; who was granted something stands beside it. A check of a
//! project or a bucket names nobody, and so do contacts, who are only told.
//! Finding resource, v1 and v2 (read 2026-11).

use std::collections::BTreeSet;

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, SignalKind};

use super::gcp_audit::{key_id, of_email, of_subject};
use crate::{
    claim::{Claim, Who},
    field::{at, field, list, text, text_at, type_name},
    json::Value,
    message, severity, wording,
};

/// The detector's name.
pub const NAME: &str = "gcp-scc";
/// What it reads.
pub const READS: &str = "Google Security Command Center findings: notifications, `listFindingsResults`, alone";
const LISTS: &[&str] = &["listFindingsResults"];

/// Reads findings.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is a finding or a notification of one.
pub fn recognises(first: &Value) -> bool {
    finding(message::first(first, LISTS)).is_some()
}

/// The finding inside a notification, or the record itself.
fn finding(record: &Value) -> Option<&Value> {
    let inner = field(record, "finding").filter(|f| f.is_object()).unwrap_or(record);
    let named = text(inner, "name").is_some_and(|n| n.contains("/sources/") && n.contains("/findings/"));
    (named && text(inner, "category").is_some()).then_some(inner)
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected a finding as an object, found {}", type_name(record)));
    }
    let Some(finding) = finding(record) else {
        return Err("no finding with a `category` and a `name` below a source, so this is none of Security Command Center".into());
    };
    let mut claim = Claim::new(NAME);
    let category = text(finding, "category").unwrap_or_default();
    let null = Value::Null;
    let properties = field(finding, "sourceProperties").unwrap_or(&null);
    claim.system = system(record, finding, properties);
    subject(finding, properties, &category, &mut claim);
    claim.kind = kind(finding, &category, &mut claim);
    claim.title = match text(finding, "description").or_else(|| text(properties, "Explanation")) {
        Some(description) => format!("{category}: {description}"),
        None => category.clone(),
    };
    let rated = text(finding, "severity").filter(|s| s != "SEVERITY_UNSPECIFIED");
    let rated = rated.or_else(|| text(properties, "SeverityLevel")).or_else(|| text(properties, "detectionPriority"));
    claim.severity = rated.map_or_else(severity::unrated, |word| severity::of_word(&word));
    claim.ip = text_at(finding, &["access", "callerIp"]).or_else(|| text_at(properties, &["properties", "callerIp"]));
    if text(finding, "state").is_some_and(|s| s == "INACTIVE") || text(finding, "mute").is_some_and(|m| m == "MUTED") {
        claim.because("the sender has closed or muted this finding on its side");
    }
    claim.event = ["name", "eventTime", "state"].iter().map(|n| text(finding, n).unwrap_or_default()).collect();
    claim.event.push(category);
    Ok(claim.detected([
        (ObservedFrom::Event, field(finding, "eventTime")),
        (ObservedFrom::VendorUpdate, field(finding, "createTime")),
        (ObservedFrom::VendorUpdate, sent),
    ]))
}

fn subject(finding: &Value, properties: &Value, category: &str, claim: &mut Claim) {
    let inner = field(properties, "properties").unwrap_or(properties);
    let access = field(finding, "access").unwrap_or(&Value::Null);
    let called = of_email(text(access, "principalEmail"))
        .or(|| of_subject(text(access, "principalSubject")))
        .or(|| of_email(principal_inside(inner)));
    let key = text(access, "serviceAccountKeyName").or_else(|| text(inner, "serviceAccountKeyName")).and_then(|n| key_id(&n));
    let leaked = of_email(text(properties, "compromised_account").or_else(|| text(inner, "compromised_account")));
    let resource = account_of_resource(finding);

    if leaked.is_somebody() {
        claim.because("the account whose key was found outside is named");
        claim.subject = leaked;
        let id = text(properties, "private_key_identifier").or_else(|| text(inner, "private_key_identifier"));
        claim.credential = Some((CredentialKind::ServiceAccountKey, id));
    } else if called.is_somebody() {
        claim.because("the principal whose call was found is the subject");
        claim.subject = called;
        claim.credential = key.map(|id| (CredentialKind::ServiceAccountKey, Some(id)));
        let granted = members(finding, inner).len();
        if granted > 0 {
            claim.because(format!("the finding also names {granted} member(s) to whom something was granted"));
        }
    } else if let Some((account, key)) = resource {
        claim.because("the service account is the resource of the finding");
        claim.subject = account;
        claim.credential = key.map(|id| (CredentialKind::ServiceAccountKey, Some(id)));
    } else {
        // A check names its offender only where it is one.
        let members = members(finding, properties);
        if let [only] = members.iter().collect::<Vec<_>>().as_slice() {
            claim.because("the one member that the check objects to is the subject");
            claim.subject = of_subject(Some((*only).clone()));
        } else if members.len() > 1 {
            claim.because(format!("the finding objects to {} members at once, so none is taken as the subject", members.len()));
        }
    }
    if category.eq_ignore_ascii_case("account_has_leaked_credentials") && claim.credential.is_none() {
        claim.credential = Some((CredentialKind::ServiceAccountKey, None));
    }
}

/// Who acted, also one level down, where threat findings keep it.
fn principal_inside(inner: &Value) -> Option<String> {
    let of = |value: &Value| ["principalEmail", "userEmail"].iter().find_map(|n| text(value, n));
    of(inner).or_else(|| inner.as_object()?.values().find_map(of))
}

/// A service account, or a key of one, as the resource.
fn account_of_resource(finding: &Value) -> Option<(Who, Option<String>)> {
    let name = text(finding, "resourceName")?;
    let rest = name.split_once("/serviceAccounts/")?.1;
    let mut parts = rest.split('/');
    let id = parts.next().filter(|p| !p.is_empty())?.to_owned();
    let key = (parts.next() == Some("keys")).then(|| parts.next().map(str::to_owned)).flatten();
    Some((Who { name: Some(id.clone()), id: Some(id), kind: IdentityKind::ServiceAccount }, key))
}

/// Members that were granted something or that a check objects to. Everybody is nobody.
fn members(finding: &Value, inner: &Value) -> BTreeSet<String> {
    let deltas = list(inner, "bindingDeltas").iter().chain(list(finding, "iamBindings"));
    let offending = list(inner, "offendingIamRolesList").iter().chain(list(inner, "OffendingIamRolesList"));
    let members = deltas.chain(offending).filter_map(|d| text(d, "member"));
    members.filter(|m| !["allUsers", "allAuthenticatedUsers"].contains(&m.as_str()) && m.contains(':')).collect()
}

fn system(record: &Value, finding: &Value, properties: &Value) -> Option<String> {
    let project = text_at(properties, &["properties", "project_id"])
        .or_else(|| text(properties, "ProjectId"))
        .or_else(|| text(properties, "project_identifier"))
        .or_else(|| text_at(record, &["resource", "gcpMetadata", "projectDisplayName"]))
        .or_else(|| text_at(record, &["resource", "projectDisplayName"]));
    let of_resource = || {
        let name = text(finding, "resourceName")?;
        name.split_once("/projects/").and_then(|(_, rest)| rest.split('/').next().map(str::to_owned))
    };
    project.filter(|p| !p.is_empty()).or_else(of_resource).map(|p| format!("gcp:{p}"))
}

fn kind(finding: &Value, category: &str, claim: &mut Claim) -> SignalKind {
    let class = text(finding, "findingClass").unwrap_or_default();
    if category.to_ascii_lowercase().contains("leaked") {
        return SignalKind::LeakedSecret;
    }
    if ["MISCONFIGURATION", "VULNERABILITY", "POSTURE_VIOLATION", "TOXIC_COMBINATION", "SCC_ERROR", "OBSERVATION"].contains(&class.as_str())
        || text_at(finding, &["sourceProperties", "ScannerName"]).is_some()
    {
        claim.because("the finding is the result of a check");
        return SignalKind::Posture;
    }
    match wording::kind(category) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the finding's category"));
            kind
        }
        None if class == "THREAT" || at(finding, &["access"]).is_some() => SignalKind::AnomalousUse,
        None => SignalKind::Other,
    }
}
