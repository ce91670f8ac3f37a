//! Claims of issued tokens, decoded: who a token is for, and who acts in it.
//!
//! An authorization server that exchanges tokens (RFC 8693) logs what it issued.
//! `act` names who acts for the subject, the nearest outermost; the chain of
//! actors says which token this one was exchanged for. Only claims are read; a
//! record that holds an encoded token beside them gives nothing of it on.

use crate::json::Value;
use quell_core::{
    time::Timestamp,
    trace::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Outcome},
};

use super::{Given, Log, Reader, when};
use crate::field::{as_text, field, is_placeholder, text};

pub const LOG: Log = Log {
    name: "token-claims",
    reads: "decoded claims of issued or presented tokens (RFC 7519, RFC 8693), one object a record",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Claims),
    never_shows: "uses of a token at services that keep no log of it",
};

/// Most actors in one token that are followed.
const ACTORS_MAX: usize = 16;

fn recognises(record: &Value) -> bool {
    record.get("iss").is_some_and(Value::is_string) && record.get("sub").is_some_and(Value::is_string) && record.get("jti").is_some()
}

struct Claims;

impl Reader for Claims {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Value = match crate::json::document(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        if !recognises(&record) {
            return Given::NotMine;
        }
        let fact = fact(&record);
        match fact {
            Some(fact) => {
                give(fact);
                Given::Read
            }
            None => Given::Broken("the claims name no subject or no token id".to_owned()),
        }
    }
}

fn moment(record: &Value, name: &str) -> Option<Timestamp> {
    let value = field(record, name)?;
    crate::time::moment(value).map(|m| m.at).or_else(|| as_text(value).and_then(|t| when(&t)))
}

fn actors(record: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let mut at = field(record, "act");
    while let Some(act) = at {
        let Some(who) = text(act, "sub").or_else(|| text(act, "client_id")) else { break };
        out.push(who);
        if out.len() >= ACTORS_MAX {
            break;
        }
        at = field(act, "act");
    }
    out
}

fn fact(record: &Value) -> Option<Fact> {
    let identity = text(record, "sub").filter(|s| !is_placeholder(s))?;
    let id = text(record, "jti").filter(|s| !is_placeholder(s) && !crate::credential::has_form_of_secret(s))?;
    let act = actors(record);
    let at = ["time", "timestamp", "event_time", "iat"].iter().find_map(|n| moment(record, n));
    let event = text(record, "event").or_else(|| text(record, "type")).unwrap_or_else(|| "token issued".into());
    let system = format!("issuer:{}", text(record, "iss").unwrap_or_default());
    let parent = ["subject_jti", "subject_token_jti", "parent_jti"].iter().find_map(|n| text(record, n));
    let lower = event.to_ascii_lowercase();
    let mut fact = Fact {
        at,
        record_id: text(record, "event_id"),
        system,
        event,
        outcome: Outcome::Done,
        by: None,
        deeds: Vec::new(),
        aliases: Vec::new(),
    };
    let bearer = |credential: String| Bearer {
        identity: Some(identity.clone()),
        credential: Some(credential),
        kind: LinkKind::Token,
        address: text(record, "client_ip").or_else(|| text(record, "ip")),
        ..Bearer::default()
    };
    if lower.contains("revok") || lower.contains("logout") {
        fact.deeds.push(Deed::End(Ended::Credential(id)));
    } else if lower.contains("use") || lower.contains("present") || lower.contains("introspect") {
        fact.by = Some(Bearer { act, ..bearer(id) });
    } else {
        fact.by = parent.map(bearer);
        let login = act.is_empty() && fact.by.is_none();
        let expires_at = moment(record, "exp");
        fact.deeds.push(Deed::Mint(Minted {
            id,
            kind: LinkKind::Token,
            identity: Some(identity.clone()),
            expires_at,
            login,
            act,
            ..Minted::default()
        }));
    }
    Some(fact)
}
