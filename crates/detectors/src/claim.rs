//! What one record claims, before it is weighed into a signal.
//!
//! A detector fills in what it found; here it is weakened to what is really
//! there: placeholders name nobody, an id with the form of a secret is one, a
//! cut id names nobody for certain, an address must be one, a secret shows
//! nowhere. So no detector can forget it.

use std::net::IpAddr;

use quell_core::{
    secret::Secret,
    signal::{
        Actor, CredentialKind, Detected, IdentityKind, ObservedFrom, Resolvable, Severity, Signal, SignalCredential, SignalKind, Subject,
    },
    untrusted::Untrusted,
};

use crate::{
    credential::{has_form_of_secret, is_aws_key_id},
    field::{bounded, is_placeholder},
    json::Value,
    reading::{ID_MIN, TITLE_MAX, WORD_MIN, dedupe_key, without},
    severity, time,
};

/// An identity as a record names it.
#[derive(Clone, Debug)]
pub struct Who {
    pub id: Option<String>,
    pub name: Option<String>,
    pub kind: IdentityKind,
}

impl Default for Who {
    fn default() -> Self {
        Self { id: None, name: None, kind: IdentityKind::Unknown }
    }
}

impl Who {
    /// One text that is both id and name, its kind read from its form.
    pub fn named(text: Option<String>) -> Self {
        let text = text.filter(|t| !is_placeholder(t));
        let kind = text.as_deref().map_or(IdentityKind::Unknown, crate::principal::kind_of_name);
        Self { id: text.clone(), name: text, kind }
    }

    /// Whether anybody is named.
    pub fn is_somebody(&self) -> bool {
        [&self.id, &self.name].into_iter().flatten().any(|t| !is_placeholder(t))
    }

    /// The first of the two that names somebody.
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self.is_somebody() { self } else { other() }
    }

    /// With `kind`, where the form of the name shows none.
    pub fn or_kind(self, kind: IdentityKind) -> Self {
        if self.kind == IdentityKind::Unknown { Self { kind, ..self } } else { self }
    }
}

/// What one record claims.
pub struct Claim {
    pub source: &'static str,
    pub kind: SignalKind,
    pub title: String,
    pub subject: Who,
    /// The subject is only approached: a pod instead of its service account.
    pub partial: bool,
    pub system: Option<String>,
    pub credential: Option<(CredentialKind, Option<String>)>,
    pub secret: Option<Secret>,
    pub actor: Who,
    pub ip: Option<String>,
    pub severity: Severity,
    pub vendor_confidence: Option<String>,
    pub sample: bool,
    pub containment_evidence: bool,
    /// What makes two deliveries of one event equal: id, type, time.
    pub event: Vec<String>,
    pub reasons: Vec<String>,
}

impl Claim {
    /// A claim of nothing yet.
    pub fn new(source: &'static str) -> Self {
        Self {
            source,
            kind: SignalKind::Other,
            title: String::new(),
            subject: Who::default(),
            partial: false,
            system: None,
            credential: None,
            secret: None,
            actor: Who::default(),
            ip: None,
            severity: severity::unrated(),
            vendor_confidence: None,
            sample: false,
            containment_evidence: false,
            event: Vec::new(),
            reasons: Vec::new(),
        }
    }

    /// Adds a reason.
    pub fn because(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    /// The signal, observed at the first of `times` that can be read.
    pub fn detected<'a>(mut self, times: impl IntoIterator<Item = (ObservedFrom, Option<&'a Value>)>) -> Detected {
        if let Some((_, id)) = &mut self.credential
            && id.as_deref().is_some_and(has_form_of_secret)
        {
            self.secret = self.secret.take().or(id.take().map(Secret::new));
            *id = None;
            self.reasons.push("the value given as the credential's id has the form of the credential itself and is treated as such".into());
        }
        if self.secret.is_some() && self.credential.is_none() {
            self.credential = Some((CredentialKind::Unknown, None));
        }
        let mut ids = Ids { secret: self.secret.as_ref(), cut: false, placeholder: false };
        let (native_id, name) = (ids.keep(self.subject.id), ids.keep(self.subject.name));
        let system = ids.keep(self.system);
        let credential = self.credential.map(|(kind, id)| {
            let id = ids.keep(id);
            let kind = if id.as_deref().is_some_and(is_aws_key_id) { CredentialKind::AccessKey } else { kind };
            SignalCredential { kind, id, fingerprint: None }
        });
        let mut actor = Actor { native_id: ids.keep(self.actor.id), name: ids.keep(self.actor.name), ip: self.ip.and_then(address) };
        if actor.native_id == native_id && actor.name == name {
            (actor.native_id, actor.name) = (None, None);
        }
        if ids.placeholder {
            self.reasons.push("a placeholder stands where a name or id belongs and names nothing".into());
        }
        if ids.cut {
            self.reasons.push(
                "an id or name is over 1,024 characters or holds the credential itself; it is cut and names nobody for certain".into(),
            );
        }
        let cut = ids.cut;

        let credential_id = credential.as_ref().and_then(|c| c.id.clone());
        let resolvable = match (&native_id, &name, &system) {
            (Some(_), ..) | (None, Some(_), Some(_)) if !cut && !self.partial => Resolvable::Yes,
            (None, None, _) if credential_id.is_some() => Resolvable::Partial,
            (None, None, _) if self.secret.is_some() => Resolvable::SecretOnly,
            (None, None, _) => {
                self.reasons.push("the message names no identity and no credential".into());
                Resolvable::No
            }
            _ => Resolvable::Partial,
        };
        let kind = if native_id.is_some() || name.is_some() { self.subject.kind } else { IdentityKind::Unknown };

        let secret = self.secret.as_ref();
        let title = if self.title.trim().is_empty() { "Alert without a title" } else { self.title.trim() };
        let title = without(title, secret, WORD_MIN);
        let hide = |text: String| bounded(without(&text, secret, WORD_MIN)).0;
        let parts = [&native_id, &name, &credential_id].map(|p| p.clone().unwrap_or_default());
        let parts: Vec<String> = self.event.into_iter().map(hide).chain(parts).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let mut signal = Signal {
            source: self.source.into(),
            kind: self.kind,
            title: Untrusted::new(title).shortened(TITLE_MAX),
            observed_at: None,
            observed_at_from: ObservedFrom::Received,
            severity: Severity { id: self.severity.id, vendor: self.severity.vendor.map(hide) },
            vendor_confidence: self.vendor_confidence.map(hide),
            sample: self.sample,
            containment_evidence: self.containment_evidence,
            unsigned: false,
            dedupe_key: dedupe_key(self.source, &parts),
            subject: Subject { resolvable, kind, native_id, name, system },
            credential,
            actor,
            reasons: self.reasons,
        };
        time::observe(&mut signal, times);
        Detected { signal, secret: self.secret }
    }
}

/// Ids and names on their way into the signal.
struct Ids<'a> {
    secret: Option<&'a Secret>,
    cut: bool,
    placeholder: bool,
}

impl Ids<'_> {
    fn keep(&mut self, text: Option<String>) -> Option<String> {
        let text = text?;
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        if is_placeholder(text) {
            self.placeholder = true;
            return None;
        }
        let (short, cut) = bounded(without(text, self.secret, ID_MIN));
        self.cut |= cut || short != text;
        Some(short)
    }
}

/// `text` as an IP address, its port and brackets taken off.
pub fn address(text: String) -> Option<String> {
    let text = text.trim();
    let is = |t: &str| t.parse::<IpAddr>().ok().map(|ip| ip.to_string());
    is(text)
        .or_else(|| text.strip_prefix('[').and_then(|t| t.split_once(']')).and_then(|(ip, _)| is(ip)))
        .or_else(|| text.rsplit_once(':').and_then(|(ip, _)| is(ip)))
}
