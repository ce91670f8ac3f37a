//! What a text that a scanner calls a secret really is.
//!
//! Masks and templates are no secrets, a key id is an identifier, the first line
//! of a private key is the same in all of them, and of a connection address only
//! the password counts. Taking one of these for the secret would fold strangers
//! into one finding, or call an identifier possession.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use quell_core::{secret::Secret, signal::CredentialKind};

/// What was found in the text.
#[derive(Default)]
pub struct Weighed {
    pub secret: Option<Secret>,
    /// An identifier that may be shown.
    pub id: Option<String>,
    /// Where the text itself makes the kind clear.
    pub kind: Option<CredentialKind>,
    pub reason: Option<&'static str>,
}

/// Weighs `text`, which is wiped unless it is the secret.
pub fn weigh(text: String) -> Weighed {
    let text = Secret::new(text);
    let shown = text.expose();
    if let Some(reason) = not_secret(shown) {
        return Weighed { reason: Some(reason), ..Weighed::default() };
    }
    if is_aws_key_id(shown) {
        return Weighed {
            id: Some(shown.to_owned()),
            kind: Some(CredentialKind::AccessKey),
            reason: Some("the reported value is an access key id, which identifies the key and is not the secret part of it"),
            ..Weighed::default()
        };
    }
    if let Some(rest) = shown.strip_prefix("-----BEGIN ") {
        let body = rest.split_once("-----").map_or("", |(_, body)| body);
        if body.bytes().filter(u8::is_ascii_alphanumeric).take(16).count() < 16 {
            let reason =
                "only the first line of a private key is reported, which is the same in all of them; there is nothing to fingerprint";
            return Weighed { reason: Some(reason), ..Weighed::default() };
        }
        let kind = rest.starts_with("OPENSSH PRIVATE KEY").then_some(CredentialKind::SshKey);
        return Weighed { secret: Some(text), kind, ..Weighed::default() };
    }
    if let Some(password) = address_password(shown) {
        if let Some(reason) = not_secret(password.expose()) {
            return Weighed { reason: Some(reason), ..Weighed::default() };
        }
        return Weighed {
            secret: Some(password),
            kind: Some(CredentialKind::Password),
            reason: Some("the reported value is a connection address; the password in it counts"),
            ..Weighed::default()
        };
    }
    Weighed { secret: Some(text), ..Weighed::default() }
}

/// The value of an assignment such as `TOKEN="abc"`, which gitleaks up to
/// version 7 reports whole; the whole text where it is no assignment.
pub fn assigned(text: &str) -> &str {
    let text = text.trim();
    let Some(at) = text.find(['=', ':']) else { return text };
    let (name, rest) = text.split_at(at);
    let name = name.trim_matches(|c: char| matches!(c, '"' | '\'' | '`' | ' ' | '\t' | '[' | ']'));
    let value = rest.trim_start_matches([':', '=', '>', ' ', '\t']);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '"' | '\''));
    // `abc==` is Base64 and `https://..` an address: no value follows a name.
    if !is_name || value.is_empty() || value.starts_with("//") {
        return text;
    }
    match value.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => value[1..].split(quote).next().unwrap_or(value),
        _ => value.trim_end_matches([';', ',', '"', '\'', ' ']),
    }
}

/// What issuers reserve for secrets.
const PREFIXES: &[&str] =
    &["ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xapp-", "hvs.", "hvb.", "-----BEGIN "];

/// Whether a secret can stand anywhere in `text`: one quick pass, which most
/// texts end with.
pub fn may_hold_secret(text: &str) -> bool {
    static SEARCHED: LazyLock<AhoCorasick> =
        LazyLock::new(|| AhoCorasick::new(PREFIXES.iter().chain(&["eyJ"])).expect("a dozen short texts"));
    SEARCHED.is_match(text)
}

/// Whether `text`, given where an identifier belongs, is a secret by its form:
/// prefixes that issuers reserve for secrets, JSON Web Tokens, private keys.
pub fn has_form_of_secret(text: &str) -> bool {
    let text = text.trim();
    // Nearly every word of a message is none by its first letter.
    if !text.starts_with(['g', 'x', 'h', 'e', '-']) {
        return false;
    }
    PREFIXES.iter().any(|p| text.starts_with(p)) || (text.starts_with("eyJ") && text.matches('.').count() == 2)
}

/// An AWS access key id: 4 letters that say so and 16 more characters.
pub fn is_aws_key_id(text: &str) -> bool {
    text.len() == 20
        && ["AKIA", "ASIA", "ABIA", "ACCA"].iter().any(|p| text.starts_with(p))
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Why `text` is no secret at all, if it is none.
fn not_secret(text: &str) -> Option<&'static str> {
    const WORDS: &[&str] = &["redacted", "removed", "masked", "hidden", "null", "none", "undefined", "n/a"];
    const MASKED: &str = "the reported value is redacted; there is nothing to fingerprint";
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
    if text.is_empty() {
        return Some("no value is reported; there is nothing to fingerprint");
    }
    if bare.is_empty() || WORDS.iter().any(|w| bare.eq_ignore_ascii_case(w)) || text.chars().all(|c| matches!(c, 'x' | 'X')) {
        return Some(MASKED);
    }
    if text.contains("****") || text.ends_with("...") || text.ends_with('…') {
        return Some("the reported value is redacted in part; there is nothing to fingerprint");
    }
    let wrapped = |open: &str, close: &str| text.starts_with(open) && text.ends_with(close);
    if wrapped("${", "}") || wrapped("{{", "}}") || wrapped("<", ">") || wrapped("%(", ")s") {
        return Some("the reported value is a template, filled in elsewhere; there is nothing to fingerprint");
    }
    None
}

/// The password in `scheme://user:password@host`, its percent-encoding undone.
fn address_password(text: &str) -> Option<Secret> {
    let (scheme, rest) = text.split_once("://")?;
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let authority = rest.split(['/', '?', '#', '"', '\'', ' ', '\n']).next()?;
    let (user, _host) = authority.rsplit_once('@')?;
    let (_name, password) = user.split_once(':')?;
    (!password.is_empty()).then(|| Secret::new(percent_decoded(password)))
}

/// RFC 3986 section 2.1; text that is not so encoded stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let decoded = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(decoded.unwrap_or(bytes[at]));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
