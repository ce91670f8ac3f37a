//! Orders about the whole installation: arming, pauses, the policy in force, the clock.

use std::sync::Arc;

use quell_core::{
    action::Action,
    decision::Verb,
    event::{AutomationPaused, AutomationResumed, By, ConnectorArmed, ConnectorDisarmed, Event},
    id::StreamId,
    personal::Salter,
    time::Timestamp,
};

use super::Caller;
use crate::{Engine, Failure, intake::RETRIES, record::Writing};
impl Engine {
    /// Something of the whole installation, on its one stream.
    async fn order_installation(self: &Arc<Self>, by: &By, event: impl Into<Event>) -> Result<(), Failure> {
        let event = event.into();
        for _ in 0..RETRIES {
            let now = self.ports.clock.now();
            let mut writing = Writing::because("installation");
            writing.event(StreamId::policy(), by, event.clone());
            for (case, _) in self.ports.store.lookup_range(crate::lookup::OPEN_CASE, "", None, 1_000).await? {
                writing.job(format!("case/{case}"), now);
            }
            match self.append(writing, now).await {
                Err(Failure::Stale) => {}
                other => {
                    other?;
                    self.wake();
                    return Ok(());
                }
            }
        }
        Err(Failure::Stale)
    }

    /// Lets a plane's actions run until a date.
    pub async fn arm(self: &Arc<Self>, caller: &Caller, connector: &str, actions: Vec<Action>, until: Timestamp) -> Result<(), Failure> {
        self.may(caller, Verb::Arm, None, &[]).await?;
        let plane = self.ports.connectors.get(connector).ok_or_else(|| Failure::Unknown(format!("connector `{connector}`")))?;
        if let Some(missing) = actions.iter().find(|a| plane.manifest().action(**a).is_none()) {
            let offered: Vec<&str> = plane.manifest().actions.iter().map(|a| a.action.name()).collect();
            return Err(Failure::Refused(format!("`{connector}` does not offer `{}`; it offers {}", missing.name(), offered.join(", "))));
        }
        if until <= self.ports.clock.now() {
            return Err(Failure::Refused(format!("`{until}` is in the past")));
        }
        self.order_installation(&caller.by(), ConnectorArmed { connector: connector.to_owned(), actions, until }).await
    }

    /// Lets a plane only observe again.
    pub async fn disarm(self: &Arc<Self>, caller: &Caller, connector: &str) -> Result<(), Failure> {
        self.may(caller, Verb::Disarm, None, &[]).await?;
        self.order_installation(&caller.by(), ConnectorDisarmed { connector: connector.to_owned() }).await
    }

    /// Automation stops acting at once; probes go on.
    pub async fn pause(self: &Arc<Self>, caller: &Caller, until: Timestamp, reason: Option<String>) -> Result<(), Failure> {
        self.may(caller, Verb::PauseAutomation, None, &[]).await?;
        let salter = Salter::new(self.ports.chance.seed());
        self.order_installation(&caller.by(), AutomationPaused { until, reason: reason.map(|r| salter.commit(r)) }).await
    }

    /// Another person than the one who paused ends it.
    pub async fn resume(self: &Arc<Self>, caller: &Caller) -> Result<(), Failure> {
        self.may(caller, Verb::ResumeAutomation, None, &[]).await?;
        let installation = self.installation().await?;
        if installation.paused.is_none() {
            return Err(Failure::Refused("automation is not paused".to_owned()));
        }
        if !installation.may_resume(&caller.id) {
            return Err(Failure::Refused("you paused it, so another person resumes it".to_owned()));
        }
        self.order_installation(&caller.by(), AutomationResumed {}).await
    }

    /// The wall clock went back or leapt: what was open lapses (invariant 17).
    pub async fn clock_stepped(self: &Arc<Self>, from: Timestamp, to: Timestamp) -> Result<(), Failure> {
        self.order_installation(&By::Automation, quell_core::event::ClockStepped { from, to }).await
    }

    /// A policy set is in force from now on.
    pub async fn policy_loaded(self: &Arc<Self>, files: Vec<(String, String)>) -> Result<(), Failure> {
        let digest = self.ports.policy.digest();
        if self.installation().await?.policy_digest.as_deref() == Some(&digest) {
            return Ok(());
        }
        self.order_installation(&By::Automation, quell_core::event::PolicyLoaded { digest, files }).await
    }
}
