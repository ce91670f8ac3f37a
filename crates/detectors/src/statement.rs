//! What one record says, while a detector reads it.
//!
//! A detector fills in what it understood; [`Statement::detected`] applies what
//! holds for every detector: a placeholder names nobody, what has the form of a
//! secret leaves only as a `Secret`, a secret is taken out of the text beside
//! it, ids are bounded, and how far an identity is named follows from what is
//! left. The key is made of the sender's id, the type of event, who and when,
//! because senders share one id between different events.

use crate::json::Value;
use quell_core::{
    secret::Secret,
    signal::{
        Actor, CredentialKind, Detected, IdentityKind, ObservedFrom, Resolvable, Severity, Signal, SignalCredential, SignalKind, Subject,
    },
    untrusted::Untrusted,
};

use crate::{
    credential::has_form_of_secret,
    field::{bounded, is_placeholder, text},
    reading::{ID_MIN, TITLE_MAX, WORD_MIN, dedupe_key, plain, without},
    time,
};

/// Somebody who is named: the subject, or who acted on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    pub kind: IdentityKind,
    pub id: Option<String>,
    pub name: Option<String>,
    /// Something stood where an id or name belongs, and named nobody.
    passed_over: bool,
}

impl Default for Party {
    fn default() -> Self {
        Self { kind: IdentityKind::Unknown, id: None, name: None, passed_over: false }
    }
}

impl Party {
    /// The first usable of `ids`, and of `names`. A login name is unique where
    /// it is used, so detectors list it among the ids, too.
    pub fn new<I, N>(kind: IdentityKind, ids: I, names: N) -> Self
    where
        I: IntoIterator<Item = Option<String>>,
        N: IntoIterator<Item = Option<String>>,
    {
        let mut passed_over = false;
        let mut first = |texts: &mut dyn Iterator<Item = Option<String>>| {
            texts.flatten().find(|text| {
                let useless = !names_one(text) || has_form_of_secret(text);
                passed_over |= useless;
                !useless
            })
        };
        let id = first(&mut ids.into_iter());
        let name = first(&mut names.into_iter());
        Self { kind, id, name, passed_over }
    }

    /// As [`Party::new`], from fields of one object.
    pub fn of(value: &Value, kind: IdentityKind, ids: &[&str], names: &[&str]) -> Self {
        Self::new(kind, ids.iter().map(|f| text(value, f)), names.iter().map(|f| text(value, f)))
    }

    /// The same party, known to be of `kind`.
    pub fn of_kind(self, kind: IdentityKind) -> Self {
        Self { kind, ..self }
    }

    /// Whether anybody is named.
    pub fn is_named(&self) -> bool {
        self.id.is_some() || self.name.is_some()
    }

    /// This party, or else `other`; what was passed over is not forgotten.
    pub fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self.is_named() {
            return self;
        }
        let mut other = other();
        other.passed_over |= self.passed_over;
        other
    }

    /// Whether this is somebody else. Two ids with one name are one account
    /// under two numbers.
    pub fn is_other_than(&self, other: &Self) -> bool {
        let same =
            |a: &Option<String>, b: &Option<String>| a.is_some() && matches!((a, b), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b));
        self.is_named() && !same(&self.id, &other.id) && !same(&self.name, &other.name)
    }
}

/// A credential that is named, and its secret where the message carries it.
pub struct Named {
    pub kind: CredentialKind,
    pub id: Option<String>,
    pub secret: Option<Secret>,
}

impl Named {
    /// A credential known by its id, or only by its kind.
    pub fn new(kind: CredentialKind, id: Option<String>) -> Self {
        Self { kind, id: id.filter(|id| names_one(id)), secret: None }
    }

    /// As [`Named::new`], and nothing where the id is missing or a placeholder.
    pub fn with_id(kind: CredentialKind, id: Option<String>) -> Option<Self> {
        id.filter(|id| names_one(id)).map(|id| Self { kind, id: Some(id), secret: None })
    }
}

/// Zero is what senders write where there is none.
fn names_one(id: &str) -> bool {
    id != "0" && !is_placeholder(id)
}

/// One statement in the making.
pub struct Statement {
    source: &'static str,
    pub kind: SignalKind,
    pub title: String,
    pub subject: Party,
    pub system: Option<String>,
    pub credential: Option<Named>,
    pub actor: Party,
    pub ip: Option<String>,
    pub severity: Severity,
    /// The sender's own word on how sure it is.
    pub confidence: Option<String>,
    pub sample: bool,
    /// It reports that something was contained elsewhere.
    pub contained: bool,
    /// It lacks the signature that its format has.
    pub unsigned: bool,
    /// It is about a secret, whoever owns that.
    pub of_secret: bool,
    /// The subject's name is what somebody typed, and nobody may have it.
    pub unsure: bool,
    /// The sender's id of the event, its type, and what else tells it apart.
    pub key: Vec<String>,
    pub reasons: Vec<String>,
}

impl Statement {
    pub fn new(source: &'static str, kind: SignalKind, title: impl Into<String>) -> Self {
        Self {
            source,
            kind,
            title: title.into(),
            subject: Party::default(),
            system: None,
            credential: None,
            actor: Party::default(),
            ip: None,
            severity: Severity { id: 0, vendor: None },
            confidence: None,
            sample: false,
            contained: false,
            unsigned: false,
            of_secret: false,
            unsure: false,
            key: Vec::new(),
            reasons: Vec::new(),
        }
    }

    /// Adds a reason.
    pub fn because(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    /// Marks the statement as evidence that something was contained elsewhere.
    pub fn contains(&mut self, reason: &str) {
        self.kind = SignalKind::Containment;
        self.contained = true;
        self.because(reason);
    }

    /// Takes the first of `texts` that is an address as where it came from.
    pub fn seen_from(&mut self, texts: impl IntoIterator<Item = Option<String>>) {
        self.ip = texts.into_iter().flatten().find_map(|text| address(&text));
    }

    /// Keeps the credential that somebody used only where the subject used it: of
    /// an administrator who acted on another it is not the other's.
    pub fn used(&mut self, credential: Option<Named>) {
        if !self.actor.is_named() {
            self.credential = credential;
        }
    }

    /// Ends the reading. The first of `times` that can be read counts.
    pub fn detected<'a>(mut self, times: impl IntoIterator<Item = (ObservedFrom, Option<&'a Value>)>) -> Detected {
        if self.subject.passed_over {
            self.because("a placeholder stands where an id or name belongs and is passed over");
        }
        if let Some(named) = &mut self.credential
            && named.id.as_deref().is_some_and(has_form_of_secret)
        {
            let id = Secret::new(named.id.take().unwrap_or_default());
            named.secret.get_or_insert(id);
            self.reasons.push("the value given as the credential's id has the form of the credential itself and is treated as such".into());
        }
        let secret = self.credential.as_mut().and_then(|c| c.secret.take());
        let mut cut = false;
        let mut bound = |text: Option<String>| {
            text.map(|text| {
                let (short, _) = bounded(without(&text, secret.as_ref(), ID_MIN));
                cut |= short != text;
                short
            })
        };
        let (native_id, name) = (bound(self.subject.id), bound(self.subject.name));
        let system = bound(self.system);
        let credential = self.credential.map(|c| SignalCredential { kind: c.kind, id: bound(c.id), fingerprint: None });
        let actor = Actor { native_id: bound(self.actor.id), name: bound(self.actor.name), ip: self.ip };
        let severity = Severity { id: self.severity.id, vendor: bound(self.severity.vendor) };
        let vendor_confidence = self.confidence.map(|c| bounded(without(&c, secret.as_ref(), WORD_MIN)).0);
        let mut reasons = self.reasons;
        if cut {
            reasons.push(
                "an id or name is over 1,024 characters or holds the credential itself; it is cut and names nobody for certain".into(),
            );
        }

        let credential_id = credential.as_ref().and_then(|c| c.id.as_deref());
        let resolvable = match (&native_id, &name) {
            (Some(_), _) if !cut && !self.unsure => Resolvable::Yes,
            (None, None) if secret.is_some() || self.of_secret => Resolvable::SecretOnly,
            (None, None) if credential_id.is_some() => Resolvable::Partial,
            (None, None) => {
                reasons.push("nobody is named".into());
                Resolvable::No
            }
            _ => Resolvable::Partial,
        };

        let kind = if native_id.is_some() || name.is_some() { self.subject.kind } else { IdentityKind::Unknown };

        let title = Untrusted::new(without(&self.title, secret.as_ref(), WORD_MIN)).shortened(TITLE_MAX);
        let mut signal = Signal {
            source: self.source.into(),
            kind: self.kind,
            title,
            observed_at: None,
            observed_at_from: ObservedFrom::Received,
            severity,
            vendor_confidence,
            sample: self.sample,
            containment_evidence: self.contained,
            unsigned: self.unsigned,
            subject: Subject { resolvable, kind, native_id, name, system },
            credential,
            actor,
            dedupe_key: String::new(),
            reasons,
        };
        time::observe(&mut signal, times);

        let mut parts = self.key;
        let seen = |text: &Option<String>| text.clone().unwrap_or_default();
        parts.extend([seen(&signal.subject.native_id), seen(&signal.subject.name)]);
        parts.push(signal.credential.as_ref().map(|c| seen(&c.id)).unwrap_or_default());
        // Only the event's own time: an update or a new scan is no new event.
        let at = signal.observed_at.filter(|_| signal.observed_at_from == ObservedFrom::Event);
        parts.push(at.map(|at| at.to_string()).unwrap_or_default());
        let parts: Vec<String> = parts.iter().map(|p| plain(&without(p, secret.as_ref(), WORD_MIN)).into_owned()).collect();
        signal.dedupe_key = dedupe_key(self.source, &parts.iter().map(String::as_str).collect::<Vec<_>>());
        Detected { signal, secret }
    }
}

/// The severity that a vendor's word stands for; 0 where it is none of the usual.
pub fn rated(vendor: Option<String>) -> Severity {
    let id = match vendor.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("info" | "informational" | "information") => 1,
        Some("low") => 2,
        Some("medium" | "moderate") => 3,
        Some("high") => 4,
        Some("critical") => 5,
        _ => 0,
    };
    Severity { id, vendor }
}

/// `text` as an address, a port behind it taken off.
fn address(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<std::net::IpAddr>() {
        return Some(ip.to_string());
    }
    text.parse::<std::net::SocketAddr>().ok().map(|at| at.ip().to_string())
}
