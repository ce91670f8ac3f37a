//! A whole installation in one process: a real PostgreSQL under Quell, people,
//! an inventory, a detector's source.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use quell_connectors::{
    file_sink::FileSink,
    postgresql::{PostgreSql, PostgresConfig, Reach, bootstrap_sql},
};
use quell_core::{
    decision::Role,
    event::{By, PersonCreated, SourceCreated},
    id::{AlertId, CaseId, PersonId, SourceId, TokenId},
    inventory::{self, Object},
    people::Limits,
    personal::Salter,
    plan::Tier,
    secret::{FingerprintKey, Secret},
    time::{Timestamp, after},
};
use quell_engine::{
    Engine, Ports, Settings,
    order::Caller,
    port::{Chance, Clock, Connector, Connectors, Failed, Handed, Message, Notify, Sink},
};
use quell_lab::{
    estate::Estate,
    postgres::{Options, Postgres},
};
use quell_store::{FileKeyring, KeyFile, LogSigner, OpenMode, OsChance, SqliteStore, SystemClock};
use serde_json::{Value, json};

pub struct Installation {
    pub engine: Arc<Engine>,
    pub server: Postgres,
    pub estate: Estate,
    pub sink: PathBuf,
    pub source: SourceCreated,
    /// An administrator in every role but the approvers'.
    pub admin: Caller,
    pub told: Arc<Told>,
    pub config: PostgresConfig,
    /// Keeps the data for as long as the test.
    pub dir: tempfile::TempDir,
}

/// An installation whose engine is not running here.
pub struct Closed {
    pub server: Postgres,
    pub estate: Estate,
    pub sink: PathBuf,
    pub config: PostgresConfig,
    pub dir: tempfile::TempDir,
}

/// Remembers what people were told, and can be out of order.
#[derive(Default)]
pub struct Told {
    pub letters: std::sync::Mutex<Vec<Message>>,
    pub fails: std::sync::atomic::AtomicBool,
    /// The inbox takes it all the same.
    pub half: std::sync::atomic::AtomicBool,
}

impl Told {
    /// The ids of what was told to somebody whom it was to interrupt.
    pub fn pages(&self) -> Vec<String> {
        let letters = self.letters.lock().expect("no panic holds it");
        letters.iter().filter(|m| m.to.iter().any(|a| a.interrupts)).map(|m| m.id.clone()).collect()
    }

    /// Everybody who was told anything.
    pub fn people(&self) -> Vec<String> {
        let letters = self.letters.lock().expect("no panic holds it");
        letters.iter().flat_map(|m| &m.to).filter_map(|a| a.person.as_ref()).map(ToString::to_string).collect()
    }
}

#[async_trait::async_trait]
impl Notify for Told {
    async fn tell(&self, message: &Message) -> Handed {
        if self.fails.load(std::sync::atomic::Ordering::SeqCst) {
            let failed = Failed { channel: "mail".to_owned(), why: "it cannot be reached".to_owned(), may_pass: true };
            let inbox = self.half.load(std::sync::atomic::Ordering::SeqCst) && !message.settled.contains("inbox");
            return Handed { over: inbox.then(|| "inbox".to_owned()).into_iter().collect(), failed: vec![failed] };
        }
        self.letters.lock().expect("no panic holds it").push(message.clone());
        Handed { over: vec!["mail".to_owned()], failed: Vec::new() }
    }
}

pub fn secret() -> Secret {
    Secret::new(quell_lab::secret::Secret::generate().expect("chance").reveal())
}

/// Where an engine finds its data and its plane; another process can open it, too.
pub struct Place {
    pub dir: PathBuf,
    pub config: PostgresConfig,
    pub sink: PathBuf,
}

/// Opens an engine over a place; `wrap` may stand between it and its ports.
pub async fn open(place: &Place, wrap: impl FnOnce(Ports) -> Ports) -> Arc<Engine> {
    let connector = PostgreSql::new(place.config.clone(), Arc::new(SystemClock::new())).expect("a connector");
    let planes = vec![Arc::new(connector) as Arc<dyn Connector>];
    let sinks = vec![Arc::new(FileSink::new("billing-file", &place.sink)) as Arc<dyn Sink>];
    open_with(&place.dir, planes, sinks, wrap).await
}

/// Opens an engine over a folder, with these planes and sinks.
pub async fn open_with(
    dir: &Path,
    planes: Vec<Arc<dyn Connector>>,
    sinks: Vec<Arc<dyn Sink>>,
    wrap: impl FnOnce(Ports) -> Ports,
) -> Arc<Engine> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let chance: Arc<dyn Chance> = Arc::new(OsChance);
    let (data, key_file) = (dir.join("data"), dir.join("key"));
    let store = SqliteStore::open(&data, OpenMode::Create).expect("a store");
    let keyring = Arc::new(FileKeyring::open(&data, &key_file, chance.clone()).expect("a keyring"));
    let signer = Arc::new(LogSigner::open(&data, "quell.test/log", &*keyring, &OsChance).expect("a signer"));
    let key: FingerprintKey = KeyFile::read(&key_file).expect("the key file").fingerprint_key();
    let ports = Ports {
        store: Arc::new(store),
        policy: Arc::new(quell_policy::CedarPolicy::shipped()),
        connectors: Connectors::new(planes, sinks),
        detectors: Arc::new(quell_detectors::Builtin),
        notify: Arc::new(Told::default()),
        keyring,
        signer,
        clock: clock.clone(),
        chance,
    };
    let limits = Limits { watch_every_seconds: 1, ..Limits::default() };
    Engine::start(wrap(ports), Settings { key, limits, last_resort: vec![] }).await.expect("the engine starts")
}

/// Somebody with an account.
pub async fn person(engine: &Arc<Engine>, name: &str, roles: &[Role]) -> Caller {
    let id = PersonId::from_chance(engine.ports.chance.id());
    let salter = Salter::new(engine.ports.chance.seed());
    let email = format!("{name}@corp.example");
    let key = |what: &str, text: &str| engine.settings.key.opaque(what, &[text]);
    let created = PersonCreated {
        person: id.clone(),
        name: salter.commit(name),
        email: Some(salter.commit(email.clone())),
        roles: roles.to_vec(),
        human: true,
        name_key: key("name", name),
        email_key: Some(key("email", &email)),
        password: None,
    };
    engine.on_person(&By::Automation, &id, created).await.expect("an account");
    Caller { id, roles: roles.to_vec(), signed_in: true, human: true, scopes: vec![] }
}

/// Takes these objects into the inventory.
pub async fn import(engine: &Arc<Engine>, admin: &Caller, objects: impl IntoIterator<Item = Value>) {
    let print = |secret: &Secret| Some(engine.settings.key.fingerprint(secret).0);
    let read: Vec<(u64, Object)> = objects
        .into_iter()
        .enumerate()
        .map(|(n, o)| (n as u64, inventory::read_object(n as u64, o, &print).0.expect("a good object")))
        .collect();
    let change = engine.import(admin, "test", read, false, false, "00").await.expect("imported");
    assert_eq!(change.errors, vec![]);
}

/// Lets Quell do on a plane everything that it can.
pub async fn arm(engine: &Arc<Engine>, admin: &Caller, plane: &str) {
    let connector = engine.ports.connectors.get(plane).expect("it is connected");
    let actions = connector.manifest().actions.iter().map(|a| a.action).collect();
    let until = after(engine.ports.clock.now(), 3600);
    engine.arm(admin, plane, actions, until).await.expect("armed");
}

/// The scanner that finds the leaks.
pub fn scanner() -> SourceCreated {
    SourceCreated {
        source: SourceId::new("src-gitleaks"),
        name: "gitleaks-ci".to_owned(),
        detector: "gitleaks".to_owned(),
        token: TokenId::new("tok-1"),
        hash: "00".to_owned(),
        hmac_key: None,
        systems: vec!["*".to_owned()],
        tier_max: Tier::Contain,
        expires_at: None,
    }
}

/// What it reports when it finds `secret` in a commit.
pub fn report(commit: &str, secret: &str) -> String {
    json!([{ "RuleID": "generic-api-key", "Description": "password", "File": "config/prod.env", "StartLine": 3, "Commit": commit,
        "Secret": secret, "Match": format!("PASSWORD={secret}"), "Author": "Dev", "Email": "dev@corp.example", "Date": "2026-11-20T10:00:00Z" }])
    .to_string()
}

/// Works a case until `done`, at most two minutes.
pub async fn work_until(engine: &Arc<Engine>, case: &CaseId, done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2_400 {
        engine.work(case, engine.ports.clock.now()).await.expect("the case goes on");
        let view = view(engine, case).await;
        if done(&view) {
            return view;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the case did not get there: {:#}", view(engine, case).await);
}

/// Hands over every notice that is due at `now`, side by side.
pub async fn tell_at(engine: &Arc<Engine>, now: Timestamp) {
    let due = engine.ports.store.due(now, 1_000).await.expect("jobs");
    let notices = due.iter().filter(|job| job.key.starts_with("tell/")).map(|job| engine.do_job(job));
    for done in futures::future::join_all(notices).await {
        done.expect("it is handed over, or not");
    }
}

/// A case as people see it.
pub async fn view(engine: &Arc<Engine>, case: &CaseId) -> Value {
    let ground = engine.ground(case).await.expect("loaded").expect("a case");
    quell_core::view::case(&ground.situation(), engine.ports.clock.now())
}

impl Installation {
    /// `critical` and with a declared failover, or a plain production service.
    pub async fn start(critical: bool) -> Self {
        let server = Postgres::start(Options::default()).await.expect("a real PostgreSQL is installed");
        let estate = Estate::billing(&server).await.expect("the estate is made");
        let reach = Reach::Tls {
            host: "localhost".to_owned(),
            port: server.port(),
            address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            ca_pem: server.ca_pem().to_owned(),
        };
        let mut config = PostgresConfig::new("pg-main", reach, "billing", secret(), secret());
        config.settle_ms = 100;
        let admin = server.connect_unix_superuser("billing").await.expect("the lab is let in");
        admin
            .batch_execute(&bootstrap_sql(&config, &["billing_app".to_owned()]).expect("names are good"))
            .await
            .expect("the bootstrap runs");

        let dir = tempfile::tempdir().expect("a folder");
        let sink = dir.path().join("billing-credential.json");
        let key_file = dir.path().join("key");
        KeyFile::create(&key_file, &OsChance).expect("a key file");
        let told = Arc::new(Told::default());
        let engine = open(&Place { dir: dir.path().to_owned(), config: config.clone(), sink: sink.clone() }, |ports| Ports {
            notify: told.clone(),
            ..ports
        })
        .await;
        let mut installation = Self {
            engine,
            server,
            estate,
            sink,
            source: scanner(),
            admin: Caller { id: PersonId::new("u-none"), roles: vec![], signed_in: true, human: true, scopes: vec![] },
            told,
            config,
            dir,
        };
        installation.admin = installation.person("ada", &[Role::Admin, Role::PlatformOwner, Role::ResponseOwner]).await;
        installation.engine.create_source(&By::Automation, installation.source.clone()).await.expect("a source");
        installation.import(critical).await;
        installation
    }

    pub async fn person(&self, name: &str, roles: &[Role]) -> Caller {
        person(&self.engine, name, roles).await
    }

    /// Another sender, with a credential of its own.
    pub async fn source_of(&self, name: &str, detector: &str) -> SourceCreated {
        let source = SourceCreated {
            source: SourceId::new(format!("src-{name}")),
            name: name.to_owned(),
            detector: detector.to_owned(),
            hash: name.to_owned(),
            ..self.source.clone()
        };
        self.engine.create_source(&By::Automation, source.clone()).await.expect("a source");
        source
    }

    async fn import(&self, critical: bool) {
        let mut identity = json!({ "type": "identity", "id": "pg-main/billing_app", "kind": "service_account", "name": "Billing", "environment": "production", "shared": false, "criticality": "normal" });
        if critical {
            identity["criticality"] = json!("critical");
            identity["rotation"] = json!({ "method": "failover", "sink": "billing-file" });
        }
        let objects = [
            json!({ "type": "system", "id": "pg-main", "kind": "postgresql", "environment": "production", "criticality": "normal", "process": "payments" }),
            identity,
            json!({ "type": "owner", "of": "pg-main/*", "role": "business", "person": "bea@corp.example", "confirmed_at": "2026-10-01" }),
            json!({ "type": "dependency", "consumer": "billing-job", "on": "pg-main/billing_app", "criticality": "critical" }),
        ];
        import(&self.engine, &self.admin, objects).await;
    }

    pub async fn arm(&self) {
        arm(&self.engine, &self.admin, "pg-main").await;
    }

    /// A gitleaks report with the leaked password, received and filed.
    pub async fn leak(&self, commit: &str) -> (AlertId, CaseId) {
        let report = report(commit, self.estate.app.password.reveal());
        let alert = self.engine.receive(&self.source, report.as_bytes()).await.expect("received");
        let filed = self.engine.file(&alert).await.expect("filed");
        (alert, filed.cases.first().cloned().expect("a case"))
    }

    /// Files a report of a value that no plane knows.
    pub async fn leak_of(&self, secret: &str) -> (AlertId, CaseId) {
        let alert = self.engine.receive(&self.source, report("c1", secret).as_bytes()).await.expect("received");
        let filed = self.engine.file(&alert).await.expect("filed");
        (alert, filed.cases.first().cloned().expect("a case"))
    }

    /// Works a case until `done`, at most two minutes.
    pub async fn work_until(&self, case: &CaseId, done: impl Fn(&Value) -> bool) -> Value {
        work_until(&self.engine, case, done).await
    }

    /// Lets go of the store, so that another process can open it.
    pub fn closed(self) -> Closed {
        let Self { engine, server, estate, sink, config, dir, .. } = self;
        drop(engine);
        Closed { server, estate, sink, config, dir }
    }

    pub async fn view(&self, case: &CaseId) -> Value {
        view(&self.engine, case).await
    }
}
