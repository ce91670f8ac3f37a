//! How much and how fast: a token bucket per source, a count of refused
//! messages, and a measure of every request.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use quell_core::{
    event::{AlertRefused, By},
    time::Timestamp,
};
use quell_engine::Engine;

use crate::config::Intake;

/// One bucket a source.
pub struct Buckets {
    rate: Intake,
    levels: Mutex<BTreeMap<String, (f64, Timestamp)>>,
}

impl Buckets {
    /// All buckets are full.
    pub fn new(rate: Intake) -> Self {
        Self { rate, levels: Mutex::default() }
    }

    /// Takes one; `Err` says after how many seconds there is one again. Only
    /// sources that exist ask, so the map stays small.
    pub fn take(&self, source: &str, now: Timestamp) -> Result<(), i64> {
        let (rate, burst) = (f64::from(self.rate.per_second.max(1)), f64::from(self.rate.burst.max(1)));
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let (level, at) = levels.entry(source.to_owned()).or_insert((burst, now));
        let passed = now.duration_since(*at).as_secs_f64().max(0.0);
        *level = (*level + passed * rate).min(burst);
        *at = now;
        if *level >= 1.0 {
            *level -= 1.0;
            return Ok(());
        }
        let seconds = ((1.0 - *level) / rate).ceil();
        // A bucket fills within seconds: far below any bound of the type.
        Err(if seconds >= 1.0 { seconds as i64 } else { 1 })
    }
}

/// Replayed or wrongly signed messages, counted and written down once a second
/// at most, so that nobody fills the ledger by sending rubbish.
#[derive(Default)]
pub struct Refusals(Mutex<BTreeMap<(String, &'static str), u32>>);

impl Refusals {
    /// One more.
    pub fn count(&self, source: &str, because: &'static str) {
        metrics::counter!("quell_alerts_refused_total", "source" => source.to_owned(), "because" => because).increment(1);
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.entry((source.to_owned(), because)).or_insert(0) += 1;
    }

    /// Writes down what was counted since the last time.
    pub async fn write_down(&self, engine: &Arc<Engine>) {
        let counted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for ((name, because), count) in counted {
            let Ok(Some(source)) = engine.source(&name).await else { continue };
            let refused = AlertRefused { source: source.source, because: because.to_owned(), count };
            if let Err(error) = engine.on_source(&By::Automation, &name, refused).await {
                tracing::warn!(source = name, count, %error, "refused messages could not be written down");
            }
        }
    }
}

/// Counts and times every request under the route it matched, never its path:
/// ids and names stay out of metrics.
pub async fn measure(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |m| m.as_str().to_owned());
    let method = request.method().to_string();
    let started = tokio::time::Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("quell_http_requests_total", "route" => route.clone(), "method" => method, "status" => status).increment(1);
    metrics::histogram!("quell_http_seconds", "route" => route).record(started.elapsed().as_secs_f64());
    response
}

#[cfg(test)]
mod tests {
    use quell_core::time::after_millis;

    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let buckets = Buckets::new(Intake { per_second: 2, burst: 3 });
        let start: Timestamp = "2026-11-23T09:00:00Z".parse().expect("a time");
        for _ in 0..3 {
            assert_eq!(buckets.take("a", start), Ok(()));
        }
        assert_eq!(buckets.take("a", start), Err(1));
        assert_eq!(buckets.take("b", start), Ok(()), "another source has its own");
        assert_eq!(buckets.take("a", after_millis(start, 500)), Ok(()));
        assert_eq!(buckets.take("a", after_millis(start, 600)), Err(1));
    }
}
