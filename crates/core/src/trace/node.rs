//! What is remembered of one credential, in bounded space.
//!
//! Every part is a minimum, a maximum, a sum or a bounded set chosen by its own
//! order, so records may arrive in any order and give the same node.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use super::{
    fact::{LinkKind, Nature, Outcome, Place},
    few::Few,
};
use crate::time::Timestamp;

/// Distinct things of one sort that one credential is remembered to have done.
/// A tree with more secrets than this says so instead of growing.
pub const KEPT: usize = 20_000;
/// Distinct addresses that are remembered of one credential.
pub const ADDRESSES: usize = 64;

/// What refused tries weigh together, at most: less than anything done.
pub const ATTEMPTS: u32 = 10;

/// A moment and the record that tells of it. Undated records come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub at: Option<Timestamp>,
    pub place: Place,
}

impl Sight {
    fn key(&self) -> (bool, Option<Timestamp>, Place) {
        (self.at.is_none(), self.at, self.place)
    }
}

impl PartialOrd for Sight {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sight {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// How often, first and last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub count: u64,
    pub first: Option<Sight>,
    pub last: Option<Sight>,
}

impl Tally {
    pub(super) fn add(&mut self, sight: Sight) {
        self.count += 1;
        self.first = Some(self.first.map_or(sight, |s| s.min(sight)));
        // Among the last an undated record says least.
        if sight.at.is_some() || self.last.is_none() {
            self.last = Some(self.last.map_or(sight, |s| if s.at.is_none() { sight } else { s.max(sight) }));
        }
    }

    fn absorb(&mut self, other: Self) {
        let count = self.count + other.count;
        for sight in [other.first, other.last].into_iter().flatten() {
            self.add(sight);
        }
        self.count = count;
    }

    pub(super) fn first_at(&self) -> Option<Timestamp> {
        self.first.and_then(|s| s.at)
    }

    pub(super) fn last_at(&self) -> Option<Timestamp> {
        self.last.and_then(|s| s.at)
    }
}

/// Counts under a key, bounded: of too many keys the smallest are kept.
#[derive(Clone, Debug)]
pub(super) struct Counted<K> {
    pub map: Few<K, Tally>,
    pub cut: bool,
}

impl<K> Default for Counted<K> {
    fn default() -> Self {
        Self { map: Few::default(), cut: false }
    }
}

impl<K: Ord> Counted<K> {
    pub(super) fn add(&mut self, key: K, sight: Sight, most: usize) {
        self.map.slot(key).add(sight);
        if self.map.len() > most {
            self.map.pop_last();
            self.cut = true;
        }
    }
}

impl<K: Ord> Counted<K> {
    fn absorb(&mut self, other: Self, most: usize) {
        self.cut |= other.cut;
        for (key, tally) in other.map.into_iter() {
            self.map.slot(key).absorb(tally);
        }
        while self.map.len() > most {
            self.map.pop_last();
            self.cut = true;
        }
    }
}

/// How a credential came to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mint {
    pub sight: Sight,
    pub event: String,
    /// The credential that had it minted.
    pub by: Option<String>,
    pub expires_at: Option<Timestamp>,
    /// The plane's own service that it was handed to.
    pub service: Option<String>,
    pub login: bool,
    /// Read where it is kept, not issued to its holder.
    pub taken: bool,
    pub dies_with_parent: bool,
    pub note: Option<&'static str>,
}

/// A recorded end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ending {
    pub sight: Sight,
    pub event: String,
    pub by: Option<String>,
}

/// Uses from one address.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FromAddress {
    pub uses: u64,
    /// Uses by the machine's own agent.
    pub own_agent: u64,
    /// Uses by a tool of people's desks.
    pub desk_tool: u64,
}

/// One credential.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub kind: LinkKind,
    pub system: String,
    pub identity: Option<String>,
    pub role: Option<String>,
    pub session: Option<String>,
    pub workload: Option<String>,
    pub service: Option<String>,
    pub mint: Option<Mint>,
    pub began: Option<Timestamp>,
    pub uses: Tally,
    pub after: u64,
    pub addresses: Few<String, FromAddress>,
    pub devices: BTreeSet<String>,
    pub endings: BTreeSet<Ending>,
    pub reads: Counted<String>,
    pub takes: Counted<String>,
    pub touches: Counted<String>,
    pub changes: Counted<(Nature, String)>,
    pub launches: Counted<String>,
    pub commands: Counted<String>,
    pub events: Counted<(String, Outcome)>,
    /// Roles and the like that it tried to become, and was refused.
    pub attempts: u64,
    pub act: Vec<String>,
    /// Titles of alerts that name it, and when they say it was seen.
    pub alerts: BTreeSet<String>,
    pub alerted: Tally,
}

impl Node {
    /// First seen, minted or used.
    pub(super) fn first_at(&self) -> Option<Timestamp> {
        let minted = self.mint.as_ref().and_then(|m| m.sight.at);
        [minted, self.uses.first_at(), self.alerted.first_at()].into_iter().flatten().min()
    }

    pub(super) fn last_at(&self) -> Option<Timestamp> {
        let minted = self.mint.as_ref().and_then(|m| m.sight.at);
        let ended = self.endings.iter().filter_map(|e| e.sight.at).max();
        [minted, self.uses.last_at(), ended, self.alerted.last_at()].into_iter().flatten().max()
    }

    /// Fills what is not known yet; of two claims the smaller stays, whoever came first.
    pub(super) fn learn(slot: &mut Option<String>, value: Option<String>) {
        if let Some(value) = value
            && slot.as_ref().is_none_or(|old| value < *old)
        {
            *slot = Some(value);
        }
    }

    /// Two readers may call it differently; the answer does not depend on who came first.
    pub(super) fn is_a(&mut self, kind: LinkKind) {
        self.kind = self.kind.min(kind);
    }

    pub(super) fn acts_for(&mut self, act: Vec<String>) {
        if self.act.is_empty() || (!act.is_empty() && act < self.act) {
            self.act = act;
        }
    }

    /// Takes in what is known of the same credential under another id.
    pub(super) fn absorb(&mut self, other: Self) {
        self.is_a(other.kind);
        Self::learn(&mut self.identity, other.identity);
        Self::learn(&mut self.role, other.role);
        Self::learn(&mut self.session, other.session);
        Self::learn(&mut self.workload, other.workload);
        Self::learn(&mut self.service, other.service);
        if self.system.is_empty() || (!other.system.is_empty() && other.system < self.system) {
            self.system = other.system;
        }
        self.mint = [self.mint.take(), other.mint].into_iter().flatten().min();
        self.began = [self.began, other.began].into_iter().flatten().min();
        self.uses.absorb(other.uses);
        self.after += other.after;
        for (address, from) in other.addresses.into_iter() {
            let mine = self.addresses.slot(address);
            mine.uses += from.uses;
            mine.own_agent += from.own_agent;
            mine.desk_tool += from.desk_tool;
        }
        self.devices.extend(other.devices);
        self.endings.extend(other.endings);
        self.reads.absorb(other.reads, KEPT);
        self.takes.absorb(other.takes, KEPT);
        self.touches.absorb(other.touches, KEPT);
        self.changes.absorb(other.changes, KEPT);
        self.launches.absorb(other.launches, KEPT);
        self.commands.absorb(other.commands, KEPT);
        self.events.absorb(other.events, KEPT);
        self.attempts += other.attempts;
        self.acts_for(other.act);
        self.alerts.extend(other.alerts);
        self.alerted.absorb(other.alerted);
    }

    /// Remembers an address; beyond the bound the smallest stay.
    pub(super) fn came_from(&mut self, address: String, own_agent: bool, desk_tool: bool) {
        let from = self.addresses.slot(address);
        from.uses += 1;
        from.own_agent += u64::from(own_agent);
        from.desk_tool += u64::from(desk_tool);
        if self.addresses.len() > ADDRESSES {
            self.addresses.pop_last();
        }
    }

    /// How much it did that outlives it; 0 is a credential that only looked.
    pub(super) fn weight(&self) -> u32 {
        let done = self.reads.map.len() + self.takes.map.len() + self.changes.map.len() + self.launches.map.len() + self.commands.map.len();
        let grave = u32::try_from(done).unwrap_or(u32::MAX).saturating_mul(2 * ATTEMPTS);
        let tries = u32::try_from(self.attempts).unwrap_or(ATTEMPTS).min(ATTEMPTS);
        grave.saturating_add(tries).saturating_add(if self.alerts.is_empty() { 0 } else { 1000 })
    }
}
