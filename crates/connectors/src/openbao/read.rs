//! The state of one target now, by value. Nothing secret is among it: the server
//! shows no secret-id, password or token, so nothing is sealed and nothing of that
//! kind is ever restored.

use std::collections::BTreeMap;

use quell_core::{
    secret::Secret,
    target::{Reading, Target},
};
use quell_engine::port::PlaneError;

use super::{
    OpenBao,
    answer::Failure,
    native::{self, Native, Who},
    seen::{SecretIdNow, TokenSeen},
};

type Facts = BTreeMap<String, Option<String>>;

impl OpenBao {
    pub(super) async fn read_target(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        let native = native::of(target).map_err(|why| PlaneError::NotPermitted { plane: self.config.name.clone(), why })?;
        let facts = self.facts(&native).await.map_err(|f| f.plane_error(&self.config.name))?;
        let reading = Reading { exists: facts.is_some(), facts: facts.unwrap_or_default(), ..Reading::default() };
        Ok((reading, BTreeMap::new()))
    }

    /// None where the thing is not there.
    async fn facts(&self, native: &Native) -> Result<Option<Facts>, Failure> {
        let one = |name: &str, value: Option<String>| Facts::from([(name.to_owned(), value)]);
        Ok(match native {
            Native::Who(who) => self.facts_of(who).await?,
            Native::Token { accessor } => self.token(accessor).await?.map(|seen| token_facts(&seen)),
            Native::SecretId { mount, role, accessor } => match self.secret_id(mount, role, accessor).await? {
                SecretIdNow::There(seen) => Some(one("expires_at", seen.expires_at().map(|t| t.to_string()))),
                _ => None,
            },
            Native::SecretIds { mount, role } => {
                let listed = self.secret_ids(mount, role).await?.len();
                (listed > 0).then(|| one("secret_ids", Some(listed.to_string())))
            }
            Native::Issued { who } => self.facts_of(who).await?,
            Native::Password { mount, user } => self.user(mount, user).await?.map(|_| Facts::new()),
            // Nobody lists a batch token: it is there until its time.
            Native::Batch { until_s, .. } => Some(one("until", Some(until_s.to_string()))),
            Native::BatchTokens { .. } => Some(Facts::new()),
            Native::Lease { id } => self.lease(id).await?.map(|_| Facts::new()),
            Native::Leases { prefix } => {
                let listed = self.leases(prefix).await?.len();
                (listed > 0).then(|| one("leases", Some(listed.to_string())))
            }
            Native::Version { path, version } => self.kv_seen(path).await?.and_then(|kv| {
                let seen = kv.versions.get(&version.to_string())?;
                let current = (kv.current_version == *version).to_string();
                Some([("destroyed", seen.destroyed.to_string()), ("current", current)].map(|(k, v)| (k.to_owned(), Some(v))).into())
            }),
            Native::Cert { mount, serial } => {
                let seen = self.cert(mount, serial).await?;
                seen.map(|cert| one("not_after", Some(cert.not_after.to_string())))
            }
            Native::Grant { policy, .. } => self.policy_facts(policy).await?,
        })
    }

    async fn facts_of(&self, who: &Who) -> Result<Option<Facts>, Failure> {
        let there = match who {
            Who::AppRole { mount, role } => self.role(mount, role).await?.is_some(),
            Who::User { mount, user } => self.user(mount, user).await?.is_some(),
            Who::Token { accessor } => self.token(accessor).await?.is_some(),
            Who::Kv { path } => return Ok(self.kv_seen(path).await?.map(|_| Facts::new())),
            Who::Pki { .. } => return Ok(Some(Facts::new())),
            Who::Entity { .. } => true,
        };
        let entity = self.entity_behind(who).await?;
        let disabled = entity.as_ref().map(|e| e.disabled.to_string());
        if !there && entity.is_none() || matches!(who, Who::Entity { .. }) && entity.is_none() {
            return Ok(None);
        }
        Ok(Some([("disabled".to_owned(), disabled)].into()))
    }
}

fn token_facts(seen: &TokenSeen) -> Facts {
    [("path", seen.path.clone()), ("orphan", seen.orphan.to_string()), ("policies", seen.policies.join(","))]
        .map(|(k, v)| (k.to_owned(), Some(v)))
        .into()
}
