//! PostgreSQL: roles, their passwords, sessions and memberships.
//!
//! Quell's role holds nothing but EXECUTE on a few functions that a superuser
//! installs with [`bootstrap_sql`]; what they may touch is a list of names *and*
//! oids. Nothing is proved here: every probe is reported with its control, and
//! the core judges. Facts are of PostgreSQL 15, measured November 2026.
//!
//! | file | what |
//! | --- | --- |
//! | `config` `dial` `wire` | where it is, who answers, one statement with a deadline |
//! | `bootstrap` `verifier` `native` | the functions, SCRAM, names |
//! | `look` `enumerate` `identify` `read` `check` | what is there, without a change |
//! | `act` `undo` `probe` | the cleared attempt, the way back, what was met |

mod act;
mod bootstrap;
mod check;
mod config;
mod dial;
mod enumerate;
mod identify;
mod look;
mod manifest;
mod native;
mod probe;
mod read;
mod undo;
mod verifier;
mod wire;

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
    bootstrap::bootstrap_sql,
    config::{PostgresConfig, Reach, SETTLE_MS},
};
use self::{
    look::{RoleNow, Standing},
    wire::Wire,
};
pub use crate::config::ControlIdentity;

/// One PostgreSQL server.
pub struct PostgreSql {
    config: PostgresConfig,
    card: Card,
    wire: Wire,
    clock: Arc<dyn Clock>,
    /// Roles seen to be superusers or to replicate, and why that is out of reach.
    out_of_reach: RwLock<BTreeMap<String, String>>,
}

impl PostgreSql {
    /// Takes a configuration; nothing is dialled yet.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself, or its authority is no
    /// certificate.
    pub fn new(config: PostgresConfig, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        if let Some(why) = config.complaint() {
            return Err(PlaneError::NotPermitted { plane: config.name.clone(), why });
        }
        let wire = Wire::new(config.clone())?;
        let card = config.card();
        Ok(Self { config, card, wire, clock, out_of_reach: RwLock::new(BTreeMap::new()) })
    }

    /// Superusers and replication roles are refused by the functions anyway;
    /// knowing them here keeps them out of plans.
    fn remember(&self, role: &str, now: &RoleNow) {
        let why = match (now.superuser, now.replication) {
            (true, _) => Some("a superuser is out of reach"),
            (_, true) => Some("a replication role is out of reach"),
            _ => None,
        };
        let mut known = self.out_of_reach.write().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => known.insert(role.to_owned(), why.to_owned()),
            None => known.remove(role),
        };
    }

    fn not_in_scope(&self, standing: Standing) -> PlaneError {
        let why = match standing {
            Standing::Another => {
                "knows the role under another oid: it was renamed or made anew; a superuser admits it again with `SELECT quell.admit(..)`"
            }
            _ => "does not have the role in the scope of Quell; a superuser admits it with `SELECT quell.admit(..)`",
        };
        PlaneError::NotPermitted { plane: self.config.name.clone(), why: why.to_owned() }
    }

    fn not_a_role(&self) -> PlaneError {
        let why = "has no role of such a name: 1 to 63 bytes, no NUL".to_owned();
        PlaneError::NotPermitted { plane: self.config.name.clone(), why }
    }
}

impl fmt::Debug for PostgreSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgreSql").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Connector for PostgreSql {
    fn card(&self) -> &Card {
        &self.card
    }

    fn protected(&self, identity: &str) -> Option<String> {
        if identity == self.config.username || identity == "quell_owner" {
            return Some("it is Quell's own role".to_owned());
        }
        if identity == self.config.control.identity {
            return Some("it is Quell's control identity".to_owned());
        }
        if self.config.protected.iter().any(|p| p == identity) {
            return Some("the configuration protects it".to_owned());
        }
        self.out_of_reach.read().unwrap_or_else(PoisonError::into_inner).get(identity).cloned()
    }

    async fn check(&self) -> Check {
        self.examine().await
    }

    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        self.enumerate_role(identity).await
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
