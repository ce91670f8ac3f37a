//! Vault and OpenBao audit records.
//!
//! A request is logged twice, before and after; only the answer says what came
//! of it. Tokens go by their accessor: the token itself stands there as an HMAC,
//! or in the clear where somebody turned `log_raw` on, and is never copied.
//! Shapes as of Vault 1.21 and OpenBao 2.x.

use crate::json::Value;
use quell_core::{
    time::{Timestamp, after},
    trace::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Nature, Outcome},
};

use super::{Given, Log, Reader, when};
use crate::field::{at, integer, is_placeholder, text, text_at};

pub const LOG: Log = Log {
    name: "hashicorp-vault-audit",
    reads: "Vault and OpenBao audit device records",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Vault),
    never_shows: "what a secret was used for after it was read; batch tokens have no accessor",
};

fn recognises(record: &Value) -> bool {
    let kind = record.get("type").and_then(Value::as_str);
    matches!(kind, Some("request" | "response"))
        && at(record, &["request", "path"]).is_some()
        && at(record, &["request", "operation"]).is_some()
}

struct Vault;

impl Reader for Vault {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Value = match crate::json::document(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        if !recognises(&record) {
            return Given::NotMine;
        }
        if record["type"] == "response" {
            give(fact(&record));
        }
        Given::Read
    }
}

fn fact(record: &Value) -> Fact {
    let request = &record["request"];
    let path = text(request, "path").unwrap_or_default();
    let operation = text(request, "operation").unwrap_or_default();
    let namespace = text_at(request, &["namespace", "path"]).or_else(|| text_at(request, &["namespace", "id"]));
    let failed = record.get("error").is_some_and(|e| e.as_str().is_some_and(|e| !e.is_empty()));
    let login = at(record, &["response", "auth"]).is_some() && text(request, "client_token_accessor").is_none();
    let moment = text(record, "time").and_then(|t| when(&t));
    let mut aliases = Vec::new();
    if let (Some(entity), Some(name)) = (text_at(record, &["auth", "entity_id"]), text_at(record, &["auth", "display_name"])) {
        // A masked name is nobody's.
        if !name.contains("**") && !entity.contains("**") {
            aliases.push((entity, name));
        }
    }
    let by = if login { None } else { bearer(record) };
    let outcome = match (failed, login) {
        (false, _) => Outcome::Done,
        (true, true) => Outcome::Rejected,
        (true, false) => Outcome::Refused,
    };
    let mut out = Fact {
        at: moment,
        record_id: id(request, "id"),
        system: format!("vault:{}", namespace.as_deref().unwrap_or("root")),
        event: format!("{operation} {path}"),
        outcome,
        by,
        deeds: Vec::new(),
        aliases,
    };
    let deeds = deeds(record, &operation, &path, moment);
    out.deeds = match outcome {
        Outcome::Done => deeds,
        _ if deeds.is_empty() => Vec::new(),
        _ => vec![Deed::Attempt],
    };
    out
}

/// An id that is one: neither masked nor a raw token.
fn id(value: &Value, name: &str) -> Option<String> {
    text(value, name).filter(|id| !is_placeholder(id) && !crate::credential::has_form_of_secret(id))
}

fn bearer(record: &Value) -> Option<Bearer> {
    let auth = &record["auth"];
    let identity = id(auth, "entity_id").or_else(|| id(auth, "display_name"));
    let accessor = id(&record["request"], "client_token_accessor").or_else(|| id(auth, "accessor"));
    // Masked records still say whose token it was and when it was issued.
    let issued = text(auth, "token_issue_time").and_then(|t| when(&t));
    let credential = accessor.or_else(|| Some(format!("{}#token", identity.as_deref()?)))?;
    Some(Bearer {
        identity,
        credential: Some(credential),
        kind: LinkKind::Token,
        began: issued,
        address: text_at(record, &["request", "remote_address"]),
        ..Bearer::default()
    })
}

fn deeds(record: &Value, operation: &str, path: &str, moment: Option<Timestamp>) -> Vec<Deed> {
    let (request, response) = (&record["request"], &record["response"]);
    let mut out = Vec::new();
    let login = text(request, "client_token_accessor").is_none();
    if let Some(auth) = response.get("auth").filter(|a| a.is_object()) {
        out.extend(token_minted(auth, login, path, moment));
    }
    let mount = text(request, "mount_type").unwrap_or_default();
    if let Some(lease) = text_at(response, &["secret", "lease_id"]).filter(|l| !is_placeholder(l)) {
        out.push(Deed::Mint(leased(lease, &mount, path, response, moment)));
    }
    let data = |name: &str| id(&response["data"], name);
    match operation {
        "read" if response.get("data").is_some() && keeps_secrets(&mount, path) => out.push(Deed::Read(path.to_owned())),
        "update" | "create" if path.ends_with("/secret-id") => {
            let identity = role_of(path);
            out.extend(data("secret_id_accessor").map(|id| minted(id, LinkKind::SecretId, identity)));
        }
        "update" | "create" if mount == "pki" && (path.contains("/issue/") || path.contains("/sign")) => {
            out.extend(data("serial_number").map(|id| minted(id, LinkKind::Certificate, role_of(path))));
        }
        "update" | "create" if mount == "ssh" && path.contains("/sign/") => {
            out.extend(data("serial_number").map(|id| minted(id, LinkKind::SshKey, role_of(path))));
        }
        "update" | "create" | "delete" => {
            out.extend(ended(request, path).map(Deed::End));
            out.extend(changed(path, operation));
        }
        _ => {}
    }
    out
}

fn minted(id: String, kind: LinkKind, identity: Option<String>) -> Deed {
    Deed::Mint(Minted { id, kind, identity, ..Minted::default() })
}

fn token_minted(auth: &Value, login: bool, path: &str, moment: Option<Timestamp>) -> Option<Deed> {
    let identity = id(auth, "entity_id").or_else(|| id(auth, "display_name"));
    let lasts = integer(auth, "token_ttl").or_else(|| integer(auth, "lease_duration")).filter(|s| *s > 0);
    let also = id(auth, "client_token").filter(|t| t.starts_with("hmac-")).into_iter().collect();
    Some(Deed::Mint(Minted {
        id: id(auth, "accessor").or_else(|| Some(format!("{}#token", identity.as_deref()?)))?,
        kind: LinkKind::Token,
        identity,
        session: text(auth, "display_name"),
        expires_at: moment.zip(lasts).map(|(at, s)| after(at, s)),
        login,
        dies_with_parent: !path.contains("create-orphan"),
        also,
        ..Minted::default()
    }))
}

/// A credential that Vault had another system make, with a lease.
fn leased(lease: String, mount: &str, path: &str, response: &Value, moment: Option<Timestamp>) -> Minted {
    let kind = match mount {
        "aws" => LinkKind::AccessKey,
        "database" | "ldap" | "ad" => LinkKind::Password,
        "kubernetes" | "consul" | "nomad" => LinkKind::Token,
        _ => LinkKind::Unknown,
    };
    // Only where an operator turned HMAC off for it does the key's own id show.
    let also = text_at(response, &["data", "access_key"]).filter(|k| crate::credential::is_aws_key_id(k));
    let lasts = integer(&response["secret"], "lease_duration").or_else(|| integer(&response["data"], "ttl")).filter(|s| *s > 0);
    Minted {
        id: lease,
        kind,
        identity: Some(path.to_owned()),
        expires_at: moment.zip(lasts).map(|(at, s)| after(at, s)),
        dies_with_parent: true,
        also: also.into_iter().collect(),
        ..Minted::default()
    }
}

/// Mounts whose reads hand out what is kept there.
fn keeps_secrets(mount: &str, path: &str) -> bool {
    matches!(mount, "kv" | "generic" | "cubbyhole") && !path.contains("/metadata/")
        || (mount.is_empty() && (path.starts_with("secret/") || path.starts_with("kv/")) && !path.contains("/metadata/"))
}

/// `auth/approle/role/NAME/secret-id`, `pki/issue/NAME`.
fn role_of(path: &str) -> Option<String> {
    let path = path.strip_suffix("/secret-id").unwrap_or(path);
    path.rsplit('/').next().filter(|n| !n.is_empty()).map(str::to_owned)
}

fn ended(request: &Value, path: &str) -> Option<Ended> {
    let own = || id(request, "client_token_accessor").map(Ended::Credential);
    let data = |name: &str| text_at(request, &["data", name]).filter(|v| !is_placeholder(v) && !crate::credential::has_form_of_secret(v));
    match path.trim_end_matches('/') {
        "auth/token/revoke-self" => own(),
        "auth/token/revoke-accessor" => data("accessor").map(Ended::Credential),
        "auth/token/revoke" | "auth/token/revoke-orphan" => data("token").map(Ended::Credential),
        "sys/leases/revoke" | "sys/revoke" => data("lease_id").map(Ended::Credential),
        other => {
            let lease = other.strip_prefix("sys/leases/revoke/").or_else(|| other.strip_prefix("sys/revoke/"));
            let accessor = || other.ends_with("/secret-id-accessor/destroy").then(|| data("secret_id_accessor")).flatten();
            lease.map(str::to_owned).or_else(accessor).map(Ended::Credential)
        }
    }
}

fn changed(path: &str, operation: &str) -> Option<Deed> {
    let nature = match path {
        p if p.starts_with("sys/audit/") && !p.starts_with("sys/audit-hash") => Nature::Logging,
        p if p.starts_with("sys/policies/") || p.starts_with("sys/policy/") => Nature::Permission,
        p if p.starts_with("sys/auth/") || p.starts_with("sys/generate-root") => Nature::Trust,
        p if p.starts_with("identity/entity") || p.starts_with("identity/group") => Nature::Identity,
        p if p.starts_with("auth/") && p.contains("/role/") && !p.contains("secret-id") => Nature::Trust,
        p if p.starts_with("auth/") && p.contains("/users/") => Nature::Identity,
        _ => return None,
    };
    (operation != "read").then(|| Deed::Change { nature, target: path.to_owned() })
}
