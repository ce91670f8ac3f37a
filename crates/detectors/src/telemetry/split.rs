//! A stream of bytes becomes records, one at a time.
//!
//! Bytes come in pieces of any size; only the record in progress is kept, so
//! memory is flat in the size of the log. Read are JSON Lines, documents one
//! after the other, an array, the wrappers that exports put around records
//! (`{"Records": [..]}`, `{"value": [..]}`), and lines of text. A record that
//! ends in the middle of a line spoils itself and not the next line.

/// Longest record that is kept: a CloudTrail record has at most 256 KiB, an
/// export with nested strings a few times that.
pub const RECORD_MAX: usize = 8 << 20;

/// Lists in which exports keep their records, at the top of a document.
const WRAPPERS: &[&str] = &["Records", "records", "value", "items", "Events", "events", "logEvents"];
/// What may stand before such a list. Any other key makes the document a record.
const BESIDE: &[&str] = &[
    "kind",
    "apiVersion",
    "metadata",
    "count",
    "total",
    "NextToken",
    "nextToken",
    "messageType",
    "owner",
    "logGroup",
    "logStream",
    "subscriptionFilters",
];

/// One piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// One JSON value.
    Json(&'a [u8]),
    /// One line of text.
    Line(&'a [u8]),
    /// A record that is none, and why.
    Broken(&'static str),
}

/// Finds records.
#[derive(Debug, Default)]
pub struct Split {
    mode: Mode,
    within: Within,
    /// The record in progress.
    held: Vec<u8>,
    oversized: bool,
    /// Brackets of the record that are open; 0 is between records.
    depth: u32,
    /// Brackets of a wrapper that are open after its list ended.
    tail: u32,
    text: bool,
    escaped: bool,
    /// A document at the top may still turn out to be a wrapper.
    may_wrap: bool,
    /// Something that is no record is passed over.
    skipping: bool,
    /// The byte before was a line break.
    line_start: bool,
    /// Line breaks in the record in progress.
    breaks: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Unknown,
    Json,
    Lines,
}

/// What the records stand in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    Array,
    /// The list of a wrapper.
    List,
}

impl Split {
    /// Takes the next bytes and hands over every record that they end.
    pub fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(Piece<'_>)) {
        let mut rest = bytes;
        if self.mode == Mode::Unknown {
            rest = rest.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(rest).trim_ascii_start();
            let Some(first) = rest.first() else { return };
            let next = rest[1..].trim_ascii_start().first();
            // A line of text may begin with a bracket, too; an array goes on with a record.
            let array = *first == b'[' && next.is_none_or(|b| matches!(b, b'{' | b'[' | b']'));
            self.mode = if *first == b'{' || array { Mode::Json } else { Mode::Lines };
        }
        match self.mode {
            Mode::Json => self.json(rest, take),
            _ => self.lines(rest, take),
        }
    }

    /// The stream has ended.
    pub fn finish(mut self, take: &mut dyn FnMut(Piece<'_>)) {
        match self.mode {
            Mode::Lines => self.end_line(take),
            Mode::Json if self.depth > 0 => take(Piece::Broken("the record is cut off")),
            Mode::Json if self.within != Within::Nothing || self.tail > 0 => {
                take(Piece::Broken("the file is cut off after its last record"))
            }
            // An empty file is an empty log, as every rotation leaves one.
            Mode::Json | Mode::Unknown => {}
        }
    }

    fn lines(&mut self, bytes: &[u8], take: &mut dyn FnMut(Piece<'_>)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.hold(&rest[..end]);
            self.end_line(take);
            rest = &rest[end + 1..];
        }
        self.hold(rest);
    }

    fn end_line(&mut self, take: &mut dyn FnMut(Piece<'_>)) {
        if self.oversized {
            take(Piece::Broken("the line is longer than a record may be"));
        } else {
            let line = self.held.trim_ascii();
            if !line.is_empty() {
                take(Piece::Line(line));
            }
        }
        self.held.clear();
        self.oversized = false;
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.held.len() + bytes.len() > RECORD_MAX {
            self.oversized = true;
            self.held.clear();
        }
        if !self.oversized {
            self.held.extend_from_slice(bytes);
        }
    }

    fn json(&mut self, bytes: &[u8], take: &mut dyn FnMut(Piece<'_>)) {
        // Where the record in progress starts in `bytes`.
        let mut from = 0;
        let mut at = 0;
        while at < bytes.len() {
            if self.text {
                at += self.in_text(&bytes[at..]);
                if self.text && at < bytes.len() {
                    // No JSON text holds a bare line break: this record is broken, the next line is not.
                    self.give_up("a text is not closed on its line", take);
                }
                continue;
            }
            let b = bytes[at];
            at += 1;
            let line_start = std::mem::replace(&mut self.line_start, b == b'\n');
            if self.tail > 0 {
                self.in_tail(b);
            } else if self.depth == 0 {
                if self.between(b, take) {
                    from = at - 1;
                }
            } else {
                match b {
                    b'"' => self.text = true,
                    b'\n' => self.breaks += 1,
                    b'{' if line_start && self.breaks == 1 && self.within == Within::Nothing => {
                        // A line that opens a record while the line before is open: that one was cut off.
                        take(Piece::Broken("the record is cut off"));
                        self.open_record();
                        from = at - 1;
                    }
                    b'[' if self.may_wrap && self.depth == 1 => {
                        self.hold(&bytes[from..at - 1]);
                        from = at - 1;
                        if wraps(&self.held) {
                            self.held.clear();
                            (self.depth, self.within) = (0, Within::List);
                        } else {
                            self.depth += 1;
                        }
                    }
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            self.hold(&bytes[from..at]);
                            let piece = if self.oversized {
                                Piece::Broken("the record is larger than a record may be")
                            } else {
                                Piece::Json(&self.held)
                            };
                            take(piece);
                            self.held.clear();
                            self.oversized = false;
                        }
                    }
                    _ => {}
                }
            }
        }
        if self.depth > 0 {
            self.hold(&bytes[from..]);
        }
    }

    /// A byte between records. Answers whether a record starts with it.
    fn between(&mut self, b: u8, take: &mut dyn FnMut(Piece<'_>)) -> bool {
        match (b, self.within) {
            (b' ' | b'\t' | b'\r', _) => {}
            (b'\n', Within::Nothing) | (b',', _) => self.skipping = false,
            (b'\n', _) => {}
            (b']', Within::Array) => (self.within, self.skipping) = (Within::Nothing, false),
            (b']', Within::List) => (self.within, self.skipping, self.tail) = (Within::Nothing, false, 1),
            (b'"', _) if self.skipping => self.text = true,
            _ if self.skipping => {}
            (b'[', Within::Nothing) => self.within = Within::Array,
            (b'{' | b'[', _) => {
                self.open_record();
                return true;
            }
            _ => {
                self.skipping = true;
                self.text = b == b'"';
                take(Piece::Broken("no record, but a bare value or something that is not JSON"));
            }
        }
        false
    }

    fn open_record(&mut self) {
        self.held.clear();
        (self.depth, self.breaks, self.oversized) = (1, 0, false);
        self.may_wrap = self.within == Within::Nothing;
    }

    /// The rest of a wrapper after its list: nothing in it is a record.
    fn in_tail(&mut self, b: u8) {
        match b {
            b'"' => self.text = true,
            b'{' | b'[' => self.tail += 1,
            b'}' | b']' => self.tail -= 1,
            _ => {}
        }
    }

    /// How many bytes belong to the text in progress, its closing quote included.
    fn in_text(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let b = bytes[at];
            if self.escaped {
                self.escaped = false;
            } else if b == b'\\' {
                self.escaped = true;
            } else if b == b'"' {
                self.text = false;
                return at + 1;
            } else if b == b'\n' {
                return at;
            }
            at += 1;
        }
        at
    }

    fn give_up(&mut self, reason: &'static str, take: &mut dyn FnMut(Piece<'_>)) {
        self.held.clear();
        (self.text, self.escaped, self.depth, self.tail, self.oversized) = (false, false, 0, 0, false);
        take(Piece::Broken(reason));
    }
}

/// Do these first bytes of a document end in the key of a list of records?
fn wraps(head: &[u8]) -> bool {
    let named = head.trim_ascii_end().strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    let ends = |name: &str| named.and_then(|n| n.strip_suffix(b"\"")?.strip_suffix(name.as_bytes())).is_some_and(|n| n.ends_with(b"\""));
    if head.len() > 64 * 1024 || !WRAPPERS.iter().any(|name| ends(name)) {
        return false;
    }
    let Ok(head) = std::str::from_utf8(head) else { return false };
    let Some(open) = head.trim_end().strip_suffix(':') else { return false };
    // Completed, the head is an object with the list empty.
    let Ok(serde_json::Value::Object(map)) = serde_json::from_str(&format!("{open}:[]}}")) else { return false };
    let list = map.iter().find(|(key, value)| WRAPPERS.contains(&key.as_str()) && value.as_array().is_some_and(Vec::is_empty));
    let Some((name, _)) = list else { return false };
    map.keys().all(|key| key == name || key.starts_with('@') || BESIDE.contains(&key.as_str()))
}
