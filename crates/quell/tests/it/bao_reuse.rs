//! A dead secret-id that somebody goes on trying, seen in the vault's audit log without
//! the value being kept, on a real OpenBao.

use std::process::Command;

use quell_core::secret::Secret;
use quell_lab::openbao::{AUDIT_DEVICE, Estate, OpenBao, Options, program};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{cli_run::Desk, server::Server};

#[tokio::test]
async fn a_dead_secret_id_that_is_tried_again_is_seen_in_the_case_and_stays_dead() {
    let vault = OpenBao::start(Options::default()).await.expect("a real OpenBao is installed");
    let estate = Estate::make(&vault).await.expect("the estate is made");
    let desk = Desk::new();
    let secret = |name: &str| desk.file(name, Secret::new(quell_lab::secret::Secret::generate().expect("chance").reveal()).expose());
    let (ca, own, control) = (desk.file("ca.pem", vault.ca().pem()), secret("own"), secret("control"));
    let toml = format!(
        "[automation]\nwatch_every = \"1s\"\n[[connector]]\nname = \"bao-main\"\nkind = \"openbao\"\nurl = \"https://localhost:{}?hostaddr=127.0.0.1\"\nca_file = \"{ca}\"\nusername = \"quell\"\nsecret_file = \"{own}\"\nsettle = \"100ms\"\n[connector.control]\nidentity = \"quell-control\"\nsecret_file = \"{control}\"\n[connector.audit]\nfile = \"{}\"\ndevice = \"{AUDIT_DEVICE}\"\n",
        vault.port(),
        vault.audit_log().display(),
    );
    let config = desk.file("quell.toml", &toml);
    let script = desk.run(&["connector", "bootstrap", "bao-main", "--scope", "approle:ci", "--config", &config]).ended(0).out.clone();
    bootstrap(&vault, &desk.file("bootstrap.sh", &script), (&ca, &own, &control));

    let server = Server::start_with(&toml);
    let admin = server.set_up().await;
    let rosa = server.person(&admin, "rosa", &["response_owner"]).await;
    server.source(&admin, "ci", "gitleaks").await;
    let sender =
        server.post("/tokens", &admin, json!({ "name": "waiter", "source": "ci", "scopes": ["alerts:write", "cases:read"] })).await;
    let inventory = "systems:\n  - {id: bao-main, kind: openbao, environment: production, criticality: normal}\nidentities:\n  - {id: 'bao-main/approle:ci', kind: service_account, name: ci, environment: production, shared: false, criticality: normal}\n";
    let (status, change) = server.send("/inventory?source=test", Some(&admin), &[], inventory.as_bytes().to_vec()).await;
    assert_eq!((status, &change["errors"]), (StatusCode::OK, &json!([])), "{change}");
    let planes = server.get("/connectors", &admin).await;
    let actions: Vec<&Value> = planes[0]["actions"].as_array().expect("actions").iter().map(|a| &a["action"]).collect();
    server.post("/connectors/bao-main/arm", &admin, json!({ "actions": actions, "until": "1h" })).await;

    let leaked = estate.secret_id.reveal();
    let token = estate.login(&vault, &estate.secret_id).await.expect("the leaked secret-id works");
    let report = json!([{ "RuleID": "vault-secret-id", "Description": "secret-id", "File": "deploy.env", "StartLine": 3, "Commit": "c1",
        "Secret": leaked, "Match": format!("SECRET_ID={leaked}"), "Author": "Dev", "Email": "dev@corp.example", "Date": "2026-11-20T10:00:00Z" }]);
    let (status, answer) =
        server.send("/alerts/ci", sender["token"].as_str(), &[("Prefer", "wait=60")], report.to_string().into_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let id = answer["cases"][0]["id"].as_str().expect("a case").to_owned();
    let of_secret_id = |case: &Value| {
        let rows = case["credentials"].as_array().expect("rows").iter();
        rows.clone().find(|r| r["id"].as_str().is_some_and(|id| id.contains("#secret_id:"))).cloned().unwrap_or_else(|| panic!("{case:#}"))
    };
    let dead = server.until(&format!("/cases/{id}"), &admin, |case| of_secret_id(case)["state"] == "DEAD").await;
    assert_eq!(of_secret_id(&dead)["used_since_cut"]["refused"], 0, "nobody tried it yet: {dead:#}");

    // The intruder goes on; Quell asks about the value itself all the time, and counts none of that.
    for _ in 0..3 {
        estate.login(&vault, &estate.secret_id).await.expect_err("it is dead");
    }
    let tried = |case: &Value| of_secret_id(case)["used_since_cut"]["refused"].as_u64() >= Some(3);
    let case = server.until(&format!("/cases/{id}"), &admin, tried).await;
    let row = of_secret_id(&case);
    assert_eq!(
        (&row["used_since_cut"]["refused"], &row["used_since_cut"]["accepted"], &row["state"]),
        (&json!(3), &json!(0), &json!("DEAD"))
    );
    assert!(row["used_since_cut"]["last_refused_at"].is_string() && row["used_since_cut"]["last_accepted_at"].is_null(), "{row}");

    // The token that came from it, whose value nobody here ever had, is seen by its accessor.
    for _ in 0..2 {
        assert!(!token.works(&vault).await.expect("asked"));
    }
    let of_token = |case: &Value| {
        let rows = case["sessions"].as_array().expect("rows").iter();
        rows.clone()
            .find(|r| r["id"].as_str().is_some_and(|id| id.ends_with(&token.accessor)))
            .cloned()
            .unwrap_or_else(|| panic!("{case:#}"))
    };
    let case = server.until(&format!("/cases/{id}"), &admin, |case| of_token(case)["used_since_cut"]["refused"].as_u64() >= Some(2)).await;
    let row = of_token(&case);
    assert_eq!(
        (&row["used_since_cut"]["refused"], &row["used_since_cut"]["accepted"], &row["state"]),
        (&json!(2), &json!(0), &json!("DEAD"))
    );
    let told_of = |events: &Value| events["events"].as_array().expect("events").iter().filter(|e| e["type"] == "reuse_seen").count();
    server.until(&format!("/cases/{id}/events"), &admin, |events| told_of(events) >= 2).await;

    // The response owner is told, once however often it is tried.
    let told = |events: &Value| {
        let all = events["events"].as_array().expect("events").iter();
        all.filter(|e| e["type"] == "reuse_seen").cloned().collect::<Vec<_>>()
    };
    server.until(&format!("/cases/{id}/events"), &admin, |events| !told(events).is_empty()).await;
    for _ in 0..3 {
        estate.login(&vault, &estate.secret_id).await.expect_err("it is dead");
    }
    server.until(&format!("/cases/{id}"), &admin, |case| of_secret_id(case)["used_since_cut"]["refused"].as_u64() >= Some(6)).await;
    let events = server.get(&format!("/cases/{id}/events"), &admin).await;
    assert_eq!(told(&events).len(), 2, "one of the secret-id, one of the token: {events}");
    let inbox = server.until("/inbox", &rosa, |inbox| inbox.to_string().contains("reuse/")).await;
    assert_eq!(inbox.to_string().matches("reuse/").count(), 1, "and nobody is paged for a session that ended: {inbox}");

    let shown = Desk::at(&server.url, &admin).run(&["case", "show", &id]).ended(0).out.clone();
    assert!(shown.contains("tried again 6 times since the cut") && shown.contains("never accepted"), "{shown}");
    for (path, bytes) in server.files() {
        assert!(!bytes.windows(leaked.len()).any(|w| w == leaked.as_bytes()), "the leaked value is in `{}`", path.display());
    }
}

/// Runs the script that Quell printed, as somebody who may write policies.
fn bootstrap(vault: &OpenBao, script: &str, (ca, own, control): (&str, &str, &str)) {
    let dir = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(program().expect("OpenBao is installed"), dir.path().join("bao")).expect("the program is named `bao`");
    let ran = Command::new("/bin/sh")
        .arg(script)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
        .env("HOME", dir.path())
        .env("BAO_ADDR", format!("https://localhost:{}", vault.port()))
        .env("BAO_CACERT", ca)
        .env("BAO_TOKEN", vault.root().reveal())
        .env("QUELL_SECRET_FILE", own)
        .env("QUELL_CONTROL_SECRET_FILE", control)
        .output()
        .expect("the script runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
