//! The race between a lock and a login, on a real server under a storm.
//!
//! A login reads `rolcanlogin` while it authenticates and is listed only
//! afterwards, so a transaction that locks and kills together misses the ones
//! in between: they are checked against the state before its commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quell_core::{
    action::Action,
    proof::Liveness,
    target::TargetKind,
    time::{SignedDuration, Timestamp},
};
use quell_engine::port::{Clock, Connector};
use quell_lab::postgres::{Options, scram_everywhere};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::plane::*;

/// Tasks that log in as fast as they can and keep what they get.
struct Storm {
    on: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<(Vec<Client>, Option<Timestamp>)>>,
}

impl Storm {
    fn start(plane: &Plane) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        let tasks = (0..6)
            .map(|_| {
                let (on, tls) = (on.clone(), plane.server.tls().clone());
                let config = plane.server.config(APP, "trusted", "billing");
                tokio::spawn(async move {
                    let (mut held, mut last) = (Vec::new(), None);
                    while on.load(Ordering::Relaxed) {
                        let started = now();
                        if let Ok(client) = quell_lab::dial::dial(&config, &tls).await {
                            last = Some(started);
                            held.push(client);
                            // The newest few are enough to be found alive.
                            if held.len() > 3 {
                                held.remove(0);
                            }
                        } else {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                    (held, last)
                })
            })
            .collect();
        Self { on, tasks }
    }

    /// Ends it; answers how many sessions still serve, and the start of the last
    /// login that was accepted.
    async fn end(self) -> (usize, Option<Timestamp>) {
        self.on.store(false, Ordering::Relaxed);
        let (mut alive, mut last) = (0, None);
        for task in self.tasks {
            let (held, accepted) = task.await.expect("no panic");
            for client in held {
                alive += usize::from(client.query_one("SELECT 1", &[]).await.is_ok());
            }
            last = last.max(accepted);
        }
        (alive, last)
    }
}

/// A server that lets the role in without a password, so that a login is quick.
async fn quick() -> Plane {
    // A login that was let in may be off the processor for as long before it is listed.
    let mut plane = Plane::with(Options::default(), |c| c.settle_ms = 1_000).await;
    let mut lines = vec!["host all billing_app 127.0.0.1/32 trust".to_owned()];
    lines.extend(scram_everywhere());
    plane.server.set_hba(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await.expect("it reloads");
    plane
}

async fn a_session_is_open(plane: &Plane) {
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'billing_app'";
    while plane.admin.query_one(asked, &[]).await.expect("asked").get::<_, i64>(0) < 3 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locking_and_killing_in_one_transaction_leaves_sessions_alive() {
    let plane = quick().await;
    let mut left = false;
    for _ in 0..1_000 {
        plane.sql("ALTER ROLE billing_app LOGIN").await;
        let storm = Storm::start(&plane);
        a_session_is_open(&plane).await;
        plane
            .sql(
                "BEGIN; ALTER ROLE billing_app NOLOGIN;
                 SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'billing_app'; COMMIT",
            )
            .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        left = storm.end().await.0 > 0;
        if left {
            break;
        }
    }
    assert!(left, "the race was not met in 1,000 rounds; is it still there?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deny_commit_kill_leaves_none_and_no_login_starts_after_the_proof() {
    let plane = quick().await;
    for round in 0..12 {
        plane.sql("ALTER ROLE billing_app LOGIN").await;
        let storm = Storm::start(&plane);
        a_session_is_open(&plane).await;
        done(plane.act(Action::SuspendIdentity, &identity(APP)).await);
        done(plane.act(Action::TerminateSessions, &identity(APP)).await);
        let acted_at = now();
        RealClock.sleep(SignedDuration::from_millis(plane.connector.manifest().settle_ms)).await;
        let (proved, observations) = plane.judged(about_app(), Some(acted_at)).await;
        assert_eq!(proved.liveness, Liveness::Dead, "round {round}: {observations:#?}");
        let proven_at = observations[0].started_at;
        let (alive, last) = storm.end().await;
        assert_eq!(alive, 0, "round {round}: a session served after the proof");
        assert!(last.is_none_or(|last| last < proven_at), "round {round}: a login that started after the proof was accepted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ending_listed_sessions_one_by_one_until_two_listings_are_empty_leaves_none_either() {
    let plane = quick().await;
    for round in 0..6 {
        plane.sql("ALTER ROLE billing_app LOGIN").await;
        let storm = Storm::start(&plane);
        a_session_is_open(&plane).await;
        done(plane.act(Action::SuspendIdentity, &identity(APP)).await);
        let mut empty = 0;
        while empty < 2 {
            let listed = plane.connector.enumerate(APP).await.expect("it is in scope");
            let open: Vec<String> = listed.of(TargetKind::Session).map(|f| f.native.clone()).collect();
            empty = if open.is_empty() { empty + 1 } else { 0 };
            for native in &open {
                done(plane.act(Action::TerminateSessions, &session(native)).await);
            }
            RealClock.sleep(SignedDuration::from_millis(if open.is_empty() { 125 } else { 1 })).await;
        }
        assert_eq!(storm.end().await.0, 0, "round {round}");
    }
}
