//! The state of one target now, by value: there is no secret in it. What is read at the
//! first hold is what `restore` is measured by.

use std::collections::BTreeMap;

use quell_core::{
    secret::Secret,
    target::{Reading, Target},
};
use quell_engine::port::PlaneError;

use super::{
    Oidc,
    admin::{Account, Application},
    native::{self, Native, Who},
    wire::Failure,
};

pub(super) const DISABLED: &str = "disabled";
pub(super) const REQUIRED_ACR: &str = "required_acr";
/// One more at every change: a value that was replaced is told by it.
pub(super) const VERSION: &str = "secret_version";
pub(super) const CLIENT: &str = "client";
/// The client keeps no secret, so anybody may speak for it.
pub(super) const IS_PUBLIC: &str = "client_is_public";

impl Oidc {
    pub(super) async fn read_target(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        let native = native::of(target).map_err(|why| self.not_permitted(why))?;
        let reading = self.reading(&native).await.map_err(|f| f.for_plane(&self.config.name))?;
        Ok((reading, BTreeMap::new()))
    }

    async fn reading(&self, native: &Native) -> Result<Reading, Failure> {
        let facts = |all: Vec<(&str, Option<String>)>| all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<BTreeMap<_, _>>();
        let (exists, facts) = match native {
            Native::Who(who) => match self.state_of(who).await? {
                Some(state) => (true, state.facts()),
                None => (false, BTreeMap::new()),
            },
            Native::Password { who, .. } => {
                let state = self.state_of(who).await?;
                let version = state.as_ref().and_then(|s| s.secret_version);
                (version.is_some(), facts(vec![(VERSION, version.map(|v| v.to_string()))]))
            }
            Native::Grant { id, .. } => match self.grant(id).await? {
                Some(grant) => {
                    let public = self.application(&grant.client).await?.map(|a| a.public.to_string());
                    (true, facts(vec![(CLIENT, Some(grant.client)), (IS_PUBLIC, public)]))
                }
                None => (false, BTreeMap::new()),
            },
            Native::Token { hash, .. } => match self.token(hash).await? {
                Some(token) => (true, facts(vec![(CLIENT, Some(token.client))])),
                None => (false, BTreeMap::new()),
            },
            Native::Jwt { jti, until_s, .. } => {
                let known = self.token(jti).await?;
                (self.about().await?.now.as_second() <= *until_s, facts(vec![(CLIENT, known.map(|t| t.client))]))
            }
            Native::Session { account, uid } => {
                let session = self.sessions(account).await?.all.into_iter().find(|s| s.uid == *uid);
                (session.is_some(), facts(vec![("acr", session.and_then(|s| s.acr))]))
            }
        };
        Ok(Reading { exists, facts, ..Reading::default() })
    }

    /// An account or a client as it stands.
    pub(super) async fn state_of(&self, who: &Who) -> Result<Option<State>, Failure> {
        Ok(match who {
            Who::Account(id) => self.account(id).await?.map(State::from),
            Who::Client(id) => self.application(id).await?.map(State::from),
        })
    }
}

/// What an account and a client have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub disabled: bool,
    pub required_acr: Option<String>,
    /// None where it keeps no secret.
    pub secret_version: Option<u64>,
}

impl State {
    pub(super) fn facts(&self) -> BTreeMap<String, Option<String>> {
        [
            (DISABLED, Some(self.disabled.to_string())),
            (REQUIRED_ACR, self.required_acr.clone()),
            (VERSION, self.secret_version.map(|v| v.to_string())),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into()
    }
}

impl From<Account> for State {
    fn from(one: Account) -> Self {
        Self { disabled: one.disabled, required_acr: one.required_acr, secret_version: Some(one.password_version) }
    }
}

impl From<Application> for State {
    fn from(one: Application) -> Self {
        Self { disabled: one.disabled, required_acr: None, secret_version: (!one.public).then_some(one.secret_version) }
    }
}
