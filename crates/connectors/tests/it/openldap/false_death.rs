//! Ways to believe in a death that did not happen. Every one must be UNKNOWN.

use std::{sync::Arc, time::Duration};

use quell_connectors::openldap::{OpenLdap, Reach};
use quell_core::{
    action::Action,
    proof::{Answer, Channel, Liveness, ProbeClass},
};
use quell_engine::port::{Connector, Outcome, PlaneError};
use quell_lab::openldap::{Slapd, add, replace};

use super::company::*;

#[tokio::test]
async fn a_control_that_is_dead_proves_nothing() {
    let control = "cn=quell-control,ou=quell,dc=corp,dc=test";
    for broken in [replace("pwdAccountLockedTime", &["000001010000Z"]), replace("userPassword", &["another"])] {
        let plane = Plane::start().await;
        plane.contain().await;
        assert_eq!(plane.liveness(plane.everything()).await, Liveness::Dead, "dead, while the control lives");
        plane.as_root(control, vec![broken]).await;
        let (proved, round) = plane.judged(plane.everything()).await;
        let login = of(&round, ProbeClass::Login);
        assert_eq!(alone(login), Liveness::Unknown, "{login:#?}");
        assert!(!plane.connector.check().await.control_alive);
        // The read has a control of its own, which may be found although it cannot bind.
        assert!(proved.liveness == Liveness::Unknown || proved.strength == Some(quell_core::proof::Strength::Enforced), "{proved:?}");
    }
    let plane = Plane::start().await;
    plane.contain().await;
    plane.server.admin().await.unwrap().remove(control).await.unwrap();
    plane.unknown(plane.everything(), "control was not alive").await;
}

#[tokio::test]
async fn a_cut_network_proves_nothing() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    let (port, run) = line(plane.server.tls_port()).await;
    let connector = plane.connector(|c| c.reach = tls(&plane.server, port));
    done(act(&connector, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    done(act(&connector, attempt(Action::SuspendIdentity, &plane.mara())).await);
    let (proved, round) = judged(&connector, plane.everything(), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "the line works: {round:#?}");
    let (proved, round) = judged(&connector, plane.about_session(&open), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "also through a line on which our end has another name: {round:#?}");
    // Cut: kept connections break, the witness's among them, new ones are refused.
    run.abort();
    let _ = run.await;
    unknown(&connector, plane.everything(), "did not answer").await;
    unknown(&connector, plane.about_session(&open), "did not answer").await;
    let outcome = act(&connector, attempt(Action::SuspendIdentity, &plane.mara())).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(matches!(connector.enumerate(&plane.company.mara.dn).await, Err(PlaneError::Unreachable { .. })));
}

#[tokio::test]
async fn a_line_that_swallows_everything_proves_nothing() {
    let plane = Plane::start().await;
    plane.contain().await;
    let (port, swallow) = swallow().await;
    let connector = plane.connector(|c| {
        c.reach = tls(&plane.server, port);
        c.call_timeout = Duration::from_millis(300);
    });
    unknown(&connector, plane.everything(), "300 ms").await;
    swallow.abort();
}

#[tokio::test]
async fn another_host_behind_the_name_proves_nothing_and_gets_no_secret() {
    let mut plane = Plane::start().await;
    plane.contain().await;
    for cert in strangers(plane.server.ca()) {
        plane.server.present(&cert).expect("presented");
        let before = plane.server.log().unwrap().len();
        for start_tls in [false, true] {
            let port = if start_tls { plane.server.port() } else { plane.server.tls_port() };
            let connector = plane.connector(|c| {
                c.reach = tls(&plane.server, port);
                if let Reach::Tls { start_tls: way, .. } = &mut c.reach {
                    *way = start_tls;
                }
            });
            unknown(&connector, plane.everything(), "certificate").await;
            assert!(!connector.check().await.reachable);
            let outcome = act(&connector, attempt(Action::SuspendIdentity, &plane.mara())).await;
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        }
        assert!(!plane.server.log().unwrap().split_off(before).contains("BIND"), "nobody's password was sent");
    }
}

#[tokio::test]
async fn start_tls_proves_like_tls_from_the_first_byte() {
    let plane = Plane::start().await;
    plane.contain().await;
    let connector = plane.connector(|c| {
        c.reach = tls(&plane.server, plane.server.port());
        if let Reach::Tls { start_tls, .. } = &mut c.reach {
            *start_tls = true;
        }
    });
    let (proved, round) = judged(&connector, plane.everything(), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{round:#?}");
    assert!(round.iter().all(|o| o.channel == Channel::TlsPinned));
}

/// A consumer that has Quell's rules, too: its own configuration is not replicated.
async fn consumer(plane: &Plane, lags: bool) -> (Slapd, OpenLdap) {
    let consumer = plane.server.consumer(lags).await.expect("a consumer follows");
    let script = quell_connectors::openldap::bootstrap_ldif(&plane.config, &scope(&plane.company)).expect("the names are good");
    // The entries came by replication; the rules are its own.
    let rules: String = script.split("\n\n").filter(|record| record.contains("cn=config")).collect::<Vec<_>>().join("\n\n");
    consumer.ldapmodify(&rules, &[]).expect("the rules are written");
    let connector = plane.connector(|c| c.reach = tls(&consumer, consumer.tls_port()));
    (consumer, connector)
}

#[tokio::test]
async fn a_consumer_proves_nothing_however_current_it_is() {
    let plane = Plane::start().await;
    let (_near, near) = consumer(&plane, false).await;
    let (_far, far) = consumer(&plane, true).await;
    // The lagging one has what stood there at its start, and no more.
    while far.enumerate(&plane.company.mara.dn).await.map_or(0, |e| e.found.len()) == 0 {}
    plane.contain().await;

    // Wait until the near one shows the lock; only then is its word tempting.
    let mut tempting = false;
    for _ in 0..500 {
        let round = near.probe(&plane.everything()).await;
        if round.iter().any(|o| matches!(o.answer, Answer::Refused { .. })) {
            tempting = true;
            break;
        }
    }
    assert!(tempting, "the consumer caught up");
    unknown(&near, plane.everything(), "is not the one that enforces").await;
    assert!(near.check().await.warnings.iter().any(|w| w.contains("consumer")));
    refused(&act(&near, attempt(Action::SuspendIdentity, &plane.mara())).await, "name the provider");

    // Where the lock did not come, the leaked password still works, and that is said.
    assert_eq!(judged(&far, plane.everything(), None).await.0.liveness, Liveness::Live);
    let (proved, round) = judged(&far, plane.about_mara(), None).await;
    assert_ne!(proved.liveness, Liveness::Dead, "{round:#?}");
}

#[tokio::test]
async fn a_server_that_cannot_say_that_it_is_the_provider_is_not_believed() {
    let plane = Plane::start().await;
    plane.contain().await;
    plane
        .as_root(
            "olcDatabase={0}config,cn=config",
            vec![add("olcAccess", &["{0}to attrs=olcDatabase by dn.base=\"cn=quell,ou=quell,dc=corp,dc=test\" none by * break"])],
        )
        .await;
    let (proved, round) = plane.judged(plane.everything()).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
}

#[tokio::test]
async fn clear_tcp_acts_and_never_proves_and_sends_no_leaked_secret() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| c.reach = Reach::Clear { host: "127.0.0.1".to_owned(), port: plane.server.port(), address: None });
    done(act(&connector, attempt(Action::SuspendIdentity, &plane.mara())).await);
    let before = plane.server.log().unwrap().len();
    let (proved, round) = judged(&connector, plane.everything(), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(round.iter().all(|o| o.channel == Channel::Unauthenticated));
    assert!(round.iter().any(|o| matches!(o.answer, Answer::Enforced { .. })), "it was read; the channel is what is missing");
    assert!(!plane.server.log().unwrap().split_off(before).contains(&format!("BIND dn=\"{}\"", plane.company.mara.dn)));
    assert!(connector.check().await.warnings.iter().any(|w| w.contains("clear TCP")));
    assert_eq!(plane.liveness(plane.everything()).await, Liveness::Dead, "over TLS the same state is a proof");
    // Where the server asks for TLS, it is said.
    plane.as_root("cn=config", vec![replace("olcSecurity", &["simple_bind=128"])]).await;
    let strict = connector_again(&plane);
    let refused = strict.enumerate(&plane.company.mara.dn).await.expect_err("not in the clear");
    assert!(refused.to_string().contains("13"), "{refused}");
}

fn connector_again(plane: &Plane) -> OpenLdap {
    plane.connector(|c| c.reach = Reach::Clear { host: "127.0.0.1".to_owned(), port: plane.server.port(), address: None })
}

#[tokio::test]
async fn the_servers_unix_socket_proves_and_a_strangers_does_not() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let plane = Plane::start().await;
    plane.contain().await;
    let path = plane.server.socket();
    let at = |path: std::path::PathBuf, owner| plane.connector(|c| c.reach = Reach::Unix { path, owner });
    let (proved, round) = judged(&at(path.clone(), None), plane.everything(), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{round:#?}");
    assert!(round.iter().all(|o| o.channel == Channel::UnixSocket));

    // The peer runs as somebody else than the server's user.
    let wrong = std::fs::metadata(path.parent().expect("a directory")).expect("it is there").uid() + 1;
    unknown(&at(path.clone(), Some(wrong)), plane.everything(), "it is not the server").await;

    // Anybody could listen in a directory that everybody may write to.
    let open = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o1777)).expect("opened");
    unknown(&at(open.path().join("ldapi"), None), plane.everything(), "everybody may write").await;
}

#[tokio::test]
async fn a_database_of_others_rules_is_not_looked_at_and_it_is_said() {
    let plane = Plane::start().await;
    let all = plane.connector.enumerate(&plane.company.mara.dn).await.expect("in scope");
    for what in ["consumers", "other databases", "memberUid", "applications"] {
        assert!(all.not_looked_at.iter().any(|l| l.contains(what)), "{what}: {:?}", all.not_looked_at);
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_prove_is_refused() {
    let plane = Plane::start().await;
    let wrong = |change: &dyn Fn(&mut quell_connectors::openldap::OpenLdapConfig)| {
        let mut config = plane.config.clone();
        change(&mut config);
        OpenLdap::new(config, Arc::new(RealClock)).expect_err("refused").to_string()
    };
    assert!(wrong(&|c| c.settle_ms = 0).contains("above 0"));
    assert!(wrong(&|c| c.control.identity = c.username.to_uppercase()).contains("another one"));
    assert!(wrong(&|c| c.base = "nonsense".to_owned()).contains("`base`"));
    assert!(wrong(&|c| c.protected = vec!["nonsense".to_owned()]).contains("`protected`"));
    assert!(wrong(&|c| c.control.identity = "cn=control,dc=elsewhere".to_owned()).contains("not below"));
    assert!(wrong(&|c| c.control.secret = quell_core::secret::Secret::new("")).contains("would bind as nobody"));
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let said = wrong(&|c| {
            if let Reach::Tls { ca_pem, .. } = &mut c.reach {
                pem.clone_into(ca_pem);
            }
        });
        assert!(said.contains("ca_file"), "{said}");
    }
}
