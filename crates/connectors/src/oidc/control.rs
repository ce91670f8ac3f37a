//! What must be alive whenever something is called dead: the control's client, its token,
//! its account with a session and a grant that stand. Every question has its control asked
//! by the same query in the same round.

use quell_core::{
    proof::{Control, ProbeClass},
    secret::{Secret, sha256},
    time::{Timestamp, after},
};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{
    Oidc,
    native::Who,
    wire::{As, Failure},
};

/// The control's token while it is good.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<(Secret, Timestamp)>>);

/// Which query the control answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// An account, or a client, by its id.
    Who,
    /// The same of a client.
    Application,
    /// The sessions of an account, as they are listed.
    Sessions,
    /// A grant by its id.
    Grant,
    /// A token by the hash of its value.
    Token,
    /// A token by its value (RFC 7662).
    Introspection,
    /// A password, compared by the provider.
    Password,
    /// A client's secret, compared by the provider.
    Secret,
}

/// What RFC 7662 says of a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Introspected {
    pub active: bool,
}

impl Oidc {
    /// Asks `query` about the control.
    pub(super) async fn control(&self, query: Query, class: ProbeClass) -> Control {
        let started_at = self.clock.now();
        let who = &self.config.control.identity;
        let (alive, what) = match self.ask_control(query).await {
            Ok(Some(what)) => (true, format!("{what} of `{who}`, asked by the same query")),
            Ok(None) => (false, format!("what must be alive of `{who}` is not there")),
            Err(failure) => (false, format!("`{who}`: {}", failure.in_words())),
        };
        Control { class, alive, started_at, what }
    }

    /// The control's client authenticates at the same endpoint.
    pub(super) async fn control_login(&self) -> Control {
        let started_at = self.clock.now();
        let control = &self.config.control;
        let (alive, what) = match self.is_let_in(&control.identity, &control.secret).await {
            Ok(true) => (true, format!("the client `{}` was let in", control.identity)),
            Ok(false) => (false, format!("the client `{}` was refused", control.identity)),
            Err(failure) => (false, format!("the client `{}`: {}", control.identity, failure.in_words())),
        };
        Control { class: ProbeClass::Login, alive, started_at, what }
    }

    async fn ask_control(&self, query: Query) -> Result<Option<&'static str>, Failure> {
        let control = &self.config.control;
        let id = control.identity.as_str();
        let found = |there: bool, what: &'static str| there.then_some(what);
        Ok(match query {
            Query::Who => found(self.account(id).await?.is_some_and(|a| !a.disabled), "the account"),
            Query::Application => found(self.application(id).await?.is_some_and(|a| !a.disabled), "the client"),
            Query::Sessions => found(self.sessions(id).await?.all.iter().any(|s| !s.asks_again), "the session that stands"),
            Query::Grant => {
                let standing = self.grants(id).await?.all.into_iter().next();
                let there = match standing {
                    Some(grant) => self.grant(&grant.id).await?.is_some(),
                    None => false,
                };
                found(there, "the grant that stands")
            }
            Query::Token => {
                let token = self.control_token().await?;
                found(self.token(&sha256(token.expose().as_bytes())).await?.is_some(), "the live token")
            }
            Query::Introspection => {
                let token = self.control_token().await?;
                found(self.introspect(&token).await?.active, "the live token")
            }
            Query::Password => found(self.verify(&Who::Account(id.to_owned()), &control.secret).await?, "the password"),
            Query::Secret => found(self.verify(&Who::Client(id.to_owned()), &control.secret).await?, "the secret"),
        })
    }

    /// A live token of the control's client: the one that is kept, or a new one.
    async fn control_token(&self) -> Result<Secret, Failure> {
        let mut kept = self.kept.0.lock().await;
        let now = self.clock.now();
        if let Some((token, _)) = kept.as_ref().filter(|(_, until)| now < *until)
            && self.introspect(token).await?.active
        {
            return Ok(token.clone());
        }
        let control = &self.config.control;
        let new = self.wire.client_token(&control.identity, &control.secret, None).await?;
        *kept = Some((new.token.clone(), after(now, new.seconds * 3 / 4)));
        Ok(new.token)
    }

    /// What a token is worth, as the provider says to whoever is handed one (RFC 7662).
    /// Nothing of it is used up.
    pub(super) async fn introspect(&self, token: &Secret) -> Result<Introspected, Failure> {
        let metadata = self.wire.metadata().await?;
        let own = As::Client { id: &self.config.client, secret: &self.config.secret };
        let reply = self.wire.post(&metadata.introspection, own, &[("token", token.expose())], "introspection of a token").await?;
        if reply.status == 401 {
            return Err(Failure::Refused { why: "refused Quell's own client; put its secret into `secret_file`".to_owned() });
        }
        reply.read()
    }

    /// Whether a client is let in with this secret. It asks about a token that is nobody's:
    /// whoever may ask was authenticated first (RFC 7662 section 2.1).
    pub(super) async fn is_let_in(&self, id: &str, secret: &Secret) -> Result<bool, Failure> {
        let metadata = self.wire.metadata().await?;
        let form = [("token", "a token of nobody")];
        let reply = self.wire.post(&metadata.introspection, As::Client { id, secret }, &form, "introspection as a client").await?;
        if reply.is(401, "invalid_client") {
            return Ok(false);
        }
        // An answer of another shape is neither.
        reply.read::<Introspected>().map(|_| true)
    }
}
