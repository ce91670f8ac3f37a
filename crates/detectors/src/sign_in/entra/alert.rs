//! Alerts of Microsoft Graph that come from the services which watch identities:
//! Entra ID Protection, Defender for Identity, App Governance. Alerts of the
//! other services are Defender's.

use quell_core::signal::{Detected, IdentityKind, ObservedFrom, SignalKind};
use serde_json::Value;

use super::{NAME, system};
use crate::{
    field::{at, field, list, text, text_at},
    statement::{Party, Statement, rated},
};

/// Services, by `serviceSource` of the newer alerts and by provider of the older.
const SERVICES: &[&str] = &["azureadidentityprotection", "entraidprotection", "microsoftdefenderforidentity", "microsoftappgovernance"];
const PROVIDERS: &[&str] = &["ipc", "azure advanced threat protection", "microsoft defender for identity"];

pub fn is_one(record: &Value) -> bool {
    let among = |text: Option<String>, of: &[&str]| text.is_some_and(|t| of.contains(&t.to_ascii_lowercase().as_str()));
    among(text(record, "serviceSource"), SERVICES) && field(record, "evidence").is_some()
        || among(text_at(record, &["vendorInformation", "provider"]), PROVIDERS) && field(record, "userStates").is_some()
}

pub fn detected(record: &Value) -> Detected {
    let title = text(record, "title").unwrap_or_else(|| "Alert without a title".into());
    let words = format!("{} {title}", text(record, "category").unwrap_or_default());
    let mut said = Statement::new(NAME, kind(&words), title);
    let states = list(record, "userStates");
    let accounts = list(record, "evidence").iter().filter_map(|e| field(e, "userAccount"));
    let mut people: Vec<Party> =
        states.iter().map(|s| person(s, "aadUserId")).chain(accounts.map(|a| person(a, "azureAdUserId"))).filter(Party::is_named).collect();
    let apps = list(record, "evidence").iter().filter(|e| field(e, "appId").is_some());
    people
        .extend(apps.map(|a| Party::of(a, IdentityKind::ServiceAccount, &["objectId", "appId"], &["displayName"])).filter(Party::is_named));
    said.subject = people.first().cloned().unwrap_or_default();
    if people.iter().any(|p| p.is_other_than(&said.subject)) {
        said.because("the alert names other identities, too; the first is taken as the subject");
    }
    said.system = system(record, record);
    said.severity = rated(text(record, "severity"));
    said.confidence = text(record, "classification").filter(|c| c != "unknown").map(|c| format!("classification: {c}"));
    let ips = list(record, "evidence").iter().map(|e| text(e, "ipAddress"));
    said.seen_from(states.iter().map(|s| text(s, "logonIp")).chain(ips).collect::<Vec<_>>());
    said.because("who is assigned to the alert is nobody's subject");
    said.key = vec![text(record, "id").unwrap_or_default(), text(record, "category").unwrap_or_default()];
    let time = |name| (ObservedFrom::Event, field(record, name));
    said.detected([
        time("lastActivityDateTime"),
        time("firstActivityDateTime"),
        time("eventDateTime"),
        (ObservedFrom::Event, at(states.first().unwrap_or(&Value::Null), &["logonDateTime"])),
        (ObservedFrom::VendorUpdate, field(record, "createdDateTime")),
        (ObservedFrom::VendorUpdate, field(record, "lastUpdateDateTime")),
    ])
}

/// An account, by its Entra id, its principal name, or its name in a domain.
fn person(value: &Value, id: &str) -> Party {
    let account = text(value, "accountName");
    let in_domain = account.clone().zip(text(value, "domainName")).map(|(a, d)| format!("{d}\\{a}"));
    let login = text(value, "userPrincipalName");
    let ids = [text(value, id), login.clone(), text(value, "userSid"), text(value, "onPremisesSecurityIdentifier"), in_domain.clone()];
    Party::new(IdentityKind::Human, ids, [login, in_domain, account])
}

fn kind(words: &str) -> SignalKind {
    let lower: String = words.to_ascii_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if has(&["leakedcredential"]) {
        SignalKind::LeakedSecret
    } else if has(&["anonymous", "impossibletravel", "unfamiliar", "atypical", "signin", "login", "logon", "bruteforce", "passwordspray"]) {
        SignalKind::RiskySignIn
    } else {
        SignalKind::AnomalousUse
    }
}
