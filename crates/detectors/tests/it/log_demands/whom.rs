//! Whom a signal is about, and who is nobody.

use quell_core::signal::{Resolvable, SignalKind};
use serde_json::{Value, json};

use super::{caep, credential, duo, github, okta, one, subject, vault, with};

#[test]
fn the_committer_is_nowhere_in_a_scanners_signal() {
    let table = [
        (
            "trufflehog",
            json!({"SourceMetadata": {"Data": {"Git": {"email": "Nils Borg <nils.borg@corp.example>", "file": "f", "commit": "c"}}},
            "DetectorName": "Github", "DecoderName": "PLAIN", "Raw": "ghp_harborthistleharborthistle000000001"}),
        ),
        (
            "trufflehog",
            json!({"rule": {"id": "r"}, "secret": "harbor-thistle", "path": "f", "author": "Nils Borg <nils.borg@corp.example>"}),
        ),
        (
            "gitguardian",
            json!({"type": "commit", "id": "c", "total_incidents": 1, "extra_info": {"author": "Nils Borg", "email": "nils.borg@corp.example"},
            "entities_with_incidents": [{"filename": "f", "incidents": [{"type": "t", "occurrences": [{"match": "harbor-thistle"}]}]}]}),
        ),
        (
            "gitguardian",
            json!({"action": "incident_triggered", "source": "GitGuardian", "incident": {"id": 1, "detector": {"name": "d"}, "gitguardian_url": "u",
            "assignee_email": "nils.borg@corp.example"}, "occurrence": {"filepath": "f", "author_name": "Nils Borg"}}),
        ),
        (
            "github-secret-scanning",
            json!({"action": "reopened", "alert": {"number": 1, "secret_type": "t", "resolved_by": {"login": "nils.borg"}},
            "sender": {"login": "nils.borg"}, "repository": {"full_name": "corp/ferry"}}),
        ),
        (
            "github-secret-scanning",
            json!({"action": "secret_scanning_alert.create", "actor": "nils.borg", "actor_id": 7, "number": 1, "repo": "corp/ferry"}),
        ),
    ];
    for (source, message) in table {
        let signal = one(source, message.clone());
        assert_eq!(signal.subject.resolvable, Resolvable::SecretOnly, "{source}: {message}");
        let printed = serde_json::to_string(&signal).unwrap().to_lowercase();
        assert!(!printed.contains("nils") && !printed.contains("borg"), "{source}: {printed}");
    }
}

#[test]
fn a_change_is_about_whom_it_was_done_to_and_not_about_who_did_it() {
    let table = [
        ("okta-system-log", okta("user.mfa.factor.reset_all"), "00uida", "00uadm"),
        (
            "okta-system-log",
            with(&okta("app.oauth2.token.detect_reuse"), &[("/actor", json!({"id": "0oacli", "type": "PublicClientApp"}))]),
            "00uida",
            "0oacli",
        ),
        ("duo", duo("bypass_create", json!("olle"), "Ida Holm"), "olle", "Ida Holm"),
        ("duo", duo("integration_skey_view", json!("VPN gateway"), "Ida Holm"), "VPN gateway", "Ida Holm"),
        ("github-audit", github("repo.add_member", json!({"user": "olle-b", "user_id": 102})), "102", "101"),
        ("github-audit", github("org.block_user", json!({"blocked_user": "mallet"})), "mallet", "101"),
        (
            "teleport",
            json!({"event": "lock.created", "code": "TLK00I", "time": "2026-11-01T02:02:00Z", "target": {"user": "olle"}, "user": "root"}),
            "olle",
            "root",
        ),
        (
            "onelogin",
            json!({"event_type_id": 3, "user_id": 70001, "user_name": "Ida", "actor_user_id": 70002, "actor_user_name": "Olle"}),
            "70001",
            "70002",
        ),
        (
            "auth0",
            json!({"log_id": "1", "data": {"type": "sapi", "date": "2026-05-01T10:00:00Z", "log_id": "1", "user_id": "auth0|adm",
            "details": {"request": {"method": "post", "path": "/api/v2/users/auth0%7C5f00/roles", "auth": {"user": {"user_id": "auth0|adm"}}}}}}),
            "auth0|5f00",
            "auth0|adm",
        ),
        (
            "keycloak",
            json!({"realmId": "r", "operationType": "UPDATE", "resourceType": "USER", "resourcePath": "users/u-ida", "authDetails": {"userId": "u-adm"}}),
            "u-ida",
            "u-adm",
        ),
        (
            "microsoft-entra",
            json!({"activityDisplayName": "Reset user password", "activityDateTime": "2026-09-01T04:00:00Z", "initiatedBy": {"user": {"id": "u-adm"}},
            "targetResources": [{"id": "u-ida", "type": "User"}]}),
            "u-ida",
            "u-adm",
        ),
        (
            "ai-platform-audit",
            json!({"object": "organization.audit_log", "type": "user.updated", "effective_at": 1_793_600_000, "user.updated": {"id": "user-olle"},
            "actor": {"type": "session", "session": {"user": {"id": "user-ida"}}}}),
            "user-olle",
            "user-ida",
        ),
        ("hashicorp-vault-audit", vault("auth/userpass/users/olle", "response"), "olle", "ent-ida"),
    ];
    for (source, message, about, by) in table {
        let signal = one(source, message);
        assert_eq!((subject(&signal), signal.actor.native_id.as_deref()), (Some(about), Some(by)), "{source}: {signal:?}");
    }
}

#[test]
fn an_application_s_number_for_the_user_who_signs_in_is_not_another_user() {
    let own_account =
        json!([{"id": "0oa1", "type": "AppInstance", "displayName": "Wiki"}, {"id": "0ua9", "type": "AppUser", "alternateId": "root"}]);
    let signal = one("okta-system-log", with(&okta("user.authentication.sso"), &[("/target", own_account)]));
    assert_eq!((subject(&signal), signal.actor.native_id.as_deref()), (Some("00uadm"), None));
}

#[test]
fn the_application_that_a_person_signs_in_to_is_not_who_signs_in() {
    let message = json!({"category": "SignInLogs", "identity": "Ida Holm", "properties": {"createdDateTime": "2026-09-01T04:00:00Z", "appId": "a-1", "servicePrincipalId": ""}});
    let signal = one("microsoft-entra", message);
    assert_eq!(
        (subject(&signal), signal.subject.name.as_deref(), signal.subject.resolvable),
        (None, Some("Ida Holm"), Resolvable::Partial)
    );
}

#[test]
fn the_session_of_who_acted_is_never_the_credential_of_whom_they_acted_on() {
    let of_admin = one("okta-system-log", okta("user.mfa.factor.reset_all"));
    assert_eq!(of_admin.credential, None);
    let own = with(&okta("user.session.start"), &[("/target", json!([]))]);
    assert_eq!(credential(&one("okta-system-log", own)), Some("idx-admin"));
    assert_eq!(one("hashicorp-vault-audit", vault("auth/userpass/users/olle", "response")).credential, None);
    assert_eq!(credential(&one("hashicorp-vault-audit", vault("secret/data/ferry", "response"))), Some("acc-own"));
    assert_eq!(one("github-audit", github("repo.add_member", json!({"user": "olle-b", "token_id": 5}))).credential, None);
    let openai = json!({"object": "organization.audit_log", "type": "user.updated", "effective_at": 1_793_600_000, "user.updated": {"id": "user-olle"},
        "actor": {"type": "api_key", "api_key": {"id": "key_9", "type": "user", "user": {"id": "user-ida"}}}});
    assert_eq!(one("ai-platform-audit", openai).credential, None);
}

#[test]
fn a_placeholder_names_neither_an_identity_nor_a_credential() {
    let keycloak = |user: &str| json!({"message": format!("type=\"CODE_TO_TOKEN\", realmId=\"r\", clientId=\"wiki\", userId=\"{user}\"")});
    for word in ["null", "unknown", "********", "REDACTED", "0", "", "undefined", "anonymous", "00000000-0000-0000-0000-000000000000"] {
        let nobody = json!({"id": word, "type": "User", "alternateId": word, "displayName": word});
        let table = [
            (
                "okta-system-log",
                with(
                    &okta("user.session.start"),
                    &[("/actor", nobody.clone()), ("/target", json!([nobody])), ("/authenticationContext/externalSessionId", json!(word))],
                ),
            ),
            (
                "auth0",
                json!({"log_id": "1", "data": {"type": "s", "date": "2026-05-01T10:00:00Z", "log_id": "1", "user_id": word, "user_name": word, "session_id": word}}),
            ),
            (
                "duo",
                json!({"event_type": "authentication", "factor": "duo_push", "result": "success", "txid": "t", "user": {"key": word, "name": word}}),
            ),
            ("onelogin", json!({"event_type_id": 5, "user_id": word, "user_name": word, "client_id": word})),
            (
                "microsoft-entra",
                json!({"category": "SignInLogs", "properties": {"createdDateTime": "2026-09-01T04:00:00Z", "userId": word, "userPrincipalName": word, "appId": "a", "sessionId": word}}),
            ),
            ("teleport", json!({"event": "session.start", "code": "T2000I", "time": "2026-11-01T02:07:00Z", "user": word, "sid": word})),
            ("github-audit", github("repo.destroy", json!({"actor": word, "actor_id": word, "token_id": word}))),
            (
                "hashicorp-vault-audit",
                json!({"type": "response", "time": "2026-12-01T00:00:00Z", "auth": {"accessor": word, "entity_id": word, "display_name": word},
                "request": {"path": "secret/data/x", "operation": "read", "client_token_accessor": word}}),
            ),
            (
                "ssf-caep",
                with(&caep("caep/event-type/session-revoked", json!({})), &[("/sub_id", json!({"format": "opaque", "id": word}))]),
            ),
            (
                "ai-platform-audit",
                json!({"id": "activity_1", "type": "claude_chat_created", "organization_id": "o", "created_at": "2026-11-10T01:00:00Z",
                "actor": {"type": "user_actor", "user_id": word, "email_address": word}}),
            ),
        ];
        for (source, message) in table {
            let signal = one(source, message);
            assert_eq!((subject(&signal), signal.subject.name.as_deref(), credential(&signal)), (None, None, None), "{source} on {word:?}");
            assert_eq!(signal.subject.resolvable, Resolvable::No, "{source} on {word:?}");
        }
        let client = one("keycloak", keycloak(word));
        assert_eq!(subject(&client), Some("wiki"), "keycloak on {word:?}");
    }
}

#[test]
fn a_name_that_was_typed_and_that_nobody_has_is_partial() {
    let unknown = json!({"id": "unknown", "type": "User", "alternateId": "nobody@corp.example", "displayName": "unknown"});
    let table = [
        (
            "okta-system-log",
            with(&okta("user.session.start"), &[("/actor", unknown), ("/target", json!(null)), ("/outcome/result", json!("FAILURE"))]),
        ),
        (
            "auth0",
            json!({"log_id": "1", "data": {"type": "fu", "date": "2026-05-01T10:00:00Z", "log_id": "1", "user_id": "", "user_name": "nobody@corp.example"}}),
        ),
        (
            "microsoft-entra",
            json!({"category": "SignInLogs", "properties": {"createdDateTime": "2026-09-01T04:00:00Z", "userPrincipalName": "nobody@corp.example",
            "userId": "00000000-0000-0000-0000-000000000000", "appId": "a", "status": {"errorCode": 50034}}}),
        ),
        (
            "keycloak",
            json!({"realmId": "r", "type": "LOGIN_ERROR", "clientId": "wiki", "userId": null, "error": "user_not_found", "details": {"username": "nobody@corp.example"}}),
        ),
        (
            "hashicorp-vault-audit",
            json!({"type": "request", "time": "2026-12-01T00:00:00Z", "error": "permission denied",
            "request": {"path": "auth/userpass/login/nobody@corp.example", "operation": "update", "mount_type": "userpass"}}),
        ),
    ];
    for (source, message) in table {
        let signal = one(source, message);
        assert_eq!((subject(&signal), signal.subject.resolvable), (Some("nobody@corp.example"), Resolvable::Partial), "{source}");
        assert_eq!(signal.kind, SignalKind::RiskySignIn, "{source}");
    }
}

#[test]
fn only_what_a_scanner_tried_names_an_identity() {
    let found = |verified: bool, extra: Value| {
        json!({"SourceMetadata": {"Data": {"Git": {"file": "f"}}}, "DetectorName": "AWS", "DecoderName": "PLAIN",
        "Raw": "AKIAQUELLFIXTURE0001", "RawV2": "AKIAQUELLFIXTURE0001:harbor/thistle", "Verified": verified, "ExtraData": extra})
    };
    let tried = one(
        "trufflehog",
        found(true, json!({"account": "111122223333", "arn": "arn:aws:iam::111122223333:user/ferry", "user_id": "AIDAFIXTURE"})),
    );
    assert_eq!(
        (subject(&tried), tried.subject.resolvable, tried.subject.system.as_deref()),
        (Some("AIDAFIXTURE"), Resolvable::Yes, Some("aws:111122223333"))
    );
    let only_found = one("trufflehog", found(false, json!({"account": "111122223333"})));
    assert_eq!((subject(&only_found), only_found.subject.resolvable), (None, Resolvable::SecretOnly));
    assert_eq!(credential(&only_found), Some("AKIAQUELLFIXTURE0001"));
}
