//! Messages of many findings: filed in rounds, once, and in nobody's way.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use quell_core::{
    decision::Role,
    event::{By, SourceCreated},
    id::{AlertId, FindingId, StreamId},
};
use quell_engine::{Engine, filing::Filed, lookup};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    dying::{self, Death},
    installation::{Installation, open_with, person, scanner},
};

/// `count` statements of Quell's own format, each about somebody else who is on no plane of ours.
fn strangers(count: usize) -> Vec<u8> {
    let line = |n: usize| {
        json!({ "kind": "anomalous_use", "title": "used from elsewhere", "dedupe_key": format!("e{n}"), "severity": { "id": 3, "vendor": "3" },
            "subject": { "kind": "service_account", "native_id": format!("svc-{n}"), "system": "elsewhere" } })
        .to_string()
    };
    (0..count).map(line).collect::<Vec<_>>().join("\n").into_bytes()
}

fn sender() -> SourceCreated {
    SourceCreated { detector: "quell".to_owned(), ..scanner() }
}

/// An engine over a store alone.
async fn planeless(dir: &Path) -> Arc<Engine> {
    open_with(dir, vec![], vec![], |ports| ports).await
}

async fn received(engine: &Arc<Engine>, bytes: &[u8]) -> AlertId {
    engine.create_source(&By::Automation, sender()).await.expect("a source");
    engine.receive(&sender(), bytes).await.expect("received")
}

async fn rows(engine: &Arc<Engine>, table: &str) -> usize {
    engine.ports.store.lookup_range(table, "", None, u32::MAX).await.expect("rows").len()
}

/// Everything was filed, and each of it once.
async fn is_whole(engine: &Arc<Engine>, alert: &AlertId, filed: &Filed, count: usize) {
    let state = engine.alert(alert).await.expect("loaded").expect("an alert");
    let ended = state.filed.expect("it is filed");
    assert_eq!((ended.count().signals, ended.state()), (count as u64, "filed"));
    assert_eq!(filed.findings.iter().collect::<BTreeSet<&FindingId>>().len(), count, "each is a finding");
    assert_eq!((filed.findings.len(), filed.cases.len()), (count, count));
    assert_eq!(rows(engine, lookup::CASE).await, count, "no case was opened twice");
    for case in filed.cases.iter().step_by(count / 200 + 1) {
        let case = engine.case(case).await.expect("loaded").expect("a case");
        assert_eq!(case.findings.iter().map(|f| f.count).collect::<Vec<_>>(), [1], "counted once");
    }
}

fn memory_peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number") / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_findings_are_filed_while_an_approval_is_answered_at_once() {
    let count = std::env::var("QUELL_FINDINGS").ok().map_or(20_000, |n| n.parse().expect("QUELL_FINDINGS is a number"));
    let here = Installation::start(false).await;
    here.arm().await;
    let (sam, lea) = (here.person("sam", &[Role::Secops]).await, here.person("lea", &[Role::Iam, Role::Lead]).await);
    let one = here.source_of("one", "quell").await;
    let word = json!({ "kind": "anomalous_use", "title": "used from elsewhere", "dedupe_key": "e1", "severity": { "id": 3, "vendor": "3" },
        "subject": { "kind": "service_account", "native_id": "billing_app", "system": "pg-main" } });
    let alert = here.engine.receive(&one, word.to_string().as_bytes()).await.expect("received");
    let case = here.engine.file(&alert).await.expect("filed").cases[0].clone();
    let waits = here.work_until(&case, |v| !v["waiting_for"].as_array().is_none_or(Vec::is_empty)).await;
    let digest = waits["plans"][0]["digest"].as_str().expect("a digest").to_owned();

    let many = here.source_of("many", "quell").await;
    let began = Instant::now();
    let alert = here.engine.receive(&many, &strangers(count)).await.expect("received");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(here.engine.clone().run(stopped));
    while rows(&here.engine, lookup::ALERT_PART).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "filing never began");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = Instant::now();
    here.engine.approve(&sam, &case, &digest, None, None).await.expect("approved");
    here.engine.approve(&lea, &case, &digest, None, None).await.expect("approved");
    let answered = asked.elapsed();
    assert!(answered < Duration::from_secs(20), "two approvals took {answered:?}");
    let proven = loop {
        if here.view(&case).await["state"] == "proven" {
            break asked.elapsed();
        }
        assert!(asked.elapsed() < Duration::from_secs(300), "what was approved waits behind a message: {:#}", here.view(&case).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let state = here.engine.alert(&alert).await.expect("loaded").expect("an alert");
    assert!(state.filed.is_none(), "the message was still being filed when the case was proven, after {proven:?}");

    let filed = loop {
        if let Some(filed) = here.engine.alert(&alert).await.expect("loaded").expect("an alert").filed {
            break filed;
        }
        assert!(began.elapsed() < Duration::from_secs(1_800), "filing takes too long");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let took = began.elapsed();
    stop.send(true).expect("it runs");
    running.await.expect("it ends");
    let went = here.engine.filed_as(&filed).await.expect("known");
    assert_eq!((went.findings.len(), went.cases.len()), (count, count));
    assert_eq!(rows(&here.engine, lookup::CASE).await, count + 1);
    let peak = memory_peak_mib();
    println!("{count} findings in {took:?}, two approvals answered in {answered:?}, proven in {proven:?}, peak {peak} MiB");
    assert!(peak < 2_048, "it took {peak} MiB");
}

/// Not a test of its own: the process that dies while it files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(order) = dying::order() else { return };
    let death = Death::of(&order);
    let dir = order["dir"].as_str().expect("a folder");
    let engine = open_with(Path::new(dir), vec![], vec![], |ports| death.wrap(ports, &[])).await;
    let alert = AlertId::new(order["alert"].as_str().expect("an alert"));
    engine.file(&alert).await.expect("filed");
    panic!("the moment to die never came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_rounds_loses_nothing_and_files_nothing_twice() {
    const COUNT: usize = 1_500;
    for (phase, parts) in [("before-part", 0), ("after-part", 0), ("before-part", 12), ("after-part", 12), ("after-filed", 0)] {
        let dir = tempfile::tempdir().expect("a folder");
        let key = dir.path().join("key");
        quell_store::KeyFile::create(&key, &quell_store::OsChance).expect("a key file");
        let engine = planeless(dir.path()).await;
        let alert = received(&engine, &strangers(COUNT)).await;
        drop(engine);

        let spared: Vec<String> = (1..=parts).map(|n| format!("{phase} part {n}")).collect();
        let order = dir.path().join("order.json");
        let mut text: Value = dying::dying(&[phase], &spared, &dir.path().join("died"));
        (text["dir"], text["alert"]) = (json!(dir.path()), json!(alert));
        std::fs::write(&order, text.to_string()).expect("written");
        let died = dying::child("filing::child", &order);
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&died.status), Some(9), "{}", String::from_utf8_lossy(&died.stderr));

        let engine = planeless(dir.path()).await;
        let before = rows(&engine, lookup::CASE).await;
        assert_eq!(before > 0, (phase, parts) != ("before-part", 0), "{phase} after part {parts}: {before}");
        let now = engine.ports.clock.now();
        let waits = engine.ports.store.due(quell_core::time::after(now, 3600), 1_000).await.expect("jobs");
        let unfinished = waits.iter().any(|job| job.key == format!("file/{alert}"));
        assert_eq!(unfinished, phase != "after-filed", "what is not filed whole has a job that goes on");
        let filed = engine.file(&alert).await.expect("it goes on");
        is_whole(&engine, &alert, &filed, COUNT).await;
        let again = engine.file(&alert).await.expect("filed before");
        assert_eq!(again.findings, filed.findings, "filing again files the same");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_file_one_message_at_once_file_it_once() {
    const COUNT: usize = 700;
    let dir = tempfile::tempdir().expect("a folder");
    quell_store::KeyFile::create(&dir.path().join("key"), &quell_store::OsChance).expect("a key file");
    let engine = planeless(dir.path()).await;
    let alert = received(&engine, &strangers(COUNT)).await;
    let (one, two) = tokio::join!(engine.file(&alert), engine.file(&alert));
    let (one, two) = (one.expect("filed"), two.expect("filed"));
    assert_eq!(one.findings, two.findings);
    is_whole(&engine, &alert, &one, COUNT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_has_the_parts_of_its_case_and_no_others() {
    let dir = tempfile::tempdir().expect("a folder");
    quell_store::KeyFile::create(&dir.path().join("key"), &quell_store::OsChance).expect("a key file");
    let engine = planeless(dir.path()).await;
    let alert = received(&engine, &strangers(600)).await;
    let filed = engine.file(&alert).await.expect("filed");
    let parts = rows(&engine, lookup::ALERT_PART).await;
    assert!(parts > 5, "{parts}");
    let ada = person(&engine, "ada", &[Role::Auditor]).await;
    let export = engine.export(&ada.by(), &filed.cases[300]).await.expect("a bundle");
    // Case opened and exported, alert received and filed, and one part.
    assert_eq!(export.events, 5);
    let stream = engine.ports.store.lookup_range(lookup::CASE_PART, &format!("{}/", filed.cases[300]), None, 9).await.expect("rows");
    assert_eq!(stream.len(), 1);
    let first = engine.ports.store.read(&StreamId::alert_part(&alert, 1), 1).await.expect("read");
    assert!(first[0].leaf.bytes.len() <= quell_core::event::EVENT_BYTES_MAX);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unreadable_records_and_the_longest_words_are_filed() {
    let dir = tempfile::tempdir().expect("a folder");
    quell_store::KeyFile::create(&dir.path().join("key"), &quell_store::OsChance).expect("a key file");
    let engine = planeless(dir.path()).await;
    let mut bytes = strangers(3);
    bytes.push(b'\n');
    bytes.extend_from_slice("{\"kind\":\"no such kind at all\"}\n".repeat(1_200).as_bytes());
    let mut long: Value = serde_json::from_slice(&strangers(1)).expect("a line");
    long["severity"]["vendor"] = json!("\u{1}".repeat(50_000));
    long["reasons"] = json!(vec!["\u{1}".repeat(50_000); 30]);
    bytes.extend_from_slice(long.to_string().as_bytes());
    let alert = received(&engine, &bytes).await;
    engine.file(&alert).await.expect("filed");
    let filed = engine.alert(&alert).await.expect("loaded").expect("an alert").filed.expect("it is filed");
    assert_eq!((filed.count().signals, filed.count().unreadable), (4, 1_001));
    let went = engine.filed_as(&filed).await.expect("known");
    assert_eq!(went.findings.len(), 4, "three strangers, one of them twice, and what was unreadable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_subject_named_ten_thousand_times_stays_one_finding() {
    let here = Installation::start(false).await;
    let many = here.source_of("many", "quell").await;
    let line = |n: usize| {
        json!({ "kind": "anomalous_use", "title": "used", "dedupe_key": format!("e{n}"), "severity": { "id": 3, "vendor": "3" },
            "subject": { "kind": "service_account", "native_id": "billing_app", "system": "pg-main" } })
        .to_string()
    };
    let bytes = (0..10_000).map(line).collect::<Vec<_>>().join("\n");
    let began = Instant::now();
    let alert = here.engine.receive(&many, bytes.as_bytes()).await.expect("received");
    let filed = here.engine.file(&alert).await.expect("filed");
    println!("10,000 of one subject in {:?}", began.elapsed());
    assert_eq!((filed.findings.len(), filed.cases.len()), (1, 1));
    let case = here.engine.case(&filed.cases[0]).await.expect("loaded").expect("a case");
    assert_eq!(case.findings[0].count, 10_000);
    assert!(began.elapsed() < Duration::from_secs(300), "{:?}", began.elapsed());
}
