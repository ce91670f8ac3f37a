//! Derivations become cases.
//!
//! A case is a tree of credentials of which one did, or was handed, something
//! that outlives it; or about which an alert came. Who only looked makes none.
//! Trees whose owners had a hand in one signing key are one case.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{
    Trace,
    chain::{Changed, Evidence, Investigation, Link, Moment, Root, SecretRead, TracedCase},
    fact::{Nature, Outcome, Place},
    node::{self, Node, Sight},
    weave::Woven,
};
use crate::{inventory::Basis, proof::Liveness, secret::sha256};

/// A root that is seen in use; what it was before is not in the records.
const ROOT: u8 = 90;
/// A root that shares a machine with the taking of a signing key.
const SAME_HANDS: u8 = 40;
/// Derivations that are counted for the order of a chain; a ring ends here.
const DEPTH_MAX: usize = 64;
/// Lines of a timeline.
const TIMELINE_MAX: usize = 500;

/// The trees, and what hangs below each credential.
pub(super) struct Forest<'a> {
    pub woven: &'a Woven,
    pub children: BTreeMap<&'a str, Vec<&'a str>>,
    pub roots: Vec<&'a str>,
}

impl Forest<'_> {
    /// How many derivations lie above one credential.
    fn depth(&self, id: &str) -> usize {
        let mut at = id;
        let mut depth = 0;
        while let Some(bond) = self.woven.bonds.get(at).filter(|_| depth < DEPTH_MAX) {
            at = &bond.from;
            depth += 1;
        }
        depth
    }
}

impl Trace {
    /// What the records tell, with the names of the files by their number.
    pub fn tell(&mut self, files: &[String]) -> Investigation {
        self.settle();
        let woven = self.weave();
        let forest = self.forest(&woven);
        let groups = self.groups(&forest);
        let inside: BTreeSet<&str> = groups.iter().flat_map(|g| &g.members).copied().collect();
        let mut cases: Vec<TracedCase> = groups.iter().map(|group| self.case(group, &forest, &inside, files)).collect();
        cases.sort_by(|a, b| (a.first_seen.is_none(), a.first_seen, &a.id).cmp(&(b.first_seen.is_none(), b.first_seen, &b.id)));
        let mut not_looked_at = Vec::new();
        if self.lost > 0 {
            not_looked_at
                .push(format!("{} more credentials: the records name more than are kept at once; investigate a shorter time", self.lost));
        }
        Investigation {
            unattached: self.unattached(&woven, &inside, &cases),
            cases,
            unreadable: Vec::new(),
            records: 0,
            as_of: self.clocks.values().copied().max(),
            not_looked_at,
        }
    }

    fn forest<'a>(&'a self, woven: &'a Woven) -> Forest<'a> {
        let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, bond) in &woven.bonds {
            children.entry(&bond.from).or_default().push(id);
        }
        let mut roots: Vec<&str> = self.nodes.keys().map(String::as_str).filter(|id| !woven.bonds.contains_key(*id)).collect();
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        for root in &roots {
            below(root, &children, &mut reached);
        }
        // Hostile records can claim a ring; it is entered at its smallest id.
        for id in self.nodes.keys() {
            if !reached.contains(id.as_str()) {
                roots.push(id);
                below(id, &children, &mut reached);
            }
        }
        Forest { woven, children, roots }
    }

    fn groups<'a>(&'a self, forest: &Forest<'a>) -> Vec<Group<'a>> {
        let mut by_root: BTreeMap<&str, Group<'a>> = BTreeMap::new();
        let mut root_of: BTreeMap<&str, &str> = BTreeMap::new();
        for root in &forest.roots {
            let mut members = BTreeSet::new();
            below(root, &forest.children, &mut members);
            for member in &members {
                root_of.entry(member).or_insert(root);
            }
            by_root.insert(root, Group { roots: vec![root], members });
        }
        for (key, _) in self.signing_keys() {
            let hands = self.hands_on(key);
            let mut roots: BTreeSet<&str> = hands.iter().filter_map(|id| root_of.get(id)).copied().collect();
            roots.extend(root_of.get(key.as_str()));
            merge(&mut by_root, &mut root_of, &roots);
        }
        // An alert about an identity is about what that identity did here.
        let alerted: Vec<&str> = forest.roots.iter().copied().filter(|r| r.ends_with("#alerted")).collect();
        for alert in alerted {
            let Some(identity) = self.nodes[alert].identity.as_deref() else { continue };
            let same = |id: &str| self.nodes[id].identity.as_deref().is_some_and(|i| self.names.same(i, identity));
            let mut roots: BTreeSet<&str> =
                forest.roots.iter().copied().filter(|r| same(r) && !forest.woven.own.contains_key(*r)).collect();
            roots = roots.iter().filter_map(|r| root_of.get(r)).copied().collect();
            merge(&mut by_root, &mut root_of, &roots);
        }
        for group in by_root.values_mut() {
            self.narrow(group, forest);
        }
        let own = |g: &Group<'_>| g.members.iter().all(|m| forest.woven.own.contains_key(*m) && self.nodes[*m].alerts.is_empty());
        // One session without an origin that was refused something is no case yet: its issue may come later.
        let adrift = |g: &Group<'_>| {
            let only = g.members.first().filter(|_| g.members.len() == 1);
            only.is_some_and(|id| forest.woven.lonely.contains_key(*id) && self.nodes[*id].weight() <= node::ATTEMPTS)
        };
        by_root.into_values().filter(|g| !own(g) && !adrift(g) && self.weight(g, forest) > 0).collect()
    }

    /// An alert about something inside of a tree is about that and what came from
    /// it. Who minted it is not guilty of it.
    fn narrow<'a>(&'a self, group: &mut Group<'a>, forest: &Forest<'a>) {
        let alerted: Vec<&str> = group.members.iter().copied().filter(|id| !self.nodes[*id].alerts.is_empty()).collect();
        let whole = alerted.is_empty() || alerted.iter().any(|id| group.roots.contains(id) || id.ends_with("#alerted"));
        if whole {
            return;
        }
        let mut members = BTreeSet::new();
        for id in &alerted {
            below(id, &forest.children, &mut members);
        }
        let above = |id: &str| forest.woven.bonds.get(id).is_some_and(|b| members.contains(b.from.as_str()));
        group.roots = alerted.into_iter().filter(|id| !above(id)).collect();
        group.members = members;
    }

    /// How much a case holds: what was done, and what was handed out beside sign-ins.
    fn weight(&self, group: &Group<'_>, forest: &Forest<'_>) -> u32 {
        let mut weight = 0_u32;
        for id in &group.members {
            let node = &self.nodes[*id];
            weight = weight.saturating_add(node.weight());
            let handed_out = node.mint.as_ref().is_some_and(|m| !m.login && m.by.is_some());
            weight = weight.saturating_add(if handed_out { 2 } else { 0 });
            weight = weight.saturating_add(if forest.woven.away.contains_key(*id) { 3 } else { 0 });
        }
        weight
    }

    fn case(&self, group: &Group<'_>, forest: &Forest<'_>, inside: &BTreeSet<&str>, files: &[String]) -> TracedCase {
        // An identity that was only alerted about stands behind what it did.
        let silent = |id: &str| id.ends_with("#alerted") && group.members.len() > 1;
        let members: Vec<(&str, &Node)> = group.members.iter().filter(|id| !silent(id)).map(|id| (*id, &*self.nodes[*id])).collect();
        let mut chain: Vec<Link> = members.iter().map(|(id, node)| self.link(id, node, group, forest, files)).collect();
        // In one second, what mints stands before what it minted.
        let depths: BTreeMap<String, usize> = chain.iter().map(|l| (l.id.clone(), forest.depth(&l.id))).collect();
        chain.sort_by_key(|l| (l.first_seen.is_none(), l.first_seen, depths.get(&l.id).copied(), l.id.clone()));
        let root = self.root_of(&chain, group);
        let secrets_read = secrets(&members);
        let changes = changes(&members);
        let name = format!("{}|{}", root.identity.as_deref().unwrap_or_default(), root.credential.as_deref().unwrap_or_default());
        let mut case = TracedCase {
            id: format!("I-{}", &sha256(name.as_bytes())[..10]),
            title: title(&root, &chain, &secrets_read, &changes),
            root,
            first_seen: members.iter().filter_map(|(_, n)| n.first_at()).min(),
            last_seen: members.iter().filter_map(|(_, n)| n.last_at()).max(),
            secrets_read,
            excluded: self.excluded(group, forest, inside),
            plan: Vec::new(),
            timeline: timeline(&members),
            not_looked_at: self.gaps(&members, &chain, &changes),
            untrusted: group
                .members
                .iter()
                .flat_map(|id| self.nodes[*id].alerts.iter().cloned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            weight: self.weight(group, forest),
            chain,
            changes,
        };
        case.plan = self.propose(&case, &members);
        case
    }

    /// The root that was seen first.
    fn first_root<'a>(&self, group: &Group<'a>) -> Option<&'a str> {
        let seen = |id: &str| self.nodes.get(id).and_then(|n| n.first_at());
        group.roots.iter().copied().min_by_key(|id| (seen(id).is_none(), seen(id), *id))
    }

    fn root_of(&self, chain: &[Link], group: &Group<'_>) -> Root {
        let root = self.first_root(group);
        let first = chain.iter().find(|l| Some(l.id.as_str()) == root).or_else(|| chain.first());
        // A signing key that was taken outranks the login that took it.
        let key = self
            .signing_keys()
            .map(|(id, _)| id)
            .filter(|id| group.members.contains(id.as_str()))
            .find_map(|id| chain.iter().find(|l| l.id == *id));
        Root { identity: first.and_then(|l| l.identity.clone()), credential: key.or(first).map(|l| l.id.clone()) }
    }

    fn link(&self, id: &str, node: &Node, group: &Group<'_>, forest: &Forest<'_>, files: &[String]) -> Link {
        let bond = forest.woven.bonds.get(id).filter(|b| group.members.contains(b.from.as_str()));
        let parent_end = bond.and_then(|b| self.end_of(&b.from, self.nodes.get(&b.from)?));
        let (liveness, why) = self.life(id, node, parent_end);
        let seen = node.uses.count > 0 || node.mint.is_some();
        let beside = bond.is_none()
            && self.first_root(group) != Some(id)
            && self.signing_keys().any(|(key, _)| group.members.contains(key.as_str()));
        let away = forest.woven.away.get(id);
        let root_confidence = away.map_or(if seen && !beside { ROOT } else { SAME_HANDS }, |(_, confidence)| *confidence);
        let together = beside
            .then(|| "at work on the machine where the signing key was read, within the same hours: taken for the same hands".to_string());
        let reasons = [bond.and_then(|b| b.reason.clone()), together, away.map(|(reason, _)| reason.clone()), why];
        Link {
            id: id.to_string(),
            kind: node.kind,
            identity: node.identity.as_deref().or(node.role.as_deref()).map(|i| self.names.shown(i).to_string()),
            minted_from: bond.map(|b| b.from.clone()),
            mint_event: node.mint.as_ref().map(|m| m.event.clone()),
            minted_at: node.mint.as_ref().and_then(|m| m.sight.at).or(node.began),
            expires_at: node.mint.as_ref().and_then(|m| m.expires_at),
            uses: node.uses.count,
            last_used_at: node.uses.last_at(),
            basis: bond.map_or(if root_confidence == SAME_HANDS { Basis::Possible } else { Basis::Observed }, |b| b.basis),
            liveness,
            confidence: bond.map_or(root_confidence, |b| b.confidence),
            evidence: evidence(node, files),
            first_seen: node.first_at(),
            session: node.session.clone(),
            addresses: node.addresses.keys().cloned().collect(),
            ended: self.ended(id, node, |by| group.members.contains(by)),
            uses_after: self.contained_at.map(|_| node.after),
            reasons: reasons.into_iter().flatten().collect(),
        }
    }

    /// What a reader of the case must know was not seen.
    fn gaps(&self, members: &[(&str, &Node)], chain: &[Link], changes: &[Changed]) -> Vec<String> {
        let mut gaps = Vec::new();
        if let Some(first) = chain.iter().find(|l| l.minted_from.is_none() && l.mint_event.is_none()) {
            gaps.push(format!("how `{}` came into other hands is not in these records", first.id));
        }
        for change in changes.iter().filter(|c| c.nature == Nature::Logging) {
            let at = change.at.map_or_else(|| "an unknown time".to_string(), |t| t.to_string());
            gaps.push(format!("logging was changed at {at} (`{}`): what came after may be missing", change.target));
        }
        if members.iter().any(|(_, n)| n.reads.cut || n.changes.cut || n.events.cut) {
            gaps.push("more secrets, changes or kinds of event than are kept of one credential".to_string());
        }
        gaps
    }
}

/// A case in the making.
pub(super) struct Group<'a> {
    pub roots: Vec<&'a str>,
    pub members: BTreeSet<&'a str>,
}

fn below<'a>(root: &'a str, children: &BTreeMap<&'a str, Vec<&'a str>>, out: &mut BTreeSet<&'a str>) {
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if out.insert(id) {
            open.extend(children.get(id).into_iter().flatten());
        }
    }
}

/// Puts the groups of these roots into the first of them.
fn merge<'a>(groups: &mut BTreeMap<&'a str, Group<'a>>, root_of: &mut BTreeMap<&'a str, &'a str>, roots: &BTreeSet<&'a str>) {
    let mut roots = roots.iter().copied();
    let Some(first) = roots.next() else { return };
    for other in roots {
        let Some(group) = groups.remove(other) else { continue };
        for member in &group.members {
            root_of.insert(member, first);
        }
        if let Some(kept) = groups.get_mut(first) {
            kept.roots.extend(group.roots);
            kept.members.extend(group.members);
        }
    }
}

fn evidence(node: &Node, files: &[String]) -> Vec<Evidence> {
    let minted = node.mint.as_ref().map(|m| m.sight);
    let ended = node.endings.last().map(|e| e.sight);
    let alerted = node.alerted.first;
    let places: BTreeSet<Place> =
        [minted, node.uses.first, node.uses.last, ended, alerted].into_iter().flatten().map(|s: Sight| s.place).collect();
    let mut out: Vec<Evidence> =
        places.into_iter().map(|p| Evidence { file: files.get(p.file as usize).cloned().unwrap_or_default(), record: p.record }).collect();
    out.sort();
    out
}

fn secrets(members: &[(&str, &Node)]) -> Vec<SecretRead> {
    let mut out: Vec<SecretRead> = members
        .iter()
        .flat_map(|(id, node)| {
            node.reads.map.iter().map(|(secret, tally)| SecretRead {
                id: secret.clone(),
                at: tally.first_at(),
                by: (*id).to_string(),
                reads: tally.count,
                last_at: tally.last_at(),
            })
        })
        .collect();
    out.sort_by(|a, b| (a.at, &a.id, &a.by).cmp(&(b.at, &b.id, &b.by)));
    out
}

fn changes(members: &[(&str, &Node)]) -> Vec<Changed> {
    let mut out: Vec<Changed> = members
        .iter()
        .flat_map(|(id, node)| {
            node.changes.map.iter().map(|((nature, target), tally)| Changed {
                at: tally.first_at(),
                by: (*id).to_string(),
                nature: *nature,
                target: target.clone(),
            })
        })
        .collect();
    out.sort_by(|a, b| (a.at, a.nature, &a.target, &a.by).cmp(&(b.at, b.nature, &b.target, &b.by)));
    out
}

fn timeline(members: &[(&str, &Node)]) -> Vec<Moment> {
    let mut out: Vec<Moment> = members
        .iter()
        .flat_map(|(id, node)| {
            node.events.map.iter().map(|((event, outcome), tally)| Moment {
                at: tally.first_at(),
                until: tally.last_at().filter(|last| Some(*last) != tally.first_at()),
                by: (*id).to_string(),
                event: event.clone(),
                count: tally.count,
                refused: *outcome != Outcome::Done,
            })
        })
        .collect();
    let key = |m: &Moment| (m.at.is_none(), m.at, m.by.clone(), m.event.clone(), m.refused);
    out.sort_by_key(key);
    out.truncate(TIMELINE_MAX);
    out
}

/// `access key AKIA..: 8 of 8 still usable, 7 derived, 62 secrets read`
fn title(root: &Root, chain: &[Link], secrets: &[SecretRead], changes: &[Changed]) -> String {
    let who = chain.iter().find(|l| Some(&l.id) == root.credential.as_ref()).map_or("credential", |l| l.kind.words());
    let derived = chain.iter().filter(|l| l.minted_from.is_some()).count();
    let count = |sought: Liveness| chain.iter().filter(|l| l.liveness == sought).count();
    let distinct: BTreeSet<&str> = secrets.iter().map(|s| s.id.as_str()).collect();
    let mut parts = vec![format!("{} of {} still usable", count(Liveness::Live), chain.len())];
    if count(Liveness::Unknown) > 0 {
        parts.push(format!("{} unknown", count(Liveness::Unknown)));
    }
    if derived > 0 {
        parts.push(format!("{derived} derived"));
    }
    if !distinct.is_empty() {
        parts.push(format!("{} secret{} read", distinct.len(), plural(distinct.len())));
    }
    if !changes.is_empty() {
        parts.push(format!("{} lasting change{}", changes.len(), plural(changes.len())));
    }
    format!("{who} {}: {}", root.credential.as_deref().unwrap_or("nobody"), parts.join(", "))
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
