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

mod arn;
mod claim;
pub mod cloud;
mod credential;
mod ecs;
pub mod endpoint;
mod envelope;
pub mod feed;
mod field;
pub mod generic;
mod json;
pub mod mapping;
mod message;
pub mod ocsf;
pub mod platform;
mod principal;
pub mod quell;
mod reading;
mod record;
pub mod scanner;
mod severity;
pub mod siem;
pub mod sign_in;
mod spiffe;
mod statement;
pub mod telemetry;
pub mod time;
mod windows;
mod wording;

use std::ops::ControlFlow;

pub use crate::json::{Value, whole_lines};
use crate::{json::Found, mapping::Mapping};
use quell_core::{
    signal::{Readout, Unreadable},
    untrusted::Untrusted,
};
use quell_engine::port::Detectors;

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

/// The entry of one module: its name, what it reads, its two doors.
macro_rules! entry {
    ($($module:ident)::+) => {
        Detector {
            name: $($module)::+::NAME,
            reads: $($module)::+::READS,
            read: $($module)::+::read,
            recognises: $($module)::+::recognises,
        }
    };
}

/// Every detector that is built in, sorted by name. `auto` asks `generic` last.
pub const REGISTRY: &[Detector] = &[
    entry!(platform::ai_platform),
    entry!(sign_in::auth0),
    entry!(cloud::aws_cloudtrail),
    entry!(cloud::aws_guardduty),
    entry!(cloud::aws_securityhub_asff),
    entry!(endpoint::crowdstrike),
    entry!(scanner::detect_secrets),
    entry!(sign_in::duo),
    entry!(siem::elastic_security),
    entry!(cloud::envoy_access),
    entry!(endpoint::falco),
    entry!(cloud::gcp_audit),
    entry!(cloud::gcp_scc),
    entry!(generic),
    entry!(scanner::gitguardian),
    entry!(platform::github_audit),
    entry!(scanner::github_secret_scanning),
    entry!(scanner::gitleaks),
    entry!(platform::vault_audit),
    entry!(sign_in::keycloak),
    entry!(cloud::kubernetes_audit),
    entry!(endpoint::microsoft_defender_xdr),
    entry!(sign_in::entra),
    entry!(siem::microsoft_sentinel),
    entry!(ocsf),
    entry!(sign_in::okta),
    entry!(sign_in::onelogin),
    entry!(quell),
    entry!(siem::sigma_hit),
    entry!(cloud::spire_audit),
    entry!(siem::splunk_es_notable),
    entry!(sign_in::ssf_caep),
    entry!(platform::teleport),
    entry!(scanner::trufflehog),
    entry!(siem::wazuh),
];

/// The registry behind the engine's port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

impl Detectors for Builtin {
    fn names(&self) -> Vec<&'static str> {
        REGISTRY.iter().map(|d| d.name).collect()
    }

    fn read(&self, detector: &str, bytes: &[u8]) -> Readout {
        read(detector, bytes, &[])
    }
}

/// The registry and the mappings of an installation beside it.
#[derive(Default)]
pub struct Catalogue {
    own: Vec<Mapping>,
}

impl Catalogue {
    /// With mappings whose names differ; the name that two have, where two do.
    ///
    /// # Errors
    ///
    /// The name that comes twice.
    pub fn of(own: Vec<Mapping>) -> Result<Self, &'static str> {
        let twice = own.iter().enumerate().find(|(at, mapping)| own[..*at].iter().any(|other| other.name() == mapping.name()));
        match twice {
            Some((_, mapping)) => Err(mapping.name()),
            None => Ok(Self { own }),
        }
    }
}

impl Detectors for Catalogue {
    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = REGISTRY.iter().map(|d| d.name).chain(self.own.iter().map(Mapping::name)).collect();
        names.sort_unstable();
        names
    }

    fn read(&self, detector: &str, bytes: &[u8]) -> Readout {
        read(detector, bytes, &self.own)
    }
}

fn read(detector: &str, bytes: &[u8], own: &[Mapping]) -> Readout {
    if detector == AUTO {
        return match recognise(bytes) {
            Ok(found) => (found.read)(bytes),
            Err(reason) => refused(reason),
        };
    }
    if let Some(mapping) = own.iter().find(|mapping| mapping.name() == detector) {
        return mapping.read(bytes);
    }
    match REGISTRY.iter().find(|d| d.name == detector) {
        Some(found) => (found.read)(bytes),
        None => refused(format!("detector {} is unknown; name one of {}", Untrusted::new(detector).log(), known())),
    }
}

/// The detector whose message this is, judged by its first record alone, or the
/// reason why none is. An empty report has no shape, so nobody recognises it:
/// silence is only an answer where the sender's detector is known.
pub fn recognise(bytes: &[u8]) -> Result<&'static Detector, String> {
    let found = claimants(bytes)?;
    // The generic mapper reads what nobody else does.
    let named = found.iter().find(|d| d.name != generic::NAME).or(found.first());
    named.copied().ok_or_else(|| format!("no detector recognises this message; name its detector, one of {}", known()))
}

/// Every detector that takes the message for its own. More than one is a fault
/// of ours, which a test looks for.
pub fn claimants(bytes: &[u8]) -> Result<Vec<&'static Detector>, String> {
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
    let found = REGISTRY.iter().filter(|d| (d.recognises)(&record)).collect();
    Ok(found)
}

fn known() -> String {
    REGISTRY.iter().map(|d| format!("`{}`", d.name)).collect::<Vec<_>>().join(", ")
}

fn refused(reason: String) -> Readout {
    Readout { signals: Vec::new(), unreadable: vec![Unreadable { record: 0, reason }], records: 1 }
}
