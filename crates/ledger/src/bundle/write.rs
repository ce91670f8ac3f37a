//! Writing a bundle: the same content always gives the same bytes.

use super::zip::{BadContainer, Entry, pack};
use super::{Bundle, Disclosure, README, layout};
use crate::leaf::{Hash, MAX_BYTES};
use crate::proof::TlogProof;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A bundle that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    #[error("event {0} is there twice")]
    Twice(u64),
    #[error("event {index} has {bytes} bytes; a leaf has at most {MAX_BYTES}")]
    TooLarge { index: u64, bytes: usize },
    #[error("the disclosures of `{0}` differ")]
    Disclosures(Hash),
    #[error(transparent)]
    Container(#[from] BadContainer),
}

/// Writes the bundle. Whether it proves anything is for
/// [`verify`](super::verify()) to say; an exporter verifies what it wrote.
pub fn write(bundle: &Bundle) -> Result<Vec<u8>, Unwritable> {
    let mut events = BTreeMap::new();
    for event in &bundle.events {
        if event.leaf.len() > MAX_BYTES {
            return Err(Unwritable::TooLarge { index: event.index, bytes: event.leaf.len() });
        }
        if events.insert(event.index, event).is_some() {
            return Err(Unwritable::Twice(event.index));
        }
    }
    let blobs: BTreeMap<Hash, &[u8]> = bundle.blobs.iter().map(|blob| (Hash::of(blob), blob.as_slice())).collect();

    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    files.push((layout::CASE.to_string(), bundle.case.clone()));
    files.push((layout::CHECKPOINT.to_string(), bundle.checkpoint.clone().into_bytes()));
    files.push((layout::KEY.to_string(), format!("{}\n", bundle.key).into_bytes()));
    for event in events.values() {
        files.push((layout::event(event.index), event.leaf.clone()));
    }
    for (hash, blob) in blobs {
        files.push((layout::blob(&hash), blob.to_vec()));
    }
    for event in events.values() {
        let (hashes, checkpoint) = (event.proof.clone(), bundle.checkpoint.clone());
        let proof = TlogProof { index: event.index, extra: None, hashes, checkpoint };
        files.push((layout::proof(event.index), proof.to_string().into_bytes()));
    }
    files.push((layout::DISCLOSURES.to_string(), disclosures(&bundle.disclosures)?.into_bytes()));
    files.push((layout::README.to_string(), README.as_bytes().to_vec()));

    let entries: Vec<Entry<'_>> = files.iter().map(|(name, data)| Entry { name, data }).collect();
    Ok(pack(&entries)?)
}

fn disclosures(all: &[Disclosure]) -> Result<String, Unwritable> {
    let mut sorted: BTreeMap<Hash, &Disclosure> = BTreeMap::new();
    for one in all {
        if sorted.insert(one.commitment, one).is_some_and(|other| other != one) {
            return Err(Unwritable::Disclosures(one.commitment));
        }
    }
    let mut text = String::new();
    for one in sorted.values() {
        // Three strings always print.
        text += &one.line().map_err(|_| Unwritable::Disclosures(one.commitment))?;
        text.push('\n');
    }
    Ok(text)
}
