//! What holds for every message, however it was made.

use proptest::prelude::*;
use quell_core::signal::{Readout, Resolvable};
use quell_detectors::{Builtin, REGISTRY};
use quell_engine::port::Detectors;
use serde_json::{Map, Value, json};

/// Detectors that report by scan, so that a report may say nothing.
pub const SILENT: &[&str] = &["detect-secrets", "gitguardian", "github-secret-scanning", "gitleaks", "trufflehog"];

/// Names that the detectors look for, so that chance finds its way inside.
const NAMES: &[&str] = &[
    "RuleID",
    "Secret",
    "Match",
    "File",
    "Commit",
    "Date",
    "StartLine",
    "Author",
    "Fingerprint",
    "rule",
    "offender",
    "line",
    "runs",
    "results",
    "tool",
    "driver",
    "name",
    "locations",
    "physicalLocation",
    "region",
    "snippet",
    "text",
    "artifactLocation",
    "uri",
    "partialFingerprints",
    "class_uid",
    "finding_info",
    "title",
    "uid",
    "types",
    "last_seen_time",
    "evidences",
    "actor",
    "user",
    "resources",
    "data",
    "AwsIamAccessKey",
    "PrincipalId",
    "observables",
    "type_id",
    "value",
    "credential_uid",
    "session",
    "unmapped",
    "sample",
    "detail",
    "findings",
    "severity_id",
    "severity",
    "time",
    "cloud",
    "account",
    "provider",
    "kind",
    "subject",
    "native_id",
    "system",
    "credential",
    "secret",
    "id",
    "observed_at",
    "dedupe_key",
    "src_endpoint",
    "ip",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9:/@.=\"' -]{0,40}",
        prop::sample::select(vec![
            "leaked_secret",
            "gitleaks",
            "AKIAIOSFODNN7EXAMPLE",
            "AWS::IAM::AccessKey:null",
            "-----BEGIN ",
            "a://b:c@d",
            "eyJ.a.b",
            "{\"accessKeyDetails\":{}}",
            "2024-01-01T00:00:00Z",
            "T",
            "+",
            "\u{0}",
            "\u{202e}",
            "=",
            "%",
            "%é",
            "k=\"é",
            "0001-01-01",
        ])
        .prop_map(str::to_owned),
    ]
}

pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(2004)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let name = prop_oneof![4 => prop::sample::select(NAMES).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A record that surely gets past the door of each detector.
fn record() -> impl Strategy<Value = Value> {
    (value(), text(), text(), text()).prop_map(|(extra, a, b, c)| {
        let mut record = json!({
            "RuleID": b, "Secret": a, "Match": format!("x={a}"), "File": format!("{c}{a}"), "Commit": a, "Date": a,
            "class_uid": 2004, "finding_info": {"title": format!("{a} {c}"), "uid": c}, "session": {"credential_uid": a}, "user": {"uid": b, "name": c},
            "kind": b, "title": format!("{c} {a}"), "subject": {"native_id": b, "name": format!("{b}{a}"), "resolvable": "yes"}, "credential": {"id": c, "secret": a},
            "vendor_confidence": a, "dedupe_key": a,
        });
        if let (Value::Object(record), Value::Object(extra)) = (&mut record, extra) {
            record.extend(extra);
        }
        record
    })
}

/// Reads the message with every detector; what must hold, or the sentence that broke.
fn check(message: &[u8]) -> Result<(), TestCaseError> {
    for detector in REGISTRY {
        let readout = (detector.read)(message);
        let empty_report = SILENT.contains(&detector.name) && readout.signals.is_empty();
        prop_assert!(empty_report || !readout.signals.is_empty() || !readout.unreadable.is_empty(), "{} is silent", detector.name);
        check_readout(detector.name, &readout)?;
    }
    let auto = Builtin.read("auto", message);
    prop_assert!(auto.signals.iter().all(|d| Builtin.names().contains(&d.signal.source.as_str())));
    Ok(())
}

pub fn check_readout(name: &str, readout: &Readout) -> Result<(), TestCaseError> {
    for detected in &readout.signals {
        let signal = &detected.signal;
        prop_assert_eq!(&signal.source, name);
        prop_assert!(signal.title.raw().chars().count() <= 300);
        let subject = &signal.subject;
        let ids = [
            &subject.native_id,
            &subject.name,
            &subject.system,
            &signal.actor.native_id,
            &signal.actor.name,
            &signal.actor.ip,
            &signal.severity.vendor,
        ];
        prop_assert!(ids.iter().all(|id| id.as_ref().is_none_or(|id| id.chars().count() <= 1_024)));
        let named = subject.native_id.is_some() || subject.name.is_some();
        match subject.resolvable {
            Resolvable::Yes => prop_assert!(named, "an identity was invented"),
            Resolvable::No | Resolvable::SecretOnly => prop_assert!(!named, "an identity was lost"),
            Resolvable::Partial => {}
        }
        prop_assert!(name != "gitleaks" || subject.resolvable == Resolvable::SecretOnly);
        prop_assert!(matches!(signal.severity.id, 0..=6 | 99));
        prop_assert!(signal.credential.as_ref().is_none_or(|c| c.fingerprint.is_none()));
        if let Some(secret) = &detected.secret {
            prop_assert!(signal.credential.is_some(), "a secret without a credential is never fingerprinted");
            let hidden = secret.expose();
            let least = hidden.chars().count();
            let ours = signal.reasons.join("\n");
            // Words of ours may happen to be the secret; then the shown text is not made from it.
            if least >= 12 {
                for shown in [signal.title.raw(), &signal.dedupe_key, &ours, signal.vendor_confidence.as_deref().unwrap_or("")] {
                    prop_assert!(!shown.contains(hidden), "the secret shows in {:?}", shown);
                }
            }
            if least >= 16 {
                let credential_id = signal.credential.as_ref().and_then(|c| c.id.as_ref());
                for shown in ids.into_iter().flatten().chain(credential_id) {
                    prop_assert!(!shown.contains(hidden), "the secret shows in {:?}", shown);
                }
            }
        }
    }
    for unreadable in &readout.unreadable {
        prop_assert!(!unreadable.reason.is_empty() && unreadable.reason.len() < 1_000);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases * 2, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_any_kind_get_an_answer(message in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&message)?;
    }

    #[test]
    fn json_of_any_shape_gets_an_answer(value in value()) {
        check(value.to_string().as_bytes())?;
    }

    #[test]
    fn records_with_any_text_keep_the_secret_to_themselves(record in record()) {
        check(record.to_string().as_bytes())?;
        check(json!([record]).to_string().as_bytes())?;
    }

    #[test]
    fn a_record_cut_or_flipped_anywhere_gets_an_answer(record in record(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut message = json!([record.clone(), record]).to_string().into_bytes();
        let at = at.index(message.len());
        check(&message[..at])?;
        message[at] ^= 1 << bit;
        check(&message)?;
    }

    #[test]
    fn a_message_reads_the_same_twice(record in record()) {
        let message = json!([record]).to_string();
        for detector in REGISTRY {
            let keys = |r: Readout| r.signals.into_iter().map(|d| d.signal).collect::<Vec<_>>();
            prop_assert_eq!(keys((detector.read)(message.as_bytes())), keys((detector.read)(message.as_bytes())));
        }
    }
}
