//! Acting at once, without the approvals that policy asks for.
//!
//! For the minute in which waiting costs more than being wrong. It gives one plan its
//! start and nothing else: policy still decides every attempt, what is protected stays
//! protected, a plane that is not armed stays untouched. It contains and never gives
//! access back; it ends by itself; everybody who was passed over is told, and somebody
//! else reviews it before the case closes.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use crate::{
    approval::{Candidate, NotEligible, eligible_role},
    course::PlanState,
    decision::{Approvals, Role},
    id::PersonId,
    personal::Personal,
    plan::PlanKind,
    time::{Timestamp, after},
};

/// The longest that one may last.
pub const SECONDS_MAX: i64 = 3_600;
/// How long it lasts where nobody says.
pub const SECONDS: i64 = 900;
/// The shortest reason, in characters without white space around them.
pub const REASON_CHARS_MIN: usize = 10;

/// What was broken, by whom and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Glass {
    pub by: PersonId,
    pub role: Role,
    pub at: Timestamp,
    pub until: Timestamp,
    /// The approvals that policy asked for and nobody gave.
    pub skipped: Approvals,
    pub reason: Personal,
}

impl Glass {
    /// Its time is not over.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// Why the glass stays whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBroken {
    #[error(transparent)]
    NotEligible(#[from] NotEligible),
    #[error("one uncorroborated sender names you in this case, so another person breaks the glass")]
    Contested,
    #[error("break-glass only contains; what gives access back is approved as always")]
    GivesAccess,
    #[error("the plan started already")]
    Started,
    #[error("the plan is over: it {0}")]
    Over(String),
    #[error("nobody is waited for, so there is no glass to break; run the plan with `quell case run`")]
    NobodyIsWaitedFor,
    #[error("policy lets nobody run step {0:?}, with or without approvals; `quell policy explain` says why")]
    Never(Vec<u16>),
    #[error("say why in at least {REASON_CHARS_MIN} characters: others read it and review what was done")]
    NoReason,
    #[error("it lasts at most {SECONDS_MAX} s, and at least one")]
    TooLong,
}

/// Who asks for it.
#[derive(Clone, Debug)]
pub struct Asker {
    pub candidate: Candidate,
    /// The roles that policy lets do it, each by itself: one that may not lends its age to
    /// none that may.
    pub permitted: BTreeSet<Role>,
}

/// What one who breaks the glass of a plan gets: the role they act in, until when, and
/// who is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub role: Role,
    pub until: Timestamp,
    pub skipped: Approvals,
}

/// Whether this person may start this plan without the approvals that are missing.
/// `given` are the approvals that count now.
///
/// # Errors
///
/// [`NotBroken`], with the next move.
pub fn break_glass(
    asker: &Asker,
    state: &PlanState,
    given: &Approvals,
    reason: &str,
    seconds: i64,
    earliest_sign: Timestamp,
    now: Timestamp,
) -> Result<Broken, NotBroken> {
    if state.plan.kind == PlanKind::Undo {
        return Err(NotBroken::GivesAccess);
    }
    if state.started.is_some() {
        return Err(NotBroken::Started);
    }
    if !state.is_open() {
        let how = state.ended.as_ref().map_or("ended", |(_, because)| because);
        return Err(NotBroken::Over(how.into()));
    }
    let wanted = state.decided.as_ref().map(|d| d.wanted.clone()).unwrap_or_default();
    if let Some(never) = state.decided.as_ref().map(|d| &d.never).filter(|n| !n.is_empty()) {
        return Err(NotBroken::Never(never.clone()));
    }
    let have = |role: &Role| given.get(role).copied().unwrap_or(0);
    let skipped: Approvals = wanted.iter().map(|(role, n)| (*role, n.saturating_sub(have(role)))).filter(|(_, n)| *n > 0).collect();
    if skipped.is_empty() {
        return Err(NotBroken::NobodyIsWaitedFor);
    }
    // Who drafted the plan may break its glass: it is one person's deed by design.
    let roles = asker.candidate.roles.intersection(&asker.permitted).copied().collect();
    let role = eligible_role(&Candidate { proposer: false, roles, ..asker.candidate.clone() }, None, &Approvals::new(), earliest_sign)?;
    if asker.candidate.contested {
        return Err(NotBroken::Contested);
    }
    if reason.trim().chars().count() < REASON_CHARS_MIN {
        return Err(NotBroken::NoReason);
    }
    if !(1..=SECONDS_MAX).contains(&seconds) {
        return Err(NotBroken::TooLong);
    }
    Ok(Broken { role, until: after(now, seconds), skipped })
}
