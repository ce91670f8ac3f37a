//! From received bytes to findings in cases.
//!
//! An alert is durable before anybody is told 202 (invariant 1). Filing reads it
//! with its detector, fingerprints and identifies what secrets it carries, in
//! memory, and hands the signals to `correlate`. A crash between the two leaves
//! a job, and filing again files the same ([`crate::filing`]).

use std::sync::Arc;

use quell_core::{
    by_hand,
    event::{AlertReceived, By, SourceCreated},
    finding::{FiledSignal, Finding, Resolved, is_marked},
    id::{AlertId, CaseId, SourceId, StreamId},
    inventory,
    personal::{Personal, Salter},
    respond::Uncompared,
    secret::Secret,
    signal::{CredentialKind, Detected, ObservedFrom, Readout, Resolvable, Signal, Unreadable},
    target::{Target, TargetKind},
};

use serde_json::json;

use crate::{
    Engine, Failure,
    correlate::Keys,
    filing::Asking,
    port::{Connector, Identified},
    record::{Seen, Writing},
    streams::{AlertState, Folded, SourceState},
};

/// The version of the readings that filed signals carry.
pub const DETECTOR_VERSION: u16 = 1;

impl Engine {
    /// Stores an alert durably. After this returns it is never lost.
    pub async fn receive(self: &Arc<Self>, source: &SourceCreated, bytes: &[u8]) -> Result<AlertId, Failure> {
        let alert = AlertId::from_chance(self.ports.chance.id());
        let due = self.ports.clock.now();
        self.receive_as(source, bytes, &alert, due).await?;
        self.wake();
        Ok(alert)
    }

    /// Like [`Engine::receive`], under an id that the caller brings: one derived
    /// from a sender's nonce makes a replay [`Failure::Stale`], also after a
    /// restart. A caller that files it at once sets `due` later than now, so that
    /// the scheduler does not do the same work beside it.
    pub async fn receive_as(
        self: &Arc<Self>,
        source: &SourceCreated,
        bytes: &[u8],
        alert: &AlertId,
        due: quell_core::time::Timestamp,
    ) -> Result<(), Failure> {
        let at = self.ports.clock.now();
        let sealed = self.seal(&alert_label(alert), bytes)?;
        let mut writing = Writing::because(alert.as_str());
        writing.event(
            StreamId::alert(alert),
            &By::Source(source.source.clone()),
            AlertReceived {
                alert: alert.clone(),
                source: source.source.clone(),
                detector: source.detector.clone(),
                bytes: bytes.len() as u64,
                sealed: sealed.id.clone(),
            },
        );
        writing.blob(sealed).job(format!("file/{alert}"), due).relaxed();
        // Nothing is loaded: the store itself knows whether the stream is new.
        let new = Seen::from([(StreamId::alert(alert), None)]);
        self.append_on(writing, at, new).await?;
        self.heard.again(&source.source);
        Ok(())
    }

    /// One received alert.
    pub async fn alert(&self, alert: &AlertId) -> Result<Option<AlertState>, Failure> {
        Ok(match self.streams.load(&*self.ports.store, &StreamId::alert(alert)).await?.map(|k| k.folded) {
            Some(Folded::Alert(alert)) => Some(*alert),
            _ => None,
        })
    }

    /// The source of a name.
    pub async fn source(&self, name: &str) -> Result<Option<SourceCreated>, Failure> {
        Ok(self.source_state(name).await?.map(|s| s.created))
    }

    /// The same with who answers for it.
    pub async fn source_state(&self, name: &str) -> Result<Option<SourceState>, Failure> {
        Ok(match self.streams.load(&*self.ports.store, &StreamId::source(name)).await?.map(|k| k.folded) {
            Some(Folded::Source(source)) => source.map(|s| *s),
            _ => None,
        })
    }

    /// Unseals an alert's bytes and reads them with its detector.
    pub(crate) async fn read_alert(&self, state: &AlertState) -> Result<Readout, Failure> {
        let bytes = self.unseal(&alert_label(&state.received.alert), &state.received.sealed).await?;
        Ok(self.ports.detectors.read(&state.received.detector, &bytes))
    }

    /// Whose is it? By fingerprint, by the plane's own comparison, by name.
    pub(crate) async fn resolve(
        &self,
        alert: &AlertState,
        source: Option<&SourceCreated>,
        mut detected: Detected,
        salter: &Salter,
        asking: Asking,
    ) -> Result<(FiledSignal, Keys, Option<Resolved>), Failure> {
        quell_core::signal::fingerprint(&mut detected, Some(&self.settings.key));
        let (mut resolved, mut uncompared) = (None, Vec::new());
        if let Some(secret) = detected.secret.take() {
            resolved = self.resolve_secret(&detected, &secret, salter, asking.planes, &mut uncompared).await;
        }
        if resolved.is_none() {
            resolved = self.resolve_name(&detected, salter).await?;
        }
        if resolved.is_none() && asking.planes {
            resolved = self.resolve_key_id(&detected, salter).await;
        }
        // A plane that did not answer may yet say whose it is.
        if resolved.is_none() && uncompared.is_empty() && asking.people {
            resolved = self.resolve_elsewhere(&detected, salter);
        }
        if let Some(other) = resolved.as_ref().and_then(|r| r.otherwise.as_ref()) {
            let plane = &other.plane;
            detected.signal.reasons.push(format!("AMBIGUOUS: its name means another identity, one of `{plane}`; a person says which"));
        }
        // A sender speaks only about the systems it is bound to (invariant 12).
        if let Some(found) = &resolved
            && let Some(source) = source
            && !source.systems.iter().any(|glob| inventory::matches_glob(glob, &found.identity.plane))
        {
            detected.signal.reasons.push(format!("the sender is not bound to `{}`, so nobody is named", found.identity.plane));
            resolved = None;
        }
        if resolved.as_ref().is_some_and(|r| r.possession) {
            uncompared.clear();
        }
        let filed = FiledSignal { uncompared, ..self.filed(alert, &detected, salter) };
        Ok((filed, self.keys(alert, &detected.signal), resolved))
    }

    /// What folding compares. Times, severity and our own reasons are no part of the
    /// body: a vendor that brings an event up to date is not two senders of one name.
    fn keys(&self, alert: &AlertState, signal: &Signal) -> Keys {
        let key = &self.settings.key;
        let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let (subject, credential) = (&signal.subject, signal.credential.as_ref());
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let delivery = [
            alert.received.source.to_string(),
            signal.source.clone(),
            signal.dedupe_key.clone(),
            word(json!(signal.kind)),
            text(&subject.system),
            text(&subject.native_id),
            text(&subject.name),
        ];
        let body = [
            signal.title.raw().to_owned(),
            word(json!(subject.kind)),
            word(json!(subject.resolvable)),
            credential.map(|c| word(json!(c.kind))).unwrap_or_default(),
            credential.map(|c| text(&c.id)).unwrap_or_default(),
            credential.and_then(|c| c.fingerprint.as_ref()).map(|f| f.0.clone()).unwrap_or_default(),
            text(&signal.actor.native_id),
            text(&signal.actor.name),
            text(&signal.actor.ip),
            format!("{}{}{}", signal.sample, signal.containment_evidence, signal.unsigned),
        ];
        let opaque = |what: &str, parts: &[String]| key.opaque(what, &parts.iter().map(String::as_str).collect::<Vec<_>>());
        Keys {
            delivery: opaque("delivery", &delivery),
            body: opaque("body", &body),
            address: signal.actor.ip.as_ref().map(|ip| key.opaque("address", &[ip])),
        }
    }

    pub(crate) async fn source_of(&self, id: &SourceId) -> Result<Option<SourceCreated>, Failure> {
        for (name, value) in self.ports.store.lookup_range(crate::lookup::SOURCE, "", None, 10_000).await? {
            if value.as_str() == Some(id.as_str()) {
                return self.source(&name).await;
            }
        }
        Ok(None)
    }

    /// `uncompared` gets the planes that did not answer.
    async fn resolve_secret(
        &self,
        detected: &Detected,
        secret: &Secret,
        salter: &Salter,
        ask_planes: bool,
        uncompared: &mut Vec<String>,
    ) -> Option<Resolved> {
        let naming = self.naming(salter);
        let print = self.settings.key.fingerprint(secret);
        let inventory = self.inventory();
        if let Some(credential) = inventory.by_fingerprint(&print.0)
            && let Some((plane, native)) = inventory::split(&credential.identity)
        {
            let one = if ask_planes { self.one_of_many(plane, native, credential.kind, secret).await } else { None };
            let is_right_now = one.is_some();
            let credential_native = match one {
                Some(one) => one,
                None => inventory::split(&credential.id).map_or(credential.id.as_str(), |(_, n)| n).to_owned(),
            };
            return Some(Resolved {
                identity: naming.target(plane, TargetKind::Identity, native, native),
                credential: Some(naming.target(plane, TargetKind::Credential, &credential_native, native)),
                credential_kind: Some(credential.kind),
                mark: if ask_planes { self.mark_of(plane, credential.kind, secret).await } else { None },
                possession: true,
                is_right_now,
                because: "the leaked value has the fingerprint of this credential in the inventory".to_owned(),
                otherwise: None,
                said: None,
            });
        }
        // Compared on the planes: bounded, and only because the source is authenticated.
        let plane_named = detected.signal.subject.system.as_deref();
        for connector in self.ports.connectors.iter().filter(|_| ask_planes) {
            // Known by its name here, or by the one that its vendor gives it.
            if plane_named.and_then(|p| inventory.system(p)).is_some_and(|system| system.id != connector.name()) {
                continue;
            }
            let compared = self.compared(&**connector, secret).await;
            if compared.is_err() {
                uncompared.push(connector.name().to_owned());
            }
            let (one, possession) = match compared {
                Ok(Compared::Right(one)) => (one, true),
                Ok(Compared::Name(one)) => (one, false),
                Ok(Compared::Nobodys) | Err(_) => continue,
            };
            let plane = connector.name();
            let because = match possession {
                true => format!("the leaked value was compared with what `{plane}` stores and is right"),
                false => {
                    format!("the leaked value names a credential of `{plane}`; whether a secret that came with it is right, nobody tried")
                }
            };
            return Some(Resolved {
                identity: naming.target(plane, TargetKind::Identity, &one.identity, &one.identity),
                credential: Some(naming.target(plane, TargetKind::Credential, &one.credential, &one.identity)),
                credential_kind: Some(one.kind),
                mark: self.mark_of(plane, one.kind, secret).await,
                possession,
                is_right_now: possession,
                because,
                otherwise: None,
                said: None,
            });
        }
        self.resolve_known(&print.0).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a leaked value could not be compared with those that were known before");
            None
        })
    }

    /// A value that a plane stores no more, and that was matched when it did.
    async fn resolve_known(&self, print: &str) -> Result<Option<Resolved>, Failure> {
        let Some(row) = self.ports.store.lookup(crate::lookup::PRINT, print).await? else { return Ok(None) };
        let Some((case, finding)) = row["case"].as_str().zip(row["finding"].as_str()) else { return Ok(None) };
        let case = self.case(&CaseId::new(case)).await?;
        let known = case.iter().flat_map(|c| &c.findings).find(|f| f.id.as_str() == finding).and_then(|f| f.resolved.clone());
        // Whose names were erased is nobody's any more.
        let known = known.filter(|r| r.identity.native.value().is_some());
        Ok(known.map(|r| Resolved { is_right_now: false, because: "the leaked value is one that was matched before".to_owned(), ..r }))
    }

    /// Which credential of a plane has this value, or is named by it.
    pub(crate) async fn compared(&self, connector: &dyn Connector, secret: &Secret) -> Result<Compared, Unanswered> {
        let deadline = std::time::Duration::from_secs(u64::try_from(self.settings.limits.enrich_seconds).unwrap_or(10));
        match tokio::time::timeout(deadline, connector.identify(secret)).await {
            Ok(Ok(Identified::Match { credential, kind, identity })) => return Ok(Compared::Right(Whose { credential, kind, identity })),
            Ok(Ok(Identified::Named { credential, kind, identity })) => return Ok(Compared::Name(Whose { credential, kind, identity })),
            Ok(Ok(Identified::NoMatch { .. } | Identified::NotCompared { .. })) => return Ok(Compared::Nobodys),
            Ok(Err(error)) => tracing::warn!(plane = connector.name(), %error, "a leaked value could not be compared"),
            Err(_) => tracing::warn!(plane = connector.name(), "a leaked value could not be compared in time"),
        }
        Err(Unanswered)
    }

    /// Planes that did not answer whether a leaked value is theirs, each with the case of
    /// a finding about it that has no outcome yet.
    pub(crate) async fn uncompared(&self) -> Result<Vec<Uncompared>, Failure> {
        let rows = self.ports.store.lookup_range(crate::lookup::UNCOMPARED, "", None, 10_000).await?;
        let of = |row: serde_json::Value| {
            let case = CaseId::new(row["case"].as_str().unwrap_or_default());
            let planes = row["planes"].as_array().cloned().unwrap_or_default();
            let named = planes.into_iter().filter_map(|p| p.as_str().map(str::to_owned));
            named.map(|plane| Uncompared { plane, case: case.clone() }).collect::<Vec<_>>()
        };
        Ok(rows.into_iter().flat_map(|(_, row)| of(row)).collect())
    }

    /// An inventory may know every secret-id of a login by one name: its plane tells
    /// which one leaked, so that this one is cut, approved and proved by itself.
    async fn one_of_many(&self, plane: &str, identity: &str, kind: CredentialKind, secret: &Secret) -> Option<String> {
        let connector = self.ports.connectors.get(plane).filter(|_| kind == CredentialKind::SecretId)?;
        match self.compared(&**connector, secret).await.ok()? {
            Compared::Right(one) if one.identity == identity => Some(one.credential),
            _ => None,
        }
    }

    /// What the plane's log will call this value, computed while it is at hand.
    pub(crate) async fn mark_of(&self, plane: &str, kind: CredentialKind, secret: &Secret) -> Option<String> {
        let connector = self.ports.connectors.get(plane).filter(|_| is_marked(kind))?;
        let deadline = std::time::Duration::from_secs(u64::try_from(self.settings.limits.enrich_seconds).unwrap_or(10));
        match tokio::time::timeout(deadline, connector.mark_of(secret)).await {
            Ok(Ok(mark)) => mark,
            Ok(Err(error)) => {
                tracing::warn!(plane, %error, "a leaked value cannot be recognised in the plane's log");
                None
            }
            Err(_) => None,
        }
    }

    /// Whose an access key is that an alert names, where it names nobody: its id is no
    /// secret, and a plane that knows it says whose it is.
    async fn resolve_key_id(&self, detected: &Detected, salter: &Salter) -> Option<Resolved> {
        let named = detected.signal.credential.as_ref().filter(|c| c.kind == CredentialKind::AccessKey)?;
        let id = Secret::new(named.id.clone()?);
        let system = detected.signal.subject.system.as_deref();
        let inventory = self.inventory();
        let naming = self.naming(salter);
        for connector in self.ports.connectors.iter().filter(|c| c.knows_key_ids()) {
            if system.and_then(|s| inventory.system(s)).is_some_and(|system| system.id != connector.name()) {
                continue;
            }
            let Ok(Compared::Name(one)) = self.compared(&**connector, &id).await else { continue };
            let plane = connector.name();
            return Some(Resolved {
                identity: naming.target(plane, TargetKind::Identity, &one.identity, &one.identity),
                credential: Some(naming.target(plane, TargetKind::Credential, &one.credential, &one.identity)),
                credential_kind: Some(one.kind),
                mark: None,
                possession: false,
                is_right_now: false,
                because: format!("the alert names a key, and `{plane}` says whose it is"),
                otherwise: None,
                said: None,
            });
        }
        None
    }

    /// Whom the sender's words mean. Its id counts before its name; where the two mean
    /// different identities, both are said, and no sender makes anybody sure of either.
    async fn resolve_name(&self, detected: &Detected, salter: &Salter) -> Result<Option<Resolved>, Failure> {
        let subject = &detected.signal.subject;
        let inventory = self.inventory();
        let naming = self.naming(salter);
        let system = subject.system.as_deref();
        let target = |reference: &str| {
            let (plane, native) = inventory::split(reference)?;
            Some(naming.target(plane, TargetKind::Identity, native, native))
        };
        let mut meant: Option<Target> = None;
        let (mut listed, mut otherwise) = (false, None);
        for word in subject.native_id.iter().chain(&subject.name) {
            let named = inventory.named(system, word);
            match &meant {
                None if !named.is_empty() => (meant, listed) = (named.iter().find_map(|i| target(&i.id)), true),
                // A plane of ours that the inventory does not list yet.
                None => {
                    let ours = system.filter(|s| self.ports.connectors.get(s).is_some());
                    meant = ours.map(|plane| naming.target(plane, TargetKind::Identity, word, word));
                }
                Some(first) => {
                    let others: Vec<Target> = named.iter().filter_map(|i| target(&i.id)).collect();
                    if others.iter().all(|t| t.id != first.id) {
                        otherwise = others.into_iter().next();
                    }
                }
            }
        }
        let Some(identity) = meant else { return Ok(None) };
        let (credential, credential_kind) = match detected.signal.credential.as_ref().and_then(|c| c.id.as_deref()) {
            Some(id) if listed => self.named_credential(&identity, id, &naming).await?,
            _ => (None, None),
        };
        let because = match (&otherwise, listed) {
            (Some(_), _) => "the sender's id means this identity, and its name another one",
            (None, true) => "the sender names this identity",
            (None, false) => "the sender names this identity on a plane of ours",
        };
        let because = because.to_owned();
        Ok(Some(Resolved {
            identity,
            credential,
            credential_kind,
            mark: None,
            possession: false,
            is_right_now: false,
            because,
            otherwise,
            said: None,
        }))
    }

    /// Somebody on a system that no connector serves, as the sender names them: what is to be
    /// done there is people's to do. Nothing is sure of them but that somebody said so.
    fn resolve_elsewhere(&self, detected: &Detected, salter: &Salter) -> Option<Resolved> {
        let subject = &detected.signal.subject;
        let said = subject.system.as_deref()?;
        let inventory = self.inventory();
        let plane = match inventory.system(said) {
            Some(listed) => listed.id.clone(),
            None => by_hand::system(said)?,
        };
        let is_for_certain = matches!(subject.resolvable, Resolvable::Yes | Resolvable::Partial);
        if !is_for_certain || self.ports.connectors.get(&plane).is_some() {
            return None;
        }
        let word = subject.native_id.as_deref().or(subject.name.as_deref()).filter(|word| by_hand::is_name(word))?;
        let naming = self.naming(salter);
        let reported = detected.signal.credential.as_ref();
        let credential = reported.map(|c| match c.id.as_deref().filter(|id| by_hand::is_name(id)) {
            Some(id) => naming.target(&plane, TargetKind::Credential, id, word),
            None => naming.target(&plane, TargetKind::Credential, &format!("{word}#{}", by_hand::name(c.kind).replace(' ', "_")), word),
        });
        Some(Resolved {
            identity: naming.target(&plane, TargetKind::Identity, word, word),
            credential,
            credential_kind: reported.map(|c| c.kind),
            mark: None,
            possession: false,
            is_right_now: false,
            because: "the sender names this identity, on a system that no connector serves".to_owned(),
            otherwise: None,
            said: Some(by_hand::Said { kind: subject.kind, name: subject.name.as_ref().map(|n| salter.commit(bounded(n))) }),
        })
    }

    /// A credential that the sender names: one that is listed, or that a case held before.
    async fn named_credential(
        &self,
        identity: &Target,
        id: &str,
        naming: &quell_core::draft::Naming<'_>,
    ) -> Result<(Option<Target>, Option<CredentialKind>), Failure> {
        let target = naming.target(&identity.plane, TargetKind::Credential, id, identity.native.shown());
        let inventory = self.inventory();
        let listed = inventory.credential(&format!("{}/{id}", identity.plane));
        let held = self.target_state(&target.id).await?;
        if listed.is_none() && held.is_none() {
            return Ok((None, None));
        }
        Ok((Some(target), listed.map(|c| c.kind).or(held.and_then(|h| h.credential_kind))))
    }

    fn filed(&self, alert: &AlertState, detected: &Detected, salter: &Salter) -> FiledSignal {
        let signal = &detected.signal;
        let personal = |text: &Option<String>| text.as_ref().map(|t| salter.commit(bounded(t)));
        let at = signal.observed_at.filter(|observed| *observed <= alert.at);
        FiledSignal {
            alert: alert.received.alert.clone(),
            source: alert.received.source.clone(),
            detector: signal.source.clone(),
            detector_version: DETECTOR_VERSION,
            kind: signal.kind,
            title: salter.commit(bounded(signal.title.raw())),
            observed_at: at.unwrap_or(alert.at),
            observed_at_from: if at.is_some() { signal.observed_at_from } else { ObservedFrom::Received },
            severity: signal.severity.id,
            severity_vendor: signal.severity.vendor.as_deref().map(short),
            vendor_confidence: signal.vendor_confidence.as_deref().map(short),
            sample: signal.sample,
            containment_evidence: signal.containment_evidence,
            unsigned: signal.unsigned,
            resolvable: signal.subject.resolvable,
            identity_kind: signal.subject.kind,
            native_id: personal(&signal.subject.native_id),
            name: personal(&signal.subject.name),
            system: personal(&signal.subject.system),
            credential_kind: signal.credential.as_ref().map(|c| c.kind),
            credential_id: personal(&signal.credential.as_ref().and_then(|c| c.id.clone())),
            fingerprint: signal.credential.as_ref().and_then(|c| c.fingerprint.clone()),
            actor_id: personal(&signal.actor.native_id),
            actor_name: personal(&signal.actor.name),
            actor_ip: personal(&signal.actor.ip),
            dedupe: self.settings.key.opaque("dedupe", &[&signal.source, &signal.dedupe_key]),
            reasons: signal.reasons.iter().take(20).map(|r| short(r)).collect(),
            uncompared: Vec::new(),
        }
    }

    /// The leaked value of a credential, from the alert that carried it. Lives
    /// as long as the caller's round.
    pub(crate) async fn leaked_secret(
        &self,
        case: &quell_core::case::Case,
        credential: &quell_core::target::Target,
    ) -> Result<Option<(AlertId, Secret)>, Failure> {
        for finding in &case.findings {
            let matched =
                finding.resolved.as_ref().is_some_and(|r| r.possession && r.credential.as_ref().is_some_and(|c| c.id == credential.id));
            if !matched {
                continue;
            }
            if let Some(found) = self.carried(finding).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The leaked value of a finding, while its alert is not erased.
    pub(crate) async fn secret_of(&self, finding: &Finding) -> Result<Option<Secret>, Failure> {
        Ok(self.carried(finding).await?.map(|(_, secret)| secret))
    }

    async fn carried(&self, finding: &Finding) -> Result<Option<(AlertId, Secret)>, Failure> {
        let Some(print) = &finding.fingerprint else { return Ok(None) };
        for alert in &finding.alerts {
            let Some(state) = self.alert(alert).await? else { continue };
            // Erased: the secret that came in it cannot be tried any more.
            if self.ports.store.blob(&state.received.sealed).await?.is_none() {
                continue;
            }
            let readout = self.read_alert(&state).await?;
            let secret = readout.signals.into_iter().filter_map(|d| d.secret).find(|s| self.settings.key.fingerprint(s) == *print);
            if let Some(secret) = secret {
                return Ok(Some((alert.clone(), secret)));
            }
        }
        Ok(None)
    }

    /// Reads every alert that was stored and not filed; called at start.
    pub(crate) async fn clear_job(&self, key: String) -> Result<(), Failure> {
        let mut writing = Writing::default();
        writing.done(key);
        self.append(writing, self.ports.clock.now()).await?;
        Ok(())
    }

    pub(crate) fn naming<'a>(&'a self, salter: &'a Salter) -> quell_core::draft::Naming<'a> {
        quell_core::draft::Naming { key: &self.settings.key, salter }
    }
}

/// A credential of a plane: its native id, its kind and its identity.
pub(crate) struct Whose {
    pub credential: String,
    pub kind: CredentialKind,
    pub identity: String,
}

/// What a plane said of a leaked value.
pub(crate) enum Compared {
    /// It is the secret of this one.
    Right(Whose),
    /// It is the name of this one, which is no possession.
    Name(Whose),
    /// It is none of the plane's, or the plane cannot compare.
    Nobodys,
}

/// A plane did not say whether a leaked value is one of its own.
pub(crate) struct Unanswered;

/// How often a decision is taken anew because somebody was faster.
pub(crate) const RETRIES: u32 = 50;

fn alert_label(alert: &AlertId) -> String {
    format!("alert/{alert}")
}

/// At most 1,024 characters: what a person reads, never what anything rests on.
fn bounded(text: &str) -> String {
    text.chars().take(1_024).collect()
}

/// At most 256 characters, of what stands in the event itself: a signal always fits into one.
fn short(text: &str) -> String {
    text.chars().take(256).collect()
}

/// The title of a finding about unreadable records.
pub(crate) fn unreadable_title(unreadable: &[Unreadable], salter: &Salter) -> Personal {
    let first = unreadable.first().map_or("", |u| u.reason.as_str());
    salter.commit(format!("{} record(s) could not be read: {}", unreadable.len(), bounded(first)))
}
