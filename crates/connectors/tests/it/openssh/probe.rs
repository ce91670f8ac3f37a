//! What sshd says of a key without its private half, and what the files make of it.

use quell_core::proof::{Answer, Liveness, ProbeClass, Strength};
use quell_engine::port::{Connector, ProbeRequest};
use quell_lab::openssh::KeyPair;

use super::plane::*;
use quell_core::action::Action;

#[tokio::test]
async fn a_key_is_asked_about_without_its_private_half() {
    let plane = Plane::start().await;
    let (proved, round) = judged(&plane.connector, plane.about_leaked(), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Live, Some(Strength::Exercised)), "{round:#?}");
    plane.is_live(plane.about_alice()).await;
    let log = plane.server.log().expect("a log");
    assert!(!log.contains("Accepted publickey for deploy") && !log.contains("Accepted publickey for alice"), "nobody logged in");
}

#[tokio::test]
async fn in_observe_nobody_is_asked_about() {
    let plane = Plane::start().await;
    let before = plane.server.log().expect("a log");
    for request in
        [plane.about_leaked(), plane.about_alice(), about(account("deploy"), "deploy"), about(principal("alice", "alice"), "alice")]
    {
        let round = plane.connector.probe(&ProbeRequest { may_login: false, ..request }).await;
        assert!(round.iter().all(|o| o.class == ProbeClass::Read), "{round:#?}");
    }
    let log = plane.server.log().expect("a log");
    let since = log.strip_prefix(&before).expect("the same log");
    for account in ["deploy", "alice", "quell-control"] {
        assert!(!since.contains(&format!("key for {account} ")), "{since}");
        assert!(!since.contains(&format!("publickey for {account} ")), "{since}");
    }
}

#[tokio::test]
async fn every_kind_of_key_is_asked_about() {
    let kinds: [&[&str]; 4] =
        [&["-t", "rsa", "-b", "2048"], &["-t", "ecdsa", "-b", "256"], &["-t", "ecdsa", "-b", "521"], &["-t", "ed25519"]];
    let keys: Vec<KeyPair> = kinds.iter().map(|kind| KeyPair::of_kind("kind", kind, "").expect("made")).collect();
    let plane = Plane::with(|server| keys.iter().for_each(|k| server.authorize("deploy", k.public()).expect("written"))).await;
    for one in &keys {
        let target = key("deploy", one);
        plane.is_live(about(target.clone(), "deploy")).await;
        done(plane.act(Action::RevokeCredential, &target).await);
        assert_eq!(plane.is_dead(about(target, "deploy")).await.strength, Some(Strength::Exercised));
    }
    let certificate = plane.server.certify(&keys[0], "rsa", "alice", 7, "-1m:+1h").expect("certified");
    plane.server.record(&certificate).expect("recorded");
    // Its key is in the list already, so no certificate over it is taken.
    plane.is_dead(about(super::plane::certificate("alice", 7, &keys[0], plane.server.authority()), "alice")).await;
}

#[tokio::test]
async fn an_account_is_dead_while_it_is_suspended_and_what_it_was_when_it_is_restored() {
    let plane = Plane::start().await;
    let target = account("deploy");
    let (before, _) = plane.connector.read(&target).await.expect("read");
    let request = ProbeRequest { before: Some(before.clone()), ..about(target.clone(), "deploy") };
    plane.is_live(request.clone()).await;
    done(plane.act(Action::SuspendIdentity, &target).await);
    assert_eq!(plane.is_dead(request.clone()).await.strength, Some(Strength::Enforced));
    let restore = quell_engine::port::Attempt { before: Some(before), ..attempt(Action::Restore, &target) };
    done(act(&plane.connector, restore).await);
    plane.is_live(request).await;
}

#[tokio::test]
async fn a_certificate_that_ended_is_dead_by_the_hosts_clock() {
    let plane = Plane::start().await;
    let ended = plane.server.certify(&plane.alice, "alice@corp", "alice", 1002, "-2h:-1h").expect("certified");
    plane.server.record(&ended).expect("recorded");
    let (proved, round) = judged(&plane.connector, about(plane.of_certificate("alice", 1002), "alice"), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{round:#?}");
    assert!(matches!(round[0].answer, Answer::ValidUntil { .. }) && round[0].plane_clock.is_some());
}
