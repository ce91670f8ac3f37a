//! Alerts that become durable, one a request, beside a handler that checks the
//! same token and makes the same bytes durable in groups.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;

use super::{
    Options,
    measure::{Stopwatch, load, median},
    report::{Better, Pair, Row},
    stand::{Proof, Stand},
};

/// Senders at once, and what each sends in a round.
const SENDERS: usize = 32;
const EACH: usize = 60;
const ROUNDS: usize = 5;

/// Measures.
pub async fn run(options: &Options, under: &Path) -> Result<Vec<Row>> {
    let stand = Stand::open(options, Proof::Login, 2, under).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let bare = format!("{}/ingest", stand.limit_url);
    let own = format!("{}/api/v1/alerts/scanner", stand.desk.url);
    let mut next = 0_usize;
    // Connections open and files grow in the first second.
    rate(&http, &bare, &stand.sender, &mut next).await?;
    rate(&http, &own, &stand.sender, &mut next).await?;
    let (load_before, mut before, mut after, mut rates) = (load(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        before.push(rate(&http, &bare, &stand.sender, &mut next).await?);
        rates.push(rate(&http, &own, &stand.sender, &mut next).await?);
        after.push(rate(&http, &bare, &stand.sender, &mut next).await?);
    }
    let pair = Pair { value: median(&rates), samples: ROUNDS * SENDERS * EACH, before, after, load: (load_before, load()) };
    stand.close()?;
    Ok(vec![Row::of("ingest.alerts", "alerts/s", "handler with group commit", Some(0.25), Better::Higher, &pair)])
}

/// Alerts a second that were answered 202.
async fn rate(http: &reqwest::Client, url: &str, token: &str, next: &mut usize) -> Result<f64> {
    let watch = Stopwatch::start();
    let senders = (0..SENDERS).map(|sender| {
        let first = *next + sender * EACH;
        async move {
            for n in first..first + EACH {
                // About 2 KB, about nobody whom Quell knows.
                let alert = json!({ "kind": "other", "title": format!("notice {n}"), "dedupe_key": format!("notice-{n}"),
                    "subject": { "kind": "service_account", "native_id": format!("nobody-{n}") }, "padding": "x".repeat(1_750) });
                let answer = http.post(url).bearer_auth(token).json(&alert).send().await?;
                if answer.status() != 202 {
                    bail!("`{url}` answered {}", answer.status());
                }
                answer.bytes().await?;
            }
            Ok(())
        }
    });
    futures::future::try_join_all(senders).await?;
    *next += SENDERS * EACH;
    Ok((SENDERS * EACH) as f64 / watch.elapsed().as_secs_f64())
}
