//! What counts as the secret, seen through a report.

use quell_core::signal::{CredentialKind, Detected};
use quell_detectors::scanner::gitleaks;
use serde_json::json;

fn leak(record: serde_json::Value) -> Detected {
    let mut readout = gitleaks::read(record.to_string().as_bytes());
    assert_eq!((readout.signals.len(), readout.unreadable.len()), (1, 0), "{record}");
    readout.signals.remove(0)
}

fn secret(record: serde_json::Value) -> Option<String> {
    leak(record).secret.map(|s| s.expose().to_owned())
}

#[test]
fn masks_templates_and_key_headers_are_no_secrets_and_say_why() {
    let table = [
        "",
        " ",
        "REDACTED",
        "[redacted]",
        "********",
        "••••",
        "xxxxxxxx",
        "AKIA****",
        "abcd...",
        "${TOKEN}",
        "{{ .Values.token }}",
        "<password>",
        "null",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
        "postgres://app:${PW}@db/x",
        "postgres://app:****@db/x",
    ];
    for text in table {
        let detected = leak(json!({"RuleID": "r", "Secret": text}));
        assert!(detected.secret.is_none(), "{text:?}");
        assert!(detected.signal.reasons.iter().any(|r| r.contains("nothing to fingerprint")), "{text:?}: {:?}", detected.signal.reasons);
    }
}

#[test]
fn the_password_of_a_connection_address_is_the_secret() {
    let table = [
        ("postgres://app:hunter-two@db.internal:5432/app", Some("hunter-two")),
        ("postgresql+asyncpg://app:p%40ss%2Fword@db/app?sslmode=require", Some("p@ss/word")),
        ("https://u:a:b@host", Some("a:b")),
        ("amqp://guest:pw%ZZ@h", Some("pw%ZZ")),
        ("https://host/path", Some("https://host/path")),
        ("redis://:only-password@h", Some("only-password")),
    ];
    for (text, wanted) in table {
        assert_eq!(secret(json!({"RuleID": "r", "Secret": text})).as_deref(), wanted, "{text}");
    }
    assert_eq!(
        leak(json!({"RuleID": "r", "Secret": "a://u:pass-word@h"})).signal.credential.map(|c| c.kind),
        Some(CredentialKind::Password)
    );
}

#[test]
fn the_value_of_an_older_reports_assignment_is_the_secret() {
    let table = [
        (r#"TOKEN="abc-def-1""#, "abc-def-1"),
        ("password: 'abc-def-2'", "abc-def-2"),
        (r#""api.key" => "abc-def-3","#, "abc-def-3"),
        ("key=abc-def-4;", "abc-def-4"),
        ("YWJjLWRlZi01==", "YWJjLWRlZi01=="),
        ("abc-def-6", "abc-def-6"),
        ("URL=postgres://u:abc-def-7@h/d", "abc-def-7"),
        ("postgres://u:abc-def-8@h/d", "abc-def-8"),
        ("ключ=значение", "ключ=значение"),
        ("k='", "k='"),
    ];
    for (offender, wanted) in table {
        let got = secret(json!({"rule": "r", "offender": offender}));
        if wanted == "k='" {
            assert_eq!(got, None, "{offender}");
        } else {
            assert_eq!(got.as_deref(), Some(wanted), "{offender}");
        }
    }
}

#[test]
fn an_access_key_id_is_an_identifier_and_never_possession() {
    let detected = leak(json!({"RuleID": "aws-access-token", "Secret": "AKIAIOSFODNN7EXAMPLE"}));
    assert!(detected.secret.is_none());
    let credential = detected.signal.credential.unwrap();
    assert_eq!((credential.kind, credential.id.as_deref()), (CredentialKind::AccessKey, Some("AKIAIOSFODNN7EXAMPLE")));
}

#[test]
fn a_rule_names_the_kind_only_where_it_leaves_no_doubt() {
    use CredentialKind as K;
    let table = [
        ("aws-access-token", K::AccessKey),
        ("github-pat", K::Token),
        ("github-refresh-token", K::RefreshToken),
        ("example-api-key", K::ApiKey),
        ("generic-api-key", K::Unknown),
        ("private-key", K::Unknown),
        ("Github", K::Unknown),
        ("db_password", K::Password),
        ("", K::Unknown),
    ];
    for (rule, kind) in table {
        assert_eq!(leak(json!({"RuleID": rule, "Secret": "harbor-thistle"})).signal.credential.unwrap().kind, kind, "{rule}");
    }
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5IGF0IGFsbA==\n-----END OPENSSH PRIVATE KEY-----";
    assert_eq!(leak(json!({"RuleID": "private-key", "Secret": key})).signal.credential.unwrap().kind, K::SshKey);
}

#[test]
fn two_deliveries_have_equal_keys_and_another_place_another_one() {
    let key = |v: serde_json::Value| leak(v).signal.dedupe_key;
    let one = json!({"RuleID": "r", "Secret": "harbor-thistle", "File": "f", "Commit": "c", "StartLine": 1});
    assert_eq!(key(one.clone()), key(one.clone()));
    for (field, value) in [("RuleID", json!("s")), ("File", json!("g")), ("Commit", json!("d")), ("StartLine", json!(2))] {
        let mut other = one.clone();
        other[field] = value;
        assert_ne!(key(one.clone()), key(other), "{field}");
    }
    let mut other = one.clone();
    other["Secret"] = json!("thistle-harbor");
    assert_eq!(key(one), key(other), "the key must not be made from the secret");
}

#[test]
fn two_secrets_at_one_place_of_one_report_are_two_events_and_a_repeat_is_one() {
    let at = |s: &str| json!({"rule": "r", "offender": s, "file": "f", "commit": "c"});
    let readout = gitleaks::read(json!([at("first-one"), at("second-one"), at("first-one")]).to_string().as_bytes());
    let keys: Vec<_> = readout.signals.iter().map(|d| d.signal.dedupe_key.clone()).collect();
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[0], keys[2]);
}
