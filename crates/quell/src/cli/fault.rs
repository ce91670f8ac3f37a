//! Why a command did not do what it was asked to, and the exit that says so.
//!
//! 1: refused, not proven, or an error in the input. 2: usage. 3: the outside
//! failed. With `--json` a fault is an RFC 9457 problem document on stderr,
//! else one line in words that ends with the next move.

use std::{io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::terminal::safe;

/// Refused, not proven, or an error in the input.
pub const REFUSED: u8 = 1;
/// Called wrongly.
pub const USAGE: u8 = 2;
/// Somebody else failed: the server, the network, a disk.
pub const OUTSIDE: u8 = 3;

/// The exit of a command that ran: 0, or 1 where its own output says why not.
pub type Done = Result<u8, Fault>;

/// A command's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub exit: u8,
    problem: Problem,
}

/// RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    #[serde(rename = "type", default = "blank")]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default)]
    detail: String,
    /// Where in the input it lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

fn blank() -> String {
    "about:blank".to_owned()
}

impl Fault {
    /// A rule or the input says no; `detail` ends with the next move.
    pub fn refused(detail: impl Into<String>) -> Self {
        Self::new(REFUSED, "refused", "refused", detail)
    }

    /// The command was not called as it must be.
    pub fn usage(detail: impl Into<String>) -> Self {
        Self::new(USAGE, "usage", "usage", detail)
    }

    /// The server, the network or a disk failed.
    pub fn outside(detail: impl Into<String>) -> Self {
        Self::new(OUTSIDE, "outside", "the outside failed", detail)
    }

    /// A file that cannot be read or written.
    pub fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::refused(format!("cannot {doing} `{}`: {error}", path.display()))
    }

    /// What a server said, with the exit of its status.
    pub fn of_server(status: u16, problem: Problem) -> Self {
        let exit = match status {
            429 | 500.. => OUTSIDE,
            _ => REFUSED,
        };
        Self { exit, problem: Problem { status: Some(status), ..problem } }
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.problem.detail
    }

    fn new(exit: u8, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            exit,
            problem: Problem {
                kind: format!("about:blank#{code}"),
                title: title.to_owned(),
                status: None,
                detail: detail.into(),
                path: None,
            },
        }
    }

    /// Tells it on stderr.
    pub fn tell(&self, json: bool) {
        let line = if json {
            super::terminal::json(&self.problem)
        } else {
            let words = if self.problem.detail.is_empty() { &self.problem.title } else { &self.problem.detail };
            let place = self.problem.path.as_ref().map_or_else(String::new, |path| format!("`{path}`: "));
            format!("error: {}", safe(&format!("{place}{words}")))
        };
        // Nobody left to tell is no reason for another exit.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

impl Problem {
    /// An answer that is no problem document.
    pub fn plain(status: u16, title: &str, detail: String) -> Self {
        Self { kind: blank(), title: title.to_owned(), status: Some(status), detail, path: None }
    }
}
