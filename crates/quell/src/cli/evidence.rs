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
    terminal::{cell, safe},
};
use crate::client::part;

/// Evidence bundles
#[derive(Subcommand)]
pub enum Evidence {
    Export(Export),
    Verify(Verify),
}

/// Write a case's events, proofs and checkpoint into one file
#[derive(Args)]
#[command(after_help = "Example: quell evidence export C-8f3kq2m7xw -o case.zip")]
pub struct Export {
    /// The case
    case: String,
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

impl Evidence {
    pub fn run(self, context: &Context) -> Done {
        match self {
            Self::Export(verb) => asking(verb.run(context)),
            Self::Verify(verb) => verb.run(context),
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
        let (headers, bytes) = client.fetch(&format!("cases/{}/evidence", part(&self.case))).await?;
        keep(&self.output, &bytes)?;
        let answer = json!({
            "file": self.output, "case": self.case, "events": number(&headers, "quell-events"), "size": number(&headers, "quell-size"),
            "root": text(&headers, "quell-root"), "key": text(&headers, "quell-key"),
        });
        context.print(&answer, |a| {
            let file = safe(&self.output.display().to_string());
            format!(
                "{file}: {} events, in a log of {}.\nnext: `quell evidence verify {file} --key {}`, with the key as you know it from elsewhere",
                cell(&a["events"]),
                cell(&a["size"]),
                cell(&a["key"])
            )
        })?;
        Ok(0)
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
