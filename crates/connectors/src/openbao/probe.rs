//! Looking and trying, each with its control in the same round from the same
//! place. What it proves is judged elsewhere; here only what was met is said.
//!
//! ```text
//! a token       by accessor: 200 and its entity enabled -> usable
//!               200 and its entity disabled, "invalid accessor" -> enforced
//! a secret-id   by accessor, by value: 404, 204 -> enforced. A login is never tried:
//!               five failed ones lock the rightful consumer out for a quarter of an hour
//! a password    a login: 400 -> refused, where the secret was right. 403 is the answer to
//!               a disabled entity and to a user that is locked out for a while
//! a lease       "invalid lease" -> enforced. What it opened elsewhere is seen there
//! batch tokens  nobody can list them: their entity is disabled, or the date at which
//!               the last one ends
//! ```

use quell_core::{
    proof::{Answer, Channel, Control, Observation, ProbeClass},
    secret::Secret,
    time::Timestamp,
};
use quell_engine::port::ProbeRequest;

use super::{
    OpenBao,
    answer::Failure,
    control::Query,
    native::{self, Native, Who},
    seen::{EntitySeen, Health, SecretIdNow, TokenSeen},
};
use crate::vantage::{NOT_ARMED, NOT_PROVEN, Vantage, cannot_tell};

/// How an answer comes to an observation: its class, its control, when it began.
pub(super) struct Round {
    pub started_at: Timestamp,
    pub health: Result<Health, Failure>,
}

pub(super) fn enforced(by: impl Into<String>) -> Answer {
    Answer::Enforced { by: by.into() }
}

impl Vantage for OpenBao {
    fn channel(&self) -> Channel {
        self.wire.channel()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl OpenBao {
    pub(super) async fn observe(&self, request: &ProbeRequest) -> Vec<Observation> {
        let native = match native::of(&request.target) {
            Ok(native) => native,
            Err(why) => return vec![self.nothing(why)],
        };
        match native {
            Native::Token { accessor } => self.observe_token(&accessor, request).await,
            Native::SecretId { mount, role, accessor } => self.observe_secret_id(&mount, &role, &accessor, request).await,
            Native::SecretIds { mount, role } => self.observe_secret_ids(&mount, &role, request).await,
            Native::Issued { who } => self.observe_issued(&who, request).await,
            Native::Password { mount, user } => self.observe_password(&mount, &user, request).await,
            Native::Batch { until_s, entity, .. } => self.observe_batch(until_s, entity.as_deref(), request).await,
            Native::BatchTokens { who } => vec![self.observe_batch_tokens(&who).await],
            Native::Lease { id } => vec![self.observe_lease(&id).await],
            Native::Leases { prefix } => vec![self.observe_leases(&prefix).await],
            Native::Version { path, version } => vec![self.observe_version(&path, version).await],
            Native::Cert { mount, serial } => self.observe_cert(&mount, &serial).await,
            Native::Grant { policy, path } => self.observe_grant(&policy, &path, request).await,
            Native::Who(who) => vec![self.observe_who(&who).await],
        }
    }

    pub(super) async fn begin(&self) -> Round {
        Round { started_at: self.clock.now(), health: self.health().await }
    }

    /// A read and its control by the same query.
    pub(super) async fn read(&self, query: Query, answer: impl Future<Output = Result<Answer, Failure>>) -> Observation {
        let (round, (answer, control)) = tokio::join!(self.begin(), async { tokio::join!(answer, self.control(query, ProbeClass::Read)) });
        self.observation(ProbeClass::Read, &round, answer.unwrap_or_else(|f| self.unasked(f)), Some(control))
    }

    async fn observe_token(&self, accessor: &str, request: &ProbeRequest) -> Vec<Observation> {
        let by_accessor = self.read(Query::Accessor, async {
            match self.token(accessor).await? {
                None => Ok(enforced("the token store holds no token of this accessor")),
                Some(seen) => self.token_answer(&seen).await,
            }
        });
        let leaked = request.leaked.as_ref().filter(|_| request.may_login);
        let by_value = async {
            match leaked {
                None => None,
                Some(value) => Some(self.observe_token_value(value).await),
            }
        };
        let (by_accessor, by_value) = tokio::join!(by_accessor, by_value);
        by_value.into_iter().chain([by_accessor]).collect()
    }

    /// Asks the token store about the value itself, without using it.
    async fn observe_token_value(&self, value: &Secret) -> Observation {
        self.read(Query::Token, async {
            match self.token_of(value).await? {
                None => Ok(enforced("the token store does not know the leaked token")),
                Some(seen) => self.token_answer(&seen).await,
            }
        })
        .await
    }

    /// A token that is there: may anybody use it?
    pub(super) async fn token_answer(&self, seen: &TokenSeen) -> Result<Answer, Failure> {
        if seen.entity_id.is_empty() {
            return Ok(Answer::Usable);
        }
        Ok(match self.entity(&seen.entity_id).await? {
            Some(entity) if entity.disabled => enforced("the entity of the token is disabled, and the server refuses every use of it"),
            Some(_) => Answer::Usable,
            None => cannot_tell(
                "the token is there and its entity is not: it was deleted, or merged into another one that the token works on as",
            ),
        })
    }

    async fn observe_secret_id(&self, mount: &str, role: &str, accessor: &str, request: &ProbeRequest) -> Vec<Observation> {
        let by_accessor = self.read(Query::SecretId, async {
            match self.secret_id(mount, role, accessor).await? {
                SecretIdNow::There(_) => self.role_answer(mount, role).await,
                SecretIdNow::Gone => Ok(enforced("the AppRole holds no secret-id of this accessor")),
                SecretIdNow::Expired => Ok(enforced("the secret-id has expired")),
                SecretIdNow::NoRole => Ok(enforced("the AppRole does not exist, and its secret-ids with it")),
            }
        });
        let leaked = request.leaked.as_ref().filter(|_| request.may_login);
        let by_value = async {
            match leaked {
                None => None,
                Some(value) => Some(self.observe_secret_id_value(mount, role, value, "the leaked value").await),
            }
        };
        let (by_accessor, by_value) = tokio::join!(by_accessor, by_value);
        by_value.into_iter().chain([by_accessor]).collect()
    }

    async fn observe_secret_id_value(&self, mount: &str, role: &str, value: &Secret, what: &str) -> Observation {
        self.read(Query::SecretIdValue, async {
            match self.secret_id_of(mount, role, value).await? {
                None => Ok(enforced(format!("{what} is none of the AppRole's secret-ids"))),
                Some(_) => self.role_answer(mount, role).await,
            }
        })
        .await
    }

    /// A secret-id that is there: does it log anybody in?
    async fn role_answer(&self, mount: &str, role: &str) -> Result<Answer, Failure> {
        let who = Who::AppRole { mount: mount.to_owned(), role: role.to_owned() };
        Ok(match self.entity_behind(&who).await? {
            Some(entity) if entity.disabled => {
                enforced("the entity that the AppRole logs in as is disabled, and the server refuses its logins")
            }
            _ => Answer::Usable,
        })
    }

    async fn observe_secret_ids(&self, mount: &str, role: &str, request: &ProbeRequest) -> Vec<Observation> {
        let listed = self
            .read(Query::SecretIds, async {
                let Some(seen) = self.role(mount, role).await? else { return Ok(enforced("the AppRole does not exist")) };
                if seen.bind_secret_id == Some(false) {
                    return Ok(cannot_tell("the AppRole asks for no secret-id: its role-id alone logs in"));
                }
                match self.live_secret_ids(mount, role).await?.len() {
                    0 => Ok(enforced("the AppRole has no secret-id")),
                    _ => self.role_answer(mount, role).await,
                }
            })
            .await;
        match request.leaked.as_ref().filter(|_| request.may_login) {
            Some(value) => vec![self.observe_secret_id_value(mount, role, value, "the leaked value").await, listed],
            None => vec![listed],
        }
    }

    /// The secret of our own that a reinstated identity has.
    async fn observe_issued(&self, who: &Who, request: &ProbeRequest) -> Vec<Observation> {
        let Some(own) = &request.own else {
            return vec![self.nothing("only its own value tells a secret that Quell issued from others, and it is not at hand".to_owned())];
        };
        match who {
            Who::AppRole { mount, role } => vec![self.observe_secret_id_value(mount, role, own, "the new secret-id").await],
            Who::User { mount, user } => vec![self.observe_login(mount, user, own, true, request.may_login).await],
            _ => vec![self.nothing("nothing is issued to it".to_owned())],
        }
    }

    async fn observe_password(&self, mount: &str, user: &str, request: &ProbeRequest) -> Vec<Observation> {
        let who = Who::User { mount: mount.to_owned(), user: user.to_owned() };
        if let Some(own) = &request.own {
            return vec![self.observe_login(mount, user, own, true, request.may_login).await];
        }
        let state = self
            .read(Query::User, async {
                if self.user(mount, user).await?.is_none() {
                    return Ok(enforced("the user does not exist, so no password of it logs in"));
                }
                Ok(match self.entity_behind(&who).await? {
                    Some(entity) if entity.disabled => {
                        enforced("the entity that the user logs in as is disabled, and the server refuses its logins")
                    }
                    _ => cannot_tell("the user exists and may log in; the server shows nothing of its password"),
                })
            })
            .await;
        let mut all = Vec::new();
        if request.may_login {
            let leaked = request.leaked.as_ref().map(|s| (s, request.leaked_was_right));
            for (secret, was_right) in leaked.into_iter().chain(request.throw_away.as_ref().map(|s| (s, false))) {
                all.push(self.observe_login(mount, user, secret, was_right, true).await);
            }
        }
        all.push(state);
        all
    }

    /// Logs in and ends the token at once.
    async fn observe_login(&self, mount: &str, user: &str, secret: &Secret, was_right: bool, may_login: bool) -> Observation {
        if !may_login {
            return self.nothing(NOT_ARMED);
        }
        if self.wire.channel() == Channel::Unauthenticated {
            return self.nothing(NOT_PROVEN);
        }
        // Five failed logins lock the user out for a quarter of an hour, the rightful one, too.
        if !self.failures.may_fail(mount, user, self.clock.now()) {
            return self.nothing("the budget of logins that may fail is spent; more would lock the user out".to_owned());
        }
        let tried = async {
            let met = self.wire.login_user(mount, user, secret).await;
            if matches!(met, Err(Failure::Refused { .. })) {
                self.failures.failed(mount, user, self.clock.now());
            }
            match met {
                Ok(new) => {
                    self.remember_own(&new.accessor);
                    self.wire.end(&new.token).await;
                    Ok(Answer::Usable)
                }
                Err(Failure::Refused { status: 400, said, .. }) if said == "invalid username or password" => Ok(match was_right {
                    true => Answer::Refused { code: "invalid username or password".to_owned() },
                    false => cannot_tell("it is a wrong password, which says nothing of others"),
                }),
                // Right or wrong is looked at before the entity, so a 403 is the answer to a
                // right password. But a user who is locked out for a while gets it, too.
                Err(Failure::Refused { status: 403, .. }) => {
                    let who = Who::User { mount: mount.to_owned(), user: user.to_owned() };
                    match self.entity_behind(&who).await? {
                        Some(entity) if entity.disabled => Ok(Answer::Refused { code: "permission denied".to_owned() }),
                        _ => Ok(cannot_tell("the user is locked out for a while, which ends by itself")),
                    }
                }
                Err(other) => Err(other),
            }
        };
        let (round, (answer, control)) = tokio::join!(self.begin(), async { tokio::join!(tried, self.control_login()) });
        self.observation(ProbeClass::Login, &round, answer.unwrap_or_else(|f| self.unasked(f)), Some(control))
    }

    async fn observe_lease(&self, id: &str) -> Observation {
        self.read(Query::Lease, async {
            Ok(match self.lease(id).await? {
                None => enforced("the server knows no such lease: it was revoked or expired"),
                Some(_) => Answer::Usable,
            })
        })
        .await
    }

    async fn observe_leases(&self, prefix: &str) -> Observation {
        self.read(Query::Lease, async {
            Ok(match self.leases(prefix).await?.len() {
                0 => enforced("the server lists no lease under this path"),
                _ => Answer::Usable,
            })
        })
        .await
    }

    /// A suspended identity: its entity is disabled.
    async fn observe_who(&self, who: &Who) -> Observation {
        self.read(Query::Entity, async {
            Ok(match self.entity_behind(who).await? {
                Some(EntitySeen { disabled: true, .. }) => {
                    enforced("its entity is disabled, and the server refuses its logins and its tokens")
                }
                Some(_) => Answer::Usable,
                None => cannot_tell("no entity stands behind it"),
            })
        })
        .await
    }

    pub(super) fn observation(&self, class: ProbeClass, round: &Round, answer: Answer, control: Option<Control>) -> Observation {
        let (plane_clock, authoritative) = match &round.health {
            Ok(health) => (Some(health.clock), health.active),
            Err(_) => (None, false),
        };
        Observation { control, plane_clock, authoritative, ..self.met(class, answer, round.started_at, self.clock.now()) }
    }

    pub(super) fn unasked(&self, failure: Failure) -> Answer {
        cannot_tell(failure.plane_error(&self.config.name).to_string())
    }
}
