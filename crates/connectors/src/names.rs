//! What native ids of several planes have in common. `OWNER#password:q7f3k` is the
//! same place as `OWNER#password` with a later generation in it, so that the death
//! of the old one and the life of the new one are two facts. In the parts of a pair
//! `%` and `>` are written `%25` and `%3E`.

use quell_core::target::Target;

/// A target's native id; the reason why not is for a person.
pub(crate) fn native(target: &Target) -> Result<&str, String> {
    target.native.value().ok_or_else(|| "the name of the target was erased".to_owned())
}

pub(crate) fn password(owner: &str) -> String {
    format!("{owner}#password")
}

/// The owner of a password, and its generation.
pub(crate) fn of_password<'a>(text: &'a str, wanted: &str) -> Result<(&'a str, Option<String>), String> {
    let (owner, rest) = text.rsplit_once("#password").ok_or(wanted)?;
    let generation = match rest.strip_prefix(':') {
        Some(g) if !g.is_empty() && g.bytes().all(|b| b.is_ascii_alphanumeric()) => Some(g.to_owned()),
        None if rest.is_empty() => None,
        _ => return Err(wanted.to_owned()),
    };
    Ok((owner, generation))
}

pub(crate) fn pair(one: &str, other: &str) -> String {
    let escape = |name: &str| name.replace('%', "%25").replace('>', "%3E");
    format!("{}>{}", escape(one), escape(other))
}

pub(crate) fn of_pair(text: &str) -> Option<(String, String)> {
    let unescape = |name: &str| name.replace("%3E", ">").replace("%25", "%");
    text.split_once('>').map(|(one, other)| (unescape(one), unescape(other)))
}
