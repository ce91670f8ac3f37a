//! Envelopes, taken off by one door for every detector.

use std::{fs, path::Path};

use quell_detectors::{REGISTRY, recognise};
use serde_json::{Value, json};

use crate::shown;

/// The first record of each detector's fixtures, as a detector gets it.
fn examples() -> Vec<(&'static str, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut out = Vec::new();
    for detector in REGISTRY {
        for file in fs::read_dir(root.join(detector.name)).unwrap().map(|f| f.unwrap().path()) {
            if file.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let bytes = fs::read(&file).unwrap();
            let whole = serde_json::from_slice::<Value>(&bytes).ok();
            let first = whole.or_else(|| serde_json::from_slice(bytes.split(|b| *b == b'\n').next()?).ok());
            let first = match first {
                Some(Value::Array(items)) => items.into_iter().next(),
                other => other,
            };
            out.extend(first.filter(|v| v.as_object().is_some_and(|m| !m.is_empty())).map(|v| (detector.name, v)));
        }
    }
    assert!(out.len() > 20);
    out
}

fn signals(name: &str, message: &Value) -> Vec<Value> {
    let detector = REGISTRY.iter().find(|d| d.name == name).unwrap();
    let mut lines = shown::lines(name, (detector.read)(message.to_string().as_bytes()));
    // The time of the envelope may stand in for one that the event lacks.
    for line in &mut lines {
        line["observed_at"] = Value::Null;
        line["observed_at_from"] = Value::Null;
        line["reasons"] = Value::Null;
    }
    lines
}

#[test]
fn every_detector_reads_the_same_inside_an_envelope_and_auto_knows_it_there() {
    for (name, body) in examples() {
        let plain = signals(name, &body);
        let text = body.to_string();
        let event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": "2026-09-21T10:00:00Z", "data": body});
        let envelopes = [
            json!({"version": "0", "id": "1", "detail-type": "Alert", "source": "custom", "account": "1", "time": "2026-09-21T10:00:00Z", "detail": body}),
            event.clone(),
            json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": text}),
            json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": base64(&text)}),
            json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:r:1:t", "Message": text, "Timestamp": "2026-09-21T10:00:00Z"}),
            json!({"subscription": "s", "message": {"messageId": "1", "data": base64(&text)}}),
            json!({"version": "0", "detail-type": "Alert", "source": "custom", "detail": event.clone()}),
            json!({"data": event, "log": "forwarded"}),
        ];
        for envelope in envelopes {
            assert_eq!(signals(name, &envelope), plain, "{name} in {envelope}");
            assert_eq!(signals(name, &json!([envelope])), plain, "{name} in a list");
            let known = |message: &Value| recognise(message.to_string().as_bytes()).map(|d| d.name);
            assert_eq!(known(&envelope), known(&body), "{name} in {envelope}");
        }
    }
}

#[test]
fn a_list_in_an_envelope_is_as_many_records() {
    let finding = json!({"class_uid": 2004, "finding_info": {"uid": "1"}, "user": {"uid": "u"}});
    let envelope = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": [finding, finding, 5]});
    let readout = quell_detectors::ocsf::read(envelope.to_string().as_bytes());
    assert_eq!((readout.signals.len(), readout.unreadable.len()), (2, 1));
}

#[test]
fn a_body_that_cannot_be_read_is_a_reason_and_never_a_crash() {
    let deep = "[".repeat(100_000);
    for body in ["not json", "{\"a\":", "{} trailing", deep.as_str()] {
        let message = json!({"Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": body});
        let readout = quell_detectors::ocsf::read(message.to_string().as_bytes());
        assert_eq!((readout.signals.len(), readout.unreadable.len()), (0, 1));
        let reason = &readout.unreadable[0].reason;
        assert!(reason.contains("body of the envelope is not JSON"), "{reason}");
    }
    let mut nested = json!({"class_uid": 2004});
    for _ in 0..40 {
        nested = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": nested});
    }
    let readout = quell_detectors::ocsf::read(nested.to_string().as_bytes());
    assert_eq!((readout.signals.len(), readout.unreadable.len()), (0, 1), "only a few envelopes are opened");
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            out.push(if at <= chunk.len() { char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]) } else { '=' });
        }
    }
    out
}
