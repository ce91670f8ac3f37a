//! SIGKILL at each phase of a real plan on the real server.

use std::{os::unix::process::ExitStatusExt, path::PathBuf};

use quell_connectors::postgresql::{PostgresConfig, Reach};
use quell_core::{id::CaseId, secret::Secret};
use serde_json::{Value, json};

use crate::{
    dying::{self, Death},
    installation::{Installation, Place, open},
};

/// The moments of one attempt, in order.
const PHASES: [&str; 6] = ["before-intent", "after-intent", "after-act", "after-outcome", "before-proof", "after-proof"];

/// Not a test of its own: the process that dies. Without its order it is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(order) = dying::order() else { return };
    let text = |name: &str| order[name].as_str().expect("text").to_owned();
    let reach = Reach::Tls {
        host: "localhost".to_owned(),
        port: u16::try_from(order["port"].as_u64().expect("a port")).expect("a port"),
        address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        ca_pem: text("ca"),
    };
    let mut config = PostgresConfig::new("pg-main", reach, "billing", Secret::new(text("secret")), Secret::new(text("control")));
    config.settle_ms = 100;
    let place = Place { dir: PathBuf::from(text("dir")), config, sink: PathBuf::from(text("sink")) };
    let death = Death::of(&order);
    let engine = open(&place, |ports| death.wrap(ports, &["billing-file"])).await;
    let case = CaseId::new(text("case"));
    for _ in 0..2_000 {
        engine.work(&case, engine.ports.clock.now()).await.expect("the case goes on until the process dies");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the moment to die never came");
}

async fn dies_and_goes_on(phase: &str) {
    let here = Installation::start(false).await;
    let intruder =
        here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.expect("the leaked password works");
    here.arm().await;
    let (_, case) = here.leak("c1").await;
    let order = here.dir.path().join("order.json");
    let mut text = dying::dying(&[phase], &[], &here.dir.path().join("died"));
    for (name, value) in [
        ("port", json!(here.server.port())),
        ("ca", json!(here.server.ca_pem())),
        ("secret", json!(here.config.secret.expose())),
        ("control", json!(here.config.control.secret.expose())),
        ("dir", json!(here.dir.path())),
        ("sink", json!(here.sink)),
        ("case", json!(case)),
    ] {
        text[name] = value;
    }
    std::fs::write(&order, text.to_string()).expect("written");
    let here = here.closed();

    let child = dying::child("crash::child", &order);
    assert_eq!(child.status.signal(), Some(9), "the child was to die in phase `{phase}`: {}", String::from_utf8_lossy(&child.stderr));

    let place = Place { dir: here.dir.path().to_owned(), config: here.config.clone(), sink: here.sink.clone() };
    let engine = open(&place, |ports| ports).await;
    let view = |ground: quell_engine::ground::Ground| quell_core::view::case(&ground.situation(), engine.ports.clock.now());
    let mut last = Value::Null;
    for _ in 0..2_000 {
        engine.work(&case, engine.ports.clock.now()).await.expect("the case goes on");
        last = view(engine.ground(&case).await.expect("loaded").expect("a case"));
        if last["state"] == "proven" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(last["state"], "proven", "after dying in phase `{phase}`: {last:#}");
    assert!(intruder.simple_query("SELECT 1").await.is_err(), "the intruder's session is over");
    assert!(
        here.server.connect("billing_app", here.estate.app.password.reveal(), "billing").await.is_err(),
        "the leaked password is refused"
    );

    // No second effect that differs from the first: what was intended once and
    // taken was not intended again for the same step and target.
    let ground = engine.ground(&case).await.expect("loaded").expect("a case");
    for target in ground.targets.values() {
        for attempt in &target.attempts {
            let same =
                target.attempts.iter().filter(|a| a.cleared.step == attempt.cleared.step && a.outcome.as_deref() == Some("done")).count();
            assert!(same <= 1, "step {} was carried out twice in phase `{phase}`", attempt.cleared.step);
            assert!(attempt.outcome.is_some(), "an intent without an outcome was left behind in phase `{phase}`");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_phase_loses_no_effect_and_makes_no_second_one() {
    for phase in PHASES {
        dies_and_goes_on(phase).await;
    }
}
