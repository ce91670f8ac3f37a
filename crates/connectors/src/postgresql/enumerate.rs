//! Everything the server lists of one identity: the role, its password, its
//! sessions, who may act as it and as whom it may act.

use std::collections::BTreeMap;

use quell_core::{
    signal::CredentialKind,
    target::{Enumeration, Found, TargetKind},
    time::Timestamp,
};
use quell_engine::port::PlaneError;

use super::{
    PostgreSql,
    look::{Look, Standing},
    manifest::{ENUMERATION_MAX, not_looked_at},
    native,
    wire::{Failure, Param},
};

const SESSIONS: &str = "SELECT pid, started, kind, application, client, state FROM quell.sessions($1, $2)";
const MEMBERS: &str = "SELECT member, of, admin FROM quell.members($1, $2)";
const SCOPE: &str = "SELECT name FROM quell.scope_names($1)";

/// One session as the server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub pid: i32,
    pub started_us: i64,
    facts: BTreeMap<String, String>,
}

impl PostgreSql {
    pub(super) async fn enumerate_role(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        let role = native::role(identity).ok_or_else(|| self.not_a_role())?;
        // Each statement keeps to the scope by itself, so none waits for another.
        let (look, sessions, members) = tokio::join!(self.look(role), self.sessions(role), self.members(role));
        let look = look?;
        match look.standing(role) {
            Standing::Same => {}
            Standing::Gone => return Ok(self.enumeration(Vec::new(), false)),
            Standing::Another | Standing::NotInScope => return Err(self.not_in_scope(look.standing(role))),
        }
        let mut found = identity_of(role, &look);
        let sessions = sessions.map_err(|f| f.plane_error(&self.config.name))?;
        let members = members?;
        let truncated = [sessions.len(), members.len()].iter().any(|n| *n >= ENUMERATION_MAX as usize);
        found.extend(sessions.into_iter().map(|s| Found {
            kind: TargetKind::Session,
            native: native::session(s.pid, s.started_us),
            identity: role.to_owned(),
            credential_kind: None,
            // PostgreSQL does not tell with what a session was opened.
            opened_with: None,
            minted_from: None,
            started_at: Timestamp::from_microsecond(s.started_us).ok(),
            expires_at: None,
            facts: s.facts,
        }));
        found.extend(members);
        Ok(self.enumeration(found, truncated))
    }

    pub(super) async fn enumerate_scope(&self) -> Result<Enumeration, PlaneError> {
        let most = i32::try_from(ENUMERATION_MAX).unwrap_or(i32::MAX);
        let rows = self.wire.ask(SCOPE, &[&most]).await.map_err(|f| f.plane_error(&self.config.name))?;
        let names: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        let mut found = Vec::new();
        for name in &names {
            let look = self.look(name).await?;
            if look.standing(name) == Standing::Same {
                found.extend(identity_of(name, &look));
            }
        }
        Ok(self.enumeration(found, names.len() >= ENUMERATION_MAX as usize))
    }

    /// One look at a role; remembers what is out of reach.
    pub(super) async fn look(&self, role: &str) -> Result<Look, PlaneError> {
        let look = Look::at(&self.wire, role, &self.config.control.identity).await.map_err(|f| f.plane_error(&self.config.name))?;
        if let Some(now) = look.same(role) {
            self.remember(role, now);
        }
        Ok(look)
    }

    /// The sessions of a role, oldest first, at most the manifest's maximum.
    pub(super) async fn sessions(&self, role: &str) -> Result<Vec<Session>, Failure> {
        let most = i32::try_from(ENUMERATION_MAX).unwrap_or(i32::MAX);
        let params: [Param<'_>; 2] = [&role, &most];
        let rows = self.wire.ask(SESSIONS, &params).await?;
        let read = |row: &tokio_postgres::Row| -> Result<Session, tokio_postgres::Error> {
            let mut facts = BTreeMap::new();
            for (fact, column) in [("backend_type", 2), ("application_name", 3), ("client_addr", 4), ("state", 5)] {
                if let Some(value) = row.try_get::<_, Option<String>>(column)?.filter(|v| !v.is_empty()) {
                    facts.insert(fact.to_owned(), value);
                }
            }
            let (pid, started_us) = (row.try_get(0)?, row.try_get(1)?);
            if self.wire.is_ours(pid, started_us) {
                facts.insert("ours".to_owned(), "true".to_owned());
            }
            Ok(Session { pid, started_us, facts })
        };
        rows.iter().map(|row| read(row).map_err(|e| Failure::Lost { why: format!("a session is not understood: {e}") })).collect()
    }

    /// Memberships on either side of the role.
    async fn members(&self, role: &str) -> Result<Vec<Found>, PlaneError> {
        let most = i32::try_from(ENUMERATION_MAX).unwrap_or(i32::MAX);
        let params: [Param<'_>; 2] = [&role, &most];
        let rows = self.wire.ask(MEMBERS, &params).await.map_err(|f| f.plane_error(&self.config.name))?;
        let garbled = |e| PlaneError::Garbled { plane: self.config.name.clone(), why: format!("a membership is not understood: {e}") };
        let read = |row: &tokio_postgres::Row| -> Result<Found, tokio_postgres::Error> {
            let (member, of): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let admin: bool = row.try_get(2)?;
            let direction = if of == role { "may act as it" } else { "it may act as" };
            let facts =
                [("direction", direction.to_owned()), ("admin", admin.to_string()), ("member", member.clone()), ("role", of.clone())];
            Ok(Found {
                kind: TargetKind::Entitlement,
                native: native::member(&member, &of),
                identity: role.to_owned(),
                credential_kind: None,
                opened_with: None,
                minted_from: None,
                started_at: None,
                expires_at: None,
                facts: facts.map(|(k, v)| (k.to_owned(), v)).into(),
            })
        };
        rows.iter().map(|row| read(row).map_err(garbled)).collect()
    }

    fn enumeration(&self, found: Vec<Found>, truncated: bool) -> Enumeration {
        Enumeration { at: Some(self.clock.now()), found, not_looked_at: not_looked_at(), truncated, elsewhere: Vec::new() }
    }
}

/// The role and, where one is stored, its password.
fn identity_of(role: &str, look: &Look) -> Vec<Found> {
    let Some(now) = look.same(role) else { return Vec::new() };
    let mut facts = BTreeMap::new();
    let mut fact = |name: &str, value: String| facts.insert(name.to_owned(), value);
    fact("can_login", now.can_login.to_string());
    fact("superuser", now.superuser.to_string());
    fact("replication", now.replication.to_string());
    fact("bypass_rls", now.bypass_rls.to_string());
    fact("create_role", now.create_role.to_string());
    fact("conn_limit", now.conn_limit.to_string());
    fact("has_password", now.verifier_sha256.is_some().to_string());
    if let Some(oid) = look.known_oid {
        fact("oid", oid.to_string());
    }
    if let Some(until) = &now.valid_until {
        fact("valid_until", until.clone());
    }
    if let Some(original) = &look.original {
        fact("twin_of", original.clone());
    }
    // `2026-11-23 09:00:00+00`, which is not what RFC 3339 looks like.
    let expires_at = now.valid_until.as_deref().and_then(|t| format!("{}:00", t.replacen(' ', "T", 1)).parse::<Timestamp>().ok());
    let one = |kind, native: String, credential_kind, expires_at, facts| Found {
        kind,
        native,
        identity: role.to_owned(),
        credential_kind,
        opened_with: None,
        minted_from: None,
        started_at: None,
        expires_at,
        facts,
    };
    let mut found = vec![one(TargetKind::Identity, role.to_owned(), None, None, facts)];
    if now.verifier_sha256.is_some() {
        found.push(one(TargetKind::Credential, native::password(role), Some(CredentialKind::Password), expires_at, BTreeMap::new()));
    }
    found
}
