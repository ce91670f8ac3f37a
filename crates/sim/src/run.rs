//! One seed from its first event to its last.
//!
//! Jobs of the store and deeds of the script are futures of one thread; which
//! of them goes on is drawn at every step. When a crash strikes, all of them are
//! dropped and a new engine starts on the same store. Then faults stop, and
//! everything that is open must come to its end.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use quell_core::{
    people::Limits,
    secret::FingerprintKey,
    time::{SignedDuration, Timestamp, after},
};
use quell_engine::{
    Engine, Failure, Ports, Settings,
    port::{Clock, Connector, Connectors, Sink, Store},
};

use crate::{
    cast::Cast,
    fault::Fault,
    guards,
    plane::{FakePlane, FakeSink},
    ports::{SimChance, SimDetectors, SimKeyring, SimNotify, SimPolicy, SimSigner, SimStore, WorldClock},
    script::{self, Deed},
    story::Failed,
    world::{World, hold},
};

/// What a seed that came through did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub cases: usize,
    pub overlapping: bool,
    pub plans: usize,
    pub proved: usize,
    pub undone: usize,
    /// The longest that a plan took which was proved, in seconds.
    pub longest: i64,
    pub attempts: usize,
    pub events: u64,
    pub points: u64,
    pub struck: BTreeMap<Fault, u64>,
}

/// Something that stands between engine and world, to break a promise on purpose.
pub type Bend = dyn Fn(&Arc<World>, Ports) -> Ports;

/// What one run is asked to be.
pub struct Play<'a> {
    pub seed: u64,
    /// Crash when this point is passed, and at no other.
    pub crash_at: Option<u64>,
    /// A person denies the plan that is open while somebody waits at this point.
    pub denied_at: Option<u64>,
    pub scene: Scene,
    pub bend: &'a Bend,
}

/// What happens in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Overlapping cases, people, faults and crashes.
    Wild,
    /// One case, contained and undone, and nothing goes wrong.
    OneCase,
}

/// Plays one seed.
///
/// # Errors
///
/// The story, where a guard was violated.
pub fn run_seed(seed: u64) -> Result<Report, Box<Failed>> {
    play(&Play { seed, crash_at: None, denied_at: None, scene: Scene::Wild, bend: &|_, ports| ports })
}

/// Plays one seed as asked.
///
/// # Errors
///
/// The story, where a guard was violated.
pub fn play(play: &Play<'_>) -> Result<Report, Box<Failed>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without any driver but time");
    let base = Timestamp::from_second(1_795_000_000).expect("a time of this century");
    let world = runtime.block_on(async { World::new(play.seed, base) });
    let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(Driver::run(play, world.clone()))));
    played.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(failed(play.seed, vec![format!("panicked: {}", words.unwrap_or_default())], &world))
    })
}

const PLAN_SECONDS: i64 = 300;
/// When faults are over, in microseconds.
const FAULTS_US: u64 = 40_000_000;
/// No world needs longer than this.
const END_US: u64 = FAULTS_US * 5 + 3 * 300 * 1_000_000;
/// Points that may pass while no time does.
const SPIN_MAX: u64 = 6_000;

/// What is done while somebody waits at a point.
const INTERRUPTION: &str = "interruption";

/// Jobs that are owed to somebody whatever else is over: leaked values that are to be asked
/// about again, people who are to be told.
const OWED: [&str; 2] = ["compare/", "tell/"];

struct Running {
    key: String,
    /// What is tried again where the process ends before it was answered: senders
    /// send until they are.
    again: Option<Deed>,
    future: Pin<Box<dyn Future<Output = Result<(), Failure>>>>,
}

struct Driver<'a> {
    play: &'a Play<'a>,
    world: Arc<World>,
    cast: Arc<Cast>,
    engine: Arc<Engine>,
    script: std::collections::VecDeque<(u64, Deed)>,
    running: Vec<Running>,
    /// Jobs that failed, and until when they rest.
    /// Something of [`OWED`] is due later: the world is not over before it.
    owes: bool,
    resting: BTreeMap<String, u64>,
    last_points: (u64, u64),
}

fn limits(world: &World) -> Limits {
    Limits {
        per_hour: u32::try_from(world.chance.between(6, 40)).unwrap_or(20),
        reserve: 3,
        reach: 50,
        ask_seconds: 60,
        plan_seconds: PLAN_SECONDS,
        watch_seconds: 60,
        watch_every_seconds: 15,
        enrich_seconds: 5,
    }
}

fn ports(world: &Arc<World>, cast: &Cast, bend: &Bend) -> Ports {
    let planes = cast.planes.iter().map(|name| Arc::new(FakePlane::new(name, world)) as Arc<dyn Connector>);
    let sinks = cast
        .planes
        .iter()
        .map(|plane| Arc::new(FakeSink { name: format!("sink-{plane}"), plane: plane.clone(), world: world.clone() }) as Arc<dyn Sink>);
    let ports = Ports {
        store: Arc::new(SimStore { world: world.clone(), twist: None }),
        policy: Arc::new(SimPolicy(world.clone())),
        connectors: Connectors::new(planes, sinks),
        detectors: Arc::new(SimDetectors),
        notify: Arc::new(SimNotify(world.clone())),
        keyring: Arc::new(SimKeyring),
        signer: Arc::new(SimSigner),
        clock: Arc::new(WorldClock(world.clone())),
        chance: Arc::new(SimChance(world.clone())),
    };
    bend(world, ports)
}

fn settings(limits: &Limits) -> Settings {
    Settings { key: FingerprintKey::new([7; 32]), limits: limits.clone(), last_resort: vec!["Rita".to_owned(), "Ruth".to_owned()] }
}

impl<'a> Driver<'a> {
    async fn run(play: &'a Play<'a>, world: Arc<World>) -> Result<Report, Box<Failed>> {
        world.set_quiet(true);
        let cast = Arc::new(Cast::draw(&world));
        let limits = limits(&world);
        {
            let mut guards = hold(&world.guards);
            (guards.per_hour, guards.reserve) = (limits.per_hour, limits.reserve);
            guards.plan_seconds = u64::try_from(PLAN_SECONDS).unwrap_or(300);
        }
        let mut broken = Vec::new();
        let engine = match Engine::start(ports(&world, &cast, play.bend), settings(&limits)).await {
            Ok(engine) => engine,
            Err(failure) => return Err(failed(play.seed, vec![failure.to_string()], &world)),
        };
        if let Err(failure) = cast.enter(&world, &engine).await {
            broken.push(format!("the scene could not be set: {failure}"));
        }
        let script = match play.scene {
            Scene::Wild => {
                cast.draw_faults(&world, FAULTS_US);
                script::draw(&world, &cast, FAULTS_US)
            }
            Scene::OneCase => script::one_case(),
        };
        world.set_quiet(false);
        if let Some(at) = play.crash_at {
            world.crash_in(at);
        }
        if let Some(at) = play.denied_at {
            world.interrupt_at(at);
        }
        let mut driver = Self {
            play,
            world,
            cast,
            engine,
            script: script.into(),
            running: Vec::new(),
            owes: false,
            resting: BTreeMap::new(),
            last_points: (0, 0),
        };
        if broken.is_empty() {
            driver.drive(&limits).await;
            driver.examine(&limits).await;
        }
        broken.append(&mut hold(&driver.world.guards).violations);
        if broken.is_empty() { Ok(driver.report()) } else { Err(failed(play.seed, broken, &driver.world)) }
    }

    async fn drive(&mut self, limits: &Limits) {
        loop {
            let now_us = self.world.now_us();
            if now_us >= FAULTS_US {
                hold(&self.world.faults).over = true;
            }
            while self.script.front().is_some_and(|(at, _)| *at <= now_us) {
                let Some((_, deed)) = self.script.pop_front() else { break };
                let happening = deed.clone().happen(self.world.clone(), self.cast.clone(), self.engine.clone());
                self.running.push(Running {
                    key: format!("deed {deed:?}"),
                    again: deed.is_tried_again().then(|| deed.clone()),
                    future: Box::pin(async move {
                        happening.await;
                        Ok(())
                    }),
                });
            }
            if self.world.is_interrupted() && !self.running.iter().any(|r| r.key == INTERRUPTION) {
                let happening = Deed::Deny.happen(self.world.clone(), self.cast.clone(), self.engine.clone());
                let world = self.world.clone();
                let future = async move {
                    happening.await;
                    world.go_on();
                    Ok(())
                };
                self.running.push(Running { key: INTERRUPTION.to_owned(), again: None, future: Box::pin(future) });
            }
            let wake_us = self.start_jobs(now_us).await;
            if self.is_over(now_us) || self.world.is_lost() || self.spins(now_us) {
                return;
            }
            let wait = Duration::from_micros(wake_us.saturating_sub(now_us).clamp(1_000, 5_000_000));
            self.step(wait).await;
            if self.world.is_crashed() {
                self.crash(limits).await;
            }
        }
    }

    /// Starts what is due; answers when to look again.
    async fn start_jobs(&mut self, now_us: u64) -> u64 {
        let now = self.engine.ports.clock.now();
        let due = self.world.store.due(now, 64).await.unwrap_or_default();
        let later = self.world.store.due(after(now, 86_400), 999).await.unwrap_or_default();
        self.owes = later.iter().any(|job| OWED.iter().any(|owed| job.key.starts_with(owed)));
        let mut wake_us = now_us + 5_000_000;
        for job in due {
            if self.running.iter().any(|r| r.key == job.key) {
                continue;
            }
            if let Some(until) = self.resting.get(&job.key).filter(|until| **until > now_us) {
                wake_us = wake_us.min(*until);
                continue;
            }
            let (engine, key) = (self.engine.clone(), job.key.clone());
            self.running.push(Running { key, again: None, future: Box::pin(async move { engine.do_job(&job).await }) });
        }
        if let Ok(Some(next)) = self.world.store.next_due().await {
            let wait = next.duration_since(now).max(SignedDuration::ZERO);
            if wait > SignedDuration::ZERO {
                wake_us = wake_us.min(now_us.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)));
            }
        }
        if let Some((at, _)) = self.script.front() {
            wake_us = wake_us.min(*at);
        }
        wake_us
    }

    /// Lets everybody go on, in drawn order, until somebody is done or time is up.
    async fn step(&mut self, wait: Duration) {
        let mut timer = Box::pin(tokio::time::sleep(wait));
        let (world, running) = (&self.world, &mut self.running);
        let interrupts = running.iter().any(|r| r.key == INTERRUPTION);
        let mut done: Vec<(String, Result<(), Failure>)> = Vec::new();
        std::future::poll_fn(|cx: &mut Context<'_>| {
            let mut over = Vec::new();
            for n in world.chance.order(running.len()) {
                if let Poll::Ready(result) = running[n].future.as_mut().poll(cx) {
                    over.push(n);
                    done.push((running[n].key.clone(), result));
                }
                if world.is_crashed() || world.is_lost() {
                    return Poll::Ready(());
                }
                if world.is_interrupted() && !interrupts {
                    break;
                }
            }
            let interrupted = world.is_interrupted() && !interrupts;
            over.sort_unstable();
            for n in over.into_iter().rev() {
                running.remove(n);
            }
            if !done.is_empty() || interrupted || timer.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        for (key, result) in done {
            if let Err(failure) = result {
                self.world.tell(format!("job {key}: {failure}"));
                self.resting.insert(key, self.world.now_us() + 500_000);
            }
        }
    }

    /// The process ends, and another begins on the same store.
    async fn crash(&mut self, limits: &Limits) {
        let unanswered: Vec<Deed> = self.running.drain(..).filter_map(|r| r.again).collect();
        self.resting.clear();
        hold(&self.world.faults).count(Fault::Crash);
        self.world.tell(format!("FAULT Crash; another process begins, and {} sender(s) were not answered", unanswered.len()));
        let again_us = self.world.now_us() + 500_000;
        let place = self.script.partition_point(|(at, _)| *at <= again_us);
        for deed in unanswered {
            self.script.insert(place, (again_us, deed));
        }
        self.world.begin_again();
        loop {
            let mut starting = Box::pin(Engine::start(ports(&self.world, &self.cast, self.play.bend), settings(limits)));
            let world = self.world.clone();
            // It may end again before it began.
            let started = std::future::poll_fn(|cx| match starting.as_mut().poll(cx) {
                Poll::Pending if world.is_crashed() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
                Poll::Ready(started) => Poll::Ready(Some(started)),
            })
            .await;
            match started {
                None => self.world.begin_again(),
                Some(Ok(engine)) => {
                    self.engine = engine;
                    return;
                }
                Some(Err(failure)) => {
                    self.world.tell(format!("the engine does not start: {failure}"));
                    self.world.clock.sleep(SignedDuration::from_millis(500)).await;
                }
            }
        }
    }

    /// Nothing is open any more, or no more time is given.
    fn is_over(&self, now_us: u64) -> bool {
        if now_us >= END_US {
            return true;
        }
        let guards = hold(&self.world.guards);
        if self.owes {
            return false;
        }
        let filed = guards.acknowledged.iter().all(|a| guards.filed.contains_key(a));
        self.script.is_empty() && self.running.is_empty() && filed && guards.plans.values().all(|p| !p.state.is_open())
    }

    /// Work that goes on for ever without time passing.
    fn spins(&mut self, now_us: u64) -> bool {
        let points = self.world.points();
        if now_us > self.last_points.0 + 100_000 {
            self.last_points = (now_us, points);
        }
        let spins = points > self.last_points.1 + SPIN_MAX;
        if spins {
            hold(&self.world.guards).violated(18, "work goes round in circles while no time passes");
        }
        spins
    }

    async fn examine(&mut self, limits: &Limits) {
        self.world.set_quiet(true);
        hold(&self.world.faults).over = true;
        self.running.clear();
        guards::at_the_end(&self.world, &self.engine).await;
        self.world.begin_again();
        match Engine::start(ports(&self.world, &self.cast, self.play.bend), settings(limits)).await {
            Ok(after) => guards::replay_is_equal(&self.world, &self.engine, &after).await,
            Err(failure) => hold(&self.world.guards).violated(16, format!("the ledger cannot be opened again: {failure}")),
        }
    }

    fn report(&self) -> Report {
        let guards = hold(&self.world.guards);
        let proved = guards.plans.values().filter(|p| p.state.stage == quell_core::course::PlanStage::Proved);
        let took = |p: &guards::SeenPlan| {
            let ended = p.state.ended.as_ref()?.0;
            p.state.started.as_ref().map(|s| quell_core::time::seconds_between(s.at, ended))
        };
        let undo = |p: &&guards::SeenPlan| p.state.plan.kind == quell_core::plan::PlanKind::Undo;
        Report {
            cases: guards.cases.len(),
            overlapping: guards.targets.values().any(|t| t.holds.len() > 1) || guards.cases.len() > 1,
            plans: guards.plans.len(),
            proved: proved.clone().filter(|p| !undo(p)).count(),
            undone: proved.clone().filter(undo).count(),
            longest: proved.filter_map(took).max().unwrap_or_default(),
            attempts: guards.targets.values().map(|t| t.attempts.len()).sum(),
            events: guards.events,
            points: self.world.points(),
            struck: hold(&self.world.faults).struck.clone(),
        }
    }
}

fn failed(seed: u64, violations: Vec<String>, world: &World) -> Box<Failed> {
    Box::new(Failed { seed, violations, story: std::mem::take(&mut *hold(&world.story)) })
}
