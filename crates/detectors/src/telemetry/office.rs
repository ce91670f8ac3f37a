//! Office 365 activity: the unified audit log, and Sentinel's table of it.
//!
//! An application that acts for a person holds a token of its own for that
//! person, so the two are told apart. Mail is data and not a secret: reading it
//! is a use.

use crate::json::Value;
use quell_core::trace::{Bearer, Deed, Fact, LinkKind, Nature, Outcome};

use super::{Given, Log, Reader, address, when};
use crate::field::{field, is_placeholder, text, text_at};

pub const LOG: Log = Log {
    name: "office-activity",
    reads: "Office 365 unified audit log records and Sentinel's OfficeActivity",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Office),
    never_shows: "which mails were read, unless mailbox auditing of that licence is on",
};

fn recognises(record: &Value) -> bool {
    field(record, "Operation").is_some()
        && field(record, "UserId").is_some()
        && (field(record, "Workload").is_some() || field(record, "OfficeWorkload").is_some())
}

struct Office;

impl Reader for Office {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Value = match crate::json::document(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        if !recognises(&record) {
            return Given::NotMine;
        }
        if let Some(fact) = fact(&record) {
            give(fact);
        }
        Given::Read
    }
}

/// The fact of one record, wherever it was found.
pub fn fact(record: &Value) -> Option<Fact> {
    let given = |name: &str| text(record, name).filter(|v| !is_placeholder(v));
    let operation = text(record, "Operation")?;
    let user = given("UserId")?.to_ascii_lowercase();
    let client = given("ClientAppId").or_else(|| text_at(record, &["AppAccessContext", "ClientAppId"]));
    let session = text_at(record, &["AppAccessContext", "AADSessionId"]).or_else(|| given("SessionId"));
    let (credential, kind, act) = match (client, session) {
        (Some(client), _) => (format!("{client}#token for {user}"), LinkKind::Token, vec![client]),
        (None, Some(session)) => (session, LinkKind::Session, Vec::new()),
        (None, None) => (format!("{user}#session"), LinkKind::Session, Vec::new()),
    };
    let from = ["ClientIPAddress", "Client_IPAddress", "ClientIP"].iter().find_map(|n| given(n)).filter(|a| address(a));
    let by = Bearer { identity: Some(user), credential: Some(credential), kind, act, address: from, ..Bearer::default() };
    let nature = match operation.as_str() {
        "New-InboxRule"
        | "Set-InboxRule"
        | "Set-Mailbox"
        | "Add-MailboxPermission"
        | "AnonymousLinkCreated"
        | "SharingInvitationCreated" => Some(Nature::Sharing),
        "New-TransportRule" | "Add-RoleGroupMember" | "New-ManagementRoleAssignment" => Some(Nature::Permission),
        "Set-AdminAuditLogConfig" | "Set-MailboxAuditBypassAssociation" => Some(Nature::Logging),
        _ => None,
    };
    let target = ["ObjectId", "OfficeObjectId", "MailboxOwnerUPN"].iter().find_map(|n| given(n)).unwrap_or_else(|| operation.clone());
    let failed = given("ResultStatus").is_some_and(|r| r.eq_ignore_ascii_case("failed") || r.eq_ignore_ascii_case("false"));
    Some(Fact {
        at: ["CreationTime", "TimeGenerated", "Start_Time"].iter().find_map(|n| text(record, n)).and_then(|t| when(&t)),
        record_id: ["Id", "OfficeId"].iter().find_map(|n| given(n)),
        system: "office".into(),
        event: operation,
        outcome: if failed { Outcome::Refused } else { Outcome::Done },
        by: Some(by),
        deeds: nature.map(|nature| Deed::Change { nature, target }).into_iter().collect(),
        aliases: Vec::new(),
    })
}
