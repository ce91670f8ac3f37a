//! Which files a bundle has, and in which order.

use super::report::{Code, Faults};
use super::zip::Entry;
use crate::checkpoint::decimal;
use crate::leaf::Hash;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

pub(super) const CASE: &str = "case.json";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const KEY: &str = "key.vkey";
pub(super) const DISCLOSURES: &str = "disclosures.jsonl";
pub(super) const README: &str = "README.txt";
/// Only in a population bundle, and its first file.
pub(super) const POPULATION: &str = "population.json";
pub(super) const LEAVES: &str = "leaves.jsonl";

pub(super) fn event(index: u64) -> String {
    format!("events/{index}.json")
}

pub(super) fn blob(hash: &Hash) -> String {
    format!("blobs/{hash}")
}

pub(super) fn proof(index: u64) -> String {
    format!("proofs/{index}.tlog-proof")
}

/// The one place of a file; the derived order is the order in the container.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Case,
    Checkpoint,
    Key,
    Event(u64),
    Blob(Hash),
    Proof(u64),
    Disclosures,
    Readme,
}

impl Place {
    fn of(name: &str) -> Option<Place> {
        let index = |prefix, suffix| decimal(name.strip_prefix(prefix)?.strip_suffix(suffix)?);
        match name {
            CASE => Some(Place::Case),
            CHECKPOINT => Some(Place::Checkpoint),
            KEY => Some(Place::Key),
            DISCLOSURES => Some(Place::Disclosures),
            README => Some(Place::Readme),
            _ => None,
        }
        .or_else(|| index("events/", ".json").map(Place::Event))
        .or_else(|| index("proofs/", ".tlog-proof").map(Place::Proof))
        .or_else(|| Hash::from_hex(name.strip_prefix("blobs/")?).ok().map(Place::Blob))
    }
}

/// The files of a bundle, sorted to where they are needed. A missing single
/// file is empty and has been reported.
#[derive(Default)]
pub(super) struct Files<'a> {
    pub case: &'a [u8],
    pub checkpoint: &'a [u8],
    pub key: &'a [u8],
    pub events: BTreeMap<u64, &'a [u8]>,
    pub blobs: BTreeMap<Hash, &'a [u8]>,
    pub proofs: BTreeMap<u64, &'a [u8]>,
    pub disclosures: &'a [u8],
    pub readme: &'a [u8],
}

impl<'a> Files<'a> {
    /// Sorts the entries, reporting what is extra, missing or out of order.
    pub(super) fn sort(entries: &[Entry<'a>], faults: &mut Faults) -> Files<'a> {
        let mut files = Files::default();
        let mut last = None;
        let mut single = [false; 5];
        for Entry { name, data } in entries {
            let Some(place) = Place::of(name) else {
                faults.add(Code::ExtraFile, format!("`{name}` does not belong into a bundle"));
                continue;
            };
            if last.is_some_and(|last| last >= place) {
                faults.add(Code::BadContainer, format!("`{name}` is out of order"));
            }
            last = Some(place);
            match place {
                Place::Case => (files.case, single[0]) = (data, true),
                Place::Checkpoint => (files.checkpoint, single[1]) = (data, true),
                Place::Key => (files.key, single[2]) = (data, true),
                Place::Disclosures => (files.disclosures, single[3]) = (data, true),
                Place::Readme => (files.readme, single[4]) = (data, true),
                Place::Event(index) => drop(files.events.insert(index, data)),
                Place::Proof(index) => drop(files.proofs.insert(index, data)),
                Place::Blob(hash) => drop(files.blobs.insert(hash, data)),
            }
        }
        for (found, name) in single.iter().zip([CASE, CHECKPOINT, KEY, DISCLOSURES, README]) {
            if !found {
                faults.add(Code::MissingFile, format!("`{name}` is missing"));
            }
        }
        files
    }
}
