//! The traps of the plane, each first as it is without Quell, on the real provider.

use quell_core::{
    action::Action,
    proof::{Answer, Liveness, ProbeClass},
    time::{Timestamp, after},
};
use quell_engine::port::{Clock, Connector, Outcome};
use quell_lab::oidc::{Landing, Options, RESOURCE};

use super::plane::*;

/// Revoking a token (RFC 7009) is no containment: the session asks for another one.
#[tokio::test]
async fn a_token_that_is_revoked_without_its_session_is_minted_anew() {
    let mut plane = Plane::start().await;
    let grant = plane.grant("alice", "web").await;
    let refresh = plane.tokens.refresh.clone().expect("one");
    assert_eq!(plane.thief.revoke(&plane.web, &refresh).await.expect("answered"), 200);
    for dead in [&plane.tokens.access, &refresh] {
        assert!(!plane.thief.is_active(&plane.web, dead).await.expect("answered"), "the family is gone");
    }
    // The trap: nobody is asked anything, and a new family is there.
    let minted = plane.thief.log_in(&plane.web, "alice", &quell_lab::secret::Secret::known("not asked"), "", &[]).await.expect("the trap");
    assert!(plane.thief.is_active(&plane.web, &minted.access).await.expect("answered"));
    let session = plane.session("alice").await;
    plane.is_live(about(session.clone(), "alice")).await;

    // So sessions and grants end together; and what was minted since is found.
    let since = plane.grant("alice", "web").await;
    assert_ne!(since.native.value(), grant.native.value());
    done(plane.act(Action::SuspendIdentity, &account("alice")).await);
    done(plane.act(Action::TerminateSessions, &session).await);
    done(plane.act(Action::RevokeCredential, &since).await);
    for target in [session, since, grant] {
        plane.is_dead(about(target, "alice")).await;
    }
    assert!(!plane.thief.is_in(&plane.web).await.expect("answered"));
    let landing = plane.thief.authorize(&plane.web, &[]).await.expect("answered");
    assert!(matches!(landing, Landing::Login(_)), "without a prompt-less parameter it shows the login page: {landing:?}");
    // And a plan must run them in this order.
    let manifest = plane.connector.manifest();
    assert!(manifest.action(Action::RevokeCredential).expect("declared").after.contains(&Action::TerminateSessions));
    assert!(manifest.action(Action::TerminateSessions).expect("declared").after.contains(&Action::SuspendIdentity));
}

/// The other way round: a session that is ended leaves applications in that need none.
#[tokio::test]
async fn a_session_that_ends_leaves_grants_that_need_none() {
    let plane = Plane::start().await;
    let mut phone = plane.server.browser();
    let held = phone.log_in(&plane.mobile, "alice", &plane.alice.password, "", &[]).await.expect("logged in");
    let grant = plane.grant("alice", "mobile").await;
    let all = plane.connector.enumerate("alice").await.expect("it is there");
    for session in all.of(quell_core::target::TargetKind::Session) {
        done(plane.act(Action::TerminateSessions, &on(PLANE, session.kind, &session.native, "alice")).await);
    }
    assert!(!phone.is_in(&plane.mobile).await.expect("answered"));
    let refresh = held.refresh.expect("one");
    let next = phone.refresh(&plane.mobile, &refresh).await.expect("answered").expect("the trap: it needs no session");
    plane.is_live(about(grant.clone(), "alice")).await;
    done(plane.act(Action::RevokeCredential, &grant).await);
    plane.is_dead(about(grant, "alice")).await;
    assert!(phone.refresh(&plane.mobile, &next.refresh.expect("one")).await.expect("answered").is_err());
}

/// A suspended account's opaque tokens are still called active.
#[tokio::test]
async fn an_opaque_token_outlives_the_suspension_of_its_account() {
    let plane = Plane::start().await;
    let grant = plane.grant("alice", "web").await;
    done(plane.act(Action::SuspendIdentity, &account("alice")).await);
    assert!(plane.thief.is_active(&plane.web, &plane.tokens.access).await.expect("answered"), "the trap");
    plane.is_live(leaked(token("alice", &plane.tokens.access), "alice", &plane.tokens.access)).await;
    unknown(&plane.connector, about(grant.clone(), "alice"), "its grant stands").await;
    let found = plane.connector.enumerate("alice").await.expect("it is there");
    let of = |target: &quell_core::target::Target| found.found.iter().find(|f| Some(f.native.as_str()) == target.native.value()).cloned();
    assert!(of(&grant).expect("listed").outlives_suspension());
    done(plane.act(Action::RevokeCredential, &grant).await);
    plane.is_dead(leaked(token("alice", &plane.tokens.access), "alice", &plane.tokens.access)).await;
}

/// And opening the account again would revive whatever was not ended.
#[tokio::test]
async fn a_session_of_a_suspended_account_is_no_dead_one() {
    let mut plane = Plane::start().await;
    let session = plane.session("alice").await;
    done(plane.act(Action::SuspendIdentity, &account("alice")).await);
    assert!(!plane.thief.is_in(&plane.web).await.expect("answered"));
    unknown(&plane.connector, about(session.clone(), "alice"), "its session stands").await;
    plane.server.lab("enable/alice", serde_json::json!({})).await.expect("enabled");
    assert!(plane.thief.is_in(&plane.web).await.expect("answered"), "the trap: it lives again");
    done(plane.act(Action::TerminateSessions, &session).await);
    plane.is_dead(about(session, "alice")).await;
}

/// A JWT is believed until its end, whatever is done; then it is proved expired.
#[tokio::test]
async fn a_jwt_stands_until_its_end_and_the_leeway_and_is_proved_expired_then() {
    let mut plane = Plane::with(Options { jwt_seconds: 12, ..Options::default() }).await;
    let (_, target) = plane.jwt().await;
    let connector = plane.connector(|c| c.leeway_seconds = 2);
    let outcome = plane.act(Action::RevokeCredential, &target).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("until its end")), "{outcome:?}");
    plane.contain_alice().await;
    let native = target.native.value().expect("named").to_owned();
    let until: i64 = native.split("#jwt:").nth(1).and_then(|r| r.split(':').next()).and_then(|s| s.parse().ok()).expect("its end");
    let dead_at = after(Timestamp::from_second(until).expect("in range"), 2);
    let (proved, round) = judged(&connector, about(target.clone(), "alice"), None).await;
    assert_eq!((proved.liveness, proved.residual_until), (Liveness::Unknown, Some(dead_at)), "{round:#?}");
    // It is found once more while it may be believed, and nobody can take it back.
    let listed = connector.enumerate("alice").await.expect("it is there");
    let found = listed.found.iter().find(|f| f.native == native).expect("listed");
    assert!(found.is_irrevocable() && found.expires_at.is_some_and(|at| at.as_second() == until));
    for _ in 0..2_000 {
        let (proved, round) = judged(&connector, about(target.clone(), "alice"), None).await;
        let clock = round[0].plane_clock.expect("the provider's clock was read");
        assert_eq!(proved.liveness == Liveness::Dead, clock > dead_at, "{clock}: {round:#?}");
        assert_eq!(round[0].class, ProbeClass::Clock);
        if proved.liveness == Liveness::Dead {
            assert!(proved.reason.contains("expired"), "{}", proved.reason);
            return;
        }
        RealClock.sleep(quell_core::time::SignedDuration::from_millis(50)).await;
    }
    panic!("it never expired");
}

/// Tokens that a client got for itself belong to no account: they are found at the client,
/// and what is done to a person leaves them alone.
#[tokio::test]
async fn a_client_credentials_token_belongs_to_nobody_and_is_found_at_its_client() {
    let plane = Plane::start().await;
    let opaque = plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").expect("accepted").access;
    let jwt = plane.thief.client_credentials(&plane.ci, &[("resource", RESOURCE)]).await.expect("answered").expect("accepted").access;
    plane.contain_alice().await;
    assert!(plane.thief.is_active(&plane.ci, &opaque).await.expect("answered"), "the trap");
    let target = token("client:ci", &opaque);
    plane.is_live(about(target.clone(), "client:ci")).await;

    let found = plane.connector.enumerate("client:ci").await.expect("it is there");
    let natives: Vec<&str> = found.found.iter().map(|f| f.native.as_str()).collect();
    assert!(natives.contains(&target.native.value().expect("named")), "{natives:?}");
    assert!(natives.iter().any(|n| n.starts_with("client:ci#jwt:")), "{natives:?}");
    assert!(!jwt.reveal().is_empty());
    // A client that is disabled gets no new ones; those that are out go on.
    done(plane.act(Action::SuspendIdentity, &client("ci")).await);
    assert!(plane.thief.client_credentials(&plane.ci, &[]).await.expect("answered").is_err());
    plane.is_live(about(target.clone(), "client:ci")).await;
    done(plane.act(Action::RevokeCredential, &target).await);
    plane.is_dead(about(target, "client:ci")).await;
}

/// A refresh token that is used twice takes its family along: a probe must use none.
#[tokio::test]
async fn no_probe_uses_a_refresh_token_that_somebody_may_need() {
    let plane = Plane::start().await;
    let used = plane.tokens.refresh.clone().expect("one");
    let grant = plane.grant("alice", "web").await;
    let (before, _) = plane.connector.read(&grant).await.expect("read");
    let next = plane.thief.refresh(&plane.web, &used).await.expect("answered").expect("exchanged").refresh.expect("one");
    // What leaked was exchanged since: not active, and its family lives.
    for refresh in [&used, &next] {
        let request = quell_engine::port::ProbeRequest { before: Some(before.clone()), ..leaked(grant.clone(), "alice", refresh) };
        for _ in 0..3 {
            plane.is_live(request.clone()).await;
        }
    }
    let identified = plane.connector.identify(&quell_core::secret::Secret::new(used.reveal())).await.expect("asked");
    assert!(format!("{identified:?}").contains("#grant:"), "{identified:?}");
    let later = plane.thief.refresh(&plane.web, &next).await.expect("answered").expect("nobody used it").refresh.expect("one");
    // As it is without care: once more, and the rightful consumer is out.
    assert!(plane.thief.refresh(&plane.web, &used).await.expect("answered").is_err());
    assert!(plane.thief.refresh(&plane.web, &later).await.expect("answered").is_err(), "the trap");
}

/// `invalid_grant` is also the answer to a live token of another client.
#[tokio::test]
async fn a_refusal_of_another_client_is_no_death() {
    let plane = Plane::start().await;
    let refresh = plane.tokens.refresh.clone().expect("one");
    let refused = plane.thief.refresh(&plane.mobile, &refresh).await.expect("answered");
    assert_eq!(refused.err().as_deref(), Some("invalid_grant"), "the trap");
    assert!(plane.thief.is_active(&plane.web, &refresh).await.expect("answered"));
    let grant = plane.grant("alice", "web").await;
    let (before, _) = plane.connector.read(&grant).await.expect("read");
    let request = quell_engine::port::ProbeRequest { before: Some(before), ..leaked(grant.clone(), "alice", &refresh) };
    plane.is_live(request.clone()).await;
    done(plane.act(Action::RevokeCredential, &grant).await);
    let (_, round) = plane.settled(request).await;
    assert!(round.iter().all(|o| !matches!(o.answer, Answer::Refused { .. })), "`web` keeps a secret, so nothing is tried: {round:#?}");
}

/// A request that is under way writes the session back: so sessions end until two
/// listings hold none, and the probe is what tells.
#[tokio::test]
async fn a_session_that_is_used_while_it_ends_stays_dead_once_its_account_is_suspended() {
    let mut plane = Plane::start().await;
    let session = plane.session("alice").await;
    done(plane.act(Action::SuspendIdentity, &account("alice")).await);
    let mut other = plane.thief.clone();
    let web = plane.web.clone();
    let uses = async {
        for _ in 0..40 {
            let _ = other.is_in(&web).await;
        }
    };
    let target = account("alice");
    let (outcome, ()) = tokio::join!(plane.act(Action::TerminateSessions, &target), uses);
    // Either it took two clean listings, or it says that it could not tell.
    if let Outcome::Done { .. } = outcome {
        plane.is_dead(about(session, "alice")).await;
        assert!(!plane.thief.is_in(&plane.web).await.expect("answered"));
    } else {
        assert!(matches!(&outcome, Outcome::Unknown { reason } if reason.contains("keep coming")), "{outcome:?}");
    }
}
