//! Adds one step after the other, each pinned to the plane of its subject.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec,
    vec::Vec,
};

use super::{Ground, Subject, twin_name};
use crate::{
    action::Action,
    decision::Role,
    event::CaseEnriched,
    manifest::ActionManifest,
    plan::{Bounds, Edge, Fallback, Proves, Selector, Step},
    signal::CredentialKind,
    target::{Target, TargetKind},
};

pub(super) struct Steps<'a, 'b> {
    ground: &'a Ground<'b>,
    list: Vec<Step>,
    gaps: Vec<String>,
}

impl<'a, 'b> Steps<'a, 'b> {
    pub(super) fn new(ground: &'a Ground<'b>) -> Self {
        Self { ground, list: Vec::new(), gaps: Vec::new() }
    }

    pub(super) fn done(self) -> (Vec<Step>, Vec<String>) {
        (self.list, self.gaps)
    }

    pub(super) fn last(&self) -> Option<u16> {
        self.list.last().map(|s| s.n)
    }

    pub(super) fn reissue(&mut self, subject: &Subject<'_>, sink: &str) -> Option<u16> {
        let identity = &subject.found.identity;
        let twin = twin_name(identity.native.shown(), &self.ground.id);
        let credential = self.ground.naming.target(&identity.plane, TargetKind::Credential, &format!("{twin}#password"), &twin);
        let parameters = BTreeMap::from([("twin".to_owned(), twin), ("sink".to_owned(), sink.to_owned())]);
        let proves = Proves::InUse { credential, consumer_declared: !subject.found.consumers.is_empty() };
        self.push(subject, Action::ReissueCredential, Selector::Exactly { target: identity.clone() }, proves, vec![], parameters, 1)
    }

    pub(super) fn rotate(&mut self, subject: &Subject<'_>, after: &[Edge]) -> Option<u16> {
        let passwords = subject.found.credentials.iter().filter(|(_, kind)| is_password(*kind) && !is_only_revoked(subject, *kind));
        let passwords = passwords.map(|(t, _)| t.clone());
        let mut last = None;
        // A login that came with a lease ends with it.
        for credential in passwords.filter(|_| !subject.is_leased()) {
            let exactly = Selector::Exactly { target: credential };
            let proves = Proves::Dead { selector: exactly.clone() };
            last = self.push(subject, Action::RotateCredential, exactly, proves, after.to_vec(), BTreeMap::new(), 1).or(last);
        }
        last
    }

    #[expect(clippy::too_many_arguments, reason = "one step has this many independent parts")]
    pub(super) fn push(
        &mut self,
        subject: &Subject<'_>,
        action: Action,
        selector: Selector,
        proves: Proves,
        after: Vec<Edge>,
        parameters: BTreeMap<String, String>,
        count_max: u32,
    ) -> Option<u16> {
        let Some(declared) = subject.manifest.action(action) else {
            let gap = format!("`{}` offers no `{}`", subject.pin.connector, action.name());
            if !self.gaps.contains(&gap) {
                self.gaps.push(gap);
            }
            return None;
        };
        let n = u16::try_from(self.list.len() + 1).unwrap_or(u16::MAX);
        self.list.push(step(subject, n, declared, selector, proves, after, parameters, count_max));
        Some(n)
    }
}

/// Of unknown kind counts as a password: replacing it is tried rather than nothing.
pub(super) fn is_password(kind: Option<CredentialKind>) -> bool {
    matches!(kind, Some(CredentialKind::Password) | None)
}

/// A password that its plane can take away and not replace.
fn is_only_revoked(subject: &Subject<'_>, kind: Option<CredentialKind>) -> bool {
    kind == Some(CredentialKind::Password) && !subject.offers(Action::RotateCredential) && subject.offers(Action::RevokeCredential)
}

/// What its plane can take back one by one.
pub(super) fn revocable<'a>(subject: &'a Subject<'_>) -> impl Iterator<Item = &'a Target> {
    let offered = subject.manifest.action(Action::RevokeCredential).is_some();
    let found = subject.found;
    // Where its identity is suspended, that proves whatever bears the name of all.
    let by_itself = move |t: &Target| !stands_for_others(t, found) || found.no_login.is_some();
    let cut = found.credentials.iter().filter(move |(t, kind)| {
        offered && (!is_password(*kind) || is_only_revoked(subject, *kind)) && !found.irrevocable.contains(&t.id) && by_itself(t)
    });
    // The name of all last: one by one is how people approve, prove and leave out.
    let (others, each): (Vec<_>, Vec<_>) = cut.map(|(t, _)| t).partition(|t| stands_for_others(t, found));
    each.into_iter().chain(others)
}

/// It names every credential of its kind, and they are known one by one:
/// `approle:ci#secret_id` beside `approle:ci#secret_id:ACCESSOR`.
pub(super) fn stands_for_others(credential: &Target, subject: &CaseEnriched) -> bool {
    let name = credential.native.shown();
    subject.credentials.iter().any(|(t, _)| t.native.shown().strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
}

#[expect(clippy::too_many_arguments, reason = "one step has this many independent parts, and only `Steps::push` calls it")]
fn step(
    subject: &Subject<'_>,
    n: u16,
    declared: &ActionManifest,
    selector: Selector,
    proves: Proves,
    after: Vec<Edge>,
    parameters: BTreeMap<String, String>,
    count_max: u32,
) -> Step {
    let kind = match &selector {
        Selector::Exactly { target } => target.kind,
        Selector::Every { kind, .. } => *kind,
    };
    let connector = &subject.pin.connector;
    Step {
        n,
        action: declared.action,
        plane: subject.pin.clone(),
        bounds: Bounds {
            kinds: BTreeSet::from([kind]),
            planes: BTreeSet::from([connector.clone()]),
            identities: BTreeSet::from([selector.identity().clone()]),
            count_max,
            reversible_min: declared.reversible,
            residual_seconds_max: 0,
        },
        fallback: Fallback {
            task: format!(
                "By hand on `{connector}`: {} for {}. Quell probes whether it worked.",
                declared.action.entry().short,
                selector.in_words()
            ),
            owner: Role::PlatformOwner,
            exception_by: Role::ResponseOwner,
            attempts_max: 3,
        },
        selector,
        after,
        proves,
        reversible: declared.reversible,
        undo: declared.undo.clone(),
        effective: declared.effective,
        survives: declared.survives.clone(),
        attempt_seconds: 10,
        proof_seconds: 60,
        parameters,
    }
}
