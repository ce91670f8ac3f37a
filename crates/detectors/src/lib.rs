//! Bytes of a detector to signals.
//!
//! Pure: no clock, file, socket or key. One file per detector, each with one
//! door, `read(&[u8]) -> Readout`, which never fails and never panics: what it
//! cannot read it hands back as unreadable, with a reason in our own words that
//! quotes nothing of the input. Nothing is invented: a message that names no
//! identity gives a signal without one, and a secret leaves only as a `Secret`.
//! Reading order: `json` (documents), `record` (what they wrap), `field`
//! (values), `time`, `credential`, `statement` (what one record says), `reading`
//! (the answer), then the detectors, by what they watch.

mod credential;
mod field;
mod json;
pub mod ocsf;
pub mod platform;
pub mod quell;
mod reading;
mod record;
pub mod scanner;
pub mod sign_in;
mod statement;
pub mod time;

use std::ops::ControlFlow;

use quell_core::{
    signal::{Readout, Unreadable},
    untrusted::Untrusted,
};
use quell_engine::port::Detectors;
use serde_json::Value;

use crate::{
    json::Found,
    platform::{ai_platform, github_audit, teleport, vault_audit},
    scanner::{detect_secrets, gitguardian, github_secret_scanning, gitleaks, trufflehog},
    sign_in::{auth0, duo, entra, keycloak, okta, onelogin, ssf_caep},
};

/// The name that asks for recognition instead of naming a detector.
pub const AUTO: &str = "auto";

/// One built-in detector.
pub struct Detector {
    /// As in `quell alert normalise --source`.
    pub name: &'static str,
    /// What it reads, for help and documentation.
    pub reads: &'static str,
    /// Reads one message whole.
    pub read: fn(&[u8]) -> Readout,
    /// Whether a message that starts with this record is one of this detector.
    pub recognises: fn(&Value) -> bool,
}

/// Every detector that is built in, sorted by name. `auto` asks them in this order.
#[rustfmt::skip]
pub const REGISTRY: &[Detector] = &[
    Detector { name: ai_platform::NAME, reads: ai_platform::READS, read: ai_platform::read, recognises: ai_platform::recognises },
    Detector { name: auth0::NAME, reads: auth0::READS, read: auth0::read, recognises: auth0::recognises },
    Detector { name: detect_secrets::NAME, reads: detect_secrets::READS, read: detect_secrets::read, recognises: detect_secrets::recognises },
    Detector { name: duo::NAME, reads: duo::READS, read: duo::read, recognises: duo::recognises },
    Detector { name: gitguardian::NAME, reads: gitguardian::READS, read: gitguardian::read, recognises: gitguardian::recognises },
    Detector { name: github_audit::NAME, reads: github_audit::READS, read: github_audit::read, recognises: github_audit::recognises },
    Detector { name: github_secret_scanning::NAME, reads: github_secret_scanning::READS, read: github_secret_scanning::read, recognises: github_secret_scanning::recognises },
    Detector { name: gitleaks::NAME, reads: gitleaks::READS, read: gitleaks::read, recognises: gitleaks::recognises },
    Detector { name: vault_audit::NAME, reads: vault_audit::READS, read: vault_audit::read, recognises: vault_audit::recognises },
    Detector { name: keycloak::NAME, reads: keycloak::READS, read: keycloak::read, recognises: keycloak::recognises },
    Detector { name: entra::NAME, reads: entra::READS, read: entra::read, recognises: entra::recognises },
    Detector { name: ocsf::NAME, reads: ocsf::READS, read: ocsf::read, recognises: ocsf::recognises },
    Detector { name: okta::NAME, reads: okta::READS, read: okta::read, recognises: okta::recognises },
    Detector { name: onelogin::NAME, reads: onelogin::READS, read: onelogin::read, recognises: onelogin::recognises },
    Detector { name: quell::NAME, reads: quell::READS, read: quell::read, recognises: quell::recognises },
    Detector { name: ssf_caep::NAME, reads: ssf_caep::READS, read: ssf_caep::read, recognises: ssf_caep::recognises },
    Detector { name: teleport::NAME, reads: teleport::READS, read: teleport::read, recognises: teleport::recognises },
    Detector { name: trufflehog::NAME, reads: trufflehog::READS, read: trufflehog::read, recognises: trufflehog::recognises },
];

/// The registry behind the engine's port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

impl Detectors for Builtin {
    fn names(&self) -> Vec<&'static str> {
        REGISTRY.iter().map(|d| d.name).collect()
    }

    fn read(&self, detector: &str, bytes: &[u8]) -> Readout {
        if detector == AUTO {
            return match recognise(bytes) {
                Ok(found) => (found.read)(bytes),
                Err(reason) => refused(reason),
            };
        }
        match REGISTRY.iter().find(|d| d.name == detector) {
            Some(found) => (found.read)(bytes),
            None => refused(format!("detector {} is unknown; name one of {}", Untrusted::new(detector).log(), known())),
        }
    }
}

/// The detector whose message this is, judged by its first record alone, or the
/// reason why none is. An empty report has no shape, so nobody recognises it:
/// silence is only an answer where the sender's detector is known.
pub fn recognise(bytes: &[u8]) -> Result<&'static Detector, String> {
    let mut first = None;
    json::each(bytes, &mut |found| {
        first = Some(found);
        ControlFlow::Break(())
    });
    let record = match first {
        Some(Found::Document(value) | Found::Element(value)) => value,
        Some(Found::Broken(reason)) => return Err(format!("{reason}; no detector recognises it")),
        None => Value::Null,
    };
    let found = REGISTRY.iter().find(|d| (d.recognises)(&record));
    json::wipe(record);
    found.ok_or_else(|| format!("no detector recognises this message; name its detector, one of {}", known()))
}

fn known() -> String {
    REGISTRY.iter().map(|d| format!("`{}`", d.name)).collect::<Vec<_>>().join(", ")
}

fn refused(reason: String) -> Readout {
    Readout { signals: Vec::new(), unreadable: vec![Unreadable { record: 0, reason }] }
}
