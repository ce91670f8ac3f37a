//! A plane that is slow, full, gone, ended half-way or talks nonsense: never
//! taken for a refusal, and never waited for longer than was said.

use std::time::{Duration, Instant};

use quell_connectors::postgresql::{PostgreSql, Reach};
use quell_core::{action::Action, proof::Liveness, target::TargetKind};
use quell_engine::port::{Connector, Identified, Outcome, PlaneError, ProbeRequest};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::plane::*;

fn everything(plane: &Plane) -> ProbeRequest {
    ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, throw_away: Some(new_secret()), ..about_app() }
}

fn impatient(plane: &Plane) -> PostgreSql {
    plane.connector(|c| c.call_timeout = Duration::from_secs(2))
}

/// Nothing that is asked of this connector is answered, and nobody calls that a refusal.
async fn answers_nothing(connector: &PostgreSql, plane: &Plane) {
    let asked = Asked {
        attempts: vec![
            attempt(Action::SuspendIdentity, &identity(APP)),
            attempt(Action::TerminateSessions, &session("pid:1@1")),
            with_secret(Action::RotateCredential, &credential(APP), &new_secret()),
            with_secret(Action::Reinstate, &identity(APP), &new_secret()),
            attempt(Action::RetireIdentity, &identity(APP)),
        ],
        rounds: vec![everything(plane), about(session("pid:1@1"), APP)],
        identity: APP.to_owned(),
        leaked: plane.leaked(),
        read: credential(APP),
    };
    asked.meet_silence(connector).await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the wait for a real server is what is measured")]
async fn a_paused_server_is_unknown_within_the_deadline_and_read_afterwards() {
    let mut plane = Plane::start().await;
    let connector = impatient(&plane);
    // With a kept connection, and without one.
    assert!(connector.check().await.reachable);
    plane.server.pause().expect("paused");
    let asked = Instant::now();
    let suspend = attempt(Action::SuspendIdentity, &identity(APP));
    let outcome = act(&connector, suspend.clone()).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(asked.elapsed() < Duration::from_secs(6));
    answers_nothing(&connector, &plane).await;

    plane.server.resume().expect("resumed");
    let patient = plane.connector(|_| {});
    read_and_done(&patient, suspend).await;
    assert!(matches!(plane.connector.identify(&plane.leaked()).await, Ok(Identified::Match { .. } | Identified::NoMatch { .. })));
}

#[tokio::test]
async fn a_server_that_is_gone_or_talks_nonsense_is_unknown() {
    let plane = Plane::start().await;
    let junk: &[&[u8]] =
        &[b"", b"S", b"SSH-2.0-OpenSSH_9.2\r\n", b"N", b"E\0\0\0\x08oops", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", &[0xff; 4096]];
    for bytes in junk {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let bytes = bytes.to_vec();
        let speaking = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(&bytes).await;
            }
        });
        for tls in [true, false] {
            let connector = plane.connector(|c| {
                c.call_timeout = Duration::from_millis(250);
                let (host, address) = ("localhost".to_owned(), Some(std::net::Ipv4Addr::LOCALHOST.into()));
                c.reach = match tls {
                    true => Reach::Tls { host, port, address, ca_pem: plane.server.ca_pem().to_owned() },
                    false => Reach::Clear { host, port, address },
                };
            });
            answers_nothing(&connector, &plane).await;
        }
        speaking.abort();
    }
}

#[tokio::test]
async fn a_full_server_is_asked_again_later() {
    let plane = Plane::start().await;
    plane.sql("ALTER ROLE quell CONNECTION LIMIT 0").await;
    assert!(matches!(plane.connector.enumerate(APP).await, Err(PlaneError::Throttled { retry_after_ms, .. }) if retry_after_ms > 0));
    let outcome = plane.act(Action::SuspendIdentity, &identity(APP)).await;
    assert!(matches!(outcome, Outcome::Throttled { .. }), "{outcome:?}");
}

#[tokio::test]
async fn quells_own_login_that_is_refused_is_said_with_the_next_move() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| c.secret = new_secret());
    let refused = connector.enumerate(APP).await.expect_err("a wrong secret");
    assert!(matches!(&refused, PlaneError::NotPermitted { why, .. } if why.contains("28P01")), "{refused}");
    let (proved, _) = judged(&connector, about_app(), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown);
}

#[tokio::test]
async fn a_database_without_the_functions_says_which_script_to_run() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| c.dbname = "postgres".to_owned());
    let outcome = act(&connector, attempt(Action::SuspendIdentity, &identity(APP))).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("quell connector bootstrap")), "{outcome:?}");
}

#[tokio::test]
async fn a_killed_and_restarted_server_is_found_again_and_the_lock_with_it() {
    let mut plane = Plane::start().await;
    done(plane.act(Action::SuspendIdentity, &identity(APP)).await);
    plane.server.restart().expect("restarted");
    let listed = plane.connector.enumerate(APP).await.expect("a closed kept connection is replaced");
    assert_eq!(listed.of(TargetKind::Identity).next().and_then(|f| f.facts.get("can_login").cloned()).as_deref(), Some("false"));
    plane.server.kill_hard().expect("killed");
    let outcome = plane.act(Action::SuspendIdentity, &identity(APP)).await;
    assert!(!matches!(outcome, Outcome::Refused { .. } | Outcome::Done { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_statement_that_is_ended_half_way_is_unknown_and_read_before_it_is_repeated() {
    let plane = Plane::start().await;
    let waits = "SELECT pid FROM pg_stat_activity WHERE usename = 'quell' AND wait_event_type = 'Lock'";
    for terminated in [true, false] {
        // The change of the role waits for somebody; then its backend is ended, or its time.
        let connector = plane.connector(|c| {
            // Longer than it takes to see that it waits; short where its own time is to end it.
            (c.statement_timeout, c.call_timeout) =
                if terminated { (Duration::from_secs(50), Duration::from_secs(60)) } else { (Duration::from_millis(400), c.call_timeout) };
        });
        assert!(connector.check().await.reachable);
        plane.sql("BEGIN; LOCK TABLE pg_authid IN EXCLUSIVE MODE").await;
        let suspend = attempt(Action::SuspendIdentity, &identity(APP));
        let end_it = async {
            if terminated {
                let mut waiting = Vec::new();
                while waiting.is_empty() {
                    waiting = plane.admin.query(waits, &[]).await.expect("asked");
                }
                let pid: i32 = waiting[0].get(0);
                plane.admin.query_one("SELECT pg_terminate_backend($1)", &[&pid]).await.expect("ended");
            }
        };
        let (outcome, ()) = tokio::join!(act(&connector, suspend.clone()), end_it);
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        plane.sql("ROLLBACK").await;
        assert_eq!(connector.read_outcome(&suspend).await, Outcome::Throttled { retry_after_ms: 0 }, "it did not happen");
    }
    done(plane.act(Action::SuspendIdentity, &identity(APP)).await);
}

#[tokio::test]
async fn many_at_once_share_a_few_connections() {
    let plane = Plane::start().await;
    let asked = (0..40).map(|_| plane.connector.enumerate(APP));
    for listed in futures::future::join_all(asked).await {
        listed.expect("everybody is served");
    }
    let row = plane.admin.query_one("SELECT count(*) FROM pg_stat_activity WHERE usename = 'quell'", &[]).await.expect("asked");
    assert!(row.get::<_, i64>(0) <= 4, "{}", row.get::<_, i64>(0));
}
