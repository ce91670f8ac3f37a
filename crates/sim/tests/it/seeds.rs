//! Thousands of worlds, each out of a seed.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use quell_sim::{
    fault::Fault,
    run::{Report, run_seed},
    story::Failed,
};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays seeds on every core; the first stories of those that failed.
fn play_all(seeds: std::ops::Range<u64>) -> (Vec<Report>, Vec<Failed>) {
    let next = AtomicU64::new(seeds.start);
    let (reports, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    match run_seed(seed) {
                        Ok(report) => reports.lock().expect("no holder panics").push(report),
                        Err(failed) => failures.lock().expect("no holder panics").push(*failed),
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no holder panics");
    failures.sort_by_key(|f| f.seed);
    (reports.into_inner().expect("no holder panics"), failures)
}

#[test]
fn every_invariant_holds_in_every_seed() {
    let first = number("QUELL_FIRST_SEED").unwrap_or(0);
    let seeds = number("QUELL_SEEDS").unwrap_or(2_000);
    let (reports, failures) = play_all(first..first + seeds);
    let mut struck: BTreeMap<Fault, (u64, u64)> = BTreeMap::new();
    for report in &reports {
        for (fault, n) in &report.struck {
            let sum = struck.entry(*fault).or_default();
            *sum = (sum.0 + n, sum.1 + 1);
        }
    }
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    println!(
        "{} worlds: {} cases, {} plans, {} proved, {} undone, {} attempts, {} events, {} points",
        reports.len(),
        sum(|r| r.cases as u64),
        sum(|r| r.plans as u64),
        sum(|r| r.proved as u64),
        sum(|r| r.undone as u64),
        sum(|r| r.attempts as u64),
        sum(|r| r.events),
        sum(|r| r.points)
    );
    for fault in Fault::ALL {
        let (times, worlds) = struck.get(&fault).copied().unwrap_or_default();
        println!("{:>14} {times:>7} times in {worlds:>5} worlds", format!("{fault:?}"));
    }
    if number("QUELL_QUIET").is_some() {
        let mut kinds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for failed in &failures {
            for violation in &failed.violations {
                let words: Vec<&str> = violation
                    .split_whitespace()
                    .filter(|w| !w.contains(['`', '-', '/']) && !w.ends_with(|c: char| c.is_ascii_digit()))
                    .collect();
                kinds.entry(words.join(" ").chars().take(90).collect()).or_default().push(failed.seed);
            }
        }
        for (kind, seeds) in &kinds {
            println!("{:>5} {kind}   e.g. {:?}", seeds.len(), &seeds[..seeds.len().min(6)]);
        }
    } else if let Some(failed) = failures.first() {
        println!("{failed}");
    }
    assert!(failures.is_empty(), "{} seeds failed: {:?}", failures.len(), failures.iter().map(|f| f.seed).take(40).collect::<Vec<_>>());
    for report in &reports {
        assert!(report.overlapping && report.cases >= 2, "a world without overlapping cases");
        assert!(report.struck.values().sum::<u64>() >= 3, "a world with fewer than three faults: {:?}", report.struck);
    }
}

#[test]
fn one_seed() {
    if let Some(seed) = number("QUELL_SEED") {
        match run_seed(seed) {
            Ok(report) => println!("{report:?}"),
            Err(failed) => panic!("{failed}"),
        }
    }
}
