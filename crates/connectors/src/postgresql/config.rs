//! What an operator says about one PostgreSQL: where it is, how its answer is
//! known to be its own, and as whom Quell speaks to it.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use quell_core::secret::Secret;
use quell_engine::port::Card;
use serde_json::json;

use super::manifest::manifest;
use crate::config::{self, ControlIdentity};

/// How the server is reached, and what makes its answers its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// TCP with TLS. The certificate chains to `ca_pem` (PEM, one or more
    /// certificates) and bears `host`.
    Tls { host: String, port: u16, address: Option<IpAddr>, ca_pem: String },
    /// The Unix socket `dir/.s.PGSQL.port`. Its peer must run as `owner` (a user
    /// id), and where none is given as the owner of `dir`.
    Unix { dir: PathBuf, port: u16, owner: Option<u32> },
    /// TCP in the clear. It can act, and it never proves anything.
    Clear { host: String, port: u16, address: Option<IpAddr> },
}

/// One PostgreSQL.
#[derive(Clone)]
pub struct PostgresConfig {
    /// The SYSTEM of references: `pg-main`.
    pub name: String,
    pub reach: Reach,
    /// The database that the bootstrap was run in.
    pub dbname: String,
    pub username: String,
    pub secret: Secret,
    pub control: ControlIdentity,
    /// How long after an act the server may still answer as before. Above 0.
    pub settle_ms: i64,
    /// Roles that are never touched, beside those that are so by derivation.
    pub protected: Vec<String>,
    /// The longest one statement may take on the server.
    pub statement_timeout: Duration,
    /// The longest one call of the connector waits for anything.
    pub call_timeout: Duration,
    /// Kept connections at most.
    pub connections_max: usize,
}

/// The settle time where none is configured. Measured on PostgreSQL 15: a login
/// that passed its check is listed within a few milliseconds.
pub const SETTLE_MS: i64 = 250;

impl PostgresConfig {
    /// A configuration with the usual limits: role `quell`, control
    /// `quell_control`, settle 250 ms, statements of 5 s, calls of 8 s.
    pub fn new(name: &str, reach: Reach, dbname: &str, secret: Secret, control_secret: Secret) -> Self {
        Self {
            name: name.to_owned(),
            reach,
            dbname: dbname.to_owned(),
            username: "quell".to_owned(),
            secret,
            control: ControlIdentity { identity: "quell_control".to_owned(), secret: control_secret },
            settle_ms: SETTLE_MS,
            protected: Vec::new(),
            statement_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(8),
            connections_max: 4,
        }
    }

    /// The endpoint without credentials: `postgresql+tls://db.example:5432/billing`.
    pub fn endpoint(&self) -> String {
        match &self.reach {
            Reach::Tls { host, port, .. } => format!("postgresql+tls://{host}:{port}/{}", self.dbname),
            Reach::Unix { dir, port, .. } => format!("postgresql+unix://{}:{port}/{}", dir.display(), self.dbname),
            Reach::Clear { host, port, .. } => format!("postgresql+clear://{host}:{port}/{}", self.dbname),
        }
    }

    /// Which plane it is.
    pub(super) fn card(&self) -> Card {
        let manifest = manifest(self.settle_ms);
        Card { name: self.name.clone(), manifest, endpoint: self.endpoint(), config_digest: self.digest() }
    }

    /// SHA-256 over everything but the secrets and the time limits, which change
    /// no effect: what a plan pins.
    fn digest(&self) -> String {
        let reach = match &self.reach {
            Reach::Tls { address, ca_pem, .. } => config::pinned_tls(*address, ca_pem),
            Reach::Unix { owner, .. } => json!({ "owner": owner }),
            Reach::Clear { address, .. } => config::pinned_clear(*address),
        };
        let all = json!({
            "kind": "postgresql", "name": self.name, "endpoint": self.endpoint(), "reach": reach, "username": self.username,
            "control": self.control.identity, "settle_ms": self.settle_ms, "protected": self.protected,
        });
        config::digest(&all)
    }

    /// What is wrong with it, in words for the person who wrote it.
    pub(super) fn complaint(&self) -> Option<String> {
        let at = |what: &str| Some(format!("connector `{}`: {what}", self.name));
        if self.settle_ms <= 0 {
            return at(&format!("`settle` is {} ms; it must be above 0", self.settle_ms));
        }
        if self.username == self.control.identity {
            return at("`control.identity` is Quell's own role; the control must be another one");
        }
        if self.connections_max == 0 {
            return at("at least one connection is needed");
        }
        for (field, name) in [("username", &self.username), ("control.identity", &self.control.identity)] {
            if super::native::role(name).is_none() {
                return at(&format!("`{field}` is not a role name of PostgreSQL: 1 to 63 bytes, no NUL"));
            }
        }
        None
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig").field("name", &self.name).field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}
