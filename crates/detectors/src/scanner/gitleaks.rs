//! Gitleaks reports: JSON of version 8, JSON of version 7 and before, SARIF 2.1.0.
//!
//! A leak names a secret and a place, never an identity: author and committer
//! are who typed or moved the line, so they are neither subject nor actor, and
//! their names go nowhere. `Match`, `line` and the snippet hold the secret and
//! are not shown. `null` and `[]` are reports without findings.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::{
    secret::Secret,
    signal::{Actor, Detected, ObservedFrom, Readout, Resolvable, Severity, Signal, SignalCredential, SignalKind, Subject},
    untrusted::Untrusted,
};

use super::{Places, kind_of_rule, title};
use crate::{
    credential::{assigned, weigh},
    field::{at, bounded, field, list, text, text_at, type_name},
    json::{self, Found},
    reading::{Reading, TITLE_MAX, WORD_MIN, dedupe_key, without},
    time,
};

/// The detector's name.
pub const NAME: &str = "gitleaks";
/// What it reads.
pub const READS: &str = "gitleaks reports: JSON of version 8, JSON up to version 7, SARIF";

/// Reads one report.
pub fn read(bytes: &[u8]) -> Readout {
    let mut reading = Reading::default();
    let mut places = Places::default();
    json::each(bytes, &mut |found| match found {
        Found::Document(Value::Null) => ControlFlow::Continue(()),
        Found::Document(value) | Found::Element(value) => {
            if field(&value, "runs").is_some() {
                sarif(&value, &mut places, &mut reading)
            } else {
                reading.record(Leak::of_record(&value).map(|leak| leak.detected(&mut places)))
            }
        }
        Found::Broken(reason) => reading.record(Err(reason)),
    });
    reading.finish()
}

/// Whether `first` is a finding of gitleaks or a SARIF report of it.
pub fn recognises(first: &Value) -> bool {
    let has = |name| first.get(name).is_some();
    let v8 = has("RuleID") && (has("Secret") || has("Match"));
    let v7 = has("rule") && has("offender");
    v8 || v7 || list(first, "runs").first().is_some_and(|run| driver(run).is_some_and(|d| is_gitleaks(&d)))
}

/// One finding, in any of the three shapes.
struct Leak<'a> {
    rule: Option<String>,
    description: Option<String>,
    file: Option<String>,
    commit: Option<String>,
    /// Line and column of start and end, as text, absent ones empty.
    span: [String; 4],
    fingerprint: Option<String>,
    date: Option<&'a Value>,
    confidence: Option<String>,
    names_author: bool,
    secret: Option<String>,
    secret_type: Option<&'static str>,
}

impl<'a> Leak<'a> {
    /// A finding in gitleaks' own JSON. The two generations share most field
    /// names but for case; `offender` and `rule` are only in the older.
    fn of_record(value: &'a Value) -> Result<Self, String> {
        if !value.is_object() {
            return Err(format!("expected a finding as an object, found {}", type_name(value)));
        }
        let reported = field(value, "Secret");
        let offender = field(value, "offender");
        let rule = text(value, "RuleID").or_else(|| text(value, "rule"));
        // Other detectors, too, have a `rule`.
        if field(value, "RuleID").is_none() && offender.is_none() && (reported.is_none() || field(value, "Match").is_none()) {
            return Err("neither `RuleID`, nor `Secret` and `Match`, nor `offender` is given, so this is no finding of gitleaks".into());
        }
        let secret = match (reported, offender) {
            (Some(v), _) => crate::field::as_text(v),
            (None, Some(v)) => crate::field::as_text(v).map(|text| {
                let value = assigned(&text).to_owned();
                drop(Secret::new(text));
                value
            }),
            (None, None) => None,
        };
        let number = |name: &str| text(value, name).unwrap_or_default();
        let span = match text(value, "lineNumber") {
            Some(line) => [line, String::new(), String::new(), String::new()],
            None => [number("StartLine"), number("StartColumn"), number("EndLine"), number("EndColumn")],
        };
        Ok(Self {
            rule,
            description: text(value, "Description"),
            file: text(value, "File"),
            commit: text(value, "Commit"),
            span,
            fingerprint: text(value, "Fingerprint"),
            date: field(value, "Date"),
            confidence: ["Verified", "Validity", "ValidationStatus"].iter().find_map(|n| text(value, n).map(|v| format!("{n}: {v}"))),
            names_author: text(value, "Author").is_some() || text(value, "Email").is_some(),
            secret_type: reported.or(offender).filter(|v| v.is_array() || v.is_object()).map(type_name),
            secret,
        })
    }

    /// A result of a SARIF run.
    fn of_result(result: &'a Value) -> Result<Self, String> {
        if !result.is_object() {
            return Err(format!("expected a SARIF result as an object, found {}", type_name(result)));
        }
        let place = list(result, "locations").first().and_then(|l| field(l, "physicalLocation")).unwrap_or(&Value::Null);
        let rule = text(result, "ruleId").or_else(|| text_at(result, &["rule", "id"]));
        if rule.is_none() && place.is_null() {
            return Err("the SARIF result has neither `ruleId` nor a location".into());
        }
        let region = |name: &str| text_at(place, &["region", name]).unwrap_or_default();
        let prints = |name: &str| text_at(result, &["partialFingerprints", name]);
        let snippet = at(place, &["region", "snippet", "text"]);
        Ok(Self {
            rule,
            description: None,
            file: text_at(place, &["artifactLocation", "uri"]),
            commit: prints("commitSha"),
            span: [region("startLine"), region("startColumn"), region("endLine"), region("endColumn")],
            fingerprint: None,
            date: at(result, &["partialFingerprints", "date"]),
            confidence: text_at(result, &["properties", "validity"]).map(|v| format!("validity: {v}")),
            names_author: prints("author").is_some() || prints("email").is_some(),
            secret: snippet.and_then(crate::field::as_text),
            secret_type: snippet.filter(|v| v.is_array() || v.is_object()).map(type_name),
        })
    }

    fn detected(self, places: &mut Places) -> Detected {
        let mut reasons = vec!["a scanner reports a place and a value, not whose it is; the value itself must tell".to_owned()];
        let weighed = weigh(self.secret.unwrap_or_default());
        match (self.secret_type, weighed.reason) {
            (Some(found), _) => reasons.push(format!("the value is {found} and not text; there is nothing to fingerprint")),
            (None, Some(reason)) => reasons.push(reason.to_owned()),
            (None, None) => {}
        }
        if self.names_author {
            reasons.push("the leaker hint is the commit's author, who is taken neither as subject nor as actor".into());
        }
        reasons.push("gitleaks gives no severity".into());

        // A file or rule may be named after what it holds.
        let hide = |text: Option<String>| without(text.unwrap_or_default(), weighed.secret.as_ref(), WORD_MIN);
        let (rule, file, commit, print) = (hide(self.rule), hide(self.file), hide(self.commit), hide(self.fingerprint));
        let span = self.span.map(|s| hide(Some(s)));
        let base = dedupe_key(NAME, &[&rule, &file, &commit, &span[0], &span[1], &span[2], &span[3], &print]);
        let dedupe_key = places.key(base, weighed.secret.as_ref());

        let named = if rule.is_empty() { hide(self.description) } else { rule.clone() };
        let kind = weighed.kind.unwrap_or_else(|| kind_of_rule(&rule));
        let mut signal = Signal {
            source: NAME.into(),
            kind: SignalKind::LeakedSecret,
            title: Untrusted::new(title(&named, &file, &span[0])).shortened(TITLE_MAX),
            observed_at: None,
            observed_at_from: ObservedFrom::Received,
            severity: Severity { id: 0, vendor: None },
            vendor_confidence: self.confidence.map(|c| bounded(hide(Some(c))).0),
            sample: false,
            containment_evidence: false,
            unsigned: false,
            subject: Subject::nobody(Resolvable::SecretOnly),
            credential: Some(SignalCredential { kind, id: weighed.id, fingerprint: None }),
            actor: Actor::default(),
            dedupe_key,
            reasons,
        };
        time::observe(&mut signal, [(ObservedFrom::Event, self.date)]);
        Detected { signal, secret: weighed.secret }
    }
}

fn sarif(report: &Value, places: &mut Places, reading: &mut Reading) -> ControlFlow<()> {
    let runs = list(report, "runs");
    if runs.is_empty() {
        return reading.record(Err("the SARIF report has no run, so nothing was scanned".into()));
    }
    for run in runs {
        if let Some(name) = driver(run)
            && !is_gitleaks(&name)
        {
            reading.record(Err(format!("the SARIF run is of the tool {}, not of gitleaks", Untrusted::new(name).log())))?;
            continue;
        }
        // SARIF 3.14.23: `results` is there, though empty, when the scan ran.
        let Some(Value::Array(results)) = field(run, "results") else {
            reading.record(Err("the SARIF run has no `results`, so the scan did not come to an end".into()))?;
            continue;
        };
        for result in results {
            reading.record(Leak::of_result(result).map(|leak| leak.detected(places)))?;
        }
    }
    ControlFlow::Continue(())
}

fn driver(run: &Value) -> Option<String> {
    text_at(run, &["tool", "driver", "name"])
}

fn is_gitleaks(name: &str) -> bool {
    name.to_ascii_lowercase().contains("gitleaks")
}
