//! Records that somebody made to break a reader; those that chance makes are in `fuzz/`.

use serde_json::json;

use super::*;

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
