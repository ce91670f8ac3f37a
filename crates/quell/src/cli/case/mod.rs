//! `quell case` and `quell inbox`: the incident, from the alert to the proof.
//!
//! Every verb that changes a case prints the case after it; its first line is
//! the headline. `show` renders, `order` holds what people order, `wait` waits
//! for what was ordered.

mod order;
mod show;
mod wait;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    Context,
    fault::{Done, Fault},
    terminal::{cell, safe, table},
};
use crate::client::part;

/// Cases
#[derive(Subcommand)]
pub enum Case {
    List(List),
    Show(Show),
    Why(Why),
    Watch(wait::Watch),
    Open(order::Open),
    Plan(order::Plan),
    Run(wait::Run),
    Approve(order::Approve),
    Deny(order::Deny),
    BreakGlass(wait::BreakGlass),
    Verdict(order::Verdict),
    Note(order::Note),
    Task(order::Task),
    Lead(order::Lead),
    Accept(order::Accept),
    Undo(wait::Undo),
    Merge(order::Merge),
    Unmerge(order::Unmerge),
    Wait(wait::Wait),
    Close(order::Close),
}

/// List the cases, newest first
#[derive(Args)]
#[command(after_help = "Example: quell case list --state all --limit 20")]
pub struct List {
    /// Which ones
    #[arg(long, default_value = "open", value_parser = ["open", "closed", "all"])]
    state: String,
    /// Only those after this one, as `next` of the page before says
    #[arg(long, value_name = "CASE")]
    after: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

/// Print a case: headline, states and proofs, plans, whom it waits for, what was not looked at
#[derive(Args)]
#[command(after_help = "Example: quell case show C-8f3kq2m7xw")]
pub struct Show {
    /// The case
    case: String,
}

/// Print what was done, what was not and by which policy, who is awaited until when, and the next command
#[derive(Args)]
#[command(after_help = "Example: quell case why C-8f3kq2m7xw")]
pub struct Why {
    /// The case
    case: String,
}

/// List the cases that wait for you or your roles
#[derive(Args)]
#[command(after_help = "Example: quell inbox")]
pub struct Inbox {}

/// `/api/v1/cases/ID`, and what comes after it.
fn path(case: &str, rest: &str) -> String {
    format!("cases/{}{rest}", part(case))
}

impl Case {
    pub async fn run(self, context: &Context) -> Done {
        match self {
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Why(verb) => verb.run(context).await,
            Self::Watch(verb) => verb.run(context).await,
            Self::Run(verb) => verb.run(context).await,
            Self::Undo(verb) => verb.run(context).await,
            Self::Wait(verb) => verb.run(context).await,
            Self::Open(verb) => verb.run(context).await,
            Self::Plan(verb) => verb.run(context).await,
            Self::Approve(verb) => verb.run(context).await,
            Self::Deny(verb) => verb.run(context).await,
            Self::BreakGlass(verb) => verb.run(context).await,
            Self::Verdict(verb) => verb.run(context).await,
            Self::Note(verb) => verb.run(context).await,
            Self::Task(verb) => verb.run(context).await,
            Self::Lead(verb) => verb.run(context).await,
            Self::Accept(verb) => verb.run(context).await,
            Self::Merge(verb) => verb.run(context).await,
            Self::Unmerge(verb) => verb.run(context).await,
            Self::Close(verb) => verb.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Done {
        let mut query = format!("cases?state={}&limit={}", self.state, self.limit);
        if let Some(after) = &self.after {
            query.push_str(&format!("&after={}", part(after)));
        }
        let answer = context.client()?.get(&query).await?;
        context.print(&answer, |page| {
            let mut out = headlines(&page["cases"], "No case. `quell alert send` brings one in, `quell case open` opens one by hand.");
            if let Some(next) = page["next"].as_str() {
                out.push_str(&format!("\nmore: `quell case list --state {} --after {}`", self.state, safe(next)));
            }
            out
        })?;
        Ok(0)
    }
}

/// One line a case.
fn headlines(cases: &Value, none: &str) -> String {
    match cases.as_array().map(Vec::as_slice) {
        None | Some([]) => none.to_owned(),
        Some(rows) => {
            table(["case", "state", "headline"], rows.iter().map(|r| vec![cell(&r["id"]), cell(&r["state"]), cell(&r["headline"])]))
        }
    }
}

impl Show {
    async fn run(self, context: &Context) -> Done {
        let case = context.client()?.get(&path(&self.case, "")).await?;
        print(context, &case)?;
        Ok(0)
    }
}

/// A case after an order, or by itself.
fn print(context: &Context, case: &Value) -> Result<(), Fault> {
    context.print(case, show::case)
}

impl Why {
    async fn run(self, context: &Context) -> Done {
        let answer = context.client()?.get(&path(&self.case, "/why")).await?;
        context.print(&answer, show::why)?;
        Ok(0)
    }
}

impl Inbox {
    pub async fn run(self, context: &Context) -> Done {
        let answer = context.client()?.get("inbox").await?;
        context.print(&answer, |inbox| {
            let mut out = headlines(&inbox["cases"], "Nothing waits for you.");
            for case in inbox["cases"].as_array().into_iter().flatten() {
                for wait in case["waiting_for"].as_array().into_iter().flatten() {
                    out.push_str(&format!("\n{}: {}", cell(&case["id"]), show::waiting(wait)));
                }
            }
            out
        })?;
        Ok(0)
    }
}
