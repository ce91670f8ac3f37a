//! A streaming replica of an instance: what a lagging read is read from.

use std::{ffi::OsStr, time::Duration};

use anyhow::{Context, Result};

use super::Postgres;

/// The choices about a standby.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandbyOptions {
    /// How long the standby holds back each commit (`recovery_min_apply_delay`).
    pub apply_delay: Duration,
}

impl Postgres {
    /// Starts a hot standby that follows this server over its private socket. It
    /// has its own port and directory, and the primary's authority, roles and
    /// passwords. Read from it until the primary is dropped.
    ///
    /// # Errors
    ///
    /// When the base backup fails or the standby does not come up.
    pub async fn standby(&self, standby: StandbyOptions) -> Result<Self> {
        let mut options = self.options.clone();
        options.ca = Some(self.ca.clone());
        let password = self.password.clone();
        let source = format!("host={} port={} user={}", self.socket_dir().display(), self.port, super::SUPERUSER);
        let mut further = self.further.clone();
        further.push(("primary_conninfo".into(), source.clone()));
        further.push(("recovery_min_apply_delay".into(), format!("{}ms", standby.apply_delay.as_millis())));
        tokio::task::spawn_blocking(move || {
            Self::launch(options, further, password, |install, _, data| {
                let args = ["-d", &source, "-X", "stream", "-c", "fast", "--no-sync"];
                let mut args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
                args.extend([OsStr::new("-D"), data.as_os_str()]);
                install.run("pg_basebackup", &args)?;
                let signal = data.join("standby.signal");
                std::fs::write(&signal, "").context("mark the copy as a standby")?;
                install.own(&signal)
            })
        })
        .await
        .context("start a standby")?
    }
}
