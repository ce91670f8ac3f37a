//! AWS: the users, access keys, roles and temporary credentials of one account, by IAM
//! and STS.
//!
//! A key that is inactive lets nobody in, and everything that was made with it lives on:
//! AWS revokes no temporary credential, it only denies what one may do. So a containment
//! here is a denial above the identity, keys that are inactive and then deleted, and a
//! denial of every session by its age, at the user and at each role that was assumed. It
//! is proved without anybody's secret: AWS looks a key up before it checks a signature.
//! Facts of the IAM user guide, measured on ministack 1.5.33, November 2026; AWS itself
//! was not asked.
//!
//! | file | what |
//! | --- | --- |
//! | `config` `wire` | where it is, who answers, one signed call with a deadline |
//! | `native` `deny` | names, leaked texts; the policies that Quell writes |
//! | `bootstrap` `manifest` `check` | what the account must have, what is declared, whether it is so |
//! | `look` `enumerate` `identify` `read` | what is there, without a change |
//! | `act` `undo` | the cleared attempt, and the way back |
//! | `control` `probe` | whether the account goes by what it was told; what was met |

mod act;
mod bootstrap;
mod check;
mod config;
mod control;
mod deny;
mod enumerate;
mod identify;
mod look;
mod manifest;
mod native;
mod probe;
mod read;
mod undo;
mod wire;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use quell_core::{
    clear::Clearance,
    proof::Observation,
    secret::Secret,
    target::{Enumeration, Reading, Target},
};
use quell_engine::port::{Attempt, Card, Check, Clock, Connector, Identified, Outcome, PlaneError, ProbeRequest};

pub use self::{
    bootstrap::{BootstrapCall, bootstrap_calls, bootstrap_script},
    config::{AwsConfig, Reach, SETTLE_MS},
};
use self::{config::Keys, native::Who, wire::Wire};
pub use crate::config::ControlIdentity;

/// One account.
pub struct Aws {
    config: AwsConfig,
    card: Card,
    wire: Wire,
    /// The name of Quell's own key.
    own_id: String,
    control: Keys,
    /// Keys that AWS made and nobody has sealed yet, by the attempt's marker.
    issued: Mutex<BTreeMap<String, Secret>>,
    clock: Arc<dyn Clock>,
}

impl Aws {
    /// Takes a configuration; nothing is dialled yet.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself, or a key in it is none.
    pub fn new(config: AwsConfig, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        let (own, control) = config.keys().map_err(|why| PlaneError::NotPermitted { plane: config.name.clone(), why })?;
        let (card, own_id) = (config.card(), own.id.clone());
        let wire = Wire::new(config.clone(), own, clock.clone())?;
        Ok(Self { card, wire, own_id, control, issued: Mutex::default(), clock, config })
    }

    fn not_permitted(&self, why: impl Into<String>) -> PlaneError {
        PlaneError::NotPermitted { plane: self.config.name.clone(), why: why.into() }
    }

    /// Why a key is out of reach: without it Quell sees and proves nothing any more.
    fn is_ours(&self, id: &str) -> Option<&'static str> {
        if id == self.own_id {
            return Some("it is Quell's own key");
        }
        (id == self.control.id).then_some("it is the key of Quell's control")
    }

    fn keep_issued(&self, marker: &str, secret: Secret) {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).insert(marker.to_owned(), secret);
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Connector for Aws {
    fn card(&self) -> &Card {
        &self.card
    }

    fn protected(&self, identity: &str) -> Option<String> {
        // IAM compares names without case.
        let is = |who: &Who| who.native().eq_ignore_ascii_case(identity);
        let [open, shut] = self.config.control_roles().map(Who::Role);
        let why = if is(&Who::User(self.config.username.clone())) {
            "it is Quell's own user"
        } else if is(&Who::User(self.config.control.identity.clone())) || is(&open) || is(&shut) {
            "it is Quell's control"
        } else if self.config.protected.iter().any(|p| p.eq_ignore_ascii_case(identity)) {
            "the configuration protects it"
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    async fn check(&self) -> Check {
        self.examine().await
    }

    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        self.enumerate_identity(identity).await
    }

    async fn inventory(&self) -> Result<Enumeration, PlaneError> {
        self.enumerate_scope().await
    }

    fn knows_key_ids(&self) -> bool {
        true
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

    fn issued(&self, attempt: &Attempt) -> Option<Secret> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt.marker)
    }

    async fn read_outcome(&self, attempt: &Attempt) -> Outcome {
        self.outcome_of(attempt).await
    }

    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation> {
        self.observe(request).await
    }
}
