//! The command line: one file per verb family.
//!
//! A command calls the API and prints what it answers; nothing is decided here.
//! A few work alone, on files of this machine. `fault` holds the exits,
//! `terminal` what may leave by stdout, `moment` how times are typed, `local`
//! what is read on this machine.

pub mod fault;
pub mod terminal;

mod access;
pub mod alert;
mod alone;
mod automation;
mod case;
mod connector;
mod context;
mod doctor;
mod erase;
mod evidence;
mod inventory;
mod investigate;
mod ledger;
mod local;
mod moment;
mod notify;
mod policy;
mod serve;
mod source;

use std::{future::Future, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use self::{
    fault::{Done, Fault},
    local::Local,
};
use crate::client::Client;

/// Contains compromised identities and proves it.
///
/// Every command that asks a server takes its address from --url or QUELL_URL,
/// and who asks from QUELL_TOKEN. Exit: 0 done, 1 refused, not proven or an
/// error in the input, 2 usage, 3 the outside failed.
#[derive(Parser)]
#[command(
    name = "quell",
    version,
    max_term_width = 120,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Example: quell case list"
)]
struct Quell {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

/// What every command takes.
#[derive(Args)]
pub struct Globals {
    /// Print one JSON document (JSON Lines where said) and nothing else on stdout
    #[arg(long, global = true, help_heading = "Everywhere")]
    json: bool,
    /// The server
    #[arg(long, global = true, value_name = "URL", env = "QUELL_URL", help_heading = "Everywhere")]
    url: Option<String>,
    /// quell.toml
    #[arg(long, global = true, value_name = "FILE", env = "QUELL_CONFIG", help_heading = "Everywhere")]
    config: Option<PathBuf>,
    /// Certificates (PEM) that the server's may be signed by, beside the system's
    #[arg(long, global = true, value_name = "FILE", env = "QUELL_CA_FILE", help_heading = "Everywhere")]
    ca_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    Serve(serve::Serve),
    Setup(access::Setup),
    Doctor(doctor::Doctor),
    Login(access::Login),
    Whoami(access::Whoami),
    Inbox(case::Inbox),
    Investigate(investigate::Investigate),
    #[command(subcommand)]
    Alert(alert::Alert),
    #[command(subcommand)]
    Source(source::Source),
    #[command(subcommand)]
    Notify(notify::Notify),
    #[command(subcommand)]
    Inventory(inventory::Inventory),
    #[command(subcommand)]
    Context(context::ThreatContext),
    #[command(subcommand)]
    Case(case::Case),
    #[command(subcommand)]
    Automation(automation::Automation),
    #[command(subcommand)]
    Connector(connector::Connector),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    #[command(subcommand)]
    User(access::User),
    #[command(subcommand)]
    Token(access::Token),
}

/// Parses, runs, tells a fault, and answers the exit. Usage never comes back:
/// clap prints it and exits 2.
pub fn main() -> u8 {
    let Quell { globals, verb } = Quell::parse();
    let json = globals.json;
    match run(globals, verb) {
        Ok(exit) => exit,
        Err(fault) => {
            fault.tell(json);
            fault.exit
        }
    }
}

fn run(globals: Globals, verb: Verb) -> Done {
    let context = Context { json: globals.json, local: Local::new(globals.config), url: globals.url, ca_file: globals.ca_file };
    match verb {
        Verb::Serve(verb) => verb.run(&context),
        Verb::Investigate(verb) => verb.run(&context),
        Verb::Alert(verb) => verb.run(&context),
        Verb::Policy(verb) => verb.run(&context),
        Verb::Inventory(verb) => verb.run(&context),
        Verb::Evidence(verb) => verb.run(&context),
        Verb::Ledger(verb) => verb.run(&context),
        Verb::Connector(verb) => verb.run(&context),
        Verb::Setup(verb) => asking(verb.run(&context)),
        Verb::Doctor(verb) => asking(verb.run(&context)),
        Verb::Login(verb) => asking(verb.run(&context)),
        Verb::Whoami(verb) => asking(verb.run(&context)),
        Verb::Inbox(verb) => asking(verb.run(&context)),
        Verb::Source(verb) => asking(verb.run(&context)),
        Verb::Notify(verb) => asking(verb.run(&context)),
        Verb::Context(verb) => asking(verb.run(&context)),
        Verb::Case(verb) => asking(verb.run(&context)),
        Verb::Automation(verb) => asking(verb.run(&context)),
        Verb::User(verb) => asking(verb.run(&context)),
        Verb::Token(verb) => asking(verb.run(&context)),
    }
}

/// Runs a command that waits for others.
fn asking<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Fault::outside(format!("cannot start: {e}")))?
        .block_on(work)
}

/// What a command knows besides its own arguments.
pub struct Context {
    pub json: bool,
    pub local: Local,
    url: Option<String>,
    ca_file: Option<PathBuf>,
}

impl Context {
    /// A client that speaks as whoever QUELL_TOKEN names.
    pub fn client(&self) -> Result<Client, Fault> {
        Client::new(&self.server()?, local::token()?, self.ca_file.as_deref())
    }

    /// A client that speaks as nobody yet.
    pub fn stranger(&self) -> Result<Client, Fault> {
        Client::new(&self.server()?, None, self.ca_file.as_deref())
    }

    /// Flag over environment over `quell.toml` over the usual port.
    pub fn server(&self) -> Result<String, Fault> {
        match &self.url {
            Some(url) => Ok(url.clone()),
            None => self.local.url(),
        }
    }

    /// Prints a value: as JSON, or in the words of `human`.
    pub fn print(&self, value: &Value, human: impl FnOnce(&Value) -> String) -> Result<(), Fault> {
        let text = if self.json { terminal::json(value) } else { human(value) };
        terminal::say(&text).map_err(|e| Fault::outside(format!("cannot write to stdout: {e}")))
    }
}
