//! `quell ledger erase`: personal data is forgotten, the record stays whole.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{
    Context,
    fault::{Done, REFUSED},
    terminal::{cell, safe, table},
};
use crate::client::part;

/// The whole record is read for it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Erase personal data: one person asks, another approves or denies
///
/// The events and every proof stay; what goes are the values that they commit to,
/// and sealed alerts that are about nobody else. Refused while a case that holds a
/// value is open or on hold, or while the inventory names the person. Pseudonymous
/// ids of who did what stay. With --data-dir it works on a stopped server and only
/// carries out what was approved there.
#[derive(Args)]
#[command(
    after_help = "Example: quell ledger erase --person 'Mara Lind' --person mara.lind@corp.example --reason 'request of 2026-11-20'\n         quell ledger erase --approve er-8f3kq2m7xw\n         quell ledger erase --deny er-8f3kq2m7xw --reason 'a court asks for the record'"
)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(false).args(["person", "commitments", "approve", "deny", "withdraw", "list", "data_dir"])))]
pub struct Erase {
    /// Everything about the person of this name or address; may be repeated for their other ones
    #[arg(long, value_name = "NAME", requires = "reason")]
    person: Vec<String>,
    /// Exactly this value, as an event holds it under `personal`; may be repeated
    #[arg(long = "commitment", value_name = "HASH", requires = "reason")]
    commitments: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Approve what another person asked for, and carry it out
    #[arg(long, value_name = "ERASURE")]
    approve: Option<String>,
    /// Deny what another person asked for: nothing goes
    #[arg(long, value_name = "ERASURE", requires = "reason")]
    deny: Option<String>,
    /// Take back what you asked for yourself
    #[arg(long, value_name = "ERASURE")]
    withdraw: Option<String>,
    /// List what was asked for and what became of it
    #[arg(long)]
    list: bool,
    /// Carry out what was approved and not finished, on this data directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The key file of that data directory
    #[arg(long, value_name = "FILE", env = "QUELL_FINGERPRINT_KEY_FILE")]
    fingerprint_key_file: Option<PathBuf>,
}

impl Erase {
    pub async fn run(self, context: &Context) -> Done {
        if let Some(dir) = &self.data_dir {
            let wired = context.local.open(Some(dir), self.fingerprint_key_file.as_deref()).await?;
            let (erased, waiting) =
                wired.engine.finish_erasures().await.map_err(|e| super::fault::Fault::refused(format!("nothing more was erased: {e}")))?;
            let answer = json!({ "ok": waiting.is_empty(), "erased": erased, "waiting": waiting });
            context.print(&answer, finished)?;
            return Ok(if waiting.is_empty() { 0 } else { REFUSED });
        }
        let client = context.client()?;
        if self.list {
            let answer = client.get("ledger/erasures").await?;
            context.print(&answer, listed)?;
            return Ok(0);
        }
        let of = |id: &str, what: &str| format!("ledger/erasures/{}/{what}", part(id));
        let (path, body) = match (&self.approve, &self.deny, &self.withdraw) {
            (Some(id), ..) => (of(id, "approve"), json!({})),
            (_, Some(id), _) => (of(id, "deny"), json!({ "reason": self.reason })),
            (.., Some(id)) => (of(id, "withdraw"), json!({})),
            _ => {
                let body = json!({ "person": self.person, "commitments": self.commitments, "reason": self.reason });
                ("ledger/erasures".to_owned(), body)
            }
        };
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let (_, answer) = client.post_bytes(&path, headers, body.to_string().into_bytes(), PATIENCE).await?;
        context.print(&answer, told)?;
        Ok(0)
    }
}

fn told(answer: &Value) -> String {
    if let Some(state @ ("denied" | "withdrawn")) = answer["state"].as_str() {
        return format!("{}: {state}. Nothing is gone.", cell(&answer["id"]));
    }
    let what = format!("{} values and {} sealed alerts, of {}", cell(&answer["values"]), cell(&answer["sealed"]), cases(answer));
    let mut lines = match answer["state"].as_str() {
        Some("erased") => vec![format!("{}: erased {what}.", cell(&answer["id"]))],
        _ => vec![format!("{}: would erase {what}. Nothing is gone yet.", cell(&answer["id"]))],
    };
    if answer["elsewhere"].as_u64().is_some_and(|n| n > 0) {
        lines.push(format!("The same texts stand under {} other commitments; `--person` finds all of them.", cell(&answer["elsewhere"])));
    }
    lines.push("Not reached:".to_owned());
    lines.extend(answer["not_reached"].as_array().into_iter().flatten().map(|n| format!("  {}", cell(n))));
    if answer["state"] != "erased" {
        lines.push(format!(
            "next: another person runs `quell ledger erase --approve {0}`, or `--deny {0} --reason TEXT`",
            cell(&answer["id"])
        ));
    }
    lines.join("\n")
}

fn cases(answer: &Value) -> String {
    match answer["cases"].as_array() {
        Some(cases) if !cases.is_empty() => format!("closed cases {}", cell(&answer["cases"])),
        _ => "no case".to_owned(),
    }
}

fn listed(answer: &Value) -> String {
    let rows = answer["erasures"].as_array().into_iter().flatten().map(|e| {
        let fields = ["id", "state", "requested_by", "requested_at", "approved_by", "erased_at", "values"];
        fields.iter().map(|f| cell(&e[*f])).chain([cell(&e["untrusted"]["reason"])]).collect()
    });
    table(["erasure", "state", "requested by", "at", "approved by", "erased", "values", "reason"], rows)
}

fn finished(answer: &Value) -> String {
    let mut lines = vec![match answer["erased"].as_array() {
        Some(done) if !done.is_empty() => format!("Erased: {}.", cell(&answer["erased"])),
        _ => "Nothing that was approved was left to erase.".to_owned(),
    }];
    if answer["ok"] != true {
        let waiting = safe(&cell(&answer["waiting"]));
        lines.push(format!("{waiting} waits for a second person: start the server and run `quell ledger erase --approve`"));
    }
    lines.join("\n")
}
