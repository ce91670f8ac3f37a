//! Whether a source still says what it used to say, as often as it used to.
//!
//! A source is held against itself alone: against the hours in which it was heard, and
//! against what its readings always held. Who was never heard, or too seldom to have a
//! habit, is not called silent; a case says of both that nobody could have heard them.

use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

use crate::{
    finding::FiledSignal,
    time::{Timestamp, after},
};

/// How far back a habit is looked for.
pub const WINDOW_SECONDS: i64 = 90 * 86_400;
/// Hours with an alert that make a habit.
pub const HABIT_HOURS: usize = 8;
/// A wait is a silence from this many usual waits on.
const WAITS: i64 = 3;
/// No wait of fewer seconds is a silence.
const SILENCE_SECONDS_MIN: i64 = 2 * 3_600;

/// How often a source is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// Hours in which it was heard.
    pub hours_heard: u32,
    /// Hours since it was first heard, in the window.
    pub hours: u32,
    /// Of twenty waits between such hours nineteen are no longer.
    pub wait_seconds: i64,
}

impl Usual {
    /// From when on a wait is a silence.
    pub fn silence_seconds(&self) -> i64 {
        self.wait_seconds.saturating_mul(WAITS).max(SILENCE_SECONDS_MIN)
    }
}

/// A time in which a source that should have been heard was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// When it was heard last before.
    pub from: Timestamp,
    /// When it was heard again; none while it is silent.
    pub until: Option<Timestamp>,
}

/// The usual rate of a source, given the last moment of each hour in which it was heard,
/// oldest first; none where that is no habit yet.
pub fn usual(heard: &[Timestamp]) -> Option<Usual> {
    let (first, last) = heard.first().zip(heard.last())?;
    if heard.len() < HABIT_HOURS {
        return None;
    }
    let mut waits: Vec<i64> = heard.windows(2).map(|w| seconds(w[0], w[1])).collect();
    waits.sort_unstable();
    let wait_seconds = waits.get((waits.len() * 19).div_ceil(20).saturating_sub(1)).copied().unwrap_or(0);
    let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Some(Usual { hours_heard: count(heard.len() as i64), hours: count(seconds(*first, *last) / 3_600 + 1), wait_seconds })
}

/// Every silence of a source up to `now`, oldest first.
pub fn silences(heard: &[Timestamp], now: Timestamp) -> Vec<Silence> {
    let (Some(usual), Some(last)) = (usual(heard), heard.last()) else { return Vec::new() };
    let is_long = |from: Timestamp, to: Timestamp| seconds(from, to) > usual.silence_seconds();
    let mut silences: Vec<Silence> =
        heard.windows(2).filter(|w| is_long(w[0], w[1])).map(|w| Silence { from: w[0], until: Some(w[1]) }).collect();
    if is_long(*last, now) {
        silences.push(Silence { from: *last, until: None });
    }
    silences
}

/// The silence that a source is in, as far as anybody listened: while Quell itself did
/// not, `listens_since`, nobody was silent.
pub fn silence(heard: &[Timestamp], listens_since: Timestamp, now: Timestamp) -> Option<Silence> {
    let usual = usual(heard)?;
    let from = *heard.last()?;
    let listened = from.max(listens_since);
    (seconds(listened, now) > usual.silence_seconds()).then_some(Silence { from, until: None })
}

/// Why nothing of a source could be heard in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blind {
    Silent(Silence),
    /// Not once until the end of it.
    NeverHeard,
}

/// Whether a source that was made at `made_at` was blind between `from` and `to`.
pub fn blind(heard: &[Timestamp], made_at: Timestamp, from: Timestamp, to: Timestamp, now: Timestamp) -> Option<Blind> {
    if made_at > to {
        return None;
    }
    if heard.first().is_none_or(|first| *first > to) {
        return Some(Blind::NeverHeard);
    }
    let overlaps = |s: &Silence| s.from <= to && s.until.is_none_or(|until| until >= from);
    silences(heard, now).into_iter().find(overlaps).map(Blind::Silent)
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second().saturating_sub(from.as_second())
}

/// The beginning of what is looked at for a habit.
pub fn window(now: Timestamp) -> Timestamp {
    after(now, -WINDOW_SECONDS)
}

/// What a reading holds, of what readings may hold; sorted, one word each.
pub fn shape(signal: &FiledSignal) -> String {
    let parts = [
        ("actor", signal.actor_id.is_some() || signal.actor_name.is_some()),
        ("address", signal.actor_ip.is_some()),
        ("credential", signal.credential_kind.is_some()),
        ("credential_id", signal.credential_id.is_some()),
        ("event_time", signal.observed_at_from != crate::signal::ObservedFrom::Received),
        ("native_id", signal.native_id.is_some()),
        ("system", signal.system.is_some()),
        ("name", signal.name.is_some()),
    ];
    let held: BTreeSet<&str> = parts.iter().filter(|(_, is)| *is).map(|(part, _)| *part).collect();
    held.into_iter().fold(String::from("readable"), |all, part| format!("{all} {part}"))
}

/// What cannot be read has no part at all.
pub const UNREADABLE: &str = "-";

/// What every shape so far had and this one has not: the schema of the source changed.
pub fn lost<'a>(before: &'a [String], now: &str) -> Vec<&'a str> {
    let has = |shape: &str, part: &str| shape.split(' ').any(|p| p == part);
    let Some((first, others)) = before.split_first() else { return Vec::new() };
    first.split(' ').filter(|part| *part != UNREADABLE && others.iter().all(|o| has(o, part)) && !has(now, part)).collect()
}
