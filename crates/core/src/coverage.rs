//! Which actions were proved on a real server, and which may be offered.
//!
//! A drill in the lab does every action of a manifest, proves it by the plane's own
//! probes and takes it back. A [`Row`] is what it saw, on one version of one server,
//! and never says more: it is no statement about anybody's own server. What is
//! offered and what was proved are the same set ([`gaps`]): a verb that no plane
//! proves is not offered.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    action::{Action, Reversible},
    manifest::Manifest,
    proof::Strength,
    time::Timestamp,
};

/// One action on one kind of subject, as a drill proved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// `postgresql`
    pub kind: String,
    pub action: Action,
    /// What it was done to: `a token`.
    pub subject: String,
    /// The version that the server itself prints.
    pub server: String,
    /// The weakest proof that the action rests on.
    pub proved: Strength,
    pub undone: Undone,
    pub proved_at: Timestamp,
}

/// What became of the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// It was taken, and proved.
    Proved,
    /// There is none: the manifest says so before the step runs, and the plane refused to
    /// give it back.
    Irreversible,
}

/// Where what is offered and what was proved are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// It is in the manifest, and no drill proved it.
    Unproved { kind: String, action: Action },
    /// It was proved once, and no manifest offers it.
    NotOffered { kind: String, action: Action },
    /// Manifest and drill say different things of the way back.
    OtherWayBack { kind: String, action: Action, declared: Reversible },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unproved { kind, action } => write!(f, "{kind} offers `{}`, and no drill proved it", action.name()),
            Self::NotOffered { kind, action } => write!(f, "`{}` was proved on {kind}, which does not offer it", action.name()),
            Self::OtherWayBack { kind, action, declared: Reversible::No } => {
                write!(f, "{kind} says that `{}` cannot be taken back, and a drill took it back", action.name())
            }
            Self::OtherWayBack { kind, action, .. } => {
                write!(f, "{kind} says that `{}` can be taken back, and no drill did", action.name())
            }
        }
    }
}

/// Every difference between what `manifests` offer and what `rows` prove.
pub fn gaps(manifests: &[&Manifest], rows: &[Row]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for manifest in manifests {
        for declared in &manifest.actions {
            let (kind, action) = (manifest.kind.clone(), declared.action);
            let mut proofs = of(rows, &manifest.kind, action).peekable();
            if proofs.peek().is_none() {
                gaps.push(Gap::Unproved { kind, action });
            } else if !proofs.all(|row| row.undone == wanted(declared.reversible)) {
                gaps.push(Gap::OtherWayBack { kind, action, declared: declared.reversible });
            }
        }
    }
    for row in rows {
        let offered = manifests.iter().any(|m| m.kind == row.kind && m.action(row.action).is_some());
        let gap = Gap::NotOffered { kind: row.kind.clone(), action: row.action };
        if !offered && !gaps.contains(&gap) {
            gaps.push(gap);
        }
    }
    gaps
}

/// What a drill must show of the way back that a manifest declares.
pub fn wanted(declared: Reversible) -> Undone {
    match declared {
        Reversible::No => Undone::Irreversible,
        Reversible::Approximate | Reversible::Exact => Undone::Proved,
    }
}

/// The rows of one action that count. Somebody's word is no proof.
pub fn of<'a>(rows: &'a [Row], kind: &'a str, action: Action) -> impl Iterator<Item = &'a Row> {
    rows.iter().filter(move |row| row.kind == kind && row.action == action && row.proved > Strength::Recorded)
}

/// What may be said of an action in one line: the oldest of its rows, with the weakest
/// proof of any.
pub fn last_proven(rows: &[Row], kind: &str, action: Action) -> Option<Row> {
    let oldest = of(rows, kind, action).min_by_key(|row| row.proved_at)?;
    let proved = of(rows, kind, action).map(|row| row.proved).min().unwrap_or(oldest.proved);
    Some(Row { proved, ..oldest.clone() })
}
