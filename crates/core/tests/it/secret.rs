//! No secret leaves memory (invariant 10).

use quell_core::{
    secret::{FingerprintKey, Secret, hex, unhex},
    signal::{
        Actor, CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, Resolvable, Severity, Signal, SignalCredential, SignalKind,
        Subject, fingerprint,
    },
    untrusted::Untrusted,
};

use crate::world::{at, key, salter};

const MARKED: &str = "hunter2-marked-secret";

fn detected() -> Detected {
    let signal = Signal {
        source: "gitleaks".into(),
        kind: SignalKind::LeakedSecret,
        title: Untrusted::new("a key"),
        observed_at: Some(at(0)),
        observed_at_from: ObservedFrom::Event,
        severity: Severity { id: 4, vendor: None },
        vendor_confidence: None,
        sample: false,
        containment_evidence: false,
        unsigned: false,
        subject: Subject { kind: IdentityKind::Unknown, ..Subject::nobody(Resolvable::SecretOnly) },
        credential: Some(SignalCredential { kind: CredentialKind::Password, id: None, fingerprint: None }),
        actor: Actor::default(),
        dedupe_key: "k".into(),
        reasons: vec![],
    };
    Detected { signal, secret: Some(Secret::new(MARKED)) }
}

#[test]
fn no_secret_shows_when_debugged_or_written() {
    let mut detected = detected();
    fingerprint(&mut detected, Some(&key()));
    let readout = Readout { signals: vec![detected.clone()], unreadable: vec![], records: 1 };
    let texts = [
        format!("{:?}", Secret::new(MARKED)),
        format!("{:#?}", Some(Secret::new(MARKED))),
        format!("{detected:?}"),
        format!("{readout:#?}"),
        serde_json::to_string(&detected.signal).unwrap(),
        format!("{:?}", key()),
        format!("{:?}", salter().commit(MARKED)),
    ];
    for text in texts {
        assert!(!text.contains("hunter2") && !text.contains("7, 7"), "{text}");
    }
}

#[test]
fn a_fingerprint_is_the_keyed_hash_of_the_trimmed_secret() {
    // HMAC-SHA-256 of "Hi There" under twenty bytes 0x0b is RFC 4231's first case;
    // here the key is padded to 32 bytes with zeros, which HMAC does by itself.
    let mut bytes = [0_u8; 32];
    bytes[..20].fill(0x0b);
    let print = FingerprintKey::new(bytes).fingerprint(&Secret::new(" Hi There\n"));
    assert_eq!(print.0, "hmac-sha256:b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

#[test]
fn without_a_key_there_is_a_reason_and_no_hash() {
    let mut detected = detected();
    fingerprint(&mut detected, None);
    assert_eq!(detected.signal.credential.as_ref().unwrap().fingerprint, None);
    assert!(detected.signal.reasons[0].contains("no fingerprint key file"));
}

#[test]
fn opaque_ids_of_two_lists_are_never_one() {
    let table = [["ab", "c"], ["a", "bc"], ["", "abc"], ["abc", ""]];
    let ids: std::collections::BTreeSet<String> = table.iter().map(|parts| key().opaque("target", parts)).collect();
    assert_eq!(ids.len(), table.len());
    assert_ne!(key().opaque("target", &["a"]), key().opaque("fold", &["a"]));
}

#[test]
fn hex_is_read_back_and_anything_else_is_refused() {
    assert_eq!(unhex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
    for text in ["0", "0g", "+1", "éé", "0x"] {
        assert_eq!(unhex(text), None, "{text}");
    }
}
