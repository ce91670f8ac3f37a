//! Least privilege: what the connector's role can do, and what nobody can do with it.

use quell_connectors::postgresql::bootstrap_sql;
use quell_core::action::Action;
use quell_engine::port::{Connector, Outcome};
use tokio_postgres::Client;

use crate::plane::*;

async fn as_quell(plane: &Plane) -> Client {
    plane.server.connect("quell", plane.config.secret.expose(), "billing").await.expect("Quell logs in")
}

async fn code(client: &Client, sql: &str) -> String {
    match client.batch_execute(sql).await {
        Ok(()) => "done".to_owned(),
        Err(e) => e.code().map_or_else(|| e.to_string(), |c| c.code().to_owned()),
    }
}

#[tokio::test]
async fn the_connector_role_has_what_it_needs_and_no_more() {
    let plane = Plane::start().await;
    let check = plane.connector.check().await;
    assert!(check.reachable && check.control_alive, "{check:?}");
    assert_eq!((check.privileges.missing, check.privileges.excess), (vec![], vec![]));
    assert!(check.warnings.iter().any(|w| w.contains("near to a superuser")), "{:?}", check.warnings);

    let quell = as_quell(&plane).await;
    for (sql, wanted) in [
        ("ALTER ROLE billing_app NOLOGIN", "42501"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'", "42501"),
        ("SELECT rolpassword FROM pg_authid", "42501"),
        ("SELECT * FROM quell.scope", "42501"),
        ("INSERT INTO quell.scope VALUES ('reporting', 1)", "42501"),
        ("SELECT * FROM quell.known", "42501"),
        ("SELECT quell.admit('reporting')", "42501"),
        ("SELECT quell.set_verifier('billing_app', 'x')", "42501"),
        ("SELECT quell.scoped('billing_app')", "42501"),
        ("SET ROLE quell_owner", "42501"),
        ("CREATE FUNCTION quell.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "42501"),
        ("SELECT quell.lock('billing_app')", "done"),
    ] {
        assert_eq!(code(&quell, sql).await, wanted, "{sql}");
    }

    plane.sql("REVOKE EXECUTE ON FUNCTION quell.lock(text) FROM quell; GRANT pg_read_all_data TO quell; ALTER ROLE quell CREATEDB").await;
    plane.sql("GRANT EXECUTE ON FUNCTION quell.admit(text) TO quell").await;
    let check = plane.connector.check().await;
    assert_eq!(check.privileges.missing, vec!["EXECUTE ON FUNCTION quell.lock(text)"]);
    assert_eq!(
        check.privileges.excess,
        vec!["EXECUTE ON FUNCTION quell.admit(text)", "CREATEDB", "membership in pg_read_all_data", "SELECT ON pg_authid"]
    );
    let outcome = plane.act(Action::SuspendIdentity, &identity(APP)).await;
    assert!(
        matches!(&outcome, Outcome::Refused { reason } if reason.contains("42501") && reason.contains("lock")),
        "the missing privilege is named: {outcome:?}"
    );
}

#[tokio::test]
async fn nobody_else_may_execute_anything() {
    let plane = Plane::start().await;
    let public = "SELECT count(*), count(*) FILTER (WHERE has_function_privilege('reporting', p.oid, 'EXECUTE')
          OR has_function_privilege('quell_control', p.oid, 'EXECUTE')
          OR EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0))
        FROM pg_proc p WHERE p.pronamespace = 'quell'::regnamespace";
    let row = plane.admin.query_one(public, &[]).await.expect("asked");
    assert!(row.get::<_, i64>(0) > 20);
    assert_eq!(row.get::<_, i64>(1), 0);
    let reporting = plane.server.connect("reporting", plane.estate.reporting.password.reveal(), "billing").await.expect("in");
    assert_eq!(code(&reporting, "SELECT quell.lock('billing_app')").await, "42501");

    plane.sql("GRANT EXECUTE ON FUNCTION quell.kill_all(text) TO PUBLIC").await;
    let check = plane.connector.check().await;
    assert!(check.warnings.iter().any(|w| w.contains("everybody may execute `quell.kill_all(text)`")), "{:?}", check.warnings);
}

#[tokio::test]
async fn every_definer_function_pins_its_path_and_belongs_to_the_owner() {
    let plane = Plane::start().await;
    let rows = plane
        .admin
        .query(
            "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'quell'::regnamespace AND (
               p.proowner <> 'quell_owner'::regrole
               OR (p.prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)))",
            &[],
        )
        .await
        .expect("asked");
    let wrong: Vec<String> = rows.iter().map(|r| r.get(0)).collect();
    assert_eq!(wrong, Vec::<String>::new());
    let owner = plane
        .admin
        .query_one(
            "SELECT rolcanlogin, rolsuper, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'quell_owner'",
            &[],
        )
        .await
        .expect("asked");
    let held: Vec<bool> = (0..5).map(|n| owner.get(n)).collect();
    assert_eq!(held, [false, false, true, false, false]);
}

#[tokio::test]
async fn shadowing_with_temporary_things_changes_nothing() {
    let plane = Plane::start().await;
    let quell = as_quell(&plane).await;
    quell
        .batch_execute(
            "CREATE TEMP TABLE scope (name text, oid oid, fresh_after timestamptz);
             CREATE TEMP TABLE known (name text, oid oid, fresh_after timestamptz, original oid, dropped boolean);
             INSERT INTO known SELECT rolname, oid, NULL, NULL, false FROM pg_roles;
             CREATE TEMP TABLE pg_roles AS SELECT oid, rolname, true AS rolcanlogin, false AS rolsuper, false AS rolreplication FROM pg_catalog.pg_roles;
             CREATE FUNCTION pg_temp.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'ALTER ROLE postgres NOLOGIN' $$;
             CREATE FUNCTION pg_temp.left(text, integer) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
             CREATE FUNCTION pg_temp.eq(oid, oid) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
             CREATE OPERATOR pg_temp.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = pg_temp.eq);
             SET search_path = pg_temp, pg_catalog",
        )
        .await
        .expect("anybody may make temporary things");
    for role in ["postgres", "reporting", "quell_owner"] {
        assert_eq!(code(&quell, &format!("SELECT quell.lock('{role}')")).await, "42501");
    }
    assert_eq!(code(&quell, "SELECT quell.lock('billing_app')").await, "done");
    let open =
        plane.admin.query("SELECT FROM pg_roles WHERE rolname IN ('postgres', 'reporting') AND rolcanlogin", &[]).await.expect("asked");
    assert_eq!(open.len(), 2);
}

#[tokio::test]
async fn a_renamed_role_is_not_followed_and_its_namesake_is_not_touched() {
    let plane = Plane::start().await;
    let (before, secrets) = plane.connector.read(&identity(APP)).await.expect("it is in scope");
    plane.sql("ALTER ROLE billing_app RENAME TO moved; ALTER ROLE reporting RENAME TO billing_app").await;
    for (action, target) in [
        (Action::SuspendIdentity, identity(APP)),
        (Action::RotateCredential, credential(APP)),
        (Action::TerminateSessions, identity(APP)),
        (Action::Reinstate, identity(APP)),
        (Action::SuspendIdentity, identity("moved")),
    ] {
        let outcome = act(&plane.connector, with_secret(action, &target, &new_secret())).await;
        assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("42501")), "{action:?}: {outcome:?}");
    }
    let mut restore = attempt(Action::Restore, &identity(APP));
    (restore.before, restore.before_secrets) = (Some(before), secrets);
    assert!(matches!(act(&plane.connector, restore).await, Outcome::Refused { .. }));
    let untouched =
        plane.admin.query("SELECT FROM pg_roles WHERE rolname IN ('moved', 'billing_app') AND rolcanlogin", &[]).await.expect("asked");
    assert_eq!(untouched.len(), 2);
    assert!(plane.connector.enumerate(APP).await.is_err());
}

#[tokio::test]
async fn superusers_replication_roles_and_quells_own_are_out_of_reach() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE boss SUPERUSER LOGIN; CREATE ROLE copier REPLICATION LOGIN").await;
    for role in ["postgres", "boss", "copier", "quell", "quell_owner", "quell_control"] {
        assert_eq!(code(&plane.admin, &format!("SELECT quell.admit('{role}')")).await, "42501", "{role}");
    }
    // Promoted after it was admitted: refused all the same, and known as protected.
    plane.sql("ALTER ROLE billing_app SUPERUSER").await;
    let outcome = plane.act(Action::SuspendIdentity, &identity(APP)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("protected")), "{outcome:?}");
    assert_eq!(plane.connector.protected(APP), None, "not seen yet");
    let _ = plane.connector.inventory().await.expect("listed");
    assert!(plane.connector.protected(APP).is_some_and(|why| why.contains("superuser")));
    plane.sql("ALTER ROLE billing_app NOSUPERUSER REPLICATION").await;
    assert!(matches!(plane.act(Action::SuspendIdentity, &identity(APP)).await, Outcome::Refused { .. }));
    let _ = plane.connector.inventory().await.expect("listed");
    assert!(plane.connector.protected(APP).is_some_and(|why| why.contains("replication")));
    for own in ["quell", "quell_owner", "quell_control"] {
        assert!(plane.connector.protected(own).is_some());
    }
    assert!(plane.connector(|c| c.protected = vec!["reporting".to_owned()]).protected("reporting").is_some());
}

#[tokio::test]
async fn rotating_takes_a_scram_verifier_and_nothing_else() {
    let plane = Plane::start().await;
    let quell = as_quell(&plane).await;
    let good = "SCRAM-SHA-256$4096:qhmvvgzrbqiRwVE2qUI5gA==$Fd9VZQ5ZK6bYVEg0cbsnvXHTUAJ7qCeK1Y6RDxeG3Ws=:q/Tf7EvmDWl9Gpxo1cV1IJHKbBGTSF5lQuzVhYkSmdc=";
    for bad in [
        "NULL",
        "''",
        "'plain'",
        "'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
        "'SCRAM-SHA-256$0:qhmvvgzrbqiRwVE2qUI5gA==$a=:b='",
        "'SCRAM-SHA-1$4096:qhmvvgzrbqiRwVE2qUI5gA==$Fd9VZQ5ZK6bYVEg0cbsnvXHTUAJ7qCeK1Y6RDxeG3Ws=:q/Tf7EvmDWl9Gpxo1cV1IJHKbBGTSF5lQuzVhYkSmdc='",
        &format!("E'{good}\\n'"),
        &format!("E'{good}''; DROP ROLE x; --'"),
        &format!("'{good}x'"),
    ] {
        assert_eq!(code(&quell, &format!("SELECT quell.rotate('billing_app', {bad})")).await, "22023", "{bad}");
        assert_eq!(
            code(&quell, &format!("SELECT * FROM quell.make_twin('billing_app', 'billing_app_twin', {bad}, 'm')")).await,
            "22023",
            "{bad}"
        );
    }
    assert_eq!(code(&quell, "SELECT quell.put_back('billing_app', 'plain')").await, "22023");
    assert_eq!(code(&quell, &format!("SELECT quell.rotate('billing_app', '{good}')")).await, "done");
    assert_eq!(code(&quell, &format!("SELECT quell.rotate('reporting', '{good}')")).await, "42501");
}

#[tokio::test]
async fn sessions_of_others_are_never_ended() {
    let plane = Plane::start().await;
    let reporting = plane.server.connect("reporting", plane.estate.reporting.password.reveal(), "billing").await.expect("in");
    let sql = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint FROM pg_stat_activity WHERE usename = $1";
    for user in ["reporting", "postgres"] {
        let row = plane.admin.query(sql, &[&user]).await.expect("asked").remove(0);
        let native = format!("pid:{}@{}", row.get::<_, i32>(0), row.get::<_, i64>(1));
        let outcome = plane.act(Action::TerminateSessions, &session(&native)).await;
        assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("42501")), "{user}: {outcome:?}");
    }
    reporting.query_one("SELECT 1", &[]).await.expect("it serves on");
}

#[tokio::test]
async fn the_script_runs_again_and_keeps_scope_and_twins() {
    let plane = Plane::start().await;
    let mut reissue = with_secret(Action::ReissueCredential, &identity(APP), &new_secret());
    reissue.parameters.insert("twin".to_owned(), "billing_app_again".to_owned());
    done(act(&plane.connector, reissue).await);
    let script = bootstrap_sql(&plane.config, &["reporting".to_owned()]).expect("good names");
    plane.sql(&script).await;
    let names: Vec<String> =
        plane.connector.inventory().await.expect("listed").of(quell_core::target::TargetKind::Identity).map(|f| f.native.clone()).collect();
    assert_eq!(names, ["billing_app", "billing_app_again", "reporting"]);
    done(plane.act(Action::SuspendIdentity, &identity("reporting")).await);
    let check = plane.connector.check().await;
    assert_eq!((check.privileges.missing, check.privileges.excess), (vec![], vec![]));
}

#[tokio::test]
async fn a_schema_of_somebody_else_or_a_caller_without_rights_stops_the_script() {
    let server = quell_lab::postgres::Postgres::start(Default::default()).await.expect("a server");
    let admin = server.connect_unix_superuser("postgres").await.expect("in");
    let mut config = config(&server, server.port());
    config.dbname = "postgres".to_owned();
    let script = bootstrap_sql(&config, &[]).expect("good names");
    admin.batch_execute("CREATE ROLE squatter; CREATE SCHEMA quell AUTHORIZATION squatter").await.expect("made");
    assert_eq!(code(&admin, &script).await, "42501");
    admin.batch_execute("ROLLBACK; DROP SCHEMA quell; SET ROLE squatter").await.expect("dropped");
    assert_eq!(code(&admin, &script).await, "42501");
    admin.batch_execute("ROLLBACK; RESET ROLE").await.expect("back");
    assert_eq!(code(&admin, &bootstrap_sql(&config, &["nobody_of_that_name".to_owned()]).expect("good names")).await, "42704");
    admin.batch_execute("ROLLBACK").await.expect("back");
    let made = admin.query("SELECT FROM pg_roles WHERE rolname LIKE 'quell%'", &[]).await.expect("asked");
    assert_eq!(made.len(), 0, "one transaction: all or nothing");
    assert_eq!(code(&admin, &script).await, "done");
}
