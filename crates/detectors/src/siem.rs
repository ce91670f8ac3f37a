//! Detectors of systems that collect other detectors' alerts.
//!
//! They carry events of others: an event of CloudTrail, Google or Windows inside
//! is read as those detectors read it.

pub mod elastic_security;
pub mod microsoft_sentinel;
pub mod sigma_hit;
pub mod splunk_es_notable;
pub mod wazuh;

use crate::{
    claim::Claim,
    cloud::{aws_cloudtrail, gcp_audit},
    field::field,
    json::Value,
    windows::event::Event,
};

/// Reads an event of another system that stands inside an alert; its time.
fn read_carried(event: &Value, claim: &mut Claim) -> Option<Option<Value>> {
    if aws_cloudtrail::is_event(event) {
        aws_cloudtrail::read_event(event, claim);
        return Some(field(event, "eventTime").cloned());
    }
    if gcp_audit::is_entry(event) {
        gcp_audit::read_entry(event, claim);
        return Some(field(event, "timestamp").cloned());
    }
    let windows = Event::of(event)?;
    claim.kind = windows.kind();
    claim.event = windows.key();
    claim.title = match &windows.host {
        Some(host) => format!("Windows event {} of {} on {host}", windows.number, windows.channel),
        None => format!("Windows event {} of {}", windows.number, windows.channel),
    };
    windows.read(claim);
    Some(windows.time)
}
