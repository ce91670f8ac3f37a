//! How long, how busy, how much processor: read where the kernel writes it.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// A running stopwatch.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a bench measures the machine, not a turned clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The load average of the last minute.
#[must_use]
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// What the kernel counts processor time in, on every architecture (`USER_HZ`).
const TICK_MS: f64 = 10.0;

/// Processor time that a process has used so far, in user and kernel mode and
/// in all its threads, in milliseconds.
///
/// # Errors
///
/// When there is no such process.
pub fn processor_ms(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("read the times of process {pid}"))?;
    // The name in the second field may hold spaces and brackets.
    let fields: Vec<&str> = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |field: usize| fields.get(field).and_then(|f| f.parse::<u64>().ok()).context("a time of a process is not a number");
    Ok((ticks(11)? + ticks(12)?) as f64 * TICK_MS)
}

/// Memory of a process that lies in RAM, in MiB.
///
/// # Errors
///
/// When there is no such process.
pub fn resident_mib(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("read the memory of process {pid}"))?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("the kernel does not say how much memory it has")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().context("the memory of a process is not a number")?;
    Ok(kib / 1024.0)
}

/// The middle one of `values`; NaN where there is none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that a part `q` of `values` does not exceed; NaN where there is none.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get(((sorted.len() as f64 * q) as usize).min(last)).copied().unwrap_or(f64::NAN)
}

/// Milliseconds of a duration.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!((median(&values), quantile(&values, 0.99), quantile(&values, 0.0)), (3.0, 5.0, 1.0));
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_processor_time_of_a_busy_process_grows() {
        let before = processor_ms(std::process::id()).expect("our own times");
        let mut sum = 0_u64;
        let grew = crate::clock::until(Duration::from_secs(10), || {
            sum = (0..3_000_000_u64).fold(sum, |a, b| a.wrapping_mul(31).wrapping_add(b));
            processor_ms(std::process::id()).expect("our own times") > before
        });
        assert!(grew, "{sum}");
    }
}
