//! Mapping files that an installation wrote, and the messages they read.

use std::{any::Any, collections::BTreeSet};

use quell_core::signal::Readout;
use quell_detectors::mapping::Mapping;

use super::{Reads, Target, detector, files};
use crate::{cost::Bound, judge};

/// A mapping is loaded once, and each of its conditions is read whole.
const LOADING: Bound = Bound { micros: 60_000, nanos_per_byte: 20_000, bytes: 8 << 20, bytes_per_byte: 2_000 };
/// Work is bounded by counting, in `mapping::WORK_MAX`; so it is not by the length.
const READING: Bound = Bound { micros: 20_000_000, nanos_per_byte: 20_000, bytes: 64 << 20, bytes_per_byte: 1_000 };

/// Reads mapping files, and one message with each that loads.
struct File(Vec<u8>);

/// Reads messages with one mapping.
struct Message(Mapping);

pub(super) fn targets() -> Vec<Target> {
    let (maps, messages) = (files("fuzz/corpus/mapping", ".toml"), files("fuzz/corpus/mapping", ".json"));
    let own = std::str::from_utf8(&maps[0]).ok().and_then(|text| Mapping::load(text).ok()).expect("the first mapping is whole");
    vec![Target::new("mapping-file", maps, LOADING, File(messages[0].clone())), Target::new("mapping", messages, READING, Message(own))]
}

type Loaded = Result<Readout, Vec<String>>;

impl Reads for File {
    fn read(&self, input: &[u8]) -> Box<dyn Any> {
        let text = String::from_utf8_lossy(input);
        let loaded: Loaded = match Mapping::load(&text) {
            Ok(mapping) => Ok(mapping.read(&self.0)),
            Err(mistakes) => Err(mistakes.iter().map(ToString::to_string).collect()),
        };
        Box::new(loaded)
    }

    fn is_same(&self, one: &dyn Any, other: &dyn Any) -> bool {
        match (one.downcast_ref::<Loaded>(), other.downcast_ref::<Loaded>()) {
            (Some(Ok(one)), Some(Ok(other))) => detector::is_same(one, other),
            (Some(Err(one)), Some(Err(other))) => one == other,
            _ => false,
        }
    }

    fn judge(&self, _: &[u8], answer: &dyn Any) -> Result<BTreeSet<String>, String> {
        match answer.downcast_ref::<Loaded>().expect("it is what `read` gave") {
            Ok(readout) => Ok(judge::traits(readout)),
            Err(mistakes) if mistakes.is_empty() => Err("a file is refused, and no mistake is told".to_owned()),
            Err(mistakes) => Ok([format!("{} mistakes", mistakes.len().min(5))].into()),
        }
    }
}

impl Reads for Message {
    fn read(&self, input: &[u8]) -> Box<dyn Any> {
        Box::new(self.0.read(input))
    }

    fn is_same(&self, one: &dyn Any, other: &dyn Any) -> bool {
        detector::is_same(detector::readout(one), detector::readout(other))
    }

    fn judge(&self, input: &[u8], answer: &dyn Any) -> Result<BTreeSet<String>, String> {
        let answer = detector::readout(answer);
        detector::judged(self.0.name(), input, answer, &|input| self.0.read(input))?;
        Ok(judge::traits(answer))
    }
}
