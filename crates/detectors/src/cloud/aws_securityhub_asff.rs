//! AWS Security Finding Format of Security Hub: alone, `Findings`, or an
//! EventBridge envelope of some.
//!
//! A finding lists resources; the identity among them is seldom the first. An
//! access key with the role of an actor comes first, then any access key, then a
//! user or a role. A check of an account, a bucket or an instance names nobody.
//! `AWS::IAM::AccessKey:null` is a finding without a key (ASFF, read 2026-11).

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, Severity, SignalKind};

use super::aws_cloudtrail::kind_of_session;
use crate::{
    arn::{self, Arn},
    claim::{Claim, Who},
    field::{at, field, is_placeholder, list, text, text_at, type_name},
    json::Value,
    message, severity, wording,
};

/// The detector's name.
pub const NAME: &str = "aws-securityhub-asff";
/// What it reads.
pub const READS: &str = "AWS Security Hub findings (ASFF): alone, `Findings`, EventBridge";
const LISTS: &[&str] = &["Findings"];
/// `AWS::IAM::AccessKey:AKIA..`, as resources name a key.
const KEY_RESOURCE: &str = "AWS::IAM::AccessKey:";

/// Reads findings.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is a finding in this format.
pub fn recognises(first: &Value) -> bool {
    is_finding(message::first(first, LISTS))
}

fn is_finding(finding: &Value) -> bool {
    field(finding, "ProductArn").is_some() && field(finding, "AwsAccountId").is_some() && field(finding, "class_uid").is_none()
}

fn detected(finding: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !finding.is_object() {
        return Err(format!("expected a Security Hub finding as an object, found {}", type_name(finding)));
    }
    if !is_finding(finding) {
        return Err("`ProductArn` or `AwsAccountId` is missing, so this is no finding in the AWS Security Finding Format".into());
    }
    let mut claim = Claim::new(NAME);
    claim.system = text(finding, "AwsAccountId").map(|a| arn::system(&a));
    subject(finding, &mut claim);

    let types = list(finding, "Types").iter().chain(at(finding, &["FindingProviderFields"]).map(|f| list(f, "Types")).unwrap_or_default());
    let types: String = types.filter_map(crate::field::as_text).map(|t| t + " ").collect();
    let title = text(finding, "Title").unwrap_or_default();
    let compliance = text_at(finding, &["Compliance", "Status"]);
    claim.kind = match wording::kind(&types).or_else(|| wording::kind(&title)) {
        _ if compliance.is_some() => {
            claim.because("the finding is the result of a check");
            SignalKind::Posture
        }
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the finding's types or title"));
            kind
        }
        None => SignalKind::Other,
    };
    if compliance.is_some_and(|c| c == "PASSED" || c == "NOT_AVAILABLE") {
        claim.because("the check passed or did not apply");
    }
    claim.title = title;
    claim.severity = rated(finding);
    claim.vendor_confidence = text(finding, "Confidence").map(|c| format!("Confidence: {c}"));
    claim.ip = ip(finding);
    claim.sample = is_sample(finding, &claim);
    if claim.sample {
        claim.because("the sender marks the finding as a sample or test");
    }
    let archived = text(finding, "RecordState").is_some_and(|s| s == "ARCHIVED");
    let resolved = text_at(finding, &["Workflow", "Status"]).is_some_and(|s| ["RESOLVED", "SUPPRESSED"].contains(&s.as_str()));
    if archived || resolved {
        claim.because("the sender has closed or suppressed this finding on its side");
    }
    claim.event = ["Id", "GeneratorId", "LastObservedAt", "UpdatedAt"].iter().map(|n| text(finding, n).unwrap_or_default()).collect();
    Ok(claim.detected([
        (ObservedFrom::Event, field(finding, "LastObservedAt")),
        (ObservedFrom::Event, field(finding, "FirstObservedAt")),
        (ObservedFrom::VendorUpdate, field(finding, "UpdatedAt")),
        (ObservedFrom::VendorUpdate, field(finding, "CreatedAt")),
        (ObservedFrom::VendorUpdate, sent),
    ]))
}

/// The identity among the resources, and the credential.
fn subject(finding: &Value, claim: &mut Claim) {
    let mut found: Vec<(u8, Who, Option<String>)> =
        list(finding, "Resources").iter().filter_map(|r| identity(r).map(|(who, key)| (rank(r), who, key))).collect();
    found.sort_by_key(|(rank, ..)| *rank);
    let count = found.iter().filter(|(_, who, _)| who.is_somebody()).count();
    let key = found.iter().find_map(|(_, _, key)| key.clone());
    if key.as_deref().is_some_and(is_placeholder) {
        claim.because("the access key resource names no key");
    }
    if let Some((_, who, own)) = found.into_iter().find(|(_, who, _)| who.is_somebody()) {
        if count > 1 {
            claim.because(format!("the finding names {count} identities; the actor or the access key's holder is taken as the subject"));
        }
        claim.subject = who;
        claim.credential = own.or(key).map(|id| (CredentialKind::AccessKey, Some(id)));
    } else {
        claim.credential = key.map(|id| (CredentialKind::AccessKey, Some(id)));
    }
}

/// Lower is nearer to whom the finding is about.
fn rank(resource: &Value) -> u8 {
    let actor = text(resource, "ResourceRole").is_some_and(|r| r.eq_ignore_ascii_case("actor"));
    let kind = text(resource, "Type").unwrap_or_default();
    match (kind.as_str(), actor) {
        ("AwsIamAccessKey", true) => 0,
        (_, true) => 1,
        ("AwsIamAccessKey", false) => 2,
        ("AwsIamUser", false) => 3,
        _ => 4,
    }
}

fn identity(resource: &Value) -> Option<(Who, Option<String>)> {
    let id = text(resource, "Id").unwrap_or_default();
    let details = |kind: &str| at(resource, &["Details", kind]);
    let real = |text: Option<String>| text.filter(|t| !is_placeholder(t));
    match text(resource, "Type")?.as_str() {
        "AwsIamAccessKey" => {
            let given = details("AwsIamAccessKey");
            let part = |name: &str| real(given.and_then(|g| text(g, name)));
            let named = id.strip_prefix(KEY_RESOURCE).map(str::to_owned).or_else(|| (!id.starts_with("arn:")).then(|| id.clone()));
            let key = part("AccessKeyId").or(named.filter(|n| !n.is_empty()));
            let owner = part("PrincipalId");
            let name = part("UserName")
                .or_else(|| part("PrincipalName"))
                .or_else(|| real(given.and_then(|g| text_at(g, &["SessionContext", "SessionIssuer", "UserName"]))));
            let session = owner.as_deref().and_then(|o| o.split_once(':')).map_or("", |(_, session)| session);
            let kind = match part("PrincipalType").as_deref() {
                Some("Root") => IdentityKind::Human,
                Some("AWSService") => IdentityKind::Workload,
                _ => kind_of_session(&format!("{}/{session}", name.as_deref().unwrap_or_default())),
            };
            Some((Who { id: owner, name, kind }, key))
        }
        word @ ("AwsIamUser" | "AwsIamRole") => {
            let given = details(word);
            let part = |name: &str| real(given.and_then(|g| text(g, name)));
            let arn = Arn::of(&id).filter(Arn::is_identity);
            let name = part("UserName").or_else(|| part("RoleName")).or_else(|| arn.as_ref().map(|a| a.name().to_owned()));
            let kind = if arn.is_some_and(|a| a.name() == "root") { IdentityKind::Human } else { IdentityKind::Unknown };
            Some((Who { id: part("UserId").or_else(|| part("RoleId")).or_else(|| real(Some(id.clone()))), name, kind }, None))
        }
        // Custom products name a user or role by its ARN under their own types.
        _ => {
            let arn = Arn::of(&id).filter(Arn::is_identity)?;
            Some((Who { id: Some(id.clone()), name: Some(arn.name().to_owned()), kind: IdentityKind::Unknown }, None))
        }
    }
}

/// Labels come before the normalised 0 to 100, which comes before the product's own.
fn rated(finding: &Value) -> Severity {
    let part =
        |name: &str| text_at(finding, &["Severity", name]).or_else(|| text_at(finding, &["FindingProviderFields", "Severity", name]));
    if let Some(label) = part("Label") {
        return severity::of_word(&label);
    }
    match part("Normalized").and_then(|n| n.parse::<f64>().ok().map(|v| (n, v))) {
        Some((word, number)) if (0.0..=100.0).contains(&number) => {
            Severity { id: severity::of_number(number, [1.0, 40.0, 70.0, 90.0]), vendor: Some(word) }
        }
        _ => severity::unread(part("Product").or_else(|| part("Original"))),
    }
}

fn ip(finding: &Value) -> Option<String> {
    let of_action = ["AwsApiCallAction", "NetworkConnectionAction"];
    of_action.iter().find_map(|a| text_at(finding, &["Action", a, "RemoteIpDetails", "IpAddressV4"])).or_else(|| {
        let fields = field(finding, "ProductFields")?.as_object()?;
        fields.iter().find(|(k, _)| k.ends_with("remoteIpDetails/ipAddressV4")).and_then(|(_, v)| crate::field::as_text(v))
    })
}

fn is_sample(finding: &Value, claim: &Claim) -> bool {
    let set = |value: &Value| crate::field::as_text(value).is_some_and(|t| t.eq_ignore_ascii_case("true"));
    let fields = field(finding, "ProductFields").and_then(Value::as_object);
    let marked = fields.is_some_and(|f| f.iter().any(|(k, v)| k.to_ascii_lowercase().ends_with("additionalinfo/sample") && set(v)))
        || field(finding, "Sample").is_some_and(set);
    let key = claim.credential.as_ref().and_then(|(_, id)| id.as_ref());
    let generated = [&claim.subject.id, &claim.subject.name].into_iter().flatten().chain(key).any(|n| n.starts_with("GeneratedFinding"));
    let titled = text(finding, "Title").is_some_and(|t| t.to_ascii_lowercase().starts_with("[sample"));
    marked || generated || titled
}
