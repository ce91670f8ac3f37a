//! SCRAM verifiers (RFC 5802, RFC 5803), computed on this side: the clear secret
//! never reaches the server, so no log of it can hold one.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use postgres_protocol::{
    authentication::sasl::{ChannelBinding, ScramSha256},
    password,
};
use quell_core::secret::Secret;
use sha2::Sha256;

/// A new verifier of `secret` under a new salt. Secret itself: with it the old
/// password can be put back.
pub(super) fn make(secret: &Secret) -> Secret {
    Secret::new(password::scram_sha_256(secret.expose().as_bytes()))
}

/// Is `secret` the one behind `stored`? `None` where the form is unknown.
pub(super) fn matches(stored: &Secret, role: &str, secret: &Secret) -> Option<bool> {
    let stored = stored.expose();
    if stored.starts_with("md5") {
        return Some(password::md5(secret.expose().as_bytes(), role) == stored);
    }
    scram_matches(stored, secret)
}

/// Plays the server's side of one exchange against the driver's own client, so
/// that the answer is the one a login would get, SASLprep and all: the client
/// ends the exchange only if its password gives the verifier's server key.
fn scram_matches(stored: &str, secret: &Secret) -> Option<bool> {
    let rest = stored.strip_prefix("SCRAM-SHA-256$")?;
    let (iterations_salt, keys) = rest.split_once('$')?;
    let (iterations, salt) = iterations_salt.split_once(':')?;
    let (_, server_key) = keys.split_once(':')?;
    let server_key = STANDARD.decode(server_key).ok()?;
    iterations.parse::<u32>().ok()?;

    let mut client = ScramSha256::new(secret.expose().as_bytes(), ChannelBinding::unsupported());
    let first = String::from_utf8(client.message().to_vec()).ok()?;
    let bare = first.strip_prefix("n,,")?.to_owned();
    let (_, nonce) = bare.split_once("r=")?;
    let server_first = format!("r={nonce}quell,s={salt},i={iterations}");
    client.update(server_first.as_bytes()).ok()?;
    let last = String::from_utf8(client.message().to_vec()).ok()?;
    let (without_proof, _) = last.rsplit_once(",p=")?;

    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&server_key).ok()?;
    mac.update(format!("{bare},{server_first},{without_proof}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Some(client.finish(format!("v={signature}").as_bytes()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_knows_its_secret_and_no_other() {
        for clear in ["correct horse", "pässwörd", "\u{2168}", "a\u{ad}b", "x"] {
            let secret = Secret::new(clear);
            let stored = make(&secret);
            assert_eq!(matches(&stored, "anyone", &secret), Some(true), "{clear}");
            assert_eq!(matches(&stored, "anyone", &Secret::new(format!("{clear}.")),), Some(false));
        }
        // SASLprep makes these the same password for the server, so for us too.
        assert_eq!(matches(&make(&Secret::new("IX")), "r", &Secret::new("\u{2168}")), Some(true));
    }

    #[test]
    fn the_older_form_is_compared_with_the_role_in_it() {
        let stored = Secret::new(password::md5(b"pw", "billing_app"));
        assert_eq!(matches(&stored, "billing_app", &Secret::new("pw")), Some(true));
        assert_eq!(matches(&stored, "other", &Secret::new("pw")), Some(false));
    }

    #[test]
    fn what_is_no_verifier_is_not_compared() {
        for stored in ["", "plain", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$a:b", "SCRAM-SHA-256$4096:!$a:b", "SCRAM-SHA-1$4096:AAAA$a:b"] {
            assert_eq!(matches(&Secret::new(stored), "r", &Secret::new("pw")), None, "{stored}");
        }
    }
}
