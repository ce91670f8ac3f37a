//! The loop: load, ask the core what is next, do it, append; until nothing is due.

use std::sync::Arc;

use quell_core::{
    approval,
    decision::Role,
    event::{
        By, CaseAdvanced, CaseReopened, HoldPlaced, PlanDrafted, PlanEnded, PlanLinked, PlanPaused, PlanStarted, Preview, ReuseSeen,
        StepEnded, TargetLinked, TargetsFound, TaskAdded,
    },
    id::{PlanId, StreamId, TargetId, TaskId},
    notice::{Cause, To},
    personal::Salter,
    plan::{PlanKind, Selector},
    respond::{self, Move},
    target::{Enumeration, Target, TargetKind},
    time::{Timestamp, after},
};

use crate::{
    Engine, Failure,
    ground::Ground,
    notice,
    record::{Desk, Writing},
};

impl Engine {
    /// Carries out what needs no plane. What does is under way already, or waits for
    /// its turn ([`crate::work`]).
    pub(crate) async fn carry_out(self: &Arc<Self>, ground: &Ground, desk: &mut Desk, step: &Move) -> Result<Progress, Failure> {
        match step {
            Move::ReadOutcome { target } => self.read_outcome(ground, desk, target).await,
            Move::Enrich { .. } | Move::Enumerate { .. } | Move::Attempt { .. } | Move::Probe { .. } => Ok(Progress::Unchanged),
            Move::Draft { roots, kind, parent } => self.draft(ground, desk, roots, *kind, parent.as_ref()).await,
            Move::Decide { plan } => self.decide_plan(ground, desk, plan).await,
            Move::AskPeople { plan, escalation } => self.ask_people(ground, desk, plan, *escalation).await,
            Move::Start { plan, approvals } => {
                let mut writing = Writing::because(plan.as_str());
                self.start_plan(&mut writing, ground, plan, &By::Automation, approvals, None);
                writing.rests_on(StreamId::case(&ground.case.id));
                self.post(desk, writing).await?;
                Ok(Progress::Changed)
            }
            Move::EndStep { plan, step, ended, because } => {
                let event = StepEnded { step: *step, ended: (*ended).to_owned(), because: because.clone() };
                self.note(desk, plan.as_str(), StreamId::plan(plan), event).await
            }
            Move::AskByHand { plan } => self.ask_by_hand(ground, desk, plan).await,
            Move::HandOver { plan, step, because } => self.hand_over(ground, desk, plan, *step, because).await,
            Move::Pause { plan, step, because } => self.pause_for(ground, desk, plan, *step, because).await,
            Move::EndPlan { plan, ended, because } => {
                let mut writing = Writing::because(plan.as_str());
                writing.event(StreamId::plan(plan), &By::Automation, PlanEnded { ended: (*ended).to_owned(), because: because.clone() });
                // What took the place of a superseded one is asked about by itself.
                if !matches!(*ended, "proved" | "superseded") {
                    self.task_for(
                        &mut writing,
                        ground,
                        plan,
                        None,
                        Role::ResponseOwner,
                        format!("plan {plan} ended as {ended}: {because}"),
                    );
                }
                self.post(desk, writing).await?;
                Ok(Progress::Changed)
            }
            Move::Advance { stage } => {
                self.note(desk, ground.case.id.as_str(), StreamId::case(&ground.case.id), CaseAdvanced { stage: *stage }).await
            }
            Move::Reopen { because } => {
                self.note(desk, ground.case.id.as_str(), StreamId::case(&ground.case.id), CaseReopened { because: because.clone() }).await
            }
            // It changes nothing that the core looks at; the moves that follow it do.
            Move::Page { target } => {
                let rounds = ground.targets.get(target).map_or(0, |t| t.rounds.len());
                let mut writing = Writing::because(ground.case.id.as_str());
                self.page_lead(&mut writing, ground, format!("reverted/{target}/{rounds}"), Cause::Reverted);
                self.post(desk, writing).await?;
                Ok(Progress::Unchanged)
            }
            Move::TellReuse { target, pages } => self.tell_reuse(ground, desk, target, *pages).await,
        }
    }

    async fn note(
        &self,
        desk: &mut Desk,
        cause: &str,
        stream: StreamId,
        event: impl Into<quell_core::event::Event>,
    ) -> Result<Progress, Failure> {
        let mut writing = Writing::because(cause);
        writing.event(stream, &By::Automation, event);
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    /// What was found out about a subject becomes part of the case.
    pub(crate) async fn take_in(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        enriched: quell_core::event::CaseEnriched,
    ) -> Result<Progress, Failure> {
        // It was merged while its plane was asked: the other case asks, and holds.
        if ground.case.merged_into.is_some() {
            return Ok(Progress::Unchanged);
        }
        let now = self.ports.clock.now();
        let mut writing = Writing::because(ground.case.id.as_str());
        let case = StreamId::case(&ground.case.id);
        let matched = |t: &Target| {
            ground
                .case
                .findings
                .iter()
                .any(|f| f.resolved.as_ref().is_some_and(|r| r.possession && r.credential.as_ref().is_some_and(|c| c.id == t.id)))
        };
        // What is merely not as it should be is nobody's to hold.
        let holds = !ground.case.is_posture();
        for (target, kind) in enriched.credentials.iter().filter(|_| holds) {
            if !ground.target(&target.id).holds.contains(&ground.case.id) {
                let hold = HoldPlaced {
                    case: ground.case.id.clone(),
                    target: target.clone(),
                    credential_kind: *kind,
                    before: None,
                    leaked_was_right: matched(target),
                    seen_live_at: None,
                };
                writing.event(StreamId::target(&target.id), &By::Automation, hold);
            }
        }
        for target in enriched.sessions.iter().filter(|_| holds) {
            if !ground.target(&target.id).holds.contains(&ground.case.id) {
                let hold = HoldPlaced {
                    case: ground.case.id.clone(),
                    target: target.clone(),
                    credential_kind: None,
                    before: None,
                    leaked_was_right: false,
                    seen_live_at: Some(now),
                };
                writing.event(StreamId::target(&target.id), &By::Automation, hold);
            }
        }
        writing.event(case, &By::Automation, enriched);
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    async fn draft(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        roots: &[TargetId],
        kind: PlanKind,
        parent: Option<&PlanId>,
    ) -> Result<Progress, Failure> {
        let mut writing = Writing::because(ground.case.id.as_str());
        let owner = self.addressee().await?;
        self.draft_into(&mut writing, ground, roots, kind, parent, &By::Automation, owner)?;
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    pub(crate) fn link_plan(&self, writing: &mut Writing, ground: &Ground, plan: quell_core::plan::Plan, by: &By) -> (PlanId, String) {
        debug_assert!(plan.is_well_formed(), "drafting makes a DAG");
        let digest = plan.digest();
        let id = plan.id.clone();
        let mut preview = Preview::default();
        for step in &plan.steps {
            let subject = ground.case.subjects.get(step.selector.identity());
            let found: Vec<Target> = match (&step.selector, subject) {
                (Selector::Exactly { target }, _) => vec![target.clone()],
                (Selector::Every { kind: TargetKind::Session, .. }, Some(s)) => s.sessions.clone(),
                (Selector::Every { kind: TargetKind::Entitlement, .. }, Some(s)) => s.delegations.clone(),
                _ => Vec::new(),
            };
            preview.targets.insert(step.n, found);
            if let Some(subject) = subject.filter(|_| !plan.fails_over(step) && !step.action.gives_access()) {
                preview.dependents.insert(step.n, subject.consumers.iter().map(|c| c.name.clone()).collect());
            }
        }
        writing.event(StreamId::case(&ground.case.id), by, PlanLinked { plan: id.clone(), kind: plan.kind });
        writing.event(StreamId::plan(&id), by, PlanDrafted { plan, digest: digest.clone(), preview });
        (id, digest)
    }

    /// The start of a plan consumes its approvals, once (invariant 4).
    pub(crate) fn start_plan(
        &self,
        writing: &mut Writing,
        ground: &Ground,
        id: &PlanId,
        by: &By,
        approvals: &[quell_core::id::ApprovalId],
        gaps_accepted: Option<quell_core::personal::Personal>,
    ) {
        let now = self.ports.clock.now();
        for approval in ground.approvals.get(id).into_iter().flatten().filter(|a| approvals.contains(&a.id)) {
            writing.event(StreamId::approval(id, &approval.by), by, quell_core::event::ApprovalUsed { plan: id.clone() });
        }
        let ordered = *by != By::Automation;
        let closes_at = after(now, self.settings.limits.plan_seconds);
        writing.event(StreamId::plan(id), by, PlanStarted { approvals: approvals.to_vec(), ordered, gaps_accepted, closes_at });
    }

    /// What a plane listed for a step becomes part of its course.
    pub(crate) async fn take_listing(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        id: &PlanId,
        n: u16,
        enumeration: &Enumeration,
    ) -> Result<Progress, Failure> {
        let state = plan_of(ground, id)?;
        let step = step_of(state, n)?;
        let Selector::Every { kind, .. } = &step.selector else { return Ok(Progress::Changed) };
        let now = self.ports.clock.now();
        let salter = Salter::new(self.ports.chance.seed());
        let course = state.course(n);
        let mut known = course.found.len();
        let (mut new, mut outside, mut listed) = (Vec::new(), Vec::new(), Vec::new());
        let mut writing = Writing::because(id.as_str());
        for found in enumeration.of(*kind).filter(|f| f.is_to_be_cut()) {
            let target = self.target_of(&step.plane.connector, found, &salter);
            let admitted = step.bounds.admit(&target) && !state.excluded.contains(&target.id);
            if course.found.iter().any(|t| t.id == target.id) {
                // One that the plane cannot end stays in its listing for ever.
                if !found.is_cut() {
                    listed.push(target.id);
                }
                continue;
            }
            if !admitted || known >= step.bounds.count_max as usize {
                if !state.excluded.contains(&target.id) {
                    outside.push(target);
                }
                continue;
            }
            known += 1;
            listed.push(target.id.clone());
            if !ground.target(&target.id).holds.contains(&ground.case.id) {
                let hold = HoldPlaced {
                    case: ground.case.id.clone(),
                    target: target.clone(),
                    credential_kind: None,
                    before: None,
                    leaked_was_right: false,
                    seen_live_at: Some(now),
                };
                writing.event(StreamId::target(&target.id), &By::Automation, hold);
                let because = format!("found by step {n}");
                writing.event(
                    StreamId::case(&ground.case.id),
                    &By::Automation,
                    TargetLinked { target: target.clone(), credential_kind: None, because },
                );
            }
            new.push(target);
        }
        outside.extend(self.led_on(ground, enumeration, course.outside.as_slice(), &salter));
        writing.event(StreamId::plan(id), &By::Automation, TargetsFound { step: n, new, listed, outside });
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    /// A plane that does not answer is asked again, until the plan's window closes.
    pub(crate) async fn plane_failed(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        id: &PlanId,
        n: u16,
        why: &str,
    ) -> Result<Progress, Failure> {
        let state = plan_of(ground, id)?;
        let now = self.ports.clock.now();
        let closes = state.started.as_ref().map_or(now, |s| s.closes_at);
        let began = state.started.as_ref().map_or(now, |s| s.at);
        if quell_core::time::seconds_between(began, now) > 120 || now > closes {
            return self.hand_over(ground, desk, id, n, why).await;
        }
        tracing::warn!(plan = %id, step = n, why, "the plane did not answer; asked again in a second");
        Ok(Progress::Later(after(now, 1)))
    }

    /// A person gets the step; what they say is done is probed where it can be.
    pub(crate) async fn hand_over(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        id: &PlanId,
        n: u16,
        because: &str,
    ) -> Result<Progress, Failure> {
        let state = plan_of(ground, id)?;
        let step = step_of(state, n)?;
        let mut writing = Writing::because(id.as_str());
        writing.event(
            StreamId::plan(id),
            &By::Automation,
            StepEnded { step: n, ended: "handed_over".to_owned(), because: because.to_owned() },
        );
        self.task_for(&mut writing, ground, id, Some(n), step.fallback.owner, format!("{} ({because})", step.fallback.task));
        let (now, to) = (self.ports.clock.now(), To::Role(step.fallback.owner));
        notice::due(&mut writing, now, &ground.case.id, format!("handover/{id}/{n}"), to, Cause::HandedOver, true);
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    /// People get every step of a plan by hand, in one append with its end: a crash asks
    /// nobody, or everybody once.
    async fn ask_by_hand(&self, ground: &Ground, desk: &mut Desk, id: &PlanId) -> Result<Progress, Failure> {
        let state = plan_of(ground, id)?;
        let salter = Salter::new(self.ports.chance.seed());
        let mut writing = Writing::because(id.as_str());
        for step in &state.plan.steps {
            let because = format!("no connector serves `{}`, so a person does it", step.plane.connector);
            writing.event(StreamId::plan(id), &By::Automation, StepEnded { step: step.n, ended: "handed_over".to_owned(), because });
            let task = TaskId::from_chance(self.ports.chance.id());
            let (Selector::Exactly { target } | Selector::Every { identity: target, .. }) = &step.selector;
            let added = TaskAdded {
                task,
                plan: Some(id.clone()),
                step: Some(step.n),
                owner: step.fallback.owner,
                what: step.fallback.task.clone(),
                text: Some(salter.commit(called(ground, target))),
                reviews: None,
            };
            writing.event(StreamId::case(&ground.case.id), &By::Automation, added);
        }
        let because = "its steps are people's to do by hand, and nothing of them is proved".to_owned();
        writing.event(StreamId::plan(id), &By::Automation, PlanEnded { ended: "handed_over".to_owned(), because });
        if let Some(first) = state.plan.steps.first() {
            let (now, to) = (self.ports.clock.now(), To::Role(first.fallback.owner));
            notice::due(&mut writing, now, &ground.case.id, format!("handover/{id}"), to, Cause::HandedOver, true);
        }
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    pub(crate) fn task_for(&self, writing: &mut Writing, ground: &Ground, plan: &PlanId, step: Option<u16>, owner: Role, what: String) {
        let task = TaskId::from_chance(self.ports.chance.id());
        let added = TaskAdded { task, plan: Some(plan.clone()), step, owner, what, text: None, reviews: None };
        writing.event(StreamId::case(&ground.case.id), &By::Automation, added);
    }

    /// Somebody who must keep working stopped after an act: reversible steps that did
    /// not run yet wait, or the lead decides whether they do; the lead and the
    /// business owners are told either way.
    pub(crate) async fn pause_for(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        plan: &PlanId,
        step: Option<u16>,
        because: &str,
    ) -> Result<Progress, Failure> {
        let state = plan_of(ground, plan)?;
        if respond::is_told(&ground.situation(), state, because) {
            return Ok(Progress::Changed);
        }
        let mut writing = Writing::because(plan.as_str());
        if respond::pauses_by_itself(state) {
            writing.event(StreamId::plan(plan), &By::Automation, PlanPaused { because: because.to_owned() });
        } else {
            let owner = if ground.case.lead.is_some() { Role::Lead } else { Role::ResponseOwner };
            self.task_for(&mut writing, ground, plan, step, owner, format!("{because}; pause or undo the plan"));
        }
        let now = self.ports.clock.now();
        for (who, to) in [("lead", Self::leader(ground)), ("owner", To::Role(Role::BusinessOwner))] {
            let id = format!("collateral/{plan}/{}/{who}", step.unwrap_or_default());
            notice::due(&mut writing, now, &ground.case.id, id, to, Cause::Collateral, true);
        }
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    /// That they were told is a fact of the case, so nobody is told of it twice.
    async fn tell_reuse(&self, ground: &Ground, desk: &mut Desk, target: &TargetId, pages: bool) -> Result<Progress, Failure> {
        let held = ground.target(target);
        let Some(used) = held.rounds.last().and_then(|r| r.used.as_ref()) else { return Ok(Progress::Unchanged) };
        let last_at = used.last_accepted_at.max(used.last_refused_at).unwrap_or(used.since);
        let (accepted, refused) = (used.accepted, used.refused);
        let seen = ReuseSeen { target: target.clone(), accepted, refused, last_at };
        let mut writing = Writing::because(ground.case.id.as_str());
        writing.event(StreamId::case(&ground.case.id), &By::Automation, seen);
        if pages {
            let how = if accepted > 0 { "accepted" } else { "refused" };
            self.page_lead(&mut writing, ground, format!("reuse/{target}/{how}"), Cause::Reused);
        }
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    /// Pages whoever leads the case, or else the response owner.
    fn page_lead(&self, writing: &mut Writing, ground: &Ground, id: String, cause: Cause) {
        notice::due(writing, self.ports.clock.now(), &ground.case.id, id, Self::leader(ground), cause, true);
    }
}

/// What a step by hand is about, as its console finds it: its native id, and the name that
/// a sender gives it.
fn called(ground: &Ground, target: &Target) -> String {
    let said = ground.case.findings.iter().filter_map(|f| f.resolved.as_ref()).filter(|r| r.identity.id == target.identity);
    let name = said.filter_map(|r| r.said.as_ref()?.name.as_ref()?.value().map(str::to_owned)).next();
    match name.filter(|name| *name != target.native.shown()) {
        Some(name) => format!("{} ({name})", target.reference()),
        None => target.reference(),
    }
}

/// The plan of an id in a case.
pub(crate) fn plan_of<'a>(ground: &'a Ground, id: &PlanId) -> Result<&'a quell_core::course::PlanState, Failure> {
    ground.plans.get(id).map(|p| &**p).ok_or_else(|| Failure::Unknown(format!("plan `{id}` in case `{}`", ground.case.id)))
}

/// The step of a number in a plan.
pub(crate) fn step_of(state: &quell_core::course::PlanState, n: u16) -> Result<&quell_core::plan::Step, Failure> {
    state.plan.step(n).ok_or_else(|| Failure::Unknown(format!("step {n} in plan `{}`", state.plan.id)))
}

/// What one move did.
pub(crate) enum Progress {
    /// Something was appended: ask the core anew.
    Changed,
    /// Nothing was appended: go on with the next move.
    Unchanged,
    /// The plane asks to wait.
    Later(Timestamp),
}

/// The approvals that count for a plan now.
pub(crate) fn counted(ground: &Ground, id: &PlanId, now: Timestamp) -> Vec<quell_core::approval::Approval> {
    let Some(state) = ground.plans.get(id) else { return Vec::new() };
    let given = ground.approvals.get(id).cloned().unwrap_or_default();
    approval::counted(&given, id, &state.digest, &ground.case.bench(), now).into_iter().cloned().collect()
}
