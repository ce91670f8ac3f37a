//! Accounts and tokens on a stopped server: the way back in.
//!
//! Whoever may write the data directory could change anything in it, so policy
//! is not asked; the ledger records what was made, as Quell's own doing.

use std::{path::Path, sync::Arc};

use quell_core::{decision::Role, event::By, secret::Secret, time::SignedDuration};
use serde_json::{Value, json};

use super::{fault::Fault, local::Local};
use crate::{
    access::{
        Denied,
        account::{Accounts, Made, NewUser, TOKEN_DAYS, USER_SCOPES},
    },
    duration,
    wiring::Wired,
};

/// A data directory that no server holds.
pub struct Alone {
    wired: Wired,
    accounts: Accounts,
}

/// An account to be made, as the command line says it.
pub struct Account<'a> {
    pub name: &'a str,
    pub roles: &'a [String],
    pub email: Option<String>,
    pub password: Option<Secret>,
    pub token: bool,
    pub human: bool,
}

impl Alone {
    /// Opens the directory; refused while a server runs.
    pub async fn open(local: &Local, data_dir: &Path, key_file: Option<&Path>) -> Result<Self, Fault> {
        let wired = local.open(Some(data_dir), key_file).await?;
        let accounts = Accounts::new(Arc::clone(&wired.engine));
        Ok(Self { wired, accounts })
    }

    /// As `POST /users` does.
    pub async fn create_user(&self, account: Account<'_>) -> Result<Value, Fault> {
        let roles = account.roles.iter().filter_map(|r| Role::of_name(r)).collect();
        let new = NewUser { name: account.name.to_owned(), email: account.email, roles, human: account.human, password: account.password };
        let user = self.accounts.create(Some(&By::Automation), new).await.map_err(|e| refused(&e))?;
        let made = match account.token {
            true => {
                let (scopes, length) = (USER_SCOPES.map(str::to_owned).to_vec(), SignedDuration::from_hours(24 * TOKEN_DAYS));
                Some(self.accounts.user_token(&By::Automation, &user, account.name, scopes, length).await.map_err(|e| refused(&e))?)
            }
            false => None,
        };
        Ok(json!({ "user": user, "token": made.as_ref().map(|m| m.token.expose()) }))
    }

    /// As `POST /tokens` does.
    pub async fn create_token(
        &self,
        name: &str,
        user: Option<&str>,
        source: Option<&str>,
        scopes: Vec<String>,
        expires: &str,
    ) -> Result<Value, Fault> {
        let length = duration::parse(expires).map_err(Fault::usage)?;
        let made = match (user, source) {
            (_, Some(source)) => self.accounts.source_token(&By::Automation, source, name, scopes, length).await,
            (Some(user), None) => {
                let id = self.wired.engine.person_by_name(user).await.map_err(|e| refused(&e.into()))?;
                let id = id.ok_or_else(|| Fault::refused(format!("there is no account `{user}`; `quell user create` makes one")))?;
                self.accounts.user_token(&By::Automation, &id, name, scopes, length).await
            }
            (None, None) => return Err(Fault::usage("a token stands for somebody; give `--user` or `--source`")),
        };
        let Made { id, token, expires_at } = made.map_err(|e| refused(&e))?;
        Ok(json!({ "id": id, "token": token.expose(), "expires_at": expires_at }))
    }
}

fn refused(denied: &Denied) -> Fault {
    Fault::refused(denied.to_string())
}
