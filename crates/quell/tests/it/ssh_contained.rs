//! A leaked deploy key with the intruder's connection open, over HTTP, on a real OpenSSH:
//! bootstrapped by the binary's own script, cut and proved, given back with a new key
//! that the consumer logs in with.

use quell_lab::openssh::{KeyPair, Login, Sshd};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{cli_run::Desk, server::Server};

/// A host under a running server, and the people who decide.
struct Stand {
    sshd: Sshd,
    leaked: KeyPair,
    rightful: KeyPair,
    server: Server,
    admin: String,
    lead: String,
    roles: [(&'static str, String); 2],
    sink: std::path::PathBuf,
    _desk: Desk,
}

impl Stand {
    async fn new() -> Self {
        let sshd = Sshd::start().await.expect("a real sshd is installed");
        let [leaked, rightful, own, control] = ["ci", "ops", "quell", "control"].map(|name| KeyPair::generate(name).expect("made"));
        for one in [&leaked, &rightful] {
            sshd.authorize("deploy", one.public()).expect("written");
        }
        let desk = Desk::new();
        let sink = desk.path("deploy.key");
        let toml = format!(
            "[automation]\nwatch_every = \"1s\"\n[[connector]]\nname = \"ssh-main\"\nkind = \"openssh\"\nurl = \"ssh://localhost:{}?hostaddr=127.0.0.1\"\nhost_key_file = \"{}\"\nsecret_file = \"{}\"\nsettle = \"100ms\"\n[connector.control]\nidentity = \"quell-control\"\nsecret_file = \"{}\"\n[[sink]]\nname = \"deploy-key\"\nkind = \"file\"\npath = \"{}\"\n",
            sshd.port(),
            desk.file("host.pub", sshd.host_key()),
            desk.file("own", own.private()),
            desk.file("control", control.public()),
            sink.display(),
        );
        let config = desk.file("quell.toml", &toml);
        let script = desk.run(&["connector", "bootstrap", "ssh-main", "--scope", "deploy", "--scope", "backup", "--config", &config]);
        sshd.bootstrap(&script.ended(0).out).expect("the bootstrap runs");

        let server = Server::start_with(&toml);
        let admin = server.set_up().await;
        let inventory = "systems:\n  - {id: ssh-main, kind: openssh, environment: production, criticality: normal, process: delivery}\nidentities:\n  - {id: ssh-main/deploy, kind: service_account, name: Deploy, environment: production, shared: false, criticality: normal, rotation: {method: connector, sink: deploy-key}}\nowners:\n  - {of: 'ssh-main/*', role: business, person: bea@corp.example, confirmed_at: '2026-10-01'}\n";
        let (status, change) = server.send("/inventory?source=test", Some(&admin), &[], inventory.as_bytes().to_vec()).await;
        assert_eq!((status, &change["added"], &change["errors"]), (StatusCode::OK, &json!(3), &json!([])), "{change}");
        let checked = server.get("/connectors/check", &admin).await;
        assert_eq!(
            (&checked[0]["reachable"], &checked[0]["control_alive"], &checked[0]["privileges"]["missing"]),
            (&json!(true), &json!(true), &json!([])),
            "{checked}"
        );
        let planes = server.get("/connectors", &admin).await;
        let actions: Vec<&Value> = planes[0]["actions"].as_array().expect("actions").iter().map(|a| &a["action"]).collect();
        server.post("/connectors/ssh-main/arm", &admin, json!({ "actions": actions, "until": "1h" })).await;
        let lead = server.person(&admin, "lea", &["lead", "secops"]).await;
        let roles = [
            ("iam", server.person(&admin, "ian", &["iam"]).await),
            ("business_owner", server.person(&admin, "bea", &["business_owner"]).await),
        ];
        Self { sshd, leaked, rightful, server, admin, lead, roles, sink, _desk: desk }
    }

    /// Everybody who is asked for `plan` approves it.
    async fn approve(&self, id: &str, plan: &Value) {
        let asked = self
            .server
            .until(&format!("/cases/{id}"), &self.roles[0].1, |c| {
                c["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["id"] == plan["id"] && p["state"] != "drafted"))
            })
            .await;
        for waiting in asked["waiting_for"].as_array().expect("a list") {
            let Some(role) = waiting["role"].as_str().filter(|_| waiting["plan"] == plan["id"] && !waiting["missing"].is_null()) else {
                continue;
            };
            let (_, who) = self.roles.iter().find(|(name, _)| *name == role).unwrap_or_else(|| panic!("nobody is `{role}`: {waiting}"));
            self.server.post(&format!("/cases/{id}/approve"), who, json!({ "digest": plan["digest"], "comment": "go" })).await;
        }
    }

    async fn lets_in(&self, key: &KeyPair) -> bool {
        self.sshd.log_in("deploy", key, None).await.expect("answered").was_taken()
    }
}

#[tokio::test]
async fn a_leaked_deploy_key_is_proved_dead_with_the_intruders_connection_and_given_back_as_another_key() {
    let stand = Stand::new().await;
    let server = &stand.server;
    server.source(&stand.admin, "ci", "gitleaks").await;
    let sender =
        server.post("/tokens", &stand.admin, json!({ "name": "waiter", "source": "ci", "scopes": ["alerts:write", "cases:read"] })).await;
    let mut intruder = stand.sshd.log_in("deploy", &stand.leaked, None).await.and_then(Login::is_in).expect("the leaked key works");
    assert!(intruder.is_served().await.expect("asked"));

    let private = stand.leaked.private();
    let report = json!([{ "RuleID": "private-key", "Description": "private key", "File": "deploy/id_ed25519", "StartLine": 1, "Commit": "c1",
        "Secret": private, "Match": private, "Author": "Dev", "Email": "dev@corp.example", "Date": "2026-11-20T10:00:00Z" }]);
    let (status, answer) =
        server.send("/alerts/ci", sender["token"].as_str(), &[("Prefer", "wait=60")], report.to_string().into_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let id = answer["cases"][0]["id"].as_str().expect("a case").to_owned();
    let plan = answer["cases"][0]["plans"][0].clone();
    stand.approve(&id, &plan).await;
    let finished = |case: &Value| case["plans"][0]["steps"].as_array().expect("steps").iter().all(|s| s["state"] == "done");
    let case = server.until(&format!("/cases/{id}"), &stand.admin, finished).await;
    let steps = case["plans"][0]["steps"].as_array().expect("steps");
    let did: Vec<&str> = steps.iter().filter_map(|s| s["action"].as_str()).collect();
    assert_eq!(did, ["suspend_identity", "terminate_sessions", "remove_entitlement", "revoke_credential", "revoke_credential"], "{case:#}");
    let states: Vec<&Value> = case["credentials"].as_array().expect("rows").iter().map(|c| &c["state"]).collect();
    assert_eq!(states, ["DEAD", "DEAD"], "{case:#}");
    assert!(!stand.lets_in(&stand.leaked).await && !stand.lets_in(&stand.rightful).await);
    assert!(!intruder.is_served().await.expect("asked"));

    // The consumer comes back with a key of its own, which its sink holds.
    let drafted = server.post(&format!("/cases/{id}/undo"), &stand.lead, json!({ "mode": "reinstate" })).await;
    let undo = drafted["plans"].as_array().and_then(|p| p.iter().find(|p| p["kind"] == "undo")).cloned().expect("an undo plan");
    stand.approve(&id, &undo).await;
    server.call(reqwest::Method::POST, &format!("/cases/{id}/run"), Some(&stand.lead), Some(json!({ "digest": undo["digest"] }))).await;
    let case = server
        .until(&format!("/cases/{id}"), &stand.admin, |c| {
            c["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["id"] == undo["id"] && p["state"] == "proved"))
        })
        .await;
    let mut rows: Vec<(bool, &Value)> = Vec::new();
    for row in case["credentials"].as_array().expect("rows") {
        rows.push((row["id"].as_str().is_some_and(|id| id.contains("SHA256:")), &row["state"]));
    }
    assert_eq!(rows, [(true, &json!("DEAD")), (true, &json!("DEAD")), (false, &json!("LIVE"))], "{case:#}");
    let held = std::fs::read_to_string(&stand.sink).expect("the sink holds the new key");
    let held: Value = serde_json::from_str(&held).expect("JSON");
    assert_eq!(held["user"], "deploy");
    let new = KeyPair::known(held["password"].as_str().expect("a private key")).expect("in OpenSSH's form");
    assert!(stand.lets_in(&new).await && !stand.lets_in(&stand.leaked).await);
    assert!(!intruder.is_served().await.expect("asked"));
    for line in private
        .lines()
        .chain(new.private().lines())
        .filter(|l| !l.starts_with('-') && l.len() > 30 && !l.starts_with("b3BlbnNzaC1rZXktdjE"))
    {
        for (path, bytes) in server.files() {
            assert!(!bytes.windows(line.len()).any(|w| w == line.as_bytes()), "a private key is in `{}`", path.display());
        }
    }
}

/// Who is named by an account finds it, too; a name alone cuts nothing.
#[tokio::test]
async fn an_alert_that_names_an_account_and_a_key_finds_the_account() {
    let stand = Stand::new().await;
    let server = &stand.server;
    server.source(&stand.admin, "own", "quell").await;
    let sender =
        server.post("/tokens", &stand.admin, json!({ "name": "waiter", "source": "own", "scopes": ["alerts:write", "cases:read"] })).await;
    let print = stand.leaked.fingerprint().expect("printed");
    let signal = json!({ "source": "quell", "kind": "anomalous_use", "title": "login from a new place", "observed_at": "2026-11-20T10:00:00Z",
        "subject": { "resolvable": "yes", "kind": "service_account", "native_id": "deploy", "system": "ssh-main" },
        "credential": { "kind": "ssh_key", "id": format!("deploy#ssh_key:{print}") } });
    let (status, answer) =
        server.send("/alerts/own", sender["token"].as_str(), &[("Prefer", "wait=60")], signal.to_string().into_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let case = server
        .until(&format!("/cases/{}", answer["cases"][0]["id"].as_str().expect("a case")), &stand.admin, |c| {
            !c["credentials"].as_array().is_none_or(Vec::is_empty)
        })
        .await;
    let named: Vec<&str> = case["credentials"].as_array().expect("rows").iter().filter_map(|c| c["id"].as_str()).collect();
    assert!(named.iter().any(|id| id.ends_with(&format!("deploy#ssh_key:{print}"))), "{case:#}");
    assert!(stand.lets_in(&stand.leaked).await, "a name alone cuts nothing");
}
