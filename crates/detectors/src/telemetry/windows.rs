//! Windows security, AD FS and SQL audit events, flat as Sentinel and winlogbeat
//! export them.
//!
//! A logon session goes by its machine and logon id. Names of machine and
//! built-in accounts are nobody's. Two reads matter beyond sign-ins: directory
//! replication asked for by a person's account, and the container and table in
//! which AD FS keeps what its token-signing key is locked with. Event ids as of
//! Windows Server 2019.

use crate::json::Value;
use quell_core::trace::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Nature, Outcome};

use super::{Given, Log, Reader, address, when};
use crate::field::{at, field, integer, is_placeholder, text};

pub const LOG: Log = Log {
    name: "windows-security",
    reads: "Windows security, AD FS auditing and SQL audit events, as JSON",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Windows),
    never_shows: "sign-ins with forged tickets or tokens at systems that ask no domain controller",
};

/// The thumbnail photo of a contact: where AD FS keeps its DKM key.
const DKM_ATTRIBUTE: &str = "8d3bca50-1d7e-11d0-a081-00aa006c33ed";
const CONTACT: &str = "5cb41ed0-0e4c-11d0-a286-00aa003049e2";
/// Replicating directory changes, with secrets.
const REPLICATION: &[&str] = &["1131f6aa-9c07-11d1-f79f-00c04fc2dcd2", "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2"];

fn recognises(record: &Value) -> bool {
    let numbered = field(record, "EventID").is_some() || at(record, &["winlog", "event_id"]).is_some();
    let placed =
        field(record, "Computer").is_some() || field(record, "Hostname").is_some() || at(record, &["winlog", "computer_name"]).is_some();
    numbered && placed
}

struct Windows;

impl Reader for Windows {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Value = match crate::json::document(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        if !recognises(&record) {
            return Given::NotMine;
        }
        if let Some(fact) = fact(&Event::of(&record)) {
            give(fact);
        }
        Given::Read
    }
}

/// An event, wherever the exporter put its parts.
struct Event<'a> {
    record: &'a Value,
    number: i64,
    computer: String,
}

impl<'a> Event<'a> {
    fn of(record: &'a Value) -> Self {
        let number =
            integer(record, "EventID").or_else(|| at(record, &["winlog"]).and_then(|w| integer(w, "event_id"))).unwrap_or_default();
        let computer = text(record, "Computer")
            .or_else(|| text(record, "Hostname"))
            .or_else(|| at(record, &["winlog"]).and_then(|w| text(w, "computer_name")));
        Self { record, number, computer: computer.unwrap_or_default().to_ascii_lowercase() }
    }

    fn get(&self, name: &str) -> Option<String> {
        text(self.record, name)
            .or_else(|| at(self.record, &["winlog", "event_data"]).and_then(|d| text(d, name)))
            .or_else(|| at(self.record, &["EventData"]).and_then(|d| text(d, name)))
            .filter(|v| v != "-")
    }

    fn account(&self, prefix: &str) -> Option<String> {
        account(&self.get(&format!("{prefix}DomainName")).unwrap_or_default(), &self.get(&format!("{prefix}UserName"))?)
    }

    fn logon(&self, prefix: &str) -> Option<String> {
        let id = self.get(&format!("{prefix}LogonId")).filter(|id| id != "0x0")?;
        Some(logon_id(&self.computer, &id))
    }
}

/// `dc01:0x8f0f2cd7`
pub fn logon_id(computer: &str, id: &str) -> String {
    format!("{}:{}", device(computer), id.to_ascii_lowercase())
}

/// A machine by its first label, as events name it now with a domain and now without.
pub fn device(computer: &str) -> String {
    computer.split('.').next().unwrap_or(computer).to_ascii_lowercase()
}

/// `DOMAIN\user` in one spelling; machine and built-in accounts are nobody's.
pub fn account(domain: &str, user: &str) -> Option<String> {
    const BUILT_IN: &[&str] = &["system", "local service", "network service", "anonymous logon", "iusr"];
    let user = user.trim().to_ascii_lowercase();
    let domain = domain.trim().split('.').next().unwrap_or_default().to_ascii_uppercase();
    let nobody = user.is_empty()
        || user.ends_with('$')
        || BUILT_IN.contains(&user.as_str())
        || user.starts_with("dwm-")
        || user.starts_with("umfd-");
    (!nobody && !is_placeholder(&user)).then(|| if domain.is_empty() { user.clone() } else { format!("{domain}\\{user}") })
}

/// `user` as `account` of `DOMAIN\user`.
fn spelled(name: &str) -> Option<String> {
    let (domain, user) = name.split_once('\\').unwrap_or(("", name));
    account(domain, user)
}

/// The domain of `dc01.corp.example`.
pub fn domain_of(computer: &str) -> Option<String> {
    computer.split_once('.').map(|(_, domain)| domain.to_ascii_lowercase())
}

/// What AD FS signs with, of everybody who trusts the domain.
pub fn signing_key(domain: &str) -> Deed {
    let domain = domain.to_ascii_lowercase();
    Deed::Take { credential: format!("{domain}#token-signing-certificate"), kind: LinkKind::Certificate, identity: Some(domain) }
}

/// The account itself stands for whatever it signed in with.
pub fn by_account(who: &str) -> Bearer {
    Bearer {
        identity: Some(who.to_owned()),
        credential: Some(format!("{who}#password")),
        kind: LinkKind::Password,
        // The account that copies the directory to the cloud replicates by trade.
        service: who.rsplit('\\').next().filter(|u| u.starts_with("msol_")).map(|_| "directory synchronisation".to_owned()),
        ..Bearer::default()
    }
}

fn by_session(event: &Event<'_>) -> Option<Bearer> {
    let who = event.account("Subject")?;
    Some(match event.logon("Subject") {
        Some(id) => Bearer { credential: Some(id), kind: LinkKind::Session, ..by_account(&who) },
        None => by_account(&who),
    })
}

fn fact(event: &Event<'_>) -> Option<Fact> {
    let moment = ["TimeGenerated", "EventTime", "TimeCreated", "@timestamp", "timestamp"].iter().find_map(|n| text(event.record, n));
    let mut fact = Fact {
        at: moment.and_then(|t| when(&t)),
        record_id: text(event.record, "EventOriginId").or_else(|| text(event.record, "EventRecordID")).filter(|id| !is_placeholder(id)),
        system: format!("windows:{}", domain_of(&event.computer).unwrap_or_else(|| device(&event.computer))),
        event: format!("windows {}", event.number),
        outcome: Outcome::Done,
        ..Fact::default()
    };
    let target = || event.account("Target");
    match event.number {
        4624 | 4625 => {
            let who = target()?;
            let from = event.get("IpAddress").filter(|a| address(a));
            let machine = event.get("WorkstationName").map(|w| device(&w));
            fact.by = Some(Bearer { address: from, device: machine, ..by_account(&who) });
            if event.number == 4625 {
                fact.outcome = Outcome::Rejected;
            } else if let Some(id) = event.logon("Target") {
                let service = by_account(&who).service;
                fact.deeds.push(Deed::Mint(Minted {
                    id,
                    kind: LinkKind::Session,
                    identity: Some(who),
                    service,
                    login: true,
                    ..Minted::default()
                }));
            }
        }
        4634 | 4647 => fact.deeds.push(Deed::End(Ended::Credential(event.logon("Target")?))),
        4662 => {
            fact.by = by_session(event);
            fact.deeds = directory_read(event);
        }
        4720 => {
            fact.by = by_session(event);
            fact.deeds.push(Deed::Make(target()?));
        }
        4723 | 4724 => {
            let who = target()?;
            fact.by = by_session(event);
            fact.deeds.push(Deed::Mint(Minted {
                id: format!("{who}#password"),
                kind: LinkKind::Password,
                identity: Some(who),
                ..Minted::default()
            }));
        }
        4725 | 4726 => {
            fact.by = by_session(event);
            fact.deeds.push(Deed::End(Ended::Identity(target()?)));
        }
        4728 | 4732 | 4756 => {
            fact.by = by_session(event);
            let group = event.account("Target").or_else(|| event.get("TargetUserName"))?;
            fact.deeds.push(Deed::Change { nature: Nature::Permission, target: group });
        }
        1102 | 4719 => {
            fact.by = by_session(event);
            fact.deeds.push(Deed::Change { nature: Nature::Logging, target: format!("security log of {}", event.computer) });
        }
        4697 | 4698 | 7045 => {
            fact.by = by_session(event);
            let name = event.get("ServiceName").or_else(|| event.get("TaskName")).unwrap_or_else(|| "a service or task".into());
            fact.deeds.push(Deed::Change { nature: Nature::Code, target: format!("{name} on {}", event.computer) });
        }
        33205 => sql_audit(event, &mut fact)?,
        501 => federation_caller(event, &mut fact)?,
        _ => return None,
    }
    fact.by.as_ref()?;
    Some(fact)
}

/// A read in the directory: of the DKM key, or of everything by replication.
fn directory_read(event: &Event<'_>) -> Vec<Deed> {
    let properties = event.get("Properties").unwrap_or_default().to_ascii_lowercase();
    let kind = event.get("ObjectType").unwrap_or_default().to_ascii_lowercase();
    let Some(domain) = domain_of(&event.computer) else { return Vec::new() };
    if properties.contains(DKM_ATTRIBUTE) && (kind.contains(CONTACT) || properties.contains(CONTACT)) {
        return vec![Deed::Read(dkm(&domain)), signing_key(&domain)];
    }
    if REPLICATION.iter().any(|right| properties.contains(right)) {
        return vec![Deed::Read(replicated(&domain))];
    }
    Vec::new()
}

/// The container that AD FS keeps its key in.
pub fn dkm(domain: &str) -> String {
    format!("AD FS DKM key of {domain}")
}

/// Everything that replication hands out.
pub fn replicated(domain: &str) -> String {
    format!("password hashes of {domain}, by directory replication")
}

/// SQL Server audit of the database in which AD FS keeps its configuration, the
/// encrypted signing key among it.
fn sql_audit(event: &Event<'_>, fact: &mut Fact) -> Option<()> {
    let text = event.get("RenderedDescription").or_else(|| event.get("ParameterXml")).or_else(|| event.get("Message"))?;
    let word = |name: &str| text.split_once(&format!(" {name}:")).and_then(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned);
    let database = word("database_name").filter(|d| d.starts_with("AdfsConfiguration"))?;
    let who = event.get("server_principal_name").or_else(|| word("server_principal_name")).and_then(|n| spelled(&n))?;
    fact.event = "windows 33205 (SQL audit)".into();
    fact.by = Some(Bearer { device: Some(device(&event.computer)), ..by_account(&who) });
    if text.contains("ServiceSettings") {
        let domain = domain_of(&event.computer)?;
        fact.deeds = vec![Deed::Read(format!("{database}.IdentityServerPolicy.ServiceSettings")), signing_key(&domain)];
    }
    Some(())
}

/// AD FS says who called it. A caller with Windows groups and no claim of a
/// sign-in asks the policy store, as the service account of a farm does.
fn federation_caller(event: &Event<'_>, fact: &mut Fact) -> Option<()> {
    let claims = ["EventData_dynamic", "EventData_string", "EventData", "Message"].iter().find_map(|n| {
        let value = field(event.record, n)?;
        value.as_str().map(str::to_owned).or_else(|| (value.is_array() || value.is_object()).then(|| value.to_string()))
    })?;
    let asks = claims.contains("claims/primarysid") && !claims.contains("claims/upn") && !claims.contains("authenticationmethod");
    let named = event.get("ClaimsName").or_else(|| {
        let rest = claims.split_once("identity/claims/name").map(|(_, rest)| rest)?;
        let list: Vec<&str> = rest.split('"').collect();
        list.iter().find(|w| w.contains('\\') && w.len() > 3).map(|w| w.replace("\\\\", "\\"))
    });
    let who = named.as_deref().and_then(spelled).filter(|_| asks)?;
    let computer = &event.computer;
    fact.event = "windows 501 (AD FS caller)".into();
    fact.by = Some(Bearer { device: Some(device(computer)), ..by_account(&who) });
    fact.deeds.push(Deed::Touch(format!("AD FS policy store of {computer}")));
    Some(())
}
