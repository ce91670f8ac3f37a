//! What is there, and what was not looked at.

use quell_core::{signal::CredentialKind, target::TargetKind};
use quell_engine::port::{Connector, PlaneError};
use quell_lab::openssh::KeyPair;

use super::plane::*;

#[tokio::test]
async fn keys_certificates_principals_and_connections_of_an_account_are_found() {
    let plane = Plane::start().await;
    plane.server.append("etc/keys/backup", plane.leaked.public()).expect("written");
    let mut intruder = plane.intruder().await;
    // One that the authority did not record: the log knows it, since it was used.
    let bob = KeyPair::generate("bob").expect("made");
    let unrecorded = plane.server.certify(&bob, "bob@corp", "deploy", 4711, "-1m:+1h").expect("certified");
    assert!(plane.lets_in("deploy", &bob, Some(&unrecorded)).await);

    let all = plane.connector.enumerate("deploy").await.expect("read");
    let natives = |kind| all.of(kind).map(|f| f.native.clone()).collect::<Vec<_>>();
    assert_eq!(natives(TargetKind::Identity), ["deploy"]);
    let keys: Vec<_> = all.of(TargetKind::Credential).filter(|f| f.credential_kind == Some(CredentialKind::SshKey)).collect();
    assert_eq!(keys.len(), 2);
    assert_eq!((keys[0].facts["comment"].as_str(), keys[0].facts["also_opens"].as_str()), ("ci@corp", "backup"));
    let certificates: Vec<_> = all.of(TargetKind::Credential).filter(|f| f.credential_kind == Some(CredentialKind::Certificate)).collect();
    assert_eq!(certificates.len(), 1);
    assert_eq!((certificates[0].facts["key_id"].as_str(), certificates[0].facts["serial"].as_str()), ("bob@corp", "4711"));
    assert_eq!(natives(TargetKind::Entitlement), ["principal:deploy>deploy"]);
    assert!(all.of(TargetKind::Entitlement).all(quell_core::target::Found::is_delegation));
    assert_eq!(natives(TargetKind::Session).len(), 1);
    assert!(all.of(TargetKind::Session).all(|s| s.started_at.is_some()));
    assert!(all.not_looked_at.iter().any(|n| n.contains("other hosts")) && !all.truncated);
    assert!(intruder.is_served().await.expect("asked"));

    let alice = plane.connector.enumerate("alice").await.expect("read");
    let hers: Vec<_> = alice.of(TargetKind::Credential).collect();
    assert_eq!(hers.len(), 1);
    assert!(hers[0].expires_at.is_some() && hers[0].facts["principals"] == "alice");

    let everybody = plane.connector.inventory().await.expect("read");
    let accounts: Vec<_> = everybody.of(TargetKind::Identity).map(|f| f.native.as_str()).collect();
    assert_eq!(accounts, ["alice", "backup", "deploy"]);
    assert!(everybody.of(TargetKind::Session).next().is_none());
}

#[tokio::test]
async fn who_is_not_yet_logged_in_has_no_connection() {
    let plane = Plane::start().await;
    // A connection that names an account and does not log in.
    let mut half = tokio::net::TcpStream::connect(("127.0.0.1", plane.server.port())).await.expect("taken");
    tokio::io::AsyncWriteExt::write_all(&mut half, b"SSH-2.0-half\r\n").await.expect("sent");
    assert!(plane.sessions("deploy").await.is_empty());
    drop(half);
}

#[tokio::test]
async fn an_account_out_of_scope_is_named_with_what_would_put_it_in() {
    let plane = Plane::start().await;
    for name in ["root2", "nobody-here"] {
        let error = plane.connector.enumerate(name).await.expect_err("not in scope");
        assert!(matches!(&error, PlaneError::NotPermitted { why, .. } if why.contains(&format!("--scope {name}"))), "{error}");
        assert!(plane.connector.read(&account(name)).await.is_err());
    }
}

#[tokio::test]
async fn a_log_that_nobody_may_read_is_said_and_is_not_empty() {
    let plane = Plane::start().await;
    let conf = plane.file("etc/plane.conf");
    let log = plane.server.dir().join("sshd.log");
    plane.write("etc/plane.conf", &conf.replace(&log.display().to_string(), "/nowhere/auth.log"));
    let all = plane.connector.enumerate("deploy").await.expect("read");
    let has_journal = std::path::Path::new("/usr/bin/journalctl").exists();
    assert!(has_journal || all.not_looked_at.iter().any(|n| n.contains("log cannot be read")), "{:?}", all.not_looked_at);
}
