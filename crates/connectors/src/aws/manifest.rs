//! What AWS declares: its actions, in which order they must run, and what outlives them.
//! Facts of the IAM user guide (read November 2026), measured on ministack 1.5.33.

use quell_core::{
    action::{Action, Reversible},
    manifest::{ActionManifest, Effective, Manifest, words},
    proof::ProbeClass,
    target::TargetKind,
};

use super::{config::AwsConfig, native::Who};

/// Most objects one enumeration returns.
pub(super) const ENUMERATION_MAX: u32 = 2_000;

/// The manifest of one configured account.
pub(super) fn manifest(config: &AwsConfig) -> Manifest {
    Manifest {
        kind: "aws".to_owned(),
        actions: actions(),
        settle_ms: config.settle_ms,
        probe_effects: words(&[
            "asking about a key by its name is a call with a wrong signature: a line in CloudTrail, if any",
            "a use of a leaked key, where policy permits it, is one `GetCallerIdentity`, and sets when the key was last used",
            "each round uses the control's key, and assumes its two roles where sessions are asked about: lines in CloudTrail",
        ]),
        lockout_budget: 0,
        controls: vec![ProbeClass::Login, ProbeClass::Read],
        cannot_list: words(&[
            "temporary credentials: of `AssumeRole`, `GetSessionToken`, `GetFederationToken` and of the console",
            "who is signed in to the console",
        ]),
        least_privilege: needed(config),
        enumeration_max: ENUMERATION_MAX,
    }
}

/// What the account must give Quell, in the order in which it is examined.
pub(super) fn needed(config: &AwsConfig) -> Vec<String> {
    let (own, control) = (&config.username, &config.control.identity);
    let [open, shut] = config.control_roles();
    vec![
        format!("an active access key of the user `{own}`"),
        "reading users, roles, keys, login profiles, inline policies and tags".to_owned(),
        format!("`{control}` with one active and one inactive access key"),
        format!("the managed policy `{}`, which denies everything", super::deny::FENCE),
        format!("`{open}` and `{shut}`, which `{control}` may assume, each with a policy on the age of sessions"),
    ]
}

/// The privileges of the user that Quell is, as IAM names them.
pub(super) const PRIVILEGES: &[&str] = &[
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:DeleteLoginProfile",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteUserPermissionsBoundary",
    "iam:DeleteUserPolicy",
    "iam:GetAccessKeyLastUsed",
    "iam:GetLoginProfile",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:GetUser",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:ListRoles",
    "iam:ListUserTags",
    "iam:ListUsers",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:PutUserPolicy",
    "iam:TagUser",
    "iam:UpdateAccessKey",
];

fn actions() -> Vec<ActionManifest> {
    vec![
        ActionManifest {
            survives: words(&[
                "sessions of roles that were assumed with its keys: they are the roles', not the user's",
                "temporary credentials of its own: they are denied as it is, and a step of their own proves it",
                "the console: whoever signs in is denied everything",
            ]),
            undo: "AWS makes the user a new key; old keys, sessions and the login profile stay dead".to_owned(),
            ..ActionManifest::converges(Action::SuspendIdentity, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            survives: words(&[
                "sessions that are issued later, to whoever may still assume the role or holds a working key",
                "sessions of other roles that were assumed from one of these",
                "every session of a role is denied alike: its rightful users assume it anew",
                "what was signed with a session and needs no further call of it, such as a connection that is open",
            ]),
            after: vec![Action::SuspendIdentity],
            undo: "it cannot be taken back: whoever may assumes the role anew".to_owned(),
            ..ActionManifest::converges(Action::TerminateSessions, TargetKind::Session, TargetKind::Session, Reversible::No)
        },
        ActionManifest {
            effective: Effective::Now,
            survives: words(&[
                "temporary credentials that were made with the key, until a policy denies them",
                "other keys of the same user",
            ]),
            after: vec![Action::SuspendIdentity],
            undo: "it cannot be taken back: AWS makes a new key, and no key again".to_owned(),
            ..ActionManifest::converges(Action::RevokeCredential, TargetKind::Credential, TargetKind::Credential, Reversible::No)
        },
        ActionManifest {
            survives: words(&[
                "keys and sessions are let in and denied everything but who they are",
                "sessions of roles that were assumed with a user's keys: they are the roles'",
            ]),
            undo: "the boundary of before is put back".to_owned(),
            ..ActionManifest::converges(Action::RestrictAccess, TargetKind::Identity, TargetKind::Entitlement, Reversible::Exact)
        },
        ActionManifest {
            after: vec![Action::TerminateSessions],
            undo: "the user is suspended again".to_owned(),
            ..ActionManifest::converges(Action::Reinstate, TargetKind::Identity, TargetKind::Credential, Reversible::Exact)
        },
        ActionManifest {
            undo: "the user is suspended again".to_owned(),
            ..ActionManifest::converges(Action::Restore, TargetKind::Identity, TargetKind::Identity, Reversible::Exact)
        },
    ]
}

/// What no look at IAM shows; said with every enumeration (invariant 15).
pub(super) fn not_looked_at(who: Option<&Who>) -> Vec<String> {
    let mut all = words(&[
        "temporary credentials one by one: AWS lists none, so all of an identity stand for each",
        "other accounts, and what resources of this one grant to others",
        "SSH keys, signing certificates and service-specific credentials of users",
        "other regions and partitions: they go by a change in their own time",
    ]);
    if let Some(Who::User(_)) = who {
        all.push("roles that were assumed with its keys: CloudTrail knows them, and this plane does not read it".to_owned());
    }
    all
}
