//! Orders about two cases at once: merging them, and parting them again.

use std::sync::Arc;

use quell_core::{
    decision::Verb,
    id::{CaseId, StreamId},
    merge::{self, Events, Refused},
    personal::{Personal, Salter},
    respond::Situation,
};

use super::Caller;
use crate::{
    Engine, Failure,
    ground::Ground,
    intake::RETRIES,
    record::{Desk, Writing},
};

/// What the core says of two cases.
type Rule = fn(&Situation<'_>, &Situation<'_>, &Personal) -> Result<Events, Refused>;

impl Engine {
    /// Makes `from` part of `into`, which goes on with what it holds.
    pub async fn merge_cases(self: &Arc<Self>, caller: &Caller, from: &CaseId, into: &CaseId, reason: &str) -> Result<(), Failure> {
        self.on_two(caller, from, into, reason, merge::merge).await
    }

    /// Takes a merged case out again; answers of which case it was part.
    pub async fn unmerge_case(self: &Arc<Self>, caller: &Caller, from: &CaseId, reason: &str) -> Result<CaseId, Failure> {
        let case = self.case(from).await?.ok_or_else(|| Failure::Unknown(format!("case `{from}`")))?;
        let Some(into) = case.merged_into.clone() else {
            return Err(refuse(Refused::NotMerged { case: from.clone() }));
        };
        self.on_two(caller, from, &into, reason, merge::unmerge).await?;
        Ok(into)
    }

    /// Whoever may not order in one of them may not through the other.
    async fn on_two(self: &Arc<Self>, caller: &Caller, from: &CaseId, into: &CaseId, reason: &str, rule: Rule) -> Result<(), Failure> {
        for case in [from, into] {
            self.may(caller, Verb::Merge, Some(case), &[]).await?;
        }
        let reason = Salter::new(self.ports.chance.seed()).commit(reason);
        for _ in 0..RETRIES {
            let mut desk = Desk::default();
            let one = self.either(from, &mut desk).await?;
            let other = self.either(into, &mut desk).await?;
            let events = rule(&one.situation(), &other.situation(), &reason).map_err(refuse)?;
            let mut writing = Writing::because(from.as_str());
            for (stream, event) in events {
                writing.event(stream, &caller.by(), event);
            }
            // A plan that starts meanwhile makes the answer another one.
            for plan in one.plans.keys().chain(other.plans.keys()) {
                writing.rests_on(StreamId::plan(plan));
            }
            let now = self.ports.clock.now();
            for case in [from, into] {
                self.after_order(&mut writing, case, now);
            }
            self.post(&mut desk, writing).await?;
            match self.commit(&mut desk).await {
                Err(Failure::Stale) => {}
                other => return other,
            }
        }
        Err(Failure::Stale)
    }

    async fn either(&self, id: &CaseId, desk: &mut Desk) -> Result<Ground, Failure> {
        self.ground_on(id, desk).await?.ok_or_else(|| Failure::Unknown(format!("case `{id}`")))
    }
}

fn refuse(why: Refused) -> Failure {
    Failure::Refused(why.to_string())
}
