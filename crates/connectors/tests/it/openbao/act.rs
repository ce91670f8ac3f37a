//! What the cleared attempts do to a real server, once, twice and half.

use quell_core::{action::Action, target::TargetKind};
use quell_engine::port::{Connector, Outcome};
use serde_json::json;

use super::plane::*;

#[tokio::test]
async fn every_action_twice_is_the_action_once_and_its_outcome_can_be_read() {
    let (plane, _postgres, _) = Plane::with_postgres().await;
    let token = plane.intruder().await;
    let lease = token.lease(&plane.server).await.expect("given");
    plane.write("secret/data/billing", json!({"data": {"password": "new"}})).await;
    for (action, target) in [
        (Action::RevokeCredential, credential(&format!("lease:{}", lease.id))),
        (Action::RevokeCredential, credential(&plane.leaked_native())),
        (Action::RevokeCredential, credential("kv:secret/billing#version:1")),
        (Action::ChangePolicy, entitlement("policy:ci>database/creds/ro")),
        (Action::TerminateSessions, session(&token.accessor)),
        (Action::SuspendIdentity, identity("userpass:alice")),
    ] {
        let attempt = attempt(action, &target);
        assert_eq!(
            plane.connector.read_outcome(&attempt).await,
            Outcome::Throttled { retry_after_ms: 0 },
            "{action:?}: nothing happened yet"
        );
        assert!(!done(act(&plane.connector, attempt.clone()).await).is_empty(), "{action:?} changes something");
        assert!(done(act(&plane.connector, attempt.clone()).await).is_empty(), "{action:?} again changes nothing");
        done(plane.connector.read_outcome(&attempt).await);
    }
}

#[tokio::test]
async fn ending_every_token_of_an_identity_leaves_none_and_touches_no_other() {
    let plane = Plane::start().await;
    let person = plane.estate.login_person(&plane.server).await.expect("in");
    let first = plane.intruder().await;
    let orphan = first.make(&plane.server, "create-orphan", "service").await.expect("made");
    let grandchild = orphan.make(&plane.server, "create-orphan", "service").await.expect("made");
    let changed = plane.do_it(Action::TerminateSessions, &identity(CI)).await;
    assert_eq!(changed["tokens"].0.as_deref(), Some("3"), "{changed:?}");
    for ended in [&first, &orphan, &grandchild] {
        assert!(!ended.works(&plane.server).await.expect("asked"));
    }
    assert!(person.works(&plane.server).await.expect("asked"), "another identity's token");
}

#[tokio::test]
async fn leases_of_one_path_are_ended_together_and_logins_never_so() {
    let (plane, _postgres, _) = Plane::with_postgres().await;
    let token = plane.intruder().await;
    let (one, two) = (token.lease(&plane.server).await.expect("given"), token.lease(&plane.server).await.expect("given"));
    let changed = plane.do_it(Action::RevokeCredential, &credential("leases:database/creds/ro")).await;
    assert_eq!(changed["leases"], (Some("2".to_owned()), Some("0".to_owned())));
    for lease in [&one, &two] {
        assert_eq!(plane.liveness(&credential(&format!("lease:{}", lease.id))).await.0, quell_core::proof::Liveness::Dead);
    }
    // Everybody's tokens, Quell's among them, are leases under `auth`.
    for prefix in ["auth/approle/login", "auth/token/create", "sys/x", "database"] {
        let outcome = plane.act(Action::RevokeCredential, &credential(&format!("leases:{prefix}"))).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{prefix}: {outcome:?}");
    }
    assert!(token.works(&plane.server).await.expect("asked"));
}

#[tokio::test]
async fn what_is_protected_is_never_touched_by_whatever_name_it_goes() {
    let plane = Plane::start().await;
    plane.write("auth/userpass/users/breakglass", json!({"password": "x", "token_policies": "deploy"})).await;
    let (_, login) =
        plane.server.call(reqwest::Method::POST, "auth/userpass/login/breakglass", None, Some(json!({"password": "x"}))).await.expect("in");
    let (glass, glass_entity) = (login["auth"]["accessor"].as_str().expect("one"), login["auth"]["entity_id"].as_str().expect("one"));
    let connector = plane.connector(|c| c.protected = vec!["userpass:breakglass".to_owned()]);
    assert!(connector.check().await.reachable);
    let own = connector.enumerate("approle:quell").await.expect("listed");
    let own_entity = found(&own, "approle:quell").facts["entity"].clone();
    let control = connector.enumerate("approle:quell-control").await.expect("listed");
    let control_session = natives(&control, TargetKind::Session)[0].clone();
    let control_entity = found(&control, "approle:quell-control").facts["entity"].clone();
    let root = match connector.identify(&secret(plane.server.root())).await.expect("compared") {
        quell_engine::port::Identified::Match { credential, .. } => credential,
        other => panic!("{other:?}"),
    };
    let user = |native: &str| target(TargetKind::Credential, native, native);
    for (action, target) in [
        (Action::SuspendIdentity, identity("approle:quell")),
        (Action::SuspendIdentity, identity("approle:QUELL")),
        (Action::SuspendIdentity, identity(&own_entity)),
        (Action::TerminateSessions, identity("approle:quell")),
        (Action::SuspendIdentity, identity("approle:quell-control")),
        (Action::SuspendIdentity, identity(&control_entity)),
        (Action::TerminateSessions, target(TargetKind::Session, &control_session, CI)),
        (Action::RevokeCredential, user("approle:quell#secret_id")),
        (Action::RevokeCredential, user("approle:quell-control#secret_id:1385f957-f51f-699a-aa25-eac5c8c978bb")),
        (Action::SuspendIdentity, identity("userpass:breakglass")),
        (Action::SuspendIdentity, identity(&format!("entity/{glass_entity}"))),
        (Action::TerminateSessions, session(glass)),
        (Action::RotateCredential, user("userpass:breakglass#password")),
        (Action::RevokeCredential, credential(&root)),
        (Action::TerminateSessions, target(TargetKind::Session, &root, CI)),
    ] {
        let outcome = act(&connector, with_secret(action, &target, &new_secret())).await;
        assert!(matches!(&outcome, Outcome::Refused { .. }), "{action:?} {}: {outcome:?}", target.native.shown());
    }
    for protected in [
        "approle:quell",
        "approle:Quell",
        "approle:quell-control",
        "userpass:breakglass",
        root.as_str(),
        own_entity.as_str(),
        &format!("entity/{glass_entity}"),
    ] {
        assert!(connector.protected(protected).is_some(), "{protected}");
    }
    assert!(connector.protected(CI).is_none());
    assert!(plane.connector.check().await.control_alive);
}

#[tokio::test]
async fn what_is_missing_or_contained_already_is_no_fault() {
    let plane = Plane::start().await;
    for (action, target) in [
        (Action::TerminateSessions, session("ThereNeverWasSuchAToken1")),
        (Action::RevokeCredential, credential("approle:nobody#secret_id:1385f957-f51f-699a-aa25-eac5c8c978bb")),
        (Action::RevokeCredential, credential("approle:nobody#secret_id")),
        (Action::RevokeCredential, credential("lease:database/creds/ro/nothing")),
        (Action::RevokeCredential, credential("leases:database/creds/ro")),
        (Action::TerminateSessions, identity("approle:nobody")),
    ] {
        assert!(plane.do_it(action, &target).await.is_empty(), "{}", target.native.shown());
        assert!(!plane.connector.read(&target).await.expect("read").0.exists, "{}", target.native.shown());
    }
    for (action, target, word) in [
        (Action::SuspendIdentity, identity("approle:nobody"), "it was deleted"),
        (Action::SuspendIdentity, identity("approle:deploy"), "nobody has logged in as it yet"),
        (Action::RotateCredential, target(TargetKind::Credential, "userpass:nobody#password", "userpass:nobody"), "no such user"),
        (Action::RevokeCredential, credential("kv:secret/nothing#version:1"), "`read` on `+/metadata/*`"),
        (Action::RevokeCredential, credential("kv:nowhere/x#version:1"), "KV store"),
    ] {
        let outcome = act(&plane.connector, with_secret(action, &target, &new_secret())).await;
        assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains(word)), "{}: {outcome:?}", target.native.shown());
    }
    let users =
        plane.server.admin(reqwest::Method::from_bytes(b"LIST").expect("a method"), "auth/userpass/users", None).await.expect("listed");
    assert_eq!(users["data"]["keys"], json!(["alice"]), "no user was made by giving one a password");
}

#[tokio::test]
async fn a_clearance_for_something_else_is_refused() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let mine = attempt(Action::TerminateSessions, &session(&token.accessor));
    let others = [
        attempt(Action::RevokeCredential, &credential(&format!("token:{}", token.accessor))),
        attempt(Action::TerminateSessions, &session("other")),
    ];
    takes_no_other_clearance(&*plane.connector, &mine, &others).await;
    let mut elsewhere = mine.clone();
    elsewhere.target.plane = "bao-other".to_owned();
    assert!(matches!(plane.connector.act(cleared(&elsewhere), &elsewhere).await, Outcome::Refused { .. }));
    assert!(token.works(&plane.server).await.expect("asked"));
}

#[tokio::test]
async fn what_openbao_does_not_do_is_refused_with_its_name() {
    let plane = Plane::start().await;
    for (action, target) in [
        (Action::RestrictAccess, identity(CI)),
        (Action::ReissueCredential, identity(CI)),
        (Action::SuspendIdentity, credential("approle:ci#secret_id")),
        (Action::RotateCredential, credential(&plane.leaked_native())),
        (Action::RemoveEntitlement, entitlement("policy:ci>secret/data/*")),
        (Action::ChangePolicy, identity(CI)),
    ] {
        let outcome = plane.act(action, &target).await;
        assert!(
            matches!(&outcome, Outcome::Refused { reason } if reason.contains(action.name()) || reason.contains("OpenBao")),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn the_manifest_keeps_to_the_catalogue() {
    let plane = Plane::start().await;
    let manifest = plane.connector.manifest();
    keeps_to_the_catalogue(&*plane.connector);
    assert!(manifest.lockout_budget < 5, "the server locks out after five");
    assert!(manifest.cannot_list.iter().any(|c| c.contains("batch tokens")));
}
