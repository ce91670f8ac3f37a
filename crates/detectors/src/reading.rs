//! The answer to one message, as it grows.
//!
//! Counts records, bounds what one message may give, and keeps each secret out
//! of the text beside it; what has the form of a secret gets into no text,
//! wherever a sender put it. What is over the bounds is not dropped in silence:
//! one last unreadable record says so, and the bytes stay sealed with the alert.

use std::{borrow::Cow, ops::ControlFlow};

use quell_core::{
    secret::{Secret, sha256},
    signal::{Detected, IdentityKind, Readout, Resolvable, Signal, Unreadable},
    untrusted::Untrusted,
};

use crate::credential::{has_form_of_secret, may_hold_secret};

/// Signals of one message.
const SIGNALS_MAX: usize = 100_000;
/// Unreadable records of one message that are told one by one.
const UNREADABLE_MAX: usize = 1_000;
/// Longest title, in characters.
pub const TITLE_MAX: usize = 300;
/// Shortest secret that is taken out of titles and names. What is shorter would
/// tear holes into ordinary words, and hiding it protects nothing.
pub const WORD_MIN: usize = 4;
/// Shortest secret that is taken out of ids: a password that is the account's
/// own name must not cost the account its name.
pub const ID_MIN: usize = 16;
/// What replaces a secret inside other text.
const REMOVED: &str = "[removed]";

/// A readout in the making.
#[derive(Default)]
pub struct Reading {
    readout: Readout,
    next: u64,
    untold: u64,
    full: bool,
}

impl Reading {
    /// Adds the reading of the next record, or the reason why there is none.
    /// Breaks once the message has given all it may.
    pub fn record(&mut self, read: Result<Detected, String>) -> ControlFlow<()> {
        let record = self.next;
        self.next += 1;
        match read {
            Ok(_) if self.readout.signals.len() >= SIGNALS_MAX => {
                let reason =
                    format!("records from here on are not read: one message gives at most {SIGNALS_MAX} signals; send it in parts");
                self.readout.unreadable.push(Unreadable { record, reason });
                self.full = true;
            }
            Ok(mut detected) => {
                let carried = detected.secret.is_some();
                hide(&mut detected.signal, carried);
                self.readout.signals.push(detected);
            }
            Err(reason) if self.readout.unreadable.len() < UNREADABLE_MAX => self.readout.unreadable.push(Unreadable { record, reason }),
            Err(_) => self.untold += 1,
        }
        if self.full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Counts a record that says nothing, by the word of whoever wrote its mapping.
    pub fn pass_over(&mut self) {
        self.next += 1;
    }

    /// How many records there were.
    pub fn records(&self) -> u64 {
        self.next
    }

    /// The answer.
    pub fn finish(mut self) -> Readout {
        if self.untold > 0 {
            let reason = format!("{} more records could not be read", self.untold);
            self.readout.unreadable.push(Unreadable { record: self.next - 1, reason });
        }
        self.readout.records = self.next;
        self.readout
    }
}

/// A key that is equal for two deliveries of one event: the detector's name and
/// SHA-256 over the parts with their lengths. No part may hold a secret or be
/// made from one; two events that differ only in their secret are told apart by
/// the fingerprint.
pub fn dedupe_key(source: &str, parts: &[&str]) -> String {
    let mut all = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part.as_bytes());
    }
    format!("{source}:{}", sha256(&all))
}

/// `text` with the secret taken out, where that has at least `least` characters.
pub fn without<'a>(text: impl Into<Cow<'a, str>>, secret: Option<&Secret>, least: usize) -> String {
    let text = text.into();
    match secret.map(Secret::expose) {
        Some(hidden) if hidden.chars().count() >= least => text.replace(hidden, REMOVED),
        _ => text.into_owned(),
    }
}

/// `text` without the words that have the form of a secret, and without anything
/// from the beginning of a private key on.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !may_hold_secret(text) {
        return Cow::Borrowed(text);
    }
    if let Some((before, _)) = text.split_once("-----BEGIN ") {
        return Cow::Owned(plain(before).into_owned() + REMOVED);
    }
    // What stands in no token parts words: a domain before a name, an address's marks.
    let is_edge = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_' | '+' | '~');
    if !text.split(is_edge).any(has_form_of_secret) {
        return Cow::Borrowed(text);
    }
    let words = text.split_inclusive(is_edge).map(|word| {
        let bare = word.trim_end_matches(is_edge);
        if has_form_of_secret(bare) { format!("{REMOVED}{}", &word[bare.len()..]) } else { word.to_owned() }
    });
    Cow::Owned(words.collect())
}

/// Takes what has the form of a secret out of every text of `signal`. An id or
/// name with such a word is none.
fn hide(signal: &mut Signal, carries_secret: bool) {
    if let Cow::Owned(clean) = plain(signal.title.raw()) {
        signal.title = Untrusted::new(clean);
    }
    for text in [&mut signal.subject.system, &mut signal.severity.vendor, &mut signal.vendor_confidence].into_iter().flatten() {
        if let Cow::Owned(clean) = plain(text) {
            *text = clean;
        }
    }
    let mut lost = false;
    let mut keep = |id: &mut Option<String>| {
        if id.as_ref().is_some_and(|text| matches!(plain(text), Cow::Owned(_))) {
            *id = None;
            lost = true;
        }
    };
    keep(&mut signal.actor.native_id);
    keep(&mut signal.actor.name);
    if let Some(credential) = &mut signal.credential {
        keep(&mut credential.id);
    }
    keep(&mut signal.subject.native_id);
    keep(&mut signal.subject.name);
    if !lost {
        return;
    }
    signal.reasons.push("an id or name had the form of a secret and is left out".into());
    let named = signal.subject.native_id.is_some() || signal.subject.name.is_some();
    let known = signal.credential.as_ref().is_some_and(|c| c.id.is_some());
    signal.subject.resolvable = match (signal.subject.resolvable, named || known) {
        (Resolvable::Yes | Resolvable::Partial, true) => Resolvable::Partial,
        (Resolvable::Yes | Resolvable::Partial, false) if carries_secret => Resolvable::SecretOnly,
        (Resolvable::Yes | Resolvable::Partial, false) => Resolvable::No,
        (other, _) => other,
    };
    if !named {
        signal.subject.kind = IdentityKind::Unknown;
    }
}
