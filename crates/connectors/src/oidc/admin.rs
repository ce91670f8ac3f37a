//! The admin plane `quell-oidc-admin/1`: listing and ending sessions, grants and tokens,
//! closing accounts and clients. No standard says any of it, so a provider of another kind
//! needs a file like this one, and nothing else.

use quell_core::{secret::Secret, time::Timestamp};
use reqwest::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Oidc,
    native::Who,
    wire::{Failure, Reply},
};

/// What this connector speaks.
pub(super) const CONTRACT: &str = "quell-oidc-admin/1";

/// The provider says how it is.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub now: Timestamp,
    pub server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Account {
    pub id: String,
    pub disabled: bool,
    pub required_acr: Option<String>,
    /// One more at every change of the password.
    pub password_version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Application {
    pub id: String,
    pub disabled: bool,
    /// It keeps no secret.
    pub public: bool,
    pub grant_types: Vec<String>,
    pub secret_version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Session {
    pub uid: String,
    pub account: String,
    pub acr: Option<String>,
    /// The provider would ask for another sign-in at its next use, as it stands now.
    pub asks_again: bool,
    pub logged_in_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub clients: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Grant {
    pub id: String,
    pub account: String,
    pub client: String,
    pub issued_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub refresh_tokens: u32,
    pub access_tokens: u32,
    pub codes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TokenKind {
    AccessToken,
    RefreshToken,
    Code,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// The provider looks it up at every use.
    Opaque,
    /// Whoever has the provider's keys believes it until its end.
    Jwt,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Token {
    /// SHA-256 of the value in hex; of a JWT its `jti`.
    pub id: String,
    pub kind: TokenKind,
    pub format: Format,
    pub account: Option<String>,
    pub client: String,
    pub grant: Option<String>,
    pub issued_at: Option<i64>,
    pub expires_at: i64,
    /// It was exchanged for another one.
    pub consumed: bool,
}

impl Token {
    pub(super) fn who(&self) -> Who {
        match &self.account {
            Some(account) => Who::Account(account.clone()),
            None => Who::Client(self.client.clone()),
        }
    }
}

/// A listing, and whether more was there.
pub(super) struct Listed<T> {
    pub all: Vec<T>,
    pub truncated: bool,
}

impl Oidc {
    async fn ask(&self, method: Method, parts: &[&str], body: Option<Value>) -> Result<Reply, Failure> {
        self.wire.admin(method, parts, body.as_ref()).await
    }

    /// None where there is none of that name.
    async fn one<T: DeserializeOwned>(&self, parts: &[&str]) -> Result<Option<T>, Failure> {
        let reply = self.ask(Method::GET, parts, None).await?;
        if reply.is(404, "not_found") { Ok(None) } else { reply.read().map(Some) }
    }

    async fn list<T: DeserializeOwned>(&self, parts: &[&str], name: &str) -> Result<Listed<T>, Failure> {
        let reply = self.ask(Method::GET, parts, None).await?;
        let mut body: Value = reply.read()?;
        let truncated =
            body.get("truncated").and_then(Value::as_bool).ok_or_else(|| reply.garbled("it does not say whether that is all"))?;
        let all = body.get_mut(name).map(Value::take).ok_or_else(|| reply.garbled("it lists nothing"))?;
        let all = serde_json::from_value(all).map_err(|_| reply.garbled("it lists something else"))?;
        Ok(Listed { all, truncated })
    }

    /// Tells whether anything was there to be ended.
    async fn end(&self, parts: &[&str]) -> Result<bool, Failure> {
        let reply = self.ask(Method::DELETE, parts, None).await?;
        if reply.is(404, "not_found") {
            return Ok(false);
        }
        reply.read::<Value>().map(|_| true)
    }

    pub(super) async fn about(&self) -> Result<About, Failure> {
        #[derive(Deserialize)]
        struct Seen {
            contract: String,
            server: String,
            now: i64,
        }
        let reply = self.ask(Method::GET, &["about"], None).await?;
        let seen: Seen = reply.read()?;
        if seen.contract != CONTRACT {
            return Err(reply.garbled("its admin plane speaks another contract"));
        }
        let now = Timestamp::from_second(seen.now).map_err(|_| reply.garbled("its clock is out of range"))?;
        Ok(About { now, server: crate::said::one_line(&seen.server) })
    }

    pub(super) async fn accounts(&self) -> Result<Listed<Account>, Failure> {
        self.list(&["accounts"], "accounts").await
    }

    pub(super) async fn account(&self, id: &str) -> Result<Option<Account>, Failure> {
        let seen: Option<Account> = self.one(&["accounts", id]).await?;
        self.same(seen, |a| a.id == id)
    }

    pub(super) async fn applications(&self) -> Result<Listed<Application>, Failure> {
        self.list(&["clients"], "clients").await
    }

    pub(super) async fn application(&self, id: &str) -> Result<Option<Application>, Failure> {
        let seen: Option<Application> = self.one(&["clients", id]).await?;
        self.same(seen, |a| a.id == id)
    }

    pub(super) async fn sessions(&self, account: &str) -> Result<Listed<Session>, Failure> {
        let listed: Listed<Session> = self.list(&["accounts", account, "sessions"], "sessions").await?;
        self.all_of(listed, |s| s.account == account)
    }

    pub(super) async fn grants(&self, account: &str) -> Result<Listed<Grant>, Failure> {
        let listed: Listed<Grant> = self.list(&["accounts", account, "grants"], "grants").await?;
        self.all_of(listed, |g| g.account == account)
    }

    pub(super) async fn grant(&self, id: &str) -> Result<Option<Grant>, Failure> {
        let seen: Option<Grant> = self.one(&["grants", id]).await?;
        self.same(seen, |g| g.id == id)
    }

    /// The tokens of an account, or those that a client got for itself.
    pub(super) async fn tokens(&self, who: &Who) -> Result<Listed<Token>, Failure> {
        let (what, id) = match who {
            Who::Account(id) => ("accounts", id),
            Who::Client(id) => ("clients", id),
        };
        let listed: Listed<Token> = self.list(&[what, id, "tokens"], "tokens").await?;
        self.all_of(listed, |t| t.who() == *who)
    }

    /// An opaque token by its hash, or a JWT by its `jti`.
    pub(super) async fn token(&self, id: &str) -> Result<Option<Token>, Failure> {
        let seen: Option<Token> = self.one(&["tokens", id]).await?;
        self.same(seen, |t| t.id == id)
    }

    /// Whether a value is the account's password, or the client's secret, as it stands.
    pub(super) async fn verify(&self, who: &Who, value: &Secret) -> Result<bool, Failure> {
        #[derive(Deserialize)]
        struct Seen {
            matches: bool,
        }
        let (what, id) = match who {
            Who::Account(id) => ("accounts", id),
            Who::Client(id) => ("clients", id),
        };
        let body = json!({ "password": value.expose() });
        self.ask(Method::POST, &[what, id, "verify"], Some(body)).await?.read::<Seen>().map(|s| s.matches)
    }

    /// Changes an account or a client; what is not there is refused.
    pub(super) async fn change(&self, who: &Who, change: Value) -> Result<(), Failure> {
        let (what, id) = match who {
            Who::Account(id) => ("accounts", id),
            Who::Client(id) => ("clients", id),
        };
        self.ask(Method::PATCH, &[what, id], Some(change)).await?.read::<Value>().map(|_| ())
    }

    pub(super) async fn end_session(&self, uid: &str) -> Result<bool, Failure> {
        self.end(&["sessions", uid]).await
    }

    pub(super) async fn end_sessions(&self, account: &str) -> Result<bool, Failure> {
        self.end(&["accounts", account, "sessions"]).await
    }

    pub(super) async fn end_grant(&self, id: &str) -> Result<bool, Failure> {
        self.end(&["grants", id]).await
    }

    pub(super) async fn end_token(&self, id: &str) -> Result<bool, Failure> {
        self.end(&["tokens", id]).await
    }

    fn same<T>(&self, seen: Option<T>, is: impl Fn(&T) -> bool) -> Result<Option<T>, Failure> {
        match seen {
            Some(one) if !is(&one) => {
                Err(Failure::Garbled { why: "the admin plane speaks of another one than it was asked about".to_owned() })
            }
            seen => Ok(seen),
        }
    }

    fn all_of<T>(&self, listed: Listed<T>, is: impl Fn(&T) -> bool) -> Result<Listed<T>, Failure> {
        if listed.all.iter().all(is) {
            return Ok(listed);
        }
        Err(Failure::Garbled { why: "the admin plane lists what belongs to somebody else".to_owned() })
    }
}
