//! What an operator says about one provider: where it is, what it calls itself, and as
//! whom Quell speaks to it.

use std::{fmt, net::IpAddr, time::Duration};

use quell_core::secret::Secret;
use quell_engine::port::Card;
use serde_json::json;

use super::{manifest::manifest, native};
use crate::config::{self, ControlIdentity};

/// How the provider is reached, and what makes its answers its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// TLS. The certificate chains to `ca_pem` (PEM, one or more certificates) and bears
    /// `host`.
    Tls { host: String, port: u16, address: Option<IpAddr>, ca_pem: String },
    /// HTTP in the clear. It can act, and it never proves anything.
    Clear { host: String, port: u16, address: Option<IpAddr> },
}

/// One provider.
#[derive(Clone)]
pub struct OidcConfig {
    /// The SYSTEM of references: `oidc-main`.
    pub name: String,
    pub reach: Reach,
    /// What it calls itself (RFC 8414 `issuer`), where that is another place than the
    /// one that it is reached at: `https://login.corp.example`.
    pub issuer: Option<String>,
    /// Quell's own client, and its secret.
    pub client: String,
    pub secret: Secret,
    /// What must stay alive: an account and a client of this name. The secret is the
    /// client's, and the account's password.
    pub control: ControlIdentity,
    /// How long after an act the provider may still answer as before. Above 0.
    pub settle_ms: i64,
    /// How long after its end a relying party may still take a JWT (RFC 7519 section
    /// 4.1.4), in seconds.
    pub leeway_seconds: i64,
    /// The authentication context that `require_step_up` asks for (`acr`); without one
    /// the action is not offered.
    pub step_up_acr: Option<String>,
    /// Identities that are never touched, beside those that are so by derivation.
    pub protected: Vec<String>,
    /// The longest one call of the connector waits for anything.
    pub call_timeout: Duration,
    /// Calls at the same time at most.
    pub calls_max: usize,
}

/// The settle time where none is configured. oidc-provider asks its store at every use.
pub const SETTLE_MS: i64 = 250;

/// The leeway where none is configured: the longest that a widespread library takes by
/// default (.NET's `ClockSkew`, 5 minutes; Spring Security takes 60 s).
pub const LEEWAY_SECONDS: i64 = 300;

impl OidcConfig {
    /// A configuration with the usual names and limits: the client `quell`, the control
    /// `quell-control`, settle 250 ms, leeway 5 minutes, calls of 8 s, eight at once.
    pub fn new(name: &str, reach: Reach, secret: Secret, control_secret: Secret) -> Self {
        Self {
            name: name.to_owned(),
            reach,
            issuer: None,
            client: "quell".to_owned(),
            secret,
            control: ControlIdentity { identity: "quell-control".to_owned(), secret: control_secret },
            settle_ms: SETTLE_MS,
            leeway_seconds: LEEWAY_SECONDS,
            step_up_acr: None,
            protected: Vec::new(),
            call_timeout: Duration::from_secs(8),
            calls_max: 8,
        }
    }

    /// The endpoint without credentials: `https://login.example:443`.
    pub fn endpoint(&self) -> String {
        match &self.reach {
            Reach::Tls { host, port, .. } => format!("https://{host}:{port}"),
            Reach::Clear { host, port, .. } => format!("http://{host}:{port}"),
        }
    }

    /// What it calls itself. The usual port is not part of it.
    pub(super) fn issuer(&self) -> String {
        self.issuer.clone().unwrap_or_else(|| match &self.reach {
            Reach::Tls { host, port: 443, .. } => format!("https://{host}"),
            Reach::Clear { host, port: 80, .. } => format!("http://{host}"),
            _ => self.endpoint(),
        })
    }

    /// Scheme and host of what it calls itself, and the path behind them (RFC 8414
    /// section 2): `https://login.example` and `/realms/corp`, or nothing.
    pub(super) fn issuer_parts(&self) -> Option<(String, String)> {
        let issuer = self.issuer();
        let (scheme, rest) = issuer.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let plain = !host.is_empty() && !rest.contains(['?', '#', '@', ' ']) && !path.split('/').any(|part| part == "." || part == "..");
        plain.then(|| (format!("{scheme}://{host}"), path.trim_end_matches('/').to_owned()))
    }

    /// Which plane it is.
    pub(super) fn card(&self) -> Card {
        Card { name: self.name.clone(), manifest: manifest(self), endpoint: self.endpoint(), config_digest: self.digest() }
    }

    /// SHA-256 over everything but the secrets and the time limits, which change no
    /// effect: what a plan pins.
    fn digest(&self) -> String {
        let reach = match &self.reach {
            Reach::Tls { address, ca_pem, .. } => config::pinned_tls(*address, ca_pem),
            Reach::Clear { address, .. } => config::pinned_clear(*address),
        };
        let all = json!({
            "kind": "oidc", "name": self.name, "endpoint": self.endpoint(), "reach": reach, "issuer": self.issuer(), "client": self.client,
            "control": self.control.identity, "settle_ms": self.settle_ms, "leeway_seconds": self.leeway_seconds,
            "step_up_acr": self.step_up_acr, "protected": self.protected,
        });
        config::digest(&all)
    }

    /// What is wrong with it, in words for the person who wrote it.
    pub(super) fn complaint(&self) -> Option<String> {
        let at = |what: &str| Some(format!("connector `{}`: {what}", self.name));
        if self.settle_ms <= 0 {
            return at(&format!("`settle` is {} ms; it must be above 0", self.settle_ms));
        }
        if self.leeway_seconds < 0 {
            return at("`leeway` must not be below 0");
        }
        if self.calls_max == 0 {
            return at("at least one call at a time is needed");
        }
        if self.issuer_parts().is_none() {
            return at("`issuer` is not a URL of a provider, such as `https://login.example`");
        }
        for (field, name) in [("username", &self.client), ("control.identity", &self.control.identity)] {
            if native::name(name).is_none() {
                return at(&format!("`{field}` is not the name of a client"));
            }
        }
        if self.client == self.control.identity {
            return at("`control.identity` is Quell's own client; the control must be another one");
        }
        if self.secret.expose() == self.control.secret.expose() {
            return at("the control has Quell's own secret; it must be another one");
        }
        let bad = self.protected.iter().find(|p| native::who(p).is_err())?;
        at(&format!(
            "`protected` names `{}`, which is neither an account nor `client:ID`",
            quell_core::untrusted::Untrusted::new(bad).terminal()
        ))
    }
}

impl fmt::Debug for OidcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcConfig").field("name", &self.name).field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(port: u16, issuer: Option<&str>) -> OidcConfig {
        let reach = Reach::Tls { host: "login.example".to_owned(), port, address: None, ca_pem: String::new() };
        let config = OidcConfig::new("oidc", reach, Secret::new("own"), Secret::new("control"));
        OidcConfig { issuer: issuer.map(str::to_owned), ..config }
    }

    #[test]
    fn an_issuer_is_a_host_and_perhaps_a_path_behind_it() {
        let parts = |origin: &str, path: &str| Some((origin.to_owned(), path.to_owned()));
        assert_eq!(config(443, None).issuer(), "https://login.example", "the usual port is not part of it");
        assert_eq!(config(8443, None).issuer(), "https://login.example:8443");
        for (issuer, wanted) in [
            ("https://login.example", parts("https://login.example", "")),
            ("https://login.example/", parts("https://login.example", "")),
            ("https://login.example:8443/realms/corp", parts("https://login.example:8443", "/realms/corp")),
        ] {
            assert_eq!(config(443, Some(issuer)).issuer_parts(), wanted, "{issuer}");
        }
        for wrong in ["", "login.example", "ftp://login.example", "https://", "https://u@login.example", "https://x/?a=b", "https://x/../y"]
        {
            let config = config(443, Some(wrong));
            assert_eq!(config.issuer_parts(), None, "{wrong}");
            assert!(config.complaint().is_some_and(|why| why.contains("`issuer`")), "{wrong}");
        }
    }
}
