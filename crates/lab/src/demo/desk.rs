//! Drives the `quell` binary as its users would: command line and HTTP alone.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A running server and the people who talk to it.
pub struct Desk {
    quell: PathBuf,
    dir: PathBuf,
    server: Child,
    pub url: String,
    /// Name -> sign-in token.
    tokens: BTreeMap<String, String>,
    /// Account -> name.
    names: BTreeMap<String, String>,
}

/// The password that every account of the demo has; it opens nothing but the demo.
const PASSWORD: &str = "demo only: correct horse battery";

impl Desk {
    /// Starts `quell serve` over `dir/quell.toml` and makes the first account.
    pub fn open(quell: &Path, dir: &Path, log: &Path) -> Result<Self> {
        let log = File::create(log).context("make the server's log")?;
        let mut server = Command::new(quell)
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--config"])
            .arg(dir.join("quell.toml"))
            .arg("--data-dir")
            .arg(dir.join("data"))
            .arg("--fingerprint-key-file")
            .arg(dir.join("key"))
            .env_remove("QUELL_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start `{}`; build it with `cargo build --profile demo -p quell`", quell.display()))?;
        let out = server.stdout.take().context("the server's output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).context("read the ready line")?;
        let ready: Value = serde_json::from_str(&line).with_context(|| "the server did not become ready; read server.log".to_string())?;
        let url = ready["url"].as_str().context("the ready line names no url")?.to_owned();
        let code = ready["setup_code"].as_str().context("the ready line names no setup code")?.to_owned();
        let mut desk = Self { quell: quell.to_owned(), dir: dir.to_owned(), server, url, tokens: BTreeMap::new(), names: BTreeMap::new() };
        crate::private::write(&dir.join("password"), PASSWORD)?;
        let password = dir.join("password");
        let made = desk.json("", &["setup", "--code", &code, "--admin", "ada", "--password-file", &text(&password)])?;
        desk.tokens.insert("ada".to_owned(), made["token"].as_str().context("no token")?.to_owned());
        Ok(desk)
    }

    /// Makes an account and signs it in.
    pub fn person(&mut self, name: &str, roles: &[&str]) -> Result<()> {
        let password = text(&self.dir.join("password"));
        let email = format!("{name}@corp.example");
        let mut args = vec!["user", "create", name, "--email", &email, "--password-file", &password];
        for role in roles {
            args.extend(["--role", role]);
        }
        let made = self.json("ada", &args)?;
        self.names.insert(made["user"].as_str().unwrap_or_default().to_owned(), name.to_owned());
        let signed = self.json("", &["login", "--user", name, "--password-file", &password])?;
        self.tokens.insert(name.to_owned(), signed["token"].as_str().context("no token")?.to_owned());
        Ok(())
    }

    /// The name of an account.
    #[must_use]
    pub fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        self.names.get(id).map_or(id, String::as_str)
    }

    /// Keeps a token that is not a person's.
    pub fn keep(&mut self, name: &str, token: &str) {
        self.tokens.insert(name.to_owned(), token.to_owned());
    }

    /// Runs one command as `who`; answers exit code, stdout, stderr.
    pub fn run(&self, who: &str, args: &[&str]) -> Result<(i32, String, String)> {
        let mut command = Command::new(&self.quell);
        command
            .args(args)
            .env("QUELL_URL", &self.url)
            .env("QUELL_CONFIG", self.dir.join("quell.toml"))
            .env_remove("QUELL_TOKEN")
            .env("RUST_BACKTRACE", "0");
        if let Some(token) = self.tokens.get(who) {
            command.env("QUELL_TOKEN", token);
        }
        let out = command.stdin(Stdio::null()).output().with_context(|| format!("run `quell {}`", args.join(" ")))?;
        Ok((
            out.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        ))
    }

    /// Runs one command with `--json` that must end with 0.
    pub fn json(&self, who: &str, args: &[&str]) -> Result<Value> {
        let mut all = args.to_vec();
        all.push("--json");
        let (code, out, err) = self.run(who, &all)?;
        if code != 0 {
            bail!("`quell {}` ended with {code}: {}", args.join(" "), err.trim());
        }
        serde_json::from_str(&out).with_context(|| format!("`quell {}` printed no JSON", args.join(" ")))
    }

    /// One GET of the API.
    pub fn get(&self, who: &str, path: &str) -> Result<Value> {
        let token = self.tokens.get(who).cloned().unwrap_or_default();
        let url = format!("{}{path}", self.url);
        // A request of its own on a thread of its own: the story is told in order.
        std::thread::spawn(move || -> Result<Value> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await?;
                Ok(answer.error_for_status()?.json().await?)
            })
        })
        .join()
        .map_err(|_| anyhow::anyhow!("a request did not come back"))?
    }

    /// The case as JSON.
    pub fn case(&self, id: &str) -> Result<Value> {
        self.json("lea", &["case", "show", id])
    }

    /// Looks at a case until `done`, telling each new headline.
    #[expect(clippy::disallowed_methods, reason = "a real server is waited for by the machine's clock")]
    pub fn watch(&self, id: &str, within: Duration, mut tell: impl FnMut(&str), mut done: impl FnMut(&Value) -> bool) -> Result<Value> {
        let began = Instant::now();
        let mut last = String::new();
        loop {
            let case = self.case(id)?;
            let headline = case["headline"].as_str().unwrap_or_default();
            if headline != last {
                tell(headline);
                last = headline.to_owned();
            }
            if done(&case) {
                return Ok(case);
            }
            if began.elapsed() > within {
                let tasks: Vec<&str> = case["tasks"].as_array().into_iter().flatten().filter_map(|t| t["what"].as_str()).collect();
                let (seconds, tasks) = (within.as_secs(), tasks.join("\n  "));
                bail!("the case did not get there in {seconds} s; its headline is: {last}\nin people's hands:\n  {tasks}");
            }
            crate::clock::until(Duration::from_millis(60), || false);
        }
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Ends the server as an operator would; answers its exit code.
    pub fn close(mut self) -> Result<i32> {
        let pid = rustix::process::Pid::from_child(&self.server);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        Ok(self.server.wait()?.code().unwrap_or(-1))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Nothing outlives the demo, whatever went wrong; an ended server is no fault.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A path as an argument.
#[must_use]
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Writes text that anybody may read.
pub fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("write `{}`", path.display()))
}
