//! `Quell-Signature: t=UNIX,n=NONCE,v1=HEX`: a sender that signs its messages.
//!
//! The HMAC-SHA-256 covers `T.NONCE.` and the body. A message counts within five
//! minutes of its time; that it counts once is kept by the ledger, because the
//! alert's id is derived from sender and nonce: a replay finds the alert there,
//! also after a restart.

use hmac::{Hmac, Mac};
use quell_core::{
    id::AlertId,
    secret::{FingerprintKey, hex, unhex},
    time::Timestamp,
};
use sha2::Sha256;

/// The header's name.
pub const HEADER: &str = "quell-signature";

/// How far a message's time may be from ours.
const SECONDS_MAX: i64 = 300;
const NONCE_MAX: usize = 128;

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    at: i64,
    nonce: String,
    mac: Vec<u8>,
}

impl Signature {
    /// Reads the header's value.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut at, mut nonce, mut mac) = (None, None, None);
        for part in text.split(',') {
            match part.trim().split_once('=') {
                Some(("t", value)) => at = value.parse().ok(),
                Some(("n", value)) => {
                    nonce = Some(value).filter(|n| (8..=NONCE_MAX).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_graphic()))
                }
                Some(("v1", value)) => mac = unhex(value).filter(|m| m.len() == 32),
                // A later version's field beside ours is not our business.
                _ => {}
            }
        }
        match (at, nonce, mac) {
            (Some(at), Some(nonce), Some(mac)) => Ok(Self { at, nonce: nonce.to_owned(), mac }),
            _ => Err("the header `Quell-Signature` is not `t=UNIX,n=NONCE,v1=HEX` with a nonce of 8 to 128 visible characters"),
        }
    }

    /// Is it near enough to `now`?
    pub fn check_time(&self, now: Timestamp) -> Result<(), &'static str> {
        if now.as_second().abs_diff(self.at) > SECONDS_MAX.unsigned_abs() {
            return Err("the signature's time is more than five minutes from the server's; check the sender's clock");
        }
        Ok(())
    }

    /// Was it made with `key` over this body? Compared in constant time.
    pub fn check(&self, key: &[u8], body: &[u8]) -> Result<(), &'static str> {
        self.over(key, body).verify_slice(&self.mac).map_err(|_| "the signature is not one of this source over this body")
    }

    /// The one alert that this sender's nonce can make.
    pub fn alert(&self, key: &FingerprintKey, source: &str) -> AlertId {
        let opaque = unhex(&key.opaque("nonce", &[source, &self.nonce])).unwrap_or_default();
        let mut ten = [0; 10];
        ten.iter_mut().zip(opaque).for_each(|(to, from)| *to = from);
        AlertId::from_chance(ten)
    }

    fn over(&self, key: &[u8], body: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(format!("{}.{}.", self.at, self.nonce).as_bytes());
        mac.update(body);
        mac
    }
}

/// The header's value over `body`, at seconds since 1970. The key is used as the text that
/// it was printed as.
pub fn sign(key: &str, at: i64, nonce: &str, body: &[u8]) -> String {
    let signature = Signature { at, nonce: nonce.to_owned(), mac: Vec::new() };
    let mac = signature.over(key.as_bytes(), body).finalize().into_bytes();
    format!("t={at},n={nonce},v1={}", hex(&mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(at: i64, nonce: &str, body: &[u8]) -> String {
        sign("key", at, nonce, body)
    }

    #[test]
    fn a_signature_covers_time_nonce_and_body() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let good = Signature::parse(&signed(1_000_000, "nonce-one", b"body")).expect("a signature");
        assert_eq!((good.check_time(now), good.check(b"key", b"body")), (Ok(()), Ok(())));
        assert!(good.check(b"key", b"Body").is_err());
        assert!(good.check(b"another", b"body").is_err());
        let moved = Signature { at: good.at + 1, ..good.clone() };
        assert!(moved.check(b"key", b"body").is_err());
        let renamed = Signature { nonce: "nonce-two".to_owned(), ..good.clone() };
        assert!(renamed.check(b"key", b"body").is_err());
        for seconds in [-301, 301] {
            assert!(Signature { at: good.at + seconds, ..good.clone() }.check_time(now).is_err());
        }
        assert_eq!(Signature { at: good.at + 300, ..good }.check_time(now), Ok(()));
    }

    #[test]
    fn what_is_not_of_its_form_is_refused() {
        let hex = "00".repeat(32);
        for text in [
            "",
            "t=1",
            "t=x,n=nonce-one,v1=00",
            &format!("t=1,n=short,v1={hex}"),
            &format!("t=1,n=nonce one!,v1={hex}"),
            &format!("n=nonce-one,v1={hex}"),
        ] {
            assert!(Signature::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_nonce_of_one_sender_makes_one_alert() {
        let key = FingerprintKey::new([7; 32]);
        let of = |nonce: &str, body: &[u8]| Signature::parse(&signed(5, nonce, body)).expect("a signature");
        assert_eq!(of("nonce-one", b"a").alert(&key, "s"), of("nonce-one", b"b").alert(&key, "s"));
        assert_ne!(of("nonce-one", b"a").alert(&key, "s"), of("nonce-two", b"a").alert(&key, "s"));
        assert_ne!(of("nonce-one", b"a").alert(&key, "s"), of("nonce-one", b"a").alert(&key, "t"));
    }
}
