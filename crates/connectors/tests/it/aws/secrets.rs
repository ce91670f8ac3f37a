//! No secret of the account is in anything that is shown, recorded or told.

use quell_core::{action::Action, secret::Secret};
use quell_engine::port::{Attempt, Connector};

use super::plane::*;

#[tokio::test]
async fn a_whole_containment_leaves_no_secret_anywhere() {
    let plane = Plane::start().await;
    let session = plane.account.session(&plane.leaked).await.expect("made");
    let mut told: Vec<String> = vec![format!("{:?} {:?}", plane.connector, plane.config)];
    let check = plane.connector.check().await;
    told.push(format!("{check:?} {}", serde_json::to_string(&check).expect("JSON")));
    told.push(serde_json::to_string(&plane.connector.enumerate("user/ci").await.expect("listed")).expect("JSON"));
    told.push(format!("{:?}", plane.connector.identify(&Secret::new(plane.leaked.in_one())).await));
    let (before, secrets) = plane.connector.read(&user("ci")).await.expect("read");
    assert!(secrets.is_empty());
    told.push(serde_json::to_string(&before).expect("JSON"));
    // A wrong one, of which AWS quotes the request.
    let wrong = quell_engine::port::ProbeRequest {
        leaked: Some(Secret::new(format!("{}:{}", plane.leaked.id, plane.bystander.secret.reveal()))),
        ..plane.with_leaked()
    };
    let back = Attempt { before: Some(before), ..with_secret(Action::Reinstate, &user("ci"), &new_secret()) };
    for one in [
        attempt(Action::SuspendIdentity, &user("ci")),
        attempt(Action::TerminateSessions, &sessions("user/ci")),
        back.clone(),
        attempt(Action::RevokeCredential, &key(&plane.leaked, "user/ci")),
    ] {
        told.push(format!("{:?} {one:?}", act(&plane.connector, one.clone()).await));
        for request in [plane.about_leaked(), plane.with_leaked(), wrong.clone(), about(sessions("user/ci"), "user/ci")] {
            told.push(serde_json::to_string(&plane.connector.probe(&request).await).expect("JSON"));
        }
    }
    let issued = plane.connector.issued(&back).expect("AWS made one");
    let all = [
        plane.leaked.secret.reveal(),
        plane.bystander.secret.reveal(),
        session.secret.reveal(),
        session.token.as_ref().expect("a token").reveal(),
        issued.expose().split_once(':').expect("a pair").1,
        plane.config.secret.expose().split_once(':').expect("a pair").1,
        plane.config.control.secret.expose().split_once(':').expect("a pair").1,
    ];
    for secret in all {
        assert!(told.iter().all(|text| !text.contains(secret)), "a secret was told");
        assert!(!plane.account.log().contains(secret), "a secret is in the server's log");
    }
}
