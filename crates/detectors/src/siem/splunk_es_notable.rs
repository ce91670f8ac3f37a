//! Splunk Enterprise Security notables and risk notables: search results, export
//! and webhook bodies.
//!
//! Fields are those of the Common Information Model: `user` is whom an event is
//! about, `src_user` who acted on them. `owner` and `reviewer` work on the
//! notable and are nobody's subject. `_time` is when the notable was made,
//! `orig_time` when it happened (Enterprise Security 7 and 8, read 2026-11).

use quell_core::signal::{Detected, ObservedFrom, Readout, SignalKind};

use crate::{
    claim::{Claim, Who},
    field::{as_text, field, is_placeholder, text, type_name},
    json::Value,
    message, severity, wording,
};

/// The detector's name.
pub const NAME: &str = "splunk-es-notable";
/// What it reads.
pub const READS: &str = "Splunk Enterprise Security notables and risk notables: results, exports, webhooks";
const LISTS: &[&str] = &["results"];

/// Reads notables.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is a notable.
pub fn recognises(first: &Value) -> bool {
    is_notable(message::first(first, LISTS))
}

/// The result inside a webhook or a line of an export.
fn result(record: &Value) -> &Value {
    field(record, "result").filter(|r| r.is_object()).unwrap_or(record)
}

fn is_notable(record: &Value) -> bool {
    let inner = result(record);
    let id = ["event_id", "rule_id"].iter().any(|n| text(inner, n).is_some_and(|i| i.contains("@@")));
    let index = text(inner, "index").is_some_and(|i| i == "notable" || i == "risk");
    let webhook = field(record, "result").is_some() && field(record, "search_name").is_some() && field(record, "sid").is_some();
    let named = ["search_name", "rule_name", "rule_title"].iter().any(|n| text(inner, n).is_some());
    (id || index) && named || webhook
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected a notable as an object, found {}", type_name(record)));
    }
    if !is_notable(record) {
        return Err("neither a notable (`event_id`, `index`) with its rule nor a webhook of Splunk".into());
    }
    let notable = result(record);
    let get = |names: &[&str]| names.iter().find_map(|n| one(notable, n));
    let mut claim = Claim::new(NAME);
    subject(notable, &mut claim);
    claim.ip = ["src_ip", "src"].iter().find_map(|n| one(notable, n));
    claim.title = get(&["rule_title", "rule_name", "search_name"]).or_else(|| text(record, "search_name")).unwrap_or_default();
    let words: String = ["search_name", "signature", "change_type"].iter().filter_map(|n| one(notable, n)).map(|w| w + " ").collect();
    claim.kind = match wording::kind(&claim.title).or_else(|| wording::kind(&words)) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the rule or the signature"));
            kind
        }
        None => SignalKind::Other,
    };
    claim.severity = get(&["urgency", "severity"]).map_or_else(severity::unrated, |w| severity::of_word(&w));
    claim.vendor_confidence = get(&["risk_score"]).map(|s| format!("risk score {s}"));
    if get(&["owner", "reviewer"]).is_some_and(|o| o != "unassigned") {
        claim.because("the owner is who works on the notable, and is taken neither as subject nor as actor");
    }
    claim.event = ["event_id", "event_hash", "orig_event_id"].iter().map(|n| one(notable, n).unwrap_or_default()).collect();
    claim.event.push(get(&["orig_time", "_time"]).unwrap_or_default());
    claim.event.push(claim.title.clone());
    Ok(claim.detected([
        (ObservedFrom::Event, field(notable, "orig_time")),
        (ObservedFrom::VendorUpdate, field(notable, "_time")),
        (ObservedFrom::VendorUpdate, field(notable, "info_search_time")),
        (ObservedFrom::VendorUpdate, sent),
    ]))
}

fn subject(notable: &Value, claim: &mut Claim) {
    let user = one(notable, "user").or_else(|| one(notable, "user_name"));
    let id = one(notable, "user_id").filter(|id| !id.bytes().all(|b| b.is_ascii_digit()));
    let risk = one(notable, "risk_object").filter(|_| one(notable, "risk_object_type").is_some_and(|t| t == "user"));
    let source = one(notable, "src_user");
    let many = field(notable, "user").and_then(Value::as_array).map_or(0, Vec::len);
    if many > 1 {
        claim.because(format!("the notable lists {many} users; the first is taken as the subject"));
    }
    let mut who = Who::named(user.clone()).or(|| {
        claim.because("no user is named; the object that carries the risk is one");
        Who::named(risk)
    });
    if !who.is_somebody() && source.is_some() {
        claim.because("only who acted is named");
        who = Who::named(source.clone());
    }
    if who.is_somebody() && id.is_some() {
        who.id = id;
    }
    claim.actor = Who::named(source.filter(|s| Some(s) != user.as_ref()));
    claim.subject = who;
    let domain = one(notable, "user_nt_domain").or_else(|| one(notable, "dest_nt_domain"));
    let cloud = one(notable, "vendor_account").filter(|a| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit()));
    claim.system = cloud.map(|a| crate::arn::system(&a)).or_else(|| domain.map(|d| format!("ad:{d}")));
}

/// A text, or the first of a multi-value field, unless it names nothing.
fn one(value: &Value, name: &str) -> Option<String> {
    let found = field(value, name)?;
    let first = found.as_array().map_or(Some(found), |items| items.first())?;
    as_text(first).filter(|t| !is_placeholder(t))
}
