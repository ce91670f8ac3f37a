//! Giving access back, and telling what became of an attempt.
//!
//! Reinstate never revives what was killed: the account gets one new key, with the
//! options that all its old ones had, and what stood aside goes where nothing is put
//! back from. Entries of the list stay in it. Restore puts back what stands aside, where
//! that holds no key that was not read before.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use quell_core::action::Action;
use quell_engine::port::{Attempt, Outcome};

use super::{
    OpenSsh,
    keys::{self, public_of},
    look::Look,
    native::{self, Native},
    read,
};
use crate::attempt::{self, Changed, Stop, change, change_if, new_secret, refused, unknown};

impl OpenSsh {
    pub(super) async fn reinstate(&self, account: &str, attempt: &Attempt) -> Result<Changed, Stop> {
        let key = made(attempt)?;
        let print = keys::print_of_key(&key).ok_or_else(|| refused("the new key cannot be written"))?;
        let look = self.subject(account).await?;
        if !has_alone(&look, account, &print) && !look.is_suspended(account) {
            return Err(refused("the account is not suspended, so nothing is given back; suspend it first"));
        }
        let lines = if look.is_suspended(account) { look.keys_had(account) } else { look.keys(account) };
        let options: BTreeSet<&str> = lines.iter().map(|line| line.options.as_str()).collect();
        let options = match options.len() {
            0 => {
                return Err(refused(
                    "the account had no key, so it gets none: whoever comes by certificate is issued another one, and its principals are restored",
                ));
            }
            1 => options.first().copied().unwrap_or_default(),
            _ => {
                return Err(refused(
                    "the keys of the account differ in their options (`from=`, `command=`), and a new key must not reach further; write it by hand",
                ));
            }
        };
        let text = key.to_openssh().map_err(|_| refused("the new key cannot be written"))?;
        let words = format!("reinstate {account} {} ={}", STANDARD.encode(text.trim()), STANDARD.encode(options));
        let changed = self.command(&words).await?;
        if !has_alone(&self.subject(account).await?, account, &print) {
            return Err(unknown("somebody wrote the keys of the account at the same moment"));
        }
        Ok(change_if(changed, "keys", Some(format!("{} of before", lines.len())), Some("a new one".to_owned())))
    }

    pub(super) async fn restore(&self, native: &Native, attempt: &Attempt) -> Result<Changed, Stop> {
        let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded; use `reinstate`"))?;
        match native {
            Native::Principal { account, principal } if before.exists => {
                self.subject(account).await?;
                let changed = self.command(&format!("put-principal {account} {}", STANDARD.encode(principal))).await?;
                if !self.subject(account).await?.principals(account).contains(principal) {
                    return Err(unknown("somebody took the principal away again at the same moment"));
                }
                Ok(change_if(changed, "principal", None, Some("written".to_owned())))
            }
            Native::Account(account) => {
                let look = self.subject(account).await?;
                let known = before.facts.get(read::KEYS).cloned().flatten().unwrap_or_default();
                let known: BTreeSet<&str> = known.lines().collect();
                let aside = read::in_order(&look.keys_aside(account));
                if let Some(other) = aside.lines().find(|line| !known.contains(line)) {
                    let print = other.rsplit_once("SHA256:").map_or(other, |(_, print)| print);
                    return Err(refused(format!("the key `SHA256:{print}` stands aside and was not read before; use `reinstate`")));
                }
                self.command(&format!("restore {account}")).await?;
                Ok(change("logins", Some("none: set aside".to_owned()), Some("as they were".to_owned())))
            }
            Native::Key { .. } | Native::Made { .. } | Native::Certificate(_) => {
                Err(refused("what is in the list of refused keys stays in it; a new key is made instead"))
            }
            Native::Principal { .. } | Native::Connection(_) => Err(refused("it was not there before, so nothing is restored")),
        }
    }

    /// Reads what became of an attempt. Changes nothing.
    pub(super) async fn outcome_of(&self, attempt: &Attempt) -> Outcome {
        attempt::read_back(self.became(attempt).await, &self.config.name)
    }

    async fn became(&self, attempt: &Attempt) -> Result<bool, Stop> {
        let native = native::of(&attempt.target).map_err(refused)?;
        let look = self.subject(native.account()).await?;
        let unlisted = || unknown("sshd's main process was not found by its `PidFile`");
        Ok(match (attempt.action, &native) {
            (Action::SuspendIdentity, Native::Account(account)) => look.is_suspended(account),
            (Action::TerminateSessions, Native::Connection(one)) => {
                look.connections.as_ref().ok_or_else(unlisted)?;
                look.connections_of(&one.account).all(|c| c.at != *one)
            }
            (Action::TerminateSessions, Native::Account(account)) => {
                look.connections.as_ref().ok_or_else(unlisted)?;
                look.connections_of(account).next().is_none()
            }
            (Action::RevokeCredential, Native::Key { account, print }) => {
                look.list.has_key(print) && look.keys(account).iter().all(|line| line.print != *print)
            }
            (Action::RevokeCredential, Native::Certificate(one)) => look.list.has_both(one),
            (Action::RemoveEntitlement, Native::Principal { account, principal }) => !look.principals(account).contains(principal),
            (Action::Reinstate, Native::Account(account)) => {
                let print = keys::print_of_key(&made(attempt)?);
                print.is_some_and(|print| has_alone(&look, account, &print))
            }
            (Action::Restore, Native::Principal { account, principal }) => look.principals(account).contains(principal),
            (Action::Restore, Native::Account(account)) => {
                let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded"))?;
                read::of_account(&look, account) == before.facts
            }
            (action, _) => return Err(refused(format!("`{}` is not something OpenSSH does", action.name()))),
        })
    }
}

/// The key of the secret that the attempt brings.
fn made(attempt: &Attempt) -> Result<russh::keys::PublicKey, Stop> {
    public_of(new_secret(attempt)?).ok_or_else(|| refused("the new secret is no private key in OpenSSH's form"))
}

/// The account logs in with this key and no other.
fn has_alone(look: &Look, account: &str, print: &str) -> bool {
    let lines = look.keys(account);
    lines.len() == 1 && lines.iter().all(|line| line.print == print) && !look.list.has_key(print)
}
