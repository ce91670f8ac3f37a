//! The bootstrap, run by the host itself, and each part of it missing.

use quell_connectors::openssh::{OpenSsh, OpenSshConfig, bootstrap_script};
use quell_core::{action::Action, secret::Secret};
use quell_engine::port::Connector;
use quell_lab::openssh::KeyPair;

use super::plane::*;

#[tokio::test]
async fn the_bootstrap_gives_what_is_needed_and_twice_is_once() {
    let plane = Plane::start().await;
    let check = plane.connector.check().await;
    assert!(check.reachable && check.control_alive, "{check:?}");
    assert_eq!((check.privileges.missing, check.privileges.excess), (Vec::new(), Vec::new()));
    assert_eq!(check.warnings, Vec::<String>::new());
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    done(plane.act(Action::SuspendIdentity, &account("backup")).await);
    let script = bootstrap_script(&plane.config, &scope()).expect("the names are good");
    plane.server.bootstrap(&script).expect("it runs again");
    assert_eq!(plane.connector.check().await.privileges.missing, Vec::<String>::new());
    plane.is_dead(plane.about_leaked()).await;
    plane.is_dead(about(key("backup", &plane.bystander), "backup")).await;
    assert!(plane.lets_in("deploy", &plane.rightful, None).await, "what stood in the keys before is taken over");
}

#[tokio::test]
async fn the_script_holds_no_private_key() {
    let plane = Plane::start().await;
    let script = bootstrap_script(&plane.config, &scope()).expect("the names are good");
    for secret in [plane.config.secret.expose(), plane.config.control.secret.expose()] {
        for line in secret.lines().filter(|l| !l.starts_with('-')) {
            assert!(!script.contains(line));
        }
    }
}

#[tokio::test]
async fn every_missing_part_is_named() {
    let plane = Plane::start().await;
    let drop_in = plane.file("conf.d/10-quell.conf");
    let conf = plane.file("etc/plane.conf");
    for (file, text, words) in [
        ("conf.d/10-quell.conf", drop_in.replace("RevokedKeys /dev/null", "RevokedKeys /nowhere"), "`RevokedKeys /dev/null` for `quell`"),
        ("conf.d/10-quell.conf", drop_in.replace("etc/krl", "etc/krl2"), "`RevokedKeys` of the accounts in scope"),
        ("conf.d/10-quell.conf", drop_in.replace("etc/principals/%u", "users/%u"), "`AuthorizedPrincipalsFile`"),
        ("etc/keys/quell-control", String::new(), "`quell-control` with one key"),
        ("sshd.pid", "999999999\n".to_owned(), "`PidFile`"),
        ("etc/plane.conf", conf.replace("SCOPE='alice backup deploy'", "SCOPE=''"), "`RevokedKeys` of the accounts in scope"),
    ] {
        let before = plane.file(file);
        plane.write(file, &text);
        let check = plane.connector.check().await;
        assert!(
            check.privileges.missing.iter().any(|m| m.contains(words)),
            "{file}: wanted {words} in {:?}, {:?}",
            check.privileges.missing,
            check.why_not
        );
        plane.write(file, &before);
        assert_eq!(plane.connector.check().await.privileges.missing, Vec::<String>::new(), "{file}");
    }
    plane.write(
        "conf.d/10-quell.conf",
        &drop_in
            .replace("  ForceCommand /bin/false", "  PasswordAuthentication yes")
            .replace("Match User quell-control,", "Match User quell-control,x,"),
    );
    plane.write("conf.d/10-quell.conf", &format!("{drop_in}Match User deploy\n  PasswordAuthentication yes\n"));
    let check = plane.connector.check().await;
    assert!(check.warnings.iter().any(|w| w.contains("lets `deploy` in with a password")), "{:?}", check.warnings);
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    let key = || KeyPair::generate("x").expect("made");
    let (own, control, host) = (key(), key(), key());
    let good = || OpenSshConfig::new("ssh", "h", 22, host.public(), Secret::new(own.private()), Secret::new(control.public()));
    let new = |config: OpenSshConfig| OpenSsh::new(config, std::sync::Arc::new(RealClock));
    new(good()).expect("the public half of the control is enough");
    let locked = KeyPair::of_kind("x", &["-t", "ed25519"], "passphrase").expect("made");
    let rsa = KeyPair::of_kind("x", &["-t", "rsa", "-b", "2048"], "").expect("made");
    type Change<'a> = Box<dyn Fn(&mut OpenSshConfig) + 'a>;
    let changes: Vec<(&str, Change<'_>)> = vec![
        ("settle", Box::new(|c| c.settle_ms = 0)),
        ("connection", Box::new(|c| c.connections_max = 0)),
        ("username", Box::new(|c| c.username = "a b".to_owned())),
        ("control.identity", Box::new(|c| c.control.identity = "../x".to_owned())),
        ("own account", Box::new(|c| c.control.identity = "quell".to_owned())),
        ("protected", Box::new(|c| c.protected = vec!["$(id)".to_owned()])),
        ("host_key_file", Box::new(|c| c.host_keys = String::new())),
        ("host_key_file", Box::new(|c| c.host_keys = rsa.public().to_owned())),
        ("secret_file", Box::new(|c| c.secret = Secret::new("hunter2"))),
        ("passphrase", Box::new(|c| c.secret = Secret::new(locked.private()))),
        ("control.secret_file", Box::new(|c| c.control.secret = Secret::new("hunter2"))),
        ("own key", Box::new(|c| c.control.secret = Secret::new(own.private()))),
    ];
    for (word, change) in changes {
        let mut config = good();
        change(&mut config);
        let error = new(config).map(|_| ()).expect_err(word).to_string();
        assert!(error.contains(word) && !error.contains("hunter2"), "wanted {word} in {error}");
    }
    for scope in [vec![], vec!["quell"], vec!["quell-control"], vec!["root"], vec!["a'b"], vec!["deploy", "x;id"]] {
        let scope: Vec<String> = scope.into_iter().map(str::to_owned).collect();
        assert!(bootstrap_script(&good(), &scope).is_err(), "{scope:?}");
    }
}
