//! What is read, from what it starts, and what must hold.

mod detector;
mod feed;
mod log;
mod mapping;
mod record;

use std::{
    any::Any,
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use crate::cost::{self, Bound, Cost};

/// One reader of bytes from outside.
pub struct Target {
    pub name: String,
    /// Hand-written inputs, from which all others are made.
    pub corpus: Vec<Vec<u8>>,
    bound: Bound,
    reads: Box<dyn Reads>,
}

/// What became of one input, if everything held.
#[derive(Clone, Debug)]
pub struct Held {
    /// What the answer was like: kinds of answers, not what they say.
    pub traits: BTreeSet<String>,
    pub cost: Cost,
}

/// A reader as a target knows it.
trait Reads {
    /// Reads. Its answer is kept as what `judge` takes and two calls compare.
    fn read(&self, input: &[u8]) -> Box<dyn Any>;

    /// Whether two answers are one.
    fn is_same(&self, one: &dyn Any, other: &dyn Any) -> bool;

    /// What must hold of the answer; what it was like, or the sentence that broke.
    fn judge(&self, input: &[u8], answer: &dyn Any) -> Result<BTreeSet<String>, String>;
}

impl Target {
    fn new(name: impl Into<String>, corpus: Vec<Vec<u8>>, bound: Bound, reads: impl Reads + 'static) -> Self {
        Self { name: name.into(), corpus, bound, reads: Box::new(reads) }
    }

    /// Reads `input` and judges the answer.
    ///
    /// # Errors
    ///
    /// The sentence that broke. A stack that overflows ends the process instead.
    pub fn once(&self, input: &[u8]) -> Result<Held, String> {
        let call = || {
            let (first, mut cost) = cost::of(|| self.reads.read(input));
            let (second, again) = cost::of(|| self.reads.read(input));
            if !self.reads.is_same(&*first, &*second) {
                return Err("the same input gave two answers".to_owned());
            }
            // What is done once (tables that are built at the first use) and what the
            // machine did meanwhile is no cost of this input.
            cost = Cost { micros: cost.micros.min(again.micros), bytes: cost.bytes.min(again.bytes) };
            if let Some(broken) = self.bound.broken_by(cost, input.len()) {
                return Err(broken);
            }
            let traits = self.reads.judge(input, &*first)?;
            Ok(Held { traits, cost })
        };
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
            Err(format!("it panicked: {}", text.unwrap_or_default()))
        })
    }
}

/// Every target: each detector of the registry, each kind of log, and the rest.
pub fn all() -> Vec<Target> {
    let mut all = detector::targets();
    all.extend(log::targets());
    all.extend(feed::targets());
    all.extend(mapping::targets());
    all.extend(record::targets());
    all
}

/// The bytes of the files in a folder of this repository whose names end so.
fn files(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let read = |e| panic!("{}: {e}", folder.display());
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap_or_else(read).flatten().map(|f| f.path()).collect();
    files.sort();
    let wanted = files.into_iter().filter(|f| f.to_string_lossy().ends_with(end));
    wanted.map(|f| std::fs::read(&f).expect("a readable file")).collect()
}
