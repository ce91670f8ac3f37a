//! A small log with one case in it, told in events that only the tests know.

use crate::note::key;
use quell_ledger::bundle::{self, Bundle, Disclosure, Event, Head, Link, Report};
use quell_ledger::checkpoint::Checkpoint;
use quell_ledger::leaf::{self, Hash};
use quell_ledger::note::{SigningKey, VerifierKey};
use quell_ledger::proof;
use quell_ledger::tree::Tree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const LOG: &str = "log.example/a";
pub const CASE: &str = "case:1";

/// What an event of this world says. Printing it is its canonical spelling.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    pub stream: String,
    pub version: u64,
    pub prev: Option<Hash>,
    pub commitments: Vec<String>,
    pub blobs: Vec<String>,
    pub heads: Option<Vec<(String, u64, Hash)>>,
    pub erased: Vec<String>,
    pub case: Option<Hash>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opens: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// The reader that a caller of `verify` brings.
pub fn inspect(leaf: &[u8]) -> Result<Link, String> {
    let fact: Fact = serde_json::from_slice(leaf).map_err(|error| error.to_string())?;
    let canonical = serde_json::to_vec(&fact).is_ok_and(|bytes| bytes == leaf);
    let head = |(stream, version, leaf)| Head { stream, version, leaf };
    Ok(Link {
        stream: fact.stream,
        version: fact.version,
        prev: fact.prev,
        canonical,
        commitments: fact.commitments,
        blobs: fact.blobs,
        heads: fact.heads.map(|heads| heads.into_iter().map(head).collect()),
        erased: fact.erased,
        case: fact.case,
        at: fact.at,
        opens: fact.opens,
        state: fact.state,
    })
}

/// A log and what belongs to the case in it.
pub struct World {
    pub key: SigningKey,
    pub case: Vec<u8>,
    pub leaves: Vec<Vec<u8>>,
    pub blobs: Vec<Vec<u8>>,
    pub disclosures: Vec<Disclosure>,
    heads: BTreeMap<String, (u64, Hash)>,
    indexes: Vec<u64>,
}

impl World {
    pub fn empty() -> World {
        World {
            key: key(LOG, 1),
            case: br#"{"case":"C-1","stream":"case:1","headline":"a key leaked"}"#.to_vec(),
            leaves: Vec::new(),
            blobs: Vec::new(),
            disclosures: Vec::new(),
            heads: BTreeMap::new(),
            indexes: Vec::new(),
        }
    }

    /// A case of three events, an export, and two linked streams, among
    /// leaves of others: case 0 2 6 9, target 3 5, plan 4.
    pub fn usual() -> World {
        let mut world = World::empty();
        let blob = b"the alert, sealed".to_vec();
        let owner = Disclosure::new(b"salt-1", "owner@corp.example");
        let host = Disclosure::new(b"salt-2", "db \"7\" \u{202e}");
        world.append(CASE, |fact| {
            fact.blobs.push(Hash::of(&blob).hex());
            fact.commitments.push(owner.commitment.hex());
        });
        world.noise();
        world.append(CASE, |fact| fact.commitments = vec![host.commitment.hex(), owner.commitment.hex()]);
        world.append("target:a", |_| {});
        world.append("plan:p", |_| {});
        world.append("target:a", |_| {});
        world.append(CASE, |_| {});
        world.noise();
        world.noise();
        world.blobs.push(blob);
        world.disclosures = vec![owner, host];
        world.export();
        world.noise();
        world
    }

    /// Appends one event of the case or of a stream linked to it.
    pub fn append(&mut self, stream: &str, fill: impl FnOnce(&mut Fact)) -> u64 {
        let before = self.heads.get(stream).copied();
        let mut fact = Fact {
            stream: stream.to_string(),
            version: before.map_or(1, |(version, _)| version + 1),
            prev: before.map(|(_, leaf)| leaf),
            ..Fact::default()
        };
        fill(&mut fact);
        let bytes = serde_json::to_vec(&fact).unwrap();
        self.heads.insert(stream.to_string(), (fact.version, leaf::hash(&bytes)));
        self.indexes.push(self.leaves.len() as u64);
        self.leaves.push(bytes);
        self.leaves.len() as u64 - 1
    }

    /// The export event, as the end of the case's stream.
    pub fn export(&mut self) -> u64 {
        let others = self.heads.iter().filter(|(stream, _)| *stream != CASE);
        let heads = others.map(|(stream, (version, leaf))| (stream.clone(), *version, *leaf)).collect();
        let case = Hash::of(&self.case);
        self.append(CASE, |fact| {
            fact.heads = Some(heads);
            fact.case = Some(case);
        })
    }

    /// A leaf that has nothing to do with the case.
    pub fn noise(&mut self) {
        self.leaves.push(format!("noise {}", self.leaves.len()).into_bytes());
    }

    pub fn tree(&self) -> Tree {
        self.leaves.iter().map(|leaf| leaf::hash(leaf)).collect()
    }

    /// The bundle of the case in this log, signed by this log's key.
    pub fn bundle(&self) -> Bundle {
        let mut tree = self.tree();
        let size = tree.size();
        let checkpoint = Checkpoint::new(self.key.verifier().name(), size, tree.root());
        let mut event = |index: &u64| Event {
            index: *index,
            leaf: self.leaves[*index as usize].clone(),
            proof: proof::inclusion(*index, size, &mut tree).unwrap(),
        };
        Bundle {
            case: self.case.clone(),
            checkpoint: checkpoint.sign(&self.key).unwrap().to_string(),
            key: self.key.verifier().clone(),
            events: self.indexes.iter().map(&mut event).collect(),
            blobs: self.blobs.clone(),
            disclosures: self.disclosures.clone(),
        }
    }
}

/// Verifies with the key of the usual world.
pub fn verify(bytes: &[u8]) -> Report {
    bundle::verify(bytes, Some(key(LOG, 1).verifier()), &inspect)
}

/// Verifies what the bundle prints.
pub fn verify_bundle(bundle: &Bundle, key: Option<&VerifierKey>) -> Report {
    bundle::verify(&bundle::write(bundle).unwrap(), key, &inspect)
}
