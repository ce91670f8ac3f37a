//! Does the intruder's own log contradict what Quell claimed?
//!
//! Pure: journals and claims in, a report out. The intruder shares no state with
//! Quell, so this is a judgement by somebody else's evidence. A contradiction is
//! an accepted attempt that *started* after the moment the credential was first
//! claimed dead.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One attempt of the intruder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    pub started_at: String,
    pub ended_at: String,
    pub plane: String,
    pub credential: String,
    pub via: String,
    pub ok: bool,
}

/// What Quell says of one credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub id: String,
    pub plane: String,
    pub kind: String,
    /// As the case shows it at the end.
    pub state: String,
    /// The first moment it was ever claimed dead at.
    pub proven_dead_at: Option<String>,
    pub exposure_seconds_at_most: Option<i64>,
    /// The plane lies about this one: it must not be claimed dead.
    pub sabotaged: bool,
}

/// One line of `report.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub id: String,
    pub plane: String,
    pub kind: String,
    pub state: String,
    pub last_intruder_success_at: Option<String>,
    pub proven_dead_at: Option<String>,
    pub exposure_seconds_at_most: Option<i64>,
    pub accepted_uses_after_alert: u64,
    pub contradicted: bool,
}

/// What is wrong, in words; empty when nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub credentials: Vec<Checked>,
    pub contradictions: Vec<String>,
    pub complaints: Vec<String>,
    /// The sabotaged credential is LIVE or UNKNOWN.
    pub sabotage_as_expected: bool,
}

/// RFC 3339 UTC times of any precision, in order as text once they are even.
pub(super) fn even(time: &str) -> String {
    let (whole, fraction) = time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
    format!("{whole}.{fraction:0<9}")
}

/// Compares every claim with every attempt.
#[must_use]
pub fn check(tries: &[Try], claims: &[Claim], acted_at: &BTreeMap<String, String>, alerted_at: &BTreeMap<String, String>) -> Verdict {
    let mut verdict = Verdict { sabotage_as_expected: true, ..Verdict::default() };
    for claim in claims {
        let mine: Vec<&Try> = tries.iter().filter(|t| t.credential == claim.id).collect();
        let ok = || mine.iter().filter(|t| t.ok);
        let after = |at: Option<&String>| ok().filter(|t| at.is_some_and(|at| even(&t.started_at) > even(at))).count() as u64;
        let late: Vec<&&Try> =
            ok().filter(|t| claim.proven_dead_at.as_ref().is_some_and(|dead| even(&t.started_at) > even(dead))).collect();
        if let Some(first) = late.first() {
            verdict.contradictions.push(format!(
                "`{}` was claimed dead at {}, and an attempt via {} that started at {} was accepted ({} in all)",
                claim.id,
                claim.proven_dead_at.as_deref().unwrap_or("?"),
                first.via,
                first.started_at,
                late.len()
            ));
        }
        for via in ["login", "session"] {
            let before =
                ok().filter(|t| t.via == via && acted_at.get(&claim.id).is_none_or(|acted| even(&t.ended_at) < even(acted))).count();
            if before < 3 {
                verdict.complaints.push(format!("only {before} accepted attempts via {via} on `{}` before the act; wanted 3", claim.id));
            }
        }
        let as_wanted = if claim.sabotaged { matches!(claim.state.as_str(), "LIVE" | "UNKNOWN") } else { claim.state == "DEAD" };
        if !as_wanted {
            verdict.complaints.push(format!(
                "`{}` ended {}; wanted {}",
                claim.id,
                claim.state,
                if claim.sabotaged { "LIVE or UNKNOWN" } else { "DEAD" }
            ));
        }
        if claim.sabotaged {
            verdict.sabotage_as_expected &= as_wanted && late.is_empty();
        }
        verdict.credentials.push(Checked {
            id: claim.id.clone(),
            plane: claim.plane.clone(),
            kind: claim.kind.clone(),
            state: claim.state.clone(),
            last_intruder_success_at: ok().map(|t| t.started_at.clone()).max_by_key(|t| even(t)),
            proven_dead_at: claim.proven_dead_at.clone(),
            exposure_seconds_at_most: claim.exposure_seconds_at_most,
            accepted_uses_after_alert: after(alerted_at.get(&claim.id)),
            contradicted: !late.is_empty(),
        });
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(at: &str, via: &str, ok: bool) -> Try {
        let at = format!("2026-11-23T10:00:{at}Z");
        Try { started_at: at.clone(), ended_at: at, plane: "pg-main".into(), credential: "c".into(), via: via.into(), ok }
    }

    fn claim(state: &str, dead: Option<&str>, sabotaged: bool) -> Claim {
        Claim {
            id: "c".into(),
            plane: "pg-main".into(),
            kind: "password".into(),
            state: state.into(),
            proven_dead_at: dead.map(|d| format!("2026-11-23T10:00:{d}Z")),
            exposure_seconds_at_most: None,
            sabotaged,
        }
    }

    fn before() -> Vec<Try> {
        ["01", "02", "03"].iter().flat_map(|at| [tried(at, "login", true), tried(at, "session", true)]).collect()
    }

    fn judged(tries: &[Try], claims: &[Claim]) -> Verdict {
        let acted = BTreeMap::from([("c".to_owned(), "2026-11-23T10:00:05Z".to_owned())]);
        check(tries, claims, &acted, &BTreeMap::from([("c".to_owned(), "2026-11-23T10:00:02.5Z".to_owned())]))
    }

    #[test]
    fn an_attempt_that_started_after_the_claim_contradicts_it() {
        let cases = [
            ("06.000001", "06", true, 1),
            // Started at the very moment or before: no contradiction.
            ("06", "06", true, 0),
            ("05.999999", "06", true, 0),
            // Refused is what was claimed.
            ("07", "06", false, 0),
        ];
        for (at, dead, ok, wanted) in cases {
            let mut tries = before();
            tries.push(tried(at, "login", ok));
            let verdict = judged(&tries, &[claim("DEAD", Some(dead), false)]);
            assert_eq!(verdict.contradictions.len(), wanted, "an attempt at {at} against a claim at {dead}");
        }
    }

    #[test]
    fn too_few_successes_before_the_act_prove_nothing() {
        let verdict = judged(&before()[..4], &[claim("DEAD", Some("06"), false)]);
        assert_eq!(verdict.complaints.len(), 2, "{:?}", verdict.complaints);
    }

    #[test]
    fn every_credential_ends_as_its_scenario_demands() {
        let cases = [
            ("DEAD", false, true),
            ("UNKNOWN", false, false),
            ("LIVE", false, false),
            ("LIVE", true, true),
            ("UNKNOWN", true, true),
            ("DEAD", true, false),
        ];
        for (state, sabotaged, fine) in cases {
            let verdict = judged(&before(), &[claim(state, None, sabotaged)]);
            assert_eq!(verdict.complaints.is_empty(), fine, "{state}, sabotaged {sabotaged}: {:?}", verdict.complaints);
            assert_eq!(verdict.sabotage_as_expected, fine || !sabotaged);
        }
    }

    #[test]
    fn uses_after_the_alert_are_counted() {
        let verdict = judged(&before(), &[claim("DEAD", Some("06"), false)]);
        assert_eq!(verdict.credentials[0].accepted_uses_after_alert, 2);
        assert_eq!(verdict.credentials[0].last_intruder_success_at.as_deref(), Some("2026-11-23T10:00:03Z"));
    }
}
