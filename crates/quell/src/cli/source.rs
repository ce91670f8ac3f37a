//! `quell source`: who may send alerts.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Context,
    fault::{Done, Fault},
    terminal::{cell, safe, table},
};
use crate::client::part;

/// Senders of alerts
#[derive(Subcommand)]
pub enum Source {
    List(List),
    Show(Show),
    Create(Create),
    Owner(Owner),
}

/// List the sources: what each may cause, when it was heard last, how often it usually is, who answers for it
#[derive(Args)]
#[command(after_help = "Example: quell source list")]
pub struct List {}

/// Make a source and print its token, once
///
/// A source speaks only about its systems and causes no more than its tier.
#[derive(Args)]
#[command(after_help = "Example: quell source create ci --detector gitleaks --system pg-main")]
pub struct Create {
    /// Its name in `/api/v1/alerts/NAME`
    name: String,
    /// What reads its messages: a built-in detector, `auto`, or a `[[detector]]` of the server's configuration
    #[arg(long, value_name = "NAME")]
    detector: String,
    /// A system it may speak about, `*` stands for any text; may be repeated, all where none is given
    #[arg(long = "system", value_name = "GLOB")]
    systems: Vec<String>,
    /// The strongest response it may cause
    #[arg(long, value_name = "TIER", value_parser = ["observe", "step_up", "restrict", "contain"])]
    tier_max: Option<String>,
    /// It signs its messages with an HMAC key, which is printed, too
    #[arg(long)]
    hmac: bool,
}

/// Show one source: what it may cause, how it is heard, who answers for it, what its messages hold
#[derive(Args)]
#[command(after_help = "Example: quell source show ci")]
pub struct Show {
    /// The source
    name: String,
}

/// Name who answers for a source: for its silence, and where its messages lack what they always had
#[derive(Args)]
#[command(after_help = "Example: quell source owner ci --person tess")]
pub struct Owner {
    /// The source
    name: String,
    /// The name of an account
    #[arg(long, value_name = "NAME")]
    person: String,
}

/// `24 of 48 hours`, or that it is no habit yet.
fn usual(usual: &Value) -> String {
    if usual.is_null() {
        return "no habit yet".to_owned();
    }
    format!("{} of {} hours", cell(&usual["hours_heard"]), cell(&usual["hours"]))
}

/// When it was heard last, and whether that is too long ago.
fn last(source: &Value) -> String {
    match (source["last_alert_at"].is_null(), source["silent_since"].is_null()) {
        (true, _) => "never".to_owned(),
        (false, true) => cell(&source["last_alert_at"]),
        (false, false) => format!("SILENT since {}", cell(&source["silent_since"])),
    }
}

/// One source, line by line.
fn shown(source: &Value) -> String {
    let owner = if source["owner"].is_null() { "nobody by name, so every telemetry owner".to_owned() } else { cell(&source["owner"]) };
    let signs = if source["hmac"] == true { "signs its messages" } else { "a token alone" };
    let mut out = vec![
        format!("{}  {}  {signs}", cell(&source["source"]), cell(&source["detector"])),
        format!("speaks about: {}, causes {} at most", cell(&source["systems"]), cell(&source["tier_max"])),
        format!("last heard: {}", last(source)),
        format!("usually: {}", usual(&source["usual"])),
        format!("answers for it: {owner}"),
    ];
    for (kind, shapes) in source["schema"].as_object().into_iter().flatten() {
        let kind = if kind == "-" { "unreadable".to_owned() } else { safe(kind) };
        out.push(format!("{kind} messages hold: {}", cell(shapes)));
    }
    out.join("\n")
}

impl Source {
    pub async fn run(self, context: &Context) -> Done {
        match self {
            Self::List(_) => {
                let answer = context.client()?.get("sources").await?;
                let rows = rows(&answer, "sources")?;
                context.print(&rows, |rows| {
                    let lines = rows.as_array().into_iter().flatten();
                    table(
                        ["source", "detector", "systems", "at most", "last heard", "usually", "owner"],
                        lines.map(|r| {
                            let plain = ["source", "detector", "systems", "tier_max"].map(|name| cell(&r[name]));
                            plain.into_iter().chain([last(r), usual(&r["usual"]), cell(&r["owner"])]).collect()
                        }),
                    )
                })?;
            }
            Self::Show(verb) => {
                let answer = context.client()?.get(&format!("sources/{}", part(&verb.name))).await?;
                context.print(&answer, shown)?;
            }
            Self::Owner(verb) => {
                let at = format!("sources/{}/owner", part(&verb.name));
                let answer = context.client()?.post(&at, &json!({ "person": verb.person })).await?;
                context.print(&answer, |a| format!("{} answers for {}", cell(&a["owner"]), cell(&a["source"])))?;
            }
            Self::Create(verb) => {
                let mut body = json!({ "name": verb.name, "detector": verb.detector });
                if !verb.systems.is_empty() {
                    body["systems"] = json!(verb.systems);
                }
                if let Some(tier) = verb.tier_max {
                    body["tier_max"] = json!(tier);
                }
                if verb.hmac {
                    body["hmac"] = json!(true);
                }
                let answer = context.client()?.post("sources", &body).await?;
                context.print(&answer, |a| {
                    let key = a["hmac_key"].as_str().map_or(String::new(), |_| format!("\nHMAC key: {}", cell(&a["hmac_key"])));
                    format!(
                        "{} may send. Shown once; keep it like a password:\n\n  export QUELL_TOKEN={}{key}\n\nnext: `quell alert send --source {0} FILE`",
                        cell(&a["source"]),
                        cell(&a["token"])
                    )
                })?;
            }
        }
        Ok(0)
    }
}

/// The list in an answer, bare or under its name.
pub fn rows(answer: &Value, under: &str) -> Result<Value, Fault> {
    match answer {
        Value::Array(_) => Ok(answer.clone()),
        Value::Object(map) if map.get(under).is_some_and(Value::is_array) => Ok(map[under].clone()),
        _ => Err(Fault::outside(format!("the server answered no list of {under}; is it of the same version?"))),
    }
}
