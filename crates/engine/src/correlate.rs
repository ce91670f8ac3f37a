//! Signals fold into findings, findings into cases.
//!
//! Whether a signal joins a finding is the core's answer ([`quell_core::fold`]); here
//! is found what it rests on. A finding of its own joins the open case of its
//! subject, or of a case whose reach contains it; else it opens one. What is merely
//! not as it should be has cases of its own. Why is part of the event.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quell_core::{
    case::{Case, ROOT_CAUSE},
    decision::Role,
    event::{By, CaseOpened, FindingAttached, FindingRepeated, TaskAdded},
    finding::{FiledSignal, Finding, Resolved, fold_key},
    fold::{self, Folded, Folding, Folds, Heard, Past, Rule},
    hold::TargetState,
    id::{CaseId, FindingId, StreamId, TargetId, TaskId},
    personal::Salter,
    posture::Posture,
    respond,
    signal::{SignalKind, Unreadable},
    target::TargetKind,
    time::Timestamp,
};

use crate::{
    Engine, Failure, compare, lookup,
    record::{Seen, Writing},
    streams::{self, AlertState},
};

/// What one alert does to findings and cases, before it is appended.
pub struct Filing {
    pub writing: Writing,
    pub at: Timestamp,
    pub findings: Vec<FindingId>,
    pub cases: Vec<CaseId>,
    /// What became of each signal, in their order.
    pub placed: Vec<Placed>,
    /// The cases that were looked at, as they were loaded.
    pub seen: Seen,
    /// Cases for which something may be due now.
    pub at_work: BTreeSet<CaseId>,
    /// Findings that this very alert made or repeated, as they are after it.
    known: BTreeMap<FindingId, (CaseId, Finding)>,
    /// The same by their fold key, and by the identity they are about, in their order.
    by_fold: BTreeMap<String, Vec<FindingId>>,
    by_identity: BTreeMap<TargetId, Vec<FindingId>>,
    /// What was touched so far.
    touched: (BTreeSet<CaseId>, BTreeSet<FindingId>),
    /// Cases in which somebody is asked for the root cause.
    asked: BTreeSet<CaseId>,
}

/// What became of one signal, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub kind: SignalKind,
    pub rule: Rule,
    /// Opaque: equal for all that may fold together.
    pub fold: String,
    pub case: CaseId,
    pub opens_case: bool,
    pub finding: FindingId,
    /// What it joined, or stands apart from.
    pub beside: Option<FindingId>,
    pub counts: bool,
    pub asks_again: bool,
    pub subject: Option<String>,
    pub timing: Option<fold::Timing>,
    pub recurs: bool,
}

/// What folding compares of one signal, keyed.
#[derive(Clone)]
pub struct Keys {
    pub delivery: String,
    pub body: String,
    pub address: Option<String>,
}

impl Filing {
    /// Starts with nothing filed.
    pub fn new(writing: Writing, at: Timestamp) -> Self {
        Self {
            writing,
            at,
            findings: Vec::new(),
            cases: Vec::new(),
            placed: Vec::new(),
            seen: Seen::new(),
            at_work: BTreeSet::new(),
            known: BTreeMap::new(),
            by_fold: BTreeMap::new(),
            by_identity: BTreeMap::new(),
            touched: Default::default(),
            asked: BTreeSet::new(),
        }
    }

    fn touched(&mut self, case: &CaseId, finding: &FindingId) {
        if self.touched.0.insert(case.clone()) {
            self.cases.push(case.clone());
        }
        if self.touched.1.insert(finding.clone()) {
            self.findings.push(finding.clone());
        }
    }

    /// The findings of a fold key in a case, as they are after what was filed so far.
    fn said<'a>(&'a self, fold: &str, case: &CaseId, stored: Option<&'a Case>) -> Vec<&'a Finding> {
        let stored = stored.into_iter().flat_map(|c| &c.findings).filter(|f| f.fold == fold && !self.known.contains_key(&f.id));
        let here = self.by_fold.get(fold).into_iter().flatten().filter_map(|id| self.known.get(id));
        stored.chain(here.filter(|(c, _)| c == case).map(|(_, f)| f)).collect()
    }

    /// Findings about an identity that this very alert made or repeated.
    fn about(&self, identity: &TargetId) -> impl Iterator<Item = &(CaseId, Finding)> {
        self.by_identity.get(identity).into_iter().flatten().filter_map(|id| self.known.get(id))
    }

    fn know(&mut self, case: &CaseId, finding: Finding) {
        let id = finding.id.clone();
        self.by_fold.entry(finding.fold.clone()).or_default().push(id.clone());
        if let Some(resolved) = &finding.resolved {
            self.by_identity.entry(resolved.identity.id.clone()).or_default().push(id.clone());
        }
        self.known.insert(id, (case.clone(), finding));
    }

    /// The finding of a case that is repeated here, to be changed in place: it may have
    /// been repeated a hundred thousand times.
    fn repeated(&mut self, case: &CaseId, stored: Option<&Case>, id: &FindingId) -> Result<&mut Finding, Failure> {
        if !self.known.contains_key(id) {
            let found = stored.into_iter().flat_map(|c| &c.findings).find(|f| f.id == *id).cloned();
            let found = found.ok_or_else(|| Failure::Damaged(format!("finding `{id}` is not in its case")))?;
            self.know(case, found);
        }
        Ok(&mut self.known.get_mut(id).expect("it was made known above").1)
    }
}

impl Engine {
    /// The case of an id, loaded.
    pub async fn case(&self, id: &CaseId) -> Result<Option<Arc<Case>>, Failure> {
        Ok(match self.streams.load(&*self.ports.store, &StreamId::case(id)).await?.map(|k| k.folded) {
            Some(streams::Folded::Case(case)) => Some(case),
            _ => None,
        })
    }

    /// A case as this filing saw it first: what is written rests on that.
    async fn case_in(&self, filing: &mut Filing, id: &CaseId) -> Result<Option<Arc<Case>>, Failure> {
        let stream = StreamId::case(id);
        if !filing.seen.contains_key(&stream) {
            let known = self.streams.load(&*self.ports.store, &stream).await?;
            filing.seen.insert(stream.clone(), known);
        }
        Ok(match filing.seen[&stream].as_ref().map(|k| &k.folded) {
            Some(streams::Folded::Case(case)) => Some(case.clone()),
            _ => None,
        })
    }

    /// Attaches one signal.
    pub(crate) async fn correlate(
        &self,
        filing: &mut Filing,
        signal: &FiledSignal,
        keys: Keys,
        resolved: Option<Resolved>,
    ) -> Result<(), Failure> {
        let fold = fold_key(&self.settings.key, signal.kind, resolved.as_ref(), signal.fingerprint.as_ref(), &signal.dedupe);
        let by = By::Source(signal.source.clone());
        let sample = fold::is_sample(signal.sample, resolved.as_ref());

        // What was said of it in a case that is open, or by this very alert.
        let known = filing.by_fold.get(&fold).and_then(|ids| ids.first()).and_then(|id| filing.known.get(id));
        let mut open = known.map(|(case, _)| case.clone());
        if open.is_none()
            && let Some(row) = self.ports.store.lookup(lookup::FOLD, &fold).await?
        {
            open = row["case"].as_str().map(CaseId::new);
        }
        let stored = match &open {
            Some(case) => self.case_in(filing, case).await?,
            None => None,
        };
        if stored.as_ref().is_some_and(|c| !c.is_open()) {
            open = None;
        }

        let has_a_past = fold::has_a_past(signal.kind, signal.containment_evidence, signal.unsigned);
        let (timing, past) = match &resolved {
            Some(resolved) if has_a_past => {
                (self.timing(signal.observed_at, resolved).await?, self.past(filing, &resolved.identity.id).await?)
            }
            _ => (None, Past::default()),
        };
        let recurs = has_a_past && fold::recurs(signal.observed_at, &past);
        let heard = Heard {
            sender: &signal.source,
            event: &signal.dedupe,
            delivery: &keys.delivery,
            body: &keys.body,
            severity: signal.severity,
            address: keys.address.as_deref(),
            containment_evidence: signal.containment_evidence,
            unsigned: signal.unsigned,
        };
        let folding = match &open {
            Some(case) => fold::fold(&filing.said(&fold, case, stored.as_deref()), &heard),
            None => Folding::Apart { rule: Rule::New, from: None },
        };
        let mut placed = Placed {
            kind: signal.kind,
            rule: Rule::New,
            fold: fold.clone(),
            case: CaseId::new(""),
            opens_case: false,
            finding: FindingId::new(""),
            beside: None,
            counts: true,
            asks_again: true,
            subject: resolved.as_ref().map(|r| r.credential.as_ref().unwrap_or(&r.identity).reference()),
            timing,
            recurs,
        };

        match (folding, open) {
            (Folding::Into { finding, rule, counts, asks_again }, Some(case)) => {
                let joined = filing.repeated(&case, stored.as_deref(), &finding)?;
                let again = FindingRepeated {
                    finding: finding.clone(),
                    alert: signal.alert.clone(),
                    sender: signal.source.clone(),
                    at: signal.observed_at,
                    dedupe: signal.dedupe.clone(),
                    counts,
                    unsigned: signal.unsigned,
                    real: joined.sample && !sample,
                    folded: Some(Folded {
                        rule,
                        delivery: keys.delivery,
                        body: keys.body,
                        severity: signal.severity,
                        address: keys.address,
                        asks_again,
                        probes: fold::is_tried(signal.containment_evidence, timing, recurs),
                    }),
                };
                joined.repeated(&again);
                filing.at_work.insert(case.clone());
                filing.writing.event(StreamId::case(&case), &by, again);
                filing.touched(&case, &finding);
                (placed.rule, placed.case, placed.beside) = (rule, case, Some(finding.clone()));
                (placed.finding, placed.counts, placed.asks_again) = (finding, counts, asks_again);
            }
            (folding, _) => {
                let (rule, from) = match folding {
                    Folding::Apart { rule, from } => (rule, from),
                    Folding::Into { rule, .. } => (rule, None),
                };
                let finding = Finding {
                    id: FindingId::from_chance(self.ports.chance.id()),
                    fold,
                    kind: signal.kind,
                    title: signal.title.clone(),
                    count: 1,
                    first_at: signal.observed_at,
                    first_at_from: signal.observed_at_from,
                    last_at: signal.observed_at,
                    senders: [signal.source.clone()].into(),
                    alerts: [signal.alert.clone()].into(),
                    seen: [signal.dedupe.clone()].into(),
                    resolved: resolved.clone(),
                    uncompared: signal.uncompared.clone(),
                    fingerprint: signal.fingerprint.clone(),
                    sample,
                    containment_evidence: signal.containment_evidence,
                    unsigned: signal.unsigned,
                    unreadable: false,
                    outcome: None,
                    folds: Folds {
                        severity: signal.severity,
                        addresses: keys.address.into_iter().collect(),
                        bodies: [(keys.delivery, keys.body)].into(),
                        apart: from.is_some().then_some(rule),
                        from: from.clone(),
                        timing,
                        past: Some(past.clone()).filter(|p| *p != Past::default()),
                        recurs,
                        joined: BTreeMap::new(),
                    },
                };
                (placed.rule, placed.beside, placed.finding) = (rule, from, finding.id.clone());
                (placed.case, placed.opens_case) = self.place(filing, finding, resolved.as_ref(), &by).await?;
                if signal.kind == SignalKind::Posture {
                    let path = Posture::of(signal.title.shown()).path();
                    let task = TaskId::from_chance(self.ports.chance.id());
                    let added = TaskAdded {
                        task,
                        plan: None,
                        step: None,
                        owner: path.owner,
                        what: format!("{}; then end the finding as `{}`", path.task, path.ends_as),
                        text: Some(signal.title.clone()),
                        reviews: None,
                    };
                    filing.writing.event(StreamId::case(&placed.case), &By::Automation, added);
                }
            }
        }
        if let Some(resolved) = resolved.as_ref().filter(|_| recurs) {
            self.ask_for_the_root_cause(filing, &placed.case, resolved, &past).await?;
        }
        filing.placed.push(placed);
        Ok(())
    }

    /// What the signal is, given what was done to its credential and identity.
    async fn timing(&self, observed_at: Timestamp, resolved: &Resolved) -> Result<Option<fold::Timing>, Failure> {
        let identity = self.target_state(&resolved.identity.id).await?;
        let credential = match &resolved.credential {
            Some(credential) => self.target_state(&credential.id).await?,
            None => None,
        };
        Ok(fold::timing(observed_at, resolved, credential.as_deref(), identity.as_deref()))
    }

    /// What has happened to a target so far.
    pub(crate) async fn target_state(&self, id: &TargetId) -> Result<Option<Arc<TargetState>>, Failure> {
        Ok(match self.streams.load(&*self.ports.store, &StreamId::target(id)).await?.map(|k| k.folded) {
            Some(streams::Folded::Target(state)) => Some(state),
            _ => None,
        })
    }

    /// How often an identity was reported so far, in every case about it.
    async fn past(&self, filing: &Filing, identity: &TargetId) -> Result<Past, Failure> {
        let mut past = Past::default();
        let rows = self.ports.store.lookup_range(lookup::SUBJECT_CASE, &format!("{identity}/"), None, PAST_MAX).await?;
        for (key, _) in rows {
            let Some((_, case)) = key.split_once('/') else { continue };
            // What was merged away is counted where it is now.
            let Some(case) = self.case(&CaseId::new(case)).await?.filter(|c| c.merged_into.is_none()) else { continue };
            for _ in case.findings.iter().filter(|f| f.counts() && about(f, identity)) {
                past = past.with(case.proven_at());
            }
        }
        let fresh = filing.about(identity).filter(|(case, f)| f.counts() && !filing.seen.contains_key(&StreamId::case(case)));
        Ok(fresh.fold(past, |past, _| past.with(None)))
    }

    /// What was contained came back: once in a case, somebody is asked why.
    async fn ask_for_the_root_cause(&self, filing: &mut Filing, id: &CaseId, resolved: &Resolved, past: &Past) -> Result<(), Failure> {
        let case = self.case_in(filing, id).await?;
        if case.as_ref().is_some_and(|c| c.has_root_cause_task()) || !filing.asked.insert(id.clone()) {
            return Ok(());
        }
        let owner = if case.is_some_and(|c| c.lead.is_some()) { Role::Lead } else { Role::ResponseOwner };
        let when = past.contained_at.map(|at| at.to_string()).unwrap_or_default();
        let what = format!("{ROOT_CAUSE}: what was contained at {when} on `{}` is reported again", resolved.identity.plane);
        let text = Salter::new(self.ports.chance.seed()).commit(resolved.identity.reference());
        let task = TaskId::from_chance(self.ports.chance.id());
        filing.writing.event(
            StreamId::case(id),
            &By::Automation,
            TaskAdded { task, plan: None, step: None, owner, what, text: Some(text), reviews: None },
        );
        Ok(())
    }

    /// An alert that could not be read is a finding, too: none is dropped.
    pub(crate) async fn correlate_unreadable(
        &self,
        filing: &mut Filing,
        alert: &AlertState,
        unreadable: &[Unreadable],
        salter: &Salter,
    ) -> Result<(), Failure> {
        let dedupe = self.settings.key.opaque("dedupe", &["unreadable", alert.received.source.as_str()]);
        let fold = fold_key(&self.settings.key, SignalKind::Other, None, None, &dedupe);
        let by = By::Source(alert.received.source.clone());
        let seen = self.settings.key.opaque("dedupe", &["unreadable", alert.received.alert.as_str()]);
        if let Some(row) = self.ports.store.lookup(lookup::FOLD, &fold).await?
            && let Some((case, id)) = row["case"].as_str().zip(row["finding"].as_str())
            && self.case_in(filing, &CaseId::new(case)).await?.is_some_and(|c| c.is_open())
        {
            let (case, id) = (CaseId::new(case), FindingId::new(id));
            let event = FindingRepeated {
                finding: id.clone(),
                alert: alert.received.alert.clone(),
                sender: alert.received.source.clone(),
                at: alert.at,
                dedupe: seen,
                counts: true,
                unsigned: false,
                real: false,
                folded: None,
            };
            filing.at_work.insert(case.clone());
            filing.writing.event(StreamId::case(&case), &by, event);
            filing.touched(&case, &id);
            return Ok(());
        }
        let finding = Finding {
            id: FindingId::from_chance(self.ports.chance.id()),
            fold,
            kind: SignalKind::Other,
            title: crate::intake::unreadable_title(unreadable, salter),
            count: 1,
            first_at: alert.at,
            first_at_from: quell_core::signal::ObservedFrom::Received,
            last_at: alert.at,
            senders: [alert.received.source.clone()].into(),
            alerts: [alert.received.alert.clone()].into(),
            seen: [seen].into(),
            resolved: None,
            uncompared: Vec::new(),
            fingerprint: None,
            sample: false,
            containment_evidence: false,
            unsigned: false,
            unreadable: true,
            outcome: None,
            folds: Folds::default(),
        };
        self.place(filing, finding, None, &by).await.map(|_| ())
    }

    /// Answers which case it is in now, and whether that is a new one.
    async fn place(&self, filing: &mut Filing, finding: Finding, resolved: Option<&Resolved>, by: &By) -> Result<(CaseId, bool), Failure> {
        let (case, because) = self.case_for(filing, &finding, resolved).await?;
        let id = finding.id.clone();
        let opens = case.is_none();
        let case = match case {
            Some(case) => {
                filing.writing.event(StreamId::case(&case), by, FindingAttached { finding: finding.clone(), because, received_at: None });
                case
            }
            None => {
                let case = CaseId::from_chance(self.ports.chance.id());
                filing.writing.event(StreamId::case(&case), by, CaseOpened { case: case.clone(), finding: finding.clone(), because });
                case
            }
        };
        // A new case that names nobody asks for nothing yet: a hundred thousand of them keep
        // nobody else from their turn.
        if !opens || finding.resolved.is_some() || finding.kind == SignalKind::Posture {
            filing.at_work.insert(case.clone());
        }
        if !finding.uncompared.is_empty() {
            let due = respond::compared_again_at(filing.at, filing.at);
            filing.writing.job(compare::job_of(&id), due);
        }
        filing.touched(&case, &id);
        filing.know(&case, finding);
        Ok((case, opens))
    }

    async fn case_for(
        &self,
        filing: &mut Filing,
        finding: &Finding,
        resolved: Option<&Resolved>,
    ) -> Result<(Option<CaseId>, String), Failure> {
        // What stands apart stands beside what it stands apart from.
        if let Some(from) = &finding.folds.from {
            let case = match filing.known.get(from) {
                Some((case, _)) => Some(case.clone()),
                None => self.ports.store.lookup(lookup::FOLD, &finding.fold).await?.and_then(|row| row["case"].as_str().map(CaseId::new)),
            };
            if case.is_some() {
                let rule = finding.folds.apart.unwrap_or(Rule::New);
                return Ok((case, format!("beside what was said before: {}", rule.in_words())));
            }
        }
        let Some(resolved) = resolved else { return Ok((None, "nobody on our planes is named, so it stands alone".to_owned())) };
        let table = lookup::subject_table(finding.kind);
        if let Some((case, _)) = filing.about(&resolved.identity.id).find(|(_, f)| lookup::subject_table(f.kind) == table) {
            return Ok((Some(case.clone()), "the same identity in the same alert".to_owned()));
        }
        if let Some(value) = self.ports.store.lookup(table, resolved.identity.id.as_str()).await?
            && let Some(id) = value.as_str()
            && self.case_in(filing, &CaseId::new(id)).await?.is_some_and(|c| c.is_open())
        {
            return Ok((Some(CaseId::new(id)), "the open case of this identity".to_owned()));
        }
        if finding.kind == SignalKind::Posture {
            return Ok((None, "no open case is about what this identity is like".to_owned()));
        }
        // A case whose observed reach contains the identity; then one whose subject was
        // reached from it: the person who used the key is part of the key's case.
        let inventory = self.inventory();
        let reference = resolved.identity.reference();
        let salter = Salter::new(self.ports.chance.seed());
        let before: Vec<&str> = quell_core::reach::origins(&inventory, &reference, 6, 10_000);
        let after = quell_core::reach::reach(&inventory, &[], &reference, 6, 10_000).observed;
        let ways = before.into_iter().map(|id| (id, true)).chain(after.iter().map(|r| (r.id.as_str(), false)));
        for (joined, came_from_it) in ways {
            let Some((plane, native)) = inventory.identity(joined).and_then(|i| quell_core::inventory::split(&i.id)) else { continue };
            let subject = self.naming(&salter).target(plane, TargetKind::Identity, native, native).id;
            if let Some(value) = self.ports.store.lookup(lookup::SUBJECT, subject.as_str()).await?
                && let Some(id) = value.as_str().map(CaseId::new)
                && self.case_in(filing, &id).await?.is_some_and(|c| c.is_open())
            {
                let because = if came_from_it { "was reached from the subject of this case" } else { "reached the subject of this case" };
                return Ok((Some(id), format!("an identity of `{}` {because}", resolved.identity.plane)));
            }
        }
        Ok((None, "no open case is about this identity".to_owned()))
    }
}

/// Most cases of one identity that its past is told from.
const PAST_MAX: u32 = 100;

fn about(finding: &Finding, identity: &TargetId) -> bool {
    finding.resolved.as_ref().is_some_and(|r| r.identity.id == *identity)
}
