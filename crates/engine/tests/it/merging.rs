//! Two cases of one incident, on a real plane: what carries over, what never does, and the way back.

use quell_core::{
    decision::Role,
    id::{CaseId, StreamId},
    signal::SignalKind,
};
use quell_engine::{Failure, lookup};
use quell_ledger::{bundle, note::VerifierKey};
use serde_json::{Value, json};

use crate::installation::{Installation, import};

fn refused(outcome: Result<(), Failure>) -> String {
    match outcome {
        Err(Failure::Refused(why)) => why,
        other => panic!("it was not refused: {other:?}"),
    }
}

/// A plan of the case that still may run, and its digest.
fn waiting(view: &Value) -> Option<(Value, String)> {
    let plan = view["plans"].as_array()?.iter().find(|p| p["started_at"].is_null() && p["ended_at"].is_null())?;
    Some((plan.clone(), plan["digest"].as_str()?.to_owned()))
}

async fn reported(here: &Installation) -> CaseId {
    let one = here.source_of("one", "quell").await;
    let word = json!({ "kind": "anomalous_use", "title": "used from elsewhere", "dedupe_key": "e1", "severity": { "id": 3, "vendor": "3" },
        "subject": { "kind": "service_account", "native_id": "billing_app", "system": "pg-main" } });
    let alert = here.engine.receive(&one, word.to_string().as_bytes()).await.expect("received");
    here.engine.file(&alert).await.expect("filed").cases[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merged_case_is_asked_for_anew_cut_once_exported_whole_and_given_back() {
    let here = Installation::start(false).await;
    here.arm().await;
    import(&here.engine, &here.admin, [json!({ "type": "identity", "id": "pg-main/reporting", "kind": "service_account" })]).await;
    let (sam, lea) = (here.person("sam", &[Role::Secops]).await, here.person("lea", &[Role::Lead]).await);
    let old = reported(&here).await;
    let asked = here.work_until(&old, |v| waiting(v).is_some()).await;
    let (_, old_digest) = waiting(&asked).expect("a plan");
    here.engine.approve(&sam, &old, &old_digest, None, None).await.expect("one of two");
    // Between the two cases somebody becomes an approver: for what began before, too late.
    let late = here.person("late", &[Role::Secops]).await;
    let new = here.engine.open_case(&here.admin, "pg-main/reporting", SignalKind::AnomalousUse, "seen elsewhere").await.expect("a case");
    here.work_until(&new, |v| waiting(v).is_some()).await;

    here.engine.merge_cases(&lea, &old, &new, "one intruder").await.expect("merged");
    let gone = here.view(&old).await;
    assert_eq!((&gone["merged_into"], &gone["headline"]), (&json!(new), &json!(format!("Billing: merged into {new}. It goes on there."))));
    assert!(refused(here.engine.approve(&lea, &old, &old_digest, None, None).await).contains("order it there"));
    assert!(refused(here.engine.merge_cases(&lea, &old, &new, "again").await).contains("was merged into"));
    let rows = here.engine.ports.store.lookup_range(lookup::OPEN_CASE, "", None, 9).await.expect("rows");
    assert_eq!(rows.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), [new.as_str()], "one open case");

    let about_both = |v: &Value| {
        let text = waiting(v).map(|(plan, _)| plan.to_string()).unwrap_or_default();
        text.contains("billing_app") || v["plans"].as_array().is_some_and(|p| p.iter().filter(|p| p["ended_at"].is_null()).count() > 1)
    };
    let view = here.work_until(&new, about_both).await;
    let open: Vec<&Value> = view["plans"].as_array().expect("plans").iter().filter(|p| p["ended_at"].is_null()).collect();
    assert!(open.iter().all(|p| p["approvals"].as_array().is_none_or(Vec::is_empty)), "no yes came along: {open:#?}");
    assert!(open.iter().all(|p| p["digest"] != old_digest.as_str()));
    let digests: Vec<String> = open.iter().filter_map(|p| p["digest"].as_str().map(str::to_owned)).collect();
    for digest in &digests {
        let why = refused(here.engine.approve(&late, &new, digest, None, None).await);
        assert!(why.contains("late") || why.contains("since") || why.contains("gained") || why.contains("after"), "{why}");
        here.engine.approve(&sam, &new, digest, None, None).await.expect("approved");
        here.engine.approve(&lea, &new, digest, None, None).await.expect("approved");
    }
    let dead = |v: &Value| {
        let held = v["credentials"].as_array().expect("credentials");
        held.iter().any(|c| c["id"] == "pg-main/billing_app#password" && c["state"] == "DEAD")
            && v["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["state"] == "proved"))
    };
    here.work_until(&new, dead).await;
    assert!(here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.is_err(), "it is cut");

    // Whoever reads the bundle sees both cases, and what was said yes to in the first.
    let export = here.engine.export(&here.admin.by(), &new).await.expect("a bundle");
    let key = VerifierKey::parse(&export.key).expect("a key");
    let report = bundle::verify(&export.bytes, Some(&key), &quell_engine::export::inspect);
    assert!(report.ok, "{report:?}");
    let text = String::from_utf8_lossy(&export.bytes);
    for event in ["case_merged_away", "case_merged", "approval_given"] {
        assert!(text.contains(&format!("\"type\":\"{event}\"")), "{event} is not in the bundle");
    }
    assert!(text.contains(&format!("\"stream\":\"{}\"", StreamId::case(&old).as_str())));

    // The same identity again joins the case that goes on.
    let two = here.source_of("two", "quell").await;
    let word = json!({ "kind": "risky_sign_in", "title": "again", "dedupe_key": "e2", "severity": { "id": 3, "vendor": "3" },
        "subject": { "kind": "service_account", "native_id": "billing_app", "system": "pg-main" } });
    let alert = here.engine.receive(&two, word.to_string().as_bytes()).await.expect("received");
    assert_eq!(here.engine.file(&alert).await.expect("filed").cases, std::slice::from_ref(&new));

    here.work_until(&new, |v| {
        v["plans"].as_array().is_some_and(|p| p.iter().all(|p| p["started_at"].is_null() || !p["ended_at"].is_null()))
    })
    .await;
    assert_eq!(here.engine.unmerge_case(&lea, &old, "two intruders").await.expect("parted"), new);
    let back = here.view(&old).await;
    assert_eq!((&back["merged_into"], back["findings"].as_array().map(Vec::len)), (&Value::Null, Some(1)), "{back:#}");
    let held = |v: &Value| v["credentials"].as_array().into_iter().flatten().any(|c| c["id"] == "pg-main/billing_app#password");
    assert!(held(&back), "it has its credential again");
    let ground = here.engine.ground(&old).await.expect("loaded").expect("a case");
    let password = ground.targets.values().find(|t| t.target.as_ref().is_some_and(|t| t.native.shown() == "billing_app#password"));
    assert!(password.is_some_and(|t| t.holds.contains(&old)), "and holds it");
    let kept = here.view(&new).await;
    assert!(!kept["findings"].as_array().expect("findings").iter().any(|f| f["id"] == back["findings"][0]["id"]), "{kept:#}");
}
