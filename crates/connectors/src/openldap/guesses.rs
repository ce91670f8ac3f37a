//! How often a password may be tried that is not the stored one.
//!
//! A wrong password counts against the entry, and enough of them lock its rightful
//! owner out. The server's own counter decides, so a restart forgets nothing that
//! matters: no try of ours is ever the one that locks. Beside it a budget an hour.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use quell_core::time::{Timestamp, after};

use super::look::{EntryNow, Policy};

/// Wrong passwords that probes may try on one entry in one hour.
pub(super) const GUESSES_MAX: u32 = 2;
const HOUR_SECONDS: i64 = 3_600;

/// When wrong passwords were tried, by entry.
#[derive(Default)]
pub(super) struct Guesses(Mutex<BTreeMap<String, Vec<Timestamp>>>);

impl Guesses {
    /// Takes one try out of the budget, or says why there is none left. To an entry
    /// that is kept out a wrong password adds nothing, and is free.
    pub(super) fn take(&self, key: &str, entry: &EntryNow, policy: Option<Policy>, now: Timestamp) -> Result<(), String> {
        if entry.is_kept_out() {
            return Ok(());
        }
        let most = policy.map_or(0, |p| p.failures_max);
        if most > 0 && entry.failures.saturating_add(1) >= most {
            return Err(format!("{} of {most} wrong passwords are counted already, and one more of ours could lock it", entry.failures));
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, tried| {
            tried.retain(|at| after(*at, HOUR_SECONDS) > now);
            !tried.is_empty()
        });
        let tried = all.entry(key.to_owned()).or_default();
        if tried.len() >= GUESSES_MAX as usize {
            return Err(format!("{GUESSES_MAX} wrong passwords were tried in the last hour"));
        }
        tried.push(now);
        Ok(())
    }
}
