//! Giving access back without the intruder.

use quell_core::action::Action;
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};

use super::plane::*;

#[tokio::test]
async fn reinstating_opens_the_account_to_the_new_password_alone() {
    let mut plane = Plane::start().await;
    let mut phone = plane.server.browser();
    let held = phone.log_in(&plane.mobile, "alice", &plane.alice.password, "", &[]).await.expect("logged in");
    let sessions: Vec<_> = plane.connector.enumerate("alice").await.expect("listed").found;
    let (web, mobile) = (plane.grant("alice", "web").await, plane.grant("alice", "mobile").await);
    // Suspended and nothing else: whatever was left open would live again.
    done(plane.act(Action::SuspendIdentity, &account("alice")).await);
    let made = new_secret();
    done(act(&plane.connector, with_secret(Action::Reinstate, &account("alice"), &made)).await);
    let new = credential("alice#password:q7f3k", "alice");
    plane.is_live(ProbeRequest { own: Some(made.clone()), ..about(new, "alice") }).await;
    plane.is_dead(leaked(password("alice"), "alice", &plane.alice.password)).await;
    for target in [&web, &mobile] {
        plane.is_dead(about(target.clone(), "alice")).await;
    }
    for found in sessions.iter().filter(|f| f.kind == quell_core::target::TargetKind::Session) {
        plane.is_dead(about(on(PLANE, found.kind, &found.native, "alice"), "alice")).await;
    }
    assert!(!plane.thief.is_in(&plane.web).await.expect("answered"));
    for refresh in [&plane.tokens.refresh, &held.refresh] {
        assert!(!plane.thief.is_active(&plane.web, refresh.as_ref().expect("one")).await.expect("answered"));
    }
    assert!(phone.refresh(&plane.mobile, &held.refresh.expect("one")).await.expect("answered").is_err());
    assert!(plane.server.browser().log_in(&plane.web, "alice", &plane.alice.password, "", &[]).await.is_err());
    let handed = quell_lab::secret::Secret::known(made.expose());
    let mut hers = plane.server.browser();
    hers.log_in(&plane.web, "alice", &handed, "", &[]).await.expect("the new one opens it");
    // A second try does not throw her out.
    assert!(done(act(&plane.connector, with_secret(Action::Reinstate, &account("alice"), &made)).await).is_empty());
    assert!(hers.is_in(&plane.web).await.expect("answered"));
}

#[tokio::test]
async fn a_client_is_given_back_with_a_new_secret_and_without_its_old_tokens() {
    let plane = Plane::start().await;
    let stolen = plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").expect("accepted").access;
    done(plane.act(Action::SuspendIdentity, &client("ci")).await);
    let made = new_secret();
    done(act(&plane.connector, with_secret(Action::Reinstate, &client("ci"), &made)).await);
    plane.is_dead(leaked(token("client:ci", &stolen), "client:ci", &stolen)).await;
    plane.is_dead(leaked(password("client:ci"), "client:ci", plane.ci.secret.as_ref().expect("one"))).await;
    assert!(
        !plane
            .thief
            .is_active(&quell_lab::oidc::App { secret: Some(quell_lab::secret::Secret::known(made.expose())), ..plane.ci.clone() }, &stolen)
            .await
            .expect("answered")
    );
    let new = quell_lab::oidc::App { secret: Some(quell_lab::secret::Secret::known(made.expose())), ..plane.ci.clone() };
    assert!(plane.thief.client_credentials(&new, &[]).await.expect("answered").is_ok());
    assert!(plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").is_err());
    let outcome = act(&plane.connector, with_secret(Action::Reinstate, &client("mobile"), &made)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("public client")), "{outcome:?}");
}

/// What people took out of the containment stays usable.
#[tokio::test]
async fn a_grant_that_people_keep_is_left_alone() {
    let plane = Plane::start().await;
    let mut phone = plane.server.browser();
    let held = phone.log_in(&plane.mobile, "alice", &plane.alice.password, "", &[]).await.expect("logged in");
    let (web, mobile) = (plane.grant("alice", "web").await, plane.grant("alice", "mobile").await);
    done(plane.act(Action::SuspendIdentity, &account("alice")).await);
    let one = Attempt { kept: vec![mobile.clone()], ..with_secret(Action::Reinstate, &account("alice"), &new_secret()) };
    done(act(&plane.connector, one).await);
    plane.is_dead(about(web, "alice")).await;
    plane.is_live(about(mobile, "alice")).await;
    assert!(phone.refresh(&plane.mobile, &held.refresh.expect("one")).await.expect("answered").is_ok());
}

#[tokio::test]
async fn restoring_brings_back_what_stood_there_and_no_secret() {
    let mut plane = Plane::start().await;
    let target = account("alice");
    let (before, _) = plane.connector.read(&target).await.expect("read");
    let restore = Attempt { before: Some(before.clone()), ..attempt(Action::Restore, &target) };
    done(plane.act(Action::RequireStepUp, &target).await);
    done(plane.act(Action::SuspendIdentity, &target).await);
    done(act(&plane.connector, restore.clone()).await);
    assert_eq!(plane.connector.read(&target).await.expect("read").0.facts, before.facts);
    assert!(plane.thief.is_in(&plane.web).await.expect("answered"), "it was hers: the whole state comes back");
    // Once another password stands there, the old state cannot come back.
    done(act(&plane.connector, with_secret(Action::RotateCredential, &password("alice"), &new_secret())).await);
    done(plane.act(Action::SuspendIdentity, &target).await);
    let outcome = act(&plane.connector, restore).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("reinstate")), "{outcome:?}");
    for gone in [password("alice"), plane.grant("bob", "web").await, plane.session("bob").await] {
        let (before, _) = plane.connector.read(&gone).await.expect("read");
        let outcome = act(&plane.connector, Attempt { before: Some(before), ..attempt(Action::Restore, &gone) }).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    }
    let outcome = plane.act(Action::Restore, &target).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("no before-state")), "{outcome:?}");
}
