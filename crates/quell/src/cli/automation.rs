//! `quell automation`: the brake.

use clap::{Args, Subcommand};
use quell_core::time::Timestamp;
use serde_json::{Value, json};

use super::{
    Context,
    fault::Done,
    moment,
    terminal::{cell, safe},
};

/// Stop automation, or let it go on
#[derive(Subcommand)]
pub enum Automation {
    Pause(Pause),
    Resume(Resume),
}

/// Stop automation at once until a time; probes go on, people may still act
#[derive(Args)]
#[command(after_help = "Example: quell automation pause --until +2h --reason 'failover drill'")]
pub struct Pause {
    /// When it ends by itself: a time, or `+` and a duration
    #[arg(long, value_name = "TIME", value_parser = moment::moment)]
    until: Timestamp,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// End a pause early; another person than the one who paused
#[derive(Args)]
#[command(after_help = "Example: quell automation resume")]
pub struct Resume {}

impl Automation {
    pub async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        match self {
            Self::Pause(verb) => {
                let until = verb.until.to_string();
                let answer = client.post("automation/pause", &json!({ "until": until, "reason": verb.reason })).await?;
                context.print(&answer, |_| {
                    format!("Automation is paused until {}. Another person ends it with `quell automation resume`.", safe(&until))
                })?;
            }
            Self::Resume(_) => {
                let answer = client.post("automation/resume", &json!({})).await?;
                context.print(&answer, |a| match &a["until"] {
                    Value::Null => "Automation goes on.".to_owned(),
                    until => format!("Automation is still paused until {}.", cell(until)),
                })?;
            }
        }
        Ok(0)
    }
}
