//! Waiting for what was ordered, and watching it.
//!
//! Woken by the server's event stream, and by a short poll where that breaks.
//! A wait ends when it is reached, when it cannot be reached any more, or at
//! its deadline; only the first is exit 0.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use serde_json::{Value, json};

use super::{path, print, show};
use crate::{
    cli::{
        Context,
        fault::{Done, Fault, OUTSIDE, REFUSED},
        moment,
        terminal::{self, cell, progress},
    },
    client::{Client, Events},
};

/// The longest time between two looks while the stream is silent.
const LOOK: Duration = Duration::from_secs(2);
/// The shortest: a burst of events is one look.
const SETTLE: Duration = Duration::from_millis(50);
/// Between two tries to reach a server that went away.
const AGAIN: Duration = Duration::from_millis(500);
/// How long an order is waited for where nothing is said.
const PATIENCE: &str = "10m";

/// Run exactly one plan, and wait until it is proven
///
/// Exit 0 only when every target is proved; --no-wait exits 0 once the order is
/// recorded.
#[derive(Args)]
#[command(after_help = "Example: quell case run C-8f3kq2m7xw --digest 4be1.. --wait 5m")]
pub struct Run {
    /// The case
    case: String,
    /// The plan's digest, as `quell case show` prints it
    #[arg(long)]
    digest: String,
    /// Why, where the plan is INCOMPLETE
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print the plan with its preview, record and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait at most this long
    #[arg(long, value_name = "TIME", default_value = PATIENCE, value_parser = moment::duration)]
    wait: Duration,
    /// Do not wait
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

/// Run exactly one plan at once, without the approvals that are missing
///
/// For the minute in which waiting costs more than being wrong. It only contains; what
/// is protected and what is not armed stays as it is; everybody who was passed over is
/// told and reviews it, and the case closes after that.
#[derive(Args)]
#[command(after_help = "Example: quell case break-glass C-8f3kq2m7xw --digest 4be1.. --reason 'payments are being drained now' --for 15m")]
pub struct BreakGlass {
    /// The case
    case: String,
    /// The plan's digest, as `quell case show` prints it
    #[arg(long)]
    digest: String,
    /// Why nobody is waited for: everybody who is passed over reads it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How long it holds, at most an hour; what is not done by then waits for people
    #[arg(long = "for", value_name = "TIME", default_value = "15m", value_parser = moment::duration)]
    lasts: Duration,
    /// Wait at most this long
    #[arg(long, value_name = "TIME", default_value = PATIENCE, value_parser = moment::duration)]
    wait: Duration,
    /// Do not wait
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

/// Draft the way back, and with --run go it
///
/// reinstate: the identity works again with new credentials, the old stay dead.
/// restore: the exact old credential lives again; only after "not malicious"
/// and where no secret was exposed.
#[derive(Args)]
#[command(after_help = "Example: quell case undo C-8f3kq2m7xw --mode reinstate --run")]
pub struct Undo {
    /// The case
    case: String,
    /// Which way back
    #[arg(long, default_value = "reinstate", value_parser = ["reinstate", "restore"])]
    mode: String,
    /// One containment of the case; every one of it where none is named
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    /// Run what was drafted at once, and wait until it is proven
    #[arg(long)]
    run: bool,
    /// Wait at most this long
    #[arg(long, value_name = "TIME", default_value = PATIENCE, value_parser = moment::duration)]
    wait: Duration,
    /// Do not wait
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

/// Wait until a case is proven, waits for a person, or is closed
#[derive(Args)]
#[command(after_help = "Example: quell case wait C-8f3kq2m7xw --for proven --timeout 60s")]
pub struct Wait {
    /// The case
    case: String,
    /// What to wait for
    #[arg(long = "for", value_name = "STATE", default_value = "proven", value_parser = ["proven", "waiting", "closed"])]
    until: String,
    /// Give up after this, with exit 1
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = moment::duration)]
    timeout: Duration,
}

/// Print what is recorded about a case as it happens, one line an event, until it closes
#[derive(Args)]
#[command(after_help = "Example: quell case watch C-8f3kq2m7xw --from-start")]
pub struct Watch {
    /// The case
    case: String,
    /// Begin with its first event instead of now
    #[arg(long)]
    from_start: bool,
    /// End after this, with exit 0
    #[arg(long, value_name = "TIME", value_parser = moment::duration)]
    timeout: Option<Duration>,
}

/// What one look at a case says about what is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Now {
    Reached,
    NotYet,
    /// It cannot be reached any more; why.
    Never(String),
}

impl Run {
    pub async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        run_plan(context, &client, &self.case, &self.digest, self.reason.as_deref(), self.dry_run, (!self.no_wait).then_some(self.wait))
            .await
    }
}

async fn run_plan(
    context: &Context,
    client: &Client,
    case: &str,
    digest: &str,
    reason: Option<&str>,
    dry_run: bool,
    wait: Option<Duration>,
) -> Done {
    let mut body = json!({ "digest": digest });
    if let Some(reason) = reason {
        body["reason"] = json!(reason);
    }
    if dry_run {
        body["dry_run"] = json!(true);
    }
    let after = client.post(&path(case, "/run"), &body).await?;
    ordered(context, client, case, digest, &after, wait.filter(|_| !dry_run)).await
}

/// Waits for a plan that was ordered, or prints what was recorded.
async fn ordered(context: &Context, client: &Client, case: &str, digest: &str, after: &Value, wait: Option<Duration>) -> Done {
    match wait {
        None => {
            print(context, after)?;
            let would = &after["dry_run"];
            if would["would_run"] == false {
                progress(&format!("it would not run: {}", cell(&would["because"])));
            }
            Ok(if would["would_run"] == false { REFUSED } else { 0 })
        }
        Some(wait) => finish(context, client, case, wait, |c| ran(c, digest)).await,
    }
}

impl BreakGlass {
    pub async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        let body = json!({ "digest": self.digest, "reason": self.reason, "for": format!("{}s", self.lasts.as_secs()) });
        let after = client.post(&path(&self.case, "/break-glass"), &body).await?;
        ordered(context, &client, &self.case, &self.digest, &after, (!self.no_wait).then_some(self.wait)).await
    }
}

impl Undo {
    pub async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        let before = client.get(&path(&self.case, "")).await?;
        let after = client.post(&path(&self.case, "/undo"), &json!({ "mode": self.mode, "plan": self.plan })).await?;
        if !self.run {
            print(context, &after)?;
            return Ok(0);
        }
        // Only the plans that this very order drafted: nobody says yes to
        // another one by accident.
        let known: Vec<&Value> = plans(&before).map(|p| &p["id"]).collect();
        let drafted = plans(&after).filter(|p| p["kind"] == "undo" && !known.contains(&&p["id"]));
        let digests: Vec<&str> = drafted.filter_map(|p| p["digest"].as_str()).collect();
        let Some((last, first)) = digests.split_last() else {
            print(context, &after)?;
            return Err(Fault::refused(format!("no new undo plan was drafted; see `quell case why {}`", self.case)));
        };
        for digest in first {
            client.post(&path(&self.case, "/run"), &json!({ "digest": digest })).await?;
        }
        run_plan(context, &client, &self.case, last, None, false, (!self.no_wait).then_some(self.wait)).await
    }
}

impl Wait {
    pub async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        let check: fn(&Value) -> Now = match self.until.as_str() {
            "waiting" => waits,
            "closed" => closed,
            _ => proven,
        };
        finish(context, &client, &self.case, self.timeout, check).await
    }
}

/// Waits, prints the case as it is then, and answers the exit.
async fn finish(context: &Context, client: &Client, id: &str, patience: Duration, check: impl Fn(&Value) -> Now) -> Done {
    let mut last = Value::Null;
    let ended = tokio::time::timeout(patience, follow(client, id, &mut last, check)).await;
    let (exit, said) = match ended {
        Ok(Ok(Now::Reached)) => (0, None),
        Ok(Ok(Now::Never(why))) => (REFUSED, Some(format!("{why}; see `quell case why {id}`"))),
        Ok(Ok(Now::NotYet)) | Err(_) => (REFUSED, Some(format!("not reached in {} s; see `quell case why {id}`", patience.as_secs()))),
        Ok(Err(fault)) => return Err(fault),
    };
    if last.is_null() {
        return Err(Fault::outside(format!("the server did not answer in {} s", patience.as_secs())));
    }
    print(context, &last)?;
    if let Some(said) = said {
        progress(&terminal::safe(&said));
    }
    Ok(exit)
}

/// Looks until `check` has an answer; what was seen last stays in `last`.
async fn follow(client: &Client, id: &str, last: &mut Value, check: impl Fn(&Value) -> Now) -> Result<Now, Fault> {
    // Before the first look, so that nothing falls between look and stream.
    let mut events = client.stream().await.ok();
    let mut seen = Seen::default();
    loop {
        match client.get(&path(id, "")).await {
            Ok(case) => {
                seen.tell(&case);
                let now = check(&case);
                *last = case;
                if now != Now::NotYet {
                    return Ok(now);
                }
            }
            // A server that was there comes back; the deadline is the bound.
            Err(fault) if fault.exit == OUTSIDE && !last.is_null() => tokio::time::sleep(AGAIN).await,
            Err(fault) => return Err(fault),
        }
        pause(client, &mut events).await;
    }
}

/// Until something was recorded, or for a short while.
async fn pause(client: &Client, events: &mut Option<Events>) {
    let Some(stream) = events else {
        tokio::time::sleep(AGAIN).await;
        *events = client.stream().await.ok();
        return;
    };
    if let Ok(None) = tokio::time::timeout(LOOK, stream.next()).await {
        *events = None;
    }
    tokio::time::sleep(SETTLE).await;
}

/// What was told already, so that only changes are.
#[derive(Default)]
struct Seen(BTreeMap<String, String>);

impl Seen {
    fn tell(&mut self, case: &Value) {
        let mut lines = vec![("headline".to_owned(), cell(&case["headline"]))];
        for held in holdings(case) {
            lines.push((cell(&held["id"]), format!("{}: {}", cell(&held["id"]), cell(&held["state"]))));
        }
        for plan in plans(case) {
            for step in plan["steps"].as_array().into_iter().flatten() {
                let name = format!("{} step {}", cell(&plan["id"]), cell(&step["n"]));
                lines.push((name.clone(), format!("{name}: {} {}", cell(&step["action"]), cell(&step["state"]))));
            }
        }
        for wait in case["waiting_for"].as_array().into_iter().flatten() {
            let line = format!("waiting: {}", show::waiting(wait));
            lines.push((line.clone(), line));
        }
        for (key, line) in lines {
            if self.0.get(&key) != Some(&line) {
                progress(&line);
                self.0.insert(key, line);
            }
        }
    }
}

fn plans(case: &Value) -> impl Iterator<Item = &Value> {
    case["plans"].as_array().into_iter().flatten()
}

/// What an intruder could use: not what Quell issued itself.
fn holdings(case: &Value) -> impl Iterator<Item = &Value> {
    ["credentials", "sessions"].into_iter().flat_map(|k| case[k].as_array().into_iter().flatten()).filter(|h| h["issued_by_quell"] != true)
}

fn is_contained(held: &Value) -> bool {
    held["state"] == "DEAD" || (held["state"] == "DYING" && !held["residual_until"].is_null())
}

/// Every credential and session is dead, or dying with a date.
fn proven(case: &Value) -> Now {
    let state = case["state"].as_str().unwrap_or_default();
    let late = matches!(state, "restored" | "reviewed" | "closed");
    let contained = holdings(case).all(|h| is_contained(h) || (late && h["state"] == "RESTORED"));
    match state {
        "proven" | "restored" | "reviewed" | "closed" if contained && holdings(case).next().is_some() => Now::Reached,
        "closed" => Now::Never("the case is closed and nothing in it was proved".to_owned()),
        _ => Now::NotYet,
    }
}

fn waits(case: &Value) -> Now {
    if case["waiting_for"].as_array().is_some_and(|w| !w.is_empty()) {
        Now::Reached
    } else if case["state"] == "closed" {
        Now::Never("the case is closed and waits for nobody".to_owned())
    } else {
        Now::NotYet
    }
}

fn closed(case: &Value) -> Now {
    if case["state"] == "closed" { Now::Reached } else { Now::NotYet }
}

/// The plan with this digest is proved, and with it what it was to contain.
fn ran(case: &Value, digest: &str) -> Now {
    let Some(plan) = plans(case).find(|p| p["digest"] == *digest) else { return Now::NotYet };
    let state = plan["state"].as_str().unwrap_or_default();
    match state {
        "proved" if plan["kind"] == "undo" || holdings(case).all(is_contained) => Now::Reached,
        "superseded" | "handed_over" | "denied" | "expired" => {
            let because = plan["because"].as_str().map_or_else(String::new, |b| format!(": {b}"));
            Now::Never(format!("the plan ended as {state} and is not proven{because}"))
        }
        _ => Now::NotYet,
    }
}

impl Watch {
    pub async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        let watching = self.watch(context, &client);
        match self.timeout {
            None => watching.await,
            Some(bound) => tokio::time::timeout(bound, watching).await.unwrap_or(Ok(0)),
        }
    }

    async fn watch(&self, context: &Context, client: &Client) -> Done {
        let mut events = client.stream().await.ok();
        let case = client.get(&path(&self.case, "")).await?;
        let mut after = match self.from_start {
            true => None,
            false => case.pointer("/events/last").and_then(Value::as_u64),
        };
        let mut headline = String::new();
        let mut case = Ok(case);
        loop {
            match case {
                Ok(case) => {
                    if !context.json && headline != cell(&case["headline"]) {
                        headline = cell(&case["headline"]);
                        say(&headline)?;
                    }
                    self.events(context, client, &mut after).await?;
                    if case["state"] == "closed" {
                        return Ok(0);
                    }
                }
                Err(fault @ Fault { exit, .. }) if exit != OUTSIDE => return Err(fault),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
            pause(client, &mut events).await;
            case = client.get(&path(&self.case, "")).await;
        }
    }

    /// Prints what came after `after`, page by page.
    async fn events(&self, context: &Context, client: &Client, after: &mut Option<u64>) -> Result<(), Fault> {
        loop {
            let query = after.map_or_else(|| "/events".to_owned(), |a| format!("/events?after={a}"));
            let page = client.get(&path(&self.case, &query)).await?;
            let list = page["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            for event in list {
                let words = || ["index", "at", "by", "type", "stream"].map(|k| cell(&event[k])).join("  ");
                say(&if context.json { terminal::json(event) } else { words() })?;
            }
            let newest = list.iter().filter_map(|e| e["index"].as_u64()).max();
            // A page that does not move on is the last one.
            if newest.is_none() || newest <= *after {
                return Ok(());
            }
            *after = newest;
        }
    }
}

fn say(line: &str) -> Result<(), Fault> {
    terminal::say(line).map_err(|e| Fault::outside(format!("cannot write to stdout: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(state: &str, holdings: &[(&str, Option<&str>, bool)]) -> Value {
        let rows: Vec<Value> = holdings
            .iter()
            .map(|(s, until, ours)| json!({ "id": "x", "state": s, "residual_until": until, "issued_by_quell": ours }))
            .collect();
        json!({ "state": state, "credentials": rows, "sessions": [], "waiting_for": [] })
    }

    #[test]
    fn proven_means_a_proof_of_everything_and_nothing_less() {
        let t = Some("2026-11-23T10:00:00Z");
        for (state, holdings, reached) in [
            ("proven", vec![("DEAD", None, false)], true),
            ("proven", vec![("DEAD", None, false), ("LIVE", None, true)], true),
            ("proven", vec![("DYING", t, false)], true),
            ("restored", vec![("RESTORED", None, false)], true),
            ("proven", vec![("RESTORED", None, false)], false),
            ("proven", vec![("DYING", None, false)], false),
            ("proven", vec![("DEAD", None, false), ("UNKNOWN", None, false)], false),
            ("proven", vec![("DEAD", None, false), ("LIVE", None, false)], false),
            ("proven", vec![], false),
            ("acted", vec![("DEAD", None, false)], false),
        ] {
            assert_eq!(proven(&with(state, &holdings)) == Now::Reached, reached, "{state} {holdings:?}");
        }
        assert!(matches!(proven(&with("closed", &[("LIVE", None, false)])), Now::Never(_)));
    }

    #[test]
    fn a_plan_that_ended_otherwise_is_not_waited_for() {
        let case = |state: &str, kind: &str, held: &str| json!({ "state": "acted", "plans": [{ "digest": "d", "kind": kind, "state": state, "because": "b" }], "credentials": [{ "state": held }] });
        for (state, kind, held, wanted) in [
            ("proved", "contain", "DEAD", Some(true)),
            ("proved", "contain", "LIVE", None),
            ("proved", "undo", "RESTORED", Some(true)),
            ("running", "contain", "DEAD", None),
            ("degraded", "contain", "UNKNOWN", None),
            ("handed_over", "contain", "DEAD", Some(false)),
            ("denied", "contain", "LIVE", Some(false)),
            ("expired", "contain", "LIVE", Some(false)),
            ("superseded", "contain", "LIVE", Some(false)),
        ] {
            let got = match ran(&case(state, kind, held), "d") {
                Now::Reached => Some(true),
                Now::Never(_) => Some(false),
                Now::NotYet => None,
            };
            assert_eq!(got, wanted, "{state} {kind} {held}");
        }
        assert_eq!(ran(&case("proved", "contain", "DEAD"), "another"), Now::NotYet);
    }

    #[test]
    fn waiting_and_closed_are_what_the_case_says() {
        assert_eq!(waits(&json!({ "state": "decided", "waiting_for": [{}] })), Now::Reached);
        assert_eq!(waits(&json!({ "state": "decided", "waiting_for": [] })), Now::NotYet);
        assert!(matches!(waits(&json!({ "state": "closed", "waiting_for": [] })), Now::Never(_)));
        assert_eq!(closed(&json!({ "state": "closed" })), Now::Reached);
        assert_eq!(closed(&json!({ "state": "reviewed" })), Now::NotYet);
    }
}
