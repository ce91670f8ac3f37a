//! The way back.

use alloc::{borrow::ToOwned, collections::BTreeMap, vec, vec::Vec};

use super::{Ground, SESSIONS_MAX, edge, finish, steps::Steps};
use crate::{
    action::Action,
    plan::{Edge, KEEPS, Plan, Proves, Selector, UndoMode, Until},
    target::{Target, TargetKind},
};

/// Drafts the way back: sessions and tokens are purged first, each identity works
/// with a new credential, the old ones stay dead and are proved so after it; or,
/// restoring, the exact before-state comes back. `removed` are the permissions
/// that the containment took away, `kept` the credentials that people took out of it.
/// What came with a lease is not given back: whoever needs one takes a new lease. Nor is
/// anything to whom the containment ended sessions alone: they open anew by themselves.
pub fn undo(ground: &Ground<'_>, mode: UndoMode, contained: &Plan, removed: &[Target], kept: &[Target]) -> Plan {
    let mut steps = Steps::new(ground);
    for subject in ground.subjects.iter().filter(|s| !s.is_leased() && !s.is_store()) {
        let identity = &subject.found.identity;
        if !contained.steps.iter().any(|s| *s.selector.identity() == identity.id && s.action != Action::TerminateSessions) {
            continue;
        }
        let exactly = |target: &Target| Selector::Exactly { target: target.clone() };
        if mode == UndoMode::Restore {
            let proves = Proves::Restored { target: identity.clone() };
            steps.push(subject, Action::Restore, exactly(identity), proves, vec![], BTreeMap::new(), 1);
            continue;
        }
        let sessions = Selector::Every { kind: TargetKind::Session, identity: identity.clone() };
        let proves = Proves::Dead { selector: sessions.clone() };
        let purge = steps.push(subject, Action::TerminateSessions, sessions, proves, vec![], BTreeMap::new(), SESSIONS_MAX);
        let after_purge: Vec<Edge> = purge.map(|n| edge(n, Until::AfterProof, true)).into_iter().collect();
        let sink = subject.found.rotation.as_ref().and_then(|r| r.sink.clone());
        let mut parameters: BTreeMap<_, _> = sink.iter().map(|sink| ("sink".to_owned(), sink.clone())).collect();
        let kept: Vec<&str> = kept.iter().filter(|t| t.identity == identity.id).map(|t| t.id.as_str()).collect();
        if !kept.is_empty() {
            parameters.insert(KEEPS.to_owned(), kept.join(" "));
        }
        let credential = subject.next_credential(&ground.naming, &ground.id);
        let proves = Proves::Reinstated { credential, consumer_declared: sink.is_some() && !subject.found.consumers.is_empty() };
        let back = steps.push(subject, Action::Reinstate, exactly(identity), proves, after_purge, parameters, 1);
        let issued = contained
            .steps
            .iter()
            .filter(|s| s.action == Action::ReissueCredential && *s.selector.identity() == identity.id)
            .filter_map(|s| s.parameters.get("twin"));
        for twin in issued {
            let twin = ground.naming.target(&identity.plane, TargetKind::Identity, twin, twin);
            let after_back: Vec<Edge> = back.map(|n| edge(n, Until::AfterProof, true)).into_iter().collect();
            let proves = Proves::Dead { selector: Selector::Every { kind: TargetKind::Credential, identity: twin.clone() } };
            steps.push(subject, Action::RetireIdentity, exactly(&twin), proves, after_back, BTreeMap::new(), 1);
        }
    }
    let last: Vec<Edge> = steps.last().map(|n| edge(n, Until::AfterProof, true)).into_iter().collect();
    for permission in removed {
        let Some(subject) = ground.subjects.iter().find(|s| s.found.identity.id == permission.identity) else { continue };
        let proves = Proves::Restored { target: permission.clone() };
        let exactly = Selector::Exactly { target: permission.clone() };
        steps.push(subject, Action::Restore, exactly, proves, last.clone(), BTreeMap::new(), 1);
    }
    let (list, gaps) = steps.done();
    finish(ground, list, gaps, false, Some(mode))
}
