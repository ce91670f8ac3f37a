//! Telling people while no mail or chat is connected: the log, and what is
//! remembered for everybody's inbox.
//!
//! Messages consist of our own words and inventory names, so they may stand in
//! a log. They come at least once; the id drops the second.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use quell_core::time::Timestamp;
use quell_engine::port::{Clock, Message, Notify};

/// Remembered at most.
const REMEMBERED_MAX: usize = 1_000;

/// The newest messages, and the log.
pub struct Notices {
    clock: Arc<dyn Clock>,
    told: Mutex<VecDeque<(Timestamp, Message)>>,
}

impl Notices {
    /// Remembers nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, told: Mutex::default() }
    }

    /// What was told to any of `names`, newest first.
    pub fn to(&self, names: &[&str]) -> Vec<(Timestamp, Message)> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().rev().filter(|(_, m)| names.contains(&m.to.as_str())).cloned().collect()
    }
}

#[async_trait::async_trait]
impl Notify for Notices {
    async fn tell(&self, message: &Message) -> Result<(), String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.iter().any(|(_, m)| m.id == message.id && m.to == message.to) {
            return Ok(());
        }
        if message.pages {
            tracing::warn!(id = message.id, to = message.to, headline = message.headline, "paged");
        } else {
            tracing::info!(id = message.id, to = message.to, headline = message.headline, "told");
        }
        if told.len() == REMEMBERED_MAX {
            told.pop_front();
        }
        told.push_back((self.clock.now(), message.clone()));
        Ok(())
    }

    async fn forget(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
