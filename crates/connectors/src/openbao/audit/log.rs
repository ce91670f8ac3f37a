//! The log as far as it was read. Each look reads what was written since the last
//! one: a case that is watched for days would otherwise read all of it at every look.

use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    io::{BufRead, BufReader, Read, Result, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
};

use super::{Trail, Use, line::Line};

/// How much of the log's end is read where it was not read before; what is kept
/// begins anew when twice as much was read.
const TAIL_BYTES: u64 = 64 << 20;
/// The longest line that is read as one.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// What is kept of it, and where the next line begins.
#[derive(Debug, Default)]
pub(in super::super) struct Log {
    /// Device and inode: a log that was rotated is another one.
    file: Option<(u64, u64)>,
    began: u64,
    next: u64,
    trail: Arc<Trail>,
    /// By the hash of what was used, in the log's order.
    uses: BTreeMap<String, Vec<Use>>,
    /// Hash of an accessor -> of the token's value.
    values: BTreeMap<String, String>,
}

impl Log {
    /// Reads on to the end; a line that is still in writing waits for the next time.
    pub(super) fn read_on(&mut self, path: &Path) -> Result<()> {
        self.read_on_within(path, TAIL_BYTES)
    }

    pub(super) fn trail(&self) -> Arc<Trail> {
        self.trail.clone()
    }

    /// Every use of what `mark` stands for, in the log's order.
    pub(super) fn uses_of(&self, mark: &str) -> &[Use] {
        self.uses.get(mark).map_or(&[], Vec::as_slice)
    }

    /// What stands for the value of the token whose accessor is hashed to `accessor`.
    pub(super) fn value_of(&self, accessor: &str) -> Option<&str> {
        self.values.get(accessor).map(String::as_str)
    }

    fn read_on_within(&mut self, path: &Path, tail: u64) -> Result<()> {
        let mut file = File::open(path)?;
        let now = file.metadata()?;
        if self.is_other(&now) || self.next.saturating_sub(self.began) > 2 * tail {
            let began = now.len().saturating_sub(tail);
            *self = Self { file: Some(id(&now)), began, next: began, ..Self::default() };
        }
        if now.len() <= self.next {
            return Ok(());
        }
        // What is read first began within a line.
        let mut partial = self.began > 0 && self.next == self.began;
        file.seek(SeekFrom::Start(self.next))?;
        let mut reader = BufReader::new(file);
        let trail = Arc::make_mut(&mut self.trail);
        trail.cut_short = self.began > 0;
        let (mut text, mut unfinished) = (Vec::new(), 0);
        loop {
            text.clear();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)? as u64;
            if text.last() != Some(&b'\n') {
                // Too long to be a line of interest: its end is looked for.
                if read < LINE_BYTES_MAX {
                    return Ok(());
                }
                (partial, unfinished) = (true, unfinished + read);
                continue;
            }
            self.next += std::mem::take(&mut unfinished) + read;
            if !std::mem::take(&mut partial)
                && let Ok(line) = serde_json::from_slice::<Line>(&text)
            {
                keep(&mut self.uses, &mut self.values, &line);
                trail.take(line);
            }
        }
    }

    fn is_other(&self, now: &Metadata) -> bool {
        self.file != Some(id(now)) || now.len() < self.next
    }
}

fn keep(uses: &mut BTreeMap<String, Vec<Use>>, values: &mut BTreeMap<String, String>, line: &Line) {
    for (accessor, value) in line.values() {
        if !values.contains_key(accessor) {
            values.insert(accessor.to_owned(), value.to_owned());
        }
    }
    if !line.is_response() {
        return;
    }
    for mark in line.used() {
        uses.entry(mark.to_owned()).or_default().push(Use {
            at: line.time,
            path: line.request.path.clone(),
            address: line.request.remote_address.clone(),
            accepted: line.is_accepted(),
        });
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    fn used(token: &str) -> String {
        format!(r#"{{"time":"2026-11-24T15:09:10Z","type":"response","request":{{"path":"secret/data/x","client_token":"{token}"}}}}"#)
    }

    fn count(log: &Log, mark: &str) -> usize {
        log.uses_of(mark).len()
    }

    #[test]
    fn each_line_is_read_once_and_one_in_writing_waits_for_its_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("audit.log");
        let (first, second) = (used("a"), used("b"));
        let mut file = File::create(&path).expect("made");
        write!(file, "{first}\n{}", &second[..40]).expect("written");
        let mut log = Log::default();
        for _ in 0..2 {
            log.read_on(&path).expect("read");
            assert_eq!((count(&log, "a"), count(&log, "b"), log.trail().cut_short), (1, 0, false));
        }
        write!(file, "{}\nnot a line\n{first}\n", &second[40..]).expect("written");
        log.read_on(&path).expect("read");
        assert_eq!((count(&log, "a"), count(&log, "b")), (2, 1));
    }

    #[test]
    fn a_log_that_was_rotated_or_emptied_begins_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("audit.log");
        fs::write(&path, format!("{}\n{}\n", used("a"), used("a"))).expect("written");
        let mut log = Log::default();
        log.read_on(&path).expect("read");
        assert_eq!(count(&log, "a"), 2);

        fs::rename(&path, dir.path().join("audit.log.1")).expect("rotated");
        fs::write(&path, format!("{}\n{}\n{}\n", used("b"), used("b"), used("b"))).expect("written");
        log.read_on(&path).expect("read");
        assert_eq!((count(&log, "a"), count(&log, "b")), (0, 3));

        File::options().write(true).truncate(true).open(&path).expect("emptied");
        log.read_on(&path).expect("read");
        assert_eq!(count(&log, "b"), 0, "what is no longer there is not counted");
        fs::write(&path, format!("{}\n", used("c"))).expect("written");
        log.read_on(&path).expect("read");
        assert_eq!(count(&log, "c"), 1);
    }

    #[test]
    fn of_a_long_log_the_end_is_read_and_it_is_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("audit.log");
        let line = used("a");
        fs::write(&path, format!("{line}\n").repeat(10)).expect("written");
        let tail = line.len() as u64 * 3;
        let mut log = Log::default();
        log.read_on_within(&path, tail).expect("read");
        assert_eq!((count(&log, "a"), log.trail().cut_short), (2, true), "the one that is read in part is left out");

        // What is kept does not grow with the log.
        let mut file = File::options().append(true).open(&path).expect("open");
        for _ in 0..40 {
            writeln!(file, "{line}").expect("written");
            log.read_on_within(&path, tail).expect("read");
        }
        assert!(count(&log, "a") <= 8, "{}", count(&log, "a"));
    }
}
