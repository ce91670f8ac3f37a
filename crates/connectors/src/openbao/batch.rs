//! Batch tokens: nobody lists them, nobody revokes them, and they end at their time.
//!
//! One dies early only with its entity (disabled or deleted) or the token that made
//! it. So they are never proved dead by a listing: either the entity of every one is
//! disabled, or they stand as a residual from the moment at which nobody could be
//! handed another one, for the longest life that their issuer grants.

use quell_core::{
    proof::{Answer, Control, Observation, ProbeClass},
    time::{Timestamp, after},
};
use quell_engine::port::{PlaneError, ProbeRequest};

use super::{
    OpenBao,
    answer::Failure,
    control::Query,
    native::Who,
    probe::enforced,
    subject::{Login, Subject, Tokens},
};
use crate::vantage::cannot_tell;

/// Who may still be handed batch tokens, and for how long they live.
#[derive(Clone, Debug)]
pub(super) struct Issuing {
    /// A login hands them out; they carry its entity.
    pub by_login: bool,
    /// A policy lets a token make one that belongs to no entity.
    pub orphans: bool,
    /// Another one could be made now.
    pub goes_on: bool,
    pub longest_s: i64,
    disabled: bool,
}

/// Tokens that are asked what they may do.
const ASKED_MAX: usize = 3;

impl Issuing {
    pub(super) fn is_possible(&self) -> bool {
        self.by_login || self.orphans
    }
}

impl OpenBao {
    pub(super) async fn issuing(&self, subject: &Subject) -> Result<Issuing, PlaneError> {
        let trail = self.trail().await?;
        let tokens = self.tokens_of(subject, trail.as_deref()).await?;
        self.issuing_from(subject, &tokens, trail.is_some()).await.map_err(|f| f.plane_error(&self.config.name))
    }

    /// The same with the tokens at hand.
    pub(super) async fn issuing_from(&self, subject: &Subject, tokens: &Tokens, has_log: bool) -> Result<Issuing, Failure> {
        let disabled = subject.entity.as_ref().is_some_and(|e| e.disabled);
        let mut by_login = false;
        let mut logs_in = !subject.other_logins.is_empty();
        let mut longest_s = 0;
        for login in &subject.logins {
            by_login |= hands_out_batch(login);
            logs_in |= self.logs_in(login).await?;
            longest_s = longest_s.max(self.longest(login).await?);
        }
        let orphans = self.may_make_orphans(subject, &tokens.held.iter().map(|h| h.token.accessor.clone()).collect::<Vec<_>>()).await?;
        if orphans || longest_s == 0 {
            longest_s = longest_s.max(self.tune("auth/token").await?.max_lease_ttl);
        }
        // A token whose entity is disabled makes nothing; an orphan has none.
        let makers = tokens.held.iter().any(|h| h.token.entity_id.is_empty() || !disabled);
        // Without the log an orphan that is there cannot be told to be somebody else's.
        let unseen = !has_log && tokens.untied > 0;
        let goes_on = (logs_in && !disabled && (by_login || orphans)) || (orphans && (makers || unseen)) || tokens.truncated;
        Ok(Issuing { by_login, orphans, goes_on, longest_s, disabled })
    }

    async fn logs_in(&self, login: &Login) -> Result<bool, Failure> {
        let Some(settings) = &login.settings else { return Ok(false) };
        match &login.who {
            Who::AppRole { mount, role } if settings.bind_secret_id != Some(false) => {
                Ok(!self.live_secret_ids(mount, role).await?.is_empty())
            }
            _ => Ok(true),
        }
    }

    /// The longest life of a token of this login; what a deleted one granted is not
    /// known any more, so it is what its mount allows.
    async fn longest(&self, login: &Login) -> Result<i64, Failure> {
        let mount = match &login.who {
            Who::AppRole { mount, .. } | Who::User { mount, .. } => format!("auth/{mount}"),
            _ => "auth/token".to_owned(),
        };
        let most = self.tune(&mount).await?.max_lease_ttl;
        let said = login.settings.as_ref().and_then(|s| [s.token_explicit_max_ttl, s.token_max_ttl].into_iter().find(|t| *t > 0));
        // A batch token lives for its first time and is never renewed; one that is
        // longer than the maximum is cut to it.
        Ok(said.map_or(most, |said| said.min(most).max(login.settings.as_ref().map_or(0, |s| s.token_ttl).min(most))))
    }

    async fn may_make_orphans(&self, subject: &Subject, accessors: &[String]) -> Result<bool, Failure> {
        // A deleted role's policies are not known any more.
        if subject.logins.iter().any(|l| l.settings.is_none()) {
            return Ok(true);
        }
        let mut policies: Vec<String> =
            subject.logins.iter().filter_map(|l| l.settings.as_ref()).flat_map(|s| s.token_policies.clone().unwrap_or_default()).collect();
        policies.extend(subject.entity.iter().flat_map(|e| e.policies.clone().unwrap_or_default()));
        policies.sort();
        policies.dedup();
        for name in policies {
            if name == "root" {
                return Ok(true);
            }
            if super::native::path(&name).is_none() {
                return Ok(true);
            }
            if self.policy(&name).await?.is_some_and(|p| super::policy::makes_orphans(&p.policy)) {
                return Ok(true);
            }
        }
        // Policies of groups show in what a live token may do.
        for accessor in accessors.iter().take(ASKED_MAX) {
            let may = self.capabilities(accessor, "auth/token/create-orphan").await?.unwrap_or_default();
            if may.iter().any(|c| matches!(c.as_str(), "update" | "create" | "root")) {
                return Ok(true);
            }
            let may = self.capabilities(accessor, "auth/token/create").await?.unwrap_or_default();
            if may.iter().any(|c| matches!(c.as_str(), "sudo" | "root")) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whatever batch tokens the identity was handed.
    pub(super) async fn observe_batch_tokens(&self, who: &Who) -> Observation {
        let entity_control = self.control(Query::Entity, ProbeClass::Read);
        let asked = async {
            let subject = self.subject(who).await.map_err(|f| f.plane_error(&self.config.name))?;
            self.issuing(&subject).await
        };
        let (round, issuing, entity_control) = tokio::join!(self.begin(), asked, entity_control);
        let issuing = match issuing {
            Ok(issuing) => issuing,
            Err(e) => return self.observation(ProbeClass::Read, &round, cannot_tell(e.to_string()), Some(entity_control)),
        };
        if issuing.disabled && !issuing.orphans {
            let by = "the entity that every batch token of it carries is disabled, and no policy lets it make one without an entity";
            return self.observation(ProbeClass::Read, &round, enforced(by), Some(entity_control));
        }
        if issuing.goes_on {
            self.cuts.open(who);
            let why = "batch tokens cannot be listed, and it may still be handed new ones: cut its logins and tokens first";
            return self.observation(ProbeClass::Read, &round, cannot_tell(why), Some(entity_control));
        }
        let Ok(health) = &round.health else {
            return self.observation(ProbeClass::Clock, &round, cannot_tell("the server's clock was not read"), None);
        };
        let cut_at = self.cuts.cut(who, health.clock);
        let until = after(cut_at, issuing.longest_s);
        let control = self.clock_control(&round);
        self.observation(ProbeClass::Clock, &round, Answer::ValidUntil { until, leeway_seconds: 0 }, Some(control))
    }

    /// One batch token that leaked.
    pub(super) async fn observe_batch(&self, until_s: i64, entity: Option<&str>, request: &ProbeRequest) -> Vec<Observation> {
        let until = Timestamp::from_second(until_s).unwrap_or(Timestamp::MAX);
        if let Some(value) = request.leaked.as_ref().filter(|_| request.may_login) {
            let by_value = self
                .read(Query::Token, async {
                    Ok(match self.token_of(value).await? {
                        None => enforced("the server does not know the leaked token any more"),
                        Some(seen) if seen.entity_id.is_empty() => Answer::ValidUntil { until, leeway_seconds: 0 },
                        Some(seen) => self.token_answer(&seen).await?,
                    })
                })
                .await;
            return vec![by_value];
        }
        let round = self.begin().await;
        if let Some(id) = entity {
            let (state, control) = tokio::join!(self.entity(id), self.control(Query::Entity, ProbeClass::Read));
            if let Ok(Some(seen)) = state
                && seen.disabled
            {
                return vec![self.observation(
                    ProbeClass::Read,
                    &round,
                    enforced("the entity that the token carries is disabled"),
                    Some(control),
                )];
            }
        }
        let control = self.clock_control(&round);
        vec![self.observation(ProbeClass::Clock, &round, Answer::ValidUntil { until, leeway_seconds: 0 }, Some(control))]
    }

    pub(super) fn clock_control(&self, round: &super::probe::Round) -> Control {
        let alive = round.health.is_ok();
        Control { class: ProbeClass::Clock, alive, started_at: round.started_at, what: "the server's clock, read now".to_owned() }
    }
}

/// The login makes batch tokens, or is gone and may have made some.
fn hands_out_batch(login: &Login) -> bool {
    match login.settings.as_ref().map(|s| s.token_type.as_str()) {
        None => true,
        Some("batch" | "default-batch") => true,
        Some("service" | "default-service") => false,
        Some(_) => matches!(login.mount_token_type.as_str(), "batch" | "default-batch"),
    }
}
