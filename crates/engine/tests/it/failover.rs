//! A controlled failover into a KV store, with the process killed at every moment of
//! every step: one real PostgreSQL whose passwords leak, one real OpenBao where their
//! consumers read them.
//!
//! Each row is one case over a login and a secret of its own, on the same two servers.
//! A child works the case and dies at the first moment of the row's phases that it did
//! not die at before; another child goes on from what stands in the store, and dies at
//! the next one; until one comes to the end.

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use quell_connectors::{
    openbao::{KvSink, Login, OpenBao, OpenBaoConfig},
    postgresql::{PostgreSql, PostgresConfig, Reach as PgReach, bootstrap_sql},
};
use quell_core::{decision::Role, event::By, id::CaseId, secret::Secret};
use quell_engine::{
    Engine, Ports,
    port::{Connector, Sink},
};
use quell_lab::{
    estate::Estate,
    openbao::OpenBao as Bao,
    postgres::{Options, Postgres},
};
use quell_store::{KeyFile, OsChance, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    dying::{self, Death},
    installation::{arm, import, open_with, person, report, scanner, secret, view, work_until},
    vault::{bao_config, bootstrap},
};

const SINK: &str = "the consumer's secret";

/// The moments at which one case is interrupted, each at every step that has it.
const ROWS: [(&str, &[&str]); 8] = [
    ("before the intent", &["before-intent"]),
    ("after the intent", &["after-intent"]),
    ("after the act", &["after-act"]),
    ("after the act, and once more while what became of it is read", &["after-act", "after-reading"]),
    ("after the new credential was delivered", &["after-delivery", "after-reading"]),
    ("after the outcome", &["after-outcome"]),
    ("around each proof", &["before-proof", "after-proof"]),
    ("around the end of each step, and of the plan", &["before-end", "after-end"]),
];

/// Two real servers, with a login and a secret for each row.
struct Servers {
    postgres: Postgres,
    vault: Bao,
    pg: PostgresConfig,
    bao: OpenBaoConfig,
}

/// Both planes, and where new credentials go.
type Planes = (Vec<Arc<dyn Connector>>, Vec<Arc<dyn Sink>>);

/// What an engine needs to know of them, and what a child is told.
fn planes(pg: PostgresConfig, bao: OpenBaoConfig, place: &str) -> Planes {
    let database = PostgreSql::new(pg, Arc::new(SystemClock::new())).expect("a connector");
    let vault = Arc::new(OpenBao::new(bao, Arc::new(SystemClock::new())).expect("a connector"));
    let sink = KvSink::new(SINK, vault.clone(), place).expect("a path");
    (vec![Arc::new(database), vault], vec![Arc::new(sink)])
}

fn pg_config(port: u16, ca_pem: String, own: Secret, control: Secret) -> PostgresConfig {
    let reach = PgReach::Tls { host: "localhost".to_owned(), port, address: Some(std::net::Ipv4Addr::LOCALHOST.into()), ca_pem };
    let mut config = PostgresConfig::new("pg-main", reach, "billing", own, control);
    config.settle_ms = 100;
    config
}

impl Servers {
    async fn start(rows: usize) -> Self {
        let (postgres, vault) =
            tokio::try_join!(Postgres::start(Options::default()), Bao::start(quell_lab::openbao::Options::default())).expect("installed");
        Estate::billing(&postgres).await.expect("the estate is made");
        let pg = pg_config(postgres.port(), postgres.ca_pem().to_owned(), secret(), secret());
        let bao = bao_config(vault.port(), vault.ca().pem().to_owned(), secret(), secret());
        let logins: Vec<String> = (0..rows).map(login).collect();
        let admin = postgres.connect_unix_superuser("billing").await.expect("the lab is let in");
        for login in &logins {
            admin.batch_execute(&format!("CREATE ROLE {login} LOGIN IN ROLE app_rw")).await.expect("a login");
        }
        admin.batch_execute(&bootstrap_sql(&pg, &logins).expect("names are good")).await.expect("the bootstrap runs");
        let servers = Self { postgres, vault, pg, bao };
        servers.open_the_vault(&logins).await;
        servers
    }

    /// What a company and Quell's bootstrap would have made in the vault.
    async fn open_the_vault(&self, logins: &[String]) {
        for (path, body) in
            [("sys/auth/approle", json!({"type": "approle"})), ("sys/mounts/secret", json!({"type": "kv", "options": {"version": "2"}}))]
        {
            self.vault.write_to(path, body).await.expect("root may");
        }
        let scope: Vec<String> = logins.iter().map(|l| format!("kv:secret/{l}")).collect();
        bootstrap(&self.vault, &self.bao, &scope).await;
    }

    /// What stands at a consumer's secret now, or stood there in an older version.
    async fn read(&self, login: &str, version: Option<u64>) -> Option<(String, String)> {
        let path = format!("secret/data/{login}{}", version.map_or_else(String::new, |v| format!("?version={v}")));
        let (status, answer) = self.vault.call(Method::GET, &path, Some(self.vault.root().reveal()), None).await.ok()?;
        let data = answer["data"]["data"].as_object().filter(|_| status == 200)?;
        Some((data["username"].as_str()?.to_owned(), data["password"].as_str()?.to_owned()))
    }

    async fn logs_in(&self, (user, password): &(String, String)) -> Option<tokio_postgres::Client> {
        self.postgres.connect(user, password, "billing").await.ok()
    }
}

fn login(row: usize) -> String {
    format!("billing_{row}")
}

/// The rightful consumer: it follows its secret, and works.
struct Consumer {
    client: Mutex<Option<(String, Arc<tokio_postgres::Client>)>>,
}

impl Consumer {
    async fn run(&self, servers: &Servers, login: &str) {
        loop {
            let now = servers.read(login, None).await;
            let with = self.client.lock().expect("no panic holds it").as_ref().map(|(user, _)| user.clone());
            if let Some(now) = now.filter(|(user, _)| Some(user) != with.as_ref())
                && let Some(client) = servers.logs_in(&now).await
            {
                *self.client.lock().expect("no panic holds it") = Some((now.0, Arc::new(client)));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Does its work; answers as whom.
    async fn works(&self) -> String {
        let (user, client) = self.client.lock().expect("no panic holds it").clone().expect("it is logged in");
        client.simple_query("INSERT INTO payments (amount, note) VALUES (1, 'consumer')").await.expect("the consumer works on");
        user
    }
}

/// One case whose plan was approved, and nothing of it done.
struct Story<'a> {
    servers: &'a Servers,
    login: String,
    leaked: (String, String),
    dir: tempfile::TempDir,
    case: CaseId,
}

impl<'a> Story<'a> {
    async fn begin(servers: &'a Servers, row: usize) -> Self {
        let login = login(row);
        let password = quell_lab::secret::Secret::generate().expect("chance");
        let admin = servers.postgres.connect_unix_superuser("billing").await.expect("the lab is let in");
        admin.batch_execute(&format!("ALTER ROLE {login} PASSWORD '{}'", password.verifier())).await.expect("a password");
        for written in ["an older one", password.reveal()] {
            let body = json!({"data": {"username": login, "password": written}});
            servers.vault.write_to(&format!("secret/data/{login}"), body).await.expect("root may");
        }
        let dir = tempfile::tempdir().expect("a folder");
        KeyFile::create(&dir.path().join("key"), &OsChance).expect("a key file");
        let leaked = (login.clone(), password.reveal().to_owned());
        let mut story = Self { servers, login, leaked, dir, case: CaseId::new("none") };
        let engine = story.open(|ports| ports).await;
        story.case = story.report_and_approve(&engine).await;
        story
    }

    async fn open(&self, wrap: impl FnOnce(Ports) -> Ports) -> Arc<Engine> {
        let (connectors, sinks) = planes(self.servers.pg.clone(), self.servers.bao.clone(), &format!("secret/{}", self.login));
        open_with(self.dir.path(), connectors, sinks, wrap).await
    }

    /// The scanner finds the password; owner and security say yes to moving the consumer.
    async fn report_and_approve(&self, engine: &Arc<Engine>) -> CaseId {
        let admin = person(engine, "ada", &[Role::Admin, Role::PlatformOwner, Role::ResponseOwner]).await;
        let owner = person(engine, "bea", &[Role::BusinessOwner]).await;
        let secops = person(engine, "lea", &[Role::Lead, Role::Secops]).await;
        engine.create_source(&By::Automation, scanner()).await.expect("a source");
        let identity = format!("pg-main/{}", self.login);
        let objects = [
            json!({ "type": "system", "id": "pg-main", "kind": "postgresql", "environment": "production", "criticality": "normal" }),
            json!({ "type": "system", "id": "bao-main", "kind": "openbao", "environment": "production", "criticality": "normal" }),
            json!({ "type": "identity", "id": identity, "kind": "service_account", "environment": "production", "shared": false,
                "criticality": "critical", "rotation": { "method": "failover", "sink": SINK } }),
            json!({ "type": "credential", "id": format!("{identity}#password"), "identity": identity, "kind": "password", "secret": self.leaked.1 }),
            json!({ "type": "owner", "of": "pg-main/*", "role": "business", "person": "bea@corp.example", "confirmed_at": "2026-10-01" }),
            json!({ "type": "dependency", "consumer": "billing-job", "on": identity, "criticality": "critical" }),
        ];
        import(engine, &admin, objects).await;
        for plane in ["pg-main", "bao-main"] {
            arm(engine, &admin, plane).await;
        }
        let alert = engine.receive(&scanner(), report("c1", &self.leaked.1).as_bytes()).await.expect("received");
        let case = engine.file(&alert).await.expect("filed").cases.first().cloned().expect("a case");
        let waiting = work_until(engine, &case, |v| v["plans"][0]["state"] == "waiting").await;
        let digest = waiting["plans"][0]["digest"].as_str().expect("a digest").to_owned();
        for (who, role) in [(&owner, Role::BusinessOwner), (&secops, Role::Secops)] {
            engine.approve(who, &case, &digest, Some(role), None).await.expect("a yes");
        }
        case
    }

    /// Goes on in a child that dies at other moments than those; answers at which, or at
    /// none where it came to the end.
    async fn dies(&self, phases: &[&str], but: &[String]) -> Vec<String> {
        let (order, note) = (self.dir.path().join("order.json"), self.dir.path().join("died"));
        let _ = std::fs::remove_file(&note);
        let mut text = dying::dying(phases, but, &note);
        for (name, value) in self.told() {
            text[name] = value;
        }
        std::fs::write(&order, text.to_string()).expect("written");
        let child = tokio::task::spawn_blocking(move || dying::child("failover::child", &order)).await.expect("no panic");
        match (child.status.signal(), std::fs::read_to_string(&note)) {
            (Some(9), Ok(moments)) => moments.lines().map(str::to_owned).collect(),
            _ if child.status.success() => Vec::new(),
            _ => panic!("a child ended with {:?} after {but:?}: {}", child.status, String::from_utf8_lossy(&child.stderr)),
        }
    }

    /// Goes on in children until one comes to the end; answers when the others died.
    async fn die_at(&self, phases: &[&str]) -> Vec<String> {
        let mut moments: Vec<String> = Vec::new();
        loop {
            let met = self.dies(phases, &moments).await;
            if met.is_empty() {
                return moments;
            }
            moments.extend(met);
            assert!(moments.len() < 60, "it dies without an end: {moments:?}");
        }
    }

    fn told(&self) -> Vec<(&'static str, Value)> {
        let Login::AppRole { secret_id, .. } = &self.servers.bao.login else { panic!("it logs in by AppRole") };
        vec![
            ("dir", json!(self.dir.path())),
            ("case", json!(self.case)),
            ("login", json!(self.login)),
            (
                "pg",
                json!({ "port": self.servers.postgres.port(), "ca": self.servers.postgres.ca_pem(), "own": self.servers.pg.secret.expose(), "control": self.servers.pg.control.secret.expose() }),
            ),
            (
                "bao",
                json!({ "port": self.servers.vault.port(), "ca": self.servers.vault.ca().pem(), "own": secret_id.expose(), "control": self.servers.bao.control.secret_id.expose() }),
            ),
        ]
    }

    /// Everything that must be so once the case is proven, asked of the servers themselves.
    async fn is_whole(&self, name: &str, consumer: &Consumer) {
        let engine = self.open(|ports| ports).await;
        let last = view(&engine, &self.case).await;
        assert_eq!(last["state"], "proven", "{name}: {last:#}");

        // One new credential stands for the consumer, and works.
        let stands = self.servers.read(&self.login, None).await.expect("a version that is read");
        assert!(self.servers.logs_in(&stands).await.is_some(), "{name}: what stands in the store logs in");
        assert_eq!(consumer.works().await, stands.0, "{name}: the consumer follows");
        let admin = self.servers.postgres.connect_unix_superuser("billing").await.expect("the lab is let in");
        let logins: Vec<String> = admin
            .query("SELECT rolname::text FROM pg_roles WHERE starts_with(rolname, $1) AND rolcanlogin", &[&format!("{}_", self.login)])
            .await
            .expect("rows")
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(logins, [stands.0.as_str()], "{name}: exactly one twin, and no orphan");

        // The old one is dead: the password, and every version that held another.
        assert!(self.servers.logs_in(&self.leaked).await.is_none(), "{name}: the leaked password is refused");
        let path = format!("secret/metadata/{}", self.login);
        let kept = self.servers.vault.admin(Method::GET, &path, None).await.expect("metadata");
        let current = kept["data"]["current_version"].as_u64().expect("a version");
        for version in 1..current {
            assert_eq!(kept["data"]["versions"][version.to_string()]["destroyed"], true, "{name}: version {version} of {current}: {kept}");
            assert!(self.servers.read(&self.login, Some(version)).await.is_none(), "{name}: version {version} is read by nobody");
        }
        let dead = |id: &str| last["credentials"].as_array().into_iter().flatten().any(|c| c["id"] == id && c["state"] == "DEAD");
        assert!(dead(&format!("pg-main/{}#password", self.login)), "{name}: {last:#}");
        assert!(dead(&format!("bao-main/kv:secret/{}#version:2", self.login)), "{name}: {last:#}");

        // No intent is left behind, and nothing that took was done again.
        let ground = engine.ground(&self.case).await.expect("loaded").expect("a case");
        for attempt in ground.targets.values().flat_map(|t| &t.attempts) {
            assert!(attempt.outcome.is_some(), "{name}: an intent without an outcome");
        }
        for target in ground.targets.values() {
            let done: Vec<_> = target.attempts.iter().filter(|a| a.outcome.as_deref() == Some("done")).map(|a| a.cleared.step).collect();
            let once: BTreeSet<_> = done.iter().collect();
            assert_eq!(once.len(), done.len(), "{name}: a step was carried out twice on one target: {done:?}");
        }
    }
}

/// Not a test of its own: the process that dies. Without its order it is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(order) = dying::order() else { return };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let of = |plane: &str| {
        let told = &order[plane];
        let port = u16::try_from(told["port"].as_u64().expect("a port")).expect("a port");
        (port, text(&told["ca"]), Secret::new(text(&told["own"])), Secret::new(text(&told["control"])))
    };
    let ((port, ca, own, control), (bao_port, bao_ca, bao_own, bao_control)) = (of("pg"), of("bao"));
    let (pg, bao) = (pg_config(port, ca, own, control), bao_config(bao_port, bao_ca, bao_own, bao_control));
    let (connectors, sinks) = planes(pg, bao, &format!("secret/{}", text(&order["login"])));
    let death = Death::of(&order);
    let engine = open_with(Path::new(&text(&order["dir"])), connectors, sinks, |ports| death.wrap(ports, &[SINK])).await;
    let case = CaseId::new(text(&order["case"]));
    work_until(&engine, &case, |v| v["state"] == "proven").await;
}

async fn interrupted(servers: &Servers, row: usize, name: &str, phases: &[&str]) {
    let story = Story::begin(servers, row).await;
    let intruder = servers.logs_in(&story.leaked).await.expect("the leaked password works");
    let consumer = Consumer { client: Mutex::new(None) };
    let moments = tokio::select! {
        moments = story.die_at(phases) => moments,
        () = consumer.run(servers, &story.login) => unreachable!("it follows as long as it is let"),
    };
    assert!(intruder.simple_query("SELECT 1").await.is_err(), "{name}: the intruder's session is over");
    story.is_whole(name, &consumer).await;

    // It died at every step of the plan that has such a moment.
    let of = |phase: &str| moments.iter().filter_map(|m| m.strip_prefix(phase)?.strip_prefix(' ')).collect::<BTreeSet<_>>();
    let steps: BTreeSet<&str> = BTreeSet::from(["step 1", "step 2", "step 3", "step 4", "step 5", "step 6"]);
    for phase in phases {
        let met = of(phase);
        match *phase {
            "after-delivery" => assert_eq!(met, BTreeSet::from([SINK]), "{name}: {moments:?}"),
            "after-reading" => assert!(met.contains("reissue_credential"), "{name}: {moments:?}"),
            "before-proof" | "after-proof" => assert!(met.len() >= 5, "{name}: {moments:?}"),
            // The two old versions are cut side by side: where it dies after one, the other may
            // have come as far in the same moment, and is not met again.
            "after-act" | "after-outcome" | "after-end" => assert!(steps.difference(&met).count() <= 1, "{name}: {moments:?}"),
            _ => assert!(met.is_superset(&steps), "{name}: {moments:?}"),
        }
    }
    println!("{name}: died {} times", moments.len());
}

/// The new login is made, the process dies, and the store is sealed: nobody can go on,
/// so the case says what is still alive. Once it is unsealed, it goes on.
async fn says_what_lives(servers: &Servers, row: usize) {
    let story = Story::begin(servers, row).await;
    assert_eq!(story.dies(&["after-act"], &[]).await, ["after-act step 1"]);
    servers.vault.seal().await.expect("sealed");
    let engine = story.open(|ports| ports).await;
    let stuck = |v: &Value| v["plans"][0]["steps"][0]["state"] == "unknown";
    let last = work_until(&engine, &story.case, stuck).await;
    let old = format!("pg-main/{}#password", story.login);
    let password = last["credentials"].as_array().into_iter().flatten().find(|c| c["id"] == old.as_str());
    assert_eq!(password.map(|c| &c["state"]), Some(&json!("LIVE")), "{last:#}");
    assert!(last["headline"].as_str().is_some_and(|h| h.contains("STILL USABLE")), "{last:#}");
    assert!(servers.logs_in(&story.leaked).await.is_some(), "and so it is: the consumer has no other yet");

    servers.vault.unseal().await.expect("unsealed");
    let consumer = Consumer { client: Mutex::new(None) };
    tokio::select! {
        _ = work_until(&engine, &story.case, |v| v["state"] == "proven") => {}
        () = consumer.run(servers, &story.login) => unreachable!("it follows as long as it is let"),
    }
    drop(engine);
    story.is_whole("the store was sealed", &consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_into_a_kv_store_that_is_killed_at_any_moment_of_any_step_ends_whole() {
    let servers = Servers::start(ROWS.len() + 1).await;
    let rows = ROWS.iter().enumerate().map(|(row, (name, phases))| interrupted(&servers, row, name, phases));
    futures::stream::iter(rows).buffer_unordered(3).collect::<Vec<()>>().await;
    says_what_lives(&servers, ROWS.len()).await;
}
