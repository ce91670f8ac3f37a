//! Looking and trying, each with its control in the same round from the same place. What
//! it proves is judged elsewhere; here only what was met is said.
//!
//! ```text
//! a session        the listing: not there, or asked for another sign-in -> enforced
//! a grant          by its id: not there, and no token of it left -> enforced
//!                  its refresh token at hand: introspection; a refused exchange only where
//!                  that cannot disturb anybody
//! an opaque token  by the hash of its value: not there -> enforced; at hand: introspection
//! a JWT            nobody takes it back: its end, by the provider's clock, and the leeway
//! a password       compared by the provider; a client's secret is tried, too
//! ```
//!
//! A refresh token that works is never exchanged: its consumer would be left with one that
//! was used, and would lose the whole family with the next try. And a client may only
//! exchange its own, so a refusal of anybody else says nothing (`invalid_grant` is also the
//! answer to a live token of another client).

use quell_core::{
    proof::{Answer, Channel, Control, Observation, ProbeClass},
    secret::Secret,
    time::Timestamp,
};
use quell_engine::port::ProbeRequest;

use super::{
    Oidc,
    control::Query,
    native::{self, Native, Who},
    read::{CLIENT, IS_PUBLIC, State, VERSION},
    wire::{As, Failure},
};
use crate::vantage::{NOT_PROVEN, Vantage, cannot_tell};

const SUSPENDED: &str = "it is disabled, and the provider lets nobody in as it";

impl Vantage for Oidc {
    fn channel(&self) -> Channel {
        self.wire.channel()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn enforced(by: impl Into<String>) -> Answer {
    Answer::Enforced { by: by.into() }
}

impl Oidc {
    pub(super) async fn observe(&self, request: &ProbeRequest) -> Vec<Observation> {
        let native = match native::of(&request.target) {
            Ok(native) => native,
            Err(why) => return vec![self.nothing(why)],
        };
        match &native {
            Native::Who(who) => vec![self.of_who(who, request).await],
            Native::Session { account, uid } => vec![self.of_session(account, uid).await],
            Native::Grant { account, id } => self.of_grant(account, id, request).await,
            Native::Token { who, hash } => self.of_token(who, hash, request).await,
            Native::Jwt { until_s, .. } => vec![self.of_jwt(*until_s).await],
            Native::Password { who, generation } => self.of_secret(who, generation.is_some(), request).await,
        }
    }

    /// A read and its control by the same query.
    async fn looked(&self, query: Query, class: ProbeClass, answer: impl Future<Output = Result<Answer, Failure>>) -> Observation {
        let started_at = self.clock.now();
        let (answer, control) = tokio::join!(answer, self.control(query, class));
        self.seen(class, answer.unwrap_or_else(|f| self.unasked(f)), control, started_at)
    }

    fn seen(&self, class: ProbeClass, answer: Answer, control: Control, started_at: Timestamp) -> Observation {
        Observation { control: Some(control), authoritative: true, ..self.met(class, answer, started_at, self.clock.now()) }
    }

    fn unasked(&self, failure: Failure) -> Answer {
        cannot_tell(failure.for_plane(&self.config.name).to_string())
    }

    /// A secret of somebody's goes to nobody who does not prove who answers.
    fn leaked<'a>(&self, request: &'a ProbeRequest) -> Option<&'a Secret> {
        request.leaked.as_ref().filter(|_| request.may_login && self.wire.channel() != Channel::Unauthenticated)
    }

    async fn of_who(&self, who: &Who, request: &ProbeRequest) -> Observation {
        self.looked(which(who), ProbeClass::Read, async {
            Ok(match (self.state_of(who).await?, &request.before) {
                (None, _) => cannot_tell("there is none of that name: it may be called something else"),
                (Some(state), _) if state.disabled => enforced(SUSPENDED),
                (Some(state), Some(before)) => Answer::ReadBack { same: before.facts == state.facts() },
                (Some(_), None) => cannot_tell("it is not suspended"),
            })
        })
        .await
    }

    async fn of_session(&self, account: &str, uid: &str) -> Observation {
        self.looked(Query::Sessions, ProbeClass::Listing, async {
            let listed = self.sessions(account).await?;
            let state = self.account(account).await?;
            Ok(match (listed.all.iter().find(|s| s.uid == uid), state) {
                (None, _) if listed.truncated => cannot_tell("the provider lists more sessions than one answer holds"),
                (None, _) => enforced("the provider lists no such session"),
                // It would be good again as soon as the account is.
                (Some(_), Some(state)) if state.disabled => cannot_tell("the account is disabled, and its session stands: end it, too"),
                (Some(session), _) if session.asks_again => {
                    enforced("the provider asks for a stronger sign-in than the session was opened with")
                }
                (Some(_), _) => Answer::Usable,
            })
        })
        .await
    }

    async fn of_grant(&self, account: &str, id: &str, request: &ProbeRequest) -> Vec<Observation> {
        let read = self.looked(Query::Grant, ProbeClass::Read, async {
            let who = Who::Account(account.to_owned());
            let (grant, left, state) = tokio::try_join!(self.grant(id), self.tokens(&who), self.account(account))?;
            let hangs = left.all.iter().any(|t| t.grant.as_deref() == Some(id) && !t.consumed && t.format == super::admin::Format::Opaque);
            Ok(match grant {
                Some(grant) if grant.account != account => cannot_tell("it is another account's grant"),
                Some(_) if state.is_some_and(|s| s.disabled) => {
                    cannot_tell("the account is disabled, and its grant stands: access tokens of it are called active; revoke it, too")
                }
                Some(_) => Answer::Usable,
                None if hangs => cannot_tell("the grant is gone, and tokens of it are there"),
                None if left.truncated => cannot_tell("the provider lists more tokens than one answer holds"),
                None => enforced("the provider holds no such grant, and no token of it"),
            })
        });
        let Some(leaked) = self.leaked(request) else { return vec![read.await] };
        let (read, by_value) = tokio::join!(read, self.of_value(leaked, request.leaked_was_right));
        let is_gone = matches!(read.answer, Answer::Enforced { .. }) && matches!(by_value.answer, Answer::Enforced { .. });
        let mut round = vec![by_value, read];
        if is_gone && let Some(client) = public_client(request) {
            round.insert(0, self.of_exchange(client, leaked).await);
        }
        round
    }

    /// Exchanges a refresh token of which the provider says that it is gone, as the client
    /// that it was of and that keeps no secret (RFC 6749 section 6).
    async fn of_exchange(&self, client: &str, refresh: &Secret) -> Observation {
        let started_at = self.clock.now();
        let asked = async {
            let metadata = self.wire.metadata().await?;
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
            let reply = self.wire.post(&metadata.token, As::Public { id: client }, &form, "exchange of a refresh token").await?;
            Ok::<_, Failure>(match reply.status {
                200 => Answer::Usable,
                400 if reply.error() == Some("invalid_grant") => Answer::Refused { code: "invalid_grant".to_owned() },
                _ => cannot_tell("the exchange was refused for another reason than its grant"),
            })
        };
        let (answer, control) = tokio::join!(asked, self.control_login());
        self.seen(ProbeClass::Login, answer.unwrap_or_else(|f| self.unasked(f)), control, started_at)
    }

    async fn of_token(&self, who: &Who, hash: &str, request: &ProbeRequest) -> Vec<Observation> {
        let read = self.looked(Query::Token, ProbeClass::Read, async {
            Ok(match self.token(hash).await? {
                None => enforced("the provider holds no token of this value"),
                Some(token) if token.who() != *who => cannot_tell("it is another one's token"),
                Some(token) if token.consumed => cannot_tell("it was exchanged for another one, which is somebody's"),
                Some(_) => Answer::Usable,
            })
        });
        match self.leaked(request) {
            None => vec![read.await],
            Some(leaked) => {
                let (read, by_value) = tokio::join!(read, self.of_value(leaked, request.leaked_was_right));
                vec![by_value, read]
            }
        }
    }

    /// What the provider says of the value itself (RFC 7662). One that was never its own
    /// is not active either.
    async fn of_value(&self, value: &Secret, was_right: bool) -> Observation {
        self.looked(Query::Introspection, ProbeClass::Read, async {
            Ok(match self.introspect(value).await?.active {
                true => Answer::Usable,
                false if was_right => enforced("introspection says that the leaked value is not active"),
                false => cannot_tell("introspection says that the value is not active, and it was never seen to be"),
            })
        })
        .await
    }

    async fn of_jwt(&self, until_s: i64) -> Observation {
        let started_at = self.clock.now();
        let about = self.about().await;
        let control =
            Control { class: ProbeClass::Clock, alive: about.is_ok(), started_at, what: "the provider's clock, read now".to_owned() };
        match (about, Timestamp::from_second(until_s)) {
            (Ok(about), Ok(until)) => {
                let answer = Answer::ValidUntil { until, leeway_seconds: self.config.leeway_seconds };
                Observation { plane_clock: Some(about.now), ..self.seen(ProbeClass::Clock, answer, control, started_at) }
            }
            (Err(failure), _) => self.seen(ProbeClass::Clock, self.unasked(failure), control, started_at),
            (_, Err(_)) => self.seen(ProbeClass::Clock, cannot_tell("its end is out of range"), control, started_at),
        }
    }

    async fn of_secret(&self, who: &Who, is_made: bool, request: &ProbeRequest) -> Vec<Observation> {
        // A secret of our own is asked about alone: what is stored belongs to it.
        if let Some(own) = &request.own {
            return self.of_one_secret(who, own, Ours::New, request.may_login).await;
        }
        if is_made {
            return vec![self.nothing("only its own value tells a secret that Quell made from others, and it is not at hand")];
        }
        let mut round = Vec::new();
        if let Some(leaked) = &request.leaked {
            let whose = if request.leaked_was_right { Ours::Leaked } else { Ours::Doubtful };
            round.extend(self.of_one_secret(who, leaked, whose, request.may_login).await);
        }
        if let Some(throw_away) = &request.throw_away {
            round.extend(self.of_one_secret(who, throw_away, Ours::ThrowAway, false).await);
        }
        let read = self.looked(which(who), ProbeClass::Read, async {
            Ok(match self.state_of(who).await? {
                None => cannot_tell("there is none of that name: it may be called something else"),
                Some(state) if state.disabled => enforced(SUSPENDED),
                Some(state) if is_replaced(&state, request) => enforced("it was replaced since"),
                Some(_) => cannot_tell("it stands, and nothing keeps anybody from using it"),
            })
        });
        round.push(read.await);
        round
    }

    /// What the provider says of a value; and where it is a client's, whether it is let in.
    async fn of_one_secret(&self, who: &Who, value: &Secret, whose: Ours, may_try: bool) -> Vec<Observation> {
        if self.wire.channel() == Channel::Unauthenticated {
            return vec![self.nothing(NOT_PROVEN)];
        }
        let query = if matches!(who, Who::Account(_)) { Query::Password } else { Query::Secret };
        let compared = self.looked(query, ProbeClass::Read, async {
            let (matches, state) = tokio::try_join!(self.verify(who, value), self.state_of(who))?;
            let disabled = state.is_some_and(|s| s.disabled);
            Ok(match (matches, whose) {
                (true, Ours::ThrowAway) => enforced("what stands there is the throw-away that Quell put in its place"),
                (true, _) if disabled => enforced(SUSPENDED),
                (true, _) => Answer::Usable,
                (false, Ours::New) => enforced("another one than the new one stands there"),
                (false, Ours::Leaked) => enforced("another one than the leaked one stands there"),
                (false, Ours::ThrowAway) => cannot_tell("another one than the throw-away stands there"),
                (false, Ours::Doubtful) => cannot_tell("the leaked value is not the one that stands there, and was never seen to be"),
            })
        });
        match who {
            Who::Client(id) if may_try => {
                let (compared, tried) = tokio::join!(compared, self.of_try(id, value, whose));
                vec![tried, compared]
            }
            _ => vec![compared.await],
        }
    }

    async fn of_try(&self, client: &str, value: &Secret, whose: Ours) -> Observation {
        let started_at = self.clock.now();
        let (tried, control) = tokio::join!(self.is_let_in(client, value), self.control_login());
        let answer = match tried {
            Ok(true) => Answer::Usable,
            Ok(false) if whose == Ours::Doubtful => cannot_tell("it was refused, and was never seen to be right"),
            Ok(false) => Answer::Refused { code: "invalid_client".to_owned() },
            Err(failure) => self.unasked(failure),
        };
        self.seen(ProbeClass::Login, answer, control, started_at)
    }
}

/// Whose a value is that is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    /// It leaked, and was right.
    Leaked,
    /// It leaked, and nobody saw that it was right.
    Doubtful,
    /// Quell put it in the place of one that it did not hold.
    ThrowAway,
    /// Quell made it, to be used.
    New,
}

fn which(who: &Who) -> Query {
    if matches!(who, Who::Account(_)) { Query::Who } else { Query::Application }
}

/// Another one was stored since the first hold.
fn is_replaced(state: &State, request: &ProbeRequest) -> bool {
    let then = request.before.as_ref().and_then(|b| b.facts.get(VERSION)?.as_deref()?.parse::<u64>().ok());
    matches!((then, state.secret_version), (Some(then), Some(now)) if now > then)
}

/// The client of the grant, where it keeps no secret.
fn public_client(request: &ProbeRequest) -> Option<&str> {
    let facts = &request.before.as_ref()?.facts;
    let fact = |name: &str| facts.get(name).and_then(|v| v.as_deref());
    fact(CLIENT).filter(|_| fact(IS_PUBLIC) == Some("true") && request.leaked_was_right)
}
