//! What is listed of an identity, and what is said not to be.

use quell_core::{signal::CredentialKind, target::TargetKind};
use quell_engine::port::{Connector, PlaneError};

use crate::plane::*;

#[tokio::test]
async fn an_identity_is_listed_with_everything_the_server_knows() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE deploy LOGIN; GRANT billing_app TO deploy; ALTER ROLE billing_app VALID UNTIL '2031-01-02 03:04:05+00'").await;
    let _client = plane.intruder().await;
    let all = plane.connector.enumerate(APP).await.expect("it is in scope");
    assert!(!all.truncated && all.at.is_some());

    let role = all.of(TargetKind::Identity).next().expect("the role");
    let fact = |name: &str| role.facts.get(name).map(String::as_str);
    assert_eq!(
        (role.native.as_str(), fact("can_login"), fact("has_password"), fact("superuser")),
        (APP, Some("true"), Some("true"), Some("false"))
    );
    assert_eq!((fact("conn_limit"), fact("valid_until"), fact("twin_of")), (Some("-1"), Some("2031-01-02 03:04:05+00"), None));
    assert!(fact("oid").is_some());

    let password = all.of(TargetKind::Credential).next().expect("the password");
    assert_eq!((password.native.as_str(), password.credential_kind), ("billing_app#password", Some(CredentialKind::Password)));
    assert_eq!(password.expires_at, Some("2031-01-02T03:04:05Z".parse().expect("a time")));

    let session = all.of(TargetKind::Session).next().expect("the session");
    let row = plane
        .admin
        .query_one("SELECT pid, backend_start::text FROM pg_stat_activity WHERE usename = 'billing_app'", &[])
        .await
        .expect("asked");
    let (pid, started_at) = (row.get::<_, i32>(0), session.started_at.expect("the server tells it"));
    assert_eq!(session.native, format!("pid:{pid}@{}", started_at.as_microsecond()));
    assert!((now().as_second() - started_at.as_second()).abs() < 60);
    assert_eq!(session.facts.get("application_name").map(String::as_str), Some("quell-lab"));
    assert_eq!(session.facts.get("client_addr").map(String::as_str), Some("127.0.0.1"));
    assert_eq!(session.facts.get("state").map(String::as_str), Some("idle"));

    let members: Vec<(&str, &str)> = all.of(TargetKind::Entitlement).map(|f| (f.native.as_str(), f.facts["direction"].as_str())).collect();
    assert_eq!(members, [("member:billing_app>app_rw", "it may act as"), ("member:deploy>billing_app", "may act as it")]);
    for missing in ["standbys", "pooler", "pg_cron"] {
        assert!(all.not_looked_at.iter().any(|n| n.contains(missing)), "{missing}");
    }
}

#[tokio::test]
async fn the_inventory_is_the_scope_and_nothing_else() {
    let plane = Plane::start().await;
    plane.sql("SELECT quell.admit('reporting')").await;
    let all = plane.connector.inventory().await.expect("listed");
    let natives: Vec<&str> = all.found.iter().map(|f| f.native.as_str()).collect();
    assert_eq!(natives, ["billing_app", "billing_app#password", "reporting", "reporting#password"]);
    plane.sql("ALTER ROLE reporting PASSWORD NULL").await;
    let all = plane.connector.inventory().await.expect("listed");
    assert_eq!(all.of(TargetKind::Credential).count(), 1, "no password, no credential");
}

#[tokio::test]
async fn what_is_not_in_scope_is_not_listed_and_a_dropped_role_is_empty() {
    let plane = Plane::start().await;
    for role in ["reporting", "postgres", "nobody_of_that_name", ""] {
        assert!(matches!(plane.connector.enumerate(role).await, Err(PlaneError::NotPermitted { .. })), "{role}");
    }
    plane.sql("DROP ROLE billing_app").await;
    assert_eq!(plane.connector.enumerate(APP).await.expect("it was in scope").found, vec![]);
}

#[tokio::test]
async fn the_endpoint_and_the_digest_name_no_secret_and_change_with_what_counts() {
    let plane = Plane::start().await;
    let (endpoint, digest) = (plane.connector.endpoint(), plane.connector.config_digest());
    assert_eq!(endpoint, format!("postgresql+tls://localhost:{}/billing", plane.server.port()));
    assert_eq!(plane.connector(|c| c.secret = new_secret()).config_digest(), digest, "a new secret is the same configuration");
    let changed = [
        plane.connector(|c| c.settle_ms = 251),
        plane.connector(|c| c.dbname = "postgres".to_owned()),
        plane.connector(|c| c.control.identity = "reporting".to_owned()),
        plane.connector(|c| c.protected = vec!["x".to_owned()]),
        plane.connector(|c| c.username = "other".to_owned()),
    ];
    for other in changed {
        assert_ne!(other.config_digest(), digest);
    }
}
