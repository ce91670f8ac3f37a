//! An OAuth 2 and OpenID Connect provider: accounts with their sessions and grants,
//! applications with their secrets, and the tokens that belong to nobody.
//!
//! What the standards say is spoken by the standards: where the endpoints are (RFC 8414),
//! what a token is worth (RFC 7662), whether a client or a refresh token is let in (RFC
//! 6749), how a JWT is checked (RFC 7515, RFC 9068), and that everything of somebody is to
//! end (Global Token Revocation). No standard lists or ends sessions and grants, so that
//! is one file, `admin`, for each kind of provider; the one that there is speaks
//! `quell-oidc-admin/1`, which `docs/connectors/oidc.md` describes. Facts are of
//! oidc-provider 9.13.3, measured November 2026.
//!
//! | file | what |
//! | --- | --- |
//! | `config` `wire` `discovery` `native` `jwt` | where it is, one call with a deadline, its endpoints, names, signatures |
//! | `admin` | what no standard says: listing and ending |
//! | `enumerate` `identify` `read` `check` `bootstrap` | what is there, without a change |
//! | `control` `probe` | what was met, with what must be alive |
//! | `act` `undo` | the cleared attempt, and the way back |

mod act;
mod admin;
mod bootstrap;
mod check;
mod config;
mod control;
mod discovery;
mod enumerate;
mod identify;
mod jwt;
mod manifest;
mod native;
mod probe;
mod read;
mod undo;
mod wire;

use std::{collections::BTreeMap, fmt, sync::Arc};

use quell_core::{
    clear::Clearance,
    proof::Observation,
    secret::Secret,
    target::{Enumeration, Reading, Target},
};
use quell_engine::port::{Attempt, Card, Check, Clock, Connector, Identified, Outcome, PlaneError, ProbeRequest};

pub use self::{
    bootstrap::bootstrap_script,
    config::{LEEWAY_SECONDS, OidcConfig, Reach, SETTLE_MS},
};
use self::{control::Kept, native::Who, wire::Wire};
pub use crate::config::ControlIdentity;

/// One provider.
pub struct Oidc {
    config: OidcConfig,
    card: Card,
    wire: Wire,
    clock: Arc<dyn Clock>,
    kept: Kept,
}

impl Oidc {
    /// Takes a configuration; nothing is dialled yet.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself, or its authority is no certificate.
    pub fn new(config: OidcConfig, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        if let Some(why) = config.complaint() {
            return Err(PlaneError::NotPermitted { plane: config.name.clone(), why });
        }
        let wire = Wire::new(config.clone(), clock.clone())?;
        Ok(Self { card: config.card(), wire, config, clock, kept: Kept::default() })
    }

    /// Why an identity is out of reach.
    fn protection(&self, who: &Who) -> Option<&'static str> {
        let control = &self.config.control.identity;
        match who {
            Who::Client(id) if *id == self.config.client => Some("it is Quell's own client"),
            Who::Client(id) | Who::Account(id) if id == control => Some("it is Quell's control identity"),
            who if self.config.protected.contains(&who.native()) => Some("the configuration protects it"),
            _ => None,
        }
    }

    fn not_permitted(&self, why: impl Into<String>) -> PlaneError {
        PlaneError::NotPermitted { plane: self.config.name.clone(), why: why.into() }
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Connector for Oidc {
    fn card(&self) -> &Card {
        &self.card
    }

    fn protected(&self, identity: &str) -> Option<String> {
        self.protection(&native::who(identity).ok()?).map(str::to_owned)
    }

    async fn check(&self) -> Check {
        self.examine().await
    }

    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        self.enumerate_identity(identity).await
    }

    async fn inventory(&self) -> Result<Enumeration, PlaneError> {
        self.enumerate_all().await.map_err(|f| f.for_plane(&self.config.name))
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
