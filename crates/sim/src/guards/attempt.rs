//! Guards of what may happen outside: invariants 2, 3, 6, 7, 9, 11, 12, 14, 17.

use std::collections::{BTreeMap, BTreeSet};

use quell_core::{
    action::Action,
    clear::Cleared,
    decision::{Criticality, Role},
    event::{AttemptIntended, By, Event, Recorded},
    id::PersonId,
    plan::PlanKind,
    signal::SignalKind,
};
use quell_engine::port::Attempt;

use super::{Guards, SeenAttempt};

impl Guards {
    /// Invariant 2: an effect without a durable intent that is still open.
    pub(super) fn is_intended(&mut self, plane: &str, cleared: &Cleared, attempt: &Attempt) {
        let open = self
            .targets
            .get(&cleared.target)
            .is_some_and(|t| t.attempts.iter().any(|a| a.cleared == *cleared && a.outcome.as_deref().is_none_or(|o| o == "unknown")));
        if !open {
            self.violated(2, format!("{} on {plane} without an open intent in the ledger", cleared.action.name()));
        }
        if cleared.target != attempt.target.id || cleared.action != attempt.action || attempt.target.plane != plane {
            self.violated(3, "the attempt is not what was cleared");
        }
        let role = attempt.target.native.value().map(|n| n.split('#').next().unwrap_or(n).to_owned()).unwrap_or_default();
        if self.facts_of(plane, &role).protected && !attempt.action.gives_access() {
            self.violated(11, format!("{} touches the protected `{role}`", attempt.action.name()));
        }
    }

    pub(super) fn intended(&mut self, recorded: &Recorded, e: &AttemptIntended, batch: &[Recorded], now_us: u64) {
        let found = self.why_not(recorded, e, batch, now_us);
        for (invariant, why) in found {
            self.violated(invariant, format!("{} {}: {why}", e.cleared.action.name(), e.cleared.attempt));
        }
        if batch.iter().any(|r| matches!(&r.event, Event::BudgetSpent(b) if b.attempt == e.cleared.attempt)) {
            self.charged.insert((e.cleared.plan.clone(), e.cleared.step));
        }
        let target = self.targets.entry(e.cleared.target.clone()).or_default();
        target.attempts.push(SeenAttempt { cleared: e.cleared.clone(), outcome: None, ended_at: None });
    }

    /// Everything that is wrong with this attempt.
    fn why_not(&self, recorded: &Recorded, e: &AttemptIntended, batch: &[Recorded], now_us: u64) -> Vec<(u8, String)> {
        let mut wrong = Vec::new();
        let cleared = &e.cleared;
        let mut say = |invariant: u8, why: &str| wrong.push((invariant, why.to_owned()));
        let Some(seen) = self.plans.get(&cleared.plan) else { return vec![(3, "there is no such plan".to_owned())] };
        let (plan, held) = (&seen.state.plan, self.targets.get(&cleared.target));
        let Some(step) = plan.step(cleared.step).filter(|s| s.action == cleared.action) else {
            return vec![(3, "there is no such step".to_owned())];
        };
        if cleared.plan_digest != plan.digest() {
            say(3, "the digest is not the plan's");
        }
        if !cleared.decision.allowed || !cleared.decision.errors.is_empty() {
            say(3, "policy did not allow it");
        }
        match held.and_then(|t| t.target.as_ref()) {
            None => say(3, "the target was never named"),
            Some(target) => {
                let bounds = &step.bounds;
                if !bounds.kinds.contains(&target.kind)
                    || !bounds.planes.contains(&target.plane)
                    || !bounds.identities.contains(&target.identity)
                {
                    say(3, "the target lies outside of the bounds");
                }
            }
        }
        let touched: BTreeSet<_> = self
            .targets
            .iter()
            .filter(|(_, t)| t.attempts.iter().any(|a| a.cleared.plan == cleared.plan && a.cleared.step == cleared.step))
            .map(|(id, _)| id.clone())
            .chain([cleared.target.clone()])
            .collect();
        if touched.len() > step.bounds.count_max as usize {
            say(3, "more targets than were approved");
        }
        if seen.state.excluded.contains(&cleared.target) {
            say(4, "the target was excluded before");
        }
        match (&seen.state.started, seen.started_us) {
            (Some(started), Some(started_us)) => {
                if !plan.gaps.is_empty() && !started.gaps_accepted {
                    say(14, "the plan is incomplete and nobody gave a reason");
                }
                // Ten seconds and more may pass between clearing and appending.
                if now_us > started_us + (self.plan_seconds + 15) * 1_000_000 {
                    say(17, "the window of the plan closed before, whatever the wall says");
                }
            }
            _ => say(3, "the plan was never started"),
        }
        if seen.state.stage.is_over() {
            say(3, "the plan was over");
        }
        if !self.armed.get(&step.plane.connector).is_some_and(|(actions, until)| actions.contains(&step.action) && recorded.at <= *until) {
            say(3, "the plane was not armed for it");
        }

        // One at a time, and what nobody read is not repeated.
        if let Some(held) = held {
            if held.attempts.iter().any(|a| a.outcome.is_none()) {
                say(9, "another attempt on the target is open");
            }
            if held.attempts.iter().any(|a| a.outcome.as_deref() == Some("unknown")) {
                say(6, "what became of the attempt before was not read");
            }
            let others = held.holds.iter().filter(|c| **c != e.case && self.cases.get(*c).is_some_and(|c| !c.closed)).count();
            if cleared.action.gives_access() && others > 0 {
                say(9, "access is given back while another case holds the target");
            }
        }

        let people = self.approvers(&cleared.plan, recorded);
        self.authority(&mut say, seen, cleared, &people, recorded);
        let automatic = seen.state.started.as_ref().is_some_and(|s| s.by == By::Automation);
        let charged = batch.iter().any(|r| matches!(&r.event, Event::BudgetSpent(b) if b.attempt == cleared.attempt));
        // Once a step: what an intruder opens meanwhile must not spend what ends it.
        let before = self.charged.contains(&(cleared.plan.clone(), cleared.step));
        if automatic && people.values().all(BTreeSet::is_empty) && plan.kind != PlanKind::Undo && !charged && !before {
            say(11, "automation was not charged for it");
        }
        wrong
    }

    /// Distinct eligible people whose yes to this digest holds now, by role.
    fn approvers(&self, plan: &quell_core::id::PlanId, recorded: &Recorded) -> BTreeMap<Role, BTreeSet<PersonId>> {
        let mut people: BTreeMap<Role, BTreeSet<PersonId>> = BTreeMap::new();
        let Some(seen) = self.plans.get(plan) else { return people };
        let entangled = self.entangled(&seen.case);
        let mut counted = BTreeSet::new();
        let given = || self.approvals.values().filter(|a| a.plan == *plan && a.digest == seen.state.digest && recorded.at <= a.until);
        let beside = given().any(|a| !a.contested);
        for given in given().filter(|a| beside || !a.contested) {
            if !entangled.contains(&given.by) && counted.insert(given.by.clone()) {
                people.entry(given.role).or_default().insert(given.by.clone());
            }
        }
        people
    }

    /// The shipped policy in the simulator's own words.
    fn authority(
        &self,
        say: &mut impl FnMut(u8, &str),
        seen: &super::SeenPlan,
        cleared: &Cleared,
        people: &BTreeMap<Role, BTreeSet<PersonId>>,
        recorded: &Recorded,
    ) {
        let Some(case) = self.cases.get(&seen.case) else { return };
        let n = |roles: &[Role]| roles.iter().map(|r| people.get(r).map_or(0, BTreeSet::len)).sum::<usize>();
        let plan = &seen.state.plan;
        let about = plan.step(cleared.step).map(|s| s.selector.identity());
        let facts = plan
            .roots
            .iter()
            .find(|r| r.kind == quell_core::target::TargetKind::Identity && Some(&r.id) == about)
            .or_else(|| plan.roots.iter().find(|r| r.kind == quell_core::target::TargetKind::Identity))
            .and_then(|r| Some(self.facts_of(&r.plane, r.native.value()?)))
            .unwrap_or_default();
        let real: Vec<_> = case.findings.iter().filter(|f| !f.sample && !f.unreadable && !f.containment_evidence && !f.unsigned).collect();
        let possession = real.iter().any(|f| f.resolved.as_ref().is_some_and(|r| r.possession));
        let senders: BTreeSet<_> = real.iter().flat_map(|f| &f.senders).collect();
        let corroborated = possession || senders.len() >= 2;
        let exposed = real.iter().any(|f| f.kind == SignalKind::LeakedSecret);
        let two = [Role::Iam, Role::Secops, Role::Lead, Role::ResponseOwner];
        let automatic = seen.state.started.as_ref().is_some_and(|s| s.by == By::Automation);
        let gives = cleared.action.gives_access();
        let locks_out = matches!(
            cleared.action,
            Action::SuspendIdentity | Action::RevokeCredential | Action::RotateCredential | Action::RetireIdentity
        );
        if real.is_empty() {
            say(12, "only samples speak of it");
        }
        if automatic && !gives && !corroborated && n(&two) < 2 {
            say(12, "one uncorroborated sender, and not two people");
        }
        if automatic && self.paused.as_ref().is_some_and(|(_, until)| recorded.at <= *until) {
            say(11, "automation is paused");
        }
        if facts.protected && (!gives || automatic) {
            say(11, "the identity is protected");
        }
        if (locks_out || gives) && facts.human && n(&[Role::Iam]) == 0 {
            say(3, "a human identity, and nobody of the identity team agreed");
        }
        let critical = facts.shared || facts.criticality == Some(Criticality::Critical);
        let failover = plan.step(cleared.step).is_some_and(|s| plan.fails_over(s)) && n(&[Role::Secops, Role::Iam, Role::Lead]) > 0;
        if critical && !gives && n(&[Role::BusinessOwner]) == 0 && !failover {
            say(3, "shared or critical, and its business owner did not agree");
        }
        if critical && gives && n(&[Role::BusinessOwner, Role::Lead]) == 0 {
            say(7, "undoing needs no less authority than doing");
        }
        if gives && n(&[Role::Iam, Role::Secops, Role::Lead]) == 0 {
            say(7, "access is given back and nobody agreed");
        }
        if gives && !corroborated && n(&two) < 2 {
            say(7, "two people were needed to contain it, and fewer gave it back");
        }
        if cleared.action == Action::Restore && cleared_is_identity(self, cleared) && (exposed || !case.not_malicious) {
            say(7, "an exact old state comes back without a verdict, or with an exposed secret");
        }
    }
}

fn cleared_is_identity(guards: &Guards, cleared: &Cleared) -> bool {
    let target = guards.targets.get(&cleared.target).and_then(|t| t.target.as_ref());
    target.is_some_and(|t| t.kind == quell_core::target::TargetKind::Identity)
}
