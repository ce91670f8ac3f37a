//! One guard per safety invariant, held against the truth and the ledger.
//!
//! They keep a fold of their own, so that a wrong fold of the engine shows, and
//! look after every append, before and after every effect, and at the end. A
//! violation is a sentence; the seed that has one failed.

mod attempt;
mod claim;
mod end;
mod people;

use std::collections::{BTreeMap, BTreeSet};

use quell_core::{
    action::Action,
    approval::Approval,
    clear::Cleared,
    course::PlanState,
    decision::{Criticality, Role},
    event::{self, By, Event, Recorded},
    finding::Finding,
    id::{AlertId, ApprovalId, CaseId, PersonId, PlanId, TargetId},
    personal::Disclosure,
    proof::Liveness,
    target::Target,
    time::Timestamp,
};
use quell_engine::port::{Append, Attempt, Message};

pub use end::{at_the_end, replay_is_equal};

use crate::world::{World, hold};

/// What is so of an identity, as its owners would say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub human: bool,
    pub shared: bool,
    pub criticality: Option<Criticality>,
    pub protected: bool,
    /// The person whose own identity it is.
    pub person: Option<PersonId>,
}

/// A plan as the guards saw it.
pub struct SeenPlan {
    pub state: PlanState,
    pub case: CaseId,
    pub started_us: Option<u64>,
    pub wanted_at_start: BTreeMap<Role, u8>,
}

/// A target as the guards saw it.
#[derive(Default)]
pub struct SeenTarget {
    pub target: Option<Target>,
    pub holds: BTreeSet<CaseId>,
    pub attempts: Vec<SeenAttempt>,
    pub last_liveness: Option<Liveness>,
    pub dead_since_us: Option<u64>,
}

/// An attempt as the guards saw it.
pub struct SeenAttempt {
    pub cleared: Cleared,
    /// None while it is open; `unknown` until it was read.
    pub outcome: Option<String>,
    pub ended_at: Option<Timestamp>,
}

/// A case as the guards saw it.
#[derive(Default)]
pub struct SeenCase {
    pub opened_at: Option<Timestamp>,
    pub findings: Vec<Finding>,
    pub enriched: BTreeSet<TargetId>,
    pub looked_us: u64,
    pub closed: bool,
    pub tasks: Vec<(Option<PlanId>, bool)>,
    pub not_malicious: bool,
}

/// An account as the guards saw it.
#[derive(Default)]
pub struct SeenPerson {
    pub since: BTreeMap<Role, Timestamp>,
    pub human: bool,
}

/// Everything the guards know.
#[derive(Default)]
pub struct Guards {
    pub violations: Vec<String>,
    pub facts: BTreeMap<(String, String), Facts>,
    pub plans: BTreeMap<PlanId, SeenPlan>,
    pub targets: BTreeMap<TargetId, SeenTarget>,
    pub cases: BTreeMap<CaseId, SeenCase>,
    pub people: BTreeMap<PersonId, SeenPerson>,
    pub approvals: BTreeMap<ApprovalId, Approval>,
    /// Alerts that a sender was told are stored.
    pub acknowledged: BTreeSet<AlertId>,
    pub filed: BTreeMap<AlertId, (usize, Vec<CaseId>)>,
    pub armed: BTreeMap<String, (Vec<Action>, Timestamp)>,
    pub paused: Option<(By, Timestamp)>,
    pub spent: BTreeMap<(String, i64), u32>,
    /// Which role, by plane and name, was seen to come from which.
    pub leads: Vec<((String, String), (String, String))>,
    /// Steps that automation was charged for.
    pub charged: BTreeSet<(PlanId, u16)>,
    pub per_hour: u32,
    pub reserve: u32,
    pub plan_seconds: u64,
    pub messages: Vec<Message>,
    /// Notices that were due, and whether a channel took them or nobody is to be told any more.
    pub notices: BTreeMap<(CaseId, String), bool>,
    pub roots: Vec<(u64, [u8; 32])>,
    pub events: u64,
    /// Attempts whose effect happened, wholly or in part.
    pub happened: BTreeSet<String>,
    known: BTreeMap<String, Disclosure>,
}

impl Guards {
    /// A safety invariant is broken.
    pub fn violated(&mut self, invariant: u8, what: impl Into<String>) {
        let line = format!("invariant {invariant}: {}", what.into());
        if !self.violations.contains(&line) {
            self.violations.push(line);
        }
    }

    /// A message went out.
    pub fn told(&mut self, message: &Message) {
        self.messages.push(message.clone());
    }

    /// What is so of the identity that a target belongs to.
    fn facts_of(&self, plane: &str, role: &str) -> Facts {
        self.facts.get(&(plane.to_owned(), role.to_owned())).cloned().unwrap_or_default()
    }

    /// The native name of an identity by its opaque id.
    fn native_of(&self, id: &TargetId) -> Option<(String, String)> {
        let target = self.targets.get(id)?.target.as_ref()?;
        Some((target.plane.clone(), target.native.value()?.to_owned()))
    }

    /// People joined to a subject of the case (invariant 13), of subjects that were looked at.
    fn entangled(&self, case: &CaseId) -> BTreeSet<PersonId> {
        self.named(case, true)
    }

    /// Those whom one uncorroborated sender alone names.
    fn contested(&self, case: &CaseId) -> BTreeSet<PersonId> {
        let entangled = self.entangled(case);
        self.named(case, false).into_iter().filter(|p| !entangled.contains(p)).collect()
    }

    fn named(&self, case: &CaseId, corroborated: bool) -> BTreeSet<PersonId> {
        let Some(seen) = self.cases.get(case) else { return BTreeSet::new() };
        let is_corroborated = |id: &TargetId| {
            let real: Vec<_> = seen
                .findings
                .iter()
                .filter(|f| f.resolved.as_ref().is_some_and(|r| r.identity.id == *id))
                .filter(|f| !f.sample && !f.unreadable && !f.containment_evidence && !f.unsigned)
                .collect();
            let senders: BTreeSet<_> = real.iter().flat_map(|f| &f.senders).collect();
            senders.len() >= 2 || real.iter().any(|f| f.resolved.as_ref().is_some_and(|r| r.possession))
        };
        let roots = seen.findings.iter().filter_map(|f| f.resolved.as_ref()).map(|r| &r.identity).filter(|i| seen.enriched.contains(&i.id));
        let named = roots.filter(|i| is_corroborated(&i.id) == corroborated);
        let named = named.filter_map(|i| Some((i.plane.clone(), i.native.value()?.to_owned())));
        named.flat_map(|role| self.joined(role)).filter_map(|(plane, role)| self.facts_of(&plane, &role).person).collect()
    }

    /// A role, and what is joined to it by what was seen, in either direction.
    pub fn joined(&self, role: (String, String)) -> BTreeSet<(String, String)> {
        let mut all = BTreeSet::new();
        for forth in [true, false] {
            let mut edge = vec![role.clone()];
            while let Some(at) = edge.pop() {
                let ways = self.leads.iter().map(|(from, to)| if forth { (from, to) } else { (to, from) });
                edge.extend(ways.filter(|(a, b)| **a == at && !all.contains(*b)).map(|(_, b)| b.clone()));
                all.insert(at);
            }
        }
        all
    }
}

/// Looks at everything that was just committed.
pub fn after_append(world: &World, append: &Append) {
    let now_us = world.now_us();
    let mut guards = hold(&world.guards);
    for disclosure in &append.disclosures {
        guards.known.insert(disclosure.commitment.clone(), disclosure.clone());
    }
    let mut batch = Vec::with_capacity(append.leaves.len());
    for leaf in &append.leaves {
        match event::decode(&leaf.bytes, &guards.known) {
            Ok(recorded) => batch.push(recorded),
            Err(why) => guards.violated(16, format!("an event cannot be read back: {why}")),
        }
    }
    guards.events += batch.len() as u64;
    let mut lines = Vec::new();
    for recorded in &batch {
        lines.push(line(recorded));
        guards.see(world, recorded, &batch, now_us);
    }
    drop(guards);
    for line in lines {
        world.tell(line);
    }
}

/// Looks before an effect: is it intended, and what does it touch?
pub fn before_effect(world: &World, plane: &str, cleared: &Cleared, attempt: &Attempt) {
    hold(&world.guards).is_intended(plane, cleared, attempt);
}

/// Looks after a part of an effect.
pub fn after_effect(world: &World, plane: &str, attempt: &Attempt) {
    hold(&world.guards).happened.insert(attempt.marker.clone());
    let truth = hold(&world.truth);
    let Some(role) = attempt.target.native.value().map(|n| n.split('#').next().unwrap_or(n)) else { return };
    let revived = truth
        .role(plane, role)
        .is_some_and(|r| r.leaked && r.told.can_login && r.told.verifier.as_deref() == Some(&crate::truth::verifier(&r.first_secret)));
    if attempt.action.gives_access() && revived {
        hold(&world.guards).violated(7, format!("{} made the exposed secret of `{role}` usable again", attempt.action.name()));
    }
}

/// One event in words.
fn line(recorded: &Recorded) -> String {
    let short = |text: &str| text.chars().take(160).collect::<String>();
    let what = match &recorded.event {
        Event::AttemptIntended(e) => format!(
            "{} step {} of {} by {} approvals, budget {:?}",
            e.cleared.action.name(),
            e.cleared.step,
            e.cleared.plan,
            e.cleared.approvals.len(),
            e.cleared.budget.as_ref().map(|b| b.1)
        ),
        Event::AttemptEnded(e) => {
            format!("{} {} {}{}", e.attempt, e.outcome, e.reason.as_deref().unwrap_or(""), if e.read_back { " (read back)" } else { "" })
        }
        Event::TargetProbed(e) => format!("{:?} {}", e.round.proved.liveness, short(&e.round.proved.reason)),
        Event::HoldPlaced(e) => format!("{} held by {}", e.target.reference(), e.case),
        Event::PlanDrafted(e) => {
            let steps: Vec<String> = e.plan.steps.iter().map(|s| format!("{} {}", s.n, s.action.name())).collect();
            format!("{:?} by {:?}: {} gaps {:?}", e.plan.kind, recorded.by, steps.join(", "), e.plan.gaps)
        }
        Event::PlanDecided(e) => format!("wants {:?} never {:?}", e.wanted, e.never),
        Event::PlanStarted(e) => format!("by {:?} with {} approvals", recorded.by, e.approvals.len()),
        Event::StepEnded(e) => format!("step {} {}: {}", e.step, e.ended, short(&e.because)),
        Event::PlanEnded(e) => format!("{}: {}", e.ended, e.because),
        Event::TargetsFound(e) => format!("step {}: {} new, {} listed, {} outside", e.step, e.new.len(), e.listed.len(), e.outside.len()),
        Event::CaseAdvanced(e) => format!("{:?}", e.stage),
        Event::PeopleAsked(e) => format!("{} people, escalation {}", e.people.len(), e.escalation),
        Event::ApprovalGiven(e) => format!("{} as {}", e.approval.by, e.approval.role.name()),
        Event::TaskAdded(e) => short(&e.what),
        Event::CaseEnriched(e) => {
            format!(
                "{}: {} credentials, {} sessions, {} delegations",
                e.identity.reference(),
                e.credentials.len(),
                e.sessions.len(),
                e.delegations.len()
            )
        }
        Event::VerdictGiven(e) => format!("{} {:?}", e.role.name(), e.verdict),
        _ => String::new(),
    };
    format!("{}@{} {} {what}", recorded.stream, recorded.version, recorded.event.name())
}
