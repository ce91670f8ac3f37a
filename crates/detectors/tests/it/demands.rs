//! What real data demands, demand by demand, on fixtures written by hand.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::shown;

/// The lines that the fixture `NAME/FILE` of a detector gives.
fn fixture(path: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path);
    let source = path.split('/').next().unwrap();
    read(source, &fs::read(file).unwrap())
}

fn read(source: &str, bytes: &[u8]) -> Vec<Value> {
    let detector = quell_detectors::REGISTRY.iter().find(|d| d.name == source).unwrap();
    shown::lines(source, (detector.read)(bytes))
}

fn one(source: &str, message: &Value) -> Value {
    let mut lines = read(source, message.to_string().as_bytes());
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

/// Whether any text of `line` but the title holds `word`.
fn mentions(line: &Value, word: &str) -> bool {
    let mut line = line.clone();
    line["title"] = Value::Null;
    line.to_string().contains(word)
}

#[test]
fn the_assignee_of_an_incident_is_neither_subject_nor_actor() {
    let all = ["microsoft-sentinel/incidents.json", "microsoft-defender-xdr/alerts.json", "splunk-es-notable/notables.json"];
    let lines: Vec<Value> = all.into_iter().chain(["elastic-security/alerts.json", "ocsf/activities.json"]).flat_map(fixture).collect();
    assert!(lines.len() > 15);
    for line in lines {
        assert!(!mentions(&line, "analyst") && !mentions(&line, "90000000-0000"), "{line}");
    }
}

#[test]
fn the_author_of_a_rule_is_nobodys_subject() {
    for line in fixture("sigma-hit/tools.json") {
        assert!(!mentions(&line, "Somebody"), "{line}");
    }
}

#[test]
fn the_quarantine_policy_of_aws_is_about_its_target_and_evidence_of_containment() {
    let lines = fixture("aws-cloudtrail/events.json");
    let line = &lines[1];
    assert_eq!(line["subject"]["name"], "thistle");
    assert_eq!(line["actor"]["native_id"], "AROARESPONSEEXAMPLE1:watch");
    assert_eq!(line["credential"], Value::Null, "the key that signed is not the subject's");
    assert_eq!(line["containment_evidence"], true);
    let sessions = &lines[8];
    assert_eq!((&sessions["subject"]["name"], &sessions["kind"]), (&json!("biller"), &json!("containment")));
    assert_eq!(lines.iter().filter(|l| l["containment_evidence"] == true).count(), 2);
    // The same through a collector, which names the caller in its own fields.
    let line = &fixture("wazuh/five.json")[2];
    assert_eq!((&line["subject"]["name"], &line["containment_evidence"]), (&json!("thistle"), &json!(true)));
}

#[test]
fn a_policy_that_only_sounds_like_quarantine_is_no_evidence() {
    let mut event = json!({"eventSource": "iam.amazonaws.com", "eventName": "DetachUserPolicy", "eventTime": "2026-09-21T10:00:00Z",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDA1", "userName": "thistle", "accountId": "222222222222"},
        "requestParameters": {"userName": "thistle", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}});
    let line = one("aws-cloudtrail", &event);
    assert_eq!((&line["containment_evidence"], &line["subject"]["native_id"]), (&json!(false), &json!("AIDA1")));
    event["eventName"] = json!("AttachUserPolicy");
    event["requestParameters"]["policyArn"] = json!("arn:aws:iam::aws:policy/AdministratorAccess");
    assert_eq!(one("aws-cloudtrail", &event)["containment_evidence"], false);
}

#[test]
fn a_password_leak_names_the_affected_person_though_no_caller_is_given() {
    let line = &fixture("gcp-audit/entries.json")[3];
    assert_eq!(line["subject"]["native_id"], "jo.muster@harbor.example");
    assert_eq!((&line["kind"], &line["containment_evidence"]), (&json!("leaked_secret"), &json!(true)));
    assert_eq!(line["severity"]["id"], 0, "NOTICE is the level of a log line");
}

#[test]
fn a_banned_agent_is_evidence_of_containment() {
    let line = &fixture("spire-audit/entries.json")[1];
    assert_eq!(line["subject"]["native_id"], "spiffe://harbor.example/spire/agent/k8s/node-1");
    assert_eq!((&line["kind"], &line["containment_evidence"]), (&json!("containment"), &json!(true)));
}

#[test]
fn a_reset_is_about_who_was_reset_and_a_grant_about_who_granted() {
    let elastic = fixture("elastic-security/alerts.json");
    assert_eq!(elastic[1]["subject"]["native_id"], "00u1");
    assert_eq!(elastic[1]["actor"]["name"], "root-admin@harbor.example");
    assert_eq!(elastic[0]["subject"]["native_id"], "AIDAHARBOREXAMPLE001");
    let falcon = fixture("crowdstrike/stream.json");
    assert_eq!(falcon[6]["subject"]["name"], "jo.muster@harbor.example");
    assert_eq!(falcon[7]["subject"]["name"], "root-admin@harbor.example");
    let ocsf = fixture("ocsf/activities.json");
    assert_eq!((&ocsf[1]["subject"]["native_id"], &ocsf[1]["credential"]), (&json!("u-1"), &Value::Null));
    assert_eq!(ocsf[5]["subject"]["native_id"], "a-1");
    let windows = &fixture("sigma-hit/events.json")[5];
    assert_eq!((&windows["subject"]["name"], &windows["actor"]["name"]), (&json!("HARBOR\\jo.muster"), &json!("HARBOR\\root-admin")));
}

#[test]
fn placeholders_become_neither_identities_nor_credentials() {
    let nobody = [
        ("aws-securityhub-asff/findings.json", 2),
        ("aws-cloudtrail/events.json", 5),
        ("kubernetes-audit/events.json", 4),
        ("falco/alerts.json", 1),
        ("crowdstrike/stream.json", 2),
        ("microsoft-defender-xdr/alerts.json", 1),
        ("microsoft-defender-xdr/hunting.json", 2),
        ("sigma-hit/events.json", 4),
        ("elastic-security/alerts.json", 2),
        ("splunk-es-notable/notables.json", 3),
        ("ocsf/activities.json", 3),
    ];
    for (path, at) in nobody {
        let line = &fixture(path)[at];
        assert_eq!(line["subject"]["resolvable"], "no", "{path} {at}: {line}");
        assert!(line["subject"]["native_id"].is_null() && line["subject"]["name"].is_null(), "{path} {at}: {line}");
        assert!(line["credential"]["id"].is_null(), "{path} {at}: {line}");
    }
    let key = &fixture("aws-securityhub-asff/findings.json")[1];
    assert_eq!((&key["subject"]["name"], &key["credential"]["id"]), (&json!("harbor-admin"), &Value::Null));
}

#[test]
fn a_user_inside_a_container_is_nobody_and_its_pod_only_approaches_an_identity() {
    let falco = fixture("falco/alerts.json");
    assert_eq!((&falco[2]["subject"]["native_id"], &falco[2]["subject"]["resolvable"]), (&json!("pay/biller-0"), &json!("partial")));
    assert_eq!(falco[3]["subject"]["resolvable"], "no");
    assert_eq!(falco[4]["subject"]["name"], "deploy on web-3", "who signed in, not what the process became");
    assert_eq!(fixture("elastic-security/alerts.json")[3]["subject"]["native_id"], "pay/biller-0");
}

#[test]
fn an_envelope_of_1970_gives_way_to_the_right_inner_time() {
    let lines = fixture("aws-guardduty/eventbridge.json");
    assert_eq!((&lines[0]["observed_at"], &lines[0]["observed_at_from"]), (&json!("2026-09-21T10:00:00Z"), &json!("event")));
    assert_eq!((&lines[1]["observed_at"], &lines[1]["observed_at_from"]), (&json!("2026-09-21T10:20:00Z"), &json!("vendor_update")));
    let inside = &fixture("aws-cloudtrail/eventbridge.json")[0];
    assert_eq!(inside["observed_at_from"], "vendor_update", "the envelope's time stands in where the event has none");
}

#[test]
fn one_vendor_writes_times_in_three_ways() {
    let falcon = fixture("crowdstrike/stream.json");
    let at = |n: usize| falcon[n]["observed_at"].as_str().unwrap().to_owned();
    assert_eq!(at(0), "2026-09-21T14:13:20Z", "FILETIME");
    assert_eq!(at(1), "2026-09-21T14:13:25Z", "milliseconds, not the start of an older process");
    assert_eq!(at(5), "2026-09-21T10:00:00Z", "text with nine digits");
    assert_eq!(at(6), "2026-09-21T14:13:30Z", "seconds");
}

#[test]
fn the_time_of_the_event_comes_before_the_time_of_the_notable_and_of_the_index() {
    assert_eq!(fixture("splunk-es-notable/notables.json")[0]["observed_at"], "2026-09-21T14:13:20Z");
    let wazuh = fixture("wazuh/five.json");
    assert_eq!(wazuh[0]["observed_at"], "2026-09-21T10:00:00Z");
    assert_eq!(wazuh[1]["observed_at"], "2026-09-21T10:01:00Z", "from the JSON inside");
}

#[test]
fn severities_of_every_scale_become_one() {
    let ids = |path: &str| fixture(path).iter().map(|l| l["severity"]["id"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids("aws-guardduty/findings.json"), [4, 5, 2, 2, 4, 5, 4], "1 to 10");
    assert_eq!(ids("aws-securityhub-asff/findings.json"), [4, 3, 3, 5, 3], "labels and 0 to 100");
    assert_eq!(ids("crowdstrike/stream.json")[..5], [2, 5, 4, 3, 1], "words, 0 to 5, 0 to 100");
    assert_eq!(ids("wazuh/four.json"), [3, 4, 2, 3], "levels");
    assert_eq!(ids("falco/alerts.json"), [2, 3, 5, 4, 6, 1], "priorities of syslog");
    assert!(ids("gcp-audit/entries.json").iter().all(|id| *id == 0), "a log level is no severity");
}

#[test]
fn what_stands_as_text_inside_text_is_read() {
    assert_eq!(fixture("kubernetes-audit/aks.json")[0]["subject"]["native_id"], "masterclient");
    assert_eq!(fixture("microsoft-defender-xdr/hunting.json")[0]["subject"]["native_id"], "20000000-0000-4000-8000-000000000002");
    assert_eq!(fixture("microsoft-sentinel/incidents.json")[2]["subject"]["name"], "HARBOR\\ida.muster");
    assert_eq!(fixture("wazuh/five.json")[0]["credential"]["id"], "AKIAHARBOREXAMPLE001");
    assert_eq!(fixture("aws-guardduty/findings.json")[1]["sample"], true);
}

#[test]
fn batches_come_apart_and_one_of_many_may_name_an_identity() {
    let count = |path: &str| {
        let lines = fixture(path);
        (lines.len(), lines.iter().filter(|l| l["subject"]["resolvable"] == "yes").count())
    };
    assert_eq!(count("aws-securityhub-asff/findings.json"), (5, 4));
    assert_eq!(count("microsoft-defender-xdr/incident.json"), (2, 1));
    assert_eq!(count("elastic-security/alerts.json"), (5, 3));
    assert_eq!(count("kubernetes-audit/events.json"), (7, 5));
    assert_eq!(count("sigma-hit/tools.json"), (4, 4));
    for source in ["aws-cloudtrail", "kubernetes-audit", "gcp-scc"] {
        for empty in ["null", "[]", "{\"Records\":[]}", "{\"items\":[]}"] {
            assert!(read(source, empty.as_bytes())[0]["unreadable"].is_object(), "{source} on {empty}");
        }
    }
}

#[test]
fn keys_in_another_case_are_the_same_fields() {
    let event = json!({"EVENTSOURCE": "iam.amazonaws.com", "eventname": "CreateUser", "EventTime": "2026-09-21T10:00:00Z", "useridentity": {"TYPE": "IAMUser", "principalid": "AIDA1", "username": "thistle"}});
    assert_eq!(one("aws-cloudtrail", &event)["subject"]["native_id"], "AIDA1");
}

#[test]
fn ids_that_different_events_share_do_not_make_them_one() {
    let entry = |method: &str, who: &str| {
        let payload = json!({"serviceName": "iam.googleapis.com", "methodName": method, "authenticationInfo": {"principalEmail": who}});
        one("gcp-audit", &json!({"insertId": "same", "timestamp": "2026-09-21T10:00:00Z", "protoPayload": payload}))["dedupe_key"].clone()
    };
    assert_eq!(entry("a.B", "x@harbor.example"), entry("a.B", "x@harbor.example"));
    assert_ne!(entry("a.B", "x@harbor.example"), entry("a.C", "x@harbor.example"));
    assert_ne!(entry("a.B", "x@harbor.example"), entry("a.B", "y@harbor.example"));
}

#[test]
fn sample_findings_are_marked_and_keep_their_subject() {
    let line = &fixture("aws-guardduty/eventbridge.json")[0];
    assert_eq!((&line["sample"], &line["subject"]["resolvable"]), (&json!(true), &json!("yes")));
    let check = &fixture("aws-securityhub-asff/findings.json")[4];
    assert_eq!((&check["sample"], &check["subject"]["name"]), (&json!(true), &json!("thistle")));
}

#[test]
fn a_scanners_report_through_a_collector_keeps_the_secret_and_names_nobody() {
    let line = &fixture("wazuh/five.json")[1];
    assert_eq!(line["subject"]["resolvable"], "secret_only");
    assert!(line["credential"]["fingerprint"].is_string());
    assert!(!line.to_string().contains("closer") && !line.to_string().contains("thistle-and-harbor"));
}

#[test]
fn a_minted_session_is_the_subject_and_a_refused_one_is_not() {
    let lines = fixture("aws-cloudtrail/events.json");
    assert_eq!(lines[2]["subject"]["native_id"], "AROADEPLOYEXAMPLE001:nightly");
    assert_eq!(lines[2]["credential"]["id"], "ASIADEPLOYEXAMPLE001");
    assert_eq!(lines[2]["actor"]["native_id"], "AIDATHISTLEEXAMPLE01");
    assert_eq!(lines[3]["subject"]["native_id"], "AIDATHISTLEEXAMPLE01");
    assert!(!lines.iter().any(|l| l.to_string().contains("must-not-show")));
}

#[test]
fn the_caller_of_a_mesh_is_the_last_hop_and_never_its_own_end() {
    let lines = fixture("envoy-access/entries.json");
    assert_eq!(lines[0]["subject"]["native_id"], "spiffe://harbor.example/ns/pay/sa/refund");
    assert_eq!(lines[1]["subject"]["native_id"], "spiffe://harbor.example/ns/edge/sa/gateway");
    assert_eq!(lines[1]["credential"]["id"], "22aa");
    assert_eq!(lines[2]["subject"]["resolvable"], "no", "only the own certificate is logged");
    assert!(!lines.iter().any(|l| l.to_string().contains("must-not-show")), "a path may carry a token");
}

#[test]
fn a_clusters_entry_in_googles_log_reads_as_the_cluster_wrote_it() {
    let payload = json!({"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.serviceaccounts.token.create", "resourceName": "core/v1/namespaces/pay/serviceaccounts/biller/token",
        "authenticationInfo": {"principalEmail": "jo.muster@harbor.example"}, "requestMetadata": {"callerIp": "203.0.113.9"}});
    let entry = json!({"insertId": "k-1", "timestamp": "2026-09-21T10:00:00Z", "resource": {"labels": {"cluster_name": "harbor"}}, "protoPayload": payload});
    let line = one("kubernetes-audit", &entry);
    assert_eq!((&line["subject"]["native_id"], &line["subject"]["system"]), (&json!("pay/biller"), &json!("k8s:harbor")));
    assert_eq!(line["actor"]["native_id"], "jo.muster@harbor.example");
    // Undeclared it is Google's.
    let line = one("gcp-audit", &entry);
    assert_eq!(line["subject"]["native_id"], "jo.muster@harbor.example");
}

#[test]
fn an_account_of_a_host_is_a_pair_of_host_and_name() {
    let line = &fixture("crowdstrike/stream.json")[1];
    assert_eq!((&line["subject"]["native_id"], &line["subject"]["system"]), (&json!("Administrator"), &json!("host:PAY-7")));
    assert_eq!(line["subject"]["name"], "Administrator on PAY-7");
    let other = &fixture("crowdstrike/stream.json")[3];
    assert_eq!((&other["subject"]["native_id"], &other["subject"]["system"]), (&json!("HARBOR\\jo.muster"), &json!("ad:HARBOR")));
}

#[test]
fn a_service_of_aws_acting_by_itself_is_nobody() {
    let event = json!({"eventSource": "secretsmanager.amazonaws.com", "eventName": "RotationStarted", "eventTime": "2026-09-21T10:00:00Z", "recipientAccountId": "222222222222",
        "userIdentity": {"type": "AWSService", "invokedBy": "secretsmanager.amazonaws.com"}});
    let line = one("aws-cloudtrail", &event);
    assert_eq!((&line["subject"]["resolvable"], &line["subject"]["name"]), (&json!("no"), &Value::Null));
}
