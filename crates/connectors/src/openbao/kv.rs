//! Secrets in a KV store: a sink for new ones, and the end of old versions.
//!
//! A deleted version comes back with one call (`undelete`); only a destroyed one is
//! gone. The version that is current is the consumer's and is never destroyed here:
//! the new one is written first.

use std::{fmt, sync::Arc};

use quell_core::{
    proof::{Answer, Control, Observation, ProbeClass},
    secret::Secret,
};
use quell_engine::port::{PlaneError, Sink};
use serde::Deserialize;
use serde_json::json;

use super::{
    OpenBao,
    answer::Failure,
    probe::enforced,
    seen::KvSeen,
    wire::{Call, Verb},
};
use crate::{
    attempt::{Changed, Stop, change, refused},
    vantage::cannot_tell,
};

impl OpenBao {
    /// The mount of a KV path and what is below it.
    pub(super) async fn kv_place(&self, path: &str) -> Result<(String, String), Failure> {
        let mounts = self.secret_mounts().await?;
        let of = mounts.iter().filter(|(_, m)| m.kind == "kv").filter_map(|(mount, _)| {
            let rest = path.strip_prefix(mount.as_str())?.strip_prefix('/')?;
            Some((mount.clone(), rest.to_owned()))
        });
        of.max_by_key(|(mount, _)| mount.len()).ok_or_else(|| Failure::Refused {
            status: 404,
            asked: "`read` on a KV store at this path".to_owned(),
            said: "no such mount".to_owned(),
        })
    }

    pub(super) async fn kv_seen(&self, path: &str) -> Result<Option<KvSeen>, Failure> {
        let (mount, rest) = self.kv_place(path).await?;
        self.kv(&mount, &rest).await
    }

    pub(super) async fn observe_version(&self, path: &str, version: u64) -> Observation {
        let (round, seen) = tokio::join!(self.begin(), self.kv_seen(path));
        let started_at = round.started_at;
        let control = |alive: bool, what: &str| Control { class: ProbeClass::Read, alive, started_at, what: what.to_owned() };
        match seen {
            Err(failure) => self.observation(ProbeClass::Read, &round, self.unasked(failure), None),
            // A secret that was deleted with all its versions leaves nothing to compare with.
            Ok(None) => {
                self.observation(ProbeClass::Read, &round, cannot_tell("the secret is not there, so no version of it was seen alive"), None)
            }
            Ok(Some(seen)) => {
                let answer = match seen.versions.get(&version.to_string()) {
                    Some(v) if v.destroyed => enforced("the version is destroyed"),
                    Some(v) if !v.deletion_time.is_empty() => {
                        cannot_tell("the version is deleted, which one call takes back; it is not destroyed")
                    }
                    Some(_) => Answer::Usable,
                    None if version < seen.current_version => enforced("the store keeps no such version any more"),
                    None => cannot_tell("there is no such version yet"),
                };
                let current = seen.versions.get(&seen.current_version.to_string());
                let alive = current.is_some_and(|v| !v.destroyed) && seen.current_version != version;
                self.observation(ProbeClass::Read, &round, answer, Some(control(alive, "the current version, in the same answer")))
            }
        }
    }

    pub(super) async fn destroy_version(&self, path: &str, version: u64) -> Result<Changed, Stop> {
        let (mount, rest) = self.kv_place(path).await?;
        let seen = self.kv(&mount, &rest).await?.ok_or_else(|| refused("the secret is not there"))?;
        if seen.current_version == version {
            return Err(refused("it is the current version, which the consumer reads; write the new one first"));
        }
        if seen.versions.get(&version.to_string()).is_none_or(|v| v.destroyed) {
            return Ok(Changed::new());
        }
        let call = Call::new(Verb::Update, "+/destroy/*", &[&mount, &rest]);
        self.wire.call(call, Some(json!({ "versions": [version] }))).await?.accepted()?;
        Ok(change("version", Some("kept".to_owned()), Some("destroyed".to_owned())))
    }
}

/// The name of a secret by the path at which it is read or written: without the
/// store's `data`, wherever that stands first.
pub(super) fn kv_name(path: &str) -> String {
    path.replacen("/data/", "/", 1)
}

/// Sink kind `openbao`: one secret of a KV store, with `username` and `password`.
pub struct KvSink {
    name: String,
    path: String,
    plane: Arc<OpenBao>,
}

/// What a consumer reads there. The password is compared and not shown.
#[derive(Deserialize)]
struct Standing {
    data: Option<Login>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

impl KvSink {
    /// `path` as people write it, with or without the store's `data`:
    /// `secret/billing`, `secret/data/billing`.
    ///
    /// # Errors
    ///
    /// When the path could leave its place.
    pub fn new(name: impl Into<String>, plane: Arc<OpenBao>, path: &str) -> Result<Self, PlaneError> {
        let name = name.into();
        let good = super::native::path(path).filter(|p| p.contains('/'));
        let path = good.ok_or_else(|| PlaneError::NotPermitted {
            plane: name.clone(),
            why: "names no secret of a KV store; give `path = \"MOUNT/PATH\"`".to_owned(),
        })?;
        Ok(Self { path: path.to_owned(), name, plane })
    }

    async fn place(&self) -> Result<(String, String), Failure> {
        let (mount, rest) = self.plane.kv_place(&self.path).await?;
        let rest = rest.strip_prefix("data/").map(str::to_owned).unwrap_or(rest);
        Ok((mount, rest))
    }

    async fn standing(&self, mount: &str, rest: &str) -> Result<Option<Standing>, Failure> {
        let reply = self.plane.wire.call(Call::new(Verb::Read, "+/data/*", &[mount, rest]), None).await?;
        if reply.is_absent() {
            return Ok(None);
        }
        // A deleted or destroyed current version is a 404 with data in it.
        if reply.status == 404
            && let Some(data) = reply.field("data")
        {
            return Standing::deserialize(data).map(Some).map_err(|_| reply.garbled("it is no version of a secret"));
        }
        reply.data().map(Some)
    }

    /// The version that stands there now, for destroying the older ones.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn version(&self) -> Result<Option<u64>, PlaneError> {
        let asked = async {
            let (mount, rest) = self.place().await?;
            Ok(self.standing(&mount, &rest).await?.map(|s| s.metadata.version))
        };
        asked.await.map_err(|f: Failure| f.plane_error(&self.name))
    }
}

impl fmt::Debug for KvSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvSink").field("name", &self.name).field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Sink for KvSink {
    fn name(&self) -> &str {
        &self.name
    }

    async fn put(&self, login: &str, secret: &Secret) -> Result<(), PlaneError> {
        let written = async {
            let (mount, rest) = self.place().await?;
            let standing = self.standing(&mount, &rest).await?;
            let version = standing.as_ref().map_or(0, |s| s.metadata.version);
            let same = standing
                .and_then(|s| s.data)
                .is_some_and(|d| d.username.as_deref() == Some(login) && d.password.as_deref() == Some(secret.expose()));
            if same {
                return Ok(());
            }
            // Nothing that somebody wrote between the look and this is overwritten.
            let body = json!({"data": {"username": login, "password": secret.expose()}, "options": {"cas": version}});
            let reply = self.plane.wire.call(Call::new(Verb::Update, "+/data/*", &[&mount, &rest]), Some(body)).await?;
            if reply.status == 400 && reply.says("check-and-set") {
                return Err(Failure::Later { retry_after_ms: 500 });
            }
            reply.accepted().map(|_| ())
        };
        written.await.map_err(|f: Failure| f.plane_error(&self.name))
    }

    async fn current(&self) -> Result<Option<String>, PlaneError> {
        let asked = async {
            let (mount, rest) = self.place().await?;
            Ok(self.standing(&mount, &rest).await?.and_then(|s| s.data).and_then(|d| d.username))
        };
        asked.await.map_err(|f: Failure| f.plane_error(&self.name))
    }

    fn keeps(&self) -> Option<(String, String)> {
        let native = super::native::Who::Kv { path: kv_name(&self.path) }.native();
        Some((self.plane.config.name.clone(), native))
    }
}
