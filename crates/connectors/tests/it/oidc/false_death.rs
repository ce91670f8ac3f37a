//! What looks like a death and is none.

use quell_connectors::oidc::{Oidc, Reach};
use quell_core::{
    action::Action,
    proof::{Answer, Liveness},
};
use quell_engine::port::{Connector, ProbeRequest};
use quell_lab::relay::{Relay, answer};
use serde_json::json;

use super::plane::*;

/// A connector whose line goes through somebody with a good certificate, who may lie.
async fn through(plane: &Plane) -> (Relay, Oidc) {
    let cert = plane.server.ca().server(&["localhost", "127.0.0.1"]).expect("signed");
    let relay = Relay::start(&cert, plane.server.clear_port()).await.expect("listens");
    let issuer = plane.server.issuer();
    let port = relay.port();
    let connector = plane.connector(|c| {
        c.issuer = Some(issuer);
        if let Reach::Tls { port: to, .. } = &mut c.reach {
            *to = port;
        }
    });
    (relay, connector)
}

/// Everything about Alice that could be called dead.
async fn everything(plane: &Plane) -> Vec<ProbeRequest> {
    vec![
        about(plane.session("alice").await, "alice"),
        leaked(plane.grant("alice", "web").await, "alice", plane.tokens.refresh.as_ref().expect("one")),
        leaked(token("alice", &plane.tokens.access), "alice", &plane.tokens.access),
        leaked(password("alice"), "alice", &plane.alice.password),
        leaked(password("client:ci"), "client:ci", plane.ci.secret.as_ref().expect("one")),
        about(account("alice"), "alice"),
    ]
}

#[tokio::test]
async fn an_honest_line_between_tells_the_same() {
    let plane = Plane::start().await;
    let (_relay, connector) = through(&plane).await;
    for request in everything(&plane).await.into_iter().take(5) {
        let (proved, round) = judged(&connector, request, None).await;
        assert_eq!(proved.liveness, Liveness::Live, "{round:#?}");
    }
    assert!(connector.check().await.control_alive);
}

/// Somebody who answers for the provider: nothing is there, for anybody. The control is
/// not there either, so nothing is dead.
#[tokio::test]
async fn a_provider_that_says_no_to_everything_proves_nothing() {
    let plane = Plane::start().await;
    let asked = everything(&plane).await;
    let lies: Vec<(&str, Vec<u8>)> = vec![
        ("not found", answer(404, r#"{"error":"not_found"}"#)),
        ("nothing is active", answer(200, r#"{"active":false}"#)),
        ("empty lists", answer(200, r#"{"sessions":[],"grants":[],"tokens":[],"accounts":[],"clients":[],"truncated":false}"#)),
        ("nothing matches", answer(200, r#"{"matches":false}"#)),
        ("no client is known", answer(401, r#"{"error":"invalid_client"}"#)),
        ("no grant is known", answer(400, r#"{"error":"invalid_grant"}"#)),
        ("a page of a proxy", answer(200, "<html>please log in</html>")),
        ("not now", answer(503, "{}")),
        ("a lot", answer(429, "{}")),
        ("elsewhere", answer(302, "{}")),
        ("broken", answer(500, r#"{"error":"server_error"}"#)),
        ("nothing", Vec::new()),
        ("half", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"sessions\":[".to_vec()),
        ("empty", answer(200, "")),
        ("a list", answer(200, "[]")),
        ("the control, disabled", answer(200, r#"{"id":"quell-control","disabled":true,"required_acr":null,"password_version":9}"#)),
    ];
    for (name, lie) in lies {
        // With its metadata known, and without.
        for warm in [true, false] {
            let (relay, connector) = through(&plane).await;
            if warm {
                assert!(connector.check().await.control_alive);
            }
            let lie = lie.clone();
            relay.lie(move |_, _| lie.clone());
            for request in asked.clone() {
                let native = request.target.native.value().expect("named").to_owned();
                let (proved, round) = judged(&connector, request, None).await;
                // Whoever says yes to everybody lets a client in, too: that is no death.
                let let_in = name == "nothing is active" && native == "client:ci#password";
                assert_ne!(proved.liveness, Liveness::Dead, "{name}: {native}: {round:#?}");
                assert!(let_in || proved.liveness == Liveness::Unknown, "{name}: {native}: {round:#?}");
            }
        }
    }
}

/// It lies about one thing and lets the control be: the part of the answer that is not
/// what it should be is found, and another's thing is no absence of this one.
#[tokio::test]
async fn an_answer_about_something_else_is_not_understood() {
    let plane = Plane::start().await;
    let grant = plane.grant("alice", "web").await;
    let id = grant.native.value().and_then(|n| n.split("#grant:").nth(1)).expect("named").to_owned();
    let (relay, connector) = through(&plane).await;
    assert!(connector.check().await.control_alive);
    let bobs = plane.grant("bob", "web").await.native.value().and_then(|n| n.split("#grant:").nth(1)).expect("named").to_owned();
    let asked = id.clone();
    relay.lie(move |first, truth| match first.contains(&format!("grants/{asked}")) {
        true => String::from_utf8_lossy(&truth).replace(&asked, &bobs).into_bytes(),
        false => truth,
    });
    unknown(&connector, about(grant.clone(), "alice"), "another one than it was asked about").await;
    // A list of somebody else's, and one that does not say whether it is whole.
    let session = plane.session("alice").await;
    relay.lie(|first, truth| match first.contains("alice/sessions") {
        true => String::from_utf8_lossy(&truth)
            .replace("\"account\":\"alice\"", "\"account\":\"malice\"")
            .replace("Content-Length", "X-Length")
            .into_bytes(),
        false => truth,
    });
    let (proved, round) = judged(&connector, about(session.clone(), "alice"), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    relay.lie(|first, truth| if first.contains("alice/sessions") { answer(200, r#"{"sessions":[]}"#) } else { truth });
    unknown(&connector, about(session.clone(), "alice"), "whether that is all").await;
    relay.lie(|first, truth| if first.contains("alice/sessions") { answer(200, r#"{"sessions":[],"truncated":true}"#) } else { truth });
    unknown(&connector, about(session, "alice"), "more sessions than one answer holds").await;
}

/// A grant that is gone with tokens of it left is not gone.
#[tokio::test]
async fn a_grant_that_is_gone_with_tokens_of_it_left_is_not_dead() {
    let plane = Plane::start().await;
    let grant = plane.grant("alice", "web").await;
    plane.server.lab("drop/Grant", json!({"account": "alice"})).await.expect("dropped behind everybody's back");
    let (proved, round) = judged(&plane.connector, about(grant, "alice"), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(proved.reason.contains("tokens of it are there"), "{}", proved.reason);
}

/// The control's standing session or grant is gone: a listing that does not hold it
/// proves nothing.
#[tokio::test]
async fn without_the_control_nothing_is_dead() {
    let plane = Plane::start().await;
    let (session, grant) = (plane.session("alice").await, plane.grant("alice", "web").await);
    plane.contain_alice().await;
    plane.is_dead(about(session.clone(), "alice")).await;
    for (what, target) in [("Session", &session), ("Grant", &grant)] {
        plane.server.lab(&format!("drop/{what}"), json!({"account": "quell-control"})).await.expect("dropped");
        unknown(&plane.connector, about(target.clone(), "alice"), "the control was not alive").await;
        let check = plane.connector.check().await;
        assert!(!check.control_alive && !check.privileges.missing.is_empty(), "{check:?}");
    }
    plane.server.lab("standing", json!({})).await.expect("made again");
    plane.is_dead(about(session, "alice")).await;
    // The client of the control is refused: no refusal counts.
    let old = plane.ci.secret.clone().expect("one");
    done(act(&plane.connector, with_secret(Action::RotateCredential, &password("client:ci"), &new_secret())).await);
    plane.server.lab("secret/quell-control", json!({"secret": "another one"})).await.expect("changed");
    let (proved, round) = plane.settled(leaked(password("client:ci"), "client:ci", &old)).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
}

#[tokio::test]
async fn a_value_that_was_never_seen_to_be_right_is_not_called_dead() {
    let plane = Plane::start().await;
    let doubtful = |target, identity: &str| ProbeRequest { leaked: Some(new_secret()), ..about(target, identity) };
    for (target, identity) in [
        (token("alice", &quell_lab::secret::Secret::known("x")), "alice"),
        (password("alice"), "alice"),
        (password("client:ci"), "client:ci"),
    ] {
        let (proved, round) = judged(&plane.connector, doubtful(target.clone(), identity), None).await;
        let by_value =
            |o: &&quell_core::proof::Observation| !matches!(&o.answer, Answer::Enforced { by } if by.contains("no token of this value"));
        assert!(round.iter().filter(by_value).all(|o| matches!(o.answer, Answer::Inconclusive { .. })), "{round:#?}");
        assert!(proved.liveness != Liveness::Live, "{round:#?}");
    }
}

#[tokio::test]
async fn clear_http_proves_nothing_and_is_handed_no_secret() {
    let plane = Plane::start().await;
    let issuer = plane.server.issuer();
    let port = plane.server.clear_port();
    let connector = plane.connector(|c| {
        c.issuer = Some(issuer);
        c.reach = Reach::Clear { host: "localhost".to_owned(), port, address: Some(std::net::Ipv4Addr::LOCALHOST.into()) };
    });
    let asked = everything(&plane).await;
    let session = asked[0].clone();
    plane.contain_alice().await;
    let (proved, _) = judged(&connector, session, None).await;
    assert_eq!(proved.liveness, Liveness::Unknown);
    assert!(proved.reason.contains("does not prove who answered"), "{}", proved.reason);
    for request in asked.into_iter().filter(|r| r.leaked.is_some()) {
        let round = connector.probe(&request).await;
        let said = format!("{round:?}");
        assert!(!said.contains("introspection says") && !said.contains("invalid_client"), "nobody was handed the value: {said}");
    }
    assert!(connector.check().await.warnings.iter().any(|w| w.contains("clear HTTP")));
}

/// Another certificate, and metadata of another issuer or with endpoints elsewhere.
#[tokio::test]
async fn whoever_is_not_the_provider_is_told_nothing_and_believed_nothing() {
    let plane = Plane::start().await;
    let asked = everything(&plane).await;
    for stranger in strangers(plane.server.ca()) {
        plane.server.present(&stranger).expect("presented");
        let connector = plane.connector(|_| {});
        for request in asked.clone() {
            let (proved, round) = judged(&connector, request, None).await;
            assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
        }
        assert!(!connector.check().await.reachable);
    }
    let own = plane.server.ca().server(&["localhost", "127.0.0.1"]).expect("signed");
    plane.server.present(&own).expect("presented");
    let other = plane.connector(|c| c.issuer = Some("https://elsewhere.example".to_owned()));
    unknown(&other, asked[0].clone(), "another issuer").await;
    let (relay, connector) = through(&plane).await;
    let issuer = plane.server.issuer();
    relay.lie(move |first, truth| match first.contains("well-known") {
        true => {
            let elsewhere = format!("\"token_endpoint\":\"{issuer}");
            let text = String::from_utf8_lossy(&truth).replace(&elsewhere, "\"token_endpoint\":\"https://elsewhere.example");
            text.replace("Content-Length", "X-Length").into_bytes()
        }
        false => truth,
    });
    let check = connector.check().await;
    assert!(!check.reachable && check.why_not.is_some_and(|w| w.contains("not at the issuer")));
}

#[tokio::test]
async fn a_probe_before_the_settle_time_or_with_another_name_proves_nothing() {
    let plane = Plane::start().await;
    let session = plane.session("alice").await;
    done(plane.act(Action::TerminateSessions, &session).await);
    let (proved, _) = judged(&plane.connector, about(session, "alice"), Some(now())).await;
    assert_eq!(proved.liveness, Liveness::Unknown);
    assert!(proved.reason.contains("settle time"), "{}", proved.reason);
    unknown(&plane.connector, about(account("nobody"), "nobody"), "called something else").await;
    unknown(&plane.connector, about(password("nobody"), "nobody"), "called something else").await;
}

/// It says "done" to every order, and goes on to show what stood there before.
#[tokio::test]
async fn a_success_without_an_effect_that_can_be_read_is_unknown() {
    let plane = Plane::start().await;
    let (session, grant) = (plane.session("alice").await, plane.grant("alice", "web").await);
    let machine = plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").expect("accepted").access;
    for one in [
        attempt(Action::SuspendIdentity, &account("alice")),
        attempt(Action::SuspendIdentity, &client("ci")),
        attempt(Action::RequireStepUp, &account("alice")),
        attempt(Action::TerminateSessions, &session),
        attempt(Action::TerminateSessions, &account("bob")),
        attempt(Action::RevokeCredential, &grant),
        attempt(Action::RevokeCredential, &token("client:ci", &machine)),
        with_secret(Action::RotateCredential, &password("alice"), &new_secret()),
        with_secret(Action::RotateCredential, &password("client:ci"), &new_secret()),
        with_secret(Action::Reinstate, &account("alice"), &new_secret()),
    ] {
        let (relay, connector) = through(&plane).await;
        let first_seen = std::sync::Mutex::new(std::collections::BTreeMap::new());
        relay.lie(move |first, truth| {
            if !first.contains("/admin/v1/") || !(first.starts_with("GET") || first.contains("/verify")) {
                return truth;
            }
            first_seen.lock().expect("not poisoned").entry(first.to_owned()).or_insert(truth).clone()
        });
        let outcome = act(&connector, one.clone()).await;
        assert!(matches!(outcome, quell_engine::port::Outcome::Unknown { .. }), "{:?}: {outcome:?}", one.action);
    }
}

/// A session that is written back between two looks is found by the second one.
#[tokio::test]
async fn one_empty_listing_is_not_the_end_of_all_sessions() {
    let plane = Plane::start().await;
    let (relay, connector) = through(&plane).await;
    let seen = std::sync::Mutex::new(Vec::new());
    relay.lie(move |first, truth| {
        if !first.starts_with("GET") || !first.contains("alice/sessions") {
            return truth;
        }
        let mut seen = seen.lock().expect("not poisoned");
        seen.push(truth.clone());
        // There, gone, there again, and gone for good.
        if seen.len() == 3 { seen[0].clone() } else { truth }
    });
    let changed = done(act(&connector, attempt(Action::TerminateSessions, &account("alice"))).await);
    assert_eq!(changed["sessions"], (Some("2 open".to_owned()), Some("2 ended".to_owned())));
}
