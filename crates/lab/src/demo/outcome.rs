//! The end of the story: every claim against the intruder's own log, the bundle, the
//! job, what was not proved.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{
    check::{self, Claim, Try, Verdict},
    company::read_back,
    desk::text,
    story::{Moments, Sabotage, Scene, Thieves, credential, list},
};
use crate::{actor::Actor, clock, journal, secret::MARK};

/// What the demo leaves behind.
pub(super) const LEFT: [&str; 6] = ["report.json", "intruder.jsonl", "job.jsonl", "case.json", "bundle.zip", "server.log"];

/// What was gathered while it was told.
#[derive(Default)]
pub(super) struct Facts {
    pub thieves: Thieves,
    pub job_log: PathBuf,
    /// When each credential was first reported, or came with one that was.
    pub alerted_at: Moments,
    /// When the plan that cut it began.
    pub acted_at: Moments,
    /// When it was first claimed dead.
    pub dead_at: Moments,
}

impl Facts {
    /// Notes what a case claims now, and when its plans began; the first claim stays.
    pub fn see(&mut self, case: &Value) {
        for held in list(&case["credentials"]).iter().filter(|c| c["issued_by_quell"] != true) {
            let (Some(id), Some(identity)) = (held["id"].as_str(), held["identity"].as_str()) else { continue };
            // The intruder's log names the credential for both ways in, so the claim that is
            // held against it is about both: the login, and every session of that login.
            let sessions = list(&case["sessions"]).iter().filter(|s| s["identity"] == identity && s["issued_by_quell"] != true);
            let both: Option<Vec<&str>> = [held].into_iter().chain(sessions).map(|h| h["proven_dead_at"].as_str()).collect();
            if let Some(at) = both.and_then(|all| all.into_iter().max_by_key(|at| check::even(at))) {
                self.dead_at.entry(id.to_owned()).or_insert_with(|| at.to_owned());
            }
            let about = |p: &&Value| list(&p["steps"]).iter().any(|s| s["selector"].as_str().is_some_and(|t| t.contains(identity)));
            let cuts = list(&case["plans"]).iter().filter(|p| p["kind"] != "undo").filter(about);
            if let Some(at) = cuts.filter_map(|p| p["started_at"].as_str()).min() {
                self.acted_at.entry(id.to_owned()).or_insert_with(|| at.to_owned());
            }
        }
    }

    pub fn dead_at(&self, id: &str) -> Option<String> {
        self.dead_at.get(id).cloned()
    }

    fn claim(&self, case: &Value, id: &str, sabotaged: bool) -> Claim {
        let held = credential(case, id);
        let exposure = || {
            let at = |name: &str| held["exposure"][name].as_str().and_then(moment);
            Some(at("at_most_until")? - at("from")?)
        };
        Claim {
            id: id.to_owned(),
            plane: id.split('/').next().unwrap_or_default().to_owned(),
            kind: held["kind"].as_str().unwrap_or("password").to_owned(),
            state: held["state"].as_str().unwrap_or("UNKNOWN").to_owned(),
            proven_dead_at: self.dead_at(id),
            exposure_seconds_at_most: exposure(),
            sabotaged,
        }
    }
}

pub(super) async fn settle(scene: &Scene, case: &str, lying: Option<&str>, facts: Facts, job: Actor, sabotage: Sabotage) -> Result<bool> {
    let company = &scene.company;
    let desk = &company.desk;
    // A few more tries of everybody after the last claim.
    clock::until(Duration::from_millis(900), || false);
    let shown = desk.case(case)?;
    fs::write(scene.out.join("case.json"), serde_json::to_vec_pretty(&shown)?)?;
    let bundle = scene.out.join("bundle.zip");
    let export = desk.json("rosa", &["evidence", "export", case, "-o", &text(&bundle)])?;
    let key = export["key"].as_str().context("no key")?.to_owned();
    let verified = desk.json("", &["evidence", "verify", &text(&bundle), "--key", &key])?;
    let (unpinned, ..) = desk.run("", &["evidence", "verify", &text(&bundle)])?;
    scene.tell(&format!("bundle   {} events verify against the log's key; without the key the exit is {unpinned}", verified["events"]));
    let ledger = desk.json("ada", &["ledger", "verify"])?;

    // Whom the sabotage lies about, and who came into the story, are claimed about.
    let claimed: Vec<String> = facts.alerted_at.keys().cloned().collect();
    let second = lying.map(|id| desk.case(id)).transpose()?;
    let claims: Vec<Claim> = claimed
        .iter()
        .map(|id| match &second {
            Some(second) if credential(second, id).is_object() => facts.claim(second, id, true),
            _ => facts.claim(&shown, id, false),
        })
        .collect();
    job.stop()?;
    let (acted_at, alerted_at) = (facts.acted_at, facts.alerted_at);
    let mut tried: Vec<Try> = Vec::new();
    for thief in facts.thieves {
        let about = claimed.contains(&thief.credential);
        let tries = thief.stop()?;
        if about {
            tried.extend(tries);
        }
    }
    let mut lines = String::new();
    for one in &tried {
        lines.push_str(&serde_json::to_string(one)?);
        lines.push('\n');
    }
    fs::write(scene.out.join("intruder.jsonl"), lines)?;
    let verdict = check::check(&tried, &claims, &acted_at, &alerted_at);

    let job = job_summary(&facts.job_log)?;
    let mut complaints = verdict.complaints.clone();
    if job["failures"] != 0 {
        complaints.push(format!("billing-job had {} failures", job["failures"]));
    }
    let undone = sabotage != Sabotage::FalseProof;
    let (usable, dead) = (undone && is_back(scene).await, old_ones_are_dead(scene).await);
    if undone && !usable {
        complaints.push("Mara does not get in with her new password".to_owned());
    }
    if undone && !dead {
        complaints.push("a stolen credential works after the undo".to_owned());
    }
    if ledger["ok"] != true || verified["ok"] != true || unpinned != 1 {
        complaints.push("ledger or bundle did not verify as they must".to_owned());
    }
    complaints.extend(leaks(scene)?);

    let ok = complaints.is_empty() && verdict.contradictions.is_empty();
    let name = match sabotage {
        Sabotage::LyingPlane => "lying-plane",
        Sabotage::FalseProof => "false-proof",
    };
    let as_expected = match sabotage {
        Sabotage::LyingPlane => verdict.sabotage_as_expected,
        Sabotage::FalseProof => !verdict.contradictions.is_empty(),
    };
    let not_proven = not_proven(&shown);
    let report = json!({ "ok": ok, "seconds": scene.began.elapsed().as_secs(), "credentials": verdict.credentials, "legitimate": job,
        "undo": { "identity_usable": usable, "old_credentials_dead": dead }, "bundle": { "file": "bundle.zip", "events": verified["events"], "size": verified["size"], "root": verified["root"], "key": key },
        "sabotage": { "name": name, "as_expected": as_expected }, "contradictions": verdict.contradictions, "not_proven": not_proven });
    fs::write(scene.out.join("report.json"), serde_json::to_vec_pretty(&report)?)?;
    summary(scene, &verdict, &job, &not_proven, &complaints);
    Ok(ok)
}

fn summary(scene: &Scene, verdict: &Verdict, job: &Value, not_proven: &[String], complaints: &[String]) {
    println!();
    for found in &verdict.credentials {
        let exposure = found
            .exposure_seconds_at_most
            .map_or_else(|| "still usable".to_owned(), |s| format!("usable {s} s at most after the first sign"));
        println!("{}", found.id);
        println!("  {:8} {exposure}; {} accepted uses after the alert", found.state, found.accepted_uses_after_alert);
        println!("  {:8} last intruder success {}", "", found.last_intruder_success_at.as_deref().unwrap_or("never"));
        println!("  {:8} proven dead at        {}", "", found.proven_dead_at.as_deref().unwrap_or("not proven"));
    }
    println!("billing-job: {} payments, {} failures, longest gap {} ms", job["attempts"], job["failures"], job["longest_gap_ms"]);
    println!("not proven in this run:");
    for line in not_proven {
        println!("  {line}");
    }
    for line in &verdict.contradictions {
        println!("CONTRADICTED: {line}");
    }
    for line in complaints {
        println!("NOT AS IT MUST BE: {line}");
    }
    if complaints.is_empty() && verdict.contradictions.is_empty() {
        println!("The intruder's own log contradicts nothing that Quell claimed. {} has everything.", scene.out.display());
    }
}

/// What nobody may take for proved: what was not looked at, and what is not dead.
fn not_proven(case: &Value) -> Vec<String> {
    let held = [list(&case["credentials"]), list(&case["sessions"])].concat();
    let open = held.iter().filter(|c| c["issued_by_quell"] != true && c["state"] != "DEAD");
    let open = open.map(|c| format!("{} is {}", c["id"].as_str().unwrap_or("?"), c["state"].as_str().unwrap_or("?")));
    open.chain(list(&case["not_looked_at"]).iter().filter_map(|g| g.as_str().map(|g| format!("not looked at: {g}")))).collect()
}

/// Mara gets in with what lies in the file that is handed to her.
async fn is_back(scene: &Scene) -> bool {
    let company = &scene.company;
    let Some(password) = read_back(&company.handed).and_then(|v| v["password"].as_str().map(str::to_owned)) else { return false };
    company.directory.bind(&company.people.mara.dn, &password).await.is_ok()
}

/// Asked by the lab itself, apart from the intruder's processes.
async fn old_ones_are_dead(scene: &Scene) -> bool {
    let company = &scene.company;
    let bound = company.directory.bind(&company.people.mara.dn, company.people.mara.password.reveal()).await.is_ok();
    let billing = company.database.connect("billing_app", company.billing.app.password.reveal(), "billing").await.is_ok();
    let vault = company.secrets.login(&company.vault, &company.secrets.secret_id).await.is_ok();
    !bound && !billing && !vault
}

/// The lab's marked secrets may lie in sinks and in the intruder's own files, and
/// nowhere that Quell writes.
fn leaks(scene: &Scene) -> Result<Vec<String>> {
    let mut searched: Vec<PathBuf> = LEFT.iter().map(|name| scene.out.join(name)).collect();
    for entry in fs::read_dir(scene.company.work.path().join("data"))? {
        searched.push(entry?.path());
    }
    // The vault made the secret-id; it carries no mark of the lab.
    let wanted = [MARK.as_bytes(), scene.company.secrets.secret_id.reveal().as_bytes()];
    let mut found = Vec::new();
    for path in searched.iter().filter(|p| p.is_file()) {
        let bytes = fs::read(path)?;
        if wanted.iter().any(|secret| bytes.windows(secret.len()).any(|w| w == *secret)) {
            found.push(format!("a secret of the lab lies in `{}`", path.display()));
        }
    }
    Ok(found)
}

/// Whole seconds of the day of an RFC 3339 time; enough for a demo of minutes.
fn moment(text: &str) -> Option<i64> {
    let time = text.get(11..19)?;
    let mut parts = time.split(':').map(|p| p.parse::<i64>().ok());
    Some(parts.next()?? * 3600 + parts.next()?? * 60 + parts.next()??)
}

fn job_summary(log: &std::path::Path) -> Result<Value> {
    let lines: Vec<Value> = journal::read(log)?;
    let summary = lines.iter().rev().find_map(|l| l.get("summary")).context("the job left no summary")?;
    Ok(json!({ "attempts": summary["attempts"], "failures": summary["failures"], "longest_gap_ms": summary["longest_gap_ms"] }))
}
