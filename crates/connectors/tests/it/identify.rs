//! Whose is a leaked value? Compared without one login.

use quell_core::{secret::Secret, signal::CredentialKind};
use quell_engine::port::{Connector, Identified};
use quell_lab::postgres::Options;

use crate::plane::*;

#[tokio::test]
async fn a_leaked_value_finds_its_role_without_a_login() {
    let plane = Plane::with(Options { log_connections: true, ..Options::default() }, |_| {}).await;
    plane.sql("SELECT quell.admit('reporting')").await;
    let found = |role: &str| Identified::Match {
        credential: format!("{role}#password"),
        kind: CredentialKind::Password,
        identity: role.to_owned(),
    };
    assert_eq!(plane.connector.identify(&plane.leaked()).await, Ok(found(APP)));
    let padded = Secret::new(format!("  {}\n", plane.estate.reporting.password.reveal()));
    assert_eq!(plane.connector.identify(&padded).await, Ok(found("reporting")));
    assert_eq!(plane.connector.identify(&new_secret()).await, Ok(Identified::NoMatch { compared: 2 }));
    for nothing in ["", "\0", "'; DROP ROLE billing_app; --", "\u{202e}"] {
        assert!(matches!(plane.connector.identify(&Secret::new(nothing)).await, Ok(Identified::NoMatch { .. })), "{nothing:?}");
    }
    let log = plane.server.log().expect("a log");
    assert!(!log.contains("user=billing_app") && !log.contains("user=reporting"), "no login was made");
}

#[tokio::test]
async fn passwords_that_unicode_writes_in_two_ways_are_one_and_older_forms_are_known() {
    let plane = Plane::start().await;
    plane.sql("SET password_encryption = 'scram-sha-256'; ALTER ROLE billing_app PASSWORD 'p\u{2168}'").await;
    assert!(matches!(plane.connector.identify(&Secret::new("pIX")).await, Ok(Identified::Match { .. })));
    plane.sql("SET password_encryption = 'md5'; ALTER ROLE billing_app PASSWORD 'older'").await;
    assert!(matches!(plane.connector.identify(&Secret::new("older")).await, Ok(Identified::Match { .. })));
    assert_eq!(plane.connector.identify(&Secret::new("newer")).await, Ok(Identified::NoMatch { compared: 1 }));
}

#[tokio::test]
async fn more_candidates_than_the_bound_are_not_compared() {
    let plane = Plane::start().await;
    plane
        .sql(
            "DO $$ BEGIN FOR n IN 1..201 LOOP
               EXECUTE format('CREATE ROLE many_%s LOGIN', n); PERFORM quell.admit('many_' || n);
             END LOOP; END $$",
        )
        .await;
    let answer = plane.connector.identify(&plane.leaked()).await.expect("it answers");
    assert!(matches!(&answer, Identified::NotCompared { why } if why.contains("200")), "{answer:?}");
}
