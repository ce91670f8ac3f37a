//! `quell doctor`: what is well on this machine and its server, what is not,
//! and the next move for each.

use std::{os::unix::fs::PermissionsExt, path::Path};

use clap::Args;
use quell_store::KeyFile;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Context, connector,
    fault::{Done, OUTSIDE, REFUSED},
    policy, source,
    terminal::{safe, table},
};
use crate::config::{Config, Overrides};

/// Check configuration, file modes, keys, policy, server, planes and checkpoints; exit 1 where something is bad
#[derive(Args)]
#[command(after_help = "Example: quell doctor --config quell.toml")]
pub struct Doctor {
    /// The data directory, where it is another than quell.toml says
    #[arg(long, value_name = "DIR", env = "QUELL_DATA_DIR")]
    data_dir: Option<std::path::PathBuf>,
    /// The key file, where it is another than quell.toml says
    #[arg(long, value_name = "FILE", env = "QUELL_FINGERPRINT_KEY_FILE")]
    fingerprint_key_file: Option<std::path::PathBuf>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Warn,
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Look {
    check: &'static str,
    status: Status,
    message: String,
    /// The next move; `null` where none is needed.
    next: Option<String>,
}

impl Look {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, message: message.into(), next: None }
    }

    fn warn(check: &'static str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, status: Status::Warn, message: message.into(), next: Some(next.into()) }
    }

    fn bad(check: &'static str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, status: Status::Bad, message: message.into(), next: Some(next.into()) }
    }
}

impl Doctor {
    pub async fn run(self, context: &Context) -> Done {
        let overrides = Overrides { data_dir: self.data_dir, fingerprint_key_file: self.fingerprint_key_file, ..Overrides::default() };
        let mut looks = Vec::new();
        match context.local.load(overrides) {
            Err(fault) => looks.push(Look::bad("configuration", fault.detail(), "mend quell.toml, or name another file with `--config`")),
            Ok(config) => {
                looks.push(Look::ok("configuration", format!("{} connectors", config.connectors.len())));
                looks.push(data_dir(&config.data_dir));
                looks.push(key_file(&config));
                looks.extend(secret_files(&config));
                looks.push(policy_set(&config));
            }
        }
        looks.extend(server(context).await);
        let ok = looks.iter().all(|l| l.status != Status::Bad);
        context.print(&json!({ "ok": ok, "checks": looks }), |_| told(&looks))?;
        Ok(if ok { 0 } else { REFUSED })
    }
}

fn told(looks: &[Look]) -> String {
    let rows = looks.iter().map(|l| {
        let status = match l.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Bad => "BAD",
        };
        vec![status.to_owned(), l.check.to_owned(), safe(&l.message), l.next.as_deref().map_or_else(String::new, safe)]
    });
    table(["", "check", "found", "next"], rows)
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|m| m.permissions().mode() & 0o7777)
}

fn data_dir(dir: &Path) -> Look {
    let what = "data directory";
    match mode(dir) {
        None => Look::warn(what, format!("`{}` is not there", dir.display()), "start the server once, or name it with `--data-dir`"),
        Some(mode) if mode & 0o077 != 0 => Look::bad(
            what,
            format!("`{}` has mode {mode:04o}, others may look into it", dir.display()),
            format!("chmod 700 {}", dir.display()),
        ),
        Some(mode) => Look::ok(what, format!("`{}` has mode {mode:04o}", dir.display())),
    }
}

fn key_file(config: &Config) -> Look {
    let (what, path) = ("key file", config.key_file());
    if !path.exists() && config.fingerprint_key_file.is_none() {
        return Look::warn(
            what,
            format!("`{}` is not there", path.display()),
            "the first start of the server makes it; keep a copy apart from the data",
        );
    }
    match KeyFile::read(&path) {
        Err(bad) => Look::bad(what, bad.to_string(), "mend it before the server starts again"),
        Ok(_) if path.starts_with(&config.data_dir) => Look::bad(
            what,
            format!("`{}` lies inside the data directory, so a copy of that opens everything", path.display()),
            "move it out and name it with `fingerprint_key_file`",
        ),
        Ok(_) => Look::ok(what, format!("`{}` is readable by its owner alone", path.display())),
    }
}

/// The secrets that connectors sign in with.
fn secret_files(config: &Config) -> Vec<Look> {
    let what = "secret file";
    let files = config.connectors.iter().flat_map(|c| [(&c.name, &c.secret_file), (&c.name, &c.control.secret_file)]);
    files
        .map(|(name, file)| match mode(file) {
            None => Look::bad(
                what,
                format!("`{}` of connector `{name}` cannot be read", file.display()),
                "write the secret there with mode 0600",
            ),
            Some(mode) if mode & 0o077 != 0 => Look::bad(
                what,
                format!("`{}` of connector `{name}` has mode {mode:04o}", file.display()),
                format!("chmod 600 {}", file.display()),
            ),
            Some(_) => Look::ok(what, format!("`{}` of connector `{name}`", file.display())),
        })
        .collect()
}

fn policy_set(config: &Config) -> Look {
    let report = policy::report(config.policy_dir.clone());
    let which = config.policy_dir.as_ref().map_or_else(|| "the shipped set".to_owned(), |d| format!("`{}`", d.display()));
    match (report.errors.first(), report.warnings.first()) {
        (Some(first), _) => Look::bad("policy", format!("{which}: {first}"), "`quell policy check` names every problem"),
        (None, Some(first)) => Look::warn("policy", format!("{which}: {first}"), "`quell policy check` names every warning"),
        (None, None) => Look::ok("policy", format!("{which}: {} policies", report.policies)),
    }
}

/// What only a running server can tell.
async fn server(context: &Context) -> Vec<Look> {
    let what = "server";
    let (url, client) = match context.server().and_then(|url| context.client().map(|client| (url, client))) {
        Ok(both) => both,
        Err(fault) => return vec![Look::bad(what, fault.detail(), "give `--url` or QUELL_URL")],
    };
    let mut looks = match client.status_of("readyz").await {
        Err(fault) => return vec![Look::warn(what, fault.detail(), "start it with `quell serve`; what follows was not looked at")],
        Ok(200..=299) => vec![Look::ok(what, format!("`{url}` is ready"))],
        Ok(status) => vec![Look::bad(what, format!("`{url}` answers {status} on /readyz"), "read the server's log")],
    };
    match client.get("connectors/check").await {
        Ok(answer) => looks.extend(planes(&answer)),
        Err(fault) => {
            let status = if fault.exit == OUTSIDE { Look::bad } else { Look::warn };
            looks.push(status(
                "planes",
                format!("not looked at: {}", fault.detail()),
                "sign in with `quell login` and set QUELL_TOKEN".to_owned(),
            ));
        }
    }
    looks.push(match client.get("ledger/verify").await {
        Err(fault) => Look::warn("ledger", format!("not looked at: {}", fault.detail()), "ask as an auditor or administrator"),
        Ok(answer) if answer["ok"] == true => witnessed(&answer),
        Ok(_) => Look::bad("ledger", "it is not whole", "stop the server and run `quell ledger replay`"),
    });
    looks
}

fn planes(answer: &Value) -> Vec<Look> {
    let Ok(rows) = source::rows(answer, "connectors") else {
        return vec![Look::bad("planes", "no list of connectors", "update client and server")];
    };
    let list = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        return vec![Look::warn("planes", "no connector is configured", "add a `[[connector]]` to quell.toml")];
    }
    list.iter()
        .map(|row| {
            let name = row["name"].as_str().unwrap_or("?");
            let excess: Vec<&str> =
                row.pointer("/privileges/excess").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            match connector::ailing(row) {
                Some(why) => Look::bad("planes", why, "mend it and run `quell connector check`"),
                None if !connector::is_well(row) => {
                    Look::bad("planes", format!("`{name}` is not well"), "`quell connector check` says why")
                }
                None if !excess.is_empty() => Look::warn(
                    "planes",
                    format!("`{name}` lets Quell do more than it needs: {}", excess.join(", ")),
                    "take the excess away",
                ),
                None if row["armed_until"].is_null() => {
                    Look::warn("planes", format!("`{name}` only observes"), format!("`quell connector arm {name}` lets Quell act"))
                }
                None => Look::ok("planes", format!("`{name}` answers")),
            }
        })
        .collect()
}

/// Nothing of this version witnesses a checkpoint, and an unwitnessed log is
/// only as honest as whoever holds its key.
fn witnessed(answer: &Value) -> Look {
    if answer["witnessed"] == true {
        return Look::ok("ledger", "whole and witnessed");
    }
    Look::warn(
        "ledger",
        "whole; its checkpoints are unwitnessed: nobody else holds a copy",
        "send `quell ledger checkpoint --json` to a place that you do not control alone",
    )
}
