//! The evidence bundle: one file that proves a case to a stranger, offline.
//!
//! It holds the exact bytes of the events, a proof for each, the one signed
//! checkpoint they lead to, and what the events name: blobs, and the values
//! behind commitments. An event of the case's stream, the export, names the
//! heads of all linked streams, so that a cut tail or a stream left out shows.
//! What an event says is not known here: the caller passes a reader that gives
//! the [`Link`] of each leaf.
//!
//! A population bundle is the other kind: every case of a range of the log.
//!
//! A bundle that verifies proves that the log of this key holds exactly these
//! events; not that they are true, and not that others saw the same log.

mod chain;
mod disclosure;
mod layout;
mod population;
mod report;
mod verify;
mod write;
mod zip;

pub use disclosure::Disclosure;
pub use population::{Census, End, Population, Row, UnwritablePopulation, write_population};
pub use report::{Code, Fault, Report};
pub use verify::verify;
pub use write::{Unwritable, write};
pub use zip::{BadContainer, Entry, pack, unpack};

use crate::leaf::Hash;
use crate::note::VerifierKey;
use alloc::string::String;
use alloc::vec::Vec;

/// The text of `README.txt` in every bundle. Part of the format, because
/// nothing else covers that file: another text needs a verifier that accepts
/// both, or the bundles written before are refused.
pub const README: &str = include_str!("bundle/README.txt");

/// What a bundle is made of. Order within the lists does not matter.
pub struct Bundle {
    /// `case.json`: an object with at least the strings `case` and `stream`,
    /// the latter naming the stream that the export event ends.
    pub case: Vec<u8>,
    /// The signed checkpoint note, verbatim.
    pub checkpoint: String,
    /// The key that signed it.
    pub key: VerifierKey,
    pub events: Vec<Event>,
    /// Each is stored under its SHA-256.
    pub blobs: Vec<Vec<u8>>,
    pub disclosures: Vec<Disclosure>,
}

/// One event: its place in the log, its exact bytes, its inclusion proof in
/// the bundle's checkpoint.
pub struct Event {
    pub index: u64,
    pub leaf: Vec<u8>,
    pub proof: Vec<Hash>,
}

/// What the verifier has to know about one leaf. The caller reads it out of
/// the event; see [`verify`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub stream: String,
    /// From 1, without gaps within the stream.
    pub version: u64,
    /// The leaf hash of the stream's previous event; `None` at version 1.
    pub prev: Option<Hash>,
    /// Whether the leaf is the one canonical spelling of its event.
    pub canonical: bool,
    /// Hex SHA-256 commitments in this event.
    pub commitments: Vec<String>,
    /// Hex SHA-256 of the blobs that this event names and a bundle must hold.
    pub blobs: Vec<String>,
    /// Only in an export event: the last event of every other stream that
    /// belongs to the case.
    pub heads: Option<Vec<Head>>,
    /// Commitments whose value this event says is erased.
    pub erased: Vec<String>,
    /// Only in an export event that says so: the SHA-256 of `case.json`, which
    /// nothing else covers.
    pub case: Option<Hash>,
    /// When it was recorded, as the event spells it.
    pub at: String,
    /// It is the first event of a case.
    pub opens: bool,
    /// The stage that the case of its stream entered with it.
    pub state: Option<String>,
}

/// The last event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub stream: String,
    pub version: u64,
    pub leaf: Hash,
}
