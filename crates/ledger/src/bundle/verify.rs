//! Verifying a bundle: from the container inwards, trusting nothing it says
//! about itself.

use super::chain::{self, Linked};
use super::layout::{self, Files};
use super::report::{Code, Facts, Faults, Report};
use super::{Disclosure, Link, README, population, zip};
use crate::checkpoint::{BadCheckpoint, Checkpoint};
use crate::leaf::{self, Hash};
use crate::note::VerifierKey;
use crate::proof::{TlogProof, verify_inclusion};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Deserialize;

/// Reads the [`Link`] out of one leaf, or says why it cannot.
pub type Inspect<'f> = &'f dyn Fn(&[u8]) -> Result<Link, String>;

/// The two fields of `case.json` that matter here.
#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    _case: String,
    stream: String,
}

/// Verifies the bytes of a bundle.
///
/// `key` is the log's key as the caller knows it from elsewhere. Without one
/// the report is never `ok`, because whoever forged the bundle could have put
/// his own key inside. Goes on after a fault where it can, so that one report
/// tells all; never panics, and its cost is bounded by the size of `bytes`.
pub fn verify(bytes: &[u8], key: Option<&VerifierKey>, inspect: Inspect<'_>) -> Report {
    let (mut facts, mut faults) = (Facts::default(), Faults::default());
    if key.is_none() {
        faults.add(Code::UnpinnedKey, "integrity only, signer not established; give the log's key with `--key`");
    }
    match zip::unpack(bytes) {
        Err(error) => faults.add(Code::BadContainer, error.to_string()),
        Ok(entries) if entries.first().is_some_and(|entry| entry.name == layout::POPULATION) => {
            population::open(&entries, key, inspect, &mut facts, &mut faults);
        }
        Ok(entries) => {
            let files = Files::sort(&entries, &mut faults);
            open(&files, key, inspect, &mut facts, &mut faults);
        }
    }
    Report::new(facts, faults)
}

fn open(files: &Files<'_>, pinned: Option<&VerifierKey>, inspect: Inspect<'_>, facts: &mut Facts, faults: &mut Faults) {
    facts.events = files.events.len() as u64;
    if files.readme != README.as_bytes() {
        faults.add(Code::BadReadme, format!("`{}` is not the known text", layout::README));
    }

    let checkpoint = signed(files.checkpoint, files.key, pinned, facts, faults);
    facts.log = checkpoint.as_ref().map(|checkpoint| (checkpoint.size, checkpoint.root));
    proofs_without_event(files, faults);
    let mut linked = Vec::new();
    for (index, leaf) in &files.events {
        let leaf_hash = leaf::hash(leaf);
        match (&checkpoint, files.proofs.get(index)) {
            (_, None) => faults.add(Code::MissingFile, format!("`{}` is missing", layout::proof(*index))),
            // What cannot be checked is already refused by the checkpoint.
            (None, Some(_)) => {}
            (Some(checkpoint), Some(proof)) => {
                if let Err(why) = included(*index, &leaf_hash, proof, files.checkpoint, checkpoint) {
                    faults.add(Code::BadInclusion, format!("event {index}: {why}"));
                }
            }
        }
        if let Some(link) = read(*index, leaf, inspect, faults) {
            linked.push(Linked { index: *index, leaf: leaf_hash, link });
        }
    }

    match serde_json::from_slice::<Case>(files.case) {
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let wanted = "expected an object with the strings `case` and `stream`";
            faults.add(Code::BadCase, format!("`{}` line {line}, column {column}: {wanted}", layout::CASE));
        }
        Ok(case) => {
            let named = chain::check(&linked, &case.stream, faults).and_then(|export| export.link.case);
            if named.is_some_and(|named| named != Hash::of(files.case)) {
                faults.add(Code::BadCase, format!("`{}` is not the one that the export names", layout::CASE));
            }
        }
    }
    disclosed(files, &linked, facts, faults);
    blobs(files, &linked, faults);
}

/// The checkpoint, if the key in the bundle signed it.
pub(super) fn signed(note: &[u8], key: &[u8], pinned: Option<&VerifierKey>, facts: &mut Facts, faults: &mut Faults) -> Option<Checkpoint> {
    let text = core::str::from_utf8(key).unwrap_or_default();
    let key = match VerifierKey::parse(text.strip_suffix('\n').unwrap_or_default()) {
        Ok(key) => key,
        Err(error) => {
            faults.add(Code::BadKey, format!("`{}`: {error}", layout::KEY));
            return None;
        }
    };
    facts.key = Some(key.to_string());
    facts.key_pinned = pinned == Some(&key);
    if let Some(pinned) = pinned.filter(|pinned| **pinned != key) {
        faults.add(Code::WrongKey, format!("signed by `{key}`, wanted `{pinned}`; this is another log, or a forged one"));
    }
    match Checkpoint::open(note, &key) {
        Ok(checkpoint) => Some(checkpoint),
        Err(error @ BadCheckpoint::Unverified(_)) => {
            faults.add(Code::BadSignature, format!("`{}`: {error}", layout::CHECKPOINT));
            None
        }
        Err(error) => {
            faults.add(Code::BadCheckpoint, format!("`{}`: {error}", layout::CHECKPOINT));
            None
        }
    }
}

fn proofs_without_event(files: &Files<'_>, faults: &mut Faults) {
    for index in files.proofs.keys().filter(|index| !files.events.contains_key(index)) {
        faults.add(Code::ExtraFile, format!("`{}` proves an event that is not here", layout::proof(*index)));
    }
}

/// One proof, against the one checkpoint of the bundle.
fn included(index: u64, leaf: &Hash, proof: &[u8], checkpoint_note: &[u8], checkpoint: &Checkpoint) -> Result<(), String> {
    let proof = TlogProof::parse(proof).map_err(|error| error.to_string())?;
    if proof.checkpoint.as_bytes() != checkpoint_note {
        return Err("its proof carries another checkpoint than the bundle".to_string());
    }
    if proof.index != index {
        return Err(format!("its proof is of event {}", proof.index));
    }
    if proof.extra.is_some() {
        return Err("its proof carries extra data, which nothing covers".to_string());
    }
    verify_inclusion(index, checkpoint.size, leaf, &proof.hashes, &checkpoint.root).map_err(|error| error.to_string())
}

fn read(index: u64, leaf: &[u8], inspect: Inspect<'_>, faults: &mut Faults) -> Option<Link> {
    if leaf.len() > leaf::MAX_BYTES {
        let found = leaf.len();
        faults.add(Code::BadEvent, format!("event {index} has {found} bytes, at most {} are allowed", leaf::MAX_BYTES));
        return None;
    }
    match inspect(leaf) {
        Err(why) => {
            faults.add(Code::BadEvent, format!("event {index} cannot be read: {why}"));
            None
        }
        Ok(link) => {
            if !link.canonical {
                faults.add(Code::NotCanonical, format!("event {index} is not in its canonical spelling"));
            }
            Some(link)
        }
    }
}

/// Every disclosure holds and is asked for; what is asked for and not there is
/// counted.
fn disclosed(files: &Files<'_>, events: &[Linked], facts: &mut Facts, faults: &mut Faults) {
    let mut open: BTreeSet<String> = events.iter().flat_map(|event| event.link.commitments.iter().cloned()).collect();
    match Disclosure::read_all(files.disclosures) {
        Err(why) => faults.add(Code::BadDisclosure, format!("`{}`: {why}", layout::DISCLOSURES)),
        Ok(all) => {
            for one in all {
                let commitment = one.commitment.hex();
                if !one.holds() {
                    faults.add(Code::BadDisclosure, format!("salt and value do not give the commitment `{commitment}`"));
                }
                if !open.remove(&commitment) {
                    faults.add(Code::BadDisclosure, format!("no event has the commitment `{commitment}`"));
                }
            }
        }
    }
    let erased: BTreeSet<&str> = events.iter().flat_map(|event| event.link.erased.iter().map(String::as_str)).collect();
    facts.undisclosed = open.len() as u64;
    facts.unexplained = open.iter().filter(|commitment| !erased.contains(commitment.as_str())).count() as u64;
}

/// Every blob is what its name says, and exactly the named ones are there.
fn blobs(files: &Files<'_>, events: &[Linked], faults: &mut Faults) {
    let mut named: BTreeSet<&str> = events.iter().flat_map(|event| event.link.blobs.iter().map(String::as_str)).collect();
    for (hash, blob) in &files.blobs {
        if Hash::of(blob) != *hash {
            faults.add(Code::BadBlob, format!("`{}` is not what its name says", layout::blob(hash)));
        }
        if !named.remove(hash.hex().as_str()) {
            faults.add(Code::ExtraFile, format!("no event names `{}`", layout::blob(hash)));
        }
    }
    for hash in named {
        faults.add(Code::MissingFile, format!("`blobs/{hash}` is named by an event and missing"));
    }
}
