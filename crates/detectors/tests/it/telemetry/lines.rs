//! Logs that are lines of text: sshd and PostgreSQL.

use quell_core::trace::{Deed, Ended, LinkKind, Outcome};
use serde_json::json;

use super::*;

fn lines(kind: &str, text: &str) -> Vec<Fact> {
    let told = told_of(None, text.as_bytes());
    assert!(told.unreadable.is_empty(), "{:?}", told.unreadable);
    assert_eq!(told.kinds, [kind]);
    told.facts
}

const SSHD: &str = "\
Oct  1 03:00:00 web1 CRON[99]: (root) CMD (true)
Oct  1 03:02:11 web1 sshd[4711]: Accepted publickey for ada from 192.0.2.10 port 50022 ssh2: ED25519 SHA256:abcDEF123
Oct  1 03:05:00 web1 sshd[4711]: Disconnected from user ada 192.0.2.10 port 50022
Oct  1 03:06:00 web1 sshd[4711]: Accepted password for bob from 192.0.2.11 port 50023 ssh2
Oct  1 03:06:30 web1 sshd[4800]: Failed password for invalid user admin from 198.51.100.9 port 40000 ssh2
2026-10-01T03:07:00.123456+00:00 web1 sshd-session[4801]: Accepted publickey for root from 192.0.2.10 port 50024 ssh2: ED25519-CERT SHA256:x ID ops-key (serial 7) CA ED25519 SHA256:y
";

#[test]
fn sshd_tells_sessions_keys_certificates_and_ends() {
    let facts = lines("sshd", SSHD);
    assert_eq!(facts.len(), 5);
    assert_eq!((by(&facts[0]).credential.as_deref(), by(&facts[0]).kind), (Some("SHA256:abcDEF123"), LinkKind::SshKey));
    assert_eq!(by(&facts[0]).identity, None, "one key opens many accounts");
    assert_eq!(mint(&facts[0]).identity.as_deref(), Some("ada@web1"));
    assert_eq!(*end(&facts[1]), Ended::Credential(mint(&facts[0]).id.clone()));
    assert_ne!(mint(&facts[2]).id, mint(&facts[0]).id, "a process id that came round again is another session");
    assert_eq!(by(&facts[2]).credential.as_deref(), Some("bob@web1#password"));
    assert_eq!((facts[3].outcome, facts[3].deeds.len()), (Outcome::Rejected, 0));
    assert_eq!(by(&facts[4]).credential.as_deref(), Some("certificate ops-key (serial 7)"));
    assert_eq!(facts[0].at, Some("2026-10-01T03:02:11Z".parse().unwrap()), "the year is that of the file");
}

#[test]
fn a_december_line_in_a_january_file_is_of_the_year_before() {
    let circumstances = quell_detectors::telemetry::Circumstances { written_at: Some("2027-01-02T00:00:00Z".parse().unwrap()) };
    let read = |circumstances| {
        let mut out = Vec::new();
        let mut broken = 0;
        let mut stream = quell_detectors::telemetry::Stream::new(None, circumstances);
        stream.feed(b"Dec 31 23:59:59 web1 sshd[1]: Accepted password for bob from 192.0.2.11 port 50023 ssh2\n", &mut |_, heard| {
            match heard {
                quell_detectors::telemetry::Heard::Fact(fact) => out.push(*fact),
                _ => broken += 1,
            }
        });
        (out, broken)
    };
    assert_eq!(read(circumstances).0[0].at, Some("2026-12-31T23:59:59Z".parse().unwrap()));
    // Without anything that tells the year there is no time, and that is said.
    assert_eq!(read(Default::default()).1, 1);
}

#[test]
fn journald_wraps_the_same_lines() {
    let message = "2026-10-01T03:02:11Z web1 sshd[4711]: Accepted password for bob from 192.0.2.11 port 50023 ssh2";
    let told = told_of(None, json!({ "MESSAGE": message, "_HOSTNAME": "web1" }).to_string().as_bytes());
    assert_eq!(told.kinds, ["sshd"]);
    assert_eq!(by(&told.facts[0]).identity.as_deref(), Some("bob@web1"));
}

const POSTGRES: &str = "\
2026-10-01 03:02:11.123 UTC [4711] LOG:  connection received: host=192.0.2.10 port=50022
2026-10-01 03:02:11.130 UTC [4711] LOG:  connection authorized: user=billing_app database=billing application_name=psql
2026-10-01 03:03:00.000 UTC [4711] LOG:  statement: ALTER ROLE \"reports\" PASSWORD 'hunter2-hunter2'
2026-10-01 03:03:30.000 UTC [4711] LOG:  statement: GRANT pg_read_all_data TO reports
2026-10-01 03:04:00.000 UTC [4711] LOG:  disconnection: session time: 0:01:49 user=billing_app database=billing host=192.0.2.10 port=50022
2026-10-01 03:05:00.000 UTC [4712] FATAL:  password authentication failed for user \"billing_app\"
2026-10-01 03:06:00.000 UTC [4711] LOG:  connection authorized: user=other database=billing
";

#[test]
fn postgresql_tells_sessions_passwords_grants_and_ends() {
    let facts = lines("postgresql", POSTGRES);
    assert_eq!(facts.len(), 6);
    assert_eq!((by(&facts[0]).credential.as_deref(), by(&facts[0]).address.as_deref()), (Some("billing_app#password"), Some("192.0.2.10")));
    let session = mint(&facts[0]).id.clone();
    assert_eq!((mint(&facts[1]).id.as_str(), by(&facts[1]).credential.as_ref()), ("reports#password", Some(&session)));
    assert!(facts[2].deeds.iter().any(|d| matches!(d, Deed::Change { target, .. } if target == "reports")));
    assert_eq!(*end(&facts[3]), Ended::Credential(session.clone()));
    assert_eq!(facts[4].outcome, Outcome::Rejected);
    assert_ne!(mint(&facts[5]).id, session);
    let cases = cases(facts);
    assert_eq!(
        chain(&cases[0]),
        [
            "billing_app#password password <- -".to_owned(),
            format!("{session} session <- billing_app#password"),
            format!("reports#password password <- {session}"),
        ]
    );
}

#[test]
fn postgresql_says_the_same_in_jsonlog_and_csvlog() {
    let jsonlog = json!({ "timestamp": "2026-10-01 03:02:11.130 UTC", "user": "billing_app", "dbname": "billing", "pid": 4711, "remote_host": "192.0.2.10",
        "error_severity": "LOG", "message": "connection authorized: user=billing_app database=billing" });
    let csvlog = "2026-10-01 03:02:11.130 UTC,\"billing_app\",\"billing\",4711,\"192.0.2.10:50022\",651e.1267,2,\"authentication\",2026-10-01 03:02:11 UTC,3/4,0,LOG,00000,\"connection authorized: user=billing_app database=billing\",,,,,,,,,\"\",\"client backend\",,0\n";
    for text in [jsonlog.to_string(), csvlog.to_owned()] {
        let facts = lines("postgresql", &text);
        assert_eq!(
            (mint(&facts[0]).id.as_str(), by(&facts[0]).address.as_deref()),
            ("pid:4711@2026-10-01T03:02:11.13Z", Some("192.0.2.10")),
            "{text}"
        );
    }
}

#[test]
fn lines_of_other_programs_alone_are_no_log() {
    let told = told_of(None, b"something\nelse\n");
    assert_eq!((told.facts.len(), told.passed, told.kinds.len(), told.unreadable.len()), (0, 2, 0, 0));
}
