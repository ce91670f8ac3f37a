//! Subject identifiers (RFC 9493, SSF 1.0 section 3), and their forerunners with
//! `subject_type`.
//!
//! A complex subject is about its user; the session or device beside the user
//! says which. A session or token alone has no user: its own id names it.

use crate::json::Value;
use quell_core::signal::{CredentialKind, IdentityKind};

use crate::{
    field::{field, list, text},
    statement::{Named, Party},
};

#[derive(Default)]
pub struct Found {
    pub party: Party,
    /// Whose ids these are, where the identifier says so.
    pub system: Option<String>,
    pub credential: Option<Named>,
}

impl Found {
    fn named(kind: IdentityKind, id: Option<String>, name: Option<String>) -> Self {
        Self { party: Party::new(kind, [id], [name]), ..Self::default() }
    }
}

/// The subject of an event. What an opaque id stands for, only the event tells.
pub fn of(id: &Value, event: &str) -> Found {
    let format = text(id, "format").or_else(|| text(id, "subject_type")).unwrap_or_default().replace('-', "_");
    match format.as_str() {
        "iss_sub" => issued(id),
        "email" => mail(text(id, "email")),
        "account" => mail(text(id, "uri").map(|u| u.trim_start_matches("acct:").to_owned())),
        "phone_number" | "phone" => Found::named(IdentityKind::Human, text(id, "phone_number").or_else(|| text(id, "phone")), None),
        "did" => Found::named(IdentityKind::Unknown, text(id, "url"), None),
        "uri" => Found::named(kind_of_uri(id), text(id, "uri"), None),
        "opaque" => opaque(id, event),
        "jwt_id" => credential(id, "jti", CredentialKind::Token, "iss"),
        "saml_assertion_id" => credential(id, "assertion_id", CredentialKind::Ticket, "issuer"),
        // The best alias is one with an issuer, then a mail address, then any.
        "aliases" => {
            let mut found: Vec<(Found, u8)> = list(id, "identifiers")
                .iter()
                .filter(|i| text(i, "format").as_deref() != Some("aliases"))
                .map(|i| (of(i, event), rank(i)))
                .collect();
            found.retain(|(f, _)| f.party.is_named());
            found.sort_by_key(|(_, rank)| *rank);
            found.into_iter().next().map(|(f, _)| f).unwrap_or_default()
        }
        "ip_addresses" => Found::default(),
        _ => complex(id, event),
    }
}

fn rank(id: &Value) -> u8 {
    match text(id, "format").unwrap_or_default().as_str() {
        "iss_sub" => 0,
        "email" | "account" => 1,
        _ => 2,
    }
}

/// `sub` and `sid` of a logout token.
pub fn of_claims(payload: &Value) -> Found {
    let session = Named::with_id(CredentialKind::Session, text(payload, "sid"));
    match text(payload, "sub") {
        Some(sub) => Found { party: person(Some(sub)), system: text(payload, "iss"), credential: session },
        None => Found {
            party: Party::new(IdentityKind::Unknown, [text(payload, "sid")], []),
            system: text(payload, "iss"),
            credential: session,
        },
    }
}

/// An id that reads as a mail address is a name, too.
fn person(id: Option<String>) -> Party {
    let name = id.clone().filter(|i| i.contains('@'));
    let kind = if name.is_some() { IdentityKind::Human } else { IdentityKind::Unknown };
    Party::new(kind, [id], [name])
}

fn issued(id: &Value) -> Found {
    Found { party: person(text(id, "sub")), system: text(id, "iss"), credential: None }
}

fn mail(address: Option<String>) -> Found {
    Found::named(IdentityKind::Human, address.clone(), address)
}

fn kind_of_uri(id: &Value) -> IdentityKind {
    match text(id, "uri") {
        Some(uri) if uri.starts_with("spiffe://") => IdentityKind::Workload,
        _ => IdentityKind::Unknown,
    }
}

fn opaque(id: &Value, event: &str) -> Found {
    let given = text(id, "id");
    let session = event.starts_with("session").then(|| Named::with_id(CredentialKind::Session, given.clone())).flatten();
    Found { party: person(given), system: None, credential: session }
}

fn credential(id: &Value, name: &str, kind: CredentialKind, issuer: &str) -> Found {
    let given = text(id, name);
    Found {
        party: Party::new(IdentityKind::Unknown, [given.clone()], []),
        system: text(id, issuer),
        credential: Named::with_id(kind, given),
    }
}

/// `user`, `device`, `session`, `application`, `tenant`, `org_unit`, `group`.
fn complex(id: &Value, event: &str) -> Found {
    let part = |name: &str| {
        field(id, name).filter(|p| p.is_object() && field(p, "format").or_else(|| field(p, "subject_type")).is_some()).map(|p| of(p, event))
    };
    let session = part("session");
    let mut found = match (part("user"), &session) {
        (Some(user), _) if user.party.is_named() => user,
        (_, Some(session)) if session.party.is_named() => {
            Found { party: session.party.clone(), system: session.system.clone(), credential: None }
        }
        _ => match (part("application"), part("device")) {
            (Some(mut application), _) if application.party.is_named() => {
                application.party.kind = IdentityKind::ServiceAccount;
                application
            }
            (_, Some(mut device)) => {
                device.party.kind = IdentityKind::Device;
                device
            }
            _ => Found::default(),
        },
    };
    if let Some(id) = session.and_then(|s| s.party.id) {
        found.credential = Named::with_id(CredentialKind::Session, Some(id));
    }
    found
}
