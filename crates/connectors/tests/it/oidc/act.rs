//! Cleared attempts against a real provider, and what they leave alone.

use quell_core::{action::Action, proof::Strength};
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};
use quell_lab::oidc::Options;

use super::plane::*;

#[tokio::test]
async fn what_is_declared_keeps_to_the_catalogue() {
    let plane = Plane::start().await;
    keeps_to_the_catalogue(&plane.connector);
    let declared: Vec<Action> = plane.connector.manifest().actions.iter().map(|a| a.action).collect();
    assert_eq!(declared, ACTIONS);
    let without = plane.connector(|c| c.step_up_acr = None);
    assert!(without.manifest().action(Action::RequireStepUp).is_none(), "nobody knows what to ask for");
}

#[tokio::test]
async fn a_whole_containment_is_proved_and_nobody_else_notices() {
    let mut plane = Plane::start().await;
    let (session, grant) = (plane.session("alice").await, plane.grant("alice", "web").await);
    let opaque = token("alice", &plane.tokens.access);
    for target in [&session, &grant, &opaque] {
        plane.is_live(about(target.clone(), "alice")).await;
    }
    let refresh = plane.tokens.refresh.clone().expect("one");
    let (before, _) = plane.connector.read(&grant).await.expect("read");
    plane.contain_alice().await;
    plane.is_dead(about(session, "alice")).await;
    plane.is_dead(ProbeRequest { before: Some(before), ..leaked(grant, "alice", &refresh) }).await;
    plane.is_dead(leaked(opaque, "alice", &plane.tokens.access)).await;
    // And so says whoever knows nothing of Quell.
    assert!(!plane.thief.is_in(&plane.web).await.expect("answered"));
    assert_eq!(plane.thief.refresh(&plane.web, &refresh).await.expect("answered").err().as_deref(), Some("invalid_grant"));
    assert!(!plane.thief.is_active(&plane.web, &plane.tokens.access).await.expect("answered"));
    assert!(!plane.thief.is_served(&plane.tokens.access).await.expect("answered"));
    assert!(plane.server.browser().log_in(&plane.web, "alice", &plane.alice.password, "", &[]).await.is_err());

    assert!(plane.bobs.is_in(&plane.web).await.expect("answered"));
    assert!(plane.bobs.is_active(&plane.web, &plane.bobs_tokens.access).await.expect("answered"));
    // Bob's refresh token was used by nobody: he can.
    let bobs = plane.bobs.refresh(&plane.web, plane.bobs_tokens.refresh.as_ref().expect("one")).await.expect("answered");
    assert!(bobs.is_ok());
}

#[tokio::test]
async fn a_stolen_refresh_token_of_a_public_client_is_tried_only_once_it_is_gone() {
    let plane = Plane::start().await;
    let mut phone = plane.server.browser();
    let held = phone.log_in(&plane.mobile, "alice", &plane.alice.password, "", &[]).await.expect("logged in");
    let refresh = held.refresh.clone().expect("one");
    let grant = plane.grant("alice", "mobile").await;
    let (before, _) = plane.connector.read(&grant).await.expect("read");
    let request = ProbeRequest { before: Some(before), ..leaked(grant.clone(), "alice", &refresh) };
    for _ in 0..3 {
        plane.is_live(request.clone()).await;
    }
    // No probe exchanged it: the phone's owner still can, and its family lives.
    let next = phone.refresh(&plane.mobile, &refresh).await.expect("answered").expect("nobody used it before");
    let refresh = next.refresh.expect("another one");
    let request = ProbeRequest { before: request.before, ..leaked(grant.clone(), "alice", &refresh) };
    done(plane.act(Action::RevokeCredential, &grant).await);
    let proved = plane.is_dead(request).await;
    assert_eq!(proved.strength, Some(Strength::Exercised), "{}", proved.reason);
    assert!(proved.reason.contains("invalid_grant"), "{}", proved.reason);
}

#[tokio::test]
async fn one_opaque_token_is_ended_and_no_other() {
    let plane = Plane::start().await;
    let other = plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").expect("accepted").access;
    let stolen = plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").expect("accepted").access;
    let target = token("client:ci", &stolen);
    plane.is_live(about(target.clone(), "client:ci")).await;
    done(plane.act(Action::RevokeCredential, &target).await);
    plane.is_dead(leaked(target.clone(), "client:ci", &stolen)).await;
    assert!(!plane.thief.is_active(&plane.ci, &stolen).await.expect("answered"));
    assert!(plane.thief.is_active(&plane.ci, &other).await.expect("answered"));
    assert!(done(plane.act(Action::RevokeCredential, &target).await).is_empty(), "twice is once");
}

#[tokio::test]
async fn a_new_secret_of_a_client_takes_the_place_of_the_old_one() {
    let plane = Plane::start().await;
    let old = plane.ci.secret.clone().expect("one");
    let target = password("client:ci");
    plane.is_live(leaked(target.clone(), "client:ci", &old)).await;
    let new = new_secret();
    done(act(&plane.connector, with_secret(Action::RotateCredential, &target, &new)).await);
    let proved = plane.is_dead(leaked(target.clone(), "client:ci", &old)).await;
    assert_eq!(proved.strength, Some(Strength::Exercised), "{}", proved.reason);
    plane.is_live(ProbeRequest { own: Some(new.clone()), ..about(credential("client:ci#password:q7f3k", "client:ci"), "client:ci") }).await;
    assert!(plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").is_err());
    let again = with_secret(Action::RotateCredential, &target, &new);
    assert!(done(act(&plane.connector, again).await).is_empty(), "twice is once");
    // A client that keeps none has none to replace.
    let outcome = act(&plane.connector, with_secret(Action::RotateCredential, &password("client:mobile"), &new)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("public client")), "{outcome:?}");
}

#[tokio::test]
async fn a_new_password_leaves_the_old_one_dead_whoever_holds_it() {
    let plane = Plane::start().await;
    let target = password("alice");
    let known = leaked(target.clone(), "alice", &plane.alice.password);
    plane.is_live(known.clone()).await;
    let (before, _) = plane.connector.read(&target).await.expect("read");
    let throw_away = new_secret();
    done(act(&plane.connector, with_secret(Action::RotateCredential, &target, &throw_away)).await);
    plane.is_dead(known).await;
    // Without the old value: by what Quell put in its place, and by its version.
    plane.is_dead(ProbeRequest { throw_away: Some(throw_away), ..about(target.clone(), "alice") }).await;
    plane.is_dead(ProbeRequest { before: Some(before), ..about(target.clone(), "alice") }).await;
    unknown(&plane.connector, about(target, "alice"), "nothing keeps anybody").await;
    assert!(plane.server.browser().log_in(&plane.web, "alice", &plane.alice.password, "", &[]).await.is_err());
}

/// The next login must meet a higher context; the session of before is asked again.
#[tokio::test]
async fn a_stronger_sign_in_is_asked_of_the_session_that_had_none() {
    let mut plane = Plane::start().await;
    let session = plane.session("alice").await;
    let (before, _) = plane.connector.read(&account("alice")).await.expect("read");
    done(plane.act(Action::RequireStepUp, &account("alice")).await);
    plane.is_dead(about(session.clone(), "alice")).await;
    assert!(!plane.thief.is_in(&plane.web).await.expect("answered"));
    // The password alone opens nothing; with the second factor she is in, and stays.
    assert!(plane.server.browser().log_in(&plane.web, "alice", &plane.alice.password, "", &[]).await.is_err());
    let mut hers = plane.server.browser();
    let otp = plane.alice.otp.reveal().to_owned();
    hers.log_in(&plane.web, "alice", &plane.alice.password, &otp, &[]).await.expect("logged in");
    assert!(hers.is_in(&plane.web).await.expect("answered"));
    assert!(done(plane.act(Action::RequireStepUp, &account("alice")).await).is_empty(), "twice is once");
    // What survives is said: the refresh token of before.
    let declared = plane.connector.manifest().action(Action::RequireStepUp).expect("declared").clone();
    assert!(declared.survives.iter().any(|s| s.contains("refresh tokens")));
    assert!(plane.thief.is_active(&plane.web, plane.tokens.refresh.as_ref().expect("one")).await.expect("answered"));

    let restore = Attempt { before: Some(before), ..attempt(Action::Restore, &account("alice")) };
    done(act(&plane.connector, restore).await);
    plane.is_live(about(session, "alice")).await;
    assert!(plane.thief.is_in(&plane.web).await.expect("answered"));
}

#[tokio::test]
async fn every_action_twice_is_the_action_once_and_is_read_before_and_after() {
    let plane = Plane::start().await;
    let (session, grant) = (plane.session("alice").await, plane.grant("alice", "web").await);
    let machine = plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").expect("accepted").access;
    let made = new_secret();
    for one in [
        attempt(Action::RequireStepUp, &account("alice")),
        with_secret(Action::RotateCredential, &password("alice"), &made),
        attempt(Action::SuspendIdentity, &account("alice")),
        attempt(Action::TerminateSessions, &session),
        attempt(Action::TerminateSessions, &account("bob")),
        attempt(Action::RevokeCredential, &grant),
        attempt(Action::RevokeCredential, &token("client:ci", &machine)),
        with_secret(Action::RotateCredential, &password("client:ci"), &made),
        attempt(Action::SuspendIdentity, &client("ci")),
        with_secret(Action::Reinstate, &client("ci"), &new_secret()),
        with_secret(Action::Reinstate, &account("alice"), &new_secret()),
    ] {
        is_read_before_and_after(&plane.connector, one.clone()).await;
        assert!(done(act(&plane.connector, one.clone()).await).is_empty(), "{:?} twice", one.action);
    }
}

/// The draft's 204 says that the provider will; what became of it is read.
#[tokio::test]
async fn sessions_end_with_global_token_revocation_and_without() {
    for offered in [true, false] {
        let mut plane = Plane::with(Options { global_token_revocation: offered, ..Options::default() }).await;
        let grant = plane.grant("alice", "web").await;
        done(plane.act(Action::TerminateSessions, &account("alice")).await);
        assert!(!plane.thief.is_in(&plane.web).await.expect("answered"));
        assert!(plane.bobs.is_in(&plane.web).await.expect("answered"));
        // It takes the grants along; an admin plane that ends sessions leaves them.
        let (proved, round) = plane.settled(about(grant, "alice")).await;
        assert_eq!(proved.liveness == quell_core::proof::Liveness::Dead, offered, "{round:#?}");
        let warned = plane.connector.check().await.warnings.iter().any(|w| w.contains("Global Token Revocation"));
        assert_eq!(warned, !offered);
    }
}

#[tokio::test]
async fn a_clearance_for_something_else_is_refused() {
    let plane = Plane::start().await;
    let mine = attempt(Action::SuspendIdentity, &account("alice"));
    let others = [attempt(Action::SuspendIdentity, &account("bob")), attempt(Action::TerminateSessions, &account("alice"))];
    takes_no_other_clearance(&plane.connector, &mine, &others).await;
    plane.is_live(about(plane.session("alice").await, "alice")).await;
}
