//! One real server in a folder of its own: started, asked, killed, started again.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The password of every account of the tests.
pub const PASSWORD: &str = "correct horse battery";

/// How long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running `quell serve`. Killed when dropped.
pub struct Server {
    pub url: String,
    /// What the ready line said: `None` once there are accounts.
    pub code: Option<String>,
    pub pid: u32,
    pub dir: tempfile::TempDir,
    http: reqwest::Client,
    child: Child,
    launcher: Vec<String>,
}

impl Server {
    /// A fresh installation without a plane.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// A fresh installation with a `quell.toml`.
    pub fn start_with(config: &str) -> Self {
        Self::launch(config, &[])
    }

    /// A server that may not write a file beyond this size: a disk that fills.
    pub fn start_on_a_small_disk(blocks_of_512: u32) -> Self {
        let line = format!("trap '' XFSZ; ulimit -f {blocks_of_512}; exec \"$0\" \"$@\"");
        Self::launch("", &["sh", "-c", &line])
    }

    fn launch(config: &str, launcher: &[&str]) -> Self {
        // Once a process: tests speak plain HTTP, and reqwest wants a provider all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("quell.toml"), config).expect("a configuration");
        let key = dir.path().join("key");
        fs::write(&key, [7; 32]).expect("a key file");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("its mode");
        let launcher: Vec<String> = launcher.iter().map(|s| (*s).to_owned()).collect();
        let (child, ready) = spawn(dir.path(), &launcher);
        Self {
            url: ready["url"].as_str().expect("a url").to_owned(),
            code: ready["setup_code"].as_str().map(str::to_owned),
            pid: u32::try_from(ready["pid"].as_u64().expect("a pid")).expect("small"),
            dir,
            http: reqwest::Client::new(),
            child,
            launcher,
        }
    }

    /// Ends it without a word: what a power cut leaves.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("an end");
    }

    /// Asks it to end.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.child.wait().expect("an end")
    }

    /// Starts it again over the same folder.
    pub fn start_again(&mut self) {
        let (child, ready) = spawn(self.dir.path(), &self.launcher);
        self.child = child;
        self.url = ready["url"].as_str().expect("a url").to_owned();
        self.code = ready["setup_code"].as_str().map(str::to_owned);
    }

    /// Everything that lies in its folder, as bytes: database, WAL, log.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
                if entry.is_dir() { folders.push(entry) } else { found.push((entry.clone(), fs::read(&entry).expect("a file"))) }
            }
        }
        found
    }

    /// A request with a body of bytes; `path` starts after `/api/v1`.
    pub async fn send(&self, path: &str, token: Option<&str>, headers: &[(&str, &str)], body: Vec<u8>) -> (StatusCode, Value) {
        let mut request = self.http.post(format!("{}/api/v1{path}", self.url)).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    /// A request with a JSON body, or none.
    pub async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// GET that must come through.
    pub async fn get(&self, path: &str, token: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, Some(token), None).await;
        assert_eq!(status, StatusCode::OK, "GET {path}: {body}");
        body
    }

    /// POST that must come through.
    pub async fn post(&self, path: &str, token: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, Some(token), Some(body)).await;
        assert_eq!(status, StatusCode::OK, "POST {path}: {answer}");
        answer
    }

    /// POST that must be refused; answers the problem.
    pub async fn refused(&self, path: &str, token: &str, body: Value, status: StatusCode) -> Value {
        let (found, answer) = self.call(Method::POST, path, Some(token), Some(body)).await;
        assert_eq!(found, status, "POST {path}: {answer}");
        assert_eq!(answer["status"], status.as_u16(), "a problem document: {answer}");
        answer
    }

    /// A page outside of the API.
    pub async fn page(&self, path: &str) -> (StatusCode, String) {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("a text"))
    }

    /// The raw answer, for headers and streams.
    pub async fn raw(&self, path: &str, token: &str) -> reqwest::Response {
        self.http.get(format!("{}/api/v1{path}", self.url)).bearer_auth(token).send().await.expect("an answer")
    }

    /// Makes the first administrator; answers the session.
    pub async fn set_up(&self) -> String {
        let body = json!({ "code": self.code, "name": "ada", "password": PASSWORD, "email": "ada@corp.example" });
        let (status, answer) = self.call(Method::POST, "/setup", None, Some(body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// Makes an account and signs it in; answers the session.
    pub async fn person(&self, admin: &str, name: &str, roles: &[&str]) -> String {
        let body = json!({ "name": name, "roles": roles, "email": format!("{name}@corp.example"), "password": PASSWORD });
        self.post("/users", admin, body).await;
        let (status, answer) = self.call(Method::POST, "/login", None, Some(json!({ "user": name, "password": PASSWORD }))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// Makes a source; answers its token.
    pub async fn source(&self, admin: &str, name: &str, detector: &str) -> String {
        let answer = self.post("/sources", admin, json!({ "name": name, "detector": detector })).await;
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// Asks until `done`; panics with the last answer once patience is over.
    pub async fn until(&self, path: &str, token: &str, done: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.get(path, token).await;
            if done(&answer) {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "{path} did not get there: {answer:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let bytes = answer.bytes().await.expect("a body");
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Starts the binary and reads its ready line.
fn spawn(dir: &Path, launcher: &[String]) -> (Child, Value) {
    let binary = env!("CARGO_BIN_EXE_quell").to_owned();
    let argv: Vec<&String> = launcher.iter().chain([&binary]).collect();
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("a log");
    let mut command = Command::new(argv[0]);
    for name in ["QUELL_CONFIG", "QUELL_DATA_DIR", "QUELL_LISTEN", "QUELL_URL", "QUELL_TOKEN", "QUELL_FINGERPRINT_KEY_FILE"] {
        command.env_remove(name);
    }
    let mut child = command
        .args(&argv[1..])
        .args(["serve", "--listen", "127.0.0.1:0", "--json", "--config"])
        .arg(dir.join("quell.toml"))
        .arg("--data-dir")
        .arg(dir.join("data"))
        .arg("--fingerprint-key-file")
        .arg(dir.join("key"))
        .env("QUELL_LOG", "debug")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let ready: Value = serde_json::from_str(&line)
        .unwrap_or_else(|e| panic!("{e}: not a ready line: {line:?}; log: {}", fs::read_to_string(dir.join("log")).unwrap_or_default()));
    assert_eq!(ready["event"], "ready");
    (child, ready)
}
