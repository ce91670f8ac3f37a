//! Password hashes: argon2id (RFC 9106) with the parameters of its hash string.
//!
//! Hashing takes tens of milliseconds and 19 MiB by intent, so few run at once
//! and none on the threads that answer requests.

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use quell_core::secret::Secret;
use quell_engine::{Failure, port::Chance};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Shortest password, in characters.
pub const LENGTH_MIN: usize = 8;
/// Longest password, in bytes.
pub const LENGTH_MAX: usize = 1_024;

/// Hashes that are computed at once: each takes 19 MiB.
static PLACES: Semaphore = Semaphore::const_new(4);

/// What an unknown name is compared with, so that it takes as long as a known one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$Jm2hhQqkNlUVLkk1qDcTrpOPS4DrAVSSU7GyL3x8bVE";

/// Says what is wrong with a new password, if anything is.
pub fn complaint(password: &str) -> Option<String> {
    if password.chars().count() < LENGTH_MIN {
        return Some(format!("a password has at least {LENGTH_MIN} characters"));
    }
    if password.len() > LENGTH_MAX {
        return Some(format!("a password has at most {LENGTH_MAX} bytes"));
    }
    None
}

/// The hash string of a new password.
pub async fn hash(password: &Secret, chance: &dyn Chance) -> Result<Secret, Failure> {
    let salt = SaltString::encode_b64(&chance.seed()[..16]).map_err(|e| Failure::Damaged(e.to_string()))?;
    let password = password.clone();
    apart(move || {
        Argon2::default()
            .hash_password(password.expose().as_bytes(), &salt)
            .map(|hash| Secret::new(Zeroizing::new(hash.to_string()).as_str()))
            .map_err(|e| Failure::Damaged(format!("a password could not be hashed: {e}")))
    })
    .await?
}

/// Is this the password of the hash string? `None` takes as long, and is never it.
pub async fn verify(password: &Secret, hash: Option<Secret>) -> Result<bool, Failure> {
    let password = password.clone();
    apart(move || {
        let known = hash.is_some();
        let text = hash.unwrap_or_else(|| Secret::new(NOBODY));
        let Ok(hash) = PasswordHash::new(text.expose()) else {
            return Err(Failure::Damaged("a stored password hash cannot be read".to_owned()));
        };
        let right = Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok();
        Ok(known && right)
    })
    .await?
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let gone = |_| Failure::Unavailable("the server is stopping".to_owned());
    let _place = PLACES.acquire().await.map_err(|_| gone(()))?;
    tokio::task::spawn_blocking(work).await.map_err(|_| gone(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_is_right() {
        let (right, wrong) = (Secret::new("correct horse"), Secret::new("wrong horse"));
        let stored = hash(&right, &quell_store::OsChance).await.expect("a hash");
        assert!(stored.expose().starts_with("$argon2id$"));
        assert_eq!(verify(&right, Some(stored.clone())).await, Ok(true));
        assert_eq!(verify(&wrong, Some(stored)).await, Ok(false));
        // The hash of nobody must be one that can be compared with, or an
        // unknown name would answer faster.
        assert!(PasswordHash::new(NOBODY).is_ok());
        assert_eq!(verify(&right, None).await, Ok(false));
    }

    #[test]
    fn a_short_or_endless_password_is_refused() {
        assert!(complaint("1234567").is_some());
        assert!(complaint("12345678").is_none());
        assert!(complaint(&"x".repeat(2_000)).is_some());
    }
}
