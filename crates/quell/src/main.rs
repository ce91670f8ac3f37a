//! The one binary: server and command line.

mod access;
mod cli;
mod client;
mod config;
mod duration;
mod http;
mod inventory_file;
mod notify;
mod owners_file;
mod serve;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything speaks TLS: the workspace is built without a default provider.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("error: a provider of cryptography is installed already");
        return ExitCode::from(cli::fault::OUTSIDE);
    }
    ExitCode::from(cli::main())
}
