//! What can go wrong, when it does, and how often it did.
//!
//! A fault is a window of time on one plane, or on everything, in which it may
//! strike with some chance. Faults end for good at one moment: after it every
//! plan must come to its end.

use std::collections::BTreeMap;

/// A way in which the world fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A change takes effect later than it is told, but within the settle time.
    Lag,
    /// A standby answers, and it is behind.
    StaleRead,
    /// Somebody else answers in the plane's name, over a channel that proves nothing.
    Impostor,
    /// The control stops working, and whatever is asked looks refused.
    ControlDies,
    /// A directory answers instead of the system that enforces.
    Recorded,
    /// An act answers "done" and does nothing.
    Lie,
    Throttle,
    /// An act does a part and loses the connection.
    HalfApply,
    /// An act does nothing and never answers.
    TimeOut,
    /// An act does everything and never answers.
    TimeOutDone,
    /// An act does everything and its answer is lost.
    AnswerLost,
    /// The plane says no.
    Refuses,
    Unreachable,
    Garbled,
    /// Somebody gives the access back behind our back.
    Revert,
    DiskFull,
    /// The process ends between any two steps.
    Crash,
    ClockBack,
    ClockLeap,
    NotifyFails,
    PolicyErrs,
    SinkFails,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::Lag,
        Self::StaleRead,
        Self::Impostor,
        Self::ControlDies,
        Self::Recorded,
        Self::Lie,
        Self::Throttle,
        Self::HalfApply,
        Self::TimeOut,
        Self::TimeOutDone,
        Self::AnswerLost,
        Self::Refuses,
        Self::Unreachable,
        Self::Garbled,
        Self::Revert,
        Self::DiskFull,
        Self::Crash,
        Self::ClockBack,
        Self::ClockLeap,
        Self::NotifyFails,
        Self::PolicyErrs,
        Self::SinkFails,
    ];

    /// Those that strike within a window, and not at one moment.
    pub fn has_window(self) -> bool {
        !matches!(self, Self::Revert | Self::Crash | Self::ClockBack | Self::ClockLeap)
    }
}

impl Fault {
    /// It strikes an act, and not a question.
    pub fn strikes_acts(self) -> bool {
        matches!(self, Self::Lag | Self::Lie | Self::HalfApply | Self::TimeOutDone | Self::AnswerLost | Self::Refuses | Self::SinkFails)
    }
}

/// When a fault may strike.
#[derive(Clone, Debug)]
struct Window {
    fault: Fault,
    plane: Option<String>,
    from_us: u64,
    to_us: u64,
    percent: u64,
}

/// The faults of one world.
#[derive(Debug, Default)]
pub struct Faults {
    windows: Vec<Window>,
    /// How often each struck.
    pub struck: BTreeMap<Fault, u64>,
    pub over: bool,
}

impl Faults {
    /// Lets a fault strike within a window, on one plane or on all.
    pub fn open(&mut self, fault: Fault, plane: Option<String>, from_us: u64, to_us: u64, percent: u64) {
        self.windows.push(Window { fault, plane, from_us, to_us, percent });
    }

    /// The chance in a hundred that it strikes now.
    pub fn chance_of(&self, fault: Fault, plane: &str, now_us: u64) -> u64 {
        if self.over {
            return 0;
        }
        let admits =
            |w: &&Window| w.fault == fault && w.from_us <= now_us && now_us < w.to_us && w.plane.as_deref().is_none_or(|p| p == plane);
        self.windows.iter().filter(admits).map(|w| w.percent).max().unwrap_or(0)
    }

    /// It struck.
    pub fn count(&mut self, fault: Fault) {
        *self.struck.entry(fault).or_default() += 1;
    }
}
