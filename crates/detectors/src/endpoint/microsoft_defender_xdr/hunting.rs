//! Rows of advanced hunting, as Defender streams them: `AlertEvidence`,
//! `AlertInfo`, and the tables of identities, devices and cloud applications.
//!
//! `AdditionalFields` is JSON in a string and repeats what columns hold.

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, SignalKind};

use super::{NAME, kind};
use crate::{
    claim::Claim,
    field::{field, text},
    json::{self, Value},
    severity,
    windows::Account,
};

/// Whether `record` is a row of advanced hunting.
pub fn is_row(record: &Value) -> bool {
    text(record, "category").is_some_and(|c| c.starts_with("AdvancedHunting-")) && field(record, "properties").is_some_and(Value::is_object)
}

/// Reads one row.
pub fn read(record: &Value, sent: Option<&Value>) -> Detected {
    let null = Value::Null;
    let row = field(record, "properties").unwrap_or(&null);
    let table = text(record, "category").unwrap_or_default().replace("AdvancedHunting-", "");
    let more = field(row, "AdditionalFields").and_then(|m| match m {
        Value::String(text) => json::document(text.as_bytes()).ok(),
        other => Some(other.clone()),
    });
    let more = more.unwrap_or_default();
    let mut claim = Claim::new(NAME);
    let get = |names: &[&str]| names.iter().find_map(|n| text(row, n));
    let also = |names: &[&str]| names.iter().find_map(|n| text(&more, n));
    let entity = get(&["EntityType"]).unwrap_or_default();
    let host = get(&["DeviceName"]).filter(|_| table.starts_with("Device"));
    let account = Account {
        name: get(&["AccountName"]).or_else(|| also(&["Name"]).filter(|_| entity == "User")),
        domain: get(&["AccountDomain"]).or_else(|| also(&["NTDomain"])),
        sid: get(&["AccountSid"]).or_else(|| also(&["Sid"])),
        upn: get(&["AccountUpn"]).or_else(|| also(&["UserPrincipalName"])),
        object: get(&["AccountObjectId"]).or_else(|| also(&["AadUserId"])),
        host: host.clone(),
    };
    let entra = account.object.is_some() || account.upn.is_some();
    let given = account.name.is_some() || account.sid.is_some();
    let process = Account {
        name: get(&["InitiatingProcessAccountName"]),
        domain: get(&["InitiatingProcessAccountDomain"]),
        sid: get(&["InitiatingProcessAccountSid"]),
        upn: get(&["InitiatingProcessAccountUpn"]),
        object: get(&["InitiatingProcessAccountObjectId"]),
        host,
    };
    let (mut who, mut system) = account.identity();
    if !who.is_somebody() {
        (who, system) = process.identity();
    }
    let application = get(&["OAuthApplicationId", "ServicePrincipalId"]).filter(|_| !who.is_somebody());
    if let Some(id) = application {
        who = crate::claim::Who { name: get(&["Application", "ServicePrincipalName"]), id: Some(id), kind: IdentityKind::ServiceAccount };
        system = None;
    }
    if entra && let Some(tenant) = text(record, "tenantId") {
        system = Some(format!("entra:{tenant}"));
    }
    if who.is_somebody() && (entity == "User" || entra) {
        who = who.or_kind(IdentityKind::Human);
    } else if table == "AlertInfo" {
        claim.because("this row has no entity; it is named by the `AlertEvidence` with the same alert id");
    } else if given {
        claim.because("the only account of the row is one that every machine has, which is nobody's identity");
    }
    claim.subject = who;
    claim.system = system;
    claim.ip = get(&["RemoteIP", "IPAddress", "LocalIP"]);
    claim.credential = get(&["SessionId"]).map(|id| (CredentialKind::Session, Some(id)));

    let title = get(&["Title", "ActionType"]).unwrap_or_else(|| table.clone());
    let category = get(&["Category", "Categories"]).unwrap_or_default();
    claim.kind = if table.starts_with("Alert") {
        kind(&[&title, &category], &mut claim)
    } else {
        match crate::wording::kind(&title) {
            _ if table.contains("Logon") && title.contains("Success") => SignalKind::SessionEvent,
            Some((kind, _)) => kind,
            None => SignalKind::Other,
        }
    };
    claim.title = title;
    claim.severity = get(&["Severity"]).map_or_else(severity::unrated, |w| severity::of_word(&w));
    claim.event = vec![table, get(&["AlertId", "ReportId"]).unwrap_or_default(), entity, get(&["Timestamp"]).unwrap_or_default()];
    claim.detected([
        (ObservedFrom::Event, field(row, "Timestamp")),
        (ObservedFrom::VendorUpdate, field(record, "time")),
        (ObservedFrom::VendorUpdate, field(record, "_TimeReceivedBySvc")),
        (ObservedFrom::VendorUpdate, sent),
    ])
}
