//! From a bearer token to who calls.

use std::sync::Arc;

use quell_core::{
    event::SourceCreated,
    id::{PersonId, TokenId},
    time::Timestamp,
};
use quell_engine::{Engine, lookup, order::Caller};
use serde::Deserialize;

use super::{Denied, token};

/// Who a token stands for.
#[derive(Clone, Debug)]
pub enum Who {
    Person(Person),
    Sender(Sender),
}

/// A signed-in person, or a machine token of an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub caller: Caller,
    pub token: TokenId,
    pub hash: String,
    pub expires_at: Option<Timestamp>,
}

/// A source of alerts.
#[derive(Clone, Debug)]
pub struct Sender {
    pub source: Arc<SourceCreated>,
    pub scopes: Vec<String>,
}

impl Sender {
    /// As policy is asked about it: a client that is not a person.
    pub fn caller(&self) -> Caller {
        Caller {
            id: PersonId::new(self.source.source.as_str()),
            roles: Vec::new(),
            signed_in: false,
            human: false,
            scopes: self.scopes.clone(),
        }
    }
}

/// A row of [`lookup::TOKEN`].
#[derive(Deserialize)]
struct Row {
    id: TokenId,
    person: Option<PersonId>,
    source: Option<String>,
    #[serde(default)]
    signed_in: bool,
    #[serde(default)]
    scopes: Vec<String>,
    expires_at: Option<Timestamp>,
}

/// Looks a token up by its hash.
pub async fn authenticate(engine: &Arc<Engine>, bearer: &str) -> Result<Who, Denied> {
    let hash = token::hash(bearer);
    let row = engine.ports.store.lookup(lookup::TOKEN, &hash).await.map_err(quell_engine::Failure::from)?;
    let row: Row = row.and_then(|row| serde_json::from_value(row).ok()).ok_or(Denied::BadToken)?;
    if row.expires_at.is_some_and(|end| engine.ports.clock.now() > end) {
        return Err(Denied::BadToken);
    }
    if let Some(name) = row.source {
        let source = engine.source(&name).await?.ok_or(Denied::BadToken)?;
        return Ok(Who::Sender(Sender { source: Arc::new(source), scopes: row.scopes }));
    }
    let id = row.person.ok_or(Denied::BadToken)?;
    let person = engine.person(&id).await?.filter(|p| !p.disabled).ok_or(Denied::BadToken)?;
    let caller =
        Caller { id, roles: person.roles.into_iter().collect(), signed_in: row.signed_in, human: person.human, scopes: row.scopes };
    Ok(Who::Person(Person { caller, token: row.id, hash, expires_at: row.expires_at }))
}
