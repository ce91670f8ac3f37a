//! What real data demands of scanners, sign-in logs and platform audits, one
//! sentence a test, over messages written by hand.

mod batch;
mod containment;
mod payload;
mod secret;
mod weight;
mod whom;

use quell_core::signal::Signal;
use quell_detectors::Builtin;
use quell_engine::port::Detectors;
use serde_json::{Value, json};

fn all(source: &str, message: &Value) -> Vec<Signal> {
    let readout = Builtin.read(source, message.to_string().as_bytes());
    assert!(readout.unreadable.is_empty(), "{source}: {:?} on {message}", readout.unreadable);
    readout.signals.into_iter().map(|d| d.signal).collect()
}

fn one(source: &str, message: Value) -> Signal {
    let mut signals = all(source, &message);
    assert_eq!(signals.len(), 1, "{source}: {message}");
    signals.remove(0)
}

fn subject(signal: &Signal) -> Option<&str> {
    signal.subject.native_id.as_deref()
}

fn credential(signal: &Signal) -> Option<&str> {
    signal.credential.as_ref().and_then(|c| c.id.as_deref())
}

/// A record with other values at some JSON pointers.
fn with(record: &Value, changes: &[(&str, Value)]) -> Value {
    let mut record = record.clone();
    for (pointer, value) in changes {
        match record.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                record.pointer_mut(parent).unwrap()[name] = value.clone();
            }
        }
    }
    record
}

fn okta(event_type: &str) -> Value {
    json!({
        "uuid": "u-1", "published": "2026-08-01T05:00:00Z", "eventType": event_type, "severity": "INFO", "displayMessage": "m",
        "actor": {"id": "00uadm", "type": "User", "alternateId": "root@corp.example", "displayName": "Root"},
        "authenticationContext": {"externalSessionId": "idx-admin"}, "outcome": {"result": "SUCCESS"},
        "target": [{"id": "00uida", "type": "User", "alternateId": "ida@corp.example", "displayName": "Ida Holm"}]
    })
}

fn duo(action: &str, object: Value, username: &str) -> Value {
    json!({"action": action, "object": object, "username": username, "isotimestamp": "2026-06-02T09:00:00+00:00"})
}

fn github(action: &str, fields: Value) -> Value {
    let mut entry =
        json!({"action": action, "actor": "root-corp", "actor_id": 101, "created_at": 1_793_500_000_150_i64, "org": "corp-example"});
    entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    entry
}

fn vault(path: &str, stage: &str) -> Value {
    json!({"time": "2026-12-01T00:03:00Z", "type": stage, "auth": {"accessor": "acc-own", "display_name": "userpass-ida", "entity_id": "ent-ida"},
        "request": {"id": "q-1", "operation": "update", "mount_type": "token", "path": path, "data": {"accessor": "acc-other"}}})
}

fn caep(event: &str, body: Value) -> Value {
    json!({"iss": "https://idp.corp.example/", "jti": "j-1", "iat": 1_790_000_100, "sub_id": {"format": "iss_sub", "iss": "https://idp.corp.example/", "sub": "u-ida"},
        "events": {format!("https://schemas.openid.net/secevent/{event}"): body}})
}
