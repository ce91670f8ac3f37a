//! What the records say of a credential's life, by the clock of its own system.
//!
//! Nothing here is a probe, so death is said in one case alone: an expiry that
//! the plane enforces has passed by the plane's own time. A recorded end is
//! UNKNOWN until somebody tries; a use after it is LIVE.

use alloc::{
    format,
    string::{String, ToString},
};

use super::{
    Trace,
    chain::End,
    node::{Ending, Node},
};
use crate::{
    proof::Liveness,
    time::{Timestamp, after},
};

/// What relying parties forgive a clock.
const LEEWAY_SECONDS: i64 = 300;

impl Trace {
    /// Whether it still works at the end of the records, and why that is said.
    pub(super) fn life(&self, id: &str, node: &Node, parent_ended: Option<&Ending>) -> (Liveness, Option<String>) {
        let own = self.end_of(id, node);
        let ended = own.or(parent_ended.filter(|_| node.mint.as_ref().is_some_and(|m| m.dies_with_parent)));
        if let Some(end) = ended {
            return match node.uses.last_at() {
                Some(last) if end.sight.at.is_some_and(|at| last > at) => {
                    (Liveness::Live, Some("used after it was recorded as ended".to_string()))
                }
                _ => (Liveness::Unknown, Some(format!("`{}` says that it ended; nobody has tried it since", end.event))),
            };
        }
        let expires = node.mint.as_ref().and_then(|m| m.expires_at);
        if let Some(until) = expires.filter(|e| self.clock(node).is_some_and(|now| now > after(*e, LEEWAY_SECONDS))) {
            return match node.uses.last_at() {
                Some(last) if last > after(until, LEEWAY_SECONDS) => (Liveness::Live, Some("used after its expiry".to_string())),
                _ => (Liveness::Dead, Some("expired, by the clock of the system that issued it".to_string())),
            };
        }
        if node.mint.is_none() && node.uses.count == 0 {
            return (Liveness::Unknown, Some("neither its issue nor a use is in these records".to_string()));
        }
        let never = (node.uses.count == 0).then(|| match expires {
            Some(until) => format!("never seen in use, and valid until {until}"),
            None => "never seen in use, and nothing says that it ended".to_string(),
        });
        (Liveness::Live, never)
    }

    /// The last moment the credential's own system tells of.
    fn clock(&self, node: &Node) -> Option<Timestamp> {
        self.clocks.get(&node.system).copied()
    }

    /// The recorded end as the answer shows it.
    pub(super) fn ended(&self, id: &str, node: &Node, by_intruder: impl Fn(&str) -> bool) -> Option<End> {
        let end = self.end_of(id, node)?;
        Some(End {
            at: end.sight.at,
            by: end.by.clone(),
            event: end.event.clone(),
            by_intruder: end.by.as_deref().is_some_and(by_intruder),
            uses_after: self.again.get(id).map_or(0, |(_, count)| *count),
        })
    }
}
