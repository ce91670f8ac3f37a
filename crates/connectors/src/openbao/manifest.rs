//! What OpenBao declares: its actions, in which order they must run, and what
//! outlives them. Facts of OpenBao 2.7, measured November 2026.

use quell_core::{
    action::{Action, Reversible},
    manifest::{ActionManifest, Effective, Manifest, words},
    proof::ProbeClass,
    target::TargetKind,
};

use super::{bootstrap::NEEDED, identify::ROLES_MAX, memory::FAILURES_MAX};

/// Most objects one enumeration returns, and most tokens one looks at.
pub(super) const ENUMERATION_MAX: u32 = 2_000;

/// The manifest; `settle_ms` is the operator's.
pub(super) fn manifest(settle_ms: i64) -> Manifest {
    Manifest {
        kind: "openbao".to_owned(),
        actions: actions(),
        settle_ms,
        probe_effects: words(&[
            "every question is a line in the audit log",
            "the control AppRole logs in when its short token is over: one token and its lease",
            "a login with a password that works makes a token, which is ended at once; one that fails counts towards the user's lock-out",
            "Quell's own login makes a token",
        ]),
        lockout_budget: u32::try_from(FAILURES_MAX).unwrap_or(0),
        controls: vec![ProbeClass::Login, ProbeClass::Read, ProbeClass::Clock],
        cannot_list: words(&[
            "batch tokens: they have no accessor; they stand as a residual of the longest life that their issuer grants",
            "what a KV secret was read for before, and where it is kept",
            "certificates that the CA does not store",
            "relying parties that check no revocation list",
        ]),
        least_privilege: NEEDED.iter().map(|(may, path)| format!("{may} on {path}")).collect(),
        enumeration_max: ENUMERATION_MAX,
    }
}

fn actions() -> Vec<ActionManifest> {
    vec![
        ActionManifest {
            survives: words(&[
                "orphan tokens that it made, and their leases: they carry no entity",
                "leases: a database login that was taken works on until it is revoked",
                "other logins of the same entity are suspended with it",
            ]),
            undo: "the entity is enabled again; its tokens are ended first, because they would live again with it".to_owned(),
            ..ActionManifest::converges(Action::SuspendIdentity, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            survives: words(&[
                "orphan tokens that the token made, and batch tokens without an entity",
                "open database sessions of its leases: the role is dropped under them and they work on, without a name",
                "whoever still holds a secret-id or password can log in again",
            ]),
            after: vec![Action::SuspendIdentity],
            undo: "it cannot be taken back: the consumer logs in anew".to_owned(),
            ..ActionManifest::converges(Action::TerminateSessions, TargetKind::Session, TargetKind::Session, Reversible::No)
        },
        ActionManifest {
            survives: words(&[
                "a destroyed secret-id leaves the tokens that it got",
                "a revoked lease leaves the open sessions of the login behind it: end those first, on their own plane",
                "a revoked certificate is let in by whoever checks no list, until it ends",
            ]),
            after: vec![Action::SuspendIdentity],
            undo: "it cannot be taken back: a new one is issued".to_owned(),
            ..ActionManifest::converges(Action::RevokeCredential, TargetKind::Credential, TargetKind::Credential, Reversible::No)
        },
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&["tokens that were got with the old password, for up to 768 hours"]),
            undo: "the old password is not known to the server in a form that could be put back; another new one is set".to_owned(),
            ..ActionManifest::converges(Action::RotateCredential, TargetKind::Credential, TargetKind::Credential, Reversible::No)
        },
        ActionManifest {
            survives: words(&["the same path in another policy of the token, and a longer path beside a shorter one"]),
            undo: "the former text is written back, if nobody else changed it since".to_owned(),
            ..ActionManifest::converges(Action::ChangePolicy, TargetKind::Entitlement, TargetKind::Entitlement, Reversible::Exact)
        },
        ActionManifest {
            after: vec![Action::TerminateSessions],
            undo: "the entity is disabled again".to_owned(),
            ..ActionManifest::converges(Action::Reinstate, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            undo: "the entity is disabled again".to_owned(),
            ..ActionManifest::converges(Action::Restore, TargetKind::Identity, TargetKind::Identity, Reversible::Exact)
        },
    ]
}

/// What no look at one server shows; said with every enumeration (invariant 15).
pub(super) fn not_looked_at(has_log: bool) -> Vec<String> {
    let mut all = words(&["batch tokens, which nobody can list", "namespaces other than the root", "copies of secrets outside the server"]);
    if !has_log {
        all.extend(words(&[
            "orphan tokens and leases: without `[connector.audit]` nothing tells who made or took them",
            "re-use of what is dead: without `[connector.audit]` nobody looks",
        ]));
    }
    all.push(format!("leaked values against more than {ROLES_MAX} AppRoles, and against passwords of users"));
    all
}
