//! What reading one input costs: processor time and memory.

use rustix::time::{ClockId, clock_gettime};

use crate::MEMORY;

/// What one call used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Processor time of this thread, in microseconds.
    pub micros: u64,
    /// Most memory that was held at once beside what was held before, in bytes.
    pub bytes: usize,
}

/// What reading may cost, by the length of its input.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub micros: u64,
    pub nanos_per_byte: u64,
    pub bytes: usize,
    pub bytes_per_byte: usize,
}

impl Bound {
    /// The bound in words, where `cost` is over it.
    pub fn broken_by(&self, cost: Cost, length: usize) -> Option<String> {
        let micros = self.micros + self.nanos_per_byte * length as u64 / 1_000;
        let bytes = self.bytes + self.bytes_per_byte * length;
        if cost.micros > micros {
            return Some(format!("{length} bytes took {} us of processor time, and {micros} us are allowed", cost.micros));
        }
        (cost.bytes > bytes).then(|| format!("{length} bytes held {} bytes of memory at once, and {bytes} are allowed", cost.bytes))
    }
}

/// Calls, and says what it cost. Other threads must allocate nothing meanwhile.
pub fn of<T>(call: impl FnOnce() -> T) -> (T, Cost) {
    let held = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let began = processor_micros();
    let answer = call();
    let micros = processor_micros().saturating_sub(began);
    (answer, Cost { micros, bytes: MEMORY.peak_usage().saturating_sub(held) })
}

fn processor_micros() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000).unwrap_or_default()
}

/// Seconds since some moment, by a clock that is never set.
pub fn passed_seconds() -> u64 {
    u64::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap_or_default()
}

/// A seed that the last run did not have.
pub fn unlike_before() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or_default()
}
