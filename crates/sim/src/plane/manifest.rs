//! What the fake plane declares: the semantics of a database with roles.

use quell_core::{
    action::{Action, Class, Reversible},
    manifest::{ActionManifest, Manifest},
    proof::ProbeClass,
    target::TargetKind,
};

/// The manifest of a fake plane.
pub(super) fn manifest(settle_ms: i64) -> Manifest {
    use TargetKind::{Credential, Entitlement, Identity, Session};
    let action = |action, target, proves, reversible, undo: &str| ActionManifest {
        class: if action == Action::ReissueCredential { Class::Creates } else { Class::Converges },
        undo: undo.to_owned(),
        ..ActionManifest::converges(action, target, proves, reversible)
    };
    Manifest {
        kind: "sim".to_owned(),
        actions: vec![
            action(Action::SuspendIdentity, Identity, Credential, Reversible::Exact, "it may log in again, with a new secret"),
            action(Action::TerminateSessions, Session, Session, Reversible::No, "it cannot be taken back"),
            action(Action::RotateCredential, Credential, Credential, Reversible::Approximate, "the former verifier is written back"),
            action(Action::RemoveEntitlement, Entitlement, Entitlement, Reversible::Exact, "the membership is granted again"),
            action(Action::ReissueCredential, Identity, Credential, Reversible::Exact, "the twin is locked and dropped"),
            action(Action::RetireIdentity, Identity, Credential, Reversible::No, "a new twin is made instead"),
            action(Action::Reinstate, Identity, Credential, Reversible::Exact, "it is locked again"),
            action(Action::Restore, Identity, Identity, Reversible::Exact, "it is locked again"),
        ],
        settle_ms,
        probe_effects: vec!["a session for a moment".to_owned()],
        lockout_budget: 0,
        controls: vec![ProbeClass::Login, ProbeClass::Read, ProbeClass::Listing],
        cannot_list: Vec::new(),
        least_privilege: Vec::new(),
        enumeration_max: 1_000,
    }
}
