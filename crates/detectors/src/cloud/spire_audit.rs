//! SPIRE Server audit log as JSON.
//!
//! Each entry is one call of the server's API. Minting, banning and changing an
//! agent or an entry is about the SPIFFE id that it names; all else about the
//! caller: a workload or agent by its id, or a local process by its path, which
//! is nobody's identity. Audit log of SPIRE 1.14 (read 2026-11).

use quell_core::signal::{CredentialKind, Detected, ObservedFrom, Readout, SignalKind};

use crate::{
    claim::{Claim, Who},
    field::{field, text, type_name},
    json::Value,
    message, spiffe,
};

/// The detector's name.
pub const NAME: &str = "spire-audit";
/// What it reads.
pub const READS: &str = "SPIRE Server audit log entries as JSON";

/// Reads entries.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, &[], detected)
}

/// Whether `first` is an entry of SPIRE's audit log.
pub fn recognises(first: &Value) -> bool {
    let audit = text(first, "type").is_some_and(|t| t == "audit");
    let marks = ["request_id", "caller_id", "caller_addr", "caller_uid", "caller_path", "authorized_as", "method", "service"];
    audit
        && text(first, "status").is_some()
        && marks.iter().filter(|m| first.get(m).is_some()).count() >= 2
        && first.get("request").is_none()
}

fn detected(entry: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !entry.is_object() {
        return Err(format!("expected an audit entry as an object, found {}", type_name(entry)));
    }
    if !recognises(entry) {
        return Err("`type` is not `audit` with a status and a caller, so this is no audit entry of SPIRE".into());
    }
    let mut claim = Claim::new(NAME);
    let method = text(entry, "method").unwrap_or_default();
    let failed = text(entry, "status").is_some_and(|s| s == "error");
    let caller = text(entry, "caller_id").and_then(|id| spiffe::workload(&id));
    let named = ["spiffe_id", "agent_id", "svid_id"].iter().find_map(|n| text(entry, n)).and_then(|id| spiffe::workload(&id));
    claim.kind = kind(&method);
    claim.containment_evidence = !failed && is_containment(&method);
    if claim.containment_evidence {
        claim.because("the server shut an agent or an authority out, which is evidence of containment");
    }
    let about_named = !method.starts_with("Get") && !method.starts_with("List") && !method.starts_with("Count");
    let subject = if about_named && named.is_some() {
        claim.because("the call is about the SPIFFE id that it names");
        claim.actor = caller.map_or_else(Who::default, |(who, _)| who);
        named
    } else {
        caller.or(named.filter(|_| !about_named))
    };
    match subject {
        Some((who, domain)) => {
            claim.subject = who;
            claim.system = Some(domain);
        }
        None => claim.because("the caller is a local process of the server, which is nobody's identity"),
    }
    let serial = ["serial_num", "serial_number", "jti"].iter().find_map(|n| text(entry, n));
    let kind_of_credential = if method.contains("JWT") { CredentialKind::Token } else { CredentialKind::Certificate };
    claim.credential = serial.map(|id| (kind_of_credential, Some(id)));
    claim.ip = text(entry, "caller_addr");
    claim.title = match (text(entry, "service"), failed) {
        (Some(service), true) => format!("{method} of {service} was refused"),
        (Some(service), false) => format!("{method} of {service}"),
        (None, _) => method.clone(),
    };
    if failed {
        claim.because("the call failed");
    }
    claim.event = ["request_id", "time", "entry_id", "registration_id"].iter().map(|n| text(entry, n).unwrap_or_default()).collect();
    claim.event.push(method);
    Ok(claim.detected([(ObservedFrom::Event, field(entry, "time")), (ObservedFrom::VendorUpdate, sent)]))
}

/// Calls that end what an agent or a signing authority can do.
fn is_containment(method: &str) -> bool {
    ["BanAgent", "DeleteAgent", "EvictAgent", "TaintX509Authority", "TaintJWTAuthority", "RevokeX509Authority", "RevokeJWTAuthority"]
        .contains(&method)
}

fn kind(method: &str) -> SignalKind {
    if is_containment(method) {
        SignalKind::Containment
    } else if ["Mint", "New", "BatchNew"].iter().any(|p| method.starts_with(p)) || method.ends_with("SVID") {
        SignalKind::SessionEvent
    } else if method.contains("JoinToken") || method.contains("Attest") {
        SignalKind::CredentialChange
    } else if method.contains("Federation") || method.contains("Bundle") {
        SignalKind::DelegationChange
    } else if method.contains("Entry") {
        SignalKind::PrivilegeChange
    } else {
        SignalKind::Other
    }
}
