//! Files become facts and alerts.
//!
//! A file whose records no kind of log knows is read once more as a detector's
//! message, whole. What cannot be read is told with its place and its reason,
//! and the rest is read on.

use std::{
    collections::BTreeSet,
    io::{self, Read},
};

use quell_core::{
    respond::calls_for_containment,
    signal::{Detected, Resolvable},
    trace::{Alerted, Investigation, LinkKind, Place, Trace, UnreadableRecord},
};
use quell_detectors::{
    AUTO, Builtin,
    telemetry::{self, Circumstances, Heard, Log, Stream},
};
use quell_engine::port::Detectors;

use super::{files::Source, known::Known};
use crate::cli::terminal;

const PIECE: usize = 256 * 1024;
/// Largest message that is handed to a detector: the server's own bound.
const MESSAGE_MAX: u64 = 16 << 20;
/// Records that are told one by one.
const UNREADABLE_MAX: usize = 1_000;
/// Most records of logs that are heard as alerts, too: a log is no alert by its size.
const SHORT: u64 = 10_000;
/// Bytes between two lines of progress.
const PROGRESS: u64 = 256 << 20;

/// What is no fact in a log.
#[derive(Default)]
struct Strange {
    /// Of no kind of log; a detector may know them.
    records: Vec<(u64, Vec<u8>)>,
    broken: Vec<(u64, String)>,
    more: u64,
}

impl Strange {
    fn hear(&mut self, place: Place, heard: Heard<'_>, trace: &mut Trace) {
        match heard {
            Heard::Fact(fact) => trace.take(place, *fact),
            Heard::Unknown(bytes) if self.records.len() < UNREADABLE_MAX => self.records.push((place.record, bytes.to_vec())),
            Heard::Unreadable(reason) if self.broken.len() < UNREADABLE_MAX => self.broken.push((place.record, reason)),
            Heard::Unknown(_) | Heard::Unreadable(_) => self.more += 1,
        }
    }
}

/// One reading of all files.
pub struct Hearing<'a> {
    log: Option<&'static Log>,
    detector: &'a str,
    known: &'a Known,
    records: u64,
    unreadable: Vec<UnreadableRecord>,
    untold: u64,
    kinds: BTreeSet<&'static str>,
    bytes: u64,
}

impl<'a> Hearing<'a> {
    /// Of one kind of log or detector, or of whatever the files turn out to be.
    pub fn new(source: Option<&'a str>, known: &'a Known) -> Self {
        let log = source.and_then(telemetry::log);
        let detector = source.unwrap_or(AUTO);
        Self { log, detector, known, records: 0, unreadable: Vec::new(), untold: 0, kinds: BTreeSet::new(), bytes: 0 }
    }

    /// Reads every file to its end.
    pub fn all(&mut self, sources: &[Source], trace: &mut Trace) {
        for (n, source) in (0_u32..).zip(sources) {
            let known_detector = self.log.is_none() && self.detector != AUTO;
            let logs = if known_detector { Ok(false) } else { self.log(n, source, trace) };
            let heard = match logs {
                Ok(true) => Ok(()),
                Ok(false) => self.message(n, source, trace),
                Err(e) => Err(e),
            };
            if let Err(e) = heard {
                let record = self.records;
                self.cannot(source, record, format!("the file cannot be read on: {e}"));
            }
        }
    }

    /// Little enough to be messages rather than a log?
    pub fn is_short(&self) -> bool {
        self.records <= SHORT
    }

    /// Hears files that were read as logs once more, as messages of detectors.
    /// What no detector reads was read already, so it is not told again.
    pub fn as_alerts(&mut self, sources: &[Source], trace: &mut Trace) {
        for (n, source) in (0_u32..).zip(sources) {
            let mut bytes = Vec::new();
            let read = source.open().and_then(|s| s.take(MESSAGE_MAX).read_to_end(&mut bytes));
            if read.is_err() {
                continue;
            }
            for (record, detected) in (0..).zip(Builtin.read(AUTO, &bytes).signals) {
                // What somebody did is in the log already; only what asks to be contained
                // is an alert besides.
                if !calls_for_containment(detected.signal.kind) {
                    continue;
                }
                // An alert that names nobody was told by the first reading, if it was one.
                if let Some(alert) =
                    self.alerted(detected, Place { file: n, record }).filter(|a| a.identity.is_some() || a.credential.is_some())
                {
                    trace.alert(alert);
                }
            }
        }
    }

    /// Reads a file as a log. Answers false where it is none.
    fn log(&mut self, n: u32, source: &Source, trace: &mut Trace) -> io::Result<bool> {
        let mut stream = Stream::new(self.log, Circumstances { written_at: source.written_at() });
        let mut bytes = source.open()?;
        let mut piece = vec![0; PIECE];
        let mut strange = Strange::default();
        let mut fault = None;
        loop {
            let read = match bytes.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    fault = Some(e);
                    break;
                }
            };
            stream.feed(&piece[..read], &mut |record, heard| strange.hear(Place { file: n, record }, heard, trace));
            self.bytes += read as u64;
            if self.bytes / PROGRESS != (self.bytes - read as u64) / PROGRESS {
                terminal::progress(&format!("read {} MiB", self.bytes >> 20));
            }
            // Not a log from its first record on: a detector reads it whole.
            if self.log.is_none() && !stream.knows_any() && !strange.records.is_empty() {
                return Ok(false);
            }
        }
        let ended = stream.finish(&mut |record, heard| strange.hear(Place { file: n, record }, heard, trace));
        if self.log.is_none() && ended.kinds.is_empty() && (ended.passed > 0 || !strange.records.is_empty()) {
            return Ok(false);
        }
        self.records += ended.records;
        self.kinds.extend(ended.kinds);
        for (record, reason) in strange.broken {
            self.cannot(source, record, reason);
        }
        self.untold += strange.more;
        for (record, bytes) in strange.records {
            self.signals(n, source, Some(record), &bytes, trace);
        }
        match fault {
            Some(e) => Err(e),
            None => Ok(true),
        }
    }

    /// Reads a file as one message of a detector.
    fn message(&mut self, n: u32, source: &Source, trace: &mut Trace) -> io::Result<()> {
        let mut bytes = Vec::new();
        source.open()?.take(MESSAGE_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MESSAGE_MAX {
            self.records += 1;
            self.cannot(source, 0, format!("no kind of log, and larger than a detector's message may be ({} MiB)", MESSAGE_MAX >> 20));
            return Ok(());
        }
        self.signals(n, source, None, &bytes, trace);
        Ok(())
    }

    /// Hands a file's bytes to the detectors, or those of one record in a log.
    fn signals(&mut self, n: u32, source: &Source, record: Option<u64>, bytes: &[u8], trace: &mut Trace) {
        let readout = Builtin.read(self.detector, bytes);
        if record.is_none() {
            self.records += (readout.signals.len() + readout.unreadable.len()) as u64;
        }
        let first = record.unwrap_or(0);
        for (at, detected) in (first..).zip(readout.signals) {
            if let Some(alert) = self.alerted(detected, Place { file: n, record: at }) {
                trace.alert(alert);
            }
        }
        for unreadable in readout.unreadable {
            self.cannot(source, first + unreadable.record, unreadable.reason);
        }
    }

    /// What an alert names, with the help of the inventory; nothing of its secret leaves.
    fn alerted(&self, detected: Detected, place: Place) -> Option<Alerted> {
        let Detected { signal, secret } = detected;
        // Evidence of containment raises nothing, and a drill is no incident.
        if signal.containment_evidence || signal.sample {
            return None;
        }
        let kind = signal.credential.as_ref().map_or(LinkKind::Unknown, |c| c.kind.into());
        let matched = secret.as_ref().and_then(|s| self.known.holder(s));
        let named = matches!(signal.subject.resolvable, Resolvable::Yes | Resolvable::Partial);
        let identity = signal.subject.native_id.or(signal.subject.name).filter(|_| named);
        let credential = signal.credential.and_then(|c| c.id);
        let (credential, identity) = match matched {
            Some((credential, owner)) => (Some(credential), identity.or(Some(owner))),
            None => (credential, identity),
        };
        Some(Alerted {
            key: signal.dedupe_key,
            title: signal.title.raw().to_owned(),
            at: signal.observed_at,
            system: signal.subject.system,
            identity,
            credential,
            kind,
            place,
        })
    }

    fn cannot(&mut self, source: &Source, record: u64, reason: String) {
        if self.unreadable.len() < UNREADABLE_MAX {
            self.unreadable.push(UnreadableRecord { file: source.name(), record, reason });
        } else {
            self.untold += 1;
        }
    }

    /// Puts what the reading itself has to say into the answer.
    pub fn add_to(mut self, answer: &mut Investigation) {
        self.unreadable.sort();
        if self.untold > 0 {
            let reason = format!("{} more records could not be read", self.untold);
            self.unreadable.push(UnreadableRecord { file: "(more)".to_owned(), record: 0, reason });
        }
        answer.records = self.records;
        answer.unreadable = self.unreadable;
        for log in telemetry::LOGS.iter().filter(|l| self.kinds.contains(l.name)) {
            answer.not_looked_at.push(format!("{} never shows {}", log.name, log.never_shows));
        }
    }
}
