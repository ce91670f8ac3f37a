//! Probes, and records what they prove.
//!
//! The connector tries and reads, each with its control; the core judges. A
//! leaked value is unsealed for one round, on an armed plane only, and that use
//! is an event.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quell_core::{
    decision::{Principal, Verb, VerbQuestion},
    event::{By, HoldPlaced, SecretUsed, TargetLinked, TargetProbed},
    hold::{Round, Used},
    id::{CaseId, PlanId, StreamId},
    plan::{Proves, Step},
    proof::{self, Answer, Liveness, Observation, ProbeClass},
    respond,
    target::{Reading, Target, TargetKind},
    time::Timestamp,
};

use crate::{
    Engine, Failure,
    execute::{before_label, seconds, secret_label},
    ground::Ground,
    port::{Connector, ProbeRequest},
    record::{Desk, Writing},
    respond::Progress,
};

/// A probe round that came back, before it is written.
pub(crate) struct Probed {
    plan: Option<PlanId>,
    n: Option<u16>,
    target: Target,
    before_act: bool,
    /// What was used for it, and sealed.
    writing: Writing,
    first_hold: Option<Reading>,
    round: Round,
    /// Events of the target's and its identity's streams as they were when it set out.
    seen: (u64, u64),
}

/// What a probe round needs to set out.
pub(crate) struct Probe {
    plan: Option<PlanId>,
    n: Option<u16>,
    target: Target,
    before_act: bool,
    case: CaseId,
    connector: Arc<dyn Connector>,
    proves: Option<Proves>,
    writing: Writing,
    request: ProbeRequest,
    acted_at: Option<Timestamp>,
    /// From when on a use is one after the cut.
    cut_at: Option<Timestamp>,
    has_before: bool,
    /// Recognises the leaked value in the plane's own log.
    mark: Option<String>,
    wait: Duration,
    seen: (u64, u64),
}

impl Engine {
    /// Gathers what one probe round may use.
    pub(crate) async fn prepare_probe(
        self: &Arc<Self>,
        ground: &Ground,
        connector: Arc<dyn Connector>,
        plan: Option<&PlanId>,
        n: Option<u16>,
        target: &Target,
        before_act: bool,
    ) -> Result<Probe, Failure> {
        let state = plan.and_then(|p| ground.plans.get(p));
        let step = state.zip(n).and_then(|(s, n)| s.plan.step(n));
        let now = self.ports.clock.now();
        let held = ground.target(&target.id);
        let identity = ground.case.subjects.get(&target.identity).map(|s| s.identity.native.shown().to_owned());
        let identity = identity.unwrap_or_else(|| native_identity(target));
        let own = self.own_secret(ground, step, target).await?;
        let may_login = own.is_some() || (!before_act && ground.installation.may_log_in(&target.plane, now));

        let wait = seconds(step.map_or(10, |s| s.attempt_seconds));
        let mut writing = Writing::because(plan.map_or_else(|| format!("watch/{}", ground.case.id), ToString::to_string));
        let leaked = match target.kind {
            TargetKind::Credential if may_login && own.is_none() && self.may_try_leaked() => {
                self.leaked_secret(&ground.case, target).await?
            }
            _ => None,
        };
        if let Some((alert, _)) = &leaked {
            let used = SecretUsed { alert: alert.clone(), target: target.id.clone(), purpose: "one probe round".to_owned() };
            writing.event(StreamId::case(&ground.case.id), &By::Automation, used);
        }
        let throw_away = match (&held.throw_away, may_login) {
            (Some(blob), true) => self.own_of(&held, blob).await?,
            _ => None,
        };
        let identity_state = ground.targets.get(&target.identity);
        let before = held.before.clone().or_else(|| identity_state.and_then(|t| t.before.clone()));
        let before_owner = if held.before.is_some() { &target.id } else { &target.identity };
        let mut before_secrets = BTreeMap::new();
        for (name, blob) in before.iter().flat_map(|b| &b.sealed) {
            before_secrets.insert(name.clone(), self.unseal_secret(&before_label(before_owner, name), blob).await?);
        }
        let acted_at = held.acted_at().max(identity_state.and_then(|t| t.acted_at())).filter(|_| !before_act);
        let cut_at = held.cut_at(identity_state.map(|t| &**t)).filter(|_| !before_act);
        let request = ProbeRequest {
            target: target.clone(),
            identity,
            may_login,
            leaked: leaked.map(|(_, secret)| secret),
            leaked_was_right: held.leaked_was_right,
            throw_away,
            own,
            before,
            before_secrets,
        };
        Ok(Probe {
            plan: plan.cloned(),
            n,
            target: target.clone(),
            before_act,
            case: ground.case.id.clone(),
            connector,
            proves: step.map(|s| s.proves.clone()),
            writing,
            request,
            acted_at,
            cut_at,
            has_before: held.before.is_some(),
            mark: ground.case.mark_of(&target.id).map(ToOwned::to_owned),
            wait,
            seen: seen(ground, target),
        })
    }

    /// Asks the plane; changes nothing but what the manifest declares as probe effects.
    pub(crate) async fn probe(&self, probe: Probe) -> Result<Probed, Failure> {
        let Probe {
            plan,
            n,
            target,
            before_act,
            case,
            connector,
            proves,
            mut writing,
            mut request,
            acted_at,
            cut_at,
            has_before,
            mark,
            wait,
            seen,
        } = probe;
        // Before the act, what stands now is what a later probe compares with.
        let mut first_hold = None;
        if before_act && !has_before {
            match tokio::time::timeout(wait, connector.read(&target)).await {
                Ok(Ok((mut reading, secrets))) => {
                    for (name, secret) in secrets {
                        let blob = self.seal(&before_label(&target.id, &name), secret.expose().as_bytes())?;
                        reading.sealed.insert(name.clone(), blob.id.clone());
                        writing.blob(blob);
                        request.before_secrets.insert(name, secret);
                    }
                    request.before = Some(reading.clone());
                    first_hold = Some(reading);
                }
                Ok(Err(error)) => tracing::warn!(%error, "the before-state could not be read"),
                Err(_) => tracing::warn!("the before-state could not be read in time"),
            }
        }
        let observations = match &proves {
            Some(Proves::Restored { target: restored }) if restored.id == target.id => {
                vec![read_back(&*connector, &request, &*self.ports.clock).await]
            }
            _ => tokio::time::timeout(wait, connector.probe(&request)).await.unwrap_or_default(),
        };
        let (proved, decisive) = proof::judge_round(&observations, acted_at, connector.manifest().settle_ms);
        let used = match cut_at {
            Some(since) => uses(&*connector, &target, mark.as_deref(), since, wait).await,
            None => None,
        };
        let probed_at = decisive.and_then(|d| observations.get(d)).map_or_else(|| self.ports.clock.now(), |o| o.started_at);
        let proved = proof::beside_uses(proved, probed_at, used.as_ref());
        let in_use = match &proves {
            Some(Proves::InUse { credential, consumer_declared: true } | Proves::Reinstated { credential, consumer_declared: true })
                if credential.id == target.id && proved.liveness == Liveness::Live =>
            {
                Some(self.is_used(&*connector, &native_identity(&target)).await)
            }
            _ => None,
        };
        let at = self.ports.clock.now();
        let decisive = decisive.and_then(|d| u32::try_from(d).ok());
        let round = Round { case, plan: plan.clone(), observations, proved, decisive, in_use, used, at };
        Ok(Probed { plan, n, target, before_act, writing, first_hold, round, seen })
    }

    /// A round that came back is written, unless the target moved on meanwhile: then
    /// it says nothing about what stands now, and another one is due.
    pub(crate) async fn take_probe(self: &Arc<Self>, ground: &Ground, desk: &mut Desk, probed: Probed) -> Result<Progress, Failure> {
        let Probed { plan, n, target, before_act, mut writing, first_hold, round, seen: then } = probed;
        if then != seen(ground, &target) {
            tracing::debug!(target = %target.id, "a probe straddled a change and is asked again");
            return Ok(Progress::Unchanged);
        }
        let held = ground.target(&target.id);
        let controls_failed = !before_act && round.observations.iter().any(|o| o.control.as_ref().is_some_and(|c| !c.alive));
        if !held.holds.contains(&ground.case.id) || first_hold.is_some() {
            let hold = HoldPlaced {
                case: ground.case.id.clone(),
                target: target.clone(),
                credential_kind: held.credential_kind,
                before: first_hold,
                leaked_was_right: held.leaked_was_right,
                seen_live_at: None,
            };
            writing.event(StreamId::target(&target.id), &By::Automation, hold);
            if !ground.case.linked.iter().any(|(t, _)| t.id == target.id) {
                let credential_kind = quell_core::draft::issued_kind(target.native.shown());
                let linked = TargetLinked { target: target.clone(), credential_kind, because: "issued by a plan of this case".to_owned() };
                writing.event(StreamId::case(&ground.case.id), &By::Automation, linked);
            }
        }
        let was_live = round.proved.liveness == Liveness::Live;
        writing.event(StreamId::target(&target.id), &By::Automation, TargetProbed { round, blobs: Vec::new() });
        self.post(desk, writing).await?;

        // A control that fails after an act is collateral until shown otherwise.
        let running = plan.as_ref().and_then(|p| ground.plans.get(p)).filter(|s| s.paused.is_none() && s.is_open());
        if let Some(state) = running.filter(|_| controls_failed && !was_live) {
            return self.pause_for(ground, desk, &state.plan.id, n, "the control identity stopped working after an act").await;
        }
        Ok(Progress::Changed)
    }

    /// Policy permits that a leaked secret is unsealed for one probe round.
    fn may_try_leaked(&self) -> bool {
        let question = VerbQuestion {
            principal: Principal::Automation,
            verb: Verb::ProbeWithSecret,
            signed_in: false,
            entangled: false,
            contested: false,
            scopes: Vec::new(),
            gives_roles: Vec::new(),
        };
        self.ports.policy.permits(&question).allowed
    }

    /// The secret that Quell itself made for a re-issued or reinstated
    /// credential; its owner is the target of the step that made it.
    async fn own_secret(
        &self,
        ground: &Ground,
        step: Option<&Step>,
        target: &Target,
    ) -> Result<Option<quell_core::secret::Secret>, Failure> {
        let steps: Vec<&Step> = match step {
            Some(step) => vec![step],
            None => ground.plans.values().flat_map(|p| &p.plan.steps).collect(),
        };
        for step in steps {
            let (Proves::InUse { credential, .. } | Proves::Reinstated { credential, .. }) = &step.proves else { continue };
            if credential.id != target.id {
                continue;
            }
            let state = ground.plans.values().find(|p| p.plan.steps.contains(step));
            let Some(state) = state else { continue };
            for acted in respond::act_targets(state, step) {
                let held = ground.target(&acted.id);
                let made = held
                    .attempts
                    .iter()
                    .rev()
                    .find(|a| a.cleared.plan == state.plan.id && a.cleared.step == step.n && a.new_secret.is_some());
                if let Some((attempt, blob)) = made.and_then(|a| Some((a, a.new_secret.as_ref()?))) {
                    return Ok(Some(self.unseal_secret(&secret_label(&attempt.cleared.attempt), blob).await?));
                }
            }
        }
        Ok(None)
    }

    async fn own_of(&self, held: &quell_core::hold::TargetState, blob: &str) -> Result<Option<quell_core::secret::Secret>, Failure> {
        match held.attempts.iter().find(|a| a.new_secret.as_deref() == Some(blob)) {
            Some(attempt) => Ok(Some(self.unseal_secret(&secret_label(&attempt.cleared.attempt), blob).await?)),
            None => Ok(None),
        }
    }

    /// The rightful consumer holds a session with the new credential.
    async fn is_used(&self, connector: &dyn Connector, identity: &str) -> bool {
        match connector.enumerate(identity).await {
            Ok(enumeration) => enumeration.of(TargetKind::Session).any(|s| !s.is_ours() && !s.is_cut()),
            Err(_) => false,
        }
    }
}

/// Uses by others since `since`; none where the plane cannot tell, and that is logged.
async fn uses(connector: &dyn Connector, target: &Target, mark: Option<&str>, since: Timestamp, wait: Duration) -> Option<Used> {
    match tokio::time::timeout(wait, connector.used_since(target, mark, since)).await {
        Ok(Ok(used)) => used,
        Ok(Err(error)) => {
            tracing::warn!(%error, "nobody can tell whether a leaked value is used again");
            None
        }
        Err(_) => {
            tracing::warn!(plane = connector.name(), "the plane's log was not read in time");
            None
        }
    }
}

/// How many events the streams of a target and of its identity hold.
fn seen(ground: &Ground, target: &Target) -> (u64, u64) {
    let events = |id| ground.targets.get(id).map_or(0, |t| t.events);
    (events(&target.id), events(&target.identity))
}

/// Reads a restored target and compares it with its before-state by value.
async fn read_back(connector: &dyn Connector, request: &ProbeRequest, clock: &dyn crate::port::Clock) -> Observation {
    let started_at = clock.now();
    let read = connector.read(&request.target).await;
    let answer = match (read, &request.before) {
        (Ok((now, secrets)), Some(before)) => {
            let same_secrets =
                request.before_secrets.iter().all(|(name, old)| secrets.get(name).is_some_and(|new| new.expose() == old.expose()));
            Answer::ReadBack { same: now.exists == before.exists && now.facts == before.facts && same_secrets }
        }
        (Ok(_), None) => Answer::Inconclusive { why: "no before-state is recorded".to_owned() },
        (Err(error), _) => Answer::Inconclusive { why: error.to_string() },
    };
    Observation {
        class: ProbeClass::Read,
        started_at,
        ended_at: clock.now(),
        vantage: connector.endpoint().to_owned(),
        channel: proof::Channel::Unauthenticated,
        answer,
        control: None,
        plane_clock: None,
        authoritative: false,
    }
}

/// `billing_app#password` belongs to `billing_app`.
fn native_identity(target: &Target) -> String {
    let native = target.native.shown();
    match target.kind {
        TargetKind::Credential => native.rsplit_once('#').map_or(native, |(identity, _)| identity).to_owned(),
        _ => native.to_owned(),
    }
}
