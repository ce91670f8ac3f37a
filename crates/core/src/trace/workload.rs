//! Sessions that a plane made for a machine, and who really holds them.
//!
//! A cloud hands a machine two sessions in one second, under one role and one
//! name; a thief may have one of them while the machine's agent uses the other.
//! Told apart by key, session and address together: the machine's own address is
//! where its agent reports from; a person's is where the one who started the
//! machine calls from. An address alone joins nobody.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

use super::{
    Trace,
    node::{Node, Sight, Tally},
    weave::Bond,
};
use crate::inventory::Basis;

/// A machine's session, seen in two places, or where people are.
const BY_PLACE: u8 = 75;
/// A machine's session, used from one place with a tool that people type into.
const BY_TOOL: u8 = 50;

/// A machine, as far as somebody had a hand in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Workload {
    /// Credentials that started it or made it run something.
    pub hands: BTreeMap<String, Tally>,
}

impl Workload {
    pub(super) fn handled(&mut self, by: Option<&str>, sight: Sight) {
        if let Some(by) = by {
            self.hands.entry(by.into()).or_default().add(sight);
        }
    }
}

/// Where a machine's session stands.
pub(super) enum Holder {
    /// In somebody's hands: minted from that credential, in effect.
    Bound(Bond),
    /// Used away from the machine, by nobody who is known.
    Away(String, u8),
    /// The machine's own.
    Own(String),
}

impl Trace {
    /// Who holds each session that was made for a machine.
    pub(super) fn holders(&self) -> BTreeMap<String, Holder> {
        let mut machines: BTreeMap<&str, Vec<(&String, &Node)>> = BTreeMap::new();
        for (id, node) in &self.nodes {
            if let Some(machine) = &node.workload {
                machines.entry(machine).or_default().push((id, node));
            }
        }
        let people = self.peoples_addresses(&machines);
        let mut out = BTreeMap::new();
        for (machine, sessions) in machines {
            let own: BTreeSet<&String> =
                sessions.iter().flat_map(|(_, n)| n.addresses.iter()).filter(|(_, from)| from.own_agent > 0).map(|(a, _)| a).collect();
            let all: BTreeSet<&String> = sessions.iter().flat_map(|(_, n)| n.addresses.keys()).collect();
            for (id, node) in &sessions {
                let holder = self.holder(machine, id, node, &own, all.len(), &people);
                out.insert((*id).clone(), holder);
            }
        }
        out
    }

    fn holder(
        &self,
        machine: &str,
        id: &str,
        node: &Node,
        own: &BTreeSet<&String>,
        addresses: usize,
        people: &BTreeSet<&String>,
    ) -> Holder {
        let foreign: BTreeSet<&String> = node.addresses.keys().filter(|a| !own.contains(*a)).collect();
        if node.uses.count == 0 {
            return Holder::Own(format!("made for the machine `{machine}`; no use of it is seen anywhere"));
        }
        if foreign.is_empty() {
            return Holder::Own(format!("used only from where the agent of `{machine}` itself reports: the machine's own session"));
        }
        let basis = if node.mint.is_some() { Basis::Observed } else { Basis::Possible };
        let hands = self.workloads.get(machine).map(|w| &w.hands);
        let mut near: Vec<(Sight, &String)> = Vec::new();
        for (hand, tally) in hands.into_iter().flatten().filter(|(hand, _)| *hand != id) {
            let shares = self.nodes.get(hand).is_some_and(|h| h.addresses.keys().any(|a| foreign.contains(a)));
            if let Some(first) = tally.first.filter(|_| shares) {
                near.push((first, hand));
            }
        }
        if let Some((_, hand)) = near.into_iter().min() {
            let confidence = if node.mint.is_some() { 80 } else { 60 };
            let reason = format!(
                "made for the machine `{machine}`, which `{hand}` had in hand, and used from an address of `{hand}` where that machine is not"
            );
            return Holder::Bound(Bond { from: hand.clone(), basis, confidence, reason: Some(reason) });
        }
        let on_a_desk = node.addresses.values().any(|from| from.desk_tool > 0);
        let away = !own.is_empty() || addresses > 1 || on_a_desk || foreign.iter().any(|a| people.contains(*a));
        if !away {
            return Holder::Own(format!("used from one address only, taken for that of the machine `{machine}` itself"));
        }
        match hands.into_iter().flatten().filter(|(hand, _)| *hand != id).filter_map(|(hand, t)| Some((t.first?, hand))).min() {
            Some((_, hand)) => {
                let reason = format!(
                    "made for the machine `{machine}`, which `{hand}` had in hand, and used away from it, from an address that nobody known calls from"
                );
                Holder::Bound(Bond { from: hand.clone(), basis: Basis::Possible, confidence: 45, reason: Some(reason) })
            }
            // A tool alone says less than a second place does.
            None if own.is_empty() && addresses == 1 && on_a_desk => {
                Holder::Away(format!("made for the machine `{machine}`, and used away from it, by the tool that was used"), BY_TOOL)
            }
            None => Holder::Away(format!("made for the machine `{machine}`, and used away from it"), BY_PLACE),
        }
    }

    /// Addresses that somebody calls from who is no machine and no service.
    fn peoples_addresses<'a>(&'a self, machines: &BTreeMap<&str, Vec<(&String, &Node)>>) -> BTreeSet<&'a String> {
        if machines.is_empty() {
            return BTreeSet::new();
        }
        self.nodes.values().filter(|n| n.workload.is_none() && n.service.is_none()).flat_map(|n| n.addresses.keys()).collect()
    }
}
