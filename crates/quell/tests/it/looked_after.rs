//! Sources, owners and threat context, over the API: brought in, shown, and refused with a reason.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

fn word(event: &str, name: &str) -> Vec<u8> {
    json!({ "kind": "anomalous_use", "title": "used after CVE-2031-12345", "dedupe_key": event, "severity": { "id": 3, "vendor": "3" },
        "subject": { "kind": "workload", "native_id": name, "system": "k8s" }, "actor": { "ip": "203.0.113.7" } })
    .to_string()
    .into_bytes()
}

/// Sends an alert and answers the case it went to.
async fn case_of(server: &Server, admin: &str, token: &str, bytes: Vec<u8>) -> String {
    let (status, answer) = server.send("/alerts/words", Some(token), &[], bytes).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let alert = server.until(&format!("/alerts/{}", answer["alert_id"].as_str().expect("an id")), admin, |a| a["state"] == "filed").await;
    alert["cases"][0].as_str().or(alert["cases"][0]["id"].as_str()).expect("a case").to_owned()
}

#[tokio::test]
async fn a_source_has_an_owner_and_says_how_it_is_heard() {
    let server = Server::start();
    let admin = server.set_up().await;
    let token = server.source(&admin, "words", "quell").await;
    let fresh = server.get("/sources/words", &admin).await;
    assert_eq!((&fresh["last_alert_at"], &fresh["usual"], &fresh["owner"]), (&Value::Null, &Value::Null, &Value::Null), "{fresh}");
    server.person(&admin, "tess", &["telemetry_owner"]).await;
    server.post("/sources/words/owner", &admin, json!({ "person": "tess" })).await;
    server.refused("/sources/words/owner", &admin, json!({ "person": "nobody" }), StatusCode::NOT_FOUND).await;
    server.refused("/sources/nothing/owner", &admin, json!({ "person": "tess" }), StatusCode::NOT_FOUND).await;
    assert_eq!(server.call(Method::GET, "/sources/nothing", Some(&admin), None).await.0, StatusCode::NOT_FOUND);
    case_of(&server, &admin, &token, word("e1", "app")).await;
    let heard = server.get("/sources/words", &admin).await;
    assert_eq!((&heard["owner"], &heard["silent_since"]), (&json!("tess"), &Value::Null), "{heard}");
    assert!(heard["last_alert_at"].is_string() && heard["schema"]["anomalous_use"].is_array(), "{heard}");
    let all = server.get("/sources", &admin).await;
    assert_eq!(all["sources"][0]["last_alert_at"], heard["last_alert_at"]);
}

#[tokio::test]
async fn a_case_names_who_answers_what_feeds_say_and_who_was_blind() {
    let server = Server::start();
    let admin = server.set_up().await;
    let token = server.source(&admin, "words", "quell").await;
    server.source(&admin, "unheard", "quell").await;
    let import =
        async |query: &str, text: &str| server.send(&format!("/inventory?source=s&{query}"), Some(&admin), &[], text.into()).await.1;
    let identities = r#"{"type":"identity","id":"k8s/app","kind":"workload","repository":"acme/shop/services/app"}
{"type":"identity","id":"k8s/lonely","kind":"workload"}"#;
    assert_eq!(import("", identities).await["added"], 2);
    assert_eq!(import("format=codeowners&repository=acme/shop", "* @acme/platform\n/services/app/ olga@corp.example\n").await["added"], 2);
    assert_eq!(
        import("format=owners_csv", "of,role,team\nk8s/nothing,business,x\n").await["errors"][0]["line"],
        2,
        "it is in no inventory"
    );
    let wrong = import("format=codeowners", "* nobody\n").await;
    assert!(wrong["errors"][0]["message"].as_str().is_some_and(|m| m.contains("found `nobody`")), "{wrong}");

    let feed = std::fs::read(format!("{}/../../fuzz/corpus/feed/bundle.json", env!("CARGO_MANIFEST_DIR"))).expect("the bundle");
    let (status, told) = server.send("/context?name=herons&dry_run=true", Some(&admin), &[], feed.clone()).await;
    assert_eq!((status, &told["entries"], &told["left_out"]), (StatusCode::OK, &json!(7), &json!(3)), "{told}");
    assert_eq!(server.get("/context", &admin).await["feeds"], json!([]), "a dry run brings nothing in");
    server.send("/context?name=herons", Some(&admin), &[], feed).await;
    let (status, refused) = server.send("/context?name=herons", Some(&admin), &[], br#"{"type":"bundle","objects":[5]}"#.to_vec()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused["detail"].as_str().is_some_and(|d| d.contains("/objects/0")), "{refused}");
    assert_eq!(server.get("/context", &admin).await["feeds"][0]["entries"], 7, "what was refused changed nothing");
    let auditor = server.person(&admin, "aud", &["auditor"]).await;
    let (status, _) = server.send("/context?name=x", Some(&auditor), &[], b"{}".to_vec()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);

    for (name, to, rule) in [("app", "olga@corp.example", "repository"), ("lonely", "the response owner", "fallback")] {
        let case = case_of(&server, &admin, &token, word(name, name)).await;
        let path = format!("/cases/{case}");
        let shown = server.until(&path, &admin, |c| c["routes"].as_array().is_some_and(|r| !r.is_empty())).await;
        assert_eq!((&shown["routes"][0]["to"], &shown["routes"][0]["rule"]), (&json!(to), &json!(rule)), "{shown:#}");
        assert_eq!(shown["findings"][0]["accountable"], to);
        let named: Vec<&str> = shown["threat_context"].as_array().expect("a list").iter().filter_map(|t| t["named"].as_str()).collect();
        assert_eq!(named, ["CVE-2031-12345", "203.0.113.7"]);
        assert_eq!(shown["blind_sources"][0]["source"], "unheard", "{shown:#}");
    }
    let (_, metrics) = server.page("/metrics").await;
    for wanted in
        ["quell_routed_subjects{rule=\"repository\"} 1", "quell_routed_subjects{rule=\"declared\"} 0", "quell_routed_fallback_share 0.5"]
    {
        assert!(metrics.contains(wanted), "{wanted} in {metrics}");
    }
}
