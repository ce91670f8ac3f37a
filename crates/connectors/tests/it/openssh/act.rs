//! Cleared attempts against a real sshd, and what they leave alone.

use quell_core::action::Action;
use quell_engine::port::{Attempt, Connector, Outcome};
use quell_lab::openssh::{KeyPair, Login};

use super::plane::*;

#[tokio::test]
async fn what_is_declared_keeps_to_the_catalogue() {
    let plane = Plane::start().await;
    keeps_to_the_catalogue(&plane.connector);
    let declared: Vec<Action> = plane.connector.manifest().actions.iter().map(|a| a.action).collect();
    assert_eq!(declared, ACTIONS);
}

#[tokio::test]
async fn a_revoked_key_is_refused_everywhere_on_the_host_and_nobody_else_notices() {
    let plane = Plane::with(|_| {}).await;
    // The same key in another account, as people do.
    plane.server.append("etc/keys/backup", plane.leaked.public()).expect("written");
    let target = key("deploy", &plane.leaked);
    let changed = done(plane.act(Action::RevokeCredential, &target).await);
    assert_eq!(changed.keys().map(String::as_str).collect::<Vec<_>>(), ["lines", "list of refused keys"]);
    plane.is_dead(plane.about_leaked()).await;
    plane.is_dead(about(key("backup", &plane.leaked), "backup")).await;
    assert!(!plane.lets_in("deploy", &plane.leaked, None).await);
    assert!(!plane.lets_in("backup", &plane.leaked, None).await);
    for (account, one) in [("deploy", &plane.rightful), ("backup", &plane.bystander)] {
        assert!(plane.lets_in(account, one, None).await, "{account}");
    }
    assert!(plane.lets_in("alice", &plane.alice, Some(&plane.certificate)).await);
    assert!(!plane.file("etc/keys/deploy").contains(plane.leaked.public()));
    assert!(plane.file("etc/keys/deploy").contains(plane.rightful.public()));
}

/// Measured: a serial in the list leaves the key to log in by a line of its own, and the
/// authority to certify it anew. The failing case first, by hand, then the connector.
#[tokio::test]
async fn a_revoked_certificate_takes_its_key_along() {
    let plane = Plane::start().await;
    plane.server.append("etc/keys/deploy", plane.alice.public()).expect("written");
    let again = plane.server.certify(&plane.alice, "alice@corp", "alice", 2002, "-1m:+1h").expect("certified");
    let by_serial = std::process::Command::new("ssh-keygen")
        .args(["-q", "-k", "-u", "-f"])
        .arg(plane.server.etc("krl"))
        .arg("-s")
        .arg(plane.server.dir().join("authority.pub"))
        .arg("-")
        .stdin({
            let spec = plane.server.dir().join("spec");
            std::fs::write(&spec, "serial: 1001\n").expect("written");
            std::fs::File::open(spec).expect("opened")
        })
        .status()
        .expect("ssh-keygen runs");
    assert!(by_serial.success());
    assert!(!plane.lets_in("alice", &plane.alice, Some(&plane.certificate)).await);
    assert!(plane.lets_in("alice", &plane.alice, Some(&again)).await, "the trap: certified anew it is let in");
    assert!(plane.lets_in("deploy", &plane.alice, None).await, "the trap: the bare key is let in");

    let target = plane.of_certificate("alice", 1001);
    assert_eq!(plane.connector.read_outcome(&attempt(Action::RevokeCredential, &target)).await, Outcome::Throttled { retry_after_ms: 0 });
    done(plane.act(Action::RevokeCredential, &target).await);
    plane.is_dead(plane.about_alice()).await;
    assert!(!plane.lets_in("alice", &plane.alice, Some(&again)).await);
    assert!(!plane.lets_in("deploy", &plane.alice, None).await);
}

#[tokio::test]
async fn a_certificate_without_a_serial_is_refused_by_its_key() {
    let plane = Plane::start().await;
    let bare = plane.server.certify(&plane.alice, "alice@corp", "alice", 0, "-1m:+1h").expect("certified");
    plane.server.record(&bare).expect("recorded");
    let other = KeyPair::generate("bob").expect("made");
    let others = plane.server.certify(&other, "bob@corp", "alice", 0, "-1m:+1h").expect("certified");
    done(plane.act(Action::RevokeCredential, &plane.of_certificate("alice", 0)).await);
    plane.is_dead(about(plane.of_certificate("alice", 0), "alice")).await;
    assert!(!plane.lets_in("alice", &plane.alice, Some(&bare)).await);
    assert!(plane.lets_in("alice", &other, Some(&others)).await, "another one without a serial is somebody else's");
}

/// The trap: a connection goes on, and opens new channels, after its key is refused.
#[tokio::test]
async fn an_open_connection_outlives_its_key_until_it_is_ended_with_its_channels() {
    let plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    let Login::In(mut other) = plane.server.log_in("backup", &plane.bystander, None).await.expect("answered") else { panic!("refused") };
    let sessions = plane.sessions("deploy").await;
    let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    done(plane.act(Action::SuspendIdentity, &account("deploy")).await);
    assert!(intruder.is_served().await.expect("asked"), "the trap: a new channel over the old connection");
    plane.is_live(about(session.clone(), "deploy")).await;

    let changed = done(plane.act(Action::TerminateSessions, session).await);
    assert_eq!(changed.len(), 1);
    plane.is_dead(about(session.clone(), "deploy")).await;
    assert!(!intruder.is_served().await.expect("asked"));
    assert!(other.is_served().await.expect("asked"), "another account's connection goes on");
    assert!(done(plane.act(Action::TerminateSessions, session).await).is_empty(), "twice is once");
}

/// The trap: after a restart of the service its former connections hang elsewhere.
#[tokio::test]
async fn connections_of_before_a_restart_are_seen_and_ended() {
    let mut plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    plane.server.stop().expect("stopped");
    plane.server.start_again().expect("started");
    assert!(intruder.is_served().await.expect("asked"), "the trap: it outlives the service");
    let sessions = plane.sessions("deploy").await;
    let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
    plane.is_live(about(session.clone(), "deploy")).await;
    done(plane.act(Action::SuspendIdentity, &account("deploy")).await);
    done(plane.act(Action::TerminateSessions, &account("deploy")).await);
    plane.is_dead(about(session.clone(), "deploy")).await;
    assert!(!intruder.is_served().await.expect("asked"));
}

#[tokio::test]
async fn a_suspended_account_takes_no_key_and_no_certificate() {
    let plane = Plane::start().await;
    for name in ["deploy", "alice"] {
        done(plane.act(Action::SuspendIdentity, &account(name)).await);
    }
    plane.is_dead(plane.about_leaked()).await;
    plane.is_dead(about(key("deploy", &plane.rightful), "deploy")).await;
    plane.is_dead(plane.about_alice()).await;
    assert!(!plane.lets_in("deploy", &plane.rightful, None).await);
    assert!(!plane.lets_in("alice", &plane.alice, Some(&plane.certificate)).await);
    assert!(plane.lets_in("backup", &plane.bystander, None).await);
    // Somebody writes the line back: it is live, and suspending again takes it away again.
    plane.server.append("etc/keys/deploy", plane.leaked.public()).expect("written");
    plane.is_live(plane.about_leaked()).await;
    done(plane.act(Action::SuspendIdentity, &account("deploy")).await);
    plane.is_dead(plane.about_leaked()).await;
}

#[tokio::test]
async fn a_principal_is_taken_away_and_no_other() {
    let plane = Plane::with(|_| {}).await;
    plane.write("etc/principals/alice", "# who may\nalice\nno-pty oncall\nalice2\n");
    let oncall = plane.server.certify(&plane.alice, "alice@corp", "oncall", 1003, "-1m:+1h").expect("certified");
    let target = principal("alice", "alice");
    plane.is_live(about(target.clone(), "alice")).await;
    done(plane.act(Action::RemoveEntitlement, &target).await);
    plane.is_dead(about(target.clone(), "alice")).await;
    plane.is_dead(plane.about_alice()).await;
    assert!(!plane.lets_in("alice", &plane.alice, Some(&plane.certificate)).await);
    assert!(plane.lets_in("alice", &plane.alice, Some(&oncall)).await);
    assert_eq!(plane.file("etc/principals/alice"), "# who may\nno-pty oncall\nalice2\n");
}

#[tokio::test]
async fn every_action_twice_is_the_action_once() {
    let plane = Plane::start().await;
    let before = plane.connector.read(&account("deploy")).await.expect("read").0;
    let (made, seat) = (plane.connector.shaped(new_secret()), principal("alice", "alice"));
    let of = |action, target: &_| Attempt { new_secret: Some(made.clone()), before: Some(before.clone()), ..attempt(action, target) };
    for one in [
        of(Action::SuspendIdentity, &account("deploy")),
        of(Action::RevokeCredential, &key("deploy", &plane.leaked)),
        of(Action::RevokeCredential, &plane.of_certificate("alice", 1001)),
        of(Action::RemoveEntitlement, &seat),
        of(Action::Reinstate, &account("deploy")),
        Attempt { before: Some(quell_core::target::Reading { exists: true, ..Default::default() }), ..attempt(Action::Restore, &seat) },
    ] {
        is_read_before_and_after(&plane.connector, one.clone()).await;
        assert!(done(act(&plane.connector, one).await).is_empty());
    }
}

#[tokio::test]
async fn a_clearance_for_something_else_is_refused() {
    let plane = Plane::start().await;
    let mine = attempt(Action::SuspendIdentity, &account("deploy"));
    let others = [attempt(Action::Restore, &account("deploy")), attempt(Action::SuspendIdentity, &account("backup"))];
    takes_no_other_clearance(&plane.connector, &mine, &others).await;
    assert!(plane.lets_in("deploy", &plane.rightful, None).await);
}
