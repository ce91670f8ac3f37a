//! Giving access back without the intruder.

use quell_core::action::Action;
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};
use quell_lab::openssh::KeyPair;

use super::plane::*;

#[tokio::test]
async fn reinstating_opens_the_account_to_the_new_key_alone() {
    let plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    done(plane.act(Action::SuspendIdentity, &account("deploy")).await);
    done(plane.act(Action::TerminateSessions, &account("deploy")).await);
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    let made = plane.connector.shaped(new_secret());
    done(act(&plane.connector, with_secret(Action::Reinstate, &account("deploy"), &made)).await);
    let new = on(PLANE, quell_core::target::TargetKind::Credential, "deploy#ssh_key:q7f3k", "deploy");
    plane.is_live(ProbeRequest { own: Some(made.clone()), ..about(new, "deploy") }).await;
    plane.is_dead(plane.about_leaked()).await;
    // The rightful key was never in the list: it is out because it stands in no line.
    plane.is_dead(about(key("deploy", &plane.rightful), "deploy")).await;
    let handed = KeyPair::known(made.expose()).expect("what the consumer gets is a private key");
    assert!(plane.lets_in("deploy", &handed, None).await);
    assert!(!plane.lets_in("deploy", &plane.leaked, None).await);
    assert!(!intruder.is_served().await.expect("asked"));
}

#[tokio::test]
async fn a_new_key_reaches_no_further_than_the_old_ones() {
    let limited = "command=\"echo only this\",no-port-forwarding ";
    let plane = Plane::start().await;
    plane.write("etc/keys/deploy", &format!("{limited}{}\n", plane.leaked.public()));
    done(plane.act(Action::SuspendIdentity, &account("deploy")).await);
    // Revoked meanwhile, it leaves what stands aside, and its options count all the same.
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    let made = plane.connector.shaped(new_secret());
    done(act(&plane.connector, with_secret(Action::Reinstate, &account("deploy"), &made)).await);
    assert!(plane.file("etc/keys/deploy").starts_with(&format!("{limited}ssh-ed25519 ")));
    // Where they differ, a person says which it is to have.
    done(plane.act(Action::SuspendIdentity, &account("backup")).await);
    plane.write("etc/store/backup.had", &format!("{limited}{}\n{}\n", plane.leaked.public(), plane.bystander.public()));
    let outcome = act(&plane.connector, with_secret(Action::Reinstate, &account("backup"), &made)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("differ in their options")), "{outcome:?}");
    // Who has no key gets none.
    done(plane.act(Action::SuspendIdentity, &account("alice")).await);
    let outcome = act(&plane.connector, with_secret(Action::Reinstate, &account("alice"), &made)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("had no key")), "{outcome:?}");
}

#[tokio::test]
async fn nobody_gets_a_key_who_was_not_suspended() {
    let plane = Plane::start().await;
    let made = plane.connector.shaped(new_secret());
    let outcome = act(&plane.connector, with_secret(Action::Reinstate, &account("deploy"), &made)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("not suspended")), "{outcome:?}");
    let outcome = act(&plane.connector, with_secret(Action::Reinstate, &account("deploy"), &new_secret())).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "a word is no key: {outcome:?}");
}

#[tokio::test]
async fn restoring_puts_back_what_stood_there_and_nothing_that_was_revoked() {
    let plane = Plane::start().await;
    let target = account("deploy");
    let text = format!("# by hand\n{}\nfrom=\"127.0.0.1\" {}\n", plane.leaked.public(), plane.rightful.public());
    plane.write("etc/keys/deploy", &text);
    let (before, _) = plane.connector.read(&target).await.expect("read");
    let restore = Attempt { before: Some(before), ..attempt(Action::Restore, &target) };
    done(plane.act(Action::SuspendIdentity, &target).await);
    done(act(&plane.connector, restore.clone()).await);
    assert_eq!(plane.file("etc/keys/deploy"), text, "byte for byte");
    plane.is_live(plane.about_leaked()).await;

    done(plane.act(Action::SuspendIdentity, &target).await);
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    done(act(&plane.connector, restore.clone()).await);
    plane.is_dead(plane.about_leaked()).await;
    plane.is_live(about(key("deploy", &plane.rightful), "deploy")).await;
    assert!(!plane.lets_in("deploy", &plane.leaked, None).await);

    // A key that nobody read before is not put back.
    done(plane.act(Action::SuspendIdentity, &target).await);
    plane.write("etc/store/deploy.keys", &format!("{}\n", plane.bystander.public()));
    let outcome = act(&plane.connector, restore).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("was not read before")), "{outcome:?}");
    assert_eq!(plane.file("etc/keys/deploy"), "");
}

#[tokio::test]
async fn what_is_in_the_list_stays_in_it() {
    let plane = Plane::start().await;
    for target in [key("deploy", &plane.leaked), plane.of_certificate("alice", 1001)] {
        let (before, _) = plane.connector.read(&target).await.expect("read");
        done(plane.act(Action::RevokeCredential, &target).await);
        let list = std::fs::read(plane.server.etc("krl")).expect("a list");
        let outcome = act(&plane.connector, Attempt { before: Some(before), ..attempt(Action::Restore, &target) }).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
        assert_eq!(std::fs::read(plane.server.etc("krl")).expect("a list"), list);
    }
}

#[tokio::test]
async fn a_principal_comes_back_with_its_options_and_no_other_does() {
    let plane = Plane::start().await;
    plane.write("etc/principals/alice", "no-pty alice\n");
    let target = principal("alice", "alice");
    let (before, _) = plane.connector.read(&target).await.expect("read");
    done(plane.act(Action::RemoveEntitlement, &target).await);
    done(act(&plane.connector, Attempt { before: Some(before.clone()), ..attempt(Action::Restore, &target) }).await);
    assert_eq!(plane.file("etc/principals/alice"), "no-pty alice\n");
    plane.is_live(plane.about_alice()).await;
    let other = principal("mallory", "alice");
    let outcome = act(&plane.connector, Attempt { before: Some(before), ..attempt(Action::Restore, &other) }).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("puts none back")), "{outcome:?}");
}
