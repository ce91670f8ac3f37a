//! The ports, and the one loop that acts. No vendor, no SQL, no HTTP.
//!
//! Intake files what detectors say; `respond` asks the core what is next and
//! does it: load -> pure answer -> append -> act -> append. `record` is the only
//! writer. `schedule` wakes cases. Nothing here decides: rules live in the core
//! and in policy.

mod ask;
pub mod census;
pub mod compare;
pub mod context;
pub mod correlate;
mod draft;
mod enrich;
pub mod erasure;
pub mod execute;
pub mod export;
pub mod filing;
pub mod ground;
pub mod health;
pub mod intake;
pub mod lookup;
pub mod notice;
mod onward;
pub mod order;
pub mod ownership;
pub mod port;
pub mod prove;
pub mod record;
pub mod replay;
pub mod respond;
pub mod schedule;
pub mod streams;
pub mod who;
mod work;

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use quell_core::{
    context::Context,
    event::Recorded,
    id::{CaseId, StreamId},
    inventory::Inventory,
    people::Limits,
    secret::FingerprintKey,
    time::Timestamp,
};
use tokio::sync::{Mutex, Notify as Wakeup, broadcast};

use crate::port::{Chance, Clock, Connectors, Detectors, Keyring, Notify, Policy, SealError, Signer, Store};

/// Every door to the outside.
#[derive(Clone)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub policy: Arc<dyn Policy>,
    pub connectors: Connectors,
    pub detectors: Arc<dyn Detectors>,
    pub notify: Arc<dyn Notify>,
    pub keyring: Arc<dyn Keyring>,
    pub signer: Arc<dyn Signer>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
}

/// What the installation was told.
#[derive(Clone, Debug)]
pub struct Settings {
    pub key: FingerprintKey,
    pub limits: Limits,
    /// At least two named people outside the planes, for when nobody is left (invariant 13).
    pub last_resort: Vec<String>,
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Somebody was faster; load and decide again.
    #[error("somebody else changed it at the same moment; try again")]
    Stale,
    /// The store cannot write now.
    #[error("nothing was recorded: {0}")]
    Unavailable(String),
    /// Something contradicts itself.
    #[error("{0}")]
    Damaged(String),
    /// A rule says no; the sentence says the next move.
    #[error("{0}")]
    Refused(String),
    /// There is no such thing.
    #[error("there is no {0}")]
    Unknown(String),
    /// A sealed blob did not open.
    #[error(transparent)]
    Sealed(#[from] SealError),
}

/// One event, told to whoever watches.
#[derive(Clone, Debug)]
pub struct Told {
    pub stream: StreamId,
    pub version: u64,
    pub kind: &'static str,
}

/// The engine of one node.
pub struct Engine {
    pub ports: Ports,
    pub settings: Settings,
    pub(crate) streams: streams::Streams,
    inventory: RwLock<Arc<Inventory>>,
    context: RwLock<Arc<Context>>,
    /// One worker a case at a time.
    cases: Mutex<BTreeMap<CaseId, Arc<Mutex<()>>>>,
    told: broadcast::Sender<Told>,
    wakeup: Wakeup,
    /// Before this nobody listened, so nobody was silent.
    pub(crate) listens_since: Timestamp,
    pub(crate) heard: health::Heard,
    /// Findings that a plane is asked about right now.
    pub(crate) comparing: std::sync::Mutex<std::collections::BTreeSet<quell_core::id::FindingId>>,
    /// Whom this process interrupted, for what and when: the record has it a moment later.
    pub(crate) interrupting: std::sync::Mutex<BTreeMap<quell_core::id::PersonId, Vec<(String, Timestamp)>>>,
}

impl Engine {
    /// Loads what is remembered in memory. Its clock goes on from the newest
    /// event, whatever the wall says: no deadline is further away after a start
    /// than before it (invariant 17).
    pub async fn start(mut ports: Ports, settings: Settings) -> Result<Arc<Self>, Failure> {
        let wall = ports.clock.now();
        let newest = streams::newest_at(&*ports.store).await?;
        if let Some(newest) = newest {
            ports.clock = Arc::new(onward::Onward::after(newest, ports.clock));
        }
        let (told, _) = broadcast::channel(4096);
        let listens_since = ports.clock.now();
        let engine = Self {
            ports,
            settings,
            streams: streams::Streams::default(),
            inventory: RwLock::default(),
            context: RwLock::default(),
            cases: Mutex::default(),
            told,
            wakeup: Wakeup::new(),
            listens_since,
            heard: health::Heard::default(),
            comparing: std::sync::Mutex::default(),
            interrupting: std::sync::Mutex::default(),
        };
        engine.load_inventory().await?;
        engine.load_context().await?;
        let engine = Arc::new(engine);
        if let Some(newest) = newest.filter(|newest| newest.duration_since(wall) > onward::STEP) {
            engine.clock_stepped(newest, wall).await?;
        }
        Ok(engine)
    }

    /// What is known of identities now.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.inventory.read().expect("no holder of this lock can panic").clone()
    }

    pub(crate) fn set_inventory(&self, inventory: Inventory) {
        *self.inventory.write().expect("no holder of this lock can panic") = Arc::new(inventory);
    }

    /// Every event that is appended from now on.
    pub fn watch(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    pub(crate) fn tell_watchers(&self, recorded: &Recorded) {
        // Nobody watching is no fault.
        let _ = self.told.send(Told { stream: recorded.stream.clone(), version: recorded.version, kind: recorded.event.name() });
    }

    /// Wakes the scheduler: a job was set.
    pub fn wake(&self) {
        self.wakeup.notify_one();
    }

    pub(crate) async fn turn_of(&self, case: &CaseId) -> Arc<Mutex<()>> {
        self.cases.lock().await.entry(case.clone()).or_default().clone()
    }
}
