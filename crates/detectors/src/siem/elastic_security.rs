//! Elastic Security alerts, of Kibana 8 and 9 (`kibana.alert.*`) and of 7
//! (`signal.*`), as documents, hits of a search, or actions send them.
//!
//! The alert wraps an event in the Elastic Common Schema, and the event says
//! whom it is about. Who an alert is assigned to or who changed its state is
//! never the subject. Alert schema 8.x (read 2026-11).

use quell_core::signal::{Detected, IdentityKind, ObservedFrom, Readout, SignalKind};

use crate::{
    claim::{Claim, Who},
    ecs,
    field::{field, type_name},
    json::Value,
    message, severity, wording,
};

/// The detector's name.
pub const NAME: &str = "elastic-security";
/// What it reads.
pub const READS: &str = "Elastic Security alerts: documents, search hits, action bodies";
const LISTS: &[&str] = &["hits", "alerts", "signals"];

/// Reads alerts.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an alert of Elastic Security.
pub fn recognises(first: &Value) -> bool {
    is_alert(source(message::first(first, LISTS)))
}

/// The document of a hit, or the record itself.
fn source(record: &Value) -> &Value {
    field(record, "_source").filter(|s| s.is_object()).unwrap_or(record)
}

fn is_alert(document: &Value) -> bool {
    let kibana = ["kibana.alert.rule.name", "kibana.alert.uuid", "kibana.alert.rule.uuid", "kibana.alert.severity"];
    let older = ecs::get(document, "signal.rule.name").is_some() && ecs::get(document, "signal.rule.rule_id").is_some();
    kibana.iter().any(|n| ecs::get(document, n).is_some()) || older
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected an alert as an object, found {}", type_name(record)));
    }
    let alert = source(record);
    if !is_alert(alert) {
        return Err("neither `kibana.alert` nor `signal.rule` is there, so this is no alert of Elastic Security".into());
    }
    let get = |names: &[&str]| names.iter().find_map(|n| ecs::text(alert, n));
    let mut claim = Claim::new(NAME);
    ecs::read(alert, &mut claim);
    pod(alert, &mut claim);
    claim.title = get(&["kibana.alert.rule.name", "signal.rule.name", "kibana.alert.reason"]).unwrap_or_default();
    let action = get(&["event.action"]).unwrap_or_default();
    claim.kind = match wording::kind(&claim.title).or_else(|| wording::kind(&action)) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the rule or the action"));
            kind
        }
        None => SignalKind::AnomalousUse,
    };
    claim.severity = get(&["kibana.alert.severity", "signal.rule.severity"]).map_or_else(severity::unrated, |w| severity::of_word(&w));
    claim.vendor_confidence = get(&["kibana.alert.risk_score", "signal.rule.risk_score"]).map(|s| format!("risk score {s}"));
    if get(&["kibana.alert.workflow_status", "signal.status"]).is_some_and(|s| s == "closed") {
        claim.because("the sender has closed the alert on its side");
    }
    claim.event = ["kibana.alert.uuid", "signal.rule.id", "event.id", "kibana.alert.original_event.id", "kibana.alert.original_time"]
        .iter()
        .map(|n| get(&[n]).unwrap_or_default())
        .collect();
    claim.event.push(claim.title.clone());
    Ok(claim.detected([
        (ObservedFrom::Event, ecs::get(alert, "kibana.alert.original_time")),
        (ObservedFrom::Event, ecs::get(alert, "signal.original_time")),
        (ObservedFrom::Event, ecs::get(alert, "event.start")),
        (ObservedFrom::VendorUpdate, ecs::get(alert, "@timestamp")),
        (ObservedFrom::VendorUpdate, sent),
    ]))
}

/// A process inside a pod runs as a number that is nobody's; the pod leads to
/// its service account.
fn pod(alert: &Value, claim: &mut Claim) {
    let get = |names: &[&str]| names.iter().find_map(|n| ecs::text(alert, n));
    let inside = get(&["container.id"]).is_some() && get(&["process.executable", "process.name"]).is_some();
    if !inside || get(&["kubernetes.audit.user.username"]).is_some() {
        return;
    }
    claim.subject = Who::default();
    claim.system = None;
    let (namespace, pod) =
        (get(&["orchestrator.namespace", "kubernetes.namespace"]), get(&["orchestrator.resource.name", "kubernetes.pod.name"]));
    if let (Some(namespace), Some(pod)) = (namespace, pod) {
        claim.because("a user inside a container is nobody's identity; the service account is found by looking the pod up");
        claim.partial = true;
        claim.subject = Who { id: Some(format!("{namespace}/{pod}")), name: Some(format!("pod {pod}")), kind: IdentityKind::Workload };
        claim.system = get(&["orchestrator.cluster.name"]).map(|c| format!("k8s:{c}"));
    } else {
        claim.because("a user inside a container is nobody's identity, and no pod is named");
    }
}
