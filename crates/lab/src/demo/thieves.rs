//! The intruder's processes: one for each stolen credential, each with a login and an
//! open session, each tried every 100 ms. They share nothing with Quell.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{
    check::Try,
    company::{Company, Stolen},
    desk::text,
};
use crate::{actor::Actor, clock, journal, private, secret::Secret};

/// One stolen credential in use.
pub struct Thief {
    /// As cases name it.
    pub credential: String,
    log: PathBuf,
    actor: Actor,
}

/// What one process is told.
struct Told<'a> {
    name: &'a str,
    kind: &'a str,
    plane: &'a str,
    port: u16,
    ca: &'a str,
    user: &'a str,
    secret: &'a Secret,
    credential: String,
}

impl Thief {
    fn start(dir: &Path, told: Told<'_>) -> Result<Self> {
        let secret = dir.join(format!("{}.stolen", told.name));
        private::write(&secret, told.secret.reveal())?;
        let log = dir.join(format!("{}.jsonl", told.name));
        let (port, secret, ca, out) = (told.port.to_string(), text(&secret), text(&dir.join(told.ca)), text(&log));
        let args = ["--kind", told.kind, "--port", &port, "--ca", &ca, "--user", told.user, "--password-file", &secret];
        let more = ["--out", &out, "--plane", told.plane, "--credential", &told.credential];
        let actor = Actor::start("quell-lab-intruder", args.into_iter().chain(more), &dir.join(format!("{}.log", told.name)))?;
        Ok(Self { credential: told.credential, log, actor })
    }

    /// What it tried so far.
    #[must_use]
    pub fn tries(&self) -> Vec<Try> {
        journal::read(&self.log).unwrap_or_default()
    }

    /// It got in three times each way.
    fn is_in(&self) -> bool {
        let tried = self.tries();
        ["login", "session"].iter().all(|via| tried.iter().filter(|t| t.ok && t.via == *via).count() >= 3)
    }

    /// Ends it, and answers everything it tried.
    ///
    /// # Errors
    ///
    /// When it cannot be asked to stop.
    pub fn stop(self) -> Result<Vec<Try>> {
        self.actor.stop()?;
        Ok(journal::read(&self.log).unwrap_or_default())
    }
}

/// Everything that was stolen goes into use.
///
/// # Errors
///
/// When a process does not start.
pub fn set_out(company: &Company, stolen: &Stolen) -> Result<Vec<Thief>> {
    let dir = company.work.path();
    let database = |name, user, secret| Told {
        name,
        kind: "postgresql",
        plane: "pg-main",
        port: company.database.port(),
        ca: "pg-ca.pem",
        user,
        secret,
        credential: format!("pg-main/{user}#password"),
    };
    let all = [
        Told {
            name: "ci",
            kind: "openbao",
            plane: "bao-main",
            port: company.vault.port(),
            ca: "bao-ca.pem",
            user: &company.secrets.role_id,
            secret: &company.secrets.secret_id,
            credential: company.leaked(),
        },
        database("leased", &stolen.lease.username, &stolen.lease.password),
        database("billing", &stolen.billing.user, &stolen.billing.password),
        database("export", &company.export.user, &company.export.password),
        Told {
            name: "mara",
            kind: "openldap",
            plane: "ldap-main",
            port: company.directory.tls_port(),
            ca: "ldap-ca.pem",
            user: &company.people.mara.dn,
            secret: &company.people.mara.password,
            credential: company.owners(),
        },
    ];
    all.into_iter().map(|told| Thief::start(dir, told)).collect()
}

/// Waits until each of them got in three times each way.
#[must_use]
pub fn are_in(thieves: &[Thief]) -> bool {
    clock::until(std::time::Duration::from_secs(20), || thieves.iter().all(Thief::is_in))
}
