//! Envoy access logs as JSON, for the workload that called.
//!
//! Operators choose the names of the fields, so the workload is sought by value:
//! a SPIFFE id in a field of the peer (`DOWNSTREAM_PEER_URI_SAN`), in the
//! forwarded client certificate (`x-forwarded-client-cert`, its last element is
//! nearest), or in the properties of the gRPC log. The own certificate (`By=`,
//! `local`, `upstream`) is not the caller's. Access log and XFCC reference of
//! Envoy 1.35 (read 2026-11).

use quell_core::signal::{CredentialKind, Detected, ObservedFrom, Readout, SignalKind};

use crate::{
    claim::{Claim, Who},
    field::{as_text, at, field, integer, text, text_at, type_name},
    json::Value,
    message, spiffe,
};

/// The detector's name.
pub const NAME: &str = "envoy-access";
/// What it reads.
pub const READS: &str = "Envoy access logs as JSON (file, gRPC), for the SPIFFE id of the caller";
const LISTS: &[&str] = &["log_entry"];

/// Reads entries.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an entry of Envoy's access log: marks that only Envoy writes.
pub fn recognises(first: &Value) -> bool {
    let entry = match at(first, &["http_logs"]).or_else(|| at(first, &["tcp_logs"])) {
        Some(logs) => message::first(logs, LISTS),
        None => message::first(first, LISTS),
    };
    const MARKS: &[&str] = &[
        "response_flags",
        "upstream_cluster",
        "upstream_host",
        "downstream_remote_address",
        "downstream_local_address",
        "upstream_local_address",
        "upstream_transport_failure_reason",
        "response_code_details",
        "connection_termination_details",
        "requested_server_name",
        "route_name",
        "downstream_peer_uri_san",
        "x_forwarded_client_cert",
    ];
    let flat = MARKS.iter().filter(|m| entry.get(m).is_some()).count() >= 2 && entry.get("class_uid").is_none();
    flat || at(entry, &["common_properties", "downstream_remote_address"]).is_some()
}

fn detected(entry: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !entry.is_object() {
        return Err(format!("expected an access log entry as an object, found {}", type_name(entry)));
    }
    if !recognises(entry) {
        return Err("fewer than two fields of Envoy's access log are there; name them as Envoy's operators do".into());
    }
    let null = Value::Null;
    let common = field(entry, "common_properties").unwrap_or(&null);
    let get = |names: &[&str]| names.iter().find_map(|n| text(entry, n)).filter(|t| t != "-");
    let mut claim = Claim::new(NAME);
    match caller(entry, common) {
        Some((who, domain)) => {
            claim.because("the caller's certificate names this workload");
            claim.subject = who;
            claim.system = Some(domain);
            claim.credential = certificate(entry, common).map(|id| (CredentialKind::Certificate, Some(id)));
        }
        None => claim.because("no certificate of the caller is logged, so nobody is named"),
    }
    claim.ip = get(&["downstream_remote_address", "downstream_direct_remote_address", "x_forwarded_for"])
        .or_else(|| text_at(common, &["downstream_remote_address", "socket_address", "address"]))
        .map(|a| a.split(',').next().unwrap_or(&a).trim().to_owned());
    let code = integer(entry, "response_code").or_else(|| at(entry, &["response", "response_code"]).and_then(|c| c.as_i64()));
    let method = get(&["method", "request_method"]).or_else(|| text_at(entry, &["request", "request_method"])).unwrap_or_default();
    let to = get(&["authority", "upstream_cluster", "requested_server_name"]).or_else(|| text_at(entry, &["request", "authority"]));
    // The path may carry tokens, so the title goes without it.
    claim.title = format!("{method} to {} answered {}", to.unwrap_or_else(|| "a service".into()), code.unwrap_or(0)).trim().to_owned();
    let details = get(&["response_code_details"]).unwrap_or_default();
    let denied = matches!(code, Some(401 | 403)) || details.contains("rbac_access_denied") || details.contains("ext_authz_denied");
    claim.kind = if denied { SignalKind::PolicyViolation } else { SignalKind::Other };
    claim.event = ["x_request_id", "request_id", "start_time", "connection_id"].iter().map(|n| get(&[n]).unwrap_or_default()).collect();
    claim.event.push(claim.title.clone());
    let start = ["start_time", "timestamp", "time", "@timestamp"].map(|n| (ObservedFrom::Event, field(entry, n)));
    Ok(claim.detected(start.into_iter().chain([(ObservedFrom::Event, field(common, "start_time")), (ObservedFrom::VendorUpdate, sent)])))
}

/// The workload that called.
fn caller(entry: &Value, common: &Value) -> Option<(Who, String)> {
    let peer = ["downstream_peer_uri_san", "peer_uri_san", "downstream_peer_san", "source_principal", "client_spiffe_id", "peer_principal"];
    let flat = peer.iter().find_map(|n| text(entry, n)).and_then(|t| spiffe::first_in(&t));
    let names = at(common, &["tls_properties", "peer_certificate_properties", "subject_alt_name"]).and_then(Value::as_array);
    let grpc = || names?.iter().filter_map(|n| text(n, "uri")).find_map(|u| spiffe::workload(&u));
    flat.or_else(grpc).or_else(|| spiffe::workload(&forwarded(entry)?.uri?))
}

/// The caller's certificate: its fingerprint, else its serial number.
fn certificate(entry: &Value, common: &Value) -> Option<String> {
    let names = ["downstream_peer_fingerprint_256", "downstream_peer_serial", "downstream_peer_fingerprint_1"];
    let grpc = || text_at(common, &["tls_properties", "peer_certificate_properties", "serial_number"]);
    names.iter().find_map(|n| text(entry, n)).filter(|t| t != "-").or_else(grpc).or_else(|| forwarded(entry)?.hash)
}

/// The last element of the forwarded client certificate.
struct Forwarded {
    uri: Option<String>,
    hash: Option<String>,
}

fn forwarded(entry: &Value) -> Option<Forwarded> {
    let names = ["x_forwarded_client_cert", "x-forwarded-client-cert", "xfcc", "forwarded_client_cert"];
    let headers = field(entry, "request_headers").or_else(|| at(entry, &["request", "request_headers"])).unwrap_or(&Value::Null);
    let header = names.iter().find_map(|n| field(entry, n).or_else(|| field(headers, n))).and_then(as_text)?;
    let element = split(&header, ',').pop()?;
    let pairs = split(&element, ';');
    let value = |key: &str| {
        let found = pairs.iter().find_map(|p| p.split_once('=').filter(|(k, _)| k.trim().eq_ignore_ascii_case(key)))?;
        Some(found.1.trim().trim_matches('"').to_owned()).filter(|v| !v.is_empty())
    };
    Some(Forwarded { uri: value("URI"), hash: value("Hash") })
}

/// Splits at `at` outside double quotes.
fn split(text: &str, at: char) -> Vec<String> {
    let (mut out, mut quoted, mut part) = (Vec::new(), false, String::new());
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                part.push(c);
            }
            c if c == at && !quoted => out.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    out.push(part);
    out
}
