//! AWS CloudTrail records.
//!
//! Most records only say that a credential was used, so they are read once, into
//! the few fields that say so; what changes credentials is read again in full.
//! Session tokens stand in these records in the clear: no field that may hold
//! one is ever copied. Shapes as of eventVersion 1.09, 2024-11.

mod bearer;
mod deeds;
mod ends;
mod grants;

use crate::json::Value;
use quell_core::trace::{Deed, Fact, Outcome};
use serde::Deserialize;

use self::bearer::UserIdentity;
use super::{Given, Log, Reader, text::Text, when};

pub const LOG: Log = Log {
    name: "aws-cloudtrail",
    reads: "AWS CloudTrail: delivered files, JSON Lines, `aws cloudtrail lookup-events`",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(CloudTrail),
    never_shows: "reads of S3 objects and calls of functions, unless data events were logged; what a machine did with its own role locally",
};

/// Whether this is one of its records.
fn recognises(record: &Value) -> bool {
    record.get("eventSource").is_some_and(Value::is_string) && record.get("eventName").is_some_and(Value::is_string)
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default, rename = "eventName")]
    name: Text<'a>,
    #[serde(borrow, default, rename = "eventSource")]
    source: Text<'a>,
    #[serde(borrow, default, rename = "eventTime")]
    time: Text<'a>,
    #[serde(borrow, default, rename = "eventID")]
    id: Text<'a>,
    #[serde(borrow, default, rename = "sourceIPAddress")]
    address: Text<'a>,
    #[serde(borrow, default, rename = "userAgent")]
    agent: Text<'a>,
    #[serde(borrow, default, rename = "errorCode")]
    error: Text<'a>,
    #[serde(borrow, default, rename = "recipientAccountId")]
    recipient: Text<'a>,
    #[serde(borrow, default, rename = "userIdentity")]
    identity: Option<UserIdentity<'a>>,
}

struct CloudTrail;

impl Reader for CloudTrail {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Record<'_> = match serde_json::from_slice(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        let (Some(name), Some(source)) = (record.name.get(), record.source.get()) else { return Given::NotMine };
        let name = unversioned(name);
        let identity = record.identity.unwrap_or_default();
        let account = record.recipient.get().or(identity.account()).unwrap_or("unknown");
        let mut fact = Fact {
            at: record.time.get().and_then(when),
            record_id: record.id.own(),
            system: format!("aws:{account}"),
            event: name.to_owned(),
            outcome: outcome(record.error.get()),
            by: None,
            deeds: Vec::new(),
            aliases: Vec::new(),
        };
        fact.by = bearer::bearer(&identity, name, record.address.get(), record.agent.get(), &mut fact.aliases);
        if deeds::concerns(source, name) {
            let full = match crate::json::document(bytes) {
                Ok(full) => full,
                Err(error) => return Given::broken(&error),
            };
            if name == "ConsoleLogin" && full["responseElements"]["ConsoleLogin"] == "Failure" {
                fact.outcome = Outcome::Rejected;
            }
            fact.deeds = match fact.outcome {
                Outcome::Done => deeds::deeds(&deeds::Call { name, account, caller: &identity, record: &full, at: fact.at }),
                _ => vec![Deed::Attempt],
            };
        }
        give(fact);
        Given::Read
    }
}

/// `AddPermission20150331v2` as `AddPermission`: some services date their calls.
fn unversioned(name: &str) -> &str {
    let Some(start) = name.find(|c: char| c.is_ascii_digit()) else { return name };
    let (stem, version) = name.split_at(start);
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &version[digits..];
    let numbered = rest.is_empty() || (rest.starts_with('v') && rest[1..].bytes().all(|b| b.is_ascii_digit()));
    if digits == 8 && numbered && !stem.is_empty() { stem } else { name }
}

/// What the answer says of the credential.
fn outcome(error: Option<&str>) -> Outcome {
    const NOT_ACCEPTED: &[&str] = &[
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "ExpiredToken",
        "ExpiredTokenException",
        "AuthFailure",
        "IncompleteSignature",
        "MissingAuthenticationToken",
    ];
    match error {
        None => Outcome::Done,
        Some(code) if NOT_ACCEPTED.iter().any(|n| code.strip_prefix("Client.").unwrap_or(code) == *n) => Outcome::Rejected,
        Some(_) => Outcome::Refused,
    }
}
