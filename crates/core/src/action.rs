//! The one catalogue of actions: UI, CLI, docs and the Cedar schema are
//! checked against it.
//!
//! An entry says what an action is called, what it acts on, how it is taken
//! back by default and under which public ids others know it (D3FEND 1.2.0,
//! OCSF 1.8.0 class 7001 activity). What one plane makes of it stands in that
//! connector's manifest.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::target::TargetKind;

/// Something Quell can do, or ask a person to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    TerminateSessions,
    SuspendIdentity,
    RevokeCredential,
    RotateCredential,
    ReissueCredential,
    MarkForRotation,
    RestrictAccess,
    ChangePolicy,
    RemoveEntitlement,
    RequireStepUp,
    QuarantineWorkload,
    RetireIdentity,
    NotifyProvider,
    HumanTask,
    Reinstate,
    Restore,
    Accept,
    Undo,
    Close,
}

/// How exactly an action can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversible {
    /// Cannot be taken back.
    No,
    /// The same use is possible again, by other means or with other bytes.
    Approximate,
    /// The exact former state.
    Exact,
}

/// How an action behaves when it is tried twice (invariant 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Sets a state: a second try changes nothing.
    Converges,
    /// Makes something: carries a marker derived from the attempt.
    Creates,
    /// Tells somebody: at least once, with a stable id.
    Informs,
}

/// What the catalogue says of one action.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub action: Action,
    /// The name in JSON, on the command line and in Cedar.
    pub name: &'static str,
    /// A verb phrase for a button.
    pub short: &'static str,
    /// A sentence for the page and the approval.
    pub long: &'static str,
    /// What it acts on; empty for acts on a case or plan.
    pub targets: &'static [TargetKind],
    pub class: Class,
    /// The best a plane can offer; manifests may say less.
    pub reversible: Reversible,
    /// What takes it back.
    pub undo: Option<Action>,
    pub d3fend: Option<&'static str>,
    /// OCSF Remediation Activity 7001: 1 isolate, 2 evict, 3 restore, 4 harden, 5 detect.
    pub ocsf_activity: Option<u8>,
}

use TargetKind::{Credential, Entitlement, Identity, Session};

macro_rules! entry {
    ($action:ident, $name:literal, $short:literal, $long:literal, [$($t:ident),*], $class:ident, $rev:ident, $undo:expr, $d3:expr, $ocsf:expr) => {
        Entry { action: Action::$action, name: $name, short: $short, long: $long, targets: &[$($t),*], class: Class::$class, reversible: Reversible::$rev, undo: $undo, d3fend: $d3, ocsf_activity: $ocsf }
    };
}

/// Every action, in the order of the design.
pub const CATALOGUE: &[Entry] = &[
    entry!(
        TerminateSessions,
        "terminate_sessions",
        "end the open sessions",
        "Ends access that is already open. Whoever still holds a working credential can come back.",
        [Session],
        Converges,
        No,
        None,
        Some("D3-ST"),
        Some(2)
    ),
    entry!(
        SuspendIdentity,
        "suspend_identity",
        "suspend the identity",
        "Nobody can sign in as this identity until it is reinstated. Open sessions are a step of their own.",
        [Identity],
        Converges,
        Exact,
        Some(Action::Reinstate),
        Some("D3-AL"),
        Some(1)
    ),
    entry!(
        RevokeCredential,
        "revoke_credential",
        "revoke the credential",
        "This one credential stops working for good; others of the identity go on.",
        [Credential],
        Converges,
        No,
        Some(Action::Reinstate),
        Some("D3-CR"),
        Some(2)
    ),
    entry!(
        RotateCredential,
        "rotate_credential",
        "replace the secret",
        "The old secret stops working and a new one takes its place. Sessions opened with the old one are a step of their own.",
        [Credential],
        Converges,
        Approximate,
        Some(Action::Restore),
        Some("D3-CRO"),
        Some(4)
    ),
    entry!(
        ReissueCredential,
        "reissue_credential",
        "issue a new credential to the consumer",
        "The rightful consumer gets a new credential through its sink and is seen using it.",
        [Identity],
        Creates,
        Exact,
        Some(Action::RetireIdentity),
        Some("D3-RIC"),
        Some(4)
    ),
    entry!(
        MarkForRotation,
        "mark_for_rotation",
        "mark for rotation",
        "The credential is listed for replacement by its owner; nothing changes yet.",
        [Credential],
        Informs,
        Exact,
        None,
        Some("D3-CRO"),
        Some(4)
    ),
    entry!(
        RestrictAccess,
        "restrict_access",
        "fence the identity",
        "A deny above the identity narrows what it can do; the identity itself stays.",
        [Identity, Entitlement],
        Converges,
        Exact,
        Some(Action::Restore),
        Some("D3-UAP"),
        Some(1)
    ),
    entry!(
        ChangePolicy,
        "change_policy",
        "tighten the plane's policy",
        "A policy of the plane is tightened; its text before and after is recorded.",
        [Entitlement],
        Converges,
        Exact,
        Some(Action::Restore),
        Some("D3-APA"),
        Some(4)
    ),
    entry!(
        RemoveEntitlement,
        "remove_entitlement",
        "remove the permission",
        "The identity loses one permission, role or membership.",
        [Entitlement],
        Converges,
        Exact,
        Some(Action::Restore),
        Some("D3-UAP"),
        Some(1)
    ),
    entry!(
        RequireStepUp,
        "require_step_up",
        "require a stronger sign-in",
        "The next sign-in must meet a higher assurance; nobody is locked out.",
        [Identity],
        Converges,
        Exact,
        Some(Action::Restore),
        Some("D3-MFA"),
        Some(4)
    ),
    entry!(
        QuarantineWorkload,
        "quarantine_workload",
        "quarantine the workload",
        "The workload is cut off from its network and its credentials.",
        [Identity],
        Converges,
        Exact,
        Some(Action::Reinstate),
        Some("D3-DRA"),
        Some(1)
    ),
    entry!(
        RetireIdentity,
        "retire_identity",
        "retire the identity",
        "The identity is removed after its credentials and sessions are proved dead.",
        [Identity],
        Converges,
        No,
        None,
        Some("D3-CE"),
        Some(2)
    ),
    entry!(
        NotifyProvider,
        "notify_provider",
        "notify the provider",
        "The vendor is told what to revoke. An acknowledgement is not a proof.",
        [Credential, Identity],
        Informs,
        No,
        None,
        None,
        Some(2)
    ),
    entry!(
        HumanTask,
        "human_task",
        "ask a person to do it",
        "A person does the step by hand and says so. Said is not proved: Quell probes where it can.",
        [Identity, Credential, Session, Entitlement],
        Informs,
        No,
        None,
        None,
        Some(2)
    ),
    entry!(
        Reinstate,
        "reinstate",
        "reinstate with a new credential",
        "The identity works again with a new credential; the old ones stay dead and are proved so.",
        [Identity],
        Converges,
        Exact,
        Some(Action::SuspendIdentity),
        Some("D3-RIC"),
        Some(3)
    ),
    entry!(
        Restore,
        "restore",
        "restore exactly what was",
        "The exact old state comes back. Only after a recorded `not malicious`, and never where a secret was exposed.",
        [Identity, Credential, Entitlement],
        Converges,
        Exact,
        Some(Action::SuspendIdentity),
        Some("D3-RUAA"),
        Some(3)
    ),
    entry!(
        Accept,
        "accept",
        "accept the rest",
        "What is left is accepted by its owner until a date; it keeps being probed and counts as open.",
        [],
        Informs,
        Exact,
        None,
        None,
        None
    ),
    entry!(
        Undo,
        "undo",
        "take the containment back",
        "A plan of its own that reverses a plan, by reinstating or restoring.",
        [],
        Informs,
        No,
        None,
        None,
        None
    ),
    entry!(
        Close,
        "close",
        "close the case",
        "Every subject is in its proved end state, or has an outcome with author and evidence.",
        [],
        Informs,
        Exact,
        None,
        None,
        None
    ),
];

impl Action {
    /// What the catalogue says of it.
    pub fn entry(self) -> &'static Entry {
        CATALOGUE.iter().find(|e| e.action == self).expect("a test walks every action through the catalogue")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The action of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        CATALOGUE.iter().find(|e| e.name == name).map(|e| e.action)
    }

    /// It gives access back, so it is undoing and not containing.
    pub fn gives_access(self) -> bool {
        matches!(self, Self::Reinstate | Self::Restore)
    }

    /// D3FEND's public page for it.
    pub fn d3fend_url(self) -> Option<String> {
        self.entry().d3fend.map(|id| alloc::format!("https://d3fend.mitre.org/technique/d3f:{id}"))
    }
}
