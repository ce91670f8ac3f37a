//! The account among the evidence of an alert.
//!
//! A user that the alert calls compromised comes first, then any user, mailbox
//! or application of the evidence, then the account of a process, because that
//! is only where something ran.

use quell_core::signal::{CredentialKind, IdentityKind};

use super::evidence_of;
use crate::{
    claim::{Claim, Who},
    field::{as_text, field, list, text, text_at},
    json::Value,
    windows::Account,
};

/// Fills the subject of `claim` from an alert's evidence.
pub fn subject(alert: &Value, claim: &mut Claim) {
    let tenant = text(alert, "tenantId").or_else(|| text(alert, "azureTenantId")).or_else(|| text(alert, "aadTenantId"));
    let mut found: Vec<(u8, Who, Option<String>)> = Vec::new();
    let mut machine_wide = false;
    for item in evidence_of(alert) {
        for (rank, account) in accounts(item) {
            let given = account.name.is_some() || account.sid.is_some() || account.upn.is_some();
            let entra = account.object.is_some() || account.upn.is_some();
            let (who, system) = account.identity();
            let system = if entra { tenant.as_ref().map(|t| format!("entra:{t}")).or(system) } else { system };
            machine_wide |= given && !who.is_somebody();
            let rank = if is_compromised(item) { rank } else { rank + 10 };
            found.extend(who.is_somebody().then_some((rank, if rank % 10 == 0 { who.or_kind(IdentityKind::Human) } else { who }, system)));
        }
        found.extend(application(item).map(|who| (3, who, tenant.as_ref().map(|t| format!("entra:{t}")))));
    }
    if let Some(user) = field(alert, "relatedUser").filter(|u| u.is_object()) {
        let account = Account { name: text(user, "userName"), domain: text(user, "domainName"), ..Account::default() };
        let (who, system) = account.identity();
        found.extend(who.is_somebody().then_some((0, who, system)));
    }
    found.sort_by_key(|(rank, ..)| *rank);
    let others = found.iter().filter(|(_, who, _)| found.first().is_some_and(|(_, first, _)| first.id != who.id)).count();
    if let Some((_, who, system)) = found.into_iter().next() {
        claim.because("the account is taken from the alert's evidence");
        if others > 0 {
            claim.because(format!("the evidence names {others} other account(s), too"));
        }
        claim.subject = who;
        claim.system = system;
    } else if machine_wide {
        claim.because("the only account in the evidence is one that every machine has, which is nobody's identity");
    } else if evidence_of(alert).iter().any(|e| text(e, "@odata.type").is_some_and(|t| t.ends_with("deviceEvidence"))) {
        claim.because("only a device is named, which is no identity that signs in");
    }
    claim.ip = evidence_of(alert).iter().find_map(|e| text(e, "ipAddress").or_else(|| text(e, "logonIp")));
    let session = evidence_of(alert).iter().find_map(|e| text(e, "sessionId"));
    claim.credential = session.map(|id| (CredentialKind::Session, Some(id)));
}

/// Accounts of one piece of evidence, with how near they are: 0 a user, 1 a
/// mailbox, 2 the account of a process.
fn accounts(item: &Value) -> Vec<(u8, Account)> {
    let word = text(item, "@odata.type").or_else(|| text(item, "entityType")).unwrap_or_default().to_ascii_lowercase();
    let nested = field(item, "userAccount").or_else(|| field(item, "account"));
    let rank = if word.contains("user") || word.contains("cloudlogon") {
        0
    } else if word.contains("mail") {
        1
    } else {
        2
    };
    let mut out: Vec<(u8, Account)> = nested.into_iter().map(|account| (rank, account_of(account))).collect();
    // Older shapes have the account's fields beside the type.
    let flat = ["aadUserId", "userPrincipalName", "accountName", "userSid"].iter().any(|n| text(item, n).is_some());
    if flat && nested.is_none() {
        let user = rank == 0 || word.is_empty();
        out.push((if user { 0 } else { rank }, account_of(item)));
    }
    if let Some(address) = text(item, "primaryAddress").or_else(|| text(item, "mailboxPrimaryAddress")).filter(|_| nested.is_none()) {
        out.push((1, Account { upn: Some(address), ..Account::default() }));
    }
    out
}

fn account_of(value: &Value) -> Account {
    let get = |names: &[&str]| names.iter().find_map(|n| text(value, n));
    Account {
        name: get(&["accountName", "userName"]),
        domain: get(&["domainName", "accountDomain"]),
        sid: get(&["userSid", "onPremisesSecurityIdentifier", "accountSid"]),
        upn: get(&["userPrincipalName"]),
        object: get(&["azureAdUserId", "aadUserId"]),
        host: None,
    }
}

/// An application or service principal of the evidence.
fn application(item: &Value) -> Option<Who> {
    let word = text(item, "@odata.type").or_else(|| text(item, "entityType")).unwrap_or_default().to_ascii_lowercase();
    if word.contains("kubernetesserviceaccount") {
        let namespace = text_at(item, &["namespace", "name"]).unwrap_or_else(|| "default".into());
        let name = text(item, "name")?;
        return Some(Who { id: Some(format!("{namespace}/{name}")), name: Some(name), kind: IdentityKind::ServiceAccount });
    }
    if !(word.contains("oauthapplication") || word.contains("serviceprincipal") || word.contains("cloudapplication")) {
        return None;
    }
    let id = ["servicePrincipalObjectId", "objectId", "appId", "oauthApplicationId"].iter().find_map(|n| text(item, n))?;
    let name = ["servicePrincipalName", "displayName"].iter().find_map(|n| text(item, n));
    Some(Who { id: Some(id), name, kind: IdentityKind::ServiceAccount })
}

fn is_compromised(item: &Value) -> bool {
    list(item, "roles").iter().chain(list(item, "detailedRoles")).filter_map(as_text).any(|r| {
        let r = r.to_ascii_lowercase();
        r.contains("compromised") || r.contains("attacker") || r.contains("attacked")
    }) || text(item, "verdict").is_some_and(|v| ["malicious", "suspicious"].contains(&v.to_ascii_lowercase().as_str()))
}
