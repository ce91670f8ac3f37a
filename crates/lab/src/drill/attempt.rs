//! One attempt on one target of a real server, with a clearance that the core made.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use quell_core::{
    action::{Action, Reversible},
    clear::{Clearance, Grounds, clear},
    decision::{Decision, Role},
    hold::TargetState,
    id::{AttemptId, CaseId, PlanId, TargetId},
    manifest::Effective,
    personal::Salter,
    plan::{Bounds, Fallback, OnTimeout, Pin, Plan, PlanKind, Proves, Selector, Step, Tier},
    secret::{Secret, sha256},
    target::{Target, TargetKind},
    time::{SignedDuration, Timestamp, after},
};
use quell_engine::port::{Attempt, Clock, ProbeRequest};

/// The machine's clock: a real server knows no other.
pub struct RealClock;

#[async_trait::async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = crate::clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).ok().and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: SignedDuration) {
        tokio::time::sleep(Duration::try_from(duration).unwrap_or_default()).await;
    }
}

/// A generated secret that carries the lab's mark.
///
/// # Errors
///
/// When the system has no randomness.
pub fn new_secret() -> Result<Secret> {
    Ok(Secret::new(crate::secret::Secret::generate()?.reveal()))
}

/// A target of one plane.
#[must_use]
pub fn on(plane: &str, kind: TargetKind, native: &str, identity: &str) -> Target {
    let id = |kind: TargetKind, native: &str| TargetId::new(format!("t-{}-{}", kind.name(), sha256(native.as_bytes())));
    Target {
        id: id(kind, native),
        plane: plane.to_owned(),
        kind,
        native: Salter::new([7; 32]).commit(native),
        identity: id(TargetKind::Identity, identity),
    }
}

/// An attempt with a marker of its own, and nothing that it does not need.
#[must_use]
pub fn attempt(action: Action, target: &Target) -> Attempt {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Attempt {
        action,
        target: target.clone(),
        marker: format!("at-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        before: None,
        before_secrets: BTreeMap::new(),
        new_secret: None,
        parameters: BTreeMap::new(),
        kept: Vec::new(),
    }
}

/// What a round asks about a target of an identity, without any secret.
#[must_use]
pub fn about(target: Target, identity: &str) -> ProbeRequest {
    ProbeRequest {
        target,
        identity: identity.to_owned(),
        may_login: true,
        leaked: None,
        leaked_was_right: false,
        throw_away: None,
        own: None,
        before: None,
        before_secrets: BTreeMap::new(),
    }
}

/// A clearance, by the only way there is.
///
/// # Errors
///
/// When the core refuses it.
pub fn cleared(attempt: &Attempt) -> Result<Clearance> {
    let target = &attempt.target;
    let selector = Selector::Exactly { target: target.clone() };
    let step = Step {
        n: 1,
        action: attempt.action,
        plane: Pin { connector: target.plane.clone(), endpoint: String::new(), config_digest: String::new(), settle_ms: 250 },
        selector: selector.clone(),
        bounds: Bounds {
            kinds: [target.kind].into(),
            planes: [target.plane.clone()].into(),
            identities: [target.identity.clone()].into(),
            count_max: 1,
            reversible_min: Reversible::No,
            residual_seconds_max: 0,
        },
        after: Vec::new(),
        proves: Proves::Dead { selector },
        reversible: Reversible::Exact,
        undo: String::new(),
        effective: Effective::Now,
        survives: Vec::new(),
        fallback: Fallback { task: String::new(), owner: Role::PlatformOwner, exception_by: Role::Lead, attempts_max: 1 },
        attempt_seconds: 30,
        proof_seconds: 60,
        parameters: attempt.parameters.clone(),
    };
    let plan = Plan {
        id: PlanId::new("p-1"),
        case: CaseId::new("C-1"),
        kind: PlanKind::Contain,
        parent: None,
        tier: Tier::Contain,
        roots: Vec::new(),
        steps: vec![step.clone()],
        gaps: Vec::new(),
        failover: false,
        undo: None,
        on_timeout: OnTimeout::Escalate,
        valid_seconds: 3600,
    };
    let decision =
        Decision { allowed: true, errors: Vec::new(), policy_digest: "p".to_owned(), request_digest: "q".to_owned(), deciding: Vec::new() };
    let (digest, state, now) = (plan.digest(), TargetState::default(), RealClock.now());
    let grounds = Grounds {
        plan: &plan,
        digest: &digest,
        step: &step,
        target,
        state: &state,
        touched: 0,
        excluded: &[],
        gaps_accepted: false,
        decision,
        question_digest: "q",
        approvals: &[],
        bench: &quell_core::approval::Bench::default(),
        budget: None,
        corroborated: true,
        secret_exposed: false,
        closes_at: after(now, 60),
    };
    clear(grounds, AttemptId::new(attempt.marker.clone()), now).context("the core clears the attempt")
}
