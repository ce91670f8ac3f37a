//! What OpenLDAP declares: its actions, in which order they must run, and what
//! outlives them. Facts of OpenLDAP 2.5.13, measured November 2026.

use quell_core::{
    action::{Action, Reversible},
    manifest::{ActionManifest, Effective, Manifest, words},
    proof::ProbeClass,
    target::TargetKind,
};

use super::{bootstrap::needed, config::OpenLdapConfig, guesses::GUESSES_MAX, identify::CANDIDATES_MAX};

/// Most objects one enumeration returns.
pub(super) const ENUMERATION_MAX: u32 = 2_000;

/// The manifest of one configured server.
pub(super) fn manifest(config: &OpenLdapConfig) -> Manifest {
    Manifest {
        kind: "openldap".to_owned(),
        actions: actions(),
        settle_ms: config.settle_ms,
        probe_effects: words(&[
            "a login probe opens a connection for a moment: lines in the server's log, counters in cn=Monitor, pwdLastSuccess where the policy keeps it",
            "a wrong password adds one pwdFailureTime to an entry that is not locked; it is tried only below pwdMaxFailure, and to a locked entry it adds nothing",
            "a bind that is taken clears pwdFailureTime of that entry",
            "a read probe opens a kept connection of Quell's own entry",
            "a witness stays bound as the entry, from the replacing of its password until it is given back",
        ]),
        lockout_budget: GUESSES_MAX,
        controls: vec![ProbeClass::Login, ProbeClass::Read, ProbeClass::Listing, ProbeClass::Witness],
        cannot_list: words(&[
            "connections to consumers and to other providers of this directory",
            "clients behind a proxy that binds with its own password",
            "sessions that an application opened after it checked the password here",
        ]),
        least_privilege: needed(config),
        enumeration_max: ENUMERATION_MAX,
    }
}

/// `require_step_up` is not among them: whoever holds the password may bind and set
/// another, so the old one stays live and no probe can show that anything was
/// contained. What is written for it waits for a probe that sees a bind served nothing.
fn actions() -> Vec<ActionManifest> {
    vec![
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&[
                "open connections of the old password",
                "whoever is bound already may set the password again, where the entry may write its own",
            ]),
            undo:
                "the sealed old values are written back byte for byte, only where no secret was exposed; pwdChangedTime and pwdHistory stay"
                    .to_owned(),
            ..ActionManifest::converges(Action::RotateCredential, TargetKind::Credential, TargetKind::Credential, Reversible::Approximate)
        },
        ActionManifest {
            survives: words(&[
                "connections stay open, and everything they ask of this database is denied",
                "rights of the entry in other databases of this server, and on other servers",
                "logins by certificate, Kerberos or the local socket that are mapped to the entry: they bind, and are denied as it is",
            ]),
            after: vec![Action::RotateCredential],
            undo: "the entry may log in again with a new password; the old one stays dead, and connections that are still open stay cut"
                .to_owned(),
            ..ActionManifest::converges(Action::SuspendIdentity, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            survives: words(&[
                "the connection itself: the server cannot end it, it is denied everything instead",
                "whoever still holds a working password can connect anew",
            ]),
            after: vec![Action::RotateCredential, Action::SuspendIdentity],
            undo: "it cannot be taken back: the client connects anew".to_owned(),
            ..ActionManifest::converges(Action::TerminateSessions, TargetKind::Session, TargetKind::Session, Reversible::No)
        },
        ActionManifest {
            survives: words(&["rights of the entry by its own name, and by other groups"]),
            undo: "the same membership is written again".to_owned(),
            ..ActionManifest::converges(Action::RemoveEntitlement, TargetKind::Entitlement, TargetKind::Entitlement, Reversible::Exact)
        },
        ActionManifest {
            survives: words(&["connections that are still open stay cut, one by one, until they are gone"]),
            after: vec![Action::TerminateSessions],
            undo: "the entry is locked again".to_owned(),
            ..ActionManifest::converges(Action::Reinstate, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            undo: "the entry is locked again".to_owned(),
            ..ActionManifest::converges(Action::Restore, TargetKind::Identity, TargetKind::Identity, Reversible::Exact)
        },
    ]
}

/// What no look at one server shows; said with every enumeration (invariant 15).
pub(super) fn not_looked_at() -> Vec<String> {
    let mut all = words(&[
        "connections and locks on consumers and other providers of this directory",
        "rights of the entry in other databases of this server",
        "memberships by memberUid, by dynamic groups and by groups in groups",
        "applications that keep a session after they checked the password here",
        "copies of the password outside the server",
    ]);
    all.push(format!("leaked values against more than {CANDIDATES_MAX} entries in scope"));
    all
}
