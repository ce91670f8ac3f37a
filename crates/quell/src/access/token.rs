//! A bearer token: `quell_` and 256 bits in base64url.
//!
//! It is shown once, to whoever asked for it. The ledger and every lookup know
//! its SHA-256 alone, so reading the store gives nobody a way in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quell_core::secret::{Secret, sha256};
use quell_engine::port::Chance;

/// The start of every token: scanners recognise it.
pub const PREFIX: &str = "quell_";

/// Makes a token.
pub fn make(chance: &dyn Chance) -> Secret {
    let bytes = zeroize::Zeroizing::new(chance.seed());
    Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes[..])))
}

/// Hex SHA-256, which stands for the token everywhere. Comparing hashes of 256
/// unguessable bits tells nothing by its time.
pub fn hash(token: &str) -> String {
    sha256(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_show_nothing() {
        let chance = quell_store::OsChance;
        let (one, two) = (make(&chance), make(&chance));
        assert_ne!(one.expose(), two.expose());
        assert_eq!(one.expose().len(), PREFIX.len() + 43);
        assert!(!format!("{one:?}").contains(&one.expose()[PREFIX.len()..]));
        assert_ne!(hash(one.expose()), hash(two.expose()));
    }
}
