//! `quell investigate`: what log files and alerts tell of credentials, alone.
//!
//! No server, no account, and nothing is written: files are read from the first
//! byte to the last, one after the other in the order of their names, so the
//! order on the command line does not show in the answer. `files` finds and
//! unpacks them, `heard` reads them, `known` is what an inventory adds, `told`
//! is the answer in words.

mod files;
mod heard;
mod known;
mod told;

use std::path::PathBuf;

use clap::Args;
use quell_core::{
    time::Timestamp,
    trace::{Investigation, Trace},
};
use quell_detectors::{AUTO, REGISTRY, telemetry};

use self::{files::Source, heard::Hearing, known::Known};
use super::{
    Context,
    fault::{Done, Fault, REFUSED},
    terminal,
};

/// Read logs and alerts and show which credentials were minted, used, stolen, and what to cut first
///
/// Works alone, without a server or an account, and writes nothing. Reads
/// CloudTrail, Vault and OpenBao audit, Okta, Entra, Kubernetes audit, Windows
/// and Defender events, Office activity, sshd and PostgreSQL logs, decoded token
/// claims, and the alerts of every detector; JSON, JSON Lines, text, and any of
/// them with gzip. Directories are read whole.
#[derive(Args)]
#[command(after_help = "Example: quell investigate ./cloudtrail/ vault-audit.log.gz")]
pub struct Investigate {
    /// Files and directories; `-` reads stdin
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
    /// What the files are, where it is not to be recognised
    #[arg(long, value_name = "NAME", value_parser = names())]
    source: Option<String>,
    /// What is known of identities: names, derivations, who needs what
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// Count accepted uses after this moment for every credential
    #[arg(long, value_name = "TIME", value_parser = moment)]
    contained_at: Option<Timestamp>,
}

fn names() -> clap::builder::PossibleValuesParser {
    let logs = telemetry::LOGS.iter().map(|l| l.name);
    let mut names: Vec<&'static str> = logs.chain(REGISTRY.iter().map(|d| d.name)).chain([AUTO]).collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("expected a time as 2026-10-01T03:02:11Z, found `{text}`"))
}

impl Investigate {
    pub fn run(self, context: &Context) -> Done {
        let known = match &self.inventory {
            Some(file) => Known::read(file, context)?,
            None => Known::default(),
        };
        let (sources, skipped) = files::find(&self.files)?;
        let names: Vec<String> = sources.iter().map(Source::name).collect();
        let source = self.source.as_deref().filter(|s| *s != AUTO);

        let mut trace = Trace::new(self.contained_at);
        known.teach(&mut trace);
        let mut hearing = Hearing::new(source, &known);
        hearing.all(&sources, &mut trace);
        if trace.wants_second_reading() {
            // What ended is known only now; uses after it are counted by reading again.
            Hearing::new(source, &known).all(&sources, &mut trace);
        }

        let mut answer = trace.tell(&names);
        if answer.cases.is_empty() && source.is_none() && hearing.is_short() {
            // Some detectors' messages are records of a log, too: a sign-in that the
            // vendor calls risky says so only to who asks for alerts.
            let mut again = Trace::new(self.contained_at);
            known.teach(&mut again);
            let mut both = Hearing::new(source, &known);
            both.all(&sources, &mut again);
            both.as_alerts(&sources, &mut again);
            answer = again.tell(&names);
        }
        hearing.add_to(&mut answer);
        answer.not_looked_at.extend(skipped);
        known.explain(&mut answer);
        let exit = if answer.unreadable.is_empty() { 0 } else { REFUSED };
        print(context, &answer)?;
        Ok(exit)
    }
}

fn print(context: &Context, answer: &Investigation) -> Result<(), Fault> {
    let text = if context.json { terminal::json(answer) } else { told::told(answer) };
    terminal::say(&text).map_err(|e| Fault::outside(format!("cannot write to stdout: {e}")))
}
