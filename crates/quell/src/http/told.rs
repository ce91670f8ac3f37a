//! One event of the ledger as one line of a case's timeline.
//!
//! The line consists of our words and of names of the inventory. What people or
//! planes wrote stands beside it under `untrusted`, and what a plane answered is
//! called an answer: that something is dead is only ever said by a probe.

use std::collections::BTreeSet;

use quell_core::{
    event::{Event, Parts},
    id::TargetId,
    notice::channel_of,
    proof::Liveness,
};
use quell_engine::notice::NOBODY;
use serde_json::{Value, json};

/// One line: which views show it, what it says, what was written by others.
pub struct Told {
    /// `story` for the narrative, `enforcement` for what touched a plane.
    pub views: &'static [&'static str],
    pub text: String,
    pub untrusted: Option<String>,
    /// Attributes that an act changed, before and after.
    pub changed: Value,
}

const STORY: &[&str] = &["story"];
const ACT: &[&str] = &["enforcement"];
const BOTH: &[&str] = &["story", "enforcement"];
const RAW: &[&str] = &[];

/// The line of `event`, of the stream of `target` where it is one; `name` knows
/// the case's targets.
pub fn told(event: &Event, target: Option<&TargetId>, name: impl Fn(&TargetId) -> String) -> Told {
    let mut untrusted = None;
    let mut changed = Value::Null;
    let (views, text) = match event {
        Event::AlertReceived(e) => (RAW, format!("an alert came in: {} bytes for the detector {}", e.bytes, e.detector)),
        Event::AlertFiled(e) => {
            let Parts { signals, unreadable, .. } = e.count();
            (
                RAW,
                format!("the alert was read: {}, {unreadable} unreadable", many(usize::try_from(signals).unwrap_or(usize::MAX), "signal")),
            )
        }
        Event::AlertPartFiled(e) => (RAW, format!("part {} of the alert was read: {}", e.part, many(e.signals.len(), "signal"))),
        Event::CaseOpened(e) => (STORY, format!("case opened: {}", e.because)),
        Event::FindingAttached(e) => (STORY, format!("another finding joined the case: {}", e.because)),
        Event::CaseMerged(e) => {
            untrusted = Some(e.reason.shown().to_owned());
            (STORY, format!("case {} became part of this one", e.from))
        }
        Event::CaseMergedAway(e) => {
            untrusted = Some(e.reason.shown().to_owned());
            (STORY, format!("the case became part of {}", e.into))
        }
        Event::CaseUnmerged(e) => {
            untrusted = Some(e.reason.shown().to_owned());
            (STORY, format!("case {} was taken out again, with {}", e.from, many(e.findings.len(), "finding")))
        }
        Event::CaseGivenBack(e) => {
            untrusted = Some(e.reason.shown().to_owned());
            (STORY, format!("the case was taken out of {} again", e.from))
        }
        Event::FindingRepeated(_) => (RAW, "the same finding again".to_owned()),
        Event::FindingEnded(e) => (STORY, format!("a finding ended: {}", word(&json!(e.outcome)["outcome"]))),
        Event::CaseEnriched(e) => {
            let seen = format!("{}, {}", many(e.credentials.len(), "credential"), many(e.sessions.len(), "session"));
            let what = e.identity.reference();
            let text = match &e.unseen {
                Some(why) => format!("{what} could not be looked at: {why}"),
                None if e.again => format!("{what} was looked at again: {seen}"),
                None => format!("{what} was looked at: {seen}"),
            };
            (if e.again && e.unseen.is_none() { RAW } else { STORY }, text)
        }
        Event::TargetLinked(e) => (RAW, format!("{} belongs to the case: {}", e.target.reference(), e.because)),
        Event::PlanLinked(e) => (RAW, format!("plan {} belongs to the case", e.plan)),
        Event::CaseAdvanced(e) => (STORY, format!("the case is {}", word(&json!(e.stage)))),
        Event::PeopleAsked(e) => {
            let roles: Vec<&str> = e.roles.iter().map(|r| r.in_words()).collect();
            (STORY, format!("{} asked about plan {}, until {}; then {}", were(&roles), e.plan, e.deadline, e.at_timeout))
        }
        Event::NoticeDue(e) => (RAW, format!("somebody is to be told: {}", e.cause.in_words())),
        Event::NoticeHanded(e) => {
            let how = if e.interrupts.is_empty() { "told" } else { "paged" };
            let told = match e.over.as_slice() {
                [] => "nobody is told yet".to_owned(),
                over => {
                    let over: BTreeSet<&str> = over.iter().map(|o| channel_of(o)).collect();
                    format!("{} {how} over {}", were_many(e.people.len()), over.into_iter().collect::<Vec<_>>().join(" and "))
                }
            };
            let failed = e.failed.iter().map(|f| match f.channel.as_str() {
                NOBODY => f.why.clone(),
                channel => format!("{} did not take it: {}", channel_of(channel), f.why),
            });
            (STORY, std::iter::once(told).chain(failed).collect::<Vec<_>>().join("; "))
        }
        Event::NoticeDropped(e) => (RAW, format!("nobody is told any more: {}", e.because)),
        Event::VerdictGiven(e) => {
            untrusted = e.evidence.as_ref().map(|x| x.shown().to_owned());
            (STORY, format!("verdict of {}: {}", e.role.in_words(), word(&json!(e.verdict))))
        }
        Event::LeadTaken(_) => (STORY, "took the lead".to_owned()),
        Event::NoteAdded(e) => {
            untrusted = Some(e.text.shown().to_owned());
            (STORY, "wrote a note".to_owned())
        }
        Event::TaskAdded(e) => {
            untrusted = e.text.as_ref().map(|x| x.shown().to_owned());
            (STORY, format!("a task for {}: {}", e.owner.in_words(), e.what))
        }
        Event::TaskEnded(e) => {
            untrusted = e.attested.as_ref().map(|x| x.shown().to_owned());
            (STORY, "said that a task is done; said is not proved".to_owned())
        }
        Event::SecretUsed(e) => (ACT, format!("the leaked secret of {} was used once: {}", name(&e.target), e.purpose)),
        Event::RestAccepted(e) => {
            untrusted = Some(e.reason.shown().to_owned());
            (STORY, format!("accepted the rest of {} until {}", name(&e.target), e.until))
        }
        Event::ReuseSeen(e) => {
            let how = match e.accepted {
                0 => format!("{} refused", many(e.refused as usize, "use")),
                n => format!("{} accepted", many(n as usize, "use")),
            };
            (BOTH, format!("{} was tried again after it was dead, {how}, last {}; the lead is paged", name(&e.target), e.last_at))
        }
        Event::CaseClosed(e) => {
            untrusted = e.note.as_ref().map(|x| x.shown().to_owned());
            (STORY, "closed the case".to_owned())
        }
        Event::CaseReopened(e) => (STORY, format!("the case was opened again: {}", e.because)),
        Event::CaseExported(_) => (RAW, "evidence was exported".to_owned()),
        Event::PlanDrafted(e) => (STORY, format!("plan {} was drafted: {}", e.plan.id, many(e.plan.steps.len(), "step"))),
        Event::PlanDecided(e) => {
            let wanted: Vec<String> = e.wanted.iter().map(|(role, n)| format!("{n} of {}", role.in_words())).collect();
            let text = if !e.never.is_empty() {
                "policy lets nobody run a step of the plan".to_owned()
            } else if wanted.is_empty() {
                "policy permits the plan without asking anybody".to_owned()
            } else {
                format!("policy asks for {}", wanted.join(" and "))
            };
            (STORY, text)
        }
        Event::GlassBroken(e) => {
            let skipped: Vec<String> = e.skipped.iter().map(|(role, n)| format!("{n} of {}", role.in_words())).collect();
            untrusted = Some(e.reason.shown().to_owned());
            (STORY, format!("broke the glass as {} until {}: the plan runs without {}", e.role.in_words(), e.until, skipped.join(" and ")))
        }
        Event::PlanDenied(e) => {
            untrusted = Some(e.reason.shown().to_owned());
            (STORY, "refused the plan".to_owned())
        }
        Event::PlanExcluded(e) => (STORY, format!("took {} out of the plan", many(e.targets.len(), "target"))),
        Event::PlanStarted(_) => (BOTH, "the plan started".to_owned()),
        Event::TargetsFound(e) => (ACT, format!("step {} found {}", e.step, many(e.new.len(), "new target"))),
        Event::StepEnded(e) => (BOTH, format!("step {} is over, {}: {}", e.step, e.ended.replace('_', " "), e.because)),
        Event::PlanPaused(e) => (BOTH, format!("the plan is paused: {}", e.because)),
        Event::PlanResumed(_) => (BOTH, "the plan goes on".to_owned()),
        Event::PlanEnded(e) => (BOTH, format!("the plan ended, {}: {}", e.ended.replace('_', " "), e.because)),
        Event::ApprovalGiven(e) => {
            untrusted = e.comment.as_ref().map(|x| x.shown().to_owned());
            (STORY, format!("approved plan {} for {}", e.approval.plan, e.approval.role.in_words()))
        }
        Event::ApprovalUsed(_) => (RAW, "an approval was used by the start of its plan".to_owned()),
        Event::HoldPlaced(e) => (ACT, format!("{} is held; its state before was recorded", e.target.reference())),
        Event::HoldReleased(_) => (ACT, "a hold was released".to_owned()),
        Event::AttemptIntended(e) => {
            (ACT, format!("step {}: {} of {} was cleared", e.cleared.step, e.cleared.action.entry().short, name(&e.cleared.target)))
        }
        Event::AttemptEnded(e) => {
            changed = json!(e.changed);
            let why = e.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            (ACT, format!("the plane answered {}{why}; an answer is no proof", e.outcome))
        }
        Event::TargetProbed(e) => {
            let proved = &e.round.proved;
            let of = target.map_or_else(String::new, |t| format!("{}: ", name(t)));
            let strength = proved.strength.map_or_else(String::new, |s| format!(", {}", word(&json!(s))));
            let views = if proved.liveness == Liveness::Unknown { ACT } else { BOTH };
            (views, format!("{of}probe says {}{strength}: {}", word(&json!(proved.liveness)), proved.reason))
        }
        other => (RAW, other.name().replace('_', " ")),
    };
    Told { views, text, untrusted, changed }
}

fn many(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn were_many(people: usize) -> String {
    format!("{} {}", many(people, "person").replace("persons", "people"), if people == 1 { "was" } else { "were" })
}

fn were(roles: &[&str]) -> String {
    match roles {
        [] => "nobody was".to_owned(),
        [one] => format!("{one} was"),
        more => format!("{} were", more.join(" and ")),
    }
}

/// A name of the interface as words.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or("unknown").replace('_', " ")
}
