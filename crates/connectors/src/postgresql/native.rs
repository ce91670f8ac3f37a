//! What PostgreSQL's things are called: `billing_app`, `billing_app#password`,
//! `pid:4711@1763884800123456`, `member:deploy>billing_app`.
//!
//! A role has one password; `billing_app#password:q7f3k` is that same place with
//! a later generation in it, so that the death of the old one and the life of
//! the new one are two facts.
//!
//! Role names may hold any byte but NUL, so `%` and `>` in the parts of a
//! membership are written `%25` and `%3E`. Every name comes from outside and is
//! read here once; the statements take names as parameters only.

use quell_core::target::{Target, TargetKind};

use crate::names;

/// The longest role name, in bytes; a longer one is another name cut short.
const ROLE_BYTES_MAX: usize = 63;

/// What a native id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Native {
    Role(String),
    Password { role: String, generation: Option<String> },
    Session { pid: i32, started_us: i64 },
    Member { member: String, role: String },
}

/// The name, where PostgreSQL could have a role of it.
pub(super) fn role(name: &str) -> Option<&str> {
    (!name.is_empty() && name.len() <= ROLE_BYTES_MAX && !name.contains('\0')).then_some(name)
}

/// Reads a target's native id; the reason why not is for a person.
pub(super) fn of(target: &Target) -> Result<Native, String> {
    let text = names::native(target)?;
    let named =
        |name: &str| role(name).map(str::to_owned).ok_or_else(|| "it is not a role name of PostgreSQL (1 to 63 bytes, no NUL)".to_owned());
    match target.kind {
        TargetKind::Identity => Ok(Native::Role(named(text)?)),
        TargetKind::Credential => {
            let wanted = "a credential of PostgreSQL is named `ROLE#password` or `ROLE#password:GENERATION`";
            let (owner, generation) = names::of_password(text, wanted)?;
            Ok(Native::Password { role: named(owner)?, generation })
        }
        TargetKind::Session => {
            let wanted = || "a session of PostgreSQL is named `pid:NUMBER@MICROSECONDS`".to_owned();
            let (pid, started) = text.strip_prefix("pid:").and_then(|rest| rest.split_once('@')).ok_or_else(wanted)?;
            Ok(Native::Session { pid: pid.parse().map_err(|_| wanted())?, started_us: started.parse().map_err(|_| wanted())? })
        }
        TargetKind::Entitlement => {
            let (member, group) =
                text.strip_prefix("member:").and_then(names::of_pair).ok_or("an entitlement of PostgreSQL is named `member:ROLE>ROLE`")?;
            Ok(Native::Member { member: named(&member)?, role: named(&group)? })
        }
    }
}

pub(super) fn password(role: &str) -> String {
    names::password(role)
}

pub(super) fn session(pid: i32, started_us: i64) -> String {
    format!("pid:{pid}@{started_us}")
}

pub(super) fn member(member: &str, role: &str) -> String {
    format!("member:{}", names::pair(member, role))
}

#[cfg(test)]
mod tests {
    use quell_core::{id::TargetId, personal::Salter};

    use super::*;

    fn target(kind: TargetKind, native: &str) -> Target {
        let id = TargetId::new("t-1");
        Target { id: id.clone(), plane: "pg".into(), kind, native: Salter::new([7; 32]).commit(native), identity: id }
    }

    #[test]
    fn hostile_names_are_read_back_as_they_were() {
        for name in ["billing_app", "a>b", "%3E", "a%25>%", "x#password", "\"; DROP ROLE x; --", "\u{202e}ppa", "O'Neil", "\\"] {
            assert_eq!(
                of(&target(TargetKind::Entitlement, &member(name, "g>%"))),
                Ok(Native::Member { member: name.into(), role: "g>%".into() })
            );
            assert_eq!(of(&target(TargetKind::Credential, &password(name))), Ok(Native::Password { role: name.into(), generation: None }));
            let later = format!("{}:q7f3k", password(name));
            let read = Native::Password { role: name.into(), generation: Some("q7f3k".into()) };
            assert_eq!(of(&target(TargetKind::Credential, &later)), Ok(read));
            assert_eq!(of(&target(TargetKind::Identity, name)), Ok(Native::Role(name.into())));
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_before_it_is_sent() {
        let long = "x".repeat(10_000);
        for name in ["", "a\0b", long.as_str(), &"ä".repeat(32)] {
            assert!(of(&target(TargetKind::Identity, name)).is_err());
            assert!(of(&target(TargetKind::Credential, &password(name))).is_err());
            assert!(of(&target(TargetKind::Entitlement, &member(name, "x"))).is_err());
        }
        for credential in ["x#password:", "x#password:a b", "x#passwords", "x#password ", "x:password"] {
            assert!(of(&target(TargetKind::Credential, credential)).is_err(), "{credential}");
        }
        for session in ["", "pid:", "pid:1", "pid:1@", "pid:x@1", "pid:99999999999@1", "pid:1@2@3", "4711@1"] {
            assert!(of(&target(TargetKind::Session, session)).is_err(), "{session}");
        }
    }
}
