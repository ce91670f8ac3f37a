//! What may be forgotten, and who decides it.
//!
//! [`Search`] reads the whole record once and finds what concerns a person, or
//! where given commitments stand; [`decide`] says which events a request or an
//! approval makes, or why it is refused. Pure: the same record refuses the same
//! request next year. What is forgotten are values. The pseudonymous id of who
//! did what is none, and stays.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use serde_json::Value;

use crate::{
    event::{By, ErasureApproved, ErasureDenied, ErasureExtended, ErasureRequested, ErasureWithdrawn, Event, Recorded, ValuesErased},
    finding::FiledSignal,
    id::{AlertId, CaseId, ErasureId, PersonId, PlanId, StreamId, TargetId},
    personal::{self, Personal},
    signal::Unreadable,
    time::{Timestamp, after},
};

/// How long a request waits for its second person.
pub const LAPSES_SECONDS: i64 = 30 * 86_400;

/// A shorter name is a word of too many sentences.
pub const NAME_CHARACTERS_MIN: usize = 3;

/// What one event lists at most: 250 commitments and as many blobs are 34 KB.
const LISTED_MAX: usize = 250;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Whatever names a person: their name, their addresses.
    Person { names: Vec<String>, accounts: BTreeSet<PersonId> },
    /// Exactly these, and the texts that they stand for as far as they are known.
    Commitments { commitments: BTreeSet<String>, texts: BTreeSet<String> },
}

impl Sought {
    /// Whether a text is about it. A name counts as a whole word, in any case.
    pub fn is_about(&self, text: &str) -> bool {
        match self {
            Self::Person { names, .. } => names.iter().any(|name| has_word(text, name)),
            Self::Commitments { texts, .. } => texts.contains(text),
        }
    }

    /// The objects of the inventory that name it, by key.
    pub fn in_inventory<'a>(&self, rows: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Vec<String> {
        let names = |key: &str, value: &Value| {
            // `identity:pg-main/mara`: the native id is what is behind the system.
            let native = key.split_once('/').map_or(key, |(_, native)| native);
            self.is_about(native) || any_text(value, &|text| self.is_about(text))
        };
        rows.into_iter().filter(|(key, value)| names(key, value)).map(|(key, _)| key.to_string()).collect()
    }
}

fn any_text(value: &Value, wanted: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text) || text.split_once('/').is_some_and(|(_, native)| wanted(native)),
        Value::Array(items) => items.iter().any(|v| any_text(v, wanted)),
        Value::Object(map) => map.values().any(|v| any_text(v, wanted)),
        _ => false,
    }
}

/// `ann` is in `Ann's key` and in `ann@corp.example`, and not in `annual`.
fn has_word(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.trim().to_lowercase());
    if name.is_empty() {
        return false;
    }
    text.match_indices(&name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Where a case that holds a value stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub open: bool,
    /// It still claims that a target stays contained.
    pub holds: bool,
    /// How many of the values its record holds.
    pub values: usize,
    /// When bundles of it were made: copies that nobody here can reach.
    pub exported: Vec<Timestamp>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    sought: Sought,
    /// Disclosed values that are sought.
    pub commitments: BTreeSet<String>,
    /// Given commitments that are in the record, whether disclosed or not.
    pub known: BTreeSet<String>,
    /// Other commitments to the same texts.
    pub elsewhere: usize,
    pub cases: BTreeMap<CaseId, Held>,
    /// Accounts of the person.
    pub subjects: BTreeSet<PersonId>,
    /// Sealed blobs that are about nothing else.
    pub sealed: BTreeSet<String>,
    /// Alerts that are about others, too: their sealed bytes stay.
    pub kept: Vec<AlertId>,
}

/// Reads the record once, oldest event first.
pub struct Search {
    sought: Sought,
    found: BTreeMap<StreamId, BTreeSet<String>>,
    known: BTreeSet<String>,
    elsewhere: BTreeSet<String>,
    cases_of: BTreeMap<StreamId, BTreeSet<CaseId>>,
    plans: BTreeMap<PlanId, CaseId>,
    cases: BTreeMap<CaseId, Held>,
    holds: BTreeSet<(CaseId, TargetId)>,
    subjects: BTreeSet<PersonId>,
    received: BTreeMap<AlertId, String>,
    /// Of alerts that are filed in parts, whom the parts so far are about.
    parts: BTreeMap<AlertId, Whose>,
    sealed: BTreeSet<String>,
    kept: Vec<AlertId>,
}

/// Whom an alert is about.
#[derive(Clone, Copy, Default)]
struct Whose {
    sought: bool,
    others: bool,
}

impl Search {
    /// Begins a search.
    pub fn new(sought: Sought) -> Self {
        let subjects = match &sought {
            Sought::Person { accounts, .. } => accounts.clone(),
            Sought::Commitments { .. } => BTreeSet::new(),
        };
        Self {
            sought,
            found: BTreeMap::new(),
            known: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            cases_of: BTreeMap::new(),
            plans: BTreeMap::new(),
            cases: BTreeMap::new(),
            holds: BTreeSet::new(),
            subjects,
            received: BTreeMap::new(),
            parts: BTreeMap::new(),
            sealed: BTreeSet::new(),
            kept: Vec::new(),
        }
    }

    /// Takes one event.
    pub fn read(&mut self, recorded: &Recorded) {
        let stream = &recorded.stream;
        let value = serde_json::to_value(&recorded.event).expect("an event is plain data");
        let found = self.values(&value);
        if !found.is_empty() {
            self.found.entry(stream.clone()).or_default().extend(found);
        }
        match &recorded.event {
            Event::CaseOpened(e) => {
                self.belongs(stream, &e.case);
                self.case(&e.case).open = true;
            }
            Event::CaseClosed(_) => self.case(&CaseId::new(stream.key())).open = false,
            Event::CaseReopened(_) => self.case(&CaseId::new(stream.key())).open = true,
            Event::CaseExported(_) => self.case(&CaseId::new(stream.key())).exported.push(recorded.at),
            Event::PlanDrafted(e) => {
                self.plans.insert(e.plan.id.clone(), e.plan.case.clone());
                self.belongs(stream, &e.plan.case);
            }
            Event::ApprovalGiven(e) => {
                if let Some(case) = self.plans.get(&e.approval.plan).cloned() {
                    self.belongs(stream, &case);
                }
            }
            Event::HoldPlaced(e) => {
                self.belongs(stream, &e.case);
                self.holds.insert((e.case.clone(), e.target.id.clone()));
            }
            Event::HoldReleased(e) => drop(self.holds.remove(&(e.case.clone(), TargetId::new(stream.key())))),
            Event::AttemptIntended(e) => self.belongs(stream, &e.case),
            Event::TargetProbed(e) => self.belongs(stream, &e.round.case),
            Event::AlertReceived(e) => drop(self.received.insert(e.alert.clone(), e.sealed.clone())),
            Event::AlertFiled(e) => {
                for case in &e.cases {
                    self.belongs(stream, case);
                }
                let before = self.parts.remove(&e.alert).unwrap_or_default();
                let whose = self.whose(before, &e.signals, &e.unreadable);
                let sealed = self.received.remove(&e.alert).filter(|_| whose.sought);
                match sealed {
                    Some(sealed) if !whose.others => drop(self.sealed.insert(sealed)),
                    Some(_) => self.kept.push(e.alert.clone()),
                    None => {}
                }
            }
            Event::AlertPartFiled(e) => {
                for case in &e.cases {
                    self.belongs(stream, case);
                }
                let before = self.parts.get(&e.alert).copied().unwrap_or_default();
                let whose = self.whose(before, &e.signals, &e.unreadable);
                self.parts.insert(e.alert.clone(), whose);
            }
            Event::PersonCreated(e) => {
                let own = [Some(&e.name), e.email.as_ref()].into_iter().flatten();
                if own.into_iter().any(|p| self.is_sought(p.commitment(), p.value())) {
                    self.subjects.insert(e.person.clone());
                }
            }
            _ => {}
        }
    }

    /// What it came to.
    pub fn finish(mut self) -> Found {
        for (stream, commitments) in &self.found {
            for case in self.cases_of.get(stream).into_iter().flatten() {
                if let Some(held) = self.cases.get_mut(case) {
                    held.values += commitments.len();
                    held.holds |= self.holds.iter().any(|(c, _)| c == case);
                }
            }
        }
        self.cases.retain(|_, held| held.values > 0);
        Found {
            sought: self.sought,
            commitments: self.found.into_values().flatten().collect(),
            known: self.known,
            elsewhere: self.elsewhere.len(),
            cases: self.cases,
            subjects: self.subjects,
            sealed: self.sealed,
            kept: self.kept,
        }
    }

    /// Whom these signals are about, and those before them.
    fn whose(&self, before: Whose, signals: &[FiledSignal], unreadable: &[Unreadable]) -> Whose {
        let about = |signal: &FiledSignal| {
            let value = serde_json::to_value(signal).expect("a signal is plain data");
            !self.values_of(&value).is_empty()
        };
        let (about, others): (Vec<_>, Vec<_>) = signals.iter().partition(|s| about(s));
        Whose { sought: before.sought || !about.is_empty(), others: before.others || !others.is_empty() || !unreadable.is_empty() }
    }

    fn case(&mut self, id: &CaseId) -> &mut Held {
        self.cases.entry(id.clone()).or_default()
    }

    fn belongs(&mut self, stream: &StreamId, case: &CaseId) {
        self.cases_of.entry(stream.clone()).or_default().insert(case.clone());
    }

    fn is_sought(&self, commitment: &str, text: Option<&str>) -> bool {
        match &self.sought {
            Sought::Person { .. } => text.is_some_and(|text| self.sought.is_about(text)),
            // Whose account has the same name is the person, under whatever salt.
            Sought::Commitments { commitments, texts } => commitments.contains(commitment) || text.is_some_and(|text| texts.contains(text)),
        }
    }

    /// Sought commitments that are still disclosed in `value`.
    fn values_of(&self, value: &Value) -> Vec<String> {
        let mut out = Vec::new();
        personal::each(value, &mut |commitment, text| {
            let sought = match &self.sought {
                Sought::Person { .. } => text.is_some_and(|text| self.sought.is_about(text)),
                Sought::Commitments { commitments, .. } => text.is_some() && commitments.contains(commitment),
            };
            if sought {
                out.push(commitment.to_string());
            }
        });
        out
    }

    fn values(&mut self, value: &Value) -> Vec<String> {
        if let Sought::Commitments { commitments, texts } = &self.sought {
            personal::each(value, &mut |commitment, text| {
                if commitments.contains(commitment) {
                    self.known.insert(commitment.to_string());
                } else if text.is_some_and(|text| texts.contains(text)) {
                    self.elsewhere.insert(commitment.to_string());
                }
            });
        }
        self.values_of(value)
    }
}

/// One erasure: the fold of its stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Erasure {
    pub id: ErasureId,
    pub whom: Vec<Personal>,
    pub reason: Personal,
    pub requested_by: By,
    pub requested_at: Timestamp,
    pub subjects: BTreeSet<PersonId>,
    pub cases: BTreeSet<CaseId>,
    pub commitments: BTreeSet<String>,
    pub sealed: BTreeSet<String>,
    pub approved: Option<(By, Timestamp)>,
    /// Who said no, when and why.
    pub denied: Option<(By, Timestamp, Personal)>,
    pub withdrawn_at: Option<Timestamp>,
    pub erased_at: Option<Timestamp>,
}

impl Erasure {
    /// The erasure after its first event.
    pub fn requested(event: &ErasureRequested, by: &By, at: Timestamp) -> Self {
        Self {
            id: event.erasure.clone(),
            whom: event.whom.clone(),
            reason: event.reason.clone(),
            requested_by: by.clone(),
            requested_at: at,
            subjects: event.subjects.iter().cloned().collect(),
            cases: event.cases.iter().cloned().collect(),
            commitments: event.commitments.iter().cloned().collect(),
            sealed: event.sealed.iter().cloned().collect(),
            approved: None,
            denied: None,
            withdrawn_at: None,
            erased_at: None,
        }
    }

    /// The erasure after one more event.
    pub fn apply(&mut self, event: &Event, by: &By, at: Timestamp) {
        match event {
            Event::ErasureExtended(e) => {
                self.cases.extend(e.cases.iter().cloned());
                self.commitments.extend(e.commitments.iter().cloned());
                self.sealed.extend(e.sealed.iter().cloned());
            }
            Event::ErasureApproved(_) => self.approved = Some((by.clone(), at)),
            Event::ErasureDenied(e) => self.denied = Some((by.clone(), at, e.reason.clone())),
            Event::ErasureWithdrawn(_) => self.withdrawn_at = Some(at),
            Event::ValuesErased(_) => self.erased_at = Some(at),
            _ => {}
        }
    }

    /// `requested`, `denied`, `withdrawn`, `lapsed` or `erased`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.over(now) {
            None => "requested",
            Some(Refused::Denied(_)) => "denied",
            Some(Refused::Withdrawn(_)) => "withdrawn",
            Some(Refused::Lapsed(_)) => "lapsed",
            Some(_) => "erased",
        }
    }

    /// Why nobody decides about it any more; none while it waits for a second person.
    fn over(&self, now: Timestamp) -> Option<Refused> {
        let id = || self.id.clone();
        if self.erased_at.is_some() {
            return Some(Refused::Done(id()));
        }
        if self.denied.is_some() {
            return Some(Refused::Denied(id()));
        }
        if self.withdrawn_at.is_some() {
            return Some(Refused::Withdrawn(id()));
        }
        self.is_lapsed(now).then(|| Refused::Lapsed(id()))
    }

    fn is_lapsed(&self, now: Timestamp) -> bool {
        now > after(self.requested_at, LAPSES_SECONDS)
    }
}

/// What a person orders.
#[derive(Clone, Debug)]
pub enum Order<'a> {
    Request { erasure: ErasureId, whom: Vec<Personal>, reason: Personal },
    Approve(&'a Erasure),
}

/// Why it is refused; says the next move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a machine token or agent decides no erasure; sign in as a person with `quell login`")]
    NotAPerson,
    #[error("these are your own data, so two other people decide; ask one of them to run `quell ledger erase`")]
    Subject,
    #[error("you requested erasure `{0}`, so another person approves it")]
    SamePerson(ErasureId),
    #[error("erasure `{0}` was carried out already; `quell ledger erase --list` shows when")]
    Done(ErasureId),
    #[error("erasure `{0}` was denied; request it again where the reason does not stand any more")]
    Denied(ErasureId),
    #[error("erasure `{0}` was withdrawn; request it again")]
    Withdrawn(ErasureId),
    #[error(
        "another person requested erasure `{0}`, so you do not withdraw it; deny it with `quell ledger erase --deny {0} --reason TEXT`"
    )]
    NotTheAuthor(ErasureId),
    #[error("you requested erasure `{0}`; take it back with `quell ledger erase --withdraw {0}`")]
    OwnRequest(ErasureId),
    #[error("erasure `{0}` waited longer than 30 days for a second person; request it again")]
    Lapsed(ErasureId),
    #[error("`{0}` is a pseudonymous id, which tells who did what and stays; give the person's name or address")]
    Pseudonym(String),
    #[error("`{0}` is too short to tell a person by; give the full name or address, or commitments")]
    TooShort(String),
    #[error("no event has the commitment `{0}`; `events/N.json` of a bundle names them as `personal`")]
    UnknownCommitment(String),
    #[error("nothing that is still disclosed is about it; look at how the record spells it, or give commitments")]
    Nothing,
    #[error("case `{case}` is open and its record holds {values} of the values; close it first with `quell case close {case}`")]
    Open { case: CaseId, values: usize },
    #[error(
        "case `{case}` is on hold: it keeps something contained, and its record holds {values} of the values; release it first with `quell case undo {case}`"
    )]
    OnHold { case: CaseId, values: usize },
    #[error(
        "the inventory still names it in {count} objects, `{first}` among them, and would bring it back; \
         take them out with `quell inventory import --replace` first"
    )]
    InInventory { first: String, count: usize },
}

/// Whether a text can tell whose values are meant.
pub fn names_a_person(name: &str) -> Result<(), Refused> {
    if name.starts_with("u-") && name.len() == 12 {
        return Err(Refused::Pseudonym(name.to_string()));
    }
    if name.trim().chars().count() < NAME_CHARACTERS_MIN {
        return Err(Refused::TooShort(name.to_string()));
    }
    Ok(())
}

/// The events of an order, or why it is refused. Whether the person may at all
/// was policy's question, asked for every case in `found`.
///
/// Both orders are judged by the same record: what became of a case since the
/// request counts when it is approved.
pub fn decide(order: &Order<'_>, by: &By, found: &Found, inventory: &[String], now: Timestamp) -> Result<Vec<Event>, Refused> {
    let By::Person(person) = by else { return Err(Refused::NotAPerson) };
    let earlier = match order {
        Order::Request { .. } => None,
        Order::Approve(erasure) => Some(*erasure),
    };
    if found.subjects.contains(person) || earlier.is_some_and(|e| e.subjects.contains(person)) {
        return Err(Refused::Subject);
    }
    if let Some(erasure) = earlier {
        if let Some(over) = erasure.over(now) {
            return Err(over);
        }
        if erasure.requested_by == *by {
            return Err(Refused::SamePerson(erasure.id.clone()));
        }
    }

    if let Sought::Commitments { commitments, .. } = &found.sought
        && earlier.is_none()
        && let Some(unknown) = commitments.iter().find(|c| !found.known.contains(*c))
    {
        return Err(Refused::UnknownCommitment(unknown.clone()));
    }
    if found.commitments.is_empty() {
        return Err(Refused::Nothing);
    }

    // What is still worked with is still needed, and would be written anew.
    for (case, held) in &found.cases {
        if held.open {
            return Err(Refused::Open { case: case.clone(), values: held.values });
        }
        if held.holds {
            return Err(Refused::OnHold { case: case.clone(), values: held.values });
        }
    }
    if let Some(first) = inventory.first() {
        return Err(Refused::InInventory { first: first.clone(), count: inventory.len() });
    }

    Ok(match order {
        Order::Request { erasure, whom, reason } => requested(erasure, whom, reason, found),
        Order::Approve(erasure) => approved(erasure),
    })
}

/// A second person's no, by the rule of a second person's yes: never the subject's,
/// never the author's. It rests on nothing in the record but the request.
pub fn deny(erasure: &Erasure, reason: &Personal, by: &By, now: Timestamp) -> Result<Event, Refused> {
    let By::Person(person) = by else { return Err(Refused::NotAPerson) };
    if erasure.subjects.contains(person) {
        return Err(Refused::Subject);
    }
    if let Some(over) = erasure.over(now) {
        return Err(over);
    }
    if erasure.requested_by == *by {
        return Err(Refused::OwnRequest(erasure.id.clone()));
    }
    Ok(ErasureDenied { reason: reason.clone() }.into())
}

/// The author takes the request back; nobody else does.
pub fn withdraw(erasure: &Erasure, by: &By, now: Timestamp) -> Result<Event, Refused> {
    if !matches!(by, By::Person(_)) {
        return Err(Refused::NotAPerson);
    }
    if let Some(over) = erasure.over(now) {
        return Err(over);
    }
    if erasure.requested_by != *by {
        return Err(Refused::NotTheAuthor(erasure.id.clone()));
    }
    Ok(ErasureWithdrawn {}.into())
}

fn requested(erasure: &ErasureId, whom: &[Personal], reason: &Personal, found: &Found) -> Vec<Event> {
    // The request's own words go with what they are about.
    let mut commitments = found.commitments.clone();
    commitments.extend(whom.iter().map(|w| w.commitment().to_string()));
    if reason.value().is_some_and(|text| found.sought.is_about(text)) {
        commitments.insert(reason.commitment().to_string());
    }
    let mut parts = parts(found.cases.keys().cloned(), &commitments, &found.sealed);
    let (cases, commitments, sealed) = parts.next().unwrap_or_default();
    let (erasure, whom, reason) = (erasure.clone(), whom.to_vec(), reason.clone());
    let subjects = found.subjects.iter().cloned().collect();
    let first = ErasureRequested { erasure, whom, reason, subjects, cases, commitments, sealed };
    let rest = parts.map(|(cases, commitments, sealed)| ErasureExtended { cases, commitments, sealed }.into());
    core::iter::once(first.into()).chain(rest).collect()
}

fn approved(erasure: &Erasure) -> Vec<Event> {
    let parts = parts(core::iter::empty(), &erasure.commitments, &erasure.sealed);
    let erased = parts.map(|(_, commitments, sealed)| ValuesErased { commitments, sealed }.into());
    core::iter::once(ErasureApproved {}.into()).chain(erased).collect()
}

type Part = (Vec<CaseId>, Vec<String>, Vec<String>);

/// The three lists side by side, in parts that fit into one event each.
fn parts(cases: impl Iterator<Item = CaseId>, commitments: &BTreeSet<String>, sealed: &BTreeSet<String>) -> impl Iterator<Item = Part> {
    fn chunks<T: Clone>(all: Vec<T>) -> Vec<Vec<T>> {
        all.chunks(LISTED_MAX).map(<[T]>::to_vec).collect()
    }
    let (cases, commitments) = (chunks(cases.collect()), chunks(commitments.iter().cloned().collect()));
    let sealed = chunks(sealed.iter().cloned().collect());
    let count = cases.len().max(commitments.len()).max(sealed.len());
    (0..count).map(move |n| {
        (
            cases.get(n).cloned().unwrap_or_default(),
            commitments.get(n).cloned().unwrap_or_default(),
            sealed.get(n).cloned().unwrap_or_default(),
        )
    })
}
