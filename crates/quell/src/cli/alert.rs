//! `quell alert`: what a detector said, read here or sent to a server.

use std::{
    io::{BufWriter, Read, Write},
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use quell_core::{
    secret::{FingerprintKey, hex},
    signal::{Readout, fingerprint},
};
use quell_detectors::{
    AUTO, Builtin, REGISTRY,
    mapping::{Explained, Mapping},
};
use quell_engine::port::{Chance, Clock, Detectors};
use quell_store::{OsChance, SystemClock};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
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
    Normalise(Normalise),
    Send(Send),
    Fold(Fold),
}

/// Read a detector's message and print its signals, one JSON object a line, without a server
///
/// A record that cannot be read prints its own line, and the exit is 1 after
/// the rest. Secrets leave as keyed fingerprints only.
#[derive(Args)]
#[command(
    after_help = "Example: quell alert normalise --source gitleaks report.json\nExample: quell alert normalise --mapping acme.toml --explain stored.json"
)]
pub struct Normalise {
    /// The detector, or `auto` to recognise it
    #[arg(long, value_name = "NAME", value_parser = names(), required_unless_present = "mapping")]
    source: Option<String>,
    /// Read with this mapping file instead of a built-in detector
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    mapping: Option<PathBuf>,
    /// After the signals, print for each record which rule of the mapping gave which field
    #[arg(long, requires = "mapping", conflicts_with = "source")]
    explain: bool,
    /// The key that secrets are fingerprinted with; without one the fingerprint is null
    #[arg(long, value_name = "FILE", env = "QUELL_FINGERPRINT_KEY_FILE")]
    fingerprint_key_file: Option<PathBuf>,
    /// The message; `-` or nothing reads stdin
    file: Option<PathBuf>,
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

fn names() -> clap::builder::PossibleValuesParser {
    let mut names: Vec<&'static str> = REGISTRY.iter().map(|d| d.name).collect();
    names.push(AUTO);
    names.into()
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

impl Normalise {
    fn run(self, context: &Context) -> Done {
        let key = context.local.fingerprint_key(self.fingerprint_key_file.as_deref())?;
        let bytes = read(self.file.as_deref())?;
        let (source, readout, explained) = match &self.mapping {
            Some(file) => {
                let mapping = mapping(file).map_err(Fault::refused)?;
                let (readout, explained) = if self.explain { mapping.explain(&bytes) } else { (mapping.read(&bytes), Vec::new()) };
                (mapping.name().to_owned(), readout, explained)
            }
            None => {
                let source = self.source.unwrap_or_else(|| AUTO.to_owned());
                let readout = Builtin.read(&source, &bytes);
                (source, readout, Vec::new())
            }
        };
        drop(bytes);
        let exit = if readout.unreadable.is_empty() { 0 } else { REFUSED };
        match write_lines(&source, readout, &explained, key.as_ref(), std::io::stdout().lock()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Fault::outside(format!("cannot write to stdout: {e}"))),
            _ => Ok(exit),
        }
    }
}

/// A mapping file, checked; else every mistake with the file's name and line.
pub fn mapping(file: &Path) -> Result<Mapping, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read the mapping `{name}`: {e}"))?;
    Mapping::load(&text).map_err(|mistakes| {
        let told: Vec<String> = mistakes.iter().map(|mistake| terminal::safe(&format!("`{name}` {mistake}"))).collect();
        told.join("\n")
    })
}

/// Signals in input order, then what could not be read, then the explanations.
fn write_lines(
    source: &str,
    readout: Readout,
    explained: &[Explained],
    key: Option<&FingerprintKey>,
    out: impl Write,
) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    let mut line = Vec::new();
    for mut detected in readout.signals {
        fingerprint(&mut detected, key);
        line.clear();
        terminal::write_json(&mut line, &detected.signal);
        line.push(b'\n');
        out.write_all(&line)?;
    }
    for unreadable in readout.unreadable {
        writeln!(out, "{}", terminal::json(&json!({ "source": source, "unreadable": unreadable })))?;
    }
    for record in explained {
        writeln!(out, "{}", terminal::json(&json!({ "source": source, "explained": record })))?;
    }
    out.flush()
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
