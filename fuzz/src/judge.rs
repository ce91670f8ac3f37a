//! What must hold for every answer of a detector, whatever the message was.

use std::collections::BTreeSet;

use quell_core::signal::{Readout, Resolvable, Signal};
use serde_json::Value;

use crate::ground::Ground;

/// Detectors that report by scan, so that a report may say nothing.
pub const SILENT: &[&str] = &["detect-secrets", "gitguardian", "github-secret-scanning", "gitleaks", "trufflehog"];

/// Words of ours in names that are put together: what stands in place of a secret, and
/// what a pod, its account or one of a machine is called.
pub const OURS: &[&str] = &["removed", "pod", "service", "account", "of", "on"];

/// Judges a readout of the detector `name`; the sentence that broke.
///
/// # Errors
///
/// What does not hold. It may quote the input: it is for whoever mends the detector.
pub fn readout(name: &str, ground: Option<&Ground>, readout: &Readout) -> Result<(), String> {
    must(readout.signals.len() <= 50_000 && readout.unreadable.len() <= 1_002, || "more answers than one message may give".into())?;
    for unreadable in &readout.unreadable {
        must(!unreadable.reason.is_empty() && unreadable.reason.len() < 1_000, || {
            format!("a reason of {} bytes", unreadable.reason.len())
        })?;
    }
    for detected in &readout.signals {
        let signal = &detected.signal;
        must(signal.source == name, || format!("the source is `{}`", signal.source))?;
        shape(signal)?;
        identity(signal, ground)?;
        line(signal)?;
        if let Some(secret) = &detected.secret {
            must(signal.credential.is_some(), || "a secret without a credential is never fingerprinted".into())?;
            hidden(signal, secret.expose())?;
        }
    }
    Ok(())
}

/// What an answer is like, in our own words: what tells one way through a detector
/// from another.
pub fn traits(readout: &Readout) -> BTreeSet<String> {
    let ours = |text: &str| text.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty()).take(12).collect::<Vec<_>>().join(" ");
    let mut all: BTreeSet<String> = readout.unreadable.iter().map(|u| ours(&u.reason)).collect();
    for detected in &readout.signals {
        let (signal, subject) = (&detected.signal, &detected.signal.subject);
        all.extend(signal.reasons.iter().map(|r| ours(r)));
        let given = [&subject.native_id, &subject.name, &subject.system, &signal.actor.native_id, &signal.actor.ip].map(Option::is_some);
        all.insert(format!(
            "{:?} {:?} {:?} {:?} {:?} {given:?} {}",
            signal.kind,
            subject.resolvable,
            subject.kind,
            signal.credential.as_ref().map(|c| c.kind),
            signal.observed_at_from,
            detected.secret.is_some()
        ));
    }
    all
}

fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn ids(signal: &Signal) -> [&Option<String>; 7] {
    let (subject, actor) = (&signal.subject, &signal.actor);
    [&subject.native_id, &subject.name, &subject.system, &actor.native_id, &actor.name, &actor.ip, &signal.severity.vendor]
}

fn shape(signal: &Signal) -> Result<(), String> {
    must(signal.title.raw().chars().count() <= 300, || "the title is over 300 characters".into())?;
    let long = ids(signal).into_iter().flatten().find(|id| id.chars().count() > 1_024);
    must(long.is_none(), || "an id is over 1,024 characters".into())?;
    must(matches!(signal.severity.id, 0..=6 | 99), || format!("severity {}", signal.severity.id))?;
    must(signal.credential.as_ref().is_none_or(|c| c.fingerprint.is_none()), || "a detector knows no fingerprint".into())
}

/// Nobody is invented, and nobody is lost.
fn identity(signal: &Signal, ground: Option<&Ground>) -> Result<(), String> {
    let subject = &signal.subject;
    let named = subject.native_id.is_some() || subject.name.is_some();
    match subject.resolvable {
        Resolvable::Yes => must(named, || "resolvable `yes`, and nobody is named".into())?,
        Resolvable::No | Resolvable::SecretOnly => {
            must(!named, || format!("resolvable `{:?}`, and somebody is named", subject.resolvable))?
        }
        Resolvable::Partial => {}
    }
    let Some(ground) = ground else { return Ok(()) };
    for name in [&subject.native_id, &subject.name, &signal.actor.native_id, &signal.actor.name].into_iter().flatten() {
        if let Some(word) = ground.missing(name) {
            return Err(format!("`{name}` is invented: `{word}` stands nowhere in the message"));
        }
    }
    Ok(())
}

/// It prints as one line that says the same when it is read.
fn line(signal: &Signal) -> Result<(), String> {
    let printed = serde_json::to_string(signal).map_err(|e| e.to_string())?;
    must(printed.len() < 40_000, || format!("a signal of {} bytes", printed.len()))?;
    must(!printed.bytes().any(|b| b < b' '), || "the line holds a control character".into())?;
    let read: Value = serde_json::from_str(&printed).map_err(|e| e.to_string())?;
    must(serde_json::to_value(signal).is_ok_and(|value| value == read), || "the line reads as something else".into())
}

/// A secret shows nowhere else.
fn hidden(signal: &Signal, secret: &str) -> Result<(), String> {
    let ours = signal.reasons.join("\n");
    let least = secret.chars().count();
    // Words of ours may happen to be the secret; then the shown text is not made from it.
    if least >= 12 {
        let shown = [signal.title.raw(), &signal.dedupe_key, &ours, signal.vendor_confidence.as_deref().unwrap_or("")];
        must(!shown.iter().any(|text| text.contains(secret)), || "the secret shows in a title, key or reason".into())?;
    }
    // A password that is the account's own name must not cost the account its name.
    if least >= 16 {
        let credential = signal.credential.as_ref().and_then(|c| c.id.as_ref());
        must(!ids(signal).into_iter().flatten().chain(credential).any(|id| id.contains(secret)), || "the secret shows in an id".into())?;
    }
    Ok(())
}
