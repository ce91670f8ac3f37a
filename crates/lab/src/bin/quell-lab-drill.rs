//! `make drill`, once everything is built: proves every action, and writes down what was.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use quell_lab::drill::{Options, Sabotage, run};

/// Every action of every lab plane, done, proved and undone on a real server
#[derive(Parser)]
struct Args {
    /// Where the rows go that are built into quell
    #[arg(long, default_value = "crates/connectors/coverage.json")]
    coverage: PathBuf,
    /// Where the page goes
    #[arg(long, default_value = "docs/coverage.md")]
    page: PathBuf,
    /// One plane alone; nothing is written then
    #[arg(long, value_parser = ["postgresql", "openbao", "openldap", "openssh", "oidc", "aws"])]
    only: Option<String>,
    /// Let the old password of PostgreSQL in again behind Quell's back; the drill must find it
    #[arg(long)]
    sabotage: Option<When>,
}

#[derive(Clone, Copy, ValueEnum)]
enum When {
    AfterTheAct,
    AfterTheWayBack,
}

fn main() -> ExitCode {
    // Before anything speaks HTTP: the workspace is built without a default provider.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("drill: a provider of cryptography is installed already");
        return ExitCode::from(1);
    }
    match drill(Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn drill(args: Args) -> Result<bool> {
    let sabotage = args.sabotage.map(|when| match when {
        When::AfterTheAct => Sabotage::AfterTheAct,
        When::AfterTheWayBack => Sabotage::AfterTheWayBack,
    });
    let only = if sabotage.is_some() { Some("postgresql".to_owned()) } else { args.only };
    let options = Options { coverage: args.coverage, page: args.page, only, sabotage };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start")?;
    runtime.block_on(async {
        tokio::select! {
            proved = run(&options) => proved,
            _ = tokio::signal::ctrl_c() => bail!("stopped; everything it started has ended"),
        }
    })
}
