//! What everybody was told, newest first: the channel that is always there.
//!
//! The log has the ids alone: a line quotes names of the inventory, which may be erased.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use quell_core::time::Timestamp;
use quell_engine::port::{Addressee, Message};

/// Remembered at most.
const REMEMBERED_MAX: usize = 1_000;

/// The newest messages.
#[derive(Default)]
pub struct Inbox {
    told: Mutex<VecDeque<(Timestamp, Message)>>,
}

impl Inbox {
    /// What was told to a person, or to whoever is called so, newest first; with whether
    /// it was to interrupt them.
    pub fn to(&self, person: &str, name: &str) -> Vec<(Timestamp, Message, bool)> {
        let is_for = |a: &Addressee| a.person.as_ref().map_or(a.name == name, |id| id.as_str() == person);
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = told.iter().rev().filter_map(|(at, m)| Some((*at, m.clone(), m.to.iter().find(|a| is_for(a))?.interrupts)));
        mine.collect()
    }

    /// Takes one; a second of its id is the same.
    pub fn take(&self, at: Timestamp, message: &Message) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.iter().any(|(_, m)| m.id == message.id && m.case == message.case) {
            return;
        }
        let pages = message.to.iter().any(|a| a.interrupts);
        if pages {
            tracing::warn!(case = %message.case, id = message.id, people = message.to.len(), "paged");
        } else {
            tracing::info!(case = %message.case, id = message.id, people = message.to.len(), "told");
        }
        if told.len() == REMEMBERED_MAX {
            told.pop_front();
        }
        told.push_back((at, message.clone()));
    }

    /// Forgets everything.
    pub fn forget(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
