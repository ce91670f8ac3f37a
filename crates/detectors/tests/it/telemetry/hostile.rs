//! Records that somebody made to break a reader.

use proptest::prelude::*;
use quell_detectors::telemetry::LOGS;
use serde_json::{Value, json};

use super::*;

/// Fields that readers look for, so that made-up records come far.
const FIELDS: &[&str] = &[
    "eventName",
    "eventSource",
    "userIdentity",
    "requestParameters",
    "responseElements",
    "type",
    "request",
    "response",
    "auth",
    "path",
    "operation",
    "eventType",
    "actor",
    "published",
    "target",
    "EventID",
    "Computer",
    "ActionType",
    "Timestamp",
    "Operation",
    "UserId",
    "Workload",
    "iss",
    "sub",
    "jti",
    "act",
    "apiVersion",
    "verb",
    "user",
    "objectRef",
    "initiatedBy",
    "activityDisplayName",
    "targetResources",
    "modifiedProperties",
    "name",
    "test",
    "RuleOutputs",
    "Matches",
    "error_severity",
    "timestamp",
    "pid",
    "message",
    "properties",
    "Properties",
    "ClaimsName",
    "RawEventData",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z:/#@._\\-{}\\[\\],= 0-9]{0,20}".prop_map(Value::from),
        Just(json!("audit.k8s.io/v1")),
        Just(json!("response")),
        Just(json!("arn:aws:sts::1:assumed-role/a/i-0aaaabbbbccccdddd")),
        Just(json!("\u{202e}\u{0}\u{7f}")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(FIELDS), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_record_makes_a_reader_panic(record in value(), line in "[ -~]{0,120}") {
        let text = record.to_string();
        for log in LOGS {
            let told = told_of(Some(log.name), text.as_bytes());
            prop_assert!(told.records <= 200);
            told_of(Some(log.name), line.as_bytes());
        }
        told_of(None, text.as_bytes());
    }

    #[test]
    fn no_line_of_a_log_makes_its_reader_panic(cut in 0_usize..400, noise in "[ -~]{0,20}") {
        for text in ["2026-10-01 03:02:11 UTC [4711] LOG:  connection authorized: user=a database=b",
            "Oct  1 03:02:11 web1 sshd[4711]: Accepted publickey for ada from 192.0.2.10 port 50022 ssh2: ED25519 SHA256:a",
            "2026-10-01 03:02:11 UTC,\"a\",\"b\",4711,\"h:1\",651e.1,2,\"x\",2026-10-01,3/4,0,LOG,00000,\"statement: ALTER ROLE a\",,,,"] {
            let mut at = cut.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let broken = format!("{}{noise}{}", &text[..at], &text[at..]);
            told_of(None, broken.as_bytes());
            told_of(None, &broken.as_bytes()[..at]);
        }
    }
}

#[test]
fn depth_is_a_reason_and_never_a_crash() {
    let deep = format!("{{\"eventName\":\"x\",\"eventSource\":\"y\",\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for kind in ["aws-cloudtrail", "okta-system-log"] {
        let told = told_of(Some(kind), deep.as_bytes());
        assert_eq!(told.unreadable.len() + usize::try_from(told.unknown).unwrap() + told.facts.len(), 1, "{kind}");
    }
}

#[test]
fn one_broken_record_spoils_itself_alone() {
    let good = json!({ "eventName": "ListUsers", "eventSource": "iam.amazonaws.com", "userIdentity": { "type": "IAMUser", "arn": "a", "accessKeyId": "AKIA" } }).to_string();
    let file = format!("{good}\n{}\n{good}\n{{\"eventName\": 7, \"eventSource\": [}}\n{good}\n", &good[..40]);
    let told = told_of(None, file.as_bytes());
    assert_eq!((told.facts.len(), told.unreadable.len(), told.records), (3, 2, 5), "{:?}", told.unreadable);
    assert_eq!(told.unreadable.iter().map(|(record, _)| *record).collect::<Vec<_>>(), [1, 3]);
}
