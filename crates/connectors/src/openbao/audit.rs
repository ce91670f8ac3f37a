//! The audit log: what was minted from what, and who still uses what is dead.
//!
//! The server tells neither who made an orphan token nor whose a lease is; its log
//! does, with a keyed hash in place of every secret. The same key hashes what is at
//! hand ([`OpenBao::mark`]), so that a secret is recognised in the log later without
//! being kept. Its lines are data: paths and addresses in them were chosen by
//! whoever called the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::PathBuf,
};

use quell_core::{hold::Used, secret::Secret, time::Timestamp};
use quell_engine::port::PlaneError;
use serde::Deserialize;
use serde_json::Value;

use super::{OpenBao, native::Who};

/// How much of the log's end is read.
const TAIL_BYTES: u64 = 64 << 20;
/// The longest line that is read as one.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// Most uses that are reported.
const USES_MAX: usize = 1_000;

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

#[derive(Deserialize)]
struct Line {
    time: Timestamp,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    auth: Option<Auth>,
    request: Request,
    #[serde(default)]
    response: Option<Response>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    accessor: Option<String>,
    #[serde(default)]
    client_token: Option<String>,
    #[serde(default)]
    entity_id: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    operation: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    mount_type: String,
    #[serde(default)]
    client_token: Option<String>,
    #[serde(default)]
    remote_address: Option<String>,
    #[serde(default)]
    data: Option<Value>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    auth: Option<Auth>,
    #[serde(default)]
    secret: Option<Leased>,
    #[serde(default)]
    data: Option<Value>,
}

#[derive(Deserialize)]
struct Leased {
    #[serde(default)]
    lease_id: String,
}

impl Trail {
    fn take(&mut self, line: Line) {
        if line.kind != "response" || line.error.is_some() {
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
        let (uses, _) = self
            .fold(Vec::new(), move |uses: &mut Vec<Use>, line: Line| {
                if uses.len() < USES_MAX && is_use(&line, &mark, since) {
                    let accepted = line.is_accepted();
                    uses.push(Use { at: line.time, path: line.request.path, address: line.request.remote_address, accepted });
                }
            })
            .await?;
        Ok(uses)
    }

    /// How often since then, and when last: all of them, however many.
    pub(super) async fn count_uses(&self, mark: &str, since: Timestamp) -> Result<Used, PlaneError> {
        let mark = mark.to_owned();
        let (used, _) = self.fold(none_since(since), move |used: &mut Used, line: Line| count(used, &line, &mark)).await?;
        Ok(used)
    }

    /// The same of a token whose value nobody here ever had: the log wrote what it
    /// writes in place of the value beside its accessor, when the token was made and at
    /// every use. None where it wrote neither in the part that is read.
    pub(super) async fn count_uses_of_token(&self, accessor: &str, since: Timestamp) -> Result<Option<Used>, PlaneError> {
        let device = self.audit_device()?;
        let accessor = self.audit_hash(&device, accessor).await.map_err(|f| f.plane_error(&self.config.name))?;
        let begun = (None::<String>, none_since(since));
        let ((mark, used), _) = self
            .fold(begun, move |(mark, used), line: Line| {
                if mark.is_none() {
                    *mark = line.mark_of(&accessor);
                }
                if let Some(mark) = mark {
                    count(used, &line, mark);
                }
            })
            .await?;
        Ok(mark.map(|_| used))
    }

    /// Reads the whole trail; none where no log is configured.
    pub(super) async fn trail(&self) -> Result<Option<Trail>, PlaneError> {
        if self.config.audit.is_none() {
            return Ok(None);
        }
        let (mut trail, cut_short) = self.fold(Trail::default(), Trail::take).await?;
        trail.cut_short = cut_short;
        Ok(Some(trail))
    }

    /// Reads the log's lines in order; the flag says that it began earlier.
    async fn fold<T: Send + 'static>(
        &self,
        mut into: T,
        mut take: impl FnMut(&mut T, Line) + Send + 'static,
    ) -> Result<(T, bool), PlaneError> {
        let plane = self.config.name.clone();
        let Some(file) = self.config.audit.as_ref().map(|a| a.file.clone()) else { return Ok((into, false)) };
        let named = file.display().to_string();
        let read = tokio::task::spawn_blocking(move || lines(&file, |line| take(&mut into, line)).map(|cut_short| (into, cut_short))).await;
        read.map_err(std::io::Error::other).and_then(|r| r).map_err(|e| PlaneError::NotPermitted {
            plane,
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

impl Line {
    /// What stands for the value of the token whose accessor is hashed to `accessor`.
    fn mark_of(&self, accessor: &str) -> Option<String> {
        let made = self.response.as_ref().and_then(|r| r.auth.as_ref());
        let of = [self.auth.as_ref(), made].into_iter().flatten().find(|a| a.accessor.as_deref() == Some(accessor))?;
        of.client_token.clone()
    }

    /// Of a login the answer must hold a token; any other call must not have failed.
    fn is_accepted(&self) -> bool {
        let login = self.request.client_token.is_none();
        self.error.is_none() && (!login || self.response.as_ref().is_some_and(|r| r.auth.is_some()))
    }
}

fn none_since(since: Timestamp) -> Used {
    Used { since, accepted: 0, refused: 0, last_accepted_at: None, last_refused_at: None }
}

fn count(used: &mut Used, line: &Line, mark: &str) {
    if !is_use(line, mark, used.since) {
        return;
    }
    let (count, last) = match line.is_accepted() {
        true => (&mut used.accepted, &mut used.last_accepted_at),
        false => (&mut used.refused, &mut used.last_refused_at),
    };
    *count = count.saturating_add(1);
    *last = (*last).max(Some(line.time));
}

fn is_use(line: &Line, mark: &str, since: Timestamp) -> bool {
    if line.kind != "response" || line.time <= since {
        return false;
    }
    if line.request.client_token.as_deref() == Some(mark) {
        return true;
    }
    let login = line.request.path.ends_with("/login") || line.request.path.contains("/login/");
    login
        && line
            .request
            .data
            .as_ref()
            .is_some_and(|d| ["secret_id", "password"].iter().any(|f| d.get(f).and_then(Value::as_str) == Some(mark)))
}

/// Answers whether the log began before what was read. A line that is not whole, or
/// not of this form, is left out: the last one may still be in writing.
fn lines(file: &PathBuf, mut each: impl FnMut(Line)) -> std::io::Result<bool> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    let cut_short = length > TAIL_BYTES;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut first = cut_short;
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(cut_short);
        }
        // What was read began within a line.
        if !std::mem::take(&mut first)
            && let Ok(read) = serde_json::from_slice::<Line>(&line)
        {
            each(read);
        }
    }
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
