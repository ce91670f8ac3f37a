//! What one statement on the server says of a role: all of one moment and one
//! server, with the control's row beside it.

use quell_core::time::Timestamp;
use tokio_postgres::Row;

use super::wire::{Failure, Param, Wire};

/// One row of `quell.look`.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub in_recovery: bool,
    pub clock: Option<Timestamp>,
    /// The oid that was admitted; none where the role is not in scope.
    pub known_oid: Option<u32>,
    /// The role that this one was made a twin of.
    pub original: Option<String>,
    /// What the role of that oid is called now; none where it is gone.
    pub name_now: Option<String>,
    /// The oid of whatever bears the name now.
    pub oid_now: Option<u32>,
    pub role: Option<RoleNow>,
    pub sessions: i64,
    /// Sessions that may have been opened with an earlier secret.
    pub old_sessions: i64,
    /// Roles that may act as it and can be reached themselves.
    pub members: Vec<String>,
    /// Lines of `pg_hba.conf` that let it in without its secret.
    pub lax_lines: Option<Vec<String>>,
    pub control_alive: bool,
}

/// The role's own attributes.
#[derive(Clone, Debug)]
pub(super) struct RoleNow {
    pub can_login: bool,
    pub superuser: bool,
    pub replication: bool,
    pub bypass_rls: bool,
    pub create_role: bool,
    pub conn_limit: i32,
    /// As the server prints it, in UTC; `infinity` is not the same as none.
    pub valid_until: Option<String>,
    pub expired: bool,
    /// Hex SHA-256 of the stored verifier; none where no password is stored.
    pub verifier_sha256: Option<String>,
}

/// How a name in scope stands to what bears it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the role that was admitted.
    Same,
    /// Neither the role nor another of its name exists.
    Gone,
    /// Renamed, or made anew under the name.
    Another,
    NotInScope,
}

const LOOK: &str = "SELECT * FROM quell.look($1, $2)";

impl Look {
    /// # Errors
    ///
    /// What became of the question.
    pub(super) async fn at(wire: &Wire, role: &str, control: &str) -> Result<Self, Failure> {
        let params: [Param<'_>; 2] = [&role, &control];
        let rows = wire.ask(LOOK, &params).await?;
        let row = rows.first().ok_or(Failure::Lost { why: "no row came back".to_owned() })?;
        Self::read(row).map_err(|e| Failure::Lost { why: format!("the row is not understood: {e}") })
    }

    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let name_now: Option<String> = row.try_get("name_now")?;
        let role = match name_now {
            None => None,
            Some(_) => Some(RoleNow {
                can_login: row.try_get("can_login")?,
                superuser: row.try_get("superuser")?,
                replication: row.try_get("replication")?,
                bypass_rls: row.try_get("bypass_rls")?,
                create_role: row.try_get("create_role")?,
                conn_limit: row.try_get("conn_limit")?,
                valid_until: row.try_get("valid_until")?,
                expired: row.try_get::<_, Option<bool>>("expired")?.unwrap_or(false),
                verifier_sha256: row.try_get("verifier_sha256")?,
            }),
        };
        Ok(Self {
            in_recovery: row.try_get("in_recovery")?,
            clock: Timestamp::from_microsecond(row.try_get("clock_us")?).ok(),
            known_oid: row.try_get("known_oid")?,
            original: row.try_get("original")?,
            name_now,
            oid_now: row.try_get("oid_now")?,
            role,
            sessions: row.try_get("sessions")?,
            old_sessions: row.try_get("old_sessions")?,
            members: row.try_get("members")?,
            lax_lines: row.try_get("lax_lines")?,
            control_alive: row.try_get("control_alive")?,
        })
    }

    /// How the asked name stands to what was admitted.
    pub(super) fn standing(&self, asked: &str) -> Standing {
        match (self.known_oid, &self.name_now, self.oid_now) {
            (None, ..) => Standing::NotInScope,
            (Some(_), None, None) => Standing::Gone,
            (Some(known), Some(name), Some(now)) if known == now && name == asked => Standing::Same,
            (Some(_), ..) => Standing::Another,
        }
    }

    /// The role, where it is the one that was admitted.
    pub(super) fn same(&self, asked: &str) -> Option<&RoleNow> {
        self.role.as_ref().filter(|_| self.standing(asked) == Standing::Same)
    }
}
