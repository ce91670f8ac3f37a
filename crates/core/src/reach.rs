//! Everything derivable from a subject: the blast radius.
//!
//! Observed derivations were seen; possible ones are allowed by an
//! entitlement. A node is observed only when every step on some path to it
//! is. What could not be looked at is part of the answer.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::inventory::{Basis, Edge, Inventory};

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
    let mut best: BTreeMap<&str, Basis> = BTreeMap::from([(start, Basis::Observed)]);
    let mut found: BTreeMap<&str, (Basis, Reached)> = BTreeMap::new();
    let mut truncated = false;
    let mut queue: VecDeque<(&str, Basis, Vec<String>)> = VecDeque::from([(start, Basis::Observed, vec![start.to_string()])]);
    while let Some((at, basis, path)) = queue.pop_front() {
        if path.len() > depth as usize {
            truncated |= inventory.edges_from(at).next().is_some();
            continue;
        }
        for Edge { to, via, basis: step, .. } in inventory.edges_from(at) {
            let basis = basis.max(step);
            if best.get(to).is_some_and(|known| *known <= basis) {
                continue;
            }
            if found.len() >= limit && !found.contains_key(to) {
                truncated = true;
                continue;
            }
            best.insert(to, basis);
            let mut path = path.clone();
            path.push(to.to_string());
            found.insert(to, (basis, Reached { id: to.to_string(), via: via.to_string(), path: path.clone() }));
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

/// Everything whose observed reach holds `reference`, nearest first: the same walk
/// the other way round, at most `depth` steps and `limit` nodes.
pub fn origins<'a>(inventory: &'a Inventory, reference: &'a str, depth: u32, limit: usize) -> Vec<&'a str> {
    let mut seen: BTreeSet<&str> = BTreeSet::from([reference]);
    let mut found: Vec<&str> = Vec::new();
    let mut edge: Vec<&str> = vec![reference];
    for _ in 0..depth {
        let before = edge.iter().flat_map(|at| inventory.edges_to(at)).filter(|e| e.basis == Basis::Observed).map(|e| e.from);
        edge = before.filter(|from| seen.insert(from)).take(limit - found.len()).collect();
        found.extend(&edge);
        if edge.is_empty() || found.len() >= limit {
            break;
        }
    }
    found
}

/// Everything that is joined to `reference` by what was seen, in either direction,
/// itself included: whoever is among them does not decide about it (invariant 13).
pub fn joined<'a>(inventory: &'a Inventory, reference: &'a str, depth: u32, limit: usize) -> BTreeSet<&'a str> {
    let mut all: BTreeSet<&str> = origins(inventory, reference, depth, limit).into_iter().chain([reference]).collect();
    let mut edge = vec![reference];
    for _ in 0..depth {
        let after = edge.iter().flat_map(|at| inventory.edges_from(at)).filter(|e| e.basis == Basis::Observed).map(|e| e.to);
        edge = after.filter(|to| all.len() < limit && all.insert(to)).collect();
    }
    all
}
