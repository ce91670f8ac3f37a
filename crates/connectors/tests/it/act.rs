//! What the cleared attempts do to a real server, once, twice and half.

use quell_core::{action::Action, clear::Clearance, target::TargetKind};
use quell_engine::port::{Attempt, Connector, Outcome};

use crate::plane::*;

async fn sessions(plane: &Plane) -> Vec<String> {
    let all = plane.connector.enumerate(APP).await.expect("it is in scope");
    all.of(TargetKind::Session).map(|f| f.native.clone()).collect()
}

#[tokio::test]
async fn locking_alone_leaves_the_open_session_reading_and_writing() {
    let plane = Plane::start().await;
    let client = plane.intruder().await;
    let changed = done(plane.act(Action::SuspendIdentity, &identity(APP)).await);
    assert_eq!(changed["rolcanlogin"], (Some("true".to_owned()), Some("false".to_owned())));
    client.execute("INSERT INTO payments (amount, note) VALUES (1, 'still here')", &[]).await.expect("the session survives the lock");
    let refused =
        plane.server.connect(APP, plane.estate.app.password.reveal(), "billing").await.map(|_| ()).expect_err("new logins are denied");
    assert_eq!(refused.code().map(|c| c.code()), Some("28000"));

    let open = sessions(&plane).await;
    assert_eq!(open.len(), 1);
    done(plane.act(Action::TerminateSessions, &session(&open[0])).await);
    assert!(client.query_one("SELECT 1", &[]).await.is_err());
    assert_eq!(sessions(&plane).await, Vec::<String>::new());
}

#[tokio::test]
async fn killing_without_the_lock_lets_the_intruder_come_back() {
    let plane = Plane::start().await;
    let _client = plane.intruder().await;
    let open = sessions(&plane).await;
    done(plane.act(Action::TerminateSessions, &session(&open[0])).await);
    let _again = plane.intruder().await;
    assert_eq!(sessions(&plane).await.len(), 1, "which is why the lock comes first");
}

#[tokio::test]
async fn sessions_under_load_are_ended_too() {
    let plane = Plane::start().await;
    let busy = plane.intruder().await;
    let sleeping = tokio::spawn(async move { busy.batch_execute("SELECT pg_sleep(600)").await });
    let idle = plane.intruder().await;
    idle.batch_execute("BEGIN; UPDATE payments SET note = 'held'").await.expect("a lock is held");
    let waiting = plane.intruder().await;
    let blocked = tokio::spawn(async move { waiting.batch_execute("UPDATE payments SET note = 'waits'").await });
    let chatty = plane.intruder().await;
    let talking = tokio::spawn(async move {
        let mut answer = Ok(());
        while answer.is_ok() {
            answer = chatty.batch_execute("SELECT 1").await;
        }
        answer
    });
    while sessions(&plane).await.len() < 4 {}
    done(plane.act(Action::SuspendIdentity, &identity(APP)).await);
    for native in sessions(&plane).await {
        done(plane.act(Action::TerminateSessions, &session(&native)).await);
    }
    assert_eq!(sessions(&plane).await, Vec::<String>::new());
    for ended in [sleeping, talking] {
        assert!(ended.await.expect("no panic").is_err());
    }
    // Ending the holder of a lock first lets the waiting statement through: it is
    // over now, with or without its effect.
    let _ = blocked.await.expect("no panic");
}

#[tokio::test]
async fn what_is_said_to_be_ended_is_not_listed_any_more() {
    let plane = Plane::start().await;
    for _ in 0..5 {
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(plane.intruder().await);
        }
        let open = sessions(&plane).await;
        done(plane.act(Action::TerminateSessions, &session(&open[0])).await);
        assert!(!sessions(&plane).await.contains(&open[0]));
        done(plane.act(Action::TerminateSessions, &identity(APP)).await);
        assert_eq!(sessions(&plane).await, Vec::<String>::new());
    }
}

/// Stops or continues one process of the server.
fn send(signal: &str, pid: i32) {
    let sent = std::process::Command::new("kill").args([signal, &pid.to_string()]).status().expect("`kill` runs");
    assert!(sent.success());
}

#[tokio::test]
async fn a_session_that_was_told_to_end_and_is_still_there_is_unknown() {
    let plane = Plane::start().await;
    let _client = plane.intruder().await;
    let open = sessions(&plane).await;
    let pid: i32 = open[0].trim_start_matches("pid:").split('@').next().and_then(|n| n.parse().ok()).expect("a process");
    // Frozen, it takes the signal and does not go: the server's yes is not the end.
    send("-STOP", pid);
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    while !state().contains(") T ") {}
    for target in [session(&open[0]), identity(APP)] {
        let outcome = plane.act(Action::TerminateSessions, &target).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
    send("-CONT", pid);
    done(plane.act(Action::TerminateSessions, &identity(APP)).await);
    assert_eq!(sessions(&plane).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_action_twice_is_the_action_once() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE deploy LOGIN; GRANT billing_app TO deploy WITH ADMIN OPTION").await;
    let _client = plane.intruder().await;
    let open = sessions(&plane).await;
    for (action, target) in [
        (Action::SuspendIdentity, identity(APP)),
        (Action::TerminateSessions, session(&open[0])),
        (Action::RemoveEntitlement, entitlement("member:deploy>billing_app")),
    ] {
        assert!(!done(plane.act(action, &target).await).is_empty(), "{action:?} changes something");
        assert_eq!(done(plane.act(action, &target).await), Default::default(), "{action:?} again changes nothing");
    }
    let secret = new_secret();
    for _ in 0..2 {
        done(act(&plane.connector, with_secret(Action::RotateCredential, &credential(APP), &secret)).await);
    }
}

#[tokio::test]
async fn what_became_of_an_attempt_is_read_before_and_after_it() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE deploy LOGIN; GRANT billing_app TO deploy").await;
    let _client = plane.intruder().await;
    let open = sessions(&plane).await;
    let attempts = [
        with_secret(Action::RotateCredential, &credential(APP), &new_secret()),
        attempt(Action::SuspendIdentity, &identity(APP)),
        attempt(Action::TerminateSessions, &session(&open[0])),
        attempt(Action::RemoveEntitlement, &entitlement("member:deploy>billing_app")),
        with_secret(Action::Reinstate, &identity(APP), &new_secret()),
    ];
    for attempt in attempts {
        is_read_before_and_after(&plane.connector, attempt).await;
    }
}

#[tokio::test]
async fn a_clearance_for_something_else_is_refused() {
    let plane = Plane::start().await;
    let mine = attempt(Action::SuspendIdentity, &identity(APP));
    let run = async |clearance: Clearance, attempt: &Attempt| plane.connector.act(clearance, attempt).await;
    let others = [
        attempt(Action::TerminateSessions, &identity(APP)),
        attempt(Action::SuspendIdentity, &target(TargetKind::Identity, "somebody else", "somebody else")),
    ];
    takes_no_other_clearance(&plane.connector, &mine, &others).await;
    let mut elsewhere = mine.clone();
    elsewhere.target.plane = "pg-other".to_owned();
    assert!(matches!(run(cleared(&elsewhere), &elsewhere).await, Outcome::Refused { .. }));
    let login = plane.intruder().await;
    login.query_one("SELECT 1", &[]).await.expect("nothing was locked");
}

#[tokio::test]
async fn what_postgresql_does_not_do_is_refused_with_its_name() {
    let plane = Plane::start().await;
    for (action, target) in [
        (Action::RestrictAccess, identity(APP)),
        (Action::SuspendIdentity, credential(APP)),
        (Action::RotateCredential, identity(APP)),
        (Action::RevokeCredential, credential(APP)),
    ] {
        let outcome = plane.act(action, &target).await;
        assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains(action.name())), "{outcome:?}");
    }
    for action in [Action::RotateCredential, Action::Reinstate, Action::ReissueCredential] {
        let target = if action == Action::RotateCredential { credential(APP) } else { identity(APP) };
        assert!(matches!(plane.act(action, &target).await, Outcome::Refused { .. }), "{action:?} without its secret or name");
    }
    assert!(!plane.server.log().expect("a log").contains("ALTER ROLE"), "nothing failed half-way on the server");
}

#[tokio::test]
async fn a_membership_of_another_grantor_is_refused_and_stands() {
    let plane = Plane::start().await;
    plane
        .sql(
            "CREATE ROLE deploy LOGIN; CREATE ROLE lender CREATEROLE; GRANT billing_app TO lender WITH ADMIN OPTION;
             SET ROLE lender; GRANT billing_app TO deploy GRANTED BY lender; RESET ROLE",
        )
        .await;
    let outcome = plane.act(Action::RemoveEntitlement, &entitlement("member:deploy>billing_app")).await;
    let stands =
        plane.admin.query_one("SELECT pg_has_role('deploy', 'billing_app', 'MEMBER')", &[]).await.expect("asked").get::<_, bool>(0);
    match outcome {
        Outcome::Done { .. } => assert!(!stands, "what is said to be done is done"),
        Outcome::Refused { reason } => assert!(stands && reason.contains("grantor"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_manifest_keeps_to_the_catalogue() {
    let plane = Plane::start().await;
    let manifest = plane.connector.manifest();
    keeps_to_the_catalogue(&plane.connector);
    for action in ACTIONS {
        assert!(manifest.action(action).is_some(), "{action:?}");
    }
    let order = &manifest.action(Action::TerminateSessions).expect("declared").after;
    assert!(order.contains(&Action::SuspendIdentity), "deny, commit, kill");
}
