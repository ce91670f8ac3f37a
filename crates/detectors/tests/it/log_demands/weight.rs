//! When it happened and how much it weighs.

use quell_core::signal::{ObservedFrom, SignalKind};
use serde_json::{Value, json};

use super::{okta, one, with};

#[test]
fn the_event_s_own_time_counts_before_its_envelope_s_and_a_time_that_cannot_be_is_passed_over() {
    let bus = json!({"detail-type": "SystemLog", "source": "aws.partner/okta.com/corp", "time": "1970-01-01T00:00:00Z", "detail": okta("user.session.clear")});
    assert_eq!(one("okta-system-log", bus).observed_at.unwrap().to_string(), "2026-08-01T05:00:00Z");
    for written in [json!("redacted"), json!("0001-01-01T00:00:00Z"), json!("2200-01-01T00:00:00Z"), json!(0), json!(null)] {
        let signal = one("okta-system-log", with(&okta("user.session.clear"), &[("/published", written.clone())]));
        assert_eq!((signal.observed_at, signal.observed_at_from), (None, ObservedFrom::Received), "{written}");
    }
    let risk = |time: Value| json!({"category": "UserRiskEvents", "time": "3/24/2026 2:42:35 PM", "properties": {"id": "r", "userId": "u-ida", "riskEventType": "x", "detectedDateTime": time}});
    let inner = one("microsoft-entra", risk(json!("2026-03-24T14:40:04.234Z")));
    assert_eq!((inner.observed_at.unwrap().to_string(), inner.observed_at_from), ("2026-03-24T14:40:04.234Z".into(), ObservedFrom::Event));
    let outer = one("microsoft-entra", risk(json!("redacted")));
    assert_eq!(
        (outer.observed_at.unwrap().to_string(), outer.observed_at_from),
        ("2026-03-24T14:42:35Z".into(), ObservedFrom::VendorUpdate)
    );
}

#[test]
fn a_repository_s_update_is_not_the_time_of_its_alert() {
    let message = json!({"action": "reopened", "alert": {"number": 1, "secret_type": "t"}, "repository": {"full_name": "corp/ferry", "updated_at": "2026-04-09T00:00:00Z"}});
    assert_eq!(one("github-secret-scanning", message).observed_at, None);
}

#[test]
fn a_log_level_and_a_scanner_s_verdict_are_no_severity() {
    let levels = [
        ("okta-system-log", with(&okta("user.session.clear"), &[("/severity", json!("ERROR"))])),
        ("keycloak", json!({"log.level": "WARN", "message": "type=\"LOGIN\", realmId=\"r\", userId=\"u\""})),
        ("teleport", json!({"event": "user.login", "code": "T1000W", "time": "2026-11-01T02:00:00Z", "user": "ida"})),
        (
            "microsoft-entra",
            json!({"category": "SignInLogs", "Level": 1, "properties": {"createdDateTime": "2026-09-01T04:00:00Z", "userId": "u", "appId": "a"}}),
        ),
        (
            "trufflehog",
            json!({"SourceMetadata": {"Data": {}}, "DetectorName": "Github", "Verified": true, "DecoderName": "PLAIN", "Raw": "harbor-thistle"}),
        ),
        ("github-secret-scanning", json!({"number": 1, "secret_type": "t", "validity": "active"})),
    ];
    for (source, message) in levels {
        assert_eq!(one(source, message).severity.id, 0, "{source}");
    }
    let confidence = |source, message| one(source, message).vendor_confidence;
    assert_eq!(
        confidence("github-secret-scanning", json!({"number": 1, "secret_type": "t", "validity": "active"})).as_deref(),
        Some("validity: active")
    );
    assert_eq!(confidence("onelogin", json!({"event_type_id": 5, "user_id": 7, "risk_score": 55})).as_deref(), Some("risk_score: 55"));
}

#[test]
fn conflicting_risks_count_as_the_higher_one_and_both_are_told() {
    let message = json!({"category": "SignInLogs", "properties": {"createdDateTime": "2026-09-01T04:00:00Z", "userId": "u", "appId": "a",
        "riskLevelDuringSignIn": "high", "riskLevelAggregated": "none", "riskState": "atRisk", "riskDetail": "aiConfirmedSigninSafe"}});
    let signal = one("microsoft-entra", message);
    assert_eq!((signal.severity.id, signal.kind), (4, SignalKind::RiskySignIn));
    assert!(signal.vendor_confidence.is_some_and(|c| c.contains("atRisk") && c.contains("aiConfirmedSigninSafe")));
}

#[test]
fn the_scopes_of_a_new_key_are_its_severity() {
    for (scopes, wanted) in [
        (json!(["all"]), 4),
        (json!(["organization:write"]), 4),
        (json!(["api.model.request"]), 3),
        (json!(["models:read"]), 2),
        (json!([]), 0),
    ] {
        let message = json!({"object": "organization.audit_log", "type": "api_key.created", "effective_at": 1_793_600_000, "actor": {"type": "session"},
            "api_key_created": {"id": "key_1", "data": {"scopes": scopes}}});
        assert_eq!(one("ai-platform-audit", message).severity.id, wanted, "{scopes}");
    }
}
