//! A real OpenBao under Quell, and one AppRole of it with several secret-ids.

use std::{path::Path, sync::Arc};

use quell_connectors::openbao::{AuditLog, CONTROL_POLICY, Login, OpenBao, OpenBaoConfig, Reach, policy_text};
use quell_core::{
    decision::Role,
    event::By,
    id::{CaseId, TargetId},
    secret::Secret,
};
use quell_engine::{Engine, order::Caller, port::Connector};
use quell_lab::openbao::{AUDIT_DEVICE, Estate, OpenBao as Bao, Options};
use quell_store::{KeyFile, OsChance, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};

use crate::installation::{arm, import, open_with, person, report, scanner, secret, work_until};

pub fn bao_config(port: u16, ca_pem: String, own: Secret, control: Secret) -> OpenBaoConfig {
    let reach = Reach::Tls { host: "localhost".to_owned(), port, address: Some(std::net::Ipv4Addr::LOCALHOST.into()), ca_pem };
    let login = Login::AppRole { role: "quell".to_owned(), secret_id: own };
    let mut config = OpenBaoConfig::new("bao-main", reach, login, control);
    config.settle_ms = 100;
    config
}

/// Quell's policy, its AppRole and the control, as its bootstrap makes them.
pub async fn bootstrap(vault: &Bao, config: &OpenBaoConfig, scope: &[String]) {
    let write = async |path: &str, body: Value| vault.write_to(path, body).await.expect("root may");
    write("sys/policies/acl/quell", json!({ "policy": policy_text(config, scope).expect("good names") })).await;
    write("sys/policies/acl/quell-control", json!({ "policy": CONTROL_POLICY })).await;
    let Login::AppRole { role, secret_id } = &config.login else { panic!("it logs in by AppRole") };
    for (role, policy, secret) in [(role, "quell", secret_id), (&config.control.role, "quell-control", &config.control.secret_id)] {
        let settings = json!({"token_policies": policy, "token_no_default_policy": true, "token_type": "service", "token_ttl": "15m"});
        write(&format!("auth/approle/role/{role}"), settings).await;
        write(&format!("auth/approle/role/{role}/role-id"), json!({ "role_id": role })).await;
        write(&format!("auth/approle/role/{role}/custom-secret-id"), json!({ "secret_id": secret.expose() })).await;
    }
}

/// The AppRole `ci` with three secret-ids, which the inventory knows by one name.
struct Vault {
    server: Bao,
    estate: Estate,
    /// Accessors: the leaked one, and two more.
    ids: [String; 3],
    dir: tempfile::TempDir,
    engine: Arc<Engine>,
    admin: Caller,
}

impl Vault {
    async fn start() -> Self {
        let server = Bao::start(Options::default()).await.expect("a real OpenBao is installed");
        let estate = Estate::make(&server).await.expect("the estate is made");
        let mut ids = [estate.secret_id_accessor.clone(), String::new(), String::new()];
        for id in &mut ids[1..] {
            *id = estate.secret_id(&server, json!({})).await.expect("another one").1;
        }
        estate.login(&server, &estate.secret_id).await.expect("somebody logged in as it");
        let mut config = bao_config(server.port(), server.ca().pem().to_owned(), secret(), secret());
        config.audit = Some(AuditLog { file: server.audit_log(), device: AUDIT_DEVICE.to_owned() });
        bootstrap(&server, &config, &["approle:ci".to_owned()]).await;
        let dir = tempfile::tempdir().expect("a folder");
        KeyFile::create(&dir.path().join("key"), &OsChance).expect("a key file");
        let (engine, admin) = quell(dir.path(), config, estate.secret_id.reveal()).await;
        Self { server, estate, ids, dir, engine, admin }
    }

    async fn leaks(&self) -> CaseId {
        let bytes = report("c1", self.estate.secret_id.reveal());
        let alert = self.engine.receive(&scanner(), bytes.as_bytes()).await.expect("received");
        self.engine.file(&alert).await.expect("filed").cases.first().cloned().expect("a case")
    }

    fn named(&self, n: usize) -> String {
        format!("bao-main/approle:ci#secret_id:{}", self.ids[n])
    }

    /// The secret-ids that the server still holds.
    async fn held(&self) -> Vec<String> {
        let listed = Method::from_bytes(b"LIST").expect("a method");
        let (_, answer) =
            self.server.call(listed, "auth/approle/role/ci/secret-id", Some(self.server.root().reveal()), None).await.expect("an answer");
        answer["data"]["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

async fn quell(dir: &Path, config: OpenBaoConfig, leaked: &str) -> (Arc<Engine>, Caller) {
    let connector = OpenBao::new(config, Arc::new(SystemClock::new())).expect("a connector");
    let engine = open_with(dir, vec![Arc::new(connector) as Arc<dyn Connector>], vec![], |ports| ports).await;
    let admin = person(&engine, "ada", &[Role::Admin, Role::PlatformOwner, Role::ResponseOwner]).await;
    engine.create_source(&By::Automation, scanner()).await.expect("a source");
    let objects = [
        json!({ "type": "system", "id": "bao-main", "kind": "openbao", "environment": "production", "criticality": "normal" }),
        json!({ "type": "identity", "id": "bao-main/approle:ci", "kind": "service_account", "environment": "production", "shared": false, "criticality": "normal" }),
        json!({ "type": "credential", "id": "bao-main/approle:ci#secret_id", "identity": "bao-main/approle:ci", "kind": "secret_id", "secret": leaked }),
    ];
    import(&engine, &admin, objects).await;
    (engine, admin)
}

/// What the steps of a plan revoke, in their order.
fn revoked(plan: &Value) -> Vec<String> {
    let steps = plan["steps"].as_array().into_iter().flatten().filter(|s| s["action"] == "revoke_credential");
    steps.filter_map(|s| s["selector"].as_str()).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_secret_id_is_revoked_by_itself_and_one_that_people_took_out_is_not() {
    let here = Vault::start().await;
    let case = here.leaks().await;
    let view = work_until(&here.engine, &case, |v| v["plans"][0]["state"] == "waiting").await;
    let steps = revoked(&view["plans"][0]);
    assert_eq!(steps.first(), Some(&here.named(0)), "the plane told which of them leaked: {view:#}");
    assert_eq!(steps.len(), 3, "a step for each, and none for all of them: {view:#}");

    // One by one: the second stays.
    let ground = here.engine.ground(&case).await.expect("loaded").expect("a case");
    let of = |n: usize| ground.case.linked.iter().find(|(t, _)| t.reference() == here.named(n)).map(|(t, _)| t.id.clone());
    let spared: TargetId = of(1).expect("it is known");
    let digest = view["plans"][0]["digest"].as_str().expect("a digest");
    here.engine.exclude(&here.admin, &case, digest, vec![spared]).await.expect("taken out");
    arm(&here.engine, &here.admin, "bao-main").await;
    let ended = |v: &Value| v["plans"][0]["state"] == "proved" || v["plans"][0]["state"] == "handed_over";
    let view = work_until(&here.engine, &case, ended).await;
    let state = |n: usize| {
        let all = view["credentials"].as_array().into_iter().flatten();
        all.filter(|c| c["id"] == here.named(n).as_str()).map(|c| c["state"].clone()).next().unwrap_or_default()
    };
    assert_eq!((state(0), state(2)), (json!("DEAD"), json!("DEAD")), "each is proved by itself: {view:#}");
    assert_eq!(here.held().await, [here.ids[1].clone()], "and the one that was taken out is there: {view:#}");
    here.estate.login(&here.server, &here.estate.secret_id).await.expect_err("the leaked one is dead");
    drop(here.dir);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plane_that_was_silent_when_a_case_was_opened_is_looked_at_once_it_answers() {
    let here = Vault::start().await;
    here.server.seal().await.expect("sealed");
    let case = here.leaks().await;
    let view = work_until(&here.engine, &case, |v| v["plans"][0]["state"] == "waiting").await;
    assert_eq!(revoked(&view["plans"][0]), ["bao-main/approle:ci#secret_id"], "nobody could tell more: {view:#}");
    assert!(view["not_looked_at"].to_string().contains("sessions and delegations"), "and that is said: {view:#}");

    here.server.unseal().await.expect("unsealed");
    let again = |v: &Value| v["plans"].as_array().is_some_and(|p| p.len() == 2 && p.iter().any(|p| p["state"] == "waiting"));
    let view = work_until(&here.engine, &case, again).await;
    let plans = view["plans"].as_array().expect("plans");
    let (old, new) = (plans.iter().find(|p| p["state"] == "superseded"), plans.iter().find(|p| p["state"] == "waiting"));
    assert!(old.is_some(), "{view:#}");
    assert_eq!(revoked(new.expect("another plan")).len(), 3, "with what the plane says now: {view:#}");
    arm(&here.engine, &here.admin, "bao-main").await;
    work_until(&here.engine, &case, |v| v["state"] == "proven").await;
    assert_eq!(here.held().await, Vec::<String>::new());
    here.estate.login(&here.server, &here.estate.secret_id).await.expect_err("the leaked one is dead");
}
