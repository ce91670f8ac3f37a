//! What the directory's things are called: `uid=ann,ou=people,dc=x`,
//! `uid=ann,ou=people,dc=x#password`, `conn:1004@20261124083925Z>uid=ann,...`,
//! `member:uid=ann,...>cn=finance,...`.
//!
//! An entry has one password here (the policy overlay enforces it, mostly);
//! `#password:q7f3k` is the same place with a later generation in it. A
//! connection's number begins anew with the server, so its start is part of its
//! name, and whose it is, because an access rule cuts by name. In the parts of a
//! membership `%` and `>` are written `%25` and `%3E`.

use quell_core::target::{Target, TargetKind};

use super::dn::Dn;
use crate::names;

/// The attributes of a group that hold names of entries.
pub(super) const MEMBER: [&str; 2] = ["member", "uniqueMember"];

/// What a native id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Native {
    Entry(Dn),
    Password { entry: Dn, generation: Option<String> },
    Connection(Connection),
    Member(Member),
}

/// One connection of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub number: u64,
    /// As the server prints it: `20261124083925Z`.
    pub started: String,
    pub of: Dn,
}

/// One membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub attribute: &'static str,
    pub member: Dn,
    pub group: Dn,
}

/// Reads a target's native id; the reason why not is for a person.
pub(super) fn of(target: &Target) -> Result<Native, String> {
    let text = names::native(target)?;
    match target.kind {
        TargetKind::Identity => Ok(Native::Entry(Dn::parse(text)?)),
        TargetKind::Credential => {
            let wanted = "a credential of OpenLDAP is named `DN#password` or `DN#password:GENERATION`";
            let (owner, generation) = names::of_password(text, wanted)?;
            Ok(Native::Password { entry: Dn::parse(owner)?, generation })
        }
        TargetKind::Session => {
            let wanted = "a session of OpenLDAP is named `conn:NUMBER@START>DN`";
            let (which, of) = text.strip_prefix("conn:").and_then(|rest| rest.split_once('>')).ok_or(wanted)?;
            let (number, started) = which.split_once('@').ok_or(wanted)?;
            if started.len() > 24 || !started.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'Z') || started.is_empty() {
                return Err(wanted.to_owned());
            }
            let number = number.parse().map_err(|_| wanted)?;
            Ok(Native::Connection(Connection { number, started: started.to_owned(), of: Dn::parse(of)? }))
        }
        TargetKind::Entitlement => {
            let wanted = "an entitlement of OpenLDAP is named `member:DN>DN` or `uniqueMember:DN>DN`";
            let (attribute, rest) = text.split_once(':').ok_or(wanted)?;
            let attribute = MEMBER.into_iter().find(|known| *known == attribute).ok_or(wanted)?;
            let (member, group) = names::of_pair(rest).ok_or(wanted)?;
            Ok(Native::Member(Member { attribute, member: Dn::parse(&member)?, group: Dn::parse(&group)? }))
        }
    }
}

pub(super) fn password(entry: &str) -> String {
    names::password(entry)
}

pub(super) fn connection(number: u64, started: &str, of: &str) -> String {
    format!("conn:{number}@{started}>{of}")
}

pub(super) fn member(attribute: &str, member: &str, group: &str) -> String {
    format!("{attribute}:{}", names::pair(member, group))
}

#[cfg(test)]
mod tests {
    use quell_core::{id::TargetId, personal::Salter};

    use super::*;

    fn target(kind: TargetKind, native: &str) -> Target {
        let id = TargetId::new("t-1");
        Target { id: id.clone(), plane: "ldap".into(), kind, native: Salter::new([7; 32]).commit(native), identity: id }
    }

    #[test]
    fn hostile_names_are_read_back_as_they_were() {
        for value in [
            "ann",
            "a\\>b",
            "a\\3Eb",
            "%3E",
            "a%25\\>%",
            "x#password",
            "x#password:a",
            "o'neil",
            "\u{202e}nna",
            "a*)(uid=*",
            "\\\\",
            "\\22",
        ] {
            let text = format!("cn={value},ou=people,dc=x");
            let entry = Dn::parse(&text).expect(&text);
            let later = format!("{}:q7f3k", password(&text));
            assert_eq!(of(&target(TargetKind::Identity, &text)), Ok(Native::Entry(entry.clone())));
            assert_eq!(
                of(&target(TargetKind::Credential, &password(&text))),
                Ok(Native::Password { entry: entry.clone(), generation: None })
            );
            assert_eq!(
                of(&target(TargetKind::Credential, &later)),
                Ok(Native::Password { entry: entry.clone(), generation: Some("q7f3k".into()) })
            );
            let session = Connection { number: 1004, started: "20261124083925Z".into(), of: entry.clone() };
            assert_eq!(of(&target(TargetKind::Session, &connection(1004, "20261124083925Z", &text))), Ok(Native::Connection(session)));
            let membership = Member { attribute: "member", member: entry.clone(), group: entry };
            assert_eq!(of(&target(TargetKind::Entitlement, &member("member", &text, &text))), Ok(Native::Member(membership)));
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_before_it_is_sent() {
        let long = format!("cn={}", "x".repeat(10_000));
        for name in ["", "a\0b", "ann", "cn=a\0", long.as_str()] {
            assert!(of(&target(TargetKind::Identity, name)).is_err());
            assert!(of(&target(TargetKind::Credential, &password(name))).is_err());
            assert!(of(&target(TargetKind::Session, &connection(1, "20261124083925Z", name))).is_err());
            assert!(of(&target(TargetKind::Entitlement, &member("member", name, "cn=x"))).is_err());
        }
        for text in ["cn=x#password:", "cn=x#password:a b", "cn=x#passwords", "cn=x"] {
            assert!(of(&target(TargetKind::Credential, text)).is_err(), "{text}");
        }
        for text in ["", "conn:", "conn:1>cn=x", "conn:1@>cn=x", "conn:x@1Z>cn=x", "conn:1@1Z", "conn:1@soon>cn=x", "conn:-1@1Z>cn=x"] {
            assert!(of(&target(TargetKind::Session, text)).is_err(), "{text}");
        }
        for text in ["memberUid:cn=x>cn=y", "userPassword:cn=x>cn=y", "member:cn=x", "cn=x>cn=y"] {
            assert!(of(&target(TargetKind::Entitlement, text)).is_err(), "{text}");
        }
    }
}
