//! Okta System Log events.
//!
//! A session goes by its external session id, an API token by its id. Of a reset
//! or a removal the target is who lost something; the actor only asked for it.
//! Shapes as of the System Log API, 2025.

use crate::json::Value;
use quell_core::trace::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Nature, Outcome};

use super::{Given, Log, Reader, when};
use crate::field::{is_placeholder, list, text, text_at};

pub const LOG: Log = Log {
    name: "okta-system-log",
    reads: "Okta System Log events",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Okta),
    never_shows: "what was done inside of an application after the sign-in to it; sessions that an application keeps by itself",
};

fn recognises(record: &Value) -> bool {
    record.get("eventType").is_some_and(Value::is_string) && record.get("actor").is_some() && record.get("published").is_some()
}

struct Okta;

impl Reader for Okta {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Value = match crate::json::document(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        if !recognises(&record) {
            return Given::NotMine;
        }
        give(fact(&record));
        Given::Read
    }
}

fn given(value: &Value, name: &str) -> Option<String> {
    text(value, name).filter(|v| !is_placeholder(v))
}

/// The name of a person or client: an address where there is one.
fn name_of(party: &Value) -> Option<String> {
    given(party, "alternateId").or_else(|| given(party, "id"))
}

fn fact(record: &Value) -> Fact {
    let event = text(record, "eventType").unwrap_or_default();
    let result = text_at(record, &["outcome", "result"]).unwrap_or_default();
    let signing_in = event.starts_with("user.session.start") || event.starts_with("user.authentication");
    let outcome = match result.as_str() {
        "SUCCESS" | "ALLOW" | "CHALLENGE" | "" => Outcome::Done,
        _ if signing_in => Outcome::Rejected,
        _ => Outcome::Refused,
    };
    let mut aliases = Vec::new();
    for party in std::iter::once(&record["actor"]).chain(list(record, "target")) {
        if let (Some(id), Some(name)) = (given(party, "id"), given(party, "alternateId"))
            && text(party, "type").is_some_and(|t| t == "User")
        {
            aliases.push((id, name));
        }
    }
    let by = bearer(record, &event);
    let deeds = deeds(record, &event);
    Fact {
        at: text(record, "published").and_then(|t| when(&t)),
        record_id: given(record, "uuid"),
        system: "okta".into(),
        event,
        outcome,
        by,
        deeds: if outcome == Outcome::Done || deeds.is_empty() { deeds } else { vec![Deed::Attempt] },
        aliases,
    }
}

fn session(record: &Value) -> Option<String> {
    given(&record["authenticationContext"], "externalSessionId").or_else(|| given(&record["authenticationContext"], "rootSessionId"))
}

fn bearer(record: &Value, event: &str) -> Option<Bearer> {
    let identity = name_of(&record["actor"]);
    let token = text_at(record, &["transaction", "detail", "requestApiTokenId"]);
    let login = event == "user.session.start";
    let (credential, kind) = match (token, session(record), &identity) {
        (Some(token), _, _) => (token, LinkKind::ApiKey),
        (None, _, Some(who)) if login => (format!("{who}#password"), LinkKind::Password),
        (None, Some(session), _) => (session, LinkKind::Session),
        (None, None, Some(who)) => (format!("{who}#session"), LinkKind::Session),
        (None, None, None) => return None,
    };
    let address = given(&record["client"], "ipAddress");
    Some(Bearer { identity, credential: Some(credential), kind, address, ..Bearer::default() })
}

fn deeds(record: &Value, event: &str) -> Vec<Deed> {
    let targets = list(record, "target");
    let target = |kind: &str| targets.iter().find(|t| text(t, "type").is_some_and(|k| k.eq_ignore_ascii_case(kind)));
    let person = || target("User").and_then(name_of);
    let change = |nature| {
        let first = person().or_else(|| targets.first().and_then(|t| given(t, "displayName").or_else(|| given(t, "id"))));
        vec![Deed::Change { nature, target: first.unwrap_or_else(|| event.to_owned()) }]
    };
    let mint = |id: Option<String>, kind, identity, login| {
        id.map(|id| Deed::Mint(Minted { id, kind, identity, login, ..Minted::default() })).into_iter().collect::<Vec<_>>()
    };
    match event {
        "user.session.start" => mint(session(record), LinkKind::Session, name_of(&record["actor"]), true),
        "user.session.impersonation.initiate" => {
            let who = person();
            mint(who.as_ref().map(|w| format!("{w}#impersonated")), LinkKind::Session, who, false)
        }
        "system.api_token.create" => mint(target("Token").and_then(|t| given(t, "id")), LinkKind::ApiKey, name_of(&record["actor"]), false),
        "system.api_token.revoke" => {
            target("Token").and_then(|t| given(t, "id")).map(|id| Deed::End(Ended::Credential(id))).into_iter().collect()
        }
        e if e.starts_with("app.oauth2.") && e.contains(".token.grant") => {
            let token = targets.iter().find(|t| text(t, "type").is_some_and(|k| k.contains("token")));
            let kind = if e.contains("refresh_token") { LinkKind::RefreshToken } else { LinkKind::Token };
            let who = person().or_else(|| name_of(&record["actor"]));
            mint(token.and_then(|t| given(t, "id")), kind, who, false)
        }
        e if e.starts_with("app.oauth2.") && e.contains(".token.revoke") => {
            let tokens = targets.iter().filter(|t| text(t, "type").is_some_and(|k| k.contains("token")));
            tokens.filter_map(|t| given(t, "id")).map(|id| Deed::End(Ended::Credential(id))).collect()
        }
        "app.oauth2.client.lifecycle.create" | "app.oauth2.client_secret.create" => {
            mint(targets.first().and_then(|t| given(t, "id")), LinkKind::OauthClient, targets.first().and_then(name_of), false)
        }
        "user.session.end" => session(record).map(|id| Deed::End(Ended::Credential(id))).into_iter().collect(),
        "user.session.clear" => person().map(|who| Deed::End(Ended::SessionsOf(who))).into_iter().collect(),
        "user.lifecycle.suspend" | "user.lifecycle.deactivate" | "user.lifecycle.delete.initiated" => {
            person().map(|who| Deed::End(Ended::Identity(who))).into_iter().collect()
        }
        "user.account.reset_password" | "user.account.update_password" => {
            let who = person();
            mint(who.as_ref().map(|w| format!("{w}#password")), LinkKind::Password, who, false)
        }
        "user.lifecycle.create" => person().map(Deed::Make).into_iter().collect(),
        e if e.starts_with("user.mfa.factor.") => change(Nature::Identity),
        "user.account.privilege.grant" | "group.privilege.grant" | "group.user_membership.add" | "application.user_membership.add" => {
            change(Nature::Permission)
        }
        e if e.starts_with("system.idp.lifecycle") || e.starts_with("zone.") => change(Nature::Trust),
        e if e.starts_with("policy.") => change(Nature::Permission),
        e if e.starts_with("system.log_stream.lifecycle") => change(Nature::Logging),
        _ => Vec::new(),
    }
}
