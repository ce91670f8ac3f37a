//! Hostile names in every identifier that reaches the server.

use quell_connectors::postgresql::bootstrap_sql;
use quell_core::{action::Action, proof::Liveness, target::TargetKind};
use quell_engine::port::{Connector, ProbeRequest};

use crate::plane::*;

/// Names that a role can have, and that break what quotes badly.
const POSSIBLE: [&str; 10] = [
    "o'neil",
    "say \"hi\"",
    "x'; DROP ROLE reporting; --",
    "x\"; DROP ROLE reporting; --",
    "\u{202e}ppa_gnillib",
    "back\\slash",
    "$$quell$$",
    "a>b%3E#password",
    "{scope}",
    "new\nline\u{1b}[2J",
];

#[tokio::test]
async fn roles_with_hostile_names_are_contained_like_any_other() {
    let plane = Plane::start().await;
    let secret = new_secret();
    for name in POSSIBLE {
        let make = "SELECT format('CREATE ROLE %I LOGIN', $1::text), format('GRANT app_rw TO %I', $1::text)";
        let row = plane.admin.query_one(make, &[&name]).await.expect("quoted by the server");
        plane.sql(row.get(0)).await;
        plane.sql(row.get(1)).await;
        let script = bootstrap_sql(&plane.config, &[name.to_owned()]).expect("a possible name");
        plane.sql(&script).await;

        done(act(&plane.connector, with_secret(Action::RotateCredential, &credential(name), &secret)).await);
        let ask = || ProbeRequest { throw_away: Some(secret.clone()), ..about(credential(name), name) };
        assert_eq!(liveness(&plane.connector, ask()).await.0, Liveness::Live, "{name:?}");
        let client = plane.server.connect(name, secret.expose(), "billing").await.expect("it logs in");
        let listed = plane.connector.enumerate(name).await.expect("it is in scope");
        let membership = listed.of(TargetKind::Entitlement).next().expect("one membership").native.clone();
        done(plane.act(Action::RemoveEntitlement, &target(TargetKind::Entitlement, &membership, name)).await);
        done(plane.act(Action::SuspendIdentity, &identity(name)).await);
        done(plane.act(Action::TerminateSessions, &identity(name)).await);
        assert!(client.query_one("SELECT 1", &[]).await.is_err());
        assert_eq!(liveness(&plane.connector, ask()).await.0, Liveness::Dead, "{name:?}");
        let found = plane.connector.identify(&secret).await.expect("compared");
        assert!(format!("{found:?}").contains("Match"), "{name:?}: {found:?}");
        plane.sql(&format!("DELETE FROM quell.scope WHERE name <> '{APP}'")).await;
    }
    let there = plane.admin.query("SELECT FROM pg_roles WHERE rolname IN ('reporting', 'billing_app')", &[]).await.expect("asked");
    assert_eq!(there.len(), 2);
}

#[tokio::test]
async fn names_that_no_role_can_have_reach_nothing() {
    let plane = Plane::start().await;
    let long = "x".repeat(10_000);
    let cut = format!("{APP}{}", " ".repeat(60));
    let impossible = ["", "a\0b", long.as_str(), cut.as_str()];
    for name in POSSIBLE.into_iter().chain(impossible) {
        for (kind, native) in [
            (TargetKind::Identity, name.to_owned()),
            (TargetKind::Credential, format!("{name}#password")),
            (TargetKind::Session, format!("pid:{name}@{name}")),
            (TargetKind::Entitlement, format!("member:{name}>{name}")),
        ] {
            let target = target(kind, &native, name);
            for action in ACTIONS {
                let mut attempt = with_secret(action, &target, &new_secret());
                attempt.marker = name.to_owned();
                attempt.parameters.insert("twin".to_owned(), name.to_owned());
                changes_nothing(&plane.connector, attempt).await;
            }
            assert_ne!(liveness(&plane.connector, about(target.clone(), name)).await.0, Liveness::Live);
            let _ = plane.connector.read(&target).await;
        }
        assert!(plane.connector.enumerate(name).await.is_err());
        assert!(plane.connector.protected(name).is_none());
    }
    let state = "SELECT rolcanlogin, (SELECT count(*) FROM pg_roles WHERE rolname !~ '^pg_') FROM pg_roles WHERE rolname = 'billing_app'";
    let row = plane.admin.query_one(state, &[]).await.expect("asked");
    assert_eq!((row.get::<_, bool>(0), row.get::<_, i64>(1)), (true, 7), "nothing was made, locked or dropped");
}

#[tokio::test]
async fn the_script_quotes_what_it_is_given() {
    let plane = Plane::start().await;
    for name in POSSIBLE {
        let mut config = plane.config.clone();
        config.username = name.to_owned();
        config.control.identity = format!("{name} c");
        let script = bootstrap_sql(&config, &[APP.to_owned()]).expect("possible names");
        plane.sql(&script).await;
        let connector = quell_connectors::postgresql::PostgreSql::new(config, std::sync::Arc::new(RealClock)).expect("good");
        let check = connector.check().await;
        assert!(check.reachable && check.control_alive && check.privileges.missing.is_empty(), "{name:?}: {check:?}");
    }
    for name in ["", "a\0b", &"x".repeat(64)] {
        let mut config = plane.config.clone();
        config.username = (*name).to_owned();
        assert!(bootstrap_sql(&config, &[]).is_err());
        assert!(bootstrap_sql(&plane.config, &[(*name).to_owned()]).is_err());
        let mut config = plane.config.clone();
        config.dbname = (*name).to_owned();
        assert!(bootstrap_sql(&config, &[]).is_err());
    }
}
