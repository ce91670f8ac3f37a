//! The readings of cloud, endpoint and monitoring alerts against real ones, row
//! by row of their expectations, where the folder of them is at hand.
//!
//! A row is one person's careful reading. Where the payload says otherwise the
//! difference stands in [`ARGUED`] with its argument, and a difference that is
//! gone fails, too, so that the list never outlives its reasons.

use std::{collections::BTreeMap, fs};

use quell_core::time::Timestamp;
use serde_json::Value;

use crate::{corpus, shown};

const SOURCES: [&str; 15] = [
    "aws-cloudtrail",
    "aws-guardduty",
    "aws-securityhub-asff",
    "crowdstrike",
    "elastic-security",
    "falco",
    "gcp-audit",
    "gcp-scc",
    "kubernetes-audit",
    "microsoft-defender-xdr",
    "microsoft-sentinel",
    "ocsf",
    "sigma-hit",
    "splunk-es-notable",
    "wazuh",
];

/// Source, file, what differs from the row, and why the payload is right.
const ARGUED: &[(&str, &str, &str, &str)] = &[
    (
        "crowdstrike",
        "api_key_created.json",
        "credential",
        "the row holds the id for absent, but `AuditKeyValues` has it under `APIClientID` and `id`; scopes are no id",
    ),
    ("gcp-audit", "sa_key_created.json", "credential", "the new key is named: the last part of `response.name` is its id"),
    ("gcp-audit", "sa_getaccesstoken.json", "credential", "the row shortens `serviceAccountKeyName`; its last part is the key's id"),
    ("kubernetes-audit", "rolebinding.json", "credential", "the row shortens the credential id of the certificate"),
    (
        "ocsf",
        "test_authentication_2.json",
        "native id",
        "`NT AUTHORITY\\SYSTEM` is an account that every machine has and a placeholder of the corpus' own list; nobody is named",
    ),
    ("ocsf", "test_authentication_2.json", "resolvable", "the same"),
    (
        "splunk-es-notable",
        "root_user_use.json",
        "time",
        "the row takes `_time`, when the notable was made; `orig_time` is the event, as its own remark says, and comes first",
    ),
    (
        "wazuh",
        "cloudtrail_addusertogroup.json",
        "credential",
        "the row has no credential, but the call in `event.original` was signed with the subject's key, which is named",
    ),
];

/// What one row and its reading differ in.
fn differences(row: &Value, lines: &[Value]) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let cell = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let resolvable = cell("identity_resolvable");
    if lines.is_empty() || lines.iter().any(|l| l.get("unreadable").is_some()) {
        return vec![("parse", format!("{lines:?}"))];
    }
    for line in lines {
        let subject = &line["subject"];
        let named = !subject["native_id"].is_null() || !subject["name"].is_null();
        if named && ["no", "secret_only"].contains(&resolvable.as_str()) {
            out.push(("invented", subject.to_string()));
        }
        let id = line["credential"]["id"].as_str().unwrap_or_default();
        if !id.is_empty() && !is_token_of(id, &cell("credential_id")) {
            out.push(("credential", format!("{id:?} is no token of {:?}", cell("credential_id"))));
        }
    }
    let line = &lines[0];
    if resolvable == "yes" {
        let wanted = if row["identity_native_id"].is_null() { cell("identity_name") } else { cell("identity_native_id") };
        // A remark of the row's author stands behind the id, in brackets.
        let wanted = wanted.split(" (").next().unwrap_or_default().to_owned();
        let is = |field: &str| line["subject"][field].as_str() == Some(wanted.as_str());
        if !(is("native_id") || (row["identity_native_id"].is_null() && is("name"))) {
            out.push(("native id", format!("{} is not {wanted:?}", line["subject"])));
        }
        if line["subject"]["resolvable"] != "yes" {
            out.push(("resolvable", line["subject"].to_string()));
        }
        let kind = line["subject"]["kind"].as_str().unwrap_or_default().to_owned();
        if !kinds(&cell("identity_kind")).contains(&kind.as_str()) {
            out.push(("kind", format!("{kind} for {}", cell("identity_kind"))));
        }
    }
    if let Ok(wanted) = cell("event_time").parse::<Timestamp>() {
        let got = line["observed_at"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
        // Rows are written to the second or the millisecond; payloads are finer.
        let fine = cell("event_time").split_once('.').map_or(0, |(_, f)| f.trim_end_matches(|c: char| !c.is_ascii_digit()).len());
        let grain = 10_i128.pow(9 - u32::try_from(fine.min(9)).unwrap());
        if got.map(|t| t.as_nanosecond().div_euclid(grain)) != Some(wanted.as_nanosecond().div_euclid(grain)) {
            out.push(("time", format!("{:?} is not {wanted}", line["observed_at"])));
        }
    }
    out
}

/// Whether `id` stands in `cell` between characters that cannot be part of it.
fn is_token_of(id: &str, cell: &str) -> bool {
    cell.match_indices(id).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '=');
        !cell[..at].ends_with(part) && !cell[at + id.len()..].starts_with(part)
    })
}

/// The kinds that a row's word allows: where people and workloads share a type
/// of account, what the payload shows, which may be nothing.
fn kinds(word: &str) -> &'static [&'static str] {
    match word {
        "iam_user" | "role_session" | "os_account" | "service_principal" | "kubernetes_user" | "bot" | "integration" => {
            &["human", "service_account", "workload", "unknown"]
        }
        "ai_agent_tool" => &["agent"],
        "human" => &["human"],
        "service_account" => &["service_account"],
        "workload" => &["workload"],
        "device" => &["device"],
        other => panic!("the table of kinds has no `{other}`"),
    }
}

#[test]
fn real_alerts_read_as_their_rows_say_or_as_the_payload_argues() {
    let Some(root) = corpus::corpus() else { return };
    let mut argued: BTreeMap<(&str, &str, &str), bool> = ARGUED.iter().map(|(s, f, d, _)| ((*s, *f, *d), false)).collect();
    let (mut wrong, mut files, mut yes, mut right) = (Vec::new(), 0, 0, 0);
    for source in SOURCES {
        for row in corpus::expected(&root.join(source)) {
            let file = row["file"].as_str().unwrap();
            let lines = shown::lines(source, corpus::read(source, &root.join(source).join(file)));
            let found = differences(&row, &lines);
            files += 1;
            if row["identity_resolvable"] == "yes" {
                yes += 1;
                right += usize::from(!found.iter().any(|(what, _)| ["native id", "parse"].contains(what)));
            }
            for (what, how) in found {
                match argued.iter_mut().find(|((s, f, d), _)| *s == source && *f == file && *d == what) {
                    Some((_, used)) => *used = true,
                    None => wrong.push(format!("{source}/{file}: {what}: {how}")),
                }
            }
        }
    }
    println!("{files} files, {right} of {yes} identities right, {} differences argued", argued.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    let stale: Vec<_> = argued.iter().filter(|(_, used)| !**used).collect();
    assert!(stale.is_empty(), "these differences are gone: {stale:?}");
    assert!(right * 100 >= yes * 95, "{right} of {yes}");
}

#[test]
fn every_real_alert_is_claimed_by_its_own_detector_alone() {
    let Some(root) = corpus::corpus() else { return };
    let mut wrong = Vec::new();
    for source in SOURCES {
        for row in corpus::expected(&root.join(source)) {
            let bytes = fs::read(root.join(source).join(row["file"].as_str().unwrap())).unwrap();
            let claims: Vec<_> = quell_detectors::claimants(&bytes).unwrap().iter().map(|d| d.name).filter(|n| *n != "generic").collect();
            if claims != [source] {
                wrong.push(format!("{source}/{}: {claims:?}", row["file"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} taken for another's:\n{}", wrong.len(), wrong.join("\n"));
}
