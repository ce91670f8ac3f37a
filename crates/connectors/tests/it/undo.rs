//! Giving access back: the intruder stays out, and what is restored is exact.

use std::collections::BTreeMap;

use quell_core::{
    action::Action,
    proof::Liveness,
    secret::Secret,
    target::{Reading, Target},
};
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};

use crate::plane::*;

fn restore(target: &Target, before: &(Reading, BTreeMap<String, Secret>)) -> Attempt {
    Attempt { before: Some(before.0.clone()), before_secrets: before.1.clone(), ..attempt(Action::Restore, target) }
}

/// Everything of the role that an undo could touch, as the server holds it.
async fn stored(plane: &Plane) -> (Option<String>, bool, i32, Option<String>) {
    let row = plane
        .admin
        .query_one("SELECT rolpassword, rolcanlogin, rolconnlimit, rolvaliduntil::text FROM pg_authid WHERE rolname = 'billing_app'", &[])
        .await
        .expect("the superuser reads");
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

#[tokio::test]
async fn reinstating_opens_the_role_to_the_new_secret_alone() {
    let plane = Plane::start().await;
    let old_session = plane.intruder().await;
    done(plane.act(Action::SuspendIdentity, &identity(APP)).await);

    let secret = new_secret();
    let reinstate = with_secret(Action::Reinstate, &identity(APP), &secret);
    let changed = done(act(&plane.connector, reinstate.clone()).await);
    assert_eq!(changed["rolcanlogin"], (Some("false".to_owned()), Some("true".to_owned())));
    assert!(old_session.query_one("SELECT 1", &[]).await.is_err(), "the intruder's session did not come back with the role");

    let old = ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, ..about_app() };
    let (proved, _) = plane.judged(old, None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "the old secret: {proved:?}");
    let own = ProbeRequest { own: Some(secret.clone()), ..about_app() };
    let (proved, _) = plane.judged(own, None).await;
    assert_eq!(proved.liveness, Liveness::Live, "the new secret");

    // A second try does not throw the rightful consumer out.
    let consumer = plane.server.connect(APP, secret.expose(), "billing").await.expect("the new secret works");
    assert_eq!(done(act(&plane.connector, reinstate).await), BTreeMap::new());
    consumer.query_one("SELECT 1", &[]).await.expect("the consumer's session is still there");
}

#[tokio::test]
async fn after_reinstating_the_consumers_sessions_do_not_hide_the_death_of_the_old_secret() {
    let plane = Plane::start().await;
    let before = plane.contain().await;
    let secret = new_secret();
    done(act(&plane.connector, with_secret(Action::Reinstate, &identity(APP), &secret)).await);
    let _consumer = plane.server.connect(APP, secret.expose(), "billing").await.expect("the new secret works");
    let ask = ProbeRequest { before: Some(before.0), before_secrets: before.1, ..about_app() };
    let (proved, round) = plane.judged(ask, None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "the session is of after the change: {round:#?}");
}

#[tokio::test]
async fn the_next_generation_is_never_called_dead_because_its_verifier_is_new() {
    let plane = Plane::start().await;
    let before = plane.contain().await;
    let secret = new_secret();
    done(act(&plane.connector, with_secret(Action::Reinstate, &identity(APP), &secret)).await);
    let next = quell_core::target::TargetKind::Credential;
    let next = target(next, "billing_app#password:q7f3k", APP);
    let ask = |own: Option<Secret>| ProbeRequest {
        own,
        before: Some(before.0.clone()),
        before_secrets: before.1.clone(),
        ..about(next.clone(), APP)
    };
    assert_eq!(plane.judged(ask(Some(secret)), None).await.0.liveness, Liveness::Live);
    assert_eq!(plane.judged(ask(None), None).await.0.liveness, Liveness::Unknown, "without its secret nobody can tell");
    plane.contain().await;
    assert_eq!(plane.judged(ask(None), None).await.0.liveness, Liveness::Dead);
}

#[tokio::test]
async fn a_restored_verifier_is_byte_identical_and_the_old_secret_works() {
    let plane = Plane::start().await;
    let was = stored(&plane).await;
    let before = plane.connector.read(&identity(APP)).await.expect("it is in scope");
    done(act(&plane.connector, with_secret(Action::RotateCredential, &credential(APP), &new_secret())).await);
    plane.contain().await;
    assert_ne!(stored(&plane).await, was);
    let attempt = restore(&identity(APP), &before);
    done(act(&plane.connector, attempt.clone()).await);
    assert_eq!(stored(&plane).await, was, "verifier, login, limit and expiry (none is not infinity)");
    let _ = plane.intruder().await;
    assert_eq!(plane.connector.read(&identity(APP)).await.expect("read").0.facts, before.0.facts);
    done(plane.connector.read_outcome(&attempt).await);
}

#[tokio::test]
async fn limits_and_an_expiry_are_restored_by_value() {
    let plane = Plane::start().await;
    plane.sql("ALTER ROLE billing_app CONNECTION LIMIT 7 VALID UNTIL '2031-05-06 07:08:09.123456+02'").await;
    let was = stored(&plane).await;
    let before = plane.connector.read(&identity(APP)).await.expect("it is in scope");
    plane.sql("ALTER ROLE billing_app CONNECTION LIMIT 1 VALID UNTIL 'infinity' NOLOGIN PASSWORD NULL").await;
    done(act(&plane.connector, restore(&identity(APP), &before)).await);
    assert_eq!(stored(&plane).await, was);
}

#[tokio::test]
async fn an_expiry_that_cannot_be_taken_away_is_said_and_not_faked() {
    let plane = Plane::start().await;
    let before = plane.connector.read(&identity(APP)).await.expect("it is in scope");
    plane.sql("ALTER ROLE billing_app VALID UNTIL '2031-01-01' NOLOGIN").await;
    let outcome = act(&plane.connector, restore(&identity(APP), &before)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("expiry")), "{outcome:?}");
    assert!(!stored(&plane).await.1, "and the role stays locked");
}

#[tokio::test]
async fn older_verifiers_and_none_are_restored_as_they_were() {
    let plane = Plane::start().await;
    for stood in ["PASSWORD 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "PASSWORD NULL"] {
        plane.sql(&format!("ALTER ROLE billing_app {stood} LOGIN")).await;
        let was = stored(&plane).await;
        let before = plane.connector.read(&identity(APP)).await.expect("it is in scope");
        done(act(&plane.connector, with_secret(Action::RotateCredential, &credential(APP), &new_secret())).await);
        done(act(&plane.connector, restore(&credential(APP), &before)).await);
        assert_eq!(stored(&plane).await, was, "{stood}");
    }
}

#[tokio::test]
async fn restoring_needs_the_opened_before_state_of_the_same_role() {
    let plane = Plane::start().await;
    let before = plane.contain().await;
    let refused = async |attempt: Attempt, word: &str| {
        let outcome = act(&plane.connector, attempt).await;
        assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains(word)), "wanted `{word}`: {outcome:?}");
    };
    refused(attempt(Action::Restore, &identity(APP)), "no before-state").await;
    refused(Attempt { before_secrets: BTreeMap::new(), ..restore(&identity(APP), &before) }, "was not opened").await;
    let mut other = before.0.clone();
    other.facts.insert("oid".to_owned(), Some("1".to_owned()));
    refused(restore(&identity(APP), &(other, before.1.clone())), "another oid").await;
    assert!(!stored(&plane).await.1, "the role stays locked");
}

#[tokio::test]
async fn a_membership_is_given_back_with_its_admin_option_and_only_if_it_was_taken() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE deploy LOGIN; GRANT billing_app TO deploy WITH ADMIN OPTION; CREATE ROLE stranger LOGIN").await;
    let target = entitlement("member:deploy>billing_app");
    let before = plane.connector.read(&target).await.expect("one side is in scope");
    assert!(before.0.exists);
    done(plane.act(Action::RemoveEntitlement, &target).await);
    assert!(!plane.connector.read(&target).await.expect("read").0.exists);
    done(act(&plane.connector, restore(&target, &before)).await);
    let row = plane.admin.query_one("SELECT pg_has_role('deploy', 'billing_app', 'MEMBER WITH ADMIN OPTION')", &[]).await.expect("asked");
    assert!(row.get::<_, bool>(0));
    assert_eq!(done(act(&plane.connector, restore(&target, &before)).await), BTreeMap::new(), "again changes nothing");

    // Nobody gets what they never had.
    let outcome = act(&plane.connector, restore(&entitlement("member:stranger>billing_app"), &before)).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
}
