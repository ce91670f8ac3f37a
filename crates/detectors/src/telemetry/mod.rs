//! Log records become facts about credentials: minted, used, read, ended, changed.
//!
//! One file a kind of log. Bytes in, facts out, no clock and no file: what a
//! line leaves out (the year of a syslog time) is given by the caller. Readers
//! stream, so memory is flat in the size of a log, and none copies a field that
//! may hold a secret. Detectors, which read alerts, live beside this room and
//! share nothing with it but the reading of values.
//! Reading order: `split` (bytes to records), `stream` (which reader), a reader.

pub mod cloudtrail;
pub mod defender;
pub mod entra;
pub mod kubernetes;
pub mod office;
pub mod okta;
pub mod panther;
pub mod postgresql;
pub mod split;
pub mod sshd;
pub mod stream;
mod text;
pub mod token;
pub mod vault;
pub mod windows;

use crate::json::Value;
use quell_core::{time::Timestamp, trace::Fact};

pub use self::stream::{Ended, Heard, Stream};

/// One kind of log.
pub struct Log {
    /// As in `quell investigate --source`.
    pub name: &'static str,
    /// What it reads, for help and documentation.
    pub reads: &'static str,
    /// Is this JSON record one of its kind?
    pub recognises: fn(&Value) -> bool,
    /// Is this line of text one of its kind?
    pub recognises_line: Option<fn(&str) -> bool>,
    pub reader: fn(&Circumstances) -> Box<dyn Reader>,
    /// What happens to credentials and never stands in this log.
    pub never_shows: &'static str,
}

/// What is known of a file beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// When it was last written: the year of times that have none.
    pub written_at: Option<Timestamp>,
}

/// Reads the records of one file, in their order.
pub trait Reader {
    /// Reads one record, and gives the facts in it.
    fn read(&mut self, record: &[u8], give: &mut dyn FnMut(Fact)) -> Given;
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Read, whether or not it said anything about credentials.
    Read,
    /// A record of another kind of log.
    NotMine,
    /// Of this kind, and it cannot be read; the reason quotes nothing of it.
    Broken(String),
}

impl Given {
    /// Only the place: the parser's own words may quote what it read.
    pub(crate) fn broken(error: &serde_json::Error) -> Self {
        Self::Broken(format!("the record is not JSON of this kind at line {}, column {}", error.line(), error.column()))
    }
}

/// Every kind of log that is built in, sorted by name.
pub const LOGS: &[Log] = &[
    cloudtrail::LOG,
    vault::LOG,
    kubernetes::LOG,
    defender::LOG,
    entra::LOG,
    office::LOG,
    okta::LOG,
    panther::LOG,
    postgresql::LOG,
    sshd::LOG,
    token::LOG,
    windows::LOG,
];

/// The kind of log of a name.
pub fn log(name: &str) -> Option<&'static Log> {
    LOGS.iter().find(|log| log.name == name)
}

/// A written time.
pub(crate) fn when(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| crate::time::written(text).map(|m| m.at))
}

/// Is this an address, and not the name of a service that called?
pub(crate) fn address(text: &str) -> bool {
    let v4 = text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let v6 = text.contains(':') && text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'%'));
    (v4 || v6) && text.len() <= 64
}
