//! One real incident from the scanner's report to the verified bundle.

use quell_core::{decision::Role, event::By, id::CaseId, plan::UndoMode};
use quell_ledger::{bundle, note::VerifierKey};
use serde_json::Value;

use crate::installation::Installation;

fn digest_of(view: &Value, kind: &str) -> String {
    view["plans"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|p| p["kind"] == kind)
        .and_then(|p| p["digest"].as_str())
        .expect("a plan")
        .to_owned()
}

fn states(view: &Value, what: &str) -> Vec<(String, String)> {
    view[what]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| (c["id"].as_str().unwrap_or("").to_owned(), c["state"].as_str().unwrap_or("").to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_password_is_cut_by_automation_and_proved_dead() {
    let here = Installation::start(false).await;
    let intruder =
        here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.expect("the leaked password works");
    here.arm().await;
    let (_, case) = here.leak("c1").await;
    let view = here.work_until(&case, |v| v["state"] == "proven").await;
    println!("{view:#}");
    assert!(intruder.simple_query("SELECT 1").await.is_err(), "the intruder's session is over");
    assert!(
        here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.is_err(),
        "the leaked password is refused"
    );
    assert!(states(&view, "credentials").iter().all(|(_, s)| s == "DEAD"), "{view:#}");
    assert!(states(&view, "sessions").iter().all(|(_, s)| s == "DEAD"), "{view:#}");
    assert_eq!(view["credentials"][0]["proof"]["strength"], "exercised");
    assert_eq!(view["credentials"][0]["never_seen_live"], false);
    verified(&here, &case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_critical_identity_fails_over_after_its_owner_said_yes_and_comes_back_without_the_intruder() {
    let here = Installation::start(true).await;
    let owner = here.person("bea", &[Role::BusinessOwner]).await;
    let lead = here.person("lea", &[Role::Lead, Role::Secops]).await;
    let iam = here.person("ian", &[Role::Iam]).await;
    let (_, case) = here.leak("c1").await;

    // Observing: planned, asked, nothing changed.
    let view = here.work_until(&case, |v| v["plans"][0]["state"] == "waiting").await;
    println!("{}", view["headline"]);
    assert!(
        here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.is_ok(),
        "nothing was changed while observing"
    );
    here.arm().await;
    let digest = digest_of(&view, "contain");
    for (who, role) in [(&owner, Role::BusinessOwner), (&lead, Role::Secops)] {
        here.engine.approve(who, &case, &digest, Some(role), None).await.expect("a yes");
    }

    // The consumer follows its sink.
    let view = here.work_until(&case, |_| here.sink.exists()).await;
    println!("{}", view["headline"]);
    let credential: Value = serde_json::from_slice(&std::fs::read(&here.sink).expect("the sink")).expect("JSON");
    let job = here
        .server
        .connect(credential["user"].as_str().expect("user"), credential["password"].as_str().expect("password"), "billing")
        .await
        .expect("the twin logs in");
    let view = here.work_until(&case, |v| v["state"] == "proven").await;
    println!("{view:#}");
    job.simple_query("INSERT INTO payments (amount, note) VALUES (1, 'twin')").await.expect("the consumer goes on");

    // Back, with a new credential.
    here.engine.undo(&lead, &case, UndoMode::Reinstate, None).await.expect("drafted");
    let view = here
        .work_until(&case, |v| v["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["kind"] == "undo" && p["state"] == "waiting")))
        .await;
    let digest = digest_of(&view, "undo");
    println!("undo wants {}", view["waiting_for"]);
    here.engine.approve(&owner, &case, &digest, None, None).await.expect("a yes");
    here.engine.approve(&iam, &case, &digest, None, None).await.expect("a yes");
    let old = credential["user"].as_str().expect("user").to_owned();
    here.work_until(&case, |_| {
        let now: Value = serde_json::from_slice(&std::fs::read(&here.sink).expect("the sink")).expect("JSON");
        now["user"] != old.as_str()
    })
    .await;
    let credential: Value = serde_json::from_slice(&std::fs::read(&here.sink).expect("the sink")).expect("JSON");
    assert_eq!(credential["user"], "billing_app");
    let job = here
        .server
        .connect("billing_app", credential["password"].as_str().expect("password"), "billing")
        .await
        .expect("the new credential logs in");
    let view = here.work_until(&case, |v| v["state"] == "restored").await;
    println!("{view:#}");
    job.simple_query("INSERT INTO payments (amount, note) VALUES (1, 'back')").await.expect("the consumer goes on");
    assert!(
        here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.is_err(),
        "the leaked password stays dead"
    );
    verified(&here, &case).await;
}

async fn verified(here: &Installation, case: &CaseId) {
    let export = here.engine.export(&By::Automation, case).await.expect("a bundle");
    let key = VerifierKey::parse(&export.key).expect("a key");
    let report = bundle::verify(&export.bytes, Some(&key), &quell_engine::export::inspect);
    assert!(report.ok, "{}", serde_json::to_string_pretty(&report).expect("JSON"));
    println!("bundle: {} events", report.events);
}
