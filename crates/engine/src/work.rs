//! The loop: load, ask the core what is next, do it, append; until nothing is due.
//!
//! Calls to planes are under way side by side: a plane that hangs keeps nobody
//! else waiting, and ten sessions end in the time of one. At most one step at a
//! time touches an identity, and what came back is judged by what stands then.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use quell_core::{
    event::CaseEnriched,
    id::{AttemptId, CaseId, PlanId, TargetId},
    plan::Selector,
    respond::{self, Move},
    target::{Enumeration, Target},
    time::{SignedDuration, Timestamp, after},
};

use crate::{
    Engine, Failure,
    execute::{Acted, Intended, Read, seconds},
    ground::Ground,
    intake::RETRIES,
    prove::Probed,
    record::{Desk, Writing},
    respond::{Progress, plan_of, step_of},
};

/// Calls of one case that are under way at once.
const CALLS_MAX: usize = 16;

/// A wait this short is waited for in place; a longer one rests in the store.
const SHORT: SignedDuration = SignedDuration::from_millis(300);

/// A call that came back.
enum Landed {
    Looked(Box<CaseEnriched>),
    Listed { plan: PlanId, step: u16, answer: Result<Enumeration, String> },
    Read { at: Place, seen: u64, answer: Result<Read, String> },
    Acted { target: TargetId, attempt: AttemptId, acted: Acted },
    Probed(Box<Probed>),
}

/// One target of one step.
type Place = (PlanId, u16, TargetId);

/// What one call is for: two of different purpose on one identity wait for each other.
/// Probes act on nothing, so those of all steps go together.
#[derive(Clone, PartialEq, Eq)]
struct Lane {
    step: Option<(PlanId, u16)>,
    probes: bool,
}

type Call = BoxFuture<'static, (TargetId, Option<TargetId>, Result<Landed, Failure>)>;

/// What is under way outside, for one case.
#[derive(Default)]
struct UnderWay {
    calls: FuturesUnordered<Call>,
    /// The identity each call is about, with its purpose and how many there are.
    lanes: BTreeMap<TargetId, (Lane, usize)>,
    targets: BTreeSet<TargetId>,
    /// Those that are acted on, and not only looked at.
    acting: BTreeSet<TargetId>,
    landed: VecDeque<Result<Landed, Failure>>,
    /// Targets as they were just read, with the version they were read at.
    read: BTreeMap<Place, (u64, Read)>,
    /// Planes that asked to be left alone until then.
    later: BTreeMap<(PlanId, u16), Timestamp>,
}

impl UnderWay {
    fn is_full(&self) -> bool {
        self.calls.len() >= CALLS_MAX
    }

    /// Whether a call for this may set out now.
    fn is_free(&self, identity: &TargetId, target: Option<&TargetId>, lane: &Lane) -> bool {
        let same = self.lanes.get(identity).is_none_or(|(busy, _)| busy == lane && target.is_some());
        same && !self.is_full() && target.is_none_or(|t| !self.targets.contains(t))
    }

    fn set_out(
        &mut self,
        identity: &TargetId,
        target: Option<&TargetId>,
        lane: Lane,
        call: impl Future<Output = Result<Landed, Failure>> + Send + 'static,
    ) {
        self.lanes.entry(identity.clone()).or_insert((lane, 0)).1 += 1;
        self.targets.extend(target.cloned());
        let (identity, target) = (identity.clone(), target.cloned());
        self.calls.push(async move { (identity, target, call.await) }.boxed());
    }

    /// Waits for one call, and takes whatever else came back with it.
    async fn land(&mut self) {
        let mut next = self.calls.next().await;
        while let Some(landed) = next {
            self.take_down(landed);
            next = self.calls.next().now_or_never().flatten();
        }
    }

    fn take_down(&mut self, (identity, target, landed): (TargetId, Option<TargetId>, Result<Landed, Failure>)) {
        if let Some((_, calls)) = self.lanes.get_mut(&identity) {
            *calls -= 1;
            if *calls == 0 {
                self.lanes.remove(&identity);
            }
        }
        if let Some(target) = target {
            self.targets.remove(&target);
            // What became of it is taken in before anything else is asked.
            self.acting.remove(&target);
        }
        self.landed.push_back(landed);
    }

    /// Lets what is under way go on while something else is waited for.
    async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        loop {
            tokio::select! {
                biased;
                done = &mut other => return done,
                Some(landed) = self.calls.next(), if !self.calls.is_empty() => self.take_down(landed),
            }
        }
    }

    fn wait_until(&mut self, plan: &PlanId, step: u16, at: Timestamp) {
        self.later.insert((plan.clone(), step), at);
    }
}

/// What became of one round of the loop.
enum Turn {
    /// Ask the core anew.
    Again,
    /// Nothing is due before then.
    Idle(Option<Timestamp>),
}

impl Engine {
    /// Does everything that is due in one case, and sets the job for what is
    /// due later. One worker a case at a time. `taken` is when the job was due that
    /// asked for it: where it was set anew meanwhile, it stays due.
    pub async fn work(self: &Arc<Self>, case: &CaseId, taken: Timestamp) -> Result<(), Failure> {
        let turn = self.turn_of(case).await;
        let _turn = turn.lock().await;
        let key = format!("case/{case}");
        let mut stale = 0;
        let mut desk = Desk::default();
        let mut way = UnderWay::default();
        loop {
            let turn = match self.turn(case, &mut desk, &mut way).await {
                Ok(None) => return Ok(()),
                Ok(Some(turn)) => Ok(turn),
                Err(failure) => Err(failure),
            };
            let later = match turn {
                Ok(Turn::Again) => {
                    stale = 0;
                    continue;
                }
                Ok(Turn::Idle(wake_at)) if !way.calls.is_empty() => {
                    // What happened is durable before anything is waited for.
                    match way.beside(self.commit(&mut desk)).await {
                        Ok(()) => self.wait(&mut way, wake_at).await,
                        Err(Failure::Stale) if stale < RETRIES => stale += 1,
                        Err(failure) => return self.give_up(case, &mut desk, &mut way, taken, failure).await,
                    }
                    continue;
                }
                Ok(Turn::Idle(wake_at)) => wake_at,
                Err(Failure::Stale) if stale < RETRIES => {
                    stale += 1;
                    let _ = desk.clear();
                    continue;
                }
                Err(failure) => return self.give_up(case, &mut desk, &mut way, taken, failure).await,
            };
            let wait = later.map(|at| at.duration_since(self.ports.clock.now()));
            if let Some(wait) = wait.filter(|w| *w <= SHORT) {
                match self.commit(&mut desk).await {
                    Ok(()) => self.ports.clock.sleep(wait.max(SignedDuration::ZERO)).await,
                    Err(Failure::Stale) if stale < RETRIES => stale += 1,
                    Err(failure) => return self.give_up(case, &mut desk, &mut way, taken, failure).await,
                }
                continue;
            }
            // That nothing is due rests on all that was looked at: an order that is in the
            // store and not yet in memory must not be slept over.
            let mut writing = Writing::because(key.clone());
            for stream in desk.looked_at() {
                writing.rests_on(stream.clone());
            }
            writing.rests(key.clone(), desk.due(taken), later);
            self.post(&mut desk, writing).await?;
            match self.commit(&mut desk).await {
                Err(Failure::Stale) if stale < RETRIES => stale += 1,
                other => return other,
            }
        }
    }

    /// One round: what came back is taken in, then what is due is done or sets out.
    async fn turn(self: &Arc<Self>, case: &CaseId, desk: &mut Desk, way: &mut UnderWay) -> Result<Option<Turn>, Failure> {
        let Some(mut ground) = self.ground_on(case, desk).await? else { return Ok(None) };
        ground.acting = way.acting.clone();
        while let Some(landed) = way.landed.pop_front() {
            let landed = landed?;
            // What was only read changes nothing yet.
            let changes = !matches!(landed, Landed::Read { answer: Ok(_), .. });
            self.take(&ground, desk, way, landed).await?;
            if changes {
                return Ok(Some(Turn::Again));
            }
        }
        let now = self.ports.clock.now();
        let next = respond::next(&ground.situation(), now);
        let mut wake_at = next.wake_at;
        let mut intended: Vec<Intended> = Vec::new();
        let mut changed = false;
        for step in &next.moves {
            let progress = match step {
                call if calls_a_plane(call) => self.set_out(&ground, desk, way, &mut intended, call, now).await?,
                other if intended.is_empty() => self.carry_out(&ground, desk, other).await?,
                _ => break,
            };
            match progress {
                // The situation is another one after the first change.
                Progress::Changed => {
                    changed = true;
                    break;
                }
                Progress::Unchanged => {}
                Progress::Later(at) => wake_at = Some(wake_at.map_or(at, |w| w.min(at))),
            }
        }
        if !intended.is_empty() {
            // Everything the desk gathered goes with the intents, or nothing does.
            way.beside(self.commit(desk)).await?;
            for one in intended {
                desk.put_off(one.due);
                let (engine, identity, target) = (self.clone(), one.target.identity.clone(), one.target.id.clone());
                let lane = Lane { step: Some(one.step.clone()), probes: false };
                let (acted_on, attempt) = (target.clone(), one.attempt.clone());
                way.acting.insert(target.clone());
                way.set_out(&identity, Some(&target), lane, async move {
                    let acted = one.act(&engine).await?;
                    Ok(Landed::Acted { target: acted_on, attempt, acted })
                });
            }
            changed = true;
        }
        Ok(Some(if changed || !way.landed.is_empty() { Turn::Again } else { Turn::Idle(wake_at) }))
    }

    /// A call sets out, unless something else is under way about the same identity.
    async fn set_out(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        way: &mut UnderWay,
        intended: &mut Vec<Intended>,
        step: &Move,
        now: Timestamp,
    ) -> Result<Progress, Failure> {
        let engine = self.clone();
        match step {
            Move::Enrich { identity, again } => {
                let lane = Lane { step: None, probes: false };
                if way.is_free(&identity.id, None, &lane) {
                    let (case, subject, again) = (ground.case.clone(), identity.clone(), *again);
                    way.set_out(&identity.id, None, lane, async move {
                        Ok(Landed::Looked(Box::new(engine.enrich(&subject, &case, again).await?)))
                    });
                }
                Ok(Progress::Unchanged)
            }
            Move::Enumerate { plan, step: n } => {
                let step = step_of(plan_of(ground, plan)?, *n)?;
                let Selector::Every { identity, .. } = &step.selector else { return Ok(Progress::Changed) };
                let lane = Lane { step: Some((plan.clone(), *n)), probes: false };
                if !way.is_free(&identity.id, None, &lane) {
                    return Ok(Progress::Unchanged);
                }
                if let Some(at) = way.later.get(&(plan.clone(), *n)).filter(|at| **at > now) {
                    return Ok(Progress::Later(*at));
                }
                let connector = match self.plane_of(step) {
                    Ok(connector) => connector,
                    Err(because) => return self.hand_over(ground, desk, plan, *n, &because).await,
                };
                let (wait, native, plan, n) = (seconds(step.attempt_seconds), identity.native.shown().to_owned(), plan.clone(), *n);
                way.set_out(&identity.id, None, lane, async move {
                    let answer = in_time(tokio::time::timeout(wait, connector.enumerate(&native)).await);
                    Ok(Landed::Listed { plan, step: n, answer })
                });
                Ok(Progress::Unchanged)
            }
            Move::Attempt { plan, step: n, target } => self.attempt(ground, desk, way, intended, (plan, *n), target, now).await,
            Move::Probe { plan, step: n, target, before_act } => {
                let lane = Lane { step: None, probes: true };
                if !way.is_free(&target.identity, Some(&target.id), &lane) || intended.iter().any(|i| i.target.identity == target.identity)
                {
                    return Ok(Progress::Unchanged);
                }
                let Some(connector) = self.ports.connectors.get(&target.plane).cloned() else {
                    return match plan.as_ref().zip(*n) {
                        Some((plan, n)) => self.hand_over(ground, desk, plan, n, "its plane has no connector any more").await,
                        None => Ok(Progress::Unchanged),
                    };
                };
                let probe = self.prepare_probe(ground, connector, plan.as_ref(), *n, target, *before_act).await?;
                way.set_out(
                    &target.identity,
                    Some(&target.id),
                    lane,
                    async move { Ok(Landed::Probed(Box::new(engine.probe(probe).await?))) },
                );
                Ok(Progress::Unchanged)
            }
            _ => Ok(Progress::Unchanged),
        }
    }

    /// The target is read first, as it is now; then the intent goes on the desk.
    #[expect(clippy::too_many_arguments, reason = "what one attempt rests on")]
    async fn attempt(
        self: &Arc<Self>,
        ground: &Ground,
        desk: &mut Desk,
        way: &mut UnderWay,
        intended: &mut Vec<Intended>,
        (plan, n): (&PlanId, u16),
        target: &Target,
        now: Timestamp,
    ) -> Result<Progress, Failure> {
        let lane = Lane { step: Some((plan.clone(), n)), probes: false };
        // On the same desk, too: one step at a time touches an identity.
        let other = intended.iter().any(|i| i.target.identity == target.identity && i.step != (plan.clone(), n));
        if other || !way.is_free(&target.identity, Some(&target.id), &lane) || way.calls.len() + intended.len() >= CALLS_MAX {
            return Ok(Progress::Unchanged);
        }
        if let Some(at) = way.later.get(&(plan.clone(), n)).filter(|at| **at > now) {
            return Ok(Progress::Later(*at));
        }
        let at: Place = (plan.clone(), n, target.id.clone());
        let seen = ground.target(&target.id).events;
        match way.read.remove(&at) {
            Some((then, read)) if then == seen => {
                let beside = intended.iter().filter(|i| i.new && i.step == (plan.clone(), n)).count();
                let beside = u32::try_from(beside).unwrap_or(u32::MAX);
                match self.intend(ground, desk, plan, n, target, read, beside).await? {
                    Ok(one) => {
                        intended.push(one);
                        Ok(Progress::Unchanged)
                    }
                    Err(Progress::Later(until)) => {
                        way.wait_until(plan, n, until);
                        Ok(Progress::Later(until))
                    }
                    Err(progress) => Ok(progress),
                }
            }
            _ => {
                let step = step_of(plan_of(ground, plan)?, n)?;
                let connector = match self.plane_of(step) {
                    Ok(connector) => connector,
                    Err(because) => return self.hand_over(ground, desk, plan, n, &because).await,
                };
                let (wait, target) = (seconds(step.attempt_seconds), target.clone());
                way.set_out(&target.identity.clone(), Some(&target.id.clone()), lane, async move {
                    let answer = in_time(tokio::time::timeout(wait, connector.read(&target)).await);
                    Ok(Landed::Read { at, seen, answer })
                });
                Ok(Progress::Unchanged)
            }
        }
    }

    /// What came back changes the case, as it stands now.
    async fn take(self: &Arc<Self>, ground: &Ground, desk: &mut Desk, way: &mut UnderWay, landed: Landed) -> Result<(), Failure> {
        let later = match landed {
            Landed::Looked(enriched) => {
                self.take_in(ground, desk, *enriched).await?;
                None
            }
            Landed::Listed { plan, step, answer: Ok(enumeration) } => {
                // It may have ended while the plane was asked.
                if plan_of(ground, &plan)?.course(step).ended.is_none() {
                    self.take_listing(ground, desk, &plan, step, &enumeration).await?;
                }
                None
            }
            Landed::Read { at, seen, answer: Ok(read) } => {
                way.read.insert(at, (seen, read));
                None
            }
            Landed::Listed { plan, step, answer: Err(why) } | Landed::Read { at: (plan, step, _), answer: Err(why), .. } => {
                match self.plane_failed(ground, desk, &plan, step, &why).await? {
                    Progress::Later(until) => Some((plan, step, until)),
                    _ => None,
                }
            }
            Landed::Acted { target, attempt, acted } => {
                self.conclude(ground, desk, &target, &attempt, acted, false).await?;
                None
            }
            Landed::Probed(probed) => {
                self.take_probe(ground, desk, *probed).await?;
                None
            }
        };
        if let Some((plan, step, until)) = later {
            way.wait_until(&plan, step, until);
        }
        Ok(())
    }

    /// Waits for a call to come back, or for what is due at `wake_at`.
    async fn wait(&self, way: &mut UnderWay, wake_at: Option<Timestamp>) {
        let Some(at) = wake_at else { return way.land().await };
        let wait = at.duration_since(self.ports.clock.now()).max(SignedDuration::ZERO);
        tokio::select! {
            biased;
            () = way.land() => {}
            () = self.ports.clock.sleep(wait) => {}
        }
    }

    /// The case cannot go on now. What is under way is waited for and written, so that
    /// as little as possible has to be read back; then it is tried again.
    async fn give_up(
        self: &Arc<Self>,
        case: &CaseId,
        desk: &mut Desk,
        way: &mut UnderWay,
        taken: Timestamp,
        failure: Failure,
    ) -> Result<(), Failure> {
        tracing::error!(%case, error = %failure, "a case could not go on");
        let due = desk.due(taken);
        while !way.calls.is_empty() || !way.landed.is_empty() {
            let Some(landed) = way.landed.pop_front() else {
                way.land().await;
                continue;
            };
            if let Ok(Landed::Acted { target, attempt, acted }) = landed {
                let mut desk = Desk::default();
                if let Some(ground) = self.ground_on(case, &mut desk).await? {
                    self.conclude(&ground, &mut desk, &target, &attempt, acted, false).await?;
                    // Stale: the fact was written by itself.
                    match self.commit(&mut desk).await {
                        Ok(()) | Err(Failure::Stale) => {}
                        Err(other) => return Err(other),
                    }
                }
            }
        }
        let key = format!("case/{case}");
        let now = self.ports.clock.now();
        let mut writing = Writing::because(key.clone());
        writing.rests(key, due, Some(after(now, 2)));
        self.append(writing, now).await?;
        self.wake();
        Err(failure)
    }
}

/// What is done on a plane, and not by looking at the record alone.
fn calls_a_plane(step: &Move) -> bool {
    matches!(step, Move::Enrich { .. } | Move::Enumerate { .. } | Move::Attempt { .. } | Move::Probe { .. })
}

fn in_time<T, E: ToString>(answer: Result<Result<T, E>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it did not answer in time".to_owned()),
    }
}
