//! The kind of a signal, read from the words of a vendor's type or title.
//!
//! Vendors have no shared vocabulary, so the most telling words come first. A
//! kind decides no action by itself; it orders and names.

use quell_core::signal::SignalKind;

/// The kind that `words` tell, and the word that told it.
pub fn kind(words: &str) -> Option<(SignalKind, &'static str)> {
    let lower: String = words.to_lowercase().chars().filter(|c| !matches!(c, ' ' | '-' | '_')).collect();
    let leak = ["exposed", "leak"].into_iter().find(|w| lower.contains(w));
    let credential = ["credential", "secret", "accesskey", "apikey", "token", "password", "privatekey", "accountkey", "serviceaccountkey"]
        .iter()
        .any(|w| lower.contains(w));
    if let Some(word) = leak
        && credential
    {
        return Some((SignalKind::LeakedSecret, word));
    }
    WORDS.iter().find_map(|(kind, words)| words.iter().find(|w| lower.contains(*w)).map(|w| (*kind, *w)))
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
