//! Whose is a leaked key?

use quell_core::{secret::Secret, signal::CredentialKind};
use quell_engine::port::{Connector, Identified};
use quell_lab::openssh::KeyPair;

use super::plane::*;

#[tokio::test]
async fn a_leaked_key_is_recognised_by_its_public_half_and_nobody_logs_in() {
    let rsa = KeyPair::of_kind("old", &["-t", "rsa", "-b", "2048"], "").expect("made");
    let locked = KeyPair::of_kind("locked", &["-t", "ed25519"], "a passphrase that nobody knows").expect("made");
    let plane = Plane::with(|server| {
        server.authorize("backup", &format!("restrict {}", rsa.public())).expect("written");
        server.authorize("backup", locked.public()).expect("written");
    })
    .await;
    let before = plane.server.log().expect("a log");
    for (value, account, one) in [
        (plane.leaked.private().to_owned(), "deploy", &plane.leaked),
        (plane.leaked.private().replace('\n', "\\n"), "deploy", &plane.leaked),
        (plane.leaked.public().to_owned(), "deploy", &plane.leaked),
        (rsa.private().to_owned(), "backup", &rsa),
        (locked.private().to_owned(), "backup", &locked),
    ] {
        let found = plane.connector.identify(&Secret::new(value)).await.expect("compared");
        let credential = format!("{account}#ssh_key:{}", one.fingerprint().expect("printed"));
        assert_eq!(found, Identified::Match { credential, kind: CredentialKind::SshKey, identity: account.to_owned() });
    }
    // The key of a certificate, and the certificate itself.
    let native = plane.of_certificate("alice", 1001).native.value().expect("named").to_owned();
    for value in [plane.alice.private(), plane.certificate.as_str()] {
        let found = plane.connector.identify(&Secret::new(value)).await.expect("compared");
        assert_eq!(
            found,
            Identified::Match { credential: native.clone(), kind: CredentialKind::Certificate, identity: "alice".to_owned() }
        );
    }
    let log = plane.server.log().expect("a log");
    let since = log.strip_prefix(&before).expect("the same log");
    assert!(since.contains("publickey for quell from"), "the log tells of logins");
    for account in ["deploy", "backup", "alice"] {
        assert!(!since.contains(&format!("publickey for {account} ")), "{since}");
    }
}

#[tokio::test]
async fn what_is_nobodys_is_nobodys_and_what_cannot_be_compared_is_said() {
    let plane = Plane::start().await;
    let stranger = KeyPair::generate("stranger").expect("made");
    let found = plane.connector.identify(&Secret::new(stranger.private())).await.expect("compared");
    assert!(matches!(found, Identified::NoMatch { compared } if compared >= 3), "{found:?}");
    let other = plane.server.certify(&stranger, "x", "alice", 9, "-1m:+1h").expect("certified");
    let found = plane.connector.identify(&Secret::new(other)).await.expect("compared");
    assert!(matches!(found, Identified::NoMatch { .. }), "{found:?}");
    for text in ["", "hunter2", "ssh-ed25519 AAAA"] {
        assert_eq!(plane.connector.identify(&Secret::new(text)).await.expect("compared"), Identified::NoMatch { compared: 0 }, "{text}");
    }
    let old = KeyPair::of_kind("old", &["-t", "rsa", "-b", "2048", "-m", "PEM"], "").expect("made");
    let half = &plane.leaked.private()[..120];
    for text in [old.private(), half] {
        let found = plane.connector.identify(&Secret::new(text)).await.expect("compared");
        assert!(matches!(found, Identified::NotCompared { .. }), "{found:?}");
    }
}
