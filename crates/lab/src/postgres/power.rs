//! Stopping, killing and freezing an instance, and starting it again.

use std::{fs, process::Command, time::Duration};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Postgres;
use crate::{
    clock,
    process::{alive, children},
};

/// How long a killed process may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

impl Postgres {
    /// Ends the server: sessions are cut, data is kept (fast shutdown).
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn stop(&mut self) -> Result<()> {
        self.resume()?;
        self.keeper.signal(Signal::INT)?;
        self.keeper.wait()?;
        Ok(())
    }

    /// Starts a stopped or killed server again on its port and data.
    ///
    /// # Errors
    ///
    /// When it runs already or does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        self.run()
    }

    /// Stops and starts the server on the same port and data.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not come up again.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.run()
    }

    /// Kills every process of the server at once, as a power cut would.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn kill_hard(&mut self) -> Result<()> {
        let family = self.processes();
        for pid in &family {
            // A child may have ended by itself since it was listed.
            let _ = kill_process(*pid, Signal::KILL);
        }
        self.keeper.wait()?;
        if !clock::until(GONE_WITHIN, || !family.iter().any(|pid| alive(*pid))) {
            bail!("a process of PostgreSQL outlived SIGKILL");
        }
        self.paused = false;
        self.drop_shared_memory();
        Ok(())
    }

    /// Freezes the server: connections stay open and nothing answers.
    ///
    /// # Errors
    ///
    /// When a process may not be signalled.
    pub fn pause(&mut self) -> Result<()> {
        // The postmaster first, so that no child is born while they are listed.
        self.keeper.signal(Signal::STOP)?;
        self.paused = true;
        for pid in self.processes() {
            let _ = kill_process(pid, Signal::STOP);
        }
        Ok(())
    }

    /// Lets a frozen server go on; does nothing to a running one.
    ///
    /// # Errors
    ///
    /// When a process may not be signalled.
    pub fn resume(&mut self) -> Result<()> {
        if self.paused {
            for pid in self.processes() {
                let _ = kill_process(pid, Signal::CONT);
            }
            self.paused = false;
        }
        Ok(())
    }

    /// The server's processes, the postmaster first; empty when it does not run.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let Some(postmaster) = self.keeper.pid() else { return Vec::new() };
        let mut family = vec![postmaster];
        family.extend(children(postmaster));
        family
    }

    /// A killed postmaster leaves its one System V segment (line 7 of
    /// `postmaster.pid`: key and id) behind for the next start; the lab may
    /// never start it again.
    fn drop_shared_memory(&self) {
        let text = fs::read_to_string(self.data_dir().join("postmaster.pid")).unwrap_or_default();
        let id = text.lines().nth(6).and_then(|line| line.split_whitespace().nth(1));
        if let Some(id) = id {
            let _ = Command::new("ipcrm").args(["-m", id]).output();
        }
    }
}
