//! Ways to believe in a death that did not happen. Every one must be UNKNOWN.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use quell_connectors::openbao::{OpenBao, Reach};
use quell_core::{
    action::Action,
    proof::{Answer, Channel, Liveness, ProbeClass},
    target::{Target, TargetKind},
};
use quell_engine::port::{Connector, Outcome, PlaneError, ProbeRequest};
use quell_lab::relay;
use reqwest::Method;
use serde_json::json;

use super::plane::*;

/// Dead things of every kind, with everything that a round may use.
async fn graves(plane: &Plane) -> Vec<ProbeRequest> {
    let token = plane.intruder().await;
    plane.do_it(Action::TerminateSessions, &session(&token.accessor)).await;
    plane.do_it(Action::RevokeCredential, &credential(&plane.leaked_native())).await;
    plane.do_it(Action::SuspendIdentity, &identity("userpass:alice")).await;
    plane.write("secret/data/billing", json!({"data": {"password": "new"}})).await;
    plane.do_it(Action::RevokeCredential, &credential("kv:secret/billing#version:1")).await;
    let was_right = |leaked, target: Target| ProbeRequest { leaked: Some(leaked), leaked_was_right: true, ..about(target) };
    vec![
        was_right(secret(&token.token), session(&token.accessor)),
        was_right(plane.leaked(), credential(&plane.leaked_native())),
        about(credential("approle:ci#secret_id")),
        was_right(secret(&plane.estate.person_password), target(TargetKind::Credential, "userpass:alice#password", "userpass:alice")),
        about(identity("userpass:alice")),
        about(credential("lease:database/creds/ro/gone")),
        about(credential("leases:database/creds/ro")),
        about(credential("kv:secret/billing#version:1")),
        about(entitlement("policy:nobody>x")),
    ]
}

async fn all_dead(connector: &OpenBao, graves: &[ProbeRequest]) {
    for ask in graves {
        let (proved, round) = judged(connector, ask.clone()).await;
        assert_eq!(proved.liveness, Liveness::Dead, "{}: {round:#?}", ask.target.native.shown());
    }
}

/// Nothing is called dead, whatever is tempting.
async fn none_dead(connector: &OpenBao, graves: &[ProbeRequest], why: &str) {
    for ask in graves {
        let (proved, round) = judged(connector, ask.clone()).await;
        assert_eq!(proved.liveness, Liveness::Unknown, "{why}: {}: {round:#?}", ask.target.native.shown());
    }
}

#[tokio::test]
async fn a_dead_control_proves_nothing() {
    let plane = Plane::start().await;
    let graves = graves(&plane).await;
    all_dead(&plane.connector, &graves).await;
    // Of a KV version the control is the current version in the same answer.
    let by_control: Vec<ProbeRequest> = graves.iter().filter(|g| !g.target.native.shown().starts_with("kv:")).cloned().collect();

    plane.write("auth/approle/role/quell-control/secret-id/destroy", json!({"secret_id": plane.config.control.secret_id.expose()})).await;
    let all = plane.server.admin(Method::from_bytes(b"LIST").expect("a method"), "auth/token/accessors", None).await.expect("listed");
    for accessor in all["data"]["keys"].as_array().expect("keys") {
        let seen = plane.write("auth/token/lookup-accessor", json!({ "accessor": accessor })).await;
        if seen["data"]["meta"]["role_name"] == "quell-control" {
            plane.write("auth/token/revoke-accessor", json!({ "accessor": accessor })).await;
        }
    }
    none_dead(&plane.connector, &by_control, "the control has no token and no secret-id").await;
    let check = plane.connector.check().await;
    assert!(!check.control_alive && check.warnings.iter().any(|w| w.contains("not alive")), "{check:?}");

    plane.server.admin(Method::DELETE, "auth/approle/role/quell-control", None).await.expect("deleted");
    none_dead(&plane.connector, &by_control, "the control is gone").await;
}

#[tokio::test]
async fn a_control_that_is_suspended_or_has_a_wrong_secret_proves_nothing() {
    let plane = Plane::start().await;
    let graves = graves(&plane).await;
    let tokens: Vec<ProbeRequest> =
        graves.into_iter().filter(|g| matches!(g.target.kind, TargetKind::Session | TargetKind::Identity)).collect();
    let wrong = plane.connector(|c| c.control.secret_id = new_secret());
    none_dead(&wrong, &tokens, "a wrong secret").await;
    // Suspended while its token is kept: the token is there, and nobody serves it.
    all_dead(&plane.connector, &tokens).await;
    let control = plane.connector.enumerate("approle:quell-control").await.expect("listed");
    let entity = found(&control, "approle:quell-control").facts["entity"].clone();
    plane.write(&format!("identity/{}", entity.replace('/', "/id/")), json!({"disabled": true})).await;
    none_dead(&plane.connector, &tokens, "suspended").await;
    plane.write(&format!("identity/{}", entity.replace('/', "/id/")), json!({"disabled": false})).await;
    all_dead(&plane.connector, &tokens).await;
}

#[tokio::test]
async fn a_cut_network_proves_nothing() {
    let plane = Plane::start().await;
    let graves = graves(&plane).await;
    let (port, line) = line(plane.server.port()).await;
    let connector = plane.connector(|c| c.reach = reach(&plane.server, port));
    all_dead(&connector, &graves).await;
    line.abort();
    let _ = line.await;
    none_dead(&connector, &graves, "cut").await;
    let outcome = act(&connector, attempt(Action::SuspendIdentity, &identity(CI))).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(matches!(connector.enumerate(CI).await, Err(PlaneError::Unreachable { .. })));
}

#[tokio::test]
async fn a_line_that_swallows_everything_proves_nothing() {
    let plane = Plane::start().await;
    let graves = graves(&plane).await;
    let (port, swallow) = swallow().await;
    let connector = plane.connector(|c| {
        c.reach = reach(&plane.server, port);
        c.call_timeout = Duration::from_millis(150);
    });
    none_dead(&connector, &graves, "swallowed").await;
    swallow.abort();
}

#[tokio::test]
async fn another_host_behind_the_name_proves_nothing_and_gets_no_secret() {
    let plane = Plane::start().await;
    let graves = graves(&plane).await;
    for cert in strangers(plane.server.ca()) {
        let relay = relay::Relay::start(&cert, plane.server.clear_port()).await.expect("started");
        let seen = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = seen.clone();
        relay.lie(move |_, answer| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            answer
        });
        let connector = plane.connector(|c| c.reach = reach(&plane.server, relay.port()));
        none_dead(&connector, &graves, "a stranger").await;
        let check = connector.check().await;
        assert!(!check.reachable && check.why_not.as_ref().is_some_and(|w| w.contains("certificate")), "{check:?}");
        let outcome = act(&connector, attempt(Action::SuspendIdentity, &identity(CI))).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        assert_eq!(seen.load(std::sync::atomic::Ordering::Relaxed), 0, "not one request reached the stranger");
    }
}

#[tokio::test]
async fn clear_http_acts_and_never_proves_and_tries_no_password() {
    let plane = Plane::start().await;
    let graves = graves(&plane).await;
    let connector = plane.connector(|c| {
        c.reach = Reach::Clear { host: "localhost".to_owned(), port: plane.server.clear_port(), address: Some(Ipv4Addr::LOCALHOST.into()) };
    });
    none_dead(&connector, &graves, "clear").await;
    let round = connector.probe(&graves[0]).await;
    assert!(round.iter().all(|o| o.channel == Channel::Unauthenticated));
    assert!(round.iter().any(|o| matches!(o.answer, Answer::Enforced { .. })), "it was read; the channel is what is missing");
    let password = connector.probe(&graves[3]).await;
    assert!(password.iter().all(|o| o.class != ProbeClass::Login), "{password:#?}");
    assert!(connector.check().await.warnings.iter().any(|w| w.contains("clear HTTP")));
    done(act(&connector, attempt(Action::SuspendIdentity, &identity("userpass:alice"))).await);
}

#[tokio::test]
async fn a_sealed_server_proves_nothing() {
    let plane = Plane::start().await;
    let graves = graves(&plane).await;
    plane.server.seal().await.expect("sealed");
    none_dead(&plane.connector, &graves, "sealed").await;
    let outcome = plane.act(Action::SuspendIdentity, &identity(CI)).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    let check = plane.connector.check().await;
    assert!(!check.reachable && check.why_not.as_ref().is_some_and(|w| w.contains("sealed")), "{check:?}");
    plane.server.unseal().await.expect("unsealed");
    all_dead(&plane.connector, &graves).await;
}

#[tokio::test]
async fn a_relay_that_lies_with_a_good_certificate_proves_nothing() {
    let plane = Plane::start().await;
    let graves = graves(&plane).await;
    let cert = plane.server.ca().server(&["localhost"]).expect("made");
    let relay = relay::Relay::start(&cert, plane.server.clear_port()).await.expect("started");
    let connector = || {
        plane.connector(|c| {
            c.reach = reach(&plane.server, relay.port());
            c.call_timeout = Duration::from_secs(2);
        })
    };
    all_dead(&connector(), &graves).await;

    let says = |status: u16, body: &'static str| move |_: &str, _: Vec<u8>| relay::answer(status, body);
    type Lie = Box<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;
    let lies: Vec<(&str, Lie)> = vec![
        ("nothing", Box::new(|_, _| Vec::new())),
        ("garbage", Box::new(|_, _| vec![0xff; 4096])),
        (
            "half of it",
            Box::new(|_, mut answer| {
                answer.truncate(answer.len() / 2);
                answer
            }),
        ),
        (
            "all but a byte",
            Box::new(|_, mut answer| {
                answer.pop();
                answer.pop();
                answer
            }),
        ),
        ("a page", Box::new(says(404, "<html>not found</html>"))),
        ("gone, all of it", Box::new(says(404, "{\"errors\":[]}"))),
        ("gone, with an error", Box::new(says(404, "{\"errors\":[\"no handler for route\"]}"))),
        ("no such accessor, ever", Box::new(says(400, "{\"errors\":[\"1 error occurred: * invalid accessor\"]}"))),
        ("no such lease, ever", Box::new(says(400, "{\"errors\":[\"invalid lease\"]}"))),
        ("a bad token, ever", Box::new(says(403, "{\"errors\":[\"bad token\"]}"))),
        ("no accessor entry, ever", Box::new(says(404, "{\"data\":{\"error\":\"failed to find accessor entry\"}}"))),
        ("empty, ever", Box::new(says(204, ""))),
        ("an empty object", Box::new(says(200, "{}"))),
        ("null", Box::new(says(200, "null"))),
        ("a list", Box::new(says(200, "[]"))),
        ("data of nothing", Box::new(says(200, "{\"data\":{}}"))),
        ("a failure", Box::new(says(500, "{\"errors\":[\"role does not exist\"]}"))),
        ("a redirect", Box::new(|_, _| b"HTTP/1.1 307 x\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec())),
        ("bad gateway", Box::new(says(502, "bad gateway"))),
        // Everything true but what is asked about, and the control with it.
        (
            "only the look-ups",
            Box::new(|first, answer| {
                let looks = ["lookup-accessor", "/lookup ", "auth/token/lookup", "leases/lookup", "identity/", "metadata/", "policies/acl"];
                if looks.iter().any(|l| first.contains(l)) {
                    relay::answer(400, "{\"errors\":[\"invalid accessor\",\"invalid lease\"]}")
                } else {
                    answer
                }
            }),
        ),
        // Everything true but how the node is.
        (
            "a standby",
            Box::new(|first, answer| {
                let standby =
                    "{\"initialized\":true,\"sealed\":false,\"standby\":true,\"server_time_utc\":1795532901,\"version\":\"2.7.2\"}";
                if first.contains("sys/health") { relay::answer(200, standby) } else { answer }
            }),
        ),
        ("no health", Box::new(|first, answer| if first.contains("sys/health") { relay::answer(200, "{}") } else { answer })),
    ];
    for (what, lie) in lies {
        relay.lie(lie);
        none_dead(&connector(), &graves, what).await;
        let outcome = act(&connector(), attempt(Action::TerminateSessions, &session("x"))).await;
        assert!(!matches!(&outcome, Outcome::Done { changed } if !changed.is_empty()), "{what}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_prove_is_refused() {
    let plane = Plane::start().await;
    let refused = |change: &dyn Fn(&mut quell_connectors::openbao::OpenBaoConfig)| {
        let mut config = plane.config.clone();
        change(&mut config);
        OpenBao::new(config, Arc::new(RealClock)).expect_err("it cannot prove").to_string()
    };
    assert!(refused(&|c| c.settle_ms = 0).contains("above 0"));
    assert!(refused(&|c| c.control.role = "QUELL".to_owned()).contains("Quell's own"));
    assert!(refused(&|c| c.control.role = "a/b".to_owned()).contains("control.identity"));
    assert!(refused(&|c| c.protected = vec!["somebody".to_owned()]).contains("`somebody`"));
    assert!(refused(&|c| c.calls_max = 0).contains("at least one"));
    for ca_pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        refused(&|c| c.reach = Reach::Tls { host: "localhost".to_owned(), port: 1, address: None, ca_pem: ca_pem.to_owned() });
    }
}
