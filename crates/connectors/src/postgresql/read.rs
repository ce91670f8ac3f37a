//! The state of one target now: attributes by value, the verifier apart. What is
//! read at the first hold is what `restore` writes back.

use std::collections::BTreeMap;

use quell_core::{
    secret::Secret,
    target::{Reading, Target},
};
use quell_engine::port::PlaneError;

use super::{
    PostgreSql,
    look::{Look, Standing},
    native::{self, Native},
    wire::{Failure, Param},
};

/// The name of the sealed part of a before-state.
pub(super) const VERIFIER: &str = "verifier";

const STORED: &str = "SELECT quell.verifier($1)";
const SESSION: &str = "SELECT in_recovery, clock_us, present, self_present FROM quell.look_session($1, $2)";
const MEMBER: &str = "SELECT in_recovery, clock_us, in_scope, present, control_alive FROM quell.look_member($1, $2, $3)";

/// A session or membership as one statement shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presence {
    pub in_recovery: bool,
    pub clock_us: i64,
    pub in_scope: bool,
    pub present: bool,
    /// Our own session in the listing, or the control's row.
    pub control_alive: bool,
}

impl PostgreSql {
    pub(super) async fn read_target(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        let native = native::of(target).map_err(|why| PlaneError::NotPermitted { plane: self.config.name.clone(), why })?;
        match native {
            Native::Role(role) | Native::Password { role, .. } => self.read_role(&role).await,
            Native::Session { pid, started_us } => {
                let seen = self.session_present(pid, started_us).await.map_err(|f| f.plane_error(&self.config.name))?;
                Ok((Reading { exists: seen.present, ..Reading::default() }, BTreeMap::new()))
            }
            Native::Member { member, role } => {
                let seen = self.member_present(&member, &role).await.map_err(|f| f.plane_error(&self.config.name))?;
                if !seen.in_scope {
                    return Err(self.not_in_scope(Standing::NotInScope));
                }
                let facts = [("member", member), ("role", role)].map(|(k, v)| (k.to_owned(), Some(v))).into();
                Ok((Reading { exists: seen.present, facts, ..Reading::default() }, BTreeMap::new()))
            }
        }
    }

    async fn read_role(&self, role: &str) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        let (look, stored) = tokio::join!(self.look(role), self.stored_verifier(role));
        let look = look?;
        match look.standing(role) {
            Standing::Gone => return Ok((Reading::default(), BTreeMap::new())),
            Standing::Same => {}
            other => return Err(self.not_in_scope(other)),
        }
        let mut secrets = BTreeMap::new();
        if let Some(stored) = stored.map_err(|f| f.plane_error(&self.config.name))? {
            secrets.insert(VERIFIER.to_owned(), stored);
        }
        Ok((Reading { exists: true, facts: facts(role, &look), ..Reading::default() }, secrets))
    }

    /// The stored verifier; none where no password is stored.
    pub(super) async fn stored_verifier(&self, role: &str) -> Result<Option<Secret>, Failure> {
        let params: [Param<'_>; 1] = [&role];
        let rows = self.wire.ask(STORED, &params).await?;
        let stored: Option<String> = rows.first().and_then(|row| row.try_get(0).ok()).flatten();
        Ok(stored.map(Secret::new))
    }

    pub(super) async fn session_present(&self, pid: i32, started_us: i64) -> Result<Presence, Failure> {
        let params: [Param<'_>; 2] = [&pid, &started_us];
        let rows = self.wire.ask(SESSION, &params).await?;
        let read = rows.first().map(|row| {
            Ok::<_, tokio_postgres::Error>(Presence {
                in_recovery: row.try_get(0)?,
                clock_us: row.try_get(1)?,
                in_scope: true,
                present: row.try_get(2)?,
                control_alive: row.try_get(3)?,
            })
        });
        understood(read)
    }

    pub(super) async fn member_present(&self, member: &str, role: &str) -> Result<Presence, Failure> {
        let control = self.config.control.identity.as_str();
        let params: [Param<'_>; 3] = [&member, &role, &control];
        let rows = self.wire.ask(MEMBER, &params).await?;
        let read = rows.first().map(|row| {
            Ok::<_, tokio_postgres::Error>(Presence {
                in_recovery: row.try_get(0)?,
                clock_us: row.try_get(1)?,
                in_scope: row.try_get(2)?,
                present: row.try_get(3)?,
                control_alive: row.try_get(4)?,
            })
        });
        understood(read)
    }
}

fn understood(read: Option<Result<Presence, tokio_postgres::Error>>) -> Result<Presence, Failure> {
    let garbled = |why: String| Failure::Lost { why };
    read.ok_or_else(|| garbled("no row came back".to_owned()))?.map_err(|e| garbled(format!("the answer is not understood: {e}")))
}

/// A role's attributes by value; `None` where PostgreSQL holds none.
pub(super) fn facts(role: &str, look: &Look) -> BTreeMap<String, Option<String>> {
    let Some(now) = look.same(role) else { return BTreeMap::new() };
    [
        ("rolcanlogin", Some(now.can_login.to_string())),
        ("rolvaliduntil", now.valid_until.clone()),
        ("rolconnlimit", Some(now.conn_limit.to_string())),
        ("has_password", Some(now.verifier_sha256.is_some().to_string())),
        ("oid", look.known_oid.map(|oid| oid.to_string())),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into()
}
