//! What is listed of an identity, and what is said not to be.

use quell_core::{signal::CredentialKind, target::TargetKind};
use quell_engine::port::{Connector, PlaneError};
use reqwest::Method;
use serde_json::json;

use super::plane::*;

#[tokio::test]
async fn an_approle_is_listed_with_everything_that_came_from_it() {
    let (plane, _postgres, _) = Plane::with_postgres().await;
    let token = plane.intruder().await;
    let child = token.make(&plane.server, "create", "service").await.expect("made");
    let orphan = child.make(&plane.server, "create-orphan", "service").await.expect("made");
    let lease = orphan.lease(&plane.server).await.expect("given");
    assert!(token.works(&plane.server).await.expect("asked"));
    let (_, limited) = plane.estate.secret_id(&plane.server, json!({"num_uses": 3, "ttl": "2h"})).await.expect("issued");

    let all = plane.enumerate(CI).await;
    assert!(!all.truncated && all.at.is_some());
    let ci = found(&all, CI);
    assert_eq!((ci.facts["disabled"].as_str(), ci.facts["policies"].as_str()), ("false", "ci"));
    assert_eq!(ci.facts["entity"], format!("entity/{}", token.entity));

    let leaked = found(&all, &plane.leaked_native());
    assert_eq!((leaked.kind, leaked.credential_kind), (TargetKind::Credential, Some(CredentialKind::SecretId)));
    let limited = found(&all, &format!("{CI}#secret_id:{limited}"));
    assert_eq!(limited.facts["uses_left"], "3");
    let (from, to) = (limited.started_at.expect("told"), limited.expires_at.expect("it ends"));
    assert!((7_195..=7_205).contains(&(to.as_second() - from.as_second())));

    let native = |t: &quell_lab::openbao::Token| format!("token:{}", t.accessor);
    let tied = |t: &quell_lab::openbao::Token| {
        let seen = found(&all, &native(t));
        assert_eq!(seen.kind, TargetKind::Session, "access that was granted");
        (seen.facts["tied_by"].clone(), seen.minted_from.clone())
    };
    assert_eq!(tied(&token), ("its login".to_owned(), Some(CI.to_owned())));
    assert_eq!(tied(&child), ("its entity".to_owned(), Some(native(&token))));
    assert_eq!(tied(&orphan), ("the audit log".to_owned(), Some(native(&child))));

    let leased = found(&all, &format!("lease:{}", lease.id));
    assert_eq!((leased.kind, leased.minted_from.as_deref()), (TargetKind::Credential, Some(native(&orphan).as_str())));
    assert_eq!((leased.facts["username"].as_str(), leased.facts["path"].as_str()), (lease.username.as_str(), "database/creds/ro"));
    assert_eq!(all.elsewhere.len(), 1);
    assert_eq!((all.elsewhere[0].plane.as_str(), all.elsewhere[0].native.as_str()), ("pg-main", lease.username.as_str()));

    let read = found(&all, "read:secret/data/billing");
    assert_eq!((read.facts["direction"].as_str(), read.facts["times"].as_str()), ("it read", "1"));
    let grant = found(&all, "policy:ci>database/creds/ro");
    assert!(!grant.is_delegation() && !grant.is_to_be_cut(), "its own right is no way in");
    assert!(all.found.iter().all(|f| f.identity == CI));
    for missing in ["batch tokens", "namespaces"] {
        assert!(all.not_looked_at.iter().any(|n| n.contains(missing)), "{missing}");
    }
}

#[tokio::test]
async fn a_person_is_listed_by_user_and_by_entity_with_every_login() {
    let plane = Plane::start().await;
    let token = plane.estate.login_person(&plane.server).await.expect("in");
    let by_user = plane.enumerate("userpass:alice").await;
    assert_eq!(found(&by_user, "userpass:alice#password").credential_kind, Some(CredentialKind::Password));
    let session = format!("token:{}", token.accessor);
    assert_eq!(natives(&by_user, TargetKind::Session), [session.as_str()]);

    // The AppRole that she owns logs in as her.
    let mounts = plane.server.admin(Method::GET, "sys/auth", None).await.expect("told");
    let approle = &mounts["data"]["approle/"]["accessor"];
    let alias = json!({"name": plane.estate.role_id, "canonical_id": plane.estate.person_entity, "mount_accessor": approle});
    plane.write("identity/entity-alias", alias).await;
    let of_role = plane.intruder().await;
    assert_eq!(of_role.entity, plane.estate.person_entity);
    let entity = format!("entity/{}", plane.estate.person_entity);
    let by_entity = plane.enumerate(&entity).await;
    let mut sessions = natives(&by_entity, TargetKind::Session);
    sessions.sort();
    let mut both = vec![session.clone(), format!("token:{}", of_role.accessor)];
    both.sort();
    assert_eq!(sessions, both);
    let credentials = natives(&by_entity, TargetKind::Credential);
    assert!(credentials.contains(&"userpass:alice#password".to_owned()) && credentials.contains(&plane.leaked_native()), "{credentials:?}");
    // By one login: only its own tokens, and it is said that others fall with it.
    let by_role = plane.enumerate(CI).await;
    assert_eq!(natives(&by_role, TargetKind::Session), [format!("token:{}", of_role.accessor)]);
    assert_eq!(found(&by_role, CI).facts["other_logins"], "1");
}

#[tokio::test]
async fn without_the_audit_log_orphans_and_leases_are_named_as_not_looked_at() {
    let (plane, _postgres, _) = Plane::with_postgres().await;
    let token = plane.intruder().await;
    let orphan = token.make(&plane.server, "create-orphan", "service").await.expect("made");
    let lease = token.lease(&plane.server).await.expect("given");
    let blind = plane.connector(|c| c.audit = None);
    let all = blind.enumerate(CI).await.expect("the server answers");
    assert_eq!(natives(&all, TargetKind::Session), [format!("token:{}", token.accessor)]);
    assert!(!all.found.iter().any(|f| f.native.contains(&orphan.accessor) || f.native.contains(&lease.id)));
    for gap in ["1 orphan tokens", "orphan tokens and leases: without"] {
        assert!(all.not_looked_at.iter().any(|n| n.contains(gap)), "{gap}: {:?}", all.not_looked_at);
    }
    let unreadable = plane.connector(|c| c.audit.as_mut().expect("configured").file = "/does/not/exist".into());
    assert!(matches!(unreadable.enumerate(CI).await, Err(PlaneError::NotPermitted { why, .. }) if why.contains("audit log")));
}

#[tokio::test]
async fn a_hashed_name_is_not_guessed_and_a_mount_without_a_connector_is_said() {
    let (plane, _postgres, _) = Plane::with_postgres().await;
    plane.write("sys/mounts/database/tune", json!({"audit_non_hmac_response_keys": []})).await;
    let token = plane.intruder().await;
    token.lease(&plane.server).await.expect("given");
    let all = plane.enumerate(CI).await;
    assert_eq!(all.elsewhere, vec![]);
    assert!(all.not_looked_at.iter().any(|n| n.contains("`pg-main` behind 1 leases")), "{:?}", all.not_looked_at);
    assert!(plane.connector.check().await.warnings.iter().any(|w| w.contains("audit-non-hmac-response-keys")));
    let all = plane.connector(|c| c.planes.clear()).enumerate(CI).await.expect("the server answers");
    assert!(all.not_looked_at.iter().any(|n| n.contains("[connector.planes]")), "{:?}", all.not_looked_at);
    // By the mount alone, where the connection is not named.
    let all = plane
        .connector(|c| c.planes = [("database".to_owned(), "pg-other".to_owned())].into())
        .enumerate(CI)
        .await
        .expect("the server answers");
    assert!(all.not_looked_at.iter().any(|n| n.contains("`pg-other` behind 1 leases")), "{:?}", all.not_looked_at);
}

#[tokio::test]
async fn the_inventory_is_every_role_and_user_with_its_credentials() {
    let plane = Plane::start().await;
    let all = plane.connector.inventory().await.expect("listed");
    let identities = natives(&all, TargetKind::Identity);
    assert_eq!(identities, ["approle:ci", "approle:deploy", "approle:quell", "approle:quell-control", "userpass:alice"]);
    assert_eq!(all.of(TargetKind::Credential).count(), 5);
    plane.write("sys/auth/jwt", json!({"type": "jwt"})).await;
    let all = plane.connector.inventory().await.expect("listed");
    assert!(all.not_looked_at.iter().any(|n| n.contains("auth/jwt")), "{:?}", all.not_looked_at);
}

#[tokio::test]
async fn what_is_not_there_is_empty_and_what_is_no_name_is_refused() {
    let plane = Plane::start().await;
    for gone in ["approle:nobody", "userpass:nobody", "entity/0b89adec-3dc1-6198-462f-40f430cb5934"] {
        assert_eq!(plane.enumerate(gone).await.found.iter().filter(|f| f.kind != TargetKind::Credential).count(), 0, "{gone}");
    }
    for wrong in ["", "ci", "approle:a/../b", "role:ci"] {
        assert!(matches!(plane.connector.enumerate(wrong).await, Err(PlaneError::NotPermitted { .. })), "{wrong}");
    }
}

#[tokio::test]
async fn the_endpoint_and_the_digest_name_no_secret_and_change_with_what_counts() {
    let plane = Plane::start().await;
    let digest = plane.connector.config_digest();
    assert_eq!(plane.connector.endpoint(), format!("https://localhost:{}", plane.server.port()));
    assert_eq!(plane.connector(|c| c.control.secret_id = new_secret()).config_digest(), digest, "a new secret is the same configuration");
    let changed = [
        plane.connector(|c| c.settle_ms = 251),
        plane.connector(|c| c.control.role = "other".to_owned()),
        plane.connector(|c| c.protected = vec!["approle:x".to_owned()]),
        plane.connector(|c| c.audit = None),
        plane.connector(|c| c.planes = [("database".to_owned(), "pg".to_owned())].into()),
        plane.connector(|c| c.login = quell_connectors::openbao::Login::Token(new_secret())),
    ];
    for other in changed {
        assert_ne!(other.config_digest(), digest);
    }
}
