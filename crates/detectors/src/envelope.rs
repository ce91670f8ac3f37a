//! What a carrier puts around a message: one door, used for every detector.
//!
//! EventBridge (`detail`), CloudEvents 1.0 (`data`, `data_base64`), SNS over
//! HTTPS (`Message`) and Pub/Sub push (`message.data`), also one inside the
//! other and inside a forwarder's record (`data`). Marks are exact, so that no
//! alert is taken for an envelope. An envelope without a body is handed on as it
//! is: what it says of its sender may be all there is. The envelope's time is
//! when it was sent; the event's own time, inside, comes before it.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::json::{self, Found, Value};

/// Envelopes inside envelopes that are opened.
const DEPTH_MAX: usize = 4;

/// Hands `value` to `take` with everything around it taken off, and with the
/// time of the innermost envelope.
pub fn open(value: Value, take: &mut dyn FnMut(Found, Option<&Value>) -> std::ops::ControlFlow<()>) -> std::ops::ControlFlow<()> {
    opened(value, None, DEPTH_MAX, take)
}

fn opened(
    value: Value,
    sent: Option<&Value>,
    depth: usize,
    take: &mut dyn FnMut(Found, Option<&Value>) -> std::ops::ControlFlow<()>,
) -> std::ops::ControlFlow<()> {
    let Value::Object(mut map) = value else { return take(Found::Document(value), sent) };
    let Some(carried) = carrier(&map).filter(|_| depth > 0) else { return take(Found::Document(Value::Object(map)), sent) };
    let time = carried.time.and_then(|name| map.remove(name));
    let sent = time.as_ref().or(sent);
    let body = match carried.body {
        Body::Plain(name) => map.remove(name).unwrap_or_default(),
        Body::Base64(name) => decoded(map.remove(name).unwrap_or_default()),
        Body::Inside(name, inner) => {
            decoded(map.remove(name).and_then(|v| if let Value::Object(mut m) = v { m.remove(inner) } else { None }).unwrap_or_default())
        }
    };
    let body = match body {
        Value::String(text) => match json::document(text.as_bytes()) {
            Ok(value) => value,
            Err(_) => {
                return take(Found::Broken("the body of the envelope is not JSON; send the alert itself".into()), sent);
            }
        },
        other => other,
    };
    match body {
        Value::Array(items) => items.into_iter().try_for_each(|item| opened(item, sent, depth - 1, take)),
        body => opened(body, sent, depth - 1, take),
    }
}

struct Carried {
    body: Body,
    time: Option<&'static str>,
}

enum Body {
    Plain(&'static str),
    Base64(&'static str),
    Inside(&'static str, &'static str),
}

/// The marks by which each carrier is known.
fn carrier(map: &json::Map) -> Option<Carried> {
    let is_text = |name: &str| map.get(name).is_some_and(Value::is_string);
    let has_body = |name: &str| match map.get(name) {
        Some(Value::Object(body)) => !body.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::String(text)) => !text.trim().is_empty(),
        _ => false,
    };
    let carried = |body, time| Some(Carried { body, time });
    if is_text("detail-type") && is_text("source") && has_body("detail") {
        return carried(Body::Plain("detail"), Some("time"));
    }
    if is_text("specversion") && is_text("type") && is_text("source") {
        return match (has_body("data"), has_body("data_base64")) {
            (true, _) => carried(Body::Plain("data"), Some("time")),
            (_, true) => carried(Body::Base64("data_base64"), Some("time")),
            _ => None,
        };
    }
    if is_text("TopicArn") && is_text("MessageId") && has_body("Message") {
        return carried(Body::Plain("Message"), Some("Timestamp"));
    }
    if is_text("subscription") && map.get("message").is_some_and(|m| m.get("data").is_some_and(Value::is_string)) {
        return carried(Body::Inside("message", "data"), None);
    }
    // A forwarder's own record around one of these, recognised by its inside alone.
    let inner = map.get("data").and_then(Value::as_object)?;
    let holds_envelope = inner.get("detail-type").is_some_and(Value::is_string) && inner.contains_key("detail")
        || inner.get("specversion").is_some_and(Value::is_string) && inner.contains_key("type");
    if holds_envelope { carried(Body::Plain("data"), None) } else { None }
}

/// Base64 as text; what is neither stays as it is and then is not JSON.
fn decoded(value: Value) -> Value {
    let Value::String(text) = value else { return Value::from("") };
    match STANDARD.decode(text.trim()).map(String::from_utf8) {
        Ok(Ok(plain)) => plain.into(),
        _ => Value::String(text),
    }
}
