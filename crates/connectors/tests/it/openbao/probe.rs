//! What a round meets: alive before, dead after, with its control of the same class.

use quell_core::{
    action::Action,
    proof::{Answer, Channel, Liveness, ProbeClass, Strength},
    target::{Target, TargetKind},
};
use quell_engine::port::{Connector, ProbeRequest};
use reqwest::Method;
use serde_json::json;

use super::plane::*;

fn password() -> Target {
    target(TargetKind::Credential, "userpass:alice#password", "userpass:alice")
}

#[tokio::test]
async fn every_kind_is_live_before_and_dead_after_with_a_control_of_its_class() {
    let (plane, _postgres, _) = Plane::with_postgres().await;
    let token = plane.intruder().await;
    let lease = token.lease(&plane.server).await.expect("given");
    let other = token.lease(&plane.server).await.expect("given");
    plane.write("secret/data/billing", json!({"data": {"password": "new"}})).await;
    for (action, target) in [
        (Action::RevokeCredential, credential(&format!("lease:{}", lease.id))),
        (Action::RevokeCredential, credential("leases:database/creds/ro")),
        (Action::RevokeCredential, credential(&plane.leaked_native())),
        (Action::RevokeCredential, credential("approle:ci#secret_id")),
        (Action::RevokeCredential, credential("kv:secret/billing#version:1")),
        (Action::TerminateSessions, session(&token.accessor)),
        (Action::SuspendIdentity, identity("userpass:alice")),
    ] {
        if target.native.shown() == "approle:ci#secret_id" {
            plane.estate.secret_id(&plane.server, json!({})).await.expect("another one");
        }
        if target.native.shown() == "userpass:alice" {
            assert_eq!(plane.liveness(&target).await.0, Liveness::Live);
        }
        let name = target.native.shown().to_owned();
        let (before, round) = judged(&plane.connector, about(target.clone())).await;
        assert_eq!(before.liveness, Liveness::Live, "{name}: {round:#?}");
        plane.do_it(action, &target).await;
        let (after, round) = judged(&plane.connector, about(target)).await;
        assert_eq!((after.liveness, after.strength), (Liveness::Dead, Some(Strength::Enforced)), "{name}: {round:#?}");
        for seen in &round {
            assert_eq!(seen.channel, Channel::TlsPinned);
            assert!(seen.authoritative && seen.control.as_ref().is_some_and(|c| c.alive && c.class == seen.class), "{name}: {seen:#?}");
            let clock = seen.plane_clock.expect("the server's clock");
            assert!((clock.as_second() - now().as_second()).abs() < 60);
        }
    }
    let _ = other;
}

#[tokio::test]
async fn nothing_is_proved_before_the_settle_time_is_over() {
    let plane = Plane::start().await;
    let leaked = credential(&plane.leaked_native());
    plane.do_it(Action::RevokeCredential, &leaked).await;
    let acted_at = now();
    let (proved, _) = judged_after(&plane.connector, about(leaked.clone()), Some(acted_at)).await;
    assert!(proved.liveness == Liveness::Unknown && proved.reason.contains("settle"), "{proved:?}");
    until("it has settled", async || {
        judged_after(&plane.connector, about(leaked.clone()), Some(acted_at)).await.0.liveness == Liveness::Dead
    })
    .await;
}

#[tokio::test]
async fn what_comes_back_behind_our_back_is_live_again() {
    let plane = Plane::start().await;
    let leaked = credential(&plane.leaked_native());
    let ask = || ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, ..about(leaked.clone()) };
    plane.do_it(Action::RevokeCredential, &leaked).await;
    assert_eq!(judged(&plane.connector, ask()).await.0.liveness, Liveness::Dead);
    // The very value is issued again, under another accessor.
    plane.write("auth/approle/role/ci/custom-secret-id", json!({"secret_id": plane.estate.secret_id.reveal()})).await;
    let (proved, round) = judged(&plane.connector, ask()).await;
    assert_eq!(proved.liveness, Liveness::Live, "{round:#?}");
}

#[tokio::test]
async fn a_secret_id_whose_role_is_deleted_used_up_or_expired_is_dead() {
    let plane = Plane::start().await;
    let (used, used_accessor) = plane.estate.secret_id(&plane.server, json!({"num_uses": 1})).await.expect("issued");
    let (_, short) = plane.estate.secret_id(&plane.server, json!({"ttl": "1s"})).await.expect("issued");
    plane.estate.login(&plane.server, &used).await.expect("once");
    let native = |accessor: &str| credential(&format!("{CI}#secret_id:{accessor}"));
    assert_eq!(plane.liveness(&native(&used_accessor)).await.0, Liveness::Dead);
    until("it has expired", async || plane.liveness(&native(&short)).await.0 == Liveness::Dead).await;
    assert_eq!(plane.liveness(&credential(&plane.leaked_native())).await.0, Liveness::Live);
    plane.server.admin(Method::DELETE, "auth/approle/role/ci", None).await.expect("deleted");
    for dead in [credential(&plane.leaked_native()), credential("approle:ci#secret_id")] {
        let (liveness, reason) = plane.liveness(&dead).await;
        assert_eq!(liveness, Liveness::Dead, "{reason}");
    }
}

#[tokio::test]
async fn a_role_that_asks_for_no_secret_id_is_not_dead_without_one() {
    let plane = Plane::start().await;
    plane.write("auth/approle/role/ci", json!({"bind_secret_id": false, "token_bound_cidrs": "127.0.0.1/32"})).await;
    plane.do_it(Action::RevokeCredential, &credential("approle:ci#secret_id")).await;
    let (status, _) =
        plane.server.call(Method::POST, "auth/approle/login", None, Some(json!({"role_id": plane.estate.role_id}))).await.expect("asked");
    assert_eq!(status, 200, "the role-id alone logs in");
    assert_eq!(plane.liveness(&credential("approle:ci#secret_id")).await.0, Liveness::Unknown);
}

#[tokio::test]
async fn a_password_is_proved_by_a_login_and_only_where_it_was_right() {
    let plane = Plane::start().await;
    let leaked =
        |was_right| ProbeRequest { leaked: Some(secret(&plane.estate.person_password)), leaked_was_right: was_right, ..about(password()) };
    assert_eq!(judged(&plane.connector, leaked(true)).await.0.liveness, Liveness::Live);
    let sessions = natives(&plane.enumerate("userpass:alice").await, TargetKind::Session);
    assert_eq!(sessions, Vec::<String>::new(), "the token of our own login was ended");

    done(act(&plane.connector, with_secret(Action::RotateCredential, &password(), &new_secret())).await);
    assert_eq!(judged(&plane.connector, leaked(false)).await.0.liveness, Liveness::Unknown, "a wrong password says nothing");
    let (proved, round) = judged(&plane.connector, leaked(true)).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    let login = round.iter().find(|o| o.class == ProbeClass::Login).expect("tried");
    assert_eq!(login.answer, Answer::Refused { code: "invalid username or password".to_owned() });
    // Two failures an hour are all that our looking may cost.
    let (proved, round) = judged(&plane.connector, leaked(true)).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(proved.reason.contains("budget"), "{proved:?}");
}

#[tokio::test]
async fn a_throw_away_is_seen_to_work_and_then_refused_by_the_disabled_entity() {
    let plane = Plane::start().await;
    let throw_away = new_secret();
    done(act(&plane.connector, with_secret(Action::RotateCredential, &password(), &throw_away)).await);
    let ask = || ProbeRequest { throw_away: Some(throw_away.clone()), ..about(password()) };
    assert_eq!(judged(&plane.connector, ask()).await.0.liveness, Liveness::Live);
    plane.do_it(Action::SuspendIdentity, &identity("userpass:alice")).await;
    let (proved, round) = judged(&plane.connector, ask()).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
}

#[tokio::test]
async fn a_user_who_is_locked_out_for_a_while_is_not_dead() {
    let plane = Plane::start().await;
    for _ in 0..6 {
        let body = json!({"password": "wrong"});
        plane.server.call(Method::POST, "auth/userpass/login/alice", None, Some(body)).await.expect("asked");
    }
    let ask = ProbeRequest { leaked: Some(secret(&plane.estate.person_password)), leaked_was_right: true, ..about(password()) };
    let (proved, round) = judged(&plane.connector, ask).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "in a quarter of an hour the password works again: {round:#?}");
}

#[tokio::test]
async fn in_observe_no_secret_of_anybody_is_tried() {
    let plane = Plane::start().await;
    let ask =
        |target: Target, leaked| ProbeRequest { may_login: false, leaked: Some(leaked), throw_away: Some(new_secret()), ..about(target) };
    assert_eq!(plane.connector.probe(&ask(password(), secret(&plane.estate.person_password))).await.len(), 1);
    assert_eq!(plane.connector.probe(&ask(credential(&plane.leaked_native()), plane.leaked())).await.len(), 1);
    let own = ProbeRequest { may_login: false, own: Some(new_secret()), ..about(password()) };
    assert_eq!(judged(&plane.connector, own).await.0.liveness, Liveness::Unknown);
    let log = std::fs::read_to_string(plane.server.audit_log()).expect("a log");
    assert!(!log.contains("userpass/login"), "no login was tried");
    assert!(!log.contains("\"path\":\"auth/approle/role/ci/secret-id/lookup\""), "and no value shown");
}
