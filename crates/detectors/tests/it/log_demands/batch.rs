//! Shapes of messages, and what folds.

use quell_detectors::Builtin;
use quell_engine::port::Detectors;
use serde_json::json;

use super::{all, caep, credential, duo, okta, one, subject, vault, with};

#[test]
fn keys_in_another_case_and_values_inside_text_are_read() {
    let lower = json!({"uuid": "u", "published": "2026-08-01T05:00:00Z", "eventtype": "user.session.start", "outcome": {"result": "SUCCESS"},
        "actor": {"id": "00uida", "type": "User"}, "authenticationcontext": {"externalSessionId": "idx-1"}});
    let signal = one("okta-system-log", lower);
    assert_eq!((subject(&signal), credential(&signal)), (Some("00uida"), Some("idx-1")));
    let row = json!({"Type": "AuditLogs", "ActivityDisplayName": "Reset user password", "ActivityDateTime": "2026-09-01T04:00:00Z",
        "InitiatedBy": "{\"user\":{\"id\":\"u-adm\"}}", "TargetResources": "[{\"id\":\"u-ida\",\"type\":\"User\"}]"});
    assert_eq!(subject(&one("microsoft-entra", row)), Some("u-ida"));
    let line = json!({"message": "type=\"LOGIN\", realmId=\"r\", clientId=\"wiki\", userId=\"u-ida\", sessionId=\"s-1\", username=\"a, b=\\\"c\\\"\""});
    let signal = one("keycloak", line);
    assert_eq!((subject(&signal), credential(&signal), signal.subject.name.as_deref()), (Some("u-ida"), Some("s-1"), Some("a, b=\"c\"")));
}

#[test]
fn every_way_to_batch_gives_every_record() {
    let event = okta("user.session.clear");
    let entry = vault("secret/data/ferry", "response");
    let activity = json!({"id": "activity_1", "type": "claude_chat_created", "organization_id": "o", "created_at": "2026-11-10T01:00:00Z", "actor": {"type": "user_actor", "user_id": "u"}});
    let signin = json!({"category": "SignInLogs", "properties": {"createdDateTime": "2026-09-01T04:00:00Z", "userId": "u", "appId": "a"}});
    let admin = duo("bypass_create", json!("olle"), "Ida Holm");
    let table = [
        ("okta-system-log", json!([event, event])),
        ("okta-system-log", json!({"eventType": "com.okta.event_hook", "data": {"events": [event, event]}})),
        ("microsoft-entra", json!({"records": [signin, signin]})),
        ("microsoft-entra", json!({"value": [signin, signin]})),
        ("ai-platform-audit", json!({"object": "list", "data": [activity, activity]})),
        ("duo", json!({"stat": "OK", "response": [admin, admin]})),
        (
            "duo",
            json!({"response": {"authlogs": [
            {"event_type": "authentication", "factor": "f", "result": "success", "txid": "1", "user": {"name": "a"}},
            {"event_type": "authentication", "factor": "f", "result": "success", "txid": "2", "user": {"name": "b"}}]}}),
        ),
        ("onelogin", json!({"data": [{"event_type_id": 5, "user_id": 1}, {"event_type_id": 5, "user_id": 2}]})),
    ];
    for (source, message) in table {
        assert_eq!(all(source, &message).len(), 2, "{source}: {message}");
    }
    let lines = format!("{entry}\n{entry}\n");
    assert_eq!(Builtin.read("hashicorp-vault-audit", lines.as_bytes()).signals.len(), 2);
    for source in ["okta-system-log", "ssf-caep", "hashicorp-vault-audit"] {
        assert_eq!(Builtin.read(source, b"null").unreadable.len(), 1, "{source}");
    }
}

#[test]
fn one_event_on_two_ways_has_one_key() {
    let direct = okta("user.session.clear");
    let bus = json!({"detail-type": "SystemLog", "source": "s", "time": "2026-08-01T05:00:09Z", "detail": direct});
    let lower = with(&direct, &[("/published", json!("2026-08-01 05:00:00.000400"))]);
    let key = |m| one("okta-system-log", m).dedupe_key;
    assert_eq!(key(direct.clone()), key(bus));
    assert_eq!(key(direct), key(lower), "a tool on the way kept more digits of the time");
    let twice = json!([{"rule": {"id": "r"}, "secret": "harbor-thistle", "path": "f", "line": "1"}, {"rule": {"id": "r"}, "secret": "harbor-thistle", "path": "f", "line": "1"}]);
    let keys: Vec<_> = all("trufflehog", &twice).into_iter().map(|s| s.dedupe_key).collect();
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn an_id_that_different_events_share_does_not_fold_them() {
    let auth0 = |code: &str, user: &str| json!({"log_id": "905", "data": {"type": code, "date": "2026-05-01T10:00:00Z", "log_id": "905", "user_id": user}});
    let key = |source, m| one(source, m).dedupe_key;
    assert_ne!(key("auth0", auth0("s", "a|1")), key("auth0", auth0("ferrt", "a|1")));
    assert_ne!(key("auth0", auth0("s", "a|1")), key("auth0", auth0("s", "a|2")));
    let other = with(&caep("caep/event-type/session-revoked", json!({})), &[("/sub_id/sub", json!("u-olle"))]);
    assert_ne!(key("ssf-caep", caep("caep/event-type/session-revoked", json!({}))), key("ssf-caep", other));
    assert_ne!(
        key("ssf-caep", caep("caep/event-type/session-revoked", json!({}))),
        key("ssf-caep", caep("caep/event-type/token-claims-change", json!({})))
    );
    assert_ne!(key("hashicorp-vault-audit", vault("secret/a", "request")), key("hashicorp-vault-audit", vault("secret/a", "response")));
}
