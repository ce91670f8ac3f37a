//! Signals fold into findings, findings into cases.
//!
//! A signal joins the finding of its fold key; else the open case of its
//! subject, or of a case whose reach contains it; else it opens one. Why is
//! part of the event. A containment evidence never opens a case.

use quell_core::{
    event::{By, CaseOpened, FindingAttached, FindingRepeated},
    finding::{FiledSignal, Finding, Resolved, fold_key},
    id::{CaseId, FindingId, StreamId},
    personal::Salter,
    signal::{SignalKind, Unreadable},
    target::TargetKind,
    time::Timestamp,
};

use crate::{
    Engine, Failure, lookup,
    record::Writing,
    streams::{AlertState, Folded},
};

/// What one alert does to findings and cases, before it is appended.
pub struct Filing {
    pub writing: Writing,
    pub at: Timestamp,
    pub findings: Vec<FindingId>,
    pub cases: Vec<CaseId>,
    /// Findings of this very alert, by fold key: the store does not know them yet.
    fresh: Vec<(String, CaseId, Finding)>,
}

impl Filing {
    /// Starts with nothing filed.
    pub fn new(writing: Writing, at: Timestamp) -> Self {
        Self { writing, at, findings: Vec::new(), cases: Vec::new(), fresh: Vec::new() }
    }

    fn touched(&mut self, case: &CaseId, finding: &FindingId) {
        if !self.cases.contains(case) {
            self.cases.push(case.clone());
        }
        if !self.findings.contains(finding) {
            self.findings.push(finding.clone());
        }
    }
}

impl Engine {
    /// The case of an id, loaded.
    pub async fn case(&self, id: &CaseId) -> Result<Option<std::sync::Arc<quell_core::case::Case>>, Failure> {
        Ok(match self.streams.load(&*self.ports.store, &StreamId::case(id)).await?.map(|k| k.folded) {
            Some(Folded::Case(case)) => Some(case),
            _ => None,
        })
    }

    /// Attaches one signal.
    pub(crate) async fn correlate(&self, filing: &mut Filing, signal: &FiledSignal, resolved: Option<Resolved>) -> Result<(), Failure> {
        let fold = fold_key(&self.settings.key, signal.kind, resolved.as_ref(), signal.fingerprint.as_ref(), &signal.dedupe);
        let by = By::Source(signal.source.clone());

        // The same finding of this very alert.
        if let Some((_, case, finding)) = filing.fresh.iter_mut().find(|(f, ..)| *f == fold) {
            let counts = !finding.seen.contains(&signal.dedupe);
            let (case, id) = (case.clone(), finding.id.clone());
            let again = repeated(finding, signal, counts);
            finding.repeated(&again);
            filing.writing.event(StreamId::case(&case), &by, again);
            filing.touched(&case, &id);
            return Ok(());
        }
        // The same finding, in a case that is open.
        if let Some(row) = self.ports.store.lookup(lookup::FOLD, &fold).await?
            && let Some((case, id)) = row["case"].as_str().zip(row["finding"].as_str())
        {
            let (case, id) = (CaseId::new(case), FindingId::new(id));
            if let Some(state) = self.case(&case).await?.filter(|c| c.is_open())
                && let Some(finding) = state.findings.iter().find(|f| f.id == id)
            {
                let counts = !finding.seen.contains(&signal.dedupe);
                filing.writing.event(StreamId::case(&case), &by, repeated(finding, signal, counts));
                filing.touched(&case, &id);
                return Ok(());
            }
        }

        let finding = Finding {
            id: FindingId::from_chance(self.ports.chance.id()),
            fold: fold.clone(),
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
            fingerprint: signal.fingerprint.clone(),
            sample: signal.sample,
            containment_evidence: signal.containment_evidence,
            unsigned: signal.unsigned,
            unreadable: false,
            outcome: None,
        };
        self.place(filing, finding, resolved.as_ref(), &by).await
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
            && self.case(&CaseId::new(case)).await?.is_some_and(|c| c.is_open())
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
            };
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
            fingerprint: None,
            sample: false,
            containment_evidence: false,
            unsigned: false,
            unreadable: true,
            outcome: None,
        };
        self.place(filing, finding, None, &by).await
    }

    async fn place(&self, filing: &mut Filing, finding: Finding, resolved: Option<&Resolved>, by: &By) -> Result<(), Failure> {
        let (case, because) = self.case_for(filing, resolved).await?;
        let id = finding.id.clone();
        let fold = finding.fold.clone();
        let case = match case {
            Some(case) => {
                filing.writing.event(StreamId::case(&case), by, FindingAttached { finding: finding.clone(), because });
                case
            }
            None => {
                let case = CaseId::from_chance(self.ports.chance.id());
                filing.writing.event(StreamId::case(&case), by, CaseOpened { case: case.clone(), finding: finding.clone(), because });
                case
            }
        };
        filing.touched(&case, &id);
        filing.fresh.push((fold, case, finding));
        Ok(())
    }

    async fn case_for(&self, filing: &Filing, resolved: Option<&Resolved>) -> Result<(Option<CaseId>, String), Failure> {
        let Some(resolved) = resolved else { return Ok((None, "nobody on our planes is named, so it stands alone".to_owned())) };
        let fresh = filing.fresh.iter().find(|(_, _, f)| f.resolved.as_ref().is_some_and(|r| r.identity.id == resolved.identity.id));
        if let Some((_, case, _)) = fresh {
            return Ok((Some(case.clone()), "the same identity in the same alert".to_owned()));
        }
        if let Some(value) = self.ports.store.lookup(lookup::SUBJECT, resolved.identity.id.as_str()).await?
            && let Some(id) = value.as_str()
            && self.case(&CaseId::new(id)).await?.is_some_and(|c| c.is_open())
        {
            return Ok((Some(CaseId::new(id)), "the open case of this identity".to_owned()));
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
                && self.case(&id).await?.is_some_and(|c| c.is_open())
            {
                let because = if came_from_it { "was reached from the subject of this case" } else { "reached the subject of this case" };
                return Ok((Some(id), format!("an identity of `{}` {because}", resolved.identity.plane)));
            }
        }
        Ok((None, "no open case is about this identity".to_owned()))
    }
}

fn repeated(finding: &Finding, signal: &FiledSignal, counts: bool) -> FindingRepeated {
    FindingRepeated {
        finding: finding.id.clone(),
        alert: signal.alert.clone(),
        sender: signal.source.clone(),
        at: signal.observed_at,
        dedupe: signal.dedupe.clone(),
        counts,
        unsigned: signal.unsigned,
        real: finding.sample && !signal.sample,
    }
}
