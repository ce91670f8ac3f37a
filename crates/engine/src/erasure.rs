//! Forgetting what was committed to.
//!
//! A request and its approval are decided on one reading of the whole record
//! ([`quell_core::erasure`]). The approval, the fact that the values are erased and
//! the job that removes them are one append: a crash after it leaves the job, and
//! whoever does it next, the scheduler or the offline command, removes the rows.
//! Removing twice is removing once.

use std::{collections::BTreeSet, sync::Arc};

use quell_core::{
    decision::Verb,
    erasure::{self, Erasure, Order, Search, Sought},
    event::{By, Event},
    id::{ErasureId, PersonId, StreamId},
    personal::Salter,
    time::Timestamp,
};

use crate::{
    Engine, Failure,
    intake::RETRIES,
    lookup,
    order::Caller,
    record::{Seen, Writing},
    streams::{Folded, batch, decode_all},
};

/// What a person asks to have forgotten.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Whatever is about the person of these names and addresses.
    Person(Vec<String>),
    /// These commitments, in hex.
    Commitments(Vec<String>),
}

/// An erasure as it stands after an order.
#[derive(Clone, Debug)]
pub struct Ordered {
    pub erasure: Erasure,
    /// What the search came to.
    pub found: erasure::Found,
}

impl Engine {
    /// Asks that values be forgotten; another person approves it.
    pub async fn request_erasure(self: &Arc<Self>, caller: &Caller, asked: &Asked, reason: &str) -> Result<Ordered, Failure> {
        self.may(caller, Verb::RequestErasure, None, &[]).await?;
        let id = ErasureId::from_chance(self.ports.chance.id());
        let sought = self.sought(asked).await?;
        for _ in 0..RETRIES {
            let size = self.ports.store.size().await?;
            let found = self.search(sought.clone(), size).await?;
            let seen = self.seen(caller, Verb::RequestErasure, &found, size).await?;
            let salter = Salter::new(self.ports.chance.seed());
            let whom = match asked {
                Asked::Person(names) => names.iter().map(|name| salter.commit(name.trim())).collect(),
                Asked::Commitments(_) => Vec::new(),
            };
            let order = Order::Request { erasure: id.clone(), whom, reason: salter.commit(reason) };
            match self.order_erasure(caller, &id, &order, &sought, &found, seen).await {
                Err(Failure::Stale) => {}
                Err(other) => return Err(other),
                Ok(()) => return Ok(Ordered { erasure: self.must_have(&id).await?, found }),
            }
        }
        Err(Failure::Stale)
    }

    /// A second person's yes; the values are gone when it comes back.
    pub async fn approve_erasure(self: &Arc<Self>, caller: &Caller, id: &ErasureId) -> Result<Ordered, Failure> {
        self.may(caller, Verb::ApproveErasure, None, &[]).await?;
        for _ in 0..RETRIES {
            let erasure = self.must_have(id).await?;
            let listed: Vec<String> = erasure.commitments.iter().cloned().collect();
            let size = self.ports.store.size().await?;
            let found = self.search(self.exactly(&listed).await?, size).await?;
            let seen = self.seen(caller, Verb::ApproveErasure, &found, size).await?;
            // The inventory is asked by name where there is one: what a plane brought
            // since the request has a salt of its own.
            let names: Vec<String> = erasure.whom.iter().filter_map(|w| w.value().map(str::to_owned)).collect();
            let sought = match names.is_empty() {
                false => self.sought(&Asked::Person(names)).await?,
                true => self.exactly(&listed).await?,
            };
            match self.order_erasure(caller, id, &Order::Approve(&erasure), &sought, &found, seen).await {
                Err(Failure::Stale) => {}
                Err(other) => return Err(other),
                Ok(()) => {
                    self.erase(id).await?;
                    return Ok(Ordered { erasure: self.must_have(id).await?, found });
                }
            }
        }
        Err(Failure::Stale)
    }

    /// A second person's no: nothing goes.
    pub async fn deny_erasure(self: &Arc<Self>, caller: &Caller, id: &ErasureId, reason: &str) -> Result<Erasure, Failure> {
        let salter = Salter::new(self.ports.chance.seed());
        let reason = salter.commit(reason);
        self.end_erasure(caller, Verb::ApproveErasure, id, |erasure, by, now| erasure::deny(erasure, &reason, by, now)).await
    }

    /// Its author takes a request back.
    pub async fn withdraw_erasure(self: &Arc<Self>, caller: &Caller, id: &ErasureId) -> Result<Erasure, Failure> {
        self.end_erasure(caller, Verb::RequestErasure, id, erasure::withdraw).await
    }

    /// Ends a request without anything gone. It rests on the request alone: whoever
    /// approved it meanwhile was faster.
    async fn end_erasure(
        self: &Arc<Self>,
        caller: &Caller,
        verb: Verb,
        id: &ErasureId,
        end: impl Fn(&Erasure, &By, Timestamp) -> Result<Event, erasure::Refused>,
    ) -> Result<Erasure, Failure> {
        self.may(caller, verb, None, &[]).await?;
        let stream = StreamId::erasure(id);
        for _ in 0..RETRIES {
            let known = self.streams.load(&*self.ports.store, &stream).await?;
            let Some(Folded::Erasure(erasure)) = known.as_ref().map(|k| &k.folded) else { return self.must_have(id).await };
            for case in &erasure.cases {
                self.may(caller, verb, Some(case), &[]).await?;
            }
            let now = self.ports.clock.now();
            let mut writing = Writing::because(id.as_str());
            writing.event(stream.clone(), &caller.by(), end(erasure, &caller.by(), now).map_err(refused)?);
            match self.append_on(writing, now, Seen::from([(stream.clone(), known)])).await {
                Err(Failure::Stale) => {}
                Err(other) => return Err(other),
                Ok(_) => return self.must_have(id).await,
            }
        }
        Err(Failure::Stale)
    }

    /// One erasure.
    pub async fn erasure(&self, id: &ErasureId) -> Result<Option<Erasure>, Failure> {
        Ok(match self.streams.load(&*self.ports.store, &StreamId::erasure(id)).await?.map(|k| k.folded) {
            Some(Folded::Erasure(erasure)) => Some(*erasure),
            _ => None,
        })
    }

    /// Every erasure that was ever requested.
    pub async fn erasures(&self) -> Result<Vec<Erasure>, Failure> {
        let mut all = Vec::new();
        for (id, _) in self.ports.store.lookup_range(lookup::ERASURE, "", None, 10_000).await? {
            all.extend(self.erasure(&ErasureId::new(id)).await?);
        }
        all.sort_by_key(|e| e.requested_at);
        Ok(all)
    }

    /// Removes the rows of an erasure that is recorded as carried out, and then
    /// everything that this process remembers of them.
    pub async fn erase(self: &Arc<Self>, id: &ErasureId) -> Result<(), Failure> {
        let erasure = self.must_have(id).await?;
        if erasure.erased_at.is_some() {
            let (commitments, sealed): (Vec<String>, Vec<String>) =
                (erasure.commitments.into_iter().collect(), erasure.sealed.into_iter().collect());
            let removed = self.ports.store.erase(&commitments, &sealed).await;
            // Also where the old pages are still on the disk: nobody is told them.
            self.streams.forget_all().await;
            self.ports.notify.forget().await;
            removed?;
            tracing::info!(erasure = %id, values = commitments.len(), sealed = sealed.len(), "values were erased");
        }
        self.clear_job(job(id)).await
    }

    /// Carries out what was approved and not yet removed from the disk; answers
    /// what was, and what still waits for a person.
    pub async fn finish_erasures(self: &Arc<Self>) -> Result<(Vec<ErasureId>, Vec<ErasureId>), Failure> {
        let mut done = Vec::new();
        for job in self.ports.store.due(Timestamp::MAX, u32::MAX).await? {
            if let Some(id) = job.key.strip_prefix(JOB).map(ErasureId::new) {
                self.erase(&id).await?;
                done.push(id);
            }
        }
        let now = self.ports.clock.now();
        let waiting = self.erasures().await?.into_iter().filter(|e| e.state(now) == "requested").map(|e| e.id).collect();
        Ok((done, waiting))
    }

    /// Reads the first `size` events of the record.
    async fn search(&self, sought: Sought, size: u64) -> Result<erasure::Found, Failure> {
        let mut search = Search::new(sought);
        let mut next = 0;
        while next < size {
            let stored = batch(&*self.ports.store, next, size).await?;
            next += stored.len() as u64;
            for recorded in decode_all(&*self.ports.store, &stored).await? {
                search.read(&recorded);
            }
        }
        Ok(search.finish())
    }

    async fn sought(&self, asked: &Asked) -> Result<Sought, Failure> {
        let given = match asked {
            Asked::Person(names) => names,
            Asked::Commitments(given) => return self.exactly(given).await,
        };
        let (mut names, mut accounts) = (Vec::new(), BTreeSet::new());
        for name in given.iter().map(|name| name.trim()) {
            erasure::names_a_person(name).map_err(refused)?;
            names.push(name.to_owned());
            let by_email = self.ports.store.lookup(lookup::PERSON_EMAIL, &self.email_key(name)).await?;
            let by_email = by_email.and_then(|v| v.as_str().map(PersonId::new));
            for id in [self.person_by_name(name).await?, by_email].into_iter().flatten() {
                if let Some(person) = self.person(&id).await? {
                    let own = [Some(&person.name), person.email.as_ref()].into_iter().flatten();
                    names.extend(own.filter_map(|p| p.value().map(str::to_owned)));
                }
                accounts.insert(id);
            }
        }
        Ok(Sought::Person { names, accounts })
    }

    async fn exactly(&self, given: &[String]) -> Result<Sought, Failure> {
        let texts = self.ports.store.disclosures(given).await?.into_values().map(|d| d.value).collect();
        Ok(Sought::Commitments { commitments: given.iter().cloned().collect(), texts })
    }

    /// The streams of the cases that hold the values, as they stood when the record
    /// was read; and whether the caller may decide in each of these cases.
    async fn seen(&self, caller: &Caller, verb: Verb, found: &erasure::Found, size: u64) -> Result<Seen, Failure> {
        let mut seen = Seen::new();
        for case in found.cases.keys() {
            self.may(caller, verb, Some(case), &[]).await?;
            let stream = StreamId::case(case);
            let known = self.streams.load(&*self.ports.store, &stream).await?;
            // Somebody wrote to it after the record was read: read again.
            if known.as_ref().is_some_and(|k| k.head.index >= size) {
                return Err(Failure::Stale);
            }
            seen.insert(stream, known);
        }
        Ok(seen)
    }

    async fn order_erasure(
        self: &Arc<Self>,
        caller: &Caller,
        id: &ErasureId,
        order: &Order<'_>,
        sought: &Sought,
        found: &erasure::Found,
        mut seen: Seen,
    ) -> Result<(), Failure> {
        let now = self.ports.clock.now();
        let stored = self.ports.store.inventory().await?;
        let inventory = sought.in_inventory(stored.iter().map(|(key, value)| (key.as_str(), value)));
        let events = erasure::decide(order, &caller.by(), found, &inventory, now).map_err(refused)?;
        let mut writing = Writing::because(id.as_str());
        for case in seen.keys() {
            writing.rests_on(case.clone());
        }
        let stream = StreamId::erasure(id);
        seen.insert(stream.clone(), self.streams.load(&*self.ports.store, &stream).await?);
        for event in events {
            writing.event(stream.clone(), &caller.by(), event);
        }
        if matches!(order, Order::Approve(_)) {
            writing.job(job(id), now);
        }
        self.append_on(writing, now, seen).await.map(|_| ())
    }

    async fn must_have(&self, id: &ErasureId) -> Result<Erasure, Failure> {
        self.erasure(id).await?.ok_or_else(|| Failure::Unknown(format!("erasure `{id}`; `quell ledger erase --list` shows them")))
    }
}

/// The family of the jobs of erasures.
const JOB: &str = "erase/";

fn job(id: &ErasureId) -> String {
    format!("{JOB}{id}")
}

fn refused(why: erasure::Refused) -> Failure {
    Failure::Refused(why.to_string())
}
