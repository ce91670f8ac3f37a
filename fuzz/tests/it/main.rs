//! The short form: two hundred inputs a target, the same ones in every run.

use std::{collections::BTreeSet, path::Path};

use quell_detectors::{REGISTRY, telemetry::LOGS};
use quell_fuzz::{
    cost::Bound,
    ground::Ground,
    round::Round,
    target::{self, Target},
};

/// Inputs for each target.
const INPUTS: usize = 200;

fn play(targets: impl Iterator<Item = Target>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    for target in targets {
        let run = || {
            let mut round = Round::begin(&target, 1, &folder)?;
            for _ in 0..INPUTS {
                round.another()?;
            }
            Ok(round.so_far())
        };
        match run() {
            Ok((inputs, kinds, most)) => {
                eprintln!(
                    "{}: {inputs} inputs, {kinds} kinds of answers, at most {} us and {} bytes",
                    target.name, most.micros, most.bytes
                );
                assert!(kinds >= 4, "{}: the inputs come nowhere: {kinds} kinds of answers", target.name);
            }
            Err(quell_fuzz::round::Found { input, because }) => {
                let file = folder.join(format!("{}.found", target.name));
                std::fs::write(&file, &input).unwrap();
                panic!("{}: {because}\n  again: make fuzz ONLY={} REPLAY={}", target.name, target.name, file.display());
            }
        }
    }
}

fn half(odd: usize) -> impl Iterator<Item = Target> {
    target::all().into_iter().enumerate().filter(move |(n, _)| n % 2 == odd).map(|(_, target)| target)
}

#[test]
fn everything_holds_for_made_up_inputs_of_every_first_target() {
    play(half(0));
}

#[test]
fn everything_holds_for_made_up_inputs_of_every_second_target() {
    play(half(1));
}

#[test]
fn every_detector_and_every_kind_of_log_is_a_target() {
    let names: BTreeSet<String> = target::all().into_iter().map(|t| t.name).collect();
    for detector in REGISTRY {
        assert!(names.contains(detector.name), "{}", detector.name);
    }
    for log in LOGS {
        assert!(names.contains(&format!("log-{}", log.name)), "{}", log.name);
    }
    for other in ["log-any", "mapping", "mapping-file", "event"] {
        assert!(names.contains(other), "{other}");
    }
}

#[test]
fn what_is_over_a_bound_is_said() {
    let bound = Bound { micros: 1_000, nanos_per_byte: 1_000, bytes: 1_000, bytes_per_byte: 10 };
    let (kept, cost) = quell_fuzz::cost::of(|| vec![1_u8; 4_000]);
    assert!(cost.bytes >= 4_000 && cost.bytes < 8_000, "{cost:?}");
    drop(kept);
    assert!(bound.broken_by(cost, 400).is_none());
    assert!(bound.broken_by(cost, 100).is_some_and(|why| why.contains("memory")));
}

#[test]
fn whom_the_input_does_not_name_is_missed() {
    let inner = "eyJ3aG8iOiJpZGEubXVzdGVyIn0=";
    let input = format!("{{\"a\":\"HARBOR\",\"b\":\"{inner}\",\"c\":\"{{\\\"id\\\":\\\"\\\\u0061-7\\\"}}\"}}");
    let ground = Ground::of(input.as_bytes());
    for named in ["harbor\\ida.muster", "a-7", "pod HARBOR"] {
        assert_eq!(ground.missing(named), None, "{named}");
    }
    assert_eq!(ground.missing("harbor\\root"), Some("root"));
    let nobody = quell_fuzz::change::without(
        b"{\"who\":{\"name\":\"Ida.Muster\",\"of\":\"harbor\",\"is\":\"here\"}}",
        &["harbor\\ida.muster".to_owned()],
    );
    // In what order the library writes the members depends on who else is in the build.
    let left: serde_json::Value = serde_json::from_slice(&nobody).unwrap();
    assert_eq!(left, serde_json::json!({"who": {"is": "here", "name": null, "of": null}}));
}

#[test]
fn documents_one_after_the_other_cost_what_their_bytes_cost() {
    let mut message = b"null\n[\"x\"]\n".repeat(20_000);
    message.extend_from_slice(b"[1,");
    for target in target::all().iter().filter(|t| ["envoy-access", "gitleaks", "generic", "log-any"].contains(&t.name.as_str())) {
        if let Err(broken) = target.once(&message) {
            panic!("{}: {broken}", target.name);
        }
    }
}
