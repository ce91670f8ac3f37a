//! Steps that people do by hand, where no connector serves a system.
//!
//! An alert may name an identity of any system, and Quell speaks to few of them. For
//! the others a plan has the same steps in the same order, in the words of the system's
//! own console, each with what whoever does it must bring. What they bring is *recorded*:
//! it never makes anything DEAD (invariant 5), and the case says who said what.
//!
//! The words are ours and hold no name of anybody: whom a step is about stands beside it,
//! where it can be erased. The terms are those publicly known in
//! November 2026, and none was tried against a vendor's tenant.

mod plan;
mod words;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

pub(crate) use self::plan::sentence;
pub use self::plan::{Ground, INSTEAD_OF, PROOF, Standing, Subject, life, plan, said_of, standing, stands_for};
use self::words::Words;
use crate::{
    action::Action,
    decision::Role,
    finding::Finding,
    personal::Personal,
    signal::{CredentialKind, IdentityKind, SignalKind},
};

/// What a sender says of an identity that neither inventory nor plane knows: it words
/// what people are asked to do, and nothing else rests on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub kind: IdentityKind,
    pub name: Option<Personal>,
}

/// One step for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What a connector would do here; none for the last step, which looks.
    pub instead_of: Option<Action>,
    /// It is about one credential, and not about the whole identity.
    pub of_credential: bool,
    /// What is to be done.
    pub task: String,
    /// What shows that it was done: what was seen, and where.
    pub proof: String,
    /// What goes on working after it.
    pub survives: Vec<String>,
}

/// Of how many things one message may speak for people to be asked by hand about those in
/// it: a crowd of made-up names floods nobody, and stands in the cases as before.
pub const NAMED_MAX: u64 = 50;

/// The longest name of a system that a sender may give, in bytes.
const SYSTEM_MAX: usize = 200;

/// The name of a system as a target bears it, of what a sender calls it; none where that
/// is no name. A `/` would end it in a reference.
pub fn system(said: &str) -> Option<String> {
    let name = said.trim().trim_start_matches("https://").trim_matches('/').replace('/', ".");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '@');
    (!name.is_empty() && name.len() <= SYSTEM_MAX && name.chars().all(plain)).then_some(name)
}

/// Whether these words of a sender name somebody for certain: not where they are cut, nor
/// where they would fill a page.
pub fn is_name(word: &str) -> bool {
    let length = word.chars().count();
    length > 0 && length <= 256 && !word.chars().any(char::is_control)
}

/// What is done by hand for one identity of `system`, and for one credential of it where
/// one is known: the identity, the credential, open sessions, and a last look at what
/// survives and whether it is dead. Never empty, in the order of [`place`].
///
/// `kind` is the kind that the inventory gives the system, where it lists it.
pub fn steps(system: &str, kind: Option<&str>, identity: IdentityKind, credential: Option<CredentialKind>) -> Vec<Asked> {
    let words = words::of(system, kind);
    let is_key = credential.is_some_and(is_key);
    let is_person = matches!(identity, IdentityKind::Human | IdentityKind::Unknown);
    let on = |what: &str| format!("By hand on `{system}`: {what}");
    let mut steps = Vec::new();
    let mut push = |instead_of: Action, of_credential: bool, task: String, proof: &str, survives: &[&str]| {
        steps.push(Asked {
            instead_of: Some(instead_of),
            of_credential,
            task,
            proof: proof.to_string(),
            survives: survives.iter().map(|s| (*s).to_string()).collect(),
        });
    };

    if let Some(sessions) = if is_key { words.minted } else { words.sessions } {
        let still = ["whoever holds another working credential comes back until that is cut, too"];
        push(Action::TerminateSessions, false, on(sessions), words.sessions_ended, &still);
    }
    // A reported credential is cut by itself; where none is named, the identity is closed.
    if matches!(credential, None | Some(CredentialKind::Unknown)) {
        let still = ["sessions and tokens that were given out before, where the system does not end them itself"];
        push(Action::SuspendIdentity, false, on(words.suspend), words.suspended, &still);
    }
    if is_key || !is_person {
        let task = on(&revoking(words, credential));
        push(Action::RevokeCredential, credential.is_some(), task, words.revoked, &["what was made or opened with it before"]);
    } else {
        let still = ["sessions that were opened with the old one, until they end"];
        push(Action::RotateCredential, credential.is_some(), on(words.replace), words.replaced, &still);
    }
    steps.sort_by_key(|asked| place(asked.instead_of));
    steps.push(Asked {
        instead_of: None,
        of_credential: false,
        task: on(&format!("look for what survives, and end it ({}); then see that what was reported is dead", words.survives.join("; "))),
        proof: words.dead.to_string(),
        survives: words.survives.iter().map(|s| (*s).to_string()).collect(),
    });
    steps
}

/// Where a step stands: what opens sessions is cut before the sessions that it opened, or
/// whoever holds it opens another; the look at what survives comes last.
pub(crate) fn place(instead_of: Option<Action>) -> u8 {
    match instead_of {
        Some(Action::SuspendIdentity) => 0,
        Some(Action::TerminateSessions) => 2,
        Some(_) => 1,
        None => 3,
    }
}

/// What a person finds out where a finding names nobody on our planes: a leaked value that
/// no plane knows, or an event without a subject. It is said beside the finding and asked
/// of nobody by name, so that a flood of such findings floods no one.
pub fn nobody(finding: &Finding) -> Option<Asked> {
    if finding.resolved.is_some() || finding.outcome.is_some() || finding.unreadable || !finding.counts() {
        return None;
    }
    let (task, proof) = match finding.kind {
        SignalKind::LeakedSecret => (
            "find whose it is: who owns the place where it was found, and what it opens; then bring its fingerprint (`quell inventory fingerprint`) into the inventory beside its credential, or open a case about whom it belongs to (`quell case open SYSTEM/ID`)",
            "the identity that it belongs to, or who says that it never worked",
        ),
        _ => (
            "find out whom it is about, and open a case about them (`quell case open SYSTEM/ID`), or end the finding with an outcome",
            "the identity, or why there is none",
        ),
    };
    Some(Asked { instead_of: None, of_credential: false, task: task.to_string(), proof: proof.to_string(), survives: Vec::new() })
}

fn revoking(words: &Words, credential: Option<CredentialKind>) -> String {
    let what = credential.map_or("every key, token and certificate of it", name);
    format!("take back the {what}; give its rightful consumer a new one first where it has one ({})", words.revoke)
        .replace("the every", "every")
}

/// A credential in a sentence.
pub fn name(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Password => "password",
        CredentialKind::AccessKey => "access key",
        CredentialKind::ApiKey => "API key",
        CredentialKind::Token => "token",
        CredentialKind::RefreshToken => "refresh token",
        CredentialKind::Session => "session",
        CredentialKind::Certificate => "certificate",
        CredentialKind::SshKey => "SSH key",
        CredentialKind::SecretId => "secret-id",
        CredentialKind::ServiceAccountKey => "service account key",
        CredentialKind::Ticket => "ticket",
        CredentialKind::OauthClient => "client secret",
        CredentialKind::Unknown => "credential",
    }
}

/// It is taken back by itself; of the others the password behind them is replaced.
fn is_key(kind: CredentialKind) -> bool {
    use CredentialKind as K;
    match kind {
        K::Password | K::Session | K::Ticket | K::Unknown => false,
        K::AccessKey
        | K::ApiKey
        | K::Token
        | K::RefreshToken
        | K::Certificate
        | K::SshKey
        | K::SecretId
        | K::ServiceAccountKey
        | K::OauthClient => true,
    }
}

/// How the system is called in words, and which kinds of connectors speak to such a
/// system where one is connected; none where only people can.
pub fn family(system: &str, kind: Option<&str>) -> (&'static str, &'static [&'static str]) {
    let words = words::of(system, kind);
    (words.called, words.served_by)
}

/// Who is asked: the owner of the platform, else the identity team, else the lead. Where
/// nobody holds any of these roles, the response owner has it.
pub fn addressee(holds: impl Fn(Role) -> bool) -> Role {
    [Role::PlatformOwner, Role::Iam, Role::Lead].into_iter().find(|role| holds(*role)).unwrap_or(Role::ResponseOwner)
}
