//! From the alert to a containment that is durable and proved, beside the least
//! that it can cost.
//!
//! *cut*: nobody may try the leaked secret, so death is read on the server that
//! enforces, with the control in the same query; held against two statements over
//! a kept connection. *proved*: the leaked secret is tried and refused while the
//! control logs in; held against a program that does the same statements, logins
//! and appends. Every role has a live session, which must be dead after the answer.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    Options,
    measure::{Stopwatch, load, median, ms, processor_ms, quantile},
    report::{Better, Pair, Row},
    stand::{Proof, SETTLE_MS, Stand},
};
use crate::{dial, estate::Login};

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
    let settle = if proof == Proof::Login { SETTLE_MS as f64 } else { 0.0 };
    let load_before = load();
    for round in 0..ROUNDS {
        let mine = round * each..(round + 1) * each;
        let (first, second) = stand.theirs[mine.clone()].split_at(each / 2);
        let cpu = processor_ms(limit_pid)?;
        before.push(median(&limits(&stand, &http, proof, first).await?) - settle);
        let used = processor_ms(limit_pid)? - cpu;
        let cpu = processor_ms(own_pid)?;
        for role in &stand.ours[mine] {
            own.push(contain(&stand, &http, role).await? - SETTLE_MS as f64);
        }
        own_cpu.push((processor_ms(own_pid)? - cpu) / each as f64);
        let cpu = processor_ms(limit_pid)?;
        after.push(median(&limits(&stand, &http, proof, second).await?) - settle);
        limit_cpu.push((used + processor_ms(limit_pid)? - cpu) / each as f64);
    }
    let load = (load_before, load());
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
        rows.push(Row::of("contain.cpu", "ms", "two statements, kept connection", Some(10.0), Better::Lower, &cpu));
    }
    Ok(rows)
}

/// Milliseconds of the limit for every role.
async fn limits(stand: &Stand, http: &reqwest::Client, proof: Proof, roles: &[Login]) -> Result<Vec<f64>> {
    let url = format!("{}/{}", stand.limit_url, if proof == Proof::Read { "bare" } else { "honest" });
    let verifier = crate::secret::Secret::generate()?.verifier();
    let mut took = Vec::new();
    for role in roles {
        let session = session(stand, role).await?;
        let body = json!({ "role": role.user, "secret": role.password.reveal(), "verifier": verifier, "alert": "x".repeat(1_500) });
        let watch = Stopwatch::start();
        let answer = http.post(&url).json(&body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        took.push(ms(watch.elapsed()));
        if !status.is_success() {
            bail!("the limit answered {status}: {text}");
        }
        is_dead(&session, "the limit").await?;
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
