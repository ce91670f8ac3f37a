//! The rows of `report.json` and the table that a person reads.

use std::fmt::Write;

use serde::Serialize;

use super::measure::median;

/// Which way a ratio is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// At most the goal.
    Lower,
    /// At least the goal.
    Higher,
}

/// How far the limit before and after may differ: more, and the machine was
/// another one in between.
const DRIFT_MAX: f64 = 0.30;

/// One figure beside what it is held against in the same run.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    pub samples: usize,
    /// The name of the yardstick.
    pub against: String,
    pub against_value: f64,
    /// `value / against_value`.
    pub ratio: f64,
    /// What the ratio is to be; null where the row only informs.
    pub goal: Option<f64>,
    pub better: Better,
    /// Null where there is no goal, or the row is void.
    pub met: Option<bool>,
    pub load_before: f64,
    pub load_after: f64,
    pub void: bool,
}

/// What was measured of both sides, in the same unit.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    pub value: f64,
    pub samples: usize,
    /// The yardstick, measured before and after the value, round by round.
    pub before: Vec<f64>,
    pub after: Vec<f64>,
    pub load: (f64, f64),
}

impl Row {
    /// Holds `pair.value` against the middle of the yardstick's rounds.
    #[must_use]
    pub fn of(name: &str, unit: &'static str, against: &str, goal: Option<f64>, better: Better, pair: &Pair) -> Self {
        let both: Vec<f64> = pair.before.iter().chain(&pair.after).copied().collect();
        let against_value = median(&both);
        let ratio = pair.value / against_value;
        let void = drifted(median(&pair.before), median(&pair.after)) || !ratio.is_finite();
        let met = goal.filter(|_| !void).map(|goal| match better {
            Better::Lower => ratio <= goal,
            Better::Higher => ratio >= goal,
        });
        Self {
            name: name.to_owned(),
            value: pair.value,
            unit,
            samples: pair.samples,
            against: against.to_owned(),
            against_value,
            ratio,
            goal,
            better,
            met,
            load_before: pair.load.0,
            load_after: pair.load.1,
            void,
        }
    }
}

/// The two differ by more than 30 % of the smaller.
fn drifted(before: f64, after: f64) -> bool {
    (before - after).abs() > DRIFT_MAX * before.min(after)
}

/// Everything that one run says.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub machine: String,
    pub commit: String,
    pub rows: Vec<Row>,
    /// What was left out and why; what the figures rest on.
    pub notes: Vec<String>,
}

impl Report {
    /// A table for a terminal; every line ends with what it means.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{:<22} {:>11} {:<8} {:>11}  {:<28} {:>7}  {:<9} {:<8} load",
            "figure", "value", "unit", "yardstick", "against", "ratio", "goal", ""
        );
        for row in &self.rows {
            let goal = row.goal.map_or_else(
                || "-".to_owned(),
                |g| match row.better {
                    Better::Lower => format!("<= {g:.2}"),
                    Better::Higher => format!(">= {g:.2}"),
                },
            );
            let word = match (row.void, row.met) {
                (true, _) => "void",
                (false, Some(true)) => "reached",
                (false, Some(false)) => "SHORT",
                (false, None) => "informs",
            };
            let _ = writeln!(
                out,
                "{:<22} {:>11.3} {:<8} {:>11.3}  {:<28} {:>7.3}  {:<9} {:<8} {:.1} -> {:.1}",
                row.name, row.value, row.unit, row.against_value, row.against, row.ratio, goal, word, row.load_before, row.load_after
            );
        }
        for note in &self.notes {
            let _ = writeln!(out, "note: {note}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_met_missed_or_void() {
        for (value, before, after, better, goal, met, void) in [
            (3.0, 1.0, 1.2, Better::Lower, Some(4.0), Some(true), false),
            (5.0, 1.0, 1.0, Better::Lower, Some(4.0), Some(false), false),
            (0.7, 1.0, 1.0, Better::Higher, Some(0.6), Some(true), false),
            (0.5, 1.0, 1.0, Better::Higher, Some(0.6), Some(false), false),
            (0.5, 1.0, 1.0, Better::Higher, None, None, false),
            (3.0, 1.0, 1.4, Better::Lower, Some(4.0), None, true),
            (3.0, 0.0, 0.0, Better::Lower, Some(4.0), None, true),
        ] {
            let pair = Pair { value, samples: 1, before: vec![before], after: vec![after], load: (0.0, 0.0) };
            let row = Row::of("x", "ms", "y", goal, better, &pair);
            assert_eq!((row.met, row.void), (met, void), "{value} {before} {after}");
        }
    }
}
