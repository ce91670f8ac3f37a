//! What leaves by stdout and stderr.
//!
//! Every text passes the terminal's escaper here, also what our own server
//! says: names in it were written by outsiders. JSON carries the same text with
//! deceptive characters as `\u` escapes, which mean the same to a program.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use quell_core::untrusted::Untrusted;
use serde::Serialize;
use serde_json::{Value, ser::Formatter};

/// Text that changes nothing but itself on a terminal.
pub fn safe(text: &str) -> String {
    Untrusted::new(text).terminal()
}

/// A value as a cell: `-` for what is absent.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => safe(text),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => safe(&other.to_string()),
    }
}

/// Columns without lines, wrapped to the terminal's width. Cells are escaped by
/// [`cell`] or [`safe`] before.
pub fn table<'a>(headings: impl IntoIterator<Item = &'a str>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.into_iter().map(str::to_uppercase).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// One JSON document on one line.
pub fn json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::new();
    write_json(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// The same behind what is in `out` already.
pub fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let start = out.len();
    // Plain data into memory does not fail; an empty object would be a lie, so it is named.
    if let Err(error) = value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Plain)) {
        out.truncate(start);
        let told = format!("{{\"type\":\"about:blank\",\"title\":\"not JSON\",\"detail\":{:?}}}", error.to_string());
        out.extend_from_slice(told.as_bytes());
    }
}

/// Writes one line to stdout. A reader that went away ends the output, not the command.
pub fn say(line: &str) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Progress of long work, on stderr.
pub fn progress(line: &str) {
    // Progress that nobody reads is not missed.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// JSON without a character that a terminal or an editor would obey.
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // What is printable ASCII obeys nobody, and it is nearly everything.
        if fragment.bytes().all(|b| matches!(b, b' '..=b'~')) || safe(fragment) == fragment {
            return writer.write_all(fragment.as_bytes());
        }
        let mut buffer = [0; 4];
        for c in fragment.chars() {
            let one = c.encode_utf8(&mut buffer);
            if safe(one) == *one {
                writer.write_all(one.as_bytes())?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_obeys_nobody() {
        for text in ["plain", "\u{202e}gpj.exe", "\u{9b}31m red", "tag \u{e0067}\u{e007f}", "quote \" and \\ and \n", "ünï 🏴"] {
            let line = json(text);
            assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), text);
            assert_eq!(safe(&line), line, "{text:?}");
        }
    }
}
