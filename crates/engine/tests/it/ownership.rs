//! Who the subjects of a case are routed to, and who is asked where nobody answers.

use quell_core::{decision::Role, id::CaseId};
use serde_json::{Value, json};

use crate::{
    health::Here,
    installation::{import, person, view, work_until},
};

fn identity(id: &str, more: Value) -> Value {
    let mut identity = json!({ "type": "identity", "id": id, "kind": "workload" });
    identity.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    identity
}

fn owner(of: &str, person: &str, confirmed_at: Value) -> Value {
    json!({ "type": "owner", "of": of, "role": "business", "person": person, "deputy": "dora@corp.example", "confirmed_at": confirmed_at })
}

fn word(id: &str) -> Vec<u8> {
    json!({ "kind": "anomalous_use", "title": "used", "dedupe_key": id, "severity": { "id": 3, "vendor": "3" },
        "subject": { "kind": "workload", "native_id": id, "system": "k8s" } })
    .to_string()
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_says_who_answers_and_whom_nobody_answers_for_is_a_task_of_its_own() {
    let here = Here::start().await;
    let admin = person(&here.engine, "ada", &[Role::Admin]).await;
    let olga = person(&here.engine, "olga", &[]).await;
    let today = here.engine.ports.clock.now().to_string()[..10].to_owned();
    let objects = [
        identity("k8s/declared", json!({})),
        identity("k8s/stale", json!({})),
        identity("k8s/built", json!({ "repository": "acme/shop/services/built" })),
        identity("k8s/lonely", json!({ "tags": { "owner": "tag@corp.example" } })),
        owner("k8s/declared", "olga@corp.example", json!(today)),
        owner("k8s/stale", "olga@corp.example", json!("2020-01-01")),
        owner("repository:acme/shop/*", "rita@corp.example", json!(today)),
    ];
    import(&here.engine, &admin, objects).await;
    let source = here.source("words").await;
    let mut routes = Vec::new();
    let mut cases: Vec<CaseId> = Vec::new();
    for name in ["declared", "stale", "built", "lonely"] {
        let alert = here.engine.receive(&source, &word(name)).await.expect("received");
        let case = here.engine.file(&alert).await.expect("filed").cases[0].clone();
        let shown = work_until(&here.engine, &case, |v| v["routes"].as_array().is_some_and(|r| !r.is_empty())).await;
        let route = shown["routes"][0].clone();
        assert_eq!(shown["findings"][0]["accountable"], route["to"], "the finding names them: {shown:#}");
        assert_eq!(route["fallback"], "the response owner");
        routes.push((
            route["to"].clone(),
            route["rule"].clone(),
            route["ownership"].clone(),
            route["escalation"].clone(),
            route["account"].clone(),
        ));
        cases.push(case);
    }
    let (dora, response) = (json!("dora@corp.example, then the response owner"), json!("the response owner"));
    let wanted = [
        (json!("olga@corp.example"), json!("declared"), json!("confirmed"), dora.clone(), json!(olga.id)),
        (json!("olga@corp.example"), json!("declared"), json!("stale"), dora.clone(), json!(olga.id)),
        (json!("rita@corp.example"), json!("repository"), json!("confirmed"), dora, Value::Null),
        (response.clone(), json!("fallback"), json!("missing"), response, Value::Null),
    ];
    assert_eq!(routes, wanted);
    let routed = here.engine.routed().await.expect("counted");
    assert_eq!(routed.iter().map(|(rule, n)| format!("{rule} {n}")).collect::<Vec<_>>(), ["declared 2", "fallback 1", "repository 1"]);

    // Whom nobody answers for, and whom nobody confirmed lately: once each, in cases of posture.
    let told = here.engine.look_after_owners().await.expect("looked");
    assert_eq!(here.engine.look_after_owners().await.expect("looked"), vec![], "once, while its task is open");
    let mut titles = Vec::new();
    for case in &told {
        let shown = view(&here.engine, case).await;
        assert_eq!((&shown["tasks"][0]["owner"], &shown["plans"]), (&json!("iam"), &json!([])), "{shown:#}");
        assert_eq!(shown["findings"][0]["kind"], "posture");
        assert!(!cases.contains(case), "the emergency has no part in it");
        titles.push(shown["findings"][0]["untrusted"]["title"].as_str().expect("a title").to_owned());
    }
    titles.sort();
    let wanted =
        ["nobody answers for `k8s/lonely`; its tags propose owner=tag@corp.example", "the owner was confirmed too long ago of `k8s/stale`"];
    assert_eq!(titles, wanted);
}
