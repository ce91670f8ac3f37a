//! `quell serve`: the server.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::{
    Context,
    fault::{Done, Fault},
};
use crate::{config::Overrides, serve};

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
        let options = serve::Options { config, json: context.json };
        // A worker for each core; the thread that waits here is none of them.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| Fault::outside(e.to_string()))?;
        runtime.block_on(serve::run(options)).map_err(|e| Fault::outside(format!("{e:#}")))?;
        Ok(0)
    }
}
