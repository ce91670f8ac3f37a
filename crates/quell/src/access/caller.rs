//! From a bearer token to who calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

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
#[derive(Clone, Deserialize)]
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

/// Rows that were looked up, by hash. Right for as long as this process is the
/// only one that ends tokens, which the lock of the data directory makes it; what
/// may change otherwise (the end, roles, a disabled account) is asked every time.
/// `None` is a token that is over: a reader who was slower than its end must not
/// bring it back.
#[derive(Default)]
pub struct Callers(Mutex<BTreeMap<String, Option<Row>>>);

/// Rows remembered at most.
const REMEMBERED_MAX: usize = 10_000;

impl Callers {
    /// Looks a token up by its hash.
    pub async fn authenticate(&self, engine: &Arc<Engine>, bearer: &str) -> Result<Who, Denied> {
        let hash = token::hash(bearer);
        let row = self.row(engine, &hash).await?;
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

    /// The token of this hash is over.
    pub fn forget(&self, hash: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hash.to_owned(), None);
    }

    async fn row(&self, engine: &Arc<Engine>, hash: &str) -> Result<Row, Denied> {
        if let Some(row) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(hash) {
            return row.clone().ok_or(Denied::BadToken);
        }
        let row = engine.ports.store.lookup(lookup::TOKEN, hash).await.map_err(quell_engine::Failure::from)?;
        // Unknown ones are not remembered: anybody can make those up.
        let row: Row = row.and_then(|row| serde_json::from_value(row).ok()).ok_or(Denied::BadToken)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, row| row.is_none());
        }
        known.entry(hash.to_owned()).or_insert(Some(row)).clone().ok_or(Denied::BadToken)
    }
}
