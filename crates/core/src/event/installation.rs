//! Family `policy`: what holds for the whole installation.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{action::Action, personal::Personal, time::Timestamp};

/// A policy set is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyLoaded {
    pub digest: String,
    pub files: Vec<(String, String)>,
}

/// A named person armed actions of a plane until a date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorArmed {
    pub connector: String,
    pub actions: Vec<Action>,
    pub until: Timestamp,
}

/// It observes again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorDisarmed {
    pub connector: String,
}

/// Nothing is acted on by automation; probes go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutomationPaused {
    pub until: Timestamp,
    pub reason: Option<Personal>,
}

/// Another person ended the pause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutomationResumed {}

/// The wall clock went back or leapt; what was open lapses (invariant 17).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockStepped {
    pub from: Timestamp,
    pub to: Timestamp,
}
