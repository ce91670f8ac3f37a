//! Hostile names in every identifier that reaches the server.

use quell_core::{action::Action, proof::Liveness, target::TargetKind};
use quell_engine::port::{Connector, Outcome, ProbeRequest};
use reqwest::Method;
use serde_json::{Value, json};

use super::plane::*;

const HOSTILE: [&str; 17] = [
    "o'neil",
    "say \"hi\"",
    "../../sys/mounts",
    "..",
    ".",
    "a/../../../sys/seal",
    "%2e%2e/%2e%2e/sys/mounts",
    "a%2Fb",
    "a?list=true",
    "a#b",
    "\u{202e}ic",
    "nul\0byte",
    "new\nline\u{1b}[2J",
    "back\\slash",
    "{{identity.entity.id}}",
    "",
    " ",
];

/// Everything that an act could have changed.
async fn state(plane: &Plane) -> Value {
    let list = async |path: &str| {
        let (_, answer) = plane
            .server
            .call(Method::from_bytes(b"LIST").expect("a method"), path, Some(plane.server.root().reveal()), None)
            .await
            .expect("asked");
        answer["data"]["keys"].clone()
    };
    let mut all = Vec::new();
    for path in [
        "auth/approle/role",
        "auth/userpass/users",
        "sys/policies/acl",
        "identity/entity/id",
        "secret/metadata",
        "auth/approle/role/ci/secret-id",
    ] {
        all.push(list(path).await);
    }
    for path in
        ["sys/policies/acl/ci", "secret/metadata/billing", "auth/userpass/users/alice", "auth/approle/role/ci", "sys/mounts", "sys/auth"]
    {
        all.push(plane.server.admin(Method::GET, path, None).await.expect("read")["data"].clone());
    }
    json!(all)
}

#[tokio::test]
async fn hostile_names_reach_nothing_and_change_nothing() {
    let plane = Plane::start().await;
    // Quell and its control are in, which makes their entities.
    assert!(plane.connector.check().await.control_alive);
    let before = state(&plane).await;
    let long = "x".repeat(10_000);
    for name in HOSTILE.into_iter().chain([long.as_str()]) {
        let shown: String = name.chars().take(30).collect();
        let natives = [
            (
                TargetKind::Identity,
                vec![
                    format!("approle:{name}"),
                    format!("userpass:{name}"),
                    format!("entity/{name}"),
                    format!("token:{name}"),
                    format!("approle:{name}/ci"),
                    format!("kv:secret/{name}"),
                    name.to_owned(),
                ],
            ),
            (
                TargetKind::Credential,
                vec![
                    format!("approle:{name}#secret_id:1385f957-f51f-699a-aa25-eac5c8c978bb"),
                    format!("approle:ci#secret_id:{name}"),
                    format!("userpass:{name}#password"),
                    format!("token:{name}"),
                    format!("lease:database/creds/{name}"),
                    format!("leases:database/creds/{name}"),
                    format!("kv:secret/{name}#version:1"),
                    format!("cert:pki/{name}"),
                    format!("batch:1:{name}:x"),
                    format!("{name}#batch_tokens"),
                ],
            ),
            (TargetKind::Session, vec![format!("token:{name}")]),
            (TargetKind::Entitlement, vec![format!("policy:{name}>x"), format!("policy:nobody>{name}")]),
        ];
        for (kind, natives) in natives {
            for native in natives {
                let target = target(kind, &native, name);
                for action in [
                    Action::SuspendIdentity,
                    Action::TerminateSessions,
                    Action::RevokeCredential,
                    Action::RotateCredential,
                    Action::ChangePolicy,
                    Action::Reinstate,
                    Action::Restore,
                ] {
                    let mut attempt = with_secret(action, &target, &new_secret());
                    attempt.marker = name.to_owned();
                    let outcome = act(&plane.connector, attempt.clone()).await;
                    let nothing = match &outcome {
                        Outcome::Refused { .. } => true,
                        Outcome::Done { changed } => changed.is_empty(),
                        _ => false,
                    };
                    assert!(nothing, "{action:?} {shown:?} {kind:?}: {outcome:?}");
                    let _ = plane.connector.read_outcome(&attempt).await;
                }
                let ask = ProbeRequest {
                    identity: name.to_owned(),
                    leaked: Some(quell_core::secret::Secret::new(name)),
                    ..about(target.clone())
                };
                assert_ne!(judged(&plane.connector, ask).await.0.liveness, Liveness::Live, "{shown:?}");
                let _ = plane.connector.read(&target).await;
                let _ = plane.connector.enumerate(&native).await;
            }
        }
        assert!(plane.connector.protected(name).is_none());
    }
    assert_eq!(state(&plane).await, before, "nothing was made, changed or destroyed");
}

#[tokio::test]
async fn odd_names_that_are_possible_are_contained_like_any_other() {
    let plane = Plane::start().await;
    for name in ["a.b-c_d", "UPPER", "x", "_under_", "1"] {
        plane.write(&format!("auth/approle/role/{name}"), json!({"token_policies": "ci"})).await;
        let made = plane.write(&format!("auth/approle/role/{name}/secret-id"), json!({})).await;
        let native = format!("approle:{name}#secret_id:{}", made["data"]["secret_id_accessor"].as_str().expect("one"));
        let leaked = target(TargetKind::Credential, &native, &format!("approle:{name}"));
        assert_eq!(plane.liveness(&leaked).await.0, Liveness::Live, "{name}");
        plane.do_it(Action::RevokeCredential, &leaked).await;
        assert_eq!(plane.liveness(&leaked).await.0, Liveness::Dead, "{name}");
    }
    // A secret may be called nearly anything; each is itself and no other.
    plane
        .write("sys/policies/acl/quell-more", json!({"policy": "path \"secret/*\" { capabilities = [\"read\", \"create\", \"update\"] }"}))
        .await;
    plane.write("auth/approle/role/quell", json!({"token_policies": ["quell", "quell-more"]})).await;
    let connector = std::sync::Arc::new(plane.connector(|_| {}));
    for name in ["o'neil", "a b", "50%", "a%2Fb", "q?x=1", "h#x", "ü/ä", "semi;colon", "<b>"] {
        let path = format!("secret/{name}");
        let sink = quell_connectors::openbao::KvSink::new("s", connector.clone(), &path).expect("a path");
        use quell_engine::port::Sink;
        sink.put("one", &new_secret()).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        sink.put("two", &new_secret()).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(sink.current().await, Ok(Some("two".to_owned())), "{name}");
        let first = credential(&format!("kv:{path}#version:1"));
        done(act(&connector, attempt(Action::RevokeCredential, &first)).await);
        assert_eq!(judged(&connector, about(first)).await.0.liveness, Liveness::Dead, "{name}");
    }
    let (_, listed) = plane
        .server
        .call(Method::from_bytes(b"LIST").expect("a method"), "secret/metadata", Some(plane.server.root().reveal()), None)
        .await
        .expect("asked");
    let keys = listed["data"]["keys"].as_array().expect("keys");
    for name in ["50%", "a%2Fb", "q?x=1", "ü/"] {
        assert!(keys.iter().any(|k| k == name), "`{name}` in {keys:?}");
    }
}
