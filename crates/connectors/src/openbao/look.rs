//! What the server says of one thing when it is asked: there, gone, or no answer.
//!
//! "Gone" is said only for the one answer that means it; the status code alone
//! never does (a 400 is also the answer to a live batch token, a 403 to a live
//! token that may do nothing). Facts of OpenBao 2.7, measured November 2026.

use std::collections::BTreeMap;

use futures::stream::{StreamExt, TryStreamExt, iter};
use quell_core::{secret::Secret, time::Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::{
    OpenBao,
    answer::Failure,
    seen::{
        CertSeen, EntitySeen, Health, KvSeen, LeaseSeen, MountSeen, PolicySeen, RoleSeen, SecretIdNow, SecretIdSeen, TokenSeen, TuneSeen,
    },
    wire::{Call, Verb},
};

impl OpenBao {
    pub(super) async fn health(&self) -> Result<Health, Failure> {
        // A standby would answer 429; asked so, it says that it is one.
        let call = Call::new(Verb::Read, "sys/health", &[]).with("standbyok", "true");
        let reply = self.wire.call_as(call, None, None).await?.accepted()?;
        let flag = |name: &str| reply.field(name).and_then(serde_json::Value::as_bool);
        let clock = reply.field("server_time_utc").and_then(serde_json::Value::as_i64).and_then(|s| Timestamp::from_second(s).ok());
        match (flag("initialized"), flag("sealed"), flag("standby"), clock) {
            (Some(initialized), Some(sealed), Some(standby), Some(clock)) => {
                let version = reply.field("version").and_then(serde_json::Value::as_str).unwrap_or_default();
                Ok(Health { clock, active: initialized && !sealed && !standby, version: super::answer::one_line(version) })
            }
            _ => Err(reply.garbled("it is not how OpenBao says how it is")),
        }
    }

    pub(super) async fn token(&self, accessor: &str) -> Result<Option<TokenSeen>, Failure> {
        let body = json!({ "accessor": accessor });
        let reply = self.wire.call(Call::new(Verb::Update, "auth/token/lookup-accessor", &[]), Some(body)).await?;
        if reply.status == 400 && reply.says("invalid accessor") {
            return Ok(None);
        }
        let seen: TokenSeen = reply.data()?;
        if seen.accessor != accessor { Err(reply.garbled("it speaks of another token")) } else { Ok(Some(seen)) }
    }

    /// Looks a value up without using it: neither its uses nor anything of its own move.
    pub(super) async fn token_of(&self, value: &Secret) -> Result<Option<TokenSeen>, Failure> {
        let body = json!({ "token": value.expose() });
        let reply = self.wire.call(Call::new(Verb::Update, "auth/token/lookup", &[]), Some(body)).await?;
        if reply.status == 403 && reply.errors().as_deref() == Some(&["bad token".to_owned()]) {
            return Ok(None);
        }
        reply.data().map(Some)
    }

    pub(super) async fn accessors(&self) -> Result<Vec<String>, Failure> {
        self.wire.call(Call::new(Verb::List, "auth/token/accessors", &[]), None).await?.keys()
    }

    /// Every live token of these accessors; what died meanwhile is left out.
    pub(super) async fn tokens(&self, accessors: &[String]) -> Result<Vec<TokenSeen>, Failure> {
        let seen: Vec<Option<TokenSeen>> = iter(accessors.to_vec())
            .map(|accessor| async move { self.token(&accessor).await })
            .buffered(self.config.calls_max)
            .try_collect()
            .await?;
        Ok(seen.into_iter().flatten().collect())
    }

    pub(super) async fn roles(&self, mount: &str) -> Result<Vec<String>, Failure> {
        self.wire.call(Call::new(Verb::List, "auth/+/role", &[mount]), None).await?.keys()
    }

    pub(super) async fn role(&self, mount: &str, role: &str) -> Result<Option<RoleSeen>, Failure> {
        let reply = self.wire.call(Call::new(Verb::Read, "auth/+/role/+", &[mount, role]), None).await?;
        if reply.is_absent() { Ok(None) } else { reply.data().map(Some) }
    }

    pub(super) async fn role_id(&self, mount: &str, role: &str) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        struct Seen {
            role_id: String,
        }
        let reply = self.wire.call(Call::new(Verb::Read, "auth/+/role/+/role-id", &[mount, role]), None).await?;
        if reply.is_absent() { Ok(None) } else { reply.data::<Seen>().map(|s| Some(s.role_id)) }
    }

    /// The accessors of a role's secret-ids; none where the role is gone.
    pub(super) async fn secret_ids(&self, mount: &str, role: &str) -> Result<Vec<String>, Failure> {
        let reply = self.wire.call(Call::new(Verb::List, "auth/+/role/+/secret-id", &[mount, role]), None).await?;
        if matches!(reply.status, 400 | 500) && reply.says("does not exist") {
            return match self.role(mount, role).await? {
                None => Ok(Vec::new()),
                Some(_) => Err(reply.refusal()),
            };
        }
        reply.keys()
    }

    /// The role's secret-ids that log in: one whose time is over stays listed until
    /// the server tidies.
    pub(super) async fn live_secret_ids(&self, mount: &str, role: &str) -> Result<Vec<SecretIdSeen>, Failure> {
        let mut accessors = self.secret_ids(mount, role).await?;
        accessors.truncate(super::manifest::ENUMERATION_MAX as usize);
        let asked = iter(accessors).map(|accessor| async move { self.secret_id(mount, role, &accessor).await });
        let seen: Vec<SecretIdNow> = asked.buffered(self.config.calls_max).try_collect().await?;
        Ok(seen.into_iter().filter_map(|now| if let SecretIdNow::There(seen) = now { Some(seen) } else { None }).collect())
    }

    pub(super) async fn secret_id(&self, mount: &str, role: &str, accessor: &str) -> Result<SecretIdNow, Failure> {
        #[derive(Deserialize)]
        struct NotFound {
            error: String,
        }
        let call = Call::new(Verb::Update, "auth/+/role/+/secret-id-accessor/lookup", &[mount, role]);
        let reply = self.wire.call(call, Some(json!({ "secret_id_accessor": accessor }))).await?;
        if reply.status == 204 {
            return Ok(SecretIdNow::Expired);
        }
        if reply.status == 404
            && let Some(data) = reply.field("data")
            && NotFound::deserialize(data).is_ok_and(|n| n.error.starts_with("failed to find accessor entry"))
        {
            return Ok(SecretIdNow::Gone);
        }
        if matches!(reply.status, 400 | 500) && reply.says("does not exist") {
            // Only the role itself is taken at its word.
            return match self.role(mount, role).await? {
                None => Ok(SecretIdNow::NoRole),
                Some(_) => Err(reply.refusal()),
            };
        }
        let seen: SecretIdSeen = reply.data()?;
        if seen.secret_id_accessor != accessor {
            Err(reply.garbled("it speaks of another secret-id"))
        } else {
            Ok(SecretIdNow::There(seen))
        }
    }

    /// Is this value one of the role's secret-ids? No use of it is counted.
    pub(super) async fn secret_id_of(&self, mount: &str, role: &str, value: &Secret) -> Result<Option<SecretIdSeen>, Failure> {
        let call = Call::new(Verb::Update, "auth/+/role/+/secret-id/lookup", &[mount, role]);
        let reply = self.wire.call(call, Some(json!({ "secret_id": value.expose() }))).await?;
        if reply.status == 204 {
            return Ok(None);
        }
        if matches!(reply.status, 400 | 500) && reply.says("does not exist") {
            return match self.role(mount, role).await? {
                None => Ok(None),
                Some(_) => Err(reply.refusal()),
            };
        }
        reply.data().map(Some)
    }

    pub(super) async fn users(&self, mount: &str) -> Result<Vec<String>, Failure> {
        self.wire.call(Call::new(Verb::List, "auth/+/users", &[mount]), None).await?.keys()
    }

    pub(super) async fn user(&self, mount: &str, user: &str) -> Result<Option<RoleSeen>, Failure> {
        let reply = self.wire.call(Call::new(Verb::Read, "auth/+/users/+", &[mount, user]), None).await?;
        if reply.is_absent() { Ok(None) } else { reply.data().map(Some) }
    }

    /// None where no entity has this id. A merged one answers so, too, while its
    /// tokens work on as another entity's: it is not a death.
    pub(super) async fn entity(&self, id: &str) -> Result<Option<EntitySeen>, Failure> {
        let reply = self.wire.call(Call::new(Verb::Read, "identity/entity/id/+", &[id]), None).await?;
        if reply.is_absent() {
            return Ok(None);
        }
        let seen: EntitySeen = reply.data()?;
        if seen.id != id { Err(reply.garbled("it speaks of another entity")) } else { Ok(Some(seen)) }
    }

    /// The entity that a login of this name on this mount leads to.
    pub(super) async fn entity_of(&self, alias: &str, mount_accessor: &str) -> Result<Option<EntitySeen>, Failure> {
        let body = json!({ "alias_name": alias, "alias_mount_accessor": mount_accessor });
        let reply = self.wire.call(Call::new(Verb::Update, "identity/lookup/entity", &[]), Some(body)).await?;
        if reply.status == 204 {
            return Ok(None);
        }
        let seen: EntitySeen = reply.data()?;
        let leads = seen.aliases.iter().flatten().any(|a| a.name == alias && a.mount_accessor == mount_accessor);
        if leads { Ok(Some(seen)) } else { Err(reply.garbled("it speaks of another entity")) }
    }

    pub(super) async fn lease(&self, id: &str) -> Result<Option<LeaseSeen>, Failure> {
        let reply = self.wire.call(Call::new(Verb::Update, "sys/leases/lookup", &[]), Some(json!({ "lease_id": id }))).await?;
        if reply.status == 400 && reply.says("invalid lease") {
            return Ok(None);
        }
        let seen: LeaseSeen = reply.data()?;
        if seen.id != id { Err(reply.garbled("it speaks of another lease")) } else { Ok(Some(seen)) }
    }

    pub(super) async fn leases(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        self.wire.call(Call::new(Verb::List, "sys/leases/lookup/*", &[prefix]), None).await?.keys()
    }

    pub(super) async fn policy(&self, name: &str) -> Result<Option<PolicySeen>, Failure> {
        let reply = self.wire.call(Call::new(Verb::Read, "sys/policies/acl/*", &[name]), None).await?;
        if reply.is_absent() { Ok(None) } else { reply.data().map(Some) }
    }

    pub(super) async fn kv(&self, mount: &str, path: &str) -> Result<Option<KvSeen>, Failure> {
        let reply = self.wire.call(Call::new(Verb::Read, "+/metadata/*", &[mount, path]), None).await?;
        if reply.is_absent() { Ok(None) } else { reply.data().map(Some) }
    }

    /// A certificate of a CA by its serial, read out of the listing that tells when
    /// it ends: the listing starts just before it.
    pub(super) async fn cert(&self, mount: &str, serial: &str) -> Result<Option<CertSeen>, Failure> {
        #[derive(Deserialize)]
        struct Listed {
            #[serde(default)]
            key_info: BTreeMap<String, CertSeen>,
        }
        // The CA keeps serials with hyphens and shows them with colons.
        let before = serial[..serial.len() - 1].replace(':', "-");
        // At most the sixteen serials that differ in the last digit, and some slack.
        let call = Call::new(Verb::List, "+/certs/detailed", &[mount]).with("after", &before).with("limit", "20");
        let reply = self.wire.call(call, None).await?;
        if reply.is_absent() {
            return Ok(None);
        }
        let mut listed: Listed = reply.data()?;
        Ok(listed.key_info.remove(serial))
    }

    /// Seconds since 1970 of its revocation; 0 where the CA does not list it as revoked.
    pub(super) async fn cert_revoked_at(&self, mount: &str, serial: &str) -> Result<Option<i64>, Failure> {
        #[derive(Deserialize)]
        struct Seen {
            #[serde(default)]
            revocation_time: i64,
        }
        let reply = self.wire.call(Call::new(Verb::Read, "+/cert/+", &[mount, serial]), None).await?;
        if reply.is_absent() { Ok(None) } else { reply.data::<Seen>().map(|s| Some(s.revocation_time)) }
    }

    pub(super) async fn auth_mounts(&self) -> Result<BTreeMap<String, MountSeen>, Failure> {
        self.mounts("sys/auth").await
    }

    pub(super) async fn secret_mounts(&self) -> Result<BTreeMap<String, MountSeen>, Failure> {
        self.mounts("sys/mounts").await
    }

    async fn mounts(&self, pattern: &'static str) -> Result<BTreeMap<String, MountSeen>, Failure> {
        let all: BTreeMap<String, MountSeen> = self.wire.call(Call::new(Verb::Read, pattern, &[]), None).await?.data()?;
        Ok(all.into_iter().map(|(path, mount)| (path.trim_end_matches('/').to_owned(), mount)).collect())
    }

    /// `mount` as the tuning of all mounts names it: `auth/approle`, `database`.
    pub(super) async fn tune(&self, mount: &str) -> Result<TuneSeen, Failure> {
        self.wire.call(Call::new(Verb::Read, "sys/mounts/*/tune", &[mount]), None).await?.data()
    }

    /// What a live token may do on `path`; none where the token is gone.
    pub(super) async fn capabilities(&self, accessor: &str, path: &str) -> Result<Option<Vec<String>>, Failure> {
        let body = json!({ "accessor": accessor, "paths": [path] });
        let reply = self.wire.call(Call::new(Verb::Update, "sys/capabilities-accessor", &[]), Some(body)).await?;
        if reply.status == 400 && reply.says("invalid accessor") {
            return Ok(None);
        }
        let mut all: BTreeMap<String, Vec<String>> = reply.data()?;
        all.remove(path).map(Some).ok_or_else(|| reply.garbled("it speaks of another path"))
    }

    /// What the audit device writes in place of `value`.
    pub(super) async fn audit_hash(&self, device: &str, value: &str) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Seen {
            hash: String,
        }
        let body = json!({ "input": value });
        self.wire.call(Call::new(Verb::Update, "sys/audit-hash/*", &[device]), Some(body)).await?.data::<Seen>().map(|s| s.hash)
    }
}
