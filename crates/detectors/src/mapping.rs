//! Detectors that an installation defines itself: a mapping file.
//!
//! A file says for each field of a signal where its value stands (a JSON
//! pointer), what its words mean (a map), what counts where nothing stands (a
//! default), and under which condition (CEL). It is checked whole when it is
//! loaded, so a mistake is told by file and line and not by a missing signal.
//! Nobody who merely works on an alert becomes its subject: a rule that takes an
//! identity from an assignee, author or reporter is refused unless it says so.
//! What a mapping costs is bounded by counting, not by a clock: the same message
//! gives the same answer everywhere.
//! Reading order: `file` (text to rules), `condition` (CEL), `rule` (a value).

mod condition;
mod file;
mod rule;

use std::ops::ControlFlow;

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, SignalKind};
use serde::Serialize;

pub use self::file::Refused;
use self::{
    condition::{Condition, Given, Seen},
    file::Field,
    rule::Rule,
};
use crate::{
    claim::{Claim, Who},
    credential::weigh,
    field::{as_text, type_name},
    json::{self, Found, Value},
    principal,
    reading::Reading,
    statement::rated,
};

/// Work that one message may cause: nodes of conditions that are evaluated and
/// values that are laid out for them. Some seconds at the worst.
const WORK_MAX: u64 = 5_000_000;
/// Records of one message of which a preview tells every field.
const EXPLAINED_MAX: usize = 1_000;

/// One mapping, loaded and checked.
pub struct Mapping {
    name: &'static str,
    reads: String,
    /// Where the list of records stands in a message.
    records: String,
    when: Option<Condition>,
    rules: Vec<Rule>,
}

/// Which rule gave which field of one record.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Index of the record in the message, from 0.
    pub record: u64,
    /// False where the mapping's own condition passed the record over.
    pub taken: bool,
    pub fields: Vec<Told>,
}

/// What became of one field.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    pub field: &'static str,
    /// The pointer, condition or constant that gave it, with its line; `None`
    /// where no rule did.
    pub by: Option<String>,
    /// Rules that were tried before, and why each gave nothing.
    pub passed_over: Vec<String>,
}

impl Mapping {
    /// Reads and checks the text of a mapping file. A name is kept as long as
    /// the process runs, like those of the built-in detectors, so mappings are
    /// loaded at the start.
    ///
    /// # Errors
    ///
    /// Every mistake in the file, with its line.
    pub fn load(text: &str) -> Result<Self, Vec<Refused>> {
        file::load(text)
    }

    /// The detector's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it reads, in its author's words.
    pub fn reads(&self) -> &str {
        &self.reads
    }

    /// Reads one message whole.
    pub fn read(&self, bytes: &[u8]) -> Readout {
        self.read_with(bytes, &mut |_| {})
    }

    /// The same, and which rule gave which field, of the first thousand records.
    pub fn explain(&self, bytes: &[u8]) -> (Readout, Vec<Explained>) {
        let mut all = Vec::new();
        let readout = self.read_with(bytes, &mut |explained| {
            if all.len() < EXPLAINED_MAX {
                all.push(explained);
            }
        });
        (readout, all)
    }

    fn read_with(&self, bytes: &[u8], tell: &mut dyn FnMut(Explained)) -> Readout {
        let mut reading = Reading::default();
        let mut left = WORK_MAX;
        json::each_sent(bytes, &mut |found, sent| match found {
            Found::Document(value) | Found::Element(value) => self.parts(&value).iter().try_for_each(|part| {
                let mut seen = Seen::new(part, &mut left);
                let mut explained = Explained { record: reading.records(), taken: true, fields: Vec::new() };
                let flow = match self.detected(part, sent, &mut seen, &mut explained) {
                    Some(read) if seen.is_spent() => {
                        let _: ControlFlow<()> = reading.record(read);
                        ControlFlow::Break(())
                    }
                    Some(read) => reading.record(read),
                    None => {
                        reading.pass_over();
                        explained.taken = false;
                        ControlFlow::Continue(())
                    }
                };
                tell(explained);
                flow
            }),
            Found::Broken(reason) => reading.record(Err(reason)),
        });
        // A report whose every record the condition passes over says nothing, as its author wants.
        if reading.records() == 0 {
            let _ = reading.record(Err("the message holds no record".into()));
        }
        reading.finish()
    }

    /// The records of a document: those of its list, or itself.
    fn parts<'a>(&self, value: &'a Value) -> &'a [Value] {
        match value.pointer(&self.records) {
            Some(Value::Array(items)) => items,
            Some(one) => std::slice::from_ref(one),
            // A sender that sends one and not a list sends it bare.
            None => std::slice::from_ref(value),
        }
    }

    /// The reading of one record; `None` where the mapping's condition passes it over.
    fn detected(
        &self,
        record: &Value,
        sent: Option<&Value>,
        seen: &mut Seen<'_>,
        explained: &mut Explained,
    ) -> Option<Result<Detected, String>> {
        if !record.is_object() {
            return Some(Err(format!("expected a record as an object, found {}", type_name(record))));
        }
        let mut claim = Claim::new(self.name);
        match self.when.as_ref().map(|when| when.holds(seen)) {
            None | Some(Given::Value(true)) => {}
            Some(Given::Value(false)) => return None,
            // A condition that cannot be answered drops no alert.
            Some(Given::Nothing(why)) => claim.because(format!("the mapping's `when` gave no answer ({why}), so the record is read")),
        }
        let mut take = |field: Field| -> Option<Value> {
            let mut passed_over = Vec::new();
            let mut found = None;
            for rule in self.rules.iter().filter(|rule| rule.field == field) {
                match rule.value(record, seen) {
                    Given::Value(value) => {
                        found = Some((rule.in_words(), value));
                        break;
                    }
                    Given::Nothing(why) => passed_over.push(format!("{}: {why}", rule.in_words())),
                }
            }
            let (by, value) = found.unzip();
            if by.is_some() || !passed_over.is_empty() {
                explained.fields.push(Told { field: field.name(), by, passed_over });
            }
            value
        };
        let mut text = |field: Field| take(field).as_ref().and_then(as_text);

        claim.title = text(Field::Title).unwrap_or_default();
        claim.kind = text(Field::Kind).and_then(|word| file::word(&word)).unwrap_or(SignalKind::Other);
        let (id, name) = (text(Field::SubjectNativeId), text(Field::SubjectName));
        let kind = text(Field::SubjectKind)
            .and_then(|word| file::word(&word))
            .or_else(|| name.iter().chain(&id).map(|n| principal::kind_of_name(n)).find(|k| *k != IdentityKind::Unknown));
        claim.subject = Who { id, name, kind: kind.unwrap_or(IdentityKind::Unknown) };
        claim.system = text(Field::SubjectSystem);
        let credential_kind = text(Field::CredentialKind).and_then(|word| file::word(&word));
        let mut credential_id = text(Field::CredentialId);
        if let Some(sent) = text(Field::CredentialSecret) {
            let weighed = weigh(sent);
            claim.reasons.extend(weighed.reason.map(str::to_owned));
            credential_id = credential_id.or(weighed.id);
            claim.secret = weighed.secret;
            let kind = credential_kind.or(weighed.kind).unwrap_or(CredentialKind::Unknown);
            claim.credential = Some((kind, credential_id));
        } else if credential_kind.is_some() || credential_id.is_some() {
            claim.credential = Some((credential_kind.unwrap_or(CredentialKind::Unknown), credential_id));
        }
        claim.actor = Who { id: text(Field::ActorNativeId), name: text(Field::ActorName), kind: IdentityKind::Unknown };
        claim.ip = text(Field::ActorIp);
        claim.severity = rated(text(Field::SeverityVendor));
        match text(Field::SeverityId).map(|id| id.parse()) {
            Some(Ok(id @ (0..=6 | 99))) => claim.severity.id = id,
            Some(_) => claim.because("`severity.id` is outside 0 to 6 and 99 and counts as unknown"),
            None => {}
        }
        claim.vendor_confidence = text(Field::VendorConfidence);
        let truth = |word: Option<String>| word.is_some_and(|w| w.eq_ignore_ascii_case("true"));
        claim.sample = truth(text(Field::Sample));
        claim.containment_evidence = truth(text(Field::ContainmentEvidence)) || claim.kind == SignalKind::Containment;
        let event = text(Field::EventId);
        let (observed, updated) = (take(Field::ObservedAt), take(Field::UpdatedAt));
        claim.event = match event {
            Some(id) => vec![id, format!("{:?}", claim.kind)],
            None => {
                claim.because("the mapping gives no `event.id`; two deliveries are recognised by title, time and subject");
                vec![claim.title.clone(), observed.as_ref().and_then(as_text).unwrap_or_default()]
            }
        };
        if seen.is_spent() {
            return Some(Err(format!(
                "records from here on are not read: the conditions of the mapping do more than {WORK_MAX} steps on this message; send it in parts"
            )));
        }
        let times =
            [(ObservedFrom::Event, observed.as_ref()), (ObservedFrom::VendorUpdate, updated.as_ref()), (ObservedFrom::VendorUpdate, sent)];
        Some(Ok(claim.detected(times)))
    }
}
