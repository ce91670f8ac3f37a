//! Quell's own format: a signal as `quell alert normalise` prints it.
//!
//! For senders without a detector of their own. Every field but one that says
//! whom or what it is about may be absent. Claims are weakened, never believed
//! beyond what is there: an identity counts as named only if a name is there, a
//! fingerprint from outside is no possession, reasons are ours. A secret goes
//! into `credential.secret` and leaves as a `Secret`.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::{
    secret::Secret,
    signal::{
        Actor, CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, Resolvable, Severity, Signal, SignalCredential, SignalKind,
        Subject,
    },
    untrusted::Untrusted,
};
use serde::de::DeserializeOwned;

use crate::{
    credential::{has_form_of_secret, weigh},
    field::{as_text, at, bounded, field, integer, is_placeholder, text, text_at, truth, type_name},
    json::{self, Found},
    reading::{ID_MIN, Reading, TITLE_MAX, WORD_MIN, dedupe_key, without},
    time,
};

/// The detector's name.
pub const NAME: &str = "quell";
/// What it reads.
pub const READS: &str = "Quell's own format: one signal, an array, or JSON Lines";
const FIELDS: [&str; 14] = [
    "source",
    "kind",
    "title",
    "observed_at",
    "observed_at_from",
    "severity",
    "vendor_confidence",
    "sample",
    "containment_evidence",
    "subject",
    "credential",
    "actor",
    "dedupe_key",
    "reasons",
];

/// Reads one message.
pub fn read(bytes: &[u8]) -> Readout {
    let mut reading = Reading::default();
    json::each(bytes, &mut |found| match found {
        Found::Document(value) | Found::Element(value) => {
            let flow: ControlFlow<()> = reading.record(detected(&value));
            flow
        }
        Found::Broken(reason) => reading.record(Err(reason)),
    });
    if reading.records() == 0 {
        let _ = reading.record(Err("the array holds no signal".into()));
    }
    reading.finish()
}

/// Whether `first` is a signal of ours: its kind is a word we know, and it is
/// about something.
pub fn recognises(first: &Value) -> bool {
    first.get("kind").is_some_and(|k| word::<SignalKind>(k).is_some())
        && ["subject", "credential", "title", "source"].iter().any(|name| first.get(name).is_some())
}

fn detected(value: &Value) -> Result<Detected, String> {
    if !value.is_object() {
        return Err(format!("expected a signal as an object, found {}", type_name(value)));
    }
    const ABOUT: [&[&str]; 5] =
        [&["title"], &["subject", "native_id"], &["subject", "name"], &["credential", "id"], &["credential", "secret"]];
    if !ABOUT.iter().any(|path| at(value, path).is_some()) {
        return Err("none of `title`, `subject.native_id`, `subject.name`, `credential.id` and `credential.secret` is given".into());
    }
    let mut reasons = Vec::new();
    let unknown = value.as_object().map_or(0, |map| map.keys().filter(|k| !FIELDS.iter().any(|f| k.eq_ignore_ascii_case(f))).count());
    if unknown > 0 {
        reasons.push(format!("{unknown} field(s) that the format does not have were not read"));
    }
    let (secret, credential) = credential(value, &mut reasons);

    let mut ids = Ids { secret: secret.as_ref(), cut: false, placeholder: false };
    let native_id = ids.take(value, &["subject", "native_id"]);
    let name = ids.take(value, &["subject", "name"]);
    let system = ids.take(value, &["subject", "system"]);
    let credential = credential.map(|(kind, id)| SignalCredential { kind, id: id.and_then(|id| ids.keep(id)), fingerprint: None });
    let ip = ids.take(value, &["actor", "ip"]).filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    let actor = Actor { native_id: ids.take(value, &["actor", "native_id"]), name: ids.take(value, &["actor", "name"]), ip };
    let claim = |path: &[&str]| text_at(value, path).map(|claim| bounded(without(&claim, secret.as_ref(), WORD_MIN)).0);
    let (vendor, vendor_confidence) = (claim(&["severity", "vendor"]), claim(&["vendor_confidence"]));
    if ids.placeholder {
        reasons.push("a placeholder stands where a name or id belongs and names nothing".into());
    }
    if ids.cut {
        reasons
            .push("an id or name is over 1,024 characters or holds the credential itself; it is cut and names nobody for certain".into());
    }
    let has_credential_id = credential.as_ref().is_some_and(|c| c.id.is_some());
    let named = match (&native_id, &name, &system) {
        (Some(_), ..) | (None, Some(_), Some(_)) if !ids.cut => Resolvable::Yes,
        (None, None, _) if !has_credential_id && secret.is_some() => Resolvable::SecretOnly,
        (None, None, _) if !has_credential_id => Resolvable::No,
        _ => Resolvable::Partial,
    };
    let resolvable = resolvable(field(value, "subject"), named, &mut reasons);
    let kind = match field(value, "kind").map(word) {
        Some(Some(kind)) => kind,
        _ => {
            reasons.push("`kind` is absent or not one of the words of the format and counts as `other`".into());
            SignalKind::Other
        }
    };
    let identity_kind = at(value, &["subject", "kind"]).and_then(word).unwrap_or(IdentityKind::Unknown);
    let severity = Severity { id: severity(value, &mut reasons), vendor };
    if text(value, "source").is_some_and(|s| s != NAME) {
        reasons.push("the sender relays the reading of another detector".into());
    }

    let hide = |text: String| without(&text, secret.as_ref(), WORD_MIN);
    let title = hide(text(value, "title").unwrap_or_else(|| "Signal without a title".into()));
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let time_text = text(value, "observed_at").unwrap_or_default();
    let parts = match text(value, "dedupe_key") {
        Some(key) => vec![key, or_empty(&native_id)],
        None => {
            let id = credential.as_ref().map_or_else(String::new, |c| or_empty(&c.id));
            vec![format!("{kind:?}"), title.clone(), time_text, or_empty(&native_id), or_empty(&name), or_empty(&system), id]
        }
    };
    let parts: Vec<String> = parts.into_iter().map(hide).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();

    let mut signal = Signal {
        source: NAME.into(),
        kind,
        title: Untrusted::new(title).shortened(TITLE_MAX),
        observed_at: None,
        observed_at_from: ObservedFrom::Received,
        severity,
        vendor_confidence,
        sample: truth(value, "sample").unwrap_or(false),
        containment_evidence: truth(value, "containment_evidence").unwrap_or(false) || kind == SignalKind::Containment,
        unsigned: false,
        subject: Subject { resolvable, kind: identity_kind, native_id, name, system },
        credential,
        actor,
        dedupe_key: dedupe_key(NAME, &parts),
        reasons,
    };
    // What the sender calls received is its own receipt, not ours.
    let from = match field(value, "observed_at_from").and_then(word) {
        Some(ObservedFrom::VendorUpdate | ObservedFrom::Received) => ObservedFrom::VendorUpdate,
        Some(ObservedFrom::Event) | None => ObservedFrom::Event,
    };
    time::observe(&mut signal, [(from, field(value, "observed_at"))]);
    Ok(Detected { signal, secret })
}

/// The secret, and kind and id of the credential, if one is named.
fn credential(value: &Value, reasons: &mut Vec<String>) -> (Option<Secret>, Option<(CredentialKind, Option<String>)>) {
    let Some(given) = field(value, "credential") else { return (None, None) };
    if !given.is_object() {
        reasons.push(format!("`credential` is {} and not an object; it was not read", type_name(given)));
        return (None, None);
    }
    let mut kind = field(given, "kind").and_then(word).unwrap_or(CredentialKind::Unknown);
    let mut id = text(given, "id");
    let mut secret = None;
    if let Some(sent) = field(given, "secret").and_then(as_text) {
        let weighed = weigh(sent);
        reasons.extend(weighed.reason.map(str::to_owned));
        if kind == CredentialKind::Unknown {
            kind = weighed.kind.unwrap_or(kind);
        }
        id = id.or(weighed.id);
        secret = weighed.secret;
    } else if field(given, "secret").is_some() {
        reasons.push("`credential.secret` is empty or not text; there is nothing to fingerprint".into());
    }
    if id.as_deref().is_some_and(has_form_of_secret) {
        reasons.push("the value given as the credential's id has the form of the credential itself and is treated as such".into());
        secret = secret.or(id.take().map(Secret::new));
        id = None;
    }
    if field(given, "fingerprint").is_some() {
        reasons.push("a fingerprint from outside proves no possession and was not taken; send the value in `credential.secret`".into());
    }
    (secret, Some((kind, id)))
}

/// The weaker of what the sender claims and what is there.
fn resolvable(subject: Option<&Value>, named: Resolvable, reasons: &mut Vec<String>) -> Resolvable {
    let claimed = subject.and_then(|s| field(s, "resolvable")).and_then(word::<Resolvable>);
    match (claimed, named) {
        (Some(Resolvable::Partial), Resolvable::Yes) => Resolvable::Partial,
        (Some(claimed), named) if claimed != named => {
            reasons.push("`subject.resolvable` does not agree with what is named; what is named counts".into());
            named
        }
        _ => named,
    }
}

fn severity(value: &Value, reasons: &mut Vec<String>) -> u8 {
    let given = match field(value, "severity") {
        Some(severity @ Value::Object(_)) => integer(severity, "id"),
        Some(_) => integer(value, "severity"),
        None => return 0,
    };
    match given {
        Some(id @ (0..=6 | 99)) => id as u8,
        _ => {
            reasons.push("`severity.id` is absent or outside 0 to 6 and 99 and counts as unknown".into());
            0
        }
    }
}

/// A word of the format, as our own types spell it.
fn word<T: DeserializeOwned>(value: &Value) -> Option<T> {
    value.as_str().and_then(|text| T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text.trim())).ok())
}

/// Names and ids on their way into the signal.
struct Ids<'a> {
    secret: Option<&'a Secret>,
    cut: bool,
    placeholder: bool,
}

impl Ids<'_> {
    fn take(&mut self, value: &Value, path: &[&str]) -> Option<String> {
        text_at(value, path).and_then(|text| self.keep(text))
    }

    fn keep(&mut self, text: String) -> Option<String> {
        if is_placeholder(&text) {
            self.placeholder = true;
            return None;
        }
        let clean = without(&text, self.secret, ID_MIN);
        let (short, cut) = bounded(clean);
        self.cut |= cut || short != text;
        Some(short)
    }
}
