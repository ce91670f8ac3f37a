//! The readers of logs behind `quell investigate`: each kind by name, and whatever a
//! file turns out to be.

use std::{any::Any, collections::BTreeSet};

use quell_core::trace::{Fact, Place, Trace};
use quell_detectors::telemetry::{Circumstances, Heard, LOGS, Log, Stream};

use super::{Reads, Target, detector, files};

/// All that a file said.
#[derive(Default, PartialEq)]
struct Told {
    facts: Vec<Fact>,
    unknown: u64,
    unreadable: Vec<(u64, String)>,
    records: u64,
    kinds: Vec<&'static str>,
}

struct One(Option<&'static Log>);

pub(super) fn targets() -> Vec<Target> {
    let corpus = |name: &str| files("fuzz/corpus/logs", &format!("{name}.log"));
    let every: Vec<Vec<u8>> = files("fuzz/corpus/logs", ".log");
    let mut all: Vec<Target> = Vec::new();
    for log in LOGS {
        let own = corpus(log.name);
        assert!(!own.is_empty(), "fuzz/corpus/logs/{}.log is missing: a few records of this kind", log.name);
        all.push(Target::new(format!("log-{}", log.name), own, detector::BOUND, One(Some(log))));
    }
    all.push(Target::new("log-any", every, detector::BOUND, One(None)));
    all
}

impl Reads for One {
    fn read(&self, input: &[u8]) -> Box<dyn Any> {
        let circumstances = Circumstances { written_at: "2026-10-02T00:00:00Z".parse().ok() };
        let mut told = Told::default();
        let mut stream = Stream::new(self.0, circumstances);
        let mut hear = |record: u64, heard: Heard<'_>| match heard {
            Heard::Fact(fact) => told.facts.push(*fact),
            Heard::Unknown(_) => told.unknown += 1,
            Heard::Unreadable(reason) => told.unreadable.push((record, reason)),
        };
        // In two pieces: a file is read in blocks, which end anywhere.
        let (first, second) = input.split_at(input.len() / 3);
        stream.feed(first, &mut hear);
        stream.feed(second, &mut hear);
        let ended = stream.finish(&mut hear);
        (told.records, told.kinds) = (ended.records, ended.kinds);
        Box::new(told)
    }

    fn is_same(&self, one: &dyn Any, other: &dyn Any) -> bool {
        one.downcast_ref::<Told>() == other.downcast_ref::<Told>()
    }

    fn judge(&self, _: &[u8], answer: &dyn Any) -> Result<BTreeSet<String>, String> {
        let told = answer.downcast_ref::<Told>().expect("it is what `read` gave");
        let beyond = told.unreadable.iter().any(|(record, reason)| *record > told.records || reason.is_empty() || reason.len() > 1_000);
        if beyond {
            return Err("an unreadable record is told wrongly".to_owned());
        }
        // Woven together, as `investigate` does it.
        let mut trace = Trace::new(None);
        for (record, fact) in (0..).zip(told.facts.iter().cloned()) {
            trace.take(Place { file: 0, record }, fact);
        }
        let traced = trace.tell(&["records".into()]);
        let mut traits: BTreeSet<String> = told.kinds.iter().map(|k| (*k).to_owned()).collect();
        traits.extend(told.facts.iter().map(|f| format!("{} deeds, {} aliases, {:?}", f.deeds.len(), f.aliases.len(), f.outcome)));
        traits.extend(
            told.facts.iter().flat_map(|f| &f.deeds).map(|d| format!("{d:?}").chars().take_while(|c| c.is_alphanumeric()).collect()),
        );
        traits.extend(told.unreadable.iter().map(|(_, r)| r.chars().filter(char::is_ascii_alphabetic).collect()));
        traits.insert(format!("{} cases", traced.cases.len().min(3)));
        Ok(traits)
    }
}
