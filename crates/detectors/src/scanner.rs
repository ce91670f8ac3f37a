//! Detectors that report a secret and a place.
//!
//! None of them says whose the secret is: author and committer typed or moved a
//! line, a sender opened or closed an alert. Only what the secret itself opened,
//! where a scanner tried it, names an identity.

pub mod detect_secrets;
pub mod gitguardian;
pub mod github_secret_scanning;
pub mod gitleaks;
pub mod trufflehog;

use std::collections::BTreeMap;

use quell_core::{
    secret::{Secret, sha256},
    signal::{CredentialKind, SignalKind},
};

use crate::{
    credential::weigh,
    statement::{Named, Statement},
};

/// Where a secret was found, and by which rule.
#[derive(Default)]
struct Place {
    rule: Option<String>,
    file: Option<String>,
    line: Option<String>,
    commit: Option<String>,
    /// Whatever else tells one place from another.
    other: Vec<String>,
}

impl Place {
    /// The statement that `value` was found here. Its credential is of the kind
    /// that the value betrays, else `kind`.
    fn leaks(&self, source: &'static str, value: Option<String>, kind: CredentialKind) -> Statement {
        let shown = |text: &Option<String>| text.clone().unwrap_or_default();
        let (rule, file, line) = (shown(&self.rule), shown(&self.file), shown(&self.line));
        let mut said = Statement::new(source, SignalKind::LeakedSecret, title(&rule, &file, &line));
        said.of_secret = true;
        said.because("a scanner reports a place and a value, not whose it is; the value itself must tell");
        said.key = vec![rule, file, shown(&self.commit), line];
        said.key.extend(self.other.iter().cloned());
        let weighed = weigh(value.unwrap_or_default());
        said.reasons.extend(weighed.reason.map(str::to_owned));
        said.credential = Some(Named { kind: weighed.kind.unwrap_or(kind), id: weighed.id, secret: weighed.secret });
        said
    }
}

/// Tells apart findings whose places are equal and whose secrets differ: older
/// reports give no line, and two keys of one rule in one file must not become
/// one event. The digests stay in memory for the length of one message.
#[derive(Default)]
struct Places(BTreeMap<String, BTreeMap<String, usize>>);

impl Places {
    fn key(&mut self, base: String, secret: Option<&Secret>) -> String {
        self.key_of(base, secret.map(Secret::expose).unwrap_or_default())
    }

    /// `distinct` may be a secret or a digest of one; neither gets into the key.
    fn key_of(&mut self, base: String, distinct: &str) -> String {
        let known = self.0.entry(base.clone()).or_default();
        let next = known.len();
        match *known.entry(sha256(distinct.as_bytes())).or_insert(next) {
            0 => base,
            n => format!("{base}#{n}"),
        }
    }
}

fn title(rule: &str, file: &str, line: &str) -> String {
    let rule = if rule.is_empty() { "without a name" } else { rule };
    match (file, line) {
        ("", _) => format!("Leaked secret by rule {rule}"),
        (file, "" | "0") => format!("Leaked secret by rule {rule} in {file}"),
        (file, line) => format!("Leaked secret by rule {rule} in {file}, line {line}"),
    }
}

/// The kind of credential where the rule's name leaves no doubt. The rules for
/// generic keys and private keys match too much to say.
fn kind_of_rule(rule: &str) -> CredentialKind {
    let rule = rule.trim().to_ascii_lowercase().replace([' ', '_'], "-");
    let ends = |suffixes: &[&str]| suffixes.iter().any(|s| rule.ends_with(s));
    if rule.starts_with("generic") || rule.contains("private-key") {
        CredentialKind::Unknown
    } else if ["aws", "aws-access-token", "aws-access-key", "aws-access-key-id", "aws-secret-key", "aws-secret-access-key", "aws-keys"]
        .contains(&rule.as_str())
    {
        CredentialKind::AccessKey
    } else if ends(&["service-account-key", "service-account-credentials"]) {
        CredentialKind::ServiceAccountKey
    } else if ends(&["-refresh-token"]) {
        CredentialKind::RefreshToken
    } else if ends(&["-session-token", "-session-cookie"]) {
        CredentialKind::Session
    } else if ends(&["-client-secret"]) {
        CredentialKind::OauthClient
    } else if ends(&["-pat", "-token", "-oauth", "-access-tokens"]) || ["jwt", "jwt-base64", "json-web-token"].contains(&rule.as_str()) {
        CredentialKind::Token
    } else if ends(&["-api-key", "-io-key"]) {
        CredentialKind::ApiKey
    } else if ends(&["password", "basic-auth-credentials"]) {
        CredentialKind::Password
    } else {
        CredentialKind::Unknown
    }
}
