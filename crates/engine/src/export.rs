//! The evidence bundle of a case.
//!
//! Exporting appends `case_exported`, which names the head of every linked
//! stream, and then packs all of them: so a truncated tail or an omitted stream
//! shows to whoever verifies.

use std::{collections::BTreeSet, sync::Arc};

use quell_core::{
    event::{self, By, CaseExported, Head},
    id::{CaseId, ErasureId, StreamId},
    personal,
    secret::{hex, sha256},
};
use quell_ledger::{
    bundle::{self, Bundle, Disclosure},
    checkpoint::Checkpoint,
    leaf::Hash,
};
use serde_json::{Value, json};

use crate::{Engine, Failure, intake::RETRIES, lookup, record::Writing};

/// A bundle and what it says of itself.
pub struct Export {
    pub bytes: Vec<u8>,
    pub events: u64,
    pub size: u64,
    pub root: String,
    pub key: String,
}

impl Engine {
    /// Signs a checkpoint over everything that is committed, and remembers it.
    pub async fn sign_checkpoint(&self) -> Result<String, Failure> {
        let (size, root) = self.ports.store.root(None).await?;
        let signer = &self.ports.signer;
        let body = Checkpoint::new(signer.origin(), size, Hash(root)).to_string();
        let note = signer.sign(&body);
        self.ports.store.keep_checkpoint(&note, size, root).await?;
        Ok(note)
    }

    /// Every stream that belongs to a case, the case's own first.
    async fn streams_of(&self, id: &CaseId) -> Result<Vec<StreamId>, Failure> {
        let mut linked = BTreeSet::from([StreamId::policy()]);
        // What became part of it has its own stream, with what was decided in it.
        let mut parts = vec![id.clone()];
        let mut at = 0;
        while at < parts.len() {
            let (case, merged) = self.streams_of_one(&parts[at].clone(), &mut linked).await?;
            linked.insert(case);
            for from in merged {
                if !parts.contains(&from) {
                    parts.push(from);
                }
            }
            at += 1;
        }
        linked.remove(&StreamId::case(id));
        let mut streams = vec![StreamId::case(id)];
        streams.extend(linked);
        // What says that a value is gone goes with what it was committed in; its own
        // words may be gone, too.
        let mut next = 0;
        while next < streams.len() {
            let stream = streams[next].clone();
            next += 1;
            let mut commitments = Vec::new();
            for stored in self.ports.store.read(&stream, 1).await? {
                let value: Value = serde_json::from_slice(&stored.leaf.bytes).map_err(|e| Failure::Damaged(e.to_string()))?;
                commitments.extend(personal::commitments(&value));
            }
            for erasure in self.erasures_of(commitments).await? {
                if !streams.contains(&erasure) {
                    streams.push(erasure);
                }
            }
        }
        Ok(streams)
    }

    /// Gathers what belongs to one case by itself; answers its stream and the cases that
    /// were ever part of it.
    async fn streams_of_one(&self, id: &CaseId, linked: &mut BTreeSet<StreamId>) -> Result<(StreamId, Vec<CaseId>), Failure> {
        let ground = self.ground(id).await?.ok_or_else(|| Failure::Unknown(format!("case `{id}`")))?;
        for finding in &ground.case.findings {
            linked.extend(finding.alerts.iter().map(StreamId::alert));
        }
        // Of a message of many findings, the parts that are about this case.
        let parts = self.ports.store.lookup_range(lookup::CASE_PART, &format!("{id}/"), None, u32::MAX).await?;
        linked.extend(parts.iter().filter_map(|(_, stream)| stream.as_str().map(StreamId::new)));
        for (plan, _) in &ground.case.plans {
            linked.insert(StreamId::plan(plan));
            linked.extend(ground.approvals.get(plan).into_iter().flatten().map(|a| StreamId::approval(plan, &a.by)));
        }
        linked.extend(ground.targets.keys().map(StreamId::target));
        if !self.notices(id).await?.0.is_empty() {
            linked.insert(StreamId::notices(id));
        }
        Ok((StreamId::case(id), ground.case.merged.iter().map(|m| m.from.clone()).collect()))
    }

    /// The streams of the erasures that took values of these commitments.
    async fn erasures_of(&self, mut commitments: Vec<String>) -> Result<BTreeSet<StreamId>, Failure> {
        commitments.sort();
        commitments.dedup();
        let known = self.ports.store.disclosures(&commitments).await?;
        let mut erasures = BTreeSet::new();
        for commitment in commitments.iter().filter(|c| !known.contains_key(*c)) {
            let erased = self.ports.store.lookup(lookup::ERASED, commitment).await?;
            erasures.extend(erased.and_then(|v| v.as_str().map(|id| StreamId::erasure(&ErasureId::new(id)))));
        }
        Ok(erasures)
    }

    /// Makes the bundle of a case.
    pub async fn export(self: &Arc<Self>, by: &By, id: &CaseId) -> Result<Export, Failure> {
        let case_json = serde_json::to_vec_pretty(&json!({ "format": "quell-evidence/1", "case": id, "stream": StreamId::case(id) }))
            .map_err(|e| Failure::Damaged(e.to_string()))?;
        for _ in 0..RETRIES {
            let streams = self.streams_of(id).await?;
            let mut heads = Vec::new();
            for stream in &streams[1..] {
                if let Some(head) = self.ports.store.head(stream).await? {
                    heads.push(Head { stream: stream.clone(), version: head.version, leaf: hex(&head.hash) });
                }
            }
            let mut writing = Writing::because("export");
            for head in &heads {
                writing.rests_on(head.stream.clone());
            }
            writing.event(streams[0].clone(), by, CaseExported { heads, case_json: sha256(&case_json) });
            let exported = match self.append(writing, self.ports.clock.now()).await {
                Err(Failure::Stale) => continue,
                Err(other) => return Err(other),
                Ok(appended) => appended.first_index,
            };
            match self.pack(id, &streams, exported, case_json.clone()).await {
                // Something was erased meanwhile: the next export says so.
                Err(Failure::Stale) => {}
                packed => return packed,
            }
        }
        Err(Failure::Stale)
    }

    /// Packs what stood when the event at `exported` named the heads.
    async fn pack(&self, id: &CaseId, streams: &[StreamId], exported: u64, case_json: Vec<u8>) -> Result<Export, Failure> {
        let store = &*self.ports.store;
        let damaged = |e: &dyn std::fmt::Display| Failure::Damaged(e.to_string());
        let note = self.sign_checkpoint().await?;
        let vkey = self.ports.signer.vkey();
        let signed = quell_ledger::note::Note::parse(note.as_bytes()).map_err(|e| damaged(&e))?;
        let checkpoint = Checkpoint::parse(signed.text()).map_err(|e| damaged(&e))?;

        let mut events = Vec::new();
        let mut commitments = Vec::new();
        let mut blobs = Vec::new();
        for stream in streams {
            for stored in store.read(stream, 1).await? {
                // What was appended since belongs to the next one, also where it came
                // before the checkpoint was signed.
                if stored.index > exported {
                    continue;
                }
                let value: Value = serde_json::from_slice(&stored.leaf.bytes).map_err(|e| damaged(&e))?;
                commitments.extend(personal::commitments(&value));
                let linkage = event::linkage(&stored.leaf.bytes).map_err(|e| damaged(&e))?;
                for blob in linkage.blobs {
                    blobs.extend(store.blob(&blob).await?.map(|bytes| (blob, bytes)));
                }
                events.push((stored.index, stored.leaf.bytes));
            }
        }
        events.sort_by_key(|(index, _)| *index);
        let mut packed = Vec::with_capacity(events.len());
        for (index, bytes) in events {
            let proof = store.inclusion(index, checkpoint.size).await?.into_iter().map(Hash).collect();
            packed.push(bundle::Event { index, leaf: bytes, proof });
        }
        commitments.sort();
        commitments.dedup();
        let known = store.disclosures(&commitments).await?;
        let gone = commitments.into_iter().filter(|c| !known.contains_key(c)).collect();
        if self.erasures_of(gone).await?.iter().any(|erasure| !streams.contains(erasure)) {
            return Err(Failure::Stale);
        }
        let disclosures = known
            .into_values()
            .map(|d| Ok(Disclosure { commitment: Hash::from_hex(&d.commitment).map_err(|e| damaged(&e))?, salt: d.salt, value: d.value }))
            .collect::<Result<_, Failure>>()?;
        let key = quell_ledger::note::VerifierKey::parse(&vkey).map_err(|e| damaged(&e))?;
        let count = packed.len() as u64;
        let bytes = bundle::write(&Bundle {
            case: case_json,
            checkpoint: note,
            key,
            events: packed,
            blobs: blobs.into_iter().map(|(_, b)| b).collect(),
            disclosures,
        })
        .map_err(|e| damaged(&e))?;
        tracing::info!(case = %id, events = count, size = checkpoint.size, "a bundle was made");
        Ok(Export { bytes, events: count, size: checkpoint.size, root: checkpoint.root.base64(), key: vkey })
    }
}

/// What the bundle's verifier needs to know of one leaf.
pub fn inspect(leaf: &[u8]) -> Result<bundle::Link, String> {
    let canonical = quell_core::canonical::read(leaf).is_ok();
    let linkage = event::linkage(leaf).map_err(|e| e.to_string())?;
    let prev = match linkage.prev {
        Some(text) => Some(Hash::from_hex(&text).map_err(|e| e.to_string())?),
        None => None,
    };
    let heads = match linkage.heads {
        Some(heads) => Some(
            heads
                .into_iter()
                .map(|h| {
                    Ok(bundle::Head {
                        stream: h.stream.as_str().to_owned(),
                        version: h.version,
                        leaf: Hash::from_hex(&h.leaf).map_err(|e| e.to_string())?,
                    })
                })
                .collect::<Result<_, String>>()?,
        ),
        None => None,
    };
    let case = match linkage.case_json {
        Some(text) => Some(Hash::from_hex(&text).map_err(|e| e.to_string())?),
        None => None,
    };
    Ok(bundle::Link {
        stream: linkage.stream,
        version: linkage.version,
        prev,
        canonical,
        commitments: linkage.commitments,
        blobs: linkage.blobs,
        heads,
        case,
        erased: linkage.erased,
        at: linkage.at,
        opens: linkage.opens,
        state: linkage.stage,
    })
}
