//! A named person's recorded yes to one plan digest.
//!
//! It ends, it is consumed once, by the start of that plan, and every attempt
//! of the plan refers to it. People are counted, not clicks: a person counts in
//! one role (invariant 4). Somebody entangled in the case does not count at
//! all, a contested one only beside one who is not (invariant 13).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::{
    decision::{Approvals, Role},
    id::{ApprovalId, PersonId, PlanId},
    time::Timestamp,
};

/// One yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub id: ApprovalId,
    pub plan: PlanId,
    pub digest: String,
    pub by: PersonId,
    /// The one role they count in.
    pub role: Role,
    pub at: Timestamp,
    pub until: Timestamp,
    /// Named by one uncorroborated sender only.
    pub contested: bool,
    /// The plan whose start consumed it.
    pub used_by: Option<PlanId>,
}

/// A person who could approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub id: PersonId,
    pub roles: BTreeSet<Role>,
    /// When each role was given: authority gained after the earliest sign does not count.
    pub since: BTreeMap<Role, Timestamp>,
    pub entangled: bool,
    pub contested: bool,
    pub proposer: bool,
    pub is_person: bool,
}

/// Why a yes is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEligible {
    #[error("a machine token or agent cannot approve; sign in as a person with `quell login`")]
    NotAPerson,
    #[error("you drafted or started this plan, so somebody else approves it")]
    Proposer,
    #[error("you are a subject of this case or joined to one, so your deputy is asked instead")]
    Entangled,
    #[error("you do not hold the role `{0}`; approve with `--as` and a role of yours: {1}")]
    NoSuchRole(&'static str, String),
    #[error("the role `{0}` was given to you after the earliest sign of compromise, so it does not count in this case")]
    GainedTooLate(&'static str),
    #[error("the plan's digest is `{current}`, not `{given}`; read the plan again with `quell case show`")]
    StaleDigest { current: String, given: String },
    #[error("you already approved this plan; one person counts once")]
    AlreadyCounted,
    #[error("the plan does not wait for approval: it is {0}")]
    NotWaiting(String),
}

/// Picks the one role in which this person counts, or says why they do not.
pub fn eligible_role(
    candidate: &Candidate,
    as_role: Option<Role>,
    wanted: &Approvals,
    earliest_sign: Timestamp,
) -> Result<Role, NotEligible> {
    if !candidate.is_person {
        return Err(NotEligible::NotAPerson);
    }
    if candidate.entangled {
        return Err(NotEligible::Entangled);
    }
    if candidate.proposer {
        return Err(NotEligible::Proposer);
    }
    #[cfg(feature = "plant")]
    let earliest_sign = if crate::plant::is("authority gained too late counts") { Timestamp::MAX } else { earliest_sign };
    let held_in_time = |role: &Role| candidate.since.get(role).is_some_and(|since| *since <= earliest_sign);
    let role = match as_role {
        Some(role) if !candidate.roles.contains(&role) || !Role::APPROVERS.contains(&role) => {
            let held: Vec<&str> = candidate.roles.iter().map(|r| r.name()).collect();
            return Err(NotEligible::NoSuchRole(role.name(), held.join(", ")));
        }
        Some(role) => role,
        // The wanted role they hold, else an approver role of theirs that counts,
        // else one that does not, so that they hear why.
        None => *candidate
            .roles
            .iter()
            .find(|r| wanted.contains_key(r) && held_in_time(r))
            .or_else(|| candidate.roles.iter().find(|r| Role::APPROVERS.contains(r) && held_in_time(r)))
            .or_else(|| candidate.roles.iter().find(|r| Role::APPROVERS.contains(r)))
            .ok_or_else(|| {
                NotEligible::NoSuchRole("approver", candidate.roles.iter().map(|r| r.name().to_string()).collect::<Vec<_>>().join(", "))
            })?,
    };
    if !held_in_time(&role) {
        return Err(NotEligible::GainedTooLate(role.name()));
    }
    Ok(role)
}

/// Who of the people stands too near to a case to decide in it now (invariant 13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bench {
    /// Subjects of it and people joined to one: they do not count at all.
    pub entangled: BTreeSet<PersonId>,
    /// Those who would be, if one uncorroborated sender were right.
    pub contested: BTreeSet<PersonId>,
}

/// The approvals that count for one digest at one moment, one a person. Those of
/// another plan or digest, ended ones and ones used by another plan do not, nor
/// does a yes of somebody who became entangled since; contested people count only
/// beside one who is not.
pub fn counted<'a>(
    approvals: impl IntoIterator<Item = &'a Approval>,
    plan: &PlanId,
    digest: &str,
    bench: &Bench,
    now: Timestamp,
) -> Vec<&'a Approval> {
    let valid: Vec<&Approval> = approvals
        .into_iter()
        .filter(|a| a.plan == *plan && a.digest == digest && now <= a.until && a.used_by.as_ref().is_none_or(|p| p == plan))
        .filter(|a| !bench.entangled.contains(&a.by))
        .collect();
    let contested = |a: &Approval| a.contested || bench.contested.contains(&a.by);
    let uncontested = valid.iter().any(|a| !contested(a));
    let mut people = BTreeSet::new();
    valid.into_iter().filter(|a| (uncontested || !contested(a)) && people.insert(&a.by)).collect()
}

/// How many distinct people [`counted`] holds, per role.
pub fn count<'a>(
    approvals: impl IntoIterator<Item = &'a Approval>,
    plan: &PlanId,
    digest: &str,
    bench: &Bench,
    now: Timestamp,
) -> Approvals {
    let mut counts = Approvals::new();
    for approval in counted(approvals, plan, digest, bench, now) {
        *counts.entry(approval.role).or_default() += 1;
    }
    #[cfg(feature = "plant")]
    if crate::plant::is("a yes counts twice") {
        counts.values_mut().for_each(|n| *n *= 2);
    }
    counts
}
