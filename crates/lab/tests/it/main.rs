//! The lab's own promises, on real servers.

mod actors;
mod aws;
mod drill;
mod oidc;
mod openbao;
mod openldap;
mod openssh;
mod postgres;

use std::{collections::BTreeSet, fs, future::Future, time::Duration};

use rustix::process::Pid;

/// What these processes listen on, from `/proc`, in order.
fn listening(processes: &[Pid]) -> Vec<String> {
    let mut sockets = BTreeSet::new();
    for pid in processes {
        for fd in fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).unwrap().flatten() {
            let target = fs::read_link(fd.path()).unwrap_or_default();
            sockets.extend(target.to_str().and_then(|t| Some(t.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())));
        }
    }
    let mut listening = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        for line in fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if sockets.contains(fields[9]) && (fields[3] == "0A" || table.starts_with("udp")) {
                listening.push(format!("{table} {}", fields[1]));
            }
        }
    }
    listening.sort();
    listening
}

/// Asks again and again until the answer is true; fails after 60 s.
async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.unwrap_or_else(|_| panic!("never: {what}"));
}
