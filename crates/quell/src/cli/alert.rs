//! `quell alert`: what a detector said, read here or sent to a server.

mod normalise;

pub use normalise::mapping;

use std::{
    io::Read,
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use quell_core::secret::hex;
use quell_engine::port::{Chance, Clock};
use quell_store::{OsChance, SystemClock};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Context, asking,
    fault::{Done, Fault, REFUSED},
    local, moment, terminal,
};
use crate::access::signature;
use crate::client::part;

/// Read detector messages, or send them
#[derive(Subcommand)]
pub enum Alert {
    Normalise(normalise::Normalise),
    Send(Send),
    Fold(Fold),
}

/// Send a detector's message to the server as one of its sources
///
/// QUELL_TOKEN is that source's token; a source that signs gives its key
/// instead.
#[derive(Args)]
#[command(after_help = "Example: quell alert send --source ci report.json --wait 60s")]
pub struct Send {
    /// The source's name, as in `quell source list`
    #[arg(long, value_name = "NAME")]
    source: String,
    /// Wait at most this long, and at most 60s, until every subject is proved or waits for a person
    #[arg(long, value_name = "TIME", value_parser = moment::duration)]
    wait: Option<Duration>,
    /// The source's HMAC key, as `quell source create --hmac` gave it
    #[arg(long, value_name = "FILE")]
    hmac_key_file: Option<PathBuf>,
    /// The message; `-` or nothing reads stdin
    file: Option<PathBuf>,
}

/// Show what a message would fold into, by which rule and key, and write nothing
///
/// The server reads it as that source's detector would and compares it with the
/// open cases. No plane is asked, so whose a leaked value is shows only where the
/// inventory has its fingerprint.
#[derive(Args)]
#[command(after_help = "Example: quell alert fold --source ci report.json")]
pub struct Fold {
    /// The source it would come from, as in `quell source list`
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The message; `-` or nothing reads stdin
    file: Option<PathBuf>,
}

impl Alert {
    pub fn run(self, context: &Context) -> Done {
        match self {
            Self::Normalise(verb) => verb.run(context),
            Self::Send(verb) => asking(verb.run(context)),
            Self::Fold(verb) => asking(verb.run(context)),
        }
    }
}

impl Send {
    async fn run(self, context: &Context) -> Done {
        let bytes = read(self.file.as_deref())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let wait = self.wait.unwrap_or_default().as_secs().min(60);
        if wait > 0 {
            headers.insert(HeaderName::from_static("prefer"), format_wait(wait)?);
        }
        if let Some(file) = &self.hmac_key_file {
            headers.insert(HeaderName::from_static("quell-signature"), signed(&local::secret_file(file)?, &bytes)?);
        }
        // A signature stands for the source, so no token is needed beside it.
        let client = if self.hmac_key_file.is_some() { context.stranger()? } else { context.client()? };
        let path = format!("alerts/{}", part(&self.source));
        let (status, answer) = client.post_bytes(&path, headers, bytes.to_vec(), Duration::from_secs(wait)).await?;
        context.print(&answer, |answer| told(answer, status == 200))?;
        Ok(0)
    }
}

impl Fold {
    async fn run(self, context: &Context) -> Done {
        let bytes = read(self.file.as_deref())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let path = format!("alerts/{}/fold", part(&self.source));
        let (_, answer) = context.client()?.post_bytes(&path, headers, bytes.to_vec(), Duration::ZERO).await?;
        context.print(&answer, would_fold)?;
        Ok(if answer["unreadable"].as_array().is_some_and(|u| !u.is_empty()) { REFUSED } else { 0 })
    }
}

fn would_fold(answer: &Value) -> String {
    let signals = answer["signals"].as_array().map(Vec::as_slice).unwrap_or_default();
    let unreadable = answer["unreadable"].as_array().map_or(0, Vec::len);
    let rows = signals.iter().map(|s| {
        let place = match (s["joins"].as_bool(), s["opens_case"].as_bool()) {
            (Some(true), _) => format!("joins {}", terminal::cell(&s["finding"])),
            (_, Some(true)) => "opens a case".to_owned(),
            _ => format!("new in {}", terminal::cell(&s["case"])),
        };
        vec![
            terminal::cell(&s["n"]),
            terminal::cell(&s["kind"]),
            terminal::cell(&s["subject"]),
            place,
            terminal::cell(&s["rule"]),
            terminal::cell(&s["key"]),
        ]
    });
    let mut out = terminal::table(["n", "kind", "subject", "would", "rule", "key"], rows);
    if unreadable > 0 {
        out.push_str(&format!("\n{unreadable} record(s) could not be read"));
    }
    out.push_str("\nnothing was written");
    out
}

fn format_wait(seconds: u64) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(&format!("wait={seconds}")).map_err(|e| Fault::usage(e.to_string()))
}

/// What a source that signs sends beside its message.
fn signed(key: &Zeroizing<String>, body: &[u8]) -> Result<HeaderValue, Fault> {
    let at = SystemClock::new().now().as_second();
    let mut chance = [0; 16];
    OsChance.fill(&mut chance);
    HeaderValue::from_str(&signature::sign(key, at, &hex(&chance), body)).map_err(|e| Fault::usage(e.to_string()))
}

fn told(answer: &Value, settled: bool) -> String {
    let id = terminal::cell(answer.get("alert_id").or_else(|| answer.get("id")).unwrap_or(&Value::Null));
    let mut lines = vec![format!("stored as {id}")];
    for case in answer["cases"].as_array().into_iter().flatten() {
        // In full where the server waited, by id where it did not.
        match case["headline"].as_str() {
            Some(headline) => lines.push(format!("{}  {}", terminal::cell(&case["id"]), terminal::safe(headline))),
            None => lines.push(terminal::cell(case)),
        }
    }
    if !settled {
        lines.push("next: `quell case list`".to_owned());
    }
    lines.join("\n")
}

/// What was read, wiped when it is let go: it may hold a secret. A slice is wiped
/// at once, what is in a `Vec` byte by byte, which costs more than reading it did.
pub struct Message(Vec<u8>);

impl Deref for Message {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

/// A file's bytes, or those of stdin.
pub fn read(file: Option<&Path>) -> Result<Message, Fault> {
    match file.filter(|f| *f != Path::new("-")) {
        Some(file) => std::fs::read(file).map(Message).map_err(|e| Fault::file("read", file, &e)),
        None => {
            let mut message = Message(Vec::new());
            std::io::stdin().lock().read_to_end(&mut message.0).map_err(|e| Fault::file("read", Path::new("-"), &e))?;
            Ok(message)
        }
    }
}
