//! Accounts of Windows and Active Directory.
//!
//! Accounts that every machine has (SYSTEM and the like) are nobody's identity:
//! nothing can be revoked from them. SIDs: well-known SIDs of Microsoft, read
//! 2026-11. A local account is a pair of host and user, because the same name
//! is another account on the next machine.

pub mod event;

use quell_core::signal::IdentityKind;

use crate::claim::Who;

/// What a record says of one account.
#[derive(Default)]
pub struct Account {
    pub domain: Option<String>,
    pub name: Option<String>,
    pub sid: Option<String>,
    pub upn: Option<String>,
    /// Object id in Entra.
    pub object: Option<String>,
    /// The machine it was seen on.
    pub host: Option<String>,
}

impl Account {
    /// The identity, and the system that owns it. Nobody where it is an account
    /// that every machine has.
    pub fn identity(self) -> (Who, Option<String>) {
        let keep = |text: Option<String>| text.filter(|t| !crate::field::is_placeholder(t));
        let (mut domain, mut name) = (keep(self.domain), keep(self.name));
        if let Some((d, n)) = name.as_deref().and_then(|n| n.split_once('\\')) {
            (domain, name) = (domain.or(Some(d.to_owned())), Some(n.to_owned()));
        }
        // `S-1-0-0` stands for "no SID" in failed logons.
        let sid = keep(self.sid).filter(|sid| sid != "S-1-0-0");
        let (upn, object, host) = (keep(self.upn), keep(self.object), keep(self.host));
        if is_machine_wide(domain.as_deref(), name.as_deref(), sid.as_deref()) {
            return (Who::default(), None);
        }
        if ![&name, &sid, &upn, &object].into_iter().any(Option::is_some) {
            return (Who::default(), None);
        }
        let kind = [&upn, &name].into_iter().flatten().map(|n| crate::principal::kind_of_name(n)).find(|k| *k != IdentityKind::Unknown);
        let kind = kind.unwrap_or(IdentityKind::Unknown);
        let local = match (&domain, &host) {
            (Some(domain), Some(host)) => same_host(domain, host),
            (None, Some(_)) => upn.is_none() && object.is_none() && sid.is_none(),
            _ => false,
        };
        let joined = match (&domain, &host, &name) {
            (Some(domain), _, Some(name)) => Some(format!("{domain}\\{name}")),
            // On its host the bare name is the id; the host is the system.
            (_, _, name) => name.clone(),
        };
        let system = if local {
            host.as_deref().or(domain.as_deref()).map(|h| format!("host:{h}"))
        } else {
            domain.as_deref().map(|d| format!("ad:{d}"))
        };
        let shown = match (&upn, &domain, &host, &name) {
            (Some(upn), ..) => Some(upn.clone()),
            (None, None, Some(host), Some(name)) if local => Some(format!("{name} on {host}")),
            _ => joined.clone(),
        };
        (Who { id: object.or(sid).or(upn).or(joined), name: shown, kind }, system)
    }
}

/// Whether a domain is the machine's own name, so that the account is local.
fn same_host(domain: &str, host: &str) -> bool {
    let short = |text: &str| text.split('.').next().unwrap_or(text).to_ascii_lowercase();
    short(domain) == short(host) && !domain.contains('.')
}

/// Whether an account is one that every machine has.
pub fn is_machine_wide(domain: Option<&str>, name: Option<&str>, sid: Option<&str>) -> bool {
    const SIDS: &[&str] = &["S-1-1-0", "S-1-5-7", "S-1-5-11", "S-1-5-18", "S-1-5-19", "S-1-5-20"];
    // Window manager, font driver host, virtual accounts of services.
    const SID_PREFIXES: &[&str] = &["S-1-5-90-", "S-1-5-96-", "S-1-5-80-"];
    const DOMAINS: &[&str] = &["nt authority", "nt service", "window manager", "font driver host", "nt-autorität", "autorite nt"];
    const NAMES: &[&str] = &["system", "local system", "localsystem", "local service", "network service", "anonymous logon", "système"];
    let lower = |text: Option<&str>| text.unwrap_or_default().trim().to_lowercase();
    let (domain, name) = (lower(domain), lower(name));
    let by_sid = sid.is_some_and(|sid| SIDS.contains(&sid) || SID_PREFIXES.iter().any(|p| sid.starts_with(p)));
    by_sid || DOMAINS.contains(&domain.as_str()) || (NAMES.contains(&name.as_str()) && (domain.is_empty() || domain == "workgroup"))
}
