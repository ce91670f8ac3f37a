//! Every case between two sizes of the log, as one bundle.
//!
//! The range goes into it leaf by leaf: what is left out could hide a case. Values
//! behind commitments stay here; the bundle of a case discloses them.

use std::sync::Arc;

use quell_core::{
    event::{By, PopulationExported},
    id::StreamId,
    secret::sha256,
    time::Timestamp,
};
use quell_ledger::{
    bundle::{self, Census, Population},
    checkpoint::Checkpoint,
    leaf::Hash,
    note::{Note, VerifierKey},
    tree::Frontier,
};
use serde_json::Value;

use crate::{
    Engine, Failure,
    export::{Export, inspect},
    intake::RETRIES,
    record::Writing,
    streams::batch,
};

/// The most bytes of leaves in one bundle.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// One end of a range, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// So many leaves.
    Size(u64),
    /// What was recorded before that moment.
    Time(Timestamp),
    /// A signed checkpoint of this log, verbatim.
    Checkpoint(String),
}

impl Engine {
    /// Proves every case that was opened between two sizes, and its end state.
    pub async fn export_population(self: &Arc<Self>, by: &By, from: &Mark, to: &Mark) -> Result<(Export, Census), Failure> {
        let (from, to) = (self.size_at(from, true).await?, self.size_at(to, false).await?);
        let size = self.ports.store.size().await?;
        if from >= to || to > size {
            return Err(Failure::Refused(format!(
                "expected a range of the log, found {from} to {to}; it has {size} events, so give `--from` below `--to`"
            )));
        }
        let note = self.sign_checkpoint().await?;
        let damaged = |e: &dyn std::fmt::Display| Failure::Damaged(e.to_string());
        let signed = Note::parse(note.as_bytes()).map_err(|e| damaged(&e))?;
        let checkpoint = Checkpoint::parse(signed.text()).map_err(|e| damaged(&e))?;
        let vkey = self.ports.signer.vkey();
        let key = VerifierKey::parse(&vkey).map_err(|e| damaged(&e))?;
        let consistency = match to == checkpoint.size {
            true => Vec::new(),
            false => self.ports.store.consistency(to, checkpoint.size).await?.into_iter().map(Hash).collect(),
        };
        let leaves = self.range(from, to).await?;
        let population = Population { checkpoint: note, key: key.clone(), before: self.edge_at(from).await?, leaves, consistency };
        let bytes = bundle::write_population(&population, &inspect).map_err(|e| damaged(&e))?;
        // Read as a stranger does before it leaves the house.
        let report = bundle::verify(&bytes, Some(&key), &inspect);
        let Some(census) = report.population.filter(|_| report.ok) else {
            return Err(Failure::Damaged(report.errors.into_iter().map(|e| e.message).collect::<Vec<_>>().join("; ")));
        };
        self.record_export(by, from, to, census.cases, sha256(&bytes)).await?;
        tracing::info!(from, to, cases = census.cases, "a population was exported");
        let root = checkpoint.root.base64();
        Ok((Export { bytes, events: to - from, size: checkpoint.size, root, key: vkey }, census))
    }

    async fn record_export(self: &Arc<Self>, by: &By, from: u64, to: u64, cases: u64, bundle: String) -> Result<(), Failure> {
        for _ in 0..RETRIES {
            let mut writing = Writing::because("export");
            writing.event(StreamId::population(), by, PopulationExported { from, to, cases, bundle: bundle.clone() });
            match self.append(writing, self.ports.clock.now()).await {
                Err(Failure::Stale) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Failure::Stale)
    }

    /// How many leaves a mark stands for. Times are those of receipt; where the
    /// order of leaves and times differs, the range takes in rather more.
    async fn size_at(&self, mark: &Mark, from: bool) -> Result<u64, Failure> {
        match mark {
            Mark::Size(size) => Ok(*size),
            Mark::Checkpoint(note) => self.size_of(note).await,
            Mark::Time(time) => {
                let size = self.ports.store.size().await?;
                let (mut next, mut before, mut first) = (0, 0, None);
                while next < size {
                    for leaf in batch(&*self.ports.store, next, size).await? {
                        next = leaf.index + 1;
                        let value: Value = serde_json::from_slice(&leaf.leaf.bytes).map_err(|e| Failure::Damaged(e.to_string()))?;
                        let at: Option<Timestamp> = value["at"].as_str().and_then(|at| at.parse().ok());
                        let at = at.ok_or_else(|| Failure::Damaged(format!("event {} has no time", leaf.index)))?;
                        if at < *time {
                            before = leaf.index + 1;
                        } else {
                            first.get_or_insert(leaf.index);
                        }
                    }
                }
                Ok(if from { first.unwrap_or(size) } else { before })
            }
        }
    }

    /// The size of a checkpoint that this log signed and still agrees with.
    async fn size_of(&self, note: &str) -> Result<u64, Failure> {
        let refuse = |why: String| Failure::Refused(format!("the checkpoint is not of this log: {why}; give the note as it was signed"));
        let key = VerifierKey::parse(&self.ports.signer.vkey()).map_err(|e| Failure::Damaged(e.to_string()))?;
        let checkpoint = Checkpoint::open(note.as_bytes(), &key).map_err(|e| refuse(e.to_string()))?;
        let size = self.ports.store.size().await?;
        if checkpoint.size > size {
            return Err(refuse(format!("it has {} leaves and the log {size}", checkpoint.size)));
        }
        let (_, root) = self.ports.store.root(Some(checkpoint.size)).await?;
        if Hash(root) != checkpoint.root {
            return Err(refuse(format!("at {} leaves the log has another root", checkpoint.size)));
        }
        Ok(checkpoint.size)
    }

    /// The log's right edge at `size`, which the leaf after it has as its audit path
    /// in the tree that ends with it.
    async fn edge_at(&self, size: u64) -> Result<Frontier, Failure> {
        let mut path = self.ports.store.inclusion(size, size + 1).await?;
        path.reverse();
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend(path.into_iter().flatten());
        Frontier::decode(&bytes).map_err(|e| Failure::Damaged(e.to_string()))
    }

    async fn range(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, Failure> {
        let (mut leaves, mut bytes) = (Vec::new(), 0);
        while from + (leaves.len() as u64) < to {
            let next = from + leaves.len() as u64;
            for leaf in batch(&*self.ports.store, next, to).await? {
                bytes += leaf.leaf.bytes.len() + 1;
                leaves.push(leaf.leaf.bytes);
            }
            if bytes > BYTES_MAX {
                return Err(Failure::Refused(format!("the range holds more than {BYTES_MAX} bytes; export it in parts that meet")));
            }
        }
        Ok(leaves)
    }
}
