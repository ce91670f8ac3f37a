//! The list of cases, one case and the inbox, while a hundred thousand cases are open.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use super::{
    Options,
    measure::{Stopwatch, load, median, ms, resident_mib},
    report::{Better, Pair, Row},
};
use crate::demo::desk::{Desk, write};

/// What people wait for, in milliseconds.
const GOAL_MS: f64 = 150.0;
/// Findings in a message: as many as one may hold.
const EACH: usize = 100_000;
/// Requests of each kind.
const ASKED: usize = 50;

/// Opens a case for each of so many identities, and asks as the console does.
pub async fn run(options: &Options, under: &Path) -> Result<Vec<Row>> {
    let work = tempfile::tempdir_in(under)?;
    let dir = work.path();
    write(&dir.join("quell.toml"), "[intake]\nper_second = 1000000\nburst = 1000000\n")?;
    crate::private::write(&dir.join("key"), &crate::secret::random_hex()?.repeat(2))?;
    let desk = Desk::open(&options.quell, dir, &dir.join("server.log"))?;
    let source = desk.json("ada", &["source", "create", "scanner", "--detector", "quell"])?;
    let sender = source["token"].as_str().context("no token of a source")?;
    let made = desk.json("ada", &["token", "create", "reader", "--user", "ada", "--scope", "cases:read", "--expires", "1d"])?;
    let server = Server { http: Client::builder().no_proxy().build()?, url: desk.url.clone(), token: token(&made)?.to_owned() };

    let watch = Stopwatch::start();
    let mut cases = Vec::new();
    for first in (0..options.cases).step_by(EACH) {
        cases.extend(server.file(sender, first, EACH.min(options.cases - first)).await?);
    }
    let filed_s = watch.elapsed().as_secs_f64();
    ensure!(cases.len() == options.cases, "{} findings opened {} cases", options.cases, cases.len());

    let before = load();
    let list = server.times(|_| "/cases?limit=50".to_owned(), |page| page["cases"].as_array().is_some_and(|c| c.len() == 50)).await?;
    let deep = format!("/cases?limit=50&after={}", cases[cases.len() / 2]);
    let deep = server.times(|_| deep.clone(), |page| page["cases"].as_array().is_some_and(|c| c.len() == 50)).await?;
    let closed = server.times(|_| "/cases?state=closed".to_owned(), |page| page["cases"] == json!([])).await?;
    let spread = cases.len() / ASKED;
    let case =
        server.times(|n| format!("/cases/{}", cases[n * spread]), |case| case["findings"].as_array().is_some_and(|f| f.len() == 1)).await?;
    let inbox = server.times(|_| "/inbox".to_owned(), |inbox| inbox["cases"].is_array()).await?;
    let load = (before, load());
    let mib = resident_mib(desk.pid())?;
    let exit = desk.close()?;
    ensure!(exit == 0, "quell ended with {exit}");

    let against = format!("the goal of {GOAL_MS} ms, {} open cases", options.cases);
    let held = |value: f64, samples: usize, goal: f64| Pair { value, samples, before: vec![goal], after: vec![goal], load };
    let row =
        |name: &str, times: &[f64]| Row::of(name, "ms", &against, Some(1.0), Better::Lower, &held(median(times), times.len(), GOAL_MS));
    let inform = |name: &str, unit: &'static str, value: f64| {
        Row::of(
            name,
            unit,
            "informs",
            None,
            Better::Lower,
            &held(value, options.cases, f64::from(u32::try_from(options.cases).unwrap_or(u32::MAX))),
        )
    };
    Ok(vec![
        row("queue.list", &list),
        row("queue.deep", &deep),
        row("queue.closed", &closed),
        row("queue.case", &case),
        row("queue.inbox", &inbox),
        inform("queue.filed", "s", filed_s),
        inform("queue.memory", "MiB", mib),
    ])
}

struct Server {
    http: Client,
    url: String,
    token: String,
}

impl Server {
    /// Sends findings about so many identities; answers the cases they opened.
    async fn file(&self, sender: &str, first: usize, count: usize) -> Result<Vec<String>> {
        let mut lines = String::new();
        for n in first..first + count {
            let finding = json!({ "kind": "leaked_secret", "title": "a key", "dedupe_key": format!("leak-{n}"),
                "subject": { "kind": "service_account", "native_id": format!("worker-{n:06}") } });
            lines.push_str(&format!("{finding}\n"));
        }
        let url = format!("{}/api/v1/alerts/scanner", self.url);
        let answer = self.http.post(url).bearer_auth(sender).body(lines).send().await?;
        let status = answer.status();
        let answer: Value = serde_json::from_slice(&answer.bytes().await?).context("Quell's answer")?;
        ensure!(status == 202, "Quell answered {status}: {answer}");
        let path = format!("/alerts/{}", answer["alert_id"].as_str().context("no alert id")?);
        for _ in 0..6_000 {
            let alert = self.get(&path).await?;
            if alert["state"] == "filed" {
                let cases = alert["cases"].as_array().context("no cases")?;
                return Ok(cases.iter().filter_map(|c| c.as_str().map(str::to_owned)).collect());
            }
            ensure!(alert["state"] == "stored", "`{path}` became {}", alert["state"]);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        bail!("`{path}` was not filed in ten minutes")
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.http.get(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.token).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status == 200, "`{path}` answered {status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).with_context(|| format!("what `{path}` answered"))
    }

    /// Milliseconds of each of [`ASKED`] requests, every answer looked at.
    async fn times(&self, path: impl Fn(usize) -> String, holds: impl Fn(&Value) -> bool) -> Result<Vec<f64>> {
        let mut took = Vec::with_capacity(ASKED);
        for n in 0..ASKED {
            let path = path(n);
            let watch = Stopwatch::start();
            let answer = self.get(&path).await?;
            took.push(ms(watch.elapsed()));
            ensure!(holds(&answer), "`{path}` answered {answer}");
        }
        Ok(took)
    }
}

fn token(made: &Value) -> Result<&str> {
    made["token"].as_str().context("no token")
}
