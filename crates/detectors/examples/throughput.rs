//! How fast records become an answer, and in how much memory.
//!
//! `cargo run --release -p quell-detectors --example throughput -- FILE... [--times N] [--churn] [--show]`
//! reads the files N times over, as one log of N times the length, and prints
//! records a second and the most memory the process ever held. Each time every
//! CloudTrail record gets another id, so none of them is a second delivery; with
//! `--churn` every session key is another one, too.
//! `--show` prints the answer itself.

use std::{error::Error, fs, path::Path, process::ExitCode};

use quell_core::trace::{Place, Trace};
use quell_detectors::telemetry::{Circumstances, Heard, Stream};

const PIECE: usize = 256 * 1024;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    let (mut times, mut show, mut churn) = (1_u32, false, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--times" => times = args.next().ok_or("--times needs a number")?.parse()?,
            "--show" => show = true,
            "--churn" => churn = true,
            _ => files.push(arg),
        }
    }
    files.sort();
    // The bytes are read before, so a slow disk has no part in the figure.
    let mut bytes: Vec<Vec<u8>> = files.iter().map(fs::read).collect::<Result<_, _>>()?;
    let size: usize = bytes.iter().map(Vec::len).sum();

    let ids: Vec<Vec<usize>> = bytes.iter().map(|b| if churn { [event_ids(b), session_keys(b)].concat() } else { event_ids(b) }).collect();
    let mut trace = Trace::new(None);
    let (mut records, mut unreadable) = (0, 0);
    // This is a measurement: nothing but the wall clock will do.
    #[allow(clippy::disallowed_methods)]
    let start = std::time::Instant::now();
    for time in 0..times {
        for (file, (bytes, ids)) in (0_u32..).zip(bytes.iter_mut().zip(&ids)) {
            for at in ids {
                bytes[*at..at + 8].copy_from_slice(format!("{time:08x}").as_bytes());
            }
            let mut stream = Stream::new(None, Circumstances::default());
            let mut hear = |record: u64, heard: Heard<'_>| match heard {
                Heard::Fact(fact) => trace.take(Place { file, record }, *fact),
                Heard::Unknown(_) | Heard::Unreadable(_) => unreadable += 1,
            };
            for piece in bytes.chunks(PIECE) {
                stream.feed(piece, &mut hear);
            }
            records += stream.finish(&mut hear).records;
        }
    }
    let answer = trace.tell(&files);
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = size as f64 * f64::from(times) / 1e6;
    println!(
        "{records} records, {megabytes:.0} MB in {seconds:.2} s: {:.0} records/s, {:.0} MB/s; {unreadable} unreadable; {} cases; peak memory {} kB",
        records as f64 / seconds,
        megabytes / seconds,
        answer.cases.len(),
        peak().unwrap_or_default()
    );
    if show {
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(())
}

/// Where the ids of CloudTrail records begin.
fn event_ids(bytes: &[u8]) -> Vec<usize> {
    const NAME: &[u8] = b"\"eventID\":";
    let starts = (0..bytes.len().saturating_sub(64)).filter(|at| bytes[*at..].starts_with(NAME));
    starts.filter_map(|at| bytes[at + NAME.len()..].iter().position(|b| *b == b'"').map(|quote| at + NAME.len() + quote + 1)).collect()
}

/// The part after `ASIA` of every session key.
fn session_keys(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len().saturating_sub(64)).filter(|at| bytes[*at..].starts_with(b"\"ASIA")).map(|at| at + 5).collect()
}

/// `VmHWM` of this process.
fn peak() -> Option<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
