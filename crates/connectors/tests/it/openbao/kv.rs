//! A secret's new version for its consumer, and the end of the old ones.

use std::sync::Arc;

use quell_connectors::openbao::KvSink;
use quell_core::{action::Action, proof::Liveness, target::TargetKind};
use quell_engine::port::{Outcome, PlaneError, Sink};
use reqwest::Method;
use serde_json::json;

use super::plane::*;

fn sink(plane: &Plane, path: &str) -> KvSink {
    KvSink::new("bao-main/secret/data/billing", plane.connector.clone(), path).expect("a path")
}

async fn stands(plane: &Plane) -> (u64, String, String) {
    let read = plane.server.admin(Method::GET, "secret/data/billing", None).await.expect("read");
    let text = |name: &str| read["data"]["data"][name].as_str().unwrap_or_default().to_owned();
    (read["data"]["metadata"]["version"].as_u64().expect("a version"), text("username"), text("password"))
}

#[tokio::test]
async fn a_login_is_put_where_its_consumer_reads_it_and_twice_is_once() {
    let plane = Plane::start().await;
    let secret = new_secret();
    for path in ["secret/billing", "secret/data/billing"] {
        let sink = sink(&plane, path);
        sink.put("billing_app_q7f3k", &secret).await.expect("put");
        assert_eq!(stands(&plane).await, (2, "billing_app_q7f3k".to_owned(), secret.expose().to_owned()), "{path}");
        assert_eq!(sink.current().await, Ok(Some("billing_app_q7f3k".to_owned())));
        assert_eq!(sink.version().await, Ok(Some(2)));
        assert!(!format!("{sink:?}").contains(secret.expose()));
    }
}

#[tokio::test]
async fn a_sink_that_is_empty_deleted_or_out_of_scope_says_so() {
    let plane = Plane::start().await;
    plane.server.admin(Method::DELETE, "secret/data/billing", None).await.expect("deleted");
    let deleted = sink(&plane, "secret/billing");
    assert_eq!(deleted.current().await, Ok(None));
    deleted.put("x", &new_secret()).await.expect("a deleted one gets a new version");
    let outside = sink(&plane, "secret/other");
    assert!(matches!(outside.put("x", &new_secret()).await, Err(PlaneError::NotPermitted { why, .. }) if why.contains("+/data/*")));
    assert!(matches!(sink(&plane, "nothing/here").current().await, Err(PlaneError::NotPermitted { .. })));
    for bad in ["", "secret", "secret/../sys/x", "secret//x", "secret/a\0b"] {
        assert!(KvSink::new("s", plane.connector.clone(), bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn what_somebody_writes_meanwhile_is_not_overwritten_unseen() {
    let plane = Plane::start().await;
    plane.write("secret/metadata/billing", json!({"cas_required": true})).await;
    let sink = Arc::new(sink(&plane, "secret/billing"));
    let puts = (0..6).map(|n| {
        let sink = sink.clone();
        async move { sink.put(&format!("login_{n}"), &new_secret()).await }
    });
    let outcomes = futures::future::join_all(puts).await;
    let done = outcomes.iter().filter(|o| o.is_ok()).count();
    let later = outcomes.iter().filter(|o| matches!(o, Err(PlaneError::Throttled { .. }))).count();
    assert!(done >= 1 && done + later == 6, "{outcomes:?}");
    assert_eq!(stands(&plane).await.0, 1 + done as u64, "each write is a version that its writer saw the one before of");
}

#[tokio::test]
async fn an_old_version_is_destroyed_and_not_only_deleted() {
    let plane = Plane::start().await;
    let first = credential("kv:secret/billing#version:1");
    let refused = plane.act(Action::RevokeCredential, &first).await;
    assert!(matches!(&refused, Outcome::Refused { reason } if reason.contains("current version")), "{refused:?}");
    assert_eq!(plane.liveness(&first).await.0, Liveness::Live);

    sink(&plane, "secret/billing").put("billing_app", &new_secret()).await.expect("put");
    plane.write("secret/delete/billing", json!({"versions": [1]})).await;
    let (liveness, reason) = plane.liveness(&first).await;
    assert!(liveness == Liveness::Unknown && reason.contains("takes back"), "{reason}");
    plane.write("secret/undelete/billing", json!({"versions": [1]})).await;
    let (status, _) =
        plane.server.call(Method::GET, "secret/data/billing?version=1", Some(plane.server.root().reveal()), None).await.expect("asked");
    assert_eq!(status, 200, "one call brings it back");
    assert_eq!(plane.liveness(&first).await.0, Liveness::Live);

    plane.do_it(Action::RevokeCredential, &first).await;
    plane.write("secret/undelete/billing", json!({"versions": [1]})).await;
    assert_eq!(plane.liveness(&first).await.0, Liveness::Dead, "no call brings it back");
    assert_eq!(plane.do_it(Action::RevokeCredential, &first).await.len(), 0, "twice is once");
    let all = plane.enumerate("kv:secret/billing").await;
    assert_eq!(natives(&all, TargetKind::Credential), ["kv:secret/billing#version:2"]);

    let (liveness, _) = plane.liveness(&credential("kv:secret/billing#version:9")).await;
    assert_eq!(liveness, Liveness::Unknown, "a version that never was");
    plane.server.admin(Method::DELETE, "secret/metadata/billing", None).await.expect("deleted");
    assert_eq!(plane.liveness(&first).await.0, Liveness::Unknown, "nothing is left to compare with");
}
