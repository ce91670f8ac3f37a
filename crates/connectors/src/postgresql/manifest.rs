//! What PostgreSQL declares: its actions, in which order they must run, and
//! what outlives them. Facts of PostgreSQL 15, measured November 2026.

use quell_core::{
    action::{Action, Class, Reversible},
    manifest::{ActionManifest, Effective, Manifest, words},
    proof::ProbeClass,
    target::TargetKind,
};

use super::{bootstrap::GRANTED, identify::CANDIDATES_MAX};

/// Most objects one enumeration returns.
pub(super) const ENUMERATION_MAX: u32 = 2_000;

/// The manifest; `settle_ms` is the operator's.
pub(super) fn manifest(settle_ms: i64) -> Manifest {
    let mut least_privilege: Vec<String> = vec!["USAGE ON SCHEMA quell".to_owned()];
    least_privilege.extend(GRANTED.iter().map(|f| format!("EXECUTE ON FUNCTION {f}")));
    Manifest {
        kind: "postgresql".to_owned(),
        actions: actions(),
        settle_ms,
        probe_effects: words(&[
            "a login probe starts a session for a moment, or fails: lines in the server's log, counters in pg_stat_database",
            "a read probe opens a kept connection of Quell's own role",
        ]),
        // A login probe uses a secret that was right or is ours; a guess is never made.
        lockout_budget: 0,
        controls: vec![ProbeClass::Login, ProbeClass::Read, ProbeClass::Listing],
        cannot_list: words(&[
            "sessions on standbys",
            "clients behind a connection pooler that logs in with its own secret",
            "logins that are still in authentication (at most authentication_timeout, 60 s by default)",
        ]),
        least_privilege,
        enumeration_max: ENUMERATION_MAX,
    }
}

fn actions() -> Vec<ActionManifest> {
    vec![
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&[
                "open sessions go on reading and writing",
                "members of the role may still SET ROLE to it",
                "jobs that a server process runs as the role",
            ]),
            after: vec![Action::ReissueCredential, Action::RotateCredential],
            undo: "the role may log in again with a new password; the old one stays dead".to_owned(),
            ..ActionManifest::converges(Action::SuspendIdentity, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            survives: words(&["whoever still holds a working password can log in again"]),
            after: vec![Action::SuspendIdentity, Action::RotateCredential],
            undo: "it cannot be taken back: the client connects anew".to_owned(),
            ..ActionManifest::converges(Action::TerminateSessions, TargetKind::Session, TargetKind::Session, Reversible::No)
        },
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&["open sessions of the old password", "logins by trust, peer or certificate lines of pg_hba.conf"]),
            after: vec![Action::ReissueCredential],
            undo: "the sealed old verifier is written back byte for byte, only where no secret was exposed".to_owned(),
            ..ActionManifest::converges(Action::RotateCredential, TargetKind::Credential, TargetKind::Credential, Reversible::Approximate)
        },
        ActionManifest {
            survives: words(&["the role's own grants and objects"]),
            undo: "the same membership is granted again".to_owned(),
            ..ActionManifest::converges(Action::RemoveEntitlement, TargetKind::Entitlement, TargetKind::Entitlement, Reversible::Exact)
        },
        ActionManifest {
            class: Class::Creates,
            survives: words(&["rights granted to the old role by name, objects it owns, and its settings do not follow"]),
            undo: "the twin is locked, its sessions are ended, and it is dropped".to_owned(),
            ..ActionManifest::converges(Action::ReissueCredential, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            after: vec![Action::Reinstate],
            undo: "it cannot be taken back: a new twin is made instead".to_owned(),
            ..ActionManifest::converges(Action::RetireIdentity, TargetKind::Identity, TargetKind::Credential, Reversible::No)
        },
        ActionManifest {
            after: vec![Action::TerminateSessions],
            undo: "the role is locked again".to_owned(),
            ..ActionManifest::converges(Action::Reinstate, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            undo: "the role is locked again".to_owned(),
            ..ActionManifest::converges(Action::Restore, TargetKind::Identity, TargetKind::Identity, Reversible::Exact)
        },
    ]
}

/// What no look at one server shows; said with every enumeration (invariant 15).
pub(super) fn not_looked_at() -> Vec<String> {
    let mut all = words(&[
        "sessions on standbys of this server",
        "clients behind a connection pooler that logs in with its own secret",
        "jobs of pg_cron and other extensions that run as a role without a session",
        "copies of the password outside the server",
    ]);
    all.push(format!("leaked values against more than {CANDIDATES_MAX} roles in scope"));
    all
}
