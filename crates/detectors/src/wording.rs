//! The kind of a signal, read from the words of a vendor's type or title.
//!
//! Vendors have no shared vocabulary, so the most telling words come first. A
//! kind decides no action by itself; it orders and names.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use quell_core::signal::SignalKind;

/// The kind that `words` tell, and the word that told it.
pub fn kind(words: &str) -> Option<(SignalKind, &'static str)> {
    let Searched { automaton, found, leaks, credentials } = &*SEARCHED;
    // The most telling word, wherever it stands.
    let (mut telling, mut leak, mut credential) = (None, None, false);
    for word in automaton.find_overlapping_iter(&bare(words)).map(|word| word.pattern().as_usize()) {
        match word {
            word if word < found.len() => telling = Some(telling.map_or(word, |first: usize| first.min(word))),
            word if word < *leaks => leak = Some(leak.map_or(word, |first: usize| first.min(word))),
            word => credential |= word < *credentials,
        }
    }
    match leak {
        Some(leak) if credential => Some((SignalKind::LeakedSecret, LEAKS[leak - found.len()])),
        _ => found.get(telling?).copied(),
    }
}

/// `words` in lower case, without what parts them.
fn bare(words: &str) -> Vec<u8> {
    let lower = if words.is_ascii() { words.to_ascii_lowercase() } else { words.to_lowercase() };
    let mut bare = lower.into_bytes();
    bare.retain(|byte| !matches!(byte, b' ' | b'-' | b'_'));
    bare
}

/// All words, sought in one pass: what each stands for, then the words that tell
/// of a leak, then those of what can leak; the places where these end.
struct Searched {
    automaton: AhoCorasick,
    found: Vec<(SignalKind, &'static str)>,
    leaks: usize,
    credentials: usize,
}

static SEARCHED: LazyLock<Searched> = LazyLock::new(|| {
    let found: Vec<_> = WORDS.iter().flat_map(|(kind, words)| words.iter().map(|word| (*kind, *word))).collect();
    let all: Vec<&str> = found.iter().map(|(_, word)| *word).chain(LEAKS).chain(CREDENTIALS).collect();
    let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(&all).expect("a hundred short words");
    Searched { automaton, leaks: found.len() + LEAKS.len(), credentials: all.len(), found }
});

const LEAKS: [&str; 2] = ["exposed", "leak"];
const CREDENTIALS: [&str; 8] = ["credential", "secret", "accesskey", "apikey", "token", "password", "privatekey", "accountkey"];

/// The words of a key: split where a sign or a capital begins another.
pub fn words(key: &str) -> Vec<String> {
    let chars: Vec<char> = key.chars().take(120).collect();
    let mut out: Vec<String> = Vec::new();
    let mut word = String::new();
    for (at, c) in chars.iter().copied().enumerate() {
        let before = at.checked_sub(1).map(|i| chars[i]);
        let after = chars.get(at + 1).copied();
        let begins = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_ascii_digit())
                || (before.is_some_and(char::is_uppercase) && after.is_some_and(char::is_lowercase)));
        if begins || !c.is_alphanumeric() {
            out.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    out.extend((!word.is_empty()).then_some(word));
    // Words that are written as one.
    out.into_iter()
        .flat_map(|w| match w.as_str() {
            "username" => vec!["user".to_owned(), "name".to_owned()],
            "userid" => vec!["user".to_owned(), "id".to_owned()],
            "useremail" => vec!["user".to_owned(), "email".to_owned()],
            "principalid" => vec!["principal".to_owned(), "id".to_owned()],
            "eventtime" => vec!["event".to_owned(), "time".to_owned()],
            _ => vec![w],
        })
        .collect()
}

/// Words in lower case without spaces, hyphens and underscores.
const WORDS: &[(SignalKind, &[&str])] = &[
    (
        SignalKind::CredentialChange,
        &[
            "accesskeycreat",
            "createaccesskey",
            "keycreated",
            "keycreation",
            "apikeycreat",
            "tokencreat",
            "createapiclient",
            "passwordreset",
            "resetpassword",
            "passwordchange",
            "changepassword",
            "mfadisabled",
            "disablemfa",
            "deactivatemfa",
            "mfadeactivat",
        ],
    ),
    (
        SignalKind::AccountChange,
        &["accountcreat", "usercreat", "createuser", "accountdelet", "userdelet", "deleteuser", "accountlock", "newuseradded"],
    ),
    (
        SignalKind::RiskySignIn,
        &[
            "consolelogin",
            "signin",
            "impossibletravel",
            "atypicaltravel",
            "login",
            "logon",
            "passwordspray",
            "bruteforce",
            "mfafatigue",
            "authenticationfail",
        ],
    ),
    (
        SignalKind::PrivilegeChange,
        &[
            "privilegeescalation",
            "privilegechange",
            "permissionchange",
            "policychange",
            "anomalousgrant",
            "rolebinding",
            "addusertogroup",
            "roleassign",
            "rolecreat",
            "adminaccess",
            "addedtoprivileged",
            "addedtoadmin",
        ],
    ),
    (SignalKind::PolicyViolation, &["policy:", "policyviolation", "rootcredentialusage"]),
    (SignalKind::Posture, &["softwareandconfigurationchecks", "misconfiguration", "compliance", "posture", "vulnerabilit"]),
    (
        SignalKind::AnomalousUse,
        &[
            "unauthorizedaccess",
            "anomalousbehavior",
            "anomal",
            "unusual",
            "malicious",
            "suspicious",
            "exfiltration",
            "credentialaccess",
            "initialaccess",
            "validaccounts",
            "compromised",
            "decoy",
            "defenseevasion",
            "stealth",
            "persistence",
            "lateralmovement",
            "discovery",
            "recon",
            "execution",
            "commandandcontrol",
            "impact:",
            "attack",
            "pentest",
            "ttps/",
            "effects/",
        ],
    ),
];
