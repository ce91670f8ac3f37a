//! Nothing of a secret that stands in a log leaves a reader.

use serde_json::{Value, json};

use super::*;

const SECRET: &str = "hunter2-hunter2-hunter2";

/// Records in which a secret stands where such records can hold one.
fn records() -> Vec<(&'static str, String)> {
    let trail = |name: &str, request: Value, answer: Value| {
        json!({ "eventTime": "2026-10-01T03:02:11Z", "eventSource": "sts.amazonaws.com", "eventName": name, "sourceIPAddress": "192.0.2.10",
            "userIdentity": { "type": "IAMUser", "arn": "arn:aws:iam::111111111111:user/a", "accessKeyId": "AKIAEXAMPLEEXAMPLE00" },
            "requestParameters": request, "responseElements": answer })
        .to_string()
    };
    let vault = |path: &str, data: Value, response: Value| {
        json!({ "type": "response", "time": "2026-10-01T03:02:11Z", "auth": { "client_token": format!("hvs.{SECRET}"), "accessor": "acc-1" },
            "request": { "id": "r", "operation": "update", "path": path, "client_token": format!("hvs.{SECRET}"), "client_token_accessor": "acc-1", "data": data },
            "response": response })
        .to_string()
    };
    vec![
        ("aws-cloudtrail", trail("AssumeRole", json!({}), json!({ "credentials": { "accessKeyId": "ASIAEXAMPLEEXAMPLE00", "secretAccessKey": SECRET, "sessionToken": SECRET } }))),
        ("aws-cloudtrail", trail("CreateAccessKey", json!({}), json!({ "accessKey": { "accessKeyId": "AKIAEXAMPLEEXAMPLE01", "secretAccessKey": SECRET } }))),
        ("aws-cloudtrail", trail("CreateLoginProfile", json!({ "userName": "a", "password": SECRET }), json!({}))),
        ("aws-cloudtrail", trail("ModifyInstanceAttribute", json!({ "instanceId": "i-1", "userData": SECRET }), json!({}))),
        ("hashicorp-vault-audit", vault("auth/token/create", json!({}), json!({ "auth": { "client_token": format!("hvs.{SECRET}"), "accessor": "acc-2" } }))),
        ("hashicorp-vault-audit", vault("auth/token/revoke", json!({ "token": format!("hvs.{SECRET}") }), json!({}))),
        ("hashicorp-vault-audit", vault("database/creds/app", json!({}), json!({ "secret": { "lease_id": "L" }, "data": { "password": SECRET } }))),
        ("postgresql", format!("2026-10-01 03:02:11 UTC [1] LOG:  connection authorized: user=a database=b\n2026-10-01 03:02:12 UTC [1] LOG:  statement: ALTER ROLE a PASSWORD '{SECRET}'")),
        ("postgresql", format!("2026-10-01 03:02:11 UTC [1] LOG:  connection authorized: user=a database=b\n2026-10-01 03:02:12 UTC [1] LOG:  statement: {SECRET} is not SQL")),
        ("kubernetes-audit", json!({ "apiVersion": "audit.k8s.io/v1", "verb": "create", "stage": "ResponseComplete", "user": { "username": "a" },
            "objectRef": { "resource": "secrets", "namespace": "n" }, "requestObject": { "data": { "k": SECRET } }, "responseObject": { "status": { "token": SECRET } } }).to_string()),
        ("token-claims", json!({ "iss": "i", "sub": "s", "jti": "t", "access_token": SECRET, "act": { "sub": "b", "token": SECRET } }).to_string()),
        ("okta-system-log", json!({ "eventType": "system.api_token.create", "published": "2026-10-01T03:02:11Z", "actor": { "alternateId": "a@b.example" },
            "debugContext": { "debugData": { "token": SECRET } }, "target": [{ "type": "Token", "id": "00T", "displayName": "x" }] }).to_string()),
    ]
}

#[test]
fn no_fact_holds_a_secret_of_its_record() {
    for (kind, record) in records() {
        assert!(record.contains(SECRET));
        let told = told_of(None, record.as_bytes());
        assert_eq!(told.kinds, [kind], "{record}");
        assert!(!told.facts.is_empty(), "{kind}: nothing was read, so nothing was shown");
        let shown = format!("{:?}", told.facts);
        assert!(!shown.contains("hunter2"), "{kind}: {shown}");
    }
}

#[test]
fn no_reason_quotes_what_could_not_be_read() {
    for (kind, record) in records() {
        for cut in [record.len() - 3, record.find(SECRET).unwrap() + 10] {
            let told = told_of(Some(kind), &record.as_bytes()[..cut]);
            let shown = format!("{:?} {:?}", told.unreadable, told.facts);
            assert!(!shown.contains("hunter2"), "{kind}: {shown}");
        }
    }
}
