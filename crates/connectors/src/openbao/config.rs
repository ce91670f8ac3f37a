//! What an operator says about one OpenBao: where it is, how its answer is known
//! to be its own, and as whom Quell speaks to it.

use std::{collections::BTreeMap, fmt, net::IpAddr, path::PathBuf, time::Duration};

use quell_core::secret::Secret;
use quell_engine::port::Card;
use serde_json::json;

use super::{manifest::manifest, native};
use crate::config;

/// How the server is reached, and what makes its answers its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// TLS. The certificate chains to `ca_pem` (PEM, one or more certificates)
    /// and bears `host`.
    Tls { host: String, port: u16, address: Option<IpAddr>, ca_pem: String },
    /// HTTP in the clear. It can act, and it never proves anything.
    Clear { host: String, port: u16, address: Option<IpAddr> },
}

/// As whom Quell speaks to the server.
#[derive(Clone, Debug)]
pub enum Login {
    /// A token, renewed while it can be.
    Token(Secret),
    /// The AppRole `role` of the mount `approle`, whose role-id is its name.
    AppRole { role: String, secret_id: Secret },
}

/// The AppRole that must stay alive, and its secret-id. Its role-id is its name.
#[derive(Clone, Debug)]
pub struct ControlIdentity {
    pub role: String,
    pub secret_id: Secret,
}

/// Where the server writes its audit log, as this node reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLog {
    pub file: PathBuf,
    /// The audit device whose key hashes what stands in the file.
    pub device: String,
}

/// One OpenBao.
#[derive(Clone)]
pub struct OpenBaoConfig {
    /// The SYSTEM of references: `bao-main`.
    pub name: String,
    pub reach: Reach,
    pub login: Login,
    pub control: ControlIdentity,
    /// How long after an act the server may still answer as before. Above 0.
    pub settle_ms: i64,
    /// Identities that are never touched, beside those that are so by derivation.
    pub protected: Vec<String>,
    /// Which connector speaks to the database behind a mount: `database` or
    /// `database/pg-main` (mount and connection) to the connector's name.
    pub planes: BTreeMap<String, String>,
    /// Without it orphan tokens, leases and re-use are not seen, and that is said.
    pub audit: Option<AuditLog>,
    /// The longest one call of the connector waits for anything.
    pub call_timeout: Duration,
    /// Calls at the same time at most.
    pub calls_max: usize,
}

/// The settle time where none is configured. Measured on OpenBao 2.7: leases of a
/// revoked token are gone within some tens of milliseconds.
pub const SETTLE_MS: i64 = 250;

/// The mount of Quell's own AppRole and of the control's.
pub(super) const OWN_MOUNT: &str = "approle";

impl OpenBaoConfig {
    /// A configuration with the usual limits: settle 250 ms, calls of 8 s, eight
    /// at once, the control `quell-control`.
    pub fn new(name: &str, reach: Reach, login: Login, control_secret_id: Secret) -> Self {
        Self {
            name: name.to_owned(),
            reach,
            login,
            control: ControlIdentity { role: "quell-control".to_owned(), secret_id: control_secret_id },
            settle_ms: SETTLE_MS,
            protected: Vec::new(),
            planes: BTreeMap::new(),
            audit: None,
            call_timeout: Duration::from_secs(8),
            calls_max: 8,
        }
    }

    /// The endpoint without credentials: `https://bao.example:8200`.
    pub fn endpoint(&self) -> String {
        match &self.reach {
            Reach::Tls { host, port, .. } => format!("https://{host}:{port}"),
            Reach::Clear { host, port, .. } => format!("http://{host}:{port}"),
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
            Reach::Clear { address, .. } => config::pinned_clear(*address),
        };
        let login = match &self.login {
            Login::Token(_) => json!("token"),
            Login::AppRole { role, .. } => json!({ "role": role }),
        };
        let audit = self.audit.as_ref().map(|a| json!({"file": a.file.display().to_string(), "device": a.device}));
        let all = json!({
            "kind": "openbao", "name": self.name, "endpoint": self.endpoint(), "reach": reach, "login": login,
            "control": self.control.role, "settle_ms": self.settle_ms, "protected": self.protected, "planes": self.planes, "audit": audit,
        });
        config::digest(&all)
    }

    /// What is wrong with it, in words for the person who wrote it.
    pub(super) fn complaint(&self) -> Option<String> {
        let at = |what: &str| Some(format!("connector `{}`: {what}", self.name));
        if self.settle_ms <= 0 {
            return at(&format!("`settle` is {} ms; it must be above 0", self.settle_ms));
        }
        if self.calls_max == 0 {
            return at("at least one call at a time is needed");
        }
        if native::name(&self.control.role).is_none() {
            return at("`control.identity` is not the name of an AppRole: letters, digits, `_`, `-`, `.`");
        }
        if let Login::AppRole { role, .. } = &self.login {
            if native::name(role).is_none() {
                return at("`username` is not the name of an AppRole: letters, digits, `_`, `-`, `.`");
            }
            if role.eq_ignore_ascii_case(&self.control.role) {
                return at("`control.identity` is Quell's own AppRole; the control must be another one");
            }
        }
        if let Some(bad) = self.protected.iter().find(|p| native::identity(p).is_err()) {
            return at(&format!(
                "`protected` names `{}`, which is not an identity of OpenBao",
                quell_core::untrusted::Untrusted::new(bad).terminal()
            ));
        }
        None
    }
}

impl fmt::Debug for OpenBaoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenBaoConfig").field("name", &self.name).field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}
