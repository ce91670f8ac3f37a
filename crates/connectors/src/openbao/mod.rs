//! OpenBao (and the same HTTP API of Vault): AppRoles and their secret-ids, users,
//! entities, tokens, leases, KV versions, policies, certificates.
//!
//! Quell speaks with a token of its own that holds one policy ([`bootstrap_script`]).
//! Nothing is proved here: every probe is reported with its control, and the core
//! judges. A status code of a write is never a proof. Facts are of OpenBao 2.7.2,
//! measured November 2026.
//!
//! | file | what |
//! | --- | --- |
//! | `config` `wire` `answer` `native` | where it is, one call with a deadline, what came back, names |
//! | `look` `seen` `subject` `audit` | what one thing is, who an identity is, what was minted from what |
//! | `enumerate` `identify` `read` `check` | what is there, without a change |
//! | `control` `probe` `batch` `cert` | what was met, with what must be alive |
//! | `act` `undo` `policy` `kv` | the cleared attempt, and the way back |
//! | `bootstrap` `memory` | the least privilege; what is remembered while it runs |

mod act;
mod answer;
mod audit;
mod batch;
mod bootstrap;
mod cert;
mod check;
mod config;
mod control;
mod enumerate;
mod identify;
mod kv;
mod look;
mod manifest;
mod memory;
mod native;
mod policy;
mod probe;
mod read;
mod seen;
mod subject;
mod undo;
mod wire;

use std::{collections::BTreeMap, fmt, sync::Arc};

use quell_core::{
    clear::Clearance,
    hold::Used,
    proof::Observation,
    secret::Secret,
    target::{Enumeration, Reading, Target},
    time::Timestamp,
};
use quell_engine::port::{Attempt, Card, Check, Clock, Connector, Identified, Outcome, PlaneError, ProbeRequest};

use self::{
    answer::Failure,
    config::OWN_MOUNT,
    control::Keeping,
    memory::{Cuts, Failures, Known},
    native::{Native, Who},
    seen::TokenSeen,
    wire::Wire,
};
pub use self::{
    audit::Use,
    bootstrap::{CONTROL_POLICY, bootstrap_script, policy_text},
    config::{AuditLog, ControlIdentity, Login, OpenBaoConfig, Reach, SETTLE_MS},
    kv::KvSink,
};

/// One OpenBao server.
pub struct OpenBao {
    config: OpenBaoConfig,
    card: Card,
    wire: Wire,
    clock: Arc<dyn Clock>,
    keeping: Keeping,
    cuts: Cuts,
    failures: Failures,
    known: Known,
    log: audit::Kept,
}

impl OpenBao {
    /// Takes a configuration; nothing is dialled yet.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself, or its authority is no
    /// certificate.
    pub fn new(config: OpenBaoConfig, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        if let Some(why) = config.complaint() {
            return Err(PlaneError::NotPermitted { plane: config.name.clone(), why });
        }
        let wire = Wire::new(config.clone(), clock.clone())?;
        let card = config.card();
        Ok(Self {
            config,
            card,
            wire,
            clock,
            keeping: Keeping::default(),
            cuts: Cuts::default(),
            failures: Failures::default(),
            known: Known::default(),
            log: audit::Kept::default(),
        })
    }

    /// Why an identity is out of reach, as far as is known without asking.
    fn protection(&self, who: &Who) -> Option<String> {
        let own = |role: &str| Who::AppRole { mount: OWN_MOUNT.to_owned(), role: role.to_lowercase() };
        if let Login::AppRole { role, .. } = &self.config.login
            && *who == own(role)
        {
            return Some("it is Quell's own AppRole".to_owned());
        }
        if *who == own(&self.config.control.role) {
            return Some("it is Quell's control identity".to_owned());
        }
        if self.config.protected.iter().any(|p| native::identity(p).is_ok_and(|p| p == *who)) {
            return Some("the configuration protects it".to_owned());
        }
        match who {
            Who::Token { accessor } if self.known.is_root(accessor) => Some("it is a root token".to_owned()),
            Who::Entity { id } => self.known.entity(id),
            _ => None,
        }
    }

    /// Entities that are out of reach: Quell's own, the control's, and those behind
    /// what the configuration protects.
    async fn protected_entities(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut all = BTreeMap::new();
        let own = self.wire.own().await?;
        if !own.entity.is_empty() {
            all.insert(own.entity, "it is Quell's own entity".to_owned());
        }
        let control = Who::AppRole { mount: OWN_MOUNT.to_owned(), role: self.config.control.role.to_lowercase() };
        if let Some(entity) = self.entity_behind(&control).await? {
            all.insert(entity.id, "it is the entity of Quell's control identity".to_owned());
        }
        for named in &self.config.protected {
            let Ok(who) = native::identity(named) else { continue };
            if let Some(entity) = self.entity_behind(&who).await? {
                all.insert(entity.id, "the configuration protects a login of it".to_owned());
            }
        }
        self.known.set_entities(&all);
        Ok(all)
    }

    fn remember_roots(&self, tokens: &[TokenSeen]) {
        for token in tokens.iter().filter(|t| t.is_root()) {
            self.known.add_root(&token.accessor);
        }
    }

    fn remember_own(&self, accessor: &str) {
        self.known.add_ours(accessor);
    }

    fn is_ours(&self, accessor: &str) -> bool {
        self.known.is_ours(accessor)
    }
}

impl fmt::Debug for OpenBao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenBao").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Connector for OpenBao {
    fn card(&self) -> &Card {
        &self.card
    }

    fn protected(&self, identity: &str) -> Option<String> {
        self.protection(&native::identity(identity).ok()?)
    }

    async fn check(&self) -> Check {
        self.examine().await
    }

    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        self.enumerate_identity(identity).await
    }

    async fn inventory(&self) -> Result<Enumeration, PlaneError> {
        self.enumerate_all().await.map_err(|f| f.plane_error(&self.config.name))
    }

    async fn identify(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        self.identify_secret(secret).await
    }

    async fn mark_of(&self, secret: &Secret) -> Result<Option<String>, PlaneError> {
        match self.config.audit {
            Some(_) => self.mark(secret).await.map(Some),
            None => Ok(None),
        }
    }

    async fn used_since(&self, target: &Target, mark: Option<&str>, since: Timestamp) -> Result<Option<Used>, PlaneError> {
        match (&self.config.audit, mark, native::of(target)) {
            (None, ..) => Ok(None),
            (Some(_), Some(mark), _) => self.count_uses(mark, since).await.map(Some),
            (Some(_), None, Ok(Native::Token { accessor })) => self.count_uses_of_token(&accessor, since).await,
            (Some(_), None, _) => Ok(None),
        }
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
