//! Evidence of containment.

use quell_core::signal::SignalKind;
use quell_detectors::Builtin;
use quell_engine::port::Detectors;
use serde_json::json;

use super::{caep, credential, duo, github, okta, one, subject, vault, with};

#[test]
fn evidence_of_containment_is_no_alert_and_is_about_whom_was_contained() {
    let entra = |activity: &str| {
        json!({"activityDisplayName": activity, "activityDateTime": "2026-09-01T04:00:00Z", "result": "success",
        "initiatedBy": {"user": {"id": "u-adm"}}, "targetResources": [{"id": "u-ida", "type": "User"}]})
    };
    let auth0 = json!({"log_id": "1", "data": {"type": "sapi", "date": "2026-05-01T10:00:00Z", "log_id": "1", "user_id": "auth0|adm",
        "details": {"request": {"method": "patch", "path": "/api/v2/users/u-ida", "body": {"blocked": true}}, "response": {"statusCode": 200}}}});
    let anthropic = json!({"id": "activity_1", "type": "org_user_deleted", "organization_id": "o", "created_at": "2026-11-10T01:00:00Z",
        "target_user_id": "u-ida", "actor": {"type": "user_actor", "user_id": "u-adm"}});
    let openai = json!({"object": "organization.audit_log", "type": "api_key.deleted", "effective_at": 1_793_600_000, "api_key.deleted": {"id": "u-ida"}, "actor": {"type": "session"}});
    let table = [
        (
            "teleport",
            json!({"event": "lock.created", "code": "TLK00I", "time": "2026-11-01T02:02:00Z", "target": {"user": "u-ida"}, "user": "root"}),
        ),
        ("github-audit", github("org.block_user", json!({"blocked_user": "u-ida"}))),
        ("github-audit", github("org_credential_authorization.revoke", json!({"user": "u-ida"}))),
        ("hashicorp-vault-audit", with(&vault("auth/token/revoke-self", "response"), &[("/auth/entity_id", json!("u-ida"))])),
        ("ssf-caep", with(&caep("caep/event-type/session-revoked", json!({})), &[("/sub_id/sub", json!("u-ida"))])),
        ("ssf-caep", caep("risc/event-type/account-disabled", json!({"reason": "hijacking"}))),
        ("okta-system-log", with(&okta("user.session.clear"), &[("/target/0/id", json!("u-ida"))])),
        ("okta-system-log", with(&okta("user.lifecycle.suspend"), &[("/target/0/id", json!("u-ida"))])),
        ("microsoft-entra", entra("Disable account")),
        ("microsoft-entra", entra("Update StsRefreshTokenValidFrom Timestamp")),
        (
            "keycloak",
            json!({"realmId": "r", "operationType": "ACTION", "resourceType": "USER", "resourcePath": "users/u-ida/logout", "authDetails": {"userId": "u-adm"}}),
        ),
        ("duo", with(&duo("user_update", json!("u-ida"), "API"), &[("/description", json!("{\"status\": \"Disabled\"}"))])),
        ("auth0", auth0),
        ("ai-platform-audit", anthropic),
        ("ai-platform-audit", openai),
    ];
    for (source, message) in table {
        let signal = one(source, message.clone());
        assert!(signal.containment_evidence && signal.kind == SignalKind::Containment, "{source}: {message}");
        assert_eq!(subject(&signal), Some("u-ida"), "{source}: {message}");
    }
}

#[test]
fn what_failed_or_was_only_asked_for_is_no_evidence() {
    let table = [
        ("okta-system-log", with(&okta("user.session.clear"), &[("/outcome/result", json!("FAILURE"))])),
        ("hashicorp-vault-audit", vault("auth/token/revoke-self", "request")),
        ("hashicorp-vault-audit", with(&vault("auth/token/revoke-self", "response"), &[("/error", json!("permission denied"))])),
        ("teleport", json!({"event": "lock.deleted", "code": "TLK01I", "time": "2026-11-01T02:02:00Z", "user": "root", "name": "lock-1"})),
        (
            "github-secret-scanning",
            json!({"action": "resolved", "alert": {"number": 1, "secret_type": "t", "resolution": "revoked", "validity": "active"}}),
        ),
        (
            "github-secret-scanning",
            json!({"action": "resolved", "alert": {"number": 1, "secret_type": "t", "resolution": "false_positive"}}),
        ),
        (
            "microsoft-entra",
            json!({"activityDisplayName": "Disable account", "activityDateTime": "2026-09-01T04:00:00Z", "result": "failure",
            "initiatedBy": {"user": {"id": "u-adm"}}, "targetResources": [{"id": "u-ida", "type": "User"}]}),
        ),
    ];
    for (source, message) in table {
        assert!(!one(source, message.clone()).containment_evidence, "{source}: {message}");
    }
}

#[test]
fn evidence_whose_target_is_no_identity_is_about_nobody() {
    let table = [
        (
            "teleport",
            json!({"event": "lock.created", "code": "TLK00I", "time": "2026-11-01T02:02:00Z", "target": {"role": "auditor"}, "user": "root"}),
        ),
        ("hashicorp-vault-audit", vault("auth/token/revoke-accessor", "response")),
        (
            "auth0",
            json!({"log_id": "1", "data": {"type": "sapi", "date": "2026-05-01T10:00:00Z", "log_id": "1", "user_id": "auth0|adm",
            "details": {"request": {"method": "delete", "path": "/api/v2/sessions/sess-9"}, "response": {"statusCode": 202}}}}),
        ),
        (
            "keycloak",
            json!({"realmId": "r", "operationType": "DELETE", "resourceType": "USER_SESSION", "resourcePath": "sessions/ks-9", "authDetails": {"userId": "u-adm"}}),
        ),
    ];
    for (source, message) in table {
        let signal = one(source, message.clone());
        assert!(signal.containment_evidence, "{source}: {message}");
        assert_eq!((subject(&signal), signal.actor.native_id.is_some()), (None, true), "{source}: {signal:?}");
    }
    assert_eq!(credential(&one("hashicorp-vault-audit", vault("auth/token/revoke-accessor", "response"))), Some("acc-other"));
}

#[test]
fn a_payload_without_its_signature_is_marked_and_no_other_message_is() {
    let payload = r#"{"iss":"https://idp.example","jti":"j-1","iat":1790000000,"aud":"a","sub_id":{"format":"iss_sub","iss":"https://idp.example","sub":"u-1"},"events":{"https://schemas.openid.net/secevent/risc/event-type/credential-compromise":{"credential_type":"password"}}}"#;
    for source in ["ssf-caep", "auto"] {
        let readout = Builtin.read(source, payload.as_bytes());
        assert!(readout.signals.len() == 1 && readout.signals[0].signal.unsigned, "{source}");
        assert!(serde_json::to_string(&readout.signals[0].signal).unwrap().contains("\"unsigned\":true"));
    }
    for (detector, file, bytes) in crate::fixtures::files() {
        let signals = Builtin.read(detector, &bytes).signals;
        assert!(signals.iter().all(|d| d.signal.unsigned == (detector == "ssf-caep")), "{}", file.display());
    }
}
