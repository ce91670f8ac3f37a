//! `quell inventory`: what is known of identities, and who answers for them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quell_core::secret::Secret;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{
    Context, alert, asking,
    fault::{Done, Fault, REFUSED},
    terminal::{cell, safe, table},
};
use crate::client::{Client, part};

/// Identities, credentials, consumers and owners
#[derive(Subcommand)]
pub enum Inventory {
    Import(Import),
    Show(Show),
    Reach(Reach),
    Fingerprint(Fingerprint),
    Owner(Owner),
}

/// Bring in an inventory file (JSON Lines, JSON or YAML) or a list of owners (CODEOWNERS, CSV): all of it, or nothing where a line is wrong
#[derive(Args)]
#[command(
    after_help = "Example: quell inventory import estate.yaml --source cmdb --dry-run\n         quell inventory import CODEOWNERS --repository acme/shop"
)]
pub struct Import {
    /// The file; `-` reads stdin
    file: PathBuf,
    /// Who says so; the file's name where nothing is given
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// What this source named before and does not name now is gone
    #[arg(long)]
    replace: bool,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// What the file is; by its name where nothing is given: CODEOWNERS, `*.csv`, else an inventory
    #[arg(long, value_parser = ["inventory", "codeowners", "owners_csv"])]
    format: Option<String>,
    /// The repository whose paths a CODEOWNERS file names; without it its patterns are SYSTEM/NATIVE_ID
    #[arg(long, value_name = "ORG/NAME")]
    repository: Option<String>,
}

/// Print what is known of one reference
#[derive(Args)]
#[command(after_help = "Example: quell inventory show pg-main/billing_app")]
pub struct Show {
    /// SYSTEM/NATIVE_ID
    reference: String,
}

/// Print everything derivable from a subject: the blast radius, and what was not looked at
#[derive(Args)]
#[command(after_help = "Example: quell inventory reach pg-main/billing_app --depth 3")]
pub struct Reach {
    /// SYSTEM/NATIVE_ID
    reference: String,
    /// Steps outward
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=64))]
    depth: u32,
}

/// Read one secret on stdin and print its keyed fingerprint, without a server
#[derive(Args)]
#[command(after_help = "Example: quell inventory fingerprint --fingerprint-key-file quell.key < secret.txt")]
pub struct Fingerprint {
    /// The installation's key
    #[arg(long, value_name = "FILE", env = "QUELL_FINGERPRINT_KEY_FILE")]
    fingerprint_key_file: Option<PathBuf>,
}

/// Print who answers for a reference, or with --role say who does
#[derive(Args)]
#[command(
    after_help = "Example: quell inventory owner pg-main/billing_app --role business --person owner@corp.example --confirmed-at 2026-10-01"
)]
pub struct Owner {
    /// SYSTEM/NATIVE_ID, or a glob such as `pg-main/*`
    reference: String,
    /// For what they answer
    #[arg(long, value_parser = ["iam", "security", "business", "vendor"])]
    role: Option<String>,
    /// Their address
    #[arg(long, requires = "role", value_name = "EMAIL")]
    person: Option<String>,
    /// Their team
    #[arg(long, requires = "role")]
    team: Option<String>,
    /// Who is asked where they may not or do not answer
    #[arg(long, requires = "role", value_name = "EMAIL")]
    deputy: Option<String>,
    /// The date on which they last said so themselves
    #[arg(long, requires = "role", value_name = "DATE")]
    confirmed_at: Option<String>,
}

impl Inventory {
    pub fn run(self, context: &Context) -> Done {
        match self {
            Self::Fingerprint(verb) => verb.run(context),
            Self::Import(verb) => asking(verb.run(context)),
            Self::Show(verb) => asking(verb.run(context)),
            Self::Reach(verb) => asking(verb.run(context)),
            Self::Owner(verb) => asking(verb.run(context)),
        }
    }
}

impl Import {
    async fn run(self, context: &Context) -> Done {
        let bytes = alert::read(Some(&self.file))?;
        let stem = self.file.file_stem().and_then(|s| s.to_str()).filter(|s| *s != "-").unwrap_or("stdin");
        let source = self.source.as_deref().unwrap_or(stem);
        let format = self.format.as_deref().unwrap_or_else(|| format(&self.file));
        let repository = self.repository.as_deref().map(|r| format!("&repository={}", part(r))).unwrap_or_default();
        let how = format!("&replace={}&dry_run={}&format={format}{repository}", self.replace, self.dry_run);
        let change = import(&context.client()?, source, &how, kind(&self.file), bytes.to_vec()).await?;
        context.print(&change, |c| changed(c, self.dry_run))?;
        Ok(if is_clean(&change) { 0 } else { REFUSED })
    }
}

/// By the file's name.
fn format(file: &Path) -> &'static str {
    match (file.file_name().and_then(|n| n.to_str()), file.extension().and_then(|e| e.to_str())) {
        (Some("CODEOWNERS"), _) => "codeowners",
        (_, Some("csv")) => "owners_csv",
        _ => "inventory",
    }
}

async fn import(client: &Client, source: &str, how: &str, kind: &'static str, bytes: Vec<u8>) -> Result<Value, Fault> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let path = format!("inventory?source={}{how}", part(source));
    client.post_bytes(&path, headers, bytes, std::time::Duration::ZERO).await.map(|(_, change)| change)
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|e| e.to_str()) {
        Some("yaml" | "yml") => "application/yaml",
        Some("json") => "application/json",
        _ => "application/x-ndjson",
    }
}

fn is_clean(change: &Value) -> bool {
    change["errors"].as_array().is_none_or(Vec::is_empty)
}

fn changed(change: &Value, dry_run: bool) -> String {
    let mut lines = Vec::new();
    for (title, list) in [("error", &change["errors"]), ("warning", &change["warnings"])] {
        for remark in list.as_array().into_iter().flatten() {
            lines.push(format!("{title}: line {} {}: {}", cell(&remark["line"]), cell(&remark["path"]), cell(&remark["message"])));
        }
    }
    let counts = ["read", "added", "changed", "unchanged", "gone"].map(|n| format!("{} {n}", cell(&change[n])));
    lines.push(counts.join(", "));
    if !is_clean(change) {
        lines.push("Nothing was brought in. Mend the lines above and import again.".to_owned());
    } else if dry_run {
        lines.push("Nothing was brought in: this was --dry-run.".to_owned());
    }
    lines.join("\n")
}

impl Show {
    async fn run(self, context: &Context) -> Done {
        let answer = context.client()?.get(&format!("inventory?ref={}", part(&self.reference))).await?;
        context.print(&answer, |a| objects(a).into_iter().map(object).collect::<Vec<_>>().join("\n\n"))?;
        Ok(0)
    }
}

fn objects(answer: &Value) -> Vec<&Value> {
    match answer {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) if map.get("objects").is_some_and(Value::is_array) => map["objects"].as_array().into_iter().flatten().collect(),
        other => vec![other],
    }
}

/// One line a field, what is absent left out.
fn object(object: &Value) -> String {
    let Some(map) = object.as_object() else { return cell(object) };
    let mut lines = vec![format!("{} {}", cell(&object["type"]), cell(map.get("id").or_else(|| map.get("of")).unwrap_or(&Value::Null)))];
    for (key, value) in map.iter().filter(|(k, v)| !matches!(k.as_str(), "type" | "id" | "of") && !v.is_null()) {
        lines.push(format!("  {}: {}", safe(key), cell(value)));
    }
    lines.join("\n")
}

impl Reach {
    async fn run(self, context: &Context) -> Done {
        let answer = context.client()?.get(&format!("inventory/reach?ref={}&depth={}", part(&self.reference), self.depth)).await?;
        context.print(&answer, |reach| {
            let row = |basis: &'static str| {
                move |r: &Value| {
                    let path: Vec<String> = r["path"].as_array().into_iter().flatten().map(cell).collect();
                    vec![basis.to_owned(), cell(&r["id"]), cell(&r["via"]), path.join(" > ")]
                }
            };
            let observed = reach["observed"].as_array().into_iter().flatten().map(row("observed"));
            let possible = reach["possible"].as_array().into_iter().flatten().map(row("possible"));
            let more = if reach["truncated"] == true { " and more: it was cut at the bound" } else { "" };
            format!(
                "{}: reaches {}{more}\n{}\nnot looked at: {}",
                cell(&reach["start"]),
                cell(&reach["count"]),
                table(["basis", "what", "via", "path"], observed.chain(possible)),
                cell(&reach["not_looked_at"])
            )
        })?;
        Ok(0)
    }
}

impl Fingerprint {
    fn run(self, context: &Context) -> Done {
        let Some(key) = context.local.fingerprint_key(self.fingerprint_key_file.as_deref())? else {
            return Err(Fault::usage(
                "a fingerprint needs the installation's key; give `--fingerprint-key-file` or QUELL_FINGERPRINT_KEY_FILE",
            ));
        };
        let bytes = alert::read(None)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Fault::refused("the secret on stdin is not UTF-8"))?;
        let secret = Secret::new(text);
        if secret.expose().is_empty() {
            return Err(Fault::refused("there is no secret on stdin; pipe one in"));
        }
        let fingerprint = key.fingerprint(&secret);
        context.print(&json!({ "fingerprint": fingerprint }), |_| fingerprint.to_string())?;
        Ok(0)
    }
}

impl Owner {
    async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        let Some(role) = &self.role else {
            let answer = client.get(&format!("inventory?ref={}", part(&self.reference))).await?;
            let owners: Vec<Value> = owners(&answer);
            context.print(&json!(owners), |_| told(&self.reference, &owners))?;
            return Ok(0);
        };
        let line = json!({
            "type": "owner", "of": self.reference, "role": role, "person": self.person, "team": self.team, "contact": null,
            "deputy": self.deputy, "contract": null, "confirmed_at": self.confirmed_at,
        });
        let change = import(&client, "by-hand", "", "application/x-ndjson", format!("{line}\n").into_bytes()).await?;
        context.print(&change, |c| changed(c, false))?;
        Ok(if is_clean(&change) { 0 } else { REFUSED })
    }
}

fn owners(answer: &Value) -> Vec<Value> {
    if let Some(list) = answer["owners"].as_array() {
        return list.clone();
    }
    objects(answer).into_iter().filter(|o| o["type"] == "owner").cloned().collect()
}

fn told(reference: &str, owners: &[Value]) -> String {
    if owners.is_empty() {
        return format!(
            "Nobody answers for {0}. Say who does: `quell inventory owner {0} --role business --person EMAIL`",
            safe(reference)
        );
    }
    table(
        ["role", "person", "team", "deputy", "confirmed"],
        owners.iter().map(|o| ["role", "person", "team", "deputy", "confirmed_at"].map(|k| cell(&o[k])).to_vec()),
    )
}
