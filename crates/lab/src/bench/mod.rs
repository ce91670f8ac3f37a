//! `make bench`: what Quell reaches, beside what the machine allows, in one run.
//!
//! Every figure is a ratio against a yardstick that was measured before and
//! after it in the same run: loads and disks differ by more than any change of
//! ours. A row whose yardstick moved by more than 30 % is void and says so. A
//! goal that is missed is printed and is no failure of the run; a limit program
//! that does not contain, or a Quell that does not, is.

mod across;
mod alerts;
mod contain;
mod ingest;
mod ledger;
mod measure;
mod nodered;
mod queue;
mod report;
mod stand;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
pub use nodered::Installed;
pub use report::{Better, Report, Row};

/// How the bench is run.
pub struct Options {
    pub out: PathBuf,
    pub quell: PathBuf,
    /// One of [`GROUPS`], or nothing for all.
    pub only: String,
    /// Alerts that every containment figure rests on.
    pub samples: usize,
    /// Cases that are open while the list is asked for.
    pub cases: usize,
    /// What people would use instead; without it its row is left out, and that is said.
    pub nodered: Option<Installed>,
}

/// The names that `ONLY` takes.
pub const GROUPS: [&str; 7] = ["cut", "proved", "across", "ledger", "ingest", "queue", "alerts"];

/// Measures, writes `report.json`, and answers it.
///
/// # Errors
///
/// When something is wrong; never because a goal is missed.
pub async fn run(options: Options) -> Result<Report> {
    if !options.only.is_empty() && !GROUPS.contains(&options.only.as_str()) {
        bail!("expected one of {}, found `{}`", GROUPS.join(", "), options.only);
    }
    fs::create_dir_all(&options.out).context("make the output folder")?;
    let wanted = |name: &str| options.only.is_empty() || options.only == name;
    let mut report = Report { machine: machine(), commit: commit(), rows: Vec::new(), notes: Vec::new() };
    let work = tempfile::Builder::new().prefix("quell-bench-").tempdir_in(&options.out).context("make a working folder")?;
    if wanted("cut") {
        if options.nodered.is_none() {
            report.notes.push("Node-RED is not installed here: nothing is held against it".to_owned());
        }
        report.rows.extend(contain::run(&options, stand::Proof::Read, work.path()).await?);
    }
    if wanted("proved") {
        report.rows.extend(contain::run(&options, stand::Proof::Login, work.path()).await?);
    }
    if wanted("across") {
        report.rows.extend(across::run(&options).await?);
    }
    if wanted("ingest") {
        report.rows.extend(ingest::run(&options, work.path()).await?);
    }
    if wanted("ledger") {
        report.rows.extend(ledger::run(work.path()).await?);
    }
    if wanted("queue") {
        report.rows.extend(queue::run(&options, work.path()).await?);
    }
    if wanted("alerts") {
        let (rows, notes) = alerts::run(&options, work.path()).await?;
        report.rows.extend(rows);
        report.notes.extend(notes);
    }
    report.notes.push(format!("containment figures are apart from the declared settle time of {} ms", stand::SETTLE_MS));
    fs::write(options.out.join("report.json"), serde_json::to_vec_pretty(&report)?).context("write report.json")?;
    Ok(report)
}

/// Processor, how many, and the kernel.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|l| l.strip_prefix("model name")).map_or("unknown", |l| l.trim_start_matches(['\t', ' ', ':']));
    let count = cpus.lines().filter(|l| l.starts_with("processor")).count();
    format!("{count} x {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

/// The commit that is measured; marked where the tree differs from it.
fn commit() -> String {
    let git = |args: &[&str]| Command::new("git").args(args).output().ok().filter(|o| o.status.success()).map(|o| o.stdout);
    let Some(head) = git(&["rev-parse", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|out| !out.is_empty());
    format!("{}{}", String::from_utf8_lossy(&head).trim(), if changed { " with changes" } else { "" })
}
