//! What becomes of a message: every status of the contract.

use hmac::{Hmac, Mac};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{cli_run::Desk, server::Server};

const REPORT: &str = r#"[{"RuleID":"generic-api-key","Description":"a key","File":"a.env","StartLine":1,"Commit":"c1","Secret":"0123456789abcdef0123456789abcdef","Match":"KEY=0123456789abcdef0123456789abcdef","Author":"Dev","Email":"dev@corp.example","Date":"2026-11-20T10:00:00Z"}]"#;

#[tokio::test]
async fn every_body_of_an_authenticated_source_is_taken_and_nothing_else_is() {
    let server = Server::start_with("max_body = 1000000");
    let admin = server.set_up().await;
    let (token, other) = (server.source(&admin, "ci", "gitleaks").await, server.source(&admin, "other", "quell").await);
    for (name, path, token, body, status) in [
        ("a report", "/alerts/ci", Some(&token), REPORT.as_bytes().to_vec(), 202),
        ("the same again", "/alerts/ci", Some(&token), REPORT.as_bytes().to_vec(), 202),
        ("an empty report", "/alerts/ci", Some(&token), b"[]".to_vec(), 202),
        ("null", "/alerts/ci", Some(&token), b"null".to_vec(), 202),
        ("no body", "/alerts/ci", Some(&token), vec![], 202),
        ("cut short", "/alerts/ci", Some(&token), REPORT.as_bytes()[..40].to_vec(), 202),
        ("not JSON", "/alerts/ci", Some(&token), b"hello \x00\xff".to_vec(), 202),
        ("wrong types", "/alerts/ci", Some(&token), br#"[{"RuleID":7}]"#.to_vec(), 202),
        ("deep", "/alerts/ci", Some(&token), vec![b'['; 100_000], 202),
        ("as large as may be", "/alerts/ci", Some(&token), vec![b' '; 1_000_000], 202),
        ("one byte more", "/alerts/ci", Some(&token), vec![b' '; 1_000_001], 413),
        ("far too large", "/alerts/ci", Some(&token), vec![b' '; 3_900_000], 413),
        ("no token", "/alerts/ci", None, REPORT.as_bytes().to_vec(), 401),
        ("a token of nobody", "/alerts/ci", Some(&"quell_x".to_owned()), vec![], 401),
        ("another source's token", "/alerts/ci", Some(&other), vec![], 403),
        ("a person's session", "/alerts/ci", Some(&admin), vec![], 403),
        ("no such source", "/alerts/nobody", Some(&token), vec![], 404),
        ("no such source, no token", "/alerts/nobody", None, vec![], 401),
    ] {
        let (found, answer) = server.send(path, token.map(String::as_str), &[], body).await;
        assert_eq!(found.as_u16(), status, "{name}: {answer}");
        assert_eq!(answer["alert_id"].is_string(), status == 202, "{name}: {answer}");
    }
}

#[tokio::test]
async fn what_a_message_would_fold_into_is_shown_to_a_person_and_nothing_is_written() {
    let server = Server::start();
    let admin = server.set_up().await;
    let token = server.source(&admin, "ci", "gitleaks").await;
    let cases = async || server.get("/cases?state=all", &admin).await["cases"].as_array().map(Vec::len);
    let (status, answer) = server.send("/alerts/ci/fold", Some(&admin), &[], REPORT.into()).await;
    assert_eq!(
        (status, &answer["signals"][0]["rule"], &answer["signals"][0]["opens_case"]),
        (StatusCode::OK, &json!("new"), &json!(true)),
        "{answer}"
    );
    assert_eq!(cases().await, Some(0), "it was only asked");

    let (_, sent) = server.send("/alerts/ci", Some(&token), &[], REPORT.into()).await;
    let path = format!("/alerts/{}", sent["alert_id"].as_str().expect("an id"));
    let filed = server.until(&path, &admin, |a| a["state"] == "filed").await;
    let (_, answer) = server.send("/alerts/ci/fold", Some(&admin), &[], REPORT.into()).await;
    let first = &answer["signals"][0];
    assert_eq!(
        (&first["rule"], &first["finding"], &first["counts"]),
        (&json!("redelivered"), &filed["findings"][0], &json!(false)),
        "{answer}"
    );
    assert_eq!(first["key"], "sender, detector, event, kind, subject");
    assert_eq!(cases().await, Some(1));

    let desk = Desk::at(&server.url, &admin);
    let fold = |body: &str| desk.run(&["alert", "fold", "--source", "ci", &desk.file("report", body)]);
    let out = fold(REPORT).ended(0).out.clone();
    let finding = filed["findings"][0].as_str().expect("an id");
    assert!(out.contains(&format!("joins {finding}")) && out.contains("redelivered") && out.contains("nothing was written"), "{out}");
    let half = fold("{\"half\":");
    assert!(half.exit == 1 && half.out.contains("1 record(s) could not be read"), "{} {}", half.exit, half.out);
    assert_eq!(desk.run(&["alert", "fold", "--source", "nobody", &desk.file("report", REPORT)]).exit, 1);

    for (name, path, token, wanted) in [
        ("a sender", "/alerts/ci/fold", Some(&token), 403),
        ("nobody", "/alerts/ci/fold", None, 401),
        ("no such source", "/alerts/nobody/fold", Some(&admin), 404),
    ] {
        let (status, answer) = server.send(path, token.map(String::as_str), &[], REPORT.into()).await;
        assert_eq!(status.as_u16(), wanted, "{name}: {answer}");
    }
    let (_, answer) = server.send("/alerts/ci/fold", Some(&admin), &[], "{\"half\":".into()).await;
    assert_eq!((answer["signals"].as_array().map(Vec::len), answer["unreadable"].as_array().map(Vec::len)), (Some(0), Some(1)), "{answer}");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_finding_and_an_empty_report_is_none() {
    let server = Server::start();
    let admin = server.set_up().await;
    let token = server.source(&admin, "ci", "gitleaks").await;
    for (body, state, findings) in
        [("null", "filed", 0), ("[]", "filed", 0), (REPORT, "filed", 1), ("{\"half\":", "unreadable", 1), ("", "unreadable", 1)]
    {
        let (_, answer) = server.send("/alerts/ci", Some(&token), &[], body.into()).await;
        let path = format!("/alerts/{}", answer["alert_id"].as_str().expect("an id"));
        let alert = server.until(&path, &admin, |a| a["state"] != "stored").await;
        assert_eq!((alert["state"].as_str(), alert["findings"].as_array().map(Vec::len)), (Some(state), Some(findings)), "{body}: {alert}");
    }
    let list = server.get("/cases?state=all", &admin).await;
    assert!(list["cases"].as_array().is_some_and(|c| c.len() >= 2), "{list}");
    let page = server.get("/cases?limit=1", &admin).await;
    let next = page["next"].as_str().expect("a second page");
    let second = server.get(&format!("/cases?limit=1&after={next}"), &admin).await;
    assert_ne!(page["cases"][0]["id"], second["cases"][0]["id"]);
    let (status, _) = server.call(Method::GET, "/alerts/al-0000000000", Some(&admin), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_source_that_sends_too_fast_is_told_when_to_come_back() {
    let server = Server::start_with("[intake]\nper_second = 1\nburst = 2");
    let admin = server.set_up().await;
    let (token, other) = (server.source(&admin, "ci", "gitleaks").await, server.source(&admin, "other", "gitleaks").await);
    let send = async || server.send("/alerts/ci", Some(&token), &[], b"[]".to_vec()).await.0.as_u16();
    assert_eq!((send().await, send().await), (202, 202));
    // Side by side, so that the second in which one more is let in is not waited for.
    let seen = futures::future::join_all((0..20).map(|_| send())).await;
    assert!(seen.contains(&429), "{seen:?}");
    assert_eq!(server.send("/alerts/other", Some(&other), &[], b"[]".to_vec()).await.0, StatusCode::ACCEPTED);
}

fn signed(key: &str, at: i64, nonce: &str, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(format!("{at}.{nonce}.").as_bytes());
    mac.update(body);
    format!("t={at},n={nonce},v1={}", quell_core::secret::hex(&mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_signed_message_counts_once_also_after_a_restart_and_refusals_are_counted() {
    use quell_engine::port::Clock;

    let mut server = Server::start();
    let admin = server.set_up().await;
    let made = server.post("/sources", &admin, json!({ "name": "hook", "detector": "gitleaks", "hmac": true })).await;
    let key = made["hmac_key"].as_str().expect("a key").to_owned();
    let now = quell_store::SystemClock::new().now().as_second();
    let body = b"[]".to_vec();
    let first = signed(&key, now, "nonce-number-one", &body);
    for (name, header, body, status) in [
        ("signed", first.clone(), &body, 202),
        ("the same again", first.clone(), &body, 409),
        ("its nonce under another body", signed(&key, now, "nonce-number-one", b"null"), &b"null".to_vec(), 409),
        ("another nonce", signed(&key, now, "nonce-number-two", &body), &body, 202),
        ("another key", signed("no key of ours", now, "nonce-number-three", &body), &body, 401),
        ("another body", signed(&key, now, "nonce-number-three", b"null"), &body, 401),
        ("too old", signed(&key, now - 400, "nonce-number-three", &body), &body, 401),
        ("from the future", signed(&key, now + 400, "nonce-number-three", &body), &body, 401),
        ("not a signature", "t=1".to_owned(), &body, 401),
    ] {
        let (found, answer) = server.send("/alerts/hook", None, &[("Quell-Signature", &header)], body.clone()).await;
        assert_eq!(found.as_u16(), status, "{name}: {answer}");
    }
    server.kill();
    server.start_again();
    let (status, _) = server.send("/alerts/hook", None, &[("Quell-Signature", &first)], body.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT, "a replay after a restart");
    let (_, metrics) = server.page("/metrics").await;
    assert!(metrics.contains(r#"quell_alerts_refused_total{source="hook",because="replayed"} 1"#), "{metrics}");

    // Once the server has ended, what it counted is in the ledger.
    assert!(server.terminate().success());
    let written = server.files().iter().any(|(_, bytes)| bytes.windows(13).any(|w| w == b"alert_refused"));
    assert!(written, "the refusals are events");
}

#[tokio::test]
async fn waiting_needs_the_scope_and_ends_when_a_person_is_awaited() {
    let server = Server::start();
    let admin = server.set_up().await;
    let plain = server.source(&admin, "ci", "gitleaks").await;
    let made = server.post("/tokens", &admin, json!({ "name": "waiter", "source": "ci", "scopes": ["alerts:write", "cases:read"] })).await;
    let waiter = made["token"].as_str().expect("a token");
    let prefer = [("Prefer", "wait=20")];
    let (status, answer) = server.send("/alerts/ci", Some(&plain), &prefer, REPORT.into()).await;
    assert_eq!((status, answer.get("cases")), (StatusCode::ACCEPTED, None), "no scope, no waiting");
    let (status, answer) = server.send("/alerts/ci", Some(waiter), &prefer, REPORT.into()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["cases"].as_array().map(Vec::len), Some(1), "{answer}");
    let case: &Value = &answer["cases"][0];
    assert!(case["headline"].is_string() && case["events"]["first"].is_u64() && case["credentials"].is_array(), "{case}");
    // Of another source's alerts a sender learns nothing.
    let other = server.source(&admin, "other", "gitleaks").await;
    let made = server.post("/tokens", &admin, json!({ "name": "reader", "source": "other", "scopes": ["cases:read"] })).await;
    let reader = made["token"].as_str().expect("a token");
    let path = format!("/alerts/{}", answer["alert_id"].as_str().expect("an id"));
    for (token, status) in [(waiter, 200), (reader, 404), (other.as_str(), 403)] {
        assert_eq!(server.call(Method::GET, &path, Some(token), None).await.0.as_u16(), status);
    }
    assert_eq!(server.send("/alerts/other", Some(reader), &[], b"[]".to_vec()).await.0, StatusCode::FORBIDDEN, "a reader does not write");
}
