//! What people order: approve, deny, run, undo, judge, arm, pause.
//!
//! Whether a principal may use a verb at all is policy's question ([`Engine::may`]);
//! whether the order makes sense now is the core's. Each order is decided on a
//! freshly loaded case and tried again when somebody was faster.

use std::sync::Arc;

use quell_core::{
    action::Action,
    approval::{self, Approval, Candidate},
    case::{self, Command},
    decision::{Principal, Role, Verb, VerbQuestion},
    draft,
    event::{
        ApprovalGiven, AutomationPaused, AutomationResumed, By, CaseOpened, ConnectorArmed, ConnectorDisarmed, Event, FactsAsserted,
        InventoryImported, PlanDenied, PlanEnded, PlanExcluded, SourceCreated, TokenRevoked,
    },
    finding::{Finding, Outcome, Resolved, fold_key},
    id::{ApprovalId, CaseId, FindingId, PersonId, PlanId, SourceId, StreamId, TargetId},
    inventory::{self, Change, Inventory, Object},
    personal::Salter,
    plan::{PlanKind, UndoMode},
    signal::{ObservedFrom, SignalKind},
    target::TargetKind,
    time::{Timestamp, after},
};

use crate::{
    Engine, Failure,
    ground::Ground,
    intake::RETRIES,
    record::{Desk, Writing},
    respond::{counted, plan_of},
};

/// Who calls, as authentication established it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub id: PersonId,
    pub roles: Vec<Role>,
    /// A person's sign-in session, and not a machine token.
    pub signed_in: bool,
    pub human: bool,
    pub scopes: Vec<String>,
}

impl Caller {
    /// The author of what they order.
    pub fn by(&self) -> By {
        if self.human && self.signed_in { By::Person(self.id.clone()) } else { By::Agent(self.id.clone()) }
    }

    fn principal(&self) -> Principal {
        let (id, roles) = (self.id.clone(), self.roles.clone());
        if self.human { Principal::Person { id, roles } } else { Principal::Agent { id, roles } }
    }
}

impl Engine {
    /// May this caller use this verb, on this case if one is named?
    pub async fn may(&self, caller: &Caller, verb: Verb, case: Option<&CaseId>, gives_roles: &[Role]) -> Result<(), Failure> {
        let entangled = match case {
            Some(id) => self.case(id).await?.is_some_and(|c| c.entangled().contains(&caller.id)),
            None => false,
        };
        let question = VerbQuestion {
            principal: caller.principal(),
            verb,
            signed_in: caller.signed_in,
            entangled,
            contested: false,
            scopes: caller.scopes.clone(),
            gives_roles: gives_roles.to_vec(),
        };
        let decision = self.ports.policy.permits(&question);
        if decision.allowed {
            return Ok(());
        }
        let roles: Vec<&str> = caller.roles.iter().map(|r| r.name()).collect();
        let hint = if entangled {
            "you are joined to a subject of this case; your deputy can".to_owned()
        } else if !caller.signed_in {
            "a machine token may not; sign in as a person with `quell login`".to_owned()
        } else if decision.deciding.is_empty() {
            format!(
                "your roles are {}; `quell policy show` lists who may",
                if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }
            )
        } else {
            format!("forbidden by {}; `quell policy explain` says why", decision.deciding.join(", "))
        };
        Err(Failure::Refused(format!("`{}` is not permitted: {hint}", verb.name())))
    }

    async fn loaded_on(&self, id: &CaseId, desk: &mut Desk) -> Result<Ground, Failure> {
        self.ground_on(id, desk).await?.ok_or_else(|| Failure::Unknown(format!("case `{id}`")))
    }

    /// The plan of a case with this digest; the error names the current ones.
    fn plan_with<'a>(&self, ground: &'a Ground, digest: &str) -> Result<&'a quell_core::course::PlanState, Failure> {
        ground.plans.values().find(|p| p.digest == digest).ok_or_else(|| {
            let current: Vec<&str> = ground.plans.values().filter(|p| p.is_open()).map(|p| p.digest.as_str()).collect();
            let current = if current.is_empty() { "none is open".to_owned() } else { current.join(", ") };
            Failure::Refused(format!(
                "no plan of case `{}` has the digest `{digest}`; open: {current}. Read it again with `quell case show {}`",
                ground.case.id, ground.case.id
            ))
        })
    }

    fn after_order(self: &Arc<Self>, writing: &mut Writing, case: &CaseId, now: Timestamp) {
        writing.job(format!("case/{case}"), now);
    }

    /// Records a yes to one digest.
    pub async fn approve(
        self: &Arc<Self>,
        caller: &Caller,
        id: &CaseId,
        digest: &str,
        as_role: Option<Role>,
        comment: Option<String>,
    ) -> Result<(), Failure> {
        self.may(caller, Verb::Approve, Some(id), &[]).await?;
        for _ in 0..RETRIES {
            let mut desk = Desk::default();
            let ground = self.loaded_on(id, &mut desk).await?;
            let state = self.plan_with(&ground, digest)?;
            let now = self.ports.clock.now();
            let refuse = |e: approval::NotEligible| Failure::Refused(e.to_string());
            if !state.is_open() || state.started.is_some() {
                let stage = serde_json::to_value(state.stage).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
                return Err(refuse(approval::NotEligible::NotWaiting(stage)));
            }
            let person = self.person(&caller.id).await?.ok_or_else(|| Failure::Unknown("such account".to_owned()))?;
            let candidate = Candidate {
                id: caller.id.clone(),
                roles: person.roles.clone(),
                since: person.since.clone(),
                entangled: ground.case.entangled().contains(&caller.id),
                contested: false,
                proposer: state.drafted_by == caller.by(),
                is_person: person.human && caller.signed_in,
            };
            // Authority counts from the time of receipt: a forged alert with an old
            // date must not empty the bench (invariants 13 and 17).
            let wanted = state.decided.as_ref().map(|d| d.wanted.clone()).unwrap_or_default();
            let role = approval::eligible_role(&candidate, as_role, &wanted, ground.case.opened_at).map_err(refuse)?;
            if ground.approvals.get(&state.plan.id).into_iter().flatten().any(|a| a.by == caller.id) {
                return Err(refuse(approval::NotEligible::AlreadyCounted));
            }
            let salter = Salter::new(self.ports.chance.seed());
            let approval = Approval {
                id: ApprovalId::from_chance(self.ports.chance.id()),
                plan: state.plan.id.clone(),
                digest: digest.to_owned(),
                by: caller.id.clone(),
                role,
                at: now,
                until: after(now, state.plan.valid_seconds),
                contested: false,
                used_by: None,
            };
            let mut writing = Writing::because(id.as_str());
            let event = ApprovalGiven { approval, comment: comment.as_ref().map(|c| salter.commit(c.clone())) };
            writing.event(StreamId::approval(&state.plan.id, &caller.id), &caller.by(), event);
            // Two yeses at once are fine; a yes beside a denial is not.
            writing.rests_on(StreamId::plan(&state.plan.id));
            self.after_order(&mut writing, id, now);
            self.post(&mut desk, writing).await?;
            match self.commit(&mut desk).await {
                Err(Failure::Stale) => {}
                other => return other,
            }
        }
        Err(Failure::Stale)
    }

    /// Ends a plan that waits, or stops one that runs from doing more.
    pub async fn deny(self: &Arc<Self>, caller: &Caller, id: &CaseId, digest: &str, reason: String) -> Result<(), Failure> {
        self.may(caller, Verb::Deny, Some(id), &[]).await?;
        let salter = Salter::new(self.ports.chance.seed());
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            let state = engine.plan_with(ground, digest)?;
            if !state.is_open() {
                return Err(Failure::Refused(format!("plan `{}` is over", state.plan.id)));
            }
            writing.event(StreamId::plan(&state.plan.id), &caller.by(), PlanDenied { reason: salter.commit(reason.clone()) });
            Ok(())
        })
        .await
    }

    /// Takes targets out of a plan; approvals stay.
    pub async fn exclude(self: &Arc<Self>, caller: &Caller, id: &CaseId, digest: &str, targets: Vec<TargetId>) -> Result<(), Failure> {
        self.may(caller, Verb::PlanCase, Some(id), &[]).await?;
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            let state = engine.plan_with(ground, digest)?;
            writing.event(StreamId::plan(&state.plan.id), &caller.by(), PlanExcluded { targets: targets.clone(), reason: None });
            Ok(())
        })
        .await
    }

    /// Orders a plan to run now. Policy is still asked for every attempt.
    pub async fn run_plan(self: &Arc<Self>, caller: &Caller, id: &CaseId, digest: &str, gaps: Option<String>) -> Result<(), Failure> {
        self.may(caller, Verb::RunPlan, Some(id), &[]).await?;
        let salter = Salter::new(self.ports.chance.seed());
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            let state = engine.plan_with(ground, digest)?;
            if state.started.is_some() {
                return Ok(());
            }
            let now = engine.ports.clock.now();
            engine.startable(ground, state, gaps.is_some(), now)?;
            let approvals: Vec<ApprovalId> = counted(ground, &state.plan.id, now).into_iter().map(|a| a.id).collect();
            engine.start_plan(
                writing,
                ground,
                &state.plan.id.clone(),
                &caller.by(),
                &approvals,
                gaps.as_ref().map(|g| salter.commit(g.clone())),
            );
            Ok(())
        })
        .await
    }

    /// What [`Engine::run_plan`] would answer, without ordering or recording anything.
    pub async fn could_run(&self, caller: &Caller, id: &CaseId, digest: &str, with_reason: bool) -> Result<(), Failure> {
        self.may(caller, Verb::RunPlan, Some(id), &[]).await?;
        let ground = self.loaded_on(id, &mut Desk::default()).await?;
        let state = self.plan_with(&ground, digest)?;
        if state.started.is_some() {
            return Ok(());
        }
        self.startable(&ground, state, with_reason, self.ports.clock.now())
    }

    /// What keeps a plan from starting by a person's order.
    fn startable(&self, ground: &Ground, state: &quell_core::course::PlanState, with_reason: bool, now: Timestamp) -> Result<(), Failure> {
        let id = &ground.case.id;
        if !state.is_open() {
            return Err(Failure::Refused(format!("plan `{}` is over; `quell case plan {id}` drafts a new one", state.plan.id)));
        }
        if !state.plan.gaps.is_empty() && !with_reason {
            return Err(Failure::Refused(format!("the plan is INCOMPLETE ({}); run it with `--reason`", state.plan.gaps.join("; "))));
        }
        let Some(decided) = &state.decided else { return Err(Failure::Stale) };
        if !decided.never.is_empty() {
            return Err(Failure::Refused(format!("policy lets nobody run step {:?}; `quell policy explain` says why", decided.never)));
        }
        let counts = approval::count(ground.approvals.get(&state.plan.id).into_iter().flatten(), &state.plan.id, &state.digest, now);
        let missing: Vec<&str> =
            decided.wanted.iter().filter(|(r, n)| counts.get(r).copied().unwrap_or(0) < **n).map(|(r, _)| r.name()).collect();
        if !missing.is_empty() {
            return Err(Failure::Refused(format!(
                "the plan waits for approval by {}; `quell case why {id}` says who is asked until when",
                missing.join(", ")
            )));
        }
        let unarmed: Vec<&str> = state
            .plan
            .steps
            .iter()
            .filter(|s| !ground.installation.is_armed(&s.plane.connector, s.action, now))
            .map(|s| s.action.name())
            .collect();
        if let Some(first) = state.plan.steps.first().filter(|_| !unarmed.is_empty()) {
            let plane = &first.plane.connector;
            return Err(Failure::Refused(format!(
                "`{plane}` only observes; `quell connector arm {plane} --action {} --until TIME` lets it act",
                unarmed.join(" --action ")
            )));
        }
        Ok(())
    }

    /// Drafts a new containment by a person's order; open ones it replaces are superseded.
    pub async fn plan_case(self: &Arc<Self>, caller: &Caller, id: &CaseId) -> Result<(), Failure> {
        self.may(caller, Verb::PlanCase, Some(id), &[]).await?;
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            if ground.case.subjects.is_empty() {
                return Err(Failure::Refused(format!("case `{id}` names nobody on our planes, so there is nothing to plan")));
            }
            for state in ground.plans.values().filter(|p| p.is_open() && p.started.is_none()) {
                let ended = PlanEnded { ended: "superseded".to_owned(), because: "a person drafted another plan".to_owned() };
                writing.event(StreamId::plan(&state.plan.id), &caller.by(), ended);
            }
            for identity in ground.case.subjects.keys() {
                engine.draft_into(writing, ground, identity, PlanKind::Contain, None, &caller.by())?;
            }
            Ok(())
        })
        .await
    }

    /// Drafts the way back. It is decided, approved and run like any plan, with
    /// no less authority than what it reverses (invariant 7).
    pub async fn undo(self: &Arc<Self>, caller: &Caller, id: &CaseId, mode: UndoMode) -> Result<PlanId, Failure> {
        self.may(caller, Verb::Undo, Some(id), &[]).await?;
        let mut made = None;
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            let contained = ground
                .plans
                .values()
                .filter(|p| p.plan.kind != PlanKind::Undo && p.started.is_some())
                .max_by_key(|p| (p.plan.kind == PlanKind::Contain, p.drafted_at));
            let Some(contained) = contained else {
                return Err(Failure::Refused(format!("nothing was contained in case `{id}`, so there is nothing to undo")));
            };
            if contained.is_open() {
                return Err(Failure::Refused(format!(
                    "plan `{}` still runs; deny it first, or wait until it is proved",
                    contained.plan.id
                )));
            }
            if ground.plans.values().any(|p| p.plan.kind == PlanKind::Undo && p.is_open()) {
                return Err(Failure::Refused(format!("an undo of case `{id}` is already drafted; `quell case show {id}`")));
            }
            let identity = contained.plan.roots.iter().find(|r| r.kind == TargetKind::Identity).map(|r| r.id.clone());
            let identity = identity.ok_or_else(|| Failure::Damaged("a plan without an identity".to_owned()))?;
            if mode == UndoMode::Restore {
                if ground.case.corroboration().secret_exposed {
                    return Err(Failure::Refused(
                        "a secret of it was reported exposed, so it is never restored; use `--mode reinstate`".to_owned(),
                    ));
                }
                if !ground.case.is_not_malicious() {
                    return Err(Failure::Refused(
                        "restoring needs a recorded verdict `not_malicious` of security operations first".to_owned(),
                    ));
                }
            }
            let salter = Salter::new(engine.ports.chance.seed());
            let drafting = engine.drafting(ground, &identity, PlanKind::Undo, Some(&contained.plan.id), &salter)?;
            let removed: Vec<_> = contained
                .plan
                .steps
                .iter()
                .filter(|step| step.action == Action::RemoveEntitlement)
                .flat_map(|step| quell_core::respond::act_targets(contained, step))
                .collect();
            let plan = draft::undo(&drafting, mode, &contained.plan, &removed);
            let (plan, _) = engine.link_plan(writing, ground, plan, &caller.by());
            made = Some(plan);
            Ok(())
        })
        .await?;
        made.ok_or(Failure::Stale)
    }

    /// Records one function's verdict, by somebody who has that function.
    pub async fn give_verdict(
        self: &Arc<Self>,
        caller: &Caller,
        id: &CaseId,
        role: Role,
        verdict: quell_core::event::Verdict,
        evidence: Option<String>,
    ) -> Result<(), Failure> {
        if !caller.roles.contains(&role) {
            return Err(Failure::Refused(format!("you do not have the role `{}`, so you cannot judge in it", role.name())));
        }
        let salter = Salter::new(self.ports.chance.seed());
        let command = Command::GiveVerdict { role, verdict, evidence: evidence.map(|e| salter.commit(e)) };
        self.command(caller, id, Verb::GiveVerdict, command).await
    }

    /// A command on the case itself.
    pub async fn command(self: &Arc<Self>, caller: &Caller, id: &CaseId, verb: Verb, command: Command) -> Result<(), Failure> {
        self.may(caller, verb, Some(id), &[]).await?;
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            let open = ground.plans.values().filter(|p| p.is_open()).count();
            let events = case::decide(&ground.case, &ground.targets, open, command.clone(), engine.ports.clock.now())
                .map_err(|e| Failure::Refused(e.to_string()))?;
            let closes = matches!(command, Command::Close { .. });
            for event in events {
                writing.event(StreamId::case(id), &caller.by(), event);
            }
            // What no other case holds is given back with the case's end.
            if closes {
                for target in ground.targets.values().filter(|t| t.holds.contains(id)) {
                    let Some(thing) = &target.target else { continue };
                    let released = quell_core::event::HoldReleased { case: id.clone(), last: target.holds.len() == 1 };
                    writing.event(StreamId::target(&thing.id), &caller.by(), released);
                }
                for finding in ground.case.findings.iter().filter(|f| f.outcome.is_none()) {
                    let ended =
                        quell_core::event::FindingEnded { finding: finding.id.clone(), outcome: Outcome::Contained, evidence: None };
                    writing.event(StreamId::case(id), &caller.by(), ended);
                }
            }
            Ok(())
        })
        .await
    }

    async fn retry(
        self: &Arc<Self>,
        id: &CaseId,
        mut decide: impl FnMut(&Arc<Self>, &Ground, &mut Writing) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for _ in 0..RETRIES {
            let mut desk = Desk::default();
            let ground = self.loaded_on(id, &mut desk).await?;
            let now = self.ports.clock.now();
            let mut writing = Writing::because(id.as_str());
            match decide(self, &ground, &mut writing) {
                Err(Failure::Stale) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                other => other?,
            }
            self.after_order(&mut writing, id, now);
            self.post(&mut desk, writing).await?;
            match self.commit(&mut desk).await {
                Err(Failure::Stale) => {}
                other => return other,
            }
        }
        Err(Failure::Stale)
    }

    /// Opens a case by hand about one identity.
    pub async fn open_case(self: &Arc<Self>, caller: &Caller, reference: &str, kind: SignalKind, text: &str) -> Result<CaseId, Failure> {
        self.may(caller, Verb::OpenCase, None, &[]).await?;
        let inventory = self.inventory();
        let known =
            inventory.identity(reference).map(|i| i.id.clone()).or_else(|| inventory.credential(reference).map(|c| c.identity.clone()));
        let identity = known.unwrap_or_else(|| reference.to_owned());
        let Some((plane, native)) = inventory::split(&identity) else {
            return Err(Failure::Refused(format!("expected SYSTEM/NATIVE_ID, found `{reference}`")));
        };
        if self.ports.connectors.get(plane).is_none() && inventory.identity(&identity).is_none() {
            return Err(Failure::Refused(format!(
                "`{plane}` is neither a connector nor in the inventory; `quell connector list` shows what is"
            )));
        }
        let salter = Salter::new(self.ports.chance.seed());
        let naming = self.naming(&salter);
        let now = self.ports.clock.now();
        let credential = inventory::split(reference)
            .filter(|_| inventory.credential(reference).is_some())
            .map(|(p, n)| naming.target(p, TargetKind::Credential, n, native));
        let resolved = Resolved {
            identity: naming.target(plane, TargetKind::Identity, native, native),
            credential,
            possession: false,
            because: "a person opened the case about it".to_owned(),
        };
        let sender = SourceId::new(format!("person:{}", caller.id));
        let dedupe = self.settings.key.opaque("dedupe", &["by hand", &caller.id.to_string(), &now.to_string()]);
        let fold = fold_key(&self.settings.key, kind, Some(&resolved), None, &dedupe);
        let finding = Finding {
            id: FindingId::from_chance(self.ports.chance.id()),
            fold,
            kind,
            title: salter.commit(text),
            count: 1,
            first_at: now,
            first_at_from: ObservedFrom::Received,
            last_at: now,
            senders: [sender].into(),
            alerts: Default::default(),
            seen: [dedupe].into(),
            resolved: Some(resolved),
            fingerprint: None,
            sample: false,
            containment_evidence: false,
            unreadable: false,
            outcome: None,
        };
        let case = CaseId::from_chance(self.ports.chance.id());
        let mut writing = Writing::because("by hand");
        writing.event(
            StreamId::case(&case),
            &caller.by(),
            CaseOpened { case: case.clone(), finding, because: "a person opened it".to_owned() },
        );
        self.after_order(&mut writing, &case, now);
        self.append(writing, now).await?;
        self.wake();
        Ok(case)
    }

    /// Something of the whole installation, on its one stream.
    async fn order_installation(self: &Arc<Self>, by: &By, event: impl Into<Event>) -> Result<(), Failure> {
        let event = event.into();
        for _ in 0..RETRIES {
            let now = self.ports.clock.now();
            let mut writing = Writing::because("installation");
            writing.event(StreamId::policy(), by, event.clone());
            for (case, _) in self.ports.store.lookup_range(crate::lookup::OPEN_CASE, "", None, 1_000).await? {
                writing.job(format!("case/{case}"), now);
            }
            match self.append(writing, now).await {
                Err(Failure::Stale) => {}
                other => {
                    other?;
                    self.wake();
                    return Ok(());
                }
            }
        }
        Err(Failure::Stale)
    }

    /// Lets a plane's actions run until a date.
    pub async fn arm(self: &Arc<Self>, caller: &Caller, connector: &str, actions: Vec<Action>, until: Timestamp) -> Result<(), Failure> {
        self.may(caller, Verb::Arm, None, &[]).await?;
        let plane = self.ports.connectors.get(connector).ok_or_else(|| Failure::Unknown(format!("connector `{connector}`")))?;
        if let Some(missing) = actions.iter().find(|a| plane.manifest().action(**a).is_none()) {
            let offered: Vec<&str> = plane.manifest().actions.iter().map(|a| a.action.name()).collect();
            return Err(Failure::Refused(format!("`{connector}` does not offer `{}`; it offers {}", missing.name(), offered.join(", "))));
        }
        if until <= self.ports.clock.now() {
            return Err(Failure::Refused(format!("`{until}` is in the past")));
        }
        self.order_installation(&caller.by(), ConnectorArmed { connector: connector.to_owned(), actions, until }).await
    }

    /// Lets a plane only observe again.
    pub async fn disarm(self: &Arc<Self>, caller: &Caller, connector: &str) -> Result<(), Failure> {
        self.may(caller, Verb::Disarm, None, &[]).await?;
        self.order_installation(&caller.by(), ConnectorDisarmed { connector: connector.to_owned() }).await
    }

    /// Automation stops acting at once; probes go on.
    pub async fn pause(self: &Arc<Self>, caller: &Caller, until: Timestamp, reason: Option<String>) -> Result<(), Failure> {
        self.may(caller, Verb::PauseAutomation, None, &[]).await?;
        let salter = Salter::new(self.ports.chance.seed());
        self.order_installation(&caller.by(), AutomationPaused { until, reason: reason.map(|r| salter.commit(r)) }).await
    }

    /// Another person than the one who paused ends it.
    pub async fn resume(self: &Arc<Self>, caller: &Caller) -> Result<(), Failure> {
        self.may(caller, Verb::ResumeAutomation, None, &[]).await?;
        let installation = self.installation().await?;
        if installation.paused.is_none() {
            return Err(Failure::Refused("automation is not paused".to_owned()));
        }
        if !installation.may_resume(&caller.id) {
            return Err(Failure::Refused("you paused it, so another person resumes it".to_owned()));
        }
        self.order_installation(&caller.by(), AutomationResumed {}).await
    }

    /// The wall clock went back or leapt: what was open lapses (invariant 17).
    pub async fn clock_stepped(self: &Arc<Self>, from: Timestamp, to: Timestamp) -> Result<(), Failure> {
        self.order_installation(&By::Automation, quell_core::event::ClockStepped { from, to }).await
    }

    /// When the newest event was recorded; a start before it means that the
    /// clock went back while nobody ran.
    pub async fn newest_event_at(&self) -> Result<Option<Timestamp>, Failure> {
        let size = self.ports.store.size().await?;
        let Some(newest) = size.checked_sub(1) else { return Ok(None) };
        let leaves = self.ports.store.leaves(newest, 1).await?;
        Ok(crate::streams::decode_all(&*self.ports.store, &leaves).await?.first().map(|r| r.at))
    }

    /// A policy set is in force from now on.
    pub async fn policy_loaded(self: &Arc<Self>, files: Vec<(String, String)>) -> Result<(), Failure> {
        let digest = self.ports.policy.digest();
        if self.installation().await?.policy_digest.as_deref() == Some(&digest) {
            return Ok(());
        }
        self.order_installation(&By::Automation, quell_core::event::PolicyLoaded { digest, files }).await
    }

    /// Makes a source; the caller keeps the token, the ledger its hash.
    pub async fn create_source(self: &Arc<Self>, by: &By, source: SourceCreated) -> Result<(), Failure> {
        let name = source.name.clone();
        if self.source(&name).await?.is_some() {
            return Err(Failure::Refused(format!("the source `{name}` exists")));
        }
        let mut writing = Writing::because("source");
        writing.event(StreamId::source(&name), by, source);
        self.append(writing, self.ports.clock.now()).await.map(|_| ())
    }

    /// Makes a source that signs its messages; its key lies sealed beside the ledger.
    pub async fn create_signed_source(self: &Arc<Self>, by: &By, mut source: SourceCreated, key: &[u8]) -> Result<(), Failure> {
        if self.source(&source.name).await?.is_some() {
            return Err(Failure::Refused(format!("the source `{}` exists", source.name)));
        }
        let sealed = self.seal(&source_label(&source.source), key)?;
        source.hmac_key = Some(sealed.id.clone());
        let mut writing = Writing::because("source");
        writing.event(StreamId::source(&source.name), by, source).blob(sealed);
        self.append(writing, self.ports.clock.now()).await.map(|_| ())
    }

    /// The key with which a source signs, if it does.
    pub async fn source_key(&self, source: &SourceCreated) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, Failure> {
        match &source.hmac_key {
            Some(id) => self.unseal(&source_label(&source.source), id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Something on the stream of a source that exists: a further token, refused messages.
    pub async fn on_source(self: &Arc<Self>, by: &By, name: &str, event: impl Into<Event>) -> Result<(), Failure> {
        let event = event.into();
        for _ in 0..RETRIES {
            if self.source(name).await?.is_none() {
                return Err(Failure::Unknown(format!("source `{name}`")));
            }
            let mut writing = Writing::because("source");
            writing.event(StreamId::source(name), by, event.clone());
            match self.append(writing, self.ports.clock.now()).await {
                Err(Failure::Stale) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Failure::Stale)
    }

    /// Makes an account; its password hash lies sealed beside the ledger.
    pub async fn create_person(
        self: &Arc<Self>,
        by: &By,
        mut person: quell_core::event::PersonCreated,
        password: Option<&str>,
    ) -> Result<(), Failure> {
        let mut writing = Writing::because("access");
        if let Some(hash) = password {
            let sealed = self.seal(&password_label(&person.person), hash.as_bytes())?;
            person.password = Some(sealed.id.clone());
            writing.blob(sealed);
        }
        writing.event(StreamId::person(&person.person), by, person);
        self.append(writing, self.ports.clock.now()).await.map(|_| ())
    }

    /// The password hash of an account, if it has one.
    pub async fn password_of(&self, person: &quell_core::people::Person) -> Result<Option<quell_core::secret::Secret>, Failure> {
        match &person.password {
            Some(id) => self.unseal_secret(&password_label(&person.id), id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The account of a name.
    pub async fn person_by_name(&self, name: &str) -> Result<Option<PersonId>, Failure> {
        let key = self.name_key(name);
        Ok(self.ports.store.lookup(crate::lookup::PERSON_NAME, &key).await?.and_then(|v| v.as_str().map(PersonId::new)))
    }

    /// The keyed hash under which a name is unique.
    pub fn name_key(&self, name: &str) -> String {
        self.settings.key.opaque("name", &[&name.to_lowercase()])
    }

    /// The keyed hash under which an address is unique, as owners are matched.
    pub fn email_key(&self, email: &str) -> String {
        self.settings.key.opaque("email", &[&email.to_lowercase()])
    }

    /// Something on a person's stream: created, changed, signed in, token made.
    pub async fn on_person(self: &Arc<Self>, by: &By, person: &PersonId, event: impl Into<Event>) -> Result<(), Failure> {
        let event = event.into();
        for _ in 0..RETRIES {
            let mut writing = Writing::because("access");
            writing.event(StreamId::person(person), by, event.clone());
            match self.append(writing, self.ports.clock.now()).await {
                Err(Failure::Stale) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Failure::Stale)
    }

    /// Ends a session or token.
    pub async fn revoke_token(self: &Arc<Self>, by: &By, person: &PersonId, token: TokenRevoked) -> Result<(), Failure> {
        self.on_person(by, person, token).await
    }

    /// Brings in an inventory file that was read into objects: all or nothing.
    pub async fn import(
        self: &Arc<Self>,
        caller: &Caller,
        source: &str,
        objects: Vec<(u64, Object)>,
        replace: bool,
        dry_run: bool,
        digest: &str,
    ) -> Result<Change, Failure> {
        self.may(caller, Verb::ImportInventory, None, &[]).await?;
        let inventory = self.inventory();
        let stored = self.ports.store.inventory().await?;
        let present = stored.iter().filter(|(_, v)| v["source"].as_str() == Some(source)).map(|(k, _)| k.clone()).collect();
        let change = inventory.compare(&objects, &present, replace);
        if dry_run || !change.errors.is_empty() {
            return Ok(change);
        }
        let salter = Salter::new(self.ports.chance.seed());
        let new: std::collections::BTreeSet<String> = objects.iter().map(|(_, o)| o.key()).collect();
        let gone: Vec<String> = if replace { present.difference(&new).cloned().collect() } else { Vec::new() };
        let mut rows = Vec::new();
        let mut next: Inventory = (*inventory).clone();
        let mut facts = Vec::new();
        for (_, object) in objects {
            if inventory.get(&object.key()) == Some(&object) {
                continue;
            }
            let value = serde_json::to_value(&object).map_err(|e| Failure::Damaged(e.to_string()))?;
            if object.asserts() {
                facts.push(salter.commit(value.to_string()));
            }
            rows.push((object.key(), Some(serde_json::json!({ "source": source, "object": value }))));
            next.put(object);
        }
        for key in &gone {
            rows.push((key.clone(), None));
            next.remove(key);
        }
        let stream = StreamId::source(&format!("inventory/{source}"));
        let mut writing = Writing::because("import");
        // At most 64 KiB an event: two hundred commitments fit with room to spare.
        for chunk in facts.chunks(200) {
            writing.event(stream.clone(), &caller.by(), FactsAsserted { facts: chunk.to_vec(), gone: Vec::new() });
        }
        for chunk in gone.chunks(200) {
            let gone = chunk.iter().map(|k| salter.commit(k.clone())).collect();
            writing.event(stream.clone(), &caller.by(), FactsAsserted { facts: Vec::new(), gone });
        }
        let imported = InventoryImported {
            source: source.to_owned(),
            read: change.read,
            added: change.added,
            changed: change.changed,
            unchanged: change.unchanged,
            gone: change.gone,
            digest: digest.to_owned(),
        };
        writing.event(stream, &caller.by(), imported);
        self.append(writing, self.ports.clock.now()).await?;
        self.ports.store.put_inventory(rows).await?;
        self.set_inventory(next);
        Ok(change)
    }

    /// Whether a plan of an id exists in a case, for messages.
    pub async fn has_plan(&self, case: &CaseId, plan: &PlanId) -> Result<bool, Failure> {
        Ok(self.ground(case).await?.is_some_and(|g| plan_of(&g, plan).is_ok()))
    }
}

/// Under which a source's key is sealed.
fn source_label(source: &SourceId) -> String {
    format!("source/{source}")
}

/// Under which an account's password hash is sealed.
fn password_label(person: &PersonId) -> String {
    format!("password/{person}")
}
