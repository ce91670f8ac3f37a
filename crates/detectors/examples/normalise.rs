//! How fast alerts become signals.
//!
//! `cargo run --release -p quell-detectors --example normalise -- SOURCE FILE [--times N]`
//! reads the file N times over as one message, writes every signal as
//! `quell alert normalise` does into a buffer, and prints alerts a second: of
//! the whole, and of the reading alone.

use std::{error::Error, fs, io::Write, process::ExitCode};

use quell_detectors::Builtin;
use quell_engine::port::Detectors;

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
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [source, file, rest @ ..] = args.as_slice() else { return Err("give a detector and a file".into()) };
    let times: u32 = match rest {
        [flag, times] if flag == "--times" => times.parse()?,
        [] => 3,
        _ => return Err("expected nothing or `--times N` after the file".into()),
    };
    let bytes = fs::read(file)?;
    let (mut read_best, mut whole_best, mut signals, mut out) = (f64::MAX, f64::MAX, 0, Vec::new());
    for _ in 0..times {
        // This is a measurement: nothing but the wall clock will do.
        #[allow(clippy::disallowed_methods)]
        let start = std::time::Instant::now();
        let readout = Builtin.read(source, &bytes);
        let read = start.elapsed().as_secs_f64();
        out.clear();
        signals = readout.signals.len();
        for detected in readout.signals {
            out.extend_from_slice(serde_json::to_string(&detected.signal)?.as_bytes());
            out.write_all(b"\n")?;
        }
        (read_best, whole_best) = (read_best.min(read), whole_best.min(start.elapsed().as_secs_f64()));
    }
    let rate = |seconds: f64| signals as f64 / seconds;
    println!("{signals} signals, {} bytes out: {:.0}/s read, {:.0}/s read and written", out.len(), rate(read_best), rate(whole_best));
    Ok(())
}
