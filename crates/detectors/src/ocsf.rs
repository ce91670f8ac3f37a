//! OCSF events, versions 1.0 to 1.8.
//!
//! A finding (2004, 2005 and their siblings of category 2) says whom it is about
//! in one of several places, and the same holds for the credential: `subject`
//! and `named` seek them in a fixed order and say where they found them. An
//! activity (3001 to 3006, 6003) has an actor and often an affected user;
//! `activity` says which of the two it is about. Other classes are read by what
//! all activities share, and say so.

mod activity;
mod named;
mod nature;
mod subject;

use std::borrow::Cow;

use quell_core::{
    signal::{Actor, Detected, ObservedFrom, Readout, Resolvable, Severity, Signal, SignalCredential, Subject},
    untrusted::Untrusted,
};

use crate::{
    arn::Arn,
    field::{as_said, at, bounded, field, integer, list, said, text, type_name},
    json::{self, Found, Value},
    reading::{ID_MIN, Reading, TITLE_MAX, WORD_MIN, dedupe_key, without},
    time,
};

/// The detector's name.
pub const NAME: &str = "ocsf";
/// What it reads.
pub const READS: &str = "OCSF 1.0 to 1.8: findings (2004, 2005), account and access events (3001 to 3006), API activity (6003)";

/// Reads events: one, an array, JSON Lines, or an envelope of some.
pub fn read(bytes: &[u8]) -> Readout {
    let mut reading = Reading::default();
    json::each(bytes, &mut |found| match found {
        Found::Document(value) | Found::Element(value) => findings(&value).iter().try_for_each(|finding| reading.record(detected(finding))),
        Found::Broken(reason) => reading.record(Err(reason)),
    });
    if reading.records() == 0 {
        let _ = reading.record(Err("the batch holds no finding".into()));
    }
    reading.finish()
}

/// Whether `first` has the marks of OCSF, of whatever class.
pub fn recognises(first: &Value) -> bool {
    findings(first)
        .first()
        .is_some_and(|f| field(f, "class_uid").is_some() && (field(f, "metadata").is_some() || field(f, "category_uid").is_some()))
}

/// The events in a record: those of its list, also below `detail` where a
/// forwarder took the marks of the envelope away; else the record itself.
fn findings(record: &Value) -> &[Value] {
    let inner = match field(record, "detail") {
        Some(detail) if field(record, "class_uid").is_none() => detail,
        _ => record,
    };
    match field(inner, "findings") {
        Some(Value::Array(items)) if field(inner, "class_uid").is_none() => items,
        _ => std::slice::from_ref(inner),
    }
}

/// Reads one event by its class.
fn detected(event: &Value) -> Result<Detected, String> {
    if !event.is_object() {
        return Err(format!("expected an OCSF event as an object, found {}", type_name(event)));
    }
    let class = integer(event, "class_uid").or_else(|| integer(event, "type_uid").map(|t| t / 100));
    match class {
        Some(2000..=2999) => Ok(finding(event)),
        Some(class @ 1..=9999) => Ok(activity::read(event, class)),
        Some(other) => Err(format!("OCSF has no class {other}; classes have up to four digits")),
        None => Err("no `class_uid`, so this is no OCSF event".into()),
    }
}

fn finding(finding: &Value) -> Detected {
    let mut reasons = Vec::new();
    let details = subject::Details::of(finding, &mut reasons);
    let identity = subject::find(finding, &details, &mut reasons);
    let credential = named::find(finding, &details, &mut reasons);
    let secret = credential.as_ref().and_then(|c| c.secret.clone());
    let hide = |text: String| without(text, secret.as_ref(), ID_MIN);

    let system = system(finding);
    let mut cut = false;
    let mut bound = |text: Option<String>| {
        text.map(|text| {
            let (length, clean) = (text.len(), hide(text));
            // What replaces a secret is shorter than any that is taken out of an id.
            let whole = clean.len() == length;
            let (short, is_cut) = bounded(clean);
            cut |= is_cut || !whole;
            short
        })
    };
    let (native_id, name) = (bound(identity.native_id), bound(identity.name));
    let (system, credential_id) = (bound(system), bound(credential.as_ref().and_then(|c| c.id.clone())));
    let ip = ip(finding);
    let actor = Actor { native_id: bound(identity.other_id), name: bound(identity.other_name), ip };
    if cut {
        reasons
            .push("an id or name is over 1,024 characters or holds the credential itself; it is cut and names nobody for certain".into());
    }
    let resolvable = match (&native_id, &name, &system, &credential_id) {
        (Some(_), ..) | (None, Some(_), Some(_), _) if !cut => Resolvable::Yes,
        (None, None, _, None) if secret.is_some() => Resolvable::SecretOnly,
        (None, None, _, None) => {
            reasons.push("the finding names no identity and no credential".into());
            Resolvable::No
        }
        _ => Resolvable::Partial,
    };

    let about = nature::info(finding);
    let title = text(about, "title").or_else(|| text(finding, "message")).or_else(|| text(about, "desc"));
    let raw_title = without(title.unwrap_or_else(|| "Detection finding without a title".into()), secret.as_ref(), WORD_MIN);
    let kind = nature::kind(finding, &mut reasons);
    let sample = nature::sample(finding, [&native_id, &name, &credential_id], &mut reasons);
    nature::note_closed(finding, &mut reasons);
    let severity = severity(finding, &mut reasons);

    let part = |path: &[&str]| at(finding, path).and_then(as_said).unwrap_or_default();
    let uid = said(about, "uid").unwrap_or_else(|| part(&["metadata", "uid"]));
    if uid.is_empty() {
        reasons.push("no `finding_info.uid`; two deliveries are recognised by title, time and subject".into());
    }
    let last = ["last_seen_time", "last_seen_time_dt"].iter().filter_map(|n| said(about, n)).collect::<String>();
    let mut parts = [
        uid,
        part(&["type_uid"]),
        part(&["activity_id"]),
        last.into(),
        part(&["time"]),
        native_id.as_deref().unwrap_or_default().into(),
        name.as_deref().unwrap_or_default().into(),
        credential_id.as_deref().unwrap_or_default().into(),
        Cow::Borrowed(raw_title.as_str()),
    ];
    if secret.is_some() {
        parts = parts.map(|part| without(part, secret.as_ref(), WORD_MIN).into());
    }
    let dedupe_key = dedupe_key(NAME, &parts.each_ref().map(|part| part.as_ref()));

    let mut signal = Signal {
        source: NAME.into(),
        kind,
        title: Untrusted::new(raw_title).shortened(TITLE_MAX),
        observed_at: None,
        observed_at_from: ObservedFrom::Received,
        severity,
        vendor_confidence: confidence(finding).map(|c| bounded(hide(c)).0),
        sample,
        containment_evidence: false,
        unsigned: false,
        subject: Subject { resolvable, kind: identity.kind, native_id, name, system },
        credential: credential.map(|c| SignalCredential { kind: c.kind, id: credential_id, fingerprint: None }),
        actor,
        dedupe_key,
        reasons,
    };
    let info = |name| field(about, name);
    time::observe(
        &mut signal,
        [
            (ObservedFrom::Event, info("last_seen_time")),
            (ObservedFrom::Event, info("last_seen_time_dt")),
            (ObservedFrom::Event, info("first_seen_time")),
            (ObservedFrom::Event, info("first_seen_time_dt")),
            (ObservedFrom::VendorUpdate, info("modified_time")),
            (ObservedFrom::VendorUpdate, info("modified_time_dt")),
            (ObservedFrom::VendorUpdate, field(finding, "time")),
            (ObservedFrom::VendorUpdate, field(finding, "time_dt")),
            (ObservedFrom::VendorUpdate, info("created_time")),
            (ObservedFrom::VendorUpdate, info("created_time_dt")),
        ],
    );
    Detected { signal, secret }
}

/// `aws:111111111111`: the provider and the account whose ids these are.
fn system(finding: &Value) -> Option<String> {
    let provider = at(finding, &["cloud", "provider"])
        .and_then(as_said)
        .or_else(|| list(finding, "resources").iter().find_map(|r| said(r, "cloud_partition")))
        .map(|p| p.to_ascii_lowercase());
    let account = at(finding, &["cloud", "account", "uid"])
        .and_then(as_said)
        .or_else(|| subject::users(finding).find_map(|u| at(u, &["account", "uid"]).and_then(as_said)))
        .filter(|a| !crate::field::is_placeholder(a))
        .map(|a| Arn::of(&a).map_or_else(|| a.to_string(), |arn| arn.account.to_owned()));
    match (provider, account) {
        (Some(provider), Some(account)) => Some(format!("{provider}:{account}")),
        (None, Some(account)) => Some(account),
        (_, None) => None,
    }
}

/// The address that the evidence shows, if it is one.
fn ip(finding: &Value) -> Option<String> {
    let of = |value: &Value| {
        at(value, &["src_endpoint", "ip"]).and_then(crate::field::as_text).filter(|ip| ip.parse::<std::net::IpAddr>().is_ok())
    };
    list(finding, "evidences").iter().find_map(of).or_else(|| of(finding))
}

fn severity(finding: &Value, reasons: &mut Vec<String>) -> Severity {
    let vendor = text(finding, "severity").map(|s| bounded(s).0);
    let id = match integer(finding, "severity_id") {
        Some(id @ (0..=6 | 99)) => id as u8,
        Some(_) => {
            reasons.push("`severity_id` is outside 0 to 6 and 99 and counts as unknown".into());
            0
        }
        None => {
            reasons.push("no `severity_id`; the severity is unknown".into());
            0
        }
    };
    Severity { id, vendor }
}

/// The sender's own word on how sure it is.
fn confidence(finding: &Value) -> Option<String> {
    text(finding, "confidence")
        .or_else(|| text(finding, "confidence_score").map(|s| format!("score {s}")))
        .or_else(|| text(finding, "confidence_id").map(|i| format!("confidence_id {i}")))
}
