//! No secret leaves memory: not to the server's log or configuration, not to Debug,
//! not to an observation, an outcome, an error or a reading.

use std::fmt::Write;

use quell_core::action::Action;
use quell_engine::port::{Attempt, Connector, ProbeRequest};
use quell_lab::secret::MARK;

use super::company::*;

#[tokio::test]
async fn a_whole_containment_leaves_no_secret_anywhere() {
    let plane = Plane::start().await;
    let mut said = String::new();
    let mut say = |what: &dyn std::fmt::Debug| write!(said, "{what:?}\n{what:#?}\n").expect("memory");

    let _session = plane.intruder().await;
    let open = plane.session().await;
    let before = plane.connector.read(&plane.mara()).await.expect("in scope");
    let (throw_away, secret) = (new_secret(), new_secret());
    let ask = || ProbeRequest {
        throw_away: Some(throw_away.clone()),
        before: Some(before.0.clone()),
        before_secrets: before.1.clone(),
        ..plane.everything()
    };
    let restore = Attempt { before: Some(before.0.clone()), before_secrets: before.1.clone(), ..attempt(Action::Restore, &plane.mara()) };
    say(&plane.connector);
    say(&plane.config);
    say(&before);
    say(&plane.connector.check().await);
    say(&plane.connector.identify(&plane.leaked()).await);
    say(&plane.connector.enumerate(&plane.company.mara.dn).await);
    say(&plane.connector.inventory().await);
    for attempt in [
        with_secret(Action::RotateCredential, &plane.credential(), &throw_away),
        attempt(Action::SuspendIdentity, &plane.mara()),
        attempt(Action::TerminateSessions, &open),
        with_secret(Action::Reinstate, &plane.mara(), &secret),
        attempt(Action::RequireStepUp, &plane.mara()),
        restore,
    ] {
        say(&attempt);
        say(&act(&plane.connector, attempt.clone()).await);
        say(&plane.connector.read_outcome(&attempt).await);
        say(&ask());
        say(&plane.connector.probe(&ask()).await);
        say(&plane.connector.probe(&plane.about_session(&open)).await);
        say(&plane.connector.probe(&ProbeRequest { own: Some(secret.clone()), ..plane.about_mara() }).await);
    }
    // Failing, too: an entry that is gone, wrong secrets of our own.
    plane.server.admin().await.unwrap().remove(&plane.company.mara.dn).await.unwrap();
    say(&act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &secret)).await);
    let strangers = plane.connector(|c| (c.secret, c.control.secret) = (new_secret(), new_secret()));
    say(&strangers.check().await);
    say(&strangers.probe(&ask()).await);

    assert!(said.len() > 10_000, "something was said");
    assert!(!said.contains(MARK), "a secret was said");
    assert!(!said.contains("{SSHA}"), "a stored password was said");
    let log = plane.server.log().expect("a log");
    assert!(log.contains("MOD attr="), "the changes are in the log");
    assert!(!log.contains(MARK) && !log.contains("{SSHA}"), "a secret is in the server's log");
    for folder in ["config", "data"] {
        for entry in files(&plane.server.dir().join(folder)) {
            let bytes = std::fs::read(&entry).expect("readable");
            assert!(!bytes.windows(MARK.len()).any(|w| w == MARK.as_bytes()), "a clear secret is in {}", entry.display());
        }
    }
}

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        match entry.path() {
            path if path.is_dir() => all.extend(files(&path)),
            path => all.push(path),
        }
    }
    all
}
