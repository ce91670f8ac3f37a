//! `quell context`: what others publish about threats, shown beside cases.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

use super::{
    Context, alert,
    fault::Done,
    source::rows,
    terminal::{cell, table},
};
use crate::client::part;

/// Threat context: what others publish about vulnerabilities, addresses and actors; it decides nothing
#[derive(Subcommand)]
pub enum ThreatContext {
    Import(Import),
    List(List),
}

/// Bring in a KEV catalogue (JSON) or a STIX 2.1 bundle: it takes the place of the feed of its name
///
/// Cases whose signals name something in it show what it says, beside the verdict of security operations.
#[derive(Args)]
#[command(after_help = "Example: quell context import known_exploited_vulnerabilities.json --name kev")]
pub struct Import {
    /// The file; `-` reads stdin
    file: PathBuf,
    /// Who publishes it; the file's name where nothing is given
    #[arg(long)]
    name: Option<String>,
    /// Only say what it holds
    #[arg(long)]
    dry_run: bool,
}

/// List the feeds of threat context, with their size and when each came
#[derive(Args)]
#[command(after_help = "Example: quell context list")]
pub struct List {}

impl ThreatContext {
    pub async fn run(self, context: &Context) -> Done {
        match self {
            Self::Import(verb) => {
                let bytes = alert::read(Some(&verb.file))?;
                let stem = verb.file.file_stem().and_then(|s| s.to_str()).filter(|s| *s != "-").unwrap_or("stdin");
                let name = verb.name.as_deref().unwrap_or(stem);
                let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
                let path = format!("context?name={}&dry_run={}", part(name), verb.dry_run);
                let (_, answer) = context.client()?.post_bytes(&path, headers, bytes.to_vec(), std::time::Duration::ZERO).await?;
                context.print(&answer, |a| told(a, verb.dry_run))?;
            }
            Self::List(_) => {
                let answer = context.client()?.get("context").await?;
                let feeds = rows(&answer, "feeds")?;
                context.print(&feeds, |feeds| {
                    let row = |f: &Value| ["name", "form", "entries", "at"].map(|key| cell(&f[key])).to_vec();
                    table(["feed", "form", "entries", "brought in"], feeds.as_array().into_iter().flatten().map(row))
                })?;
            }
        }
        Ok(0)
    }
}

fn told(answer: &Value, dry_run: bool) -> String {
    let done = if dry_run { "Nothing was brought in: this was --dry-run." } else { "Cases show what they name of it; it decides nothing." };
    format!(
        "{} ({}): {} entries, {} objects left out\n{done}",
        cell(&answer["name"]),
        cell(&answer["form"]),
        cell(&answer["entries"]),
        cell(&answer["left_out"])
    )
}
