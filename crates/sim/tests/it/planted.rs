//! Bugs on purpose: each breaks one promise, and a guard must say so.
//!
//! Those that can be told from outside stand in a port; the others are lines of
//! the core that exist only with the feature `plant`.

use std::{collections::BTreeMap, process::Command, sync::Arc};

use quell_core::{
    clear::Clearance,
    decision::{AttemptQuestion, Decision, VerbQuestion, WhomToAsk},
    plant,
    proof::{Answer, Channel, Observation},
    secret::Secret,
    signal::Readout,
    target::{Enumeration, Reading, Target},
    untrusted::Untrusted,
};
use quell_engine::{
    Ports,
    port::{
        Append, Attempt, Card, Check, Connector, Connectors, Detectors, Handed, Identified, JobChange, Message, Notify, Outcome,
        PlaneError, Policy, ProbeRequest,
    },
};
use quell_sim::{
    ports::{SimStore, Twist},
    run::{Play, Scene, play},
    truth::verifier,
    world::{World, hold},
};

/// Worlds that a bug may hide from before it counts as never found.
const SEEDS: u64 = 300;

struct Planted {
    name: &'static str,
    /// The invariant that a guard must name.
    invariant: u8,
    scene: Where,
    bend: fn(&Arc<World>, Ports) -> Ports,
}

/// Where a bug shows.
#[derive(Clone, Copy)]
enum Where {
    /// In some world out of a seed.
    Wild,
    /// In one case that a person denies, at one of its points.
    Denied,
}

/// A line of the core; see `quell_core::plant`.
fn inside(_: &Arc<World>, ports: Ports) -> Ports {
    ports
}

const PLANTED: &[Planted] = &[
    Planted { name: "an alert is acknowledged and lost", invariant: 1, scene: Where::Wild, bend: |w, p| store(w, p, lose_alerts) },
    Planted { name: "an intent is not written", invariant: 2, scene: Where::Wild, bend: |w, p| store(w, p, lose_intents) },
    Planted { name: "policy always permits", invariant: 3, scene: Where::Wild, bend: |_, p| policy(p, |_| (), true) },
    Planted {
        name: "a denial that came meanwhile is not seen",
        invariant: 3,
        scene: Where::Denied,
        bend: |w, p| store(w, p, forget_what_was_read),
    },
    Planted { name: "a yes counts twice", invariant: 12, scene: Where::Wild, bend: inside },
    Planted { name: "authority gained too late counts", invariant: 4, scene: Where::Wild, bend: inside },
    Planted { name: "a probe counts before the settle time", invariant: 5, scene: Where::Wild, bend: inside },
    Planted {
        name: "a control is called alive without a look",
        invariant: 5,
        scene: Where::Wild,
        bend: |_, p| connectors(p, trust_control),
    },
    Planted { name: "anybody is taken for the plane", invariant: 5, scene: Where::Wild, bend: |_, p| connectors(p, trust_anybody) },
    Planted { name: "a standby is taken for the primary", invariant: 5, scene: Where::Wild, bend: |_, p| connectors(p, trust_standby) },
    Planted { name: "what nobody can tell is called dead", invariant: 5, scene: Where::Wild, bend: |_, p| connectors(p, call_dead) },
    Planted { name: "what nobody read is repeated", invariant: 6, scene: Where::Wild, bend: inside },
    Planted { name: "a lost answer is called a refusal", invariant: 6, scene: Where::Wild, bend: |_, p| connectors(p, call_refused) },
    Planted { name: "who is to be told is forgotten", invariant: 6, scene: Where::Wild, bend: |w, p| store(w, p, forget_to_tell) },
    Planted {
        name: "what no channel took is called told",
        invariant: 6,
        scene: Where::Wild,
        bend: |_, p| Ports { notify: Arc::new(NoPost), ..p },
    },
    Planted { name: "reinstating brings the old secret back", invariant: 7, scene: Where::Wild, bend: |w, p| revive(w, p) },
    Planted { name: "a case closes whatever is open", invariant: 8, scene: Where::Wild, bend: inside },
    Planted { name: "access comes back with the first hold", invariant: 9, scene: Where::Wild, bend: inside },
    Planted { name: "the alert's secret is in its title", invariant: 10, scene: Where::Wild, bend: |_, p| quote_secrets(p) },
    Planted { name: "automation has no bounds", invariant: 11, scene: Where::Wild, bend: inside },
    Planted { name: "one sender is believed", invariant: 12, scene: Where::Wild, bend: |_, p| policy(p, believe, false) },
    Planted { name: "whoever is joined to a subject judges", invariant: 13, scene: Where::Wild, bend: |_, p| policy(p, |_| (), false) },
    Planted { name: "whoever paused resumes", invariant: 13, scene: Where::Wild, bend: inside },
    Planted { name: "a row of a projection is forgotten", invariant: 16, scene: Where::Wild, bend: |w, p| store(w, p, forget_a_row) },
    Planted { name: "a job is forgotten", invariant: 18, scene: Where::Wild, bend: |w, p| store(w, p, forget_jobs) },
    Planted { name: "nobody asks again whose a value is", invariant: 18, scene: Where::Wild, bend: |w, p| store(w, p, forget_values) },
];

#[test]
fn every_planted_bug_is_found() {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let missed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(bug) = PLANTED.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    match (0..SEEDS).find_map(|seed| found(bug, seed).map(|why| (seed, why))) {
                        Some((seed, why)) => println!("{:<45} seed {seed:>3}: {why}", bug.name),
                        None => missed.lock().expect("no holder panics").push(bug.name),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no holder panics");
    assert!(missed.is_empty(), "no guard found: {missed:?}");
}

/// The violation of the bug's own invariant, where this seed shows it.
fn found(bug: &Planted, seed: u64) -> Option<String> {
    plant::set(bug.name);
    let wild = Play { seed, crash_at: None, denied_at: None, scene: Scene::Wild, bend: &bug.bend };
    let played = match bug.scene {
        Where::Wild => play(&wild),
        Where::Denied => play(&Play { seed: crate::crashes::SEED, denied_at: Some(seed), scene: Scene::OneCase, ..wild }),
    };
    plant::set("");
    let wanted = format!("invariant {}:", bug.invariant);
    played.err()?.violations.into_iter().find(|v| v.starts_with(&wanted))
}

#[test]
fn no_planted_bug_is_in_the_binary() {
    let tree = Command::new(env!("CARGO")).args(["tree", "--offline", "-p", "quell", "-e", "normal,build", "-f", "{p} {f}"]).output();
    let tree = String::from_utf8(tree.expect("cargo runs").stdout).expect("text");
    let core: Vec<&str> = tree.lines().filter(|line| line.contains("quell-core")).collect();
    assert!(!core.is_empty(), "the binary is made of the core");
    assert!(core.iter().all(|line| !line.contains("plant")), "{core:?}");
}

// --- what stands in a port -------------------------------------------------

fn store(world: &Arc<World>, ports: Ports, twist: Twist) -> Ports {
    Ports { store: Arc::new(SimStore { world: world.clone(), twist: Some(twist) }), ..ports }
}

fn names(append: &Append) -> impl Iterator<Item = String> {
    append.leaves.iter().filter_map(|l| serde_json::from_slice::<serde_json::Value>(&l.bytes).ok()?["type"].as_str().map(str::to_owned))
}

fn lose_alerts(append: &mut Append) -> bool {
    !names(append).any(|name| name == "alert_received")
}

fn lose_intents(append: &mut Append) -> bool {
    !names(append).any(|name| name == "attempt_intended")
}

fn forget_to_tell(append: &mut Append) -> bool {
    append.jobs.retain(|job| !matches!(job, JobChange::Set(job) if job.key.starts_with("tell/")));
    true
}

struct NoPost;

#[async_trait::async_trait]
impl Notify for NoPost {
    async fn tell(&self, _: &Message) -> Handed {
        Handed { over: vec!["mail".to_owned()], failed: Vec::new() }
    }
}

fn forget_what_was_read(append: &mut Append) -> bool {
    let written: Vec<_> = append.leaves.iter().map(|l| l.stream.clone()).collect();
    append.expects.retain(|(stream, _)| written.contains(stream));
    true
}

fn forget_a_row(append: &mut Append) -> bool {
    append.lookups.retain(|row| row.table != "target_case");
    true
}

fn forget_values(append: &mut Append) -> bool {
    append.jobs.retain(|job| !matches!(job, JobChange::Set(job) if job.key.starts_with("compare/")));
    true
}

fn forget_jobs(append: &mut Append) -> bool {
    // A case that went to rest and waits for its moment: nobody wakes it.
    if append.leaves.is_empty() {
        for job in &mut append.jobs {
            if let JobChange::Rest { next, .. } = job {
                *next = None;
            }
        }
    }
    true
}

struct BentPolicy {
    inner: Arc<dyn Policy>,
    attempt: fn(&mut AttemptQuestion),
    permits_all: bool,
}

fn policy(ports: Ports, attempt: fn(&mut AttemptQuestion), permits_all: bool) -> Ports {
    Ports { policy: Arc::new(BentPolicy { inner: ports.policy.clone(), attempt, permits_all }), ..ports }
}

fn believe(question: &mut AttemptQuestion) {
    question.circumstances.corroborated = true;
    question.circumstances.confidence = 99;
}

impl Policy for BentPolicy {
    fn digest(&self) -> String {
        self.inner.digest()
    }
    fn decide(&self, question: &AttemptQuestion) -> Decision {
        let mut bent = question.clone();
        (self.attempt)(&mut bent);
        let decision = self.inner.decide(&bent);
        Decision { request_digest: question.digest(), allowed: decision.allowed || self.permits_all, ..decision }
    }
    fn permits(&self, question: &VerbQuestion) -> Decision {
        let mut bent = question.clone();
        bent.entangled = false;
        self.inner.permits(&bent)
    }
    fn whom_to_ask(&self, question: &AttemptQuestion) -> WhomToAsk {
        let mut bent = question.clone();
        (self.attempt)(&mut bent);
        if self.permits_all { WhomToAsk::Nobody } else { self.inner.whom_to_ask(&bent) }
    }
}

/// How a connector is bent: its observations, its outcomes, and what it does after an act.
#[derive(Clone, Default)]
struct Bend {
    seen: Option<fn(&mut Observation)>,
    outcome: Option<fn(Outcome) -> Outcome>,
    revives: Option<Arc<World>>,
}

struct BentConnector {
    inner: Arc<dyn Connector>,
    bend: Bend,
}

fn bent(ports: Ports, bend: &Bend) -> Ports {
    let planes: Vec<Arc<dyn Connector>> = ports
        .connectors
        .iter()
        .map(|inner| Arc::new(BentConnector { inner: inner.clone(), bend: bend.clone() }) as Arc<dyn Connector>)
        .collect();
    let sinks: Vec<_> = planes.iter().filter_map(|p| ports.connectors.sink(&format!("sink-{}", p.name())).cloned()).collect();
    Ports { connectors: Connectors::new(planes, sinks), ..ports }
}

fn connectors(ports: Ports, change: fn(&mut Bend)) -> Ports {
    let mut bend = Bend::default();
    change(&mut bend);
    bent(ports, &bend)
}

fn revive(world: &Arc<World>, ports: Ports) -> Ports {
    bent(ports, &Bend { revives: Some(world.clone()), ..Bend::default() })
}

fn trust_control(bend: &mut Bend) {
    bend.seen = Some(|seen| seen.control.iter_mut().for_each(|c| c.alive = true));
}

fn trust_anybody(bend: &mut Bend) {
    bend.seen = Some(|seen| seen.channel = Channel::TlsPinned);
}

fn trust_standby(bend: &mut Bend) {
    bend.seen = Some(|seen| seen.authoritative = true);
}

fn call_dead(bend: &mut Bend) {
    bend.seen = Some(|seen| {
        if let Answer::Inconclusive { why } = &seen.answer {
            seen.answer = Answer::Enforced { by: why.clone() };
        }
    });
}

fn call_refused(bend: &mut Bend) {
    bend.outcome = Some(|outcome| match outcome {
        Outcome::Unknown { reason } => Outcome::Refused { reason },
        other => other,
    });
}

#[async_trait::async_trait]
impl Connector for BentConnector {
    fn card(&self) -> &Card {
        self.inner.card()
    }
    fn protected(&self, identity: &str) -> Option<String> {
        self.inner.protected(identity)
    }
    async fn check(&self) -> Check {
        self.inner.check().await
    }
    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        self.inner.enumerate(identity).await
    }
    async fn inventory(&self) -> Result<Enumeration, PlaneError> {
        self.inner.inventory().await
    }
    async fn identify(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        self.inner.identify(secret).await
    }
    async fn read(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        self.inner.read(target).await
    }
    async fn act(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        let mut outcome = self.inner.act(clearance, attempt).await;
        if let Some(world) = self.bend.revives.as_ref().filter(|_| attempt.action.gives_access()) {
            let now = world.now_us();
            if let Some(role) = attempt.target.native.value().map(str::to_owned) {
                if let Some(role) = hold(&world.truth).role_mut(self.inner.name(), &role) {
                    let old = verifier(&role.first_secret);
                    role.change(now, 0, |door| door.verifier = Some(old));
                }
                quell_sim::guards::after_effect(world, self.inner.name(), attempt);
            }
        }
        if let Some(change) = self.bend.outcome {
            outcome = change(outcome);
        }
        outcome
    }
    async fn read_outcome(&self, attempt: &Attempt) -> Outcome {
        self.inner.read_outcome(attempt).await
    }
    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation> {
        let mut seen = self.inner.probe(request).await;
        if let Some(change) = self.bend.seen {
            seen.iter_mut().for_each(change);
        }
        seen
    }
}

struct Quoting(Arc<dyn Detectors>);

fn quote_secrets(ports: Ports) -> Ports {
    Ports { detectors: Arc::new(Quoting(ports.detectors.clone())), ..ports }
}

impl Detectors for Quoting {
    fn names(&self) -> Vec<&'static str> {
        self.0.names()
    }
    fn read(&self, detector: &str, bytes: &[u8]) -> Readout {
        let mut readout = self.0.read(detector, bytes);
        for detected in &mut readout.signals {
            if let Some(secret) = &detected.secret {
                detected.signal.title = Untrusted::new(format!("found `{}`", secret.expose()));
            }
        }
        readout
    }
}

/// Every event a plant names is one that exists.
#[test]
fn the_twists_name_events_that_exist() {
    for name in ["alert_received", "attempt_intended"] {
        assert!(quell_core::event::TYPES.iter().any(|(n, _)| *n == name), "`{name}`");
    }
}
