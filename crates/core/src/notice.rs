//! Who is told of a case, why, and whether they may be interrupted for it.
//!
//! A notice is due with the event that causes it and is handed over until every channel
//! took it, or a day is over: at least once, with one id. What was handed over says nothing of who read it;
//! that people were asked and have not answered is a fact of the case itself.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::{
    decision::Role,
    event::{Event, NoticeHanded},
    id::PersonId,
    personal::Personal,
    time::{SignedDuration, Timestamp, after},
};

/// How often one person is interrupted within an hour; what comes after waits in their
/// inbox and beside the next interruption.
pub const INTERRUPTIONS_MAX: usize = 3;
/// The hour of [`INTERRUPTIONS_MAX`], in seconds.
pub const INTERRUPTIONS_SECONDS: i64 = 3_600;
/// How long a notice is tried that somebody has already, in seconds.
pub const TRIED_SECONDS: i64 = 24 * 3_600;
/// Between two tries, in seconds, at least and at most.
const PAUSE_SECONDS: (i64, i64) = (5, 300);

/// Whom a notice is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    Person(PersonId),
    /// Whoever holds it when the notice is handed over.
    Role(Role),
    /// Somebody outside, as the configuration names them.
    Named(Personal),
}

/// Why somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A plan waits for their yes.
    Asked,
    /// Nobody who may approve is left.
    LastResort,
    /// A step is theirs to do by hand.
    HandedOver,
    /// Somebody who must keep working stopped.
    Collateral,
    /// What was proved dead is alive again.
    Reverted,
    /// What is dead was tried again.
    Reused,
    /// Their yes was missing, and the plan ran all the same.
    PassedOver,
    /// A source that they answer for is not as it should be.
    Telemetry,
}

impl Cause {
    /// The end of "You are told because".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Asked => "a plan of this case waits for your yes or no",
            Self::LastResort => "nobody else is left who may approve, and you are the last resort",
            Self::HandedOver => "a step of its plan is yours to do by hand",
            Self::Collateral => "somebody who must keep working stopped after a step of its plan",
            Self::Reverted => "something that was proved dead is alive again",
            Self::Reused => "a dead credential of this case was tried again",
            Self::PassedOver => "its plan ran without your yes, and the review is yours",
            Self::Telemetry => "a source of alerts that you answer for is not as it should be",
        }
    }

    /// What to do for whoever cannot answer now.
    pub fn hand_on(self) -> &'static str {
        match self {
            Self::Asked => "Who cannot answer leaves it: at the deadline the case asks the next, and says that you were asked.",
            Self::LastResort => "Nobody is asked after you.",
            Self::HandedOver | Self::PassedOver => "To hand it on, write a note in the case that names who has it.",
            Self::Collateral | Self::Reverted | Self::Reused => "To hand it on, let another person take the lead in the case.",
            Self::Telemetry => "To hand it on, name another owner of the source.",
        }
    }

    /// It is not counted against the interruptions of an hour: what is said is worse than
    /// being interrupted once more.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Reverted | Self::Collateral | Self::LastResort)
    }

    /// Once the case is over there is nothing left to tell.
    pub fn ends_with_its_case(self) -> bool {
        matches!(self, Self::Asked | Self::LastResort | Self::HandedOver)
    }
}

/// Whether a person who was interrupted `before` times in the last hour may be interrupted
/// for this, too.
pub fn may_interrupt(cause: Cause, before: usize) -> bool {
    cause.is_urgent() || before < INTERRUPTIONS_MAX
}

/// The channel of what took a notice, or did not: each addressee may have one of their own.
pub fn channel_of(mark: &str) -> &str {
    mark.split('/').next().unwrap_or(mark)
}

/// One notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub to: To,
    pub cause: Cause,
    /// It may interrupt.
    pub pages: bool,
    pub due_at: Timestamp,
    /// The tries that the record has, in order.
    pub handed: Vec<(NoticeHanded, Timestamp)>,
    /// Why nobody tries any more.
    pub dropped: Option<(String, Timestamp)>,
}

impl Notice {
    /// Channels that took it.
    pub fn taken_by(&self) -> BTreeSet<&str> {
        self.handed.iter().flat_map(|(h, _)| &h.over).map(String::as_str).collect()
    }

    /// Channels, and `CHANNEL/PERSON`, that are not asked again: what took it, and what
    /// refused it for good.
    pub fn settled(&self) -> BTreeSet<&str> {
        let failed = self.handed.iter().flat_map(|(h, _)| &h.failed).filter(|f| !f.again);
        self.taken_by().into_iter().chain(failed.map(|f| f.channel.as_str())).collect()
    }

    /// Whom it may interrupt, as it was at the first try.
    pub fn interrupts(&self) -> Option<&[PersonId]> {
        self.handed.iter().find(|(h, _)| !h.people.is_empty()).map(|(h, _)| h.interrupts.as_slice())
    }

    /// Nothing more is to be done: the last try met no failure that may pass.
    pub fn is_over(&self) -> bool {
        self.dropped.is_some() || self.handed.last().is_some_and(|(h, _)| h.failed.iter().all(|f| !f.again))
    }

    /// In one word what became of it. `told` is what every channel took, or all that had
    /// to; nobody knows who read it.
    pub fn standing(&self) -> &'static str {
        let taken = !self.taken_by().is_empty();
        let given_up = self.handed.iter().flat_map(|(h, _)| &h.failed).any(|f| !f.again);
        match self.handed.last() {
            _ if self.dropped.is_some() && !taken => "dropped",
            None => "due",
            Some((last, _)) if taken && last.failed.is_empty() && !given_up => "told",
            Some(_) if taken => "told_in_part",
            Some(_) if !self.is_over() => "failing",
            Some(_) => "untold",
        }
    }

    /// Whether it is worth another try at `now`. What nobody has is tried as long as its case
    /// is open, whatever a clock says; what somebody has, for a day.
    pub fn is_tried(&self, now: Timestamp, is_open: bool) -> bool {
        let is_owed = is_open && self.taken_by().is_empty();
        is_owed || self.age_seconds(now) < TRIED_SECONDS
    }

    /// When it is tried again after a failure at `now`: as much later as it is old, so that a
    /// channel that is down is asked less and less.
    pub fn next_try(&self, now: Timestamp) -> Timestamp {
        after(now, self.age_seconds(now).clamp(PAUSE_SECONDS.0, PAUSE_SECONDS.1))
    }

    fn age_seconds(&self, now: Timestamp) -> i64 {
        now.duration_since(self.due_at).max(SignedDuration::ZERO).as_secs()
    }
}

/// The notices of one case, by their ids: the fold of its stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notices(pub BTreeMap<String, Notice>);

impl Notices {
    /// The notices after one more event.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::NoticeDue(e) => {
                let new = || Notice { to: e.to.clone(), cause: e.cause, pages: e.pages, due_at: at, handed: Vec::new(), dropped: None };
                self.0.entry(e.notice.to_string()).or_insert_with(new);
            }
            Event::NoticeHanded(e) => {
                if let Some(notice) = self.0.get_mut(&e.notice) {
                    notice.handed.push((e.clone(), at));
                }
            }
            Event::NoticeDropped(e) => {
                if let Some(notice) = self.0.get_mut(&e.notice) {
                    notice.dropped = Some((e.because.clone(), at));
                }
            }
            _ => {}
        }
    }
}
