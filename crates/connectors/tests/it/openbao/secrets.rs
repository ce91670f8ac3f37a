//! No secret leaves memory: not to the server's logs, not to Debug, not to an
//! observation, an outcome, an error or a reading.

use std::fmt::Write;

use quell_connectors::openbao::KvSink;
use quell_core::{action::Action, target::TargetKind};
use quell_engine::port::{Connector, ProbeRequest, Sink};
use quell_lab::secret::MARK;

use super::plane::*;

#[tokio::test]
async fn a_whole_containment_leaves_no_secret_anywhere() {
    let (plane, _postgres, _) = Plane::with_postgres().await;
    let mut said = String::new();
    let mut say = |what: &dyn std::fmt::Debug| write!(said, "{what:?}\n{what:#?}\n").expect("memory");

    let token = plane.intruder().await;
    let batch = token.make(&plane.server, "create", "batch").await.expect("made");
    let lease = token.lease(&plane.server).await.expect("given");
    let marked = new_secret();
    plane.write("auth/approle/role/ci/custom-secret-id", serde_json::json!({"secret_id": marked.expose()})).await;
    let secrets = [&token.token, &batch.token, &lease.password, &plane.estate.secret_id, &plane.estate.person_password];
    let secrets: Vec<String> = secrets.iter().map(|s| s.reveal().to_owned()).chain([MARK.to_owned()]).collect();

    say(&plane.connector);
    say(&plane.config);
    say(&plane.connector.check().await);
    say(&plane.connector.enumerate(CI).await);
    say(&plane.connector.inventory().await);
    for value in [secret(&token.token), secret(&batch.token), plane.leaked(), marked.clone()] {
        say(&plane.connector.identify(&value).await);
        say(&plane.connector.mark(&value).await);
    }
    let new = new_secret();
    let password = target(TargetKind::Credential, "userpass:alice#password", "userpass:alice");
    let attempts = [
        attempt(Action::SuspendIdentity, &identity(CI)),
        attempt(Action::TerminateSessions, &identity(CI)),
        attempt(Action::RevokeCredential, &credential(&format!("lease:{}", lease.id))),
        attempt(Action::RevokeCredential, &credential(&plane.leaked_native())),
        with_secret(Action::RotateCredential, &password, &new),
        with_secret(Action::Reinstate, &identity(CI), &new),
        with_secret(Action::Reinstate, &identity("approle:deploy"), &new),
    ];
    for attempt in attempts {
        say(&plane.connector.read(&attempt.target).await);
        say(&attempt);
        say(&act(&plane.connector, attempt.clone()).await);
        say(&plane.connector.read_outcome(&attempt).await);
        let ask = ProbeRequest {
            leaked: Some(plane.leaked()),
            leaked_was_right: true,
            throw_away: Some(new.clone()),
            ..about(attempt.target.clone())
        };
        say(&ask);
        say(&plane.connector.probe(&ask).await);
    }
    let sink = KvSink::new("s", plane.connector.clone(), "secret/billing").expect("a path");
    say(&sink);
    say(&sink.put(CI, &new).await);
    say(&sink.current().await);
    let strangers = plane.connector(|c| c.control.secret_id = new_secret());
    say(&strangers.check().await);
    say(&strangers.probe(&about(session(&token.accessor))).await);

    assert!(said.len() > 10_000, "something was said");
    let audit = std::fs::read_to_string(plane.server.audit_log()).expect("a log");
    let log = plane.server.log().expect("a log");
    assert!(audit.contains("custom-secret-id"), "the calls are in the audit log");
    for hidden in &secrets {
        assert!(!said.contains(hidden.as_str()), "a secret was said");
        assert!(!audit.contains(hidden.as_str()) && !log.contains(hidden.as_str()), "a secret is in the server's log");
    }
}
