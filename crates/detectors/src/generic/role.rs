//! Which values name the identity that a record is about.
//!
//! Values of one object belong together: an id and a name beside it are one
//! identity. Each candidate has a strength from the words of its path and from
//! the form of its value; the strongest wins, who acted before who was acted
//! upon, unless the record resets or locks somebody.

use std::collections::BTreeMap;

use quell_core::signal::IdentityKind;

use super::{LEAST, leaf::Leaf};
use crate::{
    arn::{self, Arn},
    claim::Who,
    field::{as_text, is_placeholder},
    principal, spiffe,
    windows::{self, Account},
};

/// The identity that was found.
pub struct Found {
    pub who: Who,
    pub system: Option<String>,
    pub confidence: u8,
    /// In our words, for a reason.
    pub why: &'static str,
    pub is_target: bool,
    pub others: usize,
}

/// Words that mark who was acted upon.
const TARGET: &[&str] = &["target", "dest", "destination", "affected", "victim", "impacted", "duser"];

/// What a value may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Id,
    Name,
    Sid,
    Domain,
}

#[derive(Default)]
struct Candidate {
    id: Option<(u8, String)>,
    name: Option<(u8, String)>,
    sid: Option<String>,
    domain: Option<String>,
    strength: u8,
    why: &'static str,
    depth: usize,
}

/// The identity that the record is about; `words` are its title and action.
pub fn subject(leaves: &[Leaf<'_>], words: &str) -> Option<Found> {
    let mut all: BTreeMap<(usize, bool), Candidate> = BTreeMap::new();
    for leaf in leaves.iter().filter(|l| !l.is_never()) {
        let Some(text) = as_text(leaf.value).filter(|t| !is_placeholder(t) && t.len() <= 512) else { continue };
        let Some((part, strength, why)) = part(leaf, &text) else { continue };
        let target = TARGET.iter().any(|w| leaf.has(w));
        let candidate = all.entry((leaf.object, target)).or_insert_with(|| Candidate { depth: leaf.depth, ..Candidate::default() });
        candidate.take(part, strength, why, text);
    }
    let resets = ["reset", "password", "mfa", "lock", "disable", "suspend", "leak"];
    let lower = words.to_lowercase();
    let about_target = resets.iter().any(|w| lower.contains(w));
    let in_container = leaves.iter().any(|l| l.ends(&["container", "id"]) && as_text(l.value).is_some_and(|t| t != "host"));
    let mut found: Vec<(bool, Found, usize)> = Vec::new();
    for ((_, target), candidate) in all {
        let depth = candidate.depth;
        let Some(one) = candidate.found(target, in_container) else { continue };
        found.push((target == about_target, one, depth));
    }
    // The side that the record is about comes first where both are strong.
    found.sort_by_key(|(side, one, depth)| {
        let bonus = if *side && about_target { 50 } else { u8::from(*side) * 8 };
        (std::cmp::Reverse(one.confidence.saturating_add(bonus)), *depth)
    });
    let ids: Vec<Option<String>> = found.iter().map(|(_, f, _)| f.who.id.clone().or(f.who.name.clone())).collect();
    let others = ids.iter().skip(1).filter(|id| **id != ids[0]).count();
    let (_, first, _) = found.into_iter().next()?;
    let is_target = first.is_target && about_target;
    Some(Found { others, is_target, ..first })
}

/// What a value is, how strongly, and why.
fn part(leaf: &Leaf<'_>, text: &str) -> Option<(Part, u8, &'static str)> {
    // Forms that only identities have.
    if Arn::of(text).is_some_and(|a| a.is_identity()) && !leaf.has("resource") && !leaf.has("resources") && !leaf.has("request") {
        let issuer = leaf.has("issuer") || leaf.has("parameters");
        return Some((Part::Id, if issuer { 40 } else { 92 }, "known by its form, an ARN of a user, a role or a session"));
    }
    if spiffe::workload(text).is_some() && !leaf.has("local") && !leaf.has("upstream") && !leaf.has("destination") {
        return Some((Part::Id, 92, "known by its form, a SPIFFE id"));
    }
    if text.starts_with("system:serviceaccount:") {
        return Some((Part::Name, 90, "known by its form, a service account of a cluster"));
    }
    if principal::is_google_service_account(&text.to_ascii_lowercase()) && !leaf.has("resource") && !leaf.has("member") {
        return Some((Part::Name, 88, "known by its form, the address of a service account"));
    }
    let (part, strength) = named(leaf).or_else(|| typed(leaf))?;
    // Of two equal ones, who acted.
    let strength = if leaf.has("actor") || leaf.has("initiator") { strength + 3 } else { strength };
    let shaped = match part {
        Part::Name if principal::is_address(text) => 10,
        Part::Name if text.contains('\\') => 5,
        Part::Sid if text.starts_with("S-1-5-21-") => 10,
        Part::Name | Part::Id if text.len() > 200 || text.contains(['{', '\n']) => return None,
        _ => 0,
    };
    let why = if shaped > 0 { "known by the name of its field and the form of its value" } else { "known by the name of its field" };
    Some((part, strength + shaped, why))
}

/// What the words of a path say.
fn named(leaf: &Leaf<'_>) -> Option<(Part, u8)> {
    // Words of the whole path's end, the part, the strength.
    const ENDS: &[(&[&str], Part, u8)] = &[
        (&["user", "principal", "name"], Part::Name, 82),
        (&["principal", "id"], Part::Id, 93),
        (&["principal", "email"], Part::Name, 80),
        (&["principal", "name"], Part::Name, 75),
        (&["user", "uid"], Part::Id, 82),
        (&["user", "id"], Part::Id, 82),
        (&["user", "guid"], Part::Id, 78),
        (&["user", "uuid"], Part::Id, 80),
        (&["user", "gid"], Part::Id, 76),
        (&["user", "account", "id"], Part::Id, 80),
        (&["usr", "id"], Part::Id, 80),
        (&["usr", "name"], Part::Name, 76),
        (&["usr", "email"], Part::Name, 76),
        (&["user", "object", "id"], Part::Id, 80),
        (&["aad", "user", "id"], Part::Id, 84),
        (&["account", "object", "id"], Part::Id, 82),
        (&["user", "sid"], Part::Sid, 80),
        (&["account", "sid"], Part::Sid, 80),
        (&["object", "sid"], Part::Sid, 78),
        (&["user", "name"], Part::Name, 78),
        (&["user", "email"], Part::Name, 76),
        (&["user", "login"], Part::Name, 76),
        (&["user", "alternate", "id"], Part::Name, 76),
        (&["account", "name"], Part::Name, 72),
        (&["account", "upn"], Part::Name, 78),
        (&["account", "domain"], Part::Domain, 60),
        (&["user", "domain"], Part::Domain, 60),
        (&["domain", "name"], Part::Domain, 40),
        (&["logon", "domain"], Part::Domain, 60),
        (&["nt", "domain"], Part::Domain, 60),
        (&["ntdomain"], Part::Domain, 60),
        (&["actor", "id"], Part::Id, 76),
        (&["actor", "uuid"], Part::Id, 76),
        (&["actor", "gid"], Part::Id, 76),
        (&["actor", "profile", "id"], Part::Id, 70),
        (&["actor", "display", "name"], Part::Name, 70),
        (&["person", "email"], Part::Name, 74),
        (&["initiated", "by", "id"], Part::Id, 76),
        (&["initiated", "by", "email"], Part::Name, 76),
        (&["process", "user"], Part::Name, 70),
        (&["actor", "name"], Part::Name, 76),
        (&["actor", "email"], Part::Name, 76),
        (&["actor", "login"], Part::Name, 76),
        (&["actor", "alternate", "id"], Part::Name, 76),
        (&["actor", "entity", "id"], Part::Name, 76),
        (&["identity", "id"], Part::Id, 70),
        (&["identity", "name"], Part::Name, 70),
        (&["subject", "id"], Part::Id, 65),
        (&["caller", "id"], Part::Id, 70),
        (&["service", "account", "name"], Part::Name, 76),
        (&["service", "account"], Part::Name, 72),
        (&["login", "name"], Part::Name, 72),
        (&["src", "user"], Part::Name, 70),
        (&["source", "user"], Part::Name, 70),
        (&["suser"], Part::Name, 70),
        (&["srcuser"], Part::Name, 70),
        (&["dstuser"], Part::Name, 75),
        (&["upn"], Part::Name, 78),
        (&["affected", "email", "address"], Part::Name, 80),
        (&["target", "name"], Part::Name, 60),
    ];
    // A key alone, where it holds the text itself.
    const ALONE: &[(&[&str], u8)] = &[
        (&["user"], 75),
        (&["actor"], 76),
        (&["operator"], 68),
        (&["principal"], 72),
        (&["identity"], 66),
        (&["caller"], 66),
        (&["login"], 62),
        (&["email"], 55),
        (&["sub"], 60),
    ];
    let number = leaf.value.is_number();
    // `user.target.name` is a user's name, too.
    let plain: Vec<&str> = leaf.words.iter().map(String::as_str).filter(|w| !TARGET.contains(w)).collect();
    let ends = |words: &[&str]| leaf.ends(words) || plain.ends_with(words);
    let found = ENDS.iter().find(|(words, ..)| ends(words)).map(|(_, part, strength)| (*part, *strength));
    let found = found.or_else(|| ALONE.iter().find(|(words, _)| leaf.own_is(words)).map(|(_, strength)| (Part::Name, *strength)));
    found.map(|(part, strength)| (part, if number { strength - 20 } else { strength }))
}

/// `{"type":"user","id":..,"name":..}`: an object that says of itself that it is
/// an identity.
fn typed(leaf: &Leaf<'_>) -> Option<(Part, u8)> {
    if !leaf.typed {
        return None;
    }
    const ENDS: &[(&[&str], Part, u8)] = &[
        (&["native", "id"], Part::Id, 76),
        (&["external", "id"], Part::Id, 76),
        (&["provider", "unique", "id"], Part::Id, 77),
        (&["uid"], Part::Id, 75),
        (&["id"], Part::Id, 74),
        (&["name"], Part::Name, 72),
        (&["login"], Part::Name, 74),
        (&["email"], Part::Name, 76),
    ];
    ENDS.iter().find(|(words, ..)| leaf.own_is(words)).map(|(_, part, strength)| (*part, *strength))
}

impl Candidate {
    fn take(&mut self, part: Part, strength: u8, why: &'static str, text: String) {
        if strength > self.strength && part != Part::Domain {
            (self.strength, self.why) = (strength, why);
        }
        let slot = match part {
            Part::Id => &mut self.id,
            Part::Name => &mut self.name,
            Part::Sid => return self.sid = self.sid.take().or(Some(text)),
            Part::Domain => return self.domain = self.domain.take().or(Some(text)),
        };
        if slot.as_ref().is_none_or(|(held, _)| strength > *held) {
            *slot = Some((strength, text));
        }
    }

    fn found(self, target: bool, in_container: bool) -> Option<Found> {
        if self.strength < LEAST {
            return None;
        }
        let (id, name) = (self.id.map(|(_, t)| t), self.name.map(|(_, t)| t));
        if windows::is_machine_wide(
            self.domain.as_deref(),
            self.domain.as_ref().and(name.as_deref()),
            self.sid.as_deref().or(id.as_deref()),
        ) {
            return None;
        }
        if in_container && name.as_deref() == Some("root") {
            return None;
        }
        if id.is_none() && (self.sid.is_some() || self.domain.is_some()) {
            let account = Account { domain: self.domain, name, sid: self.sid, ..Account::default() };
            let (who, system) = account.identity();
            return who.is_somebody().then_some(Found {
                who,
                system,
                confidence: self.strength,
                why: self.why,
                is_target: target,
                others: 0,
            });
        }
        let arn = id.as_deref().and_then(Arn::of);
        let workload = id.as_deref().and_then(spiffe::workload);
        let system = arn.as_ref().filter(|a| !a.account.is_empty()).map(|a| arn::system(a.account)).or(workload.map(|(_, domain)| domain));
        let name = name.or_else(|| arn.map(|a| a.name().to_owned()));
        let kind = [&name, &id].into_iter().flatten().map(|t| principal::kind_of_name(t)).find(|k| *k != IdentityKind::Unknown);
        let who = Who { id: id.or_else(|| name.clone()), name, kind: kind.unwrap_or(IdentityKind::Unknown) };
        who.is_somebody().then_some(Found { who, system, confidence: self.strength, why: self.why, is_target: target, others: 0 })
    }
}
