//! Native ids of an account, and what of a leaked text is a key of it.
//!
//! ```text
//! user/ci   role/deploy          an identity; names are unique whatever their path
//! AKIA...                        an access key
//! user/ci#password               the password of a login profile
//! user/ci#access_key:q7f3k       a key that a plan of Quell's had made
//! user/ci#sessions               every temporary credential of it so far
//! user/ci#permissions            whatever it may do
//! ```

use quell_core::{
    secret::Secret,
    target::{Target, TargetKind},
};

use crate::names;

const WANTED: &str = "expected `user/NAME` or `role/NAME`";

/// A user or a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    User(String),
    Role(String),
}

impl Who {
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once('/').ok_or(WANTED)?;
        let name = name(rest)?;
        match kind {
            "user" => Ok(Self::User(name)),
            "role" => Ok(Self::Role(name)),
            _ => Err(WANTED.to_owned()),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::Role(name) => name,
        }
    }

    pub(super) fn native(&self) -> String {
        match self {
            Self::User(name) => format!("user/{name}"),
            Self::Role(name) => format!("role/{name}"),
        }
    }
}

/// What a target names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Native {
    Identity(Who),
    Key {
        id: String,
    },
    /// The password of a user's login profile.
    Password {
        user: String,
    },
    /// A key that a plan had made: its own secret names it.
    Made {
        user: String,
    },
    /// Every temporary credential of it that was issued until it is denied.
    Sessions(Who),
    /// Whatever it may do.
    Permissions(Who),
}

/// A name of IAM: at most 128 of letters, digits and `+=,.@_-`.
pub(super) fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if text.is_empty() || text.len() > 128 || !text.chars().all(good) {
        return Err("expected a name of IAM: letters, digits and `+=,.@_-`, at most 128".to_owned());
    }
    Ok(text.to_owned())
}

/// `AKIA` or `ASIA` and 12 to 124 letters and digits.
pub(super) fn is_key_id(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && (text.starts_with("AKIA") || text.starts_with("ASIA"))
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

pub(super) fn of(target: &Target) -> Result<Native, String> {
    let text = names::native(target)?;
    let bad = || format!("`{}` is no {} of AWS", text.chars().take(60).collect::<String>(), target.kind.name());
    match target.kind {
        TargetKind::Identity => Who::of(text).map(Native::Identity),
        TargetKind::Credential if text.starts_with("AKIA") && is_key_id(text) => Ok(Native::Key { id: text.to_owned() }),
        TargetKind::Credential => {
            let (who, what) = text.split_once('#').ok_or_else(bad)?;
            let Who::User(user) = Who::of(who)? else { return Err(bad()) };
            let made = what.strip_prefix("access_key:").is_some_and(|g| !g.is_empty() && g.bytes().all(|b| b.is_ascii_alphanumeric()));
            match what {
                "password" => Ok(Native::Password { user }),
                _ if made => Ok(Native::Made { user }),
                _ => Err(bad()),
            }
        }
        TargetKind::Session => Who::of(text.strip_suffix("#sessions").ok_or_else(bad)?).map(Native::Sessions),
        TargetKind::Entitlement => Who::of(text.strip_suffix("#permissions").ok_or_else(bad)?).map(Native::Permissions),
    }
}

pub(super) fn password(user: &str) -> String {
    format!("user/{user}#password")
}

pub(super) fn permissions(who: &Who) -> String {
    format!("{}#permissions", who.native())
}

pub(super) fn sessions(who: &Who) -> String {
    format!("{}#sessions", who.native())
}

/// The first name of an access key in a leaked text.
pub(super) fn key_in(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| word.starts_with("AKIA") && is_key_id(word))
}

/// The first value in a leaked text that can be a secret access key: 40 characters of
/// base 64.
pub(super) fn secret_in(text: &str) -> Option<Secret> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '/' || c == '+';
    text.split(|c: char| !word(c)).find(|w| w.len() == 40).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_anything_else_is_refused() {
        assert_eq!(Who::of("user/ci"), Ok(Who::User("ci".into())));
        assert_eq!(Who::of("role/web@corp.example"), Ok(Who::Role("web@corp.example".into())));
        for text in ["", "ci", "user/", "user/a/b", "user/a b", "group/x", "user/a&Action=DeleteUser", "user/\n"] {
            assert!(Who::of(text).is_err(), "{text:?}");
        }
        assert!(is_key_id("AKIAIOSFODNN7EXAMPLE"));
        for text in ["AKIA", "AIDAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLe", "AKIAIOSFODNN7EXAMPLE&x=y"] {
            assert!(!is_key_id(text), "{text}");
        }
    }

    #[test]
    fn a_key_is_found_in_the_forms_that_it_leaks_in() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        for text in [
            format!("AKIAIOSFODNN7EXAMPLE:{secret}"),
            format!("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key={secret}\n"),
        ] {
            assert_eq!(key_in(&text), Some("AKIAIOSFODNN7EXAMPLE"), "{text}");
            assert_eq!(secret_in(&text).expect("found").expose(), secret);
        }
        assert_eq!(key_in("xAKIAIOSFODNN7EXAMPLE"), None);
        assert!(secret_in("AKIAIOSFODNN7EXAMPLE").is_none());
    }
}
