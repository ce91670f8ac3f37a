//! A plane that is slow, gone or comes back: never taken for a refusal, and never
//! waited for longer than was said.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quell_connectors::openbao::OpenBao;
use quell_core::{action::Action, proof::Liveness};
use quell_engine::port::{Connector, Outcome, PlaneError};
use quell_lab::openbao::{Estate, OpenBao as Server, Options};

use super::plane::*;

/// Nothing that is asked of this connector is answered, and nobody calls that a refusal.
async fn answers_nothing(connector: &OpenBao, plane: &Plane) {
    let asked = Asked {
        attempts: vec![
            attempt(Action::SuspendIdentity, &identity(CI)),
            attempt(Action::TerminateSessions, &session("x")),
            attempt(Action::TerminateSessions, &identity(CI)),
            attempt(Action::RevokeCredential, &credential(&plane.leaked_native())),
            attempt(Action::RevokeCredential, &credential("lease:database/creds/ro/x")),
            attempt(Action::RevokeCredential, &credential("kv:secret/billing#version:1")),
            attempt(Action::ChangePolicy, &entitlement("policy:ci>secret/data/*")),
            with_secret(Action::Reinstate, &identity(CI), &new_secret()),
        ],
        rounds: [session("x"), credential(&plane.leaked_native()), identity(CI)].map(about).into(),
        identity: CI.to_owned(),
        leaked: plane.leaked(),
        read: identity(CI),
    };
    asked.meet_silence(connector).await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the wait for a real server is what is measured")]
async fn a_paused_server_is_unknown_within_the_deadline_and_read_afterwards() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| c.call_timeout = Duration::from_secs(2));
    assert!(connector.check().await.reachable);
    plane.server.pause().expect("paused");
    let asked = Instant::now();
    let suspend = attempt(Action::SuspendIdentity, &identity("userpass:alice"));
    let outcome = act(&connector, suspend.clone()).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(asked.elapsed() < Duration::from_secs(6));
    answers_nothing(&connector, &plane).await;
    plane.server.resume().expect("resumed");
    read_and_done(&*plane.connector, suspend).await;
    assert_eq!(plane.liveness(&identity("userpass:alice")).await.0, Liveness::Dead);
}

#[tokio::test]
async fn a_server_that_dies_during_a_call_is_unknown_and_read_before_it_is_repeated() {
    let server = Server::start(Options { durable: true, ..Options::default() }).await.expect("a real OpenBao");
    let estate = Estate::make(&server).await.expect("made");
    let config = config(&server);
    bootstrap(&server, &config).await;
    let connector = Arc::new(OpenBao::new(config.clone(), Arc::new(RealClock)).expect("good"));
    let mut plane = Plane { server, estate, config, connector };
    let suspend = attempt(Action::SuspendIdentity, &identity("userpass:alice"));
    assert!(plane.connector.check().await.reachable);

    // Frozen with the call under way, then killed.
    plane.server.pause().expect("paused");
    let under_way = {
        let (connector, suspend) = (plane.connector.clone(), suspend.clone());
        tokio::spawn(async move { act(&connector, suspend).await })
    };
    tokio::task::yield_now().await;
    plane.server.kill_hard().expect("killed");
    let outcome = under_way.await.expect("no panic");
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    answers_nothing(&plane.connector(|c| c.call_timeout = Duration::from_millis(300)), &plane).await;

    plane.server.start_again().await.expect("started");
    read_and_done(&*plane.connector, suspend).await;
    assert_eq!(plane.liveness(&identity("userpass:alice")).await.0, Liveness::Dead, "and what was stored outlived the kill");
}

#[tokio::test]
async fn many_at_once_share_a_few_connections() {
    let plane = Plane::start().await;
    let asked = (0..40).map(|_| plane.connector.enumerate(CI));
    for listed in futures::future::join_all(asked).await {
        listed.expect("everybody is served");
    }
}

#[tokio::test]
async fn a_rate_limit_is_asked_again_later() {
    let plane = Plane::start().await;
    assert!(plane.connector.check().await.reachable);
    plane.write("sys/quotas/rate-limit/tight", serde_json::json!({"rate": 0.1, "interval": "60s", "path": "auth/approle"})).await;
    let mut throttled = false;
    for _ in 0..5 {
        let leaked = credential(&plane.leaked_native());
        throttled |= matches!(plane.connector.read(&leaked).await, Err(PlaneError::Throttled { retry_after_ms, .. }) if retry_after_ms > 0);
        assert_ne!(plane.liveness(&leaked).await.0, Liveness::Dead);
    }
    assert!(throttled);
}
