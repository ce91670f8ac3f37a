//! Asking sshd and reading its files, each with its control in the same round from the
//! same place. What it proves is judged elsewhere; here only what was met is said.
//!
//! sshd answers whether it would take a key before anybody signs, so nobody's private
//! key is needed. A refusal has many causes (a line for another address, an algorithm,
//! a missing list), so it counts where the files say what keeps the key out.

use quell_core::{
    proof::{Answer, Channel, Control, Observation, ProbeClass},
    secret::Secret,
    time::Timestamp,
};
use quell_engine::port::ProbeRequest;
use russh::keys::{Certificate as Issued, PublicKey};

use super::{
    OpenSsh,
    enumerate::seconds,
    keys::{self, Presented, public_of},
    look::Look,
    native::{self, Certificate, Connection, Native},
    read,
    rules::{self, Way},
    wire::{Asked, Failure},
};
use crate::vantage::{NOT_ARMED, Vantage, cannot_tell};

/// How sshd names the refusal of a key (RFC 4252 section 5.1).
const REFUSAL: &str = "SSH_MSG_USERAUTH_FAILURE";

impl Vantage for OpenSsh {
    fn channel(&self) -> Channel {
        Channel::SshPinned
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// What sshd said of the two keys of the control.
#[derive(Clone, Debug)]
pub(super) struct Controls {
    identity: String,
    started_at: Timestamp,
    good: Result<Asked, String>,
    /// The one that is always in the list.
    refused: Result<Asked, String>,
}

impl Controls {
    pub(super) fn is_alive(&self) -> bool {
        self.good == Ok(Asked::Accepted)
    }

    /// The running sshd refuses what is in the list, and not everything.
    pub(super) fn go_by_the_list(&self) -> bool {
        self.is_alive() && self.refused == Ok(Asked::Refused)
    }

    pub(super) fn in_words(&self) -> String {
        let who = &self.identity;
        match &self.good {
            Ok(Asked::Accepted) => format!("sshd would take the key of `{who}`"),
            Ok(Asked::Refused) => format!("sshd refused the key of `{who}`"),
            Err(why) => format!("asked about the key of `{who}`: {why}"),
        }
    }

    fn login(&self) -> Control {
        Control { class: ProbeClass::Login, alive: self.is_alive(), started_at: self.started_at, what: self.in_words() }
    }
}

impl OpenSsh {
    pub(super) async fn observe(&self, request: &ProbeRequest) -> Vec<Observation> {
        let native = match native::of(&request.target) {
            Err(why) => return vec![self.nothing(why)],
            Ok(native) => native,
        };
        let started_at = self.clock.now();
        let look = match self.look(Some(native.account())).await {
            Ok(look) => look,
            Err(failure) => return vec![self.not_seen(failure, started_at)],
        };
        match &native {
            Native::Connection(one) => vec![self.of_connection(one, &look, started_at)],
            Native::Principal { account, principal } => vec![self.of_principal(account, principal, &look, request, started_at).await],
            Native::Account(account) => vec![self.of_account(account, &look, request, started_at).await],
            Native::Key { account, print } => {
                let presented = key_of(&look, account, print, request);
                let way = rules::key(&look, account, print);
                self.of_credential(account, &look, request, started_at, presented, way).await
            }
            Native::Made { account } => match &request.own {
                Some(own) => self.of_own(account, own, &look, request, started_at).await,
                None => vec![self.nothing("of a key that Quell made nothing is known but its own secret, which was not at hand")],
            },
            Native::Certificate(one) => self.of_certificate(one, &look, request, started_at).await,
        }
    }

    fn not_seen(&self, failure: Failure, started_at: Timestamp) -> Observation {
        let why = failure.for_plane(&self.config.name).to_string();
        self.met(ProbeClass::Read, cannot_tell(why), started_at, self.clock.now())
    }

    /// Asks about both keys of the control.
    pub(super) async fn controls(&self, look: &Look) -> Controls {
        let (identity, started_at) = (self.config.control.identity.clone(), self.clock.now());
        let good = Presented::Key(self.wire.keys().control.clone());
        let refused = look.refused_key(&identity).and_then(|line| line.key).map(Presented::Key);
        let (good, refused) = tokio::join!(self.wire.ask(&identity, &good), async {
            match &refused {
                Some(key) => self.wire.ask(&identity, key).await,
                None => Err("the control has no key that is always refused; run the bootstrap again".to_owned()),
            }
        });
        Controls { identity, started_at, good, refused }
    }

    async fn of_own(&self, account: &str, own: &Secret, look: &Look, request: &ProbeRequest, started_at: Timestamp) -> Vec<Observation> {
        let Some(key) = public_of(own) else { return vec![self.nothing("the new secret is no private key in OpenSSH's form")] };
        let way = keys::print_of_key(&key)
            .map_or_else(|| Way::Unclear("the new key cannot be written".to_owned()), |print| rules::key(look, account, &print));
        self.of_credential(account, look, request, started_at, Some(Presented::Key(key)), way).await
    }

    async fn of_certificate(&self, one: &Certificate, look: &Look, request: &ProbeRequest, started_at: Timestamp) -> Vec<Observation> {
        let known = look.certificates(&one.account).into_iter().find(|(known, ..)| known == one);
        let (issued, used) = known.as_ref().map_or((None, None), |(_, issued, used)| (*issued, *used));
        let shown = issued.or_else(|| look.issued_as(one)).cloned().or_else(|| certificate_of(one, request));
        let way = rules::certificate(look, one, shown.as_ref(), used);
        // Its end is its authority's word, and the host's clock enforces it.
        if way == Way::Open
            && let Some(until) = shown.as_ref().and_then(|s| seconds(s.valid_before()))
            && look.now.is_some_and(|now| now > until)
        {
            let control =
                Control { class: ProbeClass::Clock, alive: look.now.is_some(), started_at, what: "the host's clock, read now".to_owned() };
            return vec![Observation {
                control: Some(control),
                plane_clock: look.now,
                authoritative: true,
                ..self.met(ProbeClass::Clock, Answer::ValidUntil { until, leeway_seconds: 0 }, started_at, self.clock.now())
            }];
        }
        let presented = shown.map(|c| Presented::Certificate(Box::new(c)));
        self.of_credential(&one.account, look, request, started_at, presented, way).await
    }

    /// sshd's answer beside what its files say.
    async fn of_credential(
        &self,
        account: &str,
        look: &Look,
        request: &ProbeRequest,
        started_at: Timestamp,
        presented: Option<Presented>,
        way: Way,
    ) -> Vec<Observation> {
        if !request.may_login {
            return vec![self.of_files(look, &way, None, started_at)];
        }
        let asked_at = self.clock.now();
        let (controls, asked) = tokio::join!(self.controls(look), async {
            match &presented {
                Some(presented) => Some(self.wire.ask(account, presented).await),
                None => None,
            }
        });
        let ended_at = self.clock.now();
        let mut round = Vec::new();
        if let Some(asked) = asked {
            let answer = match (asked, &way) {
                (Ok(Asked::Accepted), _) => Answer::Usable,
                (Ok(Asked::Refused), Way::Shut(by)) => Answer::Refused { code: format!("{REFUSAL}: {by}") },
                (Ok(Asked::Refused), Way::Open) => {
                    cannot_tell("sshd refused it from here, and nothing that was read says why: it may be let in from elsewhere")
                }
                (Ok(Asked::Refused), Way::Unclear(why)) => cannot_tell(format!("sshd refused it from here: {why}")),
                (Err(why), _) => cannot_tell(format!("sshd was asked about it: {why}")),
            };
            round.push(Observation {
                control: Some(controls.login()),
                authoritative: true,
                ..self.met(ProbeClass::Login, answer, asked_at, ended_at)
            });
        }
        round.push(self.of_files(look, &way, Some(&controls), started_at));
        round
    }

    /// What the files say, where the running sshd was seen to go by them.
    fn of_files(&self, look: &Look, way: &Way, controls: Option<&Controls>, started_at: Timestamp) -> Observation {
        let answer = match (way, controls) {
            (Way::Open, _) => cannot_tell("nothing that was read keeps it out"),
            (Way::Unclear(why), _) => cannot_tell(why.clone()),
            (Way::Shut(by), None) => cannot_tell(format!("{by}, and whether sshd goes by its files was not tried: {NOT_ARMED}")),
            (Way::Shut(by), Some(controls)) if controls.go_by_the_list() => Answer::Enforced { by: by.clone() },
            (Way::Shut(by), Some(_)) => {
                cannot_tell(format!("{by}, and sshd was not seen to go by its list: it takes a key that is in it, or none"))
            }
        };
        Observation {
            control: Some(self.read_control(look, started_at)),
            authoritative: true,
            ..self.met(ProbeClass::Read, answer, started_at, self.clock.now())
        }
    }

    /// The control's key, found by the same question as one that is let in.
    fn read_control(&self, look: &Look, started_at: Timestamp) -> Control {
        let identity = &self.config.control.identity;
        let alive = keys::print_of_key(&self.wire.keys().control).is_some_and(|print| rules::key(look, identity, &print) == Way::Open);
        Control { class: ProbeClass::Read, alive, started_at, what: format!("the key of `{identity}`, found by the same question") }
    }

    fn of_connection(&self, one: &Connection, look: &Look, started_at: Timestamp) -> Observation {
        let answer = match &look.connections {
            None => cannot_tell("sshd's main process was not found by its `PidFile`, so nobody lists its connections"),
            Some(open) if open.iter().any(|c| c.at == *one) => Answer::Usable,
            Some(_) => Answer::Enforced { by: "the host has no such process any more".to_owned() },
        };
        let what = "our own connection in the same listing".to_owned();
        Observation {
            control: Some(Control { class: ProbeClass::Listing, alive: look.mine_is_listed(), started_at, what }),
            authoritative: true,
            ..self.met(ProbeClass::Listing, answer, started_at, self.clock.now())
        }
    }

    async fn of_principal(
        &self,
        account: &str,
        principal: &str,
        look: &Look,
        request: &ProbeRequest,
        started_at: Timestamp,
    ) -> Observation {
        let controls = if request.may_login { Some(self.controls(look).await) } else { None };
        if look.principals(account).contains(principal) {
            return self.met(ProbeClass::Read, Answer::Usable, started_at, self.clock.now());
        }
        let way = match look.other_settings(account) {
            Some(other) => Way::Unclear(other),
            None if look.file("principals", account).text().is_none() => {
                Way::Unclear("the principals of the account cannot be read".to_owned())
            }
            None => Way::Shut("the account's principals do not name it".to_owned()),
        };
        self.of_files(look, &way, controls.as_ref(), started_at)
    }

    /// A restored account is what it was; a suspended one lets nobody in.
    async fn of_account(&self, account: &str, look: &Look, request: &ProbeRequest, started_at: Timestamp) -> Observation {
        let now = read::of_account(look, account);
        let controls = if request.may_login { Some(self.controls(look).await) } else { None };
        if look.is_suspended(account) && look.other_settings(account).is_none() {
            let way = Way::Shut("no key and no principal may log in as the account".to_owned());
            return self.of_files(look, &way, controls.as_ref(), started_at);
        }
        let answer = match &request.before {
            Some(before) => Answer::ReadBack { same: before.facts == now },
            None => cannot_tell("the account is not suspended"),
        };
        Observation {
            control: Some(self.read_control(look, started_at)),
            authoritative: true,
            ..self.met(ProbeClass::Read, answer, started_at, self.clock.now())
        }
    }
}

/// The key to ask about: of a line that is there or was, of the before-state, of the leak.
/// None for one that lets in what it certified: sshd takes no such key by itself.
fn key_of(look: &Look, account: &str, print: &str, request: &ProbeRequest) -> Option<Presented> {
    let lines: Vec<_> = look.every_key(account).into_iter().filter(|line| line.print == print).collect();
    if lines.iter().any(keys::Line::is_authority) {
        return None;
    }
    let is = |key: &PublicKey| keys::print_of_key(key).is_some_and(|p| p == print);
    let stood = || {
        let text = request.before.as_ref()?.facts.get(read::PUBLIC_KEY)?.as_deref()?;
        PublicKey::from_openssh(text).ok().filter(&is)
    };
    let leaked = || keys::leaked_key(request.leaked.as_ref()?.expose()).filter(&is);
    lines.into_iter().find_map(|line| line.key).or_else(stood).or_else(leaked).map(Presented::Key)
}

/// The certificate that was read before, or that leaked.
fn certificate_of(one: &Certificate, request: &ProbeRequest) -> Option<Issued> {
    let is = |c: &Issued| {
        let prints = (keys::print_of_data(c.public_key()), keys::print_of_data(c.signature_key()));
        c.serial() == one.serial && prints == (Some(one.print.clone()), Some(one.authority.clone()))
    };
    let stood = request.before.as_ref().and_then(|b| b.facts.get(read::PUBLIC_KEY)?.as_deref());
    let leaked = request.leaked.as_ref().and_then(|l| l.expose().lines().next());
    [stood, leaked].into_iter().flatten().find_map(|text| Issued::from_openssh(text.trim()).ok().filter(&is))
}
