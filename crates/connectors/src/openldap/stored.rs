//! Stored passwords: making one, telling whether a secret is behind one, and
//! telling whether it is one that Quell stored.
//!
//! What Quell stores is `{SSHA}`, the one scheme that every OpenLDAP knows, over a
//! secret of 128 random bits or more, computed on this side: the clear secret never
//! reaches the server by a write. Half of its salt is a mark that only Quell's own
//! secret can make, for this very entry. So "the stored password is the one that we
//! put there" is told from the entry alone, also after a restart, and nobody else
//! can put a value there that is taken for ours.

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use md5::Md5;
use quell_core::secret::Secret;
use sha1::{Digest as _, Sha1};
use sha2::{Digest as _, Sha256, Sha512};

use super::dn::Dn;

/// Bytes of a salt that are drawn, and as many that are the mark.
const HALF: usize = 8;
/// Dearest Argon2 that is computed for one comparison.
const ARGON2_KIB_MAX: u32 = 256 * 1024;
const ARGON2_PASSES_MAX: u32 = 10;

/// A value for `userPassword` of `entry`. With it the password can be put back, so
/// it is a secret itself.
pub(super) fn make(secret: &Secret, entry: &Dn, own: &Secret) -> Secret {
    let mut salt = [0; HALF].to_vec();
    draw(&mut salt);
    salt.extend_from_slice(&mark(&salt, entry, own));
    Secret::new(ssha(secret.expose().as_bytes(), &salt))
}

#[expect(clippy::disallowed_methods, reason = "a salt is no decision: nothing that is replayed depends on it")]
fn draw(salt: &mut [u8]) {
    getrandom::fill(salt).expect("a Linux that started this process answers getrandom");
}

fn ssha(secret: &[u8], salt: &[u8]) -> String {
    let mut bytes = Sha1::new_with_prefix(secret).chain_update(salt).finalize().to_vec();
    bytes.extend_from_slice(salt);
    format!("{{SSHA}}{}", STANDARD.encode(bytes))
}

fn mark(drawn: &[u8], entry: &Dn, own: &Secret) -> [u8; HALF] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(own.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"quell stored this password\0");
    mac.update(entry.key().as_bytes());
    mac.update(&[0]);
    mac.update(drawn);
    let mut out = [0; HALF];
    out.copy_from_slice(&mac.finalize().into_bytes()[..HALF]);
    out
}

/// Quell itself stored this value on this entry.
pub(super) fn is_ours(stored: &[u8], entry: &Dn, own: &Secret) -> bool {
    let Some(("SSHA", rest)) = scheme(stored) else { return false };
    let Ok(bytes) = STANDARD.decode(rest) else { return false };
    let Some(salt) = bytes.get(20..).filter(|salt| salt.len() == 2 * HALF) else { return false };
    mark(&salt[..HALF], entry, own) == salt[HALF..]
}

/// Is `secret` the one behind `stored`? `None` where the scheme is not known, or
/// dearer than a comparison may be.
pub(super) fn matches(stored: &[u8], secret: &Secret) -> Option<bool> {
    let clear = secret.expose().as_bytes();
    let Some((name, rest)) = scheme(stored) else { return Some(stored == clear) };
    let salted = |length: usize, hash: &dyn Fn(&[u8]) -> Vec<u8>| {
        let bytes = STANDARD.decode(rest).ok()?;
        let (wanted, salt) = bytes.split_at_checked(length)?;
        Some(hash(salt) == wanted)
    };
    match name.to_ascii_uppercase().as_str() {
        "CLEARTEXT" => Some(rest.as_bytes() == clear),
        "SHA" | "SSHA" => salted(20, &|salt| Sha1::new_with_prefix(clear).chain_update(salt).finalize().to_vec()),
        "MD5" | "SMD5" => salted(16, &|salt| Md5::new_with_prefix(clear).chain_update(salt).finalize().to_vec()),
        "SHA256" | "SSHA256" => salted(32, &|salt| Sha256::new_with_prefix(clear).chain_update(salt).finalize().to_vec()),
        "SHA512" | "SSHA512" => salted(64, &|salt| Sha512::new_with_prefix(clear).chain_update(salt).finalize().to_vec()),
        "ARGON2" => argon2(rest, clear),
        _ => None,
    }
}

fn argon2(phc: &str, clear: &[u8]) -> Option<bool> {
    let hash = PasswordHash::new(phc).ok()?;
    let cost = |name: &str| hash.params.get_decimal(name);
    if cost("m")? > ARGON2_KIB_MAX || cost("t")? > ARGON2_PASSES_MAX {
        return None;
    }
    match Argon2::default().verify_password(clear, &hash) {
        Ok(()) => Some(true),
        Err(argon2::password_hash::Error::Password) => Some(false),
        Err(_) => None,
    }
}

/// `{SSHA}rest`; a value without a scheme is the clear password itself.
fn scheme(stored: &[u8]) -> Option<(&str, &str)> {
    // OpenLDAP 2.5.13 stores an Argon2 with what its buffer held behind the closing
    // NUL, and reads it up to there.
    let argon2 = stored.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"{ARGON2}"));
    let stored = if argon2 { stored.split(|byte| *byte == 0).next().unwrap_or(stored) } else { stored };
    let text = std::str::from_utf8(stored).ok()?;
    let (name, rest) = text.strip_prefix('{')?.split_once('}')?;
    let legal = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'/' || b == b'.' || b == b'_');
    legal.then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).expect(text)
    }

    #[test]
    fn a_stored_password_knows_its_secret_and_who_stored_it() {
        let (own, entry) = (Secret::new("the connector's own"), dn("uid=ann,dc=x"));
        let secret = Secret::new("pässwörd");
        let stored = make(&secret, &entry, &own);
        let bytes = stored.expose().as_bytes();
        assert_eq!(matches(bytes, &secret), Some(true));
        assert_eq!(matches(bytes, &Secret::new("passwörd")), Some(false));
        assert!(is_ours(bytes, &dn("UID=Ann, DC=x"), &own), "however the name is written");
        assert!(!is_ours(bytes, &dn("uid=bob,dc=x"), &own), "copied to another entry it is not ours");
        assert!(!is_ours(bytes, &entry, &Secret::new("another's")), "nobody else can make one");
        assert_ne!(make(&secret, &entry, &own).expose(), stored.expose());
        for foreign in [ssha(b"x", b"12345678"), ssha(b"x", &[7; 16]), ssha(b"x", b""), "x".to_owned(), "{SSHA}!".to_owned()] {
            assert!(!is_ours(foreign.as_bytes(), &entry, &own), "{foreign}");
        }
    }

    #[test]
    fn every_scheme_that_is_read_is_read_right() {
        // Made with slappasswd of OpenLDAP 2.5.13 and its modules, of the word `secret`.
        for stored in [
            "secret",
            "{CLEARTEXT}secret",
            "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
            "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
            "{SSHA}daszmlSSdvXpgH/d5QvCrYr9getaznlX",
            "{ssha}daszmlSSdvXpgH/d5QvCrYr9getaznlX",
            "{SMD5}jmbKED3djNpqAWpqJhmZxamtE90=",
            "{SSHA256}BuwHQIu4dNmKI1QoPjwSDbLS05FaezrpoXaL7Hv/AeFVK2tKQRAH7Q==",
            "{SSHA512}FHwkqX4qusa/dmMXD8sYONxtJ6mG6yKcpzIbWxQtm9IxXc0k0H6aZulk2PQkn1lKVGjxrvpYtKq3HdRS6Cy317B+dWjr3l3Z",
            "{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$CWf8kHRw1NW7eBlHvuvjYg$3JwmvTaRA1S+ZBTp733D5PJNbtmSr2cWVYk55y+5K8c",
            "{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$CWf8kHRw1NW7eBlHvuvjYg$3JwmvTaRA1S+ZBTp733D5PJNbtmSr2cWVYk55y+5K8c\0!",
        ] {
            assert_eq!(matches(stored.as_bytes(), &Secret::new("secret")), Some(true), "{stored}");
            assert_eq!(matches(stored.as_bytes(), &Secret::new("Secret")), Some(false), "{stored}");
        }
    }

    #[test]
    fn what_is_not_known_or_too_dear_is_not_compared() {
        let dear = "{ARGON2}$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
        for stored in ["{CRYPT}$6$x$y", "{PBKDF2-SHA256}1$x$y", "{SASL}ann@x", "{SSHA}!!", "{SSHA}YQ==", "{ARGON2}nonsense", dear] {
            assert_eq!(matches(stored.as_bytes(), &Secret::new("secret")), None, "{stored}");
        }
    }
}
