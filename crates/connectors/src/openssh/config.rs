//! What an operator says about one host: where its sshd is, which host key is its own,
//! and as whom Quell speaks to it.

use std::{fmt, net::IpAddr, time::Duration};

use quell_core::secret::{Secret, sha256};
use quell_engine::port::Card;
use russh::keys::{PrivateKey, PublicKey};
use serde_json::json;

use super::{keys, manifest::manifest, native};
use crate::config::{self, ControlIdentity};

/// One sshd of one host.
#[derive(Clone)]
pub struct OpenSshConfig {
    /// The SYSTEM of references: `ssh-web1`.
    pub name: String,
    pub host: String,
    pub port: u16,
    /// Where `host` is, when the resolver is not to be asked.
    pub address: Option<IpAddr>,
    /// The host's public keys, one a line, as `ssh-keyscan` or the host's own `.pub`
    /// files have them. No other is believed.
    pub host_keys: String,
    /// The account that Quell logs in as, and its private key in OpenSSH's form.
    pub username: String,
    pub secret: Secret,
    /// The account that must stay alive, and its key: the public half is enough.
    pub control: ControlIdentity,
    /// How long after an act the host may still answer as before. Above 0.
    pub settle_ms: i64,
    /// Accounts that are never touched, beside those that are so by derivation.
    pub protected: Vec<String>,
    /// The longest one call of the connector waits for anything.
    pub call_timeout: Duration,
    /// Connections at the same time, at most: sshd drops some where more than ten are
    /// not through with logging in.
    pub connections_max: usize,
}

/// The settle time where none is configured. sshd reads the list and the files of keys
/// anew at every login (measured on OpenSSH 9.2).
pub const SETTLE_MS: i64 = 250;

impl OpenSshConfig {
    /// A configuration with the usual names and limits: the accounts `quell` and
    /// `quell-control`, settle 250 ms, calls of 8 s.
    pub fn new(name: &str, host: &str, port: u16, host_keys: &str, secret: Secret, control_key: Secret) -> Self {
        Self {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            address: None,
            host_keys: host_keys.to_owned(),
            username: "quell".to_owned(),
            secret,
            control: ControlIdentity { identity: "quell-control".to_owned(), secret: control_key },
            settle_ms: SETTLE_MS,
            protected: Vec::new(),
            call_timeout: Duration::from_secs(8),
            connections_max: 4,
        }
    }

    /// The endpoint without credentials: `ssh://web1.example:22`.
    pub fn endpoint(&self) -> String {
        format!("ssh://{}:{}", self.host, self.port)
    }

    /// Which plane it is.
    pub(super) fn card(&self) -> Card {
        Card { name: self.name.clone(), manifest: manifest(self), endpoint: self.endpoint(), config_digest: self.digest() }
    }

    /// SHA-256 over everything but the secrets and the time limits, which change no
    /// effect: what a plan pins.
    fn digest(&self) -> String {
        let all = json!({
            "kind": "openssh", "name": self.name, "endpoint": self.endpoint(), "address": self.address.map(|a| a.to_string()),
            "host_keys": sha256(self.host_keys.as_bytes()), "username": self.username, "control": self.control.identity,
            "settle_ms": self.settle_ms, "protected": self.protected,
        });
        config::digest(&all)
    }

    /// Its keys, read; what is wrong with it is in words for the person who wrote it,
    /// and quotes no key.
    pub(super) fn keys(&self) -> Result<Keys, String> {
        let at = |what: &str| format!("connector `{}`: {what}", self.name);
        if self.settle_ms <= 0 {
            return Err(at(&format!("`settle` is {} ms; it must be above 0", self.settle_ms)));
        }
        if self.connections_max == 0 {
            return Err(at("at least one connection is needed"));
        }
        for (field, name) in [("username", &self.username), ("control.identity", &self.control.identity)] {
            native::account(name).map_err(|why| at(&format!("`{field}`: {why}")))?;
        }
        for name in &self.protected {
            native::account(name).map_err(|why| at(&format!("`protected`: {why}")))?;
        }
        if self.username == self.control.identity {
            return Err(at("`control.identity` is Quell's own account; the control must be another one"));
        }
        let hosts = known(&self.host_keys);
        if hosts.is_empty() {
            return Err(at("`host_key_file` holds no public key that can be checked here; give one of ed25519 or ECDSA"));
        }
        let own = PrivateKey::from_openssh(self.secret.expose())
            .map_err(|_| at("`secret_file` holds no private key in OpenSSH's form; make one: ssh-keygen -t ed25519 -N '' -f FILE"))?;
        if own.is_encrypted() {
            return Err(at("the private key in `secret_file` has a passphrase, which nobody would type"));
        }
        let control = of_control(self.control.secret.expose())
            .ok_or_else(|| at("`control.secret_file` holds neither a private key in OpenSSH's form nor a public one"))?;
        if own.public_key().key_data() == control.key_data() {
            return Err(at("the control has Quell's own key; it must be another one"));
        }
        Ok(Keys { own, control, hosts })
    }
}

/// The configured keys, read.
#[derive(Clone)]
pub(super) struct Keys {
    pub own: PrivateKey,
    pub control: PublicKey,
    pub hosts: Vec<PublicKey>,
}

fn of_control(text: &str) -> Option<PublicKey> {
    match PrivateKey::from_openssh(text) {
        Ok(private) => Some(private.public_key().clone()),
        Err(_) => keys::lines(text).into_iter().find_map(|line| line.key),
    }
}

/// Host keys as `.pub` files and `known_hosts` have them. RSA is left out: its
/// signatures cannot be checked here.
fn known(text: &str) -> Vec<PublicKey> {
    let of = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|w| w.starts_with("ssh-ed25519") || w.starts_with("ecdsa-"))?;
        PublicKey::from_openssh(&format!("{} {}", words[at], words.get(at + 1)?)).ok()
    };
    text.lines().filter(|line| !line.trim_start().starts_with(['#', '@'])).filter_map(of).collect()
}

impl fmt::Debug for OpenSshConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSshConfig").field("name", &self.name).field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}
