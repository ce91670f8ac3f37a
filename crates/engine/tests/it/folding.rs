//! What folds into what, on real filing: which rule, which key, and what a preview says before.

use quell_core::{
    case::Command,
    decision::{Role, Verb},
    event::SourceCreated,
    finding::Outcome,
    id::{CaseId, FindingId},
    time::{Timestamp, after},
};
use quell_engine::lookup;
use serde_json::{Value, json};

use crate::installation::{Installation, report};

/// A statement about the database login, in Quell's own format.
fn word(event: &str, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut word = json!({ "kind": "anomalous_use", "title": "used from elsewhere", "dedupe_key": event, "severity": { "id": 3, "vendor": "medium" },
        "subject": { "kind": "service_account", "native_id": "billing_app", "system": "pg-main" },
        "credential": { "kind": "password", "id": "billing_app#password" }, "actor": { "ip": "203.0.113.7" } });
    change(&mut word);
    word.to_string().into_bytes()
}

async fn file(here: &Installation, source: &SourceCreated, bytes: &[u8]) -> CaseId {
    let alert = here.engine.receive(source, bytes).await.expect("received");
    here.engine.file(&alert).await.expect("filed").cases.first().cloned().expect("a case")
}

fn at(word: &mut Value, observed: Timestamp) {
    word["observed_at"] = json!(observed);
    word["observed_at_from"] = json!("event");
}

/// Files `bytes` after a preview that writes nothing and foretells the same rule.
async fn foretold(here: &Installation, source: &SourceCreated, bytes: &[u8], rule: &str) -> CaseId {
    let before = here.engine.ports.store.size().await.expect("a size");
    let (placed, unreadable) = here.engine.preview(source, bytes).await.expect("a preview");
    assert_eq!((placed.len(), unreadable.len()), (1, 0));
    assert_eq!(json!(placed[0].rule), json!(rule), "{placed:?}");
    assert_eq!(here.engine.ports.store.size().await.expect("a size"), before, "a preview writes nothing");
    let case = file(here, source, bytes).await;
    assert_eq!(placed[0].opens_case, placed[0].case != case, "it names the case it would join: {placed:?}");
    case
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rule_of_folding_is_foretold_carried_out_and_explained() {
    let here = Installation::start(false).await;
    let (one, two) = (here.source_of("one", "quell").await, here.source_of("two", "quell").await);
    let same = |_: &mut Value| {};
    let case = foretold(&here, &one, &word("e1", same), "new").await;
    let others = [
        (&one, word("e1", same), "redelivered"),
        (&one, word("e2", same), "same_subject"),
        (&two, word("e3", same), "cross_source"),
        (&one, word("e1", |w| w["title"] = json!("another event under the same name")), "conflict"),
        (&one, word("e4", |w| w["severity"]["id"] = json!(5)), "higher_severity"),
        (&one, word("e5", |w| w["actor"]["ip"] = json!("198.51.100.9")), "new_address"),
        (&one, word("e6", |w| w["sample"] = json!(true)), "same_subject"),
    ];
    for (source, bytes, rule) in &others {
        assert_eq!(foretold(&here, source, bytes, rule).await, case, "{rule}");
    }
    let view = here.view(&case).await;
    let findings = view["findings"].as_array().expect("findings");
    assert_eq!(findings.len(), 4, "{view:#}");
    let first = &findings[0];
    assert_eq!((&first["count"], &first["senders"]), (&json!(4), &json!(2)), "a redelivery is not counted: {first:#}");
    let rules: Vec<&str> = first["folding"]["joined"].as_array().expect("joined").iter().filter_map(|j| j["rule"].as_str()).collect();
    assert_eq!(rules, ["redelivered", "same_subject", "cross_source"], "{first:#}");
    assert_eq!(first["folding"]["joined"][0]["key"], "sender, detector, event, kind, subject");
    let apart: Vec<&str> = findings[1..].iter().filter_map(|f| f["folding"]["rule"].as_str()).collect();
    assert_eq!(apart, ["conflict", "higher_severity", "new_address"]);
    assert!(findings[1..].iter().all(|f| f["folding"]["apart_from"] == first["id"]), "{findings:#?}");
    assert!(findings.iter().all(|f| f["sample"] == false), "a sample's mark lowers nothing about somebody real");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_a_dead_credential_is_re_use_is_tried_and_starts_a_root_cause_task() {
    let here = Installation::start(false).await;
    here.arm().await;
    let (_, case) = here.leak("c1").await;
    let proven = here.work_until(&case, |v| v["state"] == "proven").await;
    let plans = proven["plans"].as_array().map(Vec::len);
    let sender = here.source_of("one", "quell").await;
    let rounds = async || {
        let ground = here.engine.ground(&case).await.expect("loaded").expect("a case");
        let held = ground.targets.values().filter(|t| t.target.as_ref().is_some_and(|t| t.native.shown() == "billing_app#password"));
        held.flat_map(|t| t.rounds.iter().map(|r| r.at)).max().expect("it was probed")
    };
    let dead: Timestamp = proven["credentials"][0]["proven_dead_at"].as_str().expect("dead").parse().expect("a moment");

    // Late news of before the death is no re-use.
    let late = word("late", |w| at(w, after(dead, -3600)));
    assert_eq!(file(&here, &sender, &late).await, case);
    // Afterwards somebody tries it again.
    let again = word("again", |w| {
        w["kind"] = json!("risky_sign_in");
        at(w, here.engine.ports.clock.now());
    });
    let asked = here.engine.ports.clock.now();
    assert_eq!(file(&here, &sender, &again).await, case);
    let view = here.view(&case).await;
    let timing = |n: usize| view["findings"][n]["folding"]["timing"].clone();
    assert_eq!((timing(1), timing(2)), (Value::Null, json!("re_use")), "{view:#}");
    assert_eq!(view["findings"][2]["folding"]["recurs"], true);
    assert_eq!(view["findings"][2]["folding"]["reported_before"], 2, "counted against the identity");
    let causes =
        view["tasks"].as_array().expect("tasks").iter().filter(|t| t["what"].as_str().is_some_and(|w| w.contains("root cause"))).count();
    assert_eq!(causes, 1, "{view:#}");
    assert_eq!(view["credentials"][0]["state"], "DEAD", "an alert changes no state by itself");
    for _ in 0..2_000 {
        here.engine.work(&case, here.engine.ports.clock.now()).await.expect("the case goes on");
        if rounds().await >= asked {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(rounds().await >= asked, "it was tried");
    // The plane stores the leaked value no more; whose it was is known.
    let (_, leaked_again) = here.leak("c2").await;
    assert_eq!(leaked_again, case, "found in another commit");
    let view = here.view(&case).await;
    assert_eq!(
        (view["plans"].as_array().map(Vec::len), &view["credentials"][0]["state"]),
        (plans, &json!("DEAD")),
        "and nothing is cut for it: {view:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_as_it_should_be_has_a_case_of_its_own_and_holds_nothing() {
    let here = Installation::start(false).await;
    here.arm().await;
    let scanner = here.source_of("scanner", "quell").await;
    let dormant = word("d1", |w| (w["kind"], w["title"]) = (json!("posture"), json!("Dormant service account")));
    let posture = file(&here, &scanner, &dormant).await;
    for _ in 0..10 {
        here.engine.work(&posture, here.engine.ports.clock.now()).await.expect("the case goes on");
    }
    let view = here.view(&posture).await;
    assert_eq!((&view["plans"], &view["tasks"][0]["owner"], &view["confidence"]), (&json!([]), &json!("iam"), &json!(0)), "{view:#}");
    assert!(view["headline"].as_str().is_some_and(|h| h.contains("no sign of misuse")), "{view:#}");
    let ground = here.engine.ground(&posture).await.expect("loaded").expect("a case");
    assert!(ground.targets.values().all(|t| t.holds.is_empty()), "it holds nothing");

    let (_, emergency) = here.leak("c1").await;
    assert_ne!(emergency, posture, "the emergency does not wait in it");
    here.work_until(&emergency, |v| v["state"] == "proven").await;
    assert_eq!(file(&here, &scanner, &dormant).await, posture, "nor it in the emergency");
}

/// Its id and its name mean two identities: however many say so, a person says which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_and_a_name_of_two_identities_cut_nobody_without_a_person() {
    for (name, is_cut) in [("reporting", false), ("billing_app", true), ("a name that means nobody", true)] {
        let here = Installation::start(false).await;
        here.arm().await;
        crate::installation::import(
            &here.engine,
            &here.admin,
            [json!({ "type": "identity", "id": "pg-main/reporting", "kind": "service_account" })],
        )
        .await;
        let (one, two) = (here.source_of("one", "quell").await, here.source_of("two", "quell").await);
        let leak = |event: &str| {
            word(event, |w| {
                w["kind"] = json!("leaked_secret");
                w["subject"]["name"] = json!(name);
            })
        };
        let case = file(&here, &one, &leak("e1")).await;
        assert_eq!(file(&here, &two, &leak("e2")).await, case);
        let view = here.view(&case).await;
        assert_eq!(view["corroborated"], is_cut, "{name}: {view:#}");
        let means = json!({ "id_means": "pg-main/billing_app", "name_means": "pg-main/reporting" });
        let finding = &view["findings"][0];
        assert_eq!(finding["ambiguous"], if is_cut { Value::Null } else { means }, "{name}");
        assert_eq!((&finding["subject"], &finding["senders"]), (&json!("pg-main/billing_app"), &json!(2)));
        if is_cut {
            here.work_until(&case, |v| v["state"] == "proven").await;
            continue;
        }
        let view = here.work_until(&case, |v| !v["waiting_for"].as_array().is_none_or(Vec::is_empty)).await;
        assert!(view["plans"].as_array().expect("plans").iter().all(|p| p["started_at"].is_null()), "{view:#}");
        for _ in 0..20 {
            here.engine.work(&case, here.engine.ports.clock.now()).await.expect("the case goes on");
        }
        let login = here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await;
        assert!(login.is_ok(), "nobody is cut");
        // A clear word of one more sender is one word, and no second to theirs.
        let third = here.source_of("three", "quell").await;
        let clear = word("e3", |w| w["kind"] = json!("leaked_secret"));
        assert_eq!(file(&here, &third, &clear).await, case);
        let view = here.view(&case).await;
        assert_eq!((&view["corroborated"], view["findings"].as_array().map(Vec::len)), (&json!(false), Some(2)), "{view:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_value_that_a_plane_did_not_compare_says_so_until_somebody_ends_it() {
    let mut here = Installation::start(false).await;
    let sam = here.person("sam", &[Role::Lead]).await;
    let silent =
        async |here: &Installation| here.engine.ports.store.lookup_range(lookup::UNCOMPARED, "", None, 9).await.expect("rows").len();
    let asked = file(&here, &here.source, report("c1", "a-value-of-nobody-here-1").as_bytes()).await;
    assert_eq!((&here.view(&asked).await["findings"][0]["uncompared"], silent(&here).await), (&json!([]), 0), "it was compared");

    // Nobody is let in, and whoever was is put out.
    here.server.set_hba(&[]).await.expect("it reloads");
    let superuser = here.server.connect_unix_superuser("postgres").await.expect("the lab's own way in");
    superuser.execute("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE usename = 'quell'", &[]).await.expect("ended");
    let unasked = file(&here, &here.source, report("c2", "a-value-of-nobody-here-2").as_bytes()).await;
    let finding = here.view(&unasked).await["findings"][0].clone();
    assert_eq!((&finding["uncompared"], &finding["subject"], silent(&here).await), (&json!(["pg-main"]), &Value::Null, 1), "{finding:#}");

    let id = FindingId::new(finding["id"].as_str().expect("an id"));
    let ended = Command::EndFinding { finding: id, outcome: Outcome::FalsePositive, evidence: None };
    here.engine.command(&sam, &unasked, Verb::Close, ended).await.expect("ended");
    assert_eq!(silent(&here).await, 0);
}
