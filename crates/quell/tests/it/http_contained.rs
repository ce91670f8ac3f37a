//! A leaked password, over HTTP alone, on a real PostgreSQL: cut and proved,
//! or asked about, approved by another person, taken back, exported.

use quell_connectors::postgresql::{PostgresConfig, Reach, bootstrap_sql};
use quell_core::secret::Secret;
use quell_lab::{
    estate::Estate,
    postgres::{Options, Postgres},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::Server;

/// A plane under a server.
pub struct Plane {
    pub server: Server,
    pub postgres: Postgres,
    pub estate: Estate,
    pub admin: String,
    /// A source's token that may wait.
    pub sender: String,
}

impl Plane {
    pub async fn start(criticality: &str) -> Self {
        Self::start_beside(criticality, "").await
    }

    /// With more of a configuration before its own.
    pub async fn start_beside(criticality: &str, beside: &str) -> Self {
        let postgres = Postgres::start(Options::default()).await.expect("a real PostgreSQL is installed");
        let estate = Estate::billing(&postgres).await.expect("the estate is made");
        let secret = || Secret::new(quell_lab::secret::Secret::generate().expect("chance").reveal());
        let (own, control) = (secret(), secret());
        let reach = Reach::Tls {
            host: "localhost".to_owned(),
            port: postgres.port(),
            address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            ca_pem: postgres.ca_pem().to_owned(),
        };
        let config = PostgresConfig::new("pg-main", reach, "billing", own.clone(), control.clone());
        let superuser = postgres.connect_unix_superuser("billing").await.expect("the lab is let in");
        superuser
            .batch_execute(&bootstrap_sql(&config, &["billing_app".to_owned()]).expect("names are good"))
            .await
            .expect("the bootstrap runs");
        // Beside the instance: its folder goes with it.
        let files = postgres.dir().join("for-quell");
        std::fs::create_dir(&files).expect("a folder");
        let file = |name: &str, secret: &Secret| {
            use std::os::unix::fs::PermissionsExt;
            let path = files.join(name);
            std::fs::write(&path, secret.expose()).expect("a secret file");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
            path
        };
        let toml = format!(
            "{beside}[automation]\nwatch_every = \"1s\"\n[[connector]]\nname = \"pg-main\"\nkind = \"postgresql\"\nurl = \"postgresql://localhost:{}/billing?hostaddr=127.0.0.1\"\nca_file = \"{}\"\nusername = \"quell\"\nsecret_file = \"{}\"\nsettle = \"100ms\"\n[connector.control]\nidentity = \"quell_control\"\nsecret_file = \"{}\"\n",
            postgres.port(),
            postgres.ca_pem_path().display(),
            file("own", &own).display(),
            file("control", &control).display(),
        );
        let server = Server::start_with(&toml);
        let admin = server.set_up().await;
        server.source(&admin, "ci", "gitleaks").await;
        let made =
            server.post("/tokens", &admin, json!({ "name": "waiter", "source": "ci", "scopes": ["alerts:write", "cases:read"] })).await;
        let sender = made["token"].as_str().expect("a token").to_owned();
        let inventory = format!(
            "systems:\n  - {{id: pg-main, kind: postgresql, environment: production, criticality: normal, process: payments}}\nidentities:\n  - {{id: pg-main/billing_app, kind: service_account, name: Billing, environment: production, shared: false, criticality: {criticality}}}\nowners:\n  - {{of: 'pg-main/*', role: business, person: bea@corp.example, confirmed_at: '2026-10-01'}}\n"
        );
        let (status, change) = server.send("/inventory?source=test", Some(&admin), &[], inventory.into_bytes()).await;
        assert_eq!((status, &change["added"], &change["errors"]), (StatusCode::OK, &json!(3), &json!([])), "{change}");
        Self { server, postgres, estate, admin, sender }
    }

    pub async fn arm(&self) {
        let planes = self.server.get("/connectors", &self.admin).await;
        let actions: Vec<&Value> = planes[0]["actions"].as_array().expect("actions").iter().map(|a| &a["action"]).collect();
        let armed = self.server.post("/connectors/pg-main/arm", &self.admin, json!({ "actions": actions, "until": "1h" })).await;
        assert!(armed["armed_until"].is_string(), "{armed}");
    }

    pub fn report(&self) -> Vec<u8> {
        let password = self.estate.app.password.reveal();
        json!([{ "RuleID": "generic-api-key", "Description": "password", "File": "config/prod.env", "StartLine": 3, "Commit": "c1",
            "Secret": password, "Match": format!("PASSWORD={password}"), "Author": "Dev", "Email": "dev@corp.example", "Date": "2026-11-20T10:00:00Z" }])
        .to_string()
        .into_bytes()
    }

    pub async fn leak(&self) -> (StatusCode, Value) {
        self.server.send("/alerts/ci", Some(&self.sender), &[("Prefer", "wait=60")], self.report()).await
    }
}

#[tokio::test]
async fn an_armed_plane_is_proved_dead_within_the_one_request() {
    let plane = Plane::start("normal").await;
    let checked = plane.server.get("/connectors/check", &plane.admin).await;
    assert_eq!(
        (&checked[0]["reachable"], &checked[0]["control_alive"], &checked[0]["privileges"]["missing"]),
        (&json!(true), &json!(true), &json!([])),
        "{checked}"
    );
    plane.arm().await;
    let (status, answer) = plane.leak().await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let case = &answer["cases"][0];
    assert_eq!(case["credentials"][0]["state"], "DEAD", "{case:#}");
    assert!(plane.postgres.connect("billing_app", plane.estate.app.password.reveal(), "billing").await.is_err(), "the plane agrees");

    let planes = plane.server.get("/connectors", &plane.admin).await;
    let proven = planes[0]["actions"].as_array().expect("actions").iter().filter(|a| a["last_proven_at"].is_string()).count();
    assert!(proven > 0, "{planes}");
    let id = case["id"].as_str().expect("an id");
    let why = plane.server.get(&format!("/cases/{id}/why"), &plane.admin).await;
    assert!(why["done"].as_array().is_some_and(|d| !d.is_empty()) && why["headline"].is_string(), "{why:#}");
    let events = plane.server.get(&format!("/cases/{id}/events"), &plane.admin).await;
    let types: Vec<&str> = events["events"].as_array().expect("events").iter().filter_map(|e| e["type"].as_str()).collect();
    for wanted in ["alert_received", "case_opened", "plan_drafted", "attempt_intended", "attempt_ended", "target_probed"] {
        assert!(types.contains(&wanted), "{wanted} in {types:?}");
    }
    let auditor = plane.server.person(&plane.admin, "aud", &["auditor"]).await;
    let (status, _) = plane.server.send(&format!("/cases/{id}/evidence"), Some(&auditor), &[], vec![]).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn an_observing_plane_asks_and_a_critical_one_waits_for_its_owner() {
    let plane = Plane::start("critical").await;
    let server = &plane.server;
    let lead = server.person(&plane.admin, "lea", &["lead", "secops"]).await;
    let owner = server.person(&plane.admin, "bea", &["business_owner"]).await;
    let (status, answer) = plane.leak().await;
    assert_eq!(status, StatusCode::OK, "it waits for a person: {answer}");
    let id = answer["cases"][0]["id"].as_str().expect("an id").to_owned();
    let plan = answer["cases"][0]["plans"][0].clone();
    let digest = plan["digest"].as_str().expect("a digest");
    let at = |verb: &str| format!("/cases/{id}/{verb}");

    let dry = server.post(&at("run"), &lead, json!({ "digest": digest, "dry_run": true })).await;
    assert_eq!(dry["dry_run"]["would_run"], false, "{dry}");
    server.refused(&at("run"), &lead, json!({ "digest": digest }), StatusCode::CONFLICT).await;
    server.refused(&at("approve"), &owner, json!({ "digest": "00" }), StatusCode::CONFLICT).await;
    let inbox = server.get("/inbox", &owner).await;
    assert_eq!(inbox["cases"][0]["id"], id.as_str(), "{inbox}");
    let approved = server.post(&at("approve"), &owner, json!({ "digest": digest, "comment": "go" })).await;
    assert_eq!(approved["plans"][0]["approvals"].as_array().map(Vec::len), Some(1), "{approved}");
    server.refused(&at("approve"), &owner, json!({ "digest": digest }), StatusCode::CONFLICT).await;
    assert!(plane.postgres.connect("billing_app", plane.estate.app.password.reveal(), "billing").await.is_ok(), "nothing is cut yet");

    plane.arm().await;
    let case = server.until(&format!("/cases/{id}"), &lead, |c| c["credentials"][0]["state"] == "DEAD").await;
    assert!(case["headline"].as_str().is_some_and(|h| h.contains("PROVED DEAD")), "{}", case["headline"]);
    let why = server.get(&at("why"), &lead).await;
    assert!(why["next"].as_str().is_some_and(|n| n.starts_with("quell ")), "{why}");
}
