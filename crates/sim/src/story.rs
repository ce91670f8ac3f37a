//! The timeline of one world in words, for whoever reads a failing seed.

use std::fmt;

/// What happened, oldest first.
#[derive(Debug, Default)]
pub struct Story {
    lines: Vec<(u64, String)>,
}

/// A seed that failed: which, why, and what happened.
#[derive(Debug)]
pub struct Failed {
    pub seed: u64,
    pub violations: Vec<String>,
    pub story: Story,
}

impl Story {
    /// One more line, at microseconds since the start.
    pub fn tell(&mut self, at_us: u64, line: String) {
        self.lines.push((at_us, line));
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Nothing happened.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} failed:", self.seed)?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        writeln!(f, "what happened:")?;
        for (at, line) in &self.story.lines {
            writeln!(f, "  {:>5}.{:06} {line}", at / 1_000_000, at % 1_000_000)?;
        }
        write!(f, "again: QUELL_SEED={} cargo test -p quell-sim one_seed -- --nocapture", self.seed)
    }
}
