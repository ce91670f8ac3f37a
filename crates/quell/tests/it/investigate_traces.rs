//! Real traces, where the folder of them is at hand: each gives exactly its chain.
//!
//! The folder is named by `QUELL_CORPUS`; nothing of it is in this repository.
//! What must be found stands in its own `expected-chain.jsonl`; the few things
//! that a row says in words are spelled out here.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::cli_run::Desk;

fn traces() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("QUELL_CORPUS").map(PathBuf::from);
    let folder = workspace.join(named.clone().unwrap_or_else(|| "../shared/signals".into())).join("_traces");
    if folder.join("expected-chain.jsonl").is_file() {
        return Some(folder);
    }
    assert!(named.is_none(), "QUELL_CORPUS names a folder without `{}`", folder.display());
    println!("no traces at hand (set QUELL_CORPUS to check real ones); nothing was checked against them");
    None
}

fn rows(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("expected-chain.jsonl")).expect("expectations");
    text.lines().filter(|l| !l.trim().is_empty()).map(|l| serde_json::from_str(l).expect("a row")).collect()
}

fn row(folder: &Path, trace: &str) -> Value {
    rows(folder).into_iter().find(|r| r["trace"] == trace).unwrap_or_else(|| panic!("no row for `{trace}`"))
}

fn investigate(path: &Path) -> Value {
    let desk = Desk::new();
    desk.run(&["investigate", &path.display().to_string(), "--json"]).ended(0).json()
}

fn only_case(answer: &Value) -> &Value {
    let cases = answer["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 1, "{:?}", cases.iter().map(|c| &c["title"]).collect::<Vec<_>>());
    &cases[0]
}

fn links(case: &Value) -> BTreeMap<&str, &Value> {
    case["chain"].as_array().expect("a chain").iter().map(|l| (l["id"].as_str().expect("an id"), l)).collect()
}

fn secrets(case: &Value) -> BTreeSet<&str> {
    case["secrets_read"].as_array().expect("secrets").iter().map(|s| s["id"].as_str().expect("an id")).collect()
}

fn is_dead(link: &Value) -> bool {
    link["liveness"] == "dead"
}

#[test]
fn a_whole_attack_run_gives_exactly_its_chain() {
    let Some(folder) = traces() else { return };
    let wanted = row(&folder, "invictus-part1");
    let answer = investigate(&folder.join("invictus-part1"));
    let case = only_case(&answer);
    let root = wanted["root_credential"].as_str().unwrap();
    assert_eq!((&case["root"]["identity"], &case["root"]["credential"]), (&wanted["root_identity"], &wanted["root_credential"]));
    assert_eq!((&case["first_seen"], &answer["records"]), (&wanted["first_seen"], &Value::from(1448)));

    // Every edge by its own id; the one that the row calls legitimate stands outside, with its reason.
    let chain = links(case);
    let mut expected = BTreeSet::from([root]);
    for edge in wanted["edges"].as_array().unwrap() {
        let id = edge["mints"].as_str().unwrap();
        let use_ = edge["later_use"].as_str().unwrap();
        if use_.contains("legitimate") {
            let aside = case["excluded"].as_array().unwrap().iter().find(|e| e["id"] == id).unwrap_or_else(|| panic!("`{id}` is not told"));
            assert!(aside["reason"].as_str().unwrap().contains("the machine's own session"), "{aside}");
            continue;
        }
        expected.insert(id);
        let link = chain.get(id).unwrap_or_else(|| panic!("`{id}` is missing"));
        assert_eq!(
            (&link["minted_at"], &link["minted_from"], &link["mint_event"]),
            (&edge["t"], &Value::from(root), &edge["event"]),
            "{id}"
        );
        assert!(!is_dead(link), "{link}");
        let uses = link["uses"].as_u64().unwrap();
        let said: Option<u64> = use_.split(' ').next().and_then(|n| n.parse().ok());
        let wanted_uses = said.unwrap_or(if use_.starts_with("GetCallerIdentity") { 2 } else { 1 });
        assert_eq!(uses, wanted_uses, "{id}: {use_}");
    }
    assert_eq!(chain.keys().copied().collect::<BTreeSet<_>>(), expected, "exactly the chain");
    assert_eq!(chain[root]["uses"], 1055);

    let orphan = wanted["orphan"]["credential"].as_str().unwrap();
    let waiting = answer["unattached"].as_array().unwrap().iter().find(|u| u["id"] == orphan).expect("the orphan is kept");
    assert!(waiting["reason"].as_str().unwrap().contains("12:06:41"), "{waiting}");

    // 20 secrets and 42 parameters were read, each a step.
    assert_eq!(secrets(case).len(), 62);
    let plan = case["plan"].as_array().unwrap();
    let marked: BTreeSet<&str> =
        plan.iter().filter(|s| s["action"] == "mark_for_rotation").map(|s| s["target"].as_str().unwrap()).collect();
    assert_eq!(marked, secrets(case));
    assert_eq!((&plan[0]["action"], &plan[0]["target"]), (&Value::from("revoke_credential"), &Value::from(root)));
    for role in ["get-password-data", "leave-org", "get-usr-data", "ec2-steal-credentials", "ec2-enumerate"] {
        let fence = plan.iter().find(|s| s["action"] == "restrict_access" && s["target"].as_str().unwrap().contains(role));
        assert!(fence.is_some_and(|s| s["after"].as_array().unwrap().contains(&Value::from(1))), "{role} is not fenced behind the key");
    }
    assert!(plan.iter().any(|s| s["action"] == "quarantine_workload" && s["target"] == "i-0dbc91f429e48eeed"));

    // The other human and the services are told, and are nowhere inside.
    let outside: BTreeMap<&str, &str> =
        case["excluded"].as_array().unwrap().iter().map(|e| (e["id"].as_str().unwrap(), e["reason"].as_str().unwrap())).collect();
    for innocent in ["AKIATFQR7NSCUXC3DDDP", "AKIATFQZ7NSC8Q4X21BJ"] {
        assert!(outside[innocent].starts_with("another identity"), "{innocent}");
    }
    assert!(!serde_json::to_string(&case["chain"]).unwrap().contains("benjamin"));
}

#[test]
fn shuffled_files_and_records_give_the_same_chain() {
    let Some(folder) = traces() else { return };
    let mut records: Vec<Value> = Vec::new();
    for entry in std::fs::read_dir(folder.join("invictus-part1")).expect("files") {
        let text = std::fs::read(entry.expect("a file").path()).expect("bytes");
        let document: Value = serde_json::from_slice(&text).expect("JSON");
        records.extend(document["Records"].as_array().expect("records").iter().cloned());
    }
    let told = |records: &[Value]| {
        let desk = Desk::new();
        let file = desk.file("trail.jsonl", records.iter().map(|r| format!("{r}\n")).collect::<String>());
        let mut answer = desk.run(&["investigate", &file, "--json"]).ended(0).json();
        for case in answer["cases"].as_array_mut().unwrap() {
            for link in case["chain"].as_array_mut().unwrap() {
                link.as_object_mut().unwrap().remove("evidence");
            }
        }
        answer
    };
    records.sort_by_key(|r| r["eventID"].to_string());
    let one = told(&records);
    records.reverse();
    assert_eq!(told(&records), one);
    records.sort_by_key(|r| r["requestID"].to_string());
    assert_eq!(told(&records), one);
}

#[test]
fn a_forged_sign_in_is_one_case_from_the_directory_to_the_mailbox() {
    let Some(folder) = traces() else { return };
    let answer = investigate(&folder.join("otrf-golden-saml"));
    let case = only_case(&answer);
    let chain = links(case);
    let from = |id: &str| {
        chain.get(id).unwrap_or_else(|| panic!("`{id}` is missing: {:?}", chain.keys())).get("minted_from").and_then(Value::as_str)
    };
    let (certificate, session) = ("simulandlabs.com#token-signing-certificate", "pgustavo@simulandlabs.com#session");
    let key = "59eaeebc-8a6b-44a6-9f24-7d55e64420c9";
    let grant = chain.keys().copied().find(|id| id.contains("401dd906-ea4f-4d41-b762-7e936d222368")).expect("the grant");
    assert_eq!(from(certificate), Some("SIMULANDLABS\\wardog#password"));
    assert_eq!(from(session), Some(certificate));
    assert_eq!((from(key), from(grant)), (Some(session), Some(session)));
    assert!(chain[key]["identity"] == "11b49e19-2326-4be6-93cb-7f37439bbd81");
    // Delivered twice, made once; read by the application, whose key obtains the token.
    assert_eq!(chain[session]["uses"], 3);
    let token = chain.keys().copied().find(|id| id.starts_with("5a95e683") && id.contains("pgustavo")).expect("the application's token");
    assert_eq!((from(token), &chain[token]["uses"]), (Some(key), &Value::from(1)));
    for operator in ["SIMULANDLABS\\wardog#password", "SIMULANDLABS\\adfsadmin#password", "SIMULANDLABS\\pgustavo#password"] {
        assert!(chain.contains_key(operator), "{operator}");
    }
    assert_eq!(chain["SIMULANDLABS\\pgustavo#password"]["identity"], chain[session]["identity"], "one human on two channels");
    for innocent in ["cjones", "msol_"] {
        assert!(!serde_json::to_string(&case["chain"]).unwrap().to_lowercase().contains(innocent), "{innocent} is inside");
    }
    let plan = case["plan"].as_array().unwrap();
    let steps = |action: &str, target: &str| plan.iter().filter(|s| s["action"] == action && s["target"] == target).count();
    assert_eq!(steps("rotate_credential", certificate), 2, "the key is rolled twice");
    assert_eq!((steps("revoke_credential", key), steps("remove_entitlement", grant), steps("terminate_sessions", session)), (1, 1, 1));
    assert!(secrets(case).iter().any(|s| s.contains("directory replication")) && secrets(case).iter().any(|s| s.contains("DKM")));
}

#[test]
fn every_technique_of_one_gives_its_chain() {
    let Some(folder) = traces() else { return };
    for row in rows(&folder) {
        let Some(name) = row["trace"].as_str().and_then(|t| t.strip_prefix("stratus/")) else { continue };
        let answer = investigate(&folder.join(format!("stratus/{name}.json")));
        let case = only_case(&answer);
        assert_eq!(case["root"]["credential"], row["root_credential"], "{name}");
        assert!(case["root"]["identity"].as_str().unwrap().ends_with(row["root_identity"].as_str().unwrap()), "{name}");
        let chain = links(case);
        let below: BTreeSet<&str> = chain.keys().copied().filter(|id| Some(*id) != row["root_credential"].as_str()).collect();
        match name {
            "aws.persistence.iam-create-backdoor-role" => {
                let role = "arn:aws:iam::609418236337:role/stratus-red-team-malicious-iam-role";
                assert_eq!(below, BTreeSet::from([role]));
                assert!(chain[role]["reasons"].to_string().contains("at present it opens nothing"), "the boundary is told");
            }
            "aws.persistence.iam-backdoor-user" => {
                assert_eq!(below, BTreeSet::from(["AKIAL80DWDVKKM0UXEER"]));
                let door = chain["AKIAL80DWDVKKM0UXEER"];
                assert_eq!((&door["uses"], &door["liveness"]), (&Value::from(0), &Value::from("live")), "made, never used, and usable");
                assert!(door["identity"].as_str().unwrap().ends_with("user/stratus-red-team-backdoor-u-user"));
            }
            "aws.persistence.iam-backdoor-role" => {
                assert_eq!(below, BTreeSet::from(["arn:aws:iam::751203476945:role/stratus-red-team-backdoor-r-role"]));
            }
            "aws.credential-access.secretsmanager-retrieve-secrets" => {
                assert!(below.is_empty());
                assert_eq!(secrets(case).len(), 20);
            }
            other => panic!("no expectations are spelled out for `{other}`"),
        }
    }
}

#[test]
fn every_open_trace_is_read_whole_and_tells_one_story_of_its_actor() {
    let Some(folder) = traces() else { return };
    let mut read = 0;
    for entry in std::fs::read_dir(folder.join("stratus")).expect("files") {
        let file = entry.expect("a file").path();
        let answer = investigate(&file);
        let case = only_case(&answer);
        assert!(
            answer["unreadable"].as_array().unwrap().is_empty() && answer["unattached"].as_array().unwrap().is_empty(),
            "{}",
            file.display()
        );
        assert!(case["plan"].as_array().is_some_and(|p| !p.is_empty()), "{}", file.display());
        read += 1;
    }
    assert!(read >= 20, "only {read} files");
}

#[test]
fn sequences_of_rule_hits_are_read_and_join_on_people_and_keys_alone() {
    let Some(folder) = traces() else { return };
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("panther-correlation")).expect("files") {
        let file = entry.expect("a file").path();
        let answer = investigate(&file);
        assert!(answer["unreadable"].as_array().unwrap().is_empty(), "{}", file.display());
        let tests: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(answer["records"].as_u64(), Some(tests.len() as u64), "{}", file.display());
        let found = answer["cases"].as_array().unwrap();
        // A case never spans two tests, nor two people or keys of one.
        for case in found {
            assert_eq!(case["chain"].as_array().map(Vec::len), Some(1), "{case}");
        }
        let told = found.len() + answer["unattached"].as_array().unwrap().len();
        assert!(told > 0, "{} says nothing", file.display());
        cases.insert(file.file_stem().unwrap().to_string_lossy().into_owned(), found.len());
    }
    // Who is named in a sequence is told apart by test and by name.
    assert_eq!(cases["aws_user_takeover_via_password_reset"], 6);
    assert_eq!(cases["okta_login_without_push"], 4);
    // Buckets, repositories and addresses are nobody.
    for nobody in
        ["aws_s3_disable_security_controls", "github_artifact_download_from_forked_repo", "snowflake_potential_brute_force_success"]
    {
        assert_eq!(cases[nobody], 0, "{nobody}");
    }
}
