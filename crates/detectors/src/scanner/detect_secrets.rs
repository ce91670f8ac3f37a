//! detect-secrets: the baseline of Yelp's scanner, versions 0.12 to 1.5.
//!
//! A baseline holds no secret, only its SHA-1, and a short secret is guessed
//! from that; so the digest is not shown and is not the key. What a person has
//! marked as no secret is no finding.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{ObservedFrom, Readout};

use super::{Place, Places, kind_of_rule};
use crate::{
    field::{field, text, truth, type_name},
    reading::Reading,
    record::Records,
};

/// The detector's name.
pub const NAME: &str = "detect-secrets";
/// What it reads.
pub const READS: &str = "detect-secrets baselines";

const RECORDS: Records = Records {
    what: "baseline of detect-secrets",
    is_one: |v| field(v, "results").is_some() && (field(v, "plugins_used").is_some() || field(v, "generated_at").is_some()),
    marks: "neither `plugins_used` nor `generated_at` is given beside `results`",
    inside: &[],
    empty_is_an_answer: true,
};

/// Reads one baseline.
pub fn read(bytes: &[u8]) -> Readout {
    let mut places = Places::default();
    RECORDS.read(bytes, &mut |baseline, reading| match field(baseline, "results") {
        Some(Value::Object(files)) => files.iter().try_for_each(|(file, found)| in_file(baseline, file, found, &mut places, reading)),
        other => {
            let found = other.map_or("nothing", type_name);
            reading.record(Err(format!("expected `results` as an object of files, found {found}")))
        }
    })
}

/// Whether `first` is a baseline.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn in_file(baseline: &Value, file: &str, found: &Value, places: &mut Places, reading: &mut Reading) -> ControlFlow<()> {
    let Some(found) = found.as_array() else {
        return reading.record(Err(format!("expected the findings of a file as a list, found {}", type_name(found))));
    };
    for one in found {
        if !one.is_object() {
            reading.record(Err(format!("expected a finding as an object, found {}", type_name(one))))?;
            continue;
        }
        if truth(one, "is_secret") == Some(false) {
            continue;
        }
        let rule = text(one, "type");
        let place = Place {
            rule: rule.clone(),
            file: Some(text(one, "filename").unwrap_or_else(|| file.to_owned())),
            line: text(one, "line_number"),
            ..Place::default()
        };
        let mut said = place.leaks(NAME, None, kind_of_rule(&rule.unwrap_or_default()));
        said.because("detect-secrets gives no severity");
        if truth(one, "is_secret") == Some(true) {
            said.because("a person has marked it as a secret");
        }
        said.confidence = truth(one, "is_verified").map(|v| format!("is_verified: {v}"));
        let mut detected = said.detected([(ObservedFrom::VendorUpdate, field(baseline, "generated_at"))]);
        // A baseline is written anew at every scan; its time says nothing about the finding.
        let digest = text(one, "hashed_secret").unwrap_or_default();
        detected.signal.dedupe_key = places.key_of(detected.signal.dedupe_key, &digest);
        reading.record(Ok(detected))?;
    }
    ControlFlow::Continue(())
}
