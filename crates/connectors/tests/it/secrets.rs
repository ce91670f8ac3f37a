//! No secret leaves memory: not to the server's log, not to Debug, not to an
//! observation, an outcome, an error or a reading.

use std::fmt::Write;

use quell_core::action::Action;
use quell_engine::port::{Attempt, Connector, ProbeRequest};
use quell_lab::{postgres::Options, secret::MARK};

use crate::plane::*;

#[tokio::test]
async fn a_whole_containment_leaves_no_secret_anywhere() {
    let settings =
        [("log_statement", "all"), ("log_min_duration_statement", "0"), ("log_error_verbosity", "verbose"), ("log_min_messages", "debug1")];
    let options =
        Options { log_connections: true, settings: settings.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(), ..Options::default() };
    let plane = Plane::with(options, |_| {}).await;
    let mut said = String::new();
    let mut say = |what: &dyn std::fmt::Debug| write!(said, "{what:?}\n{what:#?}\n").expect("memory");

    let session = plane.intruder().await;
    let before = plane.connector.read(&identity(APP)).await.expect("it is in scope");
    let (throw_away, secret) = (new_secret(), new_secret());
    let ask = || ProbeRequest {
        leaked: Some(plane.leaked()),
        leaked_was_right: true,
        throw_away: Some(throw_away.clone()),
        before: Some(before.0.clone()),
        before_secrets: before.1.clone(),
        ..about_app()
    };
    let rotate = with_secret(Action::RotateCredential, &credential(APP), &throw_away);
    let mut reissue = with_secret(Action::ReissueCredential, &identity(APP), &secret);
    reissue.parameters.insert("twin".to_owned(), "billing_app_silent".to_owned());
    let reinstate = with_secret(Action::Reinstate, &identity(APP), &secret);
    let restore = Attempt { before: Some(before.0.clone()), before_secrets: before.1.clone(), ..attempt(Action::Restore, &identity(APP)) };

    say(&plane.connector);
    say(&plane.config);
    say(&before);
    say(&plane.connector.check().await);
    say(&plane.connector.identify(&plane.leaked()).await);
    say(&plane.connector.enumerate(APP).await);
    for attempt in [rotate, reissue, attempt(Action::SuspendIdentity, &identity(APP)), reinstate, restore] {
        say(&attempt);
        say(&act(&plane.connector, attempt.clone()).await);
        say(&plane.connector.read_outcome(&attempt).await);
        say(&ask());
        say(&plane.connector.probe(&ask()).await);
        let own = ProbeRequest { own: Some(secret.clone()), ..about(credential("billing_app_silent"), "billing_app_silent") };
        say(&plane.connector.probe(&own).await);
    }
    drop(session);
    // Failing, too: refused verifiers, a role that is gone, wrong secrets of our own.
    plane.sql("DROP ROLE billing_app").await;
    say(&act(&plane.connector, with_secret(Action::RotateCredential, &credential(APP), &secret)).await);
    let strangers = plane.connector(|c| (c.secret, c.control.secret) = (new_secret(), new_secret()));
    say(&strangers.check().await);
    say(&strangers.probe(&ask()).await);

    assert!(said.len() > 10_000, "something was said");
    assert!(!said.contains(MARK), "a secret was said");
    assert!(!said.contains("SCRAM-SHA-256$"), "a verifier was said");
    let log = plane.server.log().expect("a log");
    assert!(log.contains("quell.rotate"), "the statements are in the log");
    assert!(!log.contains(MARK), "a secret is in the server's log");
}

#[tokio::test]
async fn a_verifier_that_the_server_refuses_is_not_in_its_log() {
    let plane = Plane::start().await;
    // Somebody forbids changes of the role while we rotate: the statement fails inside.
    plane.sql("ALTER ROLE quell_owner NOCREATEROLE").await;
    let outcome = act(&plane.connector, with_secret(Action::RotateCredential, &credential(APP), &new_secret())).await;
    assert!(format!("{outcome:?}").contains("42501"), "{outcome:?}");
    let log = plane.server.log().expect("a log");
    assert!(log.contains("the server refused the new verifier"), "the failure is in the log: {log}");
    assert!(!log.contains("SCRAM-SHA-256$"), "and its statement is not");
}
