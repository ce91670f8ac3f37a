//! Amazon GuardDuty findings, format 2.0: alone, as the API lists them, or in an
//! EventBridge envelope.
//!
//! Whose doing was found stands in the resource: a Kubernetes user, an access
//! key, a database user, the actor of an attack sequence. An instance that acted
//! with a role approaches an identity; one that was only attacked names nobody.
//! Finding format: GuardDuty user guide (read 2026-11).

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, Severity};

use super::aws_cloudtrail::kind_of_session;
use crate::{
    arn,
    claim::{Claim, Who},
    field::{at, field, list, text, text_at, truth, type_name},
    json::{self, Value},
    message, severity, wording,
};

/// The detector's name.
pub const NAME: &str = "aws-guardduty";
/// What it reads.
pub const READS: &str = "Amazon GuardDuty findings: alone, `Findings`, EventBridge";
const LISTS: &[&str] = &["Findings"];

/// Reads findings.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is a finding of GuardDuty, or its empty envelope.
pub fn recognises(first: &Value) -> bool {
    let finding = message::first(first, LISTS);
    is_finding(finding) || is_empty_envelope(finding)
}

fn is_finding(finding: &Value) -> bool {
    let service = text_at(finding, &["service", "serviceName"]).is_some_and(|s| s.eq_ignore_ascii_case("guardduty"));
    let arn = text(finding, "arn").is_some_and(|a| a.contains(":guardduty:"));
    (service || arn) && text(finding, "type").is_some() && field(finding, "ProductArn").is_none()
}

/// EventBridge hands an empty `detail` on; then only the envelope speaks.
fn is_empty_envelope(record: &Value) -> bool {
    text(record, "source").is_some_and(|s| s == "aws.guardduty") && text(record, "detail-type").is_some_and(|t| t == "GuardDuty Finding")
}

fn detected(finding: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !finding.is_object() {
        return Err(format!("expected a GuardDuty finding as an object, found {}", type_name(finding)));
    }
    let mut claim = Claim::new(NAME);
    if is_empty_envelope(finding) {
        claim.title = "GuardDuty finding without content".into();
        claim.system = text(finding, "account").map(|a| arn::system(&a));
        claim.event = vec![text(finding, "id").unwrap_or_default(), text(finding, "time").unwrap_or_default()];
        claim.because("the envelope carries no finding");
        return Ok(claim.detected([(ObservedFrom::VendorUpdate, field(finding, "time"))]));
    }
    if !is_finding(finding) {
        return Err("neither `service.serviceName` nor `arn` names GuardDuty, so this is none of its findings".into());
    }
    let null = Value::Null;
    let resource = field(finding, "resource").unwrap_or(&null);
    claim.system = text(finding, "accountId").map(|a| arn::system(&a));
    let finding_type = text(finding, "type").unwrap_or_default();
    subject(finding, resource, &mut claim);
    claim.kind = match wording::kind(&finding_type).or_else(|| wording::kind(&text(finding, "title").unwrap_or_default())) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the finding's type or title"));
            kind
        }
        None => quell_core::signal::SignalKind::AnomalousUse,
    };
    claim.title = text(finding, "title").unwrap_or_else(|| finding_type.clone());
    claim.severity = rated(finding);
    claim.vendor_confidence = text(finding, "confidence");
    claim.ip = remote_ip(finding);
    claim.sample = is_sample(finding, &claim);
    if claim.sample {
        claim.because("the sender marks the finding as a sample or test");
    }
    if at(finding, &["service"]).is_some_and(|s| truth(s, "archived") == Some(true)) {
        claim.because("the finding is archived in GuardDuty");
    }
    let service = |name| at(finding, &["service", name]);
    let seen = text_at(finding, &["service", "eventLastSeen"]).or_else(|| text(finding, "updatedAt")).unwrap_or_default();
    claim.event = vec![text(finding, "id").unwrap_or_default(), finding_type, seen];
    Ok(claim.detected([
        (ObservedFrom::Event, service("eventLastSeen")),
        (ObservedFrom::Event, service("eventFirstSeen")),
        (ObservedFrom::VendorUpdate, field(finding, "updatedAt")),
        (ObservedFrom::VendorUpdate, field(finding, "createdAt")),
        (ObservedFrom::VendorUpdate, sent),
    ]))
}

/// Whom the finding is about, nearest first.
fn subject(finding: &Value, resource: &Value, claim: &mut Claim) {
    let key = field(resource, "accessKeyDetails");
    claim.credential = key.and_then(|k| text(k, "accessKeyId")).map(|id| (CredentialKind::AccessKey, Some(id)));
    let cluster = at(resource, &["kubernetesDetails", "kubernetesUserDetails"]).map(|user| (user, kubernetes_user(user)));
    if let Some((_, who)) = cluster.filter(|(_, who)| who.is_somebody()) {
        claim.because("the user of the cluster acted; the access key belongs to the role behind it");
        claim.subject = who;
        if let Some(arn) = text_at(resource, &["eksClusterDetails", "arn"]).filter(|a| arn::Arn::of(a).is_some()) {
            claim.system = Some(arn);
        }
        return;
    }
    if let Some(who) = key.map(key_owner).filter(Who::is_somebody) {
        claim.subject = who;
        return;
    }
    if let Some(user) = at(resource, &["rdsDbUserDetails"]).and_then(|u| text(u, "user")) {
        let instance = ["dbInstanceArn", "dbInstanceIdentifier"]
            .iter()
            .find_map(|n| text_at(resource, &["rdsDbInstanceDetails", n]).or_else(|| text_at(resource, &["rdsLimitlessDbDetails", n])));
        claim.because("the finding names a user of the database");
        claim.subject = Who::named(Some(user));
        claim.system = instance.map(|i| if i.starts_with("arn:") { i } else { format!("rds:{i}") }).or(claim.system.take());
        return;
    }
    let actor = list(at(finding, &["service", "detection", "sequence"]).unwrap_or(&Value::Null), "actors")
        .iter()
        .filter_map(|a| field(a, "user"))
        .map(|user| (user, Who { id: text(user, "uid"), name: text(user, "name"), kind: IdentityKind::Unknown }))
        .find(|(_, who)| who.is_somebody());
    if let Some((user, who)) = actor {
        claim.because("the first actor of the attack sequence is taken as the subject");
        claim.credential = text(user, "credentialUid").map(|id| (CredentialKind::AccessKey, Some(id)));
        claim.subject = who;
        return;
    }
    if let Some((namespace, account)) = at(resource, &["kubernetesDetails", "kubernetesWorkloadDetails"])
        .and_then(|w| Some((text(w, "namespace")?, text(w, "serviceAccountName")?)))
    {
        claim.because("the service account of the workload is named");
        claim.subject = Who { id: Some(format!("{namespace}/{account}")), name: Some(account), kind: IdentityKind::ServiceAccount };
        return;
    }
    if let Some(role) = at(resource, &["lambdaDetails"]).and_then(|l| text(l, "role")) {
        claim.because("the function acts with this role");
        let name = arn::Arn::of(&role).map(|a| a.name().to_owned());
        claim.subject = Who { id: Some(role), name, kind: IdentityKind::Workload };
        return;
    }
    let acted = text_at(finding, &["service", "resourceRole"]).is_some_and(|r| r.eq_ignore_ascii_case("ACTOR"));
    let instance = field(resource, "instanceDetails").filter(|i| acted && at(i, &["iamInstanceProfile", "arn"]).is_some());
    if let Some(id) = instance.and_then(|i| text(i, "instanceId")) {
        claim.because("an instance acted that holds the credentials of a role; the role is found by looking the instance up");
        claim.partial = true;
        claim.subject = Who { id: Some(id.clone()), name: Some(id), kind: IdentityKind::Workload };
    }
}

fn kubernetes_user(user: &Value) -> Who {
    let name = text(user, "username");
    let kind = Who::named(name.clone()).kind;
    Who { id: text(user, "uid").filter(|u| !crate::field::is_placeholder(u)).or_else(|| name.clone()), name, kind }
}

/// The principal that holds an access key.
fn key_owner(key: &Value) -> Who {
    let (id, name) = (text(key, "principalId"), text(key, "userName"));
    let word = text(key, "userType").unwrap_or_default();
    let session = id.as_deref().and_then(|id| id.split_once(':')).map_or("", |(_, session)| session);
    let kind = match word.as_str() {
        "Root" => IdentityKind::Human,
        "AWSService" => IdentityKind::Workload,
        _ => kind_of_session(&format!("{}/{session}", name.as_deref().unwrap_or_default())),
    };
    Who { id, name, kind }
}

/// GuardDuty rates 1 to 10: low below 4, medium below 7, high below 9.
fn rated(finding: &Value) -> Severity {
    let word = text(finding, "severity");
    match word.as_deref().and_then(|w| w.parse::<f64>().ok()) {
        Some(number) if (0.0..=10.0).contains(&number) => Severity { id: severity::of_number(number, [1.0, 4.0, 7.0, 9.0]), vendor: word },
        _ => severity::unread(word),
    }
}

fn remote_ip(finding: &Value) -> Option<String> {
    let action = at(finding, &["service", "action"])?;
    let kinds = ["awsApiCallAction", "kubernetesApiCallAction", "rdsLoginAttemptAction", "networkConnectionAction"];
    kinds.iter().find_map(|k| text_at(action, &[k, "remoteIpDetails", "ipAddressV4"]))
}

fn is_sample(finding: &Value, claim: &Claim) -> bool {
    let info = at(finding, &["service", "additionalInfo"]);
    // Newer findings repeat the information as JSON in a string.
    let nested = info.and_then(|i| text(i, "value")).and_then(|v| json::document(v.as_bytes()).ok());
    let marked = info.into_iter().chain(nested.as_ref()).any(|i| truth(i, "sample") == Some(true));
    let key = claim.credential.as_ref().and_then(|(_, id)| id.as_ref());
    let generated = [&claim.subject.id, &claim.subject.name].into_iter().flatten().chain(key).any(|n| n.starts_with("GeneratedFinding"));
    let titled = text(finding, "title").is_some_and(|t| t.to_ascii_lowercase().starts_with("[sample"));
    marked || generated || titled
}
