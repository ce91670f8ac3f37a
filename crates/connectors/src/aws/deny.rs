//! The policies that Quell writes to a user or role, and what stands in them.
//!
//! An explicit denial outweighs every permission, whoever gave it. Whatever is not
//! letter for letter what Quell writes denies nothing as far as Quell knows: somebody
//! may have narrowed it.

use quell_core::time::Timestamp;
use serde_json::{Value, json};

/// Denies everything, to the identity and to every session of it.
pub(super) const SUSPENDED: &str = "QuellSuspended";
/// Denies everything to sessions that were issued before a moment, by the name that AWS
/// itself gives such a policy.
pub(super) const OLDER: &str = "AWSRevokeOlderSessions";

/// A managed policy that denies everything, for a permissions boundary to name.
pub(super) const FENCE: &str = "QuellFence";

/// The ARN of [`FENCE`] in the account of an identity's ARN.
pub(super) fn fence_of(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", _, account, ..] if !account.is_empty() => Some(format!("arn:{partition}:iam::{account}:policy/{FENCE}")),
        _ => None,
    }
}

/// The text of [`SUSPENDED`].
pub(super) fn everything() -> String {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Action": "*", "Resource": "*" }] }).to_string()
}

/// The text of [`OLDER`]: of sessions issued before `than`, to the second.
pub(super) fn older(than: Timestamp) -> String {
    let condition = json!({ "DateLessThan": { "aws:TokenIssueTime": seconds(than).to_string() } });
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition }] })
        .to_string()
}

/// Whether a text denies everything to everybody of it.
pub(super) fn is_everything(text: &str) -> bool {
    only_denial(text).is_some_and(|s| s.len() == 3)
}

/// Until when issued sessions are denied by a text.
pub(super) fn older_than(text: &str) -> Option<Timestamp> {
    let statement = only_denial(text)?;
    let condition = statement.get("Condition")?.as_object().filter(|c| c.len() == 1)?.get("DateLessThan")?.as_object()?;
    let than = condition.get("aws:TokenIssueTime").filter(|_| condition.len() == 1 && statement.len() == 4)?;
    than.as_str()?.parse().ok()
}

/// The one statement of a policy, where it denies every action on everything.
fn only_denial(text: &str) -> Option<serde_json::Map<String, Value>> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let statement = match policy.get("Statement")? {
        Value::Array(all) if all.len() == 1 => all[0].as_object()?.clone(),
        Value::Object(one) => one.clone(),
        _ => return None,
    };
    let is = |name: &str, wanted: &str| match statement.get(name) {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Array(all)) => all.len() == 1 && all[0] == wanted,
        _ => false,
    };
    let whole = is("Effect", "Deny") && is("Action", "*") && is("Resource", "*");
    let versioned = policy.get("Version").is_some_and(|v| v == "2012-10-17");
    (whole && versioned).then_some(statement)
}

/// From when on a session is not denied any more: time of issue has seconds, and the
/// comparison is strict, so one of the very second of the act must be older, too.
pub(super) fn after_this_second(now: Timestamp) -> Timestamp {
    seconds(quell_core::time::after(now, 1))
}

fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_narrower_denies_nothing() {
        let at: Timestamp = "2026-11-30T19:15:38Z".parse().expect("a time");
        assert!(is_everything(&everything()));
        assert_eq!(older_than(&older(at)), Some(at));
        assert!(!is_everything(&older(at)) && older_than(&everything()).is_none());
        let narrower = [
            everything().replace("\"Action\":\"*\"", "\"Action\":\"s3:*\""),
            everything().replace("\"Resource\":\"*\"", "\"Resource\":\"arn:aws:s3:::*\""),
            everything().replace("2012-10-17", "2008-10-17"),
            everything().replace("Deny", "Allow"),
            everything().replace("\"Resource\"", "\"NotResource\""),
            older(at).replace("DateLessThan", "DateLessThanIfExists"),
            older(at).replace("}}}", "}, \"Bool\": {\"aws:SecureTransport\": \"false\"}}}"),
            older(at).replace("aws:TokenIssueTime", "aws:CurrentTime"),
            json!({ "Version": "2012-10-17", "Statement": [] }).to_string(),
            String::new(),
        ];
        for text in narrower {
            assert!(text != everything() && text != older(at), "{text}");
            assert!(!is_everything(&text) && older_than(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_session_of_the_very_second_is_denied_too() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert_eq!(after_this_second(at("2026-11-30T19:15:38.999Z")), at("2026-11-30T19:15:39Z"));
        assert_eq!(after_this_second(at("2026-11-30T19:15:38Z")), at("2026-11-30T19:15:39Z"));
    }
}
