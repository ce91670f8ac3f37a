//! What a containment leaves out that it should treat (invariant 14).

use alloc::{format, string::String, vec::Vec};

use super::steps::{is_password, stands_for_others};
use crate::{
    action::Action,
    event::CaseEnriched,
    plan::{Selector, Step},
    target::Target,
};

/// What these steps leave out of one subject, in our words.
pub fn left_out(steps: &[Step], subject: &CaseEnriched) -> Vec<String> {
    let mine = || steps.iter().filter(|s| *s.selector.identity() == subject.identity.id);
    let has = |action: Action| mine().any(|s| s.action == action);
    let suspends = has(Action::SuspendIdentity);
    let replaces = has(Action::RotateCredential) || has(Action::RevokeCredential);
    let who = subject.identity.reference();
    let mut gaps = Vec::new();
    if (suspends || replaces) && !has(Action::TerminateSessions) {
        gaps.push(format!("sessions that are open as `{who}` stay open"));
    }
    if suspends && !subject.delegations.is_empty() && !has(Action::RemoveEntitlement) {
        gaps.push(format!("{} other identities may still act as `{who}`", subject.delegations.len()));
    }
    let named = |credential: &Target| {
        mine().any(|s| {
            matches!(s.action, Action::RotateCredential | Action::RevokeCredential)
                && matches!(&s.selector, Selector::Exactly { target } if target.id == credential.id)
        })
    };
    for (credential, kind) in &subject.credentials {
        // What nobody can revoke by itself is proved with its identity, or stands as a residual.
        let treated = is_password(*kind)
            || named(credential)
            || (suspends && (subject.irrevocable.contains(&credential.id) || stands_for_others(credential, subject)));
        if (suspends || replaces) && !treated {
            gaps.push(format!("`{}` is neither replaced nor revoked", credential.reference()));
        }
    }
    if suspends && subject.credentials.is_empty() {
        gaps.push(format!("no credential of `{who}` was found, so none is proved dead"));
    }
    gaps
}
