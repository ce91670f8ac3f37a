//! The incident, act by act.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    company::{Company, Reach, Stolen, read_back},
    desk::text,
    outcome::{self, Facts},
    thieves::{self, Thief},
};
use crate::{actor::Actor, clock, private};

/// Longest wait for a plan to be through, on a machine that does other work.
const CONTAINED_SECONDS: u64 = 150;

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

/// The company, and when its story began.
pub(super) struct Scene {
    pub began: Instant,
    pub out: PathBuf,
    pub company: Company,
}

impl Scene {
    pub fn tell(&self, line: &str) {
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
    for old in outcome::LEFT {
        let _ = fs::remove_file(options.out.join(old));
    }
    let began = Instant::now();
    let company = Company::open(&options.quell, &options.out, began, &Reach::of_the_demo()).await?;
    let scene = Scene { began, out: options.out.clone(), company };
    let fine = play(&scene, options.sabotage).await?;
    let exit = scene.company.desk.close()?;
    if exit != 0 {
        bail!("the server ended with {exit}; read server.log");
    }
    Ok(fine)
}

async fn play(scene: &Scene, sabotage: Sabotage) -> Result<bool> {
    let company = &scene.company;
    let job_log = scene.out.join("job.jsonl");
    let job = billing_job(company, &job_log)?;
    let stolen = company.is_robbed().await?;
    let thieves = thieves::set_out(company, &stolen)?;
    scene.tell("billing-job writes payments; an intruder has the secret-id of `ci`, a database login leased with it, the billing");
    scene.tell("password read with it, and the password of Mara, its owner: each is used to log in, and in a session that is open");
    if !thieves::are_in(&thieves) {
        bail!("the intruder did not get in everywhere; read the logs in {}", company.work.path().display());
    }

    // The first report: a secret-id.
    let mut facts = Facts { thieves, job_log, ..Facts::default() };
    let leaked = company.secrets.secret_id.reveal();
    let (case, at) = report(scene, "gitleaks-ci", leaked, "deploy/vault.env")?;
    scene.tell(&format!("gitleaks reports a secret in deploy/vault.env; case {case}"));
    for id in [company.leaked(), format!("pg-main/{}#password", stolen.lease.username), "pg-main/billing_app#password".to_owned()] {
        facts.alerted_at.insert(id, at.clone());
    }
    let drafted = |c: &Value| {
        plans(c, "contain").count() >= 2 && plans(c, "contain").all(|p| p["state"] == "waiting") && !list(&c["waiting_for"]).is_empty()
    };
    let shown = watch(scene, &case, 30, drafted)?;
    for plan in plans(&shown, "contain") {
        tell_plan(scene, plan);
    }
    for gap in list(&shown["not_looked_at"]) {
        println!("            not looked at: {}", gap.as_str().unwrap_or("?"));
    }
    scene.tell("observing: the intruder still gets in everywhere, nothing was changed");

    // Armed: what nobody must be asked about goes at once; the rest waits for people.
    let refused = refused_for_a_machine(scene, &case, &shown)?;
    scene.tell(&format!("a machine token tries to approve: {refused}"));
    arm(scene)?;
    who_is_asked(scene, &case)?;
    approve(scene, &case)?;
    watch(scene, &case, CONTAINED_SECONDS, |c| c["state"] == "proven")?;
    facts.see(&company.desk.case(&case)?);
    tell_proofs(scene, &case)?;
    let version = company.vault.admin(reqwest::Method::GET, "secret/metadata/billing", None).await?;
    let versions = version["data"]["versions"].as_object().map_or(0, |v| v.values().filter(|v| v["destroyed"] == true).count());
    scene.tell(&format!("billing-job reads a new login from the vault; {versions} old version(s) of its secret are destroyed"));

    if sabotage == Sabotage::FalseProof {
        reopen_behind_quell(scene, &stolen, &facts).await?;
    } else {
        the_owner(scene, &case, &mut facts)?;
    }
    let lying = if sabotage == Sabotage::LyingPlane { Some(lying_plane(scene, &mut facts).await?) } else { None };
    outcome::settle(scene, &case, lying.as_deref(), facts, job, sabotage).await
}

fn billing_job(company: &Company, log: &std::path::Path) -> Result<Actor> {
    let dir = company.work.path();
    let secret_id = dir.join("billing-job.secret-id");
    private::write(&secret_id, company.job.1.reveal())?;
    let (port, url) = (company.database.port().to_string(), format!("https://localhost:{}", company.vault.port()));
    let (ca, vault_ca, secret_id, out) = (text(&dir.join("pg-ca.pem")), text(&dir.join("bao-ca.pem")), text(&secret_id), text(log));
    let args = ["--port", &port, "--ca", &ca, "--vault", &url, "--vault-ca", &vault_ca, "--role-id", &company.job.0];
    let more = ["--secret-id-file", &secret_id, "--out", &out];
    Actor::start("quell-lab-billing-job", args.into_iter().chain(more), &dir.join("billing-job.log"))
}

/// A scanner's report, as the scanner's own token sends it.
fn report(scene: &Scene, source: &str, secret: &str, file: &str) -> Result<(String, String)> {
    let at = clock::rfc3339(clock::wall());
    let report = json!([{ "RuleID": "generic-api-key", "Description": "Generic API Key", "StartLine": 7, "EndLine": 7, "StartColumn": 12, "EndColumn": 52,
        "Match": format!("SECRET={secret}"), "Secret": secret, "File": file, "SymlinkFile": "", "Commit": "4be1f00d",
        "Entropy": 4, "Author": "Dev Eloper", "Email": "dev@corp.example", "Date": at, "Message": "wip", "Tags": [], "Fingerprint": "" }]);
    Ok((send(scene, source, &report)?, at))
}

fn send(scene: &Scene, source: &str, report: &Value) -> Result<String> {
    let desk = &scene.company.desk;
    let path = scene.company.work.path().join("report.json");
    private::write(&path, &report.to_string())?;
    let sent = desk.json(source, &["alert", "send", "--source", source, &text(&path)])?;
    fs::remove_file(&path)?;
    let alert = sent["alert_id"].as_str().context("no alert id")?.to_owned();
    let mut case = None;
    wait_for("the alert to be filed", 10, || {
        let shown = desk.get("lea", &format!("/api/v1/alerts/{alert}"));
        case = shown.ok().and_then(|v| v["cases"][0].as_str().map(str::to_owned));
        case.is_some()
    })?;
    case.context("the alert was filed in no case")
}

fn refused_for_a_machine(scene: &Scene, case: &str, shown: &Value) -> Result<String> {
    let digest = plans(shown, "contain").next().and_then(|p| p["digest"].as_str()).context("no plan")?;
    let (code, _, refusal) = scene.company.desk.run("gitleaks-ci", &["case", "approve", case, "--digest", digest])?;
    Ok(format!("refused (exit {code}): {}", last_line(&refusal)))
}

/// Arms every plane for what it offers.
fn arm(scene: &Scene) -> Result<()> {
    let desk = &scene.company.desk;
    let connectors = desk.json("pat", &["connector", "list"])?;
    for connector in list(&connectors) {
        let name = connector["name"].as_str().context("a connector without a name")?;
        let mut args = vec!["connector", "arm", name, "--until", "+1h"];
        for action in list(&connector["actions"]) {
            args.extend(["--action", action["action"].as_str().context("an action without a name")?]);
        }
        desk.json("pat", &args)?;
    }
    scene.tell("pat, who owns the platforms, arms pg-main, bao-main and ldap-main for one hour");
    Ok(())
}

fn who_is_asked(scene: &Scene, case: &str) -> Result<()> {
    let shown = watch(scene, case, 20, |c| !list(&c["waiting_for"]).is_empty())?;
    for waiting in list(&shown["waiting_for"]) {
        scene.tell(&format!("asked    {}", waiting["what"].as_str().unwrap_or("?")));
    }
    for passed in list(&shown["passed_over"]) {
        let who = passed["person"].as_str().map_or("somebody", |id| scene.company.desk.name_of(id));
        scene.tell(&format!("passed   {who} is not asked: {}", passed["why"].as_str().unwrap_or("?")));
    }
    Ok(())
}

/// Everybody whom policy asks says yes; who is asked comes from the case.
fn approve(scene: &Scene, case: &str) -> Result<()> {
    let desk = &scene.company.desk;
    for (name, role) in [
        ("mara", "business_owner"),
        ("bea", "business_owner"),
        ("ben", "business_owner"),
        ("sam", "secops"),
        ("ian", "iam"),
        ("rosa", "response_owner"),
        ("lea", "lead"),
    ] {
        let shown = desk.case(case)?;
        let awaited =
            |p: &&Value| p["state"] == "waiting" && list(&shown["waiting_for"]).iter().any(|w| w["role"] == role && w["plan"] == p["id"]);
        let digests: Vec<String> =
            list(&shown["plans"]).iter().filter(awaited).filter_map(|p| p["digest"].as_str().map(str::to_owned)).collect();
        for digest in digests {
            let (code, _, refusal) = desk.run(name, &["case", "approve", case, "--digest", &digest, "--as", role])?;
            match code {
                0 => scene.tell(&format!("{name} approves as {role}")),
                _ => scene.tell(&format!("{name} may not approve as {role}: {}", last_line(&refusal))),
            }
        }
    }
    Ok(())
}

fn tell_proofs(scene: &Scene, case: &str) -> Result<()> {
    let shown = scene.company.desk.case(case)?;
    for held in list(&shown["credentials"]).iter().filter(|c| c["issued_by_quell"] != true) {
        let (state, why) = (held["state"].as_str().unwrap_or("?"), held["proof"]["reason"].as_str().unwrap_or("no proof"));
        scene.tell(&format!("proof    {}: {state}, {why}", held["id"].as_str().unwrap_or("?")));
    }
    Ok(())
}

/// The person who owned and used the key: a second detector names her, she may not
/// decide, and she is given back with a new password.
fn the_owner(scene: &Scene, case: &str, facts: &mut Facts) -> Result<()> {
    let company = &scene.company;
    let id = company.owners();
    facts.alerted_at.insert(id.clone(), clock::rfc3339(clock::wall()));
    let finding = json!({ "class_uid": 2004, "category_uid": 2, "activity_id": 1, "severity_id": 4, "time": clock::rfc3339(clock::wall()),
        "metadata": { "version": "1.5.0", "product": { "name": "EDR", "vendor_name": "Example" } },
        "finding_info": { "uid": "edr-7", "title": "Sign-in from a new country" },
        "evidences": [{ "user": { "name": "mara@corp.example", "type_id": 1 }, "src_endpoint": { "ip": "203.0.113.7" } }] });
    let same = send(scene, "edr", &finding)?;
    scene.tell(&format!(
        "EDR reports a sign-in as Mara, who used that key: {}",
        if same == case { "the same case" } else { "another case" }
    ));
    let about_her = |c: &Value| {
        plan_about(c, "contain", &company.people.mara.dn).is_some_and(|p| p["state"] == "waiting") && !list(&c["waiting_for"]).is_empty()
    };
    let shown = watch(scene, &same, 30, about_her)?;
    tell_plan(scene, plan_about(&shown, "contain", &company.people.mara.dn).context("no plan about Mara")?);
    who_is_asked(scene, &same)?;
    approve(scene, &same)?;
    watch(scene, &same, CONTAINED_SECONDS, |c| {
        plan_about(c, "contain", &company.people.mara.dn).is_some_and(|p| p["state"] == "proved" || p["state"] == "handed_over")
    })?;
    facts.see(&company.desk.case(&same)?);
    tell_proofs(scene, &same)?;

    scene.tell("Mara and the billing job come back with new credentials; the stolen ones stay dead");
    for whose in [company.people.mara.dn.as_str(), "pg-main/billing_app"] {
        let shown = company.desk.case(&same)?;
        let contained = plan_about(&shown, "contain", whose).and_then(|p| p["id"].as_str()).context("no plan to take back")?;
        company.desk.json("lea", &["case", "undo", &same, "--mode", "reinstate", "--plan", contained])?;
    }
    watch(scene, &same, 20, |c| {
        plans(c, "undo").count() == 2 && plans(c, "undo").all(|p| p["state"] == "waiting") && !list(&c["waiting_for"]).is_empty()
    })?;
    approve(scene, &same)?;
    watch(scene, &same, CONTAINED_SECONDS, |c| plans(c, "undo").all(|p| p["state"] == "proved" || p["state"] == "handed_over"))?;
    let login = read_back(&company.handed).and_then(|v| v["user"].as_str().map(str::to_owned));
    scene.tell(&format!("a new password of {} lies in the file that is handed to her", login.as_deref().unwrap_or("nobody")));
    Ok(())
}

async fn reopen_behind_quell(scene: &Scene, stolen: &Stolen, facts: &Facts) -> Result<()> {
    let admin = scene.company.database.connect_unix_superuser("billing").await?;
    admin.batch_execute(&format!("ALTER ROLE billing_app LOGIN PASSWORD '{}'", stolen.billing.password.verifier())).await?;
    scene.tell("SABOTAGE: the lab opens the role again with the old password, after the proof");
    let id = "pg-main/billing_app#password";
    let claimed = facts.dead_at(id).unwrap_or_default();
    let thief = facts.thieves.iter().find(|t| t.credential == id).context("nobody tries the billing password")?;
    wait_for("the intruder to get in again", 10, || thief.tries().iter().any(|t| t.ok && t.started_at > claimed))
}

/// A second case, on a plane that lies about its identity.
async fn lying_plane(scene: &Scene, facts: &mut Facts) -> Result<String> {
    let company = &scene.company;
    let admin = company.database.connect_unix_superuser("billing").await?;
    admin.batch_execute(LIES).await.context("make the plane lie")?;
    let (case, at) = report(scene, "gitleaks-db", company.export.password.reveal(), "jobs/export.yaml")?;
    facts.alerted_at.insert("pg-main/export_job#password".to_owned(), at);
    scene.tell(&format!("SABOTAGE: a report about export_job, whose plane answers success without effect; case {case}"));
    // The containment and its sweep are over, and the last word is a probe's.
    let handed_over = |c: &Value| {
        let over = |p: &Value| p["state"] == "handed_over" || p["state"] == "proved";
        let state = credential(c, "pg-main/export_job#password")["state"].clone();
        !list(&c["tasks"]).is_empty() && list(&c["plans"]).iter().all(over) && state != "CONTAINING"
    };
    let shown = watch(scene, &case, CONTAINED_SECONDS, handed_over)?;
    facts.see(&shown);
    let state = credential(&shown, "pg-main/export_job#password")["state"].as_str().unwrap_or("?").to_owned();
    scene.tell(&format!("the plane said done, the probe said otherwise: {state}, and a person has it"));
    Ok(case)
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

fn tell_plan(scene: &Scene, plan: &Value) {
    let way = if plan["failover"] == true { "controlled failover" } else { "hard cut" };
    scene.tell(&format!("plan     {} ({way}):", plan["id"].as_str().unwrap_or("?")));
    for step in list(&plan["steps"]) {
        let after: Vec<String> = list(&step["after"]).iter().filter_map(|e| e["step"].as_u64()).map(|n| n.to_string()).collect();
        let after = if after.is_empty() { String::new() } else { format!(" (after {})", after.join(", ")) };
        println!(
            "            {}. {}{after}; undo: {}",
            step["n"],
            step["sentence"].as_str().unwrap_or("?"),
            step["undo"].as_str().unwrap_or("?")
        );
    }
    // Once, and after which steps: most steps leave the same behind.
    let mut survivors: Vec<(&str, Vec<String>)> = Vec::new();
    for step in list(&plan["steps"]) {
        for sentence in list(&step["survives"]).iter().filter_map(Value::as_str) {
            match survivors.iter_mut().find(|(s, _)| *s == sentence) {
                Some((_, steps)) => steps.push(step["n"].to_string()),
                None => survivors.push((sentence, vec![step["n"].to_string()])),
            }
        }
    }
    for (sentence, steps) in survivors {
        println!("            goes on after {}: {sentence}", steps.join(", "));
    }
    for gap in list(&plan["incomplete"]) {
        println!("            INCOMPLETE: {}", gap.as_str().unwrap_or("?"));
    }
}

/// Looks at a case until `done`, telling each new headline.
fn watch(scene: &Scene, case: &str, seconds: u64, done: impl FnMut(&Value) -> bool) -> Result<Value> {
    scene.company.desk.watch(case, Duration::from_secs(seconds), |h| scene.tell(&format!("case     {h}")), done)
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn plans<'a>(case: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    list(&case["plans"]).iter().filter(move |p| p["kind"] == kind)
}

/// The newest plan of a kind that has a step about `who`.
fn plan_about<'a>(case: &'a Value, kind: &'a str, who: &str) -> Option<&'a Value> {
    plans(case, kind).filter(|p| list(&p["steps"]).iter().any(|s| s["selector"].as_str().is_some_and(|t| t.contains(who)))).last()
}

pub(super) fn credential(case: &Value, id: &str) -> Value {
    list(&case["credentials"]).iter().find(|c| c["id"] == id).cloned().unwrap_or_default()
}

fn wait_for(what: &str, seconds: u64, condition: impl FnMut() -> bool) -> Result<()> {
    if clock::until(Duration::from_secs(seconds), condition) { Ok(()) } else { bail!("waited {seconds} s for {what}") }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

/// What every claim of the demo is compared with.
pub(super) type Moments = BTreeMap<String, String>;

/// Every thief that is out.
pub(super) type Thieves = Vec<Thief>;
