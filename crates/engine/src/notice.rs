//! Telling people, at least once.
//!
//! A notice is due with the events that cause it, in one append, and a job hands it over
//! until every channel took it or a day is over. What it says is the case's first line at
//! that moment. What was tried is an event: a page that nobody got is a fact of the case.

use std::{collections::BTreeSet, sync::Arc};

use quell_core::{
    decision::Role,
    event::{By, NoticeDropped, NoticeDue, NoticeHanded},
    id::{CaseId, PersonId, StreamId},
    notice::{Cause, INTERRUPTIONS_SECONDS, Notice, Notices, To, may_interrupt},
    people::Person,
    personal::Salter,
    time::{Timestamp, after},
    view,
};

use crate::{
    Engine, Failure,
    ground::Ground,
    intake::RETRIES,
    lookup,
    port::{Addressee, Failed, Handed, Job, Message},
    record::{Seen, Writing},
    streams::Folded,
};

/// The beginning of its job's key.
pub(crate) const JOB: &str = "tell";

/// Somebody is to be told with what `writing` says.
pub(crate) fn due(writing: &mut Writing, now: Timestamp, case: &CaseId, id: String, to: To, cause: Cause, pages: bool) {
    let key = format!("{JOB}/{case}/{id}");
    let event = NoticeDue { notice: id, case: case.clone(), to, cause, pages };
    writing.event(StreamId::notices(case), &By::Automation, event).job(key, now);
}

impl Engine {
    /// Whoever leads the case, or else the response owner.
    pub(crate) fn leader(ground: &Ground) -> To {
        ground.case.lead.clone().map_or(To::Role(Role::ResponseOwner), To::Person)
    }

    /// Those whom the configuration names as the last resort.
    pub(crate) fn last_resort(&self) -> Vec<(String, To)> {
        let salter = Salter::new(self.ports.chance.seed());
        self.settings
            .last_resort
            .iter()
            .enumerate()
            .map(|(n, name)| (format!("last/{n}"), To::Named(salter.commit(name.clone()))))
            .collect()
    }

    /// The notices of a case, by their ids.
    pub async fn notices(&self, case: &CaseId) -> Result<Notices, Failure> {
        Ok(self.notices_seen(case).await?.0)
    }

    async fn notices_seen(&self, case: &CaseId) -> Result<(Notices, Seen), Failure> {
        let stream = StreamId::notices(case);
        let known = self.streams.load(&*self.ports.store, &stream).await?;
        let notices = match known.as_ref().map(|k| &k.folded) {
            Some(Folded::Notices(notices)) => (**notices).clone(),
            _ => Notices::default(),
        };
        Ok((notices, Seen::from([(stream, known)])))
    }

    /// Hands over what a job asks for, `case/notice`.
    pub(crate) async fn hand_over_notice(self: &Arc<Self>, job: &Job, of: &str) -> Result<(), Failure> {
        let Some((case, id)) = of.split_once('/') else { return self.clear_job(job.key.clone()).await };
        let case = CaseId::new(case);
        for _ in 0..RETRIES {
            let (notices, seen) = self.notices_seen(&case).await?;
            let (Some(notice), Some(ground)) = (notices.0.get(id), self.ground(&case).await?) else {
                return self.clear_job(job.key.clone()).await;
            };
            if notice.is_over() {
                return self.clear_job(job.key.clone()).await;
            }
            let writing = self.tried(&ground, id, notice, job).await?;
            match self.append_on(writing, self.ports.clock.now(), seen).await {
                Err(Failure::Stale) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Failure::Stale)
    }

    /// One try, and what the record says of it.
    async fn tried(&self, ground: &Ground, id: &str, notice: &Notice, job: &Job) -> Result<Writing, Failure> {
        let case = &ground.case.id;
        let stream = StreamId::notices(case);
        let drop = |because: &str| {
            let dropped = NoticeDropped { notice: id.to_owned(), case: case.clone(), because: because.to_owned() };
            let mut writing = Writing::because(job.key.clone());
            writing.event(stream.clone(), &By::Automation, dropped).done(job.key.clone());
            writing
        };
        if !ground.case.is_open() {
            return Ok(drop("the case is over"));
        }
        let to = self.addressees(ground, notice).await?;
        let taken: BTreeSet<String> = notice.taken_by().into_iter().map(str::to_owned).collect();
        let message = Message {
            id: id.to_owned(),
            case: case.clone(),
            headline: view::headline(&ground.situation(), self.ports.clock.now()),
            why: notice.cause.in_words(),
            hand_on: notice.cause.hand_on(),
            to,
            taken,
        };
        let answer = match message.to.as_slice() {
            // Handed to nobody is told to nobody; somebody may get the role meanwhile.
            [] => Handed {
                over: Vec::new(),
                failed: vec![Failed { channel: "nobody".to_owned(), why: "nobody who may be told is left".to_owned(), may_pass: true }],
            },
            _ => self.ports.notify.tell(&message).await,
        };
        let now = self.ports.clock.now();
        let next = notice.next_try(now).filter(|_| answer.failed.iter().any(|f| f.may_pass));
        let handed = NoticeHanded {
            notice: id.to_owned(),
            case: case.clone(),
            people: message.to.iter().filter_map(|a| a.person.clone()).collect(),
            interrupts: message.to.iter().filter(|a| a.interrupts).filter_map(|a| a.person.clone()).collect(),
            over: answer.over,
            failed: answer.failed.into_iter().map(|f| (f.channel, f.why)).collect(),
            again: next.is_some(),
        };
        let mut writing = Writing::because(job.key.clone());
        // The same failure again says nothing new.
        let is_news = !handed.over.is_empty() || notice.handed.last().is_none_or(|(last, _)| last.failed != handed.failed) || !handed.again;
        if is_news {
            writing.event(stream, &By::Automation, handed);
        }
        writing.rests(job.key.clone(), job.due_at, next);
        Ok(writing)
    }

    /// Whom a notice reaches now, and who of them may be interrupted for it.
    async fn addressees(&self, ground: &Ground, notice: &Notice) -> Result<Vec<Addressee>, Failure> {
        let people: Vec<Person> = match &notice.to {
            To::Person(id) => self.person(id).await?.filter(|p| !p.disabled).into_iter().collect(),
            To::Role(role) => {
                let bench = ground.case.bench();
                let holds = |p: &Person| p.human && !p.disabled && p.roles.contains(role) && !bench.entangled.contains(&p.id);
                self.people().await?.into_iter().filter(holds).collect()
            }
            To::Named(name) => {
                let name = name.shown().to_owned();
                let email = name.contains('@').then(|| name.clone());
                return Ok(vec![Addressee { person: None, role: None, name, email, interrupts: notice.pages }]);
            }
        };
        let mut to = Vec::new();
        for person in people {
            let interrupts = notice.pages && may_interrupt(notice.cause, self.interruptions(&person.id).await?);
            let role = if let To::Role(role) = &notice.to { Some(*role) } else { None };
            let email = person.email.as_ref().and_then(|e| e.value()).map(str::to_owned);
            to.push(Addressee { person: Some(person.id.clone()), role, name: person.name.shown().to_owned(), email, interrupts });
        }
        Ok(to)
    }

    /// How often somebody was interrupted within the last hour.
    async fn interruptions(&self, person: &PersonId) -> Result<usize, Failure> {
        let since = after(self.ports.clock.now(), -INTERRUPTIONS_SECONDS);
        let (prefix, from) = (format!("{person}/"), lookup::interruption(person, since, ""));
        Ok(self.ports.store.lookup_range(lookup::INTERRUPTION, &prefix, Some(&from), 1_000).await?.len())
    }
}
