//! Everything derivable from a subject: the blast radius.
//!
//! Observed derivations were seen; possible ones are allowed by an
//! entitlement. A node is observed only when every step on some path to it
//! is. What could not be looked at is part of the answer.

use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::inventory::{Basis, Inventory, Object};

/// One thing that can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    pub id: String,
    pub via: String,
    /// From the start to it, both included.
    pub path: Vec<String>,
}

/// The answer of `quell inventory reach`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    pub start: String,
    pub observed: Vec<Reached>,
    pub possible: Vec<Reached>,
    pub count: u32,
    pub truncated: bool,
    pub not_looked_at: Vec<String>,
}

/// Walks outward from `start`, at most `depth` steps and `limit` nodes.
pub fn reach(inventory: &Inventory, planes: &[String], start: &str, depth: u32, limit: usize) -> Reach {
    let mut edges: BTreeMap<&str, Vec<(&str, &str, Basis)>> = BTreeMap::new();
    for (_, object) in inventory.iter() {
        match object {
            Object::Derivation(d) => edges.entry(&d.from).or_default().push((&d.to, &d.via, d.basis)),
            Object::Credential(c) => {
                edges.entry(&c.identity).or_default().push((&c.id, "holds", Basis::Observed));
                edges.entry(&c.id).or_default().push((&c.identity, "authenticates_as", Basis::Observed));
            }
            Object::Session(s) => {
                edges.entry(s.credential.as_deref().unwrap_or(&s.identity)).or_default().push((&s.id, "opened", Basis::Observed));
            }
            Object::Entitlement(e) => edges.entry(&e.identity).or_default().push((&e.resource, &e.permission, Basis::Possible)),
            _ => {}
        }
    }

    let mut best: BTreeMap<&str, Basis> = BTreeMap::from([(start, Basis::Observed)]);
    let mut found: BTreeMap<&str, (Basis, Reached)> = BTreeMap::new();
    let mut truncated = false;
    let mut queue: VecDeque<(&str, Basis, Vec<String>)> = VecDeque::from([(start, Basis::Observed, vec![start.to_string()])]);
    while let Some((at, basis, path)) = queue.pop_front() {
        if path.len() > depth as usize {
            truncated |= edges.contains_key(at);
            continue;
        }
        for (to, via, step) in edges.get(at).into_iter().flatten() {
            let basis = basis.max(*step);
            if best.get(to).is_some_and(|known| *known <= basis) {
                continue;
            }
            if found.len() >= limit && !found.contains_key(to) {
                truncated = true;
                continue;
            }
            best.insert(to, basis);
            let mut path = path.clone();
            path.push((*to).to_string());
            found.insert(to, (basis, Reached { id: (*to).to_string(), via: (*via).to_string(), path: path.clone() }));
            queue.push_back((to, basis, path));
        }
    }

    let mut not_looked_at: Vec<String> = Vec::new();
    for id in found.keys().copied().chain([start]) {
        if let Some((system, _)) = crate::inventory::split(id)
            && !planes.iter().any(|p| p == system)
        {
            let gap = format!("`{system}`: no connector, so nothing behind it was looked at");
            if !not_looked_at.contains(&gap) {
                not_looked_at.push(gap);
            }
        }
    }
    let of = |wanted: Basis| found.values().filter(|(b, _)| *b == wanted).map(|(_, r)| r.clone()).collect::<Vec<_>>();
    Reach {
        start: start.to_string(),
        count: u32::try_from(found.len()).unwrap_or(u32::MAX),
        observed: of(Basis::Observed),
        possible: of(Basis::Possible),
        truncated,
        not_looked_at,
    }
}
