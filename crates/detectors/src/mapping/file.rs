//! The text of a mapping file, checked.
//!
//! Every mistake is told at once and with its line; nothing that could only be
//! noticed by a missing signal is left for later.

use std::fmt;

use quell_core::signal::{CredentialKind, IdentityKind, SignalKind};
use serde::{Deserialize, de::DeserializeOwned};
use toml::Spanned;

use super::{
    Mapping,
    condition::Condition,
    rule::{From, Rule},
};
use crate::{AUTO, REGISTRY, wording};

/// Largest file, in bytes, and most rules of one.
const BYTES_MAX: usize = 64 * 1024;
const RULES_MAX: usize = 200;

/// One mistake in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// From 1; `None` where it is about the file as a whole.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What a rule can set, by the names of the signal that is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Title,
    Kind,
    ObservedAt,
    UpdatedAt,
    SeverityId,
    SeverityVendor,
    VendorConfidence,
    Sample,
    ContainmentEvidence,
    SubjectKind,
    SubjectNativeId,
    SubjectName,
    SubjectSystem,
    CredentialKind,
    CredentialId,
    CredentialSecret,
    ActorNativeId,
    ActorName,
    ActorIp,
    EventId,
}

const FIELDS: [(Field, &str); 20] = [
    (Field::Title, "title"),
    (Field::Kind, "kind"),
    (Field::ObservedAt, "observed_at"),
    (Field::UpdatedAt, "updated_at"),
    (Field::SeverityId, "severity.id"),
    (Field::SeverityVendor, "severity.vendor"),
    (Field::VendorConfidence, "vendor_confidence"),
    (Field::Sample, "sample"),
    (Field::ContainmentEvidence, "containment_evidence"),
    (Field::SubjectKind, "subject.kind"),
    (Field::SubjectNativeId, "subject.native_id"),
    (Field::SubjectName, "subject.name"),
    (Field::SubjectSystem, "subject.system"),
    (Field::CredentialKind, "credential.kind"),
    (Field::CredentialId, "credential.id"),
    (Field::CredentialSecret, "credential.secret"),
    (Field::ActorNativeId, "actor.native_id"),
    (Field::ActorName, "actor.name"),
    (Field::ActorIp, "actor.ip"),
    (Field::EventId, "event.id"),
];

impl Field {
    pub fn name(self) -> &'static str {
        FIELDS.iter().find(|(field, _)| *field == self).map_or("", |(_, name)| name)
    }

    /// Why `word` cannot be its value, where it can only be some.
    fn refuses(self, word: &str) -> Option<String> {
        let one_of = |known: bool, words: &str| (!known).then(|| format!("`{word}` is no `{}`; expected one of {words}", self.name()));
        match self {
            Self::Kind => one_of(
                self::word::<SignalKind>(word).is_some(),
                "leaked_secret, anomalous_use, risky_sign_in, credential_change, privilege_change, account_change, delegation_change, session_event, agent_action, policy_violation, posture, containment, other",
            ),
            Self::SubjectKind => {
                one_of(self::word::<IdentityKind>(word).is_some(), "human, service_account, workload, device, agent, unknown")
            }
            Self::CredentialKind => one_of(
                self::word::<CredentialKind>(word).is_some(),
                "password, access_key, api_key, token, refresh_token, session, certificate, ssh_key, secret_id, service_account_key, ticket, oauth_client, unknown",
            ),
            Self::SeverityId => one_of(matches!(word.parse::<u8>(), Ok(0..=6 | 99)), "0 to 6 and 99 (OCSF)"),
            Self::Sample | Self::ContainmentEvidence => one_of(matches!(word, "true" | "false"), "true, false"),
            _ => None,
        }
    }
}

/// A word of the format, as our own types spell it.
pub fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text.trim())).ok()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    #[serde(default)]
    reads: String,
    #[serde(default)]
    records: Option<Spanned<String>>,
    #[serde(default)]
    when: Option<Spanned<String>>,
    #[serde(default, rename = "field")]
    fields: Vec<Spanned<RuleText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    set: Spanned<String>,
    pointer: Option<Spanned<String>>,
    value: Option<Spanned<String>>,
    cel: Option<Spanned<String>>,
    #[serde(default)]
    map: std::collections::BTreeMap<String, Spanned<String>>,
    default: Option<Spanned<String>>,
    when: Option<Spanned<String>>,
    although: Option<Spanned<String>>,
}

/// The mistakes found so far.
struct Mistakes<'a> {
    text: &'a str,
    found: Vec<Refused>,
}

impl Mistakes<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
    }

    fn add<T>(&mut self, place: &Spanned<T>, message: impl Into<String>) {
        let line = Some(self.line(place.span().start));
        self.found.push(Refused { line, message: message.into() });
    }

    fn condition(&mut self, text: &Spanned<String>) -> Option<Condition> {
        Condition::of(text.get_ref()).map_err(|why| self.add(text, why)).ok()
    }
}

/// Reads and checks a mapping file.
pub fn load(text: &str) -> Result<Mapping, Vec<Refused>> {
    if text.len() > BYTES_MAX {
        return Err(vec![Refused { line: None, message: format!("a mapping file has at most {BYTES_MAX} bytes") }]);
    }
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text.as_bytes().iter().take(span.start).filter(|b| **b == b'\n').count() + 1);
        vec![Refused { line, message: error.message().trim().replace('\n', " ") }]
    })?;
    let mut mistakes = Mistakes { text, found: Vec::new() };
    let name = file.name.get_ref();
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        mistakes.add(&file.name, format!("`{name}` is no name of a detector; use at most 64 of a to z, 0 to 9 and `-`"));
    } else if name == AUTO || REGISTRY.iter().any(|built_in| built_in.name == name) {
        mistakes.add(&file.name, format!("`{name}` is built in; give the mapping a name of its own"));
    }
    if let Some(records) = &file.records {
        check_pointer(records, &mut mistakes);
    }
    let when = file.when.as_ref().and_then(|when| mistakes.condition(when));
    if file.fields.len() > RULES_MAX {
        mistakes.found.push(Refused { line: None, message: format!("a mapping has at most {RULES_MAX} rules") });
    }
    let rules: Vec<Rule> = file.fields.iter().take(RULES_MAX).filter_map(|rule| checked(rule, &mut mistakes)).collect();
    const ABOUT: [Field; 5] = [Field::Title, Field::SubjectNativeId, Field::SubjectName, Field::CredentialId, Field::CredentialSecret];
    if mistakes.found.is_empty() && !rules.iter().any(|rule| ABOUT.contains(&rule.field)) {
        let message = "no rule sets `title`, `subject.native_id`, `subject.name`, `credential.id` or `credential.secret`, so no signal would say anything";
        mistakes.found.push(Refused { line: None, message: message.into() });
    }
    if !mistakes.found.is_empty() {
        return Err(mistakes.found);
    }
    let records = file.records.map(Spanned::into_inner).unwrap_or_default();
    Ok(Mapping { name: name.clone().leak(), reads: file.reads, records, when, rules })
}

fn checked(rule: &Spanned<RuleText>, mistakes: &mut Mistakes<'_>) -> Option<Rule> {
    let before = mistakes.found.len();
    let text = rule.get_ref();
    let set = text.set.get_ref();
    let Some((field, _)) = FIELDS.iter().find(|(_, name)| name == set) else {
        let names = FIELDS.map(|(_, name)| name).join(", ");
        mistakes.add(&text.set, format!("`{set}` is no field of a signal; expected one of {names}"));
        return None;
    };
    let from = match (&text.pointer, &text.value, &text.cel) {
        (Some(pointer), None, None) => {
            check_pointer(pointer, mistakes);
            From::Pointer(pointer.get_ref().clone())
        }
        (None, Some(value), None) => {
            if let Some(why) = field.refuses(value.get_ref()).filter(|_| text.map.is_empty()) {
                mistakes.add(value, why);
            }
            From::Constant(value.get_ref().clone())
        }
        (None, None, Some(cel)) => From::Expression(mistakes.condition(cel)?),
        _ => {
            mistakes.add(rule, format!("the rule for `{set}` needs exactly one of `pointer`, `value` and `cel`"));
            return None;
        }
    };
    for meaning in text.map.values().chain(&text.default) {
        if let Some(why) = field.refuses(meaning.get_ref()) {
            mistakes.add(meaning, why);
        }
    }
    worker(*field, &from, text, mistakes);
    let when = text.when.as_ref().and_then(|when| mistakes.condition(when));
    let map = text.map.iter().map(|(word, meaning)| (word.clone(), meaning.get_ref().clone())).collect();
    let default = text.default.as_ref().map(|d| d.get_ref().clone());
    let line = mistakes.line(text.set.span().start);
    (mistakes.found.len() == before).then_some(Rule { field: *field, from, map, default, when, line })
}

/// RFC 6901: empty, or tokens each behind a `/`; `~` only as `~0` and `~1`.
fn check_pointer(pointer: &Spanned<String>, mistakes: &mut Mistakes<'_>) {
    let text = pointer.get_ref();
    if !text.is_empty() && !text.starts_with('/') {
        mistakes.add(pointer, format!("`{text}` is no JSON pointer (RFC 6901); it begins with `/`, as in `/{}`", text.replace('.', "/")));
    }
    if text.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        mistakes.add(pointer, format!("`{text}` is no JSON pointer (RFC 6901); write `~0` for `~` and `~1` for `/` in a name"));
    }
}

/// Refuses an identity that is taken from who works on the alert, unless the
/// rule names that word itself.
fn worker(field: Field, from: &From, rule: &RuleText, mistakes: &mut Mistakes<'_>) {
    const WORKERS: [&str; 18] = [
        "assignee",
        "assignees",
        "assigned",
        "author",
        "authors",
        "reporter",
        "reporters",
        "committer",
        "reviewer",
        "reviewers",
        "approver",
        "approvers",
        "analyst",
        "resolver",
        "resolved",
        "owner",
        "creator",
        "watcher",
    ];
    if !matches!(field, Field::SubjectNativeId | Field::SubjectName | Field::SubjectKind) {
        return;
    }
    let (text, place) = match (from, &rule.pointer, &rule.cel) {
        (From::Pointer(pointer), Some(place), _) => (pointer.as_str(), place),
        (From::Expression(expression), _, Some(place)) => (expression.text(), place),
        _ => return,
    };
    let words: Vec<String> = text.split(|c: char| !c.is_alphanumeric() && c != '_').flat_map(wording::words).collect();
    let found = words.iter().find(|word| WORKERS.contains(&word.as_str()));
    let allowed = rule.although.as_ref().map(|a| a.get_ref().to_lowercase());
    match found {
        Some(word) if allowed.as_deref() != Some(word.as_str()) => {
            let why = format!(
                "`{}` is taken from `{text}`, and an `{word}` works on an alert and is not its subject; where this sender means the subject by it, add `although = \"{word}\"`",
                field.name()
            );
            mistakes.add(place, why);
        }
        None if rule.although.is_some() => {
            mistakes.add(place, format!("`although` has nothing to allow in `{text}`; remove it"));
        }
        _ => {}
    }
}
