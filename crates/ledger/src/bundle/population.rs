//! Every case between two sizes of the log, and how each stood at the later one.
//!
//! A proof that something is *not* left out needs everything it could hide in: the
//! bundle holds all leaves of the range, and the right edge that the log had before
//! the first of them. From these follow the root at either end, and a consistency
//! proof binds the later one to the signed checkpoint. So no leaf can be taken out,
//! and `population.json` holds nothing that does not follow from the leaves: the
//! verifier writes it again and compares.

use super::Link;
use super::layout;
use super::report::{Code, Facts, Faults};
use super::verify::{Inspect, signed};
use super::zip::{BadContainer, Entry, pack};
use crate::leaf::{self, Hash, hex, unhex};
use crate::note::VerifierKey;
use crate::proof::verify_consistency;
use crate::tree::Frontier;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What `format` says in `population.json`.
const FORMAT: &str = "quell-population/1";

/// The text of `README.txt` in a population bundle; part of the format.
pub const README: &str = include_str!("population.txt");

/// What a population bundle is made of.
pub struct Population {
    /// The signed checkpoint note, verbatim; of the range's end or later.
    pub checkpoint: String,
    /// The key that signed it.
    pub key: VerifierKey,
    /// The log's right edge before the first leaf.
    pub before: Frontier,
    /// Every leaf from there on.
    pub leaves: Vec<Vec<u8>>,
    /// From the end of the range to the checkpoint; empty where they are one.
    pub consistency: Vec<Hash>,
}

/// A population that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwritablePopulation {
    #[error("leaf {index}: {why}")]
    Leaf { index: u64, why: String },
    #[error(transparent)]
    Container(#[from] BadContainer),
}

/// What a verified population bundle says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Census {
    pub from: End,
    pub to: End,
    /// Cases opened in between.
    pub cases: u64,
}

/// One end of the range: what an older checkpoint is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    pub size: u64,
    /// As base64, like a checkpoint's.
    pub root: String,
}

/// A case that was opened in the range, and its end state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its stream.
    pub case: String,
    /// The event that opened it.
    pub index: u64,
    pub opened_at: String,
    /// The stage it stood in at the end of the range.
    pub state: String,
    /// When it came to that.
    pub since: String,
    /// Events of its stream in the range.
    pub events: u64,
    /// The leaf hash of the last of them, in hex.
    pub head: String,
}

/// `population.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    format: String,
    from: End,
    to: End,
    /// Hex of the encoded right edge at `from`.
    edge: String,
    /// Base64, from `to` to the checkpoint.
    consistency: Vec<String>,
    cases: Vec<Row>,
}

/// Writes the bundle; the same content always gives the same bytes.
pub fn write_population(population: &Population, inspect: Inspect<'_>) -> Result<Vec<u8>, UnwritablePopulation> {
    let listing = listing(&population.before, &population.leaves, &population.consistency, inspect)
        .map_err(|(index, why)| UnwritablePopulation::Leaf { index, why })?;
    let mut leaves = Vec::new();
    for leaf in &population.leaves {
        leaves.extend_from_slice(leaf);
        leaves.push(b'\n');
    }
    let key = format!("{}\n", population.key);
    Ok(pack(&[
        Entry { name: layout::POPULATION, data: &listing.bytes() },
        Entry { name: layout::CHECKPOINT, data: population.checkpoint.as_bytes() },
        Entry { name: layout::KEY, data: key.as_bytes() },
        Entry { name: layout::LEAVES, data: &leaves },
        Entry { name: layout::README, data: README.as_bytes() },
    ])?)
}

/// Verifies the entries of a population bundle.
pub(super) fn open(entries: &[Entry<'_>], pinned: Option<&VerifierKey>, inspect: Inspect<'_>, facts: &mut Facts, faults: &mut Faults) {
    let names = [layout::POPULATION, layout::CHECKPOINT, layout::KEY, layout::LEAVES, layout::README];
    for entry in entries.iter().filter(|entry| !names.contains(&entry.name)) {
        faults.add(Code::ExtraFile, format!("`{}` does not belong into a population bundle", entry.name));
    }
    if !entries.iter().map(|entry| entry.name).eq(names) {
        faults.add(Code::MissingFile, format!("expected exactly {}, in this order", names.join(", ")));
    }
    let data = |name: &str| entries.iter().find(|entry| entry.name == name).map_or(&[][..], |entry| entry.data);
    if data(layout::README) != README.as_bytes() {
        faults.add(Code::BadReadme, format!("`{}` is not the known text", layout::README));
    }
    let checkpoint = signed(data(layout::CHECKPOINT), data(layout::KEY), pinned, facts, faults);
    facts.log = checkpoint.as_ref().map(|checkpoint| (checkpoint.size, checkpoint.root));

    let Ok(given) = serde_json::from_slice::<Listing>(data(layout::POPULATION)) else {
        faults.add(Code::BadPopulation, format!("`{}` does not have the shape of its format", layout::POPULATION));
        return;
    };
    let Some((before, consistency)) = given.edge() else {
        faults.add(Code::BadPopulation, format!("`{}`: the edge or the consistency proof cannot be read", layout::POPULATION));
        return;
    };
    let leaves: Vec<&[u8]> = match data(layout::LEAVES) {
        [] => Vec::new(),
        bytes => bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n').collect(),
    };
    facts.events = leaves.len() as u64;
    let found = match listing(&before, &leaves, &consistency, inspect) {
        Ok(found) => found,
        Err((index, why)) => {
            faults.add(Code::BadEvent, format!("event {index} cannot be read: {why}"));
            return;
        }
    };
    if let Some(checkpoint) = &checkpoint
        && let Err(why) = bound(&found.to, &consistency, checkpoint.size, &checkpoint.root)
    {
        let (from, to) = (found.from.size, found.to.size);
        faults.add(Code::BadInclusion, format!("these are not the events {from} to {to} of the log: {why}"));
    }

    for row in found.cases.iter().filter(|row| !given.cases.iter().any(|other| other.case == row.case)) {
        faults.add(Code::MissingCase, format!("`{}`, opened at event {}, is not listed", row.case, row.index));
    }
    for row in given.cases.iter().filter(|row| !found.cases.iter().any(|other| other.case == row.case)) {
        faults.add(Code::ExtraCase, format!("`{}` is listed and was not opened in this range", row.case));
    }
    if found.bytes() != data(layout::POPULATION) {
        faults.add(Code::BadPopulation, format!("`{}` is not what the events say", layout::POPULATION));
    }
    facts.population = Some(Census { from: found.from, to: found.to, cases: found.cases.len() as u64 });
}

/// The later end is a size that the signed log went through.
fn bound(to: &End, consistency: &[Hash], size: u64, root: &Hash) -> Result<(), String> {
    let end = Hash::from_base64(&to.root).map_err(|error| error.to_string())?;
    if to.size == size {
        return if end == *root && consistency.is_empty() { Ok(()) } else { Err("they lead to another root".to_string()) };
    }
    verify_consistency(to.size, size, &end, root, consistency).map_err(|error| error.to_string())
}

impl Listing {
    fn bytes(&self) -> Vec<u8> {
        // Strings, numbers and lists of them always print.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    fn edge(&self) -> Option<(Frontier, Vec<Hash>)> {
        let before = Frontier::decode(&unhex(&self.edge)?).ok()?;
        let proof = self.consistency.iter().map(|hash| Hash::from_base64(hash).ok()).collect::<Option<_>>()?;
        Some((before, proof))
    }
}

/// What the leaves say: nothing else goes into the file.
fn listing<L: AsRef<[u8]>>(before: &Frontier, leaves: &[L], consistency: &[Hash], inspect: Inspect<'_>) -> Result<Listing, (u64, String)> {
    let mut tree = before.clone();
    let from = End { size: tree.size(), root: tree.root().base64() };
    let mut cases: BTreeMap<String, Row> = BTreeMap::new();
    for leaf in leaves {
        let (index, leaf) = (tree.size(), leaf.as_ref());
        if leaf.len() > leaf::MAX_BYTES {
            return Err((index, format!("it has {} bytes, at most {} are allowed", leaf.len(), leaf::MAX_BYTES)));
        }
        let link: Link = inspect(leaf).map_err(|why| (index, why))?;
        if !link.canonical {
            return Err((index, "it is not in its canonical spelling".to_string()));
        }
        let hash = leaf::hash(leaf);
        tree.push(hash);
        if link.opens {
            let row = Row {
                case: link.stream.clone(),
                index,
                opened_at: link.at.clone(),
                state: String::new(),
                since: link.at.clone(),
                events: 0,
                head: String::new(),
            };
            cases.insert(link.stream.clone(), row);
        }
        // What was opened before the range is not of it.
        let Some(row) = cases.get_mut(&link.stream) else { continue };
        row.events += 1;
        row.head = hash.hex();
        if link.version != row.events {
            return Err((index, format!("`{}` lacks its version {}", link.stream, row.events)));
        }
        if let Some(state) = link.state {
            (row.state, row.since) = (state, link.at);
        }
    }
    let mut cases: Vec<Row> = cases.into_values().collect();
    cases.sort_by_key(|row| row.index);
    Ok(Listing {
        format: FORMAT.to_string(),
        from,
        to: End { size: tree.size(), root: tree.root().base64() },
        edge: hex(&before.encode()),
        consistency: consistency.iter().map(Hash::base64).collect(),
        cases,
    })
}
