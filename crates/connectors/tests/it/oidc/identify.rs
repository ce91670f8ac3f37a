//! Whose a leaked value is, by what the provider holds and what its keys signed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use quell_core::{
    secret::{Secret, sha256},
    signal::CredentialKind,
};
use quell_engine::port::{Connector, Identified};
use quell_lab::oidc::RESOURCE;

use super::plane::*;

fn of(credential: &str, kind: CredentialKind, identity: &str) -> Identified {
    Identified::Match { credential: credential.to_owned(), kind, identity: identity.to_owned() }
}

#[tokio::test]
async fn every_kind_of_value_finds_whose_it_is() {
    let mut plane = Plane::start().await;
    let asked = async |value: &str| plane.connector.identify(&Secret::new(value)).await.expect("asked");
    let grant = plane.grant("alice", "web").await.native.value().expect("named").to_owned();
    assert_eq!(asked(plane.tokens.refresh.as_ref().expect("one").reveal()).await, of(&grant, CredentialKind::RefreshToken, "alice"));
    let opaque = plane.tokens.access.reveal();
    let native = format!("alice#token:{}", sha256(opaque.as_bytes()));
    assert_eq!(asked(opaque).await, of(&native, CredentialKind::Token, "alice"));
    assert_eq!(asked(plane.alice.password.reveal()).await, of("alice#password", CredentialKind::Password, "alice"));
    let secret = plane.ci.secret.clone().expect("one");
    assert_eq!(asked(secret.reveal()).await, of("client:ci#password", CredentialKind::Password, "client:ci"));
    let machine = plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").expect("accepted").access;
    let native = format!("client:ci#token:{}", sha256(machine.reveal().as_bytes()));
    assert_eq!(asked(machine.reveal()).await, of(&native, CredentialKind::Token, "client:ci"));
    assert_eq!(asked("nothing of anybody").await, Identified::NoMatch { compared: 8 });
    for value in ["", "a\0b", "two\nlines", &"x".repeat(9_000)] {
        assert_eq!(asked(value).await, Identified::NoMatch { compared: 0 });
    }
    let (jwt, target) = plane.jwt().await;
    let native = target.native.value().expect("named");
    assert_eq!(plane.connector.identify(&jwt).await.expect("asked"), of(native, CredentialKind::Token, "alice"));
    let machine = plane.thief.client_credentials(&plane.ci, &[("resource", RESOURCE)]).await.expect("answered").expect("accepted").access;
    let found = plane.connector.identify(&Secret::new(machine.reveal())).await.expect("asked");
    assert!(
        matches!(&found, Identified::Match { identity, credential, .. } if identity == "client:ci" && credential.starts_with("client:ci#jwt:")),
        "{found:?}"
    );
}

/// The claims of a token stand in logs; only its signature is possession.
#[tokio::test]
async fn the_claims_of_a_jwt_without_its_signature_are_no_possession() {
    let mut plane = Plane::start().await;
    let (jwt, _) = plane.jwt().await;
    let parts: Vec<&str> = jwt.expose().split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).expect("decoded")).expect("text");
    let bob = URL_SAFE_NO_PAD.encode(payload.replace("alice", "bob"));
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    for forged in [
        format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([7_u8; 64])),
        format!("{}.{bob}.{}", parts[0], parts[2]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
    ] {
        let found = plane.connector.identify(&Secret::new(&forged)).await.expect("asked");
        assert_eq!(found, Identified::NoMatch { compared: 1 }, "{forged}");
    }
}

/// No use is counted anywhere, and nobody is locked out.
#[tokio::test]
async fn comparing_uses_nothing_up() {
    let plane = Plane::start().await;
    let before = plane.state().await;
    for value in [plane.tokens.refresh.as_ref().expect("one").reveal(), plane.alice.password.reveal(), "nothing of anybody"] {
        plane.connector.identify(&Secret::new(value)).await.expect("asked");
    }
    let after = plane.state().await;
    for part in ["accounts", "clients"] {
        assert_eq!(before[part], after[part]);
    }
    assert_eq!(before["models"]["RefreshToken"], after["models"]["RefreshToken"]);
    assert!(plane.thief.refresh(&plane.web, plane.tokens.refresh.as_ref().expect("one")).await.expect("answered").is_ok());
}
