//! Microsoft Entra audit and sign-in records, as Graph, Azure diagnostics and
//! Sentinel export them.
//!
//! An audit record names who acted and not in which session, so a user's session
//! stands for itself until a sign-in names one. New keys of an application are
//! what its key list has now and had not before. Shapes as of 2025.

use std::collections::BTreeSet;

use crate::json::Value;
use quell_core::trace::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Nature, Outcome};

use super::{Given, Log, Reader, address, when};
use crate::field::{at, field, is_placeholder, text};

pub const LOG: Log = Log {
    name: "microsoft-entra",
    reads: "Microsoft Entra directory audits and sign-ins (Graph, Azure diagnostics, Sentinel)",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Entra),
    never_shows: "sign-ins with a forged SAML token, which look like any other or are in no record",
};

fn recognises(record: &Value) -> bool {
    let audit = part(record, "initiatedBy").is_some() && activity(record).is_some();
    let category = text(record, "category").or_else(|| text(record, "Type"));
    let signed_in = category.is_some_and(|c| c.ends_with("SignInLogs") || c.ends_with("SigninLogs"));
    audit || (signed_in && (part(record, "appId").is_some() || part(record, "userPrincipalName").is_some()))
}

/// A field of the record or of its `properties`, its text read as JSON where it holds some.
fn part(record: &Value, name: &str) -> Option<Value> {
    let found = field(record, name).or_else(|| at(record, &["properties", name]))?;
    match found {
        Value::String(text) if text.starts_with(['{', '[']) => crate::json::document(text.as_bytes()).ok().or_else(|| Some(found.clone())),
        other => Some(other.clone()),
    }
}

fn word(record: &Value, name: &str) -> Option<String> {
    part(record, name).as_ref().and_then(crate::field::as_text).filter(|v| !is_placeholder(v))
}

fn activity(record: &Value) -> Option<String> {
    ["activityDisplayName", "operationName"].iter().find_map(|n| word(record, n))
}

struct Entra;

impl Reader for Entra {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Value = match crate::json::document(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        if !recognises(&record) {
            return Given::NotMine;
        }
        let fact = if part(&record, "initiatedBy").is_some() { audit(&record) } else { sign_in(&record) };
        if let Some(fact) = fact {
            give(fact);
        }
        Given::Read
    }
}

fn system(record: &Value) -> String {
    let tenant = ["AADTenantId", "tenantId", "TenantId", "homeTenantId"].iter().find_map(|n| word(record, n));
    format!("entra:{}", tenant.unwrap_or_else(|| "tenant".into()))
}

fn moment(record: &Value) -> Option<quell_core::time::Timestamp> {
    ["activityDateTime", "createdDateTime", "TimeGenerated", "time"].iter().find_map(|n| word(record, n)).and_then(|t| when(&t))
}

/// A user's sign-in opens a session; an application's obtains a token with one of its keys.
fn sign_in(record: &Value) -> Option<Fact> {
    let mut fact = Fact {
        at: moment(record),
        record_id: word(record, "id").or_else(|| word(record, "correlationId")),
        system: system(record),
        event: "sign-in".into(),
        ..Fact::default()
    };
    let status = part(record, "status").and_then(|s| crate::field::integer(&s, "errorCode"));
    let failed = status.or_else(|| word(record, "resultType").and_then(|r| r.parse().ok())).unwrap_or(0) != 0;
    fact.outcome = if failed { Outcome::Rejected } else { Outcome::Done };
    let from = ["ipAddress", "callerIpAddress"].iter().find_map(|n| word(record, n)).filter(|a| address(a));
    let token = ["sessionId", "uniqueTokenIdentifier", "id"].iter().find_map(|n| word(record, n));
    let user = word(record, "userPrincipalName").map(|u| u.to_ascii_lowercase());
    let (by, kind, identity) = match user.or_else(|| word(record, "userId")) {
        Some(user) => {
            fact.aliases.extend(word(record, "userId").map(|id| (id, user.clone())));
            let credential = Some(format!("{user}#password"));
            (Bearer { identity: Some(user.clone()), credential, kind: LinkKind::Password, ..Bearer::default() }, LinkKind::Session, user)
        }
        None => {
            let app = ["servicePrincipalId", "appId"].iter().find_map(|n| word(record, n))?;
            fact.aliases.extend(word(record, "appId").filter(|id| *id != app).map(|id| (id, app.clone())));
            let key = word(record, "servicePrincipalCredentialKeyId").unwrap_or_else(|| format!("{app}#key"));
            (
                Bearer { identity: Some(app.clone()), credential: Some(key), kind: LinkKind::OauthClient, ..Bearer::default() },
                LinkKind::Token,
                app,
            )
        }
    };
    fact.by = Some(Bearer { address: from, ..by });
    if !failed && let Some(id) = token {
        fact.deeds.push(Deed::Mint(Minted { id, kind, identity: Some(identity), login: true, ..Minted::default() }));
    }
    Some(fact)
}

fn audit(record: &Value) -> Option<Fact> {
    let activity = activity(record)?;
    let mut fact = Fact {
        at: moment(record),
        record_id: word(record, "id").or_else(|| word(record, "correlationId")),
        system: system(record),
        event: activity.trim().to_owned(),
        ..Fact::default()
    };
    let failed = word(record, "result").is_some_and(|r| !r.eq_ignore_ascii_case("success") && r != "0" && !r.is_empty());
    fact.outcome = if failed { Outcome::Refused } else { Outcome::Done };
    let initiated = part(record, "initiatedBy")?;
    fact.by = initiator(&initiated, &mut fact.aliases);
    let targets: Vec<Target> = match part(record, "targetResources") {
        Some(Value::Array(list)) => list.into_iter().map(Target).collect(),
        Some(one @ Value::Object(_)) => vec![Target(one)],
        _ => Vec::new(),
    };
    for target in &targets {
        if let (Some(id), Some(name)) = (target.id(), target.name()) {
            match target.is("User") {
                true => fact.aliases.push((id, name)),
                false if target.is("Application") || target.is("ServicePrincipal") => {
                    fact.aliases.push((id, format!("{name} (application)")))
                }
                false => {}
            }
        }
    }
    let deeds = deeds(&activity.trim().to_ascii_lowercase(), &targets, fact.at);
    fact.deeds = if failed && !deeds.is_empty() { vec![Deed::Attempt] } else { deeds };
    Some(fact)
}

fn initiator(initiated: &Value, aliases: &mut Vec<(String, String)>) -> Option<Bearer> {
    if let Some(user) = field(initiated, "user") {
        let id = text(user, "id").filter(|v| !is_placeholder(v));
        let upn = text(user, "userPrincipalName").map(|u| u.to_ascii_lowercase());
        aliases.extend(id.clone().zip(upn.clone()));
        let who = upn.or(id)?;
        let from = text(user, "ipAddress").filter(|a| address(a));
        let credential = Some(format!("{who}#session"));
        return Some(Bearer { identity: Some(who), credential, kind: LinkKind::Session, address: from, ..Bearer::default() });
    }
    let app = field(initiated, "app")?;
    let who = ["servicePrincipalId", "appId", "displayName"].iter().find_map(|n| text(app, n)).filter(|v| !is_placeholder(v))?;
    let service = text(app, "displayName").filter(|n| n.starts_with("Microsoft ") || n.starts_with("Azure "));
    Some(Bearer { credential: Some(format!("{who}#token")), identity: Some(who), kind: LinkKind::Token, service, ..Bearer::default() })
}

/// Somebody or something that an audit record is about.
struct Target(Value);

impl Target {
    fn id(&self) -> Option<String> {
        text(&self.0, "id").filter(|v| !is_placeholder(v))
    }

    fn name(&self) -> Option<String> {
        text(&self.0, "userPrincipalName")
            .map(|u| u.to_ascii_lowercase())
            .or_else(|| text(&self.0, "displayName"))
            .filter(|v| !is_placeholder(v))
    }

    fn is(&self, kind: &str) -> bool {
        text(&self.0, "type").is_some_and(|t| t == kind)
    }

    fn called(&self) -> Option<String> {
        match (self.name(), self.id()) {
            (Some(name), Some(id)) if !self.is("User") => Some(format!("{name} ({id})")),
            (name, id) => name.or(id),
        }
    }

    /// Old and new text of a property that was modified.
    fn modified(&self, name: &str) -> Option<(String, String)> {
        let list = field(&self.0, "modifiedProperties")?.as_array()?;
        let found = list.iter().find(|p| text(p, "displayName").is_some_and(|n| n.eq_ignore_ascii_case(name)))?;
        let side = |name: &str| text(found, name).unwrap_or_default();
        Some((side("oldValue"), side("newValue")))
    }
}

/// The ids in `[KeyIdentifier=..,KeyType=..]`.
fn key_ids(list: &str) -> BTreeSet<String> {
    list.split("KeyIdentifier=")
        .skip(1)
        .filter_map(|rest| rest.split([',', ']', '\\', '"']).next())
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect()
}

fn deeds(activity: &str, targets: &[Target], at: Option<quell_core::time::Timestamp>) -> Vec<Deed> {
    let first = targets.first();
    let user = || targets.iter().find(|t| t.is("User")).or(first).and_then(|t| t.name().or_else(|| t.id()));
    let change = |nature| vec![Deed::Change { nature, target: first.and_then(Target::called).unwrap_or_else(|| activity.to_owned()) }];
    let is = |words: &[&str]| words.iter().all(|w| activity.contains(w));
    if is(&["certificates and secrets"]) || is(&["service principal credentials"]) {
        return keys(first, at);
    }
    if is(&["delegated permission grant"])
        || is(&["oauth2permissiongrant"])
        || is(&["consent to application"])
        || is(&["app role assignment"])
    {
        let Some(id) = grant_id(targets) else { return change(Nature::Permission) };
        if activity.starts_with("remove") || activity.starts_with("revoke") {
            return vec![Deed::End(Ended::Credential(id))];
        }
        let identity = targets.get(1).and_then(Target::id).or_else(|| first.and_then(Target::id));
        return vec![Deed::Mint(Minted { id, kind: LinkKind::Entitlement, identity, ..Minted::default() })];
    }
    match activity {
        "add user" | "invite external user" => user().map(Deed::Make).into_iter().collect(),
        "disable account" | "delete user" => user().map(|u| Deed::End(Ended::Identity(u))).into_iter().collect(),
        "reset user password" | "change user password" | "reset password (by admin)" | "reset password (self-service)" => {
            let who = user();
            who.map(|w| {
                Deed::Mint(Minted { id: format!("{w}#password"), kind: LinkKind::Password, identity: Some(w), ..Minted::default() })
            })
            .into_iter()
            .collect()
        }
        "revoke sign in sessions" | "update stsrefreshtokenvalidfrom timestamp" => {
            user().map(|u| Deed::End(Ended::SessionsOf(u))).into_iter().collect()
        }
        "update application" | "update service principal" if first.is_some_and(|t| t.modified("RequiredResourceAccess").is_some()) => {
            change(Nature::Permission)
        }
        a if a.starts_with("set domain authentication")
            || a.starts_with("set federation settings")
            || a.starts_with("add unverified domain") =>
        {
            change(Nature::Trust)
        }
        a if a.contains("member to role")
            || a.contains("owner to")
            || a.contains("member to group")
            || a.contains("conditional access policy") =>
        {
            change(Nature::Permission)
        }
        a if a.contains("security info") || a.contains("strong authentication") => change(Nature::Identity),
        a if a.contains("diagnostic setting") => change(Nature::Logging),
        _ => Vec::new(),
    }
}

fn keys(target: Option<&Target>, at: Option<quell_core::time::Timestamp>) -> Vec<Deed> {
    let Some(target) = target else { return Vec::new() };
    let identity = target.id();
    let (old, new) = target.modified("KeyDescription").unwrap_or_default();
    let (old, new) = (key_ids(&old), key_ids(&new));
    let mint = |id: String| Deed::Mint(Minted { id, kind: LinkKind::OauthClient, identity: identity.clone(), ..Minted::default() });
    let mut out: Vec<Deed> = new.difference(&old).cloned().map(mint).collect();
    out.extend(old.difference(&new).cloned().map(|id| Deed::End(Ended::Credential(id))));
    if out.is_empty()
        && let Some(app) = &identity
    {
        // A key was added and the record does not say which.
        let moment = at.map_or_else(String::new, |t| format!("@{t}"));
        out.push(mint(format!("{app}#new-key{moment}")));
    }
    out
}

/// A grant by what it opens and to whom.
fn grant_id(targets: &[Target]) -> Option<String> {
    let resource = targets.first()?;
    let client = targets.get(1).and_then(Target::id).or_else(|| {
        let (_, new) = resource.modified("ServicePrincipal.ObjectID")?;
        Some(new.trim_matches('"').to_owned()).filter(|c| !c.is_empty())
    })?;
    Some(format!("{}/grant-to/{client}", resource.id()?))
}
