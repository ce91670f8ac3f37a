//! Hits of Sigma rules: the event that matched, as evtx tools export it, or with
//! the rule around it, as Chainsaw, Hayabusa and Zircolite write it.
//!
//! A rule has an author, who is nobody's subject. Levels of a rule are its
//! severity; a bare event has none. Formats of Chainsaw 2, Hayabusa 3 and
//! Zircolite 2 (read 2026-11).

use quell_core::signal::{Detected, ObservedFrom, Readout};

use crate::{
    claim::Claim,
    field::{at, field, list, text, type_name},
    json::{self, Found, Value},
    reading::Reading,
    severity,
    windows::{Account, event::Event},
    wording,
};

/// The detector's name.
pub const NAME: &str = "sigma-hit";
/// What it reads.
pub const READS: &str = "hits of Sigma rules: matched Windows and cloud events, Chainsaw, Hayabusa, Zircolite";

/// Reads hits. A rule of Zircolite has many matches, each of which is one.
pub fn read(bytes: &[u8]) -> Readout {
    let mut reading = Reading::default();
    json::each_sent(bytes, &mut |found, sent| match found {
        Found::Document(value) | Found::Element(value) => match field(&value, "matches") {
            Some(Value::Array(matches)) if !matches.is_empty() => {
                matches.iter().try_for_each(|hit| reading.record(detected(&value, hit, sent)))
            }
            _ => reading.record(detected(&value, inner(&value), sent)),
        },
        Found::Broken(reason) => reading.record(Err(reason)),
    });
    if reading.records() == 0 {
        let _: std::ops::ControlFlow<()> = reading.record(Err("the message holds no record".into()));
    }
    reading.finish()
}

/// Whether `first` is a Windows event or a hit with its rule.
pub fn recognises(first: &Value) -> bool {
    let others = ["kibana", "kibana.alert.uuid", "wazuh", "agent", "signal", "class_uid"].iter().any(|n| field(first, n).is_some());
    !others && (Event::of(first).is_some() || is_hit(first))
}

fn is_hit(record: &Value) -> bool {
    let chainsaw = field(record, "document").or_else(|| field(record, "documents")).is_some() && text(record, "name").is_some();
    let zircolite = field(record, "matches").is_some_and(Value::is_array) && field(record, "rule_level").is_some();
    let hayabusa = text(record, "RuleTitle").is_some() && field(record, "Level").is_some();
    chainsaw || zircolite || hayabusa
}

/// The event that matched, out of Chainsaw's document.
fn inner(record: &Value) -> &Value {
    let document = field(record, "document").or_else(|| list(record, "documents").first());
    document.map_or(record, |d| field(d, "data").unwrap_or(d))
}

fn detected(rule: &Value, hit: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !hit.is_object() {
        return Err(format!("expected an event as an object, found {}", type_name(hit)));
    }
    let mut claim = Claim::new(NAME);
    let hit_of_rule = is_hit(rule);
    let carried = super::read_carried(hit, &mut claim);
    if carried.is_none() && !hit_of_rule {
        return Err("neither a Windows event, nor a cloud event, nor a hit with its rule".into());
    }
    if hit_of_rule {
        let get = |names: &[&str]| names.iter().find_map(|n| text(rule, n));
        if !claim.subject.is_somebody() {
            details(rule, &mut claim);
        }
        claim.title = get(&["RuleTitle", "title", "name"]).unwrap_or_default();
        if let Some((kind, word)) = wording::kind(&claim.title) {
            claim.because(format!("the kind is read from `{word}` in the rule's title"));
            claim.kind = kind;
        }
        claim.severity = get(&["rule_level", "Level", "level"]).map_or_else(severity::unrated, |w| severity::of_word(level(&w)));
        claim.event.push(get(&["RuleID", "id"]).unwrap_or_else(|| claim.title.clone()));
        claim.event.push(get(&["Timestamp", "timestamp"]).unwrap_or_default());
        claim.event.push(get(&["RecordID"]).unwrap_or_default());
    }
    let time = carried.flatten();
    Ok(claim.detected([
        (ObservedFrom::Event, time.as_ref()),
        (ObservedFrom::Event, field(rule, "timestamp")),
        (ObservedFrom::VendorUpdate, sent),
    ]))
}

/// Hayabusa shortens words.
fn level(word: &str) -> &str {
    match word.to_ascii_lowercase().as_str() {
        "crit" => "critical",
        "med" => "medium",
        "info" => "informational",
        _ => word,
    }
}

/// Hayabusa's details: `TgtUser`, `SrcUser` and `User` beside a record number.
fn details(rule: &Value, claim: &mut Claim) {
    let Some(details) = at(rule, &["Details"]).filter(|d| d.is_object()) else { return };
    let host = text(rule, "Computer");
    for name in ["User", "SrcUser", "SubjUser", "TgtUser"] {
        let sid = text(details, &name.replace("User", "SID"));
        let (who, system) = Account { name: text(details, name), sid, host: host.clone(), ..Account::default() }.identity();
        if who.is_somebody() {
            claim.subject = who;
            claim.system = system;
            return;
        }
    }
}
