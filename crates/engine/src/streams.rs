//! Loads streams, folds them, and remembers the folds.
//!
//! The engine is the only writer of its store, so a fold that was right at the
//! last append still is; where another node was faster, the append answers
//! `Stale` and the remembered folds of that append are dropped and read again.

use std::{collections::BTreeMap, sync::Arc};

use quell_core::{
    approval::Approval,
    case::Case,
    course::PlanState,
    erasure::Erasure,
    event::{self, Event, Recorded},
    hold::TargetState,
    id::StreamId,
    notice::Notices,
    people::{Installation, Person},
    personal,
};
use tokio::sync::Mutex;

use crate::{
    Failure,
    port::{Head, Store, StoredEvent},
};

/// The fold of one stream. What a case at work looks at again and again is shared:
/// it is copied only where an event changes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Folded {
    Case(Arc<Case>),
    Plan(Arc<PlanState>),
    Target(Arc<TargetState>),
    Approval(Box<Approval>),
    Installation(Box<Installation>),
    Person(Box<Person>),
    /// What was spent.
    Budget(u32),
    Alert(Box<AlertState>),
    Source(Option<Box<SourceState>>),
    Erasure(Box<Erasure>),
    Notices(Box<Notices>),
    /// How often it happened is all there is to know.
    Evidence,
}

/// One received alert.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertState {
    pub received: quell_core::event::AlertReceived,
    pub at: quell_core::time::Timestamp,
    pub filed: Option<quell_core::event::AlertFiled>,
}

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceState {
    pub created: quell_core::event::SourceCreated,
    pub at: quell_core::time::Timestamp,
    /// Who answers for its silence; whoever has the role where nobody is named.
    pub owner: Option<quell_core::id::PersonId>,
}

impl Folded {
    /// The fold after one more event. `None` before a stream's first event.
    pub fn after(before: Option<Self>, recorded: &Recorded) -> Result<Self, String> {
        let at = recorded.at;
        Ok(match (before, &recorded.event) {
            (None, Event::CaseOpened(e)) => Self::Case(Arc::new(Case::opened(e, at))),
            (None, Event::PlanDrafted(e)) => Self::Plan(Arc::new(PlanState::drafted(e, &recorded.by, at))),
            (None, Event::ApprovalGiven(e)) => Self::Approval(Box::new(e.approval.clone())),
            (None, Event::PersonCreated(e)) => Self::Person(Box::new(Person::created(e, at))),
            (None, Event::AlertReceived(e)) => Self::Alert(Box::new(AlertState { received: e.clone(), at, filed: None })),
            (None, Event::ErasureRequested(e)) => Self::Erasure(Box::new(Erasure::requested(e, &recorded.by, at))),
            (_, Event::BudgetSpent(e)) => Self::Budget(e.spent),
            (_, Event::SourceCreated(e)) => Self::Source(Some(Box::new(SourceState { created: e.clone(), at, owner: None }))),
            (None, _) if recorded.stream.family() == "target" => {
                let mut target = TargetState::default();
                target.apply(&recorded.event, at);
                Self::Target(Arc::new(target))
            }
            (None, _) if recorded.stream.family() == "policy" => {
                let mut installation = Installation::default();
                installation.apply(&recorded.event, &recorded.by, at);
                Self::Installation(Box::new(installation))
            }
            (None, _) if recorded.stream.family() == "notice" => {
                let mut notices = Notices::default();
                notices.apply(&recorded.event, at);
                Self::Notices(Box::new(notices))
            }
            (None, Event::PopulationExported(_)) => Self::Evidence,
            (None, _) if recorded.stream.family() == "source" => Self::Source(None),
            (None, event) => return Err(format!("stream `{}` cannot begin with `{}`", recorded.stream, event.name())),
            (Some(mut folded), event) => {
                match &mut folded {
                    Self::Case(case) => Arc::make_mut(case).apply(event, &recorded.by, at),
                    Self::Plan(plan) => Arc::make_mut(plan).apply(event, &recorded.by, at),
                    Self::Target(target) => Arc::make_mut(target).apply(event, at),
                    Self::Installation(installation) => installation.apply(event, &recorded.by, at),
                    Self::Person(person) => person.apply(event, at),
                    Self::Erasure(erasure) => erasure.apply(event, &recorded.by, at),
                    Self::Notices(notices) => notices.apply(event, at),
                    Self::Approval(approval) => {
                        if let Event::ApprovalUsed(e) = event {
                            approval.used_by = Some(e.plan.clone());
                        }
                    }
                    Self::Alert(alert) => {
                        if let Event::AlertFiled(e) = event {
                            alert.filed = Some(e.clone());
                        }
                    }
                    Self::Source(Some(source)) => {
                        if let Event::SourceOwned(e) = event {
                            source.owner = Some(e.owner.clone());
                        }
                    }
                    Self::Budget(_) | Self::Source(None) | Self::Evidence => {}
                }
                folded
            }
        })
    }
}

/// A fold and where its stream stood.
#[derive(Clone, Debug)]
pub struct Known {
    pub head: Head,
    pub folded: Folded,
}

/// Folds of streams, remembered up to a bound.
#[derive(Default)]
pub struct Streams {
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    known: BTreeMap<StreamId, Known>,
    /// How often something was forgotten: whoever read before that knows nothing new.
    forgotten: u64,
    /// How often all of it was: whoever loaded before that may know what was erased.
    erased: u64,
}

const REMEMBERED_MAX: usize = 20_000;

impl Streams {
    /// The fold of a stream; `None` where it has no events.
    pub async fn load(&self, store: &dyn Store, stream: &StreamId) -> Result<Option<Known>, Failure> {
        let forgotten = {
            let memory = self.memory.lock().await;
            if let Some(known) = memory.known.get(stream) {
                return Ok(Some(known.clone()));
            }
            memory.forgotten
        };
        let stored = store.read(stream, 1).await?;
        let Some(known) = fold(store, &stored).await? else { return Ok(None) };
        // Somebody may have appended and remembered while this was read.
        let mut memory = self.memory.lock().await;
        if memory.forgotten == forgotten {
            memory.remember(stream.clone(), known.clone());
        }
        Ok(Some(known))
    }

    /// The fold of what a stream had before the event of that place in the log. Nothing of
    /// it is remembered.
    pub async fn before(&self, store: &dyn Store, stream: &StreamId, index: u64) -> Result<Option<Folded>, Failure> {
        let mut stored = store.read(stream, 1).await?;
        stored.retain(|event| event.index < index);
        Ok(fold(store, &stored).await?.map(|known| known.folded))
    }

    /// How often everything was forgotten so far; see [`Streams::remember`].
    pub async fn erasures(&self) -> u64 {
        self.memory.lock().await.erased
    }

    /// After an append that came through; `erasures` as it was before its folds were loaded.
    pub async fn remember(&self, stream: StreamId, known: Known, erasures: u64) {
        let mut memory = self.memory.lock().await;
        if memory.erased == erasures {
            memory.remember(stream, known);
        } else {
            memory.known.remove(&stream);
        }
    }

    /// After an append that did not.
    pub async fn forget<'a>(&self, streams: impl IntoIterator<Item = &'a StreamId>) {
        let mut memory = self.memory.lock().await;
        memory.forgotten += 1;
        for stream in streams {
            memory.known.remove(stream);
        }
    }

    /// After an erasure: what is in memory would still know.
    pub async fn forget_all(&self) {
        let mut memory = self.memory.lock().await;
        memory.erased += 1;
        memory.clear();
    }
}

impl Memory {
    /// A slow reader's fold never replaces a newer one.
    fn remember(&mut self, stream: StreamId, known: Known) {
        if self.known.len() >= REMEMBERED_MAX && !self.known.contains_key(&stream) {
            self.clear();
        }
        match self.known.get_mut(&stream) {
            Some(newer) if newer.head.version > known.head.version => {}
            Some(older) => *older = known,
            None => {
                self.known.insert(stream, known);
            }
        }
    }

    fn clear(&mut self) {
        self.forgotten += 1;
        self.known.clear();
    }
}

/// Decodes stored events, disclosing what is not erased.
pub async fn decode_all(store: &dyn Store, stored: &[StoredEvent]) -> Result<Vec<Recorded>, Failure> {
    let mut commitments = Vec::new();
    for event in stored {
        let value: serde_json::Value = serde_json::from_slice(&event.leaf.bytes).map_err(|e| Failure::Damaged(e.to_string()))?;
        commitments.extend(personal::commitments(&value));
    }
    let known = if commitments.is_empty() { BTreeMap::new() } else { store.disclosures(&commitments).await? };
    stored.iter().map(|e| event::decode(&e.leaf.bytes, &known).map_err(|e| Failure::Damaged(e.to_string()))).collect()
}

/// Leaves that are read at once.
const BATCH: u32 = 1_000;

/// The leaves from `next` on that stand before `end`, as many as are read at once.
pub async fn batch(store: &dyn Store, next: u64, end: u64) -> Result<Vec<StoredEvent>, Failure> {
    let mut stored = store.leaves(next, BATCH).await?;
    stored.retain(|leaf| leaf.index < end);
    if stored.is_empty() && next < end {
        return Err(Failure::Damaged(format!("leaf {next} is missing")));
    }
    Ok(stored)
}

/// How many of the last leaves are looked at for the newest: what one append
/// holds was not all recorded at the same moment.
const NEWEST: u32 = 64;

/// When the newest event was recorded; none where there is no event.
pub async fn newest_at(store: &dyn Store) -> Result<Option<quell_core::time::Timestamp>, Failure> {
    let from = store.size().await?.saturating_sub(u64::from(NEWEST));
    let leaves = store.leaves(from, NEWEST).await?;
    Ok(decode_all(store, &leaves).await?.iter().map(|r| r.at).max())
}

async fn fold(store: &dyn Store, stored: &[StoredEvent]) -> Result<Option<Known>, Failure> {
    let mut folded = None;
    for recorded in decode_all(store, stored).await? {
        folded = Some(Folded::after(folded, &recorded).map_err(Failure::Damaged)?);
    }
    let Some((last, folded)) = stored.last().zip(folded) else { return Ok(None) };
    Ok(Some(Known { head: Head { version: last.leaf.version, hash: last.leaf.hash, index: last.index }, folded }))
}
