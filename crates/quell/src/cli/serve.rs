//! `quell serve`: the server.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use quell_store::{BadKeyFile, KeyringError, OpenError};
use tracing_subscriber::EnvFilter;

use super::{
    Context, asking,
    fault::{Done, Fault},
};
use crate::{
    config::{BadConfig, Overrides},
    serve::{self, Options},
};

/// Run the server; a new installation observes and changes nothing until a person arms a plane
///
/// Prints one line once it is ready. SIGTERM ends it after the running step is
/// recorded.
#[derive(Args)]
#[command(after_help = "Example: quell serve --config quell.toml --data-dir /var/lib/quell")]
pub struct Serve {
    /// Where the record lies; made with mode 0700 where it is missing
    #[arg(long, value_name = "DIR", env = "QUELL_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", env = "QUELL_LISTEN")]
    listen: Option<SocketAddr>,
    /// The installation's key: 32 bytes or 64 hex digits, mode 0600, outside the data directory
    #[arg(long, value_name = "FILE", env = "QUELL_FINGERPRINT_KEY_FILE")]
    fingerprint_key_file: Option<PathBuf>,
}

impl Serve {
    pub fn run(self, context: &Context) -> Done {
        let overrides = Overrides {
            data_dir: self.data_dir,
            listen: self.listen,
            fingerprint_key_file: self.fingerprint_key_file,
            ..Overrides::default()
        };
        let config = context.local.load(overrides)?;
        log(context.json);
        let options = Options { config, json: context.json };
        asking(async { serve::run(options).await.map_err(|e| failed(&e)) })?;
        Ok(0)
    }
}

/// What the operator said wrongly is usage; that another process holds the
/// data, or that a key does not fit, is a refusal; the rest is the outside.
fn failed(error: &anyhow::Error) -> Fault {
    if let Some(bad) = error.downcast_ref::<BadConfig>() {
        return Fault::usage(bad.to_string());
    }
    let refused = error.downcast_ref::<OpenError>().is_some_and(|e| matches!(e, OpenError::Locked { .. }))
        || error.downcast_ref::<KeyringError>().is_some()
        || error.downcast_ref::<BadKeyFile>().is_some();
    if refused { Fault::refused(format!("{error:#}")) } else { Fault::outside(format!("{error:#}")) }
}

/// The log goes to stderr; QUELL_LOG filters it, as in `quell=debug`.
fn log(json: bool) {
    let filter = EnvFilter::try_from_env("QUELL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    if json { lines.json().init() } else { lines.init() }
}
