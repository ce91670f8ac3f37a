//! Steps by hand on the command line: listed, recorded with what was seen, and never proved.

use quell_core::secret::sha256;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{cli_run::Desk, server::Server};

fn alert() -> Vec<u8> {
    json!({ "kind": "leaked_secret", "title": "a token in a public gist", "observed_at": "2026-11-20T03:00:00Z", "dedupe_key": "g-1",
        "subject": { "resolvable": "yes", "kind": "human", "native_id": "octo", "name": "Octo Cat", "system": "github:corp" },
        "credential": { "kind": "token", "id": "pat-4711" } })
    .to_string()
    .into_bytes()
}

#[tokio::test]
async fn what_people_do_by_hand_is_listed_recorded_with_what_they_saw_and_called_dead_by_nobody() {
    let server = Server::start();
    let ada = server.set_up().await;
    let ana = server.person(&ada, "ana", &["platform_owner"]).await;
    let lea = server.person(&ada, "lea", &["lead", "response_owner"]).await;
    let token = server.source(&ada, "own", "quell").await;
    let (status, answer) = server.send("/alerts/own", Some(&token), &[], alert()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let cases = server.until("/cases", &lea, |v| v["cases"].as_array().is_some_and(|c| !c.is_empty())).await;
    let id = cases["cases"][0]["id"].as_str().expect("an id").to_owned();
    let at = format!("/cases/{id}");
    server.until(&at, &lea, |v| v["plans"][0]["state"] == "handed_over").await;

    let desk = Desk::at(&server.url, &ana);
    let listed = desk.run(&["case", "task", &id]);
    let text = listed.ended(0).out.clone();
    assert!(text.contains("step 1, platform_owner: By hand on `github:corp`") && text.contains("bring: "), "{text}");
    let tasks = desk.run(&["case", "task", &id, "--json"]).ended(0).json();
    assert_eq!(tasks.as_array().map(Vec::len), Some(2), "revoke, and look: {tasks:#}");
    let inbox = server.get("/inbox", &ana).await;
    assert!(inbox.to_string().contains(&id), "{inbox:#}");

    // Nothing seen is nothing done, and a number is a step by hand that is open.
    assert_eq!(desk.run(&["case", "task", &id, "1", "--done"]).exit, 1);
    assert_eq!(desk.run(&["case", "task", &id, "9", "--done", "--saw", "x"]).exit, 1);
    assert_eq!(desk.run(&["case", "task", &id, "call the vendor"]).exit, 2, "whose task is it?");
    assert_eq!(desk.run(&["case", "task", &id, "1", "--done", "--saw", "x", "--at", "+1h"]).exit, 1, "nobody sees what lies ahead");
    let bad = json!({ "attested": "x", "seen_at": null, "file": "no digest" });
    let task = tasks[0]["id"].as_str().expect("an id");
    server.refused(&format!("{at}/task/{task}/done"), &ana, bad, StatusCode::UNPROCESSABLE_ENTITY).await;

    let file = desk.file("audit.json", "[]");
    let args = [
        "case",
        "task",
        &id,
        "1",
        "--done",
        "--saw",
        "GET /user answers 401 at 03:10",
        "--at",
        "2026-11-20T03:10:00Z",
        "--file",
        &file,
        "--json",
    ];
    let case = desk.run(&args).ended(0).json();
    let brought = &case["tasks"][0]["brought"];
    assert_eq!(brought["untrusted"], "GET /user answers 401 at 03:10", "{case:#}");
    assert_eq!((&brought["seen_at"], &brought["file"]), (&json!("2026-11-20T03:10:00Z"), &json!(sha256(b"[]"))), "{case:#}");
    assert_eq!(case["plans"][0]["steps"][0]["state"], "done");
    assert_eq!(case["plans"][0]["steps"][1]["state"], "handed_over");
    assert_eq!(case["credentials"][0]["state"], "LIVE", "it counts as usable until everything is said done: {case:#}");
    let whole = desk.run(&["case", "task", &id, "2", "--done", "--saw", "no other token, no app"]);
    let text = whole.ended(0).out.clone();
    assert!(text.contains("not proved by Quell") && !text.contains("PROVED DEAD"), "{text}");

    let case = server.get(&at, &lea).await;
    assert_eq!(case["credentials"][0]["state"], "UNKNOWN", "{case:#}");
    assert!(case["headline"].as_str().is_some_and(|h| h.contains("UNKNOWN")), "{case:#}");
    assert_eq!((&case["exposure"]["running"], &case["exposure"]["at_most_until"]), (&json!(true), &Value::Null), "{case:#}");
    let why = server.get(&format!("{at}/why"), &lea).await;
    assert!(why["done"].to_string().contains("not proved"), "{why:#}");
    let waited = Desk::at(&server.url, &lea).run(&["case", "wait", &id, "--for", "proven", "--timeout", "1s"]);
    assert_eq!(waited.exit, 1, "nobody proved anything: {}", waited.out);

    // Closed by an outcome of a named person, and by nothing less.
    let lead = Desk::at(&server.url, &lea);
    assert_eq!(lead.run(&["case", "close", &id]).exit, 1);
    assert_eq!(lead.run(&["case", "close", &id, "--outcome", "contained", "--evidence", "ana saw it"]).exit, 1);
    let finding = case["findings"][0]["id"].as_str().expect("an id");
    let closed = lead
        .run(&["case", "close", &id, "--finding", finding, "--outcome", "retired", "--evidence", "ana saw it", "--json"])
        .ended(0)
        .json();
    assert_eq!(closed["state"], "closed", "{closed:#}");
}
