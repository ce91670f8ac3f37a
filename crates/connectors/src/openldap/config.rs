//! What an operator says about one OpenLDAP: where it is, how its answer is known
//! to be its own, and as whom Quell speaks to it.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use quell_core::secret::Secret;
use quell_engine::port::Card;
use serde_json::json;

use super::{dn::Dn, manifest::manifest};
use crate::config::{self, ControlIdentity};

/// How the server is reached, and what makes its answers its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// TCP with TLS, from the first byte or by StartTLS. The certificate chains to
    /// `ca_pem` (PEM, one or more certificates) and bears `host`.
    Tls { host: String, port: u16, address: Option<IpAddr>, ca_pem: String, start_tls: bool },
    /// A Unix socket. Its peer must run as `owner` (a user id), and where none is
    /// given as the owner of the socket's directory.
    Unix { path: PathBuf, owner: Option<u32> },
    /// TCP in the clear. It can act, and it never proves anything.
    Clear { host: String, port: u16, address: Option<IpAddr> },
}

/// One OpenLDAP.
#[derive(Clone)]
pub struct OpenLdapConfig {
    /// The SYSTEM of references: `ldap-main`.
    pub name: String,
    pub reach: Reach,
    /// Below it are the identities and groups: the suffix, mostly.
    pub base: String,
    /// The entry of the database in `cn=config`, whose access rules cut.
    pub database: String,
    /// The DN that Quell binds as.
    pub username: String,
    pub secret: Secret,
    pub control: ControlIdentity,
    /// How long after an act the server may still answer as before. Above 0.
    pub settle_ms: i64,
    /// Entries that are never touched, beside those that are so by derivation.
    pub protected: Vec<String>,
    /// The longest one call of the connector waits for anything.
    pub call_timeout: Duration,
    /// Kept connections at most.
    pub connections_max: usize,
}

/// The settle time where none is configured. Measured on OpenLDAP 2.5: a rule or a
/// lock holds for every operation that starts after its answer.
pub const SETTLE_MS: i64 = 250;
/// The database that Debian's package makes.
pub const DATABASE: &str = "olcDatabase={1}mdb,cn=config";

impl OpenLdapConfig {
    /// A configuration with the usual names and limits: `cn=quell` and
    /// `cn=quell-control` below `ou=quell,BASE`, settle 250 ms, calls of 8 s.
    pub fn new(name: &str, reach: Reach, base: &str, secret: Secret, control_secret: Secret) -> Self {
        Self {
            name: name.to_owned(),
            reach,
            base: base.to_owned(),
            database: DATABASE.to_owned(),
            username: format!("cn=quell,ou=quell,{base}"),
            secret,
            control: ControlIdentity { identity: format!("cn=quell-control,ou=quell,{base}"), secret: control_secret },
            settle_ms: SETTLE_MS,
            protected: Vec::new(),
            call_timeout: Duration::from_secs(8),
            connections_max: 4,
        }
    }

    /// The endpoint without credentials: `ldaps://ldap.example:636/dc=corp,dc=example`.
    pub fn endpoint(&self) -> String {
        let base = &self.base;
        match &self.reach {
            Reach::Tls { host, port, start_tls: false, .. } => format!("ldaps://{host}:{port}/{base}"),
            Reach::Tls { host, port, start_tls: true, .. } => format!("ldap+starttls://{host}:{port}/{base}"),
            Reach::Unix { path, .. } => format!("ldapi://{}/{base}", path.display()),
            Reach::Clear { host, port, .. } => format!("ldap+clear://{host}:{port}/{base}"),
        }
    }

    /// Which plane it is.
    pub(super) fn card(&self) -> Card {
        let manifest = manifest(self);
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
            "kind": "openldap", "name": self.name, "endpoint": self.endpoint(), "reach": reach, "username": self.username,
            "database": self.database, "control": self.control.identity, "settle_ms": self.settle_ms, "protected": self.protected,
        });
        config::digest(&all)
    }

    /// Its names, read; what is wrong with it is in words for the person who wrote it.
    pub(super) fn names(&self) -> Result<Names, String> {
        let at = |what: String| format!("connector `{}`: {what}", self.name);
        if self.settle_ms <= 0 {
            return Err(at(format!("`settle` is {} ms; it must be above 0", self.settle_ms)));
        }
        if self.connections_max == 0 {
            return Err(at("at least one connection is needed".to_owned()));
        }
        for (field, secret) in [("secret_file", &self.secret), ("control.secret_file", &self.control.secret)] {
            if secret.expose().is_empty() || secret.expose().contains('\0') {
                return Err(at(format!("the secret of `{field}` is empty or holds a NUL; an empty one would bind as nobody")));
            }
        }
        let dn = |field: &str, text: &str| Dn::parse(text).map_err(|why| at(format!("`{field}`: {why}")));
        dn("database", &self.database)?;
        let names = Names {
            base: dn("base", &self.base)?,
            own: dn("username", &self.username)?,
            control: dn("control.identity", &self.control.identity)?,
            protected: self.protected.iter().map(|p| dn("protected", p)).collect::<Result<_, _>>()?,
        };
        if names.own.key() == names.control.key() {
            return Err(at("`control.identity` is Quell's own entry; the control must be another one".to_owned()));
        }
        for (field, name) in [("username", &names.own), ("control.identity", &names.control)] {
            if !name.is_within(&names.base) {
                return Err(at(format!("`{field}` is not below `{}`; the cut must be seen to leave it alive there", self.base)));
            }
        }
        Ok(names)
    }
}

/// The configured names, read.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub base: Dn,
    pub own: Dn,
    pub control: Dn,
    pub protected: Vec<Dn>,
}

impl fmt::Debug for OpenLdapConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenLdapConfig").field("name", &self.name).field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}
