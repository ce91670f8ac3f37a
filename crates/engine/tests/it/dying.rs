//! Ports that kill their process at a chosen moment.
//!
//! A test runs itself again as a child whose ports are these; then its parent opens
//! the same store and goes on. Ordinary work is the recovery code, so nothing but
//! opening is called.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use quell_core::{
    clear::Clearance,
    id::StreamId,
    proof::Observation,
    secret::Secret,
    target::{Enumeration, Reading, Target},
};
use quell_engine::{
    Ports,
    port::{
        Append, Appended, Attempt, Card, Check, Connector, Connectors, Identified, Outcome, PlaneError, ProbeRequest, Sink, Store,
        StoreError,
    },
};
use serde_json::{Value, json};

/// The moments at which it dies. Each is named with what it was about: a step, a
/// target, a sink.
pub struct Death {
    phases: Vec<String>,
    /// Moments that it lives through: it died there before.
    spared: BTreeSet<String>,
    /// Where it writes what it died of.
    note: PathBuf,
    /// Something was acted on: until then a probe is no proof.
    acted: AtomicBool,
    /// The step of each attempt that was intended in this process.
    steps: Mutex<BTreeMap<String, u64>>,
}

impl Death {
    pub fn of(order: &Value) -> Arc<Self> {
        let texts = |name: &str| order[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Arc::new(Self {
            phases: texts("phases").collect(),
            spared: texts("spared").collect(),
            note: PathBuf::from(order["note"].as_str().expect("a path")),
            acted: AtomicBool::new(order["acted"] == true),
            steps: Mutex::default(),
        })
    }

    /// Dies as nobody can catch it, where this is the moment.
    fn at(&self, phase: &str, what: &str) {
        self.at_one_of(&[(phase.to_owned(), what.to_owned())]);
    }

    /// The same where several things come at once: they stand together, so it dies of
    /// all of them.
    fn at_one_of(&self, moments: &[(String, String)]) {
        let of_phase = moments.iter().filter(|(phase, _)| self.phases.contains(phase));
        let met: Vec<String> = of_phase.map(|(phase, what)| format!("{phase} {what}")).filter(|m| !self.spared.contains(m)).collect();
        if !met.is_empty() {
            std::fs::write(&self.note, met.join("\n")).expect("a note is left");
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort()
        }
    }

    fn step_of(&self, attempt: &str) -> Option<String> {
        self.steps.lock().expect("no panic holds it").get(attempt).map(|n| format!("step {n}"))
    }

    /// The ports of a process that dies.
    pub fn wrap(self: &Arc<Self>, ports: Ports, sinks: &[&str]) -> Ports {
        let store = Arc::new(DyingStore { inner: ports.store.clone(), death: self.clone() });
        let planes: Vec<Arc<dyn Connector>> = ports
            .connectors
            .iter()
            .map(|c| Arc::new(DyingConnector { inner: c.clone(), death: self.clone() }) as Arc<dyn Connector>)
            .collect();
        let sinks: Vec<Arc<dyn Sink>> = sinks
            .iter()
            .map(|name| ports.connectors.sink(name).expect("it is there").clone())
            .map(|inner| Arc::new(DyingSink { inner, death: self.clone() }) as Arc<dyn Sink>)
            .collect();
        Ports { store, connectors: Connectors::new(planes, sinks), ..ports }
    }
}

/// Runs the test `name` of this program again, with its order in a file.
pub fn child(name: &str, order: &std::path::Path) -> Output {
    Command::new(std::env::current_exe().expect("this program"))
        .args([name, "--exact", "--nocapture"])
        .env("QUELL_TEST_CRASH", order)
        .output()
        .expect("the child starts")
}

/// The order of a child; none where this is the test run itself.
pub fn order() -> Option<Value> {
    let order = std::env::var("QUELL_TEST_CRASH").ok()?;
    Some(serde_json::from_str(&std::fs::read_to_string(order).expect("the order")).expect("JSON"))
}

struct DyingStore {
    inner: Arc<dyn Store>,
    death: Arc<Death>,
}

impl DyingStore {
    /// The step of an attempt, also of one that was intended by a process that died since.
    async fn step_of(&self, attempt: &str, stream: &str) -> Option<String> {
        if let Some(step) = self.death.step_of(attempt) {
            return Some(step);
        }
        let stored = self.inner.read(&StreamId::new(stream), 1).await.expect("read");
        let events = stored.iter().map(|e| serde_json::from_slice::<Value>(&e.leaf.bytes).expect("an event"));
        let mut intended = events.filter(|e| e["type"] == "attempt_intended").map(|e| e["body"]["cleared"].clone());
        intended.find(|cleared| cleared["attempt"] == attempt).map(|cleared| format!("step {}", cleared["step"]))
    }

    /// What an append is about, in the phases before or after it. Before it, the first
    /// moment counts: the others come again. After it they all stand.
    async fn moments(&self, when: &str, events: &[Value]) {
        let mut moments: Vec<(String, String)> = Vec::new();
        for event in events {
            let (kind, body) = (event["type"].as_str().unwrap_or_default(), &event["body"]);
            let attempt = body["attempt"].as_str().or(body["cleared"]["attempt"].as_str()).unwrap_or_default();
            match kind {
                "attempt_intended" => {
                    let n = body["cleared"]["step"].as_u64().expect("a step");
                    self.death.steps.lock().expect("no panic holds it").insert(attempt.to_owned(), n);
                    self.death.acted.store(true, Ordering::SeqCst);
                    moments.push((format!("{when}-intent"), format!("step {n}")));
                }
                "attempt_ended" => {
                    if let Some(step) = self.step_of(attempt, event["stream"].as_str().unwrap_or_default()).await {
                        moments.push((format!("{when}-outcome"), step));
                    }
                }
                "target_probed" if self.death.acted.load(Ordering::SeqCst) => {
                    moments.push((format!("{when}-proof"), event["stream"].as_str().unwrap_or_default().to_owned()));
                }
                "step_ended" => moments.push((format!("{when}-end"), format!("step {}", body["step"]))),
                "alert_part_filed" => moments.push((format!("{when}-part"), format!("part {}", body["part"]))),
                "alert_filed" => moments.push((format!("{when}-filed"), "the alert".to_owned())),
                "plan_ended" => moments.push((format!("{when}-end"), "the plan".to_owned())),
                _ => {}
            }
        }
        if when == "before" {
            moments.iter().for_each(|moment| self.death.at_one_of(std::slice::from_ref(moment)));
        } else {
            self.death.at_one_of(&moments);
        }
    }
}

#[async_trait::async_trait]
impl Store for DyingStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let events: Vec<Value> = append.leaves.iter().map(|l| serde_json::from_slice(&l.bytes).expect("an event")).collect();
        self.moments("before", &events).await;
        let appended = self.inner.append(append).await?;
        self.moments("after", &events).await;
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
    death: Arc<Death>,
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
        self.death.at("after-act", &self.death.step_of(&attempt.marker).unwrap_or_default());
        outcome
    }
    async fn read_outcome(&self, attempt: &Attempt) -> Outcome {
        let outcome = self.inner.read_outcome(attempt).await;
        self.death.at("after-reading", attempt.action.name());
        outcome
    }
    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation> {
        self.inner.probe(request).await
    }
}

struct DyingSink {
    inner: Arc<dyn Sink>,
    death: Arc<Death>,
}

#[async_trait::async_trait]
impl Sink for DyingSink {
    fn name(&self) -> &str {
        self.inner.name()
    }
    async fn put(&self, login: &str, secret: &Secret) -> Result<(), PlaneError> {
        let put = self.inner.put(login, secret).await;
        self.death.at("after-delivery", self.inner.name());
        put
    }
    async fn current(&self) -> Result<Option<String>, PlaneError> {
        self.inner.current().await
    }
    fn keeps(&self) -> Option<(String, String)> {
        self.inner.keeps()
    }
}

/// An order for a child that dies at one of `phases`.
pub fn dying(phases: &[&str], spared: &[String], note: &std::path::Path) -> Value {
    json!({ "phases": phases, "spared": spared, "note": note, "acted": !spared.is_empty() })
}
