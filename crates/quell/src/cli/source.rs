//! `quell source`: who may send alerts.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Context,
    fault::{Done, Fault},
    terminal::{cell, table},
};

/// Senders of alerts
#[derive(Subcommand)]
pub enum Source {
    List(List),
    Create(Create),
}

/// List the sources with their detectors and what each may cause
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

impl Source {
    pub async fn run(self, context: &Context) -> Done {
        match self {
            Self::List(_) => {
                let answer = context.client()?.get("sources").await?;
                let rows = rows(&answer, "sources")?;
                context.print(&rows, |rows| {
                    let lines = rows.as_array().into_iter().flatten();
                    table(
                        ["source", "detector", "systems", "at most"],
                        lines.map(|r| vec![cell(&r["source"]), cell(&r["detector"]), cell(&r["systems"]), cell(&r["tier_max"])]),
                    )
                })?;
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
