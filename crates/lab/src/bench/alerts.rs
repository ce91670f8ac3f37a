//! Alerts that become signals and logs that become chains, beside the tools that
//! people reach for: jq and Python with orjson on the same file.
//!
//! Both pick seven fields and write them; Quell reads everything and writes its
//! signal. What counts is processor time, which is what one core does: the wall
//! clock of a shared machine says little. A peer that is not installed is a note.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{
    Options,
    measure::{load, median, processor_ms},
    report::{Better, Pair, Row},
};

/// Alerts in the file, of about 2 KB; one message gives at most 50,000 signals.
const ALERTS: usize = 40_000;
/// Events in the shorter log, and how many times longer the other one is.
const EVENTS: usize = 50_000;
const LONGER: usize = 4;
const ROUNDS: usize = 3;

/// What the issue asks of `quell investigate` on two cores.
const EVENTS_A_SECOND: f64 = 20_000.0;

const JQ: &str = "{u:.actor.user.name,s:.actor.session.uid,t:.finding_info.title,ip:.src_endpoint.ip,op:.api.operation,id:.metadata.uid,sev:.severity_id}";

/// Prints the processor time of its loop alone, without the start of Python.
const ORJSON: &str = r#"
import sys, time, orjson
start = time.process_time()
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as sink:
    for line in source:
        v = orjson.loads(line)
        a = v["actor"]
        sink.write(orjson.dumps({"u": a["user"]["name"], "s": a["session"]["uid"], "t": v["finding_info"]["title"], "ip": v["src_endpoint"]["ip"], "op": v["api"]["operation"], "id": v["metadata"]["uid"], "sev": v["severity_id"]}))
        sink.write(b"\n")
print(time.process_time() - start)
"#;

/// Measures; the notes say what could not be.
pub async fn run(options: &Options, under: &Path) -> Result<(Vec<Row>, Vec<String>)> {
    let (quell, under) = (options.quell.clone(), under.to_owned());
    tokio::task::spawn_blocking(move || measured(&quell, &under)).await?
}

fn measured(quell: &Path, under: &Path) -> Result<(Vec<Row>, Vec<String>)> {
    let (alerts, out) = (under.join("alerts.ndjson"), under.join("out"));
    write_alerts(&alerts)?;
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    let own = || -> Result<f64> {
        let mut command = Command::new(quell);
        command.args(["alert", "normalise", "--source", "ocsf"]).arg(&alerts);
        let used = watched(&mut command, &out)?;
        let lines = fs::read(&out)?.iter().filter(|b| **b == b'\n').count();
        if lines != ALERTS {
            bail!("{ALERTS} alerts gave {lines} lines");
        }
        Ok(ALERTS as f64 / used.cpu_s)
    };
    let jq = || -> Result<f64> {
        let used = watched(Command::new("jq").args(["-c", JQ]).arg(&alerts), &out)?;
        Ok(ALERTS as f64 / used.cpu_s)
    };
    let script = under.join("peer.py");
    fs::write(&script, ORJSON)?;
    let orjson = || -> Result<f64> {
        let output = Command::new("python3").arg(&script).arg(&alerts).arg(under.join("peer.out")).output()?;
        let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().context("read the time of the peer")?;
        Ok(ALERTS as f64 / seconds)
    };
    let answers = |command: &mut Command| command.output().is_ok_and(|o| o.status.success());
    type Peer<'a> = (&'a str, &'a str, f64, bool, &'a dyn Fn() -> Result<f64>);
    let peers: [Peer<'_>; 2] = [
        ("alerts.beside_jq", "jq, seven fields", 5.0, answers(Command::new("jq").arg("--version")), &jq),
        (
            "alerts.beside_orjson",
            "Python orjson, seven fields",
            1.0,
            answers(Command::new("python3").args(["-c", "import orjson"])),
            &orjson,
        ),
    ];
    for (name, against, goal, is_there, peer) in peers {
        if !is_there {
            notes.push(format!("{name}: not measured, as {against} is not installed"));
            continue;
        }
        let (load_before, mut before, mut after, mut rates) = (load(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            before.push(peer()?);
            rates.push(own()?);
            after.push(peer()?);
        }
        let pair = Pair { value: median(&rates), samples: ROUNDS * ALERTS, before, after, load: (load_before, load()) };
        rows.push(Row::of(name, "alerts/s", against, Some(goal), Better::Higher, &pair));
    }
    rows.extend(investigated(quell, under, &out)?);
    Ok((rows, notes))
}

/// Events a second of two cores, and how memory grows with the log.
fn investigated(quell: &Path, under: &Path, out: &Path) -> Result<Vec<Row>> {
    let (short, long) = (under.join("short.ndjson"), under.join("long.ndjson"));
    write_trail(&short, EVENTS)?;
    write_trail(&long, EVENTS * LONGER)?;
    let run = |log: &Path| watched(Command::new(quell).args(["investigate", "--json"]).arg(log), out);
    let (load_before, mut rates, mut peaks, mut before, mut after) = (load(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        before.push(run(&short)?.peak_kb);
        let used = run(&long)?;
        rates.push((EVENTS * LONGER) as f64 / used.wall_s);
        peaks.push(used.peak_kb);
        after.push(run(&short)?.peak_kb);
        let answer: serde_json::Value = serde_json::from_slice(&fs::read(out)?).context("read the answer")?;
        if answer["records"] != json!(EVENTS) {
            bail!("{EVENTS} events were written and {} read", answer["records"]);
        }
    }
    let load = (load_before, load());
    let asked = vec![EVENTS_A_SECOND; ROUNDS];
    let rate = Pair { value: median(&rates), samples: ROUNDS * EVENTS * LONGER, before: asked.clone(), after: asked, load };
    let peak = Pair { value: median(&peaks), samples: ROUNDS, before, after, load };
    Ok(vec![
        Row::of("investigate.events", "events/s", "what is asked of two cores", Some(1.0), Better::Higher, &rate),
        Row::of("investigate.memory", "kB", "a log a quarter as long", Some(1.25), Better::Lower, &peak),
    ])
}

/// What a process used.
struct Used {
    wall_s: f64,
    cpu_s: f64,
    peak_kb: f64,
}

/// Runs `command` with its output into `out` and looks at it until it has ended:
/// its times stand in `/proc` until it is waited for, its memory until it ends.
fn watched(command: &mut Command, out: &Path) -> Result<Used> {
    let name = command.get_program().to_string_lossy().into_owned();
    let watch = super::measure::Stopwatch::start();
    let mut child =
        command.stdin(Stdio::null()).stdout(File::create(out)?).stderr(Stdio::null()).spawn().with_context(|| format!("start `{name}`"))?;
    let (pid, mut peak_kb) = (child.id(), 0.0);
    // An hour is longer than anything that is measured; the clock's own pause is a millisecond.
    crate::clock::until(Duration::from_secs(3_600), || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)).map(str::trim);
        if let Some(peak) = line("VmHWM:").and_then(|l| l.split_whitespace().next()).and_then(|kb| kb.parse().ok()) {
            peak_kb = peak;
        }
        line("State:").is_none_or(|state| state.starts_with(['Z', 'X']))
    });
    let wall_s = watch.elapsed().as_secs_f64();
    let cpu_s = processor_ms(pid)? / 1_000.0;
    let status = child.wait()?;
    if !status.success() {
        bail!("`{name}` ended with {status}");
    }
    Ok(Used { wall_s, cpu_s, peak_kb })
}

/// A number that differs from its neighbours in every digit.
fn scrambled(n: usize) -> u32 {
    (n as u32).wrapping_mul(2_654_435_761)
}

/// Findings of about 2 KB, no two alike.
fn write_alerts(path: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for n in 0..ALERTS {
        let (id, at) = (format!("{:08x}", scrambled(n)), 1_767_225_600_000_u64 + n as u64 * 1_000);
        let alert = json!({
            "activity_id": 1, "activity_name": "Create", "category_name": "Findings", "category_uid": 2, "class_name": "Detection Finding",
            "class_uid": 2004, "type_uid": 200_401, "severity": "High", "severity_id": 4, "status": "New", "status_id": 1, "time": at,
            "confidence": "Medium", "confidence_id": 2, "is_alert": true,
            "message": format!("Credentials of a workload were used from an address that never used them before ({id})"),
            "metadata": { "version": "1.4.0", "uid": format!("evt-{id}-{n}"), "log_name": "detections", "original_time": "2026-01-01T00:00:00Z",
                "product": { "name": "Watch Post", "vendor_name": "Example Sensors", "version": "7.2", "lang": "en" } },
            "finding_info": { "title": format!("Unusual API call by service account svc-{}", n % 977), "uid": format!("find-{id}"),
                "desc": "An identity called an operation that it had not called in the ninety days before.",
                "types": ["Unauthorized Access", "Valid Accounts"], "first_seen_time": at - 100_000, "last_seen_time": at, "created_time": at + 1_000,
                "analytic": { "name": "rare-operation", "type": "Behavioral", "type_id": 2, "uid": "an-4711" } },
            "actor": { "user": { "type": "IAMUser", "type_id": 1, "uid": format!("AIDA{id}EXAMPLE"), "name": format!("svc-{}", n % 977),
                    "account": { "uid": "111111111111", "name": "prod", "type": "AWS Account" }, "groups": [{ "name": "deployers", "uid": "g-1" }] },
                "session": { "uid": format!("sess-{id}"), "created_time": at - 600_000, "is_mfa": false,
                    "issuer": "arn:aws:iam::111111111111:role/deploy", "credential_uid": format!("ASIA{}EXAMPLE1", id.to_uppercase()) } },
            "api": { "operation": "GetSecretValue", "service": { "name": "secretsmanager.amazonaws.com" }, "request": { "uid": format!("req-{id}") },
                "response": { "code": 200 } },
            "src_endpoint": { "ip": format!("198.51.100.{}", n % 250), "port": 443, "location": { "city": "Example", "country": "NL" } },
            "cloud": { "provider": "AWS", "region": "eu-central-1", "account": { "uid": "111111111111" } },
            "resources": [{ "type": "AWS::SecretsManager::Secret", "uid": format!("arn:aws:secretsmanager:eu-central-1:111111111111:secret:prod/db-{id}"),
                "name": "prod/db", "region": "eu-central-1" }],
            "device": { "hostname": format!("worker-{}", n % 31), "uid": format!("i-0{id}"), "type": "Virtual", "type_id": 6, "region": "eu-central-1",
                "os": { "name": "Linux", "type": "Linux", "type_id": 200 } },
            "http_request": { "user_agent": "aws-cli/2.15.30 Python/3.11.8 Linux/6.1.0 exe/x86_64", "uid": format!("req-{id}"), "http_method": "POST" },
            "remediation": { "desc": "Find out who used the key, and rotate it.", "references": ["https://runbooks.example/rotate"] },
            "attacks": [{ "tactic": { "name": "Credential Access", "uid": "TA0006" }, "technique": { "name": "Unsecured Credentials", "uid": "T1552" }, "version": "14.1" }],
        });
        writeln!(file, "{alert}")?;
    }
    Ok(file.flush()?)
}

/// CloudTrail events: 500 sessions of 50 roles, minted and then used.
fn write_trail(path: &Path, events: usize) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for n in 0..events {
        let (session, id) = (n % 500, scrambled(n));
        let key = format!("ASIAEXAMPLE{session:09}");
        let role = session % 50;
        let mut when = String::new();
        write!(when, "2026-01-{:02}T{:02}:{:02}:{:02}Z", 1 + n / 86_400 % 28, n / 3_600 % 24, n / 60 % 60, n % 60)?;
        let mut event = json!({
            "eventVersion": "1.09", "eventID": format!("{id:08x}-0000-4000-8000-{n:012x}"), "eventTime": when, "awsRegion": "eu-central-1",
            "recipientAccountId": "111111111111", "sourceIPAddress": format!("198.51.100.{}", session % 250), "userAgent": "aws-sdk-rust/1.3.3 os/linux lang/rust/1.95.0",
            "eventType": "AwsApiCall", "eventCategory": "Management", "managementEvent": true, "readOnly": true, "requestID": format!("req-{id:08x}"),
        });
        if n < 500 {
            event["eventName"] = json!("AssumeRole");
            event["eventSource"] = json!("sts.amazonaws.com");
            event["userIdentity"] = json!({ "type": "IAMUser", "principalId": format!("AIDAEXAMPLE{role:09}"), "accountId": "111111111111",
                "arn": format!("arn:aws:iam::111111111111:user/u-{role}"), "userName": format!("u-{role}"), "accessKeyId": format!("AKIAEXAMPLE{role:09}") });
            event["requestParameters"] =
                json!({ "roleArn": format!("arn:aws:iam::111111111111:role/r-{role}"), "roleSessionName": format!("s-{session}") });
            event["responseElements"] = json!({ "credentials": { "accessKeyId": key, "expiration": "Jan 1, 2026, 12:00:00 PM" },
                "assumedRoleUser": { "assumedRoleId": format!("AROAEXAMPLE{role:09}:s-{session}"), "arn": format!("arn:aws:sts::111111111111:assumed-role/r-{role}/s-{session}") } });
        } else {
            event["eventName"] = json!("DescribeInstances");
            event["eventSource"] = json!("ec2.amazonaws.com");
            event["userIdentity"] = json!({ "type": "AssumedRole", "principalId": format!("AROAEXAMPLE{role:09}:s-{session}"), "accountId": "111111111111",
                "arn": format!("arn:aws:sts::111111111111:assumed-role/r-{role}/s-{session}"), "accessKeyId": key,
                "sessionContext": { "sessionIssuer": { "type": "Role", "principalId": format!("AROAEXAMPLE{role:09}"), "arn": format!("arn:aws:iam::111111111111:role/r-{role}"),
                    "accountId": "111111111111", "userName": format!("r-{role}") }, "attributes": { "creationDate": "2026-01-01T00:00:00Z", "mfaAuthenticated": "false" } } });
            event["requestParameters"] = json!({ "maxResults": 100, "filterSet": {} });
        }
        writeln!(file, "{event}")?;
    }
    Ok(file.flush()?)
}
