//! The first account of an installation.
//!
//! Whoever reads the server's output on its own host gets a code, and with it,
//! over loopback and within 15 minutes, makes the first administrator: once. Five
//! wrong tries end the code; a restart gives a new one.

use std::net::SocketAddr;

use quell_core::{
    secret::{Secret, sha256},
    time::{Timestamp, after},
};
use quell_engine::port::{Chance, Clock};
use tokio::sync::Mutex;

use super::Denied;

const SECONDS: i64 = 15 * 60;
const TRIES_MAX: u32 = 5;

/// The door that is open until the first account exists.
pub struct SetupDoor(Mutex<Option<Code>>);

struct Code {
    hash: String,
    until: Timestamp,
    tries: u32,
}

/// The right to make the first account, held by one caller at a time.
pub struct Opened<'a>(tokio::sync::MutexGuard<'a, Option<Code>>);

impl Opened<'_> {
    /// The account is made: the door is gone.
    pub fn done(mut self) {
        *self.0 = None;
    }
}

impl SetupDoor {
    /// A door that stays shut: accounts exist.
    pub fn shut() -> Self {
        Self(Mutex::new(None))
    }

    /// An open door, and its code.
    pub fn open(chance: &dyn Chance, clock: &dyn Clock) -> (Self, Secret) {
        // Twenty characters of a 32 letter alphabet: 100 bits.
        let draw = || chance.id().map(|b| char::from(b"0123456789abcdefghjkmnpqrstvwxyz"[usize::from(b & 31)])).iter().collect::<String>();
        let text = zeroize::Zeroizing::new(format!("{}{}", draw(), draw()));
        let code = Code { hash: sha256(text.as_bytes()), until: after(clock.now(), SECONDS), tries: 0 };
        (Self(Mutex::new(Some(code))), Secret::new(text.as_str()))
    }

    /// Lets in who knows the code, over loopback, in time.
    pub async fn enter(&self, peer: SocketAddr, forwarded: bool, code: &str, now: Timestamp) -> Result<Opened<'_>, Denied> {
        // A proxy on this host makes everybody look local.
        if !peer.ip().is_loopback() || forwarded {
            return Err(Denied::NotHere("setup works on the server's own host only; run `quell setup` there".to_owned()));
        }
        let mut door = self.0.lock().await;
        let Some(known) = door.as_mut() else {
            return Err(Denied::NotHere("setup was done already; `quell login` signs in".to_owned()));
        };
        if now > known.until || known.tries >= TRIES_MAX {
            return Err(Denied::NotHere("the setup code is over; restart the server for a new one".to_owned()));
        }
        if sha256(code.trim().as_bytes()) != known.hash {
            known.tries += 1;
            let left = TRIES_MAX - known.tries;
            return Err(Denied::NotHere(format!("the setup code is wrong; {left} tries are left")));
        }
        Ok(Opened(door))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_code_works_here_in_time_and_once() {
        let clock = quell_store::SystemClock::new();
        let (door, code) = SetupDoor::open(&quell_store::OsChance, &clock);
        let here: SocketAddr = "127.0.0.1:5".parse().expect("an address");
        let there: SocketAddr = "192.0.2.1:5".parse().expect("an address");
        let now = clock.now();
        assert!(door.enter(there, false, code.expose(), now).await.is_err(), "from elsewhere");
        assert!(door.enter(here, true, code.expose(), now).await.is_err(), "through a proxy");
        assert!(door.enter(here, false, code.expose(), after(now, SECONDS + 1)).await.is_err(), "too late");
        assert!(door.enter(here, false, "wrong", now).await.is_err());
        door.enter(here, false, code.expose(), now).await.unwrap_or_else(|e| panic!("{e}")).done();
        assert!(door.enter(here, false, code.expose(), now).await.is_err(), "a second time");
    }

    #[tokio::test]
    async fn five_wrong_tries_end_it() {
        let clock = quell_store::SystemClock::new();
        let (door, code) = SetupDoor::open(&quell_store::OsChance, &clock);
        let here: SocketAddr = "[::1]:5".parse().expect("an address");
        for _ in 0..5 {
            assert!(door.enter(here, false, "wrong", clock.now()).await.is_err());
        }
        assert!(door.enter(here, false, code.expose(), clock.now()).await.is_err());
    }
}
