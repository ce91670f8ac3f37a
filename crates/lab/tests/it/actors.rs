use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use quell_lab::{
    actor::Actor,
    estate::{Estate, Login},
    journal,
    postgres::{Options, Postgres},
    process::{alive, children},
    secret::{MARK, Secret},
    sink,
};
use rustix::process::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::eventually;

/// A server with its estate, and a directory for what the actors read and write.
struct Stage {
    server: Postgres,
    estate: Estate,
    dir: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let server = Postgres::start(Options::default()).await.unwrap();
        let estate = Estate::billing(&server).await.unwrap();
        Self { server, estate, dir: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        journal::read(&self.path(name)).unwrap()
    }

    fn act(&self, program: &str, further: &[&str]) -> Actor {
        let (port, ca) = (self.server.port().to_string(), self.server.ca_pem_path());
        let mut args = vec!["--port", &port, "--dbname", &self.estate.database, "--ca", ca.to_str().unwrap()];
        args.extend(further);
        Actor::start(program, args, &self.path("actor.log")).unwrap()
    }

    fn intruder(&self) -> Actor {
        let (password, out) = (self.path("password"), self.path("intruder.jsonl"));
        fs::write(&password, format!("{}\n", self.estate.app.password.reveal())).unwrap();
        let files = ["--password-file", password.to_str().unwrap(), "--out", out.to_str().unwrap()];
        self.act("quell-lab-intruder", &[&["--user", "billing_app"], &files[..]].concat())
    }

    fn job(&self) -> Actor {
        let (sink, out) = (self.path("sink.json"), self.path("job.jsonl"));
        self.act("quell-lab-billing-job", &["--sink", sink.to_str().unwrap(), "--out", out.to_str().unwrap()])
    }

    /// Locks the role, and then ends its sessions until none is left.
    async fn contain(&self) {
        let superuser = self.server.connect_unix_superuser("postgres").await.unwrap();
        superuser.batch_execute("ALTER ROLE billing_app NOLOGIN").await.unwrap();
        let kill = "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE usename = 'billing_app'";
        for _ in 0..2 {
            eventually("the sessions are gone", || async { superuser.query(kill, &[]).await.unwrap().is_empty() }).await;
        }
    }
}

fn count(lines: &[Value], via: &str, ok: bool) -> usize {
    lines.iter().filter(|line| line["via"] == via && line["ok"] == ok).count()
}

#[tokio::test]
async fn the_intruder_gets_in_both_ways_until_the_role_is_contained() {
    let stage = Stage::set().await;
    let intruder = stage.intruder();
    eventually("three accepted attempts of both ways", || async {
        let lines = stage.lines("intruder.jsonl");
        count(&lines, "login", true) >= 3 && count(&lines, "session", true) >= 3
    })
    .await;
    stage.contain().await;
    let contained_at = quell_lab::clock::rfc3339(quell_lab::clock::wall());
    eventually("three refused logins after it", || async {
        let refused = |line: &&Value| line["error"] == "28000" && line["started_at"].as_str() > Some(&contained_at);
        stage.lines("intruder.jsonl").iter().filter(refused).count() >= 3
    })
    .await;
    assert_eq!(intruder.stop().unwrap(), 0);

    let lines = stage.lines("intruder.jsonl");
    // An answer that came late, on a machine that does much else, is no death.
    let dead = |line: &&Value| line["via"] == "session" && line["ok"] == false && line["error"] != "timeout";
    assert_eq!(lines.iter().filter(dead).count(), 1, "the session died once: {lines:?}");
    for line in &lines {
        let shape: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(shape, BTreeSet::from(["started_at", "ended_at", "plane", "credential", "via", "ok", "error"]));
        assert_eq!((&line["plane"], &line["credential"]), (&"pg-main".into(), &"pg-main/billing_app#password".into()));
        assert_eq!((line["started_at"].as_str().map(str::len), line["ok"] == line["error"].is_null()), (Some(27), true));
        assert!(line["started_at"].as_str() <= line["ended_at"].as_str());
        assert!(line["ok"] == false || line["started_at"].as_str() < Some(&contained_at), "got in after containment: {line}");
    }
    assert!(!fs::read_to_string(stage.path("actor.log")).unwrap().contains(MARK));
}

#[tokio::test]
async fn an_attempt_without_an_answer_ends_after_two_seconds_and_the_session_goes_on() {
    let mut stage = Stage::set().await;
    let intruder = stage.intruder();
    eventually("a write through the session", || async { count(&stage.lines("intruder.jsonl"), "session", true) >= 1 }).await;
    stage.server.pause().unwrap();
    eventually("both ways wait in vain", || async {
        let lines = stage.lines("intruder.jsonl");
        ["login", "session"].iter().all(|via| lines.iter().any(|line| line["via"] == *via && line["error"] == "timeout"))
    })
    .await;
    stage.server.resume().unwrap();
    let before = count(&stage.lines("intruder.jsonl"), "session", true);
    eventually("the session writes again", || async { count(&stage.lines("intruder.jsonl"), "session", true) > before }).await;
    assert_eq!(intruder.stop().unwrap(), 0);
}

#[tokio::test]
async fn the_job_follows_its_sink_and_never_fails() {
    let stage = Stage::set().await;
    sink::write(&stage.path("sink.json"), &stage.estate.app).unwrap();
    let job = stage.job();
    let accepted = |user: &'static str| {
        let stage = &stage;
        async move { stage.lines("job.jsonl").iter().filter(|line| line["user"] == user && line["ok"] == true).count() >= 3 }
    };
    eventually("payments with the first credential", || accepted("billing_app")).await;

    let twin = Login { user: "billing_twin".to_owned(), password: Secret::generate().unwrap() };
    let superuser = stage.server.connect_unix_superuser(&stage.estate.database).await.unwrap();
    let create = format!("CREATE ROLE billing_twin LOGIN PASSWORD '{}' IN ROLE app_rw", twin.password.verifier());
    superuser.batch_execute(&create).await.unwrap();
    sink::write(&stage.path("sink.json"), &twin).unwrap();
    eventually("payments with the new credential", || accepted("billing_twin")).await;
    let seen = "SELECT DISTINCT usename::text FROM pg_stat_activity WHERE application_name = 'billing-job'";
    eventually("the old connection is closed", || async {
        let rows = superuser.query(seen, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).eq(["billing_twin"])
    })
    .await;
    stage.contain().await;
    let before = stage.lines("job.jsonl").len();
    eventually("payments after containment", || async { stage.lines("job.jsonl").len() >= before + 3 }).await;
    assert_eq!(job.stop().unwrap(), 0);

    let lines = stage.lines("job.jsonl");
    let (ending, payments) = lines.split_last().unwrap();
    assert!(payments.iter().all(|line| line["ok"] == true && line["latency_ms"].is_f64()), "{payments:?}");
    let summary = &ending["summary"];
    assert_eq!((summary["attempts"].as_u64(), summary["failures"].as_u64()), (Some(payments.len() as u64), Some(0)));
    assert_eq!(summary["users"], serde_json::json!(["billing_app", "billing_twin"]));
    assert!(summary["longest_gap_ms"].as_f64() > Some(0.0));
    let paid = "SELECT count(*) FROM payments WHERE note = 'billing-job'";
    assert_eq!(superuser.query_one(paid, &[]).await.unwrap().get::<_, i64>(0), payments.len() as i64);
}

#[tokio::test]
async fn the_job_comes_back_with_the_sink_s_credential_when_its_own_was_cut_first() {
    let stage = Stage::set().await;
    sink::write(&stage.path("sink.json"), &stage.estate.app).unwrap();
    let job = stage.job();
    eventually("a payment", || async { stage.lines("job.jsonl").iter().any(|line| line["ok"] == true) }).await;
    stage.contain().await;
    eventually("a failed payment", || async { stage.lines("job.jsonl").iter().any(|line| line["error"] == "28000") }).await;

    let superuser = stage.server.connect_unix_superuser("postgres").await.unwrap();
    let twin = Login { user: "billing_twin".to_owned(), password: Secret::generate().unwrap() };
    let create = format!("CREATE ROLE billing_twin LOGIN PASSWORD '{}' IN ROLE app_rw", twin.password.verifier());
    superuser.batch_execute(&create).await.unwrap();
    sink::write(&stage.path("sink.json"), &twin).unwrap();
    eventually("a payment of the twin", || async {
        stage.lines("job.jsonl").iter().any(|line| line["ok"] == true && line["user"] == "billing_twin")
    })
    .await;
    assert_eq!(job.stop().unwrap(), 0);
    let lines = stage.lines("job.jsonl");
    assert!(lines.last().unwrap()["summary"]["failures"].as_u64() > Some(0));
}

#[tokio::test]
async fn the_job_refuses_a_sink_that_others_can_read() {
    let stage = Stage::set().await;
    let sink = stage.path("sink.json");
    sink::write(&sink, &stage.estate.app).unwrap();
    assert_eq!(fs::metadata(&sink).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&sink, fs::Permissions::from_mode(0o644)).unwrap();
    let job = stage.job();
    let pid = job.pid().unwrap();
    eventually("the job has ended", || async { !alive(pid) }).await;
    assert_eq!(job.stop().unwrap(), 1);
    let said = fs::read_to_string(stage.path("actor.log")).unwrap();
    assert!(said.contains("wanted 0600") && !said.contains(MARK), "{said}");
}

#[tokio::test]
async fn nothing_outlives_an_owner_that_was_killed() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_quell-lab-postgres")).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let postmaster = Pid::from_raw(i32::try_from(ready["pid"].as_i64().unwrap()).unwrap()).unwrap();
    let keepers = children(Pid::from_child(&owner));
    let backends = children(postmaster);
    let dir = Path::new(ready["ca"].as_str().unwrap()).parent().unwrap().to_owned();
    assert!(alive(postmaster) && !backends.is_empty() && keepers.len() == 1 && dir.is_dir());
    for login in ready["logins"].as_array().unwrap() {
        sink::read(Path::new(login.as_str().unwrap())).unwrap();
    }

    owner.kill().unwrap();
    owner.wait().unwrap();
    let all = [vec![postmaster], keepers, backends].concat();
    eventually("every process is gone", || async { !all.iter().any(|pid| alive(*pid)) }).await;
    assert!(!dir.exists(), "the directory is still there");
}

#[test]
fn every_program_explains_itself() {
    for program in
        [env!("CARGO_BIN_EXE_quell-lab-intruder"), env!("CARGO_BIN_EXE_quell-lab-billing-job"), env!("CARGO_BIN_EXE_quell-lab-postgres")]
    {
        let help = Command::new(program).arg("--help").output().unwrap();
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success() && text.contains("SIGTERM") && text.contains("Usage"), "{text}");
        assert_eq!(Command::new(program).arg("--no-such").output().unwrap().status.code(), Some(2));
    }
}
