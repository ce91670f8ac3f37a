//! The loop: change an input, read it, keep what gave an answer of a new kind.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{
    chance::Chance,
    change::{self, Parts},
    cost::Cost,
    target::Target,
};

/// Longest input that is kept to be changed on, in bytes.
const KEPT_LENGTH_MAX: usize = 16 * 1024;
/// Most inputs that are kept beside the hand-written ones.
const KEPT_MAX: usize = 600;
/// One input may take so long at the most before it counts as one that never ends.
const STUCK_AFTER: Duration = Duration::from_secs(90);

/// An input for which something does not hold.
#[derive(Debug)]
pub struct Found {
    pub input: Vec<u8>,
    pub because: String,
}

/// One target under way.
pub struct Round<'t> {
    target: &'t Target,
    pool: Vec<Vec<u8>>,
    parts: Parts,
    chance: Chance,
    seen: BTreeSet<String>,
    /// Where the input at hand is written before it is read: a stack that overflows
    /// takes the process with it, and leaves the input.
    at_hand: PathBuf,
    tried: Arc<AtomicU64>,
    most: Cost,
    _watch: mpsc::Sender<()>,
}

impl<'t> Round<'t> {
    /// Reads the hand-written inputs first: for those everything holds.
    ///
    /// # Errors
    ///
    /// The first hand-written input for which something does not hold.
    pub fn begin(target: &'t Target, seed: u64, folder: &Path) -> Result<Self, Found> {
        fs::create_dir_all(folder).expect("the folder for inputs can be made");
        let tried = Arc::new(AtomicU64::new(0));
        let mut round = Self {
            target,
            pool: target.corpus.clone(),
            parts: Parts::of(&target.corpus),
            chance: Chance::new(seed),
            seen: BTreeSet::new(),
            at_hand: folder.join(format!("{}.at-hand", target.name)),
            _watch: watch(target.name.clone(), tried.clone()),
            tried,
            most: Cost { micros: 0, bytes: 0 },
        };
        for input in &target.corpus {
            round.once(input.clone())?;
        }
        Ok(round)
    }

    /// Changes one input and reads it.
    ///
    /// # Errors
    ///
    /// The input for which something does not hold.
    pub fn another(&mut self) -> Result<(), Found> {
        let (one, other) = (self.chance.below(self.pool.len()), self.chance.below(self.pool.len()));
        let input = change::changed(&self.pool[one], &self.pool[other], &self.parts, &mut self.chance);
        if self.once(input.clone())? && input.len() <= KEPT_LENGTH_MAX && self.pool.len() < self.target.corpus.len() + KEPT_MAX {
            self.pool.push(input);
        }
        Ok(())
    }

    /// Inputs so far, kinds of answers among them, and the most that one cost.
    pub fn so_far(&self) -> (u64, usize, Cost) {
        (self.tried.load(Ordering::Relaxed), self.seen.len(), self.most)
    }

    fn once(&mut self, input: Vec<u8>) -> Result<bool, Found> {
        fs::write(&self.at_hand, &input).expect("the input at hand can be written");
        let held = match self.target.once(&input) {
            Ok(held) => held,
            Err(because) => return Err(Found { input, because }),
        };
        self.tried.fetch_add(1, Ordering::Relaxed);
        self.most = Cost { micros: self.most.micros.max(held.cost.micros), bytes: self.most.bytes.max(held.cost.bytes) };
        let before = self.seen.len();
        self.seen.extend(held.traits);
        Ok(self.seen.len() > before)
    }
}

/// Ends the process where one input takes for ever. Ends itself with the round.
fn watch(name: String, tried: Arc<AtomicU64>) -> mpsc::Sender<()> {
    let (alive, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        let mut last = u64::MAX;
        while ended.recv_timeout(STUCK_AFTER) == Err(mpsc::RecvTimeoutError::Timeout) {
            let now = tried.load(Ordering::Relaxed);
            if now == last {
                eprintln!("{name}: one input takes longer than {} s; it is in the file of the input at hand", STUCK_AFTER.as_secs());
                std::process::abort();
            }
            last = now;
        }
    });
    alive
}
