//! `make demo`, once everything is built: tells the story and checks it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use quell_lab::demo::{Options, Sabotage, run};

/// One leaked password, from the report to the verified bundle, on a real server
#[derive(Parser)]
struct Args {
    /// Where report.json, the journals and the bundle go
    #[arg(long, default_value = "target/demo")]
    out: PathBuf,
    /// What the lab does behind Quell's back: `lying-plane` (default) or `false-proof`
    #[arg(long, default_value = "")]
    sabotage: String,
    /// The quell program; beside this one where nothing is given
    #[arg(long)]
    quell: Option<PathBuf>,
}

fn main() -> ExitCode {
    // Before anything speaks HTTP: the workspace is built without a default provider.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("demo: a provider of cryptography is installed already");
        return ExitCode::from(1);
    }
    match story(Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn story(args: Args) -> Result<bool> {
    let sabotage = match args.sabotage.as_str() {
        "" | "lying-plane" => Sabotage::LyingPlane,
        "false-proof" => Sabotage::FalseProof,
        other => bail!("expected SABOTAGE=lying-plane or SABOTAGE=false-proof, found `{other}`"),
    };
    let quell = match args.quell {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("quell"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start")?;
    runtime.block_on(async {
        tokio::select! {
            played = run(Options { out: args.out, quell, sabotage }) => played,
            _ = tokio::signal::ctrl_c() => bail!("stopped; everything it started has ended"),
        }
    })
}
