//! From where a plane is looked at, and the words of a look that told nothing.

use quell_core::{
    proof::{Answer, Channel, Observation, ProbeClass},
    time::Timestamp,
};
use quell_engine::port::Connector;

/// Why no login is tried in observe.
pub(crate) const NOT_ARMED: &str = "a login was not permitted: the plane is not armed";
/// Whoever listens there would be handed the secret.
pub(crate) const NOT_PROVEN: &str = "a secret is not tried over a channel that does not prove who answers";

pub(crate) fn cannot_tell(why: impl Into<String>) -> Answer {
    Answer::Inconclusive { why: why.into() }
}

/// This node, and how it is known who answers.
pub(crate) trait Vantage: Connector {
    fn channel(&self) -> Channel;
    fn now(&self) -> Timestamp;

    /// What was met, without a control: by itself it proves nothing.
    fn met(&self, class: ProbeClass, answer: Answer, started_at: Timestamp, ended_at: Timestamp) -> Observation {
        Observation {
            class,
            started_at,
            ended_at,
            vantage: format!("this node, {}", self.endpoint()),
            channel: self.channel(),
            answer,
            control: None,
            plane_clock: None,
            authoritative: false,
        }
    }

    /// What was not asked; why.
    fn nothing(&self, why: impl Into<String>) -> Observation {
        let now = self.now();
        self.met(ProbeClass::Read, cannot_tell(why), now, now)
    }
}
