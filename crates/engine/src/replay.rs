//! What another policy would have left to people, asked of plans that were decided once.
//!
//! Each plan is asked about as it stood then: its case, its targets, arming and pauses are
//! folded from the events before its decision. Nothing is written and no plane is asked.

use std::collections::BTreeMap;

use quell_core::{
    event::{Event, StepDecision},
    id::{CaseId, PlanId, StreamId},
    replay::{Leave, Shift, shift},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::{Engine, Failure, ask::decide_steps, lookup, port::Policy, record::Desk, streams};

/// Cases that are looked at, the newest first.
pub const CASES_MAX: u32 = 2_000;
/// Steps that are told one by one.
const TOLD_MAX: usize = 1_000;

/// What came out of it.
#[derive(Default)]
pub struct Replayed {
    pub cases: u64,
    pub plans: u64,
    /// Steps by how the other answer differs.
    pub steps: BTreeMap<Shift, u64>,
    /// The steps whose answer differs, the newest case first, as people see them.
    pub differ: Vec<Value>,
    /// More differ than are told.
    pub cut: bool,
    /// Cases of that time that cannot be asked about any more, with why.
    pub unread: Vec<(CaseId, String)>,
    /// There are older ones of that time that were not looked at.
    pub truncated: bool,
}

impl Engine {
    /// Asks `other` about every plan of the cases that were opened at or after `since`.
    ///
    /// # Errors
    ///
    /// When the list of cases cannot be read; a case that cannot is in the answer.
    pub async fn replay(&self, other: &dyn Policy, since: Timestamp) -> Result<Replayed, Failure> {
        let mut replayed = Replayed::default();
        let rows = self.ports.store.lookup_range(lookup::RECENT_CASE, "", None, CASES_MAX + 1).await?;
        let oldest = lookup::place(since, "~");
        let of_that_time: Vec<_> = rows.into_iter().take_while(|(place, _)| *place <= oldest).collect();
        replayed.truncated = of_that_time.len() > CASES_MAX as usize;
        for (_, id) in of_that_time.into_iter().take(CASES_MAX as usize) {
            let Some(id) = id.as_str().map(CaseId::new) else { continue };
            replayed.cases += 1;
            if let Err(why) = self.replay_case(other, &id, &mut replayed).await {
                replayed.unread.push((id, why.to_string()));
            }
        }
        Ok(replayed)
    }

    async fn replay_case(&self, other: &dyn Policy, id: &CaseId, replayed: &mut Replayed) -> Result<(), Failure> {
        let Some(case) = self.case(id).await? else { return Ok(()) };
        for (plan, _) in &case.plans {
            let Some((index, at, then)) = self.decided(plan).await? else { continue };
            let ground = self.ground_on(id, &mut Desk::as_of(index)).await?;
            let Some((ground, state)) = ground.as_ref().and_then(|g| Some((g, g.plans.get(plan)?))) else { continue };
            replayed.plans += 1;
            let answers = decide_steps(other, &ground.situation(), state, at);
            for before in &then {
                let Some(answer) = answers.iter().find(|a| a.step == before.step) else { continue };
                let (was, is) = (Leave::of(before), Leave::of(answer));
                let how = shift(&was, &is);
                *replayed.steps.entry(how).or_default() += 1;
                if how == Shift::Same {
                    continue;
                }
                if replayed.differ.len() == TOLD_MAX {
                    replayed.cut = true;
                    continue;
                }
                let step = state.plan.step(before.step);
                replayed.differ.push(json!({
                    "case": id, "plan": plan, "step": before.step, "decided_at": at, "shift": how,
                    "action": step.map(|s| s.action.name()), "identity": step.map(|s| identity(&state.plan, s)),
                    "then": was, "then_by": before.decision.deciding, "would": is, "would_by": answer.decision.deciding,
                }));
            }
        }
        Ok(())
    }

    /// How a plan was decided before anybody had answered, and where in the log that stands.
    async fn decided(&self, plan: &PlanId) -> Result<Option<(u64, Timestamp, Vec<StepDecision>)>, Failure> {
        let store = &*self.ports.store;
        let stored = store.read(&StreamId::plan(plan), 1).await?;
        let decoded = streams::decode_all(store, &stored).await?;
        let decided = stored.iter().zip(decoded).find_map(|(stored, recorded)| match recorded.event {
            Event::PlanDecided(e) => Some((stored.index, recorded.at, e.steps)),
            _ => None,
        });
        Ok(decided)
    }
}

/// What a step is about, as the inventory calls it.
fn identity(plan: &quell_core::plan::Plan, step: &quell_core::plan::Step) -> String {
    let id = step.selector.identity();
    let root = plan.roots.iter().find(|root| root.id == *id);
    root.map_or_else(|| id.to_string(), quell_core::target::Target::reference)
}
