//! What a provider's things are called: `alice`, `client:ci`, `alice#password`,
//! `alice#grant:ID`, `alice#token:SHA256`, `alice#jwt:END:ID`, `session:ID>alice`.
//!
//! A person is named by the account's id, which tokens carry as `sub`; an application
//! that acts for itself is `client:` and its id, because its tokens belong to no account.
//! An opaque token is named by the SHA-256 of its value: it is long and random, so that
//! tells it apart and gives nothing away. A JWT is named by its end, in seconds since
//! 1970, and its `jti`: what proves its end needs nothing else. `client:ci#password` is a
//! client's secret (RFC 6749 section 2.3.1 calls it so).

use quell_core::target::{Target, TargetKind};

use crate::names;

/// Longest name of an account or a client.
const NAME_MAX: usize = 255;
const CLIENT: &str = "client:";

/// Who holds a credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Account(String),
    Client(String),
}

impl Who {
    pub(super) fn native(&self) -> String {
        match self {
            Self::Account(name) => name.clone(),
            Self::Client(id) => format!("{CLIENT}{id}"),
        }
    }
}

/// What a native id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Native {
    Who(Who),
    /// The generation of one that Quell made.
    Password {
        who: Who,
        generation: Option<String>,
    },
    /// What an account allowed an application, with the refresh tokens and access tokens
    /// that hang on it.
    Grant {
        account: String,
        id: String,
    },
    Token {
        who: Who,
        hash: String,
    },
    Jwt {
        who: Who,
        until_s: i64,
        jti: String,
    },
    Session {
        account: String,
        uid: String,
    },
}

/// A name that can be one part of a path and one of an id.
pub(super) fn name(text: &str) -> Option<&str> {
    let plain = !text.is_empty() && text.len() <= NAME_MAX && !text.chars().any(char::is_control);
    // A part of a path that is a dot, or two, is another place.
    (plain && text.trim() == text && text != "." && text != "..").then_some(text)
}

/// An id that the provider drew.
pub(super) fn id(text: &str) -> Option<&str> {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    (!text.is_empty() && text.len() <= 128 && text.bytes().all(known) && text != "." && text != "..").then_some(text)
}

/// The identity of a native id; the reason why not is for a person.
pub(super) fn who(text: &str) -> Result<Who, String> {
    let wanted = "an identity of a provider is an account's id, or `client:` and a client's";
    match text.strip_prefix(CLIENT) {
        Some(client) => Ok(Who::Client(name(client).ok_or(wanted)?.to_owned())),
        None => Ok(Who::Account(name(text).ok_or(wanted)?.to_owned())),
    }
}

/// Reads a target's native id; the reason why not is for a person.
pub(super) fn of(target: &Target) -> Result<Native, String> {
    let text = names::native(target)?;
    match target.kind {
        TargetKind::Identity => who(text).map(Native::Who),
        TargetKind::Credential => credential(text),
        TargetKind::Session => {
            let wanted = "a session of a provider is named `session:ID>ACCOUNT`";
            let (uid, account) = text.strip_prefix("session:").and_then(names::of_pair).ok_or(wanted)?;
            match (id(&uid), who(&account)?) {
                (Some(_), Who::Account(account)) => Ok(Native::Session { account, uid }),
                _ => Err(wanted.to_owned()),
            }
        }
        TargetKind::Entitlement => Err("permissions of a provider are not treated here".to_owned()),
    }
}

fn credential(text: &str) -> Result<Native, String> {
    let wanted = "a credential of a provider is named `WHO#password`, `ACCOUNT#grant:ID`, `WHO#token:SHA256` or `WHO#jwt:END:ID`";
    let (of, rest) = text.rsplit_once('#').ok_or(wanted)?;
    let who = who(of)?;
    if rest == "password" || rest.starts_with("password:") {
        let (_, generation) = names::of_password(text, wanted)?;
        return Ok(Native::Password { who, generation });
    }
    if let (Some(grant), Who::Account(account)) = (rest.strip_prefix("grant:"), &who) {
        return Ok(Native::Grant { account: account.clone(), id: id(grant).ok_or(wanted)?.to_owned() });
    }
    if let Some(hash) = rest.strip_prefix("token:") {
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        return if is_hash { Ok(Native::Token { who, hash: hash.to_owned() }) } else { Err(wanted.to_owned()) };
    }
    let (until, jti) = rest.strip_prefix("jwt:").and_then(|rest| rest.split_once(':')).ok_or(wanted)?;
    let until_s = until.parse().ok().filter(|s| *s > 0).ok_or(wanted)?;
    Ok(Native::Jwt { who, until_s, jti: id(jti).ok_or(wanted)?.to_owned() })
}

pub(super) fn grant(account: &str, id: &str) -> String {
    format!("{account}#grant:{id}")
}

pub(super) fn token(who: &Who, hash: &str) -> String {
    format!("{}#token:{hash}", who.native())
}

pub(super) fn jwt(who: &Who, until_s: i64, jti: &str) -> String {
    format!("{}#jwt:{until_s}:{jti}", who.native())
}

pub(super) fn session(uid: &str, account: &str) -> String {
    format!("session:{}", names::pair(uid, account))
}

#[cfg(test)]
mod tests {
    use quell_core::{id::TargetId, personal::Salter};

    use super::*;

    fn read(kind: TargetKind, native: &str) -> Result<Native, String> {
        let id = TargetId::new("t-1");
        of(&Target { id: id.clone(), plane: "oidc".into(), kind, native: Salter::new([7; 32]).commit(native), identity: id })
    }

    #[test]
    fn what_is_written_is_read_back() {
        let hash = "0123456789abcdef".repeat(4);
        for name in ["alice", "auth0|5f7c", "a#b", "o'neil@corp.example", "\u{fc}", "a>b", "a/b", "a%2Fb", "x:y"] {
            for whose in [Who::Account(name.into()), Who::Client(name.into())] {
                assert_eq!(read(TargetKind::Identity, &whose.native()), Ok(Native::Who(whose.clone())));
                let secret = Native::Password { who: whose.clone(), generation: None };
                assert_eq!(read(TargetKind::Credential, &names::password(&whose.native())), Ok(secret));
                let made = Native::Password { who: whose.clone(), generation: Some("q7f3k".into()) };
                assert_eq!(read(TargetKind::Credential, &format!("{}#password:q7f3k", whose.native())), Ok(made));
                let one = Native::Token { who: whose.clone(), hash: hash.clone() };
                assert_eq!(read(TargetKind::Credential, &token(&whose, &hash)), Ok(one));
                let one = Native::Jwt { who: whose.clone(), until_s: 1_800_000_000, jti: "Dfhq3M_-.~".into() };
                assert_eq!(read(TargetKind::Credential, &jwt(&whose, 1_800_000_000, "Dfhq3M_-.~")), Ok(one));
            }
            let one = Native::Grant { account: name.into(), id: "-kn".into() };
            assert_eq!(read(TargetKind::Credential, &grant(name, "-kn")), Ok(one));
            let one = Native::Session { account: name.into(), uid: "_Ph".into() };
            assert_eq!(read(TargetKind::Session, &session("_Ph", name)), Ok(one));
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_before_it_is_sent() {
        let long = "x".repeat(256);
        for name in ["", ".", "..", " a", "a ", "a\nb", "a\0", "\u{1b}[2J", long.as_str()] {
            for whose in [name.to_owned(), format!("{CLIENT}{name}")] {
                // `client:` and nothing is no account either.
                assert!(read(TargetKind::Identity, &whose).is_err(), "{whose:?}");
                assert!(read(TargetKind::Credential, &format!("{whose}#password")).is_err(), "{whose:?}");
                assert!(read(TargetKind::Session, &session("a", &whose)).is_err(), "{whose:?}");
            }
            assert!(read(TargetKind::Credential, &grant("alice", name)).is_err(), "{name:?}");
            assert!(read(TargetKind::Session, &session(name, "alice")).is_err(), "{name:?}");
        }
        for rest in
            ["grant:", "grant:a/b", "grant:a b", "token:", "token:xyz", "jwt:", "jwt:1", "jwt:x:a", "jwt:-1:a", "jwt:1:", "jwt:1:a/b"]
        {
            assert!(read(TargetKind::Credential, &format!("alice#{rest}")).is_err(), "{rest}");
        }
        for text in ["alice", "client:ci#grant:a", "alice#password:", "alice#password:a b", "alice#secret"] {
            assert!(read(TargetKind::Credential, text).is_err(), "{text}");
        }
        assert!(read(TargetKind::Session, "session:a>client:ci").is_err(), "an application has no session");
        assert!(read(TargetKind::Entitlement, "alice").is_err());
    }
}
