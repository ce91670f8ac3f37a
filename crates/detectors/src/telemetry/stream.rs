//! The records of one file, each with the reader that knows it.
//!
//! Whoever read the last record is asked first; only where it declines is the
//! record looked at as a whole. Pipelines wrap records in others' (CloudWatch,
//! Azure diagnostics, EventBridge, journald): what is inside is read.

use crate::json::Value;
use quell_core::trace::Fact;

use super::{
    Circumstances, Given, LOGS, Log, Reader,
    split::{Piece, Split},
};

/// What a stream hands over, with the number of the record.
pub enum Heard<'a> {
    Fact(Box<Fact>),
    /// No kind of log knows it; a detector may.
    Unknown(&'a [u8]),
    Unreadable(String),
}

/// Fields in which a pipeline keeps the record as text, and as an object.
const TEXT_INSIDE: &[&[&str]] = &[&["CloudTrailEvent"], &["message"], &["MESSAGE"], &["log"], &["@message"], &["properties", "log"]];
const OBJECT_INSIDE: &[&str] = &["detail", "_source", "result", "event", "_raw"];

/// One file's records.
pub struct Stream {
    split: Split,
    readers: Readers,
    records: u64,
}

struct Readers {
    forced: Option<&'static Log>,
    circumstances: Circumstances,
    current: Option<(&'static str, Box<dyn Reader>)>,
    /// Every reader that was needed, for state that one file's records share.
    others: Vec<(&'static str, Box<dyn Reader>)>,
    seen: Vec<&'static str>,
    passed: u64,
}

/// What a file was, once it has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub records: u64,
    /// The kinds of log that its records are of.
    pub kinds: Vec<&'static str>,
    /// Lines of other programs, which say nothing of credentials.
    pub passed: u64,
}

impl Stream {
    /// A file of one kind, or of whatever its records turn out to be.
    pub fn new(kind: Option<&'static Log>, circumstances: Circumstances) -> Self {
        let readers = Readers { forced: kind, circumstances, current: None, others: Vec::new(), seen: Vec::new(), passed: 0 };
        Self { split: Split::default(), readers, records: 0 }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8], hear: &mut dyn FnMut(u64, Heard<'_>)) {
        let Self { split, readers, records } = self;
        split.feed(bytes, &mut |piece| {
            readers.piece(piece, &mut |heard| hear(*records, heard));
            *records += 1;
        });
    }

    /// Is any record so far of a kind that is read?
    pub fn knows_any(&self) -> bool {
        !self.readers.seen.is_empty()
    }

    /// The file has ended.
    pub fn finish(self, hear: &mut dyn FnMut(u64, Heard<'_>)) -> Ended {
        let Self { split, mut readers, mut records } = self;
        split.finish(&mut |piece| {
            readers.piece(piece, &mut |heard| hear(records, heard));
            records += 1;
        });
        Ended { records, kinds: readers.seen, passed: readers.passed }
    }
}

impl Readers {
    fn piece(&mut self, piece: Piece<'_>, hear: &mut dyn FnMut(Heard<'_>)) {
        match piece {
            Piece::Broken(reason) => hear(Heard::Unreadable(reason.to_owned())),
            Piece::Json(record) => self.json(record, hear),
            Piece::Line(line) => self.line(line, hear),
        }
    }

    fn json(&mut self, record: &[u8], hear: &mut dyn FnMut(Heard<'_>)) {
        if let Some(given) = self.ask_last(record, hear) {
            return unreadable(given, hear);
        }
        let value = match crate::json::document(record) {
            Ok(value) => value,
            Err(e) => return hear(Heard::Unreadable(format!("the record is not JSON at line {}, column {}", e.line(), e.column()))),
        };
        let found = self.unwrapped(&value, 3);
        let Some((log, inner)) = found else { return hear(Heard::Unknown(record)) };
        let given = self.with(log).read(inner.as_deref().unwrap_or(record), &mut |fact| hear(Heard::Fact(Box::new(fact))));
        match given {
            Given::NotMine => hear(Heard::Unreadable(format!("the record looks like `{}`, and lacks what makes one", log.name))),
            given => unreadable(given, hear),
        }
    }

    fn line(&mut self, line: &[u8], hear: &mut dyn FnMut(Heard<'_>)) {
        if let Some(given) = self.ask_last(line, hear) {
            return unreadable(given, hear);
        }
        let Ok(text) = std::str::from_utf8(line) else { return hear(Heard::Unreadable("the line is not UTF-8".to_owned())) };
        let knows = |log: &&Log| log.recognises_line.is_some_and(|knows| knows(text));
        let log = match self.forced {
            Some(log) => Some(log).filter(|l| l.recognises_line.is_some()),
            None => LOGS.iter().find(knows),
        };
        match log {
            Some(log) => {
                let given = self.with(log).read(line, &mut |fact| hear(Heard::Fact(Box::new(fact))));
                unreadable(given, hear);
            }
            // Other programs write into the same file; their lines say nothing of credentials.
            None => self.passed += 1,
        }
    }

    /// Asks the reader of the last record; `None` where it declines.
    fn ask_last(&mut self, record: &[u8], hear: &mut dyn FnMut(Heard<'_>)) -> Option<Given> {
        let (_, reader) = self.current.as_mut()?;
        match reader.read(record, &mut |fact| hear(Heard::Fact(Box::new(fact)))) {
            Given::NotMine => None,
            given => Some(given),
        }
    }

    /// The kind of log of a record, and the record inside of it where it is wrapped.
    fn unwrapped(&self, value: &Value, depth: u8) -> Option<(&'static Log, Option<Vec<u8>>)> {
        let known = match self.forced {
            Some(log) => Some(log).filter(|l| (l.recognises)(value)),
            None => LOGS.iter().find(|l| (l.recognises)(value)),
        };
        if let Some(log) = known {
            return Some((log, None));
        }
        if depth == 0 {
            return None;
        }
        for path in TEXT_INSIDE {
            let Some(text) = crate::field::at(value, path).and_then(Value::as_str) else { continue };
            let Ok(inner) = crate::json::document(text.as_bytes()) else {
                // Journald and container logs wrap plain lines, too.
                let line = LOGS.iter().find(|l| l.recognises_line.is_some_and(|knows| knows(text)));
                if let Some(log) = line.filter(|l| self.forced.is_none_or(|f| f.name == l.name)) {
                    return Some((log, Some(text.as_bytes().to_vec())));
                }
                continue;
            };
            let found = self.unwrapped(&inner, depth - 1);
            if let Some((log, deeper)) = found {
                return Some((log, Some(deeper.unwrap_or_else(|| text.as_bytes().to_vec()))));
            }
        }
        for name in OBJECT_INSIDE {
            let Some(inner) = crate::field::field(value, name).filter(|v| v.is_object()) else { continue };
            if let Some((log, deeper)) = self.unwrapped(inner, depth - 1) {
                return Some((log, deeper.or_else(|| serde_json::to_vec(inner).ok())));
            }
        }
        None
    }

    /// The reader of a kind, which becomes the current one. State is kept for
    /// every kind, because a file may hold several in turn.
    fn with(&mut self, log: &'static Log) -> &mut dyn Reader {
        if self.current.as_ref().is_none_or(|(name, _)| *name != log.name) {
            let known = self.others.iter().position(|(name, _)| *name == log.name);
            let next = known.map_or_else(|| (log.name, (log.reader)(&self.circumstances)), |at| self.others.swap_remove(at));
            self.others.extend(self.current.replace(next));
            if !self.seen.contains(&log.name) {
                self.seen.push(log.name);
            }
        }
        self.current.as_mut().expect("it was just put there").1.as_mut()
    }
}

fn unreadable(given: Given, hear: &mut dyn FnMut(Heard<'_>)) {
    if let Given::Broken(reason) = given {
        hear(Heard::Unreadable(reason));
    }
}
