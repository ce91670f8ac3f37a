//! What others publish about threats, shown beside a case and deciding nothing.
//!
//! A feed names vulnerabilities, addresses, domains, hashes and actors. Where a signal of
//! a case names one of them, word for word, the case shows what the feed says of it.
//! No policy, plan, confidence or route rests on it: whoever fills a feed would else
//! decide whom Quell cuts. Texts of a feed come from outside and are shown as such.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The most entries of one feed.
pub const ENTRIES_MAX: usize = 200_000;
/// The most matches that one case shows.
pub const MATCHES_MAX: usize = 50;
/// The shortest name of an actor that is looked for in a text.
const ACTOR_CHARS_MIN: usize = 4;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A CVE id.
    Vulnerability,
    /// An IP address.
    Address,
    Domain,
    /// MD5, SHA-1 or SHA-256, hex.
    Hash,
    /// A name of a threat actor, or another one of it.
    Actor,
}

/// In which published form a feed came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// CISA's catalogue of known exploited vulnerabilities, JSON.
    Kev,
    /// A bundle of STIX 2.1.
    Stix,
}

/// One thing that a feed names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub kind: Kind,
    /// As [`Entry::new`] spells it.
    pub value: String,
    /// What the feed calls it.
    pub title: String,
    pub says: Option<String>,
    /// The date or time since which the feed names it, as it spells it.
    pub since: Option<String>,
    /// From then on the feed no longer holds it to be so.
    pub until: Option<Timestamp>,
}

impl Entry {
    /// An entry whose value is spelt as it is looked for; none where it is none of its kind.
    pub fn new(kind: Kind, value: &str, title: &str) -> Option<Self> {
        let value = value.trim();
        let value = match kind {
            Kind::Vulnerability => cve(value)?,
            Kind::Address => value.parse::<IpAddr>().ok()?.to_string(),
            Kind::Domain => domain(value)?,
            Kind::Hash => hash(value)?,
            Kind::Actor => {
                let name = value.to_lowercase();
                if name.chars().count() < ACTOR_CHARS_MIN {
                    return None;
                }
                name
            }
        };
        Some(Self { kind, value, title: title.to_string(), says: None, since: None, until: None })
    }
}

/// One feed as it was brought in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    pub name: String,
    pub form: Form,
    pub entries: Vec<Entry>,
}

/// What a signal named, and what a feed says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    pub feed: &'a str,
    pub form: Form,
    pub entry: &'a Entry,
}

/// Every feed, to be asked what it says of a text.
#[derive(Clone, Debug, Default)]
pub struct Context {
    feeds: Vec<Feed>,
    /// Where an entry stands: feed and place in it.
    places: BTreeMap<(Kind, String), Vec<(usize, usize)>>,
}

impl Context {
    /// Takes feeds as they were stored.
    pub fn of(feeds: Vec<Feed>) -> Self {
        let mut places: BTreeMap<(Kind, String), Vec<(usize, usize)>> = BTreeMap::new();
        for (f, feed) in feeds.iter().enumerate() {
            for (n, entry) in feed.entries.iter().enumerate() {
                places.entry((entry.kind, entry.value.clone())).or_default().push((f, n));
            }
        }
        Self { feeds, places }
    }

    /// Nothing was brought in.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What feeds say of what these texts name at `now`: each entry once, at most [`MATCHES_MAX`].
    pub fn named_in<'t>(&self, texts: impl IntoIterator<Item = &'t str>, now: Timestamp) -> Vec<Match<'_>> {
        let mut named: BTreeSet<(Kind, String)> = BTreeSet::new();
        for text in texts {
            named.extend(terms(text).into_iter().filter(|term| self.places.contains_key(term)));
            named.extend(self.actors_in(text));
        }
        let places = named.iter().filter_map(|term| self.places.get(term)).flatten();
        let entries = places.filter_map(|(f, n)| {
            let feed = &self.feeds[*f];
            let entry = &feed.entries[*n];
            entry.until.is_none_or(|until| now < until).then_some(Match { feed: &feed.name, form: feed.form, entry })
        });
        entries.take(MATCHES_MAX).collect()
    }

    fn actors_in(&self, text: &str) -> Vec<(Kind, String)> {
        let text = text.to_lowercase();
        let actors = self.places.range((Kind::Actor, String::new())..).map(|(term, _)| term);
        actors.filter(|(_, name)| has_word(&text, name)).cloned().collect()
    }
}

/// `name` stands in `text` between what are no letters or digits.
fn has_word(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        [before, after].into_iter().flatten().all(|c| !c.is_alphanumeric())
    })
}

/// CVE ids, addresses, domains and hashes that a text names, as entries spell them.
fn terms(text: &str) -> Vec<(Kind, String)> {
    let mut terms = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_'))) {
        let word = word.trim_matches(['.', '-', '_']);
        // An IPv6 address may begin and end with colons; nothing else does.
        let bare = word.trim_matches(':');
        let host = bare.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(bare, |(host, _)| host);
        let address = [word, bare, host].into_iter().find_map(|w| w.parse::<IpAddr>().ok());
        if let Some(address) = address {
            terms.push((Kind::Address, address.to_string()));
            continue;
        }
        terms.extend(cve(bare).map(|id| (Kind::Vulnerability, id)));
        terms.extend(hash(bare).map(|hash| (Kind::Hash, hash)));
        terms.extend(domain(host).map(|name| (Kind::Domain, name)));
    }
    terms
}

fn cve(word: &str) -> Option<String> {
    let upper = word.to_ascii_uppercase();
    let (year, number) = upper.strip_prefix("CVE-")?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_one = year.len() == 4 && digits(year) && (4..=19).contains(&number.len()) && digits(number);
    is_one.then(|| format!("CVE-{year}-{number}"))
}

fn hash(word: &str) -> Option<String> {
    let is_one = matches!(word.len(), 32 | 40 | 64) && word.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| word.to_ascii_lowercase())
}

fn domain(word: &str) -> Option<String> {
    let name = word.trim_end_matches('.').to_ascii_lowercase();
    let label = |l: &str| !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let (_, last) = name.rsplit_once('.')?;
    let is_one = name.len() <= 253 && name.split('.').all(label) && last.bytes().any(|b| b.is_ascii_alphabetic());
    is_one.then_some(name)
}
