//! Only a probe makes DEAD (invariant 5).
//!
//! A connector reports what it saw ([`Observation`]); [`judge`] alone says what
//! that proves. Whatever falls short of every condition is UNKNOWN, and the
//! reason says which condition. [`Liveness`] of a whole round: one accepted use
//! outweighs everything; death needs one observation that meets all conditions.
//!
//! ```text
//!            intent           probe: dead
//!   LIVE ──────────▶ CONTAINING ─────────▶ DEAD ──┐ probe: live (reverted)
//!    ▲  ▲                │  │                     │
//!    │  └── probe: live ─┘  └─ cannot tell ▶ UNKNOWN
//!    │                   └─ expires at T ─▶ DYING ─▶ DEAD (expired, by the plane's clock)
//!    └────────────────────────────────────────────┘
//! ```

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::{
    hold::Used,
    time::{Timestamp, after, after_millis},
};

/// The way of asking. A control must be of the same class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeClass {
    /// A use of the credential: a login. Control: a login of the control identity.
    Login,
    /// A read of the enforcing system's own state. Control: the same query finds the control alive.
    Read,
    /// A listing of sessions. Control: the control's session is in it.
    Listing,
    /// A use of a session of the same identity that Quell opened before the cut and
    /// kept, on a plane that cannot end sessions. Control: a session of the control
    /// identity is served the same.
    Witness,
    /// The plane's clock, for an expiry. Control: the clock was read now.
    Clock,
    /// Somebody's word: a directory, a status code, a person.
    Record,
}

/// What the probe met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The old credential was accepted, or the session served.
    Usable,
    /// It was tried and refused for the reason that was wanted; `code` is the plane's.
    Refused { code: String },
    /// The enforcing system was read and cannot let it in.
    Enforced { by: String },
    /// It works until then and nothing more can be done; `leeway_seconds` of the relying party.
    ValidUntil { until: Timestamp, leeway_seconds: i64 },
    /// The before-state was read back after a restore, and is the same or not.
    ReadBack { same: bool },
    /// Somebody says so. Never a proof.
    Recorded { by: String },
    /// Nothing can be concluded; why, in our words.
    Inconclusive { why: String },
}

/// The same probe on something that must be alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    pub class: ProbeClass,
    pub alive: bool,
    pub started_at: Timestamp,
    /// What was used, in our words; never a secret.
    pub what: String,
}

/// How the plane was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// TLS to an endpoint whose certificate chains to the pinned CA and bears the pinned name.
    TlsPinned,
    /// SSH to an endpoint that signed the key exchange with the pinned host key.
    SshPinned,
    /// A Unix socket whose peer is the server's own user.
    UnixSocket,
    /// Anything else, clear TCP on loopback among it.
    Unauthenticated,
}

/// One probe and what it met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub class: ProbeClass,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// Where it was asked from.
    pub vantage: String,
    pub channel: Channel,
    #[serde(flatten)]
    pub answer: Answer,
    pub control: Option<Control>,
    /// The plane's clock, where it was read.
    pub plane_clock: Option<Timestamp>,
    /// The system that answered is the one that enforces (a primary, not a lagging standby).
    pub authoritative: bool,
}

/// Live, dead or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    Live,
    Dead,
    Unknown,
}

/// What stands behind a statement of death, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    Recorded,
    Enforced,
    Exercised,
}

/// What one observation proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proved {
    pub liveness: Liveness,
    pub strength: Option<Strength>,
    /// Usable until then although nothing more can be done.
    pub residual_until: Option<Timestamp>,
    /// Why it is not more than it is; our words.
    pub reason: String,
}

impl Proved {
    fn unknown(reason: impl Into<String>) -> Self {
        Self { liveness: Liveness::Unknown, strength: None, residual_until: None, reason: reason.into() }
    }
}

/// What one observation proves, given when the last act ended and how long the
/// plane needs to settle. `acted_at` is `None` for a probe before any act.
pub fn judge(seen: &Observation, acted_at: Option<Timestamp>, settle_ms: i64) -> Proved {
    #[cfg(feature = "plant")]
    let acted_at = acted_at.filter(|_| !crate::plant::is("a probe counts before the settle time"));
    // A use that was accepted is life, from any channel at any time.
    if seen.answer == Answer::Usable {
        return Proved {
            liveness: Liveness::Live,
            strength: Some(Strength::Exercised),
            residual_until: None,
            reason: "it was used and accepted".to_owned(),
        };
    }

    let (strength, reason) = match &seen.answer {
        Answer::Usable => unreachable!("answered above"),
        Answer::Inconclusive { why } => return Proved::unknown(why.clone()),
        Answer::ReadBack { same: false } => return Proved::unknown("what was read back is not the before-state"),
        Answer::ReadBack { same: true } => {
            let reason = "the before-state was read back exactly".to_owned();
            return Proved { liveness: Liveness::Live, strength: Some(Strength::Enforced), residual_until: None, reason };
        }
        Answer::Recorded { by } => {
            return Proved { strength: Some(Strength::Recorded), ..Proved::unknown(format!("{by} says so, which is not a proof")) };
        }
        Answer::ValidUntil { until, leeway_seconds } => {
            let dead_at = after(*until, *leeway_seconds);
            match (seen.plane_clock, falls_short(seen)) {
                (Some(clock), _) if clock > dead_at => (Strength::Enforced, "it expired by the plane's clock".to_owned()),
                // A date from somebody who may not be the plane is no residual.
                (_, Some(why)) => return Proved::unknown(why),
                (_, None) => return Proved { residual_until: Some(dead_at), ..Proved::unknown("it is valid until it expires") },
            }
        }
        Answer::Refused { code } => (Strength::Exercised, format!("it was tried and refused with `{code}`")),
        Answer::Enforced { by } => (Strength::Enforced, by.clone()),
    };

    if let Some(acted_at) = acted_at
        && seen.started_at < after_millis(acted_at, settle_ms)
    {
        return Proved::unknown(format!("asked before the settle time of {settle_ms} ms was over"));
    }
    match falls_short(seen) {
        Some(why) => Proved::unknown(why),
        None => Proved { liveness: Liveness::Dead, strength: Some(strength), residual_until: None, reason },
    }
}

/// What an answer lacks to count at all: the plane itself must have given it,
/// on a path on which something alive was seen alive in the same round.
fn falls_short(seen: &Observation) -> Option<String> {
    if seen.class == ProbeClass::Record {
        return Some("a record is not a probe".to_owned());
    }
    if seen.channel == Channel::Unauthenticated {
        let why = "the channel does not prove who answered: it is neither TLS with the pinned CA, nor SSH with the pinned host key, nor the server's Unix socket";
        return Some(why.to_owned());
    }
    if !seen.authoritative {
        return Some("the system that answered is not the one that enforces".to_owned());
    }
    match &seen.control {
        None => Some("there was no control".to_owned()),
        Some(control) if control.class != seen.class => Some("the control was not of the probe's class".to_owned()),
        Some(control) if !control.alive => Some(format!("the control was not alive: {}", control.what)),
        // Of the same round: within a minute on either side of the probe.
        Some(control) if control.started_at > after(seen.ended_at, 60) || after(control.started_at, 60) < seen.started_at => {
            Some("the control was not of the same round".to_owned())
        }
        Some(_) => None,
    }
}

/// What a round of observations proves together: one accepted use is life; else
/// the strongest death; else unknown, with every reason.
pub fn judge_round(round: &[Observation], acted_at: Option<Timestamp>, settle_ms: i64) -> (Proved, Option<usize>) {
    let judged: Vec<Proved> = round.iter().map(|o| judge(o, acted_at, settle_ms)).collect();
    if let Some(n) = judged.iter().position(|p| p.liveness == Liveness::Live) {
        return (judged[n].clone(), Some(n));
    }
    // A probe of a stronger kind that could not tell does not veto: each class
    // carries its own control. But an expiry that is still ahead does.
    if let Some(n) = judged.iter().position(|p| p.residual_until.is_some()) {
        return (judged[n].clone(), Some(n));
    }
    let best = judged.iter().enumerate().filter(|(_, p)| p.liveness == Liveness::Dead).max_by_key(|(_, p)| p.strength);
    if let Some((n, proved)) = best {
        return (proved.clone(), Some(n));
    }
    let reasons: Vec<&str> = judged.iter().map(|p| p.reason.as_str()).collect();
    let reason = if reasons.is_empty() { "nothing was probed".to_string() } else { reasons.join("; ") };
    let strength = judged.iter().filter_map(|p| p.strength).max();
    (Proved { strength, ..Proved::unknown(reason) }, None)
}

/// What is proved beside what the plane's log tells of uses by others: one that was
/// accepted after the deciding probe began leaves no death standing.
pub fn beside_uses(proved: Proved, probed_at: Timestamp, used: Option<&Used>) -> Proved {
    match used.and_then(|u| u.last_accepted_at) {
        Some(at) if proved.liveness == Liveness::Dead && at >= probed_at => {
            Proved::unknown(format!("the plane's log shows that it was used and accepted at {at}, after the probe"))
        }
        _ => proved,
    }
}

/// What a credential or session is known to be. In JSON in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Life {
    Live,
    Containing,
    Dying,
    Dead,
    Unknown,
    Restored,
}

/// The exposure clock: how long a credential stayed usable by others.
///
/// The end is an interval: *at least* until the last use or last live probe, *at
/// most* until the start of the first dead probe past the settle time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    pub from: Timestamp,
    /// `event`, `vendor_update` or `received`.
    pub from_basis: String,
    pub at_least_until: Option<Timestamp>,
    pub at_most_until: Option<Timestamp>,
    pub running: bool,
}

impl Exposure {
    /// Seconds it lasted at most; up to `now` while it runs.
    pub fn seconds_at_most(&self, now: Timestamp) -> i64 {
        crate::time::seconds_between(self.from, self.at_most_until.unwrap_or(now))
    }
}
