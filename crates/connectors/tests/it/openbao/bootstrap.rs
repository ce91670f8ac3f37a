//! Least privilege: what Quell's token can do, and what it cannot.

use quell_connectors::openbao::{Login, OpenBao, bootstrap_script, policy_text};
use quell_core::action::Action;
use quell_engine::port::{Connector, Outcome};
use quell_lab::openbao::{OpenBao as Server, Options};
use reqwest::Method;
use serde_json::json;
use std::{os::unix::fs::PermissionsExt, sync::Arc};

use super::plane::*;

#[tokio::test]
async fn the_script_makes_the_policy_the_approle_and_the_control_and_runs_again() {
    let server = Server::start(Options::default()).await.expect("a real OpenBao");
    let config = config(&server);
    let script = bootstrap_script(&config, &SCOPE.map(str::to_owned)).expect("good names");
    let Login::AppRole { secret_id, .. } = &config.login else { panic!("an AppRole") };
    assert!(!script.contains(secret_id.expose()) && !script.contains(config.control.secret_id.expose()), "it holds no secret");

    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("closed");
        path
    };
    let (own, control) =
        (write("own", &format!("{}\n", secret_id.expose())), write("control", &format!("{}\n", config.control.secret_id.expose())));
    let (ca, script_file) = (write("ca.pem", server.ca().pem()), write("bootstrap.sh", &script));
    let bin = quell_lab::openbao::program().expect("`bao` is installed");
    std::os::unix::fs::symlink(bin, dir.path().join("bao")).expect("linked");
    for round in 0..2 {
        let ran = std::process::Command::new("/bin/sh")
            .arg(&script_file)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
            .env("HOME", dir.path())
            .env("BAO_ADDR", format!("https://localhost:{}", server.port()))
            .env("BAO_CACERT", &ca)
            .env("BAO_TOKEN", server.root().reveal())
            .env("QUELL_SECRET_FILE", &own)
            .env("QUELL_CONTROL_SECRET_FILE", &control)
            .output()
            .expect("`sh` runs");
        assert!(ran.status.success(), "round {round}: {}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    }
    let policy = server.admin(Method::GET, "sys/policies/acl/quell", None).await.expect("there");
    let wanted = policy_text(&config, &SCOPE.map(str::to_owned)).expect("good names");
    assert_eq!(
        policy["data"]["policy"].as_str().map(str::trim),
        Some(wanted.trim()),
        "what the other tests write is what the script writes"
    );
    let listed =
        server.admin(Method::from_bytes(b"LIST").expect("a method"), "auth/approle/role/quell/secret-id", None).await.expect("there");
    assert_eq!(listed["data"]["keys"].as_array().map(Vec::len), Some(1), "run twice, it is one secret-id");
    let connector = OpenBao::new(config, Arc::new(RealClock)).expect("good");
    let check = connector.check().await;
    assert!(check.reachable && check.control_alive, "{check:?}");
    assert_eq!((check.privileges.missing, check.privileges.excess), (vec![], vec![]));
}

#[tokio::test]
async fn quells_token_has_what_it_needs_and_no_more() {
    let plane = Plane::start().await;
    let check = plane.connector.check().await;
    assert!(check.reachable && check.control_alive && check.warnings.is_empty(), "{check:?}");
    assert_eq!((check.privileges.missing, check.privileges.excess), (vec![], vec![]));

    let Login::AppRole { role, secret_id } = &plane.config.login else { panic!("an AppRole") };
    let body = json!({"role_id": role, "secret_id": secret_id.expose()});
    let (_, login) = plane.server.call(Method::POST, "auth/approle/login", None, Some(body)).await.expect("asked");
    let token = login["auth"]["client_token"].as_str().expect("a token");
    let entity = &plane.estate.person_entity;
    let entity = format!("identity/entity/id/{entity}");
    for (method, path, body, wanted) in [
        (Method::POST, "auth/token/create", json!({"policies": ["root"]}), 403),
        (Method::POST, "auth/approle/role/deploy/secret-id", json!({}), 403),
        (Method::POST, "auth/approle/role/deploy/custom-secret-id", json!({"secret_id": "x"}), 403),
        (Method::POST, "auth/approle/role/ci", json!({"token_policies": "root"}), 403),
        (Method::POST, "auth/userpass/users/alice", json!({"token_policies": "root"}), 403),
        (Method::GET, "secret/data/deploy", json!({}), 403),
        (Method::POST, "sys/policies/acl/quell", json!({"policy": ""}), 403),
        (Method::POST, "identity/entity-alias", json!({"name": "quell"}), 403),
        (Method::POST, &entity, json!({"policies": ["root"]}), 403),
        (Method::POST, &entity, json!({"disabled": false, "policies": ["root"]}), 403),
        (Method::POST, &entity, json!({"disabled": false}), 204),
    ] {
        let (status, answer) = plane.server.call(method, path, Some(token), Some(body)).await.expect("asked");
        assert_eq!(status, wanted, "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_missing_privilege_is_named_and_an_excess_is_told() {
    let plane = Plane::start().await;
    let policy = policy_text(&plane.config, &[]).expect("good");
    let without = policy.replace("path \"auth/token/revoke-accessor\" {\n  capabilities = [\"update\"]\n}\n", "");
    assert_ne!(policy, without);
    let with_more = format!("{without}path \"auth/token/create\" {{ capabilities = [\"update\"] }}\n");
    plane.write("sys/policies/acl/quell", json!({ "policy": with_more })).await;
    let check = plane.connector.check().await;
    assert_eq!(check.privileges.missing, ["update on auth/token/revoke-accessor"]);
    assert_eq!(check.privileges.excess, ["update on auth/token/create"]);
    let token = plane.intruder().await;
    let outcome = plane.act(Action::TerminateSessions, &session(&token.accessor)).await;
    assert!(
        matches!(&outcome, Outcome::Refused { reason } if reason.contains("`update` on `auth/token/revoke-accessor`") && reason.contains("bootstrap")),
        "{outcome:?}"
    );
    assert!(token.works(&plane.server).await.expect("asked"));
}

#[tokio::test]
async fn wrong_credentials_of_quells_own_are_said_with_the_next_move() {
    let plane = Plane::start().await;
    for login in [Login::AppRole { role: "quell".to_owned(), secret_id: new_secret() }, Login::Token(new_secret())] {
        let connector = plane.connector(|c| c.login = login.clone());
        let check = connector.check().await;
        assert!(!check.reachable, "{check:?}");
        assert!(check.why_not.as_ref().is_some_and(|why| why.contains("secret") || why.contains("token")), "{check:?}");
        let outcome = act(&connector, attempt(Action::SuspendIdentity, &identity(CI))).await;
        assert!(matches!(&outcome, Outcome::Refused { .. }), "{outcome:?}");
        assert_eq!(judged(&connector, about(credential(&plane.leaked_native()))).await.0.liveness, quell_core::proof::Liveness::Unknown);
    }
}

#[tokio::test]
async fn a_configured_token_works_is_renewed_and_a_root_token_is_an_excess() {
    let plane = Plane::start().await;
    let made = plane.write("auth/token/create-orphan", json!({"policies": ["quell"], "no_default_policy": true, "period": "72h"})).await;
    let token = quell_core::secret::Secret::new(made["auth"]["client_token"].as_str().expect("a token"));
    let connector = plane.connector(|c| c.login = Login::Token(token.clone()));
    let check = connector.check().await;
    assert!(check.reachable && check.privileges.missing.is_empty() && check.privileges.excess.is_empty(), "{check:?}");
    let outcome = act(
        &connector,
        attempt(Action::RevokeCredential, &credential(&format!("token:{}", made["auth"]["accessor"].as_str().expect("one")))),
    )
    .await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("Quell's own token")), "{outcome:?}");

    // Short enough to be renewed while it is used.
    let made = plane.write("auth/token/create-orphan", json!({"policies": ["quell"], "no_default_policy": true, "period": "10s"})).await;
    let short = quell_core::secret::Secret::new(made["auth"]["client_token"].as_str().expect("a token"));
    let connector = plane.connector(|c| c.login = Login::Token(short));
    let started = now();
    while now().as_second() - started.as_second() < 20 {
        connector.enumerate(CI).await.expect("it is renewed in time");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let root = plane.connector(|c| c.login = Login::Token(secret(plane.server.root())));
    assert!(root.check().await.privileges.excess.contains(&"the policy root".to_owned()));
}

#[tokio::test]
async fn a_login_of_quells_that_was_ended_is_made_again() {
    let plane = Plane::start().await;
    plane.enumerate(CI).await;
    let all = plane.server.admin(Method::from_bytes(b"LIST").expect("a method"), "auth/token/accessors", None).await.expect("listed");
    for accessor in all["data"]["keys"].as_array().expect("keys") {
        let seen = plane.write("auth/token/lookup-accessor", json!({ "accessor": accessor })).await;
        if seen["data"]["meta"]["role_name"] == "quell" {
            plane.write("auth/token/revoke-accessor", json!({ "accessor": accessor })).await;
        }
    }
    plane.enumerate(CI).await;
    plane.do_it(Action::RevokeCredential, &credential(&plane.leaked_native())).await;
}
