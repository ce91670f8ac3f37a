//! Whom one would have to hear.
//!
//! Approvals only ever help (the loader refuses a set where they could hurt),
//! so one question settles whether any approval can: everybody said yes, as
//! often as the largest number in the set. If so, counts are lowered one role
//! and one yes at a time while it stays allowed; what cannot be lowered once
//! cannot be lowered later, so one pass down gives a minimal set.
//! `is_authorized` answers every single step.

use quell_core::decision::{Approvals, AttemptQuestion, Role, WhomToAsk};

use crate::decide::CedarPolicy;

/// Roles in the order in which they are spared: those who act on identities
/// every day are asked before those who carry the whole.
const SPARED_FIRST: [Role; 6] = [Role::PlatformOwner, Role::ResponseOwner, Role::Lead, Role::BusinessOwner, Role::Secops, Role::Iam];

/// One minimal set of approvals, in all, that would let the attempt run.
/// Approvals that were given are kept before anybody new is asked.
pub(crate) fn whom(policy: &CedarPolicy, question: &AttemptQuestion) -> WhomToAsk {
    if policy.allows(question) {
        return WhomToAsk::Nobody;
    }
    let given = question.circumstances.approvals.clone();
    let count_max = policy.approvals_max();
    let mut trial = question.clone();
    for role in Role::APPROVERS {
        let count = trial.circumstances.approvals.entry(role).or_insert(0);
        *count = (*count).max(count_max);
    }
    if !policy.allows(&trial) {
        return WhomToAsk::NoOne;
    }

    // A level at a time, so that two roles are asked for one yes each before
    // one role is asked for two.
    for level in (1..=count_max).rev() {
        for role in SPARED_FIRST {
            let floor = given.get(&role).copied().unwrap_or(0);
            lower(policy, &mut trial, role, (level - 1).max(floor));
        }
    }
    for role in SPARED_FIRST {
        for count in (0..given.get(&role).copied().unwrap_or(0)).rev() {
            lower(policy, &mut trial, role, count);
        }
    }
    let mut approvals = trial.circumstances.approvals;
    approvals.retain(|_, count| *count > 0);
    WhomToAsk::These { approvals }
}

/// Lowers one count if it stays allowed.
fn lower(policy: &CedarPolicy, trial: &mut AttemptQuestion, role: Role, count: u8) {
    let before = trial.circumstances.approvals.get(&role).copied().unwrap_or(0);
    if count < before {
        trial.circumstances.approvals.insert(role, count);
        if !policy.allows(trial) {
            trial.circumstances.approvals.insert(role, before);
        }
    }
}

/// What is missing of a wanted set of approvals after some were given.
pub fn still_missing(wanted: &Approvals, given: &Approvals) -> Approvals {
    wanted
        .iter()
        .map(|(role, count)| (*role, count.saturating_sub(given.get(role).copied().unwrap_or(0))))
        .filter(|(_, count)| *count > 0)
        .collect()
}
