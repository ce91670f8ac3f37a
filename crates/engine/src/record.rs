//! The only writer.
//!
//! Collects what happened as events of several streams, chains each to its
//! stream's head, strips personal data into the side table, and appends all of
//! it at once or nothing. A crash before the append leaves nothing; a crash
//! after it leaves everything.

use std::collections::BTreeMap;

use quell_core::{
    event::{self, By, Event, Recorded},
    id::StreamId,
    secret::{Secret, hex},
    time::Timestamp,
};

use crate::{
    Engine, Failure, lookup,
    port::{Append, Appended, Blob, Head, Job, JobChange, Leaf, StoreError},
    streams::{Folded, Known},
};

/// What is to be written at once.
#[derive(Default)]
pub struct Writing {
    events: Vec<(StreamId, By, Event)>,
    /// Streams whose version must still hold although nothing is written to them.
    unchanged: Vec<StreamId>,
    jobs: Vec<JobChange>,
    blobs: Vec<Blob>,
    cause: Option<String>,
    relaxed: bool,
}

impl Writing {
    /// Starts with nothing; `cause` is an alert's, job's or command's id.
    pub fn because(cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..Self::default() }
    }

    /// One more event.
    pub fn event(&mut self, stream: StreamId, by: &By, event: impl Into<Event>) -> &mut Self {
        self.events.push((stream, by.clone(), event.into()));
        self
    }

    /// The decision rested on this stream too.
    pub fn rests_on(&mut self, stream: StreamId) -> &mut Self {
        self.unchanged.push(stream);
        self
    }

    /// Sets or moves a job.
    pub fn job(&mut self, key: impl Into<String>, due_at: Timestamp) -> &mut Self {
        self.jobs.push(JobChange::Set(Job { key: key.into(), due_at }));
        self
    }

    /// A job is done.
    pub fn done(&mut self, key: impl Into<String>) -> &mut Self {
        self.jobs.push(JobChange::Done { key: key.into() });
        self
    }

    /// Bytes beside the ledger.
    pub fn blob(&mut self, blob: Blob) -> &mut Self {
        self.blobs.push(blob);
        self
    }

    /// It may wait behind response work (intake).
    pub fn relaxed(&mut self) -> &mut Self {
        self.relaxed = true;
        self
    }

    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.jobs.is_empty()
    }
}

impl Engine {
    /// Appends `writing` at `at`. [`Failure::Stale`] means: load and decide again.
    pub async fn append(&self, writing: Writing, at: Timestamp) -> Result<Appended, Failure> {
        let Writing { events, unchanged, jobs, blobs, cause, relaxed } = writing;
        let store = &*self.ports.store;

        // Heads and folds before.
        let mut before: BTreeMap<StreamId, Option<Known>> = BTreeMap::new();
        for stream in events.iter().map(|(s, ..)| s).chain(&unchanged) {
            if !before.contains_key(stream) {
                before.insert(stream.clone(), self.streams.load(store, stream).await?);
            }
        }
        let expects = before.iter().map(|(s, known)| (s.clone(), known.as_ref().map_or(0, |k| k.head.version))).collect();

        // Chain, encode and fold.
        let mut now: BTreeMap<StreamId, (Option<Head>, Option<Folded>)> =
            before.iter().map(|(s, k)| (s.clone(), (k.as_ref().map(|k| k.head), k.as_ref().map(|k| k.folded.clone())))).collect();
        let mut append = Append { expects, jobs, blobs, urgent: !relaxed, ..Append::default() };
        let mut written = Vec::with_capacity(events.len());
        for (stream, by, event) in events {
            let (head, folded) = now.get_mut(&stream).expect("every stream was loaded above");
            let version = head.map_or(1, |h| h.version + 1);
            let recorded =
                Recorded { stream: stream.clone(), version, prev: head.map(|h| hex(&h.hash)), at, by, cause: cause.clone(), event };
            let (bytes, disclosures) = event::encode(&recorded).map_err(|e| Failure::Damaged(e.to_string()))?;
            let hash = quell_ledger::leaf::hash(&bytes).0;
            append.lookups.extend(lookup::changes(&recorded));
            append.disclosures.extend(disclosures);
            append.leaves.push(Leaf { stream: stream.clone(), version, bytes, hash });
            *folded = Some(Folded::after(folded.take(), &recorded).map_err(Failure::Damaged)?);
            *head = Some(Head { version, hash, index: 0 });
            written.push(recorded);
        }

        let streams: Vec<StreamId> = before.keys().cloned().collect();
        let appended = match store.append(append).await {
            Ok(appended) => appended,
            Err(e) => {
                self.streams.forget(&streams).await;
                return Err(e.into());
            }
        };
        for (n, recorded) in written.iter().enumerate() {
            if let Some((Some(head), _)) = now.get_mut(&recorded.stream) {
                head.index = appended.first_index + n as u64;
            }
        }
        for (stream, (head, folded)) in now {
            if let Some((head, folded)) = head.zip(folded) {
                self.streams.remember(stream, Known { head, folded }).await;
            }
        }
        for recorded in written {
            self.tell_watchers(&recorded);
        }
        Ok(appended)
    }

    /// Seals a secret for the store, under a label that names what it is for.
    pub fn seal(&self, label: &str, plain: &[u8]) -> Result<Blob, Failure> {
        let bytes = self.ports.keyring.seal(label, plain)?;
        Ok(Blob { id: quell_core::secret::sha256(&bytes), bytes, sealed: true })
    }

    /// Opens a sealed blob.
    pub async fn unseal(&self, label: &str, id: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, Failure> {
        let bytes =
            self.ports.store.blob(id).await?.ok_or_else(|| Failure::Damaged(format!("the sealed blob `{id}` is not in the store")))?;
        Ok(self.ports.keyring.open(label, &bytes)?)
    }

    /// Opens a sealed secret.
    pub async fn unseal_secret(&self, label: &str, id: &str) -> Result<Secret, Failure> {
        let plain = self.unseal(label, id).await?;
        let text = std::str::from_utf8(&plain).map_err(|_| Failure::Damaged(format!("the sealed secret `{id}` is not text")))?;
        Ok(Secret::new(text))
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Stale { .. } => Self::Stale,
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::Damaged(why) | StoreError::Refused(why) => Self::Damaged(why),
        }
    }
}
