//! Orders about plans: approve, deny, exclude, run, draft anew, undo.

use std::{collections::BTreeSet, sync::Arc};

use quell_core::{
    approval::{self, Approval, Candidate},
    break_glass::{Asker, break_glass},
    by_hand,
    course::PlanState,
    decision::{Principal, Role, Verb, VerbQuestion},
    draft,
    event::{ApprovalGiven, GlassBroken, PlanDenied, PlanEnded, PlanExcluded, TaskAdded},
    id::{ApprovalId, CaseId, PlanId, StreamId, TargetId, TaskId},
    notice::{Cause, To},
    personal::Salter,
    plan::{PlanKind, UndoMode},
    respond,
    target::Target,
    time::{Timestamp, after},
};

use super::Caller;
use crate::{
    Engine, Failure,
    ground::Ground,
    intake::RETRIES,
    notice,
    record::{Desk, Writing},
    respond::counted,
};

impl Engine {
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
            let bench = ground.case.bench();
            let contested = bench.contested.contains(&caller.id);
            let candidate = Candidate {
                id: caller.id.clone(),
                roles: person.roles.clone(),
                since: person.since.clone(),
                entangled: bench.entangled.contains(&caller.id),
                contested,
                proposer: state.drafted_by == caller.by(),
                is_person: person.human && caller.signed_in,
            };
            // Authority counts from the time of receipt: a forged alert with an old
            // date must not empty the bench (invariants 13 and 17).
            let wanted = state.decided.as_ref().map(|d| d.wanted.clone()).unwrap_or_default();
            let role = approval::eligible_role(&candidate, as_role, &wanted, ground.case.opened_at).map_err(refuse)?;
            // Their own stream is loaded before the answer, not found by the index: of two
            // yeses of one person at once the second expects what the first one changed.
            let own = self.known(&mut desk, &StreamId::approval(&state.plan.id, &caller.id)).await?;
            if own.is_some() || ground.approvals.get(&state.plan.id).into_iter().flatten().any(|a| a.by == caller.id) {
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
                contested,
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

    /// Runs a plan at once, without the approvals that are missing: everybody who was
    /// passed over gets a task to review it ([`break_glass`]).
    pub async fn break_glass(
        self: &Arc<Self>,
        caller: &Caller,
        id: &CaseId,
        digest: &str,
        reason: &str,
        seconds: i64,
    ) -> Result<(), Failure> {
        self.may(caller, Verb::BreakGlass, Some(id), &[]).await?;
        let person = self.person(&caller.id).await?.ok_or_else(|| Failure::Unknown("such account".to_owned()))?;
        let alone = |role: &Role| {
            let principal = Principal::Person { id: caller.id.clone(), roles: vec![*role] };
            let question = VerbQuestion {
                principal,
                verb: Verb::BreakGlass,
                signed_in: caller.signed_in,
                entangled: false,
                contested: false,
                scopes: caller.scopes.clone(),
                gives_roles: Vec::new(),
            };
            self.ports.policy.permits(&question).allowed
        };
        let permitted: BTreeSet<Role> = person.roles.iter().copied().filter(alone).collect();
        let salter = Salter::new(self.ports.chance.seed());
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            let state = engine.plan_with(ground, digest)?;
            let now = engine.ports.clock.now();
            let bench = ground.case.bench();
            let candidate = Candidate {
                id: caller.id.clone(),
                roles: person.roles.clone(),
                since: person.since.clone(),
                entangled: bench.entangled.contains(&caller.id),
                contested: bench.contested.contains(&caller.id),
                proposer: state.drafted_by == caller.by(),
                is_person: person.human && caller.signed_in,
            };
            let asker = Asker { candidate, permitted: permitted.clone() };
            let yeses = ground.approvals.get(&state.plan.id).into_iter().flatten();
            let given = approval::count(yeses, &state.plan.id, &state.digest, &bench, now);
            let broken = break_glass(&asker, state, &given, reason, seconds, ground.case.opened_at, now)
                .map_err(|e| Failure::Refused(e.to_string()))?;
            engine.armed_for(ground, state, now)?;

            let plan = state.plan.id.clone();
            let committed = salter.commit(reason.trim());
            for role in broken.skipped.keys() {
                let added = TaskAdded {
                    task: TaskId::from_chance(engine.ports.chance.id()),
                    plan: Some(plan.clone()),
                    step: None,
                    owner: *role,
                    what: format!("review the break-glass: plan {plan} ran without your approval"),
                    text: Some(committed.clone()),
                    reviews: Some(caller.id.clone()),
                };
                writing.event(StreamId::case(id), &caller.by(), added);
                let told = format!("glass/{plan}/{}", role.name());
                notice::due(writing, now, id, told, To::Role(*role), Cause::PassedOver, true);
            }
            let event = GlassBroken { role: broken.role, reason: committed.clone(), until: broken.until, skipped: broken.skipped };
            writing.event(StreamId::plan(&plan), &caller.by(), event);
            let approvals: Vec<ApprovalId> = counted(ground, &plan, now).into_iter().map(|a| a.id).collect();
            engine.start_plan(writing, ground, &plan, &caller.by(), &approvals, (!state.plan.gaps.is_empty()).then_some(committed));
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
        let counts = approval::count(
            ground.approvals.get(&state.plan.id).into_iter().flatten(),
            &state.plan.id,
            &state.digest,
            &ground.case.bench(),
            now,
        );
        let missing: Vec<&str> =
            decided.wanted.iter().filter(|(r, n)| counts.get(r).copied().unwrap_or(0) < **n).map(|(r, _)| r.name()).collect();
        if !missing.is_empty() {
            return Err(Failure::Refused(format!(
                "the plan waits for approval by {}; `quell case why {id}` says who is asked until when",
                missing.join(", ")
            )));
        }
        self.armed_for(ground, state, now)
    }

    /// Every plane of the plan is armed for what it does there.
    fn armed_for(&self, ground: &Ground, state: &PlanState, now: Timestamp) -> Result<(), Failure> {
        let unarmed: Vec<&str> = state.plan.steps.iter().filter(|s| !ground.installation.lets(s, now)).map(|s| s.action.name()).collect();
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
        let owner = self.addressee().await?;
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            if ground.case.subjects.is_empty() {
                return Err(Failure::Refused(format!("case `{id}` names nobody on our planes, so there is nothing to plan")));
            }
            for state in ground.plans.values().filter(|p| p.is_open() && p.started.is_none()) {
                let ended = PlanEnded { ended: "superseded".to_owned(), because: "a person drafted another plan".to_owned() };
                writing.event(StreamId::plan(&state.plan.id), &caller.by(), ended);
            }
            let named = ground.case.roots().into_iter().filter(|r| ground.case.subjects.contains_key(&r.id));
            // People who were asked already are not asked twice.
            let asked = |r: &Target| {
                !ground.planes.contains(&r.plane)
                    && by_hand::standing(&ground.case, &ground.plans, r).is_some_and(|b| b.all_said_at.is_none())
            };
            let roots: Vec<TargetId> = named.filter(|r| !asked(r)).map(|r| r.id).collect();
            if roots.is_empty() {
                return Err(Failure::Refused(format!(
                    "its steps by hand are in people's hands; `quell case task {id}` lists them, and says how to record what was seen"
                )));
            }
            engine.draft_into(writing, ground, &roots, PlanKind::Contain, None, &caller.by(), owner)
        })
        .await
    }

    /// Drafts the way back, for every containment of the case or for `only` one. Each is
    /// decided, approved and run like any plan, with no less authority than what it
    /// reverses (invariant 7).
    pub async fn undo(
        self: &Arc<Self>,
        caller: &Caller,
        id: &CaseId,
        mode: UndoMode,
        only: Option<PlanId>,
    ) -> Result<Vec<PlanId>, Failure> {
        self.may(caller, Verb::Undo, Some(id), &[]).await?;
        let mut made = Vec::new();
        let uncompared = self.uncompared().await?;
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            let situation = ground.situation();
            let chosen = respond::to_undo(&situation, only.as_ref()).map_err(|e| Failure::Refused(e.to_string()))?;
            if mode == UndoMode::Restore {
                respond::may_restore(&ground.case, &chosen, &uncompared).map_err(|e| Failure::Refused(e.to_string()))?;
            }
            made.clear();
            for contained in chosen {
                made.push(engine.draft_undo(writing, ground, contained, mode, caller)?);
            }
            Ok(())
        })
        .await?;
        Ok(made)
    }

    fn draft_undo(
        &self,
        writing: &mut Writing,
        ground: &Ground,
        contained: &PlanState,
        mode: UndoMode,
        caller: &Caller,
    ) -> Result<PlanId, Failure> {
        let subjects = respond::subjects_back(&ground.situation(), contained);
        let salter = Salter::new(self.ports.chance.seed());
        let drafting = self.drafting(ground, &subjects, PlanKind::Undo, Some(&contained.plan.id), &salter)?;
        let removed = respond::permissions_back(contained);
        let kept = respond::credentials_kept(&ground.situation(), contained);
        let plan = draft::undo(&drafting, mode, &contained.plan, &removed, &kept);
        if plan.steps.is_empty() {
            let who = contained.plan.roots.first().map(quell_core::target::Target::reference).unwrap_or_default();
            return Err(Failure::Refused(format!(
                "nothing of plan `{}` can be taken back: what came with `{who}` ended with it",
                contained.plan.id
            )));
        }
        let (plan, _) = self.link_plan(writing, ground, plan, &caller.by());
        Ok(plan)
    }
}
