//! Giving access back: the intruder stays out.

use quell_connectors::openbao::KvSink;
use quell_core::{action::Action, proof::Liveness};
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest, Sink};
use serde_json::json;

use super::plane::*;

#[tokio::test]
async fn reinstating_opens_the_approle_to_the_new_secret_id_alone() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let orphan = token.make(&plane.server, "create-orphan", "service").await.expect("made");
    let (second, _) = plane.estate.secret_id(&plane.server, json!({})).await.expect("issued");
    plane.do_it(Action::SuspendIdentity, &identity(CI)).await;

    let secret = new_secret();
    let reinstate = with_secret(Action::Reinstate, &identity(CI), &secret);
    assert_eq!(plane.connector.read_outcome(&reinstate).await, Outcome::Throttled { retry_after_ms: 0 });
    let changed = done(act(&plane.connector, reinstate.clone()).await);
    assert_eq!(changed["disabled"], (Some("true".to_owned()), Some("false".to_owned())));
    assert_eq!(changed["secret-ids"], (Some("2".to_owned()), Some("0".to_owned())));
    done(plane.connector.read_outcome(&reinstate).await);
    for old in [&token, &orphan] {
        assert!(!old.works(&plane.server).await.expect("asked"), "no token of before came back with the entity");
    }
    for old in [&plane.estate.secret_id, &second] {
        plane.estate.login(&plane.server, old).await.expect_err("no old secret-id works");
    }
    let new = quell_lab::secret::Secret::known(secret.expose());
    let consumer = plane.estate.login(&plane.server, &new).await.expect("the new one does");

    // As the plan asks about them: the old one is dead, the new one is alive.
    let old = ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, ..about(credential(&plane.leaked_native())) };
    assert_eq!(judged(&plane.connector, old).await.0.liveness, Liveness::Dead);
    for named in ["approle:ci#password:q7f3k", "approle:ci#secret_id:q7f3k"] {
        let own = ProbeRequest { own: Some(secret.clone()), ..about(credential(named)) };
        assert_eq!(judged(&plane.connector, own).await.0.liveness, Liveness::Live);
        assert_eq!(plane.liveness(&credential(named)).await.0, Liveness::Unknown, "without its value nobody can tell");
    }

    // A second try does not throw the rightful consumer out.
    assert_eq!(done(act(&plane.connector, reinstate).await).len(), 0);
    assert!(consumer.works(&plane.server).await.expect("asked"));

    // And the new secret-id reaches its consumer through a sink.
    let sink = KvSink::new("s", plane.connector.clone(), "secret/billing").expect("a path");
    sink.put(CI, &secret).await.expect("put");
    assert_eq!(sink.current().await, Ok(Some(CI.to_owned())));
}

#[tokio::test]
async fn a_secret_id_that_people_took_out_of_the_containment_works_on_and_no_other() {
    let plane = Plane::start().await;
    // An entity stands behind it from its first login on.
    plane.intruder().await;
    let (kept, accessor) = plane.estate.secret_id(&plane.server, json!({})).await.expect("issued");
    let (minted, _) = plane.estate.secret_id(&plane.server, json!({})).await.expect("issued");
    plane.do_it(Action::SuspendIdentity, &identity(CI)).await;
    let secret = new_secret();
    let kept_target = credential(&format!("{CI}#secret_id:{accessor}"));
    let reinstate = Attempt { kept: vec![kept_target], ..with_secret(Action::Reinstate, &identity(CI), &secret) };
    done(act(&plane.connector, reinstate.clone()).await);
    done(plane.connector.read_outcome(&reinstate).await);
    plane.estate.login(&plane.server, &kept).await.expect("its consumer goes on");
    for old in [&plane.estate.secret_id, &minted] {
        plane.estate.login(&plane.server, old).await.expect_err("nobody took this one out");
    }
    let (late, _) = plane.estate.secret_id(&plane.server, json!({})).await.expect("issued");
    assert_eq!(plane.connector.read_outcome(&reinstate).await, Outcome::Throttled { retry_after_ms: 0 }, "another one: not done");
    done(act(&plane.connector, reinstate).await);
    plane.estate.login(&plane.server, &late).await.expect_err("dead");
    plane.estate.login(&plane.server, &kept).await.expect("still kept");
}

#[tokio::test]
async fn a_crash_between_any_two_of_its_calls_leaves_it_shut_or_open_to_the_new_one_alone() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let secret = new_secret();
    let reinstate = with_secret(Action::Reinstate, &identity(CI), &secret);
    // As a crash after the new secret-id was stored leaves it.
    plane.do_it(Action::SuspendIdentity, &identity(CI)).await;
    plane.write("auth/approle/role/ci/custom-secret-id", json!({"secret_id": secret.expose()})).await;
    assert_eq!(plane.connector.read_outcome(&reinstate).await, Outcome::Throttled { retry_after_ms: 0 }, "not done");
    done(act(&plane.connector, reinstate.clone()).await);
    assert!(!token.works(&plane.server).await.expect("asked"));
    plane.estate.login(&plane.server, &plane.estate.secret_id).await.expect_err("the old one is dead");
    // As a crash before the old ones were destroyed and somebody enabling it by hand leaves it.
    plane.write("auth/approle/role/ci/custom-secret-id", json!({"secret_id": plane.estate.secret_id.reveal()})).await;
    assert_eq!(plane.connector.read_outcome(&reinstate).await, Outcome::Throttled { retry_after_ms: 0 }, "open to another one: not done");
    done(act(&plane.connector, reinstate).await);
    plane.estate.login(&plane.server, &plane.estate.secret_id).await.expect_err("dead again");
}

#[tokio::test]
async fn a_user_is_reinstated_with_another_password_and_without_the_old_tokens() {
    let plane = Plane::start().await;
    let token = plane.estate.login_person(&plane.server).await.expect("in");
    plane.do_it(Action::SuspendIdentity, &identity("userpass:alice")).await;
    let secret = new_secret();
    done(act(&plane.connector, with_secret(Action::Reinstate, &identity("userpass:alice"), &secret)).await);
    assert!(!token.works(&plane.server).await.expect("asked"));
    plane.estate.login_person(&plane.server).await.expect_err("the old password is dead");
    let body = json!({"password": secret.expose()});
    let (status, _) = plane.server.call(reqwest::Method::POST, "auth/userpass/login/alice", None, Some(body)).await.expect("asked");
    assert_eq!(status, 200);
}

#[tokio::test]
async fn what_nobody_logs_in_as_is_not_reinstated_and_a_missing_before_state_not_restored() {
    let plane = Plane::start().await;
    let entity = identity(&format!("entity/{}", plane.estate.person_entity));
    for (action, target) in [(Action::Reinstate, &entity), (Action::Reinstate, &identity("kv:secret/billing")), (Action::Restore, &entity)]
    {
        let outcome = act(&plane.connector, with_secret(action, target, &new_secret())).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{action:?}: {outcome:?}");
    }
    let outcome = plane.act(Action::Reinstate, &identity(CI)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("no new secret")), "{outcome:?}");
    let outcome = act(&plane.connector, with_secret(Action::Reinstate, &identity("approle:deploy"), &new_secret())).await;
    assert!(
        matches!(&outcome, Outcome::Refused { reason } if reason.contains("custom-secret-id")),
        "the missing privilege is named: {outcome:?}"
    );
    plane.estate.login(&plane.server, &plane.estate.secret_id).await.expect("nothing was cut");
}
