//! Who may be asked, and what the installation allows now.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    decision::Role,
    event::{By, Event, Recorded},
    id::PersonId,
    personal::Personal,
    time::Timestamp,
};

/// A local account: the fold of its stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    pub id: PersonId,
    pub name: Personal,
    pub email: Option<Personal>,
    pub name_key: String,
    pub email_key: Option<String>,
    pub roles: BTreeSet<Role>,
    /// When each role was given.
    pub since: BTreeMap<Role, Timestamp>,
    pub human: bool,
    pub disabled: bool,
    pub password: Option<String>,
}

impl Person {
    /// The account after its first event.
    pub fn created(event: &crate::event::PersonCreated, at: Timestamp) -> Self {
        Self {
            id: event.person.clone(),
            name: event.name.clone(),
            email: event.email.clone(),
            name_key: event.name_key.clone(),
            email_key: event.email_key.clone(),
            roles: event.roles.iter().copied().collect(),
            since: event.roles.iter().map(|r| (*r, at)).collect(),
            human: event.human,
            disabled: false,
            password: event.password.clone(),
        }
    }

    /// Roles in which a yes of theirs can count: of a person whose account is open.
    pub fn approves_as(&self) -> impl Iterator<Item = Role> {
        Role::APPROVERS.into_iter().filter(|role| self.human && !self.disabled && self.roles.contains(role))
    }

    /// The account after one more event.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        let Event::PersonChanged(change) = event else { return };
        if let Some(roles) = &change.roles {
            let roles: BTreeSet<Role> = roles.iter().copied().collect();
            self.since.retain(|r, _| roles.contains(r));
            for role in &roles {
                self.since.entry(*role).or_insert(at);
            }
            self.roles = roles;
        }
        if let Some(password) = &change.password {
            self.password = Some(password.clone());
        }
        if let Some(disabled) = change.disabled {
            self.disabled = disabled;
        }
    }
}

/// An account as it stood at `at`; none where it was not made yet, or disabled.
pub fn standing(events: &[Recorded], at: Timestamp) -> Option<Person> {
    let mut person: Option<Person> = None;
    for recorded in events.iter().filter(|r| r.at <= at) {
        match (&mut person, &recorded.event) {
            (None, Event::PersonCreated(e)) => person = Some(Person::created(e, recorded.at)),
            (None, _) => {}
            (Some(person), event) => person.apply(event, recorded.at),
        }
    }
    person.filter(|p| !p.disabled)
}

/// Arming, pauses and the policy in force: the fold of the installation's stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Installation {
    pub policy_digest: Option<String>,
    pub armed: BTreeMap<String, Armed>,
    pub paused: Option<Paused>,
    /// When anything of it changed last: plans that wait are decided again.
    pub changed_at: Option<Timestamp>,
}

/// Who armed what until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Armed {
    pub actions: Vec<Action>,
    pub until: Timestamp,
    pub by: By,
}

/// Who paused automation until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Paused {
    pub until: Timestamp,
    pub by: By,
}

impl Installation {
    /// The state after one more event.
    pub fn apply(&mut self, event: &Event, by: &By, at: Timestamp) {
        self.changed_at = Some(at);
        match event {
            Event::PolicyLoaded(e) => self.policy_digest = Some(e.digest.clone()),
            Event::ConnectorArmed(e) => {
                self.armed.insert(e.connector.clone(), Armed { actions: e.actions.clone(), until: e.until, by: by.clone() });
            }
            Event::ConnectorDisarmed(e) => {
                self.armed.remove(&e.connector);
            }
            Event::AutomationPaused(e) => self.paused = Some(Paused { until: e.until, by: by.clone() }),
            Event::AutomationResumed(_) => self.paused = None,
            // What was open lapses: a clock that was turned cannot hold a door open.
            Event::ClockStepped(_) => self.armed.clear(),
            _ => {}
        }
    }

    /// Is this action armed on this plane now?
    pub fn is_armed(&self, connector: &str, action: Action, now: Timestamp) -> bool {
        self.armed.get(connector).is_some_and(|a| now <= a.until && a.actions.contains(&action))
    }

    /// May this step run here as far as arming goes? To tell somebody needs none.
    pub fn lets(&self, step: &crate::plan::Step, now: Timestamp) -> bool {
        step.action.entry().class == crate::action::Class::Informs || self.is_armed(&step.plane.connector, step.action, now)
    }

    /// Is any action armed on this plane now? Only then may a login be tried there.
    pub fn may_log_in(&self, connector: &str, now: Timestamp) -> bool {
        self.armed.get(connector).is_some_and(|a| now <= a.until)
    }

    /// Is automation paused now? A pause ends by itself.
    pub fn is_paused(&self, now: Timestamp) -> bool {
        self.paused.as_ref().is_some_and(|p| now <= p.until)
    }

    /// May this person resume? Not the one who paused.
    pub fn may_resume(&self, person: &PersonId) -> bool {
        #[cfg(feature = "plant")]
        if crate::plant::is("whoever paused resumes") {
            return true;
        }
        self.paused.as_ref().is_some_and(|p| p.by != By::Person(person.clone()))
    }
}

/// What automation may spend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Attempts an hour without a person's approval.
    pub per_hour: u32,
    /// Of them kept for corroborated findings.
    pub reserve: u32,
    /// Identities in the observed reach above which automation asks.
    pub reach: u32,
    /// How long people are awaited before the next ones are asked.
    pub ask_seconds: i64,
    /// How long a started plan may take.
    pub plan_seconds: i64,
    /// How long after death the credential is re-probed, and how often.
    pub watch_seconds: i64,
    pub watch_every_seconds: i64,
    /// How long enrichment may take.
    pub enrich_seconds: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_hour: 20,
            reserve: 5,
            reach: 50,
            ask_seconds: 600,
            plan_seconds: 3600,
            watch_seconds: 86_400,
            watch_every_seconds: 60,
            enrich_seconds: 10,
        }
    }
}

/// The approver role that nobody but these people holds, if there is one: who
/// could still say yes is protected by that alone (invariant 11).
pub fn last_approver(all: &[Person], these: &[PersonId]) -> Option<Role> {
    let holds = |p: &&Person, role: Role| p.approves_as().any(|r| r == role);
    Role::APPROVERS.into_iter().find(|role| {
        let mut holders = all.iter().filter(|p| holds(p, *role)).peekable();
        holders.peek().is_some() && holders.all(|p| these.contains(&p.id))
    })
}
