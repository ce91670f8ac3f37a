//! Names and texts from outside, and what is out of reach.

use quell_core::{action::Action, target::TargetKind};
use quell_engine::port::{Connector, Outcome};
use quell_lab::openssh::KeyPair;

use super::plane::*;

#[tokio::test]
async fn hostile_names_do_nothing() {
    let plane = Plane::start().await;
    let marker = plane.server.dir().join("marker");
    let touch = format!("deploy;touch {}", marker.display());
    let long = "x".repeat(10_000);
    let before = ["deploy", "backup"].map(|a| plane.file(&format!("etc/keys/{a}")));
    for name in [
        "",
        "all",
        "-oProxyCommand=x",
        "../deploy",
        "deploy/..",
        "deploy ",
        "deploy\nend",
        "deploy\0",
        "$(id)",
        "`id`",
        "'",
        "*",
        "d*",
        touch.as_str(),
        long.as_str(),
        "nobody-here",
    ] {
        for (kind, native, action) in [
            (TargetKind::Identity, name.to_owned(), Action::SuspendIdentity),
            (TargetKind::Identity, name.to_owned(), Action::TerminateSessions),
            (TargetKind::Credential, format!("{name}#ssh_key:{}", plane.leaked.fingerprint().expect("printed")), Action::RevokeCredential),
            (TargetKind::Entitlement, format!("principal:{name}>deploy"), Action::RemoveEntitlement),
            (TargetKind::Session, format!("pid:1@1>{name}"), Action::TerminateSessions),
        ] {
            changes_nothing(&plane.connector, attempt(action, &on(PLANE, kind, &native, "deploy"))).await;
        }
        assert!(plane.connector.enumerate(name).await.is_err(), "{name:?}");
    }
    assert!(!marker.exists());
    assert_eq!(["deploy", "backup"].map(|a| plane.file(&format!("etc/keys/{a}"))), before);
}

/// The id of a certificate is its authority's text, a comment the owner's, a principal
/// the administrator's: whatever they hold, it is read, and runs nowhere.
#[tokio::test]
async fn hostile_texts_are_read_as_they_are() {
    let plane = Plane::start().await;
    let marker = plane.server.dir().join("marker");
    let text = format!("a b (serial 5) CA x $(touch {}) \u{202e}\u{1b}[31m'\"`", marker.display());
    let certificate = plane.server.certify(&plane.alice, &text, "alice", 77, "-1m:+1h").expect("certified");
    assert!(plane.lets_in("alice", &plane.alice, Some(&certificate)).await);
    let mut keys = plane.file("etc/keys/deploy");
    let other = KeyPair::generate("x").expect("made");
    keys.push_str(&format!("{} {text}\n", other.public()));
    plane.write("etc/keys/deploy", &keys);
    plane.write("etc/principals/alice", "alice\n$(id)\n*\n-n\n");
    let found = plane.connector.enumerate("alice").await.expect("read");
    assert!(found.of(TargetKind::Credential).any(|f| f.native.contains("#certificate:77:")), "{found:#?}");
    for name in ["$(id)", "*", "-n"] {
        let target = principal(name, "alice");
        done(plane.act(Action::RemoveEntitlement, &target).await);
        plane.is_dead(about(target, "alice")).await;
    }
    assert_eq!(plane.file("etc/principals/alice"), "alice\n");
    done(plane.act(Action::RevokeCredential, &plane.of_certificate("alice", 77)).await);
    done(plane.act(Action::RevokeCredential, &key("deploy", &other)).await);
    assert!(!plane.file("etc/keys/deploy").contains("touch"));
    assert!(plane.lets_in("deploy", &plane.rightful, None).await);
    assert!(!marker.exists());
}

#[tokio::test]
async fn quells_own_the_control_and_the_administrator_are_out_of_reach() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| c.protected = vec!["backup".to_owned()]);
    for name in ["quell", "quell-control", "root", "backup"] {
        assert!(connector.protected(name).is_some(), "{name}");
        for action in [Action::SuspendIdentity, Action::TerminateSessions, Action::Restore] {
            let outcome = act(&connector, attempt(action, &account(name))).await;
            assert!(matches!(outcome, Outcome::Refused { .. }), "{name}: {outcome:?}");
        }
    }
    assert!(connector.protected("deploy").is_none());
    // Quell's own key in somebody's account: with it in the list nothing could be seen any more.
    let own = KeyPair::known(plane.config.secret.expose()).expect("a key");
    let control = KeyPair::known(plane.config.control.secret.expose()).expect("a key");
    for one in [&own, &control] {
        plane.server.append("etc/keys/deploy", one.public()).expect("written");
        let outcome = plane.act(Action::RevokeCredential, &key("deploy", one)).await;
        assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("protected")), "{outcome:?}");
        // The host holds to it by itself, whoever speaks as Quell.
        let print = one.fingerprint().expect("printed");
        let said = as_quell(&plane, &format!("revoke deploy {print}")).await;
        assert!(said.starts_with("refused it is the key of Quell"), "{said}");
    }
    assert!(plane.connector.check().await.control_alive);
}

/// Whoever steals Quell's key can look and take away, and can give nobody access.
#[tokio::test]
async fn quells_account_gives_nobody_access_who_had_none() {
    let plane = Plane::start().await;
    let before = ["etc/keys/deploy", "etc/keys/backup", "etc/principals/alice"].map(|f| plane.file(f));
    let evil = KeyPair::generate("evil").expect("made");
    use base64::Engine;
    let line = base64::engine::general_purpose::STANDARD.encode(evil.public().rsplit_once(' ').expect("a comment").0);
    for words in [
        "".to_owned(),
        "sh".to_owned(),
        "look; id".to_owned(),
        "look ../../etc/passwd".to_owned(),
        format!("reinstate deploy {line} ="),
        format!("reinstate root {line} ="),
        "restore deploy".to_owned(),
        "put-principal alice bWFsbG9yeQ==".to_owned(),
        "put-principal root bWFsbG9yeQ==".to_owned(),
        "revoke deploy SHA256:x".to_owned(),
        "drop-key deploy ../x".to_owned(),
        "kill deploy 1 1".to_owned(),
        "kill deploy -1 1".to_owned(),
    ] {
        let said = as_quell(&plane, &words).await;
        assert!(said.starts_with("refused ") || said.starts_with("done same"), "{words}: {said}");
    }
    assert_eq!(["etc/keys/deploy", "etc/keys/backup", "etc/principals/alice"].map(|f| plane.file(f)), before);
    assert!(!plane.lets_in("deploy", &evil, None).await);
    let mut client = plane
        .server
        .log_in("quell", &KeyPair::known(plane.config.secret.expose()).expect("a key"), None)
        .await
        .and_then(quell_lab::openssh::Login::is_in)
        .expect("let in");
    assert_eq!(client.run("echo served; id").await.expect("asked").as_deref(), Some("refused this account does nothing else\nend"));
}

/// What the host answers to words of Quell's own account.
async fn as_quell(plane: &Plane, words: &str) -> String {
    let own = KeyPair::known(plane.config.secret.expose()).expect("a key");
    let mut client = plane.server.log_in("quell", &own, None).await.and_then(quell_lab::openssh::Login::is_in).expect("let in");
    client.run(words).await.expect("asked").unwrap_or_default()
}
