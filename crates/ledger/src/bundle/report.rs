//! The answer of a verification, and the stable codes of what was wrong.

use super::population::Census;
use crate::leaf::Hash;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// A bundle of ten thousand faults is refused as well by its first hundred.
const MAX_FAULTS: usize = 100;
const MAX_MESSAGE_CHARS: usize = 300;

/// What a bundle proves. Serialises to the JSON of `evidence verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// No error at all, signer established.
    pub ok: bool,
    /// The bytes alone are whole and agree; says nothing about who signed.
    pub integrity: bool,
    /// Events in the bundle.
    pub events: u64,
    /// Leaves in the log, by the checkpoint.
    pub size: Option<u64>,
    /// Root of the log as base64, by the checkpoint.
    pub root: Option<String>,
    /// The key in the bundle as a vkey.
    pub key: Option<String>,
    /// That key is the one the caller trusts.
    pub key_pinned: bool,
    /// Whole, and every commitment is disclosed or known to be erased.
    pub complete: bool,
    /// Commitments without a disclosure.
    pub erased: u64,
    /// Only of a population bundle: its ends and how many cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population: Option<Census>,
    /// At most 100.
    pub errors: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub code: Code,
    pub message: String,
}

/// What is wrong, as programs may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Not a container as this software writes it, or files out of order.
    BadContainer,
    ExtraFile,
    MissingFile,
    /// `README.txt` is not the known text.
    BadReadme,
    /// `case.json` is unreadable or not the one that the export event names.
    BadCase,
    /// `key.vkey` is not a key.
    BadKey,
    /// The key in the bundle is not the one given.
    WrongKey,
    /// No key was given, so that the signer is not established.
    UnpinnedKey,
    BadCheckpoint,
    BadSignature,
    BadInclusion,
    /// An event too large, or one that cannot be read.
    BadEvent,
    NotCanonical,
    MissingEvent,
    BadChain,
    MissingStream,
    /// A stream in the bundle that the export does not name.
    ExtraStream,
    /// A stream ends before the export says it does, or there is no export.
    Truncated,
    BadDisclosure,
    BadBlob,
    /// `population.json` is not what the events of the range say.
    BadPopulation,
    /// A case that was opened in the range is not listed.
    MissingCase,
    /// A case is listed that was not opened in the range.
    ExtraCase,
}

impl Code {
    /// Whether this is about who signed and not about the bytes.
    fn is_about_signer(self) -> bool {
        matches!(self, Code::WrongKey | Code::UnpinnedKey)
    }
}

/// The faults found so far.
#[derive(Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    broken: bool,
}

impl Faults {
    pub(super) fn add(&mut self, code: Code, message: impl AsRef<str>) {
        self.broken |= !code.is_about_signer();
        if self.found.len() < MAX_FAULTS {
            let message = message.as_ref().chars().take(MAX_MESSAGE_CHARS).collect();
            self.found.push(Fault { code, message });
        }
    }
}

/// What was learnt on the way.
#[derive(Default)]
pub(super) struct Facts {
    pub events: u64,
    pub log: Option<(u64, Hash)>,
    pub key: Option<String>,
    pub key_pinned: bool,
    pub undisclosed: u64,
    /// Undisclosed commitments that no event calls erased.
    pub unexplained: u64,
    pub population: Option<Census>,
}

impl Report {
    pub(super) fn new(facts: Facts, faults: Faults) -> Report {
        let integrity = !faults.broken;
        Report {
            ok: faults.found.is_empty() && facts.key_pinned,
            integrity,
            events: facts.events,
            size: facts.log.map(|(size, _)| size),
            root: facts.log.map(|(_, root)| root.base64()),
            key: facts.key,
            key_pinned: facts.key_pinned,
            complete: integrity && facts.unexplained == 0,
            erased: facts.undisclosed,
            population: facts.population,
            errors: faults.found,
        }
    }
}
