//! Forged sign-ins: who holds the key that others trust can be anybody there.
//!
//! The key is joined to whoever read it. A session at the trusting side has no
//! record of its issue then, so it is joined by three things together: the
//! domain that trusts the key, a time after the reading, and an identity that
//! was in the same hands already. Every other account of the domain stays out.

use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

use super::{
    Trace,
    fact::LinkKind,
    node::Node,
    weave::{Bond, Woven},
};
use crate::{
    inventory::Basis,
    time::{Timestamp, seconds_between},
};

/// How far apart deeds on one machine may lie to be of one hand.
const TOGETHER_SECONDS: i64 = 2 * 3600;
const BY_FORGERY: u8 = 60;

impl Trace {
    /// Joins sessions that a taken signing key explains.
    pub(super) fn by_signing(&self, woven: &mut Woven) {
        for (key, node) in self.signing_keys() {
            let Some(domain) = &node.identity else { continue };
            let hands = self.hands_on(key);
            let people: BTreeSet<&str> =
                hands.iter().filter_map(|id| self.nodes.get(*id)?.identity.as_deref()).map(|i| self.names.shown(i)).collect();
            let taken = node.mint.as_ref().and_then(|m| m.sight.at);
            for (id, session) in &self.nodes {
                // What an application holds for somebody was not obtained by signing in as them.
                let free = session.mint.is_none() && session.act.is_empty() && !woven.own.contains_key(id) && !hands.contains(&id.as_str());
                let unexplained = woven.bonds.get(id).is_none_or(|b| b.basis == Basis::Possible);
                let Some(who) = session.identity.as_deref().filter(|_| free && unexplained && session.kind.is_session()) else { continue };
                let trusted = self.names.shown(who).rsplit_once('@').is_some_and(|(_, d)| d.eq_ignore_ascii_case(domain));
                if trusted && session.role.is_none() && people.contains(self.names.shown(who)) && session.first_at() >= taken {
                    let reason = format!(
                        "no sign-in is recorded; whoever holds the signing key of `{domain}` can forge one, and `{}` was in the same hands before",
                        self.names.shown(who)
                    );
                    woven.bonds.insert(
                        id.clone(),
                        Bond { from: key.clone(), basis: Basis::Possible, confidence: BY_FORGERY, reason: Some(reason) },
                    );
                    woven.lonely.remove(id);
                }
            }
        }
    }

    /// Keys that sign for others and were read where they are kept.
    pub(super) fn signing_keys(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.nodes
            .iter()
            .map(|(id, n)| (id, &**n))
            .filter(|(_, n)| n.kind == LinkKind::Certificate && n.mint.as_ref().is_some_and(|m| m.taken))
    }

    /// Everybody who had a hand in it: who read the key, and who did something
    /// grave on the same named machine within the same hours.
    pub(super) fn hands_on(&self, key: &str) -> BTreeSet<&str> {
        let takers: Vec<(&str, &Node)> =
            self.nodes.iter().filter(|(_, n)| n.takes.map.get(&key.into()).is_some()).map(|(id, n)| (id.as_str(), &**n)).collect();
        let machines: BTreeSet<&String> = takers.iter().flat_map(|(_, n)| &n.devices).collect();
        let moments: Vec<Timestamp> = takers.iter().filter_map(|(_, n)| n.takes.map.get(&key.into())?.first_at()).collect();
        let near = |at: Timestamp| moments.iter().any(|m| seconds_between(*m, at).max(seconds_between(at, *m)) <= TOGETHER_SECONDS);
        let mut out: BTreeSet<&str> = takers.iter().map(|(id, _)| *id).collect();
        for (id, node) in &self.nodes {
            let there = node.devices.iter().any(|d| machines.contains(d));
            let grave =
                node.reads.map.values().chain(node.takes.map.values()).chain(node.changes.map.values()).chain(node.touches.map.values());
            if there && grave.filter_map(super::node::Tally::first_at).any(near) {
                out.insert(id);
            }
        }
        out
    }
}
