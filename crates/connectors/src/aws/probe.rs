//! Asking AWS and reading what IAM holds, each with its control in the same round from
//! the same place. What it proves is judged elsewhere; here only what was met is said.
//!
//! AWS looks a key up before it checks a signature, so a wrong secret tells whether the
//! key is let in, and nobody's secret is needed. Temporary credentials are looked up by a
//! token, so of them the policy is read that denies them, where the account was seen to
//! go by such a policy a moment ago.

use quell_core::{
    proof::{Answer, Channel, Control, Observation, ProbeClass},
    secret::Secret,
    time::Timestamp,
};
use quell_engine::port::ProbeRequest;

use super::{
    Aws,
    config::Keys,
    control::{Asked, Controls},
    native::{self, Native, Who},
    read,
    wire::{Failure, Service},
};
use crate::vantage::{NOT_ARMED, NOT_PROVEN, Vantage, cannot_tell};

impl Vantage for Aws {
    fn channel(&self) -> Channel {
        self.wire.channel()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Aws {
    pub(super) async fn observe(&self, request: &ProbeRequest) -> Vec<Observation> {
        let native = match native::of(&request.target) {
            Ok(native) => native,
            Err(why) => return vec![self.nothing(why)],
        };
        match native {
            Native::Key { id } => self.of_key(&id, request).await,
            Native::Made { user } => self.of_made(&user, request).await,
            Native::Password { user } => vec![self.of_password(&user, request).await],
            Native::Sessions(who) => vec![self.of_sessions(&who, request).await],
            Native::Permissions(who) => vec![self.of_permissions(&who, request).await],
            Native::Identity(who) => vec![self.of_identity(&who, request).await],
        }
    }

    async fn of_key(&self, id: &str, request: &ProbeRequest) -> Vec<Observation> {
        if !request.may_login {
            return vec![self.of_state(id, request, None).await];
        }
        let started_at = self.clock.now();
        let leaked = request.leaked.as_ref().and_then(|text| native::secret_in(text.expose()));
        let (controls, asked, used) = tokio::join!(self.controls(), self.ask_about(id), async {
            match leaked {
                Some(secret) => Some(self.used(&Keys { id: id.to_owned(), secret, token: None }, None).await),
                None => None,
            }
        });
        let ended_at = self.clock.now();
        let login = |answer| Observation {
            control: Some(controls.control(ProbeClass::Login)),
            authoritative: true,
            ..self.met(ProbeClass::Login, answer, started_at, ended_at)
        };
        let mut round: Vec<Observation> = used.into_iter().map(&login).collect();
        round.push(login(match asked {
            Ok(Asked::Known) => Answer::Usable,
            Ok(Asked::NotKnown { code }) => Answer::Refused { code },
            Err(why) => cannot_tell(format!("the key was asked about: {why}")),
        }));
        round.push(self.of_state(id, request, Some(&controls)).await);
        round
    }

    /// A use of keys that Quell holds for this round: who they are.
    async fn used(&self, keys: &Keys, of: Option<&str>) -> Answer {
        if self.wire.channel() == Channel::Unauthenticated {
            return cannot_tell(NOT_PROVEN);
        }
        match self.wire.call(keys, Service::Sts, "GetCallerIdentity", &[]).await {
            Ok(who) => match (of, who.text("Arn")) {
                (Some(of), Some(arn)) if !arn.ends_with(&format!("/{of}")) => {
                    cannot_tell("the key was taken, and it belongs to somebody else")
                }
                _ => Answer::Usable,
            },
            Err(Failure::Refused { code, .. }) if matches!(code.as_str(), "InvalidClientTokenId" | "InvalidAccessKeyId") => {
                Answer::Refused { code }
            }
            Err(failure) if failure.is("SignatureDoesNotMatch") => cannot_tell("the value is not the secret of this key"),
            Err(failure) => cannot_tell(failure.in_words()),
        }
    }

    /// What IAM lists of a key, where the account was seen to go by that.
    async fn of_state(&self, id: &str, request: &ProbeRequest, controls: Option<&Controls>) -> Observation {
        let started_at = self.clock.now();
        let user = match Who::of(&request.identity) {
            Ok(Who::User(user)) => user,
            _ => return self.nothing("nobody said whose key it is"),
        };
        let (listed, control) = tokio::join!(self.keys_of(&user), self.read_control(started_at));
        let shut = match listed {
            Ok(keys) => match keys.iter().find(|k| k.id == id) {
                Some(key) if key.active => Err("IAM lists it as active".to_owned()),
                Some(_) => Ok("IAM lists the key as inactive".to_owned()),
                None => Ok(format!("IAM lists no such key of `{user}`")),
            },
            // With the user go the keys.
            Err(failure) if failure.is("NoSuchEntity") => Ok(format!("IAM knows no user `{user}` any more")),
            Err(failure) => Err(failure.in_words()),
        };
        self.of_policy(shut, controls, control, started_at)
    }

    fn of_policy(&self, shut: Result<String, String>, controls: Option<&Controls>, control: Control, started_at: Timestamp) -> Observation {
        let answer = match (shut, controls) {
            (Err(why), _) => cannot_tell(why),
            (Ok(by), None) => cannot_tell(format!("{by}, and whether AWS goes by that was not tried: {NOT_ARMED}")),
            (Ok(by), Some(controls)) if controls.are_alive() => Answer::Enforced { by },
            (Ok(by), Some(controls)) => cannot_tell(format!("{by}, and AWS was not seen to go by that: {}", controls.in_words())),
        };
        Observation { control: Some(control), authoritative: true, ..self.met(ProbeClass::Read, answer, started_at, self.clock.now()) }
    }

    /// The control's key, found active by the same question.
    async fn read_control(&self, started_at: Timestamp) -> Control {
        let identity = &self.config.control.identity;
        let alive = self.keys_of(identity).await.is_ok_and(|keys| keys.iter().any(|k| k.id == self.control.id && k.active));
        Control { class: ProbeClass::Read, alive, started_at, what: format!("the active key of `{identity}`, found by the same question") }
    }

    /// A key that Quell had made, by its own secret.
    async fn of_made(&self, user: &str, request: &ProbeRequest) -> Vec<Observation> {
        let Some(keys) = request.own.as_ref().and_then(|text| Keys::of(text.expose())) else {
            return vec![self.nothing("its secret is not at hand, and nothing else names it")];
        };
        let started_at = self.clock.now();
        let (controls, answer) = tokio::join!(self.controls(), self.used(&keys, Some(user)));
        let seen = self.met(ProbeClass::Login, answer, started_at, self.clock.now());
        vec![Observation { control: Some(controls.control(ProbeClass::Login)), authoritative: true, ..seen }]
    }

    async fn of_password(&self, user: &str, request: &ProbeRequest) -> Observation {
        let started_at = self.clock.now();
        let who = Who::User(user.to_owned());
        let (look, control, controls) = tokio::join!(self.look(&who), self.read_control(started_at), async {
            if request.may_login { Some(self.controls().await) } else { None }
        });
        let shut = match look {
            Ok(Some(look)) if look.console => Err("the user has a login profile, and nobody signs in to a console here".to_owned()),
            Ok(Some(_)) => Ok("the user has no login profile".to_owned()),
            Ok(None) => Ok(format!("IAM knows no user `{user}` any more")),
            Err(failure) => Err(failure.in_words()),
        };
        self.of_policy(shut, controls.as_ref(), control, started_at)
    }

    /// Every temporary credential so far: the policy that denies them.
    async fn of_sessions(&self, who: &Who, request: &ProbeRequest) -> Observation {
        let started_at = self.clock.now();
        let (look, control, controls) = tokio::join!(self.look(who), self.read_control(started_at), async {
            if request.may_login { Some(self.session_controls().await) } else { None }
        });
        let as_of = request.before.as_ref().and_then(|b| b.facts.get(read::AS_OF)?.as_deref()?.parse::<Timestamp>().ok());
        let shut = match (look, as_of) {
            (Err(failure), _) => Err(failure.in_words()),
            (Ok(None), _) => Err(format!("IAM knows no `{}`; what was issued to it is not known", who.native())),
            (Ok(Some(_)), None) => Err("nobody read which sessions are meant".to_owned()),
            (Ok(Some(look)), Some(as_of)) => match look.denials.older {
                Some(older) if older > as_of => Ok(format!("its policy denies everything to what was issued before {older}")),
                Some(older) => Err(format!("its policy denies only what was issued before {older}")),
                None => Err("no policy denies what was issued, and AWS lists no temporary credentials".to_owned()),
            },
        };
        self.of_policy(shut, controls.as_ref(), control, started_at)
    }

    /// What it may do: one call that policies decide, with its own key, where nothing is
    /// left by the boundary. A refusal without one may be as old as the user.
    async fn of_permissions(&self, who: &Who, request: &ProbeRequest) -> Observation {
        let held = request.leaked.as_ref().map(Secret::expose).and_then(|text| {
            let (id, secret) = (native::key_in(text)?, native::secret_in(text)?);
            Some(Keys { id: id.to_owned(), secret, token: None })
        });
        let Some(keys) = held.filter(|_| request.may_login) else {
            return self.nothing("what it may do is shown by a use that is refused, and no key of it is at hand");
        };
        if self.wire.channel() == Channel::Unauthenticated {
            return self.nothing(NOT_PROVEN);
        }
        let started_at = self.clock.now();
        let (look, controls, used, whose) = tokio::join!(
            self.look(who),
            self.session_controls(),
            self.wire.call(&keys, Service::Iam, "ListAccountAliases", &[]),
            self.used(&keys, Some(who.name())),
        );
        let answer = match (used, look, whose) {
            (_, _, Answer::Inconclusive { why }) => cannot_tell(why),
            (_, _, Answer::Refused { code }) => {
                cannot_tell(format!("its key is not let in (`{code}`), which tells nothing of what it may do"))
            }
            (Ok(_), ..) => Answer::Usable,
            (Err(Failure::Refused { code, .. }), Ok(Some(look)), _) if code == "AccessDenied" && look.is_fenced() => {
                Answer::Refused { code }
            }
            (Err(Failure::Refused { code, .. }), Ok(_), _) if code == "AccessDenied" => {
                cannot_tell("it was refused, and no fence stands: it may never have been allowed")
            }
            (Err(failure), ..) => cannot_tell(failure.in_words()),
        };
        Observation {
            control: Some(controls.control(ProbeClass::Login)),
            authoritative: true,
            ..self.met(ProbeClass::Login, answer, started_at, self.clock.now())
        }
    }

    /// A restored identity is what it was; of a suspended one no key is let in.
    async fn of_identity(&self, who: &Who, request: &ProbeRequest) -> Observation {
        let started_at = self.clock.now();
        let (look, control, controls) = tokio::join!(self.look(who), self.read_control(started_at), async {
            if request.may_login { Some(self.controls().await) } else { None }
        });
        let look = match look {
            Ok(Some(look)) => look,
            Ok(None) => return self.of_policy(Err("there is no such identity".to_owned()), None, control, started_at),
            Err(failure) => return self.of_policy(Err(failure.in_words()), None, control, started_at),
        };
        if look.denials.everything && look.keys.iter().all(|k| !k.active) && matches!(who, Who::User(_)) {
            let by = "every key is inactive and a policy denies everything".to_owned();
            return self.of_policy(Ok(by), controls.as_ref(), control, started_at);
        }
        let answer = match &request.before {
            Some(before) => Answer::ReadBack { same: before.facts == read::of_identity(&look) },
            None => cannot_tell("the identity is not suspended"),
        };
        Observation { control: Some(control), authoritative: true, ..self.met(ProbeClass::Read, answer, started_at, self.clock.now()) }
    }
}
