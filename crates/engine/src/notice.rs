//! Telling people, at least once.
//!
//! A notice is due with the events that cause it, in one append, and a job hands it over
//! until every channel took it or a day is over. What it says is the case's first line at
//! that moment. What was tried is an event: a page that nobody got is a fact of the case.

use std::{collections::BTreeSet, sync::Arc};

use quell_core::{
    decision::Role,
    event::{By, FailedChannel, NoticeDropped, NoticeDue, NoticeHanded},
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
/// What stands for a channel where there is nobody to tell.
pub const NOBODY: &str = "nobody";

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

    /// Hands over what a job asks for, `case/notice`. What came of it is written whoever else
    /// writes of the case meanwhile: it is not handed over again for that.
    pub(crate) async fn hand_over_notice(self: &Arc<Self>, job: &Job, of: &str) -> Result<(), Failure> {
        let Some((case, id)) = of.split_once('/') else { return self.clear_job(job.key.clone()).await };
        let case = CaseId::new(case);
        let mut tried = None;
        for _ in 0..RETRIES {
            let (notices, seen) = self.notices_seen(&case).await?;
            let Some(notice) = notices.0.get(id) else {
                // The job is in the store a moment before the fold in memory knows its notice:
                // it is looked at again, and never put away for that.
                self.streams.forget([&StreamId::notices(&case)]).await;
                let mut writing = Writing::because(job.key.clone());
                writing.rests(job.key.clone(), job.due_at, Some(after(self.ports.clock.now(), 1)));
                return self.append(writing, self.ports.clock.now()).await.map(|_| ());
            };
            let Some(ground) = self.ground(&case).await? else { return self.clear_job(job.key.clone()).await };
            if notice.is_over() {
                return self.clear_job(job.key.clone()).await;
            }
            let handed = match tried.take() {
                Some(handed) => handed,
                None if !ground.case.is_open() && notice.cause.ends_with_its_case() => None,
                None => Some(self.tried(&ground, id, notice).await?),
            };
            let writing = self.said_of(&case, id, notice, job, handed.as_ref());
            match self.append_on(writing, self.ports.clock.now(), seen).await {
                Err(Failure::Stale) => tried = Some(handed),
                other => return other.map(|_| ()),
            }
        }
        Err(Failure::Stale)
    }

    /// One try.
    async fn tried(&self, ground: &Ground, id: &str, notice: &Notice) -> Result<NoticeHanded, Failure> {
        let case = &ground.case.id;
        let is_first = notice.interrupts().is_none();
        let to = self.addressees(ground, id, notice).await?;
        let message = Message {
            id: id.to_owned(),
            case: case.clone(),
            headline: view::headline(&ground.situation(), self.ports.clock.now()),
            why: notice.cause.in_words(),
            hand_on: notice.cause.hand_on(),
            to,
            settled: notice.settled().into_iter().map(str::to_owned).collect(),
        };
        let answer = match message.to.as_slice() {
            // Handed to nobody is told to nobody; somebody may get the role meanwhile.
            [] => Handed {
                over: Vec::new(),
                failed: vec![Failed { channel: NOBODY.to_owned(), why: "nobody who may be told is left".to_owned(), may_pass: true }],
            },
            _ => self.ports.notify.tell(&message).await,
        };
        let may_try = notice.is_tried(self.ports.clock.now(), ground.case.is_open());
        let failed = |f: Failed| FailedChannel { channel: f.channel, why: f.why, again: f.may_pass && may_try };
        Ok(NoticeHanded {
            notice: id.to_owned(),
            case: case.clone(),
            people: message.to.iter().filter_map(|a| a.person.clone()).collect(),
            interrupts: message.to.iter().filter(|a| a.interrupts).filter_map(|a| a.person.clone()).collect(),
            counts: is_first && !notice.cause.is_urgent(),
            over: answer.over,
            failed: answer.failed.into_iter().map(failed).collect(),
        })
    }

    /// What the record says of a try; of none, that nobody tries any more.
    fn said_of(&self, case: &CaseId, id: &str, notice: &Notice, job: &Job, handed: Option<&NoticeHanded>) -> Writing {
        let stream = StreamId::notices(case);
        let mut writing = Writing::because(job.key.clone());
        let Some(handed) = handed else {
            let dropped = NoticeDropped { notice: id.to_owned(), case: case.clone(), because: "the case is over".to_owned() };
            writing.event(stream, &By::Automation, dropped).done(job.key.clone());
            return writing;
        };
        // The same failure again says nothing new.
        let again = handed.failed.iter().any(|f| f.again);
        if !handed.over.is_empty() || !again || notice.handed.last().is_none_or(|(last, _)| last.failed != handed.failed) {
            writing.event(stream, &By::Automation, handed.clone());
        }
        let next = again.then(|| notice.next_try(self.ports.clock.now()));
        writing.rests(job.key.clone(), job.due_at, next);
        writing
    }

    /// Whom a notice reaches now, and who of them may be interrupted for it: that is decided
    /// at the first try.
    async fn addressees(&self, ground: &Ground, id: &str, notice: &Notice) -> Result<Vec<Addressee>, Failure> {
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
            let interrupts = match notice.interrupts() {
                Some(decided) => decided.contains(&person.id),
                None => notice.pages && self.may_interrupt(&person.id, notice.cause, &format!("{}/{id}", ground.case.id)).await?,
            };
            let role = if let To::Role(role) = &notice.to { Some(*role) } else { None };
            let email = person.email.as_ref().and_then(|e| e.value()).map(str::to_owned);
            to.push(Addressee { person: Some(person.id.clone()), role, name: person.name.shown().to_owned(), email, interrupts });
        }
        Ok(to)
    }

    /// Whether somebody may be interrupted for a notice of this id, beside those of the last
    /// hour that are recorded and those that are being handed over.
    async fn may_interrupt(&self, person: &PersonId, cause: Cause, id: &str) -> Result<bool, Failure> {
        let since = after(self.ports.clock.now(), -INTERRUPTIONS_SECONDS);
        let (prefix, from) = (format!("{person}/"), lookup::interruption(person, since, ""));
        let rows = self.ports.store.lookup_range(lookup::INTERRUPTION, &prefix, Some(&from), 1_000).await?;
        let mut hour: BTreeSet<String> = rows.into_iter().filter_map(|(key, _)| Some(key.splitn(3, '/').nth(2)?.to_owned())).collect();
        let mut under_way = self.interrupting.lock().expect("no holder of this lock can panic");
        let theirs = under_way.entry(person.clone()).or_default();
        theirs.retain(|(_, at)| *at > since);
        hour.extend(theirs.iter().map(|(id, _)| id.clone()));
        hour.remove(id);
        let may = may_interrupt(cause, hour.len());
        if may && !cause.is_urgent() && theirs.iter().all(|(known, _)| known != id) {
            theirs.push((id.to_owned(), self.ports.clock.now()));
        }
        Ok(may)
    }
}
