//! Each detector of the registry.

use std::{any::Any, collections::BTreeSet};

use quell_core::signal::{Readout, Signal};
use quell_detectors::{Detector, REGISTRY, recognise};

use super::{Reads, Target, files};
use crate::{change, cost::Bound, ground::Ground, judge};

/// As a debug build on a slow machine needs it, with room; what grows with the square
/// of its input is far over it.
pub(super) const BOUND: Bound = Bound { micros: 50_000, nanos_per_byte: 1_000, bytes: 4 << 20, bytes_per_byte: 200 };
/// What is longer is judged without looking up each word.
const GROUND_MAX: usize = 64 * 1024;

struct One(&'static Detector);

pub(super) fn targets() -> Vec<Target> {
    let fixtures = |name: &str| {
        let all = files(&format!("crates/detectors/tests/fixtures/{name}"), ".json");
        assert!(!all.is_empty(), "`{name}` has no fixtures to start from");
        all
    };
    REGISTRY.iter().map(|detector| Target::new(detector.name, fixtures(detector.name), BOUND, One(detector))).collect()
}

impl Reads for One {
    fn read(&self, input: &[u8]) -> Box<dyn Any> {
        Box::new((self.0.read)(input))
    }

    fn is_same(&self, one: &dyn Any, other: &dyn Any) -> bool {
        is_same(readout(one), readout(other))
    }

    fn judge(&self, input: &[u8], answer: &dyn Any) -> Result<BTreeSet<String>, String> {
        let answer = readout(answer);
        let name = self.0.name;
        let silent = answer.signals.is_empty() && answer.unreadable.is_empty();
        if silent && !judge::SILENT.contains(&name) {
            return Err("it is silent about a message that somebody was told is filed".to_owned());
        }
        judged(name, input, answer, &|input| (self.0.read)(input))?;
        // Nobody asks for a detector by name who lets it be recognised.
        drop(recognise(input));
        Ok(judge::traits(answer))
    }
}

pub(super) fn readout(answer: &dyn Any) -> &Readout {
    answer.downcast_ref().expect("it is what `read` gave")
}

pub(super) fn is_same(one: &Readout, other: &Readout) -> bool {
    let same = |(a, b): (&quell_core::signal::Detected, &quell_core::signal::Detected)| {
        a.signal == b.signal && a.secret.as_ref().map(|s| s.expose()) == b.secret.as_ref().map(|s| s.expose())
    };
    one.unreadable == other.unreadable && one.signals.len() == other.signals.len() && one.signals.iter().zip(&other.signals).all(same)
}

/// What must hold of a readout, and of the same message once it names nobody any more.
pub(super) fn judged(name: &str, input: &[u8], answer: &Readout, read: &dyn Fn(&[u8]) -> Readout) -> Result<(), String> {
    let ground = (input.len() <= GROUND_MAX).then(|| Ground::of(input));
    judge::readout(name, ground.as_ref(), answer)?;
    if ground.is_none() {
        return Ok(());
    }
    let whom = |signal: &Signal| signal.subject.native_id.iter().chain(&signal.subject.name).cloned().collect::<Vec<_>>();
    let names: Vec<String> = answer.signals.iter().flat_map(|d| whom(&d.signal)).filter(|name| !name.is_empty()).take(40).collect();
    if names.is_empty() {
        return Ok(());
    }
    let nobody = change::without(input, &names);
    judge::readout(name, Some(&Ground::of(&nobody)), &read(&nobody)).map_err(|broken| format!("once the message names nobody: {broken}"))
}
