//! Alerts of Microsoft Graph about identities: those of Entra ID Protection, and
//! those of Defender for Identity that come trimmed, without the marks of
//! Defender's own. All other alerts are Defender's.

use crate::json::Value;
use quell_core::signal::{Detected, IdentityKind, ObservedFrom, SignalKind};

use super::{NAME, system};
use crate::{
    field::{at, field, list, text, text_at},
    statement::{Party, Statement, rated},
};

/// Entra ID Protection, by `serviceSource` of the newer alerts and by provider of
/// the older.
const OWN: &[&str] = &["azureadidentityprotection", "entraidprotection"];
const OWN_PROVIDER: &str = "ipc";
/// Services of Defender that watch identities.
const OF_DEFENDER: &[&str] = &["microsoftdefenderforidentity", "microsoftappgovernance"];

pub fn is_one(record: &Value) -> bool {
    let has = |name| field(record, name).is_some();
    let service = text(record, "serviceSource").unwrap_or_default().to_ascii_lowercase();
    let provider = text_at(record, &["vendorInformation", "provider"]).unwrap_or_default();
    let trimmed = OF_DEFENDER.contains(&service.as_str()) && !has("detectionSource") && !has("@odata.type");
    has("evidence") && (OWN.contains(&service.as_str()) || trimmed) || has("userStates") && provider.eq_ignore_ascii_case(OWN_PROVIDER)
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
