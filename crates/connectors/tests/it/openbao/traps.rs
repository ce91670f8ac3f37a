//! What outlives what: every trap of this plane, met on the real server, and what
//! the connector makes of it.

use quell_core::{
    action::Action,
    proof::{Answer, Liveness, Strength},
    target::TargetKind,
};
use quell_engine::port::{Connector, ProbeRequest};
use reqwest::Method;
use serde_json::json;

use super::plane::*;

#[tokio::test]
async fn a_destroyed_secret_id_leaves_its_tokens_working() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let leaked = credential(&plane.leaked_native());
    assert_eq!(plane.liveness(&leaked).await.0, Liveness::Live);
    plane.do_it(Action::RevokeCredential, &leaked).await;
    assert_eq!(plane.liveness(&leaked).await.0, Liveness::Dead);
    plane.estate.login(&plane.server, &plane.estate.secret_id).await.expect_err("the secret-id is dead");

    assert!(token.works(&plane.server).await.expect("asked"), "the token lives on");
    assert_eq!(plane.liveness(&session(&token.accessor)).await.0, Liveness::Live, "and is called so");
    plane.do_it(Action::TerminateSessions, &session(&token.accessor)).await;
    assert!(!token.works(&plane.server).await.expect("asked"));
    assert_eq!(plane.liveness(&session(&token.accessor)).await.0, Liveness::Dead);
}

#[tokio::test]
async fn another_password_and_even_a_deleted_user_leave_the_tokens_working() {
    let plane = Plane::start().await;
    let token = plane.estate.login_person(&plane.server).await.expect("in");
    let password = target(TargetKind::Credential, "userpass:alice#password", "userpass:alice");
    done(act(&plane.connector, with_secret(Action::RotateCredential, &password, &new_secret())).await);
    assert!(token.works(&plane.server).await.expect("asked"));
    plane.server.admin(Method::DELETE, "auth/userpass/users/alice", None).await.expect("deleted");
    assert!(token.works(&plane.server).await.expect("asked"), "for 768 hours");

    let all = plane.enumerate("userpass:alice").await;
    assert_eq!(natives(&all, TargetKind::Session), [format!("token:{}", token.accessor)], "the token of a deleted user is found");
    assert_eq!(plane.liveness(&password).await.0, Liveness::Dead, "the password itself is dead with its user");
    plane.do_it(Action::TerminateSessions, &identity("userpass:alice")).await;
    assert!(!token.works(&plane.server).await.expect("asked"));
}

#[tokio::test]
async fn revoking_a_token_ends_its_children_and_leases_and_not_its_orphans() {
    let (plane, _postgres, _) = Plane::with_postgres().await;
    let token = plane.intruder().await;
    let child = token.make(&plane.server, "create", "service").await.expect("made");
    let orphan = token.make(&plane.server, "create-orphan", "service").await.expect("made");
    let (of_child, of_orphan) = (child.lease(&plane.server).await.expect("given"), orphan.lease(&plane.server).await.expect("given"));

    let all = plane.enumerate(CI).await;
    plane.do_it(Action::TerminateSessions, &session(&token.accessor)).await;
    assert!(!child.works(&plane.server).await.expect("asked"));
    assert!(orphan.works(&plane.server).await.expect("asked"), "the orphan works on");
    let lease = |id: &str| credential(&format!("lease:{id}"));
    until("the child's lease is gone", async || plane.liveness(&lease(&of_child.id)).await.0 == Liveness::Dead).await;
    assert_eq!(plane.liveness(&lease(&of_orphan.id)).await.0, Liveness::Live, "and so does its database login");

    // Seen before the cut, and still after it, although the token that made it is gone.
    for all in [all, plane.enumerate(CI).await] {
        let orphan = found(&all, &format!("token:{}", orphan.accessor));
        assert_eq!(orphan.facts["tied_by"], "the audit log");
        assert!(found(&all, &format!("lease:{}", of_orphan.id)).minted_from.as_ref() == Some(&orphan.native));
    }
    plane.do_it(Action::TerminateSessions, &identity(CI)).await;
    assert!(!orphan.works(&plane.server).await.expect("asked"));
    until("the orphan's lease is gone", async || plane.liveness(&lease(&of_orphan.id)).await.0 == Liveness::Dead).await;
}

#[tokio::test]
async fn a_disabled_entity_stops_everything_but_its_orphans_and_enabling_revives_it() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let orphan = token.make(&plane.server, "create-orphan", "service").await.expect("made");
    let before = plane.connector.read(&identity(CI)).await.expect("read").0;
    plane.do_it(Action::SuspendIdentity, &identity(CI)).await;
    assert!(!token.works(&plane.server).await.expect("asked"));
    plane.estate.login(&plane.server, &plane.estate.secret_id).await.expect_err("logins are refused");
    assert!(orphan.works(&plane.server).await.expect("asked"), "an orphan carries no entity");
    for dead in [session(&token.accessor), credential(&plane.leaked_native()), identity(CI)] {
        let (liveness, reason) = plane.liveness(&dead).await;
        assert_eq!(liveness, Liveness::Dead, "{:?}: {reason}", dead.native);
    }
    assert_eq!(plane.liveness(&session(&orphan.accessor)).await.0, Liveness::Live);

    let mut restore = attempt(Action::Restore, &identity(CI));
    restore.before = Some(before);
    done(act(&plane.connector, restore).await);
    assert!(token.works(&plane.server).await.expect("asked"), "the very token of the intruder is back");
    assert_eq!(plane.liveness(&session(&token.accessor)).await.0, Liveness::Live);
    assert_eq!(plane.liveness(&credential(&plane.leaked_native())).await.0, Liveness::Live);
}

#[tokio::test]
async fn the_tokens_of_a_deleted_approle_are_found_with_their_children() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let child = token.make(&plane.server, "create", "service").await.expect("made");
    plane.server.admin(Method::DELETE, "auth/approle/role/ci", None).await.expect("deleted");
    assert!(child.works(&plane.server).await.expect("asked"), "neither ends with its role");
    // Without the log, too: they still name the entity that the role led to.
    let blind = plane.connector(|c| c.audit = None);
    for all in [plane.enumerate(CI).await, blind.enumerate(CI).await.expect("listed")] {
        let mut sessions = natives(&all, TargetKind::Session);
        sessions.sort();
        let mut wanted = [&token, &child].map(|t| format!("token:{}", t.accessor));
        wanted.sort();
        assert_eq!(sessions, wanted);
    }
    plane.do_it(Action::TerminateSessions, &identity(CI)).await;
    assert!(!child.works(&plane.server).await.expect("asked"));
}

/// A login of `ci` that hands out batch tokens.
async fn batch_login(plane: &Plane) -> quell_lab::openbao::Token {
    plane.write("auth/approle/role/ci", json!({"token_type": "batch", "token_ttl": "20m", "token_max_ttl": "30m"})).await;
    plane.write("sys/policies/acl/ci", json!({"policy": "path \"secret/data/*\" { capabilities = [\"read\"] }"})).await;
    plane.intruder().await
}

#[tokio::test]
async fn a_batch_token_cannot_be_listed_or_revoked_and_outlives_secret_id_and_role() {
    let plane = Plane::start().await;
    let batch = batch_login(&plane).await;
    assert_eq!(batch.accessor, "", "it has no accessor");
    let revoked = plane
        .server
        .call(Method::POST, "auth/token/revoke", Some(plane.server.root().reveal()), Some(json!({"token": batch.token.reveal()})))
        .await
        .expect("asked");
    assert_eq!(revoked.0, 400, "a live batch token answers 400");
    assert!(batch.works(&plane.server).await.expect("asked"));

    let class = credential("approle:ci#batch_tokens");
    let all = plane.enumerate(CI).await;
    assert!(natives(&all, TargetKind::Credential).contains(&"approle:ci#batch_tokens".to_owned()), "{:#?}", all.found);
    assert_eq!(natives(&all, TargetKind::Session), Vec::<String>::new(), "no listing shows it");
    let (proved, round) = judged(&plane.connector, about(class.clone())).await;
    assert_eq!((proved.liveness, proved.residual_until), (Liveness::Unknown, None), "new ones may come: {round:#?}");

    plane.do_it(Action::RevokeCredential, &credential(&plane.leaked_native())).await;
    assert!(batch.works(&plane.server).await.expect("asked"));
    let (proved, round) = judged(&plane.connector, about(class.clone())).await;
    let until = proved.residual_until.unwrap_or_else(|| panic!("the issuer is cut: {round:#?}"));
    let minutes = (until.as_second() - now().as_second()) / 60;
    assert!(proved.liveness == Liveness::Unknown && (29..=30).contains(&minutes), "as long as the login may grant: {round:#?}");
    let clock = round[0].plane_clock.expect("read");
    super::plane::until("the server's clock has moved", async || {
        let (again, round) = judged(&plane.connector, about(class.clone())).await;
        assert_eq!(again.residual_until, Some(until), "it does not move with every look");
        round[0].plane_clock.is_some_and(|now| now > clock)
    })
    .await;
    let refused = plane.act(Action::RevokeCredential, &class).await;
    assert!(format!("{refused:?}").contains("batch"), "{refused:?}");

    plane.server.admin(Method::DELETE, "auth/approle/role/ci", None).await.expect("deleted");
    assert!(batch.works(&plane.server).await.expect("asked"), "without its role, too");
}

#[tokio::test]
async fn a_disabled_entity_is_what_ends_a_batch_token() {
    let plane = Plane::start().await;
    let batch = batch_login(&plane).await;
    let class = credential("approle:ci#batch_tokens");
    plane.do_it(Action::SuspendIdentity, &identity(CI)).await;
    assert!(!batch.works(&plane.server).await.expect("asked"));
    let (proved, round) = judged(&plane.connector, about(class.clone())).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{round:#?}");

    // With it the batch token would come back, so reinstating is refused.
    let outcome = act(&plane.connector, with_secret(Action::Reinstate, &identity(CI), &new_secret())).await;
    assert!(format!("{outcome:?}").contains("batch tokens"), "{outcome:?}");
    assert!(!batch.works(&plane.server).await.expect("asked"));
}

#[tokio::test]
async fn a_batch_orphan_carries_no_entity_so_a_disabled_one_is_not_its_end() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let orphan = token.make(&plane.server, "create-orphan", "batch").await.expect("made");
    let child = token.make(&plane.server, "create", "batch").await.expect("made");
    plane.do_it(Action::SuspendIdentity, &identity(CI)).await;
    plane.do_it(Action::TerminateSessions, &identity(CI)).await;
    assert!(!child.works(&plane.server).await.expect("asked"), "a child ends with the token that made it");
    assert!(orphan.works(&plane.server).await.expect("asked"), "an orphan with nothing");
    let (proved, round) = judged(&plane.connector, about(credential("approle:ci#batch_tokens"))).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    let days = (proved.residual_until.expect("a date").as_second() - now().as_second()) / 86_400;
    assert!((31..=32).contains(&days), "768 hours, the longest life of any token: {days}");
}

#[tokio::test]
async fn the_status_of_a_write_says_nothing() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let root = plane.server.root().reveal();
    let revoke = async |value: &str| {
        plane.server.call(Method::POST, "auth/token/revoke", Some(root), Some(json!({"token": value}))).await.expect("asked").0
    };
    assert_eq!(revoke("s.ThereNeverWasSuchAToken1").await, 204, "a 204 for what was never alive");
    assert_eq!(
        plane.do_it(Action::TerminateSessions, &session("ThereNeverWasSuchAToken1")).await.len(),
        0,
        "nothing was changed, and that is said"
    );
    let batch = token.make(&plane.server, "create", "batch").await.expect("made");
    assert_eq!(revoke(batch.token.reveal()).await, 400, "a 400 for what is alive");
    assert!(batch.works(&plane.server).await.expect("asked"));
}

#[tokio::test]
async fn a_refused_use_of_a_token_is_no_death() {
    let plane = Plane::start().await;
    // Alive, and without the right to look itself up.
    plane.write("auth/approle/role/ci", json!({"token_no_default_policy": true, "token_policies": "ci"})).await;
    let token = plane.intruder().await;
    let (status, _) = plane.server.call(Method::GET, "auth/token/lookup-self", Some(token.token.reveal()), None).await.expect("asked");
    assert_eq!(status, 403, "the answer that a dead token gets, too");
    let ask = ProbeRequest {
        leaked: Some(secret(&token.token)),
        leaked_was_right: true,
        ..about(credential(&format!("token:{}", token.accessor)))
    };
    let (proved, round) = judged(&plane.connector, ask.clone()).await;
    assert_eq!(proved.liveness, Liveness::Live, "{round:#?}");
    plane.do_it(Action::RevokeCredential, &ask.target).await;
    let (proved, round) = judged(&plane.connector, ask).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{round:#?}");
    assert_eq!(round.len(), 2, "by value and by accessor");
    assert!(round.iter().all(|o| matches!(o.answer, Answer::Enforced { .. })));
}

#[tokio::test]
async fn a_merged_entity_is_gone_and_its_tokens_are_not() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let other = plane.write("identity/entity", json!({"name": "other"})).await["data"]["id"].clone();
    plane.write("identity/entity/merge", json!({"from_entity_ids": [token.entity], "to_entity_id": other})).await;
    assert!(token.works(&plane.server).await.expect("asked"), "it works on as the other one");
    let (liveness, reason) = plane.liveness(&session(&token.accessor)).await;
    assert_eq!(liveness, Liveness::Unknown, "{reason}");
    // Disabled, then deleted: its token is there and can do nothing.
    plane.do_it(Action::TerminateSessions, &session(&token.accessor)).await;
    assert_eq!(plane.liveness(&session(&token.accessor)).await.0, Liveness::Dead);
}

#[tokio::test]
async fn another_role_id_leads_past_the_disabled_entity() {
    let plane = Plane::start().await;
    let _token = plane.intruder().await;
    plane.do_it(Action::SuspendIdentity, &identity(CI)).await;
    let leaked = credential(&plane.leaked_native());
    assert_eq!(plane.liveness(&leaked).await.0, Liveness::Dead);
    // Whoever may write the role gives it another role-id: another name, another entity.
    plane.write("auth/approle/role/ci/role-id", json!({"role_id": "another"})).await;
    let body = json!({"role_id": "another", "secret_id": plane.estate.secret_id.reveal()});
    let (status, _) = plane.server.call(Method::POST, "auth/approle/login", None, Some(body)).await.expect("asked");
    assert_eq!(status, 200, "the leaked secret-id logs in again");
    assert_eq!(plane.liveness(&leaked).await.0, Liveness::Live, "and is called so");
}

#[tokio::test]
async fn failed_logins_lock_the_rightful_consumer_out_so_none_is_made_with_a_secret_id() {
    let plane = Plane::start().await;
    plane.do_it(Action::RevokeCredential, &credential(&plane.leaked_native())).await;
    let ask = || ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, ..about(credential(&plane.leaked_native())) };
    for _ in 0..8 {
        assert_eq!(judged(&plane.connector, ask()).await.0.liveness, Liveness::Dead);
    }
    let (rightful, _) = plane.estate.secret_id(&plane.server, json!({})).await.expect("issued");
    plane.estate.login(&plane.server, &rightful).await.expect("nobody was locked out by our looking");
    for _ in 0..5 {
        plane.estate.login(&plane.server, &plane.estate.secret_id).await.expect_err("dead");
    }
    plane.estate.login(&plane.server, &rightful).await.expect_err("five failures lock the role for everybody");
}

#[tokio::test]
async fn a_lease_is_revoked_and_its_open_database_session_reads_on_without_a_name() {
    let (plane, postgres, _) = Plane::with_postgres().await;
    let token = plane.intruder().await;
    let lease = token.lease(&plane.server).await.expect("given");
    let open = postgres.connect(&lease.username, lease.password.reveal(), "billing").await.expect("the login works");
    let all = plane.enumerate(CI).await;
    let native = format!("lease:{}", lease.id);
    let there = all.elsewhere.iter().find(|e| e.from == native).expect("the login on the other plane is named");
    assert_eq!(
        (there.plane.as_str(), there.kind, there.native.as_str(), there.via.as_str()),
        ("pg-main", TargetKind::Identity, lease.username.as_str(), "lease")
    );

    plane.do_it(Action::RevokeCredential, &credential(&native)).await;
    assert_eq!(plane.liveness(&credential(&native)).await.0, Liveness::Dead, "the lease is");
    let refused = postgres.connect(&lease.username, lease.password.reveal(), "billing").await.map(|_| ());
    assert!(refused.is_err(), "new logins are refused");
    open.query_one("SELECT 1", &[]).await.expect("the open session answers on");
    let admin = postgres.connect_unix_superuser("billing").await.expect("in");
    let row =
        admin.query_one("SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND usename IS NULL", &[]).await.expect("asked");
    assert_eq!(row.get::<_, i64>(0), 1, "and has no name any more: whoever looks for it by name finds nothing");
}

#[tokio::test]
async fn a_lease_whose_database_is_down_is_not_called_revoked() {
    let (plane, mut postgres, _) = Plane::with_postgres().await;
    let lease = plane.intruder().await.lease(&plane.server).await.expect("given");
    postgres.stop().expect("stopped");
    let target = credential(&format!("lease:{}", lease.id));
    let outcome = plane.act(Action::RevokeCredential, &target).await;
    assert!(!matches!(outcome, quell_engine::port::Outcome::Done { .. }), "{outcome:?}");
    assert_ne!(plane.liveness(&target).await.0, Liveness::Dead);
    postgres.start_again().expect("started");
    plane.do_it(Action::RevokeCredential, &target).await;
    assert_eq!(plane.liveness(&target).await.0, Liveness::Dead);
}
