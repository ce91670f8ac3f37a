//! A provider that is down, frozen or cut off: never taken for a refusal, and never waited
//! for longer than was said.

use std::{sync::Arc, time::Duration};

use quell_connectors::oidc::{Oidc, Reach};
use quell_core::{action::Action, secret::Secret};
use quell_engine::port::{Attempt, Connector, Outcome};

use super::plane::*;

/// A busy machine may need several looks within so short a time.
async fn is_reached(connector: &Oidc) {
    for _ in 0..50 {
        if connector.check().await.reachable {
            return;
        }
    }
    panic!("it was never reached");
}

async fn everything(plane: &Plane) -> Asked {
    let made = new_secret();
    let of = |action, target: &_| Attempt { new_secret: Some(made.clone()), before: Some(Default::default()), ..attempt(action, target) };
    let (session, grant) = (plane.session("alice").await, plane.grant("alice", "web").await);
    Asked {
        attempts: vec![
            of(Action::SuspendIdentity, &account("alice")),
            of(Action::TerminateSessions, &account("alice")),
            of(Action::TerminateSessions, &session),
            of(Action::RevokeCredential, &grant),
            of(Action::RevokeCredential, &token("alice", &plane.tokens.access)),
            of(Action::RotateCredential, &password("client:ci")),
            of(Action::RequireStepUp, &account("alice")),
            of(Action::Reinstate, &account("alice")),
            of(Action::Restore, &account("alice")),
        ],
        rounds: vec![
            about(session, "alice"),
            leaked(grant, "alice", plane.tokens.refresh.as_ref().expect("one")),
            leaked(password("alice"), "alice", &plane.alice.password),
            about(account("alice"), "alice"),
            about(credential("alice#jwt:2000000000:x", "alice"), "alice"),
        ],
        identity: "alice".to_owned(),
        leaked: Secret::new(plane.tokens.access.reveal()),
        read: account("alice"),
    }
}

#[tokio::test]
async fn a_provider_that_is_down_frozen_or_cut_off_is_no_refusal() {
    let mut plane = Plane::start().await;
    let before = plane.state().await;
    let asked = || async { everything(&plane).await };
    let (frozen, swallowed, down) = (asked().await, asked().await, asked().await);
    let short = plane.connector(|c| c.call_timeout = Duration::from_millis(400));
    let warm = plane.connector(|c| c.call_timeout = Duration::from_millis(400));
    is_reached(&warm).await;
    plane.server.pause().expect("frozen");
    frozen.meet_silence(&warm).await;
    plane.server.resume().expect("goes on");
    let (port, _swallows) = swallow().await;
    let into_nothing = plane.connector(|c| {
        c.call_timeout = Duration::from_millis(300);
        if let Reach::Tls { port: to, .. } = &mut c.reach {
            *to = port;
        }
    });
    swallowed.meet_silence(&into_nothing).await;
    plane.server.kill_hard().expect("killed");
    down.meet_silence(&short).await;
    plane.server.start_again().expect("started");
    let after = plane.state().await;
    for part in ["accounts", "clients"] {
        assert_eq!(before[part], after[part], "nothing was done");
    }
    plane.is_live(about(plane.session("alice").await, "alice")).await;
}

/// What was sent may have taken effect: it is read before it is done again.
#[tokio::test]
async fn an_act_on_a_provider_that_freezes_or_dies_is_unknown_and_read() {
    let mut plane = Plane::start().await;
    let session = plane.session("alice").await;
    let connector = Arc::new(plane.connector(|c| c.call_timeout = Duration::from_millis(1_500)));
    is_reached(&connector).await;
    let suspend = attempt(Action::SuspendIdentity, &account("alice"));
    plane.server.pause().expect("frozen");
    let under_way = {
        let (connector, suspend) = (connector.clone(), suspend.clone());
        tokio::spawn(async move { act(&*connector, suspend).await })
    };
    tokio::task::yield_now().await;
    plane.server.kill_hard().expect("killed");
    let outcome = under_way.await.expect("no panic");
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    plane.server.start_again().expect("started");
    read_and_done(&plane.connector, suspend).await;
    read_and_done(&plane.connector, attempt(Action::TerminateSessions, &session)).await;
    plane.is_dead(about(session, "alice")).await;
    assert!(!plane.thief.is_in(&plane.web).await.expect("answered"));
}

#[tokio::test]
async fn a_line_that_is_cut_is_neither_yes_nor_no() {
    let plane = Plane::start().await;
    let session = plane.session("alice").await;
    done(plane.act(Action::TerminateSessions, &session).await);
    let (port, run) = line(plane.server.port()).await;
    let issuer = plane.server.issuer();
    let connector = plane.connector(|c| {
        c.issuer = Some(issuer);
        c.call_timeout = Duration::from_secs(3);
        if let Reach::Tls { port: to, .. } = &mut c.reach {
            *to = port;
        }
    });
    assert!(connector.check().await.control_alive);
    run.abort();
    let _ = run.await;
    unknown(&connector, about(session, "alice"), "did not answer").await;
}

#[tokio::test]
async fn a_secret_that_is_not_quells_is_said_to_be_refused_and_a_token_that_ended_is_replaced() {
    let plane = Plane::start().await;
    let stranger = plane.connector(|c| c.secret = Secret::new("of somebody else"));
    let check = stranger.check().await;
    assert!(!check.control_alive && !check.privileges.missing.is_empty(), "{check:?}");
    assert!(check.warnings.iter().any(|w| w.contains("invalid_client")), "{check:?}");
    let outcome = act(&stranger, attempt(Action::SuspendIdentity, &account("alice"))).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("invalid_client")), "{outcome:?}");

    // Somebody ended Quell's own token: a 401 changed nothing, so it is asked once more.
    assert!(plane.connector.check().await.control_alive);
    let state = plane.state().await;
    assert!(state["models"]["ClientCredentials"].as_object().is_some_and(|all| !all.is_empty()));
    plane.server.lab("forget/ClientCredentials", serde_json::json!({"client": "quell"})).await.expect("ended");
    plane.server.lab("forget/ClientCredentials", serde_json::json!({"client": "quell-control"})).await.expect("ended");
    assert!(plane.connector.enumerate("alice").await.is_ok());
    plane.is_live(about(token("alice", &plane.tokens.access), "alice")).await;
}

#[tokio::test]
async fn many_at_once_share_a_few_connections() {
    let plane = Plane::start().await;
    for listed in futures::future::join_all((0..40).map(|_| plane.connector.enumerate("alice"))).await {
        listed.expect("everybody is served");
    }
    let outcomes = futures::future::join_all((0..8).map(|_| plane.act_on_alice())).await;
    assert!(outcomes.into_iter().all(|o| matches!(o, Outcome::Done { .. })));
}

impl Plane {
    async fn act_on_alice(&self) -> Outcome {
        self.act(Action::SuspendIdentity, &account("alice")).await
    }
}

#[tokio::test]
async fn a_configuration_that_contradicts_itself_is_refused() {
    let plane = Plane::start().await;
    type Change = fn(&mut quell_connectors::oidc::OidcConfig);
    let wrong: [(&str, Change); 7] = [
        ("above 0", |c| c.settle_ms = 0),
        ("leeway", |c| c.leeway_seconds = -1),
        ("at least one call", |c| c.calls_max = 0),
        ("must be another one", |c| c.control.identity = "quell".to_owned()),
        ("Quell's own secret", |c| c.control.secret = c.secret.clone()),
        ("neither an account nor", |c| c.protected = vec!["..".to_owned()]),
        ("without a certificate", |c| {
            if let Reach::Tls { ca_pem, .. } = &mut c.reach {
                *ca_pem = String::new();
            }
        }),
    ];
    for (word, change) in wrong {
        let mut config = plane.config.clone();
        change(&mut config);
        let error = Oidc::new(config, Arc::new(RealClock)).expect_err(word).to_string();
        assert!(error.contains(word), "wanted `{word}` in {error}");
    }
}
