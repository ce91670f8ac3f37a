//! What the provider's administrator is told to make, and how Quell finds it.

use quell_connectors::oidc::bootstrap_script;
use quell_engine::port::Connector;
use serde_json::json;

use super::plane::*;

#[tokio::test]
async fn a_provider_that_has_everything_lacks_nothing_and_gives_no_more() {
    let plane = Plane::start().await;
    let check = plane.connector.check().await;
    assert!(check.reachable && check.control_alive, "{check:?}");
    assert!(check.privileges.missing.is_empty() && check.privileges.excess.is_empty(), "{check:?}");
    assert_eq!(check.privileges.needed.len(), 4);
    // Quell's client as somebody who may log people in: more than it needs.
    let body = json!({"secret": plane.server.own_secret().reveal(), "grant_types": ["client_credentials", "authorization_code"],
        "redirect_uris": ["https://app.example/cb"], "scope": "quell:admin"});
    plane.server.lab("client/quell", body).await.expect("changed");
    let check = plane.connector.check().await;
    assert!(check.privileges.excess.iter().any(|e| e.contains("authorization_code")), "{check:?}");
    // And without its scope: it is not let in.
    let body = json!({"secret": plane.server.own_secret().reveal(), "grant_types": ["client_credentials"], "scope": ""});
    plane.server.lab("client/quell", body).await.expect("changed");
    let check = plane.connector(|_| {}).check().await;
    assert!(check.reachable && check.privileges.missing.iter().any(|m| m.contains("quell:admin")), "{check:?}");
}

#[tokio::test]
async fn what_is_to_be_made_is_said_and_holds_no_secret() {
    let plane = Plane::start().await;
    let text = bootstrap_script(&plane.config, &[]).expect("the configuration is good");
    for word in ["quell:admin", "client_credentials", "quell-control", "RFC 7662", "quell-oidc-admin/1"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(!text.contains(quell_lab::secret::MARK));
    let error = bootstrap_script(&plane.config, &["alice".to_owned()]).expect_err("there is no smaller scope").to_string();
    assert!(error.contains("--scope"), "{error}");
}
