//! Secrets of the lab: generated, marked, and never printed.
//!
//! Every secret carries [`MARK`], so that one search over logs, ledger, write-ahead
//! log and answers tells whether any of them leaked.

use std::fmt;

/// The text every secret of the lab starts with.
pub const MARK: &str = "quell-lab-secret-";

/// A secret whose `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Makes a new secret: [`MARK`] and 128 random bits in hex.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn generate() -> anyhow::Result<Self> {
        Ok(Self(format!("{MARK}{}", random_hex()?)))
    }

    /// Takes a secret that was made elsewhere.
    #[must_use]
    pub fn known(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that must send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The SCRAM-SHA-256 verifier (RFC 5803 form) under a new salt. Made on
    /// this side, so that the clear secret never reaches the server's log.
    #[must_use]
    pub fn verifier(&self) -> String {
        postgres_protocol::password::scram_sha_256(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// 128 random bits as 32 hex digits.
#[expect(clippy::disallowed_methods, reason = "a secret of a real server must not be foreseeable")]
pub(crate) fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
