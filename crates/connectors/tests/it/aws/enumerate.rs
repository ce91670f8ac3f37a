//! What is found, whose a leaked value is, and what is said not to be looked at.

use quell_core::{secret::Secret, signal::CredentialKind, target::TargetKind};
use quell_engine::port::{Connector, Identified};

use super::plane::*;

#[tokio::test]
async fn a_user_and_a_role_are_found_with_what_stands_for_their_sessions() {
    let plane = Plane::start().await;
    let second = plane.account.key("ci").await.expect("made");
    plane.set_key("ci", &second, "Inactive").await;
    let ci = plane.connector.enumerate("user/ci").await.expect("listed");
    let mut found: Vec<(TargetKind, &str)> = ci.found.iter().map(|f| (f.kind, f.native.as_str())).collect();
    found.sort();
    let mut wanted = vec![
        (TargetKind::Identity, "user/ci"),
        (TargetKind::Credential, plane.leaked.id.as_str()),
        (TargetKind::Credential, second.id.as_str()),
        (TargetKind::Session, "user/ci#sessions"),
        (TargetKind::Entitlement, "user/ci#permissions"),
    ];
    wanted.sort();
    assert_eq!(found, wanted);
    let state = |id: &str| ci.found.iter().find(|f| f.native == id).expect("found").facts["active"].clone();
    assert_eq!((state(&plane.leaked.id), state(&second.id)), ("true".to_owned(), "false".to_owned()));
    for gap in ["AWS lists none", "CloudTrail", "other accounts"] {
        assert!(ci.not_looked_at.iter().any(|g| g.contains(gap)), "{gap}: {:?}", ci.not_looked_at);
    }
    assert!(!ci.of(TargetKind::Session).next().expect("one").is_cut());

    let role = plane.connector.enumerate("role/deploy").await.expect("listed");
    let identity = role.of(TargetKind::Identity).next().expect("found");
    assert!(identity.no_login().is_some() && identity.facts["trust"].contains("user/ci"), "{identity:?}");
    assert_eq!(role.of(TargetKind::Session).map(|f| f.native.as_str()).collect::<Vec<_>>(), ["role/deploy#sessions"]);
    assert!(plane.connector.enumerate("user/nobody").await.expect("listed").found.is_empty());
    assert!(plane.connector.enumerate("nobody").await.is_err());

    let all = plane.connector.inventory().await.expect("listed");
    for native in ["user/ci", "user/backup", "role/deploy", &plane.bystander.id] {
        assert!(all.found.iter().any(|f| f.native == native), "{native}");
    }
}

#[tokio::test]
async fn the_name_of_a_key_tells_whose_it_is_and_is_no_possession() {
    let plane = Plane::start().await;
    let id = plane.leaked.id.clone();
    let forms = [
        id.clone(),
        plane.leaked.in_one(),
        format!("[default]\naws_access_key_id={id}\naws_secret_access_key={}\n", plane.leaked.secret.reveal()),
    ];
    for text in forms {
        let found = plane.connector.identify(&Secret::new(text)).await.expect("answered");
        let wanted = Identified::Named { credential: id.clone(), kind: CredentialKind::AccessKey, identity: "user/ci".to_owned() };
        assert_eq!(found, wanted);
    }
    // A secret that is not its own makes no difference: nobody tried it.
    let wrong = Secret::new(format!("{id}:{}", plane.bystander.secret.reveal()));
    assert!(matches!(plane.connector.identify(&wrong).await, Ok(Identified::Named { .. })));
    for (text, compared) in [("AKIAIOSFODNN7EXAMPLE", 1), ("correct horse battery staple", 0), ("", 0)] {
        assert_eq!(plane.connector.identify(&Secret::new(text)).await, Ok(Identified::NoMatch { compared }), "{text}");
    }
    let alone = Secret::new(plane.leaked.secret.reveal());
    assert!(matches!(plane.connector.identify(&alone).await, Ok(Identified::NotCompared { .. })));
}
