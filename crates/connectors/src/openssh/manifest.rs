//! What OpenSSH declares: its actions, in which order they must run, and what outlives
//! them. Facts of OpenSSH 9.2, measured November 2026.

use quell_core::{
    action::{Action, Reversible},
    manifest::{ActionManifest, Effective, Manifest, words},
    proof::ProbeClass,
    target::TargetKind,
};

use super::config::OpenSshConfig;

/// Most objects one enumeration returns.
pub(super) const ENUMERATION_MAX: u32 = 2_000;

/// The manifest of one configured host.
pub(super) fn manifest(config: &OpenSshConfig) -> Manifest {
    Manifest {
        kind: "openssh".to_owned(),
        actions: actions(),
        settle_ms: config.settle_ms,
        probe_effects: words(&[
            "asking about a key opens a connection for a moment: lines in sshd's log, `Failed publickey` for one that is refused",
            "a program that bans whoever fails to log in (fail2ban; PerSourcePenalties of OpenSSH 9.8) counts it: leave Quell's address out",
            "a look is a login of Quell's own account and one run of its command",
        ]),
        lockout_budget: 0,
        controls: vec![ProbeClass::Login, ProbeClass::Read, ProbeClass::Listing, ProbeClass::Clock],
        cannot_list: words(&[
            "certificates that the authority did not record here and that were not used yet",
            "programs that somebody started over a connection and left running",
            "which key a connection was opened with",
        ]),
        least_privilege: needed(config),
        enumeration_max: ENUMERATION_MAX,
    }
}

/// What the host must give Quell, in the order in which it is examined.
pub(super) fn needed(config: &OpenSshConfig) -> Vec<String> {
    let (own, control) = (&config.username, &config.control.identity);
    vec![
        format!("a login of `{own}` with one forced command"),
        format!("`RevokedKeys /dev/null` for `{own}`: without it a missing list locks Quell out with everybody"),
        "a list of refused keys (KRL) that sshd and Quell can read".to_owned(),
        "`RevokedKeys` of the accounts in scope is Quell's list".to_owned(),
        "`AuthorizedKeysFile` and `AuthorizedPrincipalsFile` of the accounts in scope are Quell's, where the accounts cannot write"
            .to_owned(),
        format!("`{control}` with one key that is let in and one that is refused"),
        "sshd's `PidFile`, to list and end connections".to_owned(),
        "sshd's log, for certificates that were used".to_owned(),
    ]
}

fn actions() -> Vec<ActionManifest> {
    vec![
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&[
                "connections that are open, and new channels over them",
                "logins by password or by other ways, where sshd offers them",
                "the same keys in other accounts and on other hosts",
            ]),
            undo: "the account gets one new key in the place of the old ones, with their options; they stay aside".to_owned(),
            ..ActionManifest::converges(Action::SuspendIdentity, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            survives: words(&[
                "programs that were started over the connection run on: they are the host's, not sshd's",
                "whoever still holds a working key can connect anew",
            ]),
            after: vec![Action::SuspendIdentity],
            undo: "it cannot be taken back: the client connects anew".to_owned(),
            ..ActionManifest::converges(Action::TerminateSessions, TargetKind::Session, TargetKind::Session, Reversible::No)
        },
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&[
                "connections that are open, and new channels over them",
                "the same key on other hosts: each has a list of its own",
                "another key that the authority certifies for the same person",
            ]),
            after: vec![Action::SuspendIdentity],
            undo: "it cannot be taken back: a new key is made, or a new certificate issued for another key".to_owned(),
            ..ActionManifest::converges(Action::RevokeCredential, TargetKind::Credential, TargetKind::Credential, Reversible::No)
        },
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&["connections that are open", "other principals of the same certificate", "lines of keys"]),
            undo: "the same line is written again".to_owned(),
            ..ActionManifest::converges(Action::RemoveEntitlement, TargetKind::Entitlement, TargetKind::Entitlement, Reversible::Exact)
        },
        ActionManifest {
            after: vec![Action::TerminateSessions],
            undo: "the account is suspended again".to_owned(),
            ..ActionManifest::converges(Action::Reinstate, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            undo: "the account is suspended again".to_owned(),
            ..ActionManifest::converges(Action::Restore, TargetKind::Identity, TargetKind::Identity, Reversible::Exact)
        },
    ]
}

/// What no look at one host shows; said with every enumeration (invariant 15).
pub(super) fn not_looked_at(knows_log: bool) -> Vec<String> {
    let mut all = words(&[
        "the same keys and certificates on other hosts, and in accounts that are not in scope",
        "settings of sshd that depend on where somebody comes from (`Match Address`), and other servers of SSH on the host",
        "certificates that the authority did not record here and that were not used yet",
        "programs that somebody started over a connection and left running",
        "copies of private keys outside the host",
    ]);
    if !knows_log {
        all.push("certificates that were used: sshd's log cannot be read".to_owned());
    }
    all
}
