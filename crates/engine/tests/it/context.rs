//! Threat context beside a case: shown, and asked by nothing that decides.

use quell_core::{
    context::Feed,
    decision::Principal,
    id::CaseId,
    respond::{self, next},
    time::Timestamp,
};
use quell_detectors::feed;
use serde_json::{Value, json};

use crate::installation::Installation;

fn corpus(name: &str) -> Vec<u8> {
    let path = format!("{}/../../fuzz/corpus/feed/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

async fn bring_in(here: &Installation, name: &str, bytes: &[u8]) {
    let read = feed::read(bytes).expect("a feed");
    let feed = Feed { name: name.to_owned(), form: read.form, entries: read.entries };
    here.engine.import_context(&here.admin, feed, "00", false).await.expect("brought in");
}

async fn named(here: &Installation, case: &CaseId) -> Vec<String> {
    let case = here.engine.case(case).await.expect("loaded").expect("a case");
    let shown = here.engine.threat_context(&case).await.expect("known");
    shown.iter().map(|m| format!("{} {}", m["feed"].as_str().unwrap_or(""), m["named"].as_str().unwrap_or(""))).collect()
}

/// Everything that is decided in a case at `now`: confidence, what policy is asked of each
/// step and answers, whom it wants to hear, and what is due next.
async fn decided(here: &Installation, case: &CaseId, now: Timestamp) -> Vec<String> {
    let ground = here.engine.ground(case).await.expect("loaded").expect("a case");
    let situation = ground.situation();
    let mut all = vec![format!("{:?}", ground.case.corroboration()), format!("{:?}", next(&situation, now))];
    for state in ground.plans.values() {
        all.push(state.plan.digest());
        for step in &state.plan.steps {
            let Some(question) = respond::question(&situation, state, step, Principal::Automation, now) else { continue };
            let policy = &here.engine.ports.policy;
            all.push(format!("{question:?} {:?} {:?}", policy.decide(&question), policy.whom_to_ask(&question)));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_context_stands_beside_a_case_and_decides_nothing() {
    let here = Installation::start(false).await;
    let source = here.source_of("words", "quell").await;
    let word = |event: &str, title: &str| {
        json!({ "kind": "anomalous_use", "title": title, "dedupe_key": event, "severity": { "id": 3, "vendor": "3" },
            "subject": { "kind": "service_account", "native_id": "billing_app", "system": "pg-main" }, "actor": { "ip": "203.0.113.7" } })
        .to_string()
        .into_bytes()
    };
    let alert = here.engine.receive(&source, &word("e1", "used after CVE-2031-12345, as Grey Heron does")).await.expect("received");
    let case = here.engine.file(&alert).await.expect("filed").cases[0].clone();
    here.work_until(&case, |v| !v["waiting_for"].as_array().is_none_or(Vec::is_empty)).await;
    assert_eq!(named(&here, &case).await, Vec::<String>::new());
    let now = here.engine.ports.clock.now();
    let without = decided(&here, &case, now).await;
    assert!(without.len() > 3, "there is something to decide: {without:?}");

    bring_in(&here, "kev", &corpus("kev.json")).await;
    bring_in(&here, "stix", &corpus("bundle.json")).await;
    let wanted = ["kev CVE-2031-12345", "stix CVE-2031-12345", "stix 203.0.113.7", "stix grey heron"];
    assert_eq!(named(&here, &case).await, wanted);
    assert_eq!(decided(&here, &case, now).await, without, "with and without it, the same is decided");
    let (size, events) = (here.engine.ports.store.size().await.expect("a size"), here.view(&case).await);
    for _ in 0..3 {
        here.engine.work(&case, here.engine.ports.clock.now()).await.expect("the case goes on");
    }
    assert_eq!(here.engine.ports.store.size().await.expect("a size"), size, "and nothing is done for it");
    assert_eq!(here.view(&case).await["plans"], events["plans"]);

    // A feed takes the place of the one of its name, and an empty one of everything it said.
    bring_in(&here, "stix", br#"{"type":"bundle","objects":[]}"#).await;
    assert_eq!(named(&here, &case).await, ["kev CVE-2031-12345"]);
    let feeds: Vec<Value> = here.engine.feeds().await.expect("feeds");
    assert_eq!(
        feeds.iter().map(|f| (&f["name"], &f["entries"])).collect::<Vec<_>>(),
        [(&json!("kev"), &json!(2)), (&json!("stix"), &json!(0))]
    );
}
