//! One seeded world: a clock, chance, faults, the truth, and everybody who acts
//! beside Quell.
//!
//! Every call of a port passes through [`World::point`]. There the intruder and
//! the rightful consumers act, other futures get their turn, and the process may
//! be ended: so every await point of the engine is one of these.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use quell_core::time::Timestamp;

use crate::{
    chance::Seeded,
    clock::SimClock,
    fault::{Fault, Faults},
    guards::Guards,
    intruder,
    memory::MemoryStore,
    story::Story,
    truth::Truth,
};

/// What is really so at the moment of a probe's answer.
#[derive(Clone, Copy, Debug)]
pub struct Glimpse {
    /// None where nobody knows.
    pub usable: Option<bool>,
    pub at_us: u64,
}

/// Everything that is not the engine.
pub struct World {
    pub clock: SimClock,
    pub chance: Seeded,
    /// The engine's own chance, apart: so a crash does not change the weather.
    pub ids: Seeded,
    pub store: MemoryStore,
    pub faults: Mutex<Faults>,
    pub truth: Mutex<Truth>,
    pub guards: Mutex<Guards>,
    pub story: Mutex<Story>,
    /// Probe number, as its vantage names it, to what was so.
    pub glimpses: Mutex<BTreeMap<String, Glimpse>>,
    /// How a fault behaves once it struck a plane: a standby keeps its snapshot.
    pub settle_ms: i64,
    points: Mutex<Points>,
    /// The story is also told as it happens, for a world that does not end.
    aloud: bool,
}

#[derive(Debug, Default)]
struct Points {
    passed: u64,
    crash_at: Vec<u64>,
    interrupt_at: Option<u64>,
    interrupted: bool,
    lost_at: Option<u64>,
    crashed: bool,
    quiet: bool,
    asked: u64,
    asked_us: u64,
}

/// How often the time may be asked for at one moment.
const ASKED_MAX: u64 = 20_000;

/// How long a world goes on after a guard spoke, in points: what follows from a
/// broken promise belongs to the story, for ever it need not go on.
const AFTERMATH_POINTS: u64 = 500;

/// Takes a lock; a poisoned one is a panic that is reported anyway.
pub fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world in which nothing stands yet.
    pub fn new(seed: u64, base: Timestamp) -> Arc<Self> {
        let chance = Seeded::new(seed);
        let settle_ms = i64::try_from(chance.between(4, 10) * 100).unwrap_or(500);
        Arc::new(Self {
            clock: SimClock::new(base),
            ids: Seeded::new(seed ^ 0xD1B5_4A32_D192_ED03),
            chance,
            store: MemoryStore::new(),
            faults: Mutex::default(),
            truth: Mutex::default(),
            guards: Mutex::default(),
            story: Mutex::default(),
            glimpses: Mutex::default(),
            settle_ms,
            points: Mutex::default(),
            aloud: std::env::var_os("QUELL_ALOUD").is_some(),
        })
    }

    /// The time that truly passed.
    pub fn now_us(&self) -> u64 {
        self.clock.elapsed_us()
    }

    /// Writes a line of the story.
    pub fn tell(&self, line: impl Into<String>) {
        let (at, line) = (self.now_us(), line.into());
        if self.aloud {
            eprintln!("{:>5}.{:06} {line}", at / 1_000_000, at % 1_000_000);
        }
        hold(&self.story).tell(at, line);
    }

    /// Does this fault strike now?
    pub fn strikes(&self, fault: Fault, plane: &str) -> bool {
        let mut faults = hold(&self.faults);
        let percent = faults.chance_of(fault, plane, self.now_us());
        if percent == 0 || !self.chance.percent(percent) {
            return false;
        }
        faults.count(fault);
        drop(faults);
        self.tell(format!("FAULT {fault:?} on {plane}"));
        true
    }

    /// The process ends when this many points more have been passed.
    pub fn crash_in(&self, points: u64) {
        let mut p = hold(&self.points);
        let at = p.passed + points;
        p.crash_at.push(at);
    }

    /// Whoever passes the point of this number waits there until somebody else has
    /// done something: the driver sees it and lets them.
    pub fn interrupt_at(&self, point: u64) {
        hold(&self.points).interrupt_at = Some(point);
    }

    /// Somebody waits at the point of an interruption.
    pub fn is_interrupted(&self) -> bool {
        hold(&self.points).interrupted
    }

    /// What was to happen in between has happened.
    pub fn go_on(&self) {
        hold(&self.points).interrupted = false;
    }

    /// A guard spoke some time ago: there is nothing more to learn here.
    pub fn is_lost(&self) -> bool {
        if hold(&self.guards).violations.is_empty() {
            return false;
        }
        let mut p = hold(&self.points);
        let passed = p.passed;
        passed > *p.lost_at.get_or_insert(passed + AFTERMATH_POINTS)
    }

    /// Points passed so far.
    pub fn points(&self) -> u64 {
        hold(&self.points).passed
    }

    /// The process has just ended: whoever drives it drops its futures.
    pub fn is_crashed(&self) -> bool {
        hold(&self.points).crashed
    }

    /// A new process begins.
    pub fn begin_again(&self) {
        let mut p = hold(&self.points);
        p.crashed = false;
        let passed = p.passed;
        p.crash_at.retain(|at| *at > passed);
        drop(p);
        self.clock.restart();
    }

    /// Nobody acts at points (while the scene is set and while it is examined).
    pub fn set_quiet(&self, quiet: bool) {
        hold(&self.points).quiet = quiet;
    }

    /// The engine asked for the time. Work that asks for ever without waiting for
    /// anything would never come back here.
    ///
    /// # Panics
    ///
    /// Where it does; the driver makes a story of it.
    pub fn asked_for_time(&self) {
        let now = self.now_us();
        let mut p = hold(&self.points);
        p.asked = if p.asked_us == now { p.asked + 1 } else { 0 };
        p.asked_us = now;
        let asked = p.asked;
        drop(p);
        assert!(asked < ASKED_MAX, "invariant 18: work goes round in circles without waiting for anything");
    }

    /// A place where the engine waits for the outside.
    pub async fn point(&self) {
        let interrupted = {
            let mut p = hold(&self.points);
            if p.quiet {
                return;
            }
            p.passed += 1;
            let passed = p.passed;
            if p.crash_at.contains(&passed) {
                p.crashed = true;
            }
            let interrupted = p.interrupt_at == Some(passed);
            p.interrupted |= interrupted;
            interrupted
        };
        if self.is_crashed() {
            // Never again: the driver sees it and drops this future.
            std::future::pending::<()>().await;
        }
        while interrupted && self.is_interrupted() {
            yield_once().await;
        }
        intruder::act(self);
        if self.chance.percent(30) {
            yield_once().await;
        }
    }
}

/// Lets others go first.
pub async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
