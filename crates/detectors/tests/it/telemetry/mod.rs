//! Log records through one door: bytes in, facts out.

mod cloudtrail;
mod directory;
mod hostile;
mod lines;
mod platform;
mod secrets;
mod split;
mod trail;

use quell_core::trace::{Bearer, Deed, Ended, Fact, Minted, Place, Trace, TracedCase};
use quell_detectors::telemetry::{Circumstances, Heard, LOGS, Stream, log};
use serde_json::Value;

/// What a file says.
#[derive(Default)]
pub struct Told {
    pub facts: Vec<Fact>,
    pub unknown: u64,
    pub unreadable: Vec<(u64, String)>,
    pub records: u64,
    pub kinds: Vec<&'static str>,
    pub passed: u64,
}

/// Reads bytes as a file of one kind, or of whatever it is.
pub fn told_of(kind: Option<&str>, bytes: &[u8]) -> Told {
    let circumstances = Circumstances { written_at: Some("2026-10-02T00:00:00Z".parse().unwrap()) };
    let mut told = Told::default();
    let mut stream = Stream::new(kind.map(|k| log(k).expect("a kind of log")), circumstances);
    let mut hear = |record: u64, heard: Heard<'_>| match heard {
        Heard::Fact(fact) => told.facts.push(*fact),
        Heard::Unknown(_) => told.unknown += 1,
        Heard::Unreadable(reason) => told.unreadable.push((record, reason)),
    };
    stream.feed(bytes, &mut hear);
    let ended = stream.finish(&mut hear);
    (told.records, told.kinds, told.passed) = (ended.records, ended.kinds, ended.passed);
    told
}

/// Records of a log that is recognised as `kind`, each read.
pub fn told(kind: &str, records: &[Value]) -> Vec<Fact> {
    let lines: String = records.iter().map(|r| format!("{r}\n")).collect();
    let told = told_of(None, lines.as_bytes());
    assert!(told.unreadable.is_empty() && told.unknown == 0, "{:?}", told.unreadable);
    assert_eq!(told.kinds, [kind]);
    assert_eq!(told.records, records.len() as u64);
    let forced = told_of(Some(kind), lines.as_bytes());
    assert_eq!(forced.facts, told.facts, "named or recognised, it says the same");
    told.facts
}

/// The fact of one record.
pub fn one(kind: &str, record: Value) -> Fact {
    let mut facts = told(kind, &[record]);
    assert_eq!(facts.len(), 1, "{facts:?}");
    facts.remove(0)
}

pub fn by(fact: &Fact) -> &Bearer {
    fact.by.as_ref().expect("somebody came")
}

pub fn mint(fact: &Fact) -> &Minted {
    fact.deeds
        .iter()
        .find_map(|d| if let Deed::Mint(m) = d { Some(m) } else { None })
        .unwrap_or_else(|| panic!("nothing is minted: {fact:?}"))
}

pub fn reads(fact: &Fact) -> Vec<&str> {
    fact.deeds.iter().filter_map(|d| if let Deed::Read(s) = d { Some(s.as_str()) } else { None }).collect()
}

pub fn end(fact: &Fact) -> &Ended {
    fact.deeds.iter().find_map(|d| if let Deed::End(e) = d { Some(e) } else { None }).unwrap_or_else(|| panic!("nothing ends: {fact:?}"))
}

/// Facts put together.
pub fn cases(facts: Vec<Fact>) -> Vec<TracedCase> {
    let mut trace = Trace::new(None);
    for (record, fact) in (0..).zip(facts) {
        trace.take(Place { file: 0, record }, fact);
    }
    trace.tell(&["records".into()]).cases
}

/// `id kind <- parent` of every link.
pub fn chain(case: &TracedCase) -> Vec<String> {
    case.chain.iter().map(|l| format!("{} {} <- {}", l.id, l.kind.words(), l.minted_from.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn every_kind_of_log_has_a_name_of_its_own_and_says_what_it_never_shows() {
    let mut names: Vec<&str> = LOGS.iter().map(|l| l.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), LOGS.len());
    for log in LOGS {
        assert!(log.reads.len() > 15 && log.never_shows.len() > 15, "{}", log.name);
    }
}
