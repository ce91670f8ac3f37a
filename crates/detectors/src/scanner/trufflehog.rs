//! TruffleHog: JSON of version 3, of version 2 and before, of trufflehog3.
//!
//! Version 3 tries what it finds. Then `ExtraData` holds what the vendor
//! answered, and that is whose the secret is; the only scanner that knows. Until
//! 2022 it wrote `Raw` as Base64. `email` is the committer's and goes nowhere.

use std::ops::ControlFlow;

use crate::json::Value;
use base64::{Engine, engine::general_purpose::STANDARD};
use quell_core::{
    secret::Secret,
    signal::{CredentialKind, IdentityKind, ObservedFrom, Readout},
};

use super::{Place, Places, kind_of_rule};
use crate::{
    credential::is_aws_key_id,
    field::{as_text, at, field, list, text, text_at, truth},
    json,
    reading::Reading,
    record::Records,
    statement::{Party, Statement, rated},
};

/// The detector's name.
pub const NAME: &str = "trufflehog";
/// What it reads.
pub const READS: &str = "TruffleHog reports: JSON of version 3, JSON up to version 2, trufflehog3";

const RECORDS: Records = Records {
    what: "finding of TruffleHog",
    is_one: |v| is_v3(v) || is_v2(v) || is_fork(v),
    marks: "neither `DetectorName` with `SourceMetadata`, nor `stringsFound`, nor `rule.id` with `secret` is given",
    inside: &[],
    empty_is_an_answer: true,
};

fn is_v3(value: &Value) -> bool {
    field(value, "SourceMetadata").is_some() && (field(value, "DetectorName").is_some() || field(value, "DetectorType").is_some())
}

fn is_v2(value: &Value) -> bool {
    field(value, "stringsFound").is_some()
}

fn is_fork(value: &Value) -> bool {
    at(value, &["rule", "id"]).is_some() && field(value, "secret").is_some() && field(value, "path").is_some()
}

/// Reads one report.
pub fn read(bytes: &[u8]) -> Readout {
    let mut places = Places::default();
    RECORDS.read(bytes, &mut |record, reading| {
        if is_v3(record) {
            v3(record, &mut places, reading)
        } else if is_v2(record) {
            list(record, "stringsFound").iter().try_for_each(|found| v2(record, as_text(found), &mut places, reading))
        } else {
            fork(record, &mut places, reading)
        }
    })
}

/// Whether `first` is a finding of TruffleHog.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn hand(said: Statement, time: Option<&Value>, places: &mut Places, reading: &mut Reading) -> ControlFlow<()> {
    let mut detected = said.detected([(ObservedFrom::Event, time)]);
    detected.signal.dedupe_key = places.key(detected.signal.dedupe_key, detected.secret.as_ref());
    reading.record(Ok(detected))
}

fn v3(record: &Value, places: &mut Places, reading: &mut Reading) -> ControlFlow<()> {
    let rule = text(record, "DetectorName").or_else(|| text(record, "DetectorType").map(|n| format!("type {n}")));
    // One field, named by the kind of source.
    let source = at(record, &["SourceMetadata", "Data"]).and_then(Value::as_object).and_then(|m| m.values().next()).unwrap_or(&Value::Null);
    let part = |names: &[&str]| names.iter().find_map(|n| text(source, n));
    let place = Place {
        rule: rule.clone(),
        file: part(&["file", "link", "image", "page", "path", "channel_name", "location", "url"]),
        line: part(&["line"]),
        commit: part(&["commit", "digest", "layer", "version_id"]),
        other: vec![part(&["repository", "bucket", "project", "workspace", "link"]).unwrap_or_default()],
    };
    let (id, value) = parts(record);
    let mut said = place.leaks(NAME, value, kind_of_detector(&rule.unwrap_or_default()));
    if let (Some(id), Some(named)) = (id, &mut said.credential) {
        named.id = Some(id);
        named.kind = CredentialKind::AccessKey;
    }
    if let Some(verified) = truth(record, "Verified") {
        said.confidence = Some(format!("Verified: {verified}"));
    }
    if text(record, "VerificationError").is_some() {
        said.because("the scanner could not tell whether the secret works");
    }
    said.because("TruffleHog gives no severity");
    service_account(&mut said);
    answered(record, &mut said);
    hand(said, field(source, "timestamp"), places, reading)
}

/// The key id that may be shown, and the secret value. `Raw` of a credential in
/// two parts is its id; then `RawV2` holds both.
fn parts(record: &Value) -> (Option<String>, Option<String>) {
    let mut raw = text(record, "Raw").unwrap_or_default();
    let both = text(record, "RawV2").unwrap_or_default();
    if field(record, "DecoderName").is_none()
        && field(record, "RawV2").is_none()
        && let Some(plain) = base64_text(&raw)
    {
        raw = plain;
    }
    if is_aws_key_id(&raw) {
        let secret = both.strip_prefix(&raw).map(|rest| rest.trim_start_matches(':').to_owned()).filter(|rest| !rest.is_empty());
        return match secret {
            Some(secret) => (Some(raw), Some(secret)),
            None => (None, Some(raw)),
        };
    }
    let shown = text(record, "Redacted").unwrap_or_default();
    let is_id = !both.is_empty() && shown == raw;
    (None, Some(if raw.is_empty() || is_id { both } else { raw }).filter(|v| !v.is_empty()))
}

/// Base64 of printable UTF-8 text, decoded.
fn base64_text(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text).ok().filter(|b| !b.is_empty())?;
    String::from_utf8(bytes).ok().filter(|t| t.chars().all(|c| !c.is_control() || c.is_whitespace()))
}

/// A Google key is a document that says whose it is.
fn service_account(said: &mut Statement) {
    let Some(named) = &mut said.credential else { return };
    let Some(document) = named.secret.as_ref().and_then(|s| json::document(s.expose().as_bytes()).ok()).filter(Value::is_object) else {
        return;
    };
    if let Some(email) = text(&document, "client_email") {
        said.subject = Party::new(IdentityKind::ServiceAccount, [Some(email.clone())], [Some(email)]);
        said.system = text(&document, "project_id").map(|p| format!("gcp:{p}"));
        named.kind = CredentialKind::ServiceAccountKey;
        named.id = text(&document, "private_key_id");
        named.secret = text(&document, "private_key").map(Secret::new).or(named.secret.take());
        said.reasons.push("the key is a document that names its service account".into());
    } else if let Some(key) = text(&document, "key") {
        named.secret = Some(Secret::new(key));
    }
}

/// Whom the vendor's answer names. Without one, `ExtraData` holds hints about
/// the rule at most.
fn answered(record: &Value, said: &mut Statement) {
    let extra = field(record, "ExtraData").unwrap_or(&Value::Null);
    if truth(extra, "is_canary") == Some(true) {
        said.because("the key is a decoy, and whoever watches it is told of every use");
    }
    let arn = text(extra, "arn");
    let account = text(extra, "account").or_else(|| text(extra, "account_id"));
    if text(record, "DetectorName").is_some_and(|n| n.to_ascii_lowercase().starts_with("aws")) || arn.is_some() {
        said.system = account.map(|a| format!("aws:{a}"));
        let party = Party::new(IdentityKind::Unknown, [text(extra, "user_id"), arn.clone()], [arn]);
        adopt(said, party);
        return;
    }
    if said.subject.is_named() {
        return;
    }
    let ssh_user = at(record, &["StructuredData"]).and_then(|s| list(s, "github_ssh_key").first()).and_then(|k| text(k, "user"));
    let ssh_user = ssh_user.or_else(|| text(extra, "github_user"));
    const IDS: &[&str] = &["user_id", "userid", "bot_id", "id"];
    const LOGINS: &[&str] = &["username", "user", "login", "hub_username", "email", "email_address", "hub_email", "user_email"];
    let of = |names: &'static [&'static str]| names.iter().map(|n| text(extra, n)).chain([ssh_user.clone()]);
    let kind = match text(extra, "account_type").map(|t| t.to_ascii_lowercase()).as_deref() {
        Some("user") => IdentityKind::Human,
        Some("bot" | "app") => IdentityKind::ServiceAccount,
        _ => IdentityKind::Unknown,
    };
    // An id without a login may number anything: a project, a request.
    let name = Party::new(kind, of(LOGINS), of(LOGINS));
    if name.is_named() {
        let ids: Vec<Option<String>> = of(IDS).chain([name.id.clone()]).collect();
        let detector = text(record, "DetectorName").map(|n| n.to_ascii_lowercase());
        said.system = if ssh_user.is_some() { Some("github".into()) } else { detector };
        adopt(said, Party::new(kind, ids, [name.name]));
    }
}

fn adopt(said: &mut Statement, party: Party) {
    if party.is_named() {
        said.because("the scanner tried the secret, and the vendor answered whose it is");
        said.subject = party;
    }
}

fn v2(record: &Value, found: Option<String>, places: &mut Places, reading: &mut Reading) -> ControlFlow<()> {
    let place = Place {
        rule: text(record, "reason"),
        file: text(record, "path"),
        line: text(record, "line"),
        commit: text(record, "commitHash").or_else(|| text(record, "commit")),
        other: Vec::new(),
    };
    let kind = kind_of_detector(&text(record, "reason").unwrap_or_default());
    let said = place.leaks(NAME, found, kind);
    hand(said, field(record, "date"), places, reading)
}

fn fork(record: &Value, places: &mut Places, reading: &mut Reading) -> ControlFlow<()> {
    let rule = text_at(record, &["rule", "id"]);
    let place = Place {
        rule: rule.clone(),
        file: text(record, "path"),
        line: text(record, "line"),
        commit: text(record, "commit"),
        other: vec![text(record, "id").unwrap_or_default()],
    };
    let value = text(record, "secret").unwrap_or_default();
    let digest = is_image_digest(record, &value);
    let mut said = place.leaks(NAME, Some(value), kind_of_rule(&rule.unwrap_or_default()));
    if digest {
        said.of_secret = false;
        said.credential = None;
        said.because("the value is the digest of an image, which is public; nothing leaked");
    }
    said.severity = rated(text_at(record, &["rule", "severity"]));
    hand(said, field(record, "date"), places, reading)
}

/// `image@sha256:VALUE` in the lines around it.
fn is_image_digest(record: &Value, value: &str) -> bool {
    let marked = format!("sha256:{value}");
    value.len() == 64
        && value.bytes().all(|b| b.is_ascii_hexdigit())
        && field(record, "context")
            .and_then(Value::as_object)
            .is_some_and(|lines| lines.values().filter_map(as_text).any(|l| l.contains(&marked)))
}

/// The kind where the detector's name leaves no doubt.
fn kind_of_detector(name: &str) -> CredentialKind {
    let lower = name.to_ascii_lowercase().replace([' ', '_', '-'], "");
    match lower.as_str() {
        "aws" | "awssessionkeys" => CredentialKind::AccessKey,
        "gcp" | "gcpapplicationdefaultcredentials" => CredentialKind::ServiceAccountKey,
        "github"
        | "githubv2"
        | "githuboauth2"
        | "githubapp"
        | "gitlab"
        | "gitlabv2"
        | "slack"
        | "npmtoken"
        | "npmtokenv2"
        | "pypi"
        | "digitaloceantoken"
        | "digitaloceanv2"
        | "huggingface"
        | "dockerhub"
        | "terraformcloudpersonaltoken"
        | "vaulttoken"
        | "hashicorpvaultauth"
        | "jwt" => CredentialKind::Token,
        "postgres" | "mongodb" | "jdbc" | "uri" | "redis" | "ldap" | "ftp" | "sqlserver" | "rabbitmq" | "snowflake" => {
            CredentialKind::Password
        }
        "openai" | "anthropic" | "stripe" | "sendgrid" | "mailgun" | "datadogtoken" | "twilio" => CredentialKind::ApiKey,
        "azure" | "azureentra" | "auth0oauth" | "auth0managementapitoken" => CredentialKind::OauthClient,
        _ => kind_of_rule(name),
    }
}
