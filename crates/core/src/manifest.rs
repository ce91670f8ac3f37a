//! What a connector declares about its kind of plane, before anything runs.
//!
//! Plans are drafted from manifests alone: which actions exist, how they are
//! taken back, when they take effect, what survives them and in which order
//! they must run. The previews that people approve are printed from the same
//! lines.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    action::{Action, Class, Reversible},
    proof::ProbeClass,
    target::TargetKind,
};

/// One kind of plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `postgresql`
    pub kind: String,
    pub actions: Vec<ActionManifest>,
    /// How long after an act the plane may still answer as before. Above 0.
    pub settle_ms: i64,
    /// Everything a probe changes outside: counters, last login, log lines.
    pub probe_effects: Vec<String>,
    /// Wrong-credential attempts a probe may cause in one hour on one identity.
    pub lockout_budget: u32,
    pub controls: Vec<ProbeClass>,
    /// Kinds of access this plane cannot list; they stand as residuals.
    pub cannot_list: Vec<String>,
    /// The privileges needed, in the plane's words.
    pub least_privilege: Vec<String>,
    /// Most objects one enumeration returns.
    pub enumeration_max: u32,
}

/// What one action is on this plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionManifest {
    pub action: Action,
    pub target: TargetKind,
    /// What a probe must show dead (or, for undoing and re-issuing, alive) for this action to be proved.
    pub proves: TargetKind,
    pub class: Class,
    pub reversible: Reversible,
    pub effective: Effective,
    /// What goes on working after it, in our words; other steps must treat it.
    pub survives: Vec<String>,
    /// Actions that must have been acted before this one, where both are in a plan.
    pub after: Vec<Action>,
    /// How it is taken back, said before it runs.
    pub undo: String,
}

/// When an action takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effective {
    Now,
    NextAuth,
}

impl ActionManifest {
    /// An action that sets a state at once, leaves nothing alive and waits for no
    /// other: what a plane says more of it stands beside.
    pub fn converges(action: Action, target: TargetKind, proves: TargetKind, reversible: Reversible) -> Self {
        Self {
            action,
            target,
            proves,
            class: Class::Converges,
            reversible,
            effective: Effective::Now,
            survives: Vec::new(),
            after: Vec::new(),
            undo: String::new(),
        }
    }
}

/// Lines of a manifest, as they are written in one.
pub fn words(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).into()).collect()
}

impl Manifest {
    /// What this plane declares about `action`.
    pub fn action(&self, action: Action) -> Option<&ActionManifest> {
        self.actions.iter().find(|a| a.action == action)
    }
}
