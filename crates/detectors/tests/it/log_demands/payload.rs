//! Decoded payloads of security event tokens.

use quell_detectors::Builtin;
use quell_engine::port::Detectors;
use serde_json::json;

use super::{caep, credential, one, subject, with};

#[test]
fn a_payload_without_signature_is_a_claim_and_a_token_with_one_is_refused() {
    let signal = one("ssf-caep", caep("caep/event-type/session-revoked", json!({})));
    assert!(signal.reasons.iter().any(|r| r.contains("no signature") && r.contains("nothing is acted on")), "{:?}", signal.reasons);
    for token in [
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.",
        "\"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln\"",
        " eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln\n",
    ] {
        let readout = Builtin.read("ssf-caep", token.as_bytes());
        assert!(readout.signals.is_empty(), "{token}");
        assert!(readout.unreadable[0].reason.contains("signature cannot be checked"), "{token}: {:?}", readout.unreadable);
    }
}

#[test]
fn a_malformed_payload_is_refused_with_what_is_wrong() {
    let good = caep("caep/event-type/session-revoked", json!({}));
    let without = |name: &str| {
        let mut payload = good.clone();
        payload.as_object_mut().unwrap().remove(name);
        payload
    };
    let table = [
        (without("iss"), "`iss`"),
        (without("jti"), "`jti`"),
        (without("iat"), "`iat`"),
        (without("events"), "`events`"),
        (with(&good, &[("/iat", json!("now"))]), "`iat`"),
        (with(&good, &[("/iss", json!(7))]), "`iss`"),
        (with(&good, &[("/jti", json!(""))]), "`jti`"),
        (with(&good, &[("/events", json!({}))]), "empty"),
        (with(&good, &[("/events", json!(["session-revoked"]))]), "`events`"),
        (with(&good, &[("/events", json!({"session-revoked": {}}))]), "address"),
        (with(&good, &[("/events", json!({"https://x/session-revoked": "yes"}))]), "address"),
        (with(&good, &[("/sub_id", json!("u-ida"))]), "`sub_id`"),
    ];
    for (payload, word) in table {
        let readout = Builtin.read("ssf-caep", payload.to_string().as_bytes());
        assert!(readout.signals.is_empty(), "{payload}");
        assert_eq!(readout.unreadable.len(), 1, "{payload}");
        assert!(readout.unreadable[0].reason.contains(word), "{payload}: {}", readout.unreadable[0].reason);
    }
}

#[test]
fn a_subject_identifier_of_every_format_names_whom_it_means() {
    let table = [
        (json!({"format": "iss_sub", "iss": "https://idp.example/", "sub": "u-1"}), Some("u-1"), None),
        (json!({"format": "email", "email": "ida@corp.example"}), Some("ida@corp.example"), None),
        (json!({"format": "account", "uri": "acct:ida@corp.example"}), Some("ida@corp.example"), None),
        (json!({"format": "phone_number", "phone_number": "+15550100"}), Some("+15550100"), None),
        (json!({"format": "opaque", "id": "a|b"}), Some("a|b"), Some("a|b")),
        (json!({"format": "did", "url": "did:example:1"}), Some("did:example:1"), None),
        (json!({"format": "uri", "uri": "spiffe://corp/ferry"}), Some("spiffe://corp/ferry"), None),
        (json!({"format": "jwt_id", "iss": "i", "jti": "tok"}), Some("tok"), Some("tok")),
        (json!({"format": "saml_assertion_id", "issuer": "i", "assertion_id": "_8e8"}), Some("_8e8"), Some("_8e8")),
        (
            json!({"format": "aliases", "identifiers": [{"format": "opaque", "id": "o"}, {"format": "email", "email": "ida@corp.example"}]}),
            Some("ida@corp.example"),
            None,
        ),
        (
            json!({"format": "complex", "session": {"format": "opaque", "id": "s"}, "user": {"format": "email", "email": "ida@corp.example"}}),
            Some("ida@corp.example"),
            Some("s"),
        ),
        (json!({"session": {"format": "opaque", "id": "s"}}), Some("s"), Some("s")),
        (json!({"format": "complex", "device": {"format": "iss_sub", "iss": "i", "sub": "dev-1"}}), Some("dev-1"), None),
        (json!({"subject_type": "iss-sub", "iss": "i", "sub": "u-1"}), Some("u-1"), None),
        (json!({"format": "ip-addresses", "ip-addresses": ["192.0.2.1"]}), None, None),
    ];
    for (id, about, key) in table {
        let signal = one("ssf-caep", with(&caep("caep/event-type/session-revoked", json!({})), &[("/sub_id", id.clone())]));
        assert_eq!((subject(&signal), credential(&signal)), (about, key), "{id}");
    }
}
