//! The incident, act by act.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    check::{self, Claim, Try},
    desk::{Desk, text, write},
};
use crate::{
    actor::Actor,
    clock,
    estate::{Estate, Login},
    journal,
    postgres::{Options as Server, Postgres},
    private,
    secret::{MARK, Secret},
    sink,
};

/// What the lab does behind Quell's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The plane answers success without effect for one identity; Quell must not call it dead.
    LyingPlane,
    /// The role is opened again after the proof; the check must notice.
    FalseProof,
}

/// How the demo is run.
pub struct Options {
    pub out: PathBuf,
    pub quell: PathBuf,
    pub sabotage: Sabotage,
}

/// Everything that runs for the demo.
struct Scene {
    began: Instant,
    out: PathBuf,
    work: tempfile::TempDir,
    server: Postgres,
    estate: Estate,
    /// The identity whose plane lies.
    export: Login,
    desk: Desk,
    sink: PathBuf,
}

impl Scene {
    fn tell(&self, line: &str) {
        println!("{:6.1} s  {line}", self.began.elapsed().as_secs_f32());
    }
}

/// Runs the demo; true when nothing contradicts it.
///
/// # Errors
///
/// When something of the demo itself fails.
#[expect(clippy::disallowed_methods, reason = "the story is told by the machine's clock")]
pub async fn run(options: Options) -> Result<bool> {
    fs::create_dir_all(&options.out).context("make the output folder")?;
    for old in LEFT {
        let _ = fs::remove_file(options.out.join(old));
    }
    let began = Instant::now();
    let scene = set_up(&options, began).await?;
    let outcome = play(&scene, options.sabotage).await;
    let fine = outcome?;
    let exit = scene.desk.close()?;
    if exit != 0 {
        bail!("the server ended with {exit}; read server.log");
    }
    Ok(fine)
}

async fn set_up(options: &Options, began: Instant) -> Result<Scene> {
    let tell = |line: &str| println!("{:6.1} s  {line}", began.elapsed().as_secs_f32());
    tell("a private PostgreSQL starts on 127.0.0.1, with a certificate authority of this run");
    let server = Postgres::start(Server::default()).await?;
    let estate = Estate::billing(&server).await?;
    let export = Login { user: "export_job".to_owned(), password: Secret::generate()? };
    let admin = server.connect_unix_superuser("billing").await?;
    admin.batch_execute(&format!("CREATE ROLE export_job LOGIN PASSWORD '{}' IN ROLE app_rw", export.password.verifier())).await?;

    let work = tempfile::tempdir()?;
    let dir = work.path().to_owned();
    let sink_path = dir.join("billing-job.json");
    sink::write(&sink_path, &estate.app)?;
    private::write(&dir.join("quell.secret"), Secret::generate()?.reveal())?;
    private::write(&dir.join("control.secret"), Secret::generate()?.reveal())?;
    write(&dir.join("ca.pem"), server.ca_pem())?;
    let config = format!(
        "[automation]\nwatch_every = \"2s\"\n\n[[connector]]\nname = \"pg-main\"\nkind = \"postgresql\"\nurl = \"postgresql://localhost:{}/billing\"\nca_file = \"ca.pem\"\nusername = \"quell\"\nsecret_file = \"quell.secret\"\nsettle = \"250ms\"\n\n[connector.control]\nidentity = \"quell_control\"\nsecret_file = \"control.secret\"\n\n[[sink]]\nname = \"billing-file\"\nkind = \"file\"\npath = \"{}\"\n",
        server.port(),
        sink_path.display()
    );
    write(&dir.join("quell.toml"), &config)?;
    let mut key = [0_u8; 32];
    fill(&mut key)?;
    private::write(&dir.join("key"), &key.iter().map(|b| format!("{b:02x}")).collect::<String>())?;

    let script = std::process::Command::new(&options.quell)
        .args(["connector", "bootstrap", "pg-main", "--scope", "billing_app", "--scope", "export_job", "--config"])
        .arg(dir.join("quell.toml"))
        .output()
        .with_context(|| format!("run `{}`", options.quell.display()))?;
    if !script.status.success() {
        bail!("`quell connector bootstrap` failed: {}", String::from_utf8_lossy(&script.stderr).trim());
    }
    admin.batch_execute(&String::from_utf8_lossy(&script.stdout)).await.context("run the bootstrap script")?;
    tell("its administrator ran the script of `quell connector bootstrap`: a role that may only EXECUTE");

    let desk = people(&options.quell, &dir, &options.out.join("server.log"))?;
    tell("quell serves; a new installation observes and changes nothing");
    Ok(Scene { began, out: options.out.clone(), work, server, estate, export, desk, sink: sink_path })
}

fn people(quell: &Path, dir: &Path, log: &Path) -> Result<Desk> {
    let mut desk = Desk::open(quell, dir, log)?;
    desk.person("rosa", &["response_owner"])?;
    desk.person("lea", &["lead", "secops"])?;
    desk.person("sam", &["secops"])?;
    desk.person("ian", &["iam"])?;
    desk.person("bea", &["business_owner"])?;
    desk.person("pat", &["platform_owner"])?;
    let source = desk.json("ada", &["source", "create", "gitleaks-ci", "--detector", "gitleaks", "--system", "pg-main"])?;
    desk.keep("gitleaks-ci", source["token"].as_str().context("no token")?);
    let inventory = [
        json!({ "type": "system", "id": "pg-main", "kind": "postgresql", "environment": "production", "criticality": "high", "process": "payments" }),
        json!({ "type": "identity", "id": "pg-main/billing_app", "kind": "service_account", "name": "Billing", "environment": "production", "criticality": "critical", "shared": false,
            "rotation": { "method": "failover", "sink": "billing-file" } }),
        json!({ "type": "identity", "id": "pg-main/export_job", "kind": "service_account", "name": "Export", "environment": "production", "criticality": "normal", "shared": false }),
        json!({ "type": "owner", "of": "pg-main/*", "role": "business", "person": "bea@corp.example", "confirmed_at": "2026-10-01" }),
        json!({ "type": "dependency", "consumer": "billing-job", "on": "pg-main/billing_app", "criticality": "critical", "reads_from": "billing-file" }),
    ];
    let file = dir.join("inventory.jsonl");
    write(&file, &inventory.iter().map(|o| format!("{o}\n")).collect::<String>())?;
    let change = desk.json("ada", &["inventory", "import", &text(&file), "--source", "cmdb"])?;
    if change["errors"].as_array().is_none_or(|e| !e.is_empty()) {
        bail!("the inventory was not taken: {change}");
    }
    Ok(desk)
}

async fn play(scene: &Scene, sabotage: Sabotage) -> Result<bool> {
    let dir = scene.work.path();
    let port = scene.server.port().to_string();
    let ca = text(&dir.join("ca.pem"));
    let place = ["--port", &port, "--dbname", "billing", "--ca", &ca];
    let actor = |name: &str, args: Vec<String>| {
        Actor::start(name, place.iter().map(|a| (*a).to_owned()).chain(args), &dir.join(format!("{name}.log")))
    };
    let job_log = scene.out.join("job.jsonl");
    let intruder_log = scene.out.join("intruder.jsonl");
    let other_log = dir.join("other-intruder.jsonl");

    let job = actor("quell-lab-billing-job", vec!["--sink".into(), text(&scene.sink), "--out".into(), text(&job_log)])?;
    let intruder = |login: &Login, log: &Path| -> Result<Actor> {
        let password = dir.join(format!("{}.leaked", login.user));
        private::write(&password, login.password.reveal())?;
        actor(
            "quell-lab-intruder",
            vec!["--user".into(), login.user.clone(), "--password-file".into(), text(&password), "--out".into(), text(log)],
        )
    };
    let thief = intruder(&scene.estate.app, &intruder_log)?;
    let other_thief = intruder(&scene.export, &other_log)?;
    scene.tell("billing-job writes payments; an intruder with the leaked password logs in and holds a session");
    wait_for("the intruder to get in three times each way", 15, || in_both_ways(&intruder_log) && in_both_ways(&other_log))?;

    // The report.
    let mut alerted_at = BTreeMap::from([("pg-main/billing_app#password".to_owned(), clock::rfc3339(clock::wall()))]);
    let case = report(scene, &scene.estate.app, "config/prod.env")?;
    scene.tell(&format!("gitleaks reports a secret in config/prod.env; case {case}"));
    let shown = scene.desk.watch(
        &case,
        Duration::from_secs(20),
        |h| scene.tell(&format!("case     {h}")),
        |c| plan(c, "contain").is_some_and(|p| p["state"] == "waiting") && awaited(c),
    )?;
    tell_plan(scene, &shown, "contain");
    let digest = plan(&shown, "contain").and_then(|p| p["digest"].as_str()).context("no plan")?.to_owned();
    scene.tell("observing: the intruder still gets in, nothing was changed");

    // Arm, approve.
    arm(scene)?;
    let (code, _, refusal) = scene.desk.run("gitleaks-ci", &["case", "approve", &case, "--digest", &digest])?;
    scene.tell(&format!("a machine token tries to approve: refused (exit {code}): {}", first_line(&refusal)));
    approve_all(scene, &case, "contain", &digest)?;

    // Failover, cut, proof.
    let proven = scene.desk.watch(&case, Duration::from_secs(40), |h| scene.tell(&format!("case     {h}")), |c| c["state"] == "proven")?;
    let first_dead = credential(&proven, "pg-main/billing_app#password")["proven_dead_at"].as_str().map(str::to_owned);
    let acted = acted_at(&proven);
    let twin = sink::read(&scene.sink)?.user;
    scene.tell(&format!("billing-job was seen as `{twin}` before billing_app was locked and its sessions were ended"));
    scene.tell(&format!("proof    {}", credential(&proven, "pg-main/billing_app#password")["proof"]["reason"].as_str().unwrap_or("?")));

    if sabotage == Sabotage::FalseProof {
        let admin = scene.server.connect_unix_superuser("billing").await?;
        admin.batch_execute(&format!("ALTER ROLE billing_app LOGIN PASSWORD '{}'", scene.estate.app.password.verifier())).await?;
        scene.tell("SABOTAGE: the lab opens the role again with the old password, after the proof");
        let claimed = first_dead.clone().unwrap_or_default();
        wait_for("the intruder to get in again", 10, || tries(&intruder_log).iter().any(|t| t.ok && t.started_at > claimed))?;
    } else {
        undo(scene, &case)?;
    }

    // The second identity, on a plane that lies about it.
    let admin = scene.server.connect_unix_superuser("billing").await?;
    let mut lying = None;
    if sabotage == Sabotage::LyingPlane {
        admin.batch_execute(LIES).await.context("make the plane lie")?;
        alerted_at.insert("pg-main/export_job#password".to_owned(), clock::rfc3339(clock::wall()));
        let second = report(scene, &scene.export, "jobs/export.yaml")?;
        scene.tell(&format!("a second report, about export_job, whose plane answers success without effect; case {second}"));
        let shown = scene.desk.watch(&second, Duration::from_secs(40), |h| scene.tell(&format!("case     {h}")), handed_over)?;
        let state = credential(&shown, "pg-main/export_job#password")["state"].as_str().unwrap_or("?").to_owned();
        scene.tell(&format!("the plane said done, the probe said otherwise: {state}, and a person has it"));
        lying = Some(second);
    }

    let result = settle(
        scene,
        &case,
        lying.as_deref(),
        first_dead,
        acted,
        alerted_at,
        sabotage,
        &intruder_log,
        &other_log,
        &job_log,
        (job, thief, other_thief),
    )
    .await?;
    Ok(result)
}

/// The plane that answers success and does nothing, for one role alone.
const LIES: &str = "
    ALTER FUNCTION quell.lock(text) RENAME TO lock_truly;
    CREATE FUNCTION quell.lock(role text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN IF role = 'export_job' THEN RETURN true; END IF; RETURN quell.lock_truly(role); END $$;
    ALTER FUNCTION quell.rotate(text, text) RENAME TO rotate_truly;
    CREATE FUNCTION quell.rotate(role text, verifier text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN IF role <> 'export_job' THEN PERFORM quell.rotate_truly(role, verifier); END IF; RETURN true; END $$;
    REVOKE EXECUTE ON FUNCTION quell.lock(text), quell.rotate(text, text) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION quell.lock(text), quell.rotate(text, text) TO quell;
    ALTER FUNCTION quell.lock(text) OWNER TO quell_owner;
    ALTER FUNCTION quell.rotate(text, text) OWNER TO quell_owner;
";

fn undo(scene: &Scene, case: &str) -> Result<()> {
    scene.tell("billing_app comes back with a new password; the leaked one stays dead");
    scene.desk.json("lea", &["case", "undo", case, "--mode", "reinstate", "--no-wait"])?;
    let shown = scene.desk.watch(
        case,
        Duration::from_secs(20),
        |_| {},
        |c| plan(c, "undo").is_some_and(|p| p["state"] == "waiting") && awaited(c),
    )?;
    let digest = plan(&shown, "undo").and_then(|p| p["digest"].as_str()).context("no undo plan")?.to_owned();
    approve_all(scene, case, "undo", &digest)?;
    scene.desk.watch(case, Duration::from_secs(40), |h| scene.tell(&format!("case     {h}")), |c| c["state"] == "restored")?;
    let back = sink::read(&scene.sink)?.user;
    scene.tell(&format!("billing-job is back on `{back}`; the twin is gone"));
    Ok(())
}

fn report(scene: &Scene, login: &Login, file: &str) -> Result<String> {
    let report = json!([{ "RuleID": "generic-api-key", "Description": "Generic API Key", "StartLine": 7, "EndLine": 7, "StartColumn": 12, "EndColumn": 52,
        "Match": format!("DB_PASSWORD={}", login.password.reveal()), "Secret": login.password.reveal(), "File": file, "SymlinkFile": "", "Commit": "4be1f00d",
        "Entropy": 4, "Author": "Dev Eloper", "Email": "dev@corp.example", "Date": clock::rfc3339(clock::wall()), "Message": "wip", "Tags": [], "Fingerprint": "" }]);
    let path = scene.work.path().join("report.json");
    private::write(&path, &report.to_string())?;
    let sent = scene.desk.json("gitleaks-ci", &["alert", "send", "--source", "gitleaks-ci", &text(&path)])?;
    fs::remove_file(&path)?;
    let alert = sent["alert_id"].as_str().context("no alert id")?.to_owned();
    let mut case = None;
    wait_for("the alert to be filed", 10, || {
        let shown = scene.desk.get("lea", &format!("/api/v1/alerts/{alert}"));
        case = shown.ok().and_then(|v| v["cases"][0].as_str().map(str::to_owned));
        case.is_some()
    })?;
    case.context("the alert was filed in no case")
}

fn arm(scene: &Scene) -> Result<()> {
    let mut args = vec!["connector", "arm", "pg-main", "--until", "+1h"];
    for action in [
        "reissue_credential",
        "suspend_identity",
        "terminate_sessions",
        "rotate_credential",
        "remove_entitlement",
        "reinstate",
        "retire_identity",
    ] {
        args.extend(["--action", action]);
    }
    scene.desk.json("pat", &args)?;
    scene.tell("pat, who owns the platform, arms pg-main for one hour");
    Ok(())
}

/// Everybody whom policy asks says yes; who is asked comes from the case.
fn approve_all(scene: &Scene, case: &str, kind: &str, digest: &str) -> Result<()> {
    for (name, role) in [("bea", "business_owner"), ("sam", "secops"), ("ian", "iam"), ("rosa", "response_owner"), ("lea", "lead")] {
        let shown = scene.desk.case(case)?;
        let Some(found) = plan(&shown, kind).filter(|p| p["digest"] == digest) else { bail!("the plan changed while people were asked") };
        if found["state"] != "waiting" {
            return Ok(());
        }
        let wanted = shown["waiting_for"].as_array().is_some_and(|w| w.iter().any(|x| x["role"] == role && x["plan"] == found["id"]));
        if !wanted {
            continue;
        }
        let (code, _, refusal) = scene.desk.run(name, &["case", "approve", case, "--digest", digest, "--as", role, "--json"])?;
        if code != 0 {
            scene.tell(&format!("{name} may not approve as {role}: {}", first_line(&refusal)));
            continue;
        }
        scene.tell(&format!("{name} approves as {role}"));
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the end of the story looks at everything that was gathered in it")]
async fn settle(
    scene: &Scene,
    case: &str,
    lying: Option<&str>,
    first_dead: Option<String>,
    mut acted: BTreeMap<String, String>,
    alerted_at: BTreeMap<String, String>,
    sabotage: Sabotage,
    intruder_log: &Path,
    other_log: &Path,
    job_log: &Path,
    (job, thief, other_thief): (Actor, Actor, Actor),
) -> Result<bool> {
    // A few more tries of everybody after the last claim.
    clock::until(Duration::from_millis(700), || false);
    let shown = scene.desk.case(case)?;
    fs::write(scene.out.join("case.json"), serde_json::to_vec_pretty(&shown)?)?;
    let bundle = scene.out.join("bundle.zip");
    let export = scene.desk.json("rosa", &["evidence", "export", case, "-o", &text(&bundle)])?;
    let key = export["key"].as_str().context("no key")?.to_owned();
    let verified = scene.desk.json("", &["evidence", "verify", &text(&bundle), "--key", &key])?;
    let (unpinned, ..) = scene.desk.run("", &["evidence", "verify", &text(&bundle)])?;
    scene.tell(&format!("bundle   {} events verify against the log's key; without the key the exit is {unpinned}", verified["events"]));
    let ledger = scene.desk.json("ada", &["ledger", "verify"])?;

    for actor in [job, thief, other_thief] {
        actor.stop()?;
    }
    let mut tried = tries(intruder_log);
    let others = tries(other_log);
    if lying.is_some() {
        tried.extend(others);
    }
    let mut lines = String::new();
    for one in &tried {
        lines.push_str(&serde_json::to_string(one)?);
        lines.push('\n');
    }
    fs::write(intruder_log, lines)?;

    let old = credential(&shown, "pg-main/billing_app#password");
    let mut claims = vec![claim(&old, first_dead, false)];
    if let Some(second) = lying {
        let shown = scene.desk.case(second)?;
        acted.extend(acted_at(&shown));
        let found = credential(&shown, "pg-main/export_job#password");
        let dead = found["proven_dead_at"].as_str().map(str::to_owned);
        claims.push(claim(&found, dead, true));
    }
    let verdict = check::check(&tried, &claims, &acted, &alerted_at);

    let job = job_summary(job_log)?;
    let mut complaints = verdict.complaints.clone();
    if job["failures"] != 0 {
        complaints.push(format!("billing-job had {} failures", job["failures"]));
    }
    let undone = sabotage != Sabotage::FalseProof;
    let usable = undone && sink::read(&scene.sink).is_ok_and(|l| l.user == "billing_app") && works(scene).await;
    let dead = scene.server.connect("billing_app", scene.estate.app.password.reveal(), "billing").await.is_err();
    if undone && !usable {
        complaints.push("billing_app does not work with its new password".to_owned());
    }
    if undone && !dead {
        complaints.push("the leaked password works after the undo".to_owned());
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
    let report = json!({ "ok": ok, "seconds": scene.began.elapsed().as_secs(), "credentials": verdict.credentials, "legitimate": job,
        "undo": { "identity_usable": usable, "old_credentials_dead": dead }, "bundle": { "file": "bundle.zip", "events": verified["events"], "size": verified["size"], "root": verified["root"], "key": key },
        "sabotage": { "name": name, "as_expected": as_expected }, "contradictions": verdict.contradictions });
    fs::write(scene.out.join("report.json"), serde_json::to_vec_pretty(&report)?)?;
    summary(scene, &verdict, &job, &complaints);
    Ok(ok)
}

fn summary(scene: &Scene, verdict: &check::Verdict, job: &Value, complaints: &[String]) {
    println!();
    for found in &verdict.credentials {
        println!(
            "{:32} {:8} last intruder success {}",
            found.id,
            found.state,
            found.last_intruder_success_at.as_deref().unwrap_or("never")
        );
        println!("{:32} {:8} proven dead at        {}", "", "", found.proven_dead_at.as_deref().unwrap_or("not proven"));
    }
    println!("billing-job: {} payments, {} failures, longest gap {} ms", job["attempts"], job["failures"], job["longest_gap_ms"]);
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

async fn works(scene: &Scene) -> bool {
    let Ok(login) = sink::read(&scene.sink) else { return false };
    match scene.server.connect(&login.user, login.password.reveal(), "billing").await {
        Ok(client) => client.simple_query("INSERT INTO payments (amount, note) VALUES (1, 'after the undo')").await.is_ok(),
        Err(_) => false,
    }
}

/// What the demo leaves behind.
const LEFT: [&str; 6] = ["report.json", "intruder.jsonl", "job.jsonl", "case.json", "bundle.zip", "server.log"];

/// The lab's marked secrets may lie in the sink and in the intruder's own file,
/// and nowhere that Quell writes.
fn leaks(scene: &Scene) -> Result<Vec<String>> {
    let mut searched: Vec<PathBuf> = LEFT.iter().map(|name| scene.out.join(name)).collect();
    for entry in fs::read_dir(scene.work.path().join("data"))? {
        searched.push(entry?.path());
    }
    let mut found = Vec::new();
    for path in searched.iter().filter(|p| p.is_file()) {
        if fs::read(path)?.windows(MARK.len()).any(|w| w == MARK.as_bytes()) {
            found.push(format!("a secret of the lab lies in `{}`", path.display()));
        }
    }
    Ok(found)
}

fn tell_plan(scene: &Scene, case: &Value, kind: &str) {
    let Some(plan) = plan(case, kind) else { return };
    scene.tell(&format!(
        "plan     {} ({}):",
        plan["id"].as_str().unwrap_or("?"),
        if plan["failover"] == true { "controlled failover" } else { "hard cut" }
    ));
    for step in plan["steps"].as_array().into_iter().flatten() {
        println!("            {}. {}; undo: {}", step["n"], step["sentence"].as_str().unwrap_or("?"), step["undo"].as_str().unwrap_or("?"));
        for survives in step["survives"].as_array().into_iter().flatten() {
            println!("               goes on after it: {}", survives.as_str().unwrap_or("?"));
        }
    }
    for gap in case["not_looked_at"].as_array().into_iter().flatten() {
        println!("            not looked at: {}", gap.as_str().unwrap_or("?"));
    }
}

fn claim(found: &Value, dead: Option<String>, sabotaged: bool) -> Claim {
    let seconds = |v: &Value| {
        let at = |name: &str| v["exposure"][name].as_str().and_then(moment);
        Some(at("at_most_until")? - at("from")?)
    };
    Claim {
        id: found["id"].as_str().unwrap_or("?").to_owned(),
        plane: "pg-main".to_owned(),
        kind: found["kind"].as_str().unwrap_or("password").to_owned(),
        state: found["state"].as_str().unwrap_or("UNKNOWN").to_owned(),
        proven_dead_at: dead,
        exposure_seconds_at_most: seconds(found),
        sabotaged,
    }
}

/// Whole seconds of the day of an RFC 3339 time; enough for a demo of a minute.
fn moment(text: &str) -> Option<i64> {
    let time = text.get(11..19)?;
    let mut parts = time.split(':').map(|p| p.parse::<i64>().ok());
    Some(parts.next()?? * 3600 + parts.next()?? * 60 + parts.next()??)
}

fn acted_at(case: &Value) -> BTreeMap<String, String> {
    let started = case["plans"].as_array().into_iter().flatten().filter_map(|p| p["started_at"].as_str()).min();
    let credentials = case["credentials"].as_array().into_iter().flatten().filter(|c| c["issued_by_quell"] != true);
    credentials.filter_map(|c| Some((c["id"].as_str()?.to_owned(), started?.to_owned()))).collect()
}

fn plan<'a>(case: &'a Value, kind: &str) -> Option<&'a Value> {
    case["plans"].as_array()?.iter().find(|p| p["kind"] == kind)
}

fn awaited(case: &Value) -> bool {
    case["waiting_for"].as_array().is_some_and(|w| !w.is_empty())
}

fn handed_over(case: &Value) -> bool {
    case["tasks"].as_array().is_some_and(|t| !t.is_empty())
        && plan(case, "contain").is_some_and(|p| p["state"] == "handed_over" || p["state"] == "degraded")
}

fn credential(case: &Value, id: &str) -> Value {
    case["credentials"].as_array().into_iter().flatten().find(|c| c["id"] == id).cloned().unwrap_or_default()
}

fn tries(log: &Path) -> Vec<Try> {
    journal::read(log).unwrap_or_default()
}

fn in_both_ways(log: &Path) -> bool {
    let tried = tries(log);
    ["login", "session"].iter().all(|via| tried.iter().filter(|t| t.ok && t.via == *via).count() >= 3)
}

fn job_summary(log: &Path) -> Result<Value> {
    let lines: Vec<Value> = journal::read(log)?;
    let summary = lines.iter().rev().find_map(|l| l.get("summary")).context("the job left no summary")?;
    Ok(json!({ "attempts": summary["attempts"], "failures": summary["failures"], "longest_gap_ms": summary["longest_gap_ms"] }))
}

fn wait_for(what: &str, seconds: u64, condition: impl FnMut() -> bool) -> Result<()> {
    if clock::until(Duration::from_secs(seconds), condition) { Ok(()) } else { bail!("waited {seconds} s for {what}") }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the key of a real installation must not be foreseeable")]
fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|e| anyhow::anyhow!("no chance: {e}"))
}
