//! `make bench`, once everything is built: measures, and prints what was reached.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use quell_lab::bench::{self, Installed, Options, Report};

/// Figures as ratios to the limit of this machine
#[derive(Parser)]
struct Args {
    /// Where report.json goes
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Measure one group alone
    #[arg(long, default_value = "")]
    only: String,
    /// Alerts that each containment figure rests on; fewer than 1000 is a quick look
    #[arg(long, env = "QUELL_BENCH_SAMPLES", default_value_t = 1000)]
    samples: usize,
    /// Cases that are open while the list is asked for
    #[arg(long, env = "QUELL_BENCH_CASES", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    cases: u32,
    /// Where Node-RED is installed (`tools/nodered.sh`)
    #[arg(long, requires = "node")]
    nodered: Option<PathBuf>,
    /// The Node that runs it
    #[arg(long, requires = "nodered")]
    node: Option<PathBuf>,
    /// The quell program; beside this one where nothing is given
    #[arg(long)]
    quell: Option<PathBuf>,
}

fn main() -> ExitCode {
    // Before anything speaks TLS: the workspace is built without a default provider.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("bench: a provider of cryptography is installed already");
        return ExitCode::from(1);
    }
    match measured(Args::parse()) {
        Ok(report) => {
            print!("{}", report.table());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn measured(args: Args) -> Result<Report> {
    let quell = match args.quell {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("quell"),
    };
    let nodered = args.nodered.zip(args.node).map(|(dir, node)| Installed { dir, node });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start")?;
    runtime.block_on(bench::run(Options {
        out: args.out,
        quell,
        only: args.only,
        samples: args.samples,
        cases: args.cases as usize,
        nodered,
    }))
}
