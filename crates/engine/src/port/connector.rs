//! One kind of plane.
//!
//! A connector observes and acts; it never decides whether to act (it takes a
//! [`Clearance`], which only the core makes) and never says what a probe proves
//! (it reports [`Observation`]s, which only the core judges).

use std::{collections::BTreeMap, sync::Arc};

use quell_core::{
    action::Action,
    clear::Clearance,
    hold::Used,
    manifest::Manifest,
    proof::Observation,
    secret::Secret,
    signal::CredentialKind,
    target::{Enumeration, Reading, Target},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// Everything one cleared attempt needs. Nothing in it is a choice of the connector's.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub action: Action,
    pub target: Target,
    /// Derived from the attempt: an orphan of a crashed try is found by it.
    pub marker: String,
    /// The before-state of the hold, for undoing; secrets opened.
    pub before: Option<Reading>,
    /// Opened secret parts of the before-state, by name.
    pub before_secrets: BTreeMap<String, Secret>,
    /// A new secret that the engine made, for rotating, re-issuing and reinstating.
    pub new_secret: Option<Secret>,
    /// Names in the action's parameters, from the approved plan: `twin` -> `billing_app_q7f3k`.
    pub parameters: BTreeMap<String, String>,
    /// What a reinstatement leaves alone: people took it out of the containment.
    pub kept: Vec<Target>,
}

impl Attempt {
    /// Whether it is this attempt, on a target of this plane, that was cleared.
    ///
    /// # Errors
    ///
    /// Refuses what is something else.
    pub fn is_cleared(&self, clearance: &Clearance, plane: &str) -> Result<(), Outcome> {
        if clearance.target() == &self.target.id && clearance.action() == self.action && self.target.plane == plane {
            return Ok(());
        }
        Err(Outcome::Refused { reason: "the clearance is for something else than this attempt".to_owned() })
    }
}

/// What became of the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The plane took it. Not a proof.
    Done {
        /// Attributes changed, before and after, by value; never a secret.
        changed: BTreeMap<String, (Option<String>, Option<String>)>,
    },
    /// Nothing happened, and asking again will not help.
    Refused { reason: String },
    /// Nothing happened; later is safe.
    Throttled { retry_after_ms: i64 },
    /// Something may have happened: only reading can tell.
    Unknown { reason: String },
}

/// Why a plane could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaneError {
    /// Not reached, or it did not answer in time. Never the same as "refused".
    #[error("`{plane}` did not answer: {why}")]
    Unreachable { plane: String, why: String },
    /// It answered, and what it said is not understood.
    #[error("`{plane}` answered what Quell does not understand: {why}")]
    Garbled { plane: String, why: String },
    /// A privilege is missing; names it and how to grant it.
    #[error("`{plane}` {why}")]
    NotPermitted { plane: String, why: String },
    /// Later is safe.
    #[error("`{plane}` asks to wait {retry_after_ms} ms")]
    Throttled { plane: String, retry_after_ms: i64 },
}

/// Whose a leaked value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// It belongs to this credential (native id) of this kind, of this identity (native id).
    Match { credential: String, kind: CredentialKind, identity: String },
    /// It is the name of this credential and no secret: whose it is, and no possession.
    Named { credential: String, kind: CredentialKind, identity: String },
    /// It was compared with everything in scope and matched nothing.
    NoMatch { compared: u32 },
    /// More candidates than the bound, or the plane cannot compare; why.
    NotCompared { why: String },
}

/// What to look at, and what may be used for it.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    pub target: Target,
    /// The native id of the identity it belongs to.
    pub identity: String,
    /// Login probes are permitted: the plane is armed, or the secret is our own.
    pub may_login: bool,
    /// The leaked secret, unsealed for this round; policy permitted `probe_with_secret`.
    pub leaked: Option<Secret>,
    /// The leaked secret was once seen to be right (a match, or a live login).
    pub leaked_was_right: bool,
    /// A throw-away that Quell set before it locked the identity.
    pub throw_away: Option<Secret>,
    /// The secret of a re-issued or reinstated credential, which must be live.
    pub own: Option<Secret>,
    /// The before-state, with the old verifier opened, for "is the stored one still the old one".
    pub before: Option<Reading>,
    pub before_secrets: BTreeMap<String, Secret>,
}

/// What the connector's own identity may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privileges {
    pub needed: Vec<String>,
    pub missing: Vec<String>,
    pub excess: Vec<String>,
}

/// How the plane and Quell's way into it are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub reachable: bool,
    pub why_not: Option<String>,
    pub privileges: Privileges,
    /// The control identity could log in and was found by the read probe.
    pub control_alive: bool,
    pub warnings: Vec<String>,
}

impl Check {
    /// Nothing was asked yet.
    pub fn unasked(needed: Vec<String>) -> Self {
        let privileges = Privileges { needed, ..Privileges::default() };
        Self { reachable: false, why_not: None, privileges, control_alive: false, warnings: Vec::new() }
    }
}

/// Which plane it is: settled when it is configured, and pinned by plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The SYSTEM of references: the connector's name in the configuration.
    pub name: String,
    /// What this kind of plane declares.
    pub manifest: Manifest,
    /// The endpoint, without credentials.
    pub endpoint: String,
    /// SHA-256 of the configuration without secrets.
    pub config_digest: String,
}

/// One plane of one kind.
#[async_trait::async_trait]
pub trait Connector: Send + Sync {
    /// Which plane it is.
    fn card(&self) -> &Card;

    /// The SYSTEM of references.
    fn name(&self) -> &str {
        &self.card().name
    }

    /// What this kind of plane declares.
    fn manifest(&self) -> &Manifest {
        &self.card().manifest
    }

    /// The endpoint, as plans pin it.
    fn endpoint(&self) -> &str {
        &self.card().endpoint
    }

    /// The digest of its configuration, as plans pin it.
    fn config_digest(&self) -> &str {
        &self.card().config_digest
    }

    /// Why this identity (native id) is protected by configuration or by
    /// derivation: our own roles, the control, superusers out of reach.
    fn protected(&self, identity: &str) -> Option<String>;

    /// Reachability, privileges, control. Changes nothing.
    async fn check(&self) -> Check;

    /// Everything about one identity (native id), at most the manifest's maximum.
    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError>;

    /// Every identity in the connector's scope with its credentials, for the inventory.
    async fn inventory(&self) -> Result<Enumeration, PlaneError>;

    /// Whether [`Connector::identify`] knows an access key by its id, which is no secret.
    fn knows_key_ids(&self) -> bool {
        false
    }

    /// Whose is this leaked value? Bounded; only for secrets from an authenticated source.
    async fn identify(&self, secret: &Secret) -> Result<Identified, PlaneError>;

    /// A secret that the engine drew, in the form that this plane's credentials have: the
    /// same text gives the same secret.
    fn shaped(&self, drawn: Secret) -> Secret {
        drawn
    }

    /// What the plane's own log writes in place of `secret`; none where it keeps no
    /// such log. Asked while the value is at hand, so that it need not be kept.
    async fn mark_of(&self, _secret: &Secret) -> Result<Option<String>, PlaneError> {
        Ok(None)
    }

    /// Uses by others of `target` after `since`, as the plane's own log tells them. `mark`
    /// is what the log writes in place of its value, where that was at hand. None where
    /// the plane keeps no such log, or does not name this target in it.
    async fn used_since(&self, _target: &Target, _mark: Option<&str>, _since: Timestamp) -> Result<Option<Used>, PlaneError> {
        Ok(None)
    }

    /// The target's state now. Secret parts are returned apart, to be sealed.
    async fn read(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError>;

    /// Runs one cleared attempt. A time-out is [`Outcome::Unknown`], never refused.
    async fn act(&self, clearance: Clearance, attempt: &Attempt) -> Outcome;

    /// The secret that the plane itself made in an attempt that it took, where planes of
    /// this kind take none of ours: given out once, to be sealed.
    fn issued(&self, _attempt: &Attempt) -> Option<Secret> {
        None
    }

    /// After a crash or a time-out: reads what became of an attempt, before
    /// anything is repeated. Removes an orphan of an attempt that creates.
    async fn read_outcome(&self, attempt: &Attempt) -> Outcome;

    /// Tries or reads, each with its control in the same round. Never fails:
    /// what could not be asked is an inconclusive observation.
    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation>;
}

/// Where a consumer reads its credential from. Writing sets a state, so writing
/// twice is writing once.
#[async_trait::async_trait]
pub trait Sink: Send + Sync {
    /// The sink's name in the configuration, as `rotation.sink` of an identity names it.
    fn name(&self) -> &str;

    /// Puts `login` and its new secret where the consumer reads them, atomically.
    async fn put(&self, login: &str, secret: &Secret) -> Result<(), PlaneError>;

    /// The login that stands there now, never its secret.
    async fn current(&self) -> Result<Option<String>, PlaneError>;

    /// The plane and the native id of the store it writes to, where its old versions
    /// can be read again and are to be destroyed.
    fn keeps(&self) -> Option<(String, String)> {
        None
    }
}

/// The planes and sinks of this installation, by name.
#[derive(Clone, Default)]
pub struct Connectors {
    planes: BTreeMap<String, Arc<dyn Connector>>,
    sinks: BTreeMap<String, Arc<dyn Sink>>,
}

impl Connectors {
    /// Takes the planes; a second one of the same name replaces the first.
    pub fn new(planes: impl IntoIterator<Item = Arc<dyn Connector>>, sinks: impl IntoIterator<Item = Arc<dyn Sink>>) -> Self {
        Self {
            planes: planes.into_iter().map(|c| (c.name().to_owned(), c)).collect(),
            sinks: sinks.into_iter().map(|s| (s.name().to_owned(), s)).collect(),
        }
    }

    /// The plane of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Connector>> {
        self.planes.get(name)
    }

    /// The sink of a name.
    pub fn sink(&self, name: &str) -> Option<&Arc<dyn Sink>> {
        self.sinks.get(name)
    }

    /// Every plane, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Connector>> {
        self.planes.values()
    }
}
