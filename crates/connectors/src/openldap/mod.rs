//! OpenLDAP: people and service accounts, their passwords, connections and groups.
//!
//! The server has no way to end a connection, and a lock binds the next bind only.
//! So what is open is cut by an access rule in front of all others, and proved by a
//! witness: a connection of the same entry that Quell opened with the throw-away
//! before the cut and asks after it. Any write of a password unlocks, by whomever;
//! so the cut comes before the lock, and both are read back. Nothing is proved
//! here: every probe is reported with its control, and the core judges. Facts are
//! of OpenLDAP 2.5.13, measured November 2026.
//!
//! | file | what |
//! | --- | --- |
//! | `config` `dial` `wire` | where it is, who answers, one question with a deadline |
//! | `dn` `native` `rules` `policy` `stored` | names, access rules, the policy's controls, stored passwords |
//! | `bootstrap` `check` | the entries and rules that Quell needs, and whether they are there |
//! | `look` `enumerate` `identify` `read` | what is there, without a change |
//! | `act` `cut` `undo` | the cleared attempt, the rule that cuts, the way back |
//! | `probe` `answer` `witness` `guesses` | what was met, what it says, who saw it, how often it may be tried |

mod act;
mod answer;
mod bootstrap;
mod check;
mod config;
mod cut;
mod dial;
mod dn;
mod enumerate;
mod guesses;
mod identify;
mod look;
mod manifest;
mod native;
mod policy;
mod probe;
mod read;
mod rules;
mod stored;
mod undo;
mod wire;
mod witness;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use quell_core::{
    clear::Clearance,
    proof::Observation,
    secret::Secret,
    target::{Enumeration, Reading, Target},
};
use quell_engine::port::{Attempt, Card, Check, Clock, Connector, Identified, Outcome, PlaneError, ProbeRequest};

pub use self::{
    bootstrap::bootstrap_ldif,
    config::{DATABASE, OpenLdapConfig, Reach, SETTLE_MS},
};
use self::{config::Names, dn::Dn, guesses::Guesses, wire::Wire, witness::Witnesses};
pub use crate::config::ControlIdentity;

/// One OpenLDAP server.
pub struct OpenLdap {
    config: OpenLdapConfig,
    names: Names,
    card: Card,
    wire: Wire,
    clock: Arc<dyn Clock>,
    witnesses: Witnesses,
    guesses: Guesses,
    /// Names seen to pass every rule, and why that is out of reach.
    out_of_reach: RwLock<BTreeMap<String, String>>,
}

impl OpenLdap {
    /// Takes a configuration; nothing is dialled yet.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself, or its authority is no
    /// certificate.
    pub fn new(config: OpenLdapConfig, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        let names = config.names().map_err(|why| PlaneError::NotPermitted { plane: config.name.clone(), why })?;
        let wire = Wire::new(config.clone())?;
        let card = config.card();
        let (witnesses, guesses) = (Witnesses::default(), Guesses::default());
        Ok(Self { config, names, card, wire, clock, witnesses, guesses, out_of_reach: RwLock::new(BTreeMap::new()) })
    }

    fn remember(&self, entry: &Dn, why: &str) {
        self.out_of_reach.write().unwrap_or_else(PoisonError::into_inner).insert(entry.key(), why.to_owned());
    }

    /// Why an entry is out of reach, however its name is written.
    fn protects(&self, entry: &Dn) -> Option<String> {
        let key = entry.key();
        if key == self.names.own.key() {
            return Some("it is Quell's own entry".to_owned());
        }
        if key == self.names.control.key() {
            return Some("it is Quell's control identity".to_owned());
        }
        if self.names.protected.iter().any(|p| p.key() == key) {
            return Some("the configuration protects it".to_owned());
        }
        self.out_of_reach.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn not_permitted(&self, why: impl Into<String>) -> PlaneError {
        PlaneError::NotPermitted { plane: self.config.name.clone(), why: why.into() }
    }
}

impl fmt::Debug for OpenLdap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenLdap").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Connector for OpenLdap {
    fn card(&self) -> &Card {
        &self.card
    }

    fn protected(&self, identity: &str) -> Option<String> {
        Dn::parse(identity).ok().and_then(|entry| self.protects(&entry))
    }

    async fn check(&self) -> Check {
        self.examine().await
    }

    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        self.enumerate_entry(identity).await
    }

    async fn inventory(&self) -> Result<Enumeration, PlaneError> {
        self.enumerate_scope().await
    }

    async fn identify(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        self.identify_secret(secret).await
    }

    async fn read(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        self.read_target(target).await
    }

    async fn act(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        self.act_on(clearance, attempt).await
    }

    async fn read_outcome(&self, attempt: &Attempt) -> Outcome {
        self.outcome_of(attempt).await
    }

    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation> {
        self.observe(request).await
    }
}
