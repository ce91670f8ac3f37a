//! A case carried out in memory: ask [`next`], do the obvious, fold the events.
//!
//! The plane is four facts. Every answer it gives is an observation with a
//! control, so the core judges here as it does outside. Whoever asks for the
//! same move twice without anything having changed fails the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quell_core::{
    action::Action,
    approval::{Approval, counted},
    case::Case,
    clear::{Grounds, clear},
    course::PlanState,
    decision::{Approvals, Decision, Principal, Role},
    draft,
    event::{
        ApprovalGiven, AttemptEnded, AttemptIntended, By, CaseAdvanced, CaseClosed, CaseEnriched, CaseReopened, ConnectorArmed, Event,
        HoldPlaced, PeopleAsked, PlanDecided, PlanDenied, PlanDrafted, PlanEnded, PlanExcluded, PlanLinked, PlanPaused, PlanStarted,
        Preview, ReuseSeen, StepEnded, TargetsFound, TaskAdded, TaskEnded,
    },
    hold::{Round, TargetState, Used},
    id::{AttemptId, PlanId, StreamId, TargetId, TaskId},
    people::{Installation, Limits},
    plan::{Parent, Plan, PlanKind, Selector, UndoMode},
    proof::{Answer, Channel, Control, Observation, ProbeClass, beside_uses, judge_round},
    respond::{Move, Next, Situation, credentials_kept, next, pauses_by_itself, principal_of, question},
    target::{Target, TargetKind},
    time::{Timestamp, after, after_millis},
};

use crate::world::{Drafting, PLANE, approval, at, case_id, enriched, finding, opened, person, session};

/// What is true on the plane, and how it answers.
/// Nothing is acted on while the core is asked.
static NOBODY: BTreeSet<TargetId> = BTreeSet::new();

pub struct Plane {
    pub locked: bool,
    pub sessions: Vec<u32>,
    /// Sessions that a login in flight adds at the next enumerations.
    pub late: Vec<u32>,
    pub reissued: bool,
    /// The consumer stops working once the old login is locked.
    pub consumer_fails: bool,
    /// Answers success and changes nothing.
    pub lies: bool,
    /// How many of the next looks after the first it does not answer.
    pub unseen: u32,
    /// Nor the first.
    pub dark: bool,
    /// Who may act as the login.
    pub delegations: Vec<Target>,
    /// What its log tells of uses, and of what.
    pub used: Option<Used>,
    pub used_of: Target,
    /// Answers nothing that anybody can judge.
    pub mute: bool,
    /// Outcomes of the next attempts, before `done`.
    pub outcomes: Vec<&'static str>,
}

pub struct World {
    pub case: Case,
    pub plans: BTreeMap<PlanId, Arc<PlanState>>,
    pub targets: BTreeMap<TargetId, Arc<TargetState>>,
    pub approvals: BTreeMap<PlanId, Vec<Approval>>,
    pub installation: Installation,
    pub limits: Limits,
    pub planes: BTreeSet<String>,
    pub plane: Plane,
    pub wanted: Approvals,
    pub drafting: Drafting,
    /// Where no connector serves the identity: what is known of it.
    pub unserved: Option<CaseEnriched>,
    pub now: Timestamp,
    /// What was done, in one word each.
    pub told: Vec<String>,
    asked: BTreeMap<String, u32>,
    count: u32,
}

impl World {
    pub fn new() -> Self {
        let case = Case::opened(&opened(finding("f-1", "src-a")), at(0));
        let mut world = Self {
            case,
            plans: BTreeMap::new(),
            targets: BTreeMap::new(),
            approvals: BTreeMap::new(),
            installation: Installation::default(),
            limits: Limits::default(),
            planes: BTreeSet::from([PLANE.to_owned()]),
            plane: Plane {
                consumer_fails: false,
                locked: false,
                sessions: vec![1],
                late: vec![],
                reissued: false,
                lies: false,
                unseen: 0,
                dark: false,
                delegations: vec![],
                used: None,
                used_of: crate::world::password(),
                mute: false,
                outcomes: vec![],
            },
            wanted: Approvals::new(),
            drafting: Drafting::default(),
            unserved: None,
            now: at(0),
            told: vec![],
            asked: BTreeMap::new(),
            count: 0,
        };
        world.arm();
        world
    }

    /// The same identity on a system that no connector serves; nothing is armed.
    pub fn unserved(found: CaseEnriched) -> Self {
        let mut world = Self { unserved: Some(found), planes: BTreeSet::new(), ..Self::new() };
        world.installation = Installation::default();
        world
    }

    /// Somebody uses it now.
    pub fn seen_used(&mut self, target: &Target) {
        self.now = after(self.now, 1);
        Arc::make_mut(self.targets.get_mut(&target.id).expect("it is held")).last_live_at = Some(self.now);
    }

    pub fn arm(&mut self) {
        let actions = crate::world::EVERY_ACTION.to_vec();
        let armed = ConnectorArmed { connector: PLANE.into(), actions, until: at(1_000_000) };
        self.installation.apply(&armed.into(), &By::Person(person("ada")), self.now);
    }

    pub fn situation(&self) -> Situation<'_> {
        Situation {
            case: &self.case,
            plans: &self.plans,
            targets: &self.targets,
            approvals: &self.approvals,
            installation: &self.installation,
            limits: &self.limits,
            planes: &self.planes,
            acting: &NOBODY,
        }
    }

    pub fn apply(&mut self, stream: &StreamId, event: impl Into<Event>) {
        let (event, by, now) = (event.into(), By::Automation, self.now);
        match stream.family() {
            "case" => self.case.apply(&event, &by, now),
            "target" => Arc::make_mut(self.targets.entry(TargetId::new(stream.key())).or_default()).apply(&event, now),
            "plan" => match &event {
                Event::PlanDrafted(drafted) => {
                    self.plans.insert(drafted.plan.id.clone(), PlanState::drafted(drafted, &by, now).into());
                }
                other => Arc::make_mut(self.plans.get_mut(&PlanId::new(stream.key())).expect("a drafted plan")).apply(other, &by, now),
            },
            family => panic!("`{family}` is not driven"),
        }
    }

    fn on_case(&mut self, event: impl Into<Event>) {
        self.apply(&StreamId::case(&case_id()), event);
    }

    pub fn on_plan(&mut self, plan: &PlanId, event: impl Into<Event>) {
        self.apply(&StreamId::plan(plan), event);
    }

    fn on_target(&mut self, target: &TargetId, event: impl Into<Event>) {
        self.apply(&StreamId::target(target), event);
    }

    /// One move, or one jump of the clock to when something is due. False when
    /// nothing is due before `until`.
    pub fn step(&mut self, until: Timestamp) -> bool {
        let Next { moves, wake_at } = next(&self.situation(), self.now);
        // Paging changes nothing; the move after it does.
        for page in moves.iter().filter(|m| matches!(m, Move::Page { .. })) {
            self.tell(page);
        }
        match moves.into_iter().find(|m| !matches!(m, Move::Page { .. })) {
            Some(due) => {
                self.count += 1;
                assert!(self.count < 400, "no end: {:#?}", self.told);
                let asked = format!("{due:?}");
                let times = self.asked.entry(asked).or_insert(0);
                *times += 1;
                assert!(*times < 4, "asked again and again without a wait between: {due:?}\n{:#?}", self.told);
                self.tell(&due);
                self.carry_out(due);
                self.now = after_millis(self.now, 2);
                true
            }
            None => match wake_at {
                Some(at) if at <= until => {
                    assert!(at > self.now, "to wake at {at} when it is {}: {:#?}", self.now, self.told);
                    self.now = at;
                    self.asked.clear();
                    true
                }
                _ => false,
            },
        }
    }

    pub fn run(&mut self, seconds: i64) {
        let until = after(self.now, seconds);
        while self.step(until) {}
        self.now = self.now.max(until);
        self.asked.clear();
    }

    pub fn says(&self, word: &str) -> usize {
        self.told.iter().filter(|t| t.starts_with(word)).count()
    }

    pub fn only_plan(&self) -> &PlanState {
        assert_eq!(self.plans.len(), 1, "{:?}", self.told);
        self.plans.values().next().expect("one plan")
    }

    pub fn life(&self, target: &Target) -> quell_core::proof::Life {
        self.targets[&target.id].life.expect("it was held")
    }

    fn tell(&mut self, due: &Move) {
        let text = match due {
            Move::Attempt { step, target, .. } => format!("attempt {step} {}", target.native.shown()),
            Move::Probe { target, before_act, .. } => {
                format!("probe {}{}", target.native.shown(), if *before_act { " before" } else { "" })
            }
            Move::EndStep { step, ended, .. } => format!("step {step} {ended}"),
            Move::HandOver { step, because, .. } => format!("hand over {step}: {because}"),
            Move::EndPlan { ended, .. } => format!("plan {ended}"),
            Move::Draft { kind, .. } => format!("draft {kind:?}"),
            Move::AskPeople { escalation, .. } => format!("ask {escalation}"),
            Move::Pause { .. } => "pause".to_owned(),
            Move::Advance { stage } => format!("{stage:?}"),
            Move::Enumerate { step, .. } => format!("enumerate {step}"),
            Move::Enrich { .. } => "enrich".to_owned(),
            Move::ReadOutcome { .. } => "read".to_owned(),
            Move::Start { .. } => "start".to_owned(),
            Move::Decide { .. } => "decide".to_owned(),
            Move::Reopen { .. } => "reopen".to_owned(),
            Move::AskByHand { .. } => "ask by hand".to_owned(),
            Move::Page { .. } => "page".to_owned(),
            Move::TellReuse { pages, .. } => format!("tell of re-use{}", if *pages { ", paging" } else { "" }),
        };
        self.told.push(text);
    }

    fn hold(&mut self, target: &Target, seen_live_at: Option<Timestamp>) {
        if self.targets.get(&target.id).is_some_and(|t| t.holds.contains(&case_id())) {
            return;
        }
        let placed = HoldPlaced {
            case: case_id(),
            target: target.clone(),
            credential_kind: None,
            before: None,
            leaked_was_right: false,
            seen_live_at,
        };
        self.on_target(&target.id, placed);
    }

    fn carry_out(&mut self, due: Move) {
        let now = self.now;
        match due {
            Move::Enrich { .. } if self.unserved.is_some() => {
                let subject = self.unserved.clone().expect("it is known");
                for (credential, _) in &subject.credentials {
                    self.hold(credential, None);
                }
                self.on_case(subject);
            }
            Move::Draft { kind, .. } if self.unserved.is_some() => {
                let found = self.unserved.clone().expect("it is known");
                let plan = crate::by_hand::drafted(&found, kind, &[]);
                self.link(plan);
            }
            Move::Enrich { again, .. } => {
                let mut subject = enriched();
                (subject.rotation, subject.consumers) = (self.drafting.subject.rotation.clone(), self.drafting.subject.consumers.clone());
                subject.again = again;
                if (again || self.plane.dark) && self.plane.unseen > 0 {
                    self.plane.unseen -= 1;
                    (subject.unseen, subject.sessions) = (Some("it did not answer".into()), vec![]);
                    self.on_case(subject);
                    return;
                }
                subject.sessions = self.plane.sessions.iter().map(|n| session(*n)).collect();
                subject.delegations = self.plane.delegations.clone();
                for (credential, _) in &subject.credentials {
                    self.hold(credential, None);
                }
                for open in &subject.sessions {
                    self.hold(open, Some(now));
                }
                self.on_case(subject);
            }
            Move::Draft { kind, parent, .. } => {
                self.drafting.kind = kind;
                self.drafting.id = PlanId::new(format!("p-{:010}", self.plans.len() + 1));
                self.drafting.subject.sessions = self.plane.sessions.iter().map(|n| session(*n)).collect();
                self.drafting.subject.delegations = self.case.subjects.values().flat_map(|s| s.delegations.clone()).collect();
                self.drafting.parent = parent.map(|p| Parent { digest: self.plans[&p].digest.clone(), plan: p });
                let plan = self.drafting.contain();
                self.link(plan);
            }
            Move::Decide { plan } => {
                let (wanted, until) = (self.wanted.clone(), after(now, 3600));
                self.on_plan(&plan, PlanDecided { steps: vec![], wanted, never: vec![], until });
            }
            Move::AskPeople { plan, escalation } => {
                let (wanted, deadline) = (self.wanted.clone(), after(now, self.limits.ask_seconds));
                let asked = PeopleAsked {
                    plan,
                    roles: wanted.keys().copied().collect(),
                    wanted,
                    people: vec![],
                    deadline,
                    at_timeout: "x".into(),
                    passed_over: vec![],
                    escalation,
                };
                self.on_case(asked);
            }
            Move::Start { plan, approvals } => {
                for given in self.approvals.get_mut(&plan).into_iter().flatten().filter(|a| approvals.contains(&a.id)) {
                    given.used_by = Some(plan.clone());
                }
                let closes_at = after(now, self.limits.plan_seconds);
                self.on_plan(&plan, PlanStarted { approvals, ordered: false, gaps_accepted: None, closes_at });
            }
            Move::Enumerate { plan, step } => self.enumerate(&plan, step),
            Move::Attempt { plan, step, target } => self.attempt(&plan, step, &target),
            Move::ReadOutcome { target } => {
                let open = self.targets[&target].unsettled_attempt().expect("one is unsettled").cleared.clone();
                self.act(open.action, &target);
                self.on_target(&target, ended(&open.attempt, "done", true));
            }
            Move::Probe { target, .. } => self.probe(&target),
            Move::EndStep { plan, step, ended, because } => self.on_plan(&plan, StepEnded { step, ended: ended.into(), because }),
            Move::HandOver { plan, step, because } => self.hand_over(&plan, step, because),
            Move::EndPlan { plan, ended, because } => self.on_plan(&plan, PlanEnded { ended: ended.into(), because }),
            Move::Pause { plan, because, .. } if pauses_by_itself(&self.plans[&plan]) => self.on_plan(&plan, PlanPaused { because }),
            Move::Pause { plan, step, because } => {
                let (task, owner) = (quell_core::id::TaskId::new(format!("t-{}", self.count)), quell_core::decision::Role::ResponseOwner);
                self.on_case(quell_core::event::TaskAdded {
                    task,
                    plan: Some(plan),
                    step,
                    owner,
                    what: because,
                    text: None,
                    reviews: None,
                });
            }
            Move::Advance { stage } => self.on_case(CaseAdvanced { stage }),
            Move::TellReuse { target, .. } => {
                let used = self.plane.used.clone().expect("it was used");
                self.on_case(ReuseSeen { target, accepted: used.accepted, refused: used.refused, last_at: now });
            }
            Move::Reopen { because } => self.on_case(CaseReopened { because }),
            Move::AskByHand { plan } => {
                let steps: Vec<u16> = self.plans[&plan].plan.steps.iter().map(|step| step.n).collect();
                for step in steps {
                    self.hand_over(&plan, step, "by hand".to_owned());
                }
                self.on_plan(&plan, PlanEnded { ended: "handed_over".into(), because: "by hand".into() });
            }
            Move::Page { .. } => unreachable!("pages are told before anything is carried out"),
        }
    }

    pub fn link(&mut self, plan: Plan) {
        let (id, digest, kind) = (plan.id.clone(), plan.digest(), plan.kind);
        self.on_case(PlanLinked { plan: id.clone(), kind });
        self.on_plan(&id, PlanDrafted { plan, digest, preview: Preview::default() });
    }

    /// A person orders the way back.
    pub fn undo(&mut self, mode: UndoMode) {
        let contained = self.plans.values().find(|p| p.plan.kind == PlanKind::Contain).expect("a containment").clone();
        self.drafting.kind = PlanKind::Undo;
        self.drafting.id = PlanId::new(format!("p-{:010}", self.plans.len() + 1));
        self.drafting.parent = Some(Parent { plan: contained.plan.id.clone(), digest: contained.digest.clone() });
        let kept = credentials_kept(&self.situation(), &contained);
        let plan = self.drafting.with(|g| draft::undo(g, mode, &contained.plan, &[], &kept));
        self.link(plan);
    }

    fn hand_over(&mut self, plan: &PlanId, step: u16, because: String) {
        self.on_plan(plan, StepEnded { step, ended: "handed_over".into(), because: because.clone() });
        let task = TaskId::new(format!("task-{}-{step}", plan));
        self.on_case(TaskAdded {
            task,
            plan: Some(plan.clone()),
            step: Some(step),
            owner: Role::PlatformOwner,
            what: because,
            text: None,
            reviews: None,
        });
    }

    pub fn approve(&mut self, who: &str, role: Role) {
        let (id, plan) = self
            .plans
            .iter()
            .find(|(_, p)| p.is_open() && p.started.is_none())
            .map(|(i, p)| (i.clone(), p.plan.clone()))
            .expect("a plan waits");
        let mut given = approval(who, role, &plan);
        (given.at, given.until) = (self.now, after(self.now, 3600));
        let event = ApprovalGiven { approval: given.clone(), comment: None };
        assert_eq!(event.approval, given);
        self.approvals.entry(id).or_default().push(given);
    }

    pub fn deny(&mut self) {
        let id = self.plans.iter().find(|(_, p)| p.is_open()).map(|(i, _)| i.clone()).expect("a plan is open");
        let reason = crate::world::salter().commit("no");
        self.on_plan(&id, PlanDenied { reason });
    }

    /// Somebody says that they did what a step was handed over for.
    pub fn end_task(&mut self, step: u16) {
        let task = self.case.tasks.iter().find(|t| t.added.step == Some(step) && t.ended.is_none()).expect("a task is open");
        self.on_case(TaskEnded { task: task.added.task.clone(), attested: None, seen_at: None, file: None });
    }

    /// The identity has this credential, too.
    pub fn also(&mut self, credential: &Target) {
        self.hold(credential, None);
        let because = "found".into();
        self.on_case(quell_core::event::TargetLinked { target: credential.clone(), credential_kind: None, because });
    }

    pub fn close(&mut self) {
        self.on_case(CaseClosed { note: None });
    }

    pub fn exclude(&mut self, target: &Target) {
        let id = self.plans.keys().next().cloned().expect("a plan");
        self.on_plan(&id, PlanExcluded { targets: vec![target.id.clone()], reason: None });
    }

    fn enumerate(&mut self, plan: &PlanId, n: u16) {
        let state = self.plans[plan].clone();
        let step = state.plan.step(n).expect("a step");
        let Selector::Every { kind: TargetKind::Session, .. } = step.selector else { panic!("only sessions are enumerated here") };
        if let Some(late) = self.plane.late.pop() {
            self.plane.sessions.push(late);
        }
        let open: Vec<Target> = self.plane.sessions.iter().map(|s| session(*s)).filter(|t| !state.excluded.contains(&t.id)).collect();
        let known = state.course(n).found;
        let new: Vec<Target> = open.iter().filter(|t| !known.iter().any(|k| k.id == t.id)).cloned().collect();
        for target in &new {
            self.hold(target, Some(self.now));
        }
        let listed = open.iter().map(|t| t.id.clone()).collect();
        self.on_plan(plan, TargetsFound { step: n, new, listed, outside: vec![] });
    }

    fn attempt(&mut self, plan: &PlanId, n: u16, target: &Target) {
        let state = self.plans[plan].clone();
        let step = state.plan.step(n).expect("a step").clone();
        let asked = question(&self.situation(), &state, &step, principal_of(&state, |_| vec![]), self.now).expect("a question");
        assert_eq!(asked.principal, Principal::Automation);
        let digest = asked.digest();
        let decision =
            Decision { allowed: true, errors: vec![], policy_digest: "p".into(), request_digest: digest.clone(), deciding: vec![] };
        let given = self.approvals.get(plan).cloned().unwrap_or_default();
        let approvals: Vec<Approval> = counted(&given, plan, &state.digest, &self.case.bench(), self.now).into_iter().cloned().collect();
        self.hold(target, None);
        let attempt = AttemptId::new(format!("at-{}", self.count));
        let grounds = Grounds {
            plan: &state.plan,
            digest: &state.digest,
            step: &step,
            target,
            state: &self.targets[&target.id],
            touched: 0,
            excluded: &state.excluded,
            gaps_accepted: false,
            decision,
            question_digest: &digest,
            approvals: &approvals,
            bench: &self.case.bench(),
            budget: None,
            corroborated: true,
            secret_exposed: false,
            closes_at: state.started.as_ref().expect("a started plan").closes_at,
        };
        let cleared = match clear(grounds, attempt.clone(), self.now) {
            Ok(clearance) => clearance.record().clone(),
            Err(why) => return self.hand_over(plan, n, why.to_string()),
        };
        let action = cleared.action;
        self.on_target(&target.id, AttemptIntended { cleared, case: case_id(), new_secret: None, read: None });
        let outcome = self.plane.outcomes.pop().unwrap_or("done");
        match outcome {
            // Nobody was told: the process died between intent and outcome.
            "crash" => return,
            "done" => self.act(action, &target.id),
            _ => {}
        }
        self.now = after_millis(self.now, 1);
        self.on_target(&target.id, ended(&attempt, outcome, false));
    }

    fn act(&mut self, action: Action, target: &TargetId) {
        if self.plane.lies {
            return;
        }
        match action {
            Action::SuspendIdentity => self.plane.locked = true,
            Action::TerminateSessions => self.plane.sessions.retain(|n| session(*n).id != *target),
            Action::ReissueCredential | Action::Reinstate => self.plane.reissued = true,
            Action::Restore => self.plane.locked = false,
            _ => {}
        }
    }

    fn probe(&mut self, target: &Target) {
        let issued = target.id != crate::world::password().id && target.kind == TargetKind::Credential;
        let alive = match target.kind {
            TargetKind::Session => self.plane.sessions.iter().any(|n| session(*n).id == target.id),
            _ if issued => self.plane.reissued,
            _ => !self.plane.locked,
        };
        let answer = match (self.plane.mute, alive) {
            (true, _) => Answer::Inconclusive { why: "no answer".into() },
            (false, true) => Answer::Usable,
            (false, false) => Answer::Refused { code: "28000".into() },
        };
        let (class, at) = (ProbeClass::Login, self.now);
        let control = Some(Control { class, alive: true, started_at: at, what: "the control role".into() });
        let seen = Observation {
            class,
            started_at: at,
            ended_at: at,
            vantage: "quell".into(),
            channel: Channel::TlsPinned,
            answer,
            control,
            plane_clock: None,
            authoritative: true,
        };
        let identity = self.targets.get(&target.identity).and_then(|t| t.acted_at());
        let acted = self.targets.get(&target.id).and_then(|t| t.acted_at()).max(identity);
        let observations = vec![seen];
        let (proved, decisive) = judge_round(&observations, acted, 250);
        let used = self.plane.used.clone().filter(|_| *target == self.plane.used_of && acted.is_some());
        let proved = beside_uses(proved, at, used.as_ref());
        let decisive = decisive.and_then(|d| u32::try_from(d).ok());
        self.hold(target, None);
        if !self.case.linked.iter().any(|(t, _)| t.id == target.id) {
            self.on_case(quell_core::event::TargetLinked { target: target.clone(), credential_kind: None, because: "issued".into() });
        }
        let round = Round {
            case: case_id(),
            plan: None,
            observations,
            proved,
            decisive,
            in_use: issued.then_some(!(self.plane.consumer_fails && self.plane.locked)),
            used,
            at,
        };
        self.on_target(&target.id, quell_core::event::TargetProbed { round, blobs: vec![] });
    }
}

fn ended(attempt: &AttemptId, outcome: &str, read_back: bool) -> AttemptEnded {
    AttemptEnded {
        attempt: attempt.clone(),
        case: case_id(),
        outcome: outcome.into(),
        reason: None,
        changed: BTreeMap::new(),
        read_back,
        issued: None,
    }
}
