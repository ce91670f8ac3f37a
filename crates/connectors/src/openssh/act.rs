//! The cleared attempts. Each is one command, or a few, every one under the host's lock
//! and every file replaced in one step, so that a crash between any two leaves a host
//! that works.
//!
//! ```text
//! suspend    both files of the account are set aside, empty ones take their place
//! terminate  each connection's processes end, until two listings hold none
//! revoke     into the list: the key, and the serial of its certificate; then its lines go
//! ```
//!
//! A serial alone leaves the key to be certified anew and to log in by a line of its own
//! (measured), so the key goes into the list always. Nothing here takes an entry out.

use base64::{Engine, engine::general_purpose::STANDARD};
use quell_core::{action::Action, clear::Clearance, time::SignedDuration};
use quell_engine::port::{Attempt, Connector, Outcome};

use super::{
    OpenSsh,
    look::Look,
    native::{self, Certificate, Connection, Native},
};
use crate::attempt::{self, Changed, Stop, change_if, refused, unknown};

/// How many rounds until two listings apart in time hold no connection.
const ROUNDS_MAX: u32 = 20;

impl OpenSsh {
    pub(super) async fn act_on(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        if let Err(outcome) = attempt.is_cleared(&clearance, &self.config.name) {
            return outcome;
        }
        attempt::came_to(self.enforce(attempt).await)
    }

    async fn enforce(&self, attempt: &Attempt) -> Result<Changed, Stop> {
        match (attempt.action, native::of(&attempt.target).map_err(refused)?) {
            (Action::SuspendIdentity, Native::Account(account)) => self.suspend(&account).await,
            (Action::TerminateSessions, Native::Connection(one)) => self.end(&one).await,
            (Action::TerminateSessions, Native::Account(account)) => self.end_all(&account).await,
            (Action::RevokeCredential, Native::Key { account, print }) => self.revoke_key(&account, &print).await,
            (Action::RevokeCredential, Native::Certificate(one)) => self.revoke_certificate(&one).await,
            (Action::RemoveEntitlement, Native::Principal { account, principal }) => self.remove_principal(&account, &principal).await,
            (Action::Reinstate, Native::Account(account)) => self.reinstate(&account, attempt).await,
            (Action::Restore, native) => self.restore(&native, attempt).await,
            (action, _) => Err(refused(format!("`{}` is not something OpenSSH does to a {}", action.name(), attempt.target.kind.name()))),
        }
    }

    /// The account as it stands, if it is one that may be acted on and the files mean
    /// what they say.
    pub(super) async fn subject(&self, account: &str) -> Result<Look, Stop> {
        if let Some(why) = self.protected(account) {
            return Err(refused(format!("the account is protected: {why}")));
        }
        let look = self.look(Some(account)).await?;
        if look.protected.contains(account) {
            return Err(refused("the account is protected on the host"));
        }
        self.in_scope(&look, account)?;
        if let Some(other) = look.other_settings(account) {
            return Err(refused(other));
        }
        Ok(look)
    }

    /// One command that changes something; whether it did.
    pub(super) async fn command(&self, words: &str) -> Result<bool, Stop> {
        let said = self.wire.call(words).await?;
        match said.last().map(String::as_str) {
            Some("done changed") => Ok(true),
            Some("done same") => Ok(false),
            _ => Err(unknown("the host's answer is not understood")),
        }
    }

    async fn suspend(&self, account: &str) -> Result<Changed, Stop> {
        let look = self.subject(account).await?;
        let changed = self.command(&format!("suspend {account}")).await?;
        if !self.subject(account).await?.is_suspended(account) {
            return Err(unknown("somebody wrote a key or a principal for the account at the same moment"));
        }
        let before = format!("{} keys, {} principals", look.keys(account).len(), look.principals(account).len());
        Ok(change_if(changed, "logins", Some(before), Some("none: set aside".to_owned())))
    }

    async fn end(&self, one: &Connection) -> Result<Changed, Stop> {
        let look = self.subject(&one.account).await?;
        if look.connections.is_none() {
            return Err(refused(NO_LISTENER));
        }
        if !look.connections_of(&one.account).any(|c| c.at == *one) {
            return Ok(Changed::new());
        }
        let changed = self.command(&format!("kill {} {} {}", one.account, one.pid, one.start)).await?;
        Ok(change_if(changed, "connection", Some("open".to_owned()), Some("ended".to_owned())))
    }

    /// Ends every connection until two listings apart in time hold none. Who can still
    /// log in comes back, and then this says so.
    async fn end_all(&self, account: &str) -> Result<Changed, Stop> {
        let apart = SignedDuration::from_millis((self.config.settle_ms / 2).clamp(20, 200));
        let (mut ended, mut clean) = (0, 0);
        for _ in 0..ROUNDS_MAX {
            let look = self.subject(account).await?;
            if look.connections.is_none() {
                return Err(refused(NO_LISTENER));
            }
            let open: Vec<Connection> = look.connections_of(account).map(|c| c.at.clone()).collect();
            clean = if open.is_empty() { clean + 1 } else { 0 };
            if clean == 2 {
                return Ok(change_if(ended > 0, "connections", Some(format!("{ended} open")), Some(format!("{ended} ended"))));
            }
            for one in &open {
                ended += u32::from(self.command(&format!("kill {account} {} {}", one.pid, one.start)).await?);
            }
            self.clock.sleep(apart).await;
        }
        Err(unknown(format!("connections of the account keep coming: is it suspended? {ended} were ended")))
    }

    async fn revoke_key(&self, account: &str, print: &str) -> Result<Changed, Stop> {
        let look = self.revocable(account, print).await?;
        let lines = look.every_key(account).iter().filter(|line| line.print == print).count();
        if lines == 0 && !look.list.has_key(print) {
            return Err(refused("no line of the account's keys has it; look again"));
        }
        let listed = self.command(&format!("revoke {account} {print}")).await?;
        let dropped = self.command(&format!("drop-key {account} {print}")).await?;
        let after = self.subject(account).await?;
        if !after.list.has_key(print) || after.keys(account).iter().any(|line| line.print == print) {
            return Err(unknown("somebody wrote the list or the keys at the same moment"));
        }
        let mut changed = change_if(listed, "list of refused keys", None, Some(print.to_owned()));
        changed.extend(change_if(dropped, "lines", Some(lines.to_string()), None));
        Ok(changed)
    }

    async fn revoke_certificate(&self, one: &Certificate) -> Result<Changed, Stop> {
        let look = self.revocable(&one.account, &one.print).await?;
        let known = look.certificates(&one.account).iter().any(|(known, ..)| known == one);
        if !known && !look.list.has_both(one) {
            return Err(refused("neither the authority's record nor the log knows such a certificate for the account; look again"));
        }
        // Authorities begin to count at 1, and one that counts nothing gives 0 to all.
        let serial = if one.serial == 0 { "- -".to_owned() } else { format!("{} {}", one.serial, one.authority) };
        let listed = self.command(&format!("revoke {} {} {serial}", one.account, one.print)).await?;
        // The key may have a line of its own, in this account or not.
        let dropped = self.command(&format!("drop-key {} {}", one.account, one.print)).await?;
        if !self.subject(&one.account).await?.list.has_both(one) {
            return Err(unknown("somebody wrote the list at the same moment"));
        }
        let mut changed = change_if(listed, "list of refused keys", None, Some(format!("serial {} and {}", one.serial, one.print)));
        changed.extend(change_if(dropped, "lines", Some("of the same key".to_owned()), None));
        Ok(changed)
    }

    /// The account, where a key may be refused on its host for good.
    async fn revocable(&self, account: &str, print: &str) -> Result<Look, Stop> {
        if let Some(why) = self.is_ours(print) {
            return Err(refused(format!("the key is protected: {why}")));
        }
        let look = self.subject(account).await?;
        let control = self.config.control.identity.as_str();
        if look.keys(control).iter().any(|line| line.print == print) && !look.list.has_key(print) {
            return Err(refused("the key is protected: it is the key of Quell's control"));
        }
        Ok(look)
    }

    async fn remove_principal(&self, account: &str, principal: &str) -> Result<Changed, Stop> {
        self.subject(account).await?;
        let changed = self.command(&format!("drop-principal {account} {}", STANDARD.encode(principal))).await?;
        if self.subject(account).await?.principals(account).contains(principal) {
            return Err(unknown("somebody wrote the principal again at the same moment"));
        }
        Ok(change_if(changed, "principal", Some("written".to_owned()), None))
    }
}

const NO_LISTENER: &str = "sshd's main process was not found by its `PidFile`, so its connections are not known; run the bootstrap again";
