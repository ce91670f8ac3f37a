//! Ways to believe in a death that did not happen. Every one must be UNKNOWN.

use std::{path::Path, sync::Arc, time::Duration};

use quell_connectors::postgresql::{PostgreSql, Reach};
use quell_core::{
    action::Action,
    proof::{Answer, Channel, Liveness, ProbeClass},
};
use quell_engine::port::{Connector, Outcome, PlaneError, ProbeRequest};
use quell_lab::postgres::StandbyOptions;

use crate::plane::*;

/// Everything a round may use.
fn everything(plane: &Plane) -> ProbeRequest {
    ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, ..about_app() }
}

#[tokio::test]
async fn an_expired_control_proves_nothing() {
    let plane = Plane::start().await;
    plane.contain().await;
    let (proved, _) = plane.judged(everything(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "dead, while the control lives");
    for broken in [
        "ALTER ROLE quell_control VALID UNTIL '2020-01-01'",
        "ALTER ROLE quell_control VALID UNTIL 'infinity' NOLOGIN",
        "ALTER ROLE quell_control RENAME TO somebody_else",
    ] {
        plane.sql(broken).await;
        unknown(&plane.connector, everything(&plane), "control was not alive").await;
    }
    assert!(!plane.connector.check().await.control_alive);
}

#[tokio::test]
async fn a_control_with_a_wrong_secret_takes_the_login_probe_with_it() {
    let plane = Plane::start().await;
    plane.contain().await;
    let connector = plane.connector(|c| c.control.secret = new_secret());
    let round = connector.probe(&everything(&plane)).await;
    let login = round.iter().find(|o| o.class == ProbeClass::Login).expect("tried");
    assert_eq!(quell_core::proof::judge(login, None, 250).liveness, Liveness::Unknown, "{login:#?}");
}

fn reach(plane: &Plane, at: u16) -> Reach {
    Reach::Tls {
        host: "localhost".to_owned(),
        port: at,
        address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        ca_pem: plane.server.ca_pem().to_owned(),
    }
}

#[tokio::test]
async fn a_cut_network_proves_nothing() {
    let plane = Plane::start().await;
    plane.contain().await;
    let (port, run) = line(plane.server.port()).await;
    let connector = plane.connector(|c| c.reach = reach(&plane, port));
    let (proved, _) = judged(&connector, everything(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "the line works");
    // Cut: kept connections break, new ones are refused.
    run.abort();
    let _ = run.await;
    unknown(&connector, everything(&plane), "did not answer").await;
    let outcome = act(&connector, attempt(Action::SuspendIdentity, &identity(APP))).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(matches!(connector.enumerate(APP).await, Err(PlaneError::Unreachable { .. })));
}

#[tokio::test]
async fn a_line_that_swallows_everything_proves_nothing() {
    let plane = Plane::start().await;
    plane.contain().await;
    let (port, swallow) = swallow().await;
    let connector = plane.connector(|c| {
        c.reach = reach(&plane, port);
        c.call_timeout = Duration::from_millis(300);
    });
    unknown(&connector, everything(&plane), "300 ms").await;
    swallow.abort();
}

#[tokio::test]
async fn another_host_behind_the_name_proves_nothing_and_gets_no_secret() {
    let mut plane = Plane::start().await;
    plane.contain().await;
    for cert in strangers(plane.server.ca()) {
        plane.server.present(&cert).await.expect("presented");
        let connector = plane.connector(|_| {});
        unknown(&connector, everything(&plane), "certificate").await;
        assert!(!connector.check().await.reachable);
        let outcome = act(&connector, attempt(Action::SuspendIdentity, &identity(APP))).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_standby_proves_nothing_however_current_it_is() {
    let plane = Plane::start().await;
    let standby = plane.server.standby(StandbyOptions::default()).await.expect("a standby follows");
    let lagging = plane.server.standby(StandbyOptions { apply_delay: Duration::from_secs(3600) }).await.expect("a standby lags");
    plane.contain().await;

    let near = plane.connector(|c| c.reach = reach(&plane, standby.port()));
    // Wait until the replica shows the lock; only then is its word tempting.
    let mut tempting = false;
    for _ in 0..500 {
        let round = near.probe(&everything(&plane)).await;
        if round.iter().any(|o| matches!(o.answer, Answer::Refused { .. })) {
            assert!(round.iter().any(|o| matches!(o.answer, Answer::Enforced { .. })), "{round:#?}");
            tempting = true;
            break;
        }
    }
    assert!(tempting, "the replica caught up");
    unknown(&near, everything(&plane), "is not the one that enforces").await;
    let outcome = act(&near, attempt(Action::SuspendIdentity, &identity(APP))).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("standby")), "not even what is so already: {outcome:?}");

    let far = plane.connector(|c| c.reach = reach(&plane, lagging.port()));
    let (proved, round) = judged(&far, ProbeRequest { may_login: false, ..everything(&plane) }, None).await;
    assert_ne!(proved.liveness, Liveness::Dead, "{round:#?}");
    assert!(far.check().await.warnings.iter().any(|w| w.contains("standby")));
}

#[tokio::test]
async fn clear_tcp_acts_and_never_proves_and_sends_no_leaked_secret() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| {
        c.reach = Reach::Clear { host: "127.0.0.1".to_owned(), port: plane.server.port(), address: None };
    });
    done(act(&connector, attempt(Action::SuspendIdentity, &identity(APP))).await);
    done(act(&connector, attempt(Action::TerminateSessions, &identity(APP))).await);
    let (proved, round) = judged(&connector, everything(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(round.iter().all(|o| o.channel == Channel::Unauthenticated));
    assert!(round.iter().any(|o| matches!(o.answer, Answer::Enforced { .. })), "it was read; the channel is what is missing");
    assert!(connector.check().await.warnings.iter().any(|w| w.contains("clear TCP")));
    let (proved, _) = plane.judged(everything(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "over TLS the same state is a proof");
}

fn socket(dir: &Path, port: u16, owner: Option<u32>) -> Reach {
    Reach::Unix { dir: dir.to_owned(), port, owner }
}

#[tokio::test]
async fn the_servers_unix_socket_proves_and_a_strangers_does_not() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let plane = Plane::start().await;
    plane.contain().await;
    let dir = plane.server.socket_dir();
    let connector = plane.connector(|c| c.reach = socket(&dir, plane.server.port(), None));
    let (proved, round) = judged(&connector, everything(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{round:#?}");
    assert!(round.iter().all(|o| o.channel == Channel::UnixSocket));

    // The peer runs as somebody else than the server's user.
    let wrong = std::fs::metadata(&dir).expect("it is there").uid() + 1;
    let connector = plane.connector(|c| c.reach = socket(&dir, plane.server.port(), Some(wrong)));
    unknown(&connector, everything(&plane), "it is not the server").await;

    // Anybody could listen in a directory that everybody may write to.
    let open = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o1777)).expect("opened");
    let connector = plane.connector(|c| c.reach = socket(open.path(), 5432, None));
    unknown(&connector, everything(&plane), "everybody may write").await;
}

#[tokio::test]
async fn a_configuration_that_cannot_prove_is_refused() {
    let plane = Plane::start().await;
    let mut config = plane.config.clone();
    config.settle_ms = 0;
    let refused = PostgreSql::new(config, Arc::new(RealClock)).expect_err("no settle time");
    assert!(refused.to_string().contains("above 0"), "{refused}");
    for ca_pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let mut config = plane.config.clone();
        config.reach = Reach::Tls { host: "localhost".to_owned(), port: 1, address: None, ca_pem: ca_pem.to_owned() };
        assert!(PostgreSql::new(config, Arc::new(RealClock)).is_err(), "{ca_pem}");
    }
    let mut config = plane.config.clone();
    config.control.identity.clone_from(&config.username);
    assert!(PostgreSql::new(config, Arc::new(RealClock)).is_err(), "Quell is not its own control");
}
