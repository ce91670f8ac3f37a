//! What happened to credentials, put together from log records: login, token,
//! role session, key, agent.
//!
//! Facts come in any order and in any number; what is kept grows with the number
//! of credentials, not of records, and every part of it is a minimum, a sum or a
//! bounded set, so shuffled delivery gives the same answer. [`Trace::tell`] then
//! says which credential was minted from which, on what ground, and what is in
//! no chain and why. An address alone never decides; a record of an end is never
//! a death; what nobody saw is said.
//!
//! ```text
//! records -> Fact -> Trace (nodes) -> weave (what came from what) -> cases (chain, aside, plan)
//! ```
//!
//! Reading order: `fact`, `node`, `weave`, `workload`, `cases`, `plan`.

mod aside;
mod cases;
mod chain;
mod deliveries;
mod fact;
mod few;
mod life;
mod names;
mod node;
mod plan;
mod signing;
mod weave;
mod workload;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

pub use chain::{Aside, Changed, End, Evidence, Investigation, Link, Moment, Proposal, Root, SecretRead, TracedCase, UnreadableRecord};
pub use deliveries::REMEMBERED;
pub use fact::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Nature, Outcome, Place};

use self::{
    deliveries::Deliveries,
    names::Names,
    node::{Ending, KEPT, Mint, Node, Sight},
    workload::Workload,
};
use crate::{inventory::Basis, time::Timestamp};

/// Most credentials that are kept, at some 1.5 kB each. Beyond it the answer says
/// how many were not.
pub const CREDENTIALS_MAX: usize = 500_000;
/// Kinds of event that are kept of one credential.
const EVENTS: usize = 400;
/// Endings that are kept of one credential.
const ENDINGS: usize = 16;

/// Everything that the records told.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Boxed, because a tree keeps empty room beside each.
    nodes: BTreeMap<String, Box<Node>>,
    /// Names of identities.
    names: Names,
    /// Ids of credentials.
    twins: Names,
    workloads: BTreeMap<String, Workload>,
    /// Identities that were made, when and by which credential.
    made: BTreeMap<String, (Sight, Option<String>)>,
    /// Endings of whole identities, and of the sessions of one.
    ended_identities: BTreeMap<String, BTreeSet<Ending>>,
    ended_sessions: BTreeMap<String, BTreeSet<Ending>>,
    /// The last moment each system tells of.
    clocks: BTreeMap<String, Timestamp>,
    deliveries: Deliveries,
    contained_at: Option<Timestamp>,
    /// Uses after a recorded end, counted in a second reading.
    again: BTreeMap<String, (Timestamp, u64)>,
    counting: bool,
    /// Derivations that an inventory knows, by what they lead to.
    inventory: BTreeMap<String, (String, String, Basis)>,
    lost: u64,
    alerts_without: Vec<Aside>,
}

/// An alert that names a credential or an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerted {
    /// Its key, for what can be attached nowhere.
    pub key: String,
    /// As its sender wrote it.
    pub title: String,
    pub at: Option<Timestamp>,
    pub system: Option<String>,
    pub identity: Option<String>,
    pub credential: Option<String>,
    pub kind: LinkKind,
    pub place: Place,
}

impl Trace {
    /// With a time of containment, accepted uses after it are counted for every link.
    pub fn new(contained_at: Option<Timestamp>) -> Self {
        Self { contained_at, ..Self::default() }
    }

    /// Takes one record's fact.
    pub fn take(&mut self, place: Place, fact: Fact) {
        // Also of a second copy: another system may tell the same event with more names.
        if !self.counting {
            for (a, b) in &fact.aliases {
                self.names.join(a, b);
            }
        }
        let bearer = fact.by.as_ref().and_then(|b| b.credential.as_deref()).unwrap_or_default();
        if let Some(id) = &fact.record_id
            && !self.deliveries.is_first([&fact.system, &fact.event, id, bearer].into_iter().chain(fact.deeds.iter().map(Deed::about)))
        {
            return;
        }
        if self.counting {
            self.count_again(&fact);
            return;
        }
        let sight = Sight { at: fact.at, place };
        if let Some(at) = fact.at {
            let clock = self.clocks.entry(fact.system.clone()).or_insert(at);
            *clock = (*clock).max(at);
        }
        let told = fact.deeds.iter().any(|d| matches!(d, Deed::Hit(_)));
        let by = fact.by.and_then(|b| self.came(b, &fact.system, &fact.event, fact.outcome, sight, told));
        if fact.outcome != Outcome::Done {
            if let Some(node) = by.as_ref().and_then(|id| self.nodes.get_mut(id)) {
                node.attempts += u64::from(!fact.deeds.is_empty());
            }
            return;
        }
        for deed in fact.deeds {
            self.happened(deed, by.as_deref(), &fact.system, &fact.event, sight);
        }
    }

    /// Takes an alert: it makes its subject the matter of a case.
    pub fn alert(&mut self, alert: Alerted) {
        if self.counting {
            return;
        }
        let Some(id) = alert.credential.clone().or_else(|| alert.identity.as_ref().map(|i| format!("{i}#alerted"))) else {
            let reason = "the alert names no identity and no credential that is known here; compare its fingerprint with the inventory";
            self.alerts_without.push(Aside { id: alert.key, reason: reason.to_string() });
            return;
        };
        let sight = Sight { at: alert.at, place: alert.place };
        let Some(node) = self.node(&id, &alert.system.unwrap_or_default()) else { return };
        node.alerts.insert(alert.title);
        node.alerted.add(sight);
        Node::learn(&mut node.identity, alert.identity);
        node.is_a(alert.kind);
    }

    /// A derivation that an inventory knows: whoever holds `from` has `to`.
    pub fn derivation(&mut self, from: &str, to: &str, via: &str, basis: Basis) {
        let known = (from.to_string(), via.to_string(), basis);
        let kept = self.inventory.entry(to.to_string()).or_insert_with(|| known.clone());
        *kept = kept.clone().min(known);
    }

    /// Joins two names of one identity, known from an inventory.
    pub fn alias(&mut self, a: &str, b: &str) {
        self.names.join(a, b);
    }

    /// Must the records be read once more, to count uses after recorded ends
    /// exactly? The ends are known only now, and keeping every use would let
    /// memory grow with the log.
    pub fn wants_second_reading(&mut self) -> bool {
        self.settle();
        let ends: Vec<(String, Timestamp)> = self
            .nodes
            .iter()
            .filter_map(|(id, node)| {
                let end = self.end_of(id, node)?.sight.at?;
                node.uses.last_at().filter(|last| *last > end).map(|_| (id.clone(), end))
            })
            .collect();
        self.again = ends.into_iter().map(|(id, at)| (id, (at, 0))).collect();
        self.counting = !self.again.is_empty();
        self.deliveries = Deliveries::default();
        self.counting
    }

    fn count_again(&mut self, fact: &Fact) {
        if fact.outcome == Outcome::Rejected {
            return;
        }
        let Some(id) = fact.by.as_ref().and_then(|b| b.credential.as_deref()) else { return };
        if let Some((after, count)) = self.again.get_mut(self.twins.shown(id))
            && fact.at.is_some_and(|at| at > *after)
        {
            *count += 1;
        }
    }

    /// The latest recorded end of a credential: its own, or of whom it belongs to.
    fn end_of<'a>(&'a self, id: &str, node: &'a Node) -> Option<&'a Ending> {
        let began = node.mint.as_ref().and_then(|m| m.sight.at).or(node.began).or(node.uses.first_at());
        let whole = |of: &Option<String>| of.as_ref().and_then(|i| self.ended_identities.get(self.names.shown(i)));
        let sessions = [&node.role, &node.identity]
            .into_iter()
            .flatten()
            .filter(|_| node.kind.is_session())
            .filter_map(|of| self.ended_sessions.get(self.names.shown(of)))
            .flatten()
            .filter(|e| e.sight.at >= began);
        let own = node.endings.iter();
        own.chain(whole(&node.identity).into_iter().flatten()).chain(sessions).max().filter(|_| !id.is_empty())
    }

    /// Remembers that somebody came, and gives back under which id. What a
    /// detector tells of is no use that was seen.
    fn came(&mut self, bearer: Bearer, system: &str, event: &str, outcome: Outcome, sight: Sight, told: bool) -> Option<String> {
        let id = bearer.credential?;
        let contained_at = self.contained_at;
        let kept_by_service = bearer.service.is_some() && bearer.workload.is_none();
        let node = self.node(&id, system)?;
        node.is_a(bearer.kind);
        Node::learn(&mut node.identity, bearer.identity);
        Node::learn(&mut node.role, bearer.role);
        Node::learn(&mut node.session, bearer.session);
        Node::learn(&mut node.workload, bearer.workload);
        Node::learn(&mut node.service, bearer.service);
        if let Some(began) = bearer.began {
            node.began = Some(node.began.map_or(began, |b| b.min(began)));
        }
        node.acts_for(bearer.act);
        if outcome == Outcome::Rejected {
            node.events.add((event.to_string(), outcome), sight, EVENTS);
            return Some(id);
        }
        // What a service draws and keeps can be told by its number; there are
        // more of them than of everything else.
        if kept_by_service {
            node.uses.add(sight);
            return Some(id);
        }
        if told {
            node.events.add((event.to_string(), outcome), sight, EVENTS);
            return Some(id);
        }
        node.uses.add(sight);
        if contained_at.zip(sight.at).is_some_and(|(t, at)| at > t) {
            node.after += 1;
        }
        if let Some(address) = bearer.address {
            node.came_from(address, bearer.own_agent, bearer.desk_tool);
        }
        if let Some(device) = bearer.device {
            node.devices.insert(device);
            if node.devices.len() > node::ADDRESSES {
                node.devices.pop_last();
            }
        }
        node.events.add((event.to_string(), outcome), sight, EVENTS);
        Some(id)
    }

    /// One thing that became of credentials.
    fn happened(&mut self, deed: Deed, by: Option<&str>, system: &str, event: &str, sight: Sight) {
        let ending = || Ending { sight, event: event.to_string(), by: by.map(ToString::to_string) };
        match deed {
            Deed::Mint(minted) => self.minted(minted, by, system, event, sight),
            Deed::End(Ended::Credential(id)) => {
                if let Some(node) = self.node(&id, system) {
                    node.endings.insert(ending());
                    if node.endings.len() > ENDINGS {
                        // The latest counts, so the earliest goes.
                        node.endings.pop_first();
                    }
                }
            }
            Deed::End(Ended::Identity(identity)) => {
                keep(self.ended_identities.entry(identity).or_default(), ending());
            }
            Deed::End(Ended::SessionsOf(of)) => keep(self.ended_sessions.entry(of).or_default(), ending()),
            Deed::Take { credential, kind, identity } => {
                let holder = by.map(ToString::to_string);
                if let Some(node) = self.node(&credential, system) {
                    node.is_a(kind);
                    Node::learn(&mut node.identity, identity);
                    let mint = Mint {
                        sight,
                        event: event.to_string(),
                        by: holder,
                        expires_at: None,
                        service: None,
                        login: false,
                        taken: true,
                        dies_with_parent: false,
                        note: Some("not issued to whoever holds it: it was read where it is kept"),
                    };
                    node.mint = Some(node.mint.take().map_or(mint.clone(), |old| old.min(mint)));
                }
                if let Some(node) = self.held_by(by) {
                    node.takes.add(credential, sight, KEPT);
                }
            }
            Deed::Read(secret) => {
                if let Some(node) = self.held_by(by) {
                    node.reads.add(secret, sight, KEPT);
                }
            }
            Deed::Change { nature, target } => {
                if let Some(node) = self.held_by(by) {
                    node.changes.add((nature, target), sight, KEPT);
                }
            }
            Deed::Attempt => {}
            Deed::Touch(what) => {
                if let Some(node) = self.held_by(by) {
                    node.touches.add(what, sight, KEPT);
                }
            }
            Deed::Accuse { identity, why } => {
                if let Some(node) = self.node(&format!("{identity}#alerted"), system) {
                    node.alerts.insert(why.to_string());
                    node.alerted.add(sight);
                    Node::learn(&mut node.identity, Some(identity));
                }
            }
            Deed::Hit(title) => match self.held_by(by) {
                Some(node) => {
                    node.alerts.insert(title);
                    node.alerted.add(sight);
                }
                None => {
                    let reason = "the rule's match names no identity and no credential".to_string();
                    self.alerts_without.push(Aside { id: format!("{system}: {title}"), reason });
                }
            },
            Deed::Make(identity) => {
                let made = (sight, by.map(ToString::to_string));
                let known = self.made.entry(identity.clone()).or_insert_with(|| made.clone());
                *known = known.clone().min(made);
                if let Some(node) = self.held_by(by) {
                    node.changes.add((Nature::Identity, identity), sight, KEPT);
                }
            }
            Deed::Launch(workload) => {
                self.workloads.entry(workload.clone()).or_default().handled(by, sight);
                if let Some(node) = self.held_by(by) {
                    node.launches.add(workload, sight, KEPT);
                }
            }
            Deed::Command(workload) => {
                self.workloads.entry(workload.clone()).or_default().handled(by, sight);
                if let Some(node) = self.held_by(by) {
                    node.commands.add(workload, sight, KEPT);
                }
            }
        }
    }

    fn minted(&mut self, minted: Minted, by: Option<&str>, system: &str, event: &str, sight: Sight) {
        for also in &minted.also {
            self.twins.join_under(&minted.id, also);
        }
        let mint = Mint {
            sight,
            event: event.to_string(),
            by: by.map(ToString::to_string),
            expires_at: minted.expires_at,
            service: minted.service.clone(),
            login: minted.login,
            taken: false,
            dies_with_parent: minted.dies_with_parent,
            note: minted.note,
        };
        let Some(node) = self.node(&minted.id, system) else { return };
        node.is_a(minted.kind);
        Node::learn(&mut node.identity, minted.identity);
        Node::learn(&mut node.role, minted.role);
        Node::learn(&mut node.session, minted.session);
        Node::learn(&mut node.workload, minted.workload);
        node.acts_for(minted.act);
        node.mint = Some(node.mint.take().map_or(mint.clone(), |old| old.min(mint)));
    }

    fn held_by(&mut self, by: Option<&str>) -> Option<&mut Node> {
        by.and_then(|id| self.nodes.get_mut(id)).map(|node| &mut **node)
    }

    /// The node of an id, new if there is room.
    fn node(&mut self, id: &str, system: &str) -> Option<&mut Node> {
        if !self.nodes.contains_key(id) {
            if self.nodes.len() >= CREDENTIALS_MAX {
                self.lost += 1;
                return None;
            }
            self.nodes.insert(id.to_string(), Box::default());
        }
        let node = self.nodes.get_mut(id)?;
        if node.system.is_empty() || (!system.is_empty() && system < node.system.as_str()) {
            node.system = system.to_string();
        }
        Some(node)
    }

    /// Brings together what went under two names. All pairs are known by now,
    /// so the order in which they came has no part in it.
    fn settle(&mut self) {
        self.names.settle();
        self.twins.settle();
        let twins: Vec<(String, String)> =
            self.nodes.keys().map(|id| (id.clone(), self.twins.shown(id).to_string())).filter(|(id, shown)| id != shown).collect();
        for (id, shown) in twins {
            if let Some(node) = self.nodes.remove(&id) {
                self.nodes.entry(shown).or_default().absorb(*node);
            }
        }
        for node in self.nodes.values_mut() {
            if let Some(mint) = &mut node.mint
                && let Some(by) = &mut mint.by
            {
                *by = self.twins.shown(by).to_string();
            }
        }
        // What only the inventory knows joins the tree of what is seen; whatever
        // was seen on its own stays on its own.
        let mut grew = true;
        while grew {
            let new: Vec<String> = self
                .inventory
                .iter()
                .filter(|(to, (from, _, _))| self.nodes.contains_key(from) && !self.nodes.contains_key(*to))
                .map(|(to, _)| to.clone())
                .collect();
            grew = !new.is_empty();
            for to in new {
                let system =
                    self.inventory.get(&to).and_then(|(from, _, _)| self.nodes.get(from)).map(|n| n.system.clone()).unwrap_or_default();
                self.nodes.insert(to, Box::new(Node { system, ..Node::default() }));
            }
        }
        for map in [&mut self.ended_identities, &mut self.ended_sessions] {
            for (name, endings) in core::mem::take(map) {
                let set = map.entry(self.names.shown(&name).to_string()).or_default();
                endings.into_iter().for_each(|e| keep(set, e));
            }
        }
    }
}

fn keep(set: &mut BTreeSet<Ending>, ending: Ending) {
    set.insert(ending);
    if set.len() > ENDINGS {
        set.pop_first();
    }
}
