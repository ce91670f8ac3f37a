//! Microsoft Defender XDR: rows of advanced hunting, alerts and incidents of the
//! Graph, alerts of the older Defender and Graph APIs.
//!
//! Whom an alert is about stands in its evidence, often not in the alert itself;
//! a row of `AlertInfo` names nobody and waits for its `AlertEvidence`. Who an
//! alert is assigned to is never its subject, and neither is the account that
//! every machine has. A device alone is no identity that signs in. Advanced
//! hunting schema and Graph `alert` v2 with its evidence types (read 2026-11).

mod evidence;
mod hunting;

use quell_core::signal::{Detected, ObservedFrom, Readout, SignalKind};

use crate::{
    claim::Claim,
    field::{field, list, text, text_at, type_name},
    json::Value,
    message, severity, wording,
};

/// The detector's name.
pub const NAME: &str = "microsoft-defender-xdr";
/// What it reads.
pub const READS: &str = "Microsoft Defender XDR: advanced hunting rows, Graph alerts v2 and v1, incidents, Defender for Endpoint alerts";
const LISTS: &[&str] = &["value", "records", "alerts"];

/// Reads rows and alerts.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is a row of advanced hunting, an alert, or an incident with some.
pub fn recognises(first: &Value) -> bool {
    let record = message::first(first, LISTS);
    // Alerts of Entra ID Protection are Entra's.
    (hunting::is_row(record) || is_alert(record)) && !crate::sign_in::entra::is_identity_alert(record)
}

fn is_alert(record: &Value) -> bool {
    let graph = text(record, "@odata.type").is_some_and(|t| t.starts_with("#microsoft.graph.security.alert"));
    let v2 = ["serviceSource", "detectionSource", "severity"].iter().all(|n| text(record, n).is_some()) && field(record, "title").is_some();
    let v1 = text_at(record, &["vendorInformation", "provider"]).is_some() && field(record, "severity").is_some();
    let endpoint =
        ["machineId", "investigationState", "detectionSource", "incidentId"].iter().filter(|n| field(record, n).is_some()).count() >= 3;
    let incident = text(record, "alertId").is_some() && field(record, "entities").is_some() && text(record, "serviceSource").is_some();
    graph || v2 || v1 || endpoint || incident
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected a row or an alert as an object, found {}", type_name(record)));
    }
    if hunting::is_row(record) {
        return Ok(hunting::read(record, sent));
    }
    if !is_alert(record) {
        return Err("neither a row of advanced hunting nor an alert of Defender or the Graph".into());
    }
    Ok(alert(record, sent))
}

fn alert(alert: &Value, sent: Option<&Value>) -> Detected {
    let mut claim = Claim::new(NAME);
    evidence::subject(alert, &mut claim);
    let title = text(alert, "title").unwrap_or_default();
    let category = text(alert, "category").unwrap_or_default();
    claim.kind = kind(&[&title, &category], &mut claim);
    claim.title = title;
    claim.severity = text(alert, "severity").map_or_else(severity::unrated, |w| severity::of_word(&w));
    claim.vendor_confidence = text(alert, "determination").or_else(|| text(alert, "confidence")).filter(|c| c != "unknown");
    if text(alert, "classification").is_some_and(|c| c.eq_ignore_ascii_case("falsePositive")) {
        claim.because("the sender has classified the alert as a false positive");
    }
    if text(alert, "status").is_some_and(|s| s.eq_ignore_ascii_case("resolved")) {
        claim.because("the sender has closed the alert on its side");
    }
    let ids = ["id", "alertId", "providerAlertId"].iter().find_map(|n| text(alert, n)).unwrap_or_default();
    let last = ["lastActivityDateTime", "lastEventTime", "lastActivity", "eventDateTime"];
    claim.event = vec![ids, last.iter().find_map(|n| text(alert, n)).unwrap_or_default()];
    let times =
        last.iter().chain(&["firstActivityDateTime", "firstEventTime", "firstActivity"]).map(|n| (ObservedFrom::Event, field(alert, n)));
    let updates = ["createdDateTime", "alertCreationTime", "creationTime", "lastUpdateDateTime", "lastUpdateTime", "lastUpdatedTime"];
    let updates = updates.iter().map(|n| (ObservedFrom::VendorUpdate, field(alert, n)));
    claim.detected(times.chain(updates).chain([(ObservedFrom::VendorUpdate, sent)]))
}

/// The kind by the title's words, else by the category, which is a tactic.
fn kind(words: &[&str], claim: &mut Claim) -> SignalKind {
    match words.iter().find_map(|w| wording::kind(w)) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the alert's title or category"));
            kind
        }
        None => SignalKind::AnomalousUse,
    }
}

/// The items of a list of evidence, whatever the API calls it.
fn evidence_of(alert: &Value) -> Vec<&Value> {
    ["evidence", "entities", "userStates"].iter().flat_map(|n| list(alert, n)).collect()
}
