//! Everything the server knows of one identity, and what was minted from it: its
//! secret-ids, its tokens by entity, login and audit log, the leases they took, and
//! the logins behind those on other planes. Taken before anything is cut: the end of
//! a token takes the way to its leases with it.

use std::collections::BTreeMap;

use quell_core::{
    signal::CredentialKind,
    target::{Elsewhere, Enumeration, Found, TargetKind},
};
use quell_engine::port::PlaneError;
use serde::Deserialize;

use super::{
    OpenBao,
    answer::Failure,
    audit::Trail,
    manifest::{ENUMERATION_MAX, not_looked_at},
    native::{self, Who},
    seen::SecretIdSeen,
    subject::{Held, Subject, Tokens},
    wire::{Call, Verb},
};

/// Secrets that were read, as the audit log tells, at most.
const READS_MAX: usize = 200;
/// Paths of policies that are listed, at most.
const GRANTS_MAX: usize = 200;

/// Why a store or an authority is not suspended.
const NOBODY: &str = "nobody logs in as it";

/// A thing without anything special.
fn one(kind: TargetKind, native: String, identity: &str) -> Found {
    Found {
        kind,
        native,
        identity: identity.to_owned(),
        credential_kind: None,
        opened_with: None,
        minted_from: None,
        started_at: None,
        expires_at: None,
        facts: BTreeMap::new(),
    }
}

fn facts<const N: usize>(all: [(&str, String); N]) -> BTreeMap<String, String> {
    all.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect()
}

impl OpenBao {
    pub(super) async fn enumerate_identity(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        let who = native::identity(identity).map_err(|why| PlaneError::NotPermitted { plane: self.config.name.clone(), why })?;
        let failed = |f: Failure| f.plane_error(&self.config.name);
        match &who {
            Who::Kv { path } => return self.enumerate_kv(path, identity).await.map_err(failed),
            Who::Pki { mount } => return self.enumerate_pki(mount, identity).await.map_err(failed),
            _ => {}
        }
        let trail = self.trail().await?;
        let subject = self.subject(&who).await.map_err(failed)?;
        let tokens = self.tokens_of(&subject, trail.as_deref()).await?;
        let mut gaps = not_looked_at(self.config.audit.is_some());
        let mut found = Vec::new();
        let mut elsewhere = Vec::new();

        found.extend(self.identity_found(&subject, identity));
        for login in &subject.logins {
            found.extend(self.credentials_of(&login.who, login.settings.is_some(), identity).await.map_err(failed)?);
        }
        found.extend(tokens.held.iter().map(|held| self.token_found(held, &who, identity)));
        if let Some(trail) = &trail {
            self.leases_of(trail, &tokens, identity, &mut found, &mut elsewhere, &mut gaps).await.map_err(failed)?;
            found.extend(reads_of(trail, &tokens, identity));
            if trail.cut_short {
                gaps.push("the audit log before its last 64 MiB".to_owned());
            }
        }
        let issuing = self.issuing_from(&subject, &tokens, trail.is_some()).await.map_err(failed)?;
        if issuing.is_possible() && !matches!(who, Who::Token { .. }) {
            let class = one(TargetKind::Credential, native::batch_tokens(&who), identity);
            let said = facts([
                ("longest_seconds", issuing.longest_s.to_string()),
                ("without_entity", issuing.orphans.to_string()),
                ("revocable", "false".to_owned()),
            ]);
            found.push(Found { credential_kind: Some(CredentialKind::Token), facts: said, ..class });
        }
        found.extend(self.grants_of(&subject, identity).await.map_err(failed)?);

        if tokens.untied > 0 {
            gaps.push(format!("{} orphan tokens that belong to no entity, of which nothing tells who made them", tokens.untied));
        }
        gaps.extend(subject.other_logins.iter().map(|l| format!("{l}, which leads to the same entity")));
        let truncated = tokens.truncated || found.len() > ENUMERATION_MAX as usize;
        found.truncate(ENUMERATION_MAX as usize);
        Ok(Enumeration { at: Some(self.clock.now()), found, not_looked_at: gaps, truncated, elsewhere })
    }

    /// Every AppRole and user with its credentials; without tokens and leases.
    pub(super) async fn enumerate_all(&self) -> Result<Enumeration, Failure> {
        let mounts = self.auth_mounts().await?;
        let mut gaps = not_looked_at(self.config.audit.is_some());
        let mut found = Vec::new();
        let most = ENUMERATION_MAX as usize;
        for (mount, seen) in &mounts {
            let whos: Vec<Who> = match seen.kind.as_str() {
                "approle" => self.roles(mount).await?.into_iter().map(|role| Who::AppRole { mount: mount.clone(), role }).collect(),
                "userpass" => self.users(mount).await?.into_iter().map(|user| Who::User { mount: mount.clone(), user }).collect(),
                "token" => continue,
                kind => {
                    gaps.push(format!(
                        "the logins at `auth/{}` ({kind}): only their entities and tokens are seen",
                        super::answer::one_line(mount)
                    ));
                    continue;
                }
            };
            for who in whos {
                if found.len() > most {
                    break;
                }
                let identity = who.native();
                let subject = self.subject(&who).await?;
                found.extend(self.identity_found(&subject, &identity));
                found.extend(self.credentials_of(&who, true, &identity).await?);
            }
        }
        let truncated = found.len() > most;
        found.truncate(most);
        Ok(Enumeration { at: Some(self.clock.now()), found, not_looked_at: gaps, truncated, elsewhere: Vec::new() })
    }

    /// The identity itself; nothing where neither a login nor an entity is there.
    fn identity_found(&self, subject: &Subject, identity: &str) -> Option<Found> {
        let settings = subject.logins.iter().find_map(|l| l.settings.as_ref());
        let entity = subject.entity.as_ref();
        if settings.is_none() && entity.is_none() && !matches!(subject.who, Who::Token { .. }) {
            return None;
        }
        let said = |value: Option<String>| value.unwrap_or_default();
        let others = entity.iter().flat_map(|e| e.aliases.iter().flatten()).count().saturating_sub(1);
        Some(Found {
            facts: facts([
                ("entity", said(entity.map(|e| format!("entity/{}", e.id)))),
                ("entity_name", said(entity.map(|e| e.name.clone()))),
                ("disabled", said(entity.map(|e| e.disabled.to_string()))),
                ("policies", said(settings.and_then(|s| s.token_policies.as_ref()).map(|p| p.join(",")))),
                ("token_type", said(settings.map(|s| s.token_type.clone()))),
                ("no_login", entity.map_or("no entity stands behind it yet", |_| "").to_owned()),
                // Suspending it suspends these, too.
                ("other_logins", if others > 0 { others.to_string() } else { String::new() }),
            ]),
            ..one(TargetKind::Identity, identity.to_owned(), identity)
        })
    }

    async fn credentials_of(&self, who: &Who, exists: bool, identity: &str) -> Result<Vec<Found>, Failure> {
        Ok(match who {
            Who::AppRole { mount, role } if exists => {
                let live = self.live_secret_ids(mount, role).await?;
                live.iter().map(|seen| secret_id_found(seen, who, identity)).collect()
            }
            Who::User { .. } if exists => {
                let password = one(TargetKind::Credential, native::password(who), identity);
                vec![Found { credential_kind: Some(CredentialKind::Password), ..password }]
            }
            _ => Vec::new(),
        })
    }

    /// A token is access that was granted: a session. One that belongs to nobody is
    /// the credential of itself.
    fn token_found(&self, held: &Held, who: &Who, identity: &str) -> Found {
        let token = &held.token;
        let itself = matches!(who, Who::Token { accessor } if *accessor == token.accessor);
        let kind = if itself { TargetKind::Credential } else { TargetKind::Session };
        let login = token.who().map(|w| w.native());
        let mut said = facts([
            ("tied_by", held.tied_by.to_owned()),
            ("path", token.path.clone()),
            ("display_name", token.display_name.clone()),
            ("policies", token.policies.join(",")),
            ("orphan", token.orphan.to_string()),
            ("entity", if token.entity_id.is_empty() { String::new() } else { format!("entity/{}", token.entity_id) }),
            ("uses_left", if token.num_uses > 0 { token.num_uses.to_string() } else { String::new() }),
        ]);
        if self.is_ours(&token.accessor) {
            said.insert("ours".to_owned(), "true".to_owned());
        }
        Found {
            credential_kind: itself.then_some(CredentialKind::Token),
            minted_from: held.minted_from.as_deref().map(native::token).or(login),
            started_at: token.issue_time,
            expires_at: token.expire_time,
            facts: said,
            ..one(kind, native::token(&token.accessor), identity)
        }
    }

    /// The live leases that its tokens took, and the logins behind them.
    async fn leases_of(
        &self,
        trail: &Trail,
        tokens: &Tokens,
        identity: &str,
        found: &mut Vec<Found>,
        elsewhere: &mut Vec<Elsewhere>,
        gaps: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let mut nameless = BTreeMap::new();
        for (id, taken) in trail.leases.iter().filter(|(id, taken)| tokens.lineage.contains(&taken.by) && native::path(id).is_some()) {
            let Some(lease) = self.lease(id).await? else { continue };
            let path = id.rsplit_once('/').map_or(id.as_str(), |(path, _)| path);
            let native = native::lease(id);
            let plane = self.plane_behind(path).await?;
            match (plane, &taken.username) {
                (Some(plane), Some(username)) => elsewhere.push(Elsewhere {
                    from: native.clone(),
                    plane,
                    kind: TargetKind::Identity,
                    native: username.clone(),
                    via: "lease".to_owned(),
                }),
                (Some(plane), None) => *nameless.entry(plane).or_insert(0_u32) += 1,
                (None, _) => gaps.push(format!(
                    "what the leases under `{}` open: `[connector.planes]` names no connector for it",
                    super::answer::one_line(path)
                )),
            }
            found.push(Found {
                credential_kind: Some(CredentialKind::AccessKey),
                minted_from: tokens.accessors.get(&taken.by).map(|a| native::token(a)),
                started_at: lease.issue_time,
                expires_at: lease.expire_time,
                facts: facts([
                    ("path", path.to_owned()),
                    ("username", taken.username.clone().unwrap_or_default()),
                    ("outlives_suspension", "true".to_owned()),
                ]),
                ..one(TargetKind::Credential, native, identity)
            });
        }
        gaps.extend(nameless.iter().map(|(plane, n)| {
            format!("the logins on `{plane}` behind {n} leases: tune the mount with audit_non_hmac_response_keys=username, so that the log names them")
        }));
        gaps.dedup();
        Ok(())
    }

    /// The connector of the database behind a lease's path: by mount and connection,
    /// then by mount.
    pub(super) async fn plane_behind(&self, path: &str) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        struct RoleOf {
            db_name: String,
        }
        if self.config.planes.is_empty() {
            return Ok(None);
        }
        let mount = self.config.planes.keys().filter_map(|k| {
            let mount = if path.starts_with(&format!("{k}/")) { Some(k.as_str()) } else { k.rsplit_once('/').map(|(mount, _)| mount) };
            mount.filter(|m| path.starts_with(&format!("{m}/")))
        });
        let Some(mount) = mount.max_by_key(|m| m.len()) else { return Ok(None) };
        let by_mount = || self.config.planes.get(mount).cloned();
        let role = path[mount.len() + 1..].strip_prefix("creds/");
        let Some(role) = role.filter(|r| native::path(r).is_some()) else { return Ok(by_mount()) };
        let reply = self.wire.call(Call::new(Verb::Read, "+/roles/*", &[mount, role]), None).await?;
        if reply.is_absent() {
            return Ok(by_mount());
        }
        let connection = reply.data::<RoleOf>()?.db_name;
        Ok(self.config.planes.get(&format!("{mount}/{connection}")).cloned().or_else(by_mount))
    }

    /// The paths that its policies open, as they write them.
    async fn grants_of(&self, subject: &Subject, identity: &str) -> Result<Vec<Found>, Failure> {
        let of_logins = subject.logins.iter().filter_map(|l| l.settings.as_ref()).flat_map(|s| s.token_policies.iter().flatten());
        let of_entity = subject.entity.iter().flat_map(|e| e.policies.iter().flatten());
        let names: std::collections::BTreeSet<&String> = of_logins.chain(of_entity).filter(|n| *n != "default").collect();
        let mut found = Vec::new();
        for name in names {
            if native::path(name).is_none() {
                continue;
            }
            let Some(policy) = self.policy(name).await? else { continue };
            for path in super::policy::paths(&policy.policy) {
                if found.len() < GRANTS_MAX {
                    let said = facts([("direction", "it may".to_owned()), ("policy", name.clone()), ("path", path.clone())]);
                    found.push(Found { facts: said, ..one(TargetKind::Entitlement, native::grant(name, &path), identity) });
                }
            }
        }
        Ok(found)
    }

    async fn enumerate_kv(&self, path: &str, identity: &str) -> Result<Enumeration, Failure> {
        let mut found = Vec::new();
        if let Some(kv) = self.kv_seen(path).await? {
            found.push(Found {
                facts: facts([("current_version", kv.current_version.to_string()), ("no_login", NOBODY.to_owned())]),
                ..one(TargetKind::Identity, identity.to_owned(), identity)
            });
            for (number, seen) in kv.versions.iter().filter(|(_, v)| !v.destroyed) {
                let Ok(number) = number.parse::<u64>() else { continue };
                let said = facts([
                    ("current", (number == kv.current_version).to_string()),
                    ("deleted", if seen.deletion_time.is_empty() { String::new() } else { "true".to_owned() }),
                ]);
                let version = one(TargetKind::Credential, native::version(path, number), identity);
                // The version holds a secret of whatever kind.
                found.push(Found { credential_kind: Some(CredentialKind::Unknown), started_at: seen.created_time, facts: said, ..version });
            }
        }
        let gaps = vec!["who has read the secret before, and keeps it".to_owned()];
        Ok(Enumeration { at: Some(self.clock.now()), found, not_looked_at: gaps, truncated: false, elsewhere: Vec::new() })
    }

    async fn enumerate_pki(&self, mount: &str, identity: &str) -> Result<Enumeration, Failure> {
        let most = ENUMERATION_MAX as usize;
        let reply = self.wire.call(Call::new(Verb::List, "+/certs/detailed", &[mount]).with("limit", "2000"), None).await?;
        #[derive(Deserialize)]
        struct Listed {
            #[serde(default)]
            key_info: BTreeMap<String, super::seen::CertSeen>,
        }
        let listed = if reply.is_absent() { Listed { key_info: BTreeMap::new() } } else { reply.data::<Listed>()? };
        let truncated = listed.key_info.len() >= most;
        let mut found =
            vec![Found { facts: facts([("no_login", NOBODY.to_owned())]), ..one(TargetKind::Identity, identity.to_owned(), identity) }];
        found.extend(listed.key_info.into_iter().map(|(serial, cert)| Found {
            credential_kind: Some(CredentialKind::Certificate),
            started_at: Some(cert.not_before),
            expires_at: Some(cert.not_after),
            facts: facts([("common_name", cert.common_name)]),
            ..one(TargetKind::Credential, native::cert(mount, &serial), identity)
        }));
        let gaps = vec!["certificates that the CA does not store (`no_store`)".to_owned()];
        Ok(Enumeration { at: Some(self.clock.now()), found, not_looked_at: gaps, truncated, elsewhere: Vec::new() })
    }
}

fn secret_id_found(seen: &SecretIdSeen, who: &Who, identity: &str) -> Found {
    let marker = seen.metadata.as_ref().and_then(|m| m.get("quell")).cloned().unwrap_or_default();
    Found {
        credential_kind: Some(CredentialKind::SecretId),
        started_at: seen.creation_time,
        expires_at: seen.expires_at(),
        facts: facts([
            ("uses_left", if seen.secret_id_num_uses > 0 { seen.secret_id_num_uses.to_string() } else { String::new() }),
            ("made_by_quell", marker),
        ]),
        ..one(TargetKind::Credential, native::secret_id(who, &seen.secret_id_accessor), identity)
    }
}

/// Secrets that its tokens have read, as the audit log tells.
fn reads_of(trail: &Trail, tokens: &Tokens, identity: &str) -> Vec<Found> {
    let mut by_path: BTreeMap<&str, (u32, quell_core::time::Timestamp)> = BTreeMap::new();
    for ((_, path), (times, last)) in trail.reads.iter().filter(|((by, _), _)| tokens.lineage.contains(by)) {
        let entry = by_path.entry(path).or_insert((0, *last));
        *entry = (entry.0 + times, entry.1.max(*last));
    }
    by_path
        .into_iter()
        .filter(|(path, _)| native::path(path).is_some())
        .take(READS_MAX)
        .map(|(path, (times, last))| Found {
            facts: facts([
                ("direction", "it read".to_owned()),
                ("secret", Who::Kv { path: super::kv::kv_name(path) }.native()),
                ("times", times.to_string()),
                ("last_at", last.to_string()),
            ]),
            ..one(TargetKind::Entitlement, format!("read:{path}"), identity)
        })
        .collect()
}
