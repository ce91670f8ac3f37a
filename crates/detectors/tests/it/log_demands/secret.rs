//! What is a secret, and what only looks like one.

use quell_core::signal::Resolvable;
use quell_detectors::Builtin;
use quell_engine::port::Detectors;
use serde_json::{Value, json};

use super::{credential, github, okta, one, subject, vault, with};

#[test]
fn the_secret_of_a_pair_is_the_secret_part_and_base64_of_older_versions_is_undone() {
    let secret =
        |record: Value| Builtin.read("trufflehog", record.to_string().as_bytes()).signals.remove(0).secret.map(|s| s.expose().to_owned());
    let v3 = |raw: &str, both: &str, shown: &str| json!({"SourceMetadata": {"Data": {}}, "DetectorName": "X", "DecoderName": "PLAIN", "Raw": raw, "RawV2": both, "Redacted": shown});
    assert_eq!(secret(v3("AKIAQUELLFIXTURE0001", "AKIAQUELLFIXTURE0001:harbor/thistle", "")).as_deref(), Some("harbor/thistle"));
    assert_eq!(secret(v3("AKIAQUELLFIXTURE0001", "AKIAQUELLFIXTURE0001harbor/thistle", "")).as_deref(), Some("harbor/thistle"));
    assert_eq!(secret(v3("AKIAQUELLFIXTURE0001", "", "AKIAQUELLFIXTURE0001")), None, "an id is no possession");
    assert_eq!(secret(v3("the-id", "the-id:harbor-thistle", "the-id")).as_deref(), Some("the-id:harbor-thistle"));
    assert_eq!(secret(v3("harbor-thistle", "", "")).as_deref(), Some("harbor-thistle"));
    let old = |raw: &str| json!({"SourceMetadata": {"Data": {}}, "DetectorName": "X", "Raw": raw});
    assert_eq!(secret(old("aGFyYm9yLXRoaXN0bGU=")).as_deref(), Some("harbor-thistle"));
    assert_eq!(secret(old("harbor-thistle")).as_deref(), Some("harbor-thistle"));
}

#[test]
fn a_digest_of_a_secret_is_neither_shown_nor_the_key_and_a_reviewed_non_secret_is_dropped() {
    let baseline = |digest: &str| {
        json!({"plugins_used": [], "results": {"f": [{"type": "Secret Keyword", "line_number": 1, "hashed_secret": digest},
        {"type": "Secret Keyword", "line_number": 2, "hashed_secret": "ff", "is_secret": false}]}})
    };
    let (a, b) = (one("detect-secrets", baseline("deadbeefdeadbeef")), one("detect-secrets", baseline("feedfacefeedface")));
    assert_eq!(a.dedupe_key, b.dedupe_key);
    assert!(!serde_json::to_string(&a).unwrap().contains("deadbeef"));
    let ggshield = json!({"total_incidents": 1, "entities_with_incidents": [{"filename": "f", "incidents": [{"type": "t", "ignore_sha": "deadbeef", "occurrences": [{"match": "har****tle"}]}]}]});
    assert!(!serde_json::to_string(&one("gitguardian", ggshield)).unwrap().contains("deadbeef"));
    let hashed = one(
        "github-audit",
        github("personal_access_token.access_granted", json!({"user": "ida", "hashed_token": "deadbeef", "token_id": 5})),
    );
    assert!(!serde_json::to_string(&hashed).unwrap().contains("deadbeef") && credential(&hashed) == Some("5"));
}

#[test]
fn a_token_in_clear_is_a_secret_wherever_a_log_puts_it() {
    let table = [
        (
            "hashicorp-vault-audit",
            with(
                &vault("auth/token/create", "response"),
                &[("/response", json!({"auth": {"client_token": "hvs.harborthistleharborthistle", "accessor": "a"}}))],
            ),
        ),
        (
            "teleport",
            json!({"event": "join_token.create", "code": "TJT00I", "time": "2026-11-01T02:09:00Z", "name": "hvs.harborthistleharborthistle", "user": "root"}),
        ),
        (
            "okta-system-log",
            with(
                &okta("app.oauth2.token.grant"),
                &[("/target", json!([{"id": "hvs.harborthistleharborthistle", "type": "access_token"}]))],
            ),
        ),
        ("onelogin", json!({"event_type_id": 5, "user_id": "hvs.harborthistleharborthistle", "user_name": "ida"})),
    ];
    for (source, message) in table {
        let readout = Builtin.read(source, message.to_string().as_bytes());
        let printed = serde_json::to_string(&readout.signals[0].signal).unwrap();
        assert!(!printed.contains("harborthistle"), "{source}: {printed}");
    }
}

#[test]
fn a_secret_in_any_text_is_taken_out_and_an_id_that_is_one_is_none() {
    let key = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----";
    for secret in ["hvs.harborthistleharborthistle", "eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.c2ln", "ghp_harborthistleharborthistle", key] {
        let messages = [
            ("okta-system-log", with(&okta("user.session.clear"), &[("/displayMessage", json!(format!("cleared with ({secret})")))])),
            (
                "teleport",
                json!({"event": "session.start", "code": "T2000I", "time": "2026-11-01T02:07:00Z", "user": "ida", "cluster_name": secret}),
            ),
            (
                "ocsf",
                json!({"class_uid": 2004, "metadata": {}, "severity": secret, "finding_info": {"uid": "1", "title": format!("used:{secret}")}, "user": {"uid": "u", "name": secret}}),
            ),
            (
                "quell",
                json!({"kind": "other", "title": secret, "subject": {"native_id": secret, "name": "ida"}, "actor": {"name": secret}}),
            ),
        ];
        for (source, message) in messages {
            let signal = one(source, message);
            let printed = serde_json::to_string(&signal).unwrap();
            assert!(!printed.contains("harborthistle") && !printed.contains("eyJ4") && !printed.contains("bm90"), "{source}: {printed}");
        }
    }
    for id in
        ["", "HARBOR\\", "https://vault.example/?token=", "<", "ida@", "é"].map(|before| format!("{before}hvs.harborthistleharborthistle"))
    {
        let signal = one("quell", json!({"kind": "other", "title": "t", "subject": {"native_id": id}}));
        assert_eq!((subject(&signal), signal.subject.resolvable), (None, Resolvable::No), "{id}");
    }
}
