//! What is really so: who can use what right now, whatever anybody says.
//!
//! Each plane has roles with a verifier, members and sessions. A change can be
//! told at once and take effect a little later, in the order it was told. The
//! guards hold every claim of the engine against this.

use std::collections::{BTreeMap, BTreeSet};

use quell_core::secret::sha256;

/// What decides about a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    pub can_login: bool,
    pub verifier: Option<String>,
}

/// Who opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Intruder,
    Consumer,
}

/// An open session.
#[derive(Clone, Debug)]
pub struct Session {
    pub by: Who,
    pub opened_us: u64,
    /// A login that just passed is listed a moment later.
    pub listed_us: u64,
    /// The verifier it was opened with.
    pub with: String,
}

/// One role of a plane.
#[derive(Clone, Debug)]
pub struct Role {
    pub oid: u32,
    /// As the plane tells it.
    pub told: Door,
    /// Since when each change has been in effect.
    effective: Vec<(u64, Door)>,
    pub sessions: BTreeMap<String, Session>,
    /// Roles that may act as it.
    pub members: BTreeSet<String>,
    /// The attempt and the role it was made for.
    pub twin_of: Option<(String, String)>,
    pub protected: bool,
    /// What it was protected with before anybody acted; the intruder may know it.
    pub first_secret: String,
    pub leaked: bool,
    /// When somebody gave access back behind our back, last.
    pub reverted_us: Option<u64>,
    /// When the intruder got in with the leaked secret, last.
    pub intruded_us: Option<u64>,
}

/// The stored form of a secret.
pub fn verifier(secret: &str) -> String {
    format!("stored-{}", sha256(format!("salt {secret}").as_bytes()))
}

impl Role {
    /// A role that can log in with `secret`.
    pub fn new(oid: u32, secret: &str) -> Self {
        let told = Door { can_login: true, verifier: Some(verifier(secret)) };
        Self {
            oid,
            effective: vec![(0, told.clone())],
            told,
            sessions: BTreeMap::new(),
            members: BTreeSet::new(),
            twin_of: None,
            protected: false,
            first_secret: secret.to_owned(),
            leaked: false,
            reverted_us: None,
            intruded_us: None,
        }
    }

    /// Changes it; takes effect `after_us` later, never before an earlier change.
    pub fn change(&mut self, now_us: u64, after_us: u64, change: impl FnOnce(&mut Door)) {
        change(&mut self.told);
        let at = self.effective.last().map_or(0, |(at, _)| *at).max(now_us + after_us);
        self.effective.push((at, self.told.clone()));
    }

    /// The door as it is now.
    pub fn door(&self, now_us: u64) -> &Door {
        self.effective.iter().rev().find(|(at, _)| *at <= now_us).map_or(&self.told, |(_, door)| door)
    }

    /// Would a login with this secret be accepted now?
    pub fn admits(&self, secret: &str, now_us: u64) -> bool {
        let door = self.door(now_us);
        door.can_login && door.verifier.as_deref() == Some(&verifier(secret))
    }

    /// The sessions that a listing shows now.
    pub fn listed(&self, now_us: u64) -> impl Iterator<Item = (&String, &Session)> {
        self.sessions.iter().filter(move |(_, s)| s.listed_us <= now_us)
    }

    /// The intruder is in, or can get in.
    pub fn is_open_to_intruder(&self, now_us: u64) -> bool {
        self.sessions.values().any(|s| s.by == Who::Intruder) || (self.leaked && self.admits(&self.first_secret, now_us))
    }
}

/// Every plane and what stands in the sinks.
#[derive(Debug, Default)]
pub struct Truth {
    pub planes: BTreeMap<String, BTreeMap<String, Role>>,
    /// Sink -> login and secret that the consumer reads.
    pub sinks: BTreeMap<String, (String, String, String)>,
    /// Everything that must never be read anywhere.
    pub secrets: BTreeSet<String>,
    /// Secrets that Quell issued, by plane and native credential.
    pub issued: BTreeMap<(String, String), String>,
    next_session: u64,
    next_oid: u32,
}

impl Truth {
    /// The role of a name.
    pub fn role(&self, plane: &str, role: &str) -> Option<&Role> {
        self.planes.get(plane)?.get(role)
    }

    /// The role of a name, to change it.
    pub fn role_mut(&mut self, plane: &str, role: &str) -> Option<&mut Role> {
        self.planes.get_mut(plane)?.get_mut(role)
    }

    /// Adds a role.
    pub fn add(&mut self, plane: &str, name: &str, secret: &str) -> &mut Role {
        self.next_oid += 1;
        self.secrets.insert(secret.to_owned());
        self.secrets.insert(verifier(secret));
        let role = Role::new(self.next_oid, secret);
        let roles = self.planes.entry(plane.to_owned()).or_default();
        roles.insert(name.to_owned(), role);
        roles.get_mut(name).expect("it was inserted on the line above")
    }

    /// Logs in, if the door is open; answers the session.
    pub fn login(&mut self, plane: &str, role: &str, secret: &str, by: Who, now_us: u64, listed_after_us: u64) -> Option<String> {
        let id = format!("s{}", self.next_session);
        let found = self.role_mut(plane, role).filter(|r| r.admits(secret, now_us))?;
        let session = Session { by, opened_us: now_us, listed_us: now_us + listed_after_us, with: verifier(secret) };
        found.sessions.insert(id.clone(), session);
        self.next_session += 1;
        Some(id)
    }

    /// The role that holds a session.
    pub fn holder_of(&self, plane: &str, session: &str) -> Option<String> {
        self.planes.get(plane)?.iter().find(|(_, r)| r.sessions.contains_key(session)).map(|(name, _)| name.clone())
    }

    /// Is the credential of this native name usable now? `billing#password` is
    /// the first secret, `billing#password:x7f3k` one that Quell issued. None
    /// where nobody here knows its secret.
    pub fn is_usable(&self, plane: &str, credential: &str, now_us: u64) -> Option<bool> {
        let (name, _) = credential.rsplit_once('#')?;
        let Some(role) = self.role(plane, name) else { return Some(false) };
        if let Some(secret) = self.issued.get(&(plane.to_owned(), credential.to_owned())) {
            return Some(role.admits(secret, now_us));
        }
        (credential.ends_with("#password") && role.twin_of.is_none()).then(|| role.admits(&role.first_secret, now_us))
    }
}
