//! No secret and no token in anything that Quell says.

use quell_core::{action::Action, secret::Secret};
use quell_engine::port::{Connector, ProbeRequest};

use super::plane::*;

#[tokio::test]
async fn a_whole_containment_leaves_no_secret_anywhere() {
    let mut plane = Plane::start().await;
    let (jwt, jwt_target) = plane.jwt().await;
    let made = new_secret();
    let grants = plane.grants("alice", "web").await;
    let session = plane.session("alice").await;
    let refresh = plane.refresh();
    let mut said = String::new();
    let mut note = |text: String| said.push_str(&text);
    note(format!("{:?} {:?}", plane.connector, plane.config));
    for value in [&refresh, &jwt, &Secret::new(plane.tokens.access.reveal()), &Secret::new(plane.alice.password.reveal())] {
        note(format!("{:?}", plane.connector.identify(value).await));
    }
    note(format!("{:?}", plane.connector.enumerate("alice").await));
    note(format!("{:?}", plane.connector.inventory().await));
    for target in [&grants[0], &session, &jwt_target, &password("alice"), &account("alice")] {
        note(format!("{:?}", plane.connector.read(target).await));
        for value in [&refresh, &jwt] {
            let request = ProbeRequest {
                leaked: Some(value.clone()),
                leaked_was_right: true,
                throw_away: Some(made.clone()),
                ..about(target.clone(), "alice")
            };
            note(format!("{request:?} {:?}", plane.connector.probe(&request).await));
        }
    }
    for one in [
        with_secret(Action::RotateCredential, &password("alice"), &new_secret()),
        with_secret(Action::RotateCredential, &password("client:ci"), &made),
        attempt(Action::SuspendIdentity, &account("alice")),
        attempt(Action::TerminateSessions, &session),
        attempt(Action::RevokeCredential, &grants[0]),
        attempt(Action::RevokeCredential, &jwt_target),
        with_secret(Action::Reinstate, &account("alice"), &made),
    ] {
        note(format!("{one:?} {:?} {:?}", act(&plane.connector, one.clone()).await, plane.connector.read_outcome(&one).await));
    }
    let stranger = plane.connector(|c| c.secret = made.clone());
    note(format!("{:?} {:?}", stranger.check().await, stranger.enumerate("alice").await));
    note(format!("{:?}", plane.connector.check().await));
    let cookie = plane.thief.session_cookie().expect("it was logged in");
    let access = plane.tokens.access.reveal();
    assert!(said.len() > 2_000);
    assert!(!said.contains(quell_lab::secret::MARK), "a secret of the lab was said");
    for value in [refresh.expose(), jwt.expose(), access, cookie.reveal(), jwt.expose().rsplit('.').next().expect("a signature")] {
        assert!(!said.contains(value), "a token was said");
    }
    let log = plane.server.log().expect("a log");
    assert!(!log.contains(quell_lab::secret::MARK), "the lab's own server wrote a secret into its log");
}
