//! The mapper for detectors that nobody has written.
//!
//! It reads any record by what its fields mean: names of OCSF, of the Elastic
//! schema and of common use, and the forms of values (ARN, UPN, SPIFFE id, SID,
//! key id). Each choice says why and how sure it is, from 0 to 100; below
//! [`SURE`] an identity is only approached. People who work on an alert
//! (assignee, author, reporter, owner) are never its subject. `auto` asks it
//! last.

mod leaf;
mod role;

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, SignalKind};

use self::{
    leaf::{Leaf, leaves, unfolded},
    role::Found,
};
use crate::{
    claim::Claim,
    credential::{has_form_of_secret, weigh},
    field::{as_text, type_name},
    json::Value,
    message, severity, time, wording,
};

/// The detector's name.
pub const NAME: &str = "generic";
/// What it reads.
pub const READS: &str = "any JSON alert without a detector of its own, by the meaning of its fields";
const LISTS: &[&str] = &["alerts", "records", "findings", "results", "items", "events", "value", "hits", "incidents", "entries"];
/// From here on an identity counts as named.
const SURE: u8 = 75;
/// Below this nothing is taken.
const LEAST: u8 = 50;

/// Reads records.
pub fn read(bytes: &[u8]) -> Readout {
    message::read_parts(bytes, &|value, each| batch(value).iter().try_for_each(each), detected)
}

/// Whether `first` names an identity or a credential, and looks like an alert.
pub fn recognises(first: &Value) -> bool {
    let record = batch(first).first().unwrap_or(first);
    if !record.is_object() {
        return false;
    }
    let record = unfolded(record);
    let leaves = leaves(&record);
    let named = role::subject(&leaves, "").is_some_and(|f| f.confidence >= SURE) || credential(&leaves).is_some();
    let event = times(&leaves).next().is_some() || title(&leaves).is_some() || rated(&leaves).is_some();
    named && event
}

/// The records of a list whose outside is only a wrapper, else the record.
fn batch(record: &Value) -> &[Value] {
    let few = record.as_object().is_some_and(|map| map.len() <= 6);
    let parts = message::records(record, LISTS);
    if few && parts.iter().all(Value::is_object) { parts } else { std::slice::from_ref(record) }
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected an alert as an object, found {}", type_name(record)));
    }
    let record = unfolded(record);
    let read = claimed(&record, sent);
    Ok(read)
}

fn claimed(record: &Value, sent: Option<&Value>) -> Detected {
    let leaves = leaves(record);
    let mut claim = Claim::new(NAME);
    claim.because("no detector is written for this sender; the record is read by what its fields mean");
    let title = title(&leaves);
    let action = leaves.iter().filter(|l| l.ends(&["action"]) || l.ends(&["operation"])).find_map(|l| as_text(l.value)).unwrap_or_default();
    let words = format!("{} {action}", title.as_deref().unwrap_or_default());

    if is_leak(&leaves, &words) {
        claim.because("a report of a leaked secret names who typed, found or closed it, none of whom is its subject");
    } else if let Some(found) = role::subject(&leaves, &words) {
        take(found, &mut claim);
    }
    if let Some((kind, id, why)) = credential(&leaves) {
        claim.because(why);
        claim.credential = Some((kind, id));
    }
    if let Some((text, kind)) = secret(&leaves) {
        let weighed = weigh(text);
        claim.reasons.extend(weighed.reason.map(str::to_owned));
        if weighed.secret.is_some() {
            claim.because("a field that holds a secret by its name or form is treated as one");
            let (given, id) = claim.credential.take().unwrap_or((CredentialKind::Unknown, None));
            let given = if given == CredentialKind::Unknown { weighed.kind.unwrap_or(kind) } else { given };
            claim.credential = Some((given, id.or(weighed.id)));
            claim.secret = weighed.secret;
        }
    }
    claim.kind = match wording::kind(&words) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the title or the action"));
            kind
        }
        None if claim.secret.is_some() => SignalKind::LeakedSecret,
        None => SignalKind::Other,
    };
    claim.title = title.unwrap_or_else(|| "Alert of an unknown detector".into());
    if let Some(rated) = rated(&leaves) {
        claim.severity = rated;
    }
    claim.ip = leaves.iter().filter(|l| l.is_source_address()).find_map(|l| as_text(l.value).and_then(crate::claim::address));
    claim.sample = leaves.iter().any(|l| l.own_is(&["sample"]) && l.value.as_bool() == Some(true));
    let ids = leaves.iter().filter(|l| l.is_event_id()).take(3).filter_map(|l| as_text(l.value));
    let seen = times(&leaves).next().and_then(|(_, value)| value.and_then(as_text));
    claim.event = ids.chain(seen).chain([claim.title.clone(), action]).filter(|t| !has_form_of_secret(t)).collect();
    claim.detected(times(&leaves).chain([(ObservedFrom::VendorUpdate, sent)]))
}

/// A scanner's report: it names a place and a value, and people who handled them.
fn is_leak(leaves: &[Leaf<'_>], words: &str) -> bool {
    let lower: String = words.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let reported = [&["secret"][..], &["secret", "type"], &["secret", "value"], &["raw", "secret"]];
    leaves.iter().any(|l| l.depth <= 2 && reported.iter().any(|n| l.own_is(n)))
        || lower.contains("secretscan")
        || lower.contains("secretdetect")
}

/// Takes the identity over, with the reason and how sure it is.
fn take(found: Found, claim: &mut Claim) {
    claim.because(format!("the subject is {}; confidence {} of 100", found.why, found.confidence));
    if found.others > 0 {
        claim.because(format!("{} other identities are named, too", found.others));
    }
    claim.partial = found.confidence < SURE;
    claim.system = found.system;
    claim.subject = found.who;
    if found.is_target {
        claim.because("the record changes somebody's access and is about that somebody");
    }
    if claim.subject.kind == IdentityKind::Unknown {
        claim.because("nothing shows whether a person or a workload holds this identity");
    }
}

/// The id of a credential, by the form of the value or the name of the field.
fn credential(leaves: &[Leaf<'_>]) -> Option<(CredentialKind, Option<String>, &'static str)> {
    let by_form = leaves.iter().filter_map(|l| l.value.as_str()).find(|t| crate::credential::is_aws_key_id(t));
    if let Some(id) = by_form {
        return Some((CredentialKind::AccessKey, Some(id.to_owned()), "an access key id is known by its form; confidence 95 of 100"));
    }
    const NAMES: &[(&[&str], CredentialKind)] = &[
        (&["access", "key", "id"], CredentialKind::AccessKey),
        (&["api", "key", "id"], CredentialKind::ApiKey),
        (&["service", "account", "key", "name"], CredentialKind::ServiceAccountKey),
        (&["service", "account", "key", "id"], CredentialKind::ServiceAccountKey),
        (&["private", "key", "id"], CredentialKind::ServiceAccountKey),
        (&["credential", "id"], CredentialKind::Unknown),
        (&["credential", "uid"], CredentialKind::Unknown),
        (&["token", "id"], CredentialKind::Token),
        (&["jti"], CredentialKind::Token),
        (&["session", "id"], CredentialKind::Session),
        (&["certificate", "serial", "number"], CredentialKind::Certificate),
        (&["certificate", "serial"], CredentialKind::Certificate),
    ];
    let named = NAMES.iter().find_map(|(name, kind)| {
        let leaf = leaves.iter().find(|l| l.ends(name) && !l.is_never())?;
        let id = as_text(leaf.value).filter(|t| !crate::field::is_placeholder(t))?;
        Some((*kind, Some(id.rsplit("/keys/").next().unwrap_or(&id).to_owned())))
    });
    named.map(|(kind, id)| (kind, id, "a credential is known by the name of its field; confidence 70 of 100"))
}

/// A value that is a secret by its form, or by the name of its field.
fn secret(leaves: &[Leaf<'_>]) -> Option<(String, CredentialKind)> {
    const NAMES: &[(&[&str], CredentialKind)] = &[
        (&["password"], CredentialKind::Password),
        (&["passwd"], CredentialKind::Password),
        (&["secret"], CredentialKind::Unknown),
        (&["secret", "value"], CredentialKind::Unknown),
        (&["secret", "key"], CredentialKind::Unknown),
        (&["secret", "access", "key"], CredentialKind::AccessKey),
        (&["client", "secret"], CredentialKind::OauthClient),
        (&["api", "key"], CredentialKind::ApiKey),
        (&["access", "token"], CredentialKind::Token),
        (&["session", "token"], CredentialKind::Session),
        (&["refresh", "token"], CredentialKind::RefreshToken),
        (&["private", "key"], CredentialKind::Unknown),
    ];
    let text = |leaf: &Leaf<'_>| leaf.value.as_str().filter(|t| t.trim().len() >= 8).map(str::to_owned);
    let by_form = leaves.iter().filter_map(text).find(|t| has_form_of_secret(t)).map(|t| (t, CredentialKind::Token));
    by_form.or_else(|| NAMES.iter().find_map(|(name, kind)| leaves.iter().filter(|l| l.own_is(name)).find_map(text).map(|t| (t, *kind))))
}

/// What happened, in the sender's words: the shallowest field of the best name.
fn title(leaves: &[Leaf<'_>]) -> Option<String> {
    const NAMES: &[&[&str]] = &[
        &["title"],
        &["rule", "name"],
        &["rule", "title"],
        &["alert", "name"],
        &["display", "name"],
        &["event", "name"],
        &["summary"],
        &["description"],
        &["message"],
        &["event", "type"],
        &["event", "type", "name"],
        &["operation", "name"],
        &["name"],
        &["rule"],
        &["action"],
        &["event"],
        &["type"],
    ];
    NAMES.iter().find_map(|name| {
        let fits = leaves.iter().filter(|l| l.ends(name) && l.depth <= 3 && (name.len() > 1 || l.own.len() == 1));
        let fits =
            fits.filter(|l| l.value.is_string() && (*name != ["name"] || l.depth == 0) && (*name != ["display", "name"] || l.depth == 0));
        fits.min_by_key(|l| l.depth).and_then(|l| as_text(l.value)).filter(|t| !has_form_of_secret(t))
    })
}

fn rated(leaves: &[Leaf<'_>]) -> Option<quell_core::signal::Severity> {
    const NAMES: &[&[&str]] =
        &[&["severity", "id"], &["severity", "label"], &["severity"], &["urgency"], &["criticality"], &["risk", "level"], &["priority"]];
    NAMES.iter().find_map(|name| {
        let leaf = leaves.iter().filter(|l| l.ends(name) && l.depth <= 3).min_by_key(|l| l.depth)?;
        let text = as_text(leaf.value)?;
        // Only OCSF defines a number; elsewhere its scale is not known.
        if *name == ["severity", "id"] && leaves.iter().any(|l| l.own_is(&["class", "uid"])) {
            let id = text.parse::<u8>().ok().filter(|id| *id <= 6 || *id == 99)?;
            return Some(quell_core::signal::Severity { id, vendor: None });
        }
        let rated = severity::of_word(&text);
        (rated.id > 0 || *name == ["severity"]).then_some(rated)
    })
}

/// The times, best first: of the event, then of the sender's update.
fn times<'a>(leaves: &[Leaf<'a>]) -> impl Iterator<Item = (ObservedFrom, Option<&'a Value>)> + use<'a> {
    const NAMES: &[(&[&str], ObservedFrom)] = &[
        (&["original", "time"], ObservedFrom::Event),
        (&["orig", "time"], ObservedFrom::Event),
        (&["event", "time"], ObservedFrom::Event),
        (&["last", "seen", "time"], ObservedFrom::Event),
        (&["event", "last", "seen"], ObservedFrom::Event),
        (&["last", "activity", "date", "time"], ObservedFrom::Event),
        (&["last", "activity"], ObservedFrom::Event),
        (&["last", "observed", "at"], ObservedFrom::Event),
        (&["request", "received", "timestamp"], ObservedFrom::Event),
        (&["occurred", "at"], ObservedFrom::Event),
        (&["occurred"], ObservedFrom::Event),
        (&["observed", "at"], ObservedFrom::Event),
        (&["event", "start"], ObservedFrom::Event),
        (&["start", "time"], ObservedFrom::Event),
        (&["utc", "timestamp"], ObservedFrom::Event),
        (&["published"], ObservedFrom::Event),
        (&["event", "timestamp"], ObservedFrom::Event),
        (&["timestamp"], ObservedFrom::Event),
        (&["timestamp", "derived"], ObservedFrom::Event),
        (&["date", "create"], ObservedFrom::Event),
        (&["when"], ObservedFrom::Event),
        (&["date", "time"], ObservedFrom::Event),
        (&["time"], ObservedFrom::Event),
        (&["date"], ObservedFrom::Event),
        (&["detected", "at"], ObservedFrom::VendorUpdate),
        (&["created", "at"], ObservedFrom::VendorUpdate),
        (&["created", "time"], ObservedFrom::VendorUpdate),
        (&["create", "time"], ObservedFrom::VendorUpdate),
        (&["created", "date", "time"], ObservedFrom::VendorUpdate),
        (&["created"], ObservedFrom::VendorUpdate),
        (&["updated", "at"], ObservedFrom::VendorUpdate),
    ];
    let mut found: Vec<(ObservedFrom, Option<&'a Value>)> = Vec::new();
    for (name, from) in NAMES {
        let fits = leaves.iter().filter(|l| l.ends(name) && l.depth <= 4 && !l.is_never());
        let readable = fits.filter(|l| time::moment(l.value).is_some()).min_by_key(|l| l.depth);
        found.extend(readable.map(|l| (*from, Some(l.value))));
    }
    found.into_iter()
}
