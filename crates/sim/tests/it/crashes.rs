//! At every await point of one whole case, once each: the process ends, or a
//! person says no.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use quell_sim::run::{Play, Report, Scene, play};

/// A world in which automation contains, and one person lets it be undone.
pub const SEED: u64 = 3;

fn one_case(crash_at: Option<u64>, denied_at: Option<u64>) -> Report {
    match play(&Play { seed: SEED, crash_at, denied_at, scene: Scene::OneCase, bend: &|_, ports| ports }) {
        Ok(report) => report,
        Err(failed) => panic!("crash at {crash_at:?}, denial at {denied_at:?}: {failed}"),
    }
}

/// The points from 1 to `last` at which `is_so` holds, looked at on every core.
fn points(last: u64, is_so: impl Fn(u64) -> bool + Sync) -> Vec<u64> {
    let (next, found) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at > last {
                        break;
                    }
                    if is_so(at) {
                        found.lock().expect("no holder panics").push(at);
                    }
                }
            });
        }
    });
    found.into_inner().expect("no holder panics")
}

#[test]
fn a_crash_at_any_point_of_a_case_loses_and_repeats_nothing() {
    let whole = one_case(None, None);
    assert!(whole.proved >= 1 && whole.undone >= 1, "without a crash it is contained and undone: {whole:?}");
    // Nobody waits for the job that is only there in case the process dies.
    assert!(whole.longest < 5, "{whole:?}");
    let worse = points(whole.points, |at| {
        let report = one_case(Some(at), None);
        report.proved < 1 || report.undone < 1
    });
    assert!(worse.is_empty(), "it was not contained and undone after a crash at {worse:?}");
}

#[test]
fn nothing_is_done_after_a_denial_at_any_point_of_a_case() {
    let whole = one_case(None, None);
    // The guards look at every attempt; here it is shown that the denials came in
    // time to stop something, and that the later ones came too late to.
    let stopped = points(whole.points, |at| one_case(None, Some(at)).proved < whole.proved);
    assert!(!stopped.is_empty() && (stopped.len() as u64) < whole.points, "{} of {} points", stopped.len(), whole.points);
}
