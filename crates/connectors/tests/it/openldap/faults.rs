//! A plane that is slow, gone, ended half-way or talks nonsense: never taken for a
//! refusal, and never waited for longer than was said.

use std::time::{Duration, Instant};

use quell_connectors::openldap::{OpenLdap, Reach};
use quell_core::{action::Action, proof::Liveness};
use quell_engine::port::{Connector, Identified, Outcome, PlaneError, ProbeRequest};
use quell_lab::openldap::{DATABASE, replace};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::company::*;

fn everything(plane: &Plane) -> ProbeRequest {
    ProbeRequest { throw_away: Some(new_secret()), ..plane.everything() }
}

fn some_session(plane: &Plane) -> quell_core::target::Target {
    session(&format!("conn:1004@20261124083925Z>{}", plane.company.mara.dn), &plane.company.mara.dn)
}

/// Nothing that is asked of this connector is answered, and nobody calls that a refusal.
async fn answers_nothing(connector: &OpenLdap, plane: &Plane) {
    let asked = Asked {
        attempts: vec![
            attempt(Action::SuspendIdentity, &plane.mara()),
            attempt(Action::TerminateSessions, &some_session(plane)),
            with_secret(Action::RotateCredential, &plane.credential(), &new_secret()),
            attempt(Action::RemoveEntitlement, &membership(&plane.company.mara.dn, &plane.company.finance)),
            attempt(Action::RequireStepUp, &plane.mara()),
            with_secret(Action::Reinstate, &plane.mara(), &new_secret()),
        ],
        rounds: vec![everything(plane), plane.about_session(&some_session(plane))],
        identity: plane.company.mara.dn.clone(),
        leaked: plane.leaked(),
        read: plane.credential(),
    };
    asked.meet_silence(connector).await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the wait for a real server is what is measured")]
async fn a_paused_server_is_unknown_within_the_deadline_and_read_afterwards() {
    let mut plane = Plane::start().await;
    let connector = plane.connector(|c| c.call_timeout = Duration::from_secs(2));
    // With a kept connection, and without one.
    assert!(connector.check().await.reachable);
    plane.server.pause().expect("paused");
    let asked = Instant::now();
    let suspend = attempt(Action::SuspendIdentity, &plane.mara());
    let outcome = act(&connector, suspend.clone()).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(asked.elapsed() < Duration::from_secs(6));
    answers_nothing(&connector, &plane).await;

    plane.server.resume().expect("resumed");
    let patient = plane.connector(|_| {});
    read_and_done(&patient, suspend).await;
    assert!(matches!(plane.connector.identify(&plane.leaked()).await, Ok(Identified::Match { .. } | Identified::NoMatch { .. })));
}

/// Bytes that are no LDAP, that are cut short, and that are LDAP and lie.
const JUNK: &[&[u8]] = &[
    b"",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"\x30",
    b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01",
    b"\x30\x84\xff\xff\xff\xff",
    // A bind response that is a primitive, one with a number for a result, one without one.
    b"\x30\x06\x02\x01\x01\x41\x01\x00",
    b"\x30\x0c\x02\x01\x01\x61\x07\x04\x01\x00\x04\x00\x04\x00",
    b"\x30\x05\x02\x01\x01\x61\x00",
    // The answer to another question, a message without a number, and a success for a search's entry.
    b"\x30\x0c\x02\x01\x63\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
    b"\x30\x09\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
    &[0xff; 4096],
];

#[tokio::test]
async fn a_server_that_is_gone_or_talks_nonsense_is_unknown() {
    let plane = Plane::start().await;
    for bytes in JUNK {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let bytes = bytes.to_vec();
        let speaking = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let bytes = bytes.clone();
                tokio::spawn(async move {
                    // After something was asked, as an answer would come.
                    let _ = stream.read(&mut [0; 512]).await;
                    let _ = stream.write_all(&bytes).await;
                });
            }
        });
        for tls in [true, false] {
            let connector = plane.connector(|c| {
                c.call_timeout = Duration::from_millis(150);
                c.reach = match tls {
                    true => super::company::tls(&plane.server, port),
                    false => Reach::Clear { host: "127.0.0.1".to_owned(), port, address: None },
                };
            });
            answers_nothing(&connector, &plane).await;
        }
        speaking.abort();
    }
}

#[tokio::test]
async fn a_server_that_says_yes_to_everything_and_holds_nothing_proves_nothing() {
    let plane = Plane::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    // Success for every bind, every modify, and an empty success for every search.
    let lying = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    let mut rest = &buffer[..n];
                    while let Some((id, op, after)) = message(rest) {
                        let answer = match op {
                            0x60 => 0x61,
                            0x63 => 0x65,
                            0x66 => 0x67,
                            _ => 0x78,
                        };
                        let _ =
                            stream.write_all(&[0x30, 0x0c, 0x02, 0x01, id, answer, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00]).await;
                        rest = after;
                    }
                }
            });
        }
    });
    let connector = plane.connector(|c| c.reach = Reach::Clear { host: "127.0.0.1".to_owned(), port, address: None });
    for request in [everything(&plane), plane.about_session(&some_session(&plane))] {
        let (proved, round) = judged(&connector, request, None).await;
        assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    }
    for action in [Action::SuspendIdentity, Action::RequireStepUp, Action::TerminateSessions] {
        let outcome = act(&connector, attempt(action, &plane.mara())).await;
        assert!(!matches!(outcome, Outcome::Done { .. }), "a yes is not taken for an effect: {outcome:?}");
    }
    lying.abort();
}

/// Number, operation and rest of one short message.
fn message(bytes: &[u8]) -> Option<(u8, u8, &[u8])> {
    let length = usize::from(*bytes.get(1)?);
    let (header, length) = match length {
        0..=0x7F => (2, length),
        0x81 => (3, usize::from(*bytes.get(2)?)),
        _ => (4, usize::from(*bytes.get(2)?) << 8 | usize::from(*bytes.get(3)?)),
    };
    let body = bytes.get(header..header + length)?;
    Some((*body.get(2)?, *body.get(3)?, &bytes[header + length..]))
}

#[tokio::test]
async fn quells_own_bind_that_is_refused_is_said_with_the_next_move() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| c.secret = new_secret());
    let refused = connector.enumerate(&plane.company.mara.dn).await.expect_err("a wrong secret");
    assert!(
        matches!(&refused, PlaneError::NotPermitted { why, .. } if why.contains("49") && why.contains("configured secret")),
        "{refused}"
    );
    assert_eq!(judged(&connector, plane.about_mara(), None).await.0.liveness, Liveness::Unknown);
    // Its own lock and its own cut are somebody's doing, and are said as well.
    plane.as_root(&plane.config.username, vec![replace("pwdAccountLockedTime", &["000001010000Z"])]).await;
    assert!(plane.connector(|_| {}).enumerate(&plane.company.mara.dn).await.is_err());
}

#[tokio::test]
async fn a_server_without_the_bootstrap_says_which_script_to_run() {
    let server = quell_lab::openldap::Slapd::start(quell_lab::openldap::Options::default()).await.unwrap();
    let company = quell_lab::openldap::Company::on(&server).await.unwrap();
    let mut config = config(&server);
    // Somebody made the entry by hand, and nothing else.
    config.username = company.jonas.dn.clone();
    config.secret = quell_core::secret::Secret::new(company.jonas.password.reveal());
    config.control.identity = company.billing.dn.clone();
    config.control.secret = quell_core::secret::Secret::new(company.billing.password.reveal());
    let connector = OpenLdap::new(config, std::sync::Arc::new(crate::plane::RealClock)).unwrap();
    refused(&act(&connector, attempt(Action::SuspendIdentity, &identity(&company.mara.dn))).await, "quell connector bootstrap");
    let check = connector.check().await;
    let missing = &check.privileges.missing;
    for part in ["olcAccess", "cn=Monitor", "userPassword", "member"] {
        assert!(missing.iter().any(|m| m.contains(part)), "{part} is named: {missing:?}");
    }
}

#[tokio::test]
async fn a_killed_and_restarted_server_is_found_again_and_the_lock_and_the_cut_with_it() {
    let mut plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;
    plane.server.kill_hard().expect("killed");
    let outcome = plane.act(Action::SuspendIdentity, &plane.mara()).await;
    assert!(!matches!(outcome, Outcome::Refused { .. } | Outcome::Done { .. }), "{outcome:?}");
    plane.server.start_again().expect("started");
    let listed = plane.connector.enumerate(&plane.company.mara.dn).await.expect("a closed kept connection is replaced");
    let facts = &listed.of(quell_core::target::TargetKind::Identity).next().expect("it is there").facts;
    assert_eq!((facts["locked"].as_str(), facts["cut"].as_str()), ("true", "everything"));
    assert_eq!(plane.liveness(plane.everything()).await, Liveness::Dead);
    assert_eq!(plane.liveness(plane.about_session(&open)).await, Liveness::Dead, "its connection went with the server");
}

#[tokio::test]
async fn an_attempt_whose_answer_is_lost_is_unknown_and_read_before_it_is_repeated() {
    let plane = Plane::start().await;
    // A line that lets questions through and, once told, no answer.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let to = plane.server.tls_port();
    let (mute, muted) = tokio::sync::watch::channel(false);
    let line = tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let muted = muted.clone();
            tokio::spawn(async move {
                let far = tokio::net::TcpStream::connect(("127.0.0.1", to)).await.expect("the server is there");
                let (mut near_read, mut near_write) = near.into_split();
                let (mut far_read, mut far_write) = far.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut near_read, &mut far_write).await });
                let mut buffer = [0; 8192];
                while let Ok(n @ 1..) = far_read.read(&mut buffer).await {
                    if !*muted.borrow() && near_write.write_all(&buffer[..n]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let connector = plane.connector(|c| {
        c.reach = tls(&plane.server, port);
        c.call_timeout = Duration::from_secs(5);
    });
    assert!(connector.check().await.reachable);
    for action in [Action::RequireStepUp, Action::SuspendIdentity] {
        let one = attempt(action, &plane.mara());
        // Silent from the moment on in which the change reaches the server.
        let watch = async {
            let sign = if action == Action::RequireStepUp { "pwdReset" } else { "olcAccess" };
            let seen = || plane.server.log().unwrap().lines().filter(|l| l.contains("MOD attr=") && l.contains(sign)).count();
            let before = seen();
            while seen() == before {
                tokio::task::yield_now().await;
            }
            mute.send(true).expect("the line listens");
        };
        let (outcome, ()) = tokio::join!(act(&connector, one.clone()), watch);
        mute.send(false).expect("the line listens");
        assert!(matches!(outcome, Outcome::Unknown { .. } | Outcome::Done { .. }), "{outcome:?}");
        match plane.connector.read_outcome(&one).await {
            Outcome::Done { .. } => {}
            Outcome::Throttled { retry_after_ms: 0 } => drop(done(act(&plane.connector, one.clone()).await)),
            other => panic!("{other:?}"),
        }
        done(plane.connector.read_outcome(&one).await);
    }
    let rules = plane.stored(DATABASE, "olcAccess").await;
    assert_eq!(rules.iter().filter(|r| r.contains("none by * break")).count(), 1, "done once, however often it was tried");
    line.abort();
}

#[tokio::test]
async fn many_at_once_share_a_few_connections() {
    let plane = Plane::start().await;
    let asked = (0..40).map(|_| plane.connector.enumerate(&plane.company.mara.dn));
    for listed in futures::future::join_all(asked).await {
        listed.expect("everybody is served");
    }
    // Quell may read the list of connections, and finds itself in it.
    let mut quell = plane.server.bind(&plane.config.username, plane.config.secret.expose()).await.unwrap();
    let filter = format!("(monitorConnectionAuthzDN={})", plane.config.username);
    let held = quell.search("cn=Connections,cn=Monitor", &filter, &["1.1"]).await.unwrap().len();
    assert!((2..=5).contains(&held), "this one and a few kept: {held}");
}
