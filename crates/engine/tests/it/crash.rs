//! SIGKILL at each phase of a real plan on the real server.
//!
//! The test runs itself again as a child process whose ports kill it at a chosen
//! moment; then the parent opens the same store and goes on. Ordinary work is
//! the recovery code, so nothing but opening is called.

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use quell_connectors::postgresql::{PostgresConfig, Reach};
use quell_core::{
    clear::Clearance,
    id::CaseId,
    proof::Observation,
    secret::Secret,
    target::{Enumeration, Reading, Target},
};
use quell_engine::{
    Ports,
    port::{
        Append, Appended, Attempt, Card, Check, Connector, Connectors, Identified, Outcome, PlaneError, ProbeRequest, Store, StoreError,
    },
};
use serde_json::{Value, json};

use crate::installation::{Installation, Place, open};

/// Dies as nobody can catch it.
fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

/// The moments of one attempt, in order.
const PHASES: [&str; 6] = ["before-intent", "after-intent", "after-act", "after-outcome", "before-proof", "after-proof"];

fn kinds(append: &Append) -> Vec<String> {
    append
        .leaves
        .iter()
        .map(|l| serde_json::from_slice::<Value>(&l.bytes).expect("an event")["type"].as_str().unwrap_or_default().to_owned())
        .collect()
}

struct DyingStore {
    inner: Arc<dyn Store>,
    phase: String,
    acted: AtomicBool,
}

#[async_trait::async_trait]
impl Store for DyingStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let kinds = kinds(&append);
        let has = |kind: &str| kinds.iter().any(|k| k == kind);
        if has("attempt_intended") {
            self.acted.store(true, Ordering::SeqCst);
        }
        let proof = has("target_probed") && self.acted.load(Ordering::SeqCst);
        if (self.phase == "before-intent" && has("attempt_intended")) || (self.phase == "before-proof" && proof) {
            die();
        }
        let appended = self.inner.append(append).await?;
        if (self.phase == "after-intent" && has("attempt_intended"))
            || (self.phase == "after-outcome" && has("attempt_ended"))
            || (self.phase == "after-proof" && proof)
        {
            die();
        }
        Ok(appended)
    }
    async fn head(&self, s: &quell_core::id::StreamId) -> Result<Option<quell_engine::port::Head>, StoreError> {
        self.inner.head(s).await
    }
    async fn read(&self, s: &quell_core::id::StreamId, from: u64) -> Result<Vec<quell_engine::port::StoredEvent>, StoreError> {
        self.inner.read(s, from).await
    }
    async fn streams(&self, prefix: &str) -> Result<Vec<quell_core::id::StreamId>, StoreError> {
        self.inner.streams(prefix).await
    }
    async fn disclosures(&self, c: &[String]) -> Result<std::collections::BTreeMap<String, quell_core::personal::Disclosure>, StoreError> {
        self.inner.disclosures(c).await
    }
    async fn erase(&self, c: &[String], b: &[String]) -> Result<u64, StoreError> {
        self.inner.erase(c, b).await
    }
    async fn lookup(&self, table: &str, key: &str) -> Result<Option<Value>, StoreError> {
        self.inner.lookup(table, key).await
    }
    async fn lookup_range(&self, table: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Value)>, StoreError> {
        self.inner.lookup_range(table, prefix, after, limit).await
    }
    async fn rebuild(&self, rows: Vec<quell_engine::port::LookupChange>) -> Result<bool, StoreError> {
        self.inner.rebuild(rows).await
    }
    async fn due(&self, now: quell_core::time::Timestamp, limit: u32) -> Result<Vec<quell_engine::port::Job>, StoreError> {
        self.inner.due(now, limit).await
    }
    async fn next_due(&self) -> Result<Option<quell_core::time::Timestamp>, StoreError> {
        self.inner.next_due().await
    }
    async fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.blob(id).await
    }
    async fn size(&self) -> Result<u64, StoreError> {
        self.inner.size().await
    }
    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<quell_engine::port::StoredEvent>, StoreError> {
        self.inner.leaves(from, limit).await
    }
    async fn root(&self, size: Option<u64>) -> Result<(u64, [u8; 32]), StoreError> {
        self.inner.root(size).await
    }
    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.inner.inclusion(index, size).await
    }
    async fn consistency(&self, old: u64, new: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.inner.consistency(old, new).await
    }
    async fn inventory(&self) -> Result<Vec<(String, Value)>, StoreError> {
        self.inner.inventory().await
    }
    async fn put_inventory(&self, rows: Vec<(String, Option<Value>)>) -> Result<(), StoreError> {
        self.inner.put_inventory(rows).await
    }
    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.inner.checkpoint().await
    }
    async fn keep_checkpoint(&self, note: &str, size: u64, root: [u8; 32]) -> Result<(), StoreError> {
        self.inner.keep_checkpoint(note, size, root).await
    }
}

struct DyingConnector {
    inner: Arc<dyn Connector>,
    phase: String,
}

#[async_trait::async_trait]
impl Connector for DyingConnector {
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
    async fn read(&self, target: &Target) -> Result<(Reading, std::collections::BTreeMap<String, Secret>), PlaneError> {
        self.inner.read(target).await
    }
    async fn act(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        let outcome = self.inner.act(clearance, attempt).await;
        if self.phase == "after-act" {
            die();
        }
        outcome
    }
    async fn read_outcome(&self, attempt: &Attempt) -> Outcome {
        self.inner.read_outcome(attempt).await
    }
    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation> {
        self.inner.probe(request).await
    }
}

fn wrap(phase: &str, ports: Ports) -> Ports {
    let store = Arc::new(DyingStore { inner: ports.store.clone(), phase: phase.to_owned(), acted: AtomicBool::new(false) });
    let planes: Vec<Arc<dyn Connector>> = ports
        .connectors
        .iter()
        .map(|c| Arc::new(DyingConnector { inner: c.clone(), phase: phase.to_owned() }) as Arc<dyn Connector>)
        .collect();
    let sinks = ports.connectors.sink("billing-file").cloned();
    Ports { store, connectors: Connectors::new(planes, sinks), ..ports }
}

/// Not a test of its own: the process that dies. Without its order it is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(order) = std::env::var("QUELL_TEST_CRASH") else { return };
    let order: Value = serde_json::from_str(&std::fs::read_to_string(order).expect("the order")).expect("JSON");
    let text = |name: &str| order[name].as_str().expect("text").to_owned();
    let reach = Reach::Tls {
        host: "localhost".to_owned(),
        port: u16::try_from(order["port"].as_u64().expect("a port")).expect("a port"),
        address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        ca_pem: text("ca"),
    };
    let mut config = PostgresConfig::new("pg-main", reach, "billing", Secret::new(text("secret")), Secret::new(text("control")));
    config.settle_ms = 100;
    let phase = text("phase");
    let place = Place { dir: PathBuf::from(text("dir")), config, sink: PathBuf::from(text("sink")) };
    let engine = open(&place, |ports| wrap(&phase, ports)).await;
    let case = CaseId::new(text("case"));
    for _ in 0..200 {
        engine.work(&case, engine.ports.clock.now()).await.expect("the case goes on until the process dies");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("phase `{phase}` never came");
}

async fn dies_and_goes_on(phase: &str) {
    let here = Installation::start(false).await;
    let intruder =
        here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.expect("the leaked password works");
    here.arm().await;
    let (_, case) = here.leak("c1").await;
    let order = here.dir.path().join("order.json");
    let text = json!({ "phase": phase, "port": here.server.port(), "ca": here.server.ca_pem(), "secret": here.config.secret.expose(), "control": here.config.control.secret.expose(),
        "dir": here.dir.path(), "sink": here.sink, "case": case });
    std::fs::write(&order, text.to_string()).expect("written");
    let here = here.closed();

    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["crash::child", "--exact", "--nocapture"])
        .env("QUELL_TEST_CRASH", &order)
        .output()
        .expect("the child starts");
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(child.status.signal(), Some(9), "the child was to die in phase `{phase}`: {}", String::from_utf8_lossy(&child.stderr));

    let place = Place { dir: here.dir.path().to_owned(), config: here.config.clone(), sink: here.sink.clone() };
    let engine = open(&place, |ports| ports).await;
    let view = |ground: quell_engine::ground::Ground| quell_core::view::case(&ground.situation(), engine.ports.clock.now());
    let mut last = Value::Null;
    for _ in 0..400 {
        engine.work(&case, engine.ports.clock.now()).await.expect("the case goes on");
        last = view(engine.ground(&case).await.expect("loaded").expect("a case"));
        if last["state"] == "proven" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(last["state"], "proven", "after dying in phase `{phase}`: {last:#}");
    assert!(intruder.simple_query("SELECT 1").await.is_err(), "the intruder's session is over");
    assert!(
        here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.is_err(),
        "the leaked password is refused"
    );

    // No second effect that differs from the first: what was intended once and
    // taken was not intended again for the same step and target.
    let ground = engine.ground(&case).await.expect("loaded").expect("a case");
    for target in ground.targets.values() {
        for attempt in &target.attempts {
            let same =
                target.attempts.iter().filter(|a| a.cleared.step == attempt.cleared.step && a.outcome.as_deref() == Some("done")).count();
            assert!(same <= 1, "step {} was carried out twice in phase `{phase}`", attempt.cleared.step);
            assert!(attempt.outcome.is_some(), "an intent without an outcome was left behind in phase `{phase}`");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_phase_loses_no_effect_and_makes_no_second_one() {
    for phase in PHASES {
        dies_and_goes_on(phase).await;
    }
}
