//! What the configurations of several planes have in common.

use std::net::IpAddr;

use quell_core::secret::{Secret, sha256};
use serde_json::{Value, json};

/// The identity that must stay alive, and its secret.
#[derive(Clone, Debug)]
pub struct ControlIdentity {
    /// Its native id.
    pub identity: String,
    pub secret: Secret,
}

/// What a plan pins of a channel with TLS.
pub(crate) fn pinned_tls(address: Option<IpAddr>, ca_pem: &str) -> Value {
    json!({"address": address.map(|a| a.to_string()), "ca": sha256(ca_pem.as_bytes())})
}

/// What a plan pins of a channel in the clear.
pub(crate) fn pinned_clear(address: Option<IpAddr>) -> Value {
    json!({"address": address.map(|a| a.to_string())})
}

/// SHA-256 over what a plan pins.
pub(crate) fn digest(all: &Value) -> String {
    sha256(&quell_core::canonical::write(all).expect("text and integers only"))
}
