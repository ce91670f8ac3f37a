//! The time of an event, in whatever way it was written.
//!
//! A time decides nothing (invariant 17), it orders and explains, so a sensible
//! reading with a note beats a refusal. What no clock of a detector can have
//! meant (the year 1, 1970, 2200) is no time at all; the caller then takes the
//! next best one. Standards: RFC 3339, RFC 5322 dates, Windows FILETIME.

use crate::json::Value;
use quell_core::{
    signal::{ObservedFrom, Signal},
    time::Timestamp,
};

/// First and last year that is believed.
const YEARS: std::ops::RangeInclusive<i64> = 1990..=2099;
/// Seconds from 1601, where FILETIME begins, to 1970.
const FILETIME_OFFSET_S: i128 = 11_644_473_600;
const NO_ZONE: &str = "the time has no zone; read as UTC";
const DAY_ONLY: &str = "the time is a day without a clock; read as its start in UTC";

/// A time, and what had to be assumed to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Timestamp,
    pub note: Option<&'static str>,
}

/// Gives `signal` the best of `times`: the first that can be read counts. What
/// was given and could not be read is told. It is kept to the millisecond, cut
/// and not rounded: below it the copies of one event differ, as every tool on
/// their way keeps as many digits as it likes, and they must fold.
pub fn observe<'a>(signal: &mut Signal, times: impl IntoIterator<Item = (ObservedFrom, Option<&'a Value>)>) {
    let mut unread = 0_usize;
    for (from, value) in times {
        let Some(value) = value.filter(|v| v.as_str().is_none_or(|text| !text.trim().is_empty())) else { continue };
        if let Some(moment) = moment(value) {
            signal.observed_at = Some(to_the_millisecond(moment.at));
            signal.observed_at_from = from;
            signal.reasons.extend(moment.note.map(str::to_owned));
            break;
        }
        unread += 1;
    }
    if unread > 0 {
        signal.reasons.push(format!("{unread} time(s) could not be read or cannot be true and were passed over"));
    }
    if signal.observed_at.is_none() {
        signal.observed_at_from = ObservedFrom::Received;
        signal.reasons.push("no time of the event is given; the time of receipt counts".into());
    }
}

fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// Reads a number (epoch in any unit) or a text as a time.
pub fn moment(value: &Value) -> Option<Moment> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => epoch(whole),
            None => epoch_fraction(number.as_f64()?),
        },
        Value::String(text) => written(text),
        _ => None,
    }
}

/// Reads a written time: RFC 3339 with space or `T`, with or without zone; US
/// `3/24/2022 2:42:35 PM`; `10-19-2003`; `Mar 17, 2023 5:07:59 PM`; RFC 5322;
/// the date of `git log`; a number as text.
pub fn written(text: &str) -> Option<Moment> {
    // The longest known form has 40 characters; more is not a time.
    let text = text.trim();
    if text.is_empty() || text.len() > 64 || !text.is_ascii() {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return if text.len() >= 9 { epoch(whole) } else { None };
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && let Ok(fraction) = text.parse::<f64>()
    {
        return epoch_fraction(fraction);
    }
    Parts::of(text)?.moment()
}

/// An epoch in the unit that its size betrays: seconds, milliseconds,
/// microseconds, FILETIME ticks of 100 ns, nanoseconds. The ranges of a believed
/// year do not overlap.
fn epoch(value: i64) -> Option<Moment> {
    let value = i128::from(value);
    let nanos = [value * 1_000_000_000, value * 1_000_000, value * 1_000, value * 100 - FILETIME_OFFSET_S * 1_000_000_000, value];
    nanos.into_iter().filter_map(|n| Timestamp::from_nanosecond(n).ok()).find(|at| believed(*at)).map(|at| Moment { at, note: None })
}

fn epoch_fraction(value: f64) -> Option<Moment> {
    // Beyond 2^53 the unit cannot be seconds, and below it a cast is exact
    // enough for microseconds.
    if !value.is_finite() || value.abs() >= 9e15 {
        return None;
    }
    if value.fract() == 0.0 {
        return epoch(value as i64);
    }
    let scale = if value.abs() < 1e11 { 1e6 } else { 1e3 };
    let at = Timestamp::from_microsecond((value * scale).round() as i64).ok()?;
    believed(at).then_some(Moment { at, note: None })
}

fn believed(at: Timestamp) -> bool {
    // 1990-01-01 and 2100-01-01.
    (631_152_000..4_102_444_800).contains(&at.as_second())
}

/// The pieces of a written time.
#[derive(Default)]
struct Parts<'a> {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    clock: Option<(i64, i64, i64, &'a str)>,
    afternoon: Option<bool>,
    zone: Option<String>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut parts = Self::default();
        for word in text.split([' ', ',']).filter(|w| !w.is_empty()) {
            parts.word(word)?;
        }
        Some(parts)
    }

    /// Takes in one word, or gives up.
    fn word(&mut self, word: &'a str) -> Option<()> {
        // `2024-04-02T19:17:37Z`: the letter parts day and clock.
        if let Some((day, clock)) = word.split_once(['T', 't'])
            && day.len() >= 8
            && clock.starts_with(|c: char| c.is_ascii_digit())
        {
            self.word(day)?;
            return self.word(clock);
        }
        if word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()) {
            return self.clock(word);
        }
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "am" | "pm" if self.afternoon.is_none() => self.afternoon = Some(lower == "pm"),
            "z" | "utc" | "gmt" if self.zone.is_none() => self.zone = Some("Z".into()),
            _ if word.starts_with(['+', '-']) && self.clock.is_some() && self.zone.is_none() => self.zone = Some(zone(word)?),
            // Go writes a zone twice, as offset and as name, which is the
            // offset again where the place has no name for it.
            _ if self.zone.is_some() && zone(word).is_some_and(|again| self.zone.as_ref() == Some(&again)) => {}
            _ if self.zone.is_some() && (2..=5).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase()) => {}
            _ if word.contains(['-', '/']) => return self.date(word),
            _ => {
                if let Ok(number) = word.parse::<i64>() {
                    match word.len() {
                        4 if self.year.is_none() => self.year = Some(number),
                        1 | 2 if self.day.is_none() => self.day = Some(number),
                        _ => return None,
                    }
                } else if let Some(month) = month(&lower) {
                    if self.month.replace(month).is_some() {
                        return None;
                    }
                } else if !["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().any(|d| lower.starts_with(d)) {
                    return None;
                }
            }
        }
        Some(())
    }

    /// `2024-04-02`, `3/24/2022`, `10-19-2003`, `19-Oct-2003`. Of two numbers
    /// before the year the first is the month, as in the United States, unless
    /// it is above 12.
    fn date(&mut self, word: &str) -> Option<()> {
        let pieces: Vec<&str> = word.split(['-', '/']).collect();
        let [a, b, c] = pieces[..] else { return None };
        if self.year.is_some() || self.month.is_some() || self.day.is_some() {
            return None;
        }
        if let Some(named) = month(&b.to_ascii_lowercase()) {
            (self.day, self.month, self.year) = (Some(number(a)?), Some(named), Some(number(c)?));
            return Some(());
        }
        let (a_n, b_n, c_n) = (number(a)?, number(b)?, number(c)?);
        (self.year, self.month, self.day) = match (a.len(), c.len()) {
            (4, _) => (Some(a_n), Some(b_n), Some(c_n)),
            (_, 4) if a_n > 12 => (Some(c_n), Some(b_n), Some(a_n)),
            (_, 4) => (Some(c_n), Some(a_n), Some(b_n)),
            _ => return None,
        };
        Some(())
    }

    /// `19:17`, `19:17:37.621`, with a zone glued to it or not.
    fn clock(&mut self, word: &'a str) -> Option<()> {
        if self.clock.is_some() {
            return None;
        }
        let end = word.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(word.len());
        let (clock, rest) = word.split_at(end);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let pieces: Vec<&str> = clock.split(':').collect();
        let (hour, minute, second) = match pieces[..] {
            [h, m] => (h, m, "0"),
            [h, m, s] => (h, m, s),
            _ => return None,
        };
        self.clock = Some((number(hour)?, number(minute)?, number(second)?, fraction));
        match rest.to_ascii_lowercase().as_str() {
            "" => {}
            "z" => self.zone = Some("Z".into()),
            half @ ("am" | "pm") => self.afternoon = Some(half == "pm"),
            _ => self.zone = Some(zone(rest)?),
        }
        Some(())
    }

    fn moment(self) -> Option<Moment> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        if !YEARS.contains(&year) {
            return None;
        }
        let note = match (&self.clock, &self.zone) {
            (None, _) => Some(DAY_ONLY),
            (Some(_), None) => Some(NO_ZONE),
            (Some(_), Some(_)) => None,
        };
        let (hour, minute, second, fraction) = self.clock.unwrap_or((0, 0, 0, ""));
        let hour = match self.afternoon {
            Some(_) if !(1..=12).contains(&hour) => return None,
            Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
            None => hour,
        };
        // Nanoseconds are the finest there is; further digits are cut.
        let fraction = &fraction[..fraction.len().min(9)];
        let fraction = if fraction.is_empty() { "0" } else { fraction };
        let zone = self.zone.as_deref().unwrap_or("Z");
        let at = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}{zone}").parse().ok()?;
        believed(at).then_some(Moment { at, note })
    }
}

/// `+0200`, `+02:00` or `+02` as RFC 3339 writes it.
fn zone(text: &str) -> Option<String> {
    let sign = text.chars().next().filter(|c| matches!(c, '+' | '-'))?;
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let digits = if digits.len() == 2 { digits + "00" } else { digits };
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(format!("{sign}{}:{}", &digits[..2], &digits[2..]))
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn month(lower: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
    let word = lower.trim_end_matches('.');
    let found = MONTHS.iter().position(|m| word.len() >= 3 && m.starts_with(word))?;
    i64::try_from(found + 1).ok()
}
