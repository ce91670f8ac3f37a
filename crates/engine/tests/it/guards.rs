//! What must not happen, tried on the real server.

use quell_core::{decision::Role, signal::SignalKind, time::after};
use serde_json::{Value, json};

use crate::installation::{Installation, tell_at};

fn life(view: &Value, id: &str) -> String {
    let all = view["credentials"].as_array().into_iter().flatten();
    all.filter(|c| c["id"] == id).map(|c| c["state"].as_str().unwrap_or_default().to_owned()).next().unwrap_or_default()
}

async fn admin(here: &Installation) -> tokio_postgres::Client {
    here.server.connect_unix_superuser("billing").await.expect("the lab is let in")
}

async fn can_log_in(here: &Installation) -> bool {
    here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_enabled_behind_our_back_is_live_again_and_pages() {
    let here = Installation::start(false).await;
    here.arm().await;
    let (_, case) = here.leak("c1").await;
    here.work_until(&case, |v| v["state"] == "proven").await;
    let db = admin(&here).await;
    let verifier = here.estate.app.password.verifier();
    db.batch_execute(&format!("ALTER ROLE billing_app LOGIN PASSWORD '{verifier}'")).await.expect("somebody undoes it by hand");
    assert!(can_log_in(&here).await, "the leaked password works again");

    let view = here
        .work_until(&case, |v| v["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["kind"] == "sweep" && p["state"] == "proved")))
        .await;
    assert_eq!(life(&view, "pg-main/billing_app#password"), "DEAD", "it was contained again: {view:#}");
    assert!(!can_log_in(&here).await);
    let ground = here.engine.ground(&case).await.expect("loaded").expect("a case");
    let rounds: Vec<_> = ground.targets.values().flat_map(|t| &t.rounds).map(|r| r.proved.liveness).collect();
    let dead = rounds.iter().position(|l| *l == quell_core::proof::Liveness::Dead).expect("it was dead");
    assert!(rounds[dead..].contains(&quell_core::proof::Liveness::Live), "the record shows that it lived again: {rounds:?}");
    tell_at(&here.engine, here.engine.ports.clock.now()).await;
    let pages = here.told.pages();
    assert!(pages.iter().any(|id| id.starts_with("reverted/")), "somebody was paged: {pages:?}");
}

/// One sender's word about a role, with an identifier and no secret.
fn one_word() -> Value {
    json!({ "source": "quell", "kind": "leaked_secret", "title": "Verified: true", "observed_at": "2020-01-01T00:00:00Z", "observed_at_from": "event",
        "severity": { "id": 6, "vendor": "critical" }, "vendor_confidence": "verified: true", "sample": false, "containment_evidence": false,
        "subject": { "resolvable": "yes", "kind": "service_account", "native_id": "billing_app", "name": "billing_app", "system": "pg-main" },
        "credential": { "kind": "password", "id": "billing_app#password", "fingerprint": null }, "actor": { "native_id": null, "name": null, "ip": null }, "dedupe_key": "x", "reasons": [] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_verified_true_of_one_sender_cuts_nothing_and_asks_a_person() {
    let here = Installation::start(false).await;
    here.arm().await;
    let source = here.source_of("forger", "quell").await;
    let forged = one_word();
    let alert = here.engine.receive(&source, forged.to_string().as_bytes()).await.expect("received");
    let case = here.engine.file(&alert).await.expect("filed").cases[0].clone();
    let view = here.work_until(&case, |v| v["waiting_for"].as_array().is_some_and(|w| !w.is_empty())).await;
    assert_eq!(view["corroborated"], false);
    assert!(can_log_in(&here).await, "nothing was cut on one sender's word");
    assert!(view["waiting_for"][0]["what"].as_str().is_some_and(|w| w.contains("approves")), "{view:#}");

    // A person's authority from before the receipt counts, whatever date the forger wrote.
    let iam = here.person("ian", &[Role::Iam]).await;
    let digest = view["plans"][0]["digest"].as_str().expect("a digest").to_owned();
    let late = here.engine.approve(&iam, &case, &digest, None, None).await;
    assert!(late.is_err_and(|e| e.to_string().contains("after the earliest sign")), "an account made after the alert does not count");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_automation_waits_and_another_person_resumes_it() {
    let here = Installation::start(false).await;
    here.arm().await;
    let lead = here.person("lea", &[Role::Lead, Role::Secops]).await;
    let until = after(here.engine.ports.clock.now(), 600);
    here.engine.pause(&lead, until, None).await.expect("paused at once");
    let (_, case) = here.leak("c1").await;
    let view = here.work_until(&case, |v| v["waiting_for"].as_array().is_some_and(|w| !w.is_empty())).await;
    assert_eq!(view["waiting_for"][0]["what"], "automation is paused");
    assert!(can_log_in(&here).await);
    let same = here.engine.resume(&lead).await;
    assert!(same.is_err(), "the one who paused does not resume");
    here.engine.resume(&here.admin).await.expect("another person resumes");
    here.work_until(&case, |v| v["state"] == "proven").await;
    assert!(!can_log_in(&here).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_cases_over_one_target_hold_it_until_the_last_one_goes() {
    let here = Installation::start(false).await;
    here.arm().await;
    let (_, first) = here.leak("c1").await;
    here.work_until(&first, |v| v["state"] == "proven").await;
    let lead = here.person("lea", &[Role::Lead, Role::Secops, Role::ResponseOwner]).await;
    let second = here.engine.open_case(&lead, "pg-main/billing_app", SignalKind::AnomalousUse, "seen from abroad").await.expect("opened");
    here.work_until(&second, |v| !v["credentials"].as_array().is_none_or(Vec::is_empty)).await;

    let close = quell_core::case::Command::Close { note: None };
    here.engine.command(&lead, &first, quell_core::decision::Verb::Close, close).await.expect("the first closes");
    let ground = here.engine.ground(&second).await.expect("loaded").expect("a case");
    let held: Vec<_> = ground.targets.values().filter(|t| t.holds.contains(&second)).collect();
    assert!(!held.is_empty(), "the second case holds it still");
    assert!(held.iter().all(|t| !t.holds.contains(&first)), "the first gave its claim up");
    let before: Vec<_> = ground.targets.values().filter_map(|t| t.before.as_ref()).collect();
    assert!(
        before.iter().all(|b| b.facts.get("rolcanlogin").is_none_or(|v| v.as_deref() == Some("true"))),
        "one before-state, from before the first hold: {before:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_report_twice_folds_and_the_same_delivery_does_not_count() {
    let here = Installation::start(false).await;
    let (_, case) = here.leak("c1").await;
    let (_, again) = here.leak("c2").await;
    let (_, delivered_twice) = here.leak("c2").await;
    assert_eq!((&case, &case), (&again, &delivered_twice), "one case");
    let view = here.view(&case).await;
    assert_eq!(view["findings"].as_array().map(Vec::len), Some(1));
    assert_eq!(view["findings"][0]["count"], 2, "two commits, three deliveries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lab_s_secrets_are_in_no_event_and_no_file_of_the_store() {
    let here = Installation::start(true).await;
    here.arm().await;
    let (_, case) = here.leak("c1").await;
    here.work_until(&case, |v| v["waiting_for"].as_array().is_some_and(|w| !w.is_empty())).await;
    let export = here.engine.export(&quell_core::event::By::Automation, &case).await.expect("a bundle");
    let secret = here.estate.app.password.reveal().as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|w| w == secret);
    assert!(!holds(&export.bytes), "the bundle");
    let mut files = 0;
    for entry in std::fs::read_dir(here.dir.path().join("data")).expect("the data folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            files += 1;
            assert!(!holds(&std::fs::read(&path).expect("readable")), "{}", path.display());
        }
    }
    assert!(files >= 2, "database and WAL were searched");
}

/// A decoded event of an identity provider about the database role, as anybody could write it.
fn unsigned_claim() -> Vec<u8> {
    json!({ "iss": "pg-main", "jti": "j-1", "iat": 1_795_000_000, "aud": "quell", "sub_id": { "format": "iss_sub", "iss": "pg-main", "sub": "billing_app" },
        "events": { "https://schemas.openid.net/secevent/risc/event-type/credential-compromise": { "credential_type": "password" } } })
    .to_string()
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsigned_claim_is_shown_and_makes_no_second_sender_and_no_plan() {
    let here = Installation::start(false).await;
    here.arm().await;
    let idp = here.source_of("idp", "ssf-caep").await;
    let alert = here.engine.receive(&idp, &unsigned_claim()).await.expect("received");
    let case = here.engine.file(&alert).await.expect("filed").cases[0].clone();
    for _ in 0..20 {
        here.engine.work(&case, here.engine.ports.clock.now()).await.expect("the case goes on");
    }
    let view = here.view(&case).await;
    assert_eq!((&view["findings"][0]["unsigned"], &view["confidence"]), (&json!(true), &json!(0)), "{view:#}");
    assert_eq!(view["plans"].as_array().map(Vec::len), Some(0), "nothing is planned on it: {view:#}");

    // Beside one sender's word it corroborates nothing.
    let word = json!({ "kind": "leaked_secret", "title": "seen in a paste", "dedupe_key": "w-1",
        "subject": { "kind": "service_account", "native_id": "billing_app", "system": "pg-main" }, "credential": { "kind": "password" } });
    let sender = here.source_of("scanner", "quell").await;
    let alert = here.engine.receive(&sender, word.to_string().as_bytes()).await.expect("received");
    let same = here.engine.file(&alert).await.expect("filed").cases[0].clone();
    assert_eq!(same, case);
    let view = here.work_until(&case, |v| v["waiting_for"].as_array().is_some_and(|w| !w.is_empty())).await;
    assert_eq!((&view["corroborated"], &view["confidence"]), (&json!(false), &json!(40)), "{view:#}");
    assert!(can_log_in(&here).await, "nothing was cut on one sender's word and an unsigned claim");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_glass_cuts_without_those_who_are_asked_and_they_review_it() {
    let here = Installation::start(false).await;
    let lead = here.person("lea", &[Role::Lead]).await;
    let [ian, sam] = [here.person("ian", &[Role::Iam]).await, here.person("sam", &[Role::Secops]).await];
    let source = here.source_of("edr", "quell").await;
    let alert = here.engine.receive(&source, one_word().to_string().as_bytes()).await.expect("received");
    let case = here.engine.file(&alert).await.expect("filed").cases[0].clone();
    let digest = |view: &Value| view["plans"][0]["digest"].as_str().expect("a digest").to_owned();
    let view = here.work_until(&case, |v| v["waiting_for"].as_array().is_some_and(|w| !w.is_empty())).await;
    let why = "payments are being drained now";
    let glass = async |who, digest: &str| here.engine.break_glass(who, &case, digest, why, 900).await;
    let refused = |done: Result<(), quell_engine::Failure>, part: &str| {
        let said = done.expect_err("refused").to_string();
        assert!(said.contains(part), "{said}");
    };

    refused(glass(&lead, &digest(&view)).await, "quell connector arm");
    here.arm().await;
    let view = here.work_until(&case, |v| v["waiting_for"].as_array().is_some_and(|w| w.iter().any(|w| w["role"] == "iam"))).await;
    refused(glass(&sam, &digest(&view)).await, "`break_glass` is not permitted");
    refused(glass(&lead, &"0".repeat(64)).await, "digest");
    assert!(can_log_in(&here).await, "nothing was cut");

    glass(&lead, &digest(&view)).await.expect("broken");
    let view = here.work_until(&case, |v| v["state"] == "proven").await;
    assert!(!can_log_in(&here).await);
    let plan = view["plans"].as_array().into_iter().flatten().find(|p| !p["break_glass"].is_null()).expect("it is shown");
    assert_eq!(
        (&plan["break_glass"]["role"], &plan["break_glass"]["skipped"], &plan["break_glass"]["untrusted"]),
        (&json!("lead"), &json!([{ "role": "iam", "people": 1 }, { "role": "secops", "people": 1 }]), &json!(why)),
        "{plan:#}"
    );
    let attempts = here.engine.ground(&case).await.expect("loaded").expect("a case");
    let cleared: Vec<_> = attempts.targets.values().flat_map(|t| &t.attempts).map(|a| &a.cleared).collect();
    assert!(
        !cleared.is_empty() && cleared.iter().all(|c| c.approvals.is_empty() && c.decision.deciding == ["secops.break-glass"]),
        "{cleared:#?}"
    );

    // Who was passed over is told, and the case stays open until somebody else has looked.
    let tasks: Vec<&Value> = view["tasks"].as_array().into_iter().flatten().collect();
    assert_eq!(tasks.iter().map(|t| &t["owner"]).collect::<Vec<_>>(), ["iam", "secops"]);
    let (verb, close) = (quell_core::decision::Verb::Close, quell_core::case::Command::Close { note: None });
    refused(here.engine.command(&lead, &case, verb, close.clone()).await, "review the break-glass");
    let end = |task: &Value, by: &quell_engine::order::Caller| quell_core::case::Command::EndTask {
        task: quell_core::id::TaskId::new(task["id"].as_str().expect("an id")),
        by: by.by(),
        brought: Default::default(),
    };
    let task = quell_core::decision::Verb::Task;
    refused(here.engine.command(&lead, &case, task, end(tasks[0], &lead)).await, "another person");
    for (one, by) in tasks.iter().zip([&ian, &sam]) {
        refused(here.engine.command(&lead, &case, verb, close.clone()).await, "review the break-glass");
        here.engine.command(by, &case, task, end(one, by)).await.expect("they looked");
    }
    here.engine.command(&lead, &case, verb, close).await.expect("closed");
}
