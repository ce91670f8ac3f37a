//! The plan that would be proposed: what mints before what was minted, then
//! sessions, then what outlives both, then every secret that was read.
//!
//! It proposes and touches nothing. A plan of a running installation is drafted
//! from planes and policy; this one says what the records ask for.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    Trace,
    chain::{Changed, Link, Proposal, TracedCase},
    fact::{LinkKind, Nature},
    node::Node,
};
use crate::{action::Action, proof::Liveness};

struct Steps(Vec<Proposal>);

impl Steps {
    fn push(&mut self, action: Action, target: &str, after: &[u32], reason: impl Into<String>) -> u32 {
        let n = u32::try_from(self.0.len() + 1).unwrap_or(u32::MAX);
        self.0.push(Proposal { n, action, target: target.to_string(), after: after.to_vec(), reason: reason.into() });
        n
    }
}

impl Trace {
    /// Drafts the steps of a case.
    pub(super) fn propose(&self, case: &TracedCase, members: &[(&str, &Node)]) -> Vec<Proposal> {
        let mut steps = Steps(Vec::new());
        let by_id: BTreeMap<&str, &Link> = case.chain.iter().map(|l| (l.id.as_str(), l)).collect();
        let issuers: BTreeSet<&str> = case.chain.iter().filter_map(|l| l.minted_from.as_deref()).collect();
        let alive = |l: &&Link| l.liveness != Liveness::Dead;

        // What mints is cut first: whatever is ended below it would be minted again.
        let mut first = Vec::new();
        let is_issuer = |l: &&Link| {
            !l.kind.is_session() && l.kind != LinkKind::Entitlement && (l.minted_from.is_none() || issuers.contains(l.id.as_str()))
        };
        for link in case.chain.iter().filter(alive).filter(is_issuer) {
            let after = first_of(&steps, link, &by_id);
            let why = match (issuers.contains(link.id.as_str()), &link.minted_from) {
                (true, None) => "everything below was minted from it",
                (true, Some(_)) => "it mints others",
                (false, _) => "it is in other hands, as far as the records say",
            };
            first.extend(cut(&mut steps, link, &after, why));
        }

        // Fences: a role is closed to every session that began before, seen or not.
        let mut fences = first.clone();
        for (role, why) in roles(members, case) {
            fences.push(steps.push(Action::RestrictAccess, &role, &first, why));
        }
        for machine in machines(members) {
            let why = "in the chain's hands: take its role away, so that it mints no more sessions";
            fences.push(steps.push(Action::QuarantineWorkload, &machine, &first, why));
        }
        for grant in case.chain.iter().filter(alive).filter(|l| l.kind == LinkKind::Entitlement) {
            let note = self.nodes.get(&grant.id).and_then(|n| n.mint.as_ref()?.note).map_or_else(String::new, |r| format!(" ({r})"));
            fences.push(steps.push(
                Action::RemoveEntitlement,
                &grant.id,
                &first,
                format!("given by `{}`; it opens without any credential of the intruder{note}", from(grant)),
            ));
        }

        for link in case.chain.iter().filter(alive).filter(|l| !l.kind.is_session() && l.kind != LinkKind::Entitlement && !is_issuer(l)) {
            cut(&mut steps, link, &fences, "minted by the chain");
        }
        for link in case.chain.iter().filter(alive).filter(|l| l.kind.is_session()) {
            let why = match (link.uses, link.expires_at) {
                (0, Some(until)) => format!("never used, and usable until {until}: it counts"),
                (0, None) => "never used, and usable: it counts".to_string(),
                (1, _) => "used once; it outlives what it was minted from".to_string(),
                (n, _) => format!("used {n} times; it outlives what it was minted from"),
            };
            steps.push(Action::TerminateSessions, &link.id, &fences, why);
        }

        let fenced: BTreeSet<String> = steps.0.iter().map(|s| s.target.clone()).collect();
        for (action, target, why) in undone(&case.changes, &fenced) {
            steps.push(action, &target, &fences, why);
        }
        let mut by_secret: BTreeMap<&str, &str> = BTreeMap::new();
        for read in &case.secrets_read {
            by_secret.entry(&read.id).or_insert(&read.by);
        }
        for (secret, by) in by_secret {
            steps.push(Action::MarkForRotation, secret, &fences, format!("read by `{by}`; a new value is safe only once the chain is cut"));
        }
        steps.0
    }
}

fn from(link: &Link) -> &str {
    link.minted_from.as_deref().unwrap_or("the chain")
}

/// The steps of the nearest link above that has any: what mints is cut before
/// what it minted, also where the link between is a session.
fn first_of(steps: &Steps, link: &Link, chain: &BTreeMap<&str, &Link>) -> Vec<u32> {
    let mut above = link.minted_from.as_deref();
    for _ in 0..chain.len() {
        let Some(id) = above else { break };
        let found: Vec<u32> = steps.0.iter().filter(|s| s.target == id).map(|s| s.n).collect();
        if !found.is_empty() {
            return found;
        }
        above = chain.get(id).and_then(|l| l.minted_from.as_deref());
    }
    Vec::new()
}

/// Cuts one credential; answers the steps that others wait for.
fn cut(steps: &mut Steps, link: &Link, after: &[u32], why: &str) -> Vec<u32> {
    let gone = link.ended.as_ref().filter(|_| link.liveness == Liveness::Unknown);
    let why = match gone {
        Some(end) if end.by_intruder => {
            format!("the chain itself ended it (`{}`); that is no containment: make sure, and prove it", end.event)
        }
        Some(end) => format!("`{}` says that it ended; make sure, and prove it", end.event),
        None => why.to_string(),
    };
    match link.kind {
        // The old key stays trusted as the second one until it is rolled again.
        LinkKind::Certificate => {
            let one = steps.push(
                Action::RotateCredential,
                &link.id,
                after,
                format!("{why}; the first roll keeps the old key as the second trusted one"),
            );
            let two = steps.push(
                Action::RotateCredential,
                &link.id,
                &[one],
                "the second roll takes the old key out of trust; suspending single accounts does not",
            );
            Vec::from([one, two])
        }
        LinkKind::Password => Vec::from([steps.push(Action::RotateCredential, &link.id, after, why)]),
        LinkKind::Unknown => Vec::from([steps.push(Action::SuspendIdentity, link.identity.as_deref().unwrap_or(&link.id), after, why)]),
        _ => Vec::from([steps.push(Action::RevokeCredential, &link.id, after, why)]),
    }
}

/// Roles that the chain played, made or opened, each once.
fn roles(members: &[(&str, &Node)], case: &TracedCase) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (_, node) in members {
        if let Some(role) = &node.role {
            out.entry(role.clone())
                .or_insert_with(|| "sessions of it are in the chain; deny every session that began before now".to_string());
        }
    }
    for change in case.changes.iter().filter(|c| c.target.contains(":role/")) {
        out.entry(change.target.clone()).or_insert_with(|| {
            format!("made or changed by `{}`; deny every session that began before now, also those nobody saw", change.by)
        });
    }
    out
}

fn machines(members: &[(&str, &Node)]) -> BTreeSet<String> {
    members.iter().flat_map(|(_, n)| n.launches.map.keys().chain(n.commands.map.keys()).chain(&n.workload)).cloned().collect()
}

/// What else the chain changed and nobody has a step for yet.
fn undone(changes: &[Changed], fenced: &BTreeSet<String>) -> Vec<(Action, String, String)> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for change in changes {
        if fenced.contains(&change.target) || !seen.insert((&change.target, change.nature)) {
            continue;
        }
        let by = &change.by;
        let (action, why) = match change.nature {
            Nature::Permission => (Action::RemoveEntitlement, format!("given or changed by `{by}`")),
            Nature::Trust => (Action::ChangePolicy, format!("trust changed by `{by}`")),
            Nature::Identity => (Action::SuspendIdentity, format!("made or changed by `{by}`")),
            Nature::Sharing => (Action::ChangePolicy, format!("opened to others by `{by}`")),
            Nature::Logging => {
                (Action::HumanTask, format!("`{by}` changed what is logged: switch it on again, and look for what is missing"))
            }
            Nature::Code => (Action::HumanTask, format!("`{by}` changed what runs there: look at it before it runs again")),
        };
        out.push((action, change.target.clone(), why));
    }
    out
}
