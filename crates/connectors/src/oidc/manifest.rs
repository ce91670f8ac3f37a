//! What a provider declares: its actions, in which order they must run, and what outlives
//! them. Facts of oidc-provider 9.13.3, measured November 2026.

use quell_core::{
    action::{Action, Reversible},
    manifest::{ActionManifest, Effective, Manifest, words},
    proof::ProbeClass,
    target::TargetKind,
};

use super::config::OidcConfig;

/// Most objects one listing returns.
pub(super) const ENUMERATION_MAX: u32 = 2_000;

/// The manifest of one configured provider.
pub(super) fn manifest(config: &OidcConfig) -> Manifest {
    Manifest {
        kind: "oidc".to_owned(),
        actions: actions(config),
        settle_ms: config.settle_ms,
        probe_effects: words(&[
            "a token of Quell's own client and one of the control's client now and then: lines in the provider's log",
            "a secret of a client is tried at the introspection endpoint: a failed authentication where it is wrong",
            "a refresh token is tried only where its grant is gone, it is not active, and its client keeps no secret",
        ]),
        lockout_budget: 0,
        controls: vec![ProbeClass::Login, ProbeClass::Read, ProbeClass::Listing, ProbeClass::Clock],
        cannot_list: words(&[
            "sessions that applications keep of their own after somebody logged in here",
            "JWT access tokens that the provider did not write down when it signed them",
        ]),
        least_privilege: needed(config),
        enumeration_max: ENUMERATION_MAX,
    }
}

/// What the provider must give Quell, in the order in which it is examined.
pub(super) fn needed(config: &OidcConfig) -> Vec<String> {
    let (own, control) = (&config.client, &config.control.identity);
    vec![
        format!("the client `{own}` with `client_credentials` and the scope `quell:admin`"),
        format!("introspection of every client's tokens for `{own}` (RFC 7662)"),
        format!("the client `{control}` with `client_credentials`"),
        format!("the account `{control}` with a session and a grant that stand, and nobody uses"),
    ]
}

fn actions(config: &OidcConfig) -> Vec<ActionManifest> {
    let mut actions = vec![
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&[
                "sessions, grants and tokens of the old password",
                "other ways to log in, where the provider offers them",
                "tokens of a client that were issued with its old secret",
            ]),
            undo: "it cannot be taken back: the provider hands no old password out".to_owned(),
            ..ActionManifest::converges(Action::RotateCredential, TargetKind::Credential, TargetKind::Credential, Reversible::No)
        },
        ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&[
                "opaque access tokens: introspection goes on to call them active",
                "JWT access tokens, until they end",
                "sessions and grants, which work again as soon as the account does",
                "sessions that applications keep of their own",
                "tokens that a client got for itself: they belong to no account",
            ]),
            after: vec![Action::RotateCredential],
            undo: "sessions and grants end, a new password is stored, then the account is opened".to_owned(),
            ..ActionManifest::converges(Action::SuspendIdentity, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            survives: words(&[
                "grants of applications that stay in without a session, and their refresh tokens",
                "JWT access tokens, until they end",
                "sessions that applications keep of their own",
                "whoever still holds a working password logs in anew",
            ]),
            after: vec![Action::SuspendIdentity],
            undo: "it cannot be taken back: the person logs in anew".to_owned(),
            ..ActionManifest::converges(Action::TerminateSessions, TargetKind::Session, TargetKind::Session, Reversible::No)
        },
        ActionManifest {
            survives: words(&[
                "the browser's session, which gets a new grant without a question: end it, too",
                "JWT access tokens of the grant, until they end",
            ]),
            after: vec![Action::SuspendIdentity, Action::TerminateSessions],
            undo: "it cannot be taken back: the person logs in anew, and a new grant is made".to_owned(),
            ..ActionManifest::converges(Action::RevokeCredential, TargetKind::Credential, TargetKind::Credential, Reversible::No)
        },
        ActionManifest {
            after: vec![Action::TerminateSessions, Action::RevokeCredential],
            survives: words(&["JWT access tokens of before, until they end"]),
            undo: "the account is suspended again".to_owned(),
            ..ActionManifest::converges(Action::Reinstate, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            undo: "the account is suspended again".to_owned(),
            ..ActionManifest::converges(Action::Restore, TargetKind::Identity, TargetKind::Identity, Reversible::Exact)
        },
    ];
    if config.step_up_acr.is_some() {
        actions.push(ActionManifest {
            effective: Effective::NextAuth,
            survives: words(&[
                "grants with their refresh tokens, and access tokens that are out",
                "sessions that were opened with the stronger sign-in",
                "sessions that applications keep of their own",
            ]),
            undo: "what was asked for before is asked for again".to_owned(),
            ..ActionManifest::converges(Action::RequireStepUp, TargetKind::Identity, TargetKind::Session, Reversible::Exact)
        });
    }
    actions
}

/// What no look at one provider shows; said with every enumeration (invariant 15).
pub(super) fn not_looked_at() -> Vec<String> {
    words(&[
        "sessions that applications keep of their own after somebody logged in at the provider",
        "tokens of the same person at other providers, and logins that this one takes over from others",
        "copies of a refresh token: who exchanged it last is not known",
    ])
}
