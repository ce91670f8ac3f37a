//! `quell notify`: the ways to tell people.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    Context,
    fault::{Done, REFUSED},
    source::rows,
    terminal::{cell, safe, table},
};
use crate::client::part;

/// The ways to tell people: mail, chats, signed calls
#[derive(Subcommand)]
pub enum Notify {
    List(List),
    Test(Test),
}

/// List the channels of the server's configuration, and how each did since it started
#[derive(Args)]
#[command(after_help = "Example: quell notify list")]
pub struct List {}

/// Send yourself a message over one channel; exit code 1 where it did not take it
///
/// That it took it says nothing of whether it arrived: look.
#[derive(Args)]
#[command(after_help = "Example: quell notify test mail")]
pub struct Test {
    /// The channel, as in `quell notify list`
    channel: String,
}

impl Notify {
    pub async fn run(self, context: &Context) -> Done {
        match self {
            Self::List(_) => {
                let answer = context.client()?.get("notify").await?;
                let channels = rows(&answer, "channels")?;
                context.print(&channels, |channels| {
                    let lines = channels.as_array().into_iter().flatten();
                    let mut shown = table(["channel", "kind", "takes", "last taken", "failing"], lines.map(line));
                    if channels.as_array().is_none_or(Vec::is_empty) {
                        shown =
                            "no channel is configured: people are told in their inbox alone (`quell inbox`); see docs/notify.md".to_owned();
                    }
                    shown
                })?;
                Ok(0)
            }
            Self::Test(verb) => {
                let answer = context.client()?.post(&format!("notify/{}/test", part(&verb.channel)), &Value::Null).await?;
                context.print(&answer, |answer| {
                    let channel = cell(&answer["channel"]);
                    match answer["why"].as_str() {
                        None => format!("{channel} took it; look whether it arrived"),
                        Some(why) => format!("{channel} did not take it: {}", safe(why)),
                    }
                })?;
                Ok(if answer["taken"] == true { 0 } else { REFUSED })
            }
        }
    }
}

fn line(channel: &Value) -> Vec<String> {
    let takes = if channel["pages_only"] == true { "pages alone" } else { "everything" };
    let failing = channel["failing"]["why"]
        .as_str()
        .map_or_else(|| "no".to_owned(), |why| format!("since {}: {}", cell(&channel["failing"]["at"]), safe(why)));
    vec![cell(&channel["name"]), cell(&channel["kind"]), takes.to_owned(), cell(&channel["last_taken_at"]), failing]
}
