//! Vault and OpenBao, Kubernetes, sequences of rule hits.

use quell_core::trace::{Deed, Ended, LinkKind, Nature, Outcome};
use serde_json::{Value, json};

use super::*;

fn vault(operation: &str, path: &str, request: Value, response: Value) -> Value {
    let mut record = json!({ "type": "response", "time": "2026-10-01T03:02:11Z",
        "auth": { "accessor": "acc-1", "entity_id": "ent-1", "display_name": "approle", "client_token": "hmac-sha256:aa" },
        "request": { "id": "r-1", "operation": operation, "path": path, "client_token_accessor": "acc-1", "remote_address": "192.0.2.10", "namespace": { "id": "root" } },
        "response": response });
    record["request"].as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    record
}

fn login() -> Value {
    let mut record = vault(
        "update",
        "auth/approle/login",
        json!({ "mount_type": "approle" }),
        json!({ "auth": { "accessor": "acc-1", "entity_id": "ent-1", "client_token": "hmac-sha256:aa", "token_ttl": 1200 } }),
    );
    record["request"].as_object_mut().unwrap().remove("client_token_accessor");
    record
}

#[test]
fn a_login_mints_a_token_and_the_token_mints_leases() {
    let lease = vault(
        "read",
        "database/creds/app",
        json!({ "id": "r-2", "mount_type": "database" }),
        json!({ "secret": { "lease_id": "database/creds/app/L1" } }),
    );
    let kv = vault("read", "secret/data/app", json!({ "id": "r-3", "mount_type": "kv" }), json!({ "data": { "keys": 1 } }));
    let list = vault("list", "secret/metadata", json!({ "id": "r-4", "mount_type": "kv" }), json!({ "data": { "keys": [] } }));
    let mut asked = login();
    asked["type"] = json!("request");
    let facts = told("hashicorp-vault-audit", &[asked, login(), lease, kv, list]);
    assert_eq!(facts.len(), 4, "a request is logged twice and is one");
    assert_eq!((mint(&facts[0]).id.as_str(), mint(&facts[0]).login, facts[0].by.is_none()), ("acc-1", true, true));
    assert_eq!(mint(&facts[0]).expires_at, Some("2026-10-01T03:22:11Z".parse().unwrap()));
    assert_eq!((mint(&facts[1]).kind, mint(&facts[1]).dies_with_parent), (LinkKind::Password, true));
    assert_eq!(reads(&facts[2]), ["secret/data/app"]);
    assert!(facts[3].deeds.is_empty());
    let cases = cases(facts);
    assert_eq!(chain(&cases[0]), ["acc-1 token <- -", "database/creds/app/L1 password <- acc-1"]);
    assert_eq!(cases[0].secrets_read[0].id, "secret/data/app");
}

#[test]
fn what_vault_ends_is_named_and_ends_below_as_well() {
    let ends = |path: &str, data: Value| {
        *Box::new(end(&one("hashicorp-vault-audit", vault("update", path, json!({ "data": data }), json!({})))).clone())
    };
    assert_eq!(ends("auth/token/revoke-self", json!({})), Ended::Credential("acc-1".into()));
    assert_eq!(ends("auth/token/revoke-accessor", json!({ "accessor": "acc-9" })), Ended::Credential("acc-9".into()));
    assert_eq!(
        ends("sys/leases/revoke", json!({ "lease_id": "database/creds/app/L1" })),
        Ended::Credential("database/creds/app/L1".into())
    );
    let lease =
        vault("read", "database/creds/app", json!({ "id": "r-2", "mount_type": "database" }), json!({ "secret": { "lease_id": "L1" } }));
    let gone = vault("update", "auth/token/revoke-self", json!({ "id": "r-3" }), json!({}));
    let cases = cases(told("hashicorp-vault-audit", &[login(), lease, gone]));
    assert!(
        cases[0].chain.iter().all(|l| l.liveness == quell_core::proof::Liveness::Unknown),
        "a lease ends with its token, and nobody tried it"
    );
}

#[test]
fn masked_records_are_joined_by_entity_and_moment() {
    let mut masked = vault(
        "read",
        "secret/data/app",
        json!({ "id": "****", "mount_type": "kv", "client_token_accessor": "****" }),
        json!({ "data": {} }),
    );
    masked["auth"]["accessor"] = json!("****");
    masked["auth"]["token_issue_time"] = json!("2026-10-01T03:02:11Z");
    let cases = cases(told("hashicorp-vault-audit", &[login(), masked]));
    assert_eq!(chain(&cases[0]), ["acc-1 token <- -", "ent-1#token token <- acc-1"]);
}

fn cluster(verb: &str, resource: &str, sub: Option<&str>, more: Value) -> Value {
    let mut record = json!({ "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a-1", "stage": "ResponseComplete", "verb": verb,
        "user": { "username": "ada@corp.example", "extra": { "authentication.kubernetes.io/credential-id": ["JTI=1"] } }, "sourceIPs": ["192.0.2.10"],
        "objectRef": { "resource": resource, "namespace": "prod", "name": "web", "subresource": sub }, "responseStatus": { "code": 200 },
        "requestReceivedTimestamp": "2026-10-01T03:02:11.000000Z" });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

#[test]
fn kubernetes_tells_tokens_secrets_bindings_and_who_acts_as_whom() {
    let kind = "kubernetes-audit";
    let token = one(
        kind,
        cluster(
            "create",
            "serviceaccounts",
            Some("token"),
            json!({ "annotations": { "authentication.kubernetes.io/issued-credential-id": "JTI=2" } }),
        ),
    );
    assert_eq!((mint(&token).id.as_str(), mint(&token).identity.as_deref()), ("JTI=2", Some("system:serviceaccount:prod:web")));
    assert_eq!(by(&token).credential.as_deref(), Some("JTI=1"));
    assert_eq!(reads(&one(kind, cluster("get", "secrets", None, json!({})))), ["prod/web"]);
    assert!(matches!(
        &one(kind, cluster("create", "clusterrolebindings", None, json!({}))).deeds[..],
        [Deed::Change { nature: Nature::Permission, .. }]
    ));
    assert_eq!(one(kind, cluster("create", "pods", Some("exec"), json!({}))).deeds, [Deed::Command("prod/web".into())]);
    let acting = one(kind, cluster("get", "pods", None, json!({ "impersonatedUser": { "username": "root" } })));
    assert_eq!((by(&acting).identity.as_deref(), &by(&acting).act[..]), (Some("root"), &["ada@corp.example".to_owned()][..]));
    let refused = one(kind, cluster("get", "secrets", None, json!({ "responseStatus": { "code": 403 } })));
    assert_eq!((refused.outcome, &refused.deeds[..]), (Outcome::Refused, &[Deed::Attempt][..]));
    assert_eq!(one(kind, cluster("get", "pods", None, json!({ "responseStatus": { "code": 401 } }))).outcome, Outcome::Rejected);
    assert!(
        told(kind, &[cluster("get", "secrets", None, json!({ "stage": "RequestReceived" }))]).is_empty(),
        "a request has several stages and is one"
    );
    let anonymous = one(kind, cluster("get", "pods", None, json!({ "user": { "username": "system:anonymous" } })));
    assert!(anonymous.by.is_none());
    let node = one(kind, cluster("list", "secrets", None, json!({ "user": { "username": "system:node:a" } })));
    assert!(by(&node).service.is_some(), "the cluster's own parts read secrets by their nature");
}

#[test]
fn kubernetes_records_inside_of_azure_s_are_read() {
    let inner = cluster("get", "secrets", None, json!({}));
    let outer = json!({ "category": "kube-audit", "time": "2026-10-01T03:02:11Z", "properties": { "log": inner.to_string() } });
    let told = told_of(None, outer.to_string().as_bytes());
    assert_eq!(told.kinds, ["kubernetes-audit"]);
    assert_eq!(reads(&told.facts[0]), ["prod/web"]);
}

#[test]
fn rule_hits_join_on_people_and_keys_alone() {
    let test = |name: &str, first: Value, second: Value| json!({ "name": name, "test": { "RuleOutputs": [{ "ID": "Reset", "Matches": first }, { "ID": "Login", "Matches": second }] } });
    let user = |who: &str, time: &str| json!({ "user_name": { who: [time] } });
    let bucket = json!({ "bucketName": { "target": ["2026-10-01T03:00:00Z"] } });
    let facts = told(
        "rule-hits",
        &[
            test("same", user("ada", "2026-10-01T03:00:00Z"), user("ada", "2026-10-01T03:01:00Z")),
            test("other", user("ada", "2026-10-01T03:00:00Z"), user("bob", "2026-10-01T03:01:00Z")),
            test("nobody", bucket.clone(), bucket),
        ],
    );
    let mut trace = Trace::new(None);
    for (record, fact) in (0..).zip(facts) {
        trace.take(Place { file: 0, record }, fact);
    }
    let answer = trace.tell(&[]);
    let alerts: Vec<(Option<&str>, usize)> = answer.cases.iter().map(|c| (c.root.identity.as_deref(), c.untrusted.len())).collect();
    assert_eq!(alerts.iter().filter(|(_, n)| *n == 2).count(), 1, "{alerts:?}");
    assert_eq!(answer.cases.len(), 3);
    assert_eq!(answer.unattached.len(), 2, "{:?}", answer.unattached);
}
