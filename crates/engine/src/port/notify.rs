//! Telling people. Messages go at least once, with a stable id.

use std::collections::BTreeSet;

use quell_core::{
    decision::Role,
    id::{CaseId, PersonId},
};

/// What people are told of a case. Our words only: text from outside stays in the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Stable over repeats, so that a receiver can drop the second.
    pub id: String,
    pub case: CaseId,
    /// The case's first line as it is now, at most 100 characters.
    pub headline: String,
    /// The end of "You are told because".
    pub why: &'static str,
    /// What whoever cannot answer now does.
    pub hand_on: &'static str,
    pub to: Vec<Addressee>,
    /// Channels, and `CHANNEL/PERSON`, that took it at an earlier try or refused it for good.
    pub settled: BTreeSet<String>,
}

/// One of those whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// None for somebody whom only the configuration names.
    pub person: Option<PersonId>,
    /// By which role, where not by name.
    pub role: Option<Role>,
    pub name: String,
    pub email: Option<String>,
    /// It may interrupt a night of theirs.
    pub interrupts: bool,
}

/// What became of one try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// Channels that took it; `CHANNEL/PERSON` where only some of its addressees have it.
    /// Taken is not read.
    pub over: Vec<String>,
    pub failed: Vec<Failed>,
}

/// A channel that did not take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub channel: String,
    /// In our words.
    pub why: String,
    /// A later try may get through.
    pub may_pass: bool,
}

/// The ways to tell people.
#[async_trait::async_trait]
pub trait Notify: Send + Sync {
    /// Hands the message over to every channel that is not settled.
    async fn tell(&self, message: &Message) -> Handed;

    /// Forgets what is kept of earlier messages: a headline may quote what was erased.
    async fn forget(&self) {}
}
