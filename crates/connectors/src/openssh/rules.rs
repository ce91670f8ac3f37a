//! What the files of a host say of one key or certificate: whether anything keeps it
//! out. It is what explains a refusal, and never by itself a statement about the running
//! sshd.

use russh::keys::Certificate as Issued;

use super::{
    look::{File, Look, Used},
    native::Certificate,
};

/// What the files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing that was read keeps it out.
    Open,
    /// What keeps it out, whoever comes from wherever.
    Shut(String),
    /// Why the files do not tell.
    Unclear(String),
}

fn unclear(why: impl Into<String>) -> Way {
    Way::Unclear(why.into())
}

/// The settings are those of the bootstrap and the list can be read, so that the files
/// mean what they say.
fn ground(look: &Look, account: &str) -> Result<(), Way> {
    if !look.list.is_whole() {
        let state = &look.list.state;
        return Err(unclear(format!("the list of refused keys is {state}, so sshd lets nobody in with a key, whoever it is")));
    }
    look.other_settings(account).map_or(Ok(()), |other| Err(Way::Unclear(other)))
}

/// Of a key by itself.
pub(super) fn key(look: &Look, account: &str, print: &str) -> Way {
    if let Err(way) = ground(look, account) {
        return way;
    }
    if look.list.has_key(print) {
        return Way::Shut("the list of refused keys holds it".to_owned());
    }
    if *look.file("keys", account) == File::Unreadable {
        return unclear("the keys of the account cannot be read");
    }
    let lines: Vec<_> = look.keys(account).into_iter().filter(|line| line.print == print).collect();
    match lines.iter().find(|line| line.is_authority()) {
        Some(_) => unclear("the line lets in what the key certified, and not the key itself"),
        None if lines.is_empty() => Way::Shut("no line of the account's keys has it".to_owned()),
        None => Way::Open,
    }
}

/// Of a certificate.
pub(super) fn certificate(look: &Look, one: &Certificate, issued: Option<&Issued>, used: Option<&Used>) -> Way {
    let account = one.account.as_str();
    if let Err(way) = ground(look, account) {
        return way;
    }
    let id = issued.map(Issued::key_id).or(used.map(|u| u.id.as_str()));
    if look.list.has_certificate(one, id) {
        return Way::Shut("the list of refused keys holds it".to_owned());
    }
    for part in ["principals", "keys", "authorities"] {
        let of = if part == "authorities" { "all" } else { account };
        if *look.file(part, of) == File::Unreadable {
            return unclear(format!("the {part} of the host cannot be read"));
        }
    }
    // A line of keys may name the authority itself, with principals of its own.
    if look.keys(account).iter().any(|line| line.is_authority() && line.print == one.authority) {
        return unclear("a line of the account's keys lets in what the authority certified");
    }
    if !look.authorities().contains(&one.authority) {
        return Way::Shut("sshd does not trust its authority".to_owned());
    }
    let principals = look.principals(account);
    match issued {
        _ if principals.is_empty() => Way::Shut("no principal may log in as the account".to_owned()),
        Some(issued) if !issued.valid_principals().iter().any(|p| principals.contains(p)) => {
            Way::Shut("none of its principals may log in as the account".to_owned())
        }
        Some(_) => Way::Open,
        None => unclear("only the log knows it, without its principals and its end"),
    }
}
