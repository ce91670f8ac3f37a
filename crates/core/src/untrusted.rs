//! Text that an outsider wrote.
//!
//! It has no `Display`: it renders only through the escaper of the edge it
//! leaves by, and stands quoted below our own words. JSON output keeps it
//! under a key named `untrusted`.

use alloc::{
    format,
    string::{String, ToString},
};
use core::fmt;

use serde::{Deserialize, Serialize};

/// Text from outside. Compare and store it freely; show it through an escaper.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Wraps text from outside.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The raw text, for comparing and for JSON output under `untrusted`.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// At most `characters` characters of it.
    pub fn shortened(&self, characters: usize) -> Self {
        if self.0.chars().count() <= characters {
            return self.clone();
        }
        let mut short: String = self.0.chars().take(characters.saturating_sub(1)).collect();
        short.push('…');
        Self(short)
    }

    /// For a terminal: no control, no bidirectional override, no invisible character survives.
    pub fn terminal(&self) -> String {
        if !self.0.contains(is_deceptive) {
            return self.0.clone();
        }
        self.0.chars().map(|c| if is_deceptive(c) { escape(c) } else { c.to_string() }).collect()
    }

    /// For HTML text and quoted attributes.
    pub fn html(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                c if is_deceptive(c) => out.push_str(&escape(c)),
                c => out.push(c),
            }
        }
        out
    }

    /// For one CSV field: quoted, and no formula starts in it.
    pub fn csv(&self) -> String {
        let plain = self.terminal();
        let guard = if plain.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        format!("\"{guard}{}\"", plain.replace('"', "\"\""))
    }

    /// For a log line: one line, quoted, at most 200 characters.
    pub fn log(&self) -> String {
        let short = self.shortened(200);
        format!("\"{}\"", short.terminal().replace('\\', "\\\\").replace('"', "\\\""))
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({})", self.log())
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

fn escape(c: char) -> String {
    format!("\\u{{{:x}}}", u32::from(c))
}

/// Characters that change how their neighbours are read, or cannot be seen:
/// controls, bidirectional marks and overrides (Unicode UAX #9), zero widths,
/// line separators, tags, the byte order mark, fillers, variation selectors.
fn is_deceptive(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x061C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x2069 | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F
            | 0x034F | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x3164 | 0xFFA0 | 0xFE00..=0xFE0F | 0xE0100..=0xE01EF)
}
