//! One intrusion across four logs: a sign-in, a token, a role session, a key.

use serde_json::json;

use super::*;

#[test]
fn a_chain_goes_through_cluster_and_cloud() {
    let account = "system:serviceaccount:prod:web";
    let cluster = json!({ "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a-1", "stage": "ResponseComplete", "verb": "create",
        "user": { "username": "ada@corp.example" }, "sourceIPs": ["192.0.2.10"], "responseStatus": { "code": 201 },
        "objectRef": { "resource": "serviceaccounts", "subresource": "token", "namespace": "prod", "name": "web" },
        "annotations": { "authentication.kubernetes.io/issued-credential-id": format!("{account}#token") },
        "requestReceivedTimestamp": "2026-10-01T03:00:00Z" });
    let assume = json!({ "eventTime": "2026-10-01T03:01:00Z", "eventSource": "sts.amazonaws.com", "eventName": "AssumeRoleWithWebIdentity", "recipientAccountId": "111111111111",
        "userIdentity": { "type": "WebIdentityUser", "userName": account, "identityProvider": "oidc.eks" }, "sourceIPAddress": "192.0.2.10",
        "responseElements": { "credentials": { "accessKeyId": "ASIAEXAMPLEEXAMPLE00" }, "assumedRoleUser": { "arn": "arn:aws:sts::111111111111:assumed-role/web/pod" } } });
    let key = json!({ "eventTime": "2026-10-01T03:02:00Z", "eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey", "recipientAccountId": "111111111111",
        "userIdentity": { "type": "AssumedRole", "arn": "arn:aws:sts::111111111111:assumed-role/web/pod", "accessKeyId": "ASIAEXAMPLEEXAMPLE00" },
        "sourceIPAddress": "192.0.2.10", "requestParameters": { "userName": "door" }, "responseElements": { "accessKey": { "accessKeyId": "AKIAEXAMPLEEXAMPLE01", "userName": "door" } } });
    let text = format!("{key}\n{cluster}\n{assume}\n");
    let told = told_of(None, text.as_bytes());
    assert_eq!(told.kinds, ["aws-cloudtrail", "kubernetes-audit"], "one file may hold several kinds");
    let cases = cases(told.facts);
    assert_eq!(
        chain(&cases[0]),
        [
            "ada@corp.example#token token <- -".to_owned(),
            format!("{account}#token token <- ada@corp.example#token"),
            format!("ASIAEXAMPLEEXAMPLE00 session <- {account}#token"),
            "AKIAEXAMPLEEXAMPLE01 access key <- ASIAEXAMPLEEXAMPLE00".to_owned(),
        ]
    );
}
