//! Sources that fall silent or say less, over a clock that a test turns.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use quell_core::{
    decision::Role,
    event::{By, SourceCreated},
    id::{CaseId, SourceId},
    time::{SignedDuration, Timestamp, after},
};
use quell_engine::{Engine, Ports, port::Clock};
use serde_json::{Value, json};

use crate::installation::{Told, open_with, person, scanner, tell_at, view};

/// The real time, and the hours that a test adds.
struct Turned {
    inner: Arc<dyn Clock>,
    seconds: Arc<AtomicI64>,
}

#[async_trait::async_trait]
impl Clock for Turned {
    fn now(&self) -> Timestamp {
        after(self.inner.now(), self.seconds.load(Ordering::SeqCst))
    }
    async fn sleep(&self, duration: SignedDuration) {
        self.inner.sleep(duration).await;
    }
}

pub struct Here {
    pub engine: Arc<Engine>,
    told: Arc<Told>,
    seconds: Arc<AtomicI64>,
    _dir: tempfile::TempDir,
}

impl Here {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        quell_store::KeyFile::create(&dir.path().join("key"), &quell_store::OsChance).expect("a key file");
        let (told, seconds) = (Arc::new(Told::default()), Arc::new(AtomicI64::new(0)));
        let engine = open_with(dir.path(), vec![], vec![], |ports| Ports {
            clock: Arc::new(Turned { inner: ports.clock.clone(), seconds: seconds.clone() }),
            notify: told.clone(),
            ..ports
        })
        .await;
        Self { engine, told, seconds, _dir: dir }
    }

    pub fn told(&self) -> &Told {
        &self.told
    }

    pub fn pass(&self, hours: i64) {
        self.seconds.fetch_add(hours * 3_600, Ordering::SeqCst);
    }

    pub async fn source(&self, name: &str) -> SourceCreated {
        let source = SourceCreated {
            source: SourceId::new(format!("src-{name}")),
            name: name.to_owned(),
            detector: "quell".to_owned(),
            hash: name.to_owned(),
            ..scanner()
        };
        self.engine.create_source(&By::Automation, source.clone()).await.expect("a source");
        source
    }

    pub async fn hear(&self, source: &SourceCreated, bytes: &[u8]) {
        let alert = self.engine.receive(source, bytes).await.expect("received");
        self.engine.file(&alert).await.expect("filed");
    }

    async fn cases_of_posture(&self) -> Vec<Value> {
        let rows = self.engine.ports.store.lookup_range(quell_engine::lookup::OPEN_CASE, "", None, 999).await.expect("rows");
        let mut cases = Vec::new();
        for (id, _) in rows {
            let case = view(&self.engine, &CaseId::new(id)).await;
            if case["findings"][0]["kind"] == "posture" {
                cases.push(case);
            }
        }
        cases
    }
}

fn word(event: &str, native_id: Option<&str>) -> Vec<u8> {
    json!({ "kind": "anomalous_use", "title": "used", "dedupe_key": event, "severity": { "id": 3, "vendor": "3" },
        "subject": { "kind": "service_account", "native_id": native_id, "system": "elsewhere" } })
    .to_string()
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_falls_silent_is_told_once_to_who_answers_for_it() {
    let here = Here::start().await;
    let (hourly, rare) = (here.source("hourly").await, here.source("rare").await);
    here.source("unheard").await;
    let tess = person(&here.engine, "tess", &[Role::TelemetryOwner]).await;
    let olga = person(&here.engine, "olga", &[Role::Secops]).await;
    here.engine.own_source(&By::Automation, "hourly", olga.id.clone()).await.expect("owned");
    for n in 0..60 {
        here.hear(&hourly, &word(&format!("e{n}"), Some("svc"))).await;
        if n % 6 == 0 {
            here.hear(&rare, &word(&format!("e{n}"), Some("svc"))).await;
        }
        here.pass(1);
    }
    assert_eq!(here.engine.look_after_sources().await.expect("looked"), vec![], "nobody is silent yet");
    here.pass(4);
    let told = here.engine.look_after_sources().await.expect("looked");
    assert_eq!(told.len(), 1, "five hours are long for the one and short for the other");
    assert_eq!(here.engine.look_after_sources().await.expect("looked"), vec![], "once, while its case is open");
    let case = view(&here.engine, &told[0]).await;
    let title = case["findings"][0]["untrusted"]["title"].as_str().expect("a title");
    assert!(title.starts_with("source `hourly` is silent since"), "{title}");
    assert_eq!((&case["tasks"][0]["owner"], &case["plans"]), (&json!("telemetry_owner"), &json!([])));
    tell_at(&here.engine, here.engine.ports.clock.now()).await;
    let to = here.told.people();
    assert_eq!(to, [olga.id.to_string()], "its owner, and nobody else");
    let health = here.engine.health_of(&hourly.source).await.expect("known");
    assert_eq!(health.usual.map(|u| (u.hours_heard, u.wait_seconds / 3_600)), Some((60, 1)));

    // A case of this time says who could not have told of it; one of an earlier time does not.
    let opened = here.engine.receive(&rare, &word("news", Some("other"))).await.expect("received");
    let now = here.engine.file(&opened).await.expect("filed").cases[0].clone();
    let blind = |case: CaseId| {
        let engine = here.engine.clone();
        async move {
            let case = engine.case(&case).await.expect("loaded").expect("a case");
            let blind = engine.blind_sources(&case).await.expect("known");
            blind.iter().map(|b| format!("{} {}", b["source"].as_str().unwrap_or(""), b["why"].as_str().unwrap_or(""))).collect::<Vec<_>>()
        }
    };
    assert_eq!(blind(now).await, ["hourly silent", "unheard never_heard"]);
    here.hear(&hourly, &word("back", Some("svc"))).await;
    here.pass(1);
    let again = here.engine.receive(&hourly, &word("later", Some("another"))).await.expect("received");
    let later = here.engine.file(&again).await.expect("filed").cases[0].clone();
    assert_eq!(blind(later).await, ["unheard never_heard"], "heard again, it is blind no more");

    // Where nobody answers for a source, whoever has the role hears of it.
    here.pass(40);
    here.engine.look_after_sources().await.expect("looked");
    tell_at(&here.engine, here.engine.ports.clock.now()).await;
    let to = here.told.people();
    assert!(to.contains(&tess.id.to_string()), "{to:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_lack_what_they_always_had_are_told_once() {
    let here = Here::start().await;
    let (old, young) = (here.source("old").await, here.source("young").await);
    for n in 0..9 {
        here.hear(&old, &word(&format!("e{n}"), Some("svc"))).await;
        here.pass(1);
    }
    here.hear(&young, &word("e0", Some("svc"))).await;
    here.hear(&young, &word("e1", None)).await;
    assert_eq!(here.cases_of_posture().await, Vec::<Value>::new(), "who has no habit changed none");
    for n in 0..3 {
        here.hear(&old, &word(&format!("less{n}"), None)).await;
    }
    let cases = here.cases_of_posture().await;
    assert_eq!(cases.len(), 1, "{cases:#?}");
    let title = cases[0]["findings"][0]["untrusted"]["title"].as_str().expect("a title");
    assert_eq!(title, "source `old`: the schema of anomalous_use records changed: without native_id");
    assert_eq!(cases[0]["tasks"][0]["owner"], "telemetry_owner");
    // Its case is open, so what else is gone is part of the same task.
    here.hear(&old, b"{ not json").await;
    assert_eq!(here.cases_of_posture().await.len(), 1);
    let replayed = quell_engine::lookup::SHAPE;
    let rows = here.engine.ports.store.lookup_range(replayed, "src-old/", None, 99).await.expect("rows");
    assert_eq!(rows.len(), 3, "what it held, what it holds, and what nobody could read");
}
