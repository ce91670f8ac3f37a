//! Which credential came from which.
//!
//! One rule a paragraph, the surest first; each says on what ground it joins and
//! how sure that is. What no rule joins stays on its own, and where something
//! spoke for a parent and not enough, the reason is kept.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Trace, fact::LinkKind, node::Node, workload::Holder};
use crate::{
    inventory::Basis,
    time::{Timestamp, after, seconds_between},
};

/// A record issues it, and names who asked.
const RECORDED: u8 = 95;
/// The role was opened to strangers by the chain, and a stranger came through.
const BY_TRUST: u8 = 85;
/// Whoever read it holds it; that they used it is another matter.
const BY_READING: u8 = 70;
/// Same role, same session name, another id, and it began when one was issued.
const BY_NAME_AND_MOMENT: u8 = 65;
/// A session of the identity that began in the second of a sign-in.
const BY_SIGN_IN: u8 = 75;
/// The same without the moment.
const BY_NAME: u8 = 55;
/// A token whose actors say that it was exchanged for another.
const BY_ACTORS: u8 = 70;
/// The same where several could be meant.
const BY_SOME_ACTORS: u8 = 50;
/// The account's own password opened it, as far as can be told.
const BY_ACCOUNT: u8 = 60;

/// Known from an inventory alone.
const BY_INVENTORY: u8 = 40;

/// A derivation into one credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bond {
    pub from: String,
    pub basis: Basis,
    pub confidence: u8,
    pub reason: Option<String>,
}

/// What every credential is, seen from the derivations.
#[derive(Default)]
pub(super) struct Woven {
    pub bonds: BTreeMap<String, Bond>,
    /// Not in anybody's hands: a machine's or the plane's own.
    pub own: BTreeMap<String, String>,
    /// Used away from its machine; a matter of its own.
    pub away: BTreeMap<String, (String, u8)>,
    /// Nothing says where it comes from, although something should.
    pub lonely: BTreeMap<String, String>,
}

impl Trace {
    /// Joins what can be joined.
    pub(super) fn weave(&self) -> Woven {
        let mut woven = Woven::default();
        let mut holders = self.holders();
        let names = self.session_names();
        let actors = self.by_actors();
        let logins = self.logins();
        let clients = self.client_keys();
        for (id, node) in &self.nodes {
            if let Some(service) = node.service.as_ref().or(node.mint.as_ref().and_then(|m| m.service.as_ref()))
                && node.workload.is_none()
                && node.addresses.len() == 0
            {
                let reason = format!("held by the service `{service}` itself, which hands it to nobody");
                woven.own.insert(id.clone(), reason);
                continue;
            }
            match holders.remove(id) {
                Some(Holder::Bound(bond)) => {
                    woven.bonds.insert(id.clone(), bond);
                    continue;
                }
                Some(Holder::Own(reason)) => {
                    woven.own.insert(id.clone(), reason);
                    continue;
                }
                Some(Holder::Away(reason, confidence)) => {
                    woven.away.insert(id.clone(), (reason, confidence));
                    continue;
                }
                None => {}
            }
            let bond = self
                .by_record(id, node)
                .or_else(|| self.by_trust(id, node))
                .or_else(|| self.by_moment(id, node, &logins))
                .or_else(|| self.by_name(node, &names, &mut woven.lonely, id))
                .or_else(|| self.by_made_identity(id, node))
                .or_else(|| self.by_client(node, &clients))
                .or_else(|| self.by_exchange(id, node, &actors))
                .or_else(|| self.by_account(id, node))
                .or_else(|| self.by_inventory(id, node));
            match bond {
                Some(bond) => {
                    woven.lonely.remove(id);
                    woven.bonds.insert(id.clone(), bond);
                }
                None if node.mint.is_none() && node.role.is_some() => {
                    woven.lonely.entry(id.clone()).or_insert_with(|| "its issue is not in these records".to_string());
                }
                None => {}
            }
        }
        self.by_signing(&mut woven);
        woven
    }

    /// A record of its issue names the credential that asked for it.
    fn by_record(&self, id: &str, node: &Node) -> Option<Bond> {
        let mint = node.mint.as_ref()?;
        let from = mint.by.as_ref().filter(|by| *by != id && self.nodes.contains_key(*by))?;
        let confidence = if mint.taken { BY_READING } else { RECORDED };
        Some(Bond { from: from.clone(), basis: Basis::Observed, confidence, reason: mint.note.map(ToString::to_string) })
    }

    /// Somebody from outside came through a trust that the chain had opened.
    fn by_trust(&self, id: &str, node: &Node) -> Option<Bond> {
        let role = node.role.as_ref().filter(|role| *role != id)?;
        let trust = self.nodes.get(role).filter(|t| t.kind == LinkKind::Entitlement)?;
        let opened = trust.mint.as_ref()?.sight.at;
        node.mint.as_ref().filter(|m| m.by.is_none() && m.sight.at >= opened)?;
        let reason = format!("issued to somebody outside, through the trust of `{role}`");
        Some(Bond { from: role.clone(), basis: Basis::Observed, confidence: BY_TRUST, reason: Some(reason) })
    }

    /// A session that says it began when its identity signed in: consoles draw
    /// keys of their own from a sign-in, and no record issues them.
    fn by_moment(&self, id: &str, node: &Node, logins: &Logins<'_>) -> Option<Bond> {
        if node.mint.is_some() || node.role.is_some() {
            return None;
        }
        let (who, began) = (node.identity.as_deref()?, node.began?);
        let near = |at: Timestamp| seconds_between(at, began).max(seconds_between(began, at)) <= 5;
        let (_, login) = logins.get(self.names.shown(who))?.iter().find(|(at, login)| near(*at) && *login != id)?;
        let reason = "it began when this sign-in did; no record of its own issues it".to_string();
        Some(Bond { from: (*login).to_string(), basis: Basis::Observed, confidence: BY_SIGN_IN, reason: Some(reason) })
    }

    /// No record issues this id, but one issued a session of this role and name:
    /// logs whose ids were replaced, each file with its own.
    fn by_name(&self, node: &Node, names: &SessionNames<'_>, lonely: &mut BTreeMap<String, String>, id: &str) -> Option<Bond> {
        if node.mint.is_some() {
            return None;
        }
        let (role, session) = (node.role.as_deref()?, node.session.as_deref()?);
        let issued = names.get(&(role, session))?;
        let started = node.began.or(node.uses.first_at())?;
        let before: Vec<&(Option<Timestamp>, &str)> =
            issued.iter().filter(|(at, _)| at.is_none_or(|at| at <= after(started, 60))).collect();
        let askers: BTreeSet<&str> = before.iter().map(|(_, by)| *by).collect();
        let mut askers = askers.into_iter();
        let (from, None) = (askers.next()?, askers.next()) else {
            let reason =
                format!("its issue is not in these records, and sessions of this role and name `{session}` were issued to more than one");
            lonely.insert(id.to_string(), reason);
            return None;
        };
        let same_moment = node
            .began
            .is_some_and(|b| before.iter().filter_map(|(at, _)| *at).any(|at| seconds_between(at, b) <= 1 && seconds_between(b, at) <= 1));
        let (confidence, ground) =
            if same_moment { (BY_NAME_AND_MOMENT, "role, session name and moment") } else { (BY_NAME, "role and session name") };
        let reason = format!("no record issues this id; joined by {ground}, as where ids were replaced");
        Some(Bond { from: from.to_string(), basis: Basis::Observed, confidence, reason: Some(reason) })
    }

    /// A credential that nobody is seen to issue, of an identity that has nothing
    /// but what one credential had made for it.
    fn by_made_identity(&self, id: &str, node: &Node) -> Option<Bond> {
        if node.mint.is_some() || node.kind.is_session() {
            return None;
        }
        let identity = node.identity.as_ref()?;
        let (_, maker) = self.made.get(identity)?;
        let from = maker.as_ref().filter(|by| *by != id && self.nodes.contains_key(*by))?;
        let reason = format!("no record issues this id; `{identity}` was made by `{from}` and had nothing before");
        Some(Bond { from: from.clone(), basis: Basis::Observed, confidence: BY_NAME, reason: Some(reason) })
    }

    /// A token with which an application acts for somebody: its own key obtains it.
    fn by_client(&self, node: &Node, clients: &Clients<'_>) -> Option<Bond> {
        let client = node.act.first().filter(|_| node.mint.is_none())?;
        let at = node.first_at()?;
        let keys = clients.get(self.names.shown(client))?;
        let (_, key) = keys.iter().filter(|(since, _)| *since <= at).max()?;
        let reason = format!("`{client}` acts in it, and this key of the application obtains such tokens");
        Some(Bond { from: (*key).to_string(), basis: Basis::Possible, confidence: BY_ACCOUNT, reason: Some(reason) })
    }

    /// A token in which somebody more acts than in another of the same identity
    /// (RFC 8693): it was exchanged for that one.
    fn by_exchange(&self, id: &str, node: &Node, actors: &ByActors<'_>) -> Option<Bond> {
        let (actor, rest) = node.act.split_first()?;
        if node.mint.as_ref().is_some_and(|m| m.by.is_some()) {
            return None;
        }
        let identity = self.names.shown(node.identity.as_deref()?);
        let at = node.first_at()?;
        let candidates: Vec<&(Timestamp, &str)> = actors
            .get(&(identity, rest))?
            .iter()
            .filter(|(since, other)| *other != id && *since <= at)
            .filter(|(_, other)| self.nodes[*other].mint.as_ref().and_then(|m| m.expires_at).is_none_or(|end| end >= at))
            .collect();
        let (_, from) = candidates.iter().max()?;
        let confidence = if candidates.len() == 1 { BY_ACTORS } else { BY_SOME_ACTORS };
        let reason = format!("`{actor}` acts in it for `{identity}`, as in no token before: exchanged for this one");
        Some(Bond { from: (*from).to_string(), basis: Basis::Possible, confidence, reason: Some(reason) })
    }

    /// A sign-in that is not in the records: the account's password stands for it.
    fn by_account(&self, id: &str, node: &Node) -> Option<Bond> {
        if node.mint.as_ref().is_some_and(|m| m.by.is_some()) || !node.kind.is_session() || node.role.is_some() {
            return None;
        }
        let account = format!("{}#password", node.identity.as_ref()?);
        self.nodes.get(&account).filter(|_| account != id)?;
        let reason = "the sign-in is not in these records; the account's password stands for it".to_string();
        Some(Bond { from: account, basis: Basis::Possible, confidence: BY_ACCOUNT, reason: Some(reason) })
    }

    /// Nothing of it was seen; the inventory says that whoever holds the one has the other.
    fn by_inventory(&self, id: &str, node: &Node) -> Option<Bond> {
        let (from, via, basis) = self.inventory.get(id)?;
        if node.mint.is_some() || node.uses.count > 0 || !self.nodes.contains_key(from) || from == id {
            return None;
        }
        let reason = format!("the inventory says so (`{via}`); nothing of it is in these records");
        Some(Bond { from: from.clone(), basis: *basis, confidence: BY_INVENTORY, reason: Some(reason) })
    }

    /// Sessions that were issued, by role and given name: when, and to whom.
    fn session_names(&self) -> SessionNames<'_> {
        let mut out = SessionNames::new();
        for node in self.nodes.values() {
            if let (Some(role), Some(session), Some(mint)) = (&node.role, &node.session, &node.mint)
                && let Some(by) = mint.by.as_deref().filter(|by| self.nodes.contains_key(*by))
            {
                out.entry((role, session)).or_default().push((mint.sight.at, by));
            }
        }
        out
    }

    /// Sessions that were opened by signing in, by identity.
    fn logins(&self) -> Logins<'_> {
        let mut out = Logins::new();
        for (id, node) in &self.nodes {
            if let (Some(identity), Some(mint)) = (&node.identity, &node.mint)
                && let Some(at) = mint.sight.at.filter(|_| mint.login)
            {
                out.entry(self.names.shown(identity)).or_default().push((at, id));
            }
        }
        out
    }

    /// Keys of applications that were seen to be made, by application.
    fn client_keys(&self) -> Clients<'_> {
        let mut out = Clients::new();
        for (id, node) in self.nodes.iter().filter(|(_, n)| n.kind == LinkKind::OauthClient) {
            if let (Some(identity), Some(at)) = (&node.identity, node.mint.as_ref().and_then(|m| m.sight.at)) {
                out.entry(self.names.shown(identity)).or_default().push((at, id));
            }
        }
        out
    }

    /// Tokens by whom they are for and who acts in them.
    fn by_actors(&self) -> ByActors<'_> {
        let mut out = ByActors::new();
        if self.nodes.values().all(|n| n.act.is_empty()) {
            return out;
        }
        for (id, node) in self.nodes.iter().filter(|(_, n)| n.kind.is_session()) {
            if let (Some(identity), Some(at)) = (&node.identity, node.first_at()) {
                out.entry((self.names.shown(identity), &node.act)).or_default().push((at, id));
            }
        }
        out
    }
}

type SessionNames<'a> = BTreeMap<(&'a str, &'a str), Vec<(Option<Timestamp>, &'a str)>>;
type Logins<'a> = BTreeMap<&'a str, Vec<(Timestamp, &'a str)>>;
type Clients<'a> = BTreeMap<&'a str, Vec<(Timestamp, &'a str)>>;
type ByActors<'a> = BTreeMap<(&'a str, &'a [String]), Vec<(Timestamp, &'a str)>>;
