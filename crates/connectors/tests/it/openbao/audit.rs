//! Re-use of what is dead, seen in the audit log without keeping the secret.

use quell_core::{action::Action, time::Timestamp};
use quell_engine::port::Connector;
use reqwest::Method;

use super::plane::*;

#[tokio::test]
async fn a_dead_token_and_a_dead_secret_id_that_are_used_again_are_seen() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    // While the secrets are at hand.
    let of_token = plane.connector.mark(&secret(&token.token)).await.expect("marked");
    let of_secret_id = plane.connector.mark(&plane.leaked()).await.expect("marked");
    assert!(of_token.starts_with("hmac-sha256:") && !of_token.contains(token.token.reveal()));

    plane.do_it(Action::RevokeCredential, &credential(&plane.leaked_native())).await;
    plane.do_it(Action::TerminateSessions, &session(&token.accessor)).await;
    let contained = now();
    for _ in 0..3 {
        plane.connector.identify(&plane.leaked()).await.expect("compared");
        plane.connector.identify(&secret(&token.token)).await.expect("compared");
    }
    for mark in [&of_token, &of_secret_id] {
        assert_eq!(plane.connector.uses(mark, contained).await.expect("read"), vec![], "our own questions are no use");
    }

    assert!(!token.works(&plane.server).await.expect("asked"));
    plane.estate.login(&plane.server, &plane.estate.secret_id).await.expect_err("dead");
    let uses = plane.connector.uses(&of_token, contained).await.expect("read");
    assert_eq!(uses.len(), 1, "{uses:?}");
    assert_eq!((uses[0].path.as_str(), uses[0].accepted, uses[0].address.as_deref()), ("secret/data/billing", false, Some("127.0.0.1")));
    assert!(uses[0].at > contained);
    let uses = plane.connector.uses(&of_secret_id, contained).await.expect("read");
    assert_eq!(uses.iter().map(|u| (u.path.as_str(), u.accepted)).collect::<Vec<_>>(), [("auth/approle/login", false)]);

    let of = credential(&plane.leaked_native());
    let counted = plane.connector.used_since(&of, Some(&of_secret_id), contained).await.expect("read").expect("it keeps a log");
    assert_eq!((counted.accepted, counted.refused, counted.last_accepted_at), (0, 1, None));
    assert_eq!(counted.last_refused_at, Some(uses[0].at));

    // Before the cut they were accepted; the clock of an exposure can be read off it.
    let before = plane.connector.uses(&of_secret_id, Timestamp::MIN).await.expect("read");
    assert_eq!(before.iter().map(|u| u.accepted).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_dead_token_whose_value_nobody_here_ever_had_is_seen_by_its_accessor() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    // Minted by the first, and an orphan: nothing but the log joins them.
    let orphan = token.make(&plane.server, "create-orphan", "service").await.expect("made");
    for dead in [&token, &orphan] {
        assert!(dead.works(&plane.server).await.expect("asked"));
        plane.do_it(Action::TerminateSessions, &session(&dead.accessor)).await;
    }
    let contained = now();
    let counted = async |accessor: &str| plane.connector.used_since(&session(accessor), None, contained).await.expect("read");
    for dead in [&token, &orphan] {
        let used = counted(&dead.accessor).await.expect("the log names it");
        assert_eq!((used.accepted, used.refused), (0, 0), "what came before the cut is no re-use");
    }
    for _ in 0..2 {
        assert!(!orphan.works(&plane.server).await.expect("asked"));
    }
    let used = counted(&orphan.accessor).await.expect("the log names it");
    assert_eq!((used.accepted, used.refused, used.last_accepted_at), (0, 2, None));
    assert!(used.last_refused_at > Some(contained));
    assert_eq!(counted(&token.accessor).await.expect("the log names it").refused, 0, "the other one was not tried");
    assert_eq!(counted("of-nobody-at-all").await, None, "nobody can tell is not `never`");
}

#[tokio::test]
async fn without_a_log_it_is_said_that_nobody_looks() {
    let plane = Plane::start().await;
    let blind = plane.connector(|c| c.audit = None);
    for why in [blind.mark(&plane.leaked()).await.expect_err("none"), blind.uses("x", now()).await.expect_err("none")] {
        assert!(why.to_string().contains("[connector.audit]"), "{why}");
    }
    for mark in [None, Some("x")] {
        assert_eq!(blind.used_since(&session("4711"), mark, now()).await.expect("no log is no error"), None);
    }
    assert_eq!(blind.mark_of(&plane.leaked()).await.expect("no log is no error"), None);
    assert!(blind.check().await.warnings.iter().any(|w| w.contains("re-use")));
    // The server refuses to be given an audit device over its API.
    let (status, _) = plane
        .server
        .call(
            Method::PUT,
            "sys/audit/more",
            Some(plane.server.root().reveal()),
            Some(serde_json::json!({"type": "file", "options": {"file_path": "/tmp/x"}})),
        )
        .await
        .expect("asked");
    assert_eq!(status, 400, "an audit device is declared in the server's configuration");
}
