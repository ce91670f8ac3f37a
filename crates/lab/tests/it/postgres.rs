use std::time::Duration;

use quell_lab::{
    ca::{Ca, LOOPBACK},
    dial,
    estate::Estate,
    postgres::{Options, Postgres, StandbyOptions},
    process::alive,
    secret::MARK,
};
use tokio_postgres::{Client, error::SqlState};

use crate::{eventually, listening};

async fn fresh() -> Postgres {
    Postgres::start(Options::default()).await.unwrap()
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_server_listens_on_127_0_0_1_and_nowhere_else() {
    let server = fresh().await;
    assert_eq!(listening(&server.processes()), [format!("tcp 0100007F:{:04X}", server.port())]);
}

#[tokio::test]
async fn tls_clear_tcp_and_the_private_socket_log_in() {
    let server = fresh().await;
    let estate = Estate::billing(&server).await.unwrap();
    let (user, password) = (&estate.app.user, estate.app.password.reveal());
    let encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";

    let tls = server.connect(user, password, &estate.database).await.unwrap();
    assert_eq!(number(&tls, encrypted).await, 1);
    let clear = server.connect_clear(user, password, &estate.database).await.unwrap();
    assert_eq!(number(&clear, encrypted).await, 0);
    let private = server.connect_unix_superuser("postgres").await.unwrap();
    assert_eq!(number(&private, "SELECT count(*) FROM pg_roles WHERE rolname = current_user AND rolsuper").await, 1);
    let superuser = server.connect_superuser("postgres").await.unwrap();
    assert_eq!(number(&superuser, encrypted).await, 1);

    tls.execute("INSERT INTO payments (amount, note) VALUES (1, 'test')", &[]).await.unwrap();
    let wrong = server.connect(user, "no", &estate.database).await.err().unwrap();
    assert_eq!(wrong.code(), Some(&SqlState::INVALID_PASSWORD));
    let peer = server.connect_clear("postgres", "no", "postgres").await.err().unwrap();
    assert_eq!(peer.code(), Some(&SqlState::INVALID_PASSWORD));
}

#[tokio::test]
async fn a_server_of_another_authority_or_name_is_refused() {
    let mut server = fresh().await;
    let other = Ca::new("somebody else").unwrap();
    let config = server.superuser("postgres");
    let deceived = dial::dial(&config, &dial::trusting(other.der()).unwrap()).await;
    assert!(deceived.is_err(), "a server of another authority was believed");

    for cert in [other.server(&LOOPBACK).unwrap(), server.ca().server(&["elsewhere.test"]).unwrap()] {
        server.present(&cert).await.unwrap();
        assert!(server.connect_superuser("postgres").await.is_err(), "a wrong certificate was believed");
    }
    let right = server.ca().server(&LOOPBACK).unwrap();
    server.present(&right).await.unwrap();
    server.connect_superuser("postgres").await.unwrap();
}

#[tokio::test]
async fn a_delayed_standby_has_the_commit_and_does_not_show_it() {
    let primary = fresh().await;
    let delay = StandbyOptions { apply_delay: Duration::from_secs(3600) };
    let mut standby = primary.standby(delay).await.unwrap();
    assert_ne!(standby.port(), primary.port());

    let writer = primary.connect_superuser("postgres").await.unwrap();
    writer.batch_execute("CREATE ROLE late NOLOGIN").await.unwrap();
    let written: String = writer.query_one("SELECT pg_current_wal_flush_lsn()::text", &[]).await.unwrap().get(0);
    let reader = standby.connect_superuser("postgres").await.unwrap();
    let received = format!("SELECT count(*) FROM pg_stat_wal_receiver WHERE flushed_lsn >= '{written}'");
    eventually("the standby has the commit", || async { number(&reader, &received).await == 1 }).await;
    let held = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event = 'RecoveryApplyDelay'";
    eventually("the standby holds it back", || async { number(&reader, held).await == 1 }).await;

    let late = "SELECT count(*) FROM pg_roles WHERE rolname = 'late'";
    assert_eq!(number(&reader, late).await, 0);
    standby.set("recovery_min_apply_delay", "0").await.unwrap();
    eventually("the standby shows the commit", || async { number(&reader, late).await == 1 }).await;
}

#[tokio::test]
async fn a_paused_server_hangs_and_a_resumed_one_answers() {
    let mut server = fresh().await;
    let session = server.connect_superuser("postgres").await.unwrap();
    server.pause().unwrap();
    let mut answer = Box::pin(session.query_one("SELECT 1", &[]));
    let config = server.superuser("postgres");
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut answer).await.is_err(), "a paused server answered");
    let tls = server.tls().clone();
    let mut login = Box::pin(dial::dial(&config, &tls));
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut login).await.is_err(), "a paused server let in");
    server.resume().unwrap();
    answer.await.unwrap();
    login.await.unwrap();
}

#[tokio::test]
async fn a_restart_and_a_crash_keep_port_and_data() {
    let mut server = fresh().await;
    let port = server.port();
    let client = server.connect_superuser("postgres").await.unwrap();
    client.batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1); CHECKPOINT").await.unwrap();

    server.restart().unwrap();
    assert!(client.query_one("SELECT 1", &[]).await.is_err(), "a session outlived the restart");
    let client = server.connect_superuser("postgres").await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM kept").await, 1);

    let family = server.processes();
    server.kill_hard().unwrap();
    assert!(family.len() > 1 && !family.into_iter().any(alive));
    assert!(server.connect_superuser("postgres").await.is_err(), "a killed server let in");
    server.start_again().unwrap();
    let client = server.connect_superuser("postgres").await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM kept").await, 1);
    assert_eq!(server.port(), port);
}

#[tokio::test]
async fn a_dropped_server_leaves_no_process_and_no_directory() {
    for condition in ["running", "paused", "killed", "stopped"] {
        let mut server = fresh().await;
        let session = server.connect_superuser("postgres").await.unwrap();
        let family = server.processes();
        match condition {
            "paused" => server.pause().unwrap(),
            "killed" => server.kill_hard().unwrap(),
            "stopped" => server.stop().unwrap(),
            _ => {}
        }
        let dir = server.dir().to_owned();
        assert!(dir.is_dir());
        // Well under the time after which the keeper stops asking and kills.
        let dropping = tokio::time::Instant::now();
        drop(server);
        assert!(dropping.elapsed() < Duration::from_secs(9), "{condition}: it had to be killed");
        assert!(!dir.exists(), "{condition}: the directory is still there");
        assert!(!family.into_iter().any(alive), "{condition}: a process is still there");
        drop(session);
    }
}

#[tokio::test]
async fn the_lines_of_pg_hba_are_the_caller_s_and_the_lab_stays_in() {
    let mut server = fresh().await;
    server.set_hba(&["hostssl all postgres 127.0.0.1/32 trust"]).await.unwrap();
    server.connect("postgres", "not the password", "postgres").await.unwrap();
    assert!(server.connect_clear("postgres", "not the password", "postgres").await.is_err());
    server.set_hba(&[]).await.unwrap();
    let refused = server.connect_superuser("postgres").await.err().unwrap();
    assert_eq!(refused.code(), Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION));
    server.connect_unix_superuser("postgres").await.unwrap();
}

#[tokio::test]
async fn only_an_instance_of_its_own_has_its_own_identity() {
    let own = Options { own_identity: true, ..Options::default() };
    let (a, b, own) = tokio::join!(fresh(), fresh(), Postgres::start(own));
    let mut seen = Vec::new();
    for server in [a, b, own.unwrap()] {
        let client = server.connect_unix_superuser("postgres").await.unwrap();
        seen.push(number(&client, "SELECT system_identifier FROM pg_control_system()").await);
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[1], seen[2]);
}

#[tokio::test]
async fn no_secret_reaches_the_server_s_log_or_debug_output() {
    let settings = [("log_statement", "all"), ("log_min_duration_statement", "0")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let server = Postgres::start(Options { log_connections: true, settings, ..Options::default() }).await.unwrap();
    let estate = Estate::billing(&server).await.unwrap();
    server.connect(&estate.app.user, estate.app.password.reveal(), &estate.database).await.unwrap();
    let log = server.log().unwrap();
    assert!(log.contains("CREATE ROLE billing_app") && log.contains("connection authorized: user=billing_app"), "{log}");
    assert!(!log.contains(MARK));
    assert!(estate.app.password.reveal().starts_with(MARK));
    assert!(!format!("{estate:?}").contains(MARK));
}
