//! `quell alert normalise`: a message, however long, read part by part.
//!
//! A log of JSON Lines is read in parts of whole lines, so its memory is that of
//! one part; every other message is read whole, because where one of its records
//! ends shows only at its end.

use std::{
    fs::File,
    io::{BufWriter, Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::Args;
use quell_core::{
    secret::FingerprintKey,
    signal::{Detected, Readout, Unreadable, fingerprint},
};
use quell_detectors::{
    AUTO, Builtin, REGISTRY,
    mapping::{Explained, Mapping},
    recognise, whole_lines,
};
use quell_engine::port::Detectors;
use serde_json::json;
use zeroize::Zeroize as _;

use super::{
    super::{
        Context,
        fault::{Done, Fault, REFUSED},
        terminal,
    },
    Message,
};

/// Bytes of one part: what a processor keeps near it.
const PART: usize = 256 * 1024;
/// Unreadable records that are told one by one.
const UNREADABLE_MAX: usize = 1_000;

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

fn names() -> clap::builder::PossibleValuesParser {
    let mut names: Vec<&'static str> = REGISTRY.iter().map(|d| d.name).collect();
    names.push(AUTO);
    names.into()
}

impl Normalise {
    pub fn run(self, context: &Context) -> Done {
        let key = context.local.fingerprint_key(self.fingerprint_key_file.as_deref())?;
        let file = self.file.as_deref().filter(|file| *file != Path::new("-"));
        let mapping = self.mapping.as_deref().map(mapping).transpose().map_err(Fault::refused)?;
        let source = mapping.as_ref().map(Mapping::name).or(self.source.as_deref()).unwrap_or(AUTO);
        let mut out = Told::to(std::io::stdout().lock(), source, key.as_ref());
        let told = match (&mapping, self.explain) {
            (Some(mapping), true) => {
                let (readout, explained) = mapping.explain(&super::read(file)?);
                out.part(readout).and_then(|()| out.end(&explained))
            }
            (Some(mapping), false) => {
                in_parts(file, &mut |part| out.part(mapping.read(part)).map(ControlFlow::Continue))?.and_then(|()| out.end(&[]))
            }
            (None, _) => {
                // The first part says whose message it is; nobody's is not read on.
                let mut named = (source != AUTO).then_some(source);
                let read = &mut |part: &[u8]| {
                    named = named.or_else(|| recognise(part).ok().map(|detector| detector.name));
                    out.part(Builtin.read(named.unwrap_or(AUTO), part))?;
                    Ok(if named.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
                };
                in_parts(file, read)?.and_then(|()| out.end(&[]))
            }
        };
        match told {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Fault::outside(format!("cannot write to stdout: {e}"))),
            _ => Ok(if out.unreadable.is_empty() { 0 } else { REFUSED }),
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

/// What takes one part, and whether it wants another.
type Take<'a> = dyn FnMut(&[u8]) -> std::io::Result<ControlFlow<()>> + 'a;

/// Hands a file, or stdin, to `read` part by part; what `read` said at last.
fn in_parts(file: Option<&Path>, read: &mut Take<'_>) -> Result<std::io::Result<()>, Fault> {
    let fault = |e: std::io::Error| Fault::file("read", file.unwrap_or(Path::new("-")), &e);
    let (mut input, size): (Box<dyn Read>, u64) = match file {
        Some(file) => {
            let file = File::open(file).map_err(fault)?;
            let size = file.metadata().map_or(0, |about| about.len());
            (Box::new(file), size)
        }
        None => (Box::new(std::io::stdin().lock()), 0),
    };
    let mut held = Message(vec![0; PART]);
    let (mut filled, mut parts) = (0, 0_usize);
    loop {
        while filled < PART {
            match input.read(&mut held.0[filled..]) {
                Ok(0) => {
                    // What a truncated log ends with; the whole of a short message.
                    let rest = &held[..filled];
                    let done = parts > 0 && rest.trim_ascii().is_empty();
                    return Ok(if done { Ok(()) } else { read(rest).map(|_| ()) });
                }
                Ok(more) => filled += more,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(fault(e)),
            }
        }
        let Some(to) = whole_lines(&held) else {
            // Room for all of it at once: what grows moves, and leaves behind what nobody wipes.
            let mut whole = Message(Vec::with_capacity(PART + usize::try_from(size).unwrap_or(0)));
            whole.0.extend_from_slice(&held);
            input.read_to_end(&mut whole.0).map_err(fault)?;
            return Ok(read(&whole).map(|_| ()));
        };
        match read(&held[..to]) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => return Ok(Ok(())),
            Err(e) => return Ok(Err(e)),
        }
        parts += 1;
        held.0.copy_within(to.., 0);
        filled = PART - to;
        held.0[filled..].zeroize();
    }
}

/// Signals in input order, then what could not be read, then the explanations.
struct Told<'a, W: Write> {
    out: BufWriter<W>,
    source: &'a str,
    key: Option<&'a FingerprintKey>,
    line: Vec<u8>,
    /// Records of the parts before.
    records: u64,
    unreadable: Vec<Unreadable>,
    untold: u64,
}

impl<'a, W: Write> Told<'a, W> {
    fn to(out: W, source: &'a str, key: Option<&'a FingerprintKey>) -> Self {
        let out = BufWriter::with_capacity(64 * 1024, out);
        Self { out, source, key, line: Vec::new(), records: 0, unreadable: Vec::new(), untold: 0 }
    }

    fn part(&mut self, readout: Readout) -> std::io::Result<()> {
        for detected in readout.signals {
            self.signal(detected)?;
        }
        for Unreadable { record, reason } in readout.unreadable {
            if self.unreadable.len() < UNREADABLE_MAX {
                self.unreadable.push(Unreadable { record: self.records + record, reason });
            } else {
                self.untold += 1;
            }
        }
        self.records += readout.records;
        Ok(())
    }

    fn signal(&mut self, mut detected: Detected) -> std::io::Result<()> {
        fingerprint(&mut detected, self.key);
        self.line.clear();
        terminal::write_json(&mut self.line, &detected.signal);
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    fn end(&mut self, explained: &[Explained]) -> std::io::Result<()> {
        if self.untold > 0 {
            let reason = format!("{} more records could not be read", self.untold);
            self.unreadable.push(Unreadable { record: self.records.saturating_sub(1), reason });
        }
        for unreadable in &self.unreadable {
            writeln!(self.out, "{}", terminal::json(&json!({ "source": self.source, "unreadable": unreadable })))?;
        }
        for record in explained {
            writeln!(self.out, "{}", terminal::json(&json!({ "source": self.source, "explained": record })))?;
        }
        self.out.flush()
    }
}
