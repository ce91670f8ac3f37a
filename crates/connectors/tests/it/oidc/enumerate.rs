//! What is listed of a person, of a client, and of everybody; and what is said to be left out.

use quell_core::{signal::CredentialKind, target::TargetKind};
use quell_engine::port::{Connector, PlaneError};
use quell_lab::oidc::RESOURCE;

use super::plane::*;

#[tokio::test]
async fn a_person_is_listed_with_sessions_grants_and_the_jwts_that_are_out() {
    let mut plane = Plane::start().await;
    let mut phone = plane.server.browser();
    phone.log_in(&plane.mobile, "alice", &plane.alice.password, "", &[]).await.expect("logged in");
    let (_, jwt) = plane.jwt().await;
    let all = plane.connector.enumerate("alice").await.expect("it is there");
    assert!(!all.truncated && all.at.is_some());
    let kinds: Vec<(TargetKind, Option<CredentialKind>)> = all.found.iter().map(|f| (f.kind, f.credential_kind)).collect();
    let count = |kind: TargetKind, credential: Option<CredentialKind>| kinds.iter().filter(|k| **k == (kind, credential)).count();
    assert_eq!(count(TargetKind::Identity, None), 1, "{kinds:?}");
    assert_eq!(count(TargetKind::Session, None), 2, "{kinds:?}");
    assert_eq!(count(TargetKind::Credential, Some(CredentialKind::Password)), 1, "{kinds:?}");
    assert_eq!(count(TargetKind::Credential, Some(CredentialKind::RefreshToken)), 2, "one for each application: {kinds:?}");
    assert_eq!(count(TargetKind::Credential, Some(CredentialKind::Token)), 1, "the JWT: {kinds:?}");
    let jwt = all.found.iter().find(|f| Some(f.native.as_str()) == jwt.native.value()).expect("listed");
    assert!(jwt.minted_from.as_ref().is_some_and(|from| from.contains("#grant:")), "{jwt:?}");
    assert!(all.found.iter().all(|f| f.identity == "alice"), "nothing of Bob's");
    assert!(all.not_looked_at.iter().any(|gap| gap.contains("applications keep of their own")));
}

#[tokio::test]
async fn a_client_is_listed_with_what_it_got_for_itself_alone() {
    let plane = Plane::start().await;
    plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").expect("accepted");
    plane.thief.client_credentials(&plane.ci, &[("resource", RESOURCE)]).await.expect("answered").expect("accepted");
    let all = plane.connector.enumerate("client:ci").await.expect("it is there");
    let natives: Vec<&str> = all.found.iter().map(|f| f.native.split(':').take(2).last().unwrap_or_default()).collect();
    assert_eq!(natives.len(), 4, "{:#?}", all.found);
    // What `web` holds for people is theirs.
    let web = plane.connector.enumerate("client:web").await.expect("it is there");
    assert_eq!(web.found.len(), 2, "{:#?}", web.found);
    let mobile = plane.connector.enumerate("client:mobile").await.expect("it is there");
    assert_eq!(mobile.found.len(), 1, "it keeps no secret: {:#?}", mobile.found);
    assert!(matches!(plane.connector.enumerate("client:nobody").await, Err(PlaneError::NotPermitted { .. })));
    assert!(matches!(plane.connector.enumerate("nobody").await, Err(PlaneError::NotPermitted { .. })));
}

#[tokio::test]
async fn the_inventory_names_everybody_and_says_what_it_leaves_out() {
    let plane = Plane::start().await;
    let all = plane.connector.inventory().await.expect("listed");
    let names: Vec<&str> = all.of(TargetKind::Identity).map(|f| f.native.as_str()).collect();
    assert_eq!(
        names,
        ["alice", "bob", "quell-control", "client:ci", "client:mobile", "client:quell", "client:quell-control", "client:web"]
    );
    assert!(all.not_looked_at.iter().any(|gap| gap.contains("one identity at a time")));
    // An account that is called as a client is, is nobody's client.
    plane.server.person("client:ci").await.expect("made");
    let all = plane.connector.inventory().await.expect("listed");
    assert_eq!(all.found.iter().filter(|f| f.kind == TargetKind::Identity && f.native == "client:ci").count(), 1);
    assert!(all.not_looked_at.iter().any(|gap| gap.contains("cannot be told from a client")));
}
