//! Guards of what Quell claims: invariants 5, 8, 15, and the exposure clock.

use quell_core::{
    event::{CaseEnriched, Event, Recorded, Stage, TargetProbed},
    id::{CaseId, StreamId, TargetId},
    plan::PlanKind,
    proof::{Channel, Liveness, ProbeClass, Strength},
    time::after_millis,
};

use super::Guards;
use crate::world::{Glimpse, World, hold};

impl Guards {
    /// Invariant 5, on the record alone and against the truth.
    pub(super) fn probed(&mut self, world: &World, recorded: &Recorded, e: &TargetProbed) {
        let id = TargetId::new(recorded.stream.key());
        let round = &e.round;
        let mut wrong: Vec<&str> = Vec::new();
        let mut glimpse = None;
        if round.proved.liveness == Liveness::Dead {
            let decisive = round.decisive.and_then(|d| round.observations.get(d as usize));
            match decisive {
                None => wrong.push("without an observation"),
                Some(seen) => {
                    glimpse = hold(&world.glimpses).get(&seen.vantage).copied();
                    if seen.control.as_ref().is_none_or(|c| !c.alive || c.class != seen.class) {
                        wrong.push("without a live control of its class");
                    }
                    if seen.channel == Channel::Unauthenticated || !seen.authoritative || seen.class == ProbeClass::Record {
                        wrong.push("by somebody who does not enforce");
                    }
                    if !matches!(round.proved.strength, Some(Strength::Enforced | Strength::Exercised)) {
                        wrong.push("without strength");
                    }
                    let acted =
                        self.targets.get(&id).into_iter().flat_map(|t| &t.attempts).filter(|a| a.outcome.as_deref() == Some("done"));
                    let acted = acted.filter_map(|a| a.ended_at).max();
                    if acted.is_some_and(|at| seen.started_at < after_millis(at, world.settle_ms)) {
                        wrong.push("before the settle time was over");
                    }
                    if round.observations.iter().any(|o| o.answer == quell_core::proof::Answer::Usable) {
                        wrong.push("although a use was accepted");
                    }
                    if glimpse.is_some_and(|g| g.usable == Some(true)) {
                        wrong.push("while it was usable");
                    }
                }
            }
        }
        let name = self.native_of(&id).map_or_else(|| id.to_string(), |(plane, native)| format!("{plane}/{native}"));
        for why in wrong {
            self.violated(5, format!("`{name}` is claimed dead {why}: {}", round.proved.reason));
        }
        let target = self.targets.entry(id).or_default();
        match round.proved.liveness {
            Liveness::Dead => target.dead_since_us = target.dead_since_us.or(glimpse.map(|g: Glimpse| g.at_us)),
            Liveness::Live => target.dead_since_us = None,
            Liveness::Unknown => {}
        }
        target.last_liveness = Some(round.proved.liveness);
    }

    /// Invariant 15: a plane that did not answer is named, and unknown is not 0.
    pub(super) fn enriched(&mut self, e: &CaseEnriched) {
        let unseen = e.credentials.is_empty() && e.sessions.is_empty();
        let known = e.identity.native.value().is_some_and(|n| self.facts.contains_key(&(e.identity.plane.clone(), n.to_owned())));
        if unseen && known && e.not_looked_at.is_empty() {
            self.violated(15, format!("nothing was found of `{}`, and nothing is said to be unseen", e.identity.reference()));
        }
    }

    /// Invariant 8: a case that is proven or closed while the intruder is in.
    pub(super) fn finished(&mut self, world: &World, recorded: &Recorded) {
        let case = CaseId::new(recorded.stream.key());
        let is_claim = match &recorded.event {
            Event::CaseAdvanced(e) => e.stage == Stage::Proven,
            Event::CaseClosed(_) => true,
            _ => false,
        };
        let Some(seen) = self.cases.get(&case).filter(|_| is_claim) else { return };
        let mine: Vec<_> = self.plans.values().filter(|p| p.case == case).collect();
        // The way back may be drafted and waiting when the containment is proven.
        let closes = matches!(recorded.event, Event::CaseClosed(_));
        if mine.iter().any(|p| p.state.is_open() && (closes || p.state.plan.kind != PlanKind::Undo)) {
            self.violated(8, format!("case `{case}` is {} with an open plan", recorded.event.name()));
            return;
        }
        // Where nothing was to be contained, there is nothing to hold against it.
        if !mine.iter().any(|p| p.state.started.is_some()) || self.is_accepted(&case) {
            return;
        }
        let now = world.now_us();
        let truth = hold(&world.truth);
        let mut open = Vec::new();
        for root in seen.findings.iter().filter(|f| f.outcome.is_none()).filter_map(|f| f.resolved.as_ref()).map(|r| &r.identity) {
            let Some(role) = root.native.value().and_then(|n| truth.role(&root.plane, n)) else { continue };
            if role.is_open_to_intruder(now) && role.reverted_us.is_none() {
                open.push(root.reference());
            }
        }
        drop(truth);
        for root in open {
            self.violated(8, format!("case `{case}` is {} while the intruder can use `{root}`", recorded.event.name()));
        }
    }

    fn is_accepted(&self, case: &CaseId) -> bool {
        // Given back by a verdict: whoever has the old secret may use it again.
        self.cases.get(case).is_some_and(|c| c.not_malicious)
    }

    /// The exposure ends no earlier than the intruder's last success.
    pub(super) fn exposures(&mut self, world: &World) {
        let truth = hold(&world.truth);
        let mut wrong = Vec::new();
        for target in self.targets.values() {
            let Some((thing, since)) = target.target.as_ref().zip(target.dead_since_us) else { continue };
            let Some(name) = thing.native.value().and_then(|n| n.strip_suffix("#password")) else { continue };
            let Some(role) = truth.role(&thing.plane, name) else { continue };
            let reverted = role.reverted_us.is_some_and(|at| at >= since);
            if target.last_liveness == Some(Liveness::Dead) && !reverted && role.intruded_us.is_some_and(|at| at > since) {
                wrong.push(format!(
                    "the exposure of `{}` ended at {since} us, and it was used at {:?}",
                    thing.reference(),
                    role.intruded_us
                ));
            }
        }
        drop(truth);
        for why in wrong {
            self.violated(5, why);
        }
    }

    /// The case a stream belongs to.
    pub(super) fn case_of(stream: &StreamId) -> CaseId {
        CaseId::new(stream.key())
    }
}
