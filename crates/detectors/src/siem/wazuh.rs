//! Wazuh alerts, of version 4 (`rule.level`, `agent`, `data`) and 5 (`wazuh.rule`,
//! Elastic Common Schema).
//!
//! What was collected stands inside: as objects in `data`, or as JSON in
//! `event.original`. Events of CloudTrail, Google and Windows are read as theirs.
//! A report of a leaked secret names who closed or bypassed it, who is nobody's
//! subject. `@timestamp` is when Wazuh indexed the alert (read 2026-11).

use quell_core::signal::{CredentialKind, Detected, ObservedFrom, Readout, Resolvable, SignalKind};

use crate::{
    claim::{Claim, Who},
    credential::weigh,
    ecs,
    field::{as_text, at, field, is_placeholder, list, text, text_at, type_name},
    json::{self, Value},
    message, severity,
    windows::Account,
    wording,
};

/// The detector's name.
pub const NAME: &str = "wazuh";
/// What it reads.
pub const READS: &str = "Wazuh alerts of versions 4 and 5";
const LISTS: &[&str] = &[];

/// Reads alerts.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an alert of Wazuh.
pub fn recognises(first: &Value) -> bool {
    let alert = source(first);
    let five = at(alert, &["wazuh", "rule"]).is_some() || at(alert, &["wazuh", "agent"]).is_some();
    let four = at(alert, &["rule", "level"]).is_some()
        && field(alert, "agent").is_some_and(|a| field(a, "id").is_some())
        && ["manager", "decoder", "location", "full_log", "data"].iter().any(|n| field(alert, n).is_some());
    five || four
}

fn source(record: &Value) -> &Value {
    field(record, "_source").filter(|s| s.is_object()).unwrap_or(record)
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected a Wazuh alert as an object, found {}", type_name(record)));
    }
    if !recognises(record) {
        return Err("neither `wazuh.rule` nor `rule.level` with an `agent`, so this is no alert of Wazuh".into());
    }
    let alert = source(record);
    let original = ecs::get(alert, "event.original").and_then(Value::as_str).and_then(|t| json::document(t.as_bytes()).ok());
    let mut claim = Claim::new(NAME);
    let rule = at(alert, &["wazuh", "rule"]).or_else(|| field(alert, "rule")).unwrap_or(&Value::Null);
    let inner_time;
    if let Some(leak) = original.as_ref().filter(|o| is_leak(o)).or_else(|| at(alert, &["data"]).filter(|d| is_leak(d))) {
        leaked(leak, alert, &mut claim);
        inner_time = field(leak, "created_at").cloned();
    } else if at(alert, &["wazuh"]).is_some() {
        inner_time = five(alert, original.as_ref(), &mut claim);
    } else {
        inner_time = four(alert, &mut claim);
    }
    about(rule, alert, &mut claim);
    let times = [
        (ObservedFrom::Event, ecs::get(alert, "event.start")),
        (ObservedFrom::Event, inner_time.as_ref()),
        (ObservedFrom::VendorUpdate, ecs::get(alert, "event.created")),
        (ObservedFrom::VendorUpdate, field(alert, "timestamp")),
        (ObservedFrom::VendorUpdate, field(alert, "@timestamp")),
        (ObservedFrom::VendorUpdate, sent),
    ];
    let mut detected = claim.detected(times);
    if detected.secret.is_none() && detected.signal.kind == SignalKind::LeakedSecret && detected.signal.subject.resolvable == Resolvable::No
    {
        detected.signal.subject.resolvable = Resolvable::SecretOnly;
    }
    Ok(detected)
}

/// Title, kind, severity and key of an alert, from its rule.
fn about(rule: &Value, alert: &Value, claim: &mut Claim) {
    claim.title = text(rule, "title").or_else(|| text(rule, "description")).unwrap_or_default();
    if claim.kind == SignalKind::Other {
        let action = ecs::text(alert, "event.action").unwrap_or_default();
        let groups: String = list(rule, "groups").iter().filter_map(as_text).map(|g| g + " ").collect();
        match wording::kind(&claim.title).or_else(|| wording::kind(&action)).or_else(|| wording::kind(&groups)) {
            Some((kind, word)) => {
                claim.because(format!("the kind is read from `{word}` in the rule or the action"));
                claim.kind = kind;
            }
            None => claim.kind = SignalKind::AnomalousUse,
        }
    }
    let level = text(rule, "level");
    claim.severity = match level.as_deref().and_then(|l| l.parse::<f64>().ok()) {
        Some(number) => quell_core::signal::Severity { id: severity::of_number(number, [1.0, 7.0, 12.0, 15.0]), ..severity::unread(level) },
        None => level.map_or_else(severity::unrated, |w| severity::of_word(&w)),
    };
    claim.event =
        vec![text(alert, "id").or_else(|| ecs::text(alert, "event.id")).unwrap_or_default(), text(rule, "id").unwrap_or_default()];
    claim.event.push(ecs::text(alert, "event.start").or_else(|| text(alert, "timestamp")).unwrap_or_default());
    claim.event.push(claim.title.clone());
}

/// A report of a leaked secret, as GitHub's secret scanning writes it.
fn is_leak(value: &Value) -> bool {
    text(value, "secret_type").is_some() && (field(value, "secret").is_some() || field(value, "locations_url").is_some())
}

fn leaked(leak: &Value, alert: &Value, claim: &mut Claim) {
    claim.kind = SignalKind::LeakedSecret;
    claim.because("a scanner reports a place and a value, not whose it is; who closed or bypassed the alert is not its subject");
    let weighed = weigh(text(leak, "secret").unwrap_or_default());
    claim.reasons.extend(weighed.reason.map(str::to_owned));
    claim.credential = Some((weighed.kind.unwrap_or(CredentialKind::Unknown), weighed.id));
    claim.secret = weighed.secret;
    claim.event = vec![text(leak, "url").or_else(|| ecs::text(alert, "url.full")).unwrap_or_default()];
}

/// Whether the original is a call by the subject itself, so that its key is theirs.
fn own_key(original: Option<&Value>, subject: &Who) -> bool {
    let caller = original.and_then(|o| text_at(o, &["userIdentity", "principalId"]));
    caller.is_some() && caller == subject.id
}

fn key(original: Option<&Value>) -> Option<(CredentialKind, Option<String>)> {
    original.and_then(|o| text_at(o, &["userIdentity", "accessKeyId"])).map(|id| (CredentialKind::AccessKey, Some(id)))
}

/// Version 5: the event is mapped already, and its original adds what is
/// missing: the key that signed a call, or that it was a containment.
fn five(alert: &Value, original: Option<&Value>, claim: &mut Claim) -> Option<Value> {
    let mut inner = Claim::new(NAME);
    let time = original.and_then(|o| super::read_carried(o, &mut inner)).flatten();
    ecs::read(alert, claim);
    if inner.containment_evidence || !claim.subject.is_somebody() {
        *claim = inner;
        return time;
    }
    claim.kind = inner.kind;
    claim.system = claim.system.take().or(inner.system);
    if own_key(original, &claim.subject) {
        claim.credential = claim.credential.take().or_else(|| key(original));
    }
    time
}

/// Version 4: `data` holds the event, under the name of its integration.
fn four(alert: &Value, claim: &mut Claim) -> Option<Value> {
    let data = field(alert, "data").unwrap_or(&Value::Null);
    let places = [Some(data), field(data, "aws"), field(data, "gcp"), field(data, "office365")];
    for place in places.into_iter().flatten() {
        if let Some(time) = super::read_carried(place, claim) {
            return time;
        }
    }
    let host = text_at(alert, &["agent", "name"]);
    let get = |names: &[&str]| names.iter().find_map(|n| text(data, n)).filter(|t| !is_placeholder(t));
    if let Some(user) =
        text_at(data, &["office365", "UserId"]).or_else(|| text_at(data, &["github", "actor"])).filter(|u| !is_placeholder(u))
    {
        claim.subject = Who::named(Some(user));
        return at(data, &["office365"]).and_then(|o| field(o, "CreationTime")).cloned();
    }
    claim.ip = get(&["srcip", "src_ip"]);
    // The account on the host that was signed in to, else who acted there.
    let account = Account { name: get(&["dstuser", "srcuser", "user", "uname"]), host, ..Account::default() };
    let (who, system) = account.identity();
    if who.is_somebody() {
        claim.because("the account is one of the host on which the agent runs");
    }
    claim.subject = who;
    claim.system = system;
    None
}
