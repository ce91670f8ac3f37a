//! The only writer.
//!
//! Collects what happened as events of several streams, chains each to its
//! stream's head, strips personal data into the side table, and appends all of
//! it at once or nothing. What a decision rested on is what the append expects:
//! the versions that were *loaded*, never those of the moment of writing.
//!
//! A case at work writes on a [`Desk`]: pure answers gather there and are
//! appended together with the next intent, or when nothing is due. A crash before
//! the append leaves nothing; a crash after it leaves everything.

use std::{collections::BTreeMap, sync::Arc};

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

/// One event that is to be written.
#[derive(Clone)]
struct Drafted {
    stream: StreamId,
    by: By,
    event: Event,
    at: Option<Timestamp>,
    cause: Option<String>,
}

/// What is to be written at once.
#[derive(Default)]
pub struct Writing {
    events: Vec<Drafted>,
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
        self.events.push(Drafted { stream, by: by.clone(), event: event.into(), at: None, cause: self.cause.clone() });
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

    /// The job that was taken when it was due at `taken` rests until `next`, or for ever.
    pub fn rests(&mut self, key: impl Into<String>, taken: Timestamp, next: Option<Timestamp>) -> &mut Self {
        self.jobs.push(JobChange::Rest { key: key.into(), taken, next });
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

/// The streams a decision rests on, as they were loaded. `None`: it had no events.
pub type Seen = BTreeMap<StreamId, Option<Known>>;

/// Where one case at work gathers what it will append.
#[derive(Default)]
pub struct Desk {
    writing: Writing,
    /// What the answers rest on, as it was loaded.
    loaded: Seen,
    /// Folds of streams that have something gathered.
    folded: BTreeMap<StreamId, Folded>,
    /// What happened outside: written whoever else wrote meanwhile.
    facts: Vec<Drafted>,
    /// When the case's job is due by this desk's own hand, in the store already.
    due: Option<Timestamp>,
    /// Everything is as it was before the event of this place in the log; nothing is written.
    as_of: Option<u64>,
}

impl Desk {
    /// Something waits to be appended.
    pub fn is_empty(&self) -> bool {
        self.writing.is_empty()
    }

    /// A desk at which everything is as it was before the event of that place in the log.
    pub fn as_of(index: u64) -> Self {
        Self { as_of: Some(index), ..Self::default() }
    }

    /// An attempt put the case's job off until it should be through.
    pub fn put_off(&mut self, due: Timestamp) {
        self.due = Some(due);
    }

    /// Every stream that was looked at.
    pub fn looked_at(&self) -> impl Iterator<Item = &StreamId> {
        self.loaded.keys()
    }

    /// When the case's job is due as far as its worker knows, `taken` at first.
    pub fn due(&self, taken: Timestamp) -> Timestamp {
        self.due.unwrap_or(taken)
    }

    /// Hands over everything that it gathered. When the job is due stays known.
    pub fn clear(&mut self) -> Self {
        std::mem::replace(self, Self { due: self.due, ..Self::default() })
    }
}

impl Engine {
    /// Appends `writing` at `at`, expecting the streams as they are now.
    /// [`Failure::Stale`] means: load and decide again.
    pub async fn append(&self, writing: Writing, at: Timestamp) -> Result<Appended, Failure> {
        self.append_on(writing, at, Seen::new()).await
    }

    /// Appends `writing` at `at`, expecting the streams as they were seen.
    pub async fn append_on(&self, writing: Writing, at: Timestamp, seen: Seen) -> Result<Appended, Failure> {
        let Writing { events, unchanged, jobs, blobs, relaxed, .. } = writing;
        let store = &*self.ports.store;
        let erasures = self.streams.erasures().await;

        // Heads and folds before.
        let mut before: Seen = BTreeMap::new();
        for stream in events.iter().map(|d| &d.stream).chain(&unchanged) {
            if !before.contains_key(stream) {
                let known = match seen.get(stream) {
                    Some(known) => known.clone(),
                    None => self.streams.load(store, stream).await?,
                };
                before.insert(stream.clone(), known);
            }
        }
        let expects = before.iter().map(|(s, known)| (s.clone(), known.as_ref().map_or(0, |k| k.head.version))).collect();

        // Chain, encode and fold.
        let mut now: BTreeMap<StreamId, (Option<Head>, Option<Folded>)> =
            before.into_iter().map(|(s, k)| (s, k.map_or((None, None), |k| (Some(k.head), Some(k.folded))))).collect();
        let mut append = Append { expects, jobs, blobs, urgent: !relaxed, ..Append::default() };
        let mut written = Vec::with_capacity(events.len());
        for Drafted { stream, by, event, at: own_at, cause } in events {
            let (head, folded) = now.get_mut(&stream).expect("every stream was loaded above");
            let version = head.map_or(1, |h| h.version + 1);
            let prev = head.map(|h| hex(&h.hash));
            let recorded = Recorded { stream: stream.clone(), version, prev, at: own_at.unwrap_or(at), by, cause, event };
            let (bytes, disclosures) = event::encode(&recorded).map_err(|e| Failure::Damaged(e.to_string()))?;
            let hash = quell_ledger::leaf::hash(&bytes).0;
            append.lookups.extend(lookup::changes(&recorded));
            append.disclosures.extend(disclosures);
            append.leaves.push(Leaf { stream, version, bytes, hash });
            *folded = Some(Folded::after(folded.take(), &recorded).map_err(Failure::Damaged)?);
            *head = Some(Head { version, hash, index: 0 });
            written.push(recorded);
        }

        let streams: Vec<StreamId> = now.keys().cloned().collect();
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
                self.streams.remember(stream, Known { head, folded }, erasures).await;
            }
        }
        for recorded in written {
            self.tell_watchers(&recorded);
        }
        Ok(appended)
    }

    /// Puts `writing` on the desk: the case's own view knows it, the store not yet.
    pub(crate) async fn post(&self, desk: &mut Desk, writing: Writing) -> Result<(), Failure> {
        let at = self.ports.clock.now();
        for mut drafted in writing.events {
            drafted.at.get_or_insert(at);
            let before = self.known(desk, &drafted.stream).await?;
            let Drafted { stream, by, event, cause, .. } = drafted.clone();
            let recorded = Recorded { stream: stream.clone(), version: 0, prev: None, at, by, cause, event };
            desk.folded.insert(stream, Folded::after(before, &recorded).map_err(Failure::Damaged)?);
            desk.writing.events.push(drafted);
        }
        for stream in writing.unchanged {
            self.known(desk, &stream).await?;
            desk.writing.unchanged.push(stream);
        }
        desk.writing.jobs.extend(writing.jobs);
        desk.writing.blobs.extend(writing.blobs);
        Ok(())
    }

    /// The fold of a stream as the desk knows it; loads it where it does not.
    pub(crate) async fn known(&self, desk: &mut Desk, stream: &StreamId) -> Result<Option<Folded>, Failure> {
        if let Some(folded) = desk.folded.get(stream) {
            return Ok(Some(folded.clone()));
        }
        if let Some(index) = desk.as_of {
            let before = self.streams.before(&*self.ports.store, stream, index).await?;
            if let Some(folded) = &before {
                desk.folded.insert(stream.clone(), folded.clone());
            }
            return Ok(before);
        }
        if !desk.loaded.contains_key(stream) {
            let known = self.streams.load(&*self.ports.store, stream).await?;
            desk.loaded.insert(stream.clone(), known);
        }
        Ok(desk.loaded[stream].as_ref().map(|k| k.folded.clone()))
    }

    /// Puts a fact on the desk: it happened outside, so it is written even where
    /// the rest of the desk turns out to rest on something that moved on.
    pub(crate) async fn post_fact(&self, desk: &mut Desk, writing: Writing) -> Result<(), Failure> {
        let at = self.ports.clock.now();
        desk.facts.extend(writing.events.iter().cloned().map(|mut d| {
            d.at.get_or_insert(at);
            d
        }));
        self.post(desk, writing).await
    }

    /// Appends what is on the desk, all or nothing, and clears it.
    pub(crate) async fn commit(self: &Arc<Self>, desk: &mut Desk) -> Result<(), Failure> {
        let Desk { writing, loaded, facts, .. } = desk.clear();
        if writing.is_empty() {
            return Ok(());
        }
        match self.append_on(writing, self.ports.clock.now(), loaded).await {
            Ok(_) => {
                self.wake();
                Ok(())
            }
            Err(Failure::Stale) => {
                for fact in facts {
                    self.append_fact(fact).await?;
                }
                Err(Failure::Stale)
            }
            Err(other) => Err(other),
        }
    }

    async fn append_fact(self: &Arc<Self>, fact: Drafted) -> Result<(), Failure> {
        for _ in 0..crate::intake::RETRIES {
            let writing = Writing { events: vec![fact.clone()], ..Writing::default() };
            match self.append(writing, self.ports.clock.now()).await {
                Err(Failure::Stale) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Failure::Stale)
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
