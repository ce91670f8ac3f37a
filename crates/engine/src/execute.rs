//! One attempt on one target.
//!
//! Read the target again, ask policy for this attempt, clear it, append
//! clearance, budget, hold, before-state and intent together; only then act;
//! then append what became of it. A crash before the append leaves nothing to
//! do; a crash after it leaves an intent that is read before anything repeats.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quell_core::{
    action::Action,
    clear::{Budget, Clearance, Grounds, NotCleared, clear},
    course::PlanState,
    decision::Principal,
    event::{AttemptEnded, AttemptIntended, BudgetSpent, By, HoldPlaced},
    hold::{AttemptState, TargetState},
    id::{AttemptId, PlanId, StreamId, TargetId},
    plan::{PlanKind, Step},
    respond,
    secret::Secret,
    target::{Reading, Target},
    time::{Timestamp, after, after_millis, hour_of},
};

use crate::{
    Engine, Failure,
    ground::Ground,
    port::{Attempt, Connector, Outcome},
    record::{Desk, Writing},
    respond::{Progress, counted, plan_of, step_of},
    streams::Folded,
};

/// A target as its plane holds it, secret parts apart.
pub(crate) type Read = (Reading, BTreeMap<String, Secret>);

/// An attempt whose intent is on the desk: it may act once that is durable.
pub(crate) struct Intended {
    pub target: Target,
    pub attempt: AttemptId,
    /// When the case is looked at again should nothing more be heard.
    pub due: Timestamp,
    pub(crate) step: (PlanId, u16),
    /// The target was not touched by this step before.
    pub new: bool,
    connector: Arc<dyn Connector>,
    clearance: Clearance,
    of: Step,
    before: Option<Reading>,
    new_secret: Option<Secret>,
    kept: Vec<Target>,
    wait: Duration,
}

/// What became of an attempt, and the secret that the plane itself made in it.
pub(crate) struct Acted {
    pub outcome: Outcome,
    pub issued: Option<Secret>,
}

impl From<Outcome> for Acted {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, issued: None }
    }
}

impl Intended {
    /// Acts, and tells what became of it. Only once everything on the desk is durable:
    /// what was sealed for it is read from the store.
    pub(crate) async fn act(self, engine: &Engine) -> Result<Acted, Failure> {
        let asked = engine.attempt_for(&self.attempt, &self.of, &self.target, self.before, self.new_secret, self.kept).await?;
        Ok(engine.act(&*self.connector, self.clearance, asked, self.wait).await)
    }
}

impl Engine {
    /// The plane a step runs on, as it was approved; or why a person gets the step.
    pub(crate) fn plane_of(&self, step: &Step) -> Result<Arc<dyn Connector>, String> {
        let plane = &step.plane.connector;
        let Some(connector) = self.ports.connectors.get(plane).cloned() else {
            return Err(format!("`{plane}` has no connector any more"));
        };
        if connector.endpoint() != step.plane.endpoint || connector.config_digest() != step.plane.config_digest {
            return Err(format!("`{plane}` was configured differently since the plan was approved"));
        }
        Ok(connector)
    }

    /// Clears one attempt on a target as it was just read, and puts clearance, budget,
    /// hold, before-state and intent on the desk. `beside` targets of this step are
    /// intended on the same desk and not in the ground yet.
    #[expect(clippy::too_many_arguments, reason = "what one attempt rests on")]
    pub(crate) async fn intend(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        id: &PlanId,
        n: u16,
        target: &Target,
        (reading, secrets): Read,
        beside: u32,
    ) -> Result<Result<Intended, Progress>, Failure> {
        let state = plan_of(ground, id)?;
        let step = step_of(state, n)?;
        let connector = match self.plane_of(step) {
            Ok(connector) => connector,
            Err(because) => return self.hand_over(ground, desk, id, n, &because).await.map(Err),
        };
        let wait = seconds(step.attempt_seconds);
        let now = self.ports.clock.now();
        let held = ground.target(&target.id);
        let clearance = match self.clearance(ground, desk, state, step, target, &held, beside, now).await? {
            Ok(clearance) => clearance,
            Err(NotCleared::Busy { .. }) => return Ok(Err(Progress::Later(after_millis(now, 200)))),
            Err(refusal) => return self.hand_over(ground, desk, id, n, &refusal.to_string()).await.map(Err),
        };

        let mut writing = Writing::because(id.as_str());
        let sealed_before = self.hold(&mut writing, ground, target, &held, reading.clone(), secrets)?;
        let new_secret = match step.action {
            Action::RotateCredential | Action::ReissueCredential | Action::Reinstate => Some(connector.shaped(self.make_secret())),
            _ => None,
        };
        let sealed_secret = match &new_secret {
            Some(secret) => {
                let blob = self.seal(&secret_label(clearance.attempt()), secret.expose().as_bytes())?;
                let blob_id = blob.id.clone();
                writing.blob(blob);
                Some(blob_id)
            }
            None => None,
        };
        if let Some((scope, spent)) = &clearance.record().budget {
            let hour = hour_of(now);
            let event = BudgetSpent { scope: scope.clone(), hour, attempt: clearance.attempt().clone(), spent: *spent };
            writing.event(StreamId::budget(scope, hour), &By::Automation, event);
        }
        let intended = AttemptIntended {
            cleared: clearance.record().clone(),
            case: ground.case.id.clone(),
            new_secret: sealed_secret,
            read: Some(reading),
        };
        writing.event(StreamId::target(&target.id), &By::Automation, intended);
        // A denial, an exclusion or a pause that came meanwhile wins.
        writing.rests_on(StreamId::plan(id)).rests_on(StreamId::case(&ground.case.id)).rests_on(StreamId::policy());
        let due = after(now, step.attempt_seconds + 1);
        writing.job(format!("case/{}", ground.case.id), due);
        self.post(desk, writing).await?;

        let new = held.tries(id, n) == 0;
        let before = sealed_before.or(held.before.clone());
        let attempt = clearance.attempt().clone();
        let (target, of, kept) = (target.clone(), step.clone(), kept(ground, step));
        Ok(Ok(Intended { target, attempt, due, step: (id.clone(), n), new, connector, clearance, of, before, new_secret, kept, wait }))
    }

    /// Asks policy for this very attempt and lets the core clear it.
    #[expect(clippy::too_many_arguments, reason = "a clearance joins this many things, and only `attempt` asks for it")]
    async fn clearance(
        &self,
        ground: &Ground,
        desk: &mut Desk,
        state: &PlanState,
        step: &Step,
        target: &Target,
        held: &TargetState,
        beside: u32,
        now: Timestamp,
    ) -> Result<Result<Clearance, NotCleared>, Failure> {
        // One may have come in since the way back was drafted.
        let uncompared = if step.action == Action::Restore { self.uncompared().await? } else { Vec::new() };
        let roles = match state.started.as_ref().filter(|s| s.ordered).map(|s| &s.by) {
            Some(By::Person(id) | By::Agent(id)) => self.roles_of(id).await?,
            _ => Vec::new(),
        };
        let principal = respond::principal_of(state, |_| roles.clone());
        let automatic = principal == Principal::Automation;
        let Some(question) = respond::question(&ground.situation(), state, step, principal, now) else {
            return Ok(Err(NotCleared::DecisionForSomethingElse));
        };
        let decision = self.ports.policy.decide(&question);
        if !decision.errors.is_empty() {
            tracing::error!(errors = ?decision.errors, "policy could not be evaluated, so it denied");
        }
        let approvals = counted(ground, &state.plan.id, now);
        // A person's order is not automation; nor is what people approved.
        let budget = if automatic && approvals.is_empty() && state.plan.kind != PlanKind::Undo {
            let scope = "automation";
            let spent = match self.known(desk, &StreamId::budget(scope, hour_of(now))).await? {
                Some(Folded::Budget(spent)) => spent,
                _ => 0,
            };
            Some(Budget { scope: scope.to_owned(), spent, limit: self.settings.limits.per_hour, reserve: self.settings.limits.reserve })
        } else {
            None
        };
        let touched = ground
            .targets
            .values()
            .filter(|t| t.attempts.iter().any(|a| a.cleared.plan == state.plan.id && a.cleared.step == step.n))
            .count();
        let corroboration = ground.case.corroboration();
        let question_digest = question.digest();
        Ok(clear(
            Grounds {
                plan: &state.plan,
                digest: &state.digest,
                step,
                target,
                state: held,
                touched: u32::try_from(touched).unwrap_or(u32::MAX).saturating_add(beside),
                excluded: &state.excluded,
                gaps_accepted: state.started.as_ref().is_some_and(|s| s.gaps_accepted),
                decision,
                question_digest: &question_digest,
                approvals: &approvals,
                bench: &ground.case.bench(),
                budget,
                corroborated: corroboration.is_corroborated(),
                secret_exposed: respond::is_exposed(target, corroboration, &uncompared),
                closes_at: state.started.as_ref().map_or(now, |s| s.closes_at),
            },
            AttemptId::from_chance(self.ports.chance.id()),
            now,
        ))
    }

    /// Places this case's hold; at the first one, the before-state with its
    /// secret parts sealed.
    fn hold(
        &self,
        writing: &mut Writing,
        ground: &Ground,
        target: &Target,
        held: &TargetState,
        mut reading: Reading,
        secrets: BTreeMap<String, Secret>,
    ) -> Result<Option<Reading>, Failure> {
        if held.holds.contains(&ground.case.id) && held.before.is_some() {
            return Ok(None);
        }
        for (name, secret) in secrets {
            let blob = self.seal(&before_label(&target.id, &name), secret.expose().as_bytes())?;
            reading.sealed.insert(name, blob.id.clone());
            writing.blob(blob);
        }
        let event = HoldPlaced {
            case: ground.case.id.clone(),
            target: target.clone(),
            credential_kind: held.credential_kind,
            before: Some(reading.clone()),
            leaked_was_right: held.leaked_was_right,
            seen_live_at: None,
        };
        writing.event(StreamId::target(&target.id), &By::Automation, event);
        Ok(Some(reading))
    }

    /// Everything one attempt needs, with sealed parts opened.
    async fn attempt_for(
        &self,
        id: &AttemptId,
        step: &Step,
        target: &Target,
        before: Option<Reading>,
        new_secret: Option<Secret>,
        kept: Vec<Target>,
    ) -> Result<Attempt, Failure> {
        let mut before_secrets = BTreeMap::new();
        for (name, blob) in before.iter().flat_map(|b| &b.sealed) {
            before_secrets.insert(name.clone(), self.unseal_secret(&before_label(&target.id, name), blob).await?);
        }
        Ok(Attempt {
            action: step.action,
            target: target.clone(),
            marker: id.to_string(),
            before,
            before_secrets,
            new_secret,
            parameters: step.parameters.clone(),
            kept,
        })
    }

    async fn act(&self, connector: &dyn Connector, clearance: Clearance, mut attempt: Attempt, wait: Duration) -> Acted {
        let outcome = match tokio::time::timeout(wait, connector.act(clearance, &attempt)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown { reason: format!("`{}` did not answer in {} s", connector.name(), wait.as_secs()) },
        };
        // It counts whatever the outcome: an act may have broken off after it was made.
        let issued = connector.issued(&attempt);
        attempt.new_secret = issued.clone().or(attempt.new_secret);
        let outcome = match outcome {
            Outcome::Done { changed } => self.deliver(&attempt, changed).await,
            other => other,
        };
        Acted { outcome, issued }
    }

    /// A new credential reaches its consumer's sink. Writing twice is writing once.
    async fn deliver(&self, attempt: &Attempt, mut changed: BTreeMap<String, (Option<String>, Option<String>)>) -> Outcome {
        let (Some(sink), Some(secret)) = (attempt.parameters.get("sink"), &attempt.new_secret) else { return Outcome::Done { changed } };
        if !matches!(attempt.action, Action::ReissueCredential | Action::Reinstate) {
            return Outcome::Done { changed };
        }
        let Some(sink) = self.ports.connectors.sink(sink) else {
            return Outcome::Refused { reason: format!("the sink `{sink}` is not configured; add a [[sink]] to quell.toml") };
        };
        let login = match attempt.parameters.get("twin") {
            Some(twin) => twin.as_str(),
            None => attempt.target.native.shown(),
        };
        let before = sink.current().await.ok().flatten();
        match sink.put(login, secret).await {
            Ok(()) => {
                changed.insert(format!("sink {}", sink.name()), (before, Some(login.to_owned())));
                Outcome::Done { changed }
            }
            Err(error) => Outcome::Unknown { reason: format!("the credential was made and not delivered: {error}") },
        }
    }

    pub(crate) async fn conclude(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        target: &TargetId,
        attempt: &AttemptId,
        acted: impl Into<Acted>,
        read_back: bool,
    ) -> Result<(), Failure> {
        let Acted { outcome, issued } = acted.into();
        let (word, reason, changed) = match outcome {
            Outcome::Done { changed } => ("done", None, changed),
            Outcome::Refused { reason } => ("refused", Some(reason), BTreeMap::new()),
            Outcome::Throttled { retry_after_ms } => ("throttled", Some(format!("asked to wait {retry_after_ms} ms")), BTreeMap::new()),
            Outcome::Unknown { reason } => ("unknown", Some(reason), BTreeMap::new()),
        };
        let mut writing = Writing::because(attempt.as_str());
        let issued = match issued {
            Some(secret) => {
                let blob = self.seal(&secret_label(attempt), secret.expose().as_bytes())?;
                let id = blob.id.clone();
                writing.blob(blob);
                Some(id)
            }
            None => None,
        };
        let (attempt, case) = (attempt.clone(), ground.case.id.clone());
        let ended = AttemptEnded { attempt, case, outcome: word.to_owned(), reason, changed, read_back, issued };
        // What happened is a fact whoever else wrote meanwhile.
        writing.event(StreamId::target(target), &By::Automation, ended);
        self.post_fact(desk, writing).await
    }

    /// An intent whose outcome nobody knows: read, never repeated blindly.
    pub(crate) async fn read_outcome(self: &Arc<Self>, ground: &Ground, desk: &mut Desk, id: &TargetId) -> Result<Progress, Failure> {
        let held = ground.target(id);
        let Some((open, target)) = held.unsettled_attempt().cloned().zip(held.target.clone()) else { return Ok(Progress::Changed) };
        let state = plan_of(ground, &open.cleared.plan)?;
        let step = state
            .plan
            .step(open.cleared.step)
            .ok_or_else(|| Failure::Damaged(format!("an attempt of a step that is not in plan `{}`", open.cleared.plan)))?;
        let reads = held.attempts.iter().filter(|a| a.cleared.attempt == open.cleared.attempt).count();
        let Some(connector) = self.ports.connectors.get(&step.plane.connector).cloned() else {
            return self.hand_over(ground, desk, &open.cleared.plan, step.n, "its plane has no connector any more").await;
        };
        let attempt = self.attempt_again(ground, &open, step, &target, &held).await?;
        let outcome = match tokio::time::timeout(seconds(step.attempt_seconds), connector.read_outcome(&attempt)).await {
            Ok(Outcome::Done { changed }) => self.deliver(&attempt, changed).await,
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown { reason: "the plane did not answer when the outcome was read".to_owned() },
        };
        tracing::info!(target = %id, reads, "read what became of an attempt");
        let now = self.ports.clock.now();
        match outcome {
            // Still nobody knows. Asked again later, until the plan's window closes.
            Outcome::Unknown { reason } if open.outcome.is_some() => {
                let closes = state.started.as_ref().map_or(now, |s| s.closes_at);
                if now > closes || quell_core::time::seconds_between(open.at, now) > 120 {
                    let ended = Outcome::Refused { reason: format!("nobody could find out what became of it: {reason}") };
                    self.conclude(ground, desk, id, &open.cleared.attempt, ended, true).await?;
                    return Ok(Progress::Changed);
                }
                Ok(Progress::Later(after(now, 1)))
            }
            // It did not happen: trying again is safe, and is a new attempt.
            Outcome::Refused { reason } => {
                self.conclude(ground, desk, id, &open.cleared.attempt, Outcome::Throttled { retry_after_ms: 0 }, true).await?;
                tracing::info!(target = %id, reason, "the attempt had not happened");
                Ok(Progress::Changed)
            }
            other => {
                self.conclude(ground, desk, id, &open.cleared.attempt, other, true).await?;
                Ok(Progress::Changed)
            }
        }
    }

    async fn attempt_again(
        &self,
        ground: &Ground,
        open: &AttemptState,
        step: &Step,
        target: &Target,
        held: &TargetState,
    ) -> Result<Attempt, Failure> {
        let secret = match &open.new_secret {
            Some(blob) => Some(self.unseal_secret(&secret_label(&open.cleared.attempt), blob).await?),
            None => None,
        };
        self.attempt_for(&open.cleared.attempt, step, target, held.before.clone(), secret, kept(ground, step)).await
    }

    /// A secret of 192 bits in base 64, for a credential that Quell makes.
    fn make_secret(&self) -> Secret {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let seed = self.ports.chance.seed();
        Secret::new(seed.iter().map(|b| char::from(ALPHABET[usize::from(b & 63)])).collect::<String>())
    }
}

pub(crate) fn secret_label(attempt: &AttemptId) -> String {
    format!("secret/{attempt}")
}

pub(crate) fn before_label(target: &TargetId, name: &str) -> String {
    format!("before/{target}/{name}")
}

pub(crate) fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(1).max(1))
}

/// What the step leaves alone.
fn kept(ground: &Ground, step: &Step) -> Vec<Target> {
    step.kept().filter_map(|id| ground.targets.get(&id)?.target.clone()).collect()
}
