//! Stopping, killing and freezing an instance, and starting it again.

use anyhow::Result;
use rustix::process::Signal;

use super::{Follow, Options, Slapd};
use crate::ca::ServerCert;

impl Slapd {
    /// Ends the server: connections are cut, data is kept.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn stop(&mut self) -> Result<()> {
        self.resume()?;
        self.keeper.signal(Signal::TERM)?;
        self.keeper.wait()?;
        Ok(())
    }

    /// Starts a stopped or killed server again on its ports and data.
    ///
    /// # Errors
    ///
    /// When it runs already or does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        self.run()
    }

    /// Stops and starts the server on the same ports and data.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not come up again.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.run()
    }

    /// Kills the server at once, as a power cut would.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn kill_hard(&mut self) -> Result<()> {
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait()?;
        self.paused = false;
        Ok(())
    }

    /// Freezes the server: connections stay open and nothing answers.
    ///
    /// # Errors
    ///
    /// When it may not be signalled.
    pub fn pause(&mut self) -> Result<()> {
        self.paused = true;
        self.keeper.signal(Signal::STOP)
    }

    /// Lets a frozen server go on; does nothing to a running one.
    ///
    /// # Errors
    ///
    /// When it may not be signalled.
    pub fn resume(&mut self) -> Result<()> {
        if self.paused {
            self.keeper.signal(Signal::CONT)?;
            self.paused = false;
        }
        Ok(())
    }

    /// Starts a consumer of this server's content, with ports and a directory of its
    /// own, this server's authority and the same [`ADMIN`] by another password.
    ///
    /// # Errors
    ///
    /// As [`Slapd::start`].
    pub async fn consumer(&self, lags: bool) -> Result<Self> {
        let follow = Follow { port: self.ldap, password: self.admin.clone(), lags };
        Self::start(Options { ca: Some(self.ca.clone()), follow: Some(follow), ..Options::default() }).await
    }

    /// Presents `cert` after a restart: another host behind the same name, or the
    /// same authority with another name.
    ///
    /// # Errors
    ///
    /// As [`Slapd::restart`].
    pub fn present(&mut self, cert: &ServerCert) -> Result<()> {
        self.write_cert(cert)?;
        self.restart()
    }
}
