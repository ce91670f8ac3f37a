//! A policy that is tightened by one path, proved by what a live token may do, and
//! given back.

use quell_core::{action::Action, proof::Liveness, target::Reading};
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};
use serde_json::json;

use super::plane::*;

const GRANT: &str = "policy:ci>secret/data/*";

async fn text(plane: &Plane) -> String {
    let read = plane.server.admin(reqwest::Method::GET, "sys/policies/acl/ci", None).await.expect("read");
    read["data"]["policy"].as_str().expect("text").to_owned()
}

async fn before(plane: &Plane) -> Reading {
    plane.connector.read(&entitlement(GRANT)).await.expect("read").0
}

#[tokio::test]
async fn a_closed_path_is_closed_to_live_tokens_and_opened_again_exactly() {
    let plane = Plane::start().await;
    let token = plane.intruder().await;
    let (was, read) = (text(&plane).await, before(&plane).await);
    assert_eq!(read.facts["policy"].as_deref(), Some(was.as_str()), "the text before is recorded");
    let ask = || ProbeRequest { before: Some(read.clone()), ..about(entitlement(GRANT)) };
    assert!(token.works(&plane.server).await.expect("asked"));
    assert_eq!(judged(&plane.connector, ask()).await.0.liveness, Liveness::Live);

    let tighten = Attempt { before: Some(read.clone()), ..attempt(Action::ChangePolicy, &entitlement(GRANT)) };
    assert_eq!(plane.connector.read_outcome(&tighten).await, Outcome::Throttled { retry_after_ms: 0 });
    let changed = done(act(&plane.connector, tighten.clone()).await);
    assert_eq!(changed["policy ci"], (Some(was.clone()), Some(text(&plane).await)), "before and after, by value");
    assert!(!token.works(&plane.server).await.expect("asked"), "at once");
    let (proved, round) = judged(&plane.connector, ask()).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{round:#?}");
    assert_eq!(done(act(&plane.connector, tighten.clone()).await).len(), 0, "twice is once");
    done(plane.connector.read_outcome(&tighten).await);

    // Without a live token that could be asked, by the text.
    plane.do_it(Action::TerminateSessions, &session(&token.accessor)).await;
    assert_eq!(judged(&plane.connector, ask()).await.0.liveness, Liveness::Dead);

    let restore = Attempt { before: Some(read.clone()), ..attempt(Action::Restore, &entitlement(GRANT)) };
    done(act(&plane.connector, restore.clone()).await);
    assert_eq!(text(&plane).await, was, "byte for byte");
    assert_eq!(done(act(&plane.connector, restore).await).len(), 0);
    let token = plane.intruder().await;
    assert!(token.works(&plane.server).await.expect("asked"));
    assert_eq!(judged(&plane.connector, ask()).await.0.liveness, Liveness::Live);
}

#[tokio::test]
async fn a_deny_on_a_shorter_path_closes_nothing_and_another_policy_keeps_it_open() {
    let plane = Plane::start().await;
    plane.write("sys/policies/acl/ci", json!({"policy": "path \"secret/*\" { capabilities = [\"deny\"] }\npath \"secret/data/billing\" { capabilities = [\"read\"] }"})).await;
    let token = plane.intruder().await;
    assert!(token.works(&plane.server).await.expect("asked"), "the longer path wins over the deny");
    let grant = entitlement("policy:ci>secret/data/billing");
    assert_eq!(plane.liveness(&grant).await.0, Liveness::Live);

    plane.write("auth/approle/role/ci", json!({"token_policies": ["ci", "also"]})).await;
    plane.write("sys/policies/acl/also", json!({"policy": "path \"secret/data/bil*\" { capabilities = [\"read\"] }"})).await;
    let token = plane.intruder().await;
    plane.do_it(Action::ChangePolicy, &grant).await;
    let (liveness, reason) = plane.liveness(&grant).await;
    assert!(!token.works(&plane.server).await.expect("asked"));
    assert_eq!(liveness, Liveness::Dead, "the deny on exactly the path is the stronger: {reason}");
    let wide = entitlement("policy:ci>secret/*");
    plane.write("sys/policies/acl/ci", json!({"policy": "path \"secret/*\" { capabilities = [\"read\"] }"})).await;
    plane.do_it(Action::ChangePolicy, &wide).await;
    assert!(token.works(&plane.server).await.expect("asked"), "the other policy opens it still");
    assert_eq!(plane.liveness(&entitlement("policy:ci>secret/data/billing")).await.0, Liveness::Live, "and it is called so");
}

#[tokio::test]
async fn a_policy_that_changed_meanwhile_is_looked_at_again() {
    let plane = Plane::start().await;
    let read = before(&plane).await;
    plane.write("sys/policies/acl/ci", json!({"policy": "path \"secret/data/*\" { capabilities = [\"read\", \"list\"] }"})).await;
    let tighten = Attempt { before: Some(read.clone()), ..attempt(Action::ChangePolicy, &entitlement(GRANT)) };
    let outcome = act(&plane.connector, tighten).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("changed since")), "{outcome:?}");
    let restore = Attempt { before: Some(read), ..attempt(Action::Restore, &entitlement(GRANT)) };
    let outcome = act(&plane.connector, restore).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("changed after")), "{outcome:?}");
    assert!(text(&plane).await.contains("list"), "nothing was written");
}

#[tokio::test]
async fn policies_of_quell_of_everybody_and_out_of_scope_are_left_alone() {
    let plane = Plane::start().await;
    for policy in ["quell", "quell-control", "default", "root", "quell-anything"] {
        let outcome = plane.act(Action::ChangePolicy, &entitlement(&format!("policy:{policy}>sys/*"))).await;
        assert!(matches!(&outcome, Outcome::Refused { .. }), "{policy}: {outcome:?}");
    }
    let outcome = plane.act(Action::ChangePolicy, &entitlement("policy:deploy>secret/data/deploy")).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("`update` on `sys/policies/acl/*`")), "{outcome:?}");
    let outcome = plane.act(Action::ChangePolicy, &entitlement("policy:nobody>x")).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("no policy `nobody`")), "{outcome:?}");
    assert_eq!(plane.liveness(&entitlement("policy:nobody>x")).await.0, Liveness::Dead, "what does not exist grants nothing");
}
