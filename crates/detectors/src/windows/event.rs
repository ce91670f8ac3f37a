//! Windows events, in the shapes that exporters give them.
//!
//! `Event.System` and `Event.EventData` of evtx tools, the flat record of a SIEM,
//! `winlog` of Beats, `win` of Wazuh. An event is about who acted (`Subject`), or
//! about the account that signed in or was changed (`Target`): which one, its
//! number says. Event reference of Windows security auditing and Sysmon (read
//! 2026-11).

use crate::json::Map;
use quell_core::signal::{CredentialKind, SignalKind};

use super::Account;
use crate::{
    claim::{Claim, Who},
    field::{as_text, field, is_placeholder, text, text_at},
    json::Value,
};

/// One event, out of its exporter's shape.
pub struct Event {
    pub number: i64,
    pub channel: String,
    pub host: Option<String>,
    pub record: String,
    pub time: Option<Value>,
    data: Value,
    /// The account under which the event was written, which matters for PowerShell alone.
    writer: Option<String>,
}

impl Event {
    /// The event in `record`, if it is one.
    pub fn of(record: &Value) -> Option<Self> {
        if let Some(event) = field(record, "Event").filter(|e| field(e, "System").is_some()) {
            let data = field(event, "EventData").or_else(|| field(event, "UserData"));
            return Self::parts(field(event, "System")?, data, record);
        }
        if let Some(win) = field(record, "win").filter(|w| field(w, "system").is_some()) {
            return Self::parts(field(win, "system")?, field(win, "eventdata"), record);
        }
        if let Some(winlog) = field(record, "winlog").filter(|w| field(w, "event_id").is_some()) {
            return Self::parts(winlog, field(winlog, "event_data"), record);
        }
        let flat = field(record, "EventID").is_some() && (field(record, "Channel").is_some() || field(record, "SourceName").is_some());
        flat.then(|| Self::parts(record, Some(record), record)).flatten()
    }

    fn parts(system: &Value, data: Option<&Value>, record: &Value) -> Option<Self> {
        let first = |names: &[&str]| names.iter().find_map(|n| field(system, n).and_then(scalar));
        let number = field(system, "EventID").or_else(|| field(system, "event_id")).and_then(scalar)?.parse().ok()?;
        let attribute = |name: &str, inner: &str| {
            let value = field(system, name)?;
            field(value, "#attributes")
                .and_then(|a| field(a, inner))
                .or_else(|| field(value, &format!("@{inner}")))
                .or_else(|| field(value, inner))
        };
        let time = attribute("TimeCreated", "SystemTime")
            .or_else(|| ["systemTime", "EventTime", "UtcTime", "TimeCreated", "@timestamp"].iter().find_map(|n| field(system, n)))
            .or_else(|| field(record, "@timestamp"));
        Some(Self {
            number,
            channel: first(&["Channel", "SourceName"]).unwrap_or_default(),
            host: first(&["Computer", "computer_name", "Hostname", "ComputerName"]),
            record: first(&["EventRecordID", "record_id", "RecordNumber"]).unwrap_or_default(),
            time: time.filter(|t| !t.is_object()).cloned(),
            data: named(data),
            writer: attribute("Security", "UserID").and_then(as_text),
        })
    }

    fn get(&self, name: &str) -> Option<String> {
        text(&self.data, name).filter(|t| !is_placeholder(t))
    }

    /// The account in the fields that begin with `prefix`.
    fn account(&self, prefix: &str) -> (Who, Option<String>) {
        let name = self.get(&format!("{prefix}UserName"));
        // Kerberos writes `user@REALM`.
        let (name, realm) = match name.as_deref().and_then(|n| n.split_once('@')) {
            Some((user, realm)) => (Some(user.to_owned()), Some(realm.to_owned())),
            None => (name, None),
        };
        Account {
            name,
            domain: self.get(&format!("{prefix}DomainName")).or(realm),
            sid: self.get(&format!("{prefix}UserSid")).or_else(|| self.get(&format!("{prefix}Sid"))),
            host: self.host.clone(),
            ..Account::default()
        }
        .identity()
    }

    /// How many of the fields of a user count: `AccountName` is the account of a
    /// service but for the events of remote desktops.
    fn fields(&self) -> usize {
        if matches!(self.number, 4778 | 4779) { 5 } else { 4 }
    }

    fn named_user(&self, field: &str) -> (Who, Option<String>) {
        Account { name: self.get(field), host: self.host.clone(), ..Account::default() }.identity()
    }

    /// Fills the subject, the system, the session and the address of `claim`.
    pub fn read(&self, claim: &mut Claim) {
        let (subject, target) = (self.account("Subject"), self.account("Target"));
        let about_target = TARGET.contains(&self.number);
        let (chosen, other, logon) = if about_target { (target, subject, "TargetLogonId") } else { (subject, target, "SubjectLogonId") };
        let mut logon = self.get(logon);
        let (mut who, mut system) = chosen;
        if !who.is_somebody() && self.number == 4688 {
            (who, system) = other.clone();
            logon = self.get("TargetLogonId");
        }
        if !who.is_somebody() && !about_target {
            let process = ["User", "SourceUser", "Detection User", "UserContext", "AccountName"]
                .iter()
                .take(self.fields())
                .map(|f| self.named_user(f))
                .find(|(who, _)| who.is_somebody());
            (who, system) = process.unwrap_or_default();
            logon = self.get("LogonId").or(logon);
        }
        // Sysmon and the security log are written by the system; elsewhere who
        // wrote the event is who acted.
        let written_by_system = self.channel.contains("Sysmon") || self.channel == "Security";
        if !who.is_somebody() && !about_target && !written_by_system {
            let sid = self.writer.clone();
            (who, system) = Account { sid, host: self.host.clone(), ..Account::default() }.identity();
        }
        if !who.is_somebody() {
            claim.because("the event names no account, or only one that every machine has");
            return;
        }
        claim.because(if about_target {
            "an event of this number is about the account that signed in or was changed"
        } else {
            "an event of this number is about the account that acted"
        });
        claim.credential = logon.filter(|l| is_session(l)).map(|id| (CredentialKind::Session, Some(id)));
        if about_target && other.0.is_somebody() {
            claim.actor = other.0;
        } else if other.0.is_somebody() {
            claim.because("the event names a second account, too");
        }
        claim.subject = who;
        claim.system = system;
        claim.ip = ["IpAddress", "SourceIp", "ClientAddress", "SourceAddress"].iter().find_map(|n| self.get(n));
    }

    /// What the number says happened.
    pub fn kind(&self) -> SignalKind {
        match self.number {
            4625 | 4771 | 4776 | 4820 | 529..=537 => SignalKind::RiskySignIn,
            4624 | 4634 | 4647 | 4672 | 4768..=4770 | 4778 | 4779 | 4800 | 4801 => SignalKind::SessionEvent,
            4648 | 1102 | 4662 => SignalKind::AnomalousUse,
            4723 | 4724 | 4794 => SignalKind::CredentialChange,
            4704 | 4717 | 4727..=4735 | 4737 | 4754..=4758 | 4764 | 5136 => SignalKind::PrivilegeChange,
            4720 | 4722 | 4725 | 4726 | 4738 | 4740..=4743 | 4767 | 4781 => SignalKind::AccountChange,
            _ => SignalKind::Other,
        }
    }

    /// What makes two deliveries of it equal.
    pub fn key(&self) -> Vec<String> {
        let time = self.time.as_ref().and_then(as_text).unwrap_or_default();
        vec![self.number.to_string(), self.channel.clone(), self.host.clone().unwrap_or_default(), self.record.clone(), time]
    }
}

/// Events about the account that signed in or was changed.
const TARGET: &[i64] =
    &[4624, 4625, 4627, 4634, 4647, 4722, 4723, 4724, 4725, 4738, 4740, 4767, 4768, 4769, 4770, 4771, 4776, 4781, 4794, 4800, 4801, 4964];

/// A scalar, also where the exporter put it beside attributes.
fn scalar(value: &Value) -> Option<String> {
    as_text(value).or_else(|| text(value, "#text"))
}

/// `Data` as a list of names and texts becomes the object that other exporters write.
fn named(data: Option<&Value>) -> Value {
    let Some(data) = data else { return Value::Null };
    match field(data, "Data") {
        Some(Value::Array(items)) => {
            let pairs = items.iter().filter_map(|item| {
                let name = text(item, "@Name").or_else(|| text(item, "Name")).or_else(|| text_at(item, &["#attributes", "Name"]))?;
                Some((name, Value::from(text(item, "#text").or_else(|| text(item, "content"))?)))
            });
            Value::Object(pairs.collect::<Map>())
        }
        // `UserData` wraps its fields in one more object.
        _ => match data.as_object().map(|m| m.values().collect::<Vec<_>>()).as_deref() {
            Some([Value::Object(inner)]) => Value::Object(inner.clone()),
            _ => data.clone(),
        },
    }
}

/// A session of somebody, not of the system, its services or nobody.
fn is_session(logon: &str) -> bool {
    let digits = logon.trim_start_matches("0x").trim_start_matches("0X");
    i64::from_str_radix(digits, 16).is_ok_and(|id| ![0, 0x3e3, 0x3e4, 0x3e5, 0x3e7].contains(&id))
}
