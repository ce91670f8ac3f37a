//! The lab's own promises, on real servers.

mod actors;
mod openbao;
mod openldap;
mod postgres;

use std::{future::Future, time::Duration};

/// Asks again and again until the answer is true; fails after 10 s.
async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.unwrap_or_else(|_| panic!("never: {what}"));
}
