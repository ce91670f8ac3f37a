//! An alert about somebody on a system that no connector serves: what the person on call
//! gets, and what a person's word makes of it.

use quell_core::{
    case::{Brought, Command},
    decision::{Role, Verb},
    event::SourceCreated,
    finding::Outcome,
    id::{CaseId, FindingId, SourceId, TaskId},
    personal::Salter,
};
use quell_engine::{Failure, order::Caller};
use serde_json::{Value, json};

use crate::{
    health::Here,
    installation::{import, person, scanner, tell_at, view, work_until},
};

/// What Okta's own detector says of a person.
fn okta() -> String {
    json!([{ "eventType": "user.session.start", "displayMessage": "User login to Okta", "severity": "WARN", "uuid": "u-1", "published": "2026-11-20T03:00:00.000Z",
        "outcome": { "result": "SUCCESS" }, "actor": { "id": "00uida", "type": "User", "alternateId": "ida@corp.example", "displayName": "Ida" },
        "client": { "ipAddress": "203.0.113.60" }, "authenticationContext": { "externalSessionId": "idx-1" } }])
    .to_string()
}

/// The product's own format, about a token of GitHub.
fn github() -> String {
    json!({ "source": "quell", "kind": "leaked_secret", "title": "a token in a public gist", "observed_at": "2026-11-20T03:00:00Z",
        "severity": { "id": 4 }, "dedupe_key": "g-1",
        "subject": { "resolvable": "yes", "kind": "human", "native_id": "octo", "name": "Octo Cat", "system": "github:corp" },
        "credential": { "kind": "token", "id": "pat-4711" } })
    .to_string()
}

async fn alerted(here: &Here, detector: &str, body: &str) -> Vec<CaseId> {
    let source = source(here, detector).await;
    let alert = here.engine.receive(&source, body.as_bytes()).await.expect("received");
    here.engine.file(&alert).await.expect("filed").cases
}

async fn source(here: &Here, detector: &str) -> SourceCreated {
    let name = format!("of-{detector}");
    let made = SourceCreated {
        source: SourceId::new(format!("src-{detector}")),
        name: name.clone(),
        detector: detector.to_owned(),
        hash: name,
        ..scanner()
    };
    if here.engine.source(&made.name).await.expect("read").is_none() {
        here.engine.create_source(&quell_core::event::By::Automation, made.clone()).await.expect("a source");
    }
    made
}

fn handed_over(view: &Value) -> bool {
    view["plans"][0]["state"] == "handed_over"
}

async fn done(here: &Here, by: &Caller, case: &CaseId, task: &Value, saw: Option<&str>) -> Result<(), Failure> {
    let salter = Salter::new(here.engine.ports.chance.seed());
    let task = TaskId::new(task["id"].as_str().expect("an id"));
    let brought = Brought { saw: saw.map(|saw| salter.commit(saw)), ..Brought::default() };
    here.engine.command(by, case, Verb::Task, Command::EndTask { task, by: by.by(), brought }).await
}

async fn close(here: &Here, by: &Caller, case: &CaseId) -> Result<(), Failure> {
    here.engine.command(by, case, Verb::Close, Command::Close { note: None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_on_no_plane_of_ours_is_contained_by_people_whose_word_proves_nothing() {
    for (detector, body, reference, instead_of) in
        [("okta-system-log", okta(), "okta/00uida", "rotate_credential"), ("quell", github(), "github:corp/octo", "revoke_credential")]
    {
        let here = Here::start().await;
        let ana = person(&here.engine, "ana", &[Role::PlatformOwner]).await;
        let lea = person(&here.engine, "lea", &[Role::Lead, Role::ResponseOwner]).await;
        let cases = alerted(&here, detector, &body).await;
        let [case] = cases.as_slice() else { panic!("one case, found {cases:?}") };
        let shown = work_until(&here.engine, case, handed_over).await;

        // Everybody asked once, at once: nobody armed anything and nobody approved.
        assert_eq!(shown["findings"][0]["subject"], reference, "{shown:#}");
        assert!(shown["not_looked_at"].to_string().contains("no connector"), "{shown:#}");
        let steps = shown["plans"][0]["steps"].as_array().expect("steps").clone();
        assert!(steps.iter().all(|s| s["action"] == "human_task" && s["state"] == "handed_over"), "{shown:#}");
        assert!(steps.iter().any(|s| s["by_hand"]["instead_of"] == instead_of), "{shown:#}");
        assert!(steps.iter().all(|s| s["by_hand"]["owner"] == "platform_owner" && s["by_hand"]["wants"].is_string()), "{shown:#}");
        let tasks = shown["tasks"].as_array().expect("tasks").clone();
        assert_eq!(tasks.len(), steps.len(), "a task each, and none beside them: {shown:#}");
        assert!(
            tasks.iter().all(|t| t["untrusted"].as_str().is_some_and(|text| text.starts_with(reference) || text.contains('('))),
            "{shown:#}"
        );
        assert!(shown["headline"].as_str().expect("text").contains("STILL USABLE"), "{shown:#}");
        tell_at(&here.engine, here.engine.ports.clock.now()).await;
        assert_eq!(here.told().people(), [ana.id.to_string()], "whoever owns the platform is told, once");

        // A step is done when a person says what they saw.
        let nothing = done(&here, &ana, case, &tasks[0], None).await;
        assert!(matches!(&nothing, Err(Failure::Refused(why)) if why.contains("say what you saw")), "{nothing:?}");
        for task in &tasks {
            done(&here, &ana, case, task, Some("login refused at 03:10")).await.expect("recorded");
        }
        let shown =
            work_until(&here.engine, case, |v| v["tasks"].as_array().is_some_and(|t| t.iter().all(|t| !t["ended_at"].is_null()))).await;
        assert!(shown["headline"].as_str().expect("text").contains("UNKNOWN"), "{shown:#}");
        assert_ne!(shown["state"], "proven", "{shown:#}");
        for held in shown["credentials"].as_array().expect("credentials") {
            assert_eq!(
                (&held["state"], &held["proof"], &held["proven_dead_at"]),
                (&json!("UNKNOWN"), &Value::Null, &Value::Null),
                "{shown:#}"
            );
        }
        for step in shown["plans"][0]["steps"].as_array().expect("steps") {
            assert_eq!(step["state"], "done", "{step:#}");
            assert_eq!((&step["by_hand"]["proved"], &step["by_hand"]["said_by"]), (&json!(false), &shown["tasks"][0]["by"]), "{step:#}");
        }
        assert!(shown["tasks"][0]["by"].to_string().contains(ana.id.as_str()), "{shown:#}");
        assert_eq!(shown["tasks"][0]["brought"]["untrusted"], "login refused at 03:10");

        // It closes by an outcome with evidence of a named person, and not before.
        let refused = close(&here, &lea, case).await;
        assert!(matches!(&refused, Err(Failure::Refused(why)) if why.contains("cannot close")), "{refused:?}");
        let finding = FindingId::new(shown["findings"][0]["id"].as_str().expect("an id"));
        let ends =
            |outcome| Command::EndFinding { finding: finding.clone(), outcome, evidence: Some(Salter::new([1; 32]).commit("seen by ana")) };
        here.engine.command(&lea, case, Verb::Close, ends(Outcome::Contained)).await.expect("an outcome");
        assert!(close(&here, &lea, case).await.is_err(), "contained is a claim that only a proof makes");
        here.engine.command(&lea, case, Verb::Close, ends(Outcome::Retired)).await.expect("an outcome");
        close(&here, &lea, case).await.expect("it closes");

        // A stranger reads the same words, and nobody's name in the clear.
        let export = here.engine.export(&lea.by(), case).await.expect("a bundle");
        let key = quell_ledger::note::VerifierKey::parse(&export.key).expect("a key");
        let report = quell_ledger::bundle::verify(&export.bytes, Some(&key), &quell_engine::export::inspect);
        assert!(report.ok, "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_twice_of_them_is_one_case_and_asks_nobody_twice() {
    let here = Here::start().await;
    let ana = person(&here.engine, "ana", &[Role::Iam]).await;
    let lea = person(&here.engine, "lea", &[Role::Lead, Role::ResponseOwner]).await;
    let first = alerted(&here, "quell", &github()).await;
    work_until(&here.engine, &first[0], handed_over).await;
    let again = alerted(&here, "quell", &github().replace("g-1", "g-2").replace("leaked_secret", "anomalous_use")).await;
    assert_eq!(first, again, "the open case of this identity");
    let shown = work_until(&here.engine, &first[0], |v| v["findings"].as_array().is_some_and(|f| f.len() == 2)).await;
    assert_eq!(shown["plans"].as_array().map(Vec::len), Some(1), "{shown:#}");
    assert!(shown["tasks"].as_array().expect("tasks").iter().all(|t| t["owner"] == "iam"), "nobody owns the platform: {shown:#}");

    // A person who asks for a plan is told that it is in people's hands; the way back is theirs, too.
    let asked = here.engine.plan_case(&lea, &first[0]).await;
    assert!(matches!(&asked, Err(Failure::Refused(why)) if why.contains("in people's hands")), "{asked:?}");
    let undone = here.engine.undo(&lea, &first[0], quell_core::plan::UndoMode::Reinstate, None).await;
    assert!(matches!(&undone, Err(Failure::Refused(why)) if why.contains("nothing was contained")), "{undone:?}");
    assert_eq!(ana.roles, [Role::Iam]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_invented_and_a_sample_asks_nobody() {
    let here = Here::start().await;
    person(&here.engine, "ana", &[Role::PlatformOwner]).await;
    let of = |change: &dyn Fn(&mut Value)| {
        let mut body: Value = serde_json::from_str(&github()).expect("JSON");
        change(&mut body);
        body.to_string()
    };
    let unnamed =
        of(&|b| b["subject"] = json!({ "resolvable": "no", "kind": "unknown", "native_id": null, "name": null, "system": "github:corp" }));
    let nowhere = of(&|b| (b["subject"]["system"], b["dedupe_key"]) = (Value::Null, json!("g-2")));
    let markup = of(&|b| (b["subject"]["system"], b["dedupe_key"]) = (json!("<b>evil</b> `x`"), json!("g-3")));
    for body in [unnamed, nowhere, markup] {
        let case = alerted(&here, "quell", &body).await.remove(0);
        here.engine.work(&case, here.engine.ports.clock.now()).await.expect("it goes on");
        let shown = view(&here.engine, &case).await;
        assert_eq!(
            (&shown["findings"][0]["subject"], &shown["plans"], &shown["tasks"]),
            (&Value::Null, &json!([]), &json!([])),
            "{shown:#}"
        );
    }
    let sample = of(&|b| (b["sample"], b["dedupe_key"]) = (json!(true), json!("g-4")));
    let case = alerted(&here, "quell", &sample).await.remove(0);
    here.engine.work(&case, here.engine.ports.clock.now()).await.expect("it goes on");
    let shown = view(&here.engine, &case).await;
    assert_eq!((&shown["plans"], &shown["tasks"]), (&json!([]), &json!([])), "{shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_system_is_worded_by_its_kind_and_a_listed_identity_by_its_own() {
    let here = Here::start().await;
    let admin = person(&here.engine, "ada", &[Role::Admin, Role::PlatformOwner]).await;
    let objects = [
        json!({ "type": "system", "id": "code", "kind": "github", "native": ["github:corp"] }),
        json!({ "type": "identity", "id": "code/ci-bot", "kind": "service_account", "name": "CI", "aliases": ["octo"] }),
        json!({ "type": "credential", "id": "code/ci-bot#token", "identity": "code/ci-bot", "kind": "token" }),
    ];
    import(&here.engine, &admin, objects).await;
    let case = alerted(&here, "quell", &github()).await.remove(0);
    let shown = work_until(&here.engine, &case, handed_over).await;
    assert_eq!(shown["findings"][0]["subject"], "code/ci-bot", "{shown:#}");
    let steps = shown["plans"][0]["steps"].as_array().expect("steps");
    assert!(steps.iter().any(|s| s["by_hand"]["instead_of"] == "revoke_credential"), "{shown:#}");
    assert!(steps.iter().all(|s| s["by_hand"]["what"].as_str().is_some_and(|w| w.contains("`code`"))), "{shown:#}");
    assert!(steps.iter().any(|s| s["by_hand"]["what"].as_str().is_some_and(|w| w.contains("personal token"))), "by its kind: {shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_made_up_names_floods_nobody() {
    let here = Here::start().await;
    person(&here.engine, "ana", &[Role::PlatformOwner]).await;
    let crowd = |count: usize, what: &str| {
        let word = |n| {
            json!({ "kind": "anomalous_use", "title": "used", "dedupe_key": format!("{what}-{n}"), "severity": { "id": 3 },
            "subject": { "resolvable": "yes", "kind": "human", "native_id": format!("{what}-{n}"), "system": "okta" } })
        };
        (0..count).map(|n| word(n).to_string() + "\n").collect::<String>()
    };
    for (count, plans) in [(2, 1), (51, 0)] {
        let cases = alerted(&here, "quell", &crowd(count, &format!("who{count}"))).await;
        assert_eq!(cases.len(), count, "each is a case of its own either way");
        here.engine.work(&cases[0], here.engine.ports.clock.now()).await.expect("it goes on");
        let shown = view(&here.engine, &cases[0]).await;
        assert_eq!(shown["plans"].as_array().map(Vec::len), Some(plans), "{count}: {shown:#}");
        assert_eq!(shown["findings"][0]["find_out"].is_string(), plans == 0, "{count}: {shown:#}");
    }
}
