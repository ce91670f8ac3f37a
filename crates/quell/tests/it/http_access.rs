//! Who gets in, and what a token may do.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server};

#[tokio::test]
async fn setup_works_once_and_wrong_codes_end_it() {
    let server = Server::start();
    let body = |code: &str| json!({ "code": code, "name": "ada", "password": PASSWORD });
    let (status, problem) = server.call(Method::POST, "/setup", None, Some(body("wrong"))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("4 tries")), "{problem}");
    let (status, _) =
        server.call(Method::POST, "/setup", None, Some(json!({ "code": server.code, "name": "ada", "password": "short" }))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "a password that is too short uses the code up for nobody");

    let token = server.set_up().await;
    let me = server.get("/whoami", &token).await;
    assert_eq!((&me["roles"], &me["human"], &me["signed_in"]), (&json!(["admin"]), &json!(true), &json!(true)));
    let (status, _) = server.call(Method::POST, "/setup", None, Some(body(server.code.as_deref().expect("a code")))).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "a second time");

    let guessed = Server::start();
    for _ in 0..5 {
        guessed.call(Method::POST, "/setup", None, Some(body("wrong"))).await;
    }
    let (status, problem) = guessed.call(Method::POST, "/setup", None, Some(body(guessed.code.as_deref().expect("a code")))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("restart")), "{problem}");
}

#[tokio::test]
async fn a_session_begins_with_the_password_outlives_a_restart_and_ends_with_logout() {
    let mut server = Server::start();
    let admin = server.set_up().await;
    let token = server.person(&admin, "bea", &["business_owner"]).await;
    for (user, password, status) in
        [("bea", "wrong wrong", 401), ("nobody", PASSWORD, 401), ("bea@corp.example", PASSWORD, 200), ("BEA", PASSWORD, 200)]
    {
        let (found, answer) = server.call(Method::POST, "/login", None, Some(json!({ "user": user, "password": password }))).await;
        assert_eq!(found.as_u16(), status, "{user}: {answer}");
    }

    assert!(server.terminate().success());
    server.start_again();
    assert_eq!(server.code, None, "there are accounts");
    assert_eq!(server.get("/whoami", &token).await["name"], "bea");
    let (status, _) = server.call(Method::POST, "/logout", Some(&token), None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = server.call(Method::GET, "/whoami", Some(&token), None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    for token in [None, Some("quell_nonsense"), Some("")] {
        let (status, problem) = server.call(Method::GET, "/cases", token, None).await;
        assert_eq!((status, problem["type"].as_str()), (StatusCode::UNAUTHORIZED, Some("about:blank#not_signed_in")));
    }
}

#[tokio::test]
async fn wrong_passwords_get_slow() {
    let server = Server::start();
    server.set_up().await;
    let wrong = json!({ "user": "ada", "password": "wrong wrong" });
    for _ in 0..10 {
        assert_eq!(server.call(Method::POST, "/login", None, Some(wrong.clone())).await.0, StatusCode::UNAUTHORIZED);
    }
    let right = json!({ "user": "ada", "password": PASSWORD });
    assert_eq!(server.call(Method::POST, "/login", None, Some(right)).await.0, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn names_addresses_and_sources_are_unique_and_roles_are_known() {
    let server = Server::start();
    let admin = server.set_up().await;
    server.person(&admin, "bea", &["secops"]).await;
    let user = |name: &str, email: &str, role: &str| json!({ "name": name, "email": email, "roles": [role] });
    for (body, status) in [
        (user("Bea", "x@corp.example", "iam"), 409),
        (user("cem", "BEA@corp.example", "iam"), 409),
        (user("cem", "cem@corp.example", "king"), 422),
        (user("", "cem@corp.example", "iam"), 422),
        (user("cem", "no address", "iam"), 422),
        (json!({ "name": "cem", "colour": "red" }), 422),
        (json!({ "roles": [] }), 422),
        (json!({ "name": "cem", "roles": ["auditor", "admin"] }), 403),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        server.refused("/users", &admin, body, status).await;
    }
    server.source(&admin, "ci", "gitleaks").await;
    for (body, status) in [
        (json!({ "name": "ci", "detector": "gitleaks" }), StatusCode::CONFLICT),
        (json!({ "name": "a/b", "detector": "gitleaks" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "other", "detector": "oracle" }), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        server.refused("/sources", &admin, body, status).await;
    }
    let users = server.get("/users", &admin).await;
    assert_eq!(users["users"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_machine_token_obeys_its_scopes_and_never_approves() {
    let server = Server::start();
    let admin = server.set_up().await;
    let lead = server.person(&admin, "lea", &["lead", "secops", "response_owner"]).await;
    let subject = json!({ "subject": "pg-main/app", "text": "seen in a paste" });
    let import = r#"{"type":"system","id":"pg-main","kind":"external"}
{"type":"identity","id":"pg-main/app","kind":"service_account"}"#;
    let (status, change) = server.send("/inventory?source=test", Some(&admin), &[], import.as_bytes().to_vec()).await;
    assert_eq!((status, &change["added"]), (StatusCode::OK, &json!(2)), "{change}");
    let case = server.post("/cases", &lead, subject.clone()).await;
    let id = case["id"].as_str().expect("an id").to_owned();

    let token = async |scopes: Value| -> String {
        let body = json!({ "name": "robot", "user": "lea", "scopes": scopes, "expires": "1d" });
        server.post("/tokens", &admin, body).await["token"].as_str().expect("a token").to_owned()
    };
    let (reader, writer) = (token(json!(["cases:read"])).await, token(json!(["cases:write"])).await);
    let me = server.get("/whoami", &reader).await;
    assert_eq!((&me["signed_in"], &me["scopes"]), (&json!(false), &json!(["cases:read"])));

    let at = |verb: &str| format!("/cases/{id}/{verb}");
    let digest = json!({ "digest": "00" });
    let denial = json!({ "digest": "00", "reason": "no" });
    for (token, path, body, status) in [
        (&reader, at("note"), json!({ "text": "x" }), 403),
        (&writer, at("note"), json!({ "text": "x" }), 200),
        (&writer, "/cases".to_owned(), subject.clone(), 200),
        (&writer, at("approve"), digest.clone(), 403),
        (&reader, at("approve"), digest.clone(), 403),
        (&writer, at("deny"), denial, 403),
        (&writer, at("run"), digest, 403),
        (&writer, at("verdict"), json!({ "role": "secops", "verdict": "malicious" }), 403),
        (&writer, at("lead"), json!({}), 403),
        (&writer, at("undo"), json!({}), 403),
        (&writer, at("close"), json!({}), 403),
        (&writer, "/connectors/pg-main/arm".to_owned(), json!({ "actions": ["suspend_identity"], "until": "1h" }), 403),
        (&writer, "/automation/pause".to_owned(), json!({ "until": "1h" }), 403),
        (&writer, "/users".to_owned(), json!({ "name": "eve" }), 403),
        (&writer, "/tokens".to_owned(), json!({ "name": "eve" }), 403),
        (&lead, "/tokens".to_owned(), json!({ "name": "eve" }), 403),
        (&lead, at("verdict"), json!({ "role": "iam", "verdict": "entitled" }), 409),
        (&lead, at("verdict"), json!({ "role": "secops", "verdict": "malicious" }), 200),
    ] {
        let (found, answer) = server.call(Method::POST, &path, Some(token), Some(body)).await;
        assert_eq!(found.as_u16(), status, "{path}: {answer}");
    }
    for (token, path, status) in
        [(&reader, "/cases", 200), (&writer, "/cases", 403), (&reader, "/ledger/verify", 403), (&admin, "/ledger/verify", 200)]
    {
        assert_eq!(server.call(Method::GET, path, Some(token), None).await.0.as_u16(), status, "{path}");
    }
    for (body, status) in [
        (json!({ "name": "x", "scopes": ["everything"] }), 422),
        (json!({ "name": "x", "expires": "soon" }), 422),
        (json!({ "name": "x", "expires": "9999d" }), 422),
        (json!({ "name": "x", "user": "nobody" }), 404),
        (json!({ "name": "x", "source": "nobody" }), 404),
        (json!({ "name": "x", "source": "s", "user": "lea" }), 422),
    ] {
        server.refused("/tokens", &admin, body, StatusCode::from_u16(status).expect("a status")).await;
    }
}

#[tokio::test]
async fn a_pause_is_ended_by_another_person_and_people_are_told_what_waits() {
    let server = Server::start();
    let admin = server.set_up().await;
    let lead = server.person(&admin, "lea", &["lead", "response_owner"]).await;
    let other = server.person(&admin, "rob", &["response_owner"]).await;
    assert_eq!(server.post("/automation/pause", &lead, json!({ "until": "1h", "reason": "test" })).await["paused"], true);
    server.refused("/automation/resume", &lead, json!({}), StatusCode::CONFLICT).await;
    assert_eq!(server.post("/automation/resume", &other, json!({})).await["paused"], false);
    server.refused("/automation/pause", &lead, json!({ "until": "2020-01-01T00:00:00Z" }), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(server.get("/inbox", &lead).await["cases"], json!([]));
    let policy = server.get("/policy", &lead).await;
    assert!(policy["rows"].as_array().is_some_and(|rows| rows.len() > 20), "{policy}");
    let explained = server.post("/policy/explain", &lead, json!({ "question": { "circumstances": { "armed": false } } })).await;
    assert_eq!(explained["decision"]["deciding"], json!(["secops.not-armed"]), "{explained}");
    let explained = server.post("/policy/explain", &lead, json!({ "question": { "verb": "approve", "signed_in": false } })).await;
    assert_eq!(explained["decision"]["allowed"], false, "{explained}");
}
