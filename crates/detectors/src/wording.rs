//! The kind of a signal, read from the words of a vendor's type or title.
//!
//! Vendors have no shared vocabulary, so the most telling words come first. A
//! kind decides no action by itself; it orders and names.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use quell_core::signal::SignalKind;

/// The kind that `words` tell, and the word that told it.
pub fn kind(words: &str) -> Option<(SignalKind, &'static str)> {
    let lower: String = words.to_lowercase().chars().filter(|c| !matches!(c, ' ' | '-' | '_')).collect();
    let leak = ["exposed", "leak"].into_iter().find(|w| lower.contains(w));
    let credential = leak.is_some()
        && ["credential", "secret", "accesskey", "apikey", "token", "password", "privatekey", "accountkey", "serviceaccountkey"]
            .iter()
            .any(|w| lower.contains(w));
    if let Some(word) = leak
        && credential
    {
        return Some((SignalKind::LeakedSecret, word));
    }
    let (searched, found) = &*SEARCHED;
    // The most telling word, wherever it stands.
    let first = searched.find_overlapping_iter(&lower).map(|word| word.pattern().as_usize()).min()?;
    found.get(first).copied()
}

/// All words, sought in one pass, and what each stands for.
static SEARCHED: LazyLock<(AhoCorasick, Vec<(SignalKind, &'static str)>)> = LazyLock::new(|| {
    let found: Vec<_> = WORDS.iter().flat_map(|(kind, words)| words.iter().map(|word| (*kind, *word))).collect();
    let searched = AhoCorasick::new(found.iter().map(|(_, word)| word)).expect("a hundred short words");
    (searched, found)
});

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
