//! `quell evidence`: one file that anyone can check offline.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quell_engine::export::inspect;
use quell_ledger::{
    bundle::{Report, verify},
    note::VerifierKey,
};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{
    Context, asking,
    fault::{Done, Fault, REFUSED},
    terminal::{cell, safe, table},
};
use crate::client::part;

/// Evidence bundles
#[derive(Subcommand)]
pub enum Evidence {
    Export(Export),
    Verify(Verify),
    Who(Who),
}

/// Write a case, or every case of a range, into one file that anyone can check
///
/// A case: its events, proofs and checkpoint. With --from and --to: every case that
/// was opened between two checkpoints and the stage it stood in at the later one;
/// the file holds every event of the range, so none can be left out.
#[derive(Args)]
#[command(
    after_help = "Example: quell evidence export C-8f3kq2m7xw -o case.zip\n         quell evidence export --from q2.checkpoint --to 2026-09-30T22:00:00Z -o q3.zip"
)]
pub struct Export {
    /// The case
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    case: Option<String>,
    /// Where the range begins: a file with a signed checkpoint, a size of the log, or a time
    #[arg(long, value_name = "CHECKPOINT|SIZE|TIME", requires = "to")]
    from: Option<String>,
    /// Where it ends
    #[arg(long, value_name = "CHECKPOINT|SIZE|TIME", requires = "from")]
    to: Option<String>,
    /// Where to; never replaces a file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Check a bundle without a server, and say what it proves
///
/// Exit 0 only where nothing is wrong and the signer is the one of --key.
/// Without a key it tells of the bytes alone and exits 1.
#[derive(Args)]
#[command(after_help = "Example: quell evidence verify case.zip --key quell.example+1a2b3c4d+AbCd..")]
pub struct Verify {
    /// The bundle
    file: PathBuf,
    /// The log's key as you know it from elsewhere: a vkey, or a file that holds one
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
}

/// List who could approve what at a moment, and under which policy
///
/// The roles each account held then; accounts that were disabled are left out.
#[derive(Args)]
#[command(after_help = "Example: quell evidence who --at 2026-09-30T12:00:00Z")]
pub struct Who {
    /// The moment; now where none is given
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

impl Evidence {
    pub fn run(self, context: &Context) -> Done {
        match self {
            Self::Export(verb) => asking(verb.run(context)),
            Self::Verify(verb) => verb.run(context),
            Self::Who(verb) => asking(verb.run(context)),
        }
    }
}

impl Export {
    async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        // Before the server records an export that nobody can keep.
        if self.output.exists() {
            return Err(Fault::refused(format!("`{}` exists; name another file", self.output.display())));
        }
        let (path, body) = match (&self.case, &self.from, &self.to) {
            (Some(case), ..) => (format!("cases/{}/evidence", part(case)), json!({})),
            (None, from, to) => ("evidence/population".to_owned(), json!({ "from": mark(from)?, "to": mark(to)? })),
        };
        let (headers, bytes) = client.fetch(&path, &body).await?;
        keep(&self.output, &bytes)?;
        let mut answer = json!({
            "file": self.output, "case": self.case, "events": number(&headers, "quell-events"), "size": number(&headers, "quell-size"),
            "root": text(&headers, "quell-root"), "key": text(&headers, "quell-key"),
        });
        if self.case.is_none() {
            for (name, header) in [("from", "quell-from"), ("to", "quell-to"), ("cases", "quell-cases")] {
                answer[name] = number(&headers, header);
            }
        }
        context.print(&answer, |a| {
            let what = match a["cases"].as_u64() {
                Some(cases) => format!("{cases} cases opened from {} to {}, ", cell(&a["from"]), cell(&a["to"])),
                None => String::new(),
            };
            let file = safe(&self.output.display().to_string());
            format!(
                "{file}: {what}{} events, in a log of {}.\nnext: `quell evidence verify {file} --key {}`, with the key as you know it from elsewhere",
                cell(&a["events"]),
                cell(&a["size"]),
                cell(&a["key"])
            )
        })?;
        Ok(0)
    }
}

/// The checkpoint in a file, else the size or time as it was typed.
fn mark(text: &Option<String>) -> Result<String, Fault> {
    let text = text.as_deref().unwrap_or_default();
    match std::fs::read_to_string(text) {
        Ok(note) => Ok(note),
        Err(_) if text.parse::<u64>().is_ok() || text.parse::<quell_core::time::Timestamp>().is_ok() => Ok(text.to_owned()),
        Err(error) => Err(Fault::refused(format!(
            "`{text}` is no size and no RFC 3339 time, and as a file with a checkpoint it cannot be read: {error}"
        ))),
    }
}

/// Whole or not at all, readable by its owner alone: it names people.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let failed = |e: std::io::Error| Fault::outside(format!("cannot write `{}`: {e}", path.display()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| {
        // Half a bundle would be taken for a forged one.
        let _ = std::fs::remove_file(path);
        failed(e)
    })
}

fn number(headers: &HeaderMap, name: &str) -> Value {
    headers.get(name).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok()).map_or(Value::Null, |n| json!(n))
}

fn text(headers: &HeaderMap, name: &str) -> Value {
    headers.get(name).and_then(|v| v.to_str().ok()).map_or(Value::Null, |v| json!(v))
}

impl Who {
    async fn run(self, context: &Context) -> Done {
        let query = self.at.as_ref().map_or_else(String::new, |at| format!("?at={}", part(at)));
        let answer = context.client()?.get(&format!("evidence/who{query}")).await?;
        context.print(&answer, held)?;
        Ok(0)
    }
}

fn held(answer: &Value) -> String {
    let rows = answer["people"].as_array().into_iter().flatten().map(|p| {
        let roles = p["roles"].as_array().into_iter().flatten().map(|r| format!("{} since {}", cell(&r["role"]), cell(&r["since"])));
        let may = if p["may"].is_null() { "unknown".to_owned() } else { cell(&p["may"]) };
        vec![cell(&p["user"]), cell(&p["name"]), roles.collect::<Vec<_>>().join(", "), cell(&p["approves_as"]), may]
    });
    let policy = &answer["policy"];
    let mut lines = vec![
        table(["account", "name", "roles", "yes counts as", "may"], rows),
        format!("at {}, under policy {}, loaded {}", cell(&answer["at"]), cell(&policy["digest"]), cell(&policy["loaded_at"])),
    ];
    if policy["is_loaded"] != true {
        lines.push("Another policy set is loaded now; check that one's files out and ask `quell policy explain`.".to_owned());
    }
    lines.join("\n")
}

impl Verify {
    fn run(self, context: &Context) -> Done {
        let key = self.key.as_deref().map(key).transpose()?;
        let bytes = std::fs::read(&self.file).map_err(|e| Fault::file("read", &self.file, &e))?;
        let report = verify(&bytes, key.as_ref(), &inspect);
        context.print(&json!(report), |_| told(&report))?;
        Ok(if report.ok { 0 } else { REFUSED })
    }
}

/// A vkey as text, else the one in a file.
fn key(text: &str) -> Result<VerifierKey, Fault> {
    let bad = match VerifierKey::parse(text.trim()) {
        Ok(key) => return Ok(key),
        Err(bad) => bad,
    };
    match std::fs::read_to_string(text) {
        Ok(inside) => VerifierKey::parse(inside.trim()).map_err(|e| Fault::refused(format!("`{text}` holds no key: {e}"))),
        // No key has a `/` before its first `+`, so this was meant as a file.
        Err(error) if !text.contains('+') => Err(Fault::file("read", Path::new(text), &error)),
        Err(_) => Err(Fault::refused(format!("`--key` is not a key: {bad}"))),
    }
}

fn told(report: &Report) -> String {
    let mut lines: Vec<String> = Vec::new();
    for fault in &report.errors {
        let code = json!(fault.code);
        lines.push(format!("{}: {}", cell(&code), safe(&fault.message)));
    }
    let size = report.size.map_or("of unknown size".to_owned(), |s| format!("of {s} leaves"));
    if let Some(census) = &report.population {
        let (from, to) = (&census.from, &census.to);
        lines.push(format!(
            "{} cases opened between size {} (root {}) and size {} (root {}); compare both with checkpoints that you kept",
            census.cases, from.size, from.root, to.size, to.root
        ));
    }
    lines.push(format!("{} events in a log {size}, {} commitments without a disclosure", report.events, report.erased));
    lines.push(
        if report.ok {
            "OK: the log of this key holds exactly these events. It does not prove that events are true, nor, unless witnessed, that others saw the same log."
        } else if report.integrity {
            "NOT VERIFIED: the bytes are whole; the signer is not established."
        } else {
            "NOT VERIFIED: the bundle is not whole."
        }
        .to_owned(),
    );
    lines.join("\n")
}
