//! Who is told, at least once, and no more often than they can bear.

use std::sync::atomic::Ordering;

use quell_core::{
    case::Command,
    decision::{Role, Verb},
    event::{By, Event, NoticeDue},
    finding::Outcome,
    id::{CaseId, FindingId, PersonId, StreamId},
    notice::{Cause, To},
    time::{Timestamp, after},
};
use quell_engine::{lookup, record::Writing, streams};

use serde_json::Value;

use crate::installation::*;

/// Somebody is named who is asked.
fn is_asked(view: &Value) -> bool {
    view["waiting_for"].as_array().into_iter().flatten().any(|w| w["people"].as_array().is_some_and(|p| !p.is_empty()))
}

async fn standing(here: &Installation, case: &CaseId) -> Vec<(String, &'static str)> {
    let notices = here.engine.notices(case).await.expect("loaded");
    notices.0.iter().map(|(id, n)| (id.split('/').next().unwrap_or_default().to_owned(), n.standing())).collect()
}

/// What the stream of the case's notices says, one word an event.
async fn told(here: &Installation, case: &CaseId) -> Vec<&'static str> {
    let store = &*here.engine.ports.store;
    let stored = store.read(&StreamId::notices(case), 1).await.expect("read");
    streams::decode_all(store, &stored).await.expect("decoded").iter().map(|r| r.event.name()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_down_is_asked_until_it_takes_the_notice_once() {
    let here = Installation::start(true).await;
    here.arm().await;
    let ian = here.person("ian", &[Role::Iam]).await;
    here.told.fails.store(true, Ordering::SeqCst);
    let (_, case) = here.leak("c1").await;
    let asked = here.work_until(&case, is_asked).await;
    let now = here.engine.ports.clock.now();
    assert!(!standing(&here, &case).await.is_empty(), "somebody is to be told: {asked:#}");
    assert!(standing(&here, &case).await.iter().all(|(_, s)| *s == "due"), "written with the question, handed over by nobody yet");
    for minute in 0..3 {
        tell_at(&here.engine, after(now, minute * 60)).await;
    }
    let before = told(&here, &case).await;
    assert!(standing(&here, &case).await.iter().all(|(_, s)| *s == "failing"), "{before:?}");
    let failures = before.iter().filter(|n| **n == "notice_handed").count();
    assert_eq!(failures, standing(&here, &case).await.len(), "the same failure again says nothing new: {before:?}");
    assert!(here.told.people().is_empty());

    here.told.fails.store(false, Ordering::SeqCst);
    for minute in 3..6 {
        tell_at(&here.engine, after(now, minute * 60)).await;
    }
    let people = here.told.people();
    assert_eq!(people.iter().filter(|p| **p == ian.id.to_string()).count(), 1, "once, and not again: {people:?}");
    assert!(standing(&here, &case).await.iter().all(|(_, s)| *s == "told"));
    let left = here.engine.ports.store.due(after(now, 90_000), 1_000).await.expect("jobs");
    assert!(left.iter().all(|job| !job.key.starts_with("tell/")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_a_case_that_is_over() {
    let here = Installation::start(true).await;
    here.arm().await;
    let ian = here.person("ian", &[Role::Iam]).await;
    let sam = here.person("sam", &[Role::Lead]).await;
    let (_, case) = here.leak("c1").await;
    let view = here.work_until(&case, is_asked).await;
    assert!(!standing(&here, &case).await.is_empty(), "somebody is to be told: {view:#}");
    let finding = FindingId::new(view["findings"][0]["id"].as_str().expect("an id"));
    let ended = Command::EndFinding { finding, outcome: Outcome::FalsePositive, evidence: None };
    here.engine.command(&sam, &case, Verb::Close, ended).await.expect("ended");
    let digest = view["plans"][0]["digest"].as_str().expect("a digest");
    here.engine.deny(&ian, &case, digest, "a drill".to_owned()).await.expect("denied");
    here.engine.command(&sam, &case, Verb::Close, Command::Close { note: None }).await.expect("closed");
    tell_at(&here.engine, here.engine.ports.clock.now()).await;
    assert!(here.told.people().is_empty(), "{:?}", here.told.people());
    assert!(standing(&here, &case).await.iter().all(|(_, s)| *s == "dropped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fourth_page_of_an_hour_interrupts_nobody_and_is_handed_over_all_the_same() {
    let here = Installation::start(false).await;
    let olga = here.person("olga", &[Role::PlatformOwner]).await;
    let (_, case) = here.leak("c1").await;
    let store = &*here.engine.ports.store;
    let causes = [Cause::HandedOver, Cause::HandedOver, Cause::Asked, Cause::HandedOver, Cause::Reverted, Cause::Asked];
    for (n, cause) in causes.into_iter().enumerate() {
        let (id, now) = (format!("n/{n}"), here.engine.ports.clock.now());
        let due = NoticeDue { notice: id.clone(), case: case.clone(), to: To::Person(olga.id.clone()), cause, pages: true };
        let mut writing = Writing::because("a test");
        writing.event(StreamId::notices(&case), &By::Automation, due).job(format!("tell/{case}/{id}"), now);
        here.engine.append(writing, now).await.expect("due");
        tell_at(&here.engine, now).await;
    }
    let stored = store.read(&StreamId::notices(&case), 1).await.expect("read");
    let mut interrupts = Vec::new();
    for recorded in streams::decode_all(store, &stored).await.expect("decoded") {
        if let Event::NoticeHanded(e) = recorded.event {
            assert_eq!((e.people, e.over), (vec![olga.id.clone()], vec!["mail".to_owned()]), "told in any case");
            interrupts.push(e.interrupts.len());
        }
    }
    assert_eq!(interrupts, [1, 1, 1, 0, 1, 0], "three, and what is worse than being interrupted");
    assert_eq!(here.told.pages().len(), 4);
    let rows = store.lookup_range(lookup::INTERRUPTION, &format!("{}/", olga.id), None, 100).await.expect("rows");
    assert_eq!(rows.len(), 3, "what is worse than being interrupted is not counted: {rows:?}");
    // Another person's hour is their own.
    let rows = store.lookup_range(lookup::INTERRUPTION, &format!("{}/", here.admin.id), None, 100).await.expect("rows");
    assert!(rows.is_empty(), "{rows:?}");
}

/// Notices to one person that are due at once, with their causes.
async fn due(here: &Installation, case: &CaseId, to: &PersonId, causes: &[Cause]) -> Timestamp {
    let now = here.engine.ports.clock.now();
    let mut writing = Writing::because("a test");
    for (n, cause) in causes.iter().enumerate() {
        let id = format!("{n}/x");
        let due = NoticeDue { notice: id.clone(), case: case.clone(), to: To::Person(to.clone()), cause: *cause, pages: true };
        writing.event(StreamId::notices(case), &By::Automation, due).job(format!("tell/{case}/{id}"), now);
    }
    here.engine.append(writing, now).await.expect("due");
    now
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_notice_interrupts_is_decided_once_however_often_it_is_tried() {
    let here = Installation::start(false).await;
    let olga = here.person("olga", &[Role::PlatformOwner]).await;
    let (_, case) = here.leak("c1").await;
    for flag in [&here.told.fails, &here.told.half] {
        flag.store(true, Ordering::SeqCst);
    }
    // At once, as in the storm that the bound is for; the urgent one is not counted.
    let causes = [Cause::Reverted, Cause::Asked, Cause::HandedOver, Cause::Asked, Cause::HandedOver];
    let now = due(&here, &case, &olga.id, &causes).await;
    tell_at(&here.engine, now).await;
    let interrupting = async || {
        let notices = here.engine.notices(&case).await.expect("loaded");
        notices.0.values().filter(|n| n.interrupts().is_some_and(|i| !i.is_empty())).count()
    };
    assert_eq!(interrupting().await, 4, "three, and the urgent one");
    assert!(standing(&here, &case).await.iter().all(|(_, s)| *s == "told_in_part"));
    tell_at(&here.engine, after(now, 60)).await;
    here.told.fails.store(false, Ordering::SeqCst);
    tell_at(&here.engine, after(now, 120)).await;
    assert_eq!((interrupting().await, here.told.pages().len()), (4, 4), "the channel that was down hears the same");
    let letters: Vec<String> = here.told.letters.lock().expect("no panic holds it").iter().map(|m| m.id.clone()).collect();
    assert_eq!(letters.len(), causes.len(), "each once, side by side as they went: {letters:?}");
    assert!(standing(&here, &case).await.iter().all(|(_, s)| *s == "told"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_tried_again_is_told_also_when_its_case_is_closed() {
    let here = Installation::start(false).await;
    let sam = here.person("sam", &[Role::Lead]).await;
    let (_, case) = here.leak_of("nobodys-value-here").await;
    let view = here.view(&case).await;
    let finding = FindingId::new(view["findings"][0]["id"].as_str().expect("an id"));
    let ended = Command::EndFinding { finding, outcome: Outcome::FalsePositive, evidence: None };
    here.engine.command(&sam, &case, Verb::Close, ended).await.expect("ended");
    here.engine.command(&sam, &case, Verb::Close, Command::Close { note: None }).await.expect("closed");
    let now = due(&here, &case, &sam.id, &[Cause::Reused, Cause::Asked]).await;
    tell_at(&here.engine, now).await;
    assert_eq!(standing(&here, &case).await.iter().map(|(_, s)| *s).collect::<Vec<_>>(), ["told", "dropped"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_nobody_holds_is_told_to_nobody_until_somebody_has_it() {
    let here = Installation::start(false).await;
    let (_, case) = here.leak("c1").await;
    let now = here.engine.ports.clock.now();
    let due = NoticeDue { notice: "n".to_owned(), case: case.clone(), to: To::Role(Role::Auditor), cause: Cause::HandedOver, pages: true };
    let mut writing = Writing::because("a test");
    writing.event(StreamId::notices(&case), &By::Automation, due).job(format!("tell/{case}/n"), now);
    here.engine.append(writing, now).await.expect("due");
    tell_at(&here.engine, now).await;
    let notices = here.engine.notices(&case).await.expect("loaded");
    assert_eq!((notices.0["n"].standing(), here.told.people().len()), ("failing", 0));
    let aud = here.person("aud", &[Role::Auditor]).await;
    tell_at(&here.engine, after(now, 60)).await;
    let notices = here.engine.notices(&case).await.expect("loaded");
    assert_eq!((notices.0["n"].standing(), here.told.people()), ("told", vec![aud.id.to_string()]));
}
