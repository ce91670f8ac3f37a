//! From the alert to a containment that is durable and proved, beside the least
//! that it can cost.
//!
//! *cut*: nobody may try the leaked secret, so death is read on the server that
//! enforces, with the control in the same query; held against two statements over
//! a kept connection. *proved*: the leaked secret is tried and refused while the
//! control logs in; held against a program that does the same statements, logins
//! and appends. Every role has a live session, which must be dead after the answer.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    Options,
    measure::{Stopwatch, load, median, ms, processor_ms, quantile, resident_mib},
    report::{Better, Pair, Row},
    stand::{Proof, SETTLE_MS, Stand},
};
use crate::{dial, estate::Login};

/// How often what is contained is probed again, where nothing else is configured.
const WATCH: Duration = Duration::from_secs(60);
/// Rounds of limit, Quell, limit.
const ROUNDS: usize = 10;

/// Measures one of the two.
pub async fn run(options: &Options, proof: Proof, under: &Path) -> Result<Vec<Row>> {
    let each = options.samples.div_ceil(ROUNDS).max(2);
    let stand = Stand::open(options, proof, each * ROUNDS, under).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let (own_pid, limit_pid) = stand.pids();
    let (mut own, mut own_cpu, mut limit_cpu) = (Vec::new(), Vec::new(), Vec::new());
    let (mut before, mut after) = (Vec::new(), Vec::new());
    // Node-RED, in the first half of the rounds and in the second.
    let mut flows = (Vec::new(), Vec::new());
    let settle = if proof == Proof::Login { SETTLE_MS as f64 } else { 0.0 };
    let url = format!("{}/{}", stand.limit_url, if proof == Proof::Read { "bare" } else { "honest" });
    let load_before = load();
    for round in 0..ROUNDS {
        let mine = round * each..(round + 1) * each;
        let (first, second) = stand.theirs[mine.clone()].split_at(each / 2);
        let cpu = processor_ms(limit_pid)?;
        before.push(median(&limits(&stand, &http, &url, "the limit", first).await?) - settle);
        let used = processor_ms(limit_pid)? - cpu;
        let cpu = processor_ms(own_pid)?;
        for role in &stand.ours[mine] {
            own.push(contain(&stand, &http, role).await? - SETTLE_MS as f64);
        }
        own_cpu.push((processor_ms(own_pid)? - cpu) / each as f64);
        let cpu = processor_ms(limit_pid)?;
        after.push(median(&limits(&stand, &http, &url, "the limit", second).await?) - settle);
        limit_cpu.push((used + processor_ms(limit_pid)? - cpu) / each as f64);
        if let Some(nodered) = &stand.nodered {
            let took = median(&limits(&stand, &http, &nodered.url, "Node-RED", &stand.flows[round * each..(round + 1) * each]).await?);
            if round < ROUNDS / 2 { flows.0.push(took) } else { flows.1.push(took) }
        }
    }
    let load = (load_before, load());
    // Every case is still open, and what it contained is watched.
    let idle = match proof {
        Proof::Read => Some(idle(&stand).await?),
        Proof::Login => None,
    };
    let open = stand.open_roles().await?;
    if open != 0 {
        bail!("{open} roles that were called contained may still log in");
    }
    stand.close()?;
    let (name, against, goal) = match proof {
        Proof::Read => ("contain.cut", "two statements, kept connection", 4.0),
        Proof::Login => ("contain.proved", "same statements, logins, appends", 1.6),
    };
    let samples = own.len();
    let pair = |value: f64| Pair { value, samples, before: before.clone(), after: after.clone(), load };
    let mut rows = vec![
        Row::of(&format!("{name}.p50"), "ms", against, Some(goal), Better::Lower, &pair(median(&own))),
        Row::of(&format!("{name}.p99"), "ms", "p50 of the same", None, Better::Lower, &pair(quantile(&own, 0.99))),
    ];
    if proof == Proof::Read {
        // The kernel counts in ticks of 10 ms, so single rounds of the limit say little.
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let yardstick = mean(&limit_cpu);
        let cpu = Pair { value: mean(&own_cpu), samples, before: vec![yardstick], after: vec![yardstick], load };
        if !flows.0.is_empty() {
            let pair = Pair { value: median(&own), samples, before: flows.0, after: flows.1, load };
            rows.push(Row::of(
                "contain.cut.nodered",
                "ms",
                "the same two statements in Node-RED, nothing recorded or proved",
                Some(1.0),
                Better::Lower,
                &pair,
            ));
        }
        if let Some(Idle { memory, cpu }) = idle {
            let cases = format!("the limit program; {samples} cases open");
            let pair = |(own, limit): (f64, f64)| Pair { value: own, samples: 1, before: vec![limit], after: vec![limit], load };
            rows.push(Row::of("cases.memory", "MiB", &cases, None, Better::Lower, &pair(memory)));
            rows.push(Row::of("cases.cpu", "% core", "one core, over a minute of watching them", None, Better::Lower, &pair((cpu, 100.0))));
        }
        rows.push(Row::of("contain.cpu", "ms", "two statements, kept connection", Some(10.0), Better::Lower, &cpu));
    }
    Ok(rows)
}

/// What Quell uses while nothing comes in.
struct Idle {
    /// MiB in RAM, of Quell and of the limit.
    memory: (f64, f64),
    /// Percent of one core.
    cpu: f64,
}

/// Looks on for as long as the watch takes to come round once.
async fn idle(stand: &Stand) -> Result<Idle> {
    let (own, limit) = stand.pids();
    let (before, watch) = (processor_ms(own)?, Stopwatch::start());
    tokio::time::sleep(WATCH).await;
    let cpu = 100.0 * (processor_ms(own)? - before) / ms(watch.elapsed());
    Ok(Idle { memory: (resident_mib(own)?, resident_mib(limit)?), cpu })
}

/// Milliseconds that what it is held against takes for every role.
async fn limits(stand: &Stand, http: &reqwest::Client, url: &str, who: &str, roles: &[Login]) -> Result<Vec<f64>> {
    let verifier = crate::secret::Secret::generate()?.verifier();
    let mut took = Vec::new();
    for role in roles {
        let session = session(stand, role).await?;
        let body = json!({ "role": role.user, "secret": role.password.reveal(), "verifier": verifier, "alert": "x".repeat(1_500) });
        let watch = Stopwatch::start();
        let answer = http.post(url).json(&body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        took.push(ms(watch.elapsed()));
        if !status.is_success() {
            bail!("{who} answered {status}: {text}");
        }
        is_dead(&session, who).await?;
    }
    Ok(took)
}

/// Milliseconds from the alert to the answer that the credential is dead.
async fn contain(stand: &Stand, http: &reqwest::Client, role: &Login) -> Result<f64> {
    let session = session(stand, role).await?;
    let alert = json!({ "kind": "leaked_secret", "title": "a database password on a page", "dedupe_key": role.user,
        "credential": { "kind": "password", "secret": role.password.reveal() }, "padding": "x".repeat(1_500) });
    let watch = Stopwatch::start();
    let request = http.post(format!("{}/api/v1/alerts/scanner", stand.desk.url)).bearer_auth(&stand.sender).header("prefer", "wait=20");
    let answer = request.json(&alert).send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    let took = ms(watch.elapsed());
    let body: Value = serde_json::from_slice(&body).context("Quell's answer")?;
    let state = &body["cases"][0]["credentials"][0]["state"];
    if status != 200 || state != "DEAD" {
        bail!("Quell answered {status} and {state} for `{}`: {}", role.user, body["cases"][0]["headline"]);
    }
    is_dead(&session, "Quell").await?;
    Ok(took)
}

async fn session(stand: &Stand, role: &Login) -> Result<tokio_postgres::Client> {
    let config = stand.server.config(&role.user, role.password.reveal(), "billing");
    dial::dial(&config, stand.server.tls()).await.with_context(|| format!("log in as `{}` before the alert", role.user))
}

async fn is_dead(session: &tokio_postgres::Client, who: &str) -> Result<()> {
    match session.simple_query("SELECT 1").await {
        Ok(_) => bail!("{who} answered, and the session still answers"),
        Err(_) => Ok(()),
    }
}
