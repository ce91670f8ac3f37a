//! The record that holds findings, people, plans and proofs until closure.
//!
//! [`Case::apply`] folds a case's stream; [`decide`] says which events a command
//! makes, or why it is refused. Both are pure. What a case shows as its
//! credentials' lives comes from the targets' own streams.

mod order;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};

pub use order::{Command, Refused, decide};
use serde::{Deserialize, Serialize};

use crate::{
    approval::Bench,
    by_hand,
    course::PlanState,
    decision::Role,
    event::{By, CaseAdvanced, CaseEnriched, CaseReopened, CaseUnmerged, Derivation, Event, PeopleAsked, Stage, TaskAdded, Verdict},
    finding::{Corroboration, Finding},
    hold::TargetState,
    id::{CaseId, FindingId, PersonId, PlanId, TargetId},
    merge::Merge,
    personal::Personal,
    plan::PlanKind,
    proof::{Exposure, Life},
    signal::{CredentialKind, SignalKind},
    target::{Target, TargetKind},
    time::Timestamp,
};

/// How the task begins that asks why what was contained came back.
pub const ROOT_CAUSE: &str = "find the root cause";

/// Most identities that one case follows; more is said as not looked at.
pub const SUBJECTS_MAX: usize = 64;

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub id: CaseId,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub because: String,
    pub stages: Vec<(Stage, Timestamp)>,
    pub findings: Vec<Finding>,
    /// When each finding came in; its repetitions do not count.
    pub received: BTreeMap<FindingId, Timestamp>,
    /// When each finding that changes nothing by itself last asked for a probe.
    pub asks_for_a_probe: BTreeMap<FindingId, Timestamp>,
    pub subjects: BTreeMap<TargetId, CaseEnriched>,
    /// When the plane of each subject last said what it holds of it.
    pub looked_at: BTreeMap<TargetId, Timestamp>,
    /// When it was asked last and said nothing, and how often in a row.
    pub unseen: BTreeMap<TargetId, (Timestamp, u32)>,
    /// When it said something at last, after it had said nothing.
    pub heard_late: BTreeMap<TargetId, Timestamp>,
    /// Credentials and sessions of the case, in the order they became known.
    pub linked: Vec<(Target, Option<CredentialKind>)>,
    pub plans: Vec<(PlanId, PlanKind)>,
    pub lead: Option<PersonId>,
    pub verdicts: Vec<(Role, Verdict, By, Timestamp)>,
    /// Whom each plan waits for, as they were asked last.
    pub asked: BTreeMap<PlanId, PeopleAsked>,
    pub notes: Vec<(Personal, By, Timestamp)>,
    pub tasks: Vec<Task>,
    pub accepted: BTreeMap<TargetId, (Timestamp, By)>,
    /// Dead credentials that were tried again and of which the lead was told; true where
    /// a use was accepted.
    pub reused: BTreeMap<TargetId, bool>,
    /// The case that goes on with what this one holds.
    pub merged_into: Option<CaseId>,
    /// Cases that became part of it, with those that were taken out again.
    pub merged: Vec<Merge>,
    /// When it was opened itself; `opened_at` is the earliest of it and its merged cases.
    opened_itself_at: Timestamp,
}

/// Something a person is asked to do by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub added: TaskAdded,
    pub at: Timestamp,
    pub ended: Option<(By, Timestamp)>,
    /// What whoever ended it brought.
    pub brought: Brought,
}

/// What a person saw, when, and the SHA-256 of a file that shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Brought {
    pub saw: Option<Personal>,
    pub seen_at: Option<Timestamp>,
    pub file: Option<String>,
}

impl Case {
    /// The case after its first event.
    pub fn opened(event: &crate::event::CaseOpened, at: Timestamp) -> Self {
        Self {
            id: event.case.clone(),
            opened_at: at,
            closed_at: None,
            because: event.because.clone(),
            stages: vec![(Stage::Detected, at)],
            findings: vec![event.finding.clone()],
            received: BTreeMap::from([(event.finding.id.clone(), at)]),
            asks_for_a_probe: event.finding.asks_for_a_probe().then(|| (event.finding.id.clone(), at)).into_iter().collect(),
            subjects: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            unseen: BTreeMap::new(),
            heard_late: BTreeMap::new(),
            linked: Vec::new(),
            plans: Vec::new(),
            lead: None,
            verdicts: Vec::new(),
            asked: BTreeMap::new(),
            notes: Vec::new(),
            tasks: Vec::new(),
            accepted: BTreeMap::new(),
            reused: BTreeMap::new(),
            merged_into: None,
            merged: Vec::new(),
            opened_itself_at: at,
        }
    }

    /// The case after one more event.
    pub fn apply(&mut self, event: &Event, by: &By, at: Timestamp) {
        match event {
            Event::FindingAttached(e) => {
                self.received.insert(e.finding.id.clone(), e.received_at.unwrap_or(at));
                if e.finding.asks_for_a_probe() {
                    self.asks_for_a_probe.insert(e.finding.id.clone(), at);
                }
                match self.findings.iter_mut().find(|f| f.id == e.finding.id) {
                    // It comes back from a case that this one was merged into.
                    Some(known) => *known = e.finding.clone(),
                    None => self.findings.push(e.finding.clone()),
                }
            }
            Event::CaseMerged(e) => {
                self.merged.push(Merge { from: e.from.clone(), opened_at: e.opened_at, at, ended_at: None });
                self.opened_at = self.opened_at.min(e.opened_at);
            }
            Event::CaseMergedAway(e) => self.merged_into = Some(e.into.clone()),
            Event::CaseGivenBack(_) => self.merged_into = None,
            Event::CaseUnmerged(e) => self.give_back(e, at),
            Event::FindingRepeated(e) => {
                if let Some(finding) = self.findings.iter_mut().find(|f| f.id == e.finding) {
                    finding.repeated(e);
                    if finding.containment_evidence || e.folded.as_ref().is_some_and(|f| f.probes) {
                        self.asks_for_a_probe.insert(e.finding.clone(), at);
                    }
                }
            }
            Event::FindingEnded(e) => {
                if let Some(finding) = self.findings.iter_mut().find(|f| f.id == e.finding) {
                    finding.outcome = Some(e.outcome.clone());
                }
            }
            Event::CaseEnriched(e) => {
                let mut now = e.clone();
                // What came from what stays true when a plane forgets it: a lease that
                // was revoked is listed no more.
                if let Some(before) = self.subjects.remove(&e.identity.id) {
                    let gone = before.derivations.into_iter().filter(|d| !e.derivations.iter().any(|n| n.to.id == d.to.id));
                    now.derivations.extend(gone);
                    now.outlive.extend(before.outlive.into_iter().filter(|t| !e.outlive.contains(t)));
                    now.irrevocable.extend(before.irrevocable.into_iter().filter(|t| !e.irrevocable.contains(t)));
                }
                self.subjects.insert(e.identity.id.clone(), now);
                match &e.unseen {
                    None => {
                        self.looked_at.insert(e.identity.id.clone(), at);
                        if self.unseen.remove(&e.identity.id).is_some() {
                            self.heard_late.insert(e.identity.id.clone(), at);
                        }
                    }
                    Some(_) => {
                        let unseen = self.unseen.entry(e.identity.id.clone()).or_insert((at, 0));
                        *unseen = (at, unseen.1 + 1);
                    }
                }
                for (target, kind) in &e.credentials {
                    self.link(target, *kind);
                }
                for session in &e.sessions {
                    self.link(session, None);
                }
            }
            Event::TargetLinked(e) => self.link(&e.target, e.credential_kind),
            Event::PlanLinked(e) => self.plans.push((e.plan.clone(), e.kind)),
            Event::CaseAdvanced(e) => self.stages.push((e.stage, at)),
            Event::PeopleAsked(e) => {
                self.asked.insert(e.plan.clone(), e.clone());
            }
            Event::VerdictGiven(e) => self.verdicts.push((e.role, e.verdict, by.clone(), at)),
            Event::LeadTaken(e) => self.lead = Some(e.lead.clone()),
            Event::NoteAdded(e) => self.notes.push((e.text.clone(), by.clone(), at)),
            Event::TaskAdded(e) => self.tasks.push(Task { added: e.clone(), at, ended: None, brought: Brought::default() }),
            Event::TaskEnded(e) => {
                if let Some(task) = self.tasks.iter_mut().find(|t| t.added.task == e.task) {
                    task.ended = Some((by.clone(), at));
                    task.brought = Brought { saw: e.attested.clone(), seen_at: e.seen_at, file: e.file.clone() };
                }
            }
            Event::RestAccepted(e) => {
                self.accepted.insert(e.target.clone(), (e.until, by.clone()));
            }
            Event::ReuseSeen(e) => {
                self.reused.insert(e.target.clone(), e.accepted > 0);
            }
            Event::CaseClosed(_) => {
                self.stages.push((Stage::Closed, at));
                self.closed_at = Some(at);
            }
            Event::CaseReopened(_) => {
                self.closed_at = None;
                self.stages.push((Stage::Triaged, at));
            }
            _ => {}
        }
    }

    fn give_back(&mut self, e: &CaseUnmerged, at: Timestamp) {
        self.findings.retain(|f| !e.findings.contains(&f.id));
        self.received.retain(|id, _| !e.findings.contains(id));
        self.asks_for_a_probe.retain(|id, _| !e.findings.contains(id));
        self.subjects.retain(|id, _| !e.subjects.contains(id));
        self.looked_at.retain(|id, _| !e.subjects.contains(id));
        self.unseen.retain(|id, _| !e.subjects.contains(id));
        self.linked.retain(|(t, _)| !e.subjects.contains(&t.identity));
        self.plans.retain(|(plan, _)| !e.plans.contains(plan));
        if let Some(merge) = self.merged.iter_mut().rfind(|m| m.from == e.from) {
            merge.ended_at = Some(at);
        }
        let parts = self.merged.iter().filter(|m| m.ended_at.is_none()).map(|m| m.opened_at);
        self.opened_at = parts.fold(self.opened_itself_at, Timestamp::min);
    }

    fn link(&mut self, target: &Target, kind: Option<CredentialKind>) {
        if !self.linked.iter().any(|(t, _)| t.id == target.id) {
            self.linked.push((target.clone(), kind));
        }
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stages.last().map_or(Stage::Detected, |(stage, _)| *stage)
    }

    /// It still takes findings and acts.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none() && self.merged_into.is_none()
    }

    /// It is only about what is not as it should be: it holds and cuts nothing.
    pub fn is_posture(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(|f| f.kind == SignalKind::Posture)
    }

    /// When it was proven last.
    pub fn proven_at(&self) -> Option<Timestamp> {
        self.stages.iter().rev().find(|(stage, _)| *stage == Stage::Proven).map(|(_, at)| *at)
    }

    /// Somebody is asked why what was contained came back, and has not answered.
    pub fn has_root_cause_task(&self) -> bool {
        self.tasks.iter().any(|t| t.ended.is_none() && t.added.what.starts_with(ROOT_CAUSE))
    }

    /// The earliest moment that anything was wrong, for "changed since" and for
    /// authority gained too late.
    pub fn earliest_sign(&self) -> Timestamp {
        self.findings.iter().filter(|f| f.counts()).map(|f| f.first_at).min().unwrap_or(self.opened_at).min(self.opened_at)
    }

    /// What its findings say together.
    pub fn corroboration(&self) -> Corroboration {
        Corroboration::of(self.findings.iter())
    }

    /// What its findings say of one identity together: what is said of another
    /// subject corroborates nothing (invariant 12). Of what no finding names, such
    /// as a twin, the whole case speaks.
    pub fn corroboration_about(&self, identity: &TargetId) -> Corroboration {
        let about = |f: &&Finding| f.resolved.as_ref().is_some_and(|r| r.identity.id == *identity);
        if self.findings.iter().any(|f| about(&f)) { Corroboration::of(self.findings.iter().filter(about)) } else { self.corroboration() }
    }

    /// The identities its findings are about.
    pub fn roots(&self) -> Vec<Target> {
        let mut roots: Vec<Target> = Vec::new();
        for resolved in self.findings.iter().filter_map(|f| f.resolved.as_ref()) {
            if !roots.iter().any(|t| t.id == resolved.identity.id) {
                roots.push(resolved.identity.clone());
            }
        }
        roots
    }

    /// The identities its findings are about, and everything that was seen to come
    /// from them on any plane, nearest first, with how; at most [`SUBJECTS_MAX`].
    pub fn subjects_of(&self, roots: &[Target]) -> Vec<(Target, Option<String>)> {
        let mut all: Vec<(Target, Option<String>)> = roots.iter().map(|r| (r.clone(), None)).collect();
        let mut at = 0;
        while at < all.len() {
            let id = all[at].0.id.clone();
            for derived in self.subjects.get(&id).into_iter().flat_map(|s| &s.derivations) {
                let leads = derived.to.kind == TargetKind::Identity && derived.to.id != id;
                if leads && all.len() < SUBJECTS_MAX && !all.iter().any(|(t, _)| t.id == derived.to.id) {
                    all.push((derived.to.clone(), Some(derived.via.clone())));
                }
            }
            at += 1;
        }
        all
    }

    /// What the plane's log writes in place of the leaked value of this credential.
    pub fn mark_of(&self, credential: &TargetId) -> Option<&str> {
        let resolved = self.findings.iter().filter_map(|f| f.resolved.as_ref());
        resolved.filter(|r| r.credential.as_ref().is_some_and(|c| c.id == *credential)).find_map(|r| r.mark.as_deref())
    }

    /// The identities of findings that ask for containment, of whom no credential was
    /// looked at.
    pub fn unlooked(&self, now: Timestamp) -> Vec<&Target> {
        let mut unlooked: Vec<&Target> = Vec::new();
        for resolved in self.findings.iter().filter(|f| !f.needs_none(now)).filter_map(|f| f.resolved.as_ref()) {
            let identity = &resolved.identity;
            if !self.was_looked_at(&identity.id) && unlooked.iter().all(|t| t.id != identity.id) {
                unlooked.push(identity);
            }
        }
        unlooked
    }

    /// A credential of the identity is known to the case: without one, what is contained
    /// of others says nothing of it (invariant 8).
    pub fn was_looked_at(&self, identity: &TargetId) -> bool {
        self.linked.iter().any(|(t, _)| t.kind == TargetKind::Credential && t.identity == *identity)
    }

    /// The subject that this identity belongs to, and how: it came with a lease of it,
    /// or keeps its secret.
    pub fn issuer_of(&self, identity: &TargetId) -> Option<(&CaseEnriched, &Derivation)> {
        let belongs = |d: &&Derivation| d.to.id == *identity && (d.via == Derivation::LEASE || d.via == Derivation::KEEPS);
        self.subjects.values().find_map(|s| s.derivations.iter().find(belongs).map(|d| (s, d)))
    }

    /// The credentials that were reported exposed.
    pub fn exposed(&self) -> BTreeSet<TargetId> {
        self.findings
            .iter()
            .filter(|f| f.kind == SignalKind::LeakedSecret && !f.sample && f.counts())
            .filter_map(|f| f.resolved.as_ref()?.credential.as_ref().map(|c| c.id.clone()))
            .collect()
    }

    /// People who are subjects of it or joined to one, and those whom one
    /// uncorroborated sender alone names: forged alerts cannot empty the bench
    /// (invariant 13).
    pub fn bench(&self) -> Bench {
        let mut bench = Bench::default();
        for subject in self.subjects.values() {
            let corroborated = self.corroboration_about(&subject.identity.id).is_corroborated();
            let side = if corroborated { &mut bench.entangled } else { &mut bench.contested };
            side.extend(subject.entangled.iter().cloned());
        }
        bench.contested.retain(|p| !bench.entangled.contains(p));
        bench
    }

    /// Security operations' last verdict is "not malicious".
    pub fn is_not_malicious(&self) -> bool {
        self.verdicts
            .iter()
            .rev()
            .find(|(role, ..)| *role == Role::Secops)
            .is_some_and(|(_, verdict, ..)| *verdict == Verdict::NotMalicious)
    }

    /// Everything it could not look at, each once (invariant 15).
    pub fn not_looked_at(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for gap in self.subjects.values().flat_map(|s| s.not_looked_at.iter()) {
            if !out.contains(gap) {
                out.push(gap.clone());
            }
        }
        let followed = self.subjects_of(&self.roots());
        let left = followed.len() >= SUBJECTS_MAX
            && self
                .subjects
                .values()
                .flat_map(|s| &s.derivations)
                .any(|d| d.to.kind == TargetKind::Identity && !followed.iter().any(|(t, _)| t.id == d.to.id));
        if left {
            out.push(format!("what came from more than {SUBJECTS_MAX} identities: this case follows no further"));
        }
        if self.subjects.values().any(|s| s.dependents.is_none()) {
            out.push("consumers that nobody declared: unknown".to_string());
        }
        out
    }

    /// The exposure of one of its credentials: from the earliest sign that others
    /// could use it, until the first dead probe past the settle time.
    pub fn exposure(&self, target: &TargetState) -> Exposure {
        let id = target.target.as_ref().map(|t| &t.id);
        let identity = target.target.as_ref().map(|t| &t.identity);
        let about = |f: &&Finding| {
            f.resolved.as_ref().is_some_and(|r| r.credential.as_ref().map(|c| &c.id) == id || Some(&r.identity.id) == identity)
                && f.counts()
        };
        let first = self.findings.iter().filter(about).min_by_key(|f| f.first_at);
        let (from, basis) = first.map_or((self.opened_at, crate::signal::ObservedFrom::Received), |f| (f.first_at, f.first_at_from));
        let basis = match basis {
            crate::signal::ObservedFrom::Event => "event",
            crate::signal::ObservedFrom::VendorUpdate => "vendor_update",
            crate::signal::ObservedFrom::Received => "received",
        };
        Exposure {
            from,
            from_basis: basis.to_string(),
            at_least_until: target.last_live_at,
            at_most_until: target.dead_since,
            running: target.dead_since.is_none(),
        }
    }
}

/// What keeps a case from closing (invariant 8); empty when nothing does.
pub fn still_open(
    case: &Case,
    targets: &BTreeMap<TargetId, Arc<TargetState>>,
    plans: &BTreeMap<PlanId, Arc<PlanState>>,
    now: Timestamp,
) -> Vec<String> {
    let mut open = Vec::new();
    #[cfg(feature = "plant")]
    if crate::plant::is("a case closes whatever is open") {
        return open;
    }
    let open_plans = plans.values().filter(|p| p.is_open()).count();
    if open_plans > 0 {
        open.push(format!("{open_plans} plan(s) have not ended"));
    }
    let reviews = case.tasks.iter().filter(|t| t.ended.is_none() && t.added.reviews.is_some());
    open.extend(reviews.map(|t| format!("task `{}` is not done: {}", t.added.task, t.added.what)));
    // A case whose every finding has an outcome that needs no containment is done.
    let needs_none = |f: &Finding| f.needs_none(now);
    if case.findings.iter().all(needs_none) {
        return open;
    }
    for finding in case.findings.iter().filter(|f| f.resolved.is_none() && !needs_none(f)) {
        open.push(format!("finding `{}` names nobody on our planes and has no outcome", finding.id));
    }
    for (target, _) in &case.linked {
        let state = targets.get(&target.id);
        let contained = state.is_some_and(|s| s.is_contained() || s.life == Some(Life::Restored));
        let accepted = case.accepted.get(&target.id).is_some_and(|(until, _)| *until > now);
        if !contained && !accepted && !is_issued_and_proved(plans, target) {
            let life = state.and_then(|s| by_hand::life(case, plans, target, s)).unwrap_or(Life::Unknown);
            let word = serde_json::to_value(life).ok().and_then(|v| v.as_str().map(ToString::to_string)).unwrap_or_default();
            open.push(format!("{} `{}` is {word}", target.kind.name(), target.reference()));
        }
    }
    open.extend(case.unlooked(now).iter().map(|t| format!("no credential of `{}` was looked at", t.reference())));
    open
}

/// Quell issued it in this case, and that was proved: its consumer lives by it.
fn is_issued_and_proved(plans: &BTreeMap<PlanId, Arc<PlanState>>, target: &Target) -> bool {
    let proved = |plan: &PlanState, n: u16| plan.course(n).ended.is_some_and(|(how, ..)| how == "proved");
    plans.values().any(|plan| plan.plan.steps.iter().any(|step| step.issues(target) && proved(plan, step.n)))
}

/// The stage that the facts show, for [`CaseAdvanced`].
pub fn stage_of(case: &Case, decided: bool, acted: bool, proven: bool, restored: bool) -> Option<CaseAdvanced> {
    let stage = if !case.is_open() {
        return None;
    } else if restored {
        Stage::Restored
    } else if proven {
        Stage::Proven
    } else if acted {
        Stage::Acted
    } else if decided {
        Stage::Decided
    } else if !case.subjects.is_empty() {
        Stage::Triaged
    } else {
        Stage::Detected
    };
    // One stage at a time, so that each entry time is kept; but what was given
    // back without ever being proved never counts as proven.
    const ORDER: [Stage; 6] = [Stage::Detected, Stage::Triaged, Stage::Decided, Stage::Acted, Stage::Proven, Stage::Restored];
    let reached = |next: &Stage| *next > case.stage() && *next <= stage && (proven || *next != Stage::Proven);
    ORDER.into_iter().find(reached).map(|stage| CaseAdvanced { stage })
}

/// A closed case wakes up when what it held comes back.
pub fn reopen_for(life: Life, case: &Case) -> Option<CaseReopened> {
    (case.closed_at.is_some() && life == Life::Live)
        .then(|| CaseReopened { because: "a credential of it was seen usable again".to_string() })
}

/// One row of the case list, without loading anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub id: CaseId,
    pub state: Stage,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub findings: u32,
    pub signals: u32,
}
