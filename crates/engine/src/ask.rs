//! Policy is asked whom to hear, and people are asked, with a deadline and what
//! happens then.

use std::sync::Arc;

use quell_core::{
    course::PlanState,
    decision::{Approvals, Principal, Role, WhomToAsk},
    event::{By, PeopleAsked, PlanDecided, StepDecision},
    id::{PersonId, PlanId, StreamId},
    inventory::OwnerRole,
    notice::{Cause, To},
    respond::{self, Situation},
    time::{Timestamp, after},
};

use crate::{
    Engine, Failure,
    ground::Ground,
    notice,
    port::Policy,
    record::{Desk, Writing},
};

use crate::respond::{Progress, plan_of};

/// What `policy` says of every step of a plan, as things stand in `situation` at `now`.
pub(crate) fn decide_steps(policy: &dyn Policy, situation: &Situation<'_>, state: &PlanState, now: Timestamp) -> Vec<StepDecision> {
    let mut steps = Vec::new();
    for step in &state.plan.steps {
        let Some(mut question) = respond::question(situation, state, step, Principal::Automation, now) else { continue };
        let decision = policy.decide(&question);
        // Whom to hear is asked as if the plane were armed: people may be
        // heard while a named person still thinks about arming.
        question.circumstances.armed = true;
        question.circumstances.paused = false;
        let wanted = match policy.whom_to_ask(&question) {
            WhomToAsk::Nobody => Some(Approvals::new()),
            // What is missing is said as the whole that would do.
            WhomToAsk::These { .. } => {
                question.circumstances.approvals.clear();
                match policy.whom_to_ask(&question) {
                    WhomToAsk::These { approvals } => Some(approvals),
                    _ => Some(Approvals::new()),
                }
            }
            WhomToAsk::NoOne => None,
        };
        steps.push(StepDecision { step: step.n, decision, wanted });
    }
    steps
}

impl Engine {
    pub(crate) async fn decide_plan(self: &Arc<Self>, ground: &Ground, desk: &mut Desk, id: &PlanId) -> Result<Progress, Failure> {
        let state = plan_of(ground, id)?;
        let now = self.ports.clock.now();
        let situation = ground.situation();
        let steps = decide_steps(&*self.ports.policy, &situation, state, now);
        let mut wanted = Approvals::new();
        for (role, n) in steps.iter().filter_map(|s| s.wanted.as_ref()).flatten() {
            let held = wanted.entry(*role).or_insert(0);
            *held = (*held).max(*n);
        }
        let never: Vec<u16> = steps.iter().filter(|s| s.wanted.is_none()).map(|s| s.step).collect();
        let decided =
            PlanDecided { steps, wanted, never: never.clone(), until: after(state.drafted_at.max(now), state.plan.valid_seconds) };
        let mut writing = Writing::because(id.as_str());
        writing.event(StreamId::plan(id), &By::Automation, decided).rests_on(StreamId::case(&ground.case.id)).rests_on(StreamId::policy());
        if !never.is_empty() && state.decided.is_none() {
            let list = never.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            self.task_for(
                &mut writing,
                ground,
                id,
                None,
                Role::ResponseOwner,
                format!("policy lets nobody run step {list}; decide by hand, or change the policy"),
            );
        }
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    pub(crate) async fn ask_people(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        id: &PlanId,
        escalation: u32,
    ) -> Result<Progress, Failure> {
        let state = plan_of(ground, id)?;
        let Some(decided) = &state.decided else { return Ok(Progress::Changed) };
        let now = self.ports.clock.now();
        let mut roles: Vec<Role> = decided.wanted.keys().copied().collect();
        if escalation > 0 && !roles.contains(&Role::ResponseOwner) {
            roles.push(Role::ResponseOwner);
        }
        let (people, passed_over) = self.whom(ground, &roles).await?;
        let at_timeout = match escalation {
            0 => "the response owner is asked, too",
            1 | 2 => "the response owner is asked again",
            _ => "the plan ends undone and the response owner has it",
        };
        let deadline = after(now, self.settings.limits.ask_seconds);
        let asked = PeopleAsked {
            plan: id.clone(),
            wanted: decided.wanted.clone(),
            roles: roles.clone(),
            people: people.clone(),
            deadline,
            at_timeout: at_timeout.to_owned(),
            passed_over,
            escalation,
        };
        let mut writing = Writing::because(id.as_str());
        writing.event(StreamId::case(&ground.case.id), &By::Automation, asked);
        let case = &ground.case.id;
        for person in &people {
            notice::due(&mut writing, now, case, format!("ask/{id}/{escalation}/{person}"), To::Person(person.clone()), Cause::Asked, true);
        }
        if people.is_empty() {
            for (which, to) in self.last_resort() {
                notice::due(&mut writing, now, case, format!("ask/{id}/{escalation}/{which}"), to, Cause::LastResort, true);
            }
            let names = if self.settings.last_resort.is_empty() {
                "nobody; name at least two people in `last_resort`".to_owned()
            } else {
                self.settings.last_resort.join(", ")
            };
            self.task_for(
                &mut writing,
                ground,
                id,
                None,
                Role::ResponseOwner,
                format!("nobody who may approve is left; the last resort is {names}"),
            );
        }
        self.post(desk, writing).await?;
        Ok(Progress::Changed)
    }

    /// Who holds one of these roles for this case and may be asked; and who is
    /// passed over, with why (invariant 13). A business owner is the owner of a
    /// subject, or whoever holds the role where inventory names nobody.
    async fn whom(&self, ground: &Ground, roles: &[Role]) -> Result<(Vec<PersonId>, Vec<(PersonId, String)>), Failure> {
        let quell_core::approval::Bench { entangled, contested } = ground.case.bench();
        let owner_role = |role: Role| match role {
            Role::BusinessOwner => Some(OwnerRole::Business),
            Role::Iam => Some(OwnerRole::Iam),
            Role::Secops => Some(OwnerRole::Security),
            _ => None,
        };
        let all = self.people().await?;
        let mut people = Vec::new();
        let mut passed_over = Vec::new();
        for role in roles {
            let named: Vec<(Option<PersonId>, Option<PersonId>)> = ground
                .case
                .subjects
                .values()
                .flat_map(|s| &s.owners)
                .filter(|o| Some(o.role) == owner_role(*role))
                .map(|o| (o.person.clone(), o.deputy.clone()))
                .collect();
            let mut wanted: Vec<PersonId> = Vec::new();
            for (person, deputy) in named {
                match person {
                    Some(p) if entangled.contains(&p) => {
                        passed_over.push((p, "joined to a subject of this case, so the deputy is asked".to_owned()));
                        wanted.extend(deputy);
                    }
                    // Their yes needs another one beside it.
                    Some(p) if contested.contains(&p) => {
                        wanted.push(p);
                        wanted.extend(deputy);
                    }
                    Some(p) => wanted.push(p),
                    None => wanted.extend(deputy),
                }
            }
            if wanted.is_empty() {
                wanted = all.iter().filter(|p| p.human && !p.disabled && p.roles.contains(role)).map(|p| p.id.clone()).collect();
            }
            for person in wanted {
                if entangled.contains(&person) {
                    passed_over.push((person, "joined to a subject of this case".to_owned()));
                } else if !people.contains(&person) {
                    people.push(person);
                }
            }
        }
        Ok((people, passed_over))
    }
}
