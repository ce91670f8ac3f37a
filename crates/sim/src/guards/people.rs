//! The fold of the guards, and guards of what people may: invariants 4 and 13.

use quell_core::{
    approval::Approval,
    course::PlanState,
    event::{By, Event, Recorded, Verdict},
    id::{PersonId, PlanId, TargetId},
    plan::PlanKind,
    target::TargetKind,
};

use super::{Guards, SeenCase, SeenPerson, SeenPlan};
use crate::world::World;

impl Guards {
    /// One committed event: guard it, then fold it.
    pub(super) fn see(&mut self, world: &World, recorded: &Recorded, batch: &[Recorded], now_us: u64) {
        let key = recorded.stream.key().to_owned();
        self.deeds_of_people(recorded);
        match &recorded.event {
            Event::AlertFiled(e) => {
                self.filed.insert(e.alert.clone(), (e.findings.len(), e.cases.clone()));
            }
            Event::CaseOpened(e) => {
                self.cases.insert(
                    e.case.clone(),
                    SeenCase { findings: vec![e.finding.clone()], opened_at: Some(recorded.at), ..SeenCase::default() },
                );
            }
            Event::PlanDrafted(e) => {
                if e.digest != e.plan.digest() {
                    self.violated(4, "a plan bears another digest than its own");
                }
                let state = PlanState::drafted(e, &recorded.by, recorded.at);
                let seen = SeenPlan { state, case: e.plan.case.clone(), started_us: None, wanted_at_start: Default::default() };
                self.plans.insert(e.plan.id.clone(), seen);
                for root in &e.plan.roots {
                    let target = self.targets.entry(root.id.clone()).or_default();
                    target.target.get_or_insert_with(|| root.clone());
                }
            }
            Event::ApprovalGiven(e) => {
                self.approved(recorded, &e.approval);
                self.approvals.insert(e.approval.id.clone(), e.approval.clone());
            }
            Event::ApprovalUsed(e) => self.used(recorded, &e.plan),
            Event::HoldPlaced(e) => {
                let target = self.targets.entry(e.target.id.clone()).or_default();
                target.target = Some(e.target.clone());
                target.holds.insert(e.case.clone());
            }
            Event::HoldReleased(e) => {
                self.targets.entry(TargetId::new(key)).or_default().holds.remove(&e.case);
            }
            Event::AttemptIntended(e) => self.intended(recorded, e, batch, now_us),
            Event::AttemptEnded(e) => {
                let denies = matches!(e.outcome.as_str(), "refused" | "throttled") && !e.read_back;
                if denies && self.happened.contains(e.attempt.as_str()) {
                    self.violated(6, format!("`{}` had an effect, and the record says {}", e.attempt, e.outcome));
                }
                let target = self.targets.entry(TargetId::new(key)).or_default();
                if let Some(attempt) = target.attempts.iter_mut().find(|a| a.cleared.attempt == e.attempt) {
                    attempt.outcome = Some(e.outcome.clone());
                    attempt.ended_at = Some(recorded.at);
                }
            }
            Event::NoticeDue(e) => {
                self.notices.entry((e.case.clone(), e.notice.clone())).or_insert(false);
            }
            Event::NoticeHanded(e) if !e.over.is_empty() => {
                let was_told = self.messages.iter().any(|m| m.case == e.case && m.id == e.notice);
                if !was_told {
                    self.violated(6, format!("`{}` is recorded as handed over, and no channel took it", e.notice));
                }
                self.notices.insert((e.case.clone(), e.notice.clone()), true);
            }
            Event::NoticeDropped(e) => {
                if self.cases.get(&e.case).is_some_and(|c| !c.closed) {
                    self.violated(6, format!("`{}` of an open case is told to nobody", e.notice));
                }
                self.notices.insert((e.case.clone(), e.notice.clone()), true);
            }
            Event::TargetProbed(e) => self.probed(world, recorded, e),
            Event::BudgetSpent(e) => {
                let spent = self.spent.entry((e.scope.clone(), e.hour)).or_default();
                *spent += 1;
                let (sum, limit) = (*spent, self.per_hour);
                if sum > limit || e.spent != sum {
                    self.violated(11, format!("automation spent {sum} of {limit} in an hour and recorded {}", e.spent));
                }
            }
            Event::PersonCreated(e) => {
                let since = e.roles.iter().map(|r| (*r, recorded.at)).collect();
                self.people.insert(e.person.clone(), SeenPerson { since, human: e.human });
            }
            Event::PersonChanged(e) => {
                if let (Some(roles), Some(person)) = (&e.roles, self.people.get_mut(&PersonId::new(key))) {
                    for role in roles {
                        person.since.entry(*role).or_insert(recorded.at);
                    }
                }
            }
            Event::ConnectorArmed(e) => {
                self.armed.insert(e.connector.clone(), (e.actions.clone(), e.until));
            }
            Event::ConnectorDisarmed(e) => {
                self.armed.remove(&e.connector);
            }
            Event::ClockStepped(_) => self.armed.clear(),
            Event::AutomationPaused(e) => self.paused = Some((recorded.by.clone(), e.until)),
            Event::AutomationResumed(_) => {
                if self.paused.as_ref().is_some_and(|(by, until)| *by == recorded.by && recorded.at <= *until) {
                    self.violated(13, "whoever paused automation resumed it");
                }
                self.paused = None;
            }
            _ => self.fold_rest(recorded, now_us),
        }
        self.finished(world, recorded);
    }

    fn fold_rest(&mut self, recorded: &Recorded, now_us: u64) {
        match recorded.stream.family() {
            "plan" => {
                let Some(seen) = self.plans.get_mut(&PlanId::new(recorded.stream.key())) else { return };
                if matches!(recorded.event, Event::PlanStarted(_)) {
                    seen.started_us = Some(now_us);
                }
                seen.state.apply(&recorded.event, &recorded.by, recorded.at);
                if let Event::TargetsFound(e) = &recorded.event {
                    for found in &e.new {
                        self.targets.entry(found.id.clone()).or_default().target.get_or_insert_with(|| found.clone());
                    }
                }
            }
            "case" => {
                if let Event::CaseEnriched(e) = &recorded.event {
                    self.enriched(e);
                }
                let Some(case) = self.cases.get_mut(&Self::case_of(&recorded.stream)) else { return };
                match &recorded.event {
                    Event::FindingAttached(e) => case.findings.push(e.finding.clone()),
                    Event::FindingRepeated(e) => {
                        if let Some(finding) = case.findings.iter_mut().find(|f| f.id == e.finding) {
                            // Nobody in these worlds leaves a signature out.
                            finding.senders.insert(e.sender.clone());
                            finding.first_at = finding.first_at.min(e.at);
                            finding.sample &= !e.real;
                        }
                    }
                    Event::FindingEnded(e) => {
                        if let Some(finding) = case.findings.iter_mut().find(|f| f.id == e.finding) {
                            finding.outcome = Some(e.outcome.clone());
                        }
                    }
                    Event::CaseEnriched(e) => {
                        case.enriched.insert(e.identity.id.clone());
                        case.looked_us = now_us;
                    }
                    Event::CaseClosed(_) => case.closed = true,
                    Event::CaseReopened(_) => case.closed = false,
                    Event::TaskAdded(e) => case.tasks.push((e.plan.clone(), true)),
                    Event::VerdictGiven(e) if e.role == quell_core::decision::Role::Secops => {
                        case.not_malicious = e.verdict == Verdict::NotMalicious;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Invariant 13: whoever is joined to a subject does not decide about it.
    fn deeds_of_people(&mut self, recorded: &Recorded) {
        let (By::Person(person) | By::Agent(person)) = &recorded.by else { return };
        let (case, deed) = match &recorded.event {
            Event::VerdictGiven(_) | Event::LeadTaken(_) | Event::RestAccepted(_) | Event::CaseClosed(_) => {
                (Self::case_of(&recorded.stream), recorded.event.name())
            }
            Event::PlanDenied(_) => match self.plans.get(&PlanId::new(recorded.stream.key())) {
                Some(seen) => (seen.case.clone(), "plan_denied"),
                None => return,
            },
            Event::PlanDrafted(e) if e.plan.kind == PlanKind::Undo => (e.plan.case.clone(), "an undo"),
            Event::ApprovalGiven(e) => match self.plans.get(&e.approval.plan) {
                Some(seen) => (seen.case.clone(), "an approval"),
                None => return,
            },
            _ => return,
        };
        let contested = self.contested(&case).contains(person);
        let counted_apart = matches!(&recorded.event, Event::ApprovalGiven(e) if e.approval.contested);
        if contested && !counted_apart {
            self.violated(13, format!("{deed} by `{person}`, whom one sender names as a subject of `{case}`"));
        }
        if self.entangled(&case).contains(person) {
            self.violated(13, format!("{deed} by `{person}`, who is joined to a subject of `{case}`"));
        }
        if self.people.get(person).is_none_or(|p| !p.human) {
            self.violated(13, format!("{deed} by `{person}`, who is no person"));
        }
    }

    /// Invariant 4: an approval that must not count.
    fn approved(&mut self, recorded: &Recorded, approval: &Approval) {
        let Some(seen) = self.plans.get(&approval.plan) else {
            return self.violated(4, "an approval of no plan");
        };
        let mut wrong: Vec<&str> = Vec::new();
        if approval.digest != seen.state.digest {
            wrong.push("of another digest");
        }
        if seen.state.drafted_by == recorded.by {
            wrong.push("by the proposer");
        }
        if recorded.by != By::Person(approval.by.clone()) {
            wrong.push("in somebody else's name");
        }
        if self.approvals.values().any(|a| a.plan == approval.plan && a.by == approval.by) {
            wrong.push("by somebody who had approved before");
        }
        let since = self.people.get(&approval.by).and_then(|p| p.since.get(&approval.role)).copied();
        match since {
            None => wrong.push("in a role they do not hold"),
            // From the time of receipt: a forged date must not empty the bench.
            Some(since) if self.cases.get(&seen.case).and_then(|c| c.opened_at).is_some_and(|at| since > at) => {
                wrong.push("in a role that came after the case");
            }
            Some(_) => {}
        }
        let by = approval.by.clone();
        for why in wrong {
            self.violated(4, format!("an approval by `{by}` {why}"));
        }
    }

    /// Invariant 4: consumed once, by the start of its own plan.
    fn used(&mut self, recorded: &Recorded, plan: &PlanId) {
        let person = recorded.stream.key().rsplit('/').next().unwrap_or_default().to_owned();
        let found = self.approvals.values_mut().find(|a| recorded.stream.key().starts_with(a.plan.as_str()) && a.by.as_str() == person);
        let wrong = match found {
            None => Some("an approval that nobody gave was used".to_owned()),
            Some(approval) if approval.used_by.is_some() => Some(format!("the approval `{}` was used twice", approval.id)),
            Some(approval) if approval.plan != *plan => Some(format!("the approval `{}` was used by another plan", approval.id)),
            Some(approval) => {
                approval.used_by = Some(plan.clone());
                None
            }
        };
        if let Some(wrong) = wrong {
            self.violated(4, wrong);
        }
    }

    /// The identity targets of a case that are known.
    pub fn identities(&self) -> impl Iterator<Item = &TargetId> {
        self.targets.iter().filter(|(_, t)| t.target.as_ref().is_some_and(|t| t.kind == TargetKind::Identity)).map(|(id, _)| id)
    }
}
