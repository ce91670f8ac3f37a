//! An account that is down, frozen or cut off is no refusal.

use std::time::Duration;

use quell_connectors::aws::Reach;
use quell_core::{action::Action, secret::Secret};
use quell_engine::port::{Attempt, Outcome};

use super::plane::*;

fn everything(plane: &Plane) -> Asked {
    let of = |action, target: &_| Attempt { before: Some(Default::default()), ..attempt(action, target) };
    Asked {
        attempts: vec![
            of(Action::SuspendIdentity, &user("ci")),
            of(Action::TerminateSessions, &sessions("user/ci")),
            of(Action::TerminateSessions, &sessions("role/deploy")),
            of(Action::RevokeCredential, &key(&plane.leaked, "user/ci")),
            of(Action::RevokeCredential, &credential("ci", "password")),
            of(Action::RestrictAccess, &user("ci")),
            of(Action::Reinstate, &user("ci")),
            of(Action::Restore, &user("ci")),
        ],
        rounds: vec![
            plane.about_leaked(),
            plane.with_leaked(),
            about(credential("ci", "password"), "user/ci"),
            about(sessions("role/deploy"), "role/deploy"),
            about(user("ci"), "user/ci"),
        ],
        identity: "user/ci".to_owned(),
        leaked: Secret::new(plane.leaked.in_one()),
        read: user("ci"),
    }
}

#[tokio::test]
async fn an_account_that_is_down_frozen_or_cut_off_is_no_refusal() {
    let mut plane = Plane::start().await;
    plane.account.pause().expect("frozen");
    everything(&plane).meet_silence(&plane.connector(|c| c.call_timeout = Duration::from_millis(700))).await;
    plane.account.resume().expect("goes on");
    let (port, _swallows) = swallow().await;
    let swallowed = plane.connector(|c| {
        c.call_timeout = Duration::from_millis(500);
        if let Reach::Tls { port: p, .. } = &mut c.reach {
            *p = port;
        }
    });
    everything(&plane).meet_silence(&swallowed).await;
    // What was sent to the frozen server may have been done by now, or may not.
    read_and_done(&plane.connector, attempt(Action::SuspendIdentity, &user("ci"))).await;
    plane.is_dead(plane.about_leaked()).await;
    plane.account.kill().expect("ended");
    everything(&plane).meet_silence(&plane.connector).await;
}

/// Whoever is not Quell's user any more is told so, and nothing is changed.
#[tokio::test]
async fn a_key_of_quells_that_is_not_taken_is_said_to_be_so() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| {
        let id = c.secret.expose().split_once(':').expect("a pair").0.to_owned();
        c.secret = Secret::new(format!("{id}:not-its-secret"));
    });
    use quell_engine::port::Connector;
    let check = connector.check().await;
    assert!(!check.reachable && check.why_not.is_some_and(|w| w.contains("SignatureDoesNotMatch")));
    let outcome = act(&connector, attempt(Action::SuspendIdentity, &user("ci"))).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert!(plane.serves(&plane.leaked).await);
}

/// A privilege that Quell lacks: what is half done is denied first, and said.
#[tokio::test]
async fn a_privilege_that_is_missing_is_named_and_leaves_the_denial_standing() {
    let plane = Plane::start().await;
    let may = serde_json::json!([
        { "Effect": "Allow", "Action": "iam:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "iam:UpdateAccessKey", "Resource": "*" }
    ]);
    plane.account.policy("user/quell", "QuellPlane", &may).await.expect("written");
    let outcome = plane.act(Action::SuspendIdentity, &user("ci")).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("UpdateAccessKey")), "{outcome:?}");
    plane.is_live(plane.about_leaked()).await;
    assert!(!plane.serves(&plane.leaked).await, "it is denied everything, and active: live is what is said");
}
