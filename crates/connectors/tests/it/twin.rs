//! The second role of a controlled failover: made, used, found again, retired.

use quell_core::{action::Action, proof::Liveness, target::TargetKind};
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};

use crate::plane::*;

const TWIN: &str = "billing_app_q7f3k";

fn reissue(twin: &str) -> (Attempt, quell_core::secret::Secret) {
    let secret = new_secret();
    let mut attempt = with_secret(Action::ReissueCredential, &identity(APP), &secret);
    attempt.parameters.insert("twin".to_owned(), twin.to_owned());
    (attempt, secret)
}

async fn exists(plane: &Plane, role: &str) -> bool {
    plane.admin.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&role]).await.expect("asked").is_some()
}

#[tokio::test]
async fn a_twin_works_on_with_the_same_memberships_while_the_original_dies() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE auditing; GRANT auditing TO billing_app; ALTER ROLE billing_app CONNECTION LIMIT 9").await;
    let (attempt, secret) = reissue(TWIN);
    let changed = done(act(&plane.connector, attempt).await);
    assert_eq!(changed["memberships"].1.as_deref(), Some("2"));
    assert_eq!(changed["left_behind"].1.as_deref(), Some("0"));

    let groups = "SELECT array_agg(g.rolname::text ORDER BY 1) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = $1::text::regrole";
    let of = async |role: &str| plane.admin.query_one(groups, &[&role]).await.expect("asked").get::<_, Vec<String>>(0);
    assert_eq!(of(TWIN).await, of(APP).await);
    let row = plane.admin.query_one("SELECT pg_has_role($1::text, 'billing_app', 'MEMBER')", &[&TWIN]).await.expect("asked");
    assert!(!row.get::<_, bool>(0), "never a member of the contained role");

    let consumer = plane.server.connect(TWIN, secret.expose(), "billing").await.expect("the twin logs in");
    let own = || ProbeRequest { own: Some(secret.clone()), ..about(credential(TWIN), TWIN) };
    let (proved, _) = plane.judged(own(), None).await;
    assert_eq!(proved.liveness, Liveness::Live);

    plane.contain().await;
    let (proved, _) = plane.judged(about_app(), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "the twin is not a way into the original: {proved:?}");
    consumer.execute("INSERT INTO payments (amount, note) VALUES (1, 'as the twin')", &[]).await.expect("the consumer works on");

    // Found by the inventory as what it is.
    let all = plane.connector.enumerate(TWIN).await.expect("a twin is in scope");
    assert_eq!(all.of(TargetKind::Identity).next().and_then(|f| f.facts.get("twin_of").cloned()).as_deref(), Some(APP));

    // Retired: dead, and the consumer's session with it.
    done(plane.act(Action::RetireIdentity, &identity(TWIN)).await);
    assert!(consumer.query_one("SELECT 1", &[]).await.is_err());
    assert!(!exists(&plane, TWIN).await);
    let (proved, _) = plane.judged(about(credential(TWIN), TWIN), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{proved:?}");
    assert_eq!(done(plane.act(Action::RetireIdentity, &identity(TWIN)).await), Default::default(), "twice is once");
}

#[tokio::test]
async fn an_own_secret_that_is_refused_is_dead() {
    let plane = Plane::start().await;
    let (attempt, secret) = reissue(TWIN);
    done(act(&plane.connector, attempt).await);
    plane.sql("ALTER ROLE billing_app_q7f3k NOLOGIN").await;
    let (proved, _) = plane.judged(ProbeRequest { own: Some(secret), ..about(credential(TWIN), TWIN) }, None).await;
    assert_eq!(proved.liveness, Liveness::Dead);
}

#[tokio::test]
async fn an_orphan_of_a_crashed_attempt_is_found_and_removed() {
    let plane = Plane::start().await;
    let (attempt, _) = reissue(TWIN);
    assert_eq!(plane.connector.read_outcome(&attempt).await, Outcome::Throttled { retry_after_ms: 0 });
    done(act(&plane.connector, attempt.clone()).await);
    done(plane.connector.read_outcome(&attempt).await);
    assert!(exists(&plane, TWIN).await, "a twin with the attempt's secret is no orphan");

    // The secret was lost in the crash: nobody can use this twin.
    let lost = Attempt { new_secret: None, ..attempt.clone() };
    assert_eq!(plane.connector.read_outcome(&lost).await, Outcome::Throttled { retry_after_ms: 0 });
    assert!(!exists(&plane, TWIN).await);
    assert_eq!(plane.connector.read_outcome(&lost).await, Outcome::Throttled { retry_after_ms: 0 });
    let (again, _) = reissue("billing_app_second");
    done(act(&plane.connector, again).await);
}

#[tokio::test]
async fn the_same_attempt_twice_makes_one_twin_with_the_newest_secret() {
    let plane = Plane::start().await;
    let (first, _) = reissue(TWIN);
    done(act(&plane.connector, first.clone()).await);
    let secret = new_secret();
    done(act(&plane.connector, Attempt { new_secret: Some(secret.clone()), ..first }).await);
    plane.server.connect(TWIN, secret.expose(), "billing").await.expect("the second secret stands");
    // Another attempt does not take it over.
    let (other, _) = reissue(TWIN);
    let outcome = act(&plane.connector, other).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("42710")), "{outcome:?}");
}

#[tokio::test]
async fn names_of_twins_are_narrow_and_never_those_of_others() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE billing_app_exists LOGIN").await;
    let long = format!("billing_app_{}", "x".repeat(60));
    for name in [
        "postgres",
        "other_q7f3k",
        "billing_app",
        "billing_app_",
        "billing_app_Q7F3K",
        "billing_app_a b",
        "billing_app_x\"; DROP",
        "billing_app_exists",
        long.as_str(),
        "",
        "a\0",
    ] {
        let (attempt, _) = reissue(name);
        let outcome = act(&plane.connector, attempt).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{name}: {outcome:?}");
    }
    let row = plane.admin.query_one("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'billing_app%'", &[]).await.expect("asked");
    assert_eq!(row.get::<_, i64>(0), 2);
}

#[tokio::test]
async fn a_long_name_is_cut_short_in_the_name_of_its_twin() {
    let plane = Plane::start().await;
    let long = format!("{}{}", "ä".repeat(20), "x".repeat(20));
    plane.sql(&format!("CREATE ROLE \"{long}\" LOGIN; SELECT quell.admit('{long}')")).await;
    for (base, good) in [(&long[..50], true), (&long[..38], false), ("billing_app", false)] {
        let mut attempt = with_secret(Action::ReissueCredential, &identity(&long), &new_secret());
        attempt.parameters.insert("twin".to_owned(), format!("{base}_q7f3k"));
        let outcome = act(&plane.connector, attempt).await;
        assert_eq!(matches!(outcome, Outcome::Done { .. }), good, "{base}: {outcome:?}");
    }
}

#[tokio::test]
async fn our_own_probe_is_not_taken_for_the_consumer_and_nobody_passes_for_it() {
    let plane = Plane::start().await;
    let (attempt, secret) = reissue(TWIN);
    done(act(&plane.connector, attempt).await);
    let own = || ProbeRequest { own: Some(secret.clone()), ..about(credential(TWIN), TWIN) };
    for _ in 0..20 {
        assert_eq!(plane.judged(own(), None).await.0.liveness, Liveness::Live);
        let listed = plane.connector.enumerate(TWIN).await.expect("in scope");
        assert!(listed.of(TargetKind::Session).all(|s| s.facts.contains_key("ours")), "{listed:?}");
    }
    let mut pretender = plane.server.config(TWIN, secret.expose(), "billing");
    let _session = quell_lab::dial::dial(pretender.application_name("quell-probe"), plane.server.tls()).await.expect("in");
    let listed = plane.connector.enumerate(TWIN).await.expect("in scope");
    assert!(listed.of(TargetKind::Session).any(|s| !s.facts.contains_key("ours")), "a name makes nobody Quell");
}

#[tokio::test]
async fn only_what_quell_made_is_dropped() {
    let plane = Plane::start().await;
    for role in [APP, "reporting", "postgres", "quell_control"] {
        let outcome = plane.act(Action::RetireIdentity, &identity(role)).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{role}: {outcome:?}");
        assert!(exists(&plane, role).await);
    }
}

#[tokio::test]
async fn a_twin_that_owns_something_is_locked_and_not_dropped() {
    let plane = Plane::start().await;
    let (attempt, _) = reissue(TWIN);
    done(act(&plane.connector, attempt).await);
    plane.sql("CREATE SCHEMA of_the_twin AUTHORIZATION billing_app_q7f3k").await;
    let outcome = plane.act(Action::RetireIdentity, &identity(TWIN)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("2BP01")), "{outcome:?}");
    let (proved, _) = plane.judged(about(credential(TWIN), TWIN), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "it is dead all the same");
}

#[tokio::test]
async fn what_does_not_follow_to_the_twin_is_counted() {
    let plane = Plane::start().await;
    plane.sql("GRANT SELECT ON payments TO billing_app; ALTER ROLE billing_app SET work_mem = '8MB'").await;
    let (attempt, _) = reissue(TWIN);
    let changed = done(act(&plane.connector, attempt).await);
    assert_eq!(changed["left_behind"].1.as_deref(), Some("2"));
    let (on_a_twin, _) = reissue(&format!("{TWIN}_q7f3k"));
    let mut on_a_twin = on_a_twin;
    on_a_twin.target = identity(TWIN);
    assert!(matches!(act(&plane.connector, on_a_twin).await, Outcome::Refused { .. }), "a twin has no twin");
}
