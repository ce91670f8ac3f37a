//! A leaked value that a plane did not compare, once the plane answers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use quell_connectors::postgresql::PostgreSql;
use quell_core::{
    case::Command,
    clear::Clearance,
    decision::{Role, Verb},
    event::{By, CaseClosed, SourceCreated},
    finding::Outcome as Ending,
    id::{CaseId, FindingId, SourceId, StreamId},
    proof::Observation,
    secret::Secret,
    target::{Enumeration, Reading, Target},
    time::after,
};
use quell_engine::{
    Engine,
    port::{Attempt, Card, Check, Connector, Identified, Outcome, PlaneError, ProbeRequest},
    record::Writing,
};
use quell_store::SystemClock;
use serde_json::{Value, json};

use crate::installation::{Installation, import, open_with, report, view, work_until};

/// A plane that may say nothing when it is asked whose a value is.
struct Shy {
    inner: Arc<dyn Connector>,
    is_silent: AtomicBool,
    asked: AtomicU32,
}

#[async_trait::async_trait]
impl Connector for Shy {
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
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.is_silent.load(Ordering::SeqCst) {
            true => Err(PlaneError::Unreachable { plane: "pg-main".to_owned(), why: "it says nothing".to_owned() }),
            false => self.inner.identify(secret).await,
        }
    }
    async fn read(&self, target: &Target) -> Result<(Reading, std::collections::BTreeMap<String, Secret>), PlaneError> {
        self.inner.read(target).await
    }
    async fn act(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        self.inner.act(clearance, attempt).await
    }
    async fn read_outcome(&self, attempt: &Attempt) -> Outcome {
        self.inner.read_outcome(attempt).await
    }
    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation> {
        self.inner.probe(request).await
    }
}

/// The jobs that ask again, due or not.
async fn waiting(engine: &Arc<Engine>) -> Vec<String> {
    let due = engine.ports.store.due(after(engine.ports.clock.now(), 100_000), 999).await.expect("jobs");
    due.into_iter().map(|job| job.key).filter(|key| key.starts_with("compare/")).collect()
}

/// Does every job that asks again, as if its time had come.
async fn ask_again(engine: &Arc<Engine>) {
    for key in waiting(engine).await {
        let finding = FindingId::new(key.trim_start_matches("compare/"));
        engine.compare(&finding).await.expect("asked");
    }
}

fn told(view: &Value) -> (Value, Value, Value) {
    let finding = &view["findings"][0];
    (finding["uncompared"].clone(), finding["subject"].clone(), finding["possession"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_a_plane_did_not_compare_gets_its_identity_once_it_answers_and_the_case_goes_on() {
    let here = Installation::start(false).await;
    here.arm().await;
    let sam = here.person("sam", &[Role::Lead]).await;
    let (source, right) = (here.source.clone(), report("c1", here.estate.app.password.reveal()));
    let closed = here.closed();
    let inner = Arc::new(PostgreSql::new(closed.config.clone(), Arc::new(SystemClock::new())).expect("a connector"));
    let shy = Arc::new(Shy { inner, is_silent: AtomicBool::new(true), asked: AtomicU32::new(0) });
    let asked = || shy.asked.swap(0, Ordering::SeqCst);
    let open = || open_with(closed.dir.path(), vec![shy.clone() as Arc<dyn Connector>], vec![], |ports| ports);
    let engine = open().await;
    let mut cases: Vec<CaseId> = Vec::new();
    for bytes in [right, report("c2", "a-value-of-nobody-here-2"), report("c3", "a-value-of-nobody-here-3")] {
        let alert = engine.receive(&source, bytes.as_bytes()).await.expect("received");
        cases.push(engine.file(&alert).await.expect("filed").cases[0].clone());
    }
    let [mine, nobodys, ended] = cases.as_slice() else { panic!("three cases: {cases:?}") };
    let silent = (json!(["pg-main"]), Value::Null, json!(false));
    assert_eq!((told(&view(&engine, mine).await), asked()), (silent.clone(), 3));
    assert_eq!(waiting(&engine).await.len(), 3, "each is asked about again later");

    // Asked while it says nothing, nothing changes and the job stays.
    ask_again(&engine).await;
    assert_eq!((told(&view(&engine, mine).await), asked(), waiting(&engine).await.len()), (silent, 3, 3));
    let id = FindingId::new(view(&engine, mine).await["findings"][0]["id"].as_str().expect("an id"));
    let (one, two) = tokio::join!(engine.compare(&id), engine.compare(&id));
    assert_eq!((one, two, asked()), (Ok(()), Ok(()), 1), "nobody asks twice at once");

    // Whom a person gave an outcome is asked about no more.
    let over = FindingId::new(view(&engine, ended).await["findings"][0]["id"].as_str().expect("an id"));
    let command = Command::EndFinding { finding: over.clone(), outcome: Ending::FalsePositive, evidence: None };
    engine.command(&sam, ended, Verb::Close, command).await.expect("ended");
    engine.compare(&over).await.expect("nothing to ask");
    assert_eq!((asked(), waiting(&engine).await.len()), (0, 2));

    // A restart forgets nothing.
    drop(engine);
    let engine = open().await;
    assert_eq!(waiting(&engine).await.len(), 2);
    shy.is_silent.store(false, Ordering::SeqCst);
    ask_again(&engine).await;
    assert_eq!(told(&view(&engine, mine).await), (json!([]), json!("pg-main/billing_app"), json!(true)));
    assert_eq!(told(&view(&engine, nobodys).await), (json!([]), Value::Null, json!(false)), "it is struck off");
    assert_eq!(waiting(&engine).await, Vec::<String>::new(), "nobody is asked again");
    let rows = engine.ports.store.lookup_range(quell_engine::lookup::UNCOMPARED, "", None, 9).await.expect("rows");
    assert_eq!(rows.len(), 0, "nothing stands against a restore any more");
    // The job of the case was set with the answer.
    let due = engine.ports.store.due(engine.ports.clock.now(), 99).await.expect("jobs");
    assert!(due.iter().any(|job| job.key == format!("case/{mine}")), "{due:?}");
    work_until(&engine, mine, |v| v["state"] == "proven").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_may_not_speak_of_a_plane_names_nobody_there_also_late_and_a_closed_case_opens_again() {
    let here = Installation::start(false).await;
    let secret = here.estate.app.password.reveal().to_owned();
    import(&here.engine, &here.admin, [json!({ "type": "identity", "id": "k8s/svc", "kind": "workload" })]).await;
    let free = here.source_of("free", "quell").await;
    let bound = SourceCreated {
        source: SourceId::new("src-bound"),
        name: "bound".to_owned(),
        hash: "b".to_owned(),
        systems: vec!["k8s".to_owned()],
        ..free.clone()
    };
    here.engine.create_source(&By::Automation, bound.clone()).await.expect("a source");
    let closed = here.closed();
    let inner = Arc::new(PostgreSql::new(closed.config.clone(), Arc::new(SystemClock::new())).expect("a connector"));
    let shy = Arc::new(Shy { inner, is_silent: AtomicBool::new(true), asked: AtomicU32::new(0) });
    let engine = open_with(closed.dir.path(), vec![shy.clone() as Arc<dyn Connector>], vec![], |ports| ports).await;
    // Both senders mean an identity of another system by name, and carry a value of `pg-main`.
    let word = |event: &str, name: &str| {
        json!({ "kind": "leaked_secret", "title": "found", "dedupe_key": event, "severity": { "id": 3, "vendor": "3" },
            "subject": { "kind": "workload", "native_id": name, "system": "k8s" }, "credential": { "kind": "password", "secret": secret } })
        .to_string()
    };
    let mut cases = Vec::new();
    for (source, name) in [(&free, "svc"), (&bound, "unlisted")] {
        let alert = engine.receive(source, word(name, name).as_bytes()).await.expect("received");
        cases.push(engine.file(&alert).await.expect("filed").cases[0].clone());
    }
    assert_eq!(told(&view(&engine, &cases[0]).await), (json!(["pg-main"]), json!("k8s/svc"), json!(false)));
    assert_eq!(told(&view(&engine, &cases[1]).await), (json!(["pg-main"]), Value::Null, json!(false)));
    // As if its rest had been accepted.
    let mut writing = Writing::because("test");
    writing.event(StreamId::case(&cases[0]), &By::Automation, CaseClosed { note: None });
    engine.append(writing, engine.ports.clock.now()).await.expect("closed");
    shy.is_silent.store(false, Ordering::SeqCst);
    ask_again(&engine).await;
    let first = view(&engine, &cases[0]).await;
    assert_eq!(told(&first), (json!([]), json!("pg-main/billing_app"), json!(true)));
    assert!(first["closed_at"].is_null(), "whose the value is, is news: {first:#}");
    assert_eq!(told(&view(&engine, &cases[1]).await), (json!([]), Value::Null, json!(false)), "its sender is not bound to `pg-main`");
}
