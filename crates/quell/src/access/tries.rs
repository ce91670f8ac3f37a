//! Wrong tries, counted by what was tried, so that guessing gets slow.
//!
//! In memory: whoever can restart the server needs to guess nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use quell_core::time::{Timestamp, after, seconds_between};

/// Names remembered at most; beyond it the oldest window is forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Counts wrong tries in windows.
pub struct Tries {
    most: u32,
    window_seconds: i64,
    counted: Mutex<BTreeMap<String, (u32, Timestamp)>>,
}

impl Tries {
    /// At most `most` wrong tries of one name in `window_seconds`.
    pub fn new(most: u32, window_seconds: i64) -> Self {
        Self { most, window_seconds, counted: Mutex::default() }
    }

    /// May it be tried now? `Err` says in how many seconds.
    pub fn ask(&self, name: &str, now: Timestamp) -> Result<(), i64> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        match counted.get(name) {
            Some((count, until)) if *count >= self.most && now < *until => Err(seconds_between(now, *until).max(1)),
            _ => Ok(()),
        }
    }

    /// It was wrong.
    pub fn wrong(&self, name: &str, now: Timestamp) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= REMEMBERED_MAX && !counted.contains_key(name) {
            let oldest = counted.iter().min_by_key(|(_, (_, until))| *until).map(|(name, _)| name.clone());
            oldest.map(|name| counted.remove(&name));
        }
        let entry = counted.entry(name.to_owned()).or_insert((0, after(now, self.window_seconds)));
        if now >= entry.1 {
            *entry = (0, after(now, self.window_seconds));
        }
        entry.0 += 1;
    }

    /// It was right.
    pub fn right(&self, name: &str) {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_try_one_waits_until_the_window_ends() {
        let tries = Tries::new(3, 60);
        let start: Timestamp = "2026-11-23T09:00:00Z".parse().expect("a time");
        for _ in 0..3 {
            assert_eq!(tries.ask("ann", start), Ok(()));
            tries.wrong("ann", start);
        }
        assert_eq!(tries.ask("ann", after(start, 10)), Err(50));
        assert_eq!(tries.ask("bob", start), Ok(()));
        assert_eq!(tries.ask("ann", after(start, 60)), Ok(()));
        tries.wrong("ann", after(start, 60));
        assert_eq!(tries.ask("ann", after(start, 61)), Ok(()));
        tries.right("ann");
        assert_eq!(tries.ask("ann", after(start, 61)), Ok(()));
    }
}
