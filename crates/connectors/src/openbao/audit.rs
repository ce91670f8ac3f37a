//! The audit log: what was minted from what, and who still uses what is dead.
//!
//! The server tells neither who made an orphan token nor whose a lease is; its log
//! does, with a keyed hash in place of every secret. The same key hashes what is at
//! hand ([`OpenBao::mark`]), so that a secret is recognised in the log later without
//! being kept. Its lines are data: paths and addresses in them were chosen by
//! whoever called the server.

mod line;
mod log;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use quell_core::{hold::Used, secret::Secret, time::Timestamp};
use quell_engine::port::PlaneError;
use serde_json::Value;

use self::{line::Line, log::Log};
use super::{OpenBao, native::Who};

/// Most uses that are reported.
const USES_MAX: usize = 1_000;

/// The log, read on by whoever looks.
pub(super) type Kept = Arc<Mutex<Log>>;

/// What the log says of minting, by the hashes of accessors.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    /// Token -> the token that made it.
    pub parents: BTreeMap<String, String>,
    /// Token -> the login that made it.
    logins: BTreeMap<String, Who>,
    /// Token -> its entity.
    entities: BTreeMap<String, String>,
    /// Lease -> who took it.
    pub leases: BTreeMap<String, Taken>,
    /// Token and path -> how often and when last it was read.
    pub reads: BTreeMap<(String, String), (u32, Timestamp)>,
    /// The log began before what was read of it.
    pub cut_short: bool,
}

/// A lease as the log saw it given out.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub by: String,
    /// The login it is, where the mount's tuning leaves it in clear.
    pub username: Option<String>,
}

/// One use of something that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub at: Timestamp,
    /// What was called; chosen by the caller.
    pub path: String,
    pub address: Option<String>,
    pub accepted: bool,
}

impl Trail {
    fn take(&mut self, line: Line) {
        if !line.is_response() || line.error.is_some() {
            return;
        }
        let caller = line.auth.as_ref().and_then(|a| a.accessor.clone());
        if let Some((accessor, entity)) = line.auth.as_ref().and_then(|a| Some((a.accessor.clone()?, a.entity_id.clone()?))) {
            self.entities.insert(accessor, entity);
        }
        let Some(response) = line.response else { return };
        if let Some(new) = response.auth
            && let Some(accessor) = new.accessor.clone()
        {
            if let Some(entity) = new.entity_id.clone().filter(|e| !e.is_empty()) {
                self.entities.insert(accessor.clone(), entity);
            }
            match login_of(&line.request.path, new.metadata.as_ref()) {
                Some(who) => {
                    self.logins.insert(accessor, who);
                }
                // Of a login, the new token is the caller, too.
                None => {
                    if let Some(caller) = caller.clone().filter(|c| *c != accessor) {
                        self.parents.insert(accessor, caller);
                    }
                }
            }
        }
        let Some(caller) = caller else { return };
        if let Some(lease) = response.secret.map(|s| s.lease_id).filter(|id| !id.is_empty()) {
            let username = response.data.as_ref().and_then(|d| d.get("username")).and_then(Value::as_str);
            let username = username.filter(|u| !u.starts_with("hmac-sha256:")).map(str::to_owned);
            self.leases.insert(lease, Taken { by: caller, username });
        } else if line.request.operation == "read" && line.request.mount_type == "kv" && response.data.is_some() {
            let (times, last) = self.reads.entry((caller, line.request.path)).or_insert((0, line.time));
            *times += 1;
            *last = line.time;
        }
    }

    /// Every token that descends from these logins, this entity or these tokens, by
    /// hash, dead ones too: an orphan outlives the token that made it.
    pub(super) fn descend(&self, logins: &BTreeSet<Who>, entity: Option<&str>, roots: &BTreeSet<String>) -> BTreeSet<String> {
        let mut of: BTreeSet<String> = roots.clone();
        of.extend(self.logins.iter().filter(|(_, who)| logins.contains(who)).map(|(hash, _)| hash.clone()));
        if let Some(entity) = entity {
            of.extend(self.entities.iter().filter(|(_, e)| *e == entity).map(|(hash, _)| hash.clone()));
        }
        // The log is in order of time, the map is not: go on until nothing is added.
        loop {
            let more: Vec<String> = self
                .parents
                .iter()
                .filter(|(child, parent)| of.contains(*parent) && !of.contains(*child))
                .map(|(child, _)| child.clone())
                .collect();
            if more.is_empty() {
                return of;
            }
            of.extend(more);
        }
    }
}

fn login_of(path: &str, metadata: Option<&BTreeMap<String, Value>>) -> Option<Who> {
    let said = |name: &str| metadata?.get(name)?.as_str();
    let rest = path.strip_prefix("auth/")?;
    if let Some(mount) = rest.strip_suffix("/login") {
        return Some(Who::AppRole { mount: mount.to_owned(), role: said("role_name")?.to_lowercase() });
    }
    let (mount, user) = rest.rsplit_once("/login/")?;
    said("username")?;
    Some(Who::User { mount: mount.to_owned(), user: user.to_lowercase() })
}

impl OpenBao {
    /// What the audit device writes in place of `secret`: enough to recognise it
    /// later, and nothing to use it with. Compute it while the secret is at hand.
    ///
    /// # Errors
    ///
    /// When no audit log is configured, or the server does not answer.
    pub async fn mark(&self, secret: &Secret) -> Result<String, PlaneError> {
        let device = self.audit_device()?;
        self.audit_hash(&device, secret.expose()).await.map_err(|f| f.plane_error(&self.config.name))
    }

    /// Every use of what `mark` stands for after `since`, oldest first: calls with
    /// the token, and logins with the secret-id or password. Quell's own questions
    /// about a value are no uses of it.
    ///
    /// # Errors
    ///
    /// When no audit log is configured, or it cannot be read.
    pub async fn uses(&self, mark: &str, since: Timestamp) -> Result<Vec<Use>, PlaneError> {
        self.audit_device()?;
        let mark = mark.to_owned();
        self.look(move |log| log.uses_of(&mark).iter().filter(|u| u.at > since).take(USES_MAX).cloned().collect()).await
    }

    /// How often since then, and when last: all of them, however many.
    pub(super) async fn count_uses(&self, mark: &str, since: Timestamp) -> Result<Used, PlaneError> {
        let mark = mark.to_owned();
        self.look(move |log| counted(log.uses_of(&mark), since)).await
    }

    /// The same of a token whose value nobody here ever had: the log wrote what it
    /// writes in place of the value beside its accessor, when the token was made and at
    /// every use. None where it wrote neither in the part that is read.
    pub(super) async fn count_uses_of_token(&self, accessor: &str, since: Timestamp) -> Result<Option<Used>, PlaneError> {
        let device = self.audit_device()?;
        let accessor = self.audit_hash(&device, accessor).await.map_err(|f| f.plane_error(&self.config.name))?;
        self.look(move |log| log.value_of(&accessor).map(|mark| counted(log.uses_of(mark), since))).await
    }

    /// The trail as it is now; none where no log is configured.
    pub(super) async fn trail(&self) -> Result<Option<Arc<Trail>>, PlaneError> {
        if self.config.audit.is_none() {
            return Ok(None);
        }
        self.look(Log::trail).await.map(Some)
    }

    /// Reads the log on to its end, and asks it.
    async fn look<T: Send + 'static>(&self, ask: impl FnOnce(&Log) -> T + Send + 'static) -> Result<T, PlaneError> {
        self.audit_device()?;
        let file = self.config.audit.as_ref().map(|a| a.file.clone()).unwrap_or_default();
        let (named, kept) = (file.display().to_string(), self.log.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut log = kept.lock().unwrap_or_else(PoisonError::into_inner);
            log.read_on(&file).map(|()| ask(&log))
        });
        read.await.map_err(std::io::Error::other).and_then(|r| r).map_err(|e| PlaneError::NotPermitted {
            plane: self.config.name.clone(),
            why: format!(
                "has an audit log that cannot be read (`{named}`: {e}); let Quell's account read it, or take `[connector.audit]` away"
            ),
        })
    }

    fn audit_device(&self) -> Result<String, PlaneError> {
        let none = || PlaneError::NotPermitted {
            plane: self.config.name.clone(),
            why: "has no audit log configured; add `[connector.audit]` with `file` and `device`".to_owned(),
        };
        self.config.audit.as_ref().map(|a| a.device.trim_end_matches('/').to_owned()).ok_or_else(none)
    }
}

/// How often since then, and when last.
fn counted(uses: &[Use], since: Timestamp) -> Used {
    let mut used = Used { since, accepted: 0, refused: 0, last_accepted_at: None, last_refused_at: None };
    for one in uses.iter().filter(|u| u.at > since) {
        let (count, last) = match one.accepted {
            true => (&mut used.accepted, &mut used.last_accepted_at),
            false => (&mut used.refused, &mut used.last_refused_at),
        };
        *count = count.saturating_add(1);
        *last = (*last).max(Some(one.at));
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(lines: &[&str]) -> Trail {
        let mut trail = Trail::default();
        for line in lines {
            if let Ok(line) = serde_json::from_str(line) {
                trail.take(line);
            }
        }
        trail
    }

    #[test]
    fn descent_goes_through_dead_tokens_and_in_any_order() {
        let minted = |child: &str, parent: &str| {
            format!(
                r#"{{"time":"2026-11-24T15:09:10Z","type":"response","auth":{{"accessor":"{parent}"}},"request":{{"path":"auth/token/create-orphan"}},"response":{{"auth":{{"accessor":"{child}"}}}}}}"#
            )
        };
        let login = r#"{"time":"2026-11-24T15:09:10Z","type":"response","auth":{"accessor":"a"},"request":{"path":"auth/approle/login"},"response":{"auth":{"accessor":"a","entity_id":"e","metadata":{"role_name":"CI"}}}}"#;
        let lines = [minted("m", "z"), minted("z", "a"), minted("other", "x"), login.to_owned()];
        let trail = trail(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let ci = Who::AppRole { mount: "approle".to_owned(), role: "ci".to_owned() };
        let of = trail.descend(&[ci].into(), None, &BTreeSet::new());
        assert_eq!(of.into_iter().collect::<Vec<_>>(), ["a", "m", "z"]);
        let of = trail.descend(&BTreeSet::new(), Some("e"), &["x".to_owned()].into());
        assert_eq!(of.into_iter().collect::<Vec<_>>(), ["a", "m", "other", "x", "z"]);
    }

    #[test]
    fn a_name_that_is_hashed_is_not_taken_for_a_login() {
        let leased = |username: &str| {
            format!(
                r#"{{"time":"2026-11-24T15:09:10Z","type":"response","auth":{{"accessor":"a"}},"request":{{"path":"database/creds/ro"}},"response":{{"secret":{{"lease_id":"database/creds/ro/1"}},"data":{{"username":"{username}"}}}}}}"#
            )
        };
        assert_eq!(trail(&[&leased("hmac-sha256:ab")]).leases["database/creds/ro/1"].username, None);
        assert_eq!(trail(&[&leased("v-approle-ro-1")]).leases["database/creds/ro/1"].username.as_deref(), Some("v-approle-ro-1"));
    }

    #[test]
    fn what_failed_minted_nothing_and_half_a_line_is_left_out() {
        let failed = r#"{"time":"2026-11-24T15:09:10Z","type":"response","auth":{"accessor":"a"},"request":{"path":"auth/token/create"},"response":{"auth":{"accessor":"b"}},"error":"permission denied"}"#;
        assert!(trail(&[failed, &failed[..90], "", "null", "[]"]).parents.is_empty());
    }
}
