//! A plane that is not there: roles, verifiers, sessions, members and twins in
//! memory, with the semantics of a database, behind the real `Connector` port.
//!
//! It keeps the truth and answers by it, unless a fault says otherwise. What it
//! is asked passes points before and after every effect, so that the process can
//! end between any two.

mod act;
mod manifest;
mod probe;

use std::{collections::BTreeMap, sync::Arc};

use quell_core::{
    clear::Clearance,
    proof::Observation,
    secret::{Secret, sha256},
    signal::CredentialKind,
    target::{Enumeration, Found, Reading, Target, TargetKind},
    time::SignedDuration,
};
use quell_engine::port::{Attempt, Card, Check, Clock, Connector, Identified, Outcome, PlaneError, Privileges, ProbeRequest, Sink};

use crate::{
    fault::Fault,
    truth::verifier,
    world::{World, hold},
};

/// The name of the sealed part of a before-state.
const VERIFIER: &str = "verifier";

/// One fake plane.
pub struct FakePlane {
    name: String,
    world: Arc<World>,
    card: Card,
}

/// A native id in parts.
enum Native {
    Role(String),
    Password { role: String },
    Session(String),
    Member { member: String, role: String },
}

impl Native {
    fn of(target: &Target) -> Option<Self> {
        let native = target.native.value()?;
        Some(match target.kind {
            TargetKind::Identity => Self::Role(native.to_owned()),
            TargetKind::Credential => Self::Password { role: native.rsplit_once('#')?.0.to_owned() },
            TargetKind::Session => Self::Session(native.to_owned()),
            TargetKind::Entitlement => {
                let (member, role) = native.split_once("->")?;
                Self::Member { member: member.to_owned(), role: role.to_owned() }
            }
        })
    }
}

impl FakePlane {
    /// A plane of a name in a world.
    pub fn new(name: &str, world: &Arc<World>) -> Self {
        let card = Card {
            name: name.to_owned(),
            manifest: manifest::manifest(world.settle_ms),
            endpoint: format!("{name}.sim.example:5432"),
            config_digest: sha256(name.as_bytes()),
        };
        Self { name: name.to_owned(), world: world.clone(), card }
    }

    fn unreachable(&self, why: &str) -> PlaneError {
        PlaneError::Unreachable { plane: self.name.clone(), why: why.to_owned() }
    }

    /// The way there; what can go wrong with every question.
    async fn ask(&self) -> Result<(), PlaneError> {
        self.world.point().await;
        self.world.clock.sleep(SignedDuration::from_millis(i64::try_from(self.world.chance.between(1, 4)).unwrap_or(1))).await;
        if self.world.strikes(Fault::Unreachable, &self.name) {
            return Err(self.unreachable("connection refused"));
        }
        if self.world.strikes(Fault::TimeOut, &self.name) {
            self.world.clock.sleep(SignedDuration::from_secs(60)).await;
            return Err(self.unreachable("no answer"));
        }
        if self.world.strikes(Fault::Garbled, &self.name) {
            return Err(PlaneError::Garbled { plane: self.name.clone(), why: "a row of another shape came back".to_owned() });
        }
        if self.world.strikes(Fault::Throttle, &self.name) {
            return Err(PlaneError::Throttled { plane: self.name.clone(), retry_after_ms: 100 });
        }
        Ok(())
    }

    fn enumeration_of(&self, identity: &str) -> Enumeration {
        let truth = hold(&self.world.truth);
        let now = self.world.now_us();
        let mut found = Vec::new();
        if let Some(role) = truth.role(&self.name, identity) {
            let one = |kind, native: String| Found {
                kind,
                native,
                identity: identity.to_owned(),
                credential_kind: (kind == TargetKind::Credential).then_some(CredentialKind::Password),
                opened_with: None,
                minted_from: None,
                started_at: None,
                expires_at: None,
                facts: BTreeMap::from([("can_login".to_owned(), role.told.can_login.to_string())]),
            };
            found.push(one(TargetKind::Identity, identity.to_owned()));
            if role.told.verifier.is_some() {
                found.push(one(TargetKind::Credential, format!("{identity}#password")));
            }
            found.extend(role.listed(now).map(|(id, _)| one(TargetKind::Session, id.clone())));
            found.extend(role.members.iter().map(|m| one(TargetKind::Entitlement, format!("{m}->{identity}"))));
        }
        drop(truth);
        Enumeration { at: Some(self.world.clock.now()), found, not_looked_at: Vec::new(), truncated: false, elsewhere: Vec::new() }
    }

    fn reading_of(&self, target: &Target) -> (Reading, BTreeMap<String, Secret>) {
        let truth = hold(&self.world.truth);
        let none = || (Reading::default(), BTreeMap::new());
        match Native::of(target) {
            Some(Native::Role(role) | Native::Password { role }) => {
                let Some(role) = truth.role(&self.name, &role) else { return none() };
                let facts = BTreeMap::from([
                    ("can_login".to_owned(), Some(role.told.can_login.to_string())),
                    ("oid".to_owned(), Some(role.oid.to_string())),
                ]);
                let secrets = role.told.verifier.iter().map(|v| (VERIFIER.to_owned(), Secret::new(v.clone()))).collect();
                (Reading { exists: true, facts, ..Reading::default() }, secrets)
            }
            Some(Native::Session(id)) => {
                (Reading { exists: truth.holder_of(&self.name, &id).is_some(), ..Reading::default() }, BTreeMap::new())
            }
            Some(Native::Member { member, role }) => {
                let exists = truth.role(&self.name, &role).is_some_and(|r| r.members.contains(&member));
                (Reading { exists, ..Reading::default() }, BTreeMap::new())
            }
            None => none(),
        }
    }
}

#[async_trait::async_trait]
impl Connector for FakePlane {
    fn card(&self) -> &Card {
        &self.card
    }

    fn protected(&self, identity: &str) -> Option<String> {
        let truth = hold(&self.world.truth);
        truth.role(&self.name, identity).is_some_and(|r| r.protected).then(|| "the configuration protects it".to_owned())
    }

    async fn check(&self) -> Check {
        Check { reachable: true, why_not: None, privileges: Privileges::default(), control_alive: true, warnings: Vec::new() }
    }

    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        self.ask().await?;
        let enumeration = self.enumeration_of(identity);
        self.world.point().await;
        Ok(enumeration)
    }

    async fn inventory(&self) -> Result<Enumeration, PlaneError> {
        self.ask().await?;
        Ok(Enumeration::default())
    }

    async fn identify(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        self.ask().await?;
        let stored = verifier(secret.expose());
        let truth = hold(&self.world.truth);
        let roles = truth.planes.get(&self.name);
        let found = roles.into_iter().flatten().find(|(_, r)| r.told.verifier.as_deref() == Some(&stored));
        Ok(match found {
            Some((role, _)) => {
                Identified::Match { credential: format!("{role}#password"), kind: CredentialKind::Password, identity: role.clone() }
            }
            None => Identified::NoMatch { compared: 1 },
        })
    }

    async fn read(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        self.ask().await?;
        let read = self.reading_of(target);
        self.world.point().await;
        Ok(read)
    }

    async fn act(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        self.act_on(clearance, attempt).await
    }

    async fn read_outcome(&self, attempt: &Attempt) -> Outcome {
        if let Err(error) = self.ask().await {
            return Outcome::Unknown { reason: error.to_string() };
        }
        let outcome = self.became(attempt);
        self.world.point().await;
        outcome
    }

    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation> {
        let seen = self.observe(request).await;
        self.world.point().await;
        seen
    }
}

/// Where a consumer of one role reads its secret.
pub struct FakeSink {
    pub name: String,
    pub plane: String,
    pub world: Arc<World>,
}

#[async_trait::async_trait]
impl Sink for FakeSink {
    fn name(&self) -> &str {
        &self.name
    }

    async fn put(&self, login: &str, secret: &Secret) -> Result<(), PlaneError> {
        self.world.point().await;
        if self.world.strikes(Fault::SinkFails, &self.plane) {
            return Err(PlaneError::Unreachable { plane: self.name.clone(), why: "the sink does not answer".to_owned() });
        }
        hold(&self.world.truth).sinks.insert(self.name.clone(), (self.plane.clone(), login.to_owned(), secret.expose().to_owned()));
        self.world.tell(format!("sink {} now holds `{login}`", self.name));
        self.world.point().await;
        Ok(())
    }

    async fn current(&self) -> Result<Option<String>, PlaneError> {
        self.world.point().await;
        Ok(hold(&self.world.truth).sinks.get(&self.name).map(|(_, login, _)| login.clone()))
    }
}
