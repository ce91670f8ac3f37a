//! What an operator says about one account: where IAM and STS answer, and as whom Quell
//! speaks to them.

use std::{fmt, net::IpAddr, time::Duration};

use quell_core::secret::Secret;
use quell_engine::port::Card;
use serde_json::json;

use super::{manifest::manifest, native};
use crate::config::{self, ControlIdentity};

/// How the account is reached.
#[derive(Clone, Debug)]
pub enum Reach {
    /// TLS to a host whose certificate chains to `ca_pem`.
    Tls { host: String, port: u16, address: Option<IpAddr>, ca_pem: String },
    /// Clear HTTP, over which nothing is ever proved.
    Clear { host: String, port: u16, address: Option<IpAddr> },
}

/// One account.
#[derive(Clone)]
pub struct AwsConfig {
    /// The SYSTEM of references: `aws-main`.
    pub name: String,
    /// Where IAM is. STS is asked at its own host where this is AWS's, else here.
    pub reach: Reach,
    /// The region that calls are signed for: IAM's, and the one of the STS that is asked.
    pub region: String,
    /// The user that Quell is, and its keys as `ID:SECRET`.
    pub username: String,
    pub secret: Secret,
    /// The user that must stay alive, and its keys as `ID:SECRET`. Two roles bear its
    /// name with `-open` and `-shut` behind it.
    pub control: ControlIdentity,
    /// How long after an act AWS may still answer as before. Above 0.
    pub settle_ms: i64,
    /// Users and roles that are never touched: `user/NAME`, `role/NAME`.
    pub protected: Vec<String>,
    /// The longest one call waits for anything.
    pub call_timeout: Duration,
    /// Calls at the same time, at most.
    pub calls_max: usize,
}

/// The settle time where none is configured. AWS promises no time within which every
/// place goes by a change; seconds are what is seen.
pub const SETTLE_MS: i64 = 15_000;

impl AwsConfig {
    /// A configuration with the usual names and limits: the users `quell` and
    /// `quell-control`, region `us-east-1`, settle 15 s, calls of 8 s.
    pub fn new(name: &str, reach: Reach, secret: Secret, control: Secret) -> Self {
        Self {
            name: name.to_owned(),
            reach,
            region: "us-east-1".to_owned(),
            username: "quell".to_owned(),
            secret,
            control: ControlIdentity { identity: "quell-control".to_owned(), secret: control },
            settle_ms: SETTLE_MS,
            protected: Vec::new(),
            call_timeout: Duration::from_secs(8),
            calls_max: 8,
        }
    }

    /// The endpoint of IAM without credentials: `https://iam.amazonaws.com`.
    pub fn endpoint(&self) -> String {
        let (scheme, host, port, usual) = match &self.reach {
            Reach::Tls { host, port, .. } => ("https", host, *port, 443),
            Reach::Clear { host, port, .. } => ("http", host, *port, 80),
        };
        if port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") }
    }

    /// The endpoint of STS: of the region, where IAM is AWS's own.
    pub(super) fn sts_endpoint(&self) -> String {
        match &self.reach {
            Reach::Tls { host, port: 443, .. } if host == "iam.amazonaws.com" => format!("https://sts.{}.amazonaws.com", self.region),
            _ => self.endpoint(),
        }
    }

    /// A role whose sessions are never denied by their age, and one whose always are.
    pub(super) fn control_roles(&self) -> [String; 2] {
        ["open", "shut"].map(|how| format!("{}-{how}", self.control.identity))
    }

    /// Which plane it is.
    pub(super) fn card(&self) -> Card {
        Card { name: self.name.clone(), manifest: manifest(self), endpoint: self.endpoint(), config_digest: self.digest() }
    }

    /// SHA-256 over everything but the secrets and the time limits, which change no
    /// effect: what a plan pins.
    fn digest(&self) -> String {
        let channel = match &self.reach {
            Reach::Tls { address, ca_pem, .. } => config::pinned_tls(*address, ca_pem),
            Reach::Clear { address, .. } => config::pinned_clear(*address),
        };
        config::digest(&json!({
            "kind": "aws", "name": self.name, "endpoint": self.endpoint(), "channel": channel, "region": self.region,
            "username": self.username, "control": self.control.identity, "settle_ms": self.settle_ms, "protected": self.protected,
        }))
    }

    /// Its keys, read; what is wrong with it is in words for the person who wrote it,
    /// and quotes no key.
    pub(super) fn keys(&self) -> Result<(Keys, Keys), String> {
        let at = |what: &str| format!("connector `{}`: {what}", self.name);
        if self.settle_ms <= 0 {
            return Err(at(&format!("`settle` is {} ms; it must be above 0", self.settle_ms)));
        }
        if self.calls_max == 0 {
            return Err(at("at least one call at a time is needed"));
        }
        for (field, name) in [("username", &self.username), ("control.identity", &self.control.identity)] {
            native::name(name).map_err(|why| at(&format!("`{field}`: {why}")))?;
        }
        if self.username == self.control.identity {
            return Err(at("`control.identity` is Quell's own user; the control must be another one"));
        }
        for one in &self.protected {
            native::Who::of(one).map_err(|why| at(&format!("`protected`: {why}")))?;
        }
        let read = |secret: &Secret, field: &str| {
            Keys::of(secret.expose()).ok_or_else(|| at(&format!("`{field}` holds no access key; write it as `ID:SECRET`")))
        };
        let (own, control) = (read(&self.secret, "secret_file")?, read(&self.control.secret, "control.secret_file")?);
        if own.id == control.id {
            return Err(at("the control has Quell's own key; it must be another one"));
        }
        Ok((own, control))
    }
}

impl fmt::Debug for AwsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsConfig").field("name", &self.name).field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

/// What calls are signed with.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub id: String,
    pub secret: Secret,
    /// Of a temporary credential.
    pub token: Option<Secret>,
}

impl Keys {
    /// `ID:SECRET`.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (id, secret) = text.trim().split_once(':')?;
        let good = native::is_key_id(id) && !secret.is_empty() && !secret.contains(char::is_whitespace);
        good.then(|| Self { id: id.to_owned(), secret: Secret::new(secret), token: None })
    }

    /// A secret that is nobody's, for a key of which only the name is known.
    pub(super) fn nobodys(id: &str) -> Self {
        Self { id: id.to_owned(), secret: Secret::new("no-secret-of-anybody-for-this-key-at-all"), token: None }
    }
}
