//! Whose is a leaked value? Asked without one login and without using it up.

use quell_core::{action::Action, proof::Liveness, secret::Secret, target::TargetKind};
use quell_engine::port::{Connector, Identified, ProbeRequest};
use reqwest::Method;
use serde_json::json;

use super::plane::*;

fn matched(answer: Identified) -> (String, String) {
    match answer {
        Identified::Match { credential, identity, .. } => (credential, identity),
        other => panic!("expected a match, found {other:?}"),
    }
}

#[tokio::test]
async fn a_leaked_secret_id_finds_its_approle_and_keeps_its_uses() {
    let plane = Plane::start().await;
    let (limited, accessor) = plane.estate.secret_id(&plane.server, json!({"num_uses": 1})).await.expect("issued");
    for _ in 0..5 {
        let (credential, identity) = matched(plane.connector.identify(&secret(&limited)).await.expect("compared"));
        assert_eq!((credential, identity), (format!("{CI}#secret_id:{accessor}"), CI.to_owned()));
    }
    let padded = Secret::new(format!("  {}\n", plane.estate.secret_id.reveal()));
    assert_eq!(matched(plane.connector.identify(&padded).await.expect("compared")).0, plane.leaked_native());
    plane.estate.login(&plane.server, &limited).await.expect("its one use is still there");
    let log = std::fs::read_to_string(plane.server.audit_log()).expect("a log");
    let logins = log.lines().filter(|l| l.contains("\"path\":\"auth/approle/login\"") && l.contains("\"role_name\":\"ci\"")).count();
    assert_eq!(logins, 1, "ours is the only login of `ci`, and it is the test's");
    let own = matched(plane.connector.identify(&plane.config.control.secret_id).await.expect("compared"));
    assert_eq!(own.1, "approle:quell-control");
    assert!(plane.connector.protected(&own.1).is_some(), "its own credential in the reach is known as protected");
}

#[tokio::test]
async fn a_leaked_token_finds_whose_it_is_whatever_kind_it_is() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let person = plane.estate.login_person(&plane.server).await.expect("in");
    let child = token.make(&plane.server, "create", "service").await.expect("made");
    let orphan = token.make(&plane.server, "create-orphan", "service").await.expect("made");
    let cases = [
        (&token, CI.to_owned()),
        (&person, "userpass:alice".to_owned()),
        (&child, format!("entity/{}", token.entity)),
        (&orphan, format!("token:{}", orphan.accessor)),
    ];
    for (of, whose) in cases {
        let (credential, identity) = matched(plane.connector.identify(&secret(&of.token)).await.expect("compared"));
        assert_eq!((credential, identity), (format!("token:{}", of.accessor), whose));
    }
    let root = matched(plane.connector.identify(&secret(plane.server.root())).await.expect("compared"));
    assert!(plane.connector.protected(&root.1).is_some_and(|why| why.contains("root")), "{root:?}");

    // A token with one use keeps it.
    let made = plane
        .server
        .call(Method::POST, "auth/token/create", Some(token.token.reveal()), Some(json!({"num_uses": 1})))
        .await
        .expect("made")
        .1;
    let one_use = Secret::new(made["auth"]["client_token"].as_str().expect("a token"));
    for _ in 0..3 {
        matched(plane.connector.identify(&one_use).await.expect("compared"));
    }
    let (status, _) = plane.server.call(Method::GET, "auth/token/lookup-self", Some(one_use.expose()), None).await.expect("asked");
    assert_eq!(status, 200, "its one use is still there");
}

#[tokio::test]
async fn a_leaked_batch_token_is_known_by_its_end_and_proved_by_its_value() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let batch = token.make(&plane.server, "create", "batch").await.expect("made");
    let (native, identity) = matched(plane.connector.identify(&secret(&batch.token)).await.expect("compared"));
    assert_eq!(identity, format!("entity/{}", token.entity));
    assert!(native.starts_with("batch:") && native.contains(&token.entity) && !native.contains(&batch.token.reveal()[2..20]), "{native}");
    let leaked = target(TargetKind::Credential, &native, &identity);
    let ask = |with: bool| ProbeRequest { leaked: with.then(|| secret(&batch.token)), leaked_was_right: true, ..about(leaked.clone()) };
    assert_eq!(judged(&plane.connector, ask(true)).await.0.liveness, Liveness::Live);
    let (proved, _) = judged(&plane.connector, ask(false)).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "without its value only its end is known");
    let minutes = (proved.residual_until.expect("its end").as_second() - now().as_second()) / 60;
    assert!((28..=30).contains(&minutes), "{minutes}");
    plane.do_it(Action::TerminateSessions, &session(&token.accessor)).await;
    let (proved, round) = judged(&plane.connector, ask(true)).await;
    assert_eq!(proved.liveness, Liveness::Dead, "the token that made it is gone: {round:#?}");
}

#[tokio::test]
async fn what_matches_nothing_says_what_it_was_compared_with() {
    let plane = Plane::start().await;
    let answer = plane.connector.identify(&new_secret()).await.expect("compared");
    assert!(matches!(&answer, Identified::NotCompared { why } if why.contains("4 AppRoles") && why.contains("passwords")), "{answer:?}");
    plane.server.admin(Method::DELETE, "auth/userpass/users/alice", None).await.expect("deleted");
    assert_eq!(plane.connector.identify(&new_secret()).await, Ok(Identified::NoMatch { compared: 5 }));
    for nothing in ["", "\0", "'; DROP ROLE x; --", "\u{202e}", "a\nb", "s.", "b.AAAA", "../../sys/mounts", "x"] {
        assert!(matches!(plane.connector.identify(&Secret::new(nothing)).await, Ok(Identified::NoMatch { .. })), "{nothing:?}");
    }
    let long = Secret::new("x".repeat(10_000));
    assert_eq!(plane.connector.identify(&long).await, Ok(Identified::NoMatch { compared: 0 }));
}

#[tokio::test]
async fn more_approles_than_the_bound_are_not_compared() {
    let plane = Plane::start().await;
    for n in 0..200 {
        plane.write(&format!("auth/approle/role/many-{n}"), json!({})).await;
    }
    let answer = plane.connector.identify(&plane.leaked()).await.expect("it answers");
    assert!(matches!(&answer, Identified::NotCompared { why } if why.contains("200")), "{answer:?}");
}
