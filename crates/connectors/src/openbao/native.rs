//! What OpenBao's things are called.
//!
//! | kind | native id |
//! | --- | --- |
//! | identity | `approle:ci`, `userpass:alice` (`approle:MOUNT/ci` elsewhere), `entity/ID`, `token:ACCESSOR`, `kv:secret/billing`, `pki:pki` |
//! | credential | `approle:ci#secret_id:ACCESSOR`, `approle:ci#secret_id` (every one), `userpass:alice#password`, `token:ACCESSOR`, `batch:UNTIL:ENTITY:HASH`, `approle:ci#batch_tokens`, `lease:ID`, `leases:PREFIX`, `kv:secret/billing#version:3`, `cert:pki/SERIAL` |
//! | session | `token:ACCESSOR` |
//! | entitlement | `policy:NAME>PATH` |
//!
//! Names of AppRoles and users mean the same in every case, so they are read in
//! lower case. Every name comes from outside and is read here once: what could
//! leave its place in a path (`.`, `..`, empty parts, controls) is refused before
//! anything is sent, because the server resolves `..` before it looks at policy.

use quell_core::target::{Target, TargetKind};

/// The longest name, in bytes; the server says "less than 4096" of roles.
const NAME_BYTES_MAX: usize = 512;
/// The longest path or lease id.
const PATH_BYTES_MAX: usize = 2_048;

/// What a native id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Native {
    Who(Who),
    /// One secret-id by its accessor.
    SecretId {
        mount: String,
        role: String,
        accessor: String,
    },
    /// Every secret-id of a role.
    SecretIds {
        mount: String,
        role: String,
    },
    /// The secret that Quell gave a role or a user; known by its value alone.
    Issued {
        who: Who,
    },
    Password {
        mount: String,
        user: String,
    },
    Token {
        accessor: String,
    },
    /// One batch token that leaked: until when, of which entity, and a hash of it.
    Batch {
        until_s: i64,
        entity: Option<String>,
        hash: String,
    },
    /// Whatever batch tokens an identity was handed.
    BatchTokens {
        who: Who,
    },
    Lease {
        id: String,
    },
    /// Every lease under a path: `database/creds/ro`.
    Leases {
        prefix: String,
    },
    Version {
        path: String,
        version: u64,
    },
    Cert {
        mount: String,
        serial: String,
    },
    Grant {
        policy: String,
        path: String,
    },
}

/// Who authenticates, or what holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    AppRole {
        mount: String,
        role: String,
    },
    User {
        mount: String,
        user: String,
    },
    Entity {
        id: String,
    },
    /// A token that belongs to nobody: no login and no entity stands behind it.
    Token {
        accessor: String,
    },
    /// A secret of a KV store, by mount and path.
    Kv {
        path: String,
    },
    Pki {
        mount: String,
    },
}

impl Who {
    /// As people write it.
    pub(super) fn native(&self) -> String {
        let login =
            |kind: &str, mount: &str, name: &str| if mount == kind { format!("{kind}:{name}") } else { format!("{kind}:{mount}/{name}") };
        match self {
            Self::AppRole { mount, role } => login("approle", mount, role),
            Self::User { mount, user } => login("userpass", mount, user),
            Self::Entity { id } => format!("entity/{id}"),
            Self::Token { accessor } => token(accessor),
            Self::Kv { path } => format!("kv:{path}"),
            Self::Pki { mount } => format!("pki:{mount}"),
        }
    }
}

/// The name of an AppRole or user, where the server could have one of it.
pub(super) fn name(text: &str) -> Option<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    (text.len() <= NAME_BYTES_MAX && ends(text.bytes().next()) && ends(text.bytes().last()) && text.bytes().all(good))
        .then(|| text.to_ascii_lowercase())
}

/// An accessor, entity id or serial: letters, digits, `-`, `.`, `:`.
fn plain(text: &str) -> Option<&str> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (!text.is_empty() && text.len() <= 128 && !text.starts_with('.') && text.bytes().all(good)).then_some(text)
}

/// A path whose every part stays in its place.
pub(super) fn path(text: &str) -> Option<&str> {
    let stays = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.chars().any(char::is_control);
    (text.len() <= PATH_BYTES_MAX && text.split('/').all(stays)).then_some(text)
}

fn serial(text: &str) -> Option<String> {
    let pair = |p: &str| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit());
    (text.len() <= 128 && text.split(':').all(pair)).then(|| text.to_ascii_lowercase())
}

/// `NAME` or `MOUNT/NAME`; the name holds no `/`.
fn login(kind: &str, text: &str) -> Option<(String, String)> {
    let (mount, last) = text.rsplit_once('/').unwrap_or((kind, text));
    Some((path(mount)?.to_owned(), name(last)?))
}

/// Reads the native id of an identity; the reason why not is for a person.
pub(super) fn identity(text: &str) -> Result<Who, String> {
    let wanted =
        "an identity of OpenBao is named `approle:ROLE`, `userpass:USER`, `entity/ID`, `token:ACCESSOR`, `kv:MOUNT/PATH` or `pki:MOUNT`";
    let read = || -> Option<Who> {
        if let Some(id) = text.strip_prefix("entity/") {
            return Some(Who::Entity { id: plain(id)?.to_owned() });
        }
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "approle" => login(kind, rest).map(|(mount, role)| Who::AppRole { mount, role }),
            "userpass" => login(kind, rest).map(|(mount, user)| Who::User { mount, user }),
            "token" => Some(Who::Token { accessor: plain(rest)?.to_owned() }),
            "kv" => path(rest).filter(|p| p.contains('/')).map(|p| Who::Kv { path: p.to_owned() }),
            "pki" => Some(Who::Pki { mount: path(rest)?.to_owned() }),
            _ => None,
        }
    };
    read().ok_or_else(|| wanted.to_owned())
}

/// Reads a target's native id; the reason why not is for a person.
pub(super) fn of(target: &Target) -> Result<Native, String> {
    let text = crate::names::native(target)?;
    match target.kind {
        TargetKind::Identity => identity(text).map(Native::Who),
        TargetKind::Credential => credential(text).ok_or_else(|| {
            "a credential of OpenBao is named `approle:ROLE#secret_id:ACCESSOR`, `userpass:USER#password`, `token:ACCESSOR`, `lease:ID`, \
             `leases:PREFIX`, `kv:MOUNT/PATH#version:N`, `cert:MOUNT/SERIAL` or `IDENTITY#batch_tokens`"
                .to_owned()
        }),
        TargetKind::Session => text
            .strip_prefix("token:")
            .and_then(plain)
            .map(|accessor| Native::Token { accessor: accessor.to_owned() })
            .ok_or_else(|| "a session of OpenBao is a token, named `token:ACCESSOR`".to_owned()),
        TargetKind::Entitlement => text
            .strip_prefix("policy:")
            .and_then(|rest| rest.split_once('>'))
            .and_then(|(policy, granted)| {
                let stays = !granted.is_empty()
                    && granted.len() <= PATH_BYTES_MAX
                    && !granted.chars().any(|c| c.is_control() || c == '"' || c == '\\');
                (stays && path(policy).is_some()).then(|| Native::Grant { policy: policy.to_lowercase(), path: granted.to_owned() })
            })
            .ok_or_else(|| "an entitlement of OpenBao is named `policy:NAME>PATH`, the path as the policy writes it".to_owned()),
    }
}

fn credential(text: &str) -> Option<Native> {
    if let Some(accessor) = text.strip_prefix("token:") {
        return Some(Native::Token { accessor: plain(accessor)?.to_owned() });
    }
    if let Some(id) = text.strip_prefix("lease:") {
        return path(id).map(|id| Native::Lease { id: id.to_owned() });
    }
    if let Some(prefix) = text.strip_prefix("leases:") {
        return path(prefix).map(|prefix| Native::Leases { prefix: prefix.to_owned() });
    }
    if let Some(rest) = text.strip_prefix("cert:") {
        let (mount, last) = rest.rsplit_once('/')?;
        return Some(Native::Cert { mount: path(mount)?.to_owned(), serial: serial(last)? });
    }
    if let Some(rest) = text.strip_prefix("batch:") {
        let mut parts = rest.splitn(3, ':');
        let (until_s, entity, hash) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        let entity = if entity == "-" { None } else { Some(plain(entity)?.to_owned()) };
        return Some(Native::Batch { until_s, entity, hash: plain(hash)?.to_owned() });
    }
    let (owner, what) = text.rsplit_once('#')?;
    let who = identity(owner).ok()?;
    let (what, detail) = what.split_once(':').map_or((what, None), |(what, detail)| (what, Some(detail)));
    Some(match (who, what, detail) {
        (Who::AppRole { mount, role }, "secret_id", None) => Native::SecretIds { mount, role },
        // Accessors are longer than the five characters of a generation.
        (Who::AppRole { mount, role }, "secret_id", Some(accessor)) if accessor.len() > 12 => {
            Native::SecretId { mount, role, accessor: plain(accessor)?.to_owned() }
        }
        (who @ Who::AppRole { .. }, "secret_id" | "password", Some(generation))
            if generation.bytes().all(|b| b.is_ascii_alphanumeric()) && !generation.is_empty() =>
        {
            Native::Issued { who }
        }
        (Who::User { mount, user }, "password", None) => Native::Password { mount, user },
        (who @ Who::User { .. }, "password", Some(generation))
            if generation.bytes().all(|b| b.is_ascii_alphanumeric()) && !generation.is_empty() =>
        {
            Native::Issued { who }
        }
        (who @ (Who::AppRole { .. } | Who::User { .. } | Who::Entity { .. }), "batch_tokens", None) => Native::BatchTokens { who },
        (Who::Kv { path }, "version", Some(version)) => Native::Version { path, version: version.parse().ok()? },
        _ => return None,
    })
}

pub(super) fn token(accessor: &str) -> String {
    format!("token:{accessor}")
}

pub(super) fn secret_id(who: &Who, accessor: &str) -> String {
    format!("{}#secret_id:{accessor}", who.native())
}

pub(super) fn password(who: &Who) -> String {
    format!("{}#password", who.native())
}

pub(super) fn batch_tokens(who: &Who) -> String {
    format!("{}#batch_tokens", who.native())
}

pub(super) fn batch(until_s: i64, entity: &str, hash: &str) -> String {
    format!("batch:{until_s}:{}:{hash}", if entity.is_empty() { "-" } else { entity })
}

pub(super) fn lease(id: &str) -> String {
    format!("lease:{id}")
}

pub(super) fn version(path: &str, version: u64) -> String {
    format!("kv:{path}#version:{version}")
}

pub(super) fn cert(mount: &str, serial: &str) -> String {
    format!("cert:{mount}/{serial}")
}

pub(super) fn grant(policy: &str, path: &str) -> String {
    format!("policy:{policy}>{path}")
}

#[cfg(test)]
mod tests {
    use quell_core::{id::TargetId, personal::Salter};

    use super::*;

    fn target(kind: TargetKind, native: &str) -> Target {
        let id = TargetId::new("t-1");
        Target { id: id.clone(), plane: "bao".into(), kind, native: Salter::new([7; 32]).commit(native), identity: id }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let accessor = "1385f957-f51f-699a-aa25-eac5c8c978bb";
        let whos = [
            Who::AppRole { mount: "approle".into(), role: "ci".into() },
            Who::AppRole { mount: "teams/a".into(), role: "ci.x-1".into() },
            Who::User { mount: "userpass".into(), user: "alice".into() },
            Who::Entity { id: "0b89adec-3dc1".into() },
            Who::Token { accessor: "xnzlkc8l2wV9sLe0".into() },
            Who::Kv { path: "secret/a b/c".into() },
            Who::Pki { mount: "pki".into() },
        ];
        for who in whos {
            assert_eq!(identity(&who.native()), Ok(who.clone()));
            assert_eq!(of(&target(TargetKind::Identity, &who.native())), Ok(Native::Who(who)));
        }
        let ci = Who::AppRole { mount: "approle".into(), role: "ci".into() };
        let read = |native: &str| of(&target(TargetKind::Credential, native));
        assert_eq!(
            read(&secret_id(&ci, accessor)),
            Ok(Native::SecretId { mount: "approle".into(), role: "ci".into(), accessor: accessor.into() })
        );
        assert_eq!(read("approle:ci#secret_id:q7f3k"), Ok(Native::Issued { who: ci.clone() }));
        assert_eq!(read(&batch_tokens(&ci)), Ok(Native::BatchTokens { who: ci }));
        assert_eq!(read(&lease("database/creds/ro/abc")), Ok(Native::Lease { id: "database/creds/ro/abc".into() }));
        assert_eq!(read(&version("secret/billing", 3)), Ok(Native::Version { path: "secret/billing".into(), version: 3 }));
        assert_eq!(read(&batch(5, "", "ab")), Ok(Native::Batch { until_s: 5, entity: None, hash: "ab".into() }));
        assert_eq!(read(&batch(5, "e-1", "ab")), Ok(Native::Batch { until_s: 5, entity: Some("e-1".into()), hash: "ab".into() }));
        assert_eq!(read(&cert("pki", "5C:0e")), Ok(Native::Cert { mount: "pki".into(), serial: "5c:0e".into() }));
        assert_eq!(
            of(&target(TargetKind::Entitlement, &grant("ci", "secret/data/*"))),
            Ok(Native::Grant { policy: "ci".into(), path: "secret/data/*".into() })
        );
    }

    #[test]
    fn one_login_has_one_name() {
        assert_eq!(identity("approle:CI"), identity("approle:ci"));
        assert_eq!(identity("approle:approle/Ci"), identity("approle:ci"));
        assert_eq!(identity("userpass:Alice").map(|w| w.native()), Ok("userpass:alice".to_owned()));
    }

    #[test]
    fn what_could_leave_its_place_is_refused_before_it_is_sent() {
        let long = "x".repeat(10_000);
        for bad in [
            "",
            ".",
            "..",
            "../../sys/mounts",
            "a/../b",
            "a//b",
            "a\0b",
            "a\nb",
            "\u{7f}",
            long.as_str(),
            "%2e%2e/",
            "a'b",
            "a\"b",
            "\u{202e}ic",
            "a b",
        ] {
            for identity_of in ["approle:", "userpass:", "entity/", "token:"] {
                let text = format!("{identity_of}{bad}");
                // A mount may hold what a name may not.
                assert!(identity(&text).is_err(), "{text}");
            }
            assert!(of(&target(TargetKind::Session, &format!("token:{bad}"))).is_err());
        }
        for bad in ["", ".", "secret/..", "secret/../sys", "secret//x", "secret/a\0", "secret/\u{1b}[2J", long.as_str()] {
            for named in [
                format!("kv:{bad}"),
                format!("kv:{bad}#version:1"),
                format!("lease:{bad}"),
                format!("leases:{bad}"),
                format!("cert:{bad}/00:01"),
            ] {
                assert!(of(&target(TargetKind::Credential, &named)).is_err(), "{named}");
            }
            assert!(identity(&format!("kv:{bad}")).is_err());
        }
        for bad in ["policy:ci", "policy:>x", "policy:../x>y", "policy:ci>a\"b", "policy:ci>a\\b", "policy:ci>", "ci>x", "policy:ci>a\nb"] {
            assert!(of(&target(TargetKind::Entitlement, bad)).is_err(), "{bad}");
        }
        for bad in [
            "cert:pki/zz",
            "cert:pki/",
            "kv:secret/x#version:-1",
            "kv:secret/x#version:one",
            "approle:ci#password",
            "batch:x:-:y",
            "userpass:a#secret_id",
        ] {
            assert!(of(&target(TargetKind::Credential, bad)).is_err(), "{bad}");
        }
    }
}
