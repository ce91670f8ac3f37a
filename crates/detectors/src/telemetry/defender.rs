//! Microsoft Defender XDR hunting events: device, identity and cloud app tables.
//!
//! They join names that other logs keep apart: account, UPN, SID and object id
//! stand in one record. Records of cloud apps repeat what Office logged; they are
//! read as that record, so the two count once.

use crate::json::Value;
use quell_core::trace::{Bearer, Deed, Fact, LinkKind, Minted, Outcome};

use super::{Given, Log, Reader, office, when, windows};
use crate::field::{as_text, at, field, integer, is_placeholder, list, text};

pub const LOG: Log = Log {
    name: "microsoft-defender-xdr",
    reads: "Microsoft Defender XDR advanced hunting events, as JSON",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Defender),
    never_shows: "machines without the sensor, and cloud apps that are not connected",
};

fn recognises(record: &Value) -> bool {
    field(record, "ActionType").is_some() && field(record, "Timestamp").or_else(|| field(record, "TimeGenerated")).is_some()
}

struct Defender;

impl Reader for Defender {
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

fn given(record: &Value, name: &str) -> Option<String> {
    text(record, name).filter(|v| !is_placeholder(v))
}

/// The account in fields that start with `prefix`, and its names.
fn who(record: &Value, prefix: &str, aliases: &mut Vec<(String, String)>) -> Option<String> {
    let user = given(record, &format!("{prefix}AccountName"))?;
    let account = windows::account(&given(record, &format!("{prefix}AccountDomain")).unwrap_or_default(), &user)?;
    for name in ["AccountUpn", "AccountSid", "AccountObjectId"] {
        if let Some(other) = given(record, &format!("{prefix}{name}")) {
            let other = if name == "AccountUpn" { other.to_ascii_lowercase() } else { other };
            aliases.push((account.clone(), other));
        }
    }
    Some(account)
}

/// More fields, as an object or as text.
fn additional(record: &Value) -> Value {
    for name in ["AdditionalFields", "AdditionalFields_string", "AdditionalFields_dynamic"] {
        match field(record, name) {
            Some(Value::String(text)) => {
                if let Ok(inner) = crate::json::document(text.as_bytes()) {
                    return inner;
                }
            }
            Some(object @ Value::Object(map)) if !map.is_empty() => return object.clone(),
            _ => {}
        }
    }
    Value::Null
}

fn fact(record: &Value) -> Option<Fact> {
    let action = text(record, "ActionType")?;
    let moment = ["Timestamp", "TimeGenerated"].iter().find_map(|n| text(record, n)).and_then(|t| when(&t));
    let mut aliases = Vec::new();
    if let Some(raw) = ["RawEventData", "rawData"].iter().find_map(|n| field(record, n)).filter(|r| r.is_object()) {
        if let Some(app) = given(record, "AccountDisplayName") {
            aliases.extend(given(record, "AccountObjectId").map(|id| (id, format!("{app} (application)"))));
        }
        for object in list(record, "ActivityObjects") {
            if let (Some(id), true) = (given(object, "Id"), text(object, "Role").is_some_and(|r| r == "Actor")) {
                aliases.extend(given(object, "Name").map(|n| (id, format!("{n} (application)"))));
            }
        }
        let mut fact = office::fact(raw)?;
        fact.aliases.extend(aliases);
        return Some(fact);
    }
    let device = given(record, "DeviceName").map(|d| windows::device(&d));
    let domain = given(record, "DeviceName").and_then(|d| windows::domain_of(&d));
    let mut fact = Fact {
        at: moment,
        record_id: ["ReportId", "ReportId_long"].iter().find_map(|n| given(record, n)),
        system: format!("windows:{}", domain.clone().unwrap_or_else(|| "defender".into())),
        event: format!("defender {action}"),
        outcome: Outcome::Done,
        ..Fact::default()
    };
    match action.as_str() {
        "LdapSearch" => {
            let account = who(record, "InitiatingProcess", &mut aliases)?;
            let logon = integer(record, "InitiatingProcessLogonId").zip(device.as_deref());
            let credential = logon.map(|(id, machine)| windows::logon_id(machine, &format!("{id:#x}")));
            let by = windows::by_account(&account);
            let kind = if credential.is_some() { LinkKind::Session } else { by.kind };
            fact.by = Some(Bearer { credential: credential.or_else(|| by.credential.clone()), kind, device, ..by });
            let search = additional(record);
            let place = text(&search, "DistinguishedName").unwrap_or_default().to_ascii_lowercase();
            let asked = list(&search, "AttributeList").iter().filter_map(as_text).any(|a| a.eq_ignore_ascii_case("thumbnailphoto"));
            if place.contains("cn=adfs,cn=microsoft,cn=program data,") {
                let domain = place.split(',').filter_map(|p| p.strip_prefix("dc=")).collect::<Vec<_>>().join(".");
                fact.deeds = match asked {
                    true => vec![Deed::Read(windows::dkm(&domain)), windows::signing_key(&domain)],
                    false => vec![Deed::Touch(windows::dkm(&domain))],
                };
            }
        }
        "Directory Services replication" => {
            let account = who(record, "", &mut aliases)?;
            fact.by = Some(Bearer { device, address: given(record, "IPAddress"), ..windows::by_account(&account) });
            fact.deeds.push(Deed::Read(windows::replicated(&domain.or_else(|| given(record, "AccountDomain"))?)));
        }
        "LogonSuccess" | "LogonFailed" => {
            let account = who(record, "", &mut aliases)?;
            fact.by =
                Some(Bearer { address: given(record, "RemoteIP").or_else(|| given(record, "IPAddress")), ..windows::by_account(&account) });
            if action == "LogonFailed" {
                fact.outcome = Outcome::Rejected;
            } else if let Some((id, machine)) = integer(record, "LogonId").zip(device) {
                let id = windows::logon_id(&machine, &format!("{id:#x}"));
                fact.deeds.push(Deed::Mint(Minted {
                    id,
                    kind: LinkKind::Session,
                    identity: Some(account),
                    login: true,
                    ..Minted::default()
                }));
            }
        }
        // Of all else only whose names belong together is of use here.
        _ => {
            let account = who(record, "InitiatingProcess", &mut aliases).or_else(|| who(record, "", &mut aliases));
            if let (Some(id), Some(upn)) = (given(record, "AccountObjectId"), given(record, "UserId").filter(|u| u.contains('@'))) {
                aliases.push((id, upn.to_ascii_lowercase()));
            }
            if account.is_none() && aliases.is_empty() && at(record, &["ActionType"]).is_none() {
                return None;
            }
        }
    }
    fact.aliases = aliases;
    Some(fact)
}
