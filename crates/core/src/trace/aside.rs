//! What is in no chain, and why: nobody innocent stands inside, and nothing is
//! dropped in silence.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    Trace,
    cases::{Forest, Group},
    chain::{Aside, TracedCase},
    node::Node,
    weave::Woven,
};

/// Entries of one list; beyond it the last entry says how many more.
const ASIDE_MAX: usize = 1_000;

impl Trace {
    /// Credentials of the same systems that a reader might take for part of the case.
    pub(super) fn excluded(&self, group: &Group<'_>, forest: &Forest<'_>, inside: &BTreeSet<&str>) -> Vec<Aside> {
        let systems: BTreeSet<&str> = group.members.iter().map(|id| self.nodes[*id].system.as_str()).collect();
        let people: BTreeSet<&str> =
            group.roots.iter().filter_map(|id| self.nodes[*id].identity.as_deref()).map(|i| self.names.shown(i)).collect();
        let addresses: BTreeSet<&String> = group.members.iter().flat_map(|id| self.nodes[*id].addresses.keys()).collect();
        let outside = self.nodes.iter().filter(|(id, n)| {
            systems.contains(n.system.as_str()) && !group.members.contains(id.as_str()) && !forest.woven.lonely.contains_key(*id)
        });
        let mut out: Vec<Aside> = outside
            .map(|(id, node)| {
                let who = node.identity.as_deref().map(|i| self.names.shown(i));
                let shares = node.addresses.keys().find(|a| addresses.contains(a));
                let reason = match forest.woven.own.get(id) {
                    Some(own) => own.clone(),
                    None if inside.contains(id.as_str()) => "in another case: nothing joins the two".to_string(),
                    None if who.is_some_and(|w| people.contains(w)) => another_channel(node),
                    None => match shares {
                        Some(address) => format!("another identity; it shares the address {address}, and an address alone decides nothing"),
                        None => "another identity: nothing here was minted from the chain, and it minted nothing in it".to_string(),
                    },
                };
                Aside { id: id.clone(), reason }
            })
            .collect();
        out.sort();
        bounded(out)
    }

    /// What is in no case although it lacks an origin, and alerts that name nobody.
    pub(super) fn unattached(&self, woven: &Woven, inside: &BTreeSet<&str>, cases: &[TracedCase]) -> Vec<Aside> {
        let mut roles: BTreeMap<&str, &str> = BTreeMap::new();
        let mut addresses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for case in cases {
            for change in &case.changes {
                roles.entry(change.target.as_str()).or_insert(change.by.as_str());
            }
            for link in &case.chain {
                for address in &link.addresses {
                    addresses.entry(address).or_default().insert(&link.id);
                }
            }
        }
        let mut out: Vec<Aside> = self.alerts_without.clone();
        for (id, why) in woven.lonely.iter().filter(|(id, _)| !inside.contains(id.as_str())) {
            let node = &self.nodes[id];
            let mut hints = Vec::new();
            if let Some(by) = node.role.as_deref().and_then(|role| roles.get(role)) {
                hints.push(format!("its role was changed by `{by}`"));
            }
            if let Some((address, ids)) = node.addresses.keys().find_map(|a| Some((a, addresses.get(a.as_str())?))) {
                let first = ids.first().copied().unwrap_or_default();
                hints.push(format!("it shares the address {address} with `{first}`, which alone decides nothing"));
            }
            let hints = if hints.is_empty() { String::new() } else { format!("; {}", hints.join("; ")) };
            let wanted = node.began.map_or_else(String::new, |at| format!("; look for its issue at {at} in a log that came later"));
            out.push(Aside { id: id.clone(), reason: format!("{why}{hints}{wanted}") });
        }
        out.sort();
        out.dedup();
        bounded(out)
    }
}

fn another_channel(node: &Node) -> String {
    let from = node.addresses.keys().next().map_or_else(String::new, |a| format!(" from {a}"));
    format!("the same identity on another channel{from}: a session of its own, and nothing joins it to the chain")
}

fn bounded(mut list: Vec<Aside>) -> Vec<Aside> {
    let more = list.len().saturating_sub(ASIDE_MAX);
    if more > 0 {
        list.truncate(ASIDE_MAX);
        list.push(Aside { id: "(more)".to_string(), reason: format!("{more} more of the same systems are not listed one by one") });
    }
    list
}
